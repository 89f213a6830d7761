"""Who should go, and why (pure).

Somebody on duty in the area itself; where a grid's own workers are all off duty, one of a neighbouring grid; else the
levels above, one after the other. When nobody of all these is on duty, people are asked as if there were no roster:
late is better than nobody. Every step that was passed over is part of the why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xueliang_central.areas.tree import Area, Level
from xueliang_central.people.duty import Duty, Person

Why = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """Where somebody under way was last, told on purpose by a press; the position itself is not known any more.

    Attributes:
        age_s: how long ago.
        camera_name: of the task on which it was told; None: that place is not of the area that is asked.
        apart_m: so far from the place in question at most, to 100 m; None: it is not known.
    """

    age_s: float
    camera_name: str | None
    apart_m: int | None

    @property
    def text(self) -> str:
        far = "" if self.apart_m is None else f", at most {self.apart_m} m from here"
        ago = f"{max(1, round(self.age_s / 60))} min ago"
        return f"checked in {ago} on the way to {self.camera_name or 'another place'}{far}"

    def as_json(self) -> Why:
        return {"age_s": round(self.age_s), "camera_name": self.camera_name, "apart_m": self.apart_m}


CheckIns = Mapping[str, CheckedIn]
NO_CHECK_INS: Final[CheckIns] = {}
_HAS_CHECKED_IN: Final = "; has checked in on the way"
NEIGHBOUR: Final = "neighbour_on_duty"
TRANSFERRED: Final = "transferred"
FROM_ELSEWHERE: Final = frozenset({NEIGHBOUR, TRANSFERRED})  # whose worker may be of another area than the task


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`person` None: nobody serves this area or one above it; the task waits there, and its clock escalates.

    Attributes:
        area: whose person it is.
        why: code, text and `about`; `steps`: the same of each area that was passed over, in order. It is kept for
            years with the task and in the timeline, so it names no place, distance or time of a check-in.
        checked_in: the last one of that person, while it counts.
    """

    area: Area
    person: Person | None
    why: Why
    checked_in: CheckedIn | None = None

    @property
    def why_now(self) -> Why:
        """With the check-in itself, for an answer that nobody keeps."""
        if self.checked_in is None:
            return self.why
        text, about = self.why["text"].removesuffix(_HAS_CHECKED_IN), self.why["about"]
        told = {"text": f"{text}; {self.checked_in.text}", "about": about | {"check_in": self.checked_in.as_json()}}
        return self.why | told


# In a grid only its worker goes. Above, whoever sits there: a worker if there is one, else the desk.
_GRID_ROLES: Final = ("worker",)
_DESK_ROLES: Final = ("worker", "operator", "supervisor")


def needs_neighbours(area: Area, duty: Duty) -> bool:
    """Is this a grid whose own workers are all off duty?

    One that has no worker is served by the level above it, which has decided so: the neighbours' are not asked.
    """
    if area.level is not Level.GRID or _serving(duty.present, area):
        return False
    return bool(_serving((*duty.off, *duty.on_leave), area))


def recommend(
    chain: Sequence[Area],
    duty: Duty,
    live_tasks: Mapping[str, int],
    *,
    neighbours: Sequence[Area] = (),
    not_these: frozenset[str],
    check_ins: CheckIns = NO_CHECK_INS,
) -> Recommendation:
    """The person for a place.

    Args:
        chain: areas from the one that is asked first up to the root; not empty.
        duty: of the people of these areas, and of the neighbours.
        live_tasks: by user_id, how many tasks that person has in hand; absent: none.
        neighbours: grids beside the first area, in the order in which they are asked.
        not_these: who has refused or given back already.
        check_ins: by user_id, of those who have told where they are not too long ago. Of several with as many tasks in
            hand the nearest is asked.
    """
    asked = chain[0]
    steps: list[Why] = []
    present = [person for person in duty.present if person.user_id not in not_these]
    for area in chain:
        person = _first(_serving(present, area), live_tasks, check_ins)
        if person is not None:
            why = _why_chosen(asked, area, person, live_tasks, duty, steps)
            return _chosen(area, person, why, check_ins)
        steps.append(_why_passed_over(area, duty))
        if area is asked and needs_neighbours(area, duty):
            for beside in neighbours:
                person = _first(_serving(present, beside), live_tasks, check_ins)
                if person is not None:
                    why = _why_neighbour(asked, beside, person, live_tasks, steps)
                    return _chosen(beside, person, why, check_ins)
            steps.append(_why_no_neighbour(asked, len(neighbours)))
    off = [person for person in duty.off if person.user_id not in not_these]
    for area in chain:
        person = _first(_serving(off, area), live_tasks, check_ins)
        if person is not None:
            text = f"nobody is on duty from this {asked.level.value} up: the {person.role} of the {area.level.value}"
            return Recommendation(area, person, _why("nobody_on_duty", f"{text} is asked off duty", area, asked, steps))
    return Recommendation(asked, None, _why("nobody_serves", f"nobody serves this {asked.level.value}", asked, asked))


