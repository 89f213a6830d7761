"""The minutes of a week in which a rule may raise, and the schedule that says so. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.schedules import DAY_MINUTES, DEFAULT_TIME_ZONE, EVERY_DAY, Day, Schedule, clock_text, zone_of


@dataclass(frozen=True, slots=True)
class Band:
    """Minutes from `start` on, before `until`, of these days (0: Monday). Never over midnight."""

    days: tuple[int, ...]
    start: int
    until: int

    @property
    def words(self) -> str:
        days = {(0, 1, 2, 3, 4, 5, 6): "every day", (0, 1, 2, 3, 4): "mon-fri", (5, 6): "sat, sun"}
        named = days.get(self.days) or ", ".join(EVERY_DAY[day] for day in self.days)
        return f"{named} {clock_text(self.start)}-{clock_text(self.until)}"

    @property
    def minutes_a_week(self) -> int:
        return len(self.days) * (self.until - self.start)

    def wider(self, minutes: int) -> Band:
        """So much earlier and later, within the day, and on every day: a habit of one day is near those of others."""
        return Band(tuple(range(7)), max(0, self.start - minutes), min(DAY_MINUTES, self.until + minutes))

    def meets(self, day: int, start: int, until: int) -> bool:
        """Whether it has a minute in common with these of a day, both ends included."""
        return day in self.days and start < self.until and until >= self.start


@dataclass(frozen=True, slots=True, eq=False)
class Week:
    """is_active: bool (7, 1440), may the rule raise."""

    is_active: NDArray[np.bool_]

    @classmethod
    def of(cls, written: Mapping[str, Any] | None) -> Week:
        """Of a schedule as it is written; None: always."""
        active = np.ones((7, DAY_MINUTES), np.bool_)
        if written is None:
            return cls(active)
        active[:] = False
        for band in Schedule.model_validate(written).bands:
            for day in (EVERY_DAY.index(Day(one)) for one in band.days):
                active[day, band.start : DAY_MINUTES if band.is_over_midnight else band.until] = True
                if band.is_over_midnight:
                    active[(day + 1) % 7, : band.until] = True
        return cls(active)

    def without(self, band: Band) -> Week:
        active = self.is_active.copy()
        active[list(band.days), band.start : band.until] = False
        return Week(active)

    def schedule(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """As it is written. Time zone and days that are different stay those of `before`."""
        days_of: dict[tuple[int, int], list[Day]] = defaultdict(list)
        for day, minutes in zip(EVERY_DAY, self.is_active, strict=True):
            edges = np.flatnonzero(np.diff(np.concatenate([[0], minutes.astype(np.int8), [0]]))).tolist()
            for start, until in zip(edges[::2], edges[1::2], strict=True):
                days_of[start, until].append(day)
        bands = [
            {"days": [day.value for day in days], "start": clock_text(start), "until": clock_text(until)}
            for (start, until), days in sorted(days_of.items())
        ]
        kept = {name: value for name, value in (before or {}).items() if name in ("time_zone", "exceptions") and value}
        return {"time_zone": DEFAULT_TIME_ZONE} | kept | {"bands": bands}


def time_zone_of(rule: Any) -> str:
    """In which a rule's hours are written."""
    schedule = getattr(rule, "schedule", None)
    return schedule.time_zone if isinstance(schedule, Schedule) else DEFAULT_TIME_ZONE


def local_of(at: datetime, time_zone: str) -> datetime:
    return at.astimezone(zone_of(time_zone))
