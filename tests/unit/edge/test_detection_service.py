"""What a detector worker answers: boxes of the whole picture, or unknown; masked stills, or none. Never a guess."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from tests.support.shared_pictures import SharedPicture, shared_picture
from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.detection import OpenDetector, Seen, StillRequest, Unknown, Xyxyn, finder_of_people
from xueliang_edge.detection_in_process import DetectionInProcess
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Region, Still
from xueliang_edge.looks import PictureHandle
from xueliang_models.detections import Detections
from xueliang_models.errors import InferenceError
from xueliang_models.pictures import Picture, size_of

WHOLE = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))
SIZE_WH = (320, 240)


class ScriptedDetector:
    """Answers with one person in the middle, unless told to misbehave."""

    model_id, digest, classes = "scripted", "0" * 64, ("person", "car")
    input_size_wh, recommended_score = SIZE_WH, 0.4

    def __init__(self, misbehave: Callable[[], None] | None = None) -> None:
        self.misbehave = misbehave
        self.is_closed = False
        self.sizes: list[tuple[int, int]] = []

    def detect(self, picture: Picture, min_score: float = 0.1) -> Detections:
        self.sizes.append(size_of(picture))
        if self.misbehave is not None:
            self.misbehave()
        box = np.array([[80, 60, 160, 120]], np.float32)
        return Detections(box, np.array([0.9], np.float32), np.array([0], np.int64))

    def close(self) -> None:
        self.is_closed = True


@contextmanager
def service(detector: ScriptedDetector) -> Iterator[tuple[DetectionInProcess, SharedPicture]]:
    with shared_picture(np.full((240, 320, 3), 120, np.uint8)) as picture:
        detection = DetectionInProcess(
            {"objects": OpenDetector(detector, 0.4)}, picture.regions, mono=time.monotonic, cpu=time.thread_time
        )
        try:
            yield detection, picture
        finally:
            detection.close()


def asked(
    detection: DetectionInProcess, handle: PictureHandle, name: str = "objects", roi: Xyxyn | None = None
) -> Seen | Unknown:
    assert detection.submit(77, handle, name, soon(), roi)
    ((ticket, answer),) = detection.answers()
    assert ticket == 77
    return answer


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def fails() -> None:
    raise InferenceError("no")


def crashes() -> None:
    raise ZeroDivisionError


def test_boxes_come_as_shares_of_the_picture() -> None:
    with service(ScriptedDetector()) as (detection, picture):
        seen = asked(detection, picture.handle)
    assert isinstance(seen, Seen)
    assert seen.boxes_xyxyn.tolist() == [[0.25, 0.25, 0.5, 0.5]]
    assert seen.class_names == ("person",)
    assert seen.confident_score == 0.4
    assert detection.counts == {"answers": 1}


def test_each_ticket_comes_back_once() -> None:
    with service(ScriptedDetector()) as (detection, picture):
        for ticket in (3, 1, 2):
            detection.submit(ticket, picture.handle, "objects", soon())
        assert detection.has_answers
        assert [ticket for ticket, _ in detection.answers()] == [3, 1, 2]
        assert not detection.has_answers
        assert detection.answers(0.0) == []


def test_boxes_of_a_part_are_shares_of_the_whole_picture() -> None:
    detector = ScriptedDetector()
    with service(detector) as (detection, picture):
        seen = asked(detection, picture.handle, roi=(0.253, 0.5, 0.9, 1.2))
    assert isinstance(seen, Seen)
    assert detector.sizes == [(288 - 80, 120)]
    assert np.allclose(seen.boxes_xyxyn, [[160 / 320, 180 / 240, 240 / 320, 240 / 240]])


@pytest.mark.parametrize("roi", [(0.5, 0.5, 0.5, 0.5), (0.9, 0.1, 0.2, 0.9), (1.0, 0.0, 2.0, 1.0)])
def test_a_part_that_holds_nothing_is_unknown(roi: Xyxyn) -> None:
    with service(ScriptedDetector()) as (detection, picture):
        assert asked(detection, picture.handle, roi=roi) == Unknown("part_too_small")


@pytest.mark.parametrize("misbehave", [fails, crashes], ids=["model_error", "anything"])
def test_a_detector_that_fails_is_unknown_and_no_picture(misbehave: Callable[[], None]) -> None:
    with service(ScriptedDetector(misbehave)) as (detection, picture):
        assert asked(detection, picture.handle) == Unknown("detector_failed")
        request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
        assert detection.compose_still(request, picture.scene, soon()) == Refused("detector_failed")


def test_a_replaced_picture_is_never_swapped_for_another() -> None:
    with service(ScriptedDetector()) as (detection, picture):
        assert asked(detection, picture.older) == Unknown("picture_gone")
        assert asked(detection, replace(picture.handle, region=9)) == Unknown("picture_gone")
        gone = StillRequest(picture.older, EvidenceKind.END, WHOLE)
        assert detection.compose_still(gone, picture.scene, soon()) == Refused("picture_gone")


def test_a_picture_replaced_while_it_is_looked_at_is_unknown() -> None:
    detector = ScriptedDetector()
    with service(detector) as (detection, picture):
        detector.misbehave = picture.replace_picture
        assert asked(detection, picture.handle) == Unknown("picture_gone")


def test_a_picture_or_scene_replaced_under_a_still_gives_no_still() -> None:
    detector = ScriptedDetector()
    with service(detector) as (detection, picture):
        request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
        detector.misbehave = picture.replace_scene
        assert detection.compose_still(request, picture.scene, soon()) == Refused("picture_gone")
        detector.misbehave = picture.replace_picture
        assert detection.compose_still(request, None, soon()) == Refused("picture_gone")


def test_a_scene_that_is_gone_gives_no_still_and_none_gives_one_without() -> None:
    with service(ScriptedDetector()) as (detection, picture):
        request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
        old = replace(picture.scene, generation=picture.scene.generation + 2)
        assert detection.compose_still(request, old, soon()) == Refused("picture_gone")
        assert isinstance(detection.compose_still(request, picture.scene, soon()), Still)
        assert isinstance(detection.compose_still(request, None, soon()), Still)
        assert detection.counts == {"stills": 2, "stills_refused": 1}


def test_an_unknown_detector_name_is_unknown() -> None:
    with service(ScriptedDetector()) as (detection, picture):
        assert asked(detection, picture.handle, "flames") == Unknown("no_such_detector")


def test_what_comes_late_is_thrown_away() -> None:
    with service(ScriptedDetector(lambda: time.sleep(0.15))) as (detection, picture):
        detection.submit(1, picture.handle, "objects", soon(0.1))
        detection.submit(2, picture.handle, "objects", soon(-0.1))
        assert detection.answers() == [(1, Unknown("detector_late")), (2, Unknown("detector_late"))]
        request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
        assert detection.compose_still(request, picture.scene, soon(0.3)) == Refused("late")


def test_what_is_known_of_the_models_is_told() -> None:
    with service(ScriptedDetector()) as (detection, _):
        known = detection.models["objects"]
        assert (known.model_id, known.digest, known.classes) == ("scripted", "0" * 64, ("person", "car"))


def test_sessions_are_closed_at_the_end() -> None:
    detector = ScriptedDetector()
    with service(detector):
        pass
    assert detector.is_closed


def test_the_detector_called_objects_masks_people_when_it_can() -> None:
    people, fire = ("person",), ("fire", "smoke")
    assert finder_of_people({"first": people, "objects": people}) == "objects"
    assert finder_of_people({"objects": fire, "crowd": people}) == "crowd"
    assert finder_of_people({"objects": fire}) is None