def _serving(people: Iterable[Person], area: Area) -> list[Person]:
    """Those of the first role that anybody of this area has, of the roles that may be sent there."""
    here = [person for person in people if person.area_code == area.code]
    for role in _GRID_ROLES if area.level is Level.GRID else _DESK_ROLES:
        found = [person for person in here if person.role == role]
        if found:
            return found
    return []


def _first(people: Sequence[Person], live_tasks: Mapping[str, int], check_ins: CheckIns) -> Person | None:
    """With the fewest tasks in hand; of these who was nearest at the last check-in."""

    def order(found: Person) -> tuple[int, float, str]:
        told = check_ins.get(found.user_id)
        apart_m = math.inf if told is None or told.apart_m is None else told.apart_m
        return live_tasks.get(found.user_id, 0), apart_m, found.user_id

    return min(people, key=order, default=None)


def _why_chosen(
    asked: Area, area: Area, person: Person, live_tasks: Mapping[str, int], duty: Duty, steps: Sequence[Why]
) -> Why:
    in_hand = live_tasks.get(person.user_id, 0)
    duty_said = "always on duty" if person.user_id in duty.unrostered else "on duty by the roster"
    more: Why = {"role": person.role, "in_hand": in_hand, "is_rostered": person.user_id not in duty.unrostered}
    if area.code == asked.code:
        text = f"{person.role} of this {area.level.value}, {duty_said}, tasks in hand: {in_hand}"
        return _why("serves_here", text, area, asked, **more)
    text = f"nobody can be asked in the {asked.level.value}: the {person.role} of the {area.level.value} is asked"
    return _why("level_up", f"{text}, {duty_said}, tasks in hand: {in_hand}", area, asked, steps, **more)


def _why_neighbour(
    asked: Area, beside: Area, person: Person, live_tasks: Mapping[str, int], steps: Sequence[Why]
) -> Why:
    in_hand = live_tasks.get(person.user_id, 0)
    where = "of the same village" if beside.parent == asked.parent else "of another village"
    text = f"nobody of the grid is on duty: the worker of the grid beside it, {where}, tasks in hand: {in_hand}"
    more: Why = {"role": person.role, "in_hand": in_hand, "same_village": beside.parent == asked.parent}
    return _why(NEIGHBOUR, text, beside, asked, steps, **more)


def _chosen(area: Area, person: Person, why: Why, check_ins: CheckIns) -> Recommendation:
    told = check_ins.get(person.user_id)
    if told is not None:
        why = why | {"text": why["text"] + _HAS_CHECKED_IN, "about": why["about"] | {"check_in": True}}
    return Recommendation(area, person, why, told)


def why_transferred(asked: Area, area: Area, person: Person, in_hand: int, *, is_on_duty: bool) -> Why:
    """Chosen by an operator, whatever would be recommended."""
    text = f"chosen by hand: the {person.role} of the {area.level.value}, tasks in hand: {in_hand}"
    return _why(TRANSFERRED, text, area, asked, role=person.role, in_hand=in_hand, is_on_duty=is_on_duty)


def _why_passed_over(area: Area, duty: Duty) -> Why:
    off, on_leave = len(_serving(duty.off, area)), len(_serving(duty.on_leave, area))
    if off or on_leave:
        text = f"nobody of the {area.level.value} is on duty: {off} off duty, {on_leave} on leave"
        return _why("all_off_duty", text, area, area, off_duty=off, on_leave=on_leave)
    return _why("nobody_here", f"nobody of the {area.level.value} can be asked", area, area)


def _why_no_neighbour(asked: Area, total: int) -> Why:
    text = f"nobody of the {total} grids beside it can be asked" if total else "no grid lies beside it"
    return _why("no_neighbour_on_duty", text, asked, asked, neighbours=total)


def _why(code: str, text: str, area: Area, asked: Area, steps: Sequence[Why] = (), **more: Any) -> Why:
    about = {"asked": asked.code, "area_code": area.code, "level": area.level.value}
    about |= {"area_name": area.name, "area_name_en": area.name_en, **more}
    said: Why = {"code": code, "text": text, "about": about}
    return said | {"steps": list(steps)} if steps else said
