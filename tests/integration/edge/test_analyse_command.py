"""Rules tried on shared recordings by the command: the same alerts as a node's, people filled, files whole or none."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.integration.edge.scenes import FPS, LANE, cut, lane_camera, write_settings
from tests.integration.edge.test_node_recording import play
from tests.support.brokers import wait_until
from tests.support.fixtures import require_fixture
from tests.support.heard_signals import heard_signals
from tests.support.models import FIRE_MODEL, open_shared_detector, shared_model_path, write_card
from tests.support.recordings import expected_cases
from xueliang_configs.loading import load_node
from xueliang_edge.analysing.analysis import Asked, analyse, asked_of
from xueliang_edge.analysing.told import ToldAlert
from xueliang_edge.cli import main
from xueliang_edge.evidence.stills import PERSON_FILL_BGR
from xueliang_streams.encoding import encode_clip
from xueliang_streams.errors import EncodingFailed

pytestmark = pytest.mark.fixtures

AT = "2026-11-23T07:30:00+08:00"
WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]
HEAD_PX = 26  # of a slide, above its picture
PEOPLE_FPS = 10


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def short_walk(folder: Path, seconds: float = 3.0) -> list[NDArray[np.uint8]]:
    """The first pictures of campus_walkers, also written as walk.mp4."""
    capture = cv2.VideoCapture(str(require_fixture("clips/campus_walkers.mp4")))
    pictures = [np.asarray(capture.read()[1], np.uint8) for _ in range(round(seconds * PEOPLE_FPS))]
    encode_clip(folder / "walk.mp4", iter(pictures), PEOPLE_FPS)
    return pictures


def crowd_camera(**camera: Any) -> dict[str, Any]:
    rule = {
        "rule_id": "crowd",
        "hazard": "crowd",
        "zone": WHOLE,
        "raise_at_count": 2,
        "clear_at_count": 1,
        "dwell_s": 1,
        "clear_after_s": 3,
    }
    return {"camera_id": "campus", "name": "校园", "url": "rtsp://10.0.0.9/1", "rules": [rule]} | camera


def slides_of(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        return [(float(one.time), one.to_ndarray(format="bgr24")) for one in container.decode(video=0)]


@pytest.mark.slow
def test_alerts_are_those_of_a_node_over_the_same_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = require_fixture("clips/lot_car_stops.mp4")
    settings = write_settings(tmp_path, [lane_camera(f"file:{clip}", dwell_s=10)])
    assert main(["analyse", str(clip), "--config", str(settings), "--at", AT]) == 0
    told = capsys.readouterr()
    print(told.err)
    lines = lines_of(told.out)
    assert not (tmp_path / "data").exists(), "nothing of the node is touched"
    node_alerts, _ = play(settings)

    def since_onset(alert: dict[str, Any]) -> float:
        moments = [datetime.fromisoformat(alert[name]) for name in ("began_at", "observed_at")]
        return round((moments[1] - moments[0]).total_seconds(), 2)

    of_node = [alert.model_dump(mode="json") for alert in node_alerts]
    for here, there in zip(lines, of_node, strict=True):
        for name in ("phase", "end_reason", "rule_id", "severity", "revision"):
            assert here.get(name) == there[name]
        # Ten seconds in steps of a third, kept to a millisecond, are met at this look or the next.
        assert since_onset(here) == pytest.approx(since_onset(there), abs=0.35)
        assert np.asarray(here["boxes_xyxyn"]) == pytest.approx(np.asarray(there["boxes_xyxyn"]), abs=0.01)
    raised, cleared = lines  # the windows of the shared expected_alerts.json, lane_stop_10
    assert 19.5 <= raised["video_s"] <= 23.5
    assert 46.5 <= cleared["video_s"] <= 53.0
    began = timedelta(seconds=raised["began_video_s"])
    first_picture = datetime.fromisoformat(raised["began_at"]) - began
    assert abs(first_picture - datetime.fromisoformat(AT)) <= timedelta(milliseconds=1), "half-way between two looks"
    assert "s of video a second" in told.err


@pytest.mark.slow
@pytest.mark.parametrize("case_id", ["plaza_crowd", "campus_crowd", "campus_no_crowd"])
def test_crowds_of_small_people_are_told_by_the_detector_in_the_box(
    case_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The windows are those of the shared expected_alerts.json, meant for four looks a second; the rule asks for one
    every 0.75 s, so an alert may come two looks later.
    """
    (case,) = (one for one in expected_cases() if one["id"] == case_id)
    rule = {"rule_id": "crowd", "hazard": "crowd", "zone": case["zone"]} | case["settings"]
    settings = write_settings(tmp_path, [crowd_camera(rules=[rule])])
    written = json.loads(settings.read_text()) | {"detectors": {"objects": {"model": "embedded"}}}
    settings.write_text(json.dumps(written))
    assert main(["analyse", str(require_fixture(f"clips/{case['clip']}")), "--config", str(settings)]) == 0
    raised = [one for one in lines_of(capsys.readouterr().out) if one["phase"] == "raised"]
    windows = [one["raised_between_s"] for one in case["expect"]]
    assert len(raised) == len(windows)
    for alert, (first, last) in zip(raised, windows, strict=True):
        assert first <= alert["video_s"] <= last + 1.5


