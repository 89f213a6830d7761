"""Detection in child processes: `count` workers, each with every model open, each answering one question at a time.

Invariants
    - Only a worker that opened, verified and warmed up every model is ever asked.
    - At start a model that cannot be used is refused in words (`ModelError`), and nothing is left running.
    - While running, whatever happens to a worker is a state: its question becomes unknown, `problem` says why, the
      others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import wait
from typing import Final

from xueliang_edge.detection import (
    ModelSettings,
    OpenedModel,
    Seen,
    StillRequest,
    Unknown,
    WorkerHealth,
    Xyxyn,
    finder_of_people,
)
from xueliang_edge.detection_answers import Answers
from xueliang_edge.detector_worker import DetectorWorker, Patience, Settled
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Still
from xueliang_edge.looks import PictureHandle, SceneHandle
from xueliang_models import errors as model_errors
from xueliang_models.errors import ModelError
from xueliang_streams.shared_frames import SharedFrames

CLOSE_S: Final = 2.0
CHECK_EVERY_S: Final = 0.1  # while this side waits for a still


class DetectorChildren:
    """`DetectionService` over child processes."""

    def __init__(
        self,
        count: int,
        models: Sequence[ModelSettings],
        regions: Mapping[int, SharedFrames],
        *,
        mono: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        """Begins the workers and waits for the first to be ready; the others join when they are.

        `regions` stay the caller's; they must outlive this object. `mono` must be the system's monotonic clock, which
        the children share.

        Raises:
            ModelError: a model cannot be used, or no worker became ready in time. Nothing is left running then.
        """
        if count < 1:
            raise ValueError(f"expected at least one detector worker, got {count}")
        self.models: Mapping[str, OpenedModel] = {}
        self._mono = mono
        self._patience = patience or Patience()
        self._number = 0
        self._answers = Answers()
        self._stills: dict[int, Still | Refused] = {}
        self._awaited: int | None = None
        self._workers = tuple(
            DetectorWorker(f"detector-{number}", tuple(models), regions, mono=mono, patience=self._patience)
            for number in range(1, count + 1)
        )
        try:
            for worker in self._workers:
                worker.start()
            self._await_first()
        except BaseException:
            self.close()
            raise

    @property
    def counts(self) -> Counter[str]:
        return self._answers.counts

    @property
    def problem(self) -> str | None:
        said = [f"{worker.name}: {worker.problem}" for worker in self._workers if worker.problem is not None]
        return "; ".join(said) or None

    @property
    def idle_workers(self) -> int:
        return sum(worker.state == "idle" for worker in self._workers)

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
        if detector not in self.models:
            self._answers.keep(ticket, Unknown("no_such_detector"))
            return True
        number = self._next_number()
        return any(
            worker.ask_detect(number, ticket, handle, detector, deadline_mono_s, roi_xyxyn)
            for worker in self._workers
            if worker.state == "idle"
        )

    def answers(self, timeout_s: float = 0.0) -> list[tuple[int, Seen | Unknown]]:
        if not self._answers:
            self._receive(timeout_s)
        return self._answers.take()

    def compose_still(
        self, request: StillRequest, scene: SceneHandle | None, deadline_mono_s: float
    ) -> Still | Refused:
        if finder_of_people({name: one.classes for name, one in self.models.items()}) is None:
            return self._answers.still(Refused("no_person_class"))
        number = self._next_number()
        is_asked = False
        self._awaited = number
        try:
            while (now := self._mono()) < deadline_mono_s:
                if not is_asked:
                    is_asked = any(
                        worker.ask_still(number, request, scene, deadline_mono_s)
                        for worker in self._workers
                        if worker.state == "idle"
                    )
                    if not is_asked and all(worker.state == "down" for worker in self._workers):
                        return self._answers.still(Refused("detector_down"))
                self._receive(min(CHECK_EVERY_S, deadline_mono_s - now))
                still = self._stills.pop(number, None)
                if still is not None:
                    return self._answers.still(still)
            return self._answers.still(Refused("detector_late" if is_asked else "detector_busy"))
        finally:
            self._awaited = None

    def wait_handles(self) -> Sequence[int]:
        return [worker.child.fileno() for worker in self._workers if worker.child is not None]

    def check(self, now_mono_s: float) -> None:
        self._receive(0.0)
        for worker in self._workers:
            restarts = worker.restarts
            self._settle(worker.check(now_mono_s))
            self.counts["restarts"] += worker.restarts - restarts

    def describe(self) -> tuple[WorkerHealth, ...]:
        return tuple(worker.describe() for worker in self._workers)

    def close(self) -> None:
        for worker in self._workers:
            worker.hang_up()
        deadline_mono_s = self._mono() + CLOSE_S
        for worker in self._workers:
            worker.close(max(0.0, deadline_mono_s - self._mono()))

    def _await_first(self) -> None:
        deadline_mono_s = self._mono() + self._patience.start_s
        while not self.models:
            for worker in self._workers:
                self._settle(worker.receive())
                if worker.refusal is not None:
                    kind = getattr(model_errors, worker.refusal.kind, ModelError)
                    raise kind(worker.refusal.problem)
                if worker.ready is not None:
                    self.models = {one.name: one for one in worker.ready}
            if self.models:
                break
            remaining_s = deadline_mono_s - self._mono()
            if remaining_s <= 0 or all(worker.state == "down" for worker in self._workers):
                raise ModelError(f"no detector worker could be begun: {self.problem or 'none became ready in time'}")
            wait(self.wait_handles(), remaining_s)

    def _receive(self, timeout_s: float) -> None:
        if timeout_s > 0:
            handles = self.wait_handles()
            if handles:
                wait(handles, timeout_s)
        for worker in self._workers:
            self._settle(worker.receive())

    def _settle(self, settled: list[Settled]) -> None:
        for one in settled:
            if one.ticket is not None:
                if isinstance(one.answer, Seen | Unknown):
                    self._answers.keep(one.ticket, one.answer)
            elif one.number == self._awaited and isinstance(one.answer, Still | Refused):
                self._stills[one.number] = one.answer

    def _next_number(self) -> int:
        self._number += 1
        return self._number
