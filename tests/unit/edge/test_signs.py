"""What a look tells attention, from the same boxes, zones and episodes that the rules judge by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.edge.observing import CAR, Thing, camera, lane_rule, seen
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.attention.levels import Signs
from xueliang_edge.attention.refreshing import zone_cells
from xueliang_edge.attention.signs import signs_of
from xueliang_edge.observations import ViewState
from xueliang_edge.rules.episodes import EpisodeState
from xueliang_edge.rules.judge import CameraJudge

INPUT_WH = (416, 416)
STILL = np.zeros((18, 32), np.float32)
LANE = camera(lane_rule(dwell_s=30))
IN_LANE = (0.3, 0.4, 0.5, 0.8)


def look(config: CameraConfig, things: list[Thing], **more: Any) -> Signs:
    episodes = {rule.rule_id: EpisodeState() for rule in config.rules}
    near = zone_cells(config.rules, (18, 32))
    moved = more.pop("moved", STILL)
    return signs_of(config.rules, episodes, [seen(0.0, things, **more)], moved, near, INPUT_WH, now_mono_s=1000.0)


@pytest.mark.parametrize(
    ("thing", "is_candidate"),
    [
        pytest.param(CAR, True, id="a car in the lane"),
        pytest.param(("car", 0.2, IN_LANE), True, id="a weak one"),
        pytest.param(("car", 0.15, IN_LANE), False, id="one that no rule follows"),
        pytest.param(("person", 0.9, IN_LANE), False, id="a class that does not count"),
        pytest.param(("car", 0.9, (0.3, 0.05, 0.5, 0.45)), False, id="a car elsewhere"),
    ],
)
def test_a_candidate_is_what_a_rule_would_follow(thing: Thing, is_candidate: bool) -> None:
    signs = look(LANE, [thing])
    assert signs.has_candidate == is_candidate
    assert (signs.smallest_candidate_px is not None) == is_candidate


def test_a_size_is_told_in_the_pixels_of_the_network() -> None:
    """1280 x 720 letterboxed into 416 x 416: a third, nearly."""
    signs = look(LANE, [CAR, ("car", 0.5, (0.6, 0.6, 0.62, 0.65))])
    assert signs.smallest_candidate_px == pytest.approx(0.05 * 720 * 416 / 1280, rel=1e-3)


def test_a_rule_looks_only_through_its_own_detector() -> None:
    assert not look(LANE, [CAR], detector="flames").has_candidate


def test_a_look_that_shows_nothing_or_cannot_be_compared_gives_no_sign() -> None:
    assert look(LANE, [], view=ViewState.UNKNOWN, moved=None) == Signs()


def test_movement_counts_near_the_zone_only() -> None:
    moved = STILL.copy()
    moved[0, 0] = 1.0
    assert not look(LANE, [], moved=moved).has_moved
    moved[10, 10] = 0.5
    assert look(LANE, [], moved=moved).has_moved


def test_a_rule_that_counts_says_how_long_and_an_alert_is_open_then() -> None:
    judge = CameraJudge(LANE)
    near = zone_cells(LANE.rules, (18, 32))
    told: list[Signs] = []
    for half_second in range(80):
        observation = seen(half_second / 2, [CAR])
        judge.look(observation)
        episodes = {rule_id: running.state.episode for rule_id, running in judge._running.items()}
        now = observation.observed_mono_s
        told.append(signs_of(LANE.rules, episodes, [observation], STILL, near, INPUT_WH, now_mono_s=now))
        since_boot = signs_of(
            LANE.rules, episodes, [observation], STILL, near, INPUT_WH, now_mono_s=now - 864_000, offset_s=864_000
        )
        if told[-1].ends_mono_s is not None and since_boot.ends_mono_s is not None:
            assert told[-1].ends_mono_s - since_boot.ends_mono_s == pytest.approx(864_000)
        assert (told[-1].ends_mono_s is None) == (since_boot.ends_mono_s is None)
    assert told[0].raises_mono_s is None, "it does not stand yet"
    counting = [(at, signs.raises_mono_s) for at, signs in enumerate(told) if signs.raises_mono_s is not None]
    assert [moment for _, moment in counting] == pytest.approx([counting[0][1]] * len(counting)), "one moment"
    assert {signs.ends_mono_s for signs in told} - {None} == {moment for _, moment in counting}, "and it lies ahead"
    raised = next(at for at, signs in enumerate(told) if signs.has_open_episode)
    assert counting[0][1] == pytest.approx(seen(raised / 2, [CAR]).observed_mono_s)
    assert 20.0 < (raised - counting[0][0]) / 2 <= 30.0
    assert told[-1] == Signs(
        has_candidate=True,
        has_open_episode=True,
        smallest_candidate_px=told[-1].smallest_candidate_px,
        concerned=frozenset({"objects"}),
    )


def test_the_camera_itself_gives_no_signs() -> None:
    config = camera({"hazard": "camera_fault", "fault": "offline"})
    assert look(config, [CAR]) == Signs()
