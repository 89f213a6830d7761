"""What a machine can carry is arithmetic over measured costs, and a need that cannot be met says which sum fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xueliang_edge.attention.capacity import (
    USABLE_SHARE,
    Demand,
    Part,
    StreamCosts,
    cameras_that_fit,
    capacity,
    cost_ms_per_s,
    look_interval_s,
    why_never,
)
from xueliang_edge.attention.needs import Need

FULL_HD = StreamCosts(key_interval_s=2.0, read_ms_per_s=1.0, key_decode_ms=16.0, all_decode_ms_per_s=110.0, look_ms=1.0)
NEED = Need("gate-3", 4.0, 12.0, {"objects": 4.0})
DEMAND = Demand(NEED, FULL_HD, {"objects": 10.0})


@pytest.mark.parametrize(
    ("gap_s", "key_interval_s", "expected_s"),
    [(4.0, 2.0, 4.0), (4.1, 2.0, 4.0), (3.9, 2.0, 2.0), (4.0, 3.0, 3.0), (1.0, 2.0, 1.0), (2.0, 2.0, 2.0)],
)
def test_looks_come_in_whole_key_intervals(gap_s: float, key_interval_s: float, expected_s: float) -> None:
    assert look_interval_s(gap_s, key_interval_s) == pytest.approx(expected_s)


def test_a_quiet_camera_pays_for_due_key_pictures_and_refreshes() -> None:
    costs = cost_ms_per_s(DEMAND, is_busy=False)
    assert costs == pytest.approx({Part.READING: 1.0, Part.DECODING: 4.0, Part.LOOKING: 0.25, Part.DETECTING: 1.0})


def test_a_busy_camera_pays_for_every_key_picture_and_a_detection_each() -> None:
    costs = cost_ms_per_s(DEMAND, is_busy=True)
    assert costs == pytest.approx({Part.READING: 1.0, Part.DECODING: 8.0, Part.LOOKING: 0.5, Part.DETECTING: 5.0})


def test_a_need_below_the_key_interval_pays_for_every_picture() -> None:
    demand = replace(DEMAND, need=replace(NEED, largest_gap_s=1.0))
    assert cost_ms_per_s(demand, is_busy=False)[Part.DECODING] == 110.0


def test_two_detectors_are_both_paid_for_at_their_own_rates() -> None:
    need = replace(NEED, detector_gaps_s={"objects": 4.0, "flames": 30.0})
    demand = replace(DEMAND, need=need, detect_ms={"objects": 10.0, "flames": 30.0})
    assert cost_ms_per_s(demand, is_busy=False)[Part.DETECTING] == pytest.approx(10 / 10 + 30 / 30)


def test_the_whole_node_is_summed_and_said() -> None:
    verdict = capacity([DEMAND] * 100, cores=1)
    assert verdict.is_met
    assert not verdict.is_met_busy
    assert verdict.first_limit is Part.DECODING
    assert verdict.words[0] == (
        "100 cameras while nothing moves: reading 100 + decoding 400 + looking 25 + detecting 100 = 625 ms of CPU a "
        "second of 850 usable (cores: 1)"
    )
    assert not capacity([DEMAND] * 200, cores=1).is_met
    assert capacity([DEMAND] * 200, cores=4).is_met_busy


def test_no_cameras_are_always_met() -> None:
    verdict = capacity([], cores=2)
    assert verdict.is_met_busy
    assert verdict.first_limit is None


def test_how_many_fit_is_a_band_from_all_busy_to_all_quiet() -> None:
    assert cameras_that_fit(DEMAND, cores=2) == (floor_of(14.5, 2), floor_of(6.25, 2))


def floor_of(cost_ms: float, cores: float) -> int:
    return int(cores * 1000 * USABLE_SHARE / cost_ms)


@pytest.mark.parametrize(
    ("gap_s", "stream", "detect_ms", "said"),
    [
        pytest.param(4.0, FULL_HD, 10.0, None, id="met"),
        pytest.param(0.25, FULL_HD, 10.0, None, id="met by decoding everything"),
        pytest.param(
            0.5,
            replace(FULL_HD, all_decode_ms_per_s=1100.0),
            10.0,
            "rule lane-1 needs a look every 0.5 s; key pictures come every 2 s, so every picture is decoded: 1 ms "
            "reading + 1100 ms decoding = 1101 ms of CPU a second, and one thread has 850",
            id="a stream too large for one thread",
        ),
        pytest.param(
            0.25,
            FULL_HD,
            400.0,
            "rule lane-1 needs a look every 0.25 s; its detector takes 400 ms a look, 400 / 0.25 s = 1600 ms of CPU a "
            "second, and one session has 850",
            id="a detector too slow",
        ),
        pytest.param(
            0.25,
            replace(FULL_HD, key_interval_s=0.2, key_decode_ms=250.0),
            10.0,
            "rule lane-1 needs a look every 0.25 s; a key picture every 0.2 s: 1 ms reading + 250 ms decoding / 0.2 s "
            "= 1251 ms of CPU a second, and one thread has 850",
            id="key pictures too slow",
        ),
    ],
)
def test_a_need_no_schedule_can_meet_is_told_with_its_arithmetic(
    gap_s: float, stream: StreamCosts, detect_ms: float, said: str | None
) -> None:
    assert why_never("lane-1", gap_s, stream, detect_ms) == said
