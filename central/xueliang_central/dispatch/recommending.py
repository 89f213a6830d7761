"""Who should go, and why (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xueliang_central.areas.tree import Area, Level
from xueliang_central.people.rosters import Person


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`person` None: nobody serves this area or one above it; the task waits there, and its clock escalates."""

    area: Area
    person: Person | None
    why: dict[str, object]


# In a grid only its worker goes. Above, whoever sits there: a worker if there is one, else the desk.
_GRID_ROLES: Final = ("worker",)
_DESK_ROLES: Final = ("worker", "operator", "supervisor")


def recommend(
    chain: Sequence[Area], people: Iterable[Person], live_tasks: Mapping[str, int], *, not_these: frozenset[str]
) -> Recommendation:
    """The person for a place.

    Args:
        chain: areas from the one that is asked first up to the root; not empty.
        live_tasks: by user_id, how many tasks that person has in hand; absent: none.
        not_these: who has refused or given back already.
    """
    everyone = [person for person in people if person.user_id not in not_these]
    for area in chain:
        roles = _GRID_ROLES if area.level is Level.GRID else _DESK_ROLES
        for role in roles:
            here = [person for person in everyone if person.area_code == area.code and person.role == role]
            if here:
                person = min(here, key=lambda found: (live_tasks.get(found.user_id, 0), found.user_id))
                return Recommendation(area, person, _why(chain[0], area, person, live_tasks))
    return Recommendation(chain[0], None, _why(chain[0], chain[0], None, live_tasks))


def _why(asked: Area, area: Area, person: Person | None, live_tasks: Mapping[str, int]) -> dict[str, object]:
    about = {"asked": asked.code, "area_code": area.code, "level": area.level.value}
    if person is None:
        return {"code": "nobody_serves", "text": f"nobody serves this {asked.level.value}", "about": about}
    if area.code == asked.code:
        in_hand = live_tasks.get(person.user_id, 0)
        text = f"{person.role} of this {area.level.value}, tasks in hand: {in_hand}"
        return {"code": "serves_here", "text": text, "about": about}
    text = f"nobody can be asked in the {asked.level.value}: the {area.level.value} is asked"
    return {"code": "level_up", "text": text, "about": about}
