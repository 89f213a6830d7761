"""What watching a camera costs: the arithmetic, by hand."""

from __future__ import annotations

import pytest

from xueliang_edge.costs import LOOK_MS, MAIN_SHARE, READ_S_PER_MBIT, UPKEEP_S, Plan, StreamFigures, cost_of, why_never

PLAN = Plan(look_every_s=4.0, busy_share=0.2, watch_every_s=1.0, refresh_s=10.0, detect_ms=10.0)
MAIN = StreamFigures(mbit_per_s=4.0, gop_s=2.0, fps=25.0, key_ms=20.0, all_ms=4.0)
SUB = StreamFigures(mbit_per_s=0.5, gop_s=2.0, fps=10.0, key_ms=4.0, all_ms=1.0)


def test_main_stream_alone_pays_every_second_key_picture_and_all_of_them_while_watched_closely() -> None:
    cost = cost_of(MAIN, None, PLAN)
    idle, busy = 0.8 * 15, 0.2 * 30  # key pictures a minute: every second one, every one
    looks = idle + busy
    detections = 0.8 * 6 + busy  # while nothing moves, once in ten seconds
    expected = 4.0 * READ_S_PER_MBIT + (looks * (20.0 + LOOK_MS) + detections * 10.0) / 1000 + UPKEEP_S
    assert cost.cpu_s_per_minute == pytest.approx(expected)
    assert cost.mbit_per_s == 4.0
    assert not cost.needs_all_pictures


def test_sub_stream_does_the_everyday_looks() -> None:
    cost = cost_of(MAIN, SUB, PLAN)
    looks, detections = 0.8 * 15 + 0.2 * 60 + 1, 0.8 * 6 + 0.2 * 60 + 1
    decode_s = (0.8 * 15 * 4.0 + 0.2 * 600 * 1.0 + 1 * 20.0) / 1000
    read_s = (0.5 + MAIN_SHARE * 4.0) * READ_S_PER_MBIT
    assert cost.cpu_s_per_minute == pytest.approx(
        read_s + decode_s + (detections * 10.0 + looks * LOOK_MS) / 1000 + UPKEEP_S
    )
    assert cost.mbit_per_s == pytest.approx(0.5 + MAIN_SHARE * 4.0)
    assert cost.cpu_s_per_minute < cost_of(MAIN, None, PLAN).cpu_s_per_minute


@pytest.mark.parametrize("gop_s", [20.0, None], ids=["every 20 s", "none seen"])
def test_key_pictures_too_far_apart_cost_every_picture_and_it_is_said(gop_s: float | None) -> None:
    seldom = StreamFigures(4.0, gop_s, 25.0, 20.0, 4.0)
    cost = cost_of(seldom, None, PLAN)
    assert cost.needs_all_pictures
    decode = sum(line.cpu_s for line in cost.lines if line.what == "decode")
    assert decode == pytest.approx(1500 * 4.0 / 1000)
    assert any("all 1500 pictures a minute" in line.words for line in cost.lines)


def test_a_key_picture_just_beyond_the_gap_still_does() -> None:
    """4 s GOPs arrive 4.1 s apart now and then: no reason to decode a hundred pictures for each look."""
    assert not cost_of(StreamFigures(4.0, 4.1, 25.0, 20.0, 4.0), None, PLAN).needs_all_pictures


def test_libav_reads_at_its_own_price() -> None:
    by_libav = StreamFigures(4.0, 2.0, 25.0, 20.0, 4.0, is_read_by_libav=True)
    difference = cost_of(by_libav, None, PLAN).cpu_s_per_minute - cost_of(MAIN, None, PLAN).cpu_s_per_minute
    assert difference == pytest.approx(0.45 - 4.0 * READ_S_PER_MBIT)


def test_a_main_stream_that_libav_reads_beside_the_sub_stream_is_decoded_while_it_rests() -> None:
    by_libav = StreamFigures(4.0, 2.0, 25.0, 20.0, 4.0, is_read_by_libav=True)
    difference = cost_of(by_libav, SUB, PLAN).cpu_s_per_minute - cost_of(MAIN, SUB, PLAN).cpu_s_per_minute
    resting_s = MAIN_SHARE * 15 * 20.0 / 1000  # every second key picture, as long as it is connected
    assert difference == pytest.approx(MAIN_SHARE * (0.45 - 4.0 * READ_S_PER_MBIT) + resting_s)


def test_lines_add_up_and_each_says_how() -> None:
    cost = cost_of(MAIN, SUB, PLAN)
    assert sum(line.cpu_s for line in cost.lines) == cost.cpu_s_per_minute
    assert all(line.words for line in cost.lines)
    assert cost.cores == pytest.approx(cost.cpu_s_per_minute / 60)


@pytest.mark.parametrize(
    ("gap_s", "detect_ms", "said"),
    [
        pytest.param(4.0, 10.0, None, id="met"),
        pytest.param(
            0.25,
            400.0,
            "rule lane-1 needs a look every 0.25 s; its detector takes 400 ms a look, 400 / 0.25 s = 1600 ms of CPU a "
            "second, and one session has 850",
            id="a detector too slow",
        ),
    ],
)
def test_a_need_no_schedule_can_meet_is_told_with_its_arithmetic(
    gap_s: float, detect_ms: float, said: str | None
) -> None:
    assert why_never("lane-1", gap_s, detect_ms) == said
