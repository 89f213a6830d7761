"""The declared order of degradation: step by step, said in words, given back when it is calm."""

from __future__ import annotations

from itertools import pairwise

import pytest

from xueliang_alerts.contract import Severity
from xueliang_edge.attention.levels import Attention, Level, plan_of
from xueliang_edge.attention.needs import Need
from xueliang_edge.attention.overload import (
    CALM_AT_MOST_S,
    CALM_FOR_S,
    REFRESH_OVERLOADED_S,
    REFRESH_S,
    WORSE_FOR_S,
    Degradation,
    Load,
    Overload,
    advance,
)
from xueliang_edge.attention.schedule import Schedule

LATE = Load(lag_s=3.0, busy_share=1.0)
CALM = Load(lag_s=0.0, busy_share=0.3)
FULL = Load(lag_s=0.1, busy_share=0.95)


def steps(loads: list[Load], state: Overload | None = None) -> list[Degradation]:
    """What is given up after each second's measurement."""
    state = state or Overload()
    given_up = []
    for second, load in enumerate(loads):
        state = advance(state, load, float(second))
        given_up.append(state.degradation)
    return given_up


def test_the_order_is_taken_one_step_at_a_time() -> None:
    given_up = steps([LATE] * 60)
    assert given_up[int(WORSE_FOR_S) - 1] is Degradation.NONE
    taken = list(dict.fromkeys(given_up))
    assert taken == list(Degradation)
    first = [given_up.index(step) for step in taken]
    assert min(later - sooner for sooner, later in pairwise(first)) >= WORSE_FOR_S
    assert given_up[-1] is Degradation.LONGEST_GAPS, "the last step holds; every camera still has its looks"


def test_a_burst_gives_nothing_up() -> None:
    assert set(steps(([LATE] * 4 + [FULL]) * 20)) == {Degradation.NONE}


def test_a_full_machine_that_is_not_late_neither_gives_up_nor_gives_back() -> None:
    state = Overload(degradation=Degradation.SLOW_WATCH)
    assert set(steps([FULL] * 600, state)) == {Degradation.SLOW_WATCH}


def test_capture_that_falls_behind_counts_like_judging_that_is_late() -> None:
    assert steps([Load(0.0, 0.2, decode_lag_s=2.0)] * 10)[-1] is Degradation.NO_CROPS


def test_what_was_given_up_comes_back_step_by_step_when_it_is_calm() -> None:
    given_up = steps([LATE] * 40 + [CALM] * 400)
    back = list(dict.fromkeys(given_up[40:]))
    assert back == list(reversed(Degradation))
    assert given_up[40 + int(CALM_FOR_S) - 2] is Degradation.LONGEST_GAPS


def test_a_late_second_now_and_then_does_not_keep_a_node_where_it_is() -> None:
    """Key pictures of sixteen cameras that fall together: late for a second, twice a minute."""
    given_up = steps([LATE] * 40 + ([CALM] * 20 + [FULL] * 9 + [LATE]) * 20)
    assert given_up[-1] is Degradation.NONE


def test_a_node_that_is_late_every_few_seconds_gives_nothing_back() -> None:
    state = Overload(degradation=Degradation.KEY_WATCH)
    assert set(steps(([CALM] * 4 + [LATE]) * 200, state)) == {Degradation.KEY_WATCH}


def test_a_step_that_is_needed_again_at_once_is_kept_longer_each_time() -> None:
    """The load is too much at step 0 and fine at step 1: without memory it would swing every 35 s for ever."""
    state, changes = Overload(), []
    for second in range(3600):
        before = state.degradation
        state = advance(state, LATE if state.degradation is Degradation.NONE else CALM, float(second))
        if state.degradation is not before:
            changes.append(second)
    assert len(changes) < 24
    assert CALM_FOR_S < state.calm_for_s <= CALM_AT_MOST_S


def test_each_step_says_what_it_gives_up() -> None:
    words = [step.words for step in Degradation]
    assert len(set(words)) == len(Degradation)
    assert all(words)


