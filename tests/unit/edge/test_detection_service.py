"""Detection behind its Protocol: every call ends by its deadline, late answers reach nobody, failures are unknown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.background import Scene
from xueliang_edge.capture import Borrowed, PictureHandle
from xueliang_edge.detection import DetectionThread, OpenDetector, Seen, StillRequest, Unknown
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Region, Still
from xueliang_models.detections import Detections
from xueliang_models.errors import InferenceError

HANDLE = PictureHandle("lane-east", 3)
WHOLE = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))
REQUEST = StillRequest(HANDLE, EvidenceKind.ONSET, WHOLE)


class Pictures:
    """One picture under one handle."""

    def __init__(self) -> None:
        self.image_bgr = np.full((240, 320, 3), 120, np.uint8)

    def picture(self, handle: PictureHandle) -> NDArray[np.uint8] | None:
        return self.image_bgr if handle == HANDLE else None

    def borrow(self, handle: PictureHandle) -> Borrowed | None:
        if handle != HANDLE:
            return None
        scene = Scene(self.image_bgr, np.ones(self.image_bgr.shape[:2], np.bool_))
        return Borrowed(self.image_bgr, self.image_bgr, (), scene)


class ScriptedDetector:
    """Answers with one person in the middle, unless told to misbehave."""

    model_id, digest, classes = "scripted", "0" * 64, ("person", "car")
    input_size_wh, recommended_score = (320, 240), 0.4

    def __init__(self, misbehave: Callable[[], None] | None = None) -> None:
        self.misbehave = misbehave
        self.is_closed = False

    def detect(self, image_bgr: NDArray[np.uint8], min_score: float = 0.1) -> Detections:
        if self.misbehave is not None:
            self.misbehave()
        box = np.array([[80, 60, 160, 120]], np.float32)
        return Detections(box, np.array([0.9], np.float32), np.array([0], np.int64))

    def close(self) -> None:
        self.is_closed = True


@contextmanager
def service(*detectors: ScriptedDetector) -> Iterator[DetectionThread]:
    """The n-th opening (start, then each restart) gets the n-th detector."""
    supply = iter(detectors)
    thread = DetectionThread(lambda: {"objects": OpenDetector(next(supply), 0.4)}, Pictures(), time.monotonic)
    try:
        yield thread
    finally:
        thread.close()


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def fails() -> None:
    raise InferenceError("no")


def crashes() -> None:
    raise ZeroDivisionError


def test_boxes_come_as_shares_of_the_picture() -> None:
    with service(ScriptedDetector()) as detection:
        seen = detection.detect(HANDLE, "objects", soon())
    assert isinstance(seen, Seen)
    assert seen.boxes_xyxyn.tolist() == [[0.25, 0.25, 0.5, 0.5]]
    assert seen.class_names == ("person",)
    assert seen.confident_score == 0.4


@pytest.mark.parametrize("misbehave", [fails, crashes], ids=["model_error", "anything"])
def test_a_detector_that_fails_is_unknown_and_no_picture(misbehave: Callable[[], None]) -> None:
    with service(ScriptedDetector(misbehave)) as detection:
        assert detection.detect(HANDLE, "objects", soon()) == Unknown("detector_failed")
        assert detection.compose_still(REQUEST, soon()) == Refused("detector_failed")


def test_a_replaced_picture_is_never_swapped_for_another() -> None:
    with service(ScriptedDetector()) as detection:
        older = PictureHandle("lane-east", 2)
        assert detection.detect(older, "objects", soon()) == Unknown("picture_gone")
        gone = StillRequest(older, EvidenceKind.END, WHOLE)
        assert detection.compose_still(gone, soon()) == Refused("picture_gone")


def test_an_unknown_detector_name_is_unknown() -> None:
    with service(ScriptedDetector()) as detection:
        assert detection.detect(HANDLE, "flames", soon()) == Unknown("no_such_detector")


def test_a_hung_detector_costs_its_deadline_then_nothing_and_a_restart_heals_it() -> None:
    release = threading.Event()
    hung, healthy = ScriptedDetector(lambda: release.wait(30) and None), ScriptedDetector()
    with service(hung, healthy) as detection:
        assert detection.detect(HANDLE, "objects", soon(0.1)) == Unknown("detector_late")
        assert detection.busy_since_mono_s is not None
        assert detection.detect(HANDLE, "objects", soon(30)) == Unknown("detector_busy")
        assert detection.compose_still(REQUEST, soon(30)) == Refused("detector_busy")
        detection.restart()
        assert isinstance(detection.detect(HANDLE, "objects", soon()), Seen)
        assert isinstance(detection.compose_still(REQUEST, soon()), Still)
        release.set()


def test_a_still_that_comes_late_is_thrown_away() -> None:
    with service(ScriptedDetector(lambda: time.sleep(0.15))) as detection:
        assert detection.compose_still(REQUEST, soon(0.3)) in (Refused("late"), Refused("detector_late"))


def test_sessions_are_closed_at_the_end() -> None:
    detector = ScriptedDetector()
    with service(detector):
        pass
    assert detector.is_closed
