"""Who is on duty from a moment to another, as stretches in which nobody comes or goes (pure).

Only moments at which something can begin or end are asked about, each by `on_duty`: what a week shows is what dispatch
would find at any moment of it, days that are different and changes of the clock included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from xueliang_central.people.duty import Duty, Person, Shift, on_duty
from xueliang_configs.schedules import Schedule, zone_of


@dataclass(frozen=True, slots=True)
class Stretch:
    """Aware moments; the end is not included."""

    starts_at: datetime
    ends_at: datetime
    duty: Duty


def stretches(
    people: Sequence[Person], shifts: Sequence[Shift], starts_at: datetime, ends_at: datetime
) -> tuple[Stretch, ...]:
    """In their order, without a gap between them. Shifts of anybody else do not matter."""
    edges = sorted({starts_at, *(at for at in _edges(shifts, starts_at, ends_at) if starts_at < at < ends_at)})
    found: list[Stretch] = []
    for at, until in zip(edges, [*edges[1:], ends_at], strict=True):
        duty = on_duty(people, shifts, at)
        if found and found[-1].duty == duty:
            found[-1] = Stretch(found[-1].starts_at, until, duty)
        else:
            found.append(Stretch(at, until, duty))
    return tuple(found)


def _edges(shifts: Iterable[Shift], starts_at: datetime, ends_at: datetime) -> Iterator[datetime]:
    schedules: dict[str, set[int]] = {}
    for shift in shifts:
        yield from (at.astimezone(UTC) for at in (shift.starts_at, shift.ends_at) if at is not None)
        if shift.weekly is not None:
            schedules.setdefault(shift.weekly.time_zone, {0}).update(_minutes(shift.weekly))
    for zone_name, minutes in schedules.items():
        yield from _clock_edges(zone_name, minutes, starts_at, ends_at)


def _minutes(weekly: Schedule) -> Iterator[int]:
    """Of a day, at which a band begins or ends."""
    for band in (*weekly.bands, *(band for one in weekly.exceptions for band in one.bands)):
        yield band.start
        yield band.until


def _clock_edges(zone_name: str, minutes: set[int], starts_at: datetime, ends_at: datetime) -> Iterator[datetime]:
    zone = zone_of(zone_name)
    day, last = starts_at.astimezone(zone).date() - timedelta(days=1), ends_at.astimezone(zone).date()
    while day <= last:
        for minute in minutes:
            yield from (moment.astimezone(UTC) for moment in _on(day, minute, zone_name))
        day += timedelta(days=1)
    if starts_at.astimezone(zone).utcoffset() != ends_at.astimezone(zone).utcoffset():
        # The clock changes in between, at a full hour: what would begin in an hour that is left out begins there.
        hour = starts_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour < ends_at:
            yield hour
            hour += timedelta(hours=1)


def _on(day: date, minute: int, zone_name: str) -> Iterator[datetime]:
    """That minute of a local day: twice where the clock is put back."""
    plain = datetime.combine(day, time()) + timedelta(minutes=minute)
    for fold in (0, 1):
        yield plain.replace(tzinfo=zone_of(zone_name), fold=fold)
