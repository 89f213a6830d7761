"""Who should go."""

from __future__ import annotations

import pytest
from shapely.geometry import Point

from xueliang_central.areas.tree import Area, Level
from xueliang_central.dispatch.recommending import CheckedIn, needs_neighbours, recommend
from xueliang_central.people.duty import Duty, Person


def _area(code: str, level: Level) -> Area:
    return Area(code, code, code, level, code[:-3], code, Point(0, 0), {})


CHAIN = (
    _area("370102003005007", Level.GRID),
    _area("370102003005", Level.VILLAGE),
    _area("370102003", Level.TOWNSHIP),
)
GRID, VILLAGE, TOWNSHIP = CHAIN
BESIDE = (_area("370102003005008", Level.GRID), _area("370102003006001", Level.GRID))
WANG = Person("u1", "Wang", "worker", "370102003005007")
ZHOU = Person("u2", "Zhou", "worker", "370102003005007")
GRID_DESK = Person("u3", "Desk", "operator", "370102003005007")
LI = Person("u4", "Li", "operator", "370102003005")
SUN = Person("u5", "Sun", "supervisor", "370102003")
HE = Person("u6", "He", "worker", "370102003005008")
HU = Person("u7", "Hu", "worker", "370102003006001")


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
    duty = Duty(present=tuple(people), unrostered=frozenset(person.user_id for person in people))
    found = recommend(CHAIN, duty, live_tasks, neighbours=BESIDE, not_these=frozenset(not_these))
    assert (found.person.user_id if found.person else None, found.why["code"]) == (chosen, code)


@pytest.mark.parametrize(
    ("duty", "not_these", "chosen", "area", "codes"),
    [
        pytest.param(
            Duty(present=(ZHOU, HE), off=(WANG,)), set(), "u2", GRID, ["serves_here"], id="one of two is on duty"
        ),
        pytest.param(
            Duty(present=(HE, HU, LI), off=(WANG,)),
            set(),
            "u6",
            BESIDE[0],
            ["all_off_duty", "neighbour_on_duty"],
            id="the neighbour of the same village",
        ),
        pytest.param(
            Duty(present=(HU, LI), off=(HE,), on_leave=(WANG,)),
            set(),
            "u7",
            BESIDE[1],
            ["all_off_duty", "neighbour_on_duty"],
            id="on leave: the neighbour of another village",
        ),
        pytest.param(
            Duty(present=(HE, HU, LI), off=(WANG,)),
            {"u6"},
            "u7",
            BESIDE[1],
            ["all_off_duty", "neighbour_on_duty"],
            id="the first neighbour has refused",
        ),
        pytest.param(
            Duty(present=(LI,), off=(WANG, HE)),
            set(),
            "u4",
            VILLAGE,
            ["all_off_duty", "no_neighbour_on_duty", "level_up"],
            id="no neighbour either: the village",
        ),
        pytest.param(
            Duty(present=(SUN,), off=(WANG, LI)),
            set(),
            "u5",
            TOWNSHIP,
            ["all_off_duty", "no_neighbour_on_duty", "all_off_duty", "level_up"],
            id="the village is off duty too",
        ),
        pytest.param(
            Duty(present=(HE, LI), off=(GRID_DESK,)),
            set(),
            "u4",
            VILLAGE,
            ["nobody_here", "level_up"],
            id="a grid without a worker is the village's",
        ),
        pytest.param(
            Duty(off=(WANG, ZHOU, LI), on_leave=(SUN,)),
            set(),
            "u1",
            GRID,
            ["all_off_duty", "no_neighbour_on_duty", "all_off_duty", "all_off_duty", "nobody_on_duty"],
            id="nobody on duty anywhere: as without a roster",
        ),
        pytest.param(Duty(on_leave=(WANG, LI)), set(), None, GRID, ["nobody_serves"], id="all on leave"),
    ],
)
def test_who_is_on_duty_is_asked_first_and_every_step_says_why(
    duty: Duty, not_these: set[str], chosen: str | None, area: Area, codes: list[str]
) -> None:
    found = recommend(CHAIN, duty, {}, neighbours=BESIDE, not_these=frozenset(not_these))
    assert (found.person.user_id if found.person else None, found.area.code) == (chosen, area.code)
    steps = [*found.why.get("steps", []), found.why]
    assert [step["code"] for step in steps] == codes
    assert all(step["text"] and step["about"]["level"] for step in steps)


def test_the_why_tells_grid_shift_and_load() -> None:
    why = recommend(CHAIN, Duty(present=(WANG,)), {"u1": 2}, not_these=frozenset()).why
    assert why["text"] == "worker of this grid, on duty by the roster, tasks in hand: 2"
    assert (why["about"]["in_hand"], why["about"]["is_rostered"]) == (2, True)


def test_of_two_with_as_many_tasks_the_nearest_by_check_in_is_asked_and_the_why_says_so() -> None:
    told = {"u1": CheckedIn(250.0, "East lane", None), "u2": CheckedIn(130.0, "West lane", 400)}
    duty = Duty(present=(WANG, ZHOU))
    found = recommend(CHAIN, duty, {"u1": 1, "u2": 1}, not_these=frozenset(), check_ins=told)
    assert found.person == ZHOU
    said = "checked in 2 min ago on the way to West lane, at most 400 m from here"
    assert found.why_now["text"].endswith(f"hand: 1; {said}")
    assert found.why_now["about"]["check_in"] == {"age_s": 130, "camera_name": "West lane", "apart_m": 400}
    assert found.why["text"].endswith("hand: 1; has checked in on the way")
    assert found.why["about"]["check_in"] is True
    free = recommend(CHAIN, duty, {"u2": 1}, not_these=frozenset(), check_ins=told)
    assert free.person == WANG, "who has less in hand goes first"
    assert "check_in" not in recommend(CHAIN, duty, {}, not_these=frozenset()).why["about"]


def test_neighbours_are_looked_for_only_where_a_grids_own_workers_are_all_off_duty() -> None:
    assert needs_neighbours(GRID, Duty(off=(WANG,)))
    assert needs_neighbours(GRID, Duty(on_leave=(WANG,)))
    assert not needs_neighbours(GRID, Duty(present=(ZHOU,), off=(WANG,)))
    assert not needs_neighbours(GRID, Duty(off=(LI,)))
    assert not needs_neighbours(VILLAGE, Duty(off=(LI,)))