def test_people_are_filled_and_the_rest_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = short_walk(tmp_path)
    out = tmp_path / "out"
    settings = write_settings(tmp_path, [crowd_camera()])
    assert main(["analyse", str(tmp_path / "walk.mp4"), "--config", str(settings), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["alerts.jsonl", "annotated.mp4", "timeline.png"]
    assert "written into" in capsys.readouterr().err
    (raised,) = lines_of((out / "alerts.jsonl").read_text(encoding="utf-8"))
    assert (raised["phase"], raised["rule_id"]) == ("raised", "crowd")
    assert cv2.imread(str(out / "timeline.png")).shape[1] == 1600
    (_, first), *slides = slides_of(out / "annotated.mp4")
    even = first[HEAD_PX + 400 : HEAD_PX + 600, 20:170]
    assert np.ptp(even) < 12, "nothing to compare with yet: somebody unseen could be in the first picture"
    assert np.ptp(slides[0][1][HEAD_PX + 400 : HEAD_PX + 600, 20:170]) > 60, "the others show the place"
    assert len(slides) >= 3
    detector = open_shared_detector("yolox_nano_416", tmp_path)
    filled, people = 0, 0
    for at_s, slide in slides:
        source = pictures[round(at_s * PEOPLE_FPS)]
        shown = slide[HEAD_PX : HEAD_PX + 2 * source.shape[0], : 2 * source.shape[1]]
        found = detector.detect(source)
        from_fill = np.abs(shown.astype(int) - PERSON_FILL_BGR).max(axis=2)
        for box, index, score in zip(found.boxes_xyxy, found.class_ids, found.scores, strict=True):
            left, top, right, bottom = (round(2 * float(value)) for value in np.maximum(box, 0))
            if detector.classes[index] != "person" or score < 0.45 or bottom - top < 80:
                continue
            people += 1
            # What is not of the fill's colour is a line or a label, this box's own or a neighbour's.
            filled += (from_fill[top:bottom, left:right] < 24).mean() > 0.55
        is_shown = np.abs(shown[::2, ::2].astype(int) - source).mean(axis=2) < 30
        assert is_shown.mean() > 0.4, "the picture itself is to be seen"
    detector.close()
    assert people >= 2 * len(slides)
    assert filled == people


def test_privacy_zones_are_black_in_every_slide(tmp_path: Path) -> None:
    short_walk(tmp_path, 2.0)
    settings = write_settings(
        tmp_path, [crowd_camera(privacy_zones=[[[0.0, 0.5], [0.2, 0.5], [0.2, 1.0], [0.0, 1.0]]])]
    )
    out = tmp_path / "out"
    assert main(["analyse", str(tmp_path / "walk.mp4"), "--config", str(settings), "--out", str(out)]) == 0
    for _, slide in slides_of(out / "annotated.mp4")[1:]:
        assert slide[HEAD_PX + 400 : HEAD_PX + 600, 20:170].max() < 24


def test_without_a_model_that_knows_people_there_is_no_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short_walk(tmp_path, 1.0)
    rule = {"rule_id": "fire", "hazard": "fire_smoke", "zone": WHOLE}
    settings = write_settings(tmp_path, [crowd_camera(rules=[rule])])
    content = json.loads(settings.read_text())
    content["detectors"] = {
        "objects": {"model": str(shared_model_path(FIRE_MODEL)), "card": str(write_card(FIRE_MODEL, tmp_path))}
    }
    settings.write_text(json.dumps(content))
    out = tmp_path / "out"
    out.mkdir()
    (out / "annotated.mp4").write_bytes(b"of an earlier run")
    assert main(["analyse", str(tmp_path / "walk.mp4"), "--config", str(settings), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["alerts.jsonl", "timeline.png"]
    assert 'no annotated clip: no detector of the settings knows the class "person"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.mp4"], "none.mp4: no such file"),
        (["node.yaml"], "node.yaml: is not a video, or is damaged"),
        (["walk.mp4", "--camera", "gate"], 'no camera "gate" (there: campus)'),
    ],
    ids=["missing", "no_video", "no_camera"],
)
def test_what_cannot_be_analysed_is_said_and_leaves_nothing(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short_walk(tmp_path, 0.5)
    settings = write_settings(tmp_path, [crowd_camera()])
    name, *rest = arguments
    assert main(["analyse", str(tmp_path / name), *rest, "--config", str(settings), "--out", str(tmp_path / "o")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_moment_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["analyse", "walk.mp4", "--config", "node.yaml", "--at", "yesterday"])
    assert 'expected a date and time such as 2026-11-23T07:30 or 2026-11-23T07:30+08:00, got "yesterday"' in (
        capsys.readouterr().err
    )


def test_ctrl_c_leaves_no_file(tmp_path: Path) -> None:
    clip = require_fixture("clips/room_one_by_one.mp4")
    out = tmp_path / "out"
    settings = write_settings(tmp_path, [crowd_camera()])
    command = [sys.executable, "-m", "xueliang_edge.cli", "analyse", str(clip), "--config", str(settings)]
    with heard_signals():
        running = subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE, text=True)
    with running:
        clip_part = out / "annotated.mp4.part"
        wait_until(lambda: clip_part.exists() and clip_part.stat().st_size > 0, what="slides", timeout_s=60)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 1, said
    assert "stopped at 0:" in said
    assert list(out.iterdir()) == []


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A car that stands from the first picture to the last, eight seconds."""
    path = tmp_path_factory.mktemp("clips") / "parked.mp4"
    encode_clip(path, iter(cut(15.0, 8.0)), FPS)
    return path


def ask(tmp_path: Path, parked: Path, clip: Path | None = None) -> tuple[Any, Asked]:
    config = load_node(write_settings(tmp_path, [lane_camera("rtsp://10.0.0.9/1", dwell_s=4, zone=LANE)]))
    asked = asked_of(config, parked, None, None, datetime.now(UTC))
    return config, Asked(asked.recording, asked.camera, asked.start_at, length_s=asked.length_s, clip=clip)


def run(config: Any, asked: Asked, say: Any) -> Any:
    return analyse(
        config,
        asked,
        say=say,
        say_not_running=lambda *_: None,
        progress=lambda *_: None,
        stop=threading.Event(),
    )


def test_an_alert_that_cannot_be_written_ends_the_analysis(tmp_path: Path, parked: Path) -> None:
    def say(_: ToldAlert) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        run(*ask(tmp_path, parked), say)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_clip_that_cannot_be_written_ends_the_analysis(tmp_path: Path, parked: Path) -> None:
    with pytest.raises(EncodingFailed, match="/dev/full: cannot be written: No space left"):
        run(*ask(tmp_path, parked, Path("/dev/full")), lambda _: None)


def test_a_recording_that_was_cut_off_is_told_and_what_there_is_is_judged(
    tmp_path: Path, parked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_off = tmp_path / "cut.mkv"
    with av.open(str(parked)) as whole, av.open(str(cut_off), "w", format="matroska") as container:
        container.metadata["creation_time"] = "2026-11-20T06:30:00Z"
        stream = container.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    cut_off.write_bytes(cut_off.read_bytes()[: cut_off.stat().st_size // 2])
    settings = write_settings(tmp_path, [lane_camera("rtsp://10.0.0.9/1", dwell_s=1)])
    assert main(["analyse", str(cut_off), "--config", str(settings)]) == 1
    said = capsys.readouterr()
    assert "could not be read to its end" in said.err
    assert "(the file says so)" in said.err
    (raised,) = lines_of(said.out)
    assert raised["began_at"].startswith("2026-11-20T06:30:0")


def test_a_view_that_turns_black_is_judged_to_the_end_of_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = short_walk(tmp_path, 40.0)
    black = [np.full_like(pictures[0], 4)] * round(20 * PEOPLE_FPS)
    encode_clip(tmp_path / "dark.mp4", iter([*pictures, *black]), PEOPLE_FPS)
    rules = [{"rule_id": "view", "hazard": "camera_fault", "fault": "view", "view_after_s": 2}]
    settings = write_settings(tmp_path, [crowd_camera(rules=[*crowd_camera()["rules"], *rules])])
    assert main(["analyse", str(tmp_path / "dark.mp4"), "--config", str(settings)]) == 0
    said = capsys.readouterr()
    assert "its pictures end" not in said.err
    assert ("raised", "view") in {(line["phase"], line["rule_id"]) for line in lines_of(said.out)}


def test_the_recording_itself_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short_walk(tmp_path)
    mine = (tmp_path / "walk.mp4").rename(tmp_path / "annotated.mp4")
    size = mine.stat().st_size
    settings = write_settings(tmp_path, [crowd_camera()])
    assert main(["analyse", str(mine), "--config", str(settings), "--out", str(tmp_path)]) == 2
    assert "would be written over" in capsys.readouterr().err
    assert mine.stat().st_size == size


def test_the_same_question_gets_the_same_answer(tmp_path: Path, parked: Path) -> None:
    config, asked = ask(tmp_path, parked)
    answers: list[list[str]] = [[], []]
    for said in answers:
        analysed = run(config, asked, lambda alert, said=said: said.append(alert.line()))
        assert [lane.is_open for lane in analysed.lanes] == [True]
    assert answers[0] == answers[1]
    (raised,) = answers[0]
    assert json.loads(raised)["video_s"] == pytest.approx(4.0, abs=0.6)
