"""The arithmetic and the recipes of `./run bench edge`: what a wrong figure would come from."""

from __future__ import annotations

import mmap
import os
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.bench.edge_bench.accounting import Holdings, holdings, kind_of
from tests.bench.edge_bench.figures import cameras_per_core, exact_interval, percentile, ratio, slope
from tests.bench.edge_bench.gaps import GapLog
from tests.bench.edge_bench.recall import Onset, judge, onsets_between
from tests.bench.edge_bench.recipes import (
    BUSY,
    CALM,
    ENCODINGS,
    LANE,
    LIVELY,
    ONSET_CLIP,
    ONSETS,
    RenderedScene,
    digest,
    scene_of_camera,
)
from tests.bench.edge_bench.report import KEYS, figures_of, markdown_table, plain_table
from tests.bench.edge_bench.rtsp_answers import Conversation
from tests.bench.edge_bench.rules import CLEAR_AFTER_S, DWELL_S, LOOK_EVERY_S, rules_of
from tests.bench.edge_bench.serving import BenchCamera
from tests.bench.edge_bench.soak import growth_rows
from tests.bench.edge_bench.standing import StandingWatch, overlap
from tests.bench.edge_bench.systems import RaisedAlert
from xueliang_configs.cameras import CameraConfig
from xueliang_demo.scenes import FireLaneScene


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (10, 10, 0.6915, 1.0),
        (5, 10, 0.1871, 0.8129),
        (1, 20, 0.0013, 0.2487),
        (2500, 5000, 0.4860, 0.5140),
        (0, 0, 0.0, 1.0),
    ],
)
def test_exact_interval_is_clopper_pearson(hits: int, tries: int, low: float, high: float) -> None:
    assert exact_interval(hits, tries) == pytest.approx((low, high), abs=1e-4)


def test_exact_interval_refuses_more_hits_than_tries() -> None:
    with pytest.raises(ValueError, match="11 of 10"):
        exact_interval(11, 10)


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 0.5) == 50.0
    assert percentile([7.0], 0.99) == 7.0
    assert percentile([], 0.5) is None


def test_slope_of_a_line_and_of_nothing() -> None:
    assert slope([(0.0, 5.0), (10.0, 25.0), (20.0, 45.0)]) == pytest.approx(2.0)
    assert slope([(1.0, 5.0)]) is None
    assert slope([(1.0, 5.0), (1.0, 6.0)]) is None


def test_what_was_not_measured_stays_unmeasured() -> None:
    assert ratio(None, 2.0) is None
    assert ratio(2.0, None) is None
    assert cameras_per_core(None) is None
    assert cameras_per_core(0.5) == 120.0


def test_figures_of_nothing_are_null_and_have_every_key() -> None:
    from tests.bench.edge_bench.phases import Outcome

    figures = figures_of(Outcome(), 32)
    assert {key: figures[key] for key in KEYS} == dict.fromkeys(KEYS)


def test_tables_line_up() -> None:
    rows = [("a | b", "1"), ("long name", "12.5")]
    assert plain_table(("what", "n"), rows) == "what          n\na | b         1\nlong name  12.5"
    assert markdown_table(("what", "n"), rows) == "| what | n |\n| --- | ---: |\n| a \\| b | 1 |\n| long name | 12.5 |"


def test_one_camera_in_five_is_busy_and_scenes_take_turns() -> None:
    scenes = [scene_of_camera(number) for number in range(100)]
    assert [scene.is_busy for scene in scenes] == [number % 5 == 0 for number in range(100)]
    assert set(scenes) == {*BUSY, *CALM}


def test_a_clip_is_named_by_everything_that_decides_its_bytes() -> None:
    scene, encoding = BUSY[0], ENCODINGS["main"]
    name = digest(scene, encoding, "aa")
    assert name == digest(replace(scene, zone=LANE), encoding, "aa")
    assert name != digest(replace(scene, begin_s=1.0), encoding, "aa")
    assert name != digest(scene, replace(encoding, gop=51), "aa")
    assert name != digest(scene, encoding, "bb")


@pytest.mark.parametrize("scene", [*BUSY, *CALM, *LIVELY, *ONSETS, ONSET_CLIP], ids=lambda scene: scene.name)
def test_every_loop_is_made_of_whole_gops(scene: Any) -> None:
    for encoding in (ENCODINGS["main"], ENCODINGS["sub"]):
        assert scene.length_s * encoding.fps % encoding.gop == 0


