"""Detections and masked stills: the second and last place that touches pixels.

Today a thread with the verified model sessions; from the next issue on a child process behind the same Protocol:
handles and numbers go in, numbers and finished JPEG bytes come out.

Invariants
    - Every call returns by its deadline. An answer that comes later is thrown away, never used for another question.
    - No answer is `Unknown` with a reason, never "nothing there"; no sure mask is `Refused`, never an unmasked picture.
    - A thread that hangs is given up by the supervisor (`restart`): it ends by itself or never, its answers reach
      nobody.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.capture import PictureHandle, PictureStore
from xueliang_edge.evidence.masking import PERSON_SCORE, Refused, find_people
from xueliang_edge.evidence.stills import Region, Still, compose, encode
from xueliang_models.detector import Detector
from xueliang_models.errors import ModelError

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")
_STOP_S: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What one detector found in one picture; n = 0 is normal.

    Attributes:
        boxes_xyxyn: float32 (n, 4), 0..1 of the picture; scores: float32 (n,), from 0.05 up; class_names: n names.
        confident_score: from here on this detector's boxes are believed.
    """

    boxes_xyxyn: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    model_digest: str
    confident_score: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """The detector gave no answer, and why: one word for the counter."""

    reason: str


@dataclass(frozen=True, slots=True)
class StillRequest:
    """One still of one picture: who it is of, what may be seen of it."""

    handle: PictureHandle
    kind: EvidenceKind
    region: Region


class DetectionService(Protocol):
    """What the pipeline may ask of detection: numbers in; numbers or finished JPEG out."""

    def detect(self, handle: PictureHandle, detector: str, deadline_mono_s: float) -> Seen | Unknown: ...

    def compose_still(self, request: StillRequest, deadline_mono_s: float) -> Still | Refused: ...

    @property
    def busy_since_mono_s(self) -> float | None:
        """When the question in hand was begun; None while idle. The supervisor's heartbeat."""

    def restart(self) -> None:
        """Give up the worker and its sessions, open new ones. Raises ModelError."""

    def close(self) -> None: ...


class _Question(Generic[_Answer]):
    """One piece of work and the place where its answer is left."""

    def __init__(self, work: Callable[[], _Answer]) -> None:
        self.work = work
        self.done = threading.Event()
        self.answer: _Answer | None = None


@dataclass(frozen=True, slots=True)
class OpenDetector:
    """A verified detector and the score from which on it is believed."""

    detector: Detector
    confident_score: float


class _Worker:
    """One thread with its own sessions; answers one question at a time."""

    def __init__(self, detectors: Mapping[str, OpenDetector], mono: Callable[[], float]) -> None:
        self.detectors = detectors
        self.busy_since_mono_s: float | None = None
        self._mono = mono
        self._questions: queue.Queue[_Question[object] | None] = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._run, name="detection", daemon=True)
        self._thread.start()

    def ask(self, question: _Question[object]) -> bool:
        """False when it is still busy with an earlier one."""
        if self.busy_since_mono_s is not None:
            return False
        self.busy_since_mono_s = self._mono()
        self._questions.put_nowait(question)
        return True

    def stop(self, timeout_s: float) -> None:
        try:
            self._questions.put_nowait(None)
        except queue.Full:
            return  # hung: a daemon thread, it ends with the process
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            try:
                question.answer = question.work()
            except Exception:
                log.exception("detection failed")
            self.busy_since_mono_s = None
            question.done.set()
        for opened in self.detectors.values():
            opened.detector.close()


class DetectionThread:
    """`DetectionService` as a thread."""

    def __init__(
        self,
        open_detectors: Callable[[], Mapping[str, OpenDetector]],
        pictures: PictureStore,
        mono: Callable[[], float],
    ) -> None:
        """Opens the detectors at once. Raises ModelError."""
        self._open = open_detectors
        self._pictures = pictures
        self._mono = mono
        self._worker = _Worker(open_detectors(), mono)

    def detect(self, handle: PictureHandle, detector: str, deadline_mono_s: float) -> Seen | Unknown:
        opened = self._worker.detectors.get(detector)
        if opened is None:
            return Unknown("no_such_detector")
        answer = self._ask(lambda: self._detect(opened, handle), deadline_mono_s)
        return answer if isinstance(answer, Seen | Unknown) else Unknown(answer)

    def compose_still(self, request: StillRequest, deadline_mono_s: float) -> Still | Refused:
        opened = self._finds_people()
        if opened is None:
            return Refused("no_person_class")
        answer = self._ask(lambda: self._compose(opened, request, deadline_mono_s), deadline_mono_s)
        return answer if isinstance(answer, Still | Refused) else Refused(answer)

    @property
    def busy_since_mono_s(self) -> float | None:
        return self._worker.busy_since_mono_s

    def restart(self) -> None:
        given_up = self._worker
        self._worker = _Worker(self._open(), self._mono)
        given_up.stop(0.0)

    def close(self) -> None:
        self._worker.stop(_STOP_S)

    def _ask(self, work: Callable[[], _Answer], deadline_mono_s: float) -> _Answer | str:
        """The answer, or why there is none: "detector_busy", "detector_late" or "detector_failed"."""
        question: _Question[_Answer] = _Question(work)
        if not self._worker.ask(question):  # type: ignore[arg-type]  # the worker does not look at the answer
            return "detector_busy"
        if not question.done.wait(max(0.0, deadline_mono_s - self._mono())):
            return "detector_late"
        return question.answer if question.answer is not None else "detector_failed"

    def _detect(self, opened: OpenDetector, handle: PictureHandle) -> Seen | Unknown:
        image_bgr = self._pictures.picture(handle)
        if image_bgr is None:
            return Unknown("picture_gone")
        try:
            found = opened.detector.detect(image_bgr, PERSON_SCORE)
        except (ModelError, ValueError) as error:
            log.warning("detector gave no answer", extra={"camera_id": handle.camera_id, "why": str(error)})
            return Unknown("detector_failed")
        if not (np.isfinite(found.boxes_xyxy).all() and np.isfinite(found.scores).all()):
            return Unknown("not_finite")
        height, width = image_bgr.shape[:2]
        scale = np.array([width, height, width, height], np.float32)
        boxes = np.clip(found.boxes_xyxy / scale, 0.0, 1.0).astype(np.float32)
        names = tuple(opened.detector.classes[index] for index in found.class_ids)
        return Seen(boxes, found.scores.astype(np.float32), names, opened.detector.digest, opened.confident_score)

    def _compose(self, opened: OpenDetector, request: StillRequest, deadline_mono_s: float) -> Still | Refused:
        borrowed = self._pictures.borrow(request.handle)
        if borrowed is None:
            return Refused("picture_gone")

        def is_late() -> bool:
            return self._mono() > deadline_mono_s

        sighting = find_people(opened.detector, borrowed.reduced_bgr, is_late)
        if isinstance(sighting, Refused):
            return sighting
        composed = compose(borrowed.reduced_bgr, borrowed.earlier_bgr, borrowed.scene, sighting, request.region)
        if isinstance(composed, Refused):
            return composed
        return Refused("late") if is_late() else encode(composed, request.kind)

    def _finds_people(self) -> OpenDetector | None:
        """ "objects" when it knows people, else the first that does."""
        able = {name: one for name, one in self._worker.detectors.items() if "person" in one.detector.classes}
        return able.get("objects", next(iter(able.values()), None))
