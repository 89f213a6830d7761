"""A report: what the roll-ups hold of one area and some days, as a whole and in groups.

Reads rows of the asked area, or of those one level down: never one of an incident, however large the area is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.clocks.limits import BY_POLICY
from xueliang_central.reports import rolling
from xueliang_central.reports.facts import COUNTS
from xueliang_central.reports.histograms import SINCE, STEPS, added, counts_of, percentile_s
from xueliang_central.reports.tables import rollup_state, rollups

View = dict[str, Any]
Grouping = Literal["none", "hazard", "shift", "day", "area"]

# Of a rate: what counts, and of what. Permitted and duplicate are neither a false alarm nor a true one.
RATES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "false_alarm": ("false_alarm", ("true_hazard", "false_alarm")),
    "returned": ("returned", ("dispatched",)),
    "reopened": ("reopened", ("closed_once",)),
    "unit_cleared": ("unit_cleared", ("unit_told",)),
    "reply_on_time": ("reply_on_time", ("reply_on_time", "reply_late")),
    **{
        f"{kind.value}_on_time": (f"{kind.value}_on_time", (f"{kind.value}_on_time", f"{kind.value}_late"))
        for kind in BY_POLICY
    },
}
_KEYS: Final[Mapping[str, ColumnElement[Any]]] = {
    "hazard": rollups.c.hazard,
    "shift": rollups.c.shift,
    "day": rollups.c.day,
    "area": rollups.c.area_code,
}


@dataclass(frozen=True, slots=True)
class Question:
    """`first`, `last`: local days, both included. `drill`: drills only, which are in no other figure."""

    area_code: str
    first: date
    last: date
    group: Grouping = "none"
    hazard: str | None = None
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """Everything of one group."""

    counts: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    durations: int = 0

    def less(self, others: Sequence[Sums]) -> Sums:
        """What is left of it without these parts of it."""
        counts = {name: self.counts[name] - sum(other.counts[name] for other in others) for name in COUNTS}
        return Sums(counts, self.durations - sum(other.durations for other in others))


@dataclass(frozen=True, slots=True)
class Answer:
    """`groups` by key. Of areas: each one level down, and under the own code what lies in none of them."""

    total: Sums
    groups: Mapping[Any, Sums]


async def answer(conn: AsyncConnection, asked: Question) -> Answer:
    """What the roll-ups say."""
    total = (await _sums(conn, asked, None)).get(None, Sums())
    if asked.group == "none":
        return Answer(total, {})
    groups = await _sums(conn, asked, _KEYS[asked.group])
    if asked.group == "area":
        here = total.less(list(groups.values()))
        if any(here.counts.values()):
            groups[asked.area_code] = here
    return Answer(total, groups)


async def _sums(conn: AsyncConnection, asked: Question, key: ColumnElement[Any] | None) -> dict[Any, Sums]:
    of_area = rollups.c.parent_code if key is rollups.c.area_code else rollups.c.area_code
    conditions = [of_area == asked.area_code, rollups.c.day.between(asked.first, asked.last)]
    conditions.append(rollups.c.drill == asked.drill)
    if asked.hazard is not None:
        conditions.append(rollups.c.hazard == asked.hazard)
    totals: Select[Any] = select(*(func.sum(rollups.c[name]).label(name) for name in COUNTS)).where(*conditions)
    stored: Select[Any] = select(rollups.c.durations).where(*conditions, rollups.c.durations.is_not(None))
    if key is not None:
        totals, stored = totals.add_columns(key.label("key")).group_by(key), stored.add_columns(key.label("key"))
    durations: dict[Any, list[bytes]] = {}
    for row in await conn.execute(stored):
        durations.setdefault(None if key is None else row.key, []).append(row.durations)
    rows = (await conn.execute(totals)).mappings().all()
    # A year of a city by area is a hundred thousand rows and seconds of work: other requests and streams go on.
    sums = await asyncio.to_thread(lambda: {which: added(those) for which, those in durations.items()})
    found: dict[Any, Sums] = {}
    for row in rows:
        which = None if key is None else row["key"]
        found[which] = Sums({name: int(row[name] or 0) for name in COUNTS}, sums.get(which, 0))
    return found


def shown(sums: Sums) -> View:
    """Counts; rates with numerator and denominator; each step's percentiles. Null where there is nothing to say."""
    return {
        "counts": dict(sums.counts),
        "rates": {name: _rate(sums.counts, *parts) for name, parts in RATES.items()},
        "steps": {step: _step(sums.durations, step) for step in STEPS},
    }


def _rate(counts: Mapping[str, int], numerator: str, denominator: Sequence[str]) -> View:
    of = sum(counts[name] for name in denominator)
    return {"numerator": counts[numerator], "denominator": of, "value": counts[numerator] / of if of else None}


def _step(durations: int, step: str) -> View:
    counts = counts_of(durations, step)
    p50_s, p90_s = (percentile_s(counts, share) for share in (0.5, 0.9))
    return {
        "since": SINCE[step],
        "n": sum(counts),
        "p50_s": None if p50_s is None else round(p50_s, 1),
        "p90_s": None if p90_s is None else round(p90_s, 1),
    }


async def freshness(conn: AsyncConnection) -> View:
    """Whether the roll-ups hold everything that has happened, and what is missing."""
    behind, waiting = await rolling.standing(conn)
    rolled_at = (await conn.execute(select(rollup_state.c.rolled_at))).scalar_one()
    return {
        "is_current": not behind and not waiting,
        "events_behind": behind,
        "units_waiting": waiting,
        "rolled_at": None if rolled_at is None else rolled_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
