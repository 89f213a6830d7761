"""How closely a camera is watched: what raises a level, what holds it, and that no level looks less than the need."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xueliang_alerts.contract import Severity
from xueliang_edge.attention.levels import (
    CONFIRM_BEFORE_S,
    HOLD_S,
    SETTLED_S,
    WATCH_GAP_S,
    Attention,
    Level,
    LookPlan,
    Signs,
    attend,
    plan_of,
)
from xueliang_edge.attention.needs import Need
from xueliang_edge.attention.overload import Degradation

NEED = Need("lane", 4.0, 12.0, {"objects": 4.0}, Severity.ORANGE)
MOVED = Signs(has_moved=True)
CANDIDATE = Signs(has_candidate=True, smallest_candidate_px=60.0)


class Watched:
    """One camera followed look by look."""

    def __init__(
        self, *, has_sub: bool = False, need: Need = NEED, degradation: Degradation = Degradation.NONE
    ) -> None:
        self.has_sub, self.need, self.degradation = has_sub, need, degradation
        self.state = Attention()

    def look(self, at_s: float, signs: Signs = Signs()) -> LookPlan:
        self.state, plan = attend(self.state, signs, self.need, self.has_sub, self.degradation, at_s)
        return plan

    def levels(self, times: range, signs: Signs = Signs()) -> list[Level]:
        return [self.look(float(second), signs).level for second in times]


@pytest.mark.parametrize(
    ("level", "has_sub", "expected"),
    [
        (Level.IDLE, False, LookPlan(Level.IDLE, 4.0, False, "main")),
        (Level.IDLE, True, LookPlan(Level.IDLE, 4.0, False, "sub")),
        (Level.WATCH, False, LookPlan(Level.WATCH, 4.0, True, "main", 0.5)),
        (Level.WATCH, True, LookPlan(Level.WATCH, 1.0, True, "sub", 0.5)),
        (Level.CONFIRM, False, LookPlan(Level.CONFIRM, 4.0, True, "main", 0.5)),
        (Level.CONFIRM, True, LookPlan(Level.CONFIRM, 4.0, True, "main", 0.5)),
    ],
)
def test_what_each_level_asks_for(level: Level, has_sub: bool, expected: LookPlan) -> None:
    assert plan_of(Attention(level, is_close=True), NEED, has_sub, Degradation.NONE) == expected


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("has_sub", [False, True])
@pytest.mark.parametrize("gap_s", [0.25, 0.7, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("degradation", [Degradation.NONE, Degradation.NO_CROPS])
@pytest.mark.parametrize("is_close", [False, True])
def test_no_level_looks_less_than_the_rules_need(
    level: Level, has_sub: bool, gap_s: float, degradation: Degradation, is_close: bool
) -> None:
    plan = plan_of(Attention(level, is_close=is_close), replace(NEED, largest_gap_s=gap_s), has_sub, degradation)
    assert plan.gap_s <= gap_s
    assert plan.least_gap_s <= plan.gap_s


def test_a_calm_camera_stays_idle() -> None:
    assert set(Watched().levels(range(0, 600, 4))) == {Level.IDLE}


def test_movement_raises_the_level_at_once_and_holds_it() -> None:
    lane = Watched()
    lane.look(0.0)
    assert lane.look(4.0, MOVED).level is Level.WATCH
    assert lane.levels(range(5, 4 + int(HOLD_S))) == [Level.WATCH] * (int(HOLD_S) - 1)
    assert lane.look(4.0 + HOLD_S + 1).level is Level.IDLE


def test_movement_in_every_third_look_does_not_flap() -> None:
    lane = Watched()
    levels = [lane.look(float(second), MOVED if second % 6 == 0 else Signs()).level for second in range(0, 120, 2)]
    assert set(levels) == {Level.WATCH}


def test_a_car_that_stops_is_watched_then_confirmed_then_left_to_the_need() -> None:
    """Dwell 60 s: it arrives at 10, rule counts from 12, raises at 72."""
    lane = Watched(has_sub=True)
    story: dict[int, Level] = {}
    streams: dict[int, str] = {}
    for second in range(200):
        is_counting = 12 <= second < 72
        signs = Signs(
            has_moved=10 <= second < 12,
            has_candidate=second >= 11,
            raises_mono_s=72.0 if is_counting else None,
            has_open_episode=second >= 72,
            smallest_candidate_px=80.0 if second >= 11 else None,
        )
        plan = lane.look(float(second), signs)
        story[second], streams[second] = plan.level, plan.stream
    assert story[9] is Level.IDLE
    assert story[10] is story[40] is Level.WATCH
    assert streams[40] == "sub"
    settled = int(12 + SETTLED_S + HOLD_S + 1)
    assert story[settled] is Level.IDLE, "it stands: what the rules asked for is enough"
    assert story[72 - int(CONFIRM_BEFORE_S)] is Level.CONFIRM
    assert streams[72 - int(CONFIRM_BEFORE_S)] == "main", "the still is made from the main stream"
    assert {story[second] for second in range(62, 72 + int(HOLD_S))} == {Level.CONFIRM}
    assert story[72 + int(HOLD_S) + 1] is Level.WATCH, "a new alert is watched"
    assert story[199] is Level.IDLE, "an open alert whose place does not change needs no more than its need"


def test_a_rule_without_dwell_still_gets_its_picture_from_the_main_stream() -> None:
    lane = Watched(has_sub=True)
    lane.look(0.0)
    plan = lane.look(1.0, Signs(has_moved=True, has_candidate=True, has_open_episode=True))
    assert (plan.level, plan.stream) == (Level.CONFIRM, "main")


def test_a_weak_box_that_flickers_does_not_keep_a_camera_busy_for_ever() -> None:
    lane = Watched()
    levels = [lane.look(float(second), CANDIDATE if second % 3 else Signs()).level for second in range(600)]
    assert levels[1] is Level.WATCH
    assert set(levels[int(SETTLED_S + HOLD_S) + 5 :]) == {Level.IDLE}


def test_a_thing_that_comes_after_a_while_is_new_again() -> None:
    lane = Watched()
    lane.levels(range(100), CANDIDATE)
    lane.levels(range(100, 200))
    assert lane.look(200.0, CANDIDATE).level is Level.WATCH


def test_small_candidates_get_closer_crops_unless_that_is_given_up() -> None:
    small = Signs(has_moved=True, has_candidate=True, smallest_candidate_px=12.0)
    plan = Watched(has_sub=True).look(0.0, small)
    assert (plan.level, plan.stream, plan.has_crops) == (Level.CONFIRM, "main", True)
    plan = Watched(has_sub=True, degradation=Degradation.NO_CROPS).look(0.0, small)
    assert (plan.level, plan.has_crops) == (Level.WATCH, False)


def test_where_things_always_move_a_camera_is_watched_at_its_key_pictures() -> None:
    road = Watched(has_sub=True)
    moving = Signs(has_moved=True, has_candidate=True, smallest_candidate_px=60.0)
    plans = [road.look(float(second), moving) for second in range(120)]
    assert {plan.level for plan in plans} == {Level.WATCH}
    assert (plans[1].gap_s, plans[1].every_key) == (WATCH_GAP_S, True)
    assert (plans[-1].gap_s, plans[-1].every_key) == (NEED.largest_gap_s, True)
    counted = road.look(120.0, replace(moving, raises_mono_s=170.0))
    assert counted.gap_s == WATCH_GAP_S, "a rule counts: its dwell is measured to the second"
    road.levels(range(121, 200))
    assert road.look(200.0, moving).gap_s == WATCH_GAP_S, "after a quiet minute what moves is new again"


def test_the_moment_a_dwell_ends_is_looked_at_and_told_once() -> None:
    lane = Watched(has_sub=True)
    counting = Signs(has_candidate=True, raises_mono_s=72.04, ends_mono_s=72.04)
    told = [lane.look(float(second), replace(counting, ends_mono_s=72.04 + second * 1e-4)) for second in range(50, 72)]
    assert {plan.look_at_mono_s for plan in told[:13]} == {None}, "far from it nothing is different"
    assert {plan.look_at_mono_s for plan in told[13:]} == {72.1}
    assert lane.look(73.0, replace(counting, ends_mono_s=None)).look_at_mono_s is None, "overdue"
    overloaded, plan = attend(
        Attention(), replace(counting, raises_mono_s=5.0, ends_mono_s=5.0), NEED, True, Degradation.KEY_WATCH, 0.0
    )
    assert overloaded.level is Level.CONFIRM
    assert plan.look_at_mono_s is None, "key pictures only"


def test_where_small_things_always_pass_crops_are_for_what_a_rule_is_about_to_raise() -> None:
    small = Signs(has_moved=True, has_candidate=True, smallest_candidate_px=12.0)
    road = Watched()
    crops = [road.look(2.0 * second, small).has_crops for second in range(60)]
    assert crops[0]
    assert not any(crops[int(SETTLED_S + HOLD_S) // 2 + 1 :])
    about_to_raise = replace(small, raises_mono_s=124.0)
    assert road.look(120.0, about_to_raise).has_crops
    road.levels(range(122, 200, 2))
    assert road.look(200.0, small).has_crops, "after a quiet minute what comes is new again"


@pytest.mark.parametrize(
    ("degradation", "level", "severity", "gap_s"),
    [
        (Degradation.NO_CROPS, Level.WATCH, Severity.BLUE, 1.0),
        (Degradation.SLOW_WATCH, Level.WATCH, Severity.BLUE, 1.0),
        (Degradation.KEY_WATCH, Level.WATCH, Severity.BLUE, 2.0),
        (Degradation.KEY_WATCH, Level.IDLE, Severity.BLUE, 2.0),
        (Degradation.LONGER_GAPS, Level.IDLE, Severity.BLUE, 3.0),
        (Degradation.LONGER_GAPS, Level.IDLE, Severity.RED, 2.0),
        (Degradation.LONGEST_GAPS, Level.IDLE, Severity.YELLOW, 6.0),
        (Degradation.LONGEST_GAPS, Level.IDLE, Severity.ORANGE, 3.0),
    ],
)
def test_what_each_step_of_degradation_takes(
    degradation: Degradation, level: Level, severity: Severity, gap_s: float
) -> None:
    need = replace(NEED, largest_gap_s=2.0, most_severe=severity)
    assert plan_of(Attention(level, is_close=True), need, True, degradation).gap_s == gap_s


def test_a_slow_watch_is_one_look_a_second_whatever_the_need() -> None:
    plan = plan_of(Attention(Level.WATCH), replace(NEED, largest_gap_s=0.25), True, Degradation.SLOW_WATCH)
    assert (plan.gap_s, plan.least_gap_s) == (1.0, 1.0)
