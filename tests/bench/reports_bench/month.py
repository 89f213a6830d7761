"""Days of a made-up city as the centre would have written them: incidents, their timelines and their clocks.

90,000 alerts a day (DOMAIN: the plan of a city of 30,000 cameras) in 6,000 incidents, by local hour as a city lives:
few at night, most in the afternoon. No alert is written: what a roll-up needs of them is the count in their incident.
"""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from tests.support.rows import filled
from xueliang_alerts.contract import Hazard
from xueliang_central.areas.tree import path_by_code
from xueliang_central.clocks.tables import clocks
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.reports.periods import Period

ALERTS_PER_DAY: Final = 90_000
INCIDENTS_PER_DAY: Final = 6_000
_BY_HOUR: Final = tuple(1.2 + math.sin((hour - 9) * math.pi / 12) for hour in range(24))
_HAZARDS: Final = tuple(hazard.value for hazard in Hazard if hazard is not Hazard.GEO_HAZARD)  # stations tell of that
_WEIGHTS: Final = (14, 8, 3, 30, 6, 5, 4, 4, 8, 2, 4, 12)
_ENDS: Final = ("verified", "verified", "verified", "ended_by_itself", "false_alarm", "permitted", "checked_by_hand")

Row = dict[str, Any]


@dataclass(slots=True)
class Day:
    """The rows of one local day."""

    incidents: list[Row] = field(default_factory=list)
    timeline: list[Row] = field(default_factory=list)
    clocks: list[Row] = field(default_factory=list)


def days(first: date, total: int, grids: list[str], *, seed: int = 1) -> Iterator[Day]:
    """Each day's rows; the same for the same seed. Times as in a centre: what happens together has one time."""
    dice = random.Random(seed)
    for number in range(total):
        day = Day()
        begins = Period(first + timedelta(days=number), 0).begins_at
        left = ALERTS_PER_DAY - INCIDENTS_PER_DAY
        for nth in range(INCIDENTS_PER_DAY):
            hour = dice.choices(range(24), _BY_HOUR)[0]
            opened_at = begins + timedelta(hours=hour, seconds=dice.uniform(0, 3600))
            folded = min(left, int(dice.expovariate(INCIDENTS_PER_DAY / (ALERTS_PER_DAY - INCIDENTS_PER_DAY))))
            folded = left if nth == INCIDENTS_PER_DAY - 1 else folded  # so that every day has as many
            left -= folded
            _add_case(day, dice, opened_at, dice.choice(grids), folded + 1, f"{number:03d}-{nth:05d}")
        yield day


def _add_case(day: Day, dice: random.Random, opened_at: datetime, grid: str, alerts: int, number: str) -> None:
    incident_id = str(uuid.UUID(int=dice.getrandbits(128)))
    end = dice.choice(_ENDS)
    at = opened_at

    def after(mean_s: float) -> datetime:
        nonlocal at
        at += timedelta(seconds=mean_s * dice.lognormvariate(0, 0.7))
        return at

    def said(kind: str, actor: str = "user") -> None:
        named = {"kind": kind, "actor_kind": actor, "actor_name": "x", "params": {}}
        day.timeline.append({"incident_id": incident_id, "at": at, **named})

    def ran(kind: str, since: datetime, limit_s: float) -> None:
        due_at = since + timedelta(seconds=limit_s)
        row = filled(clocks, clock_id=str(uuid.UUID(int=dice.getrandbits(128))), incident_id=incident_id, kind=kind)
        times = {"started_at": since, "due_at": due_at, "stopped_at": at}
        day.clocks.append({**row, **times, "breached_at": due_at if at > due_at else None})

    said("opened", "system")
    after(40)
    if end in {"false_alarm", "permitted"}:
        said("closed")
        ran("judge", opened_at, 60)
    elif end == "ended_by_itself":
        said("closed", "system")
    else:
        said("confirmed")
        ran("judge", opened_at, 60)
        sent_at = at
        after(90)
        said("taken")
        ran("take", sent_at, 180)
        after(400)
        said("arrived")
        ran("arrive", sent_at, 900)
        after(600)
        said("handled")
        handled_at = at
        after(120)
        said("verified" if end == "verified" else "closed", "system" if end == "verified" else "user")
        ran("check", handled_at, 600)
    day.incidents.append(
        filled(
            incidents,
            incident_id=incident_id,
            number=number,
            hazard=dice.choices(_HAZARDS, _WEIGHTS)[0],
            severity=dice.choice((2, 3, 3, 4)),
            state="closed",
            drill=False,
            area_code=grid,
            area_path=path_by_code(grid),
            place_key=incident_id,
            opened_at=opened_at,
            updated_at=at,
            alert_count=alerts,
            closed_at=at,
            close_reason=end,
            reopened_count=int(dice.random() < 0.03),
        )
    )


COPIED: Final = ((incidents, "incidents"), (incident_timeline, "timeline"), (clocks, "clocks"))