@pytest.mark.parametrize("scene", ONSETS, ids=lambda scene: scene.name)
def test_onsets_leave_time_for_the_alert_and_for_its_end(scene: RenderedScene) -> None:
    coming, going = FireLaneScene.ARRIVE_S, FireLaneScene.LEAVE_S
    assert scene.onsets[0][0] - coming > 0
    assert scene.onsets[-1][1] + going < scene.length_s
    for (stands_s, leaves_s), (next_s, _) in zip(scene.onsets, scene.onsets[1:], strict=False):
        assert leaves_s - stands_s > DWELL_S + 2 * LOOK_EVERY_S + 1
        assert next_s - coming - (leaves_s + going) > CLEAR_AFTER_S + LOOK_EVERY_S


def test_zone_of_the_drawn_lanes_is_the_lane_that_is_drawn() -> None:
    drawn = FireLaneScene(size_wh=(160, 90)).lane_polygon_xyxyn
    assert np.asarray(LANE) == pytest.approx(np.asarray(drawn), abs=1e-3)


@pytest.mark.parametrize("scene", [BUSY[0], ONSETS[0]], ids=lambda scene: scene.name)
def test_rules_are_settings_the_node_takes(scene: Any) -> None:
    camera = CameraConfig.model_validate(
        {"camera_id": "cam-00", "name": "cam-00", "url": "rtsp://127.0.0.1/x", "rules": rules_of(scene)}
    )
    assert [rule.hazard.value for rule in camera.rules] == ["fire_lane_obstruction", "crowd", "camera_fault"]


CAMERA = BenchCamera("cam-00", RenderedScene("r", 1, "day", 48.0, ((10.0, 30.0),)), 5.0, "rtsp://x", "rtsp://y")


def test_onsets_are_placed_by_phase_and_loop() -> None:
    onsets = onsets_between([CAMERA], 1000.0, 1001.0, 1100.0)
    assert sorted(one.stands_mono_s for one in onsets) == [1005.0, 1053.0]
    assert sorted(one.leaves_mono_s for one in onsets) == [1025.0, 1073.0]


def test_alerts_are_matched_counted_once_and_false_ones_are_counted() -> None:
    onsets = [Onset("cam-00", "r", 0, 100.0, 120.0), Onset("cam-00", "r", 0, 148.0, 168.0)]
    alerts = [RaisedAlert("cam-00", "lane", at) for at in (108.0, 110.0, 135.0, 300.0)]
    alerts.append(RaisedAlert("cam-01", "lane", 108.0))
    verdict = judge(onsets, alerts, 90.0, 200.0)
    assert verdict.found(verdict.onsets) == (1, 2)
    assert list(verdict.delays_s.values()) == [8.0]
    assert verdict.false_alerts == 2  # at 135 nothing stands; the other camera shows nothing; 300 is past the window


def test_an_onset_cut_off_by_the_window_is_not_judged_and_its_alert_is_not_false() -> None:
    onsets = [Onset("cam-00", "r", 0, 80.0, 120.0)]
    verdict = judge(onsets, [RaisedAlert("cam-00", "lane", 95.0)], 90.0, 200.0)
    assert (list(verdict.onsets), verdict.false_alerts) == ([], 0)


CAR = np.array([[0.4, 0.4, 0.6, 0.6]], np.float32)
NOTHING = np.zeros((0, 4), np.float32)
EVERYWHERE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def test_standing_is_said_once_and_again_after_the_zone_was_free() -> None:
    watch = StandingWatch(EVERYWHERE, dwell_s=6, clear_after_s=4, patience_s=2)
    said = [watch.look(CAR, ["car"], float(at)) for at in range(10)]
    assert said == [at == 6 for at in range(10)]
    assert not any(watch.look(NOTHING, [], float(at)) for at in range(10, 20))
    assert [watch.look(CAR, ["car"], float(at)) for at in range(20, 27)] == [False] * 6 + [True]


