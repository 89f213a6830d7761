"""Who is told when a limit has passed, and why they (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from xueliang_central.areas.tree import Area
from xueliang_central.people.duty import Duty, Person
from xueliang_central.people.rosters import DESK


@dataclass(frozen=True, slots=True)
class Told:
    """The desk that is told.

    Attributes:
        area: whose desk.
        user_ids: sorted; empty only where no desk from here up has anybody at all.
        passed_over: areas below `area` whose desk should have been told and has nobody on duty.
        why: code, text and `about`; None: the desk that is due is on duty, there is nothing to explain.
        is_staffed: somebody is on duty there, and at the desk as far as the centre knows.
    """

    area: Area
    user_ids: tuple[str, ...]
    passed_over: tuple[Area, ...] = ()
    why: dict[str, Any] | None = None
    is_staffed: bool = True


def who_is_told(chain: Sequence[Area], duty: Duty) -> Told:
    """The first desk on duty from the level that is due upward.

    When none of them is on duty, the first desk that has anybody is told, as if there were no roster; first one whose
    people are on duty and silent.

    Args:
        chain: areas from the one that is due up to the root; not empty.
        duty: of the people of these areas.
    """
    for number, area in enumerate(chain):
        desk = _desk(duty.present, area)
        if desk:
            passed_over = tuple(chain[:number])
            return Told(area, desk, passed_over, _why_risen(passed_over, area, duty) if passed_over else None)
    silent = _silent(duty, chain)
    away = silent or (*duty.off, *duty.on_leave)
    area = next((area for area in chain if _desk(away, area)), chain[0])
    desk = _desk(away, area)
    if not desk:
        return Told(area, (), is_staffed=False)
    passed_over = tuple(chain[: chain.index(area)])
    return Told(area, desk, passed_over, _why_all_the_same(chain, area, bool(silent)), is_staffed=False)


def _desk(people: Iterable[Person], area: Area) -> tuple[str, ...]:
    return tuple(sorted(one.user_id for one in people if one.area_code == area.code and one.role in DESK))


def _silent(duty: Duty, areas: Sequence[Area]) -> tuple[Person, ...]:
    codes = {one.code for one in areas}
    return tuple(one for one in duty.silent if one.area_code in codes)


def _why_risen(passed_over: Sequence[Area], area: Area, duty: Duty) -> dict[str, Any]:
    levels = " and ".join(one.level.value for one in passed_over)
    codes = [one.code for one in passed_over]
    if _silent(duty, passed_over):
        text = f"no page tells of anybody at the desk of the {levels}: the {area.level.value} is told at once"
        return _why("desk_silent", text, area, passed_over=codes)
    text = f"nobody is on duty at the desk of the {levels}: the {area.level.value} is told at once"
    return _why("desk_unstaffed", text, area, passed_over=codes)


def _why_all_the_same(chain: Sequence[Area], area: Area, is_silent: bool) -> dict[str, Any]:
    if is_silent:
        text = f"no page tells of anybody at a desk from the {chain[0].level.value} up: the {area.level.value} is told"
        return _why("no_desk_heard", text, area)
    text = f"no desk from the {chain[0].level.value} up is on duty: the {area.level.value} is told off duty"
    return _why("no_desk_on_duty", text, area)


def _why(code: str, text: str, area: Area, **more: Any) -> dict[str, Any]:
    about = {"area_code": area.code, "level": area.level.value, "area_name": area.name, "area_name_en": area.name_en}
    return {"code": code, "text": text, "about": {**about, **more}}
