"""Flame and smoke: boxes that stay in one place and move as flames do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.observing import Thing, after_s, camera, judged, seen, times, told
from xueliang_alerts.contract import EndReason, Phase, Severity
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

RULE = {"hazard": "fire_smoke", "zone": [[0, 0], [1, 0], [1, 1], [0, 1]]}


def flame(t: float, *, score: float = 0.7, name: str = "fire") -> Thing:
    """Its edges move by about 8 % of its size from look to look."""
    wave = 0.004 * ((round(t * 20) * 7) % 13)
    return (name, score, (0.4 - wave / 2, 0.5 - wave, 0.5 + wave / 2, 0.7))


def lamp(t: float) -> Thing:
    """The box of a thing that does not move: the detector's own shake, half a percent."""
    shake = 0.00005 * ((round(t * 20) * 7) % 13)
    return ("fire", 0.8, (0.4 + shake, 0.5, 0.5, 0.6 + shake))


def story(looks: list[Observation], **settings: object) -> list[Decision]:
    return judged(CameraJudge(camera(RULE | settings)), looks)


def burns(is_burning: Callable[[float], bool], end_s: float, every_s: float = 0.5) -> list[Observation]:
    return [seen(t, [flame(t)] if is_burning(t) else []) for t in times(end_s, every_s)]


def test_a_fire_is_raised_after_its_dwell_and_cleared_when_it_is_out() -> None:
    raised, cleared = story(burns(lambda t: 5 <= t < 30, 60))
    assert (raised.phase, after_s(raised), raised.began.mono_s - 1000) == (Phase.RAISED, 9.0, 5.0)
    assert raised.severity is Severity.RED
    assert raised.reason.code == "fire_seen"
    assert raised.reason.text.startswith("fire for 4 s, seen in 9 looks lately (>= 3), edges move ")
    assert set(raised.measures) == {"seconds", "share", "flicker", "growth"}
    assert (cleared.end_reason, after_s(cleared)) == (EndReason.SEEN_CLEAR, 45.0)
    assert cleared.reason.code == "fire_gone"


def test_one_frame_never_raises_however_sure() -> None:
    assert story([seen(5, [flame(5, score=0.99)]), *[seen(t) for t in times(60, 0.5, 5.5)]], dwell_s=0.1) == []
    carried = [seen(t, [flame(5, score=0.99)], is_carried=t > 5) for t in times(60, 0.5, 5)]
    assert story(carried, dwell_s=0.1) == []


def test_a_lamp_a_sign_a_sunset_is_no_fire() -> None:
    assert story([seen(t, [lamp(t)]) for t in times(120)]) == []
    assert story([seen(t, [lamp(t)]) for t in times(20)], min_flicker=0)[0].phase is Phase.RAISED


def test_lights_that_drive_by_are_no_fire() -> None:
    def rear_lights(t: float) -> Thing:
        left = (0.11 * t) % 0.9
        return ("fire", 0.8, (left, 0.5, left + 0.03, 0.53))

    assert story([seen(t, [rear_lights(t)]) for t in times(120)]) == []


def test_smoke_that_only_grows_is_seen() -> None:
    def smoke(t: float) -> Thing:
        return ("smoke", 0.6, (0.4, 0.5 - 0.01 * t, 0.45 + 0.001 * t, 0.6))

    assert story([seen(t, [smoke(t)]) for t in times(20)], min_flicker=0.5, min_growth=0.1)[0].phase is Phase.RAISED


def test_what_the_change_grid_sees_move_is_alive() -> None:
    def change(t: float) -> np.ndarray:  # type: ignore[type-arg]
        cells = np.zeros((18, 32), np.float32)
        cells[9:11, 12:16] = 0.6 + 0.2 * (round(t * 2) % 2)
        return cells

    looks = [seen(t, [lamp(t)], change=change(t)) for t in times(20)]
    assert story(looks)[0].phase is Phase.RAISED
    assert story([seen(t, [lamp(t)], change=np.full((18, 32), 0.7, np.float32)) for t in times(60)]) == []


def test_an_open_fire_is_held_by_a_weak_box() -> None:
    looks = [seen(t, [flame(t, score=0.7 if t < 20 else 0.25)]) for t in times(120)]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]
    assert story([seen(t, [flame(t, score=0.25)]) for t in times(120)]) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"exclude_zones": [[[0.3, 0.4], [0.6, 0.4], [0.6, 0.8], [0.3, 0.8]]]},
        {"zone": [[0, 0], [0.3, 0], [0.3, 1], [0, 1]]},
        {"min_scores": {"fire": 0.9}},
        {"min_height": 0.5},
        {"classes": ["smoke"]},
        {"max_box": 0.01},
    ],
    ids=["excluded", "outside", "below its own score", "too small", "not its class", "haze"],
)
def test_what_does_not_count(settings: dict[str, object]) -> None:
    assert story(burns(lambda _: True, 60), **settings) == []


@pytest.mark.parametrize("view", [ViewState.OFFLINE, ViewState.UNKNOWN])
def test_a_view_that_is_not_good_never_raises_and_never_clears(view: ViewState) -> None:
    looks = [*burns(lambda _: True, 3), *[seen(t, view=view) for t in times(300, 0.5, 3.5)]]
    assert story(looks) == []
    looks = [*burns(lambda _: True, 10), *[seen(t, view=view) for t in times(300, 0.5, 10.5)]]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["fire", "none", "carried", "blind"]), st.integers(1, 40)), max_size=8),
    st.sampled_from([0.0, 2.0**20]),
)
def test_it_never_raises_without_enough_looks_and_its_dwell_and_never_clears_while_it_burns(
    runs: list[tuple[str, int]], shift_s: float
) -> None:
    states = [state for state, length in runs for _ in range(length)]

    def look(i: int, state: str) -> Observation:
        start = 1000.0 + shift_s
        if state == "blind":
            return seen(0.5 * i, view=ViewState.UNKNOWN, mono_start_s=start)
        things = [flame(0.5 * i)] if state in ("fire", "carried") else []
        return seen(0.5 * i, things, is_carried=state == "carried", mono_start_s=start)

    for decision in story([look(i, state) for i, state in enumerate(states)]):
        index = round((after_s(decision) - shift_s) * 2)
        if decision.phase is Phase.RAISED:
            began = round((decision.began.mono_s - 1000 - shift_s) * 2)
            assert index - began >= 8
            assert states[began : index + 1].count("fire") >= 3
        elif decision.end_reason is EndReason.SEEN_CLEAR:
            judged_last = [state for state in states[: index + 1] if state != "blind"]
            assert set(judged_last[-29:]) <= {"none"} or set(judged_last[-15:]) == {"none"}


@pytest.mark.parametrize("every_s", [0.2, 0.5, 1.0])
def test_the_story_is_the_same_at_any_look_rate(every_s: float) -> None:
    (_, raised_s), (_, cleared_s) = told(story(burns(lambda t: t < 30, 60, every_s)))
    assert 4 <= raised_s <= 4 + every_s
    assert 45 - 1e-6 <= cleared_s <= 45 + 2 * every_s
