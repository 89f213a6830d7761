"""Detections and masked stills, as the pipeline asks for them: handles and numbers go in, numbers and JPEG come out.

`detector_children.py` answers from child processes, `detection_in_process.py` in this one (recordings that are read as
fast as they are judged, and tests).

Invariants
    - A question has one answer, by its deadline. An answer that comes later is thrown away, never used for another
      question.
    - No answer is `Unknown` with a reason, never "nothing there"; no sure mask is `Refused`, never an unmasked picture.
    - A worker that hangs or dies costs its own question; the others go on, and it is begun anew within a budget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Region, Still
from xueliang_edge.looks import PictureHandle, SceneHandle
from xueliang_edge.rules.geometry import ious
from xueliang_models.detector import Detector

Xyxyn = tuple[float, float, float, float]
SAME_THING_IOU: Final = 0.5
CUT_SCORE: Final = 0.09  # below what a rule ever gets (0.10), above what keeps somebody out of the scene (0.05)
CUT_WITHIN: Final = 0.01  # of the part's side: a box that ends so near to its edge is cut by it


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What one detector found in one picture; n = 0 is normal.

    Attributes:
        boxes_xyxyn: float32 (n, 4), 0..1 of the whole picture, also when only a part was looked at.
        scores: float32 (n,), from 0.05 up; class_names: n names.
        confident_score: from here on this detector's boxes are believed.
        detect_ms: CPU milliseconds it took.
    """

    boxes_xyxyn: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    model_digest: str
    confident_score: float
    detect_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Unknown:
    """The detector gave no answer, and why: one word for the counter."""

    reason: str
    detect_ms: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class StillRequest:
    """One still of one picture: who it is of, what may be seen of it."""

    handle: PictureHandle
    kind: EvidenceKind
    region: Region


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """One detector as configured: its name in the rules, and where its model is.

    Attributes:
        model: "embedded", a name of the catalogue, or the path of an ONNX file.
        card: the path of its card; None: beside it or in it.
        score: believed from here on; None: what its card recommends.
        catalogue: the path of the catalogue in which `model` may be a name; None: there is none.
    """

    name: str
    model: str
    card: str | None = None
    score: float | None = None
    catalogue: str | None = None


@dataclass(frozen=True, slots=True)
class OpenDetector:
    """A verified detector and the score from which on it is believed."""

    detector: Detector
    confident_score: float


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """What is known of a detector that was opened.

    Attributes:
        warm_ms: CPU milliseconds of one picture on this machine, then; None: not measured.
        input_size_wh: what its network sees, in pixels.
    """

    name: str
    model_id: str
    digest: str
    classes: tuple[str, ...]
    confident_score: float
    warm_ms: float | None
    input_size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """How one worker does.

    Attributes:
        state: "down" until its next try; "starting" until its models are open and warm.
        restarts: since the node started. problem: what is wrong now, in words; None: nothing.
        detect_ms: CPU milliseconds of a detection, mean of the last minutes; None: none yet.
        busy_share: of the last minute or two, 0 to 1.
    """

    name: str
    state: Literal["starting", "idle", "busy", "down"]
    pid: int | None
    restarts: int
    problem: str | None
    detect_ms: float | None
    busy_share: float


class DetectionService(Protocol):
    """What the pipeline may ask. Belongs to one thread; `describe`, `problem` and `counts` may be read from others."""

    @property
    def models(self) -> Mapping[str, OpenedModel]:
        """By configured name."""

    @property
    def counts(self) -> Counter[str]:
        """What happened, by name: answers, stills, restarts, reasons of Unknown."""

    @property
    def problem(self) -> str | None:
        """What is wrong with the workers now, in words; None: nothing."""

    @property
    def idle_workers(self) -> int:
        """How many questions `submit` takes at once."""

    @property
    def has_answers(self) -> bool:
        """True: `answers` returns something at once."""

    def submit(
        self,
        ticket: int,
        handle: PictureHandle,
        detector: str,
        deadline_mono_s: float,
        roi_xyxyn: Xyxyn | None = None,
    ) -> bool:
        """Ask what is in a picture, or in a part of it. False: no idle worker, nothing was asked."""

    def answers(self, timeout_s: float = 0.0) -> list[tuple[int, Seen | Unknown]]:
        """What has come, by ticket; waits so long for the first. Each ticket comes once."""

    def compose_still(
        self, request: StillRequest, scene: SceneHandle | None, deadline_mono_s: float
    ) -> Still | Refused:
        """One masked still, or why there is none. Waits until the deadline for a worker and its answer."""

    def wait_handles(self) -> Sequence[int]:
        """Descriptors for `multiprocessing.connection.wait`: readable when `answers` may return something.

        Ask again each time: workers come and go.
        """

    def check(self, now_mono_s: float) -> None:
        """About ten times a second: late questions become unknown, workers that hang or died are begun anew."""

    def describe(self) -> tuple[WorkerHealth, ...]: ...

    def close(self) -> None:
        """End every worker. Bounded."""


def joined(whole: Seen, part: Seen, part_xyxyn: Xyxyn) -> Seen:
    """What a closer look at a part adds to the whole picture: of two boxes on one thing the surer stays.

    Half a person at the part's edge is nobody who counts: who is small lies whole in another part, who is large in the
    whole picture. Such a box only keeps the place out of the scene.
    """
    boxes = np.concatenate([whole.boxes_xyxyn, part.boxes_xyxyn])
    is_cut = _cut_by(part.boxes_xyxyn, part_xyxyn)
    scores = np.concatenate([whole.scores, np.where(is_cut, np.minimum(part.scores, CUT_SCORE), part.scores)])
    names = (*whole.class_names, *part.class_names)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for index in order:
        others = [other for other in kept if names[other] == names[index]]
        if not others or float(ious(boxes[index : index + 1], boxes[others]).max()) < SAME_THING_IOU:
            kept.append(int(index))
    return Seen(
        boxes[kept],
        scores[kept],
        tuple(names[index] for index in kept),
        whole.model_digest,
        whole.confident_score,
        whole.detect_ms + part.detect_ms,
    )


def _cut_by(boxes_xyxyn: NDArray[np.float32], part_xyxyn: Xyxyn) -> NDArray[np.bool_]:
    """Which boxes end at an edge of the part that is not the picture's own, shape (n,)."""
    is_cut = np.zeros(len(boxes_xyxyn), np.bool_)
    for axis in (0, 1):
        low, high = part_xyxyn[axis], part_xyxyn[axis + 2]
        slack = CUT_WITHIN * (high - low)
        if low > 0.0:
            is_cut |= boxes_xyxyn[:, axis] <= low + slack
        if high < 1.0:
            is_cut |= boxes_xyxyn[:, axis + 2] >= high - slack
    return is_cut


def finder_of_people(classes: Mapping[str, tuple[str, ...]]) -> str | None:
    """Which detector masks people: "objects" when it knows them, else the first that does."""
    able = [name for name, known in classes.items() if "person" in known]
    return "objects" if "objects" in able else next(iter(able), None)
