"""Who is told when a limit has passed."""

from __future__ import annotations

import pytest
from shapely.geometry import Point

from xueliang_central.areas.tree import Area, Level
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.people.duty import Duty, Person


def _area(code: str, level: Level) -> Area:
    return Area(code, code, code, level, code[:-3], code, Point(0, 0), {})


CHAIN = (_area("370102003005", Level.VILLAGE), _area("370102003", Level.TOWNSHIP), _area("370102", Level.COUNTY))
LI = Person("u1", "Li", "operator", "370102003005")
VILLAGE_WORKER = Person("u2", "Ma", "worker", "370102003005")
SUN = Person("u3", "Sun", "supervisor", "370102003")
QIN, QIU = Person("u4", "Qin", "operator", "370102"), Person("u5", "Qiu", "supervisor", "370102")


@pytest.mark.parametrize(
    ("duty", "told", "level", "passed_over", "code"),
    [
        pytest.param(Duty(present=(LI, SUN)), ("u1",), "village", 0, None, id="on duty: as ever"),
        pytest.param(Duty(present=(SUN, QIN), off=(LI,)), ("u3",), "township", 1, "desk_unstaffed", id="one up"),
        pytest.param(
            Duty(present=(VILLAGE_WORKER, QIN, QIU), off=(LI,), on_leave=(SUN,)),
            ("u4", "u5"),
            "county",
            2,
            "desk_unstaffed",
            id="a worker is no desk: two up",
        ),
        pytest.param(Duty(present=(QIN,)), ("u4",), "county", 2, "desk_unstaffed", id="desks that nobody has"),
        pytest.param(
            Duty(off=(LI, QIN)), ("u1",), "village", 0, "no_desk_on_duty", id="none on duty: as without a roster"
        ),
        pytest.param(
            Duty(off=(QIN,), on_leave=(SUN,)), ("u3",), "township", 1, "no_desk_on_duty", id="the first that has one"
        ),
        pytest.param(Duty(), (), "village", 0, None, id="nobody at all"),
    ],
)
def test_the_first_desk_on_duty_is_told(
    duty: Duty, told: tuple[str, ...], level: str, passed_over: int, code: str | None
) -> None:
    found = who_is_told(CHAIN, duty)
    assert (found.user_ids, found.area.level.value, len(found.passed_over)) == (told, level, passed_over)
    assert (found.why["code"] if found.why else None) == code