@pytest.mark.parametrize(
    ("step", "orange", "blue", "refresh_s"),
    [
        (Degradation.NONE, 1.0, 1.0, REFRESH_S),
        (Degradation.NO_CROPS, 1.0, 1.0, REFRESH_S),
        (Degradation.SLOW_WATCH, 1.0, 1.0, REFRESH_OVERLOADED_S),
        (Degradation.KEY_WATCH, 1.0, 1.0, REFRESH_OVERLOADED_S),
        (Degradation.LONGER_GAPS, 1.0, 1.5, REFRESH_OVERLOADED_S),
        (Degradation.LONGEST_GAPS, 1.5, 3.0, REFRESH_OVERLOADED_S),
    ],
)
def test_the_least_severe_are_slowed_first(step: Degradation, orange: float, blue: float, refresh_s: float) -> None:
    assert step.gap_factor(Severity.ORANGE) == step.gap_factor(Severity.RED) == orange
    assert step.gap_factor(Severity.BLUE) == step.gap_factor(Severity.YELLOW) == blue
    assert step.refresh_s == refresh_s


CARRIED_S = 0.003  # a look whose last detection still holds


class BusyNode:
    """Cameras with a sub stream, one worker; while the street is busy all of them are watched."""

    def __init__(self, cameras: int, judging_s: float) -> None:
        self.needs = {
            f"cam-{number}": Need(
                f"cam-{number}", 2.0, 6.0, most_severe=Severity.BLUE if number % 2 else Severity.ORANGE
            )
            for number in range(cameras)
        }
        self.schedule: Schedule[tuple[str, float]] = Schedule(self.needs.values(), 0.0)
        self.judging_s = judging_s
        self.overload = Overload()
        self.next_picture_s = {name: 0.05 * number for number, name in enumerate(self.needs)}
        self.free_at_s = 0.0
        self.busy_s = 0.0

    def second(self, now_s: float, level: Level) -> Degradation:
        judging_s = self.judging_s if level is Level.WATCH else CARRIED_S
        plans = {
            name: plan_of(Attention(level, is_close=True), need, True, self.overload.degradation)
            for name, need in self.needs.items()
        }
        for at_s in (now_s + 0.1 * tenth for tenth in range(10)):
            for name, plan in plans.items():
                self.schedule.plan(name, plan.gap_s)
                if self.next_picture_s[name] <= at_s:
                    self.schedule.arrived(name, (name, at_s), at_s)
                    self.next_picture_s[name] = at_s + plan.gap_s
            while self.free_at_s < at_s + 0.1 and (look := self.schedule.next_look()) is not None:
                self.free_at_s = max(self.free_at_s, at_s) + judging_s
                self.busy_s += judging_s
                self.schedule.judged(*look)
        load = Load(self.schedule.lag_s(now_s + 1.0), min(1.0, self.busy_s))
        self.busy_s = 0.0
        self.overload = advance(self.overload, load, now_s + 1.0)
        return self.overload.degradation


def test_a_busy_street_degrades_in_order_and_recovers() -> None:
    node = BusyNode(cameras=60, judging_s=0.025)  # watched: 1.5 s of work a second; at key pictures 0.75
    calm = [node.second(float(second), Level.IDLE) for second in range(60)]
    assert set(calm) == {Degradation.NONE}
    busy = [node.second(float(second), Level.WATCH) for second in range(60, 180)]
    taken = list(dict.fromkeys(busy))
    assert taken[: len(taken)] == list(Degradation)[: len(taken)], "in the declared order"
    assert max(busy) >= Degradation.KEY_WATCH
    assert node.schedule.lag_s(180.0) < 1.0, "what was given up is enough"
    after = [node.second(float(second), Level.IDLE) for second in range(180, 600)]
    assert after[-1] is Degradation.NONE
    assert all(later <= sooner for sooner, later in pairwise(after[10:])), "and comes back without swinging"