def test_what_moves_or_is_no_vehicle_or_stands_outside_raises_nothing() -> None:
    moving = StandingWatch(EVERYWHERE, dwell_s=3, clear_after_s=4, patience_s=2)
    assert not any(moving.look(CAR + np.float32(0.05 * at), ["car"], float(at)) for at in range(8))
    person = StandingWatch(EVERYWHERE, dwell_s=3, clear_after_s=4, patience_s=2)
    assert not any(person.look(CAR, ["person"], float(at)) for at in range(8))
    left = StandingWatch(((0.0, 0.0), (0.2, 0.0), (0.2, 1.0), (0.0, 1.0)), dwell_s=3, clear_after_s=4, patience_s=2)
    assert not any(left.look(CAR, ["car"], float(at)) for at in range(8))


def test_overlap() -> None:
    assert overlap(CAR[0], CAR[0]) == pytest.approx(1.0)
    assert overlap(CAR[0], CAR[0] + np.float32(0.1)) == pytest.approx(1 / 7, abs=1e-4)
    assert overlap(CAR[0], CAR[0] + np.float32(0.5)) == 0.0


def _report(looks: int, gaps_s: list[float] | None, achieved_s: float | None = None) -> dict[str, Any]:
    camera = {"camera_id": "cam-00", "looks": looks, "achieved_gap_s": achieved_s}
    return {"cameras": [camera | ({"recent_gaps_s": gaps_s} if gaps_s is not None else {})]}


def test_gaps_of_the_window_are_counted_once_each() -> None:
    log = GapLog()
    log.begin(_report(10, [9.0, 4.0]))
    log.add(_report(12, [9.0, 4.0, 4.1, 4.2]))
    log.add(_report(12, [9.0, 4.0, 4.1, 4.2]))
    log.add(_report(13, [9.0, 4.0, 4.1, 4.2, 4.3]))
    assert (log.percentile_s(0.5), log.percentile_s(0.99), log.is_exact) == (4.2, 4.3, True)


def test_gaps_of_an_older_node_are_sampled_from_its_longest() -> None:
    log = GapLog()
    log.begin(_report(10, None, 4.0))
    log.add(_report(12, None, 5.5))
    assert (log.percentile_s(0.99), log.is_exact) == (5.5, False)


def test_conversation_skips_rtcp_and_waits_for_whole_requests() -> None:
    conversation = Conversation({})
    request = b"OPTIONS rtsp://h/cam-00/main RTSP/1.0\r\nCSeq: 3\r\n\r\n"
    assert conversation.receive(b"$\1\0\4abcd" + request[:20]) == []
    (answer,) = conversation.receive(request[20:])
    assert answer.startswith(b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n")
    (refused,) = conversation.receive(b"DESCRIBE rtsp://h/cam-99/main RTSP/1.0\r\nCSeq: 4\r\n\r\n")
    assert refused.startswith(b"RTSP/1.0 404 ")
    assert not conversation.is_over


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("python -P -m xueliang_edge.capture.child 5 1 20 capture-1", "capture"),
        ("python -P -m xueliang_edge.detector_child 5 1 20 detector", "detector"),
        ("python -m xueliang_edge.cli run --config node.yaml", "supervisor"),
        ("nats-server -c broker.conf", "other"),
    ],
)
def test_memory_is_told_by_what_the_process_is(command: str, kind: str) -> None:
    assert kind_of(command.split()) == kind


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PSS is Linux's")
def test_memory_of_files_is_told_apart_from_what_a_process_made_itself() -> None:
    before = holdings([os.getpid()])
    with mmap.mmap(-1, 64_000_000) as made:  # the heap might have had room
        for _ in range(64):
            made.write(b"1" * 1_000_000)
        after = holdings([os.getpid()])
    assert 0 < before.file_mb < before.pss_mb
    own_mb = (after.pss_mb - after.file_mb) - (before.pss_mb - before.file_mb)
    assert own_mb == pytest.approx(64, abs=8)  # other threads of the test process move a little too


def test_growth_of_a_soak_is_the_slope_of_each_kind_and_one_high_sample_does_not_decide_it() -> None:
    samples = []
    for minute in range(11):
        pss_mb_of = {"capture": 500.0 + minute, "supervisor": 89.0 if minute == 5 else 80.0}
        samples.append((60.0 * minute, Holdings(0.0, 0.0, 0, 0, 0, pss_mb_of)))
    assert growth_rows(samples) == [
        ["capture", "500.0", "510.0", "+10.0"],
        ["supervisor", "80.0", "80.0", "+0.0"],
    ]
