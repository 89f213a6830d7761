"""When a seat counts as unstaffed, and when as staffed again; who of a desk is there then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from xueliang_central.people.duty import Duty, Person
from xueliang_central.people.presence import DEAF_S, Heard, has_left, heard, is_back, is_written_anew, without_silent

NIGHT = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
LIMIT_S = 60.0
QIN, GAO = Person("u1", "Qin", "operator", "370102"), Person("u2", "Gao", "operator", "370102")
CHIEF, WANG = Person("u3", "Chief", "supervisor", "370102"), Person("u4", "Wang", "worker", "370102")


def listened(told: Iterable[tuple[float, float]]) -> Heard:
    """Looks, each: seconds of listening, and when by the wall the page spoke last."""
    one: Heard | None = None
    for passed_s, told_at_s in told:
        one = heard(one, NIGHT + timedelta(seconds=told_at_s), passed_s)
    assert one is not None
    return one


def test_a_page_that_is_silent_for_the_whole_limit_makes_its_seat_unstaffed() -> None:
    quiet = listened([(0, 0), *[(5, 0)] * 11])
    assert not has_left(quiet, [quiet], LIMIT_S)
    quiet = heard(quiet, NIGHT, 5)
    assert has_left(quiet, [quiet], LIMIT_S)


@pytest.mark.parametrize("jump_s", [7_200, -7_200], ids=["forward", "back"])
def test_a_wall_clock_that_jumps_makes_no_seat_unstaffed(jump_s: float) -> None:
    one = listened([(0, 0), (15, 15), (15, 30 + jump_s), (15, 45 + jump_s)])
    assert (one.silent_s, one.steady_s) == (0, 45)


def test_who_listens_anew_gives_every_seat_its_whole_limit() -> None:
    one = heard(None, NIGHT - timedelta(days=3), 10)
    assert not has_left(one, [one], LIMIT_S)


def test_it_is_staffed_again_after_a_whole_limit_of_telling_without_a_gap() -> None:
    looks = [(0.0, 0.0), (120.0, 120.0), *((15.0, 120.0 + 15 * n) for n in range(1, 4))]
    one = listened(looks)
    assert not is_back(one, LIMIT_S)
    assert is_back(heard(one, NIGHT + timedelta(seconds=180), 15), LIMIT_S)
    broken = listened([*looks, (41.0, 206.0)])
    assert not is_back(broken, LIMIT_S), "a gap begins it anew"


def test_when_several_fall_silent_together_the_centre_is_more_likely_deaf() -> None:
    quiet, other = Heard(NIGHT, silent_s=61), Heard(NIGHT, silent_s=45)
    assert not has_left(quiet, [quiet, other], LIMIT_S)
    assert has_left(quiet, [quiet, Heard(NIGHT, silent_s=10)], LIMIT_S), "another one is heard"
    long = Heard(NIGHT, silent_s=DEAF_S)
    assert has_left(long, [long, other], LIMIT_S), "it is not believed for ever"


def test_several_pages_of_a_person_are_written_once_and_a_clock_set_back_hides_nothing() -> None:
    row = {"told_at": NIGHT}
    assert is_written_anew(None, NIGHT)
    assert not is_written_anew(row, NIGHT + timedelta(seconds=3))
    assert is_written_anew(row, NIGHT + timedelta(seconds=5))
    assert is_written_anew(row, NIGHT - timedelta(hours=1))


@pytest.mark.parametrize(
    ("unstaffed", "told_of", "present", "silent"),
    [
        pytest.param(set(), {"u1"}, {"u1", "u2", "u3", "u4"}, set(), id="nobody is silent"),
        pytest.param({"u1"}, {"u1"}, {"u2", "u4"}, {"u1", "u3"}, id="who was never told of is where the roster says"),
        pytest.param({"u1"}, {"u1", "u3"}, {"u2", "u3", "u4"}, {"u1"}, id="a supervisor who is told of stands in"),
        pytest.param({"u4"}, {"u4"}, {"u1", "u2", "u3", "u4"}, set(), id="a worker has no seat"),
    ],
)
def test_who_of_a_desk_is_there(unstaffed: set[str], told_of: set[str], present: set[str], silent: set[str]) -> None:
    found = without_silent(Duty(present=(QIN, GAO, CHIEF, WANG)), unstaffed, told_of)
    assert ({one.user_id for one in found.present}, {one.user_id for one in found.silent}) == (present, silent)
