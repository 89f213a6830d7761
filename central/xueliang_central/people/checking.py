"""What a roster may hold (pure): every problem at once, each with where it is, what was expected and what came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from xueliang_central.areas.tree import AreaTree
from xueliang_central.people.duty import Shift, ShiftKind
from xueliang_central.rights.scope import within

MOST_SHIFTS: Final = 100  # of one person: weekly lines and the spans and leaves of a year
LONGEST_SPAN: Final = timedelta(days=366)  # of a span or a leave; what lasts longer is a weekly line, or a typing error
_EARLIEST: Final = 2000
_LATEST: Final = 2100


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `where`: the field of a shift, or of the whole roster."""

    where: str
    expected: str
    got: str

    def under(self, place: str) -> Problem:
        """The same, inside of something: "shifts.3"."""
        return replace(self, where=f"{place}.{self.where}" if self.where else place)


def at_home(shift: Shift, own_code: str) -> Shift:
    """A shift that names no area is one of the person's own area; a leave is from everywhere."""
    if shift.area_code is None and shift.kind is not ShiftKind.LEAVE:
        return replace(shift, area_code=own_code)
    return shift


def problems_of_roster(shifts: Sequence[Shift], own_path: str, tree: AreaTree) -> list[Problem]:
    """Of a whole roster of a person who belongs to `own_path`; `where` begins with "shifts"."""
    if len(shifts) > MOST_SHIFTS:
        return [Problem("shifts", f"at most {MOST_SHIFTS} shifts of one person", str(len(shifts)))]
    found = [
        one.under(f"shifts.{number}")
        for number, shift in enumerate(shifts)
        for one in problems_of_shift(shift, own_path, tree)
    ]
    first: dict[Shift, int] = {}
    for number, shift in enumerate(shifts):
        if shift in first:
            found.append(Problem(f"shifts.{number}", "each shift once", f"the same as shifts.{first[shift]}"))
        first.setdefault(shift, number)
    return found


def problems_of_shift(shift: Shift, own_path: str, tree: AreaTree) -> list[Problem]:
    """Of one shift, its area filled in (`at_home`); `where` is the name of a field."""
    times = _weekly(shift) if shift.kind is ShiftKind.WEEKLY else _span(shift)
    return [*_place(shift, own_path, tree), *times]


def _place(shift: Shift, own_path: str, tree: AreaTree) -> Iterator[Problem]:
    if shift.kind is ShiftKind.LEAVE:
        if shift.area_code is not None:
            yield Problem("area_code", "nothing: a leave is from everywhere", shift.area_code)
        return
    area = tree.find(shift.area_code)
    if area is None or not within(area.path, own_path):
        yield Problem("area_code", "the person's own area or one below it", str(shift.area_code))


def _weekly(shift: Shift) -> Iterator[Problem]:
    if shift.weekly is None:
        yield Problem("weekly", "bands of local time", "nothing")
    for name in ("starts_at", "ends_at"):
        if getattr(shift, name) is not None:
            yield Problem(name, "nothing: a weekly shift has valid_from and valid_to", getattr(shift, name).isoformat())
    for name in ("valid_from", "valid_to"):
        yield from _year(name, getattr(shift, name))
    if shift.valid_from is not None and shift.valid_to is not None and shift.valid_to < shift.valid_from:
        yield Problem("valid_to", f"a day not before valid_from ({shift.valid_from})", str(shift.valid_to))


def _span(shift: Shift) -> Iterator[Problem]:
    if shift.weekly is not None:
        yield Problem("weekly", f"nothing: a {shift.kind.value} has starts_at and ends_at", "bands")
    for name in ("valid_from", "valid_to"):
        if getattr(shift, name) is not None:
            yield Problem(name, f"nothing: a {shift.kind.value} has starts_at and ends_at", str(getattr(shift, name)))
    for name in ("starts_at", "ends_at"):
        at: datetime | None = getattr(shift, name)
        if at is None:
            yield Problem(name, "a moment", "nothing")
        else:
            yield from _year(name, at.astimezone(UTC).date())
    if shift.starts_at is None or shift.ends_at is None:
        return
    if shift.ends_at <= shift.starts_at:
        yield Problem("ends_at", f"a moment after starts_at ({shift.starts_at.isoformat()})", shift.ends_at.isoformat())
    elif shift.ends_at - shift.starts_at > LONGEST_SPAN:
        days = (shift.ends_at - shift.starts_at).days
        yield Problem("ends_at", f"at most {LONGEST_SPAN.days} days after starts_at", f"{days} days")


def _year(name: str, day: date | None) -> Iterator[Problem]:
    if day is not None and not _EARLIEST <= day.year <= _LATEST:
        yield Problem(name, f"a year from {_EARLIEST} to {_LATEST}", str(day.year))
