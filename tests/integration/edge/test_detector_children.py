"""Detector children over the real embedded model: they answer what the same work in process answers, side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from tests.support.detectors import EMBEDDED, Driver, copied_model, detector_children
from tests.support.fixtures import require_fixture
from tests.support.holdings import Holdings
from tests.support.shared_pictures import SharedPicture, shared_picture
from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.detection import ModelSettings, Seen, StillRequest, Unknown
from xueliang_edge.detection_in_process import DetectionInProcess
from xueliang_edge.detector_children import DetectorChildren
from xueliang_edge.detector_work import open_models
from xueliang_edge.detector_worker import Patience
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Region, Still
from xueliang_models.errors import CardError, ModelError, ModelFileError, ModelMismatch

WHOLE = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))
TWO = (EMBEDDED, ModelSettings("unsure", "embedded", score=0.9))


@pytest.fixture(scope="module")
def picture() -> Iterator[SharedPicture]:
    capture = cv2.VideoCapture(str(require_fixture("clips/campus_walkers.mp4")))
    image: NDArray[np.uint8] = np.asarray(capture.read()[1], dtype=np.uint8)
    with shared_picture(image) as one:
        yield one


@pytest.fixture(scope="module")
def children(picture: SharedPicture) -> Iterator[DetectorChildren]:
    with detector_children(picture, TWO, count=2) as detection:
        Driver(detection).all_idle()
        yield detection


@pytest.fixture(scope="module")
def in_process(picture: SharedPicture) -> Iterator[DetectionInProcess]:
    detection = DetectionInProcess(open_models(TWO), picture.regions, mono=time.monotonic, cpu=time.thread_time)
    yield detection
    detection.close()


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


@pytest.mark.fixtures
@pytest.mark.parametrize("roi", [None, (0.1, 0.2, 0.7, 0.9)], ids=["whole", "part"])
@pytest.mark.parametrize("name", ["objects", "unsure"])
def test_a_child_sees_what_is_seen_in_process(
    children: DetectorChildren,
    in_process: DetectionInProcess,
    picture: SharedPicture,
    name: str,
    roi: tuple[float, float, float, float] | None,
) -> None:
    assert children.submit(1, picture.handle, name, soon(), roi)
    assert in_process.submit(1, picture.handle, name, soon(), roi)
    ((_, theirs),), ((_, ours),) = children.answers(10), in_process.answers()
    assert isinstance(theirs, Seen)
    assert isinstance(ours, Seen)
    assert len(ours.scores) > 3, "the picture shows nobody: this test proves nothing"
    assert np.array_equal(theirs.boxes_xyxyn, ours.boxes_xyxyn)
    assert np.array_equal(theirs.scores, ours.scores)
    assert theirs.class_names == ours.class_names
    assert theirs.confident_score == {"objects": children.models["objects"].confident_score, "unsure": 0.9}[name]
    assert theirs.detect_ms > 0


@pytest.mark.fixtures
def test_a_child_composes_the_still_that_is_composed_in_process(
    children: DetectorChildren, in_process: DetectionInProcess, picture: SharedPicture
) -> None:
    request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
    theirs = children.compose_still(request, picture.scene, soon())
    ours = in_process.compose_still(request, picture.scene, soon())
    assert isinstance(theirs, Still)
    assert isinstance(ours, Still)
    assert theirs.sha256 == ours.sha256
    gone = StillRequest(picture.older, EvidenceKind.ONSET, WHOLE)
    assert children.compose_still(gone, picture.scene, soon()) == Refused("picture_gone")


@pytest.mark.fixtures
def test_what_is_known_of_the_models_comes_from_the_child(
    children: DetectorChildren, in_process: DetectionInProcess
) -> None:
    for name, ours in in_process.models.items():
        theirs = children.models[name]
        assert (theirs.model_id, theirs.digest, theirs.classes) == (ours.model_id, ours.digest, ours.classes)
        assert theirs.warm_ms is not None
        assert theirs.warm_ms > 0


@pytest.mark.fixtures
def test_no_more_is_taken_than_there_are_idle_workers(children: DetectorChildren, picture: SharedPicture) -> None:
    assert children.idle_workers == 2
    taken = [children.submit(ticket, picture.handle, "objects", soon()) for ticket in (1, 2, 3)]
    assert taken == [True, True, False]
    assert children.idle_workers == 0
    driver = Driver(children)
    driver.until(lambda: len(driver.answers) == 2, "two answers")
    assert set(driver.answers) == {1, 2}
    assert all(isinstance(answer, Seen) for answer in driver.answers.values())
    assert children.idle_workers == 2
    assert [one.busy_share > 0 for one in children.describe()] == [True, True]


@pytest.mark.fixtures
def test_answers_that_come_while_a_still_is_composed_are_kept(
    children: DetectorChildren, picture: SharedPicture
) -> None:
    for ticket in (1, 2):
        assert children.submit(ticket, picture.handle, "objects", soon())
    request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
    assert isinstance(children.compose_still(request, picture.scene, soon()), Still)
    driver = Driver(children)
    assert isinstance(driver.answer(1), Seen)
    assert isinstance(driver.answer(2), Seen)


@pytest.mark.fixtures
def test_questions_that_cannot_be_answered_are_unknown(children: DetectorChildren, picture: SharedPicture) -> None:
    children.submit(1, picture.handle, "flames", soon())
    assert children.answers() == [(1, Unknown("no_such_detector"))]
    children.submit(2, picture.older, "objects", soon())
    assert children.answers(10) == [(2, Unknown("picture_gone"))]
    children.submit(3, picture.handle, "objects", soon(-1))
    assert Driver(children).answer(3) == Unknown("detector_late")
    request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
    assert children.compose_still(request, picture.scene, soon(-1)) == Refused("detector_busy")
    Driver(children).all_idle()


@pytest.mark.fixtures
def test_an_answer_can_be_waited_for_beside_other_things(children: DetectorChildren, picture: SharedPicture) -> None:
    assert len(children.wait_handles()) == 2
    children.submit(1, picture.handle, "objects", soon())
    deadline_mono_s = soon()
    while not (answers := children.answers()):
        assert time.monotonic() < deadline_mono_s
        wait(children.wait_handles(), 1)
    assert answers[0][0] == 1


@pytest.mark.fixtures
def test_beats_keep_an_idle_worker_alive(picture: SharedPicture) -> None:
    with detector_children(picture, patience=Patience(idle_s=0.4)) as detection:
        before = detection.describe()[0].pid
        until_mono_s = soon(1.5)
        Driver(detection).until(lambda: time.monotonic() > until_mono_s, "the time to pass")
        assert detection.describe()[0].pid == before
        assert detection.counts["restarts"] == 0


@pytest.mark.fixtures
def test_a_node_that_was_itself_held_up_does_not_blame_its_children(picture: SharedPicture) -> None:
    with detector_children(picture, patience=Patience(answer_s=0.2, idle_s=0.2)) as detection:
        Driver(detection).all_idle()
        assert detection.submit(1, picture.handle, "objects", soon(30))
        assert wait(detection.wait_handles(), 10)
        time.sleep(0.5)  # longer than any patience, without listening
        detection.check(time.monotonic())
        assert isinstance(detection.answers()[0][1], Seen)
        assert detection.counts["restarts"] == 0


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "cannot be read"),
        ("garbage", "no whole ONNX model"),
        ("other hash", "sha256 is"),
        ("no card", "cannot be read"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_at_start_and_nothing_is_left(
    children: DetectorChildren,  # others that run: the thread that starts children is there
    picture: SharedPicture,
    tmp_path: Path,
    kind: str,
    says: str,
) -> None:
    before = Holdings.now()
    settings, path = copied_model(tmp_path)
    expected: type[ModelError] = ModelFileError
    if kind == "missing":
        path.unlink()
    elif kind == "garbage":
        path.write_bytes(b"\x3a\xff\xff\xff\x7fgarbage")
    elif kind == "other hash":
        path.write_bytes(path.read_bytes() + b"\x32\x01x")
        expected = ModelMismatch
    else:
        settings = ModelSettings("objects", settings.model, str(tmp_path / "nothing.card.json"))
        expected = CardError
    with pytest.raises(expected, match=says) as refused:
        DetectorChildren(2, [EMBEDDED, settings], picture.regions, mono=time.monotonic)
    assert str(tmp_path) in str(refused.value)
    assert Holdings.now() == before


@pytest.mark.fixtures
def test_nothing_is_left_after_closing_even_in_the_middle_of_a_question(
    children: DetectorChildren, picture: SharedPicture
) -> None:
    before = Holdings.now()
    with detector_children(picture, count=2) as detection:
        pids = [one.pid for one in detection.describe()]
        detection.submit(1, picture.handle, "objects", soon())
    assert Holdings.now() == before
    assert not any(pid is not None and psutil.pid_exists(pid) for pid in pids)
