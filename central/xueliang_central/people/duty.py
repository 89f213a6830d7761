"""Who is on duty, where, at a moment (pure).

Whoever has no shift is always on duty in the own area: a centre without rosters works as if there were none. Shifts
that overlap add up; a leave wins over all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from xueliang_configs.schedules import Schedule


class ShiftKind(StrEnum):
    """Weekly bands of local time; a span between two moments; a span off duty."""

    WEEKLY = "weekly"
    SPAN = "span"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who could be sent or told, with the one area this person belongs to, or is on duty in."""

    user_id: str
    display_name: str
    role: str
    area_code: str


@dataclass(frozen=True, slots=True)
class Shift:
    """One line of a person's roster.

    Attributes:
        area_code: where; None for a leave, which is from everywhere.
        weekly: only of a weekly one.
        valid_from, valid_to: local days on which a weekly band may begin, both included; None: open. The night that
            begins on the last of them holds until its morning.
        starts_at, ends_at: of a span or a leave, aware; the end is not included.
    """

    user_id: str
    kind: ShiftKind
    area_code: str | None = None
    weekly: Schedule | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Is this moment (aware) inside it?"""
        if self.weekly is not None:
            return any(self._is_valid_on(day) for day in self.weekly.begun_on(at))
        if self.starts_at is None or self.ends_at is None:
            return False
        return self.starts_at <= at < self.ends_at

    def _is_valid_on(self, day: date) -> bool:
        begins = self.valid_from is None or self.valid_from <= day
        return begins and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Duty:
    """Where people stand at one moment.

    Attributes:
        present: on duty, each under the area where; somebody who is on duty in two areas is here twice.
        off: have shifts, and none of them now; under the area they belong to.
        on_leave: the same, for a leave.
        unrostered: user_ids of those present who have no shift at all.
        silent: on duty by the roster, at a desk that no page says they are at (`people.presence`); not in `present`.
    """

    present: tuple[Person, ...] = ()
    off: tuple[Person, ...] = ()
    on_leave: tuple[Person, ...] = ()
    unrostered: frozenset[str] = frozenset()
    silent: tuple[Person, ...] = ()


def on_duty(people: Iterable[Person], shifts: Iterable[Shift], now: datetime) -> Duty:
    """Sort people by whether they are on duty at `now` (aware). Shifts of anybody else do not matter."""
    shifts_of: dict[str, list[Shift]] = defaultdict(list)
    for shift in shifts:
        shifts_of[shift.user_id].append(shift)
    present: list[Person] = []
    off: list[Person] = []
    on_leave: list[Person] = []
    unrostered: set[str] = set()
    for person in people:
        own = shifts_of.get(person.user_id, [])
        work = [shift for shift in own if shift.kind is not ShiftKind.LEAVE]
        if any(shift.kind is ShiftKind.LEAVE and shift.holds(now) for shift in own):
            on_leave.append(person)
        elif not work:
            present.append(person)
            unrostered.add(person.user_id)
        else:
            where = dict.fromkeys(shift.area_code for shift in work if shift.holds(now))
            places = [replace(person, area_code=code) for code in where if code is not None]
            present.extend(places)
            if not places:
                off.append(person)
    return Duty(tuple(present), tuple(off), tuple(on_leave), frozenset(unrostered))
