"""Earliest deadline first: the most urgent look is judged next, silence is named, what is achieved is known."""

from __future__ import annotations

import pytest

from xueliang_edge.attention.needs import Need
from xueliang_edge.attention.schedule import Schedule

Look = tuple[str, float]
"""camera, when its picture was received"""


def need(name: str, gap_s: float) -> Need:
    return Need(name, gap_s, 3 * gap_s)


def schedule_of(**gaps_s: float) -> Schedule[Look]:
    return Schedule([need(name, gap_s) for name, gap_s in gaps_s.items()], 0.0)


def run(
    schedule: Schedule[Look], pictures_every_s: dict[str, float], seconds: float, judging_s: float
) -> dict[str, int]:
    """Pictures come evenly, one worker judges them one after the other; returns looks judged per camera."""
    looks = dict.fromkeys(pictures_every_s, 0)
    arrivals = sorted(
        (index * every_s, name) for name, every_s in pictures_every_s.items() for index in range(int(seconds / every_s))
    )
    free_at_s = 0.0
    for at_s, name in [*arrivals, (seconds, "")]:
        while free_at_s <= at_s and (look := schedule.next_look()) is not None:
            free_at_s = max(free_at_s, look[1]) + judging_s
            schedule.judged(look[0], look[1])
            looks[look[0]] += 1
        if name:
            schedule.arrived(name, (name, at_s), at_s)
    return looks


def test_the_earliest_deadline_is_judged_first() -> None:
    schedule = schedule_of(slow=10.0, quick=1.0)
    for at_s in (0.0, 1.0):
        for name in ("slow", "quick"):
            schedule.arrived(name, (name, at_s), at_s)
        order = [schedule.next_look(), schedule.next_look()]
        for look in order:
            assert look is not None
            schedule.judged(*look)
    assert order == [("quick", 1.0), ("slow", 1.0)]
    assert schedule.next_look() is None


def test_every_camera_is_due_at_the_start() -> None:
    schedule = schedule_of(a=2.0, b=0.5, c=600.0)
    for name in ("a", "b", "c"):
        assert schedule.due_mono_s(name) == 0.0
        schedule.arrived(name, (name, 0.5), 0.5)
    assert schedule.lag_s(0.5) == 0.0
    assert schedule.lag_s(2.0) == 1.5
    assert {schedule.next_look(), schedule.next_look(), schedule.next_look()} == {("a", 0.5), ("b", 0.5), ("c", 0.5)}


def test_a_newer_look_takes_the_place_of_one_that_waits_and_is_counted() -> None:
    schedule = schedule_of(a=1.0)
    assert schedule.arrived("a", ("a", 0.0), 0.0) is None
    assert schedule.arrived("a", ("a", 1.0), 1.0) == ("a", 0.0), "the owner gets its slot back"
    assert schedule.waiting_count == 1
    assert schedule.lag_s(3.0) == 3.0, "it has waited since the first came"
    assert schedule.next_look() == ("a", 1.0)
    assert schedule.next_look() is None
    assert schedule.waiting_count == 0
    assert schedule.drops("a") == {"replaced": 1}


def test_a_plan_moves_the_deadline_of_a_look_that_waits() -> None:
    schedule = schedule_of(a=4.0, b=3.0)
    for name in ("a", "b"):
        schedule.judged(name, 10.0)
        schedule.arrived(name, (name, 10.5), 10.5)
    schedule.plan("a", 1.0)
    assert schedule.due_mono_s("a") == 11.0
    assert schedule.next_look() == ("a", 10.5)


def test_cameras_get_what_they_need_when_there_is_time() -> None:
    schedule = schedule_of(a=0.5, b=2.0)
    looks = run(schedule, {"a": 0.5, "b": 2.0}, 60.0, 0.02)
    assert looks == {"a": 120, "b": 30}
    gaps = schedule.achieved("a")
    assert gaps is not None
    assert (gaps.p50_s, gaps.max_s, gaps.count) == (0.5, 0.5, 119)
    assert not schedule.falls_short("a")


def test_overload_slows_all_cameras_alike_and_says_so() -> None:
    names = [f"cam-{number}" for number in range(10)]
    schedule = Schedule[Look]([need(name, 0.5) for name in names], 0.0)
    looks = run(schedule, dict.fromkeys(names, 0.5), 60.0, 0.2)
    assert max(looks.values()) - min(looks.values()) <= 2
    for name in names:
        gaps = schedule.achieved(name)
        assert gaps is not None
        assert 1.5 <= gaps.p50_s <= 2.5
        assert schedule.falls_short(name)
        assert schedule.drops(name)["replaced"] == pytest.approx(120 - looks[name], abs=2)


