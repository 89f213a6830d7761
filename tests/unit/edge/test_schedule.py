"""Earliest deadline first: everybody is seen at once at the start, fairly under overload, and the gap is reported."""

from __future__ import annotations

from xueliang_edge.attention.needs import Need
from xueliang_edge.attention.schedule import Schedule


def need(name: str, gap_s: float) -> Need:
    return Need(name, gap_s, 3 * gap_s)


def run(
    schedule: Schedule, seconds: float, look_takes_s: float, absent: frozenset[str] = frozenset()
) -> dict[str, int]:
    now = 0.0
    looks: dict[str, int] = {}
    while now < seconds:
        due = schedule.next_due()
        assert due is not None
        name, due_s = due
        now = max(now, due_s)
        if name in absent:
            now += 0.001
            schedule.nothing_came(name, now)
            continue
        now += look_takes_s
        schedule.looked(name, now)
        looks[name] = looks.get(name, 0) + 1
    return looks


def test_every_camera_is_looked_at_first_of_all() -> None:
    schedule = Schedule([need("a", 2.0), need("b", 0.5), need("c", 10.0)], 0.0)
    seen = set()
    for _ in range(3):
        due = schedule.next_due()
        assert due is not None
        seen.add(due[0])
        schedule.looked(due[0], 0.01)
    assert seen == {"a", "b", "c"}


def test_cameras_get_what_they_need_when_there_is_time() -> None:
    schedule = Schedule([need("a", 0.5), need("b", 2.0)], 0.0)
    looks = run(schedule, 60.0, 0.02)
    assert 115 <= looks["a"] <= 122
    assert 29 <= looks["b"] <= 32
    gap_s = schedule.achieved_gap_s("a")
    assert gap_s is not None
    assert gap_s < 0.6
    assert not schedule.falls_short("a")


def test_overload_slows_all_cameras_and_says_so() -> None:
    schedule = Schedule([need(f"cam-{n}", 0.5) for n in range(10)], 0.0)
    looks = run(schedule, 60.0, 0.2)
    assert max(looks.values()) - min(looks.values()) <= 2
    assert all(schedule.falls_short(name) for name in looks)


def test_an_absent_camera_costs_the_others_nothing() -> None:
    schedule = Schedule([need("a", 0.5), need("gone", 0.5)], 0.0)
    looks = run(schedule, 60.0, 0.02, absent=frozenset({"gone"}))
    assert looks["a"] >= 115
    assert schedule.achieved_gap_s("gone") is None


def test_an_ended_recording_is_asked_no_more() -> None:
    schedule = Schedule([need("a", 0.5)], 0.0)
    schedule.retire("a")
    assert schedule.next_due() is None
