"""What a detector worker does with one picture: find objects, or compose one masked still. The place that sees pixels.

The same for a child process and in process. Belongs to one thread, as its model sessions do.

Invariants
    - Pictures are read where they lie. When a slot was given to another picture meanwhile, whatever was made of it is
      thrown away: "picture_gone".
    - Whatever fails is `Unknown` or `Refused` with a reason; only running out of memory is let through, because a
      worker that has none left must be begun anew.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.background import Scene
from xueliang_edge.detection import (
    ModelSettings,
    OpenDetector,
    OpenedModel,
    Seen,
    StillRequest,
    Unknown,
    Xyxyn,
    finder_of_people,
)
from xueliang_edge.evidence.masking import PERSON_SCORE, STILL_LONG_SIDE_PX, Refused, find_people, quiet_luma
from xueliang_edge.evidence.stills import Still, compose, encode
from xueliang_edge.looks import PictureHandle, SceneHandle
from xueliang_edge.scene_slots import unpack
from xueliang_models.catalogue import open_detector
from xueliang_models.self_test import self_test
from xueliang_streams.frame import Planes
from xueliang_streams.shared_frames import SharedFrames

log = logging.getLogger(__name__)

SMALLEST_PART_PX: Final = 16
SAY_AGAIN_EVERY: Final = 100
_MEASURED_WH: Final = (1280, 720)

Regions = Mapping[int, SharedFrames]


def open_models(models: Sequence[ModelSettings]) -> dict[str, OpenDetector]:
    """Every configured model, verified. Raises ModelError; none is left open then."""
    opened: dict[str, OpenDetector] = {}
    try:
        for one in models:
            detector = open_detector(
                one.model,
                card=Path(one.card) if one.card else None,
                catalogue=Path(one.catalogue) if one.catalogue else None,
            )
            opened[one.name] = OpenDetector(detector, detector.recommended_score if one.score is None else one.score)
    except BaseException:
        for earlier in opened.values():
            earlier.detector.close()
        raise
    return opened


def warm_up(opened: Mapping[str, OpenDetector], cpu: Callable[[], float]) -> dict[str, float]:
    """Show each model a few pictures of noise, so that the first real one costs no more than the others.

    `cpu`: CPU seconds of this thread. Gives the milliseconds of one picture, by name: the least of three. Raises
    InferenceError when a model cannot even do that.
    """
    spent_ms = {}
    for name, one in opened.items():
        tested = self_test(one.detector, cpu)
        if tested.problem is not None:
            log.warning("model may never see anything", extra={"detector": name, "why": tested.problem})
        spent_ms[name] = min(_timed_ms(one, cpu) for _ in range(3))
    return spent_ms


def _timed_ms(opened: OpenDetector, cpu: Callable[[], float]) -> float:
    width, height = _MEASURED_WH
    grey = np.full((height, width), 128, np.uint8)
    half = np.full((height // 2, width // 2), 128, np.uint8)
    began = cpu()
    opened.detector.detect(Planes(grey, half, half), PERSON_SCORE)
    return 1000 * (cpu() - began)


def known_of(opened: Mapping[str, OpenDetector], warm_ms: Mapping[str, float]) -> tuple[OpenedModel, ...]:
    """What others may know of the detectors."""
    return tuple(
        OpenedModel(
            name,
            one.detector.model_id,
            one.detector.digest,
            one.detector.classes,
            one.confident_score,
            warm_ms.get(name),
            one.detector.input_size_wh,
        )
        for name, one in opened.items()
    )


class DetectorWork:
    """Open detectors over the regions of shared memory whose pictures they look at."""

    def __init__(
        self,
        opened: Mapping[str, OpenDetector],
        regions: Regions,
        *,
        mono: Callable[[], float],
        cpu: Callable[[], float],
    ) -> None:
        """Takes over the detectors. `cpu`: CPU seconds of this thread, for `detect_ms`."""
        self._opened, self._regions = opened, regions
        self._mono, self._cpu = mono, cpu
        self._failures: Counter[str] = Counter()

    def detect(
        self, handle: PictureHandle, detector: str, deadline_mono_s: float, roi_xyxyn: Xyxyn | None
    ) -> Seen | Unknown:
        """What one detector finds in one picture, or in a part of it."""
        opened = self._opened.get(detector)
        if opened is None:
            return Unknown("no_such_detector")
        if self._mono() > deadline_mono_s:
            return Unknown("detector_late")
        planes = self._read(handle)
        if planes is None:
            return Unknown("picture_gone")
        began = self._cpu()
        try:
            answer = found_in(opened, planes, roi_xyxyn)
        except MemoryError:
            raise
        except Exception as error:
            answer = self._failed(handle.camera_id, error)
        if not self._is_still(handle):
            return Unknown("picture_gone")
        spent_ms = 1000 * (self._cpu() - began)
        if isinstance(answer, str):
            return Unknown(answer, spent_ms)
        return Seen(*answer, opened.detector.digest, opened.confident_score, spent_ms)

    def compose(self, request: StillRequest, scene: SceneHandle | None, deadline_mono_s: float) -> Still | Refused:
        """One masked still."""
        opened = self._finds_people()
        if opened is None:
            return Refused("no_person_class")
        planes = self._read(request.handle)
        known: tuple[Scene | None, tuple[NDArray[np.uint8], ...]] | None = (None, ())
        if scene is not None:
            region = self._regions.get(scene.region)
            known = unpack(region, scene) if region is not None else None
        if planes is None or known is None:
            return Refused("picture_gone")
        try:
            still = _still(opened, planes, *known, request, lambda: self._mono() > deadline_mono_s)
        except MemoryError:
            raise
        except Exception as error:
            return Refused(self._failed(request.handle.camera_id, error))
        if not self._is_still(request.handle) or (scene is not None and not self._is_still(scene)):
            return Refused("picture_gone")
        return still

    def close(self) -> None:
        for one in self._opened.values():
            one.detector.close()

    def _finds_people(self) -> OpenDetector | None:
        name = finder_of_people({name: one.detector.classes for name, one in self._opened.items()})
        return None if name is None else self._opened[name]

    def _read(self, handle: PictureHandle) -> Planes | None:
        region = self._regions.get(handle.region)
        if region is None:
            return None
        return region.read(handle.slot, handle.generation, handle.size_wh, handle.is_full_range)

    def _is_still(self, handle: PictureHandle | SceneHandle) -> bool:
        region = self._regions.get(handle.region)
        return region is not None and region.is_still(handle.slot, handle.generation)

    def _failed(self, camera_id: str, error: Exception) -> str:
        what = f"{type(error).__name__}: {error}"
        self._failures[what] += 1
        if self._failures[what] % SAY_AGAIN_EVERY == 1:
            count = self._failures[what]
            log.warning("detector gave no answer", extra={"camera_id": camera_id, "why": what, "times": count})
        return "detector_failed"


def found_in(
    opened: OpenDetector, planes: Planes, roi_xyxyn: Xyxyn | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[str, ...]] | str:
    """Boxes in 0..1 of the whole picture, scores and class names; or why there are none."""
    width, height = planes.size_wh
    left, top, right, bottom = (0, 0, width, height) if roi_xyxyn is None else _pixels(roi_xyxyn, (width, height))
    if min(right - left, bottom - top) < SMALLEST_PART_PX:
        return "part_too_small"
    found = opened.detector.detect(planes.crop(left, top, right, bottom), PERSON_SCORE)
    if not (np.isfinite(found.boxes_xyxy).all() and np.isfinite(found.scores).all()):
        return "not_finite"
    offset = np.array([left, top, left, top], np.float32)
    scale = np.array([width, height, width, height], np.float32)
    boxes = np.clip((found.boxes_xyxy + offset) / scale, 0.0, 1.0).astype(np.float32)
    names = tuple(opened.detector.classes[index] for index in found.class_ids)
    return boxes, found.scores.astype(np.float32), names


def _pixels(roi_xyxyn: Xyxyn, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part in whole pixels, outwards, from even ones on: where a crop of planes really begins."""
    left, top, right, bottom = (min(1.0, max(0.0, value)) for value in roi_xyxyn)
    width, height = size_wh
    return (
        math.floor(left * width) & ~1,
        math.floor(top * height) & ~1,
        math.ceil(right * width),
        math.ceil(bottom * height),
    )


def _still(
    opened: OpenDetector,
    planes: Planes,
    scene: Scene | None,
    earlier_luma: Sequence[NDArray[np.uint8]],
    request: StillRequest,
    is_late: Callable[[], bool],
) -> Still | Refused:
    picture = planes.fitted(STILL_LONG_SIDE_PX)
    sighting = find_people(opened.detector, picture, is_late)
    if isinstance(sighting, Refused):
        return sighting
    composed = compose(picture, quiet_luma(planes), earlier_luma, scene, sighting, request.region)
    if isinstance(composed, Refused):
        return composed
    return Refused("late") if is_late() else encode(composed, request.kind)
