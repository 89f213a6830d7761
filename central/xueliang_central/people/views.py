"""Rosters and duty as the API shows them; a roster is shown with the fields that replace it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from xueliang_central.areas.tree import Area, AreaTree, brief
from xueliang_central.people.duty import Duty, Person, Shift
from xueliang_central.people.rosters import DESK, Roster, Written
from xueliang_central.people.week import Stretch

View = dict[str, Any]


def shift_view(shift: Shift) -> View:
    """Every field, null where it does not belong to the kind."""
    return {
        "kind": shift.kind.value,
        "area_code": shift.area_code,
        "weekly": None if shift.weekly is None else shift.weekly.model_dump(mode="json"),
        "valid_from": None if shift.valid_from is None else shift.valid_from.isoformat(),
        "valid_to": None if shift.valid_to is None else shift.valid_to.isoformat(),
        "starts_at": None if shift.starts_at is None else _moment(shift.starts_at),
        "ends_at": None if shift.ends_at is None else _moment(shift.ends_at),
    }


def roster_view(roster: Roster) -> View:
    """A person's. `left_behind`: shifts in areas this person no longer belongs to; they count for nothing."""
    account = roster.account
    return {
        "user_id": account.user_id,
        "display_name": account.display_name,
        "role": account.role.value,
        "area_code": account.area_code,
        **_written(roster.written),
        "shifts": [shift_view(shift) for shift in roster.shifts],
        "left_behind": roster.left_behind,
    }


def area_roster_view(area: Area, written: Written, rosters: Sequence[Roster]) -> View:
    """All of an area. Its version counts the changes of any of them; each has one of its own besides."""
    return {"area": brief(area), **_written(written), "people": [roster_view(roster) for roster in rosters]}


def duty_view(area: Area, duty: Duty, at: datetime) -> View:
    """Who is on duty in this area, and who of it is not."""
    present = [person for person in duty.present if person.area_code == area.code]
    away = [("off_duty", person) for person in duty.off if person.area_code == area.code]
    away += [("on_leave", person) for person in duty.on_leave if person.area_code == area.code]
    shown = [_person(one) | {"is_rostered": one.user_id not in duty.unrostered} for one in present]
    return {
        "area": brief(area),
        "at": _moment(at),
        "is_desk_staffed": any(person.role in DESK for person in present),
        "on_duty": sorted(shown, key=_by_name),
        "not_on_duty": sorted((_person(one) | {"standing": standing} for standing, one in away), key=_by_name),
    }


def week_view(area: Area, people: Sequence[Person], found: Sequence[Stretch]) -> View:
    """Seven days of an area. `people`: those who belong to it, and guests who have a shift in it."""
    own = {person.user_id for person in people if person.area_code == area.code}
    unrostered = frozenset().union(*(stretch.duty.unrostered for stretch in found))
    roles = {person.role for person in people if person.user_id in own}
    return {
        "area": brief(area),
        "starts_at": _moment(found[0].starts_at),
        "ends_at": _moment(found[-1].ends_at),
        "people": sorted(
            (
                _person(one) | {"is_rostered": one.user_id not in unrostered, "is_guest": one.user_id not in own}
                for one in people
            ),
            key=_by_name,
        ),
        "stretches": [_stretch_view(area, roles, stretch) for stretch in found],
    }


def _stretch_view(area: Area, roles: set[str], stretch: Stretch) -> View:
    present = [person for person in stretch.duty.present if person.area_code == area.code]
    needed = {"worker": roles - DESK, "desk": roles & DESK}
    there = {"worker": any(person.role not in DESK for person in present), "desk": any(p.role in DESK for p in present)}
    return {
        "starts_at": _moment(stretch.starts_at),
        "ends_at": _moment(stretch.ends_at),
        "on_duty": sorted(person.user_id for person in present),
        "on_leave": sorted(person.user_id for person in stretch.duty.on_leave),
        "lacks": [name for name in needed if needed[name] and not there[name]],
    }


def own_duty_view(tree: AreaTree, found: Sequence[Stretch]) -> list[View]:
    """One person's, the stretches on duty only; `area`: where, several when shifts overlap."""
    return [
        {
            "starts_at": _moment(stretch.starts_at),
            "ends_at": _moment(stretch.ends_at),
            "areas": [brief(area) for one in stretch.duty.present if (area := tree.find(one.area_code)) is not None],
        }
        for stretch in found
        if stretch.duty.present
    ]


def _person(person: Person) -> View:
    return {"user_id": person.user_id, "display_name": person.display_name, "role": person.role}


def _by_name(shown: View) -> tuple[str, str]:
    return shown["display_name"], shown["user_id"]


def _written(written: Written) -> View:
    at = None if written.changed_at is None else _moment(written.changed_at)
    return {"version": written.version, "changed_at": at, "changed_by": written.changed_by}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
