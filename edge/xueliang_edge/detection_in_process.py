"""Detection in the process that asks: for recordings that are read as fast as they are judged, and for tests.

A question is answered while it is asked; `submit` returns when the answer is there. A model that hangs hangs its
caller: live cameras are served by `detector_children.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from xueliang_edge.detection import (
    OpenDetector,
    OpenedModel,
    Seen,
    StillRequest,
    Unknown,
    WorkerHealth,
    Xyxyn,
)
from xueliang_edge.detection_answers import Answers, mean_detect_ms
from xueliang_edge.detector_work import DetectorWork, Regions, known_of
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Still
from xueliang_edge.looks import PictureHandle, SceneHandle


class DetectionInProcess:
    """`DetectionService` without processes."""

    def __init__(
        self,
        opened: Mapping[str, OpenDetector],
        regions: Regions,
        *,
        mono: Callable[[], float],
        cpu: Callable[[], float],
    ) -> None:
        """Takes over the detectors. `cpu`: CPU seconds of the thread that asks."""
        self.models: Mapping[str, OpenedModel] = {one.name: one for one in known_of(opened, {})}
        self.problem: str | None = None
        self._work = DetectorWork(opened, regions, mono=mono, cpu=cpu)
        self._mono = mono
        self._answers = Answers()
        self._detect_ms: float | None = None

    @property
    def counts(self) -> Counter[str]:
        return self._answers.counts

    @property
    def idle_workers(self) -> int:
        return 1

    @property
    def has_answers(self) -> bool:
        return bool(self._answers)

    def submit(
        self,
        ticket: int,
        handle: PictureHandle,
        detector: str,
        deadline_mono_s: float,
        roi_xyxyn: Xyxyn | None = None,
    ) -> bool:
        answer = self._work.detect(handle, detector, deadline_mono_s, roi_xyxyn)
        if self._mono() > deadline_mono_s:
            answer = Unknown("detector_late", answer.detect_ms)
        if isinstance(answer, Seen):
            self._detect_ms = mean_detect_ms(self._detect_ms, answer.detect_ms)
        self._answers.keep(ticket, answer)
        return True

    def answers(self, timeout_s: float = 0.0) -> list[tuple[int, Seen | Unknown]]:  # noqa: ARG002 - nothing to wait for
        return self._answers.take()

    def compose_still(
        self, request: StillRequest, scene: SceneHandle | None, deadline_mono_s: float
    ) -> Still | Refused:
        return self._answers.still(self._work.compose(request, scene, deadline_mono_s))

    def wait_handles(self) -> Sequence[int]:
        return ()

    def check(self, now_mono_s: float) -> None:
        """Nothing can be overdue."""

    def describe(self) -> tuple[WorkerHealth, ...]:
        return (WorkerHealth("in process", "idle", os.getpid(), 0, None, self._detect_ms, 0.0),)

    def close(self) -> None:
        self._work.close()