def test_overload_is_shared_in_proportion_to_the_need() -> None:
    gaps_s = {"quick": 0.5, "slow": 2.0}
    schedule = schedule_of(**gaps_s, **{f"other-{number}": 1.0 for number in range(10)})
    looks = run(schedule, dict.fromkeys(("quick", "slow", *(f"other-{n}" for n in range(10))), 0.25), 120.0, 0.2)
    assert looks["quick"] > looks["other-0"] > looks["slow"] > 20


def test_what_was_achieved_is_known_by_quantile() -> None:
    schedule = schedule_of(a=4.0)
    at_s = 0.0
    for index in range(301):
        schedule.judged("a", at_s)
        at_s += 4.0 if index % 100 else 6.0
    gaps = schedule.achieved("a")
    assert gaps is not None
    assert (gaps.p50_s, gaps.p99_s, gaps.max_s, gaps.count) == (4.0, 4.0, 6.0, 300)
    assert schedule.achieved_by_all() == gaps


def test_a_silent_camera_is_overdue_until_a_picture_comes_and_costs_the_others_nothing() -> None:
    schedule = schedule_of(a=1.0, gone=1.0)
    schedule.arrived("gone", ("gone", 0.0), 0.0)
    schedule.judged(*(schedule.next_look() or ("", 0.0)))
    for second in range(1, 10):
        schedule.arrived("a", ("a", second), second)
        assert schedule.next_look() == ("a", second)
        schedule.judged("a", second)
        assert schedule.overdue(second) == (("gone",) if second >= 3 else ())
    schedule.arrived("gone", ("gone", 10.0), 10.0)
    assert schedule.overdue(10.0) == ()
    assert schedule.lag_s(10.0) == 0.0, "nobody is late for what did not come"
    assert schedule.overdue(20.0) == ("a", "gone")


def test_a_camera_that_never_gave_a_picture_is_overdue() -> None:
    assert schedule_of(a=1.0).overdue(2.9) == ()
    assert schedule_of(a=1.0).overdue(3.0) == ("a",)


def test_the_time_a_camera_was_away_is_no_gap_of_ours() -> None:
    schedule = schedule_of(a=1.0)
    for at_s in (0.0, 1.0, 2.0, 3.0):
        schedule.arrived("a", ("a", at_s), at_s)
        schedule.next_look()
        schedule.judged("a", at_s)
    assert schedule.overdue(1000.0) == ("a",)
    for at_s in (1001.0, 1002.0):
        schedule.arrived("a", ("a", at_s), at_s)
        schedule.next_look()
        schedule.judged("a", at_s)
    assert schedule.achieved_gap_s("a") == 1.0


def test_an_ended_recording_is_neither_late_nor_overdue() -> None:
    schedule = schedule_of(a=1.0)
    schedule.arrived("a", ("a", 0.0), 0.0)
    schedule.retire("a")
    assert schedule.overdue(100.0) == ()
    assert not schedule.is_all_retired, "its last look still waits"
    schedule.next_look()
    assert schedule.is_all_retired


def test_what_is_given_up_for_another_reason_is_counted_too() -> None:
    schedule = schedule_of(a=1.0)
    schedule.dropped("a", "detector_busy")
    assert schedule.drops("a") == {"detector_busy": 1}


def test_another_need_counts_from_now_on_and_old_gaps_say_nothing_of_it() -> None:
    schedule = schedule_of(a=10.0, b=10.0)
    for at_s in (0.0, 10.0, 20.0, 30.0):
        for name in ("a", "b"):
            schedule.arrived(name, (name, at_s), at_s)
            schedule.next_look()
            schedule.judged(name, at_s)
    for _ in range(3):  # as often as one likes: no entry is left over
        schedule.change_need(need("a", 1.0))
    assert schedule.achieved("a") is None
    assert schedule.achieved("b") is not None
    assert not schedule.falls_short("a")
    assert schedule.overdue(32.9) == ()
    assert schedule.overdue(33.1) == ("a",)
    schedule.change_need(need("a", 1.0))  # an overdue camera stays so until a picture comes
    assert schedule.overdue(34.0) == ("a",)
    schedule.arrived("a", ("a", 34.0), 34.0)
    assert schedule.overdue(36.9) == ()
    assert schedule.overdue(37.0) == ("a",)
    for at_s in (38.0, 40.0, 42.0, 44.0):
        schedule.arrived("a", ("a", at_s), at_s)
        schedule.next_look()
        schedule.judged("a", at_s)
    assert schedule.falls_short("a")
