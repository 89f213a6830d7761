"""Do rows with hours leave an hour out, and is each of them of use? Asked of a table before it is used (pure).

What schedules say changes only at the turns of their bands and, from one week to the next, only at the edges of
their exceptions; so every turn of a usual week, and of the nine days after each edge (a band over midnight belongs to
the day before), stands for all moments there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from xueliang_configs.schedules import EVERY_DAY, Schedule, clock_text

Hours = Schedule | None  # None: at any hour
_ANY_DAY: Final = date(2026, 1, 5)
_AFTER_AN_EDGE: Final = 9


def first_gap(hours: Sequence[Hours]) -> str | None:
    """The first hour that none of these holds, as words: "sun 06:00", "2026-10-01 00:00". None: there is none.

    Schedules of several time zones do not add up: what they leave out would move over the year.
    """
    if None in hours:
        return None
    schedules = [one for one in hours if one is not None]
    if len({one.time_zone for one in schedules}) != 1:
        return "any hour (rows of several time zones, or none)"
    usual, moments = _moments(schedules)
    for day, minute in moments:
        if not any(one.holds(day, minute) for one in schedules):
            shown = EVERY_DAY[day.weekday()].value if day < usual else day.isoformat()
            return f"{shown} {clock_text(minute)}"
    return None


def is_of_use(row: Hours, above: Sequence[Hours]) -> bool:
    """True when this row decides at some hour that none of those above it holds."""
    if None in above:
        return False
    schedules = [one for one in above if one is not None]
    if row is None:
        return not schedules or first_gap(schedules) is not None
    if len({row.time_zone, *(one.time_zone for one in schedules)}) != 1:
        return True
    _, moments = _moments([row, *schedules])
    return any(
        row.holds(day, minute) and not any(one.holds(day, minute) for one in schedules) for day, minute in moments
    )


def _moments(schedules: Sequence[Schedule]) -> tuple[date, Iterator[tuple[date, int]]]:
    """The day from which on days are not those of a usual week, and every moment to look at, in order."""
    edges = {
        edge
        for one in schedules
        for exception in one.exceptions
        for edge in (exception.first, (exception.last or exception.first) + timedelta(days=1))
    }
    first = min(edges, default=_ANY_DAY)
    week = [first - timedelta(days=back) for back in range(14, 7, -1)]
    week.sort(key=date.weekday)
    special = sorted({edge + timedelta(days=more) for edge in edges for more in range(_AFTER_AN_EDGE)})
    turns = sorted(frozenset[int]().union(*(one.turns() for one in schedules)))
    return first, ((day, minute) for day in (*week, *special) for minute in turns)
