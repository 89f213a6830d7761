"""Who should go."""

from __future__ import annotations

import pytest
from shapely.geometry import Point

from xueliang_central.areas.tree import Area, Level
from xueliang_central.dispatch.recommending import recommend
from xueliang_central.people.rosters import Person


def _area(code: str, level: Level) -> Area:
    return Area(code, code, code, level, None, code, Point(0, 0), {})


CHAIN = (
    _area("370102003005007", Level.GRID),
    _area("370102003005", Level.VILLAGE),
    _area("370102003", Level.TOWNSHIP),
)
WANG = Person("u1", "Wang", "worker", "370102003005007")
ZHOU = Person("u2", "Zhou", "worker", "370102003005007")
GRID_DESK = Person("u3", "Desk", "operator", "370102003005007")
LI = Person("u4", "Li", "operator", "370102003005")
SUN = Person("u5", "Sun", "supervisor", "370102003")


@pytest.mark.parametrize(
    ("people", "live_tasks", "not_these", "chosen", "code"),
    [
        ([WANG, LI], {}, set(), "u1", "serves_here"),
        ([WANG, ZHOU], {"u1": 2, "u2": 1}, set(), "u2", "serves_here"),
        ([ZHOU, WANG], {}, set(), "u1", "serves_here"),
        ([GRID_DESK, LI], {}, set(), "u4", "level_up"),
        ([WANG, LI], {}, {"u1"}, "u4", "level_up"),
        ([SUN], {}, set(), "u5", "level_up"),
        ([], {}, set(), None, "nobody_serves"),
        ([WANG], {}, {"u1"}, None, "nobody_serves"),
    ],
)
def test_the_nearest_level_with_somebody_is_asked(
    people: list[Person], live_tasks: dict[str, int], not_these: set[str], chosen: str | None, code: str
) -> None:
    found = recommend(CHAIN, people, live_tasks, not_these=frozenset(not_these))
    assert (found.person.user_id if found.person else None, found.why["code"]) == (chosen, code)
