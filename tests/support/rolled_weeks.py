"""Some weeks of a city as the worker would have rolled them up, for pages that show figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import create_engine, insert

from tests.support.puppet_node import CentreOnly
from xueliang_central.areas.tree import parent_code
from xueliang_central.reports.facts import COUNTS
from xueliang_central.reports.histograms import one, pack
from xueliang_central.reports.tables import rollups


def rollup_rows(code: str, day: date, shift: int, hazard: str, **named: Any) -> list[dict[str, Any]]:
    """What the worker would hold of one grid, in it and in all above it."""
    durations = pack(sum(one(step, seconds) for step, all_s in named.pop("steps", {}).items() for seconds in all_s))
    row = {"day": day, "shift": shift, "hazard": hazard, "drill": False, "part": "incidents", "durations": durations}
    row |= {**dict.fromkeys(COUNTS, 0), **named}
    found, above = [], str(code)
    while above:
        found.append({**row, "area_code": above, "parent_code": parent_code(above)})
        above = parent_code(above) or ""
    return found


def fill(installation: CentreOnly, rows: list[dict[str, Any]]) -> None:
    """Rolled up long ago, as far as the worker knows: no event tells of it, so nothing is counted anew."""
    summed: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("area_code", "day", "shift", "hazard"))
        if key not in summed:
            summed[key] = dict(row)
            continue
        for name in COUNTS:
            summed[key][name] += row[name]
    [file] = (installation.folder / "centre").glob("*.db")
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as conn:
        conn.execute(insert(rollups), list(summed.values()))
    engine.dispose()


def some_weeks(grids: Sequence[str], today: date) -> list[dict[str, Any]]:
    """Four weeks of these grids with every figure, and one hazard with two cases only."""
    found = []
    for number in range(28):
        few = 1 + (number * 5) % 7
        steps = {
            "judged": [40 + number * 9, 95, 300],
            "dispatched": [60, 130, 420],
            "taken": [20, 45 + number, 200],
            "arrived": [200, 500, 1500],
            "handled": [600, 1800, 7200],
            "closed": [3600, 9000, 90_000],
        }
        counts = {"incidents": few + 2, "alerts": 5 * few, "folded": 4 * few, "true_hazard": few, "false_alarm": 1}
        counts |= {"unjudged": 1, "dispatched": few, "closed": few, "closed_once": few, "reopened": number % 2}
        counts |= {"returned": number % 2, "judge_on_time": few, "judge_late": 1, "take_on_time": few, "take_late": 1}
        counts |= {"arrive_on_time": few, "arrive_late": number % 2}
        hazard = ("fire_lane_obstruction", "illegal_parking", "crowd")[number % 3]
        day = today - timedelta(days=number)
        found += rollup_rows(grids[number % 5], day, number % 3, hazard, steps=steps, **counts)
    found += rollup_rows(
        grids[0], today, 1, "fire_smoke", incidents=2, alerts=2, true_hazard=2, steps={"taken": [9, 9]}
    )
    return found
