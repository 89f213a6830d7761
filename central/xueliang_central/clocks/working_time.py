"""How much working time has passed, and when a given amount will have: over nights, weekends, holidays (pure).

Working time is a row of periods, begin included, end not; hours that touch are one period. A limit is due at the first
moment at which its amount has been worked: one that needs the last minute of a day is due when that day ends, not when
the next begins. One that starts while nobody works starts with the next period; an amount of zero is due at its start.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import NamedTuple

from xueliang_configs.calendars import Calendar
from xueliang_configs.schedules import zone_of


class Period(NamedTuple):
    """Time in which people work (aware, UTC); `until` is not part of it."""

    begin: datetime
    until: datetime


def due_after(calendar: Calendar, start: datetime, seconds: float) -> datetime:
    """The first moment at which so much has been worked since `start` (aware). UTC, or `start` itself for zero."""
    left = timedelta(seconds=seconds)
    if left <= timedelta():
        return start
    for begin, until in periods_after(calendar, start):
        begin = max(begin, start)
        if begin + left <= until:
            return (begin + left).astimezone(UTC)
        left -= until - begin
    raise LookupError(f"no {seconds:g} s of working time after {start.isoformat()}")  # a loaded calendar has them


def periods_between(calendar: Calendar, start: datetime, end: datetime) -> list[Period]:
    """The working periods that lie in this time, cut to it; `end` may not be infinitely far."""
    found = takewhile(lambda one: one.begin < end, periods_after(calendar, start))
    return [Period(max(one.begin, start), min(one.until, end)) for one in found]


def periods_after(calendar: Calendar, start: datetime) -> Iterator[Period]:
    """The working periods that end after this moment (aware), in order; the first may have begun before it."""
    before: Period | None = None
    for one in _stretches(calendar, start):
        if before is not None and one.begin <= before.until:
            before = Period(before.begin, max(before.until, one.until))
            continue
        if before is not None and before.until > start:
            yield before
        before = one
    if before is not None and before.until > start:
        yield before


def _stretches(calendar: Calendar, start: datetime) -> Iterator[Period]:
    """Band by band, from the day before (its night goes on) to the last day that a date can say."""
    zone = zone_of(calendar.time_zone)
    first = start.astimezone(UTC).astimezone(zone).date() - timedelta(days=1)
    for number in range(first.toordinal(), date.max.toordinal() - 1):
        day = date.fromordinal(number)
        for band in calendar.bands_on(day):
            midnight = datetime.combine(day, time())
            ends = band.until + (24 * 60 if band.is_over_midnight else 0)
            begin, until = (
                (midnight + timedelta(minutes=minutes)).replace(tzinfo=zone).astimezone(UTC)
                for minutes in (band.start, ends)
            )
            if begin < until:  # a change of DST may leave nothing of a short band
                yield Period(begin, until)
