"""Does a model score at all, and how fast is it here?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_models.detector import Detector

_PICTURES: Final = 3


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What came out. `problem` is None when the model may be used.

    Attributes:
        best_score: the highest score on pictures of noise; a healthy network gives small ones, never exactly zero.
        median_ms: wall milliseconds of one picture.
    """

    best_score: float
    median_ms: float
    problem: str | None


def self_test(detector: Detector, mono: Callable[[], float] = time.monotonic) -> SelfTest:
    """Show the model pictures of noise. Raises InferenceError when it cannot even do that.

    Some INT8 exports load and run but share one scale between boxes and scores, so that every score is exactly 0: such
    a model would watch in silence for ever.
    """
    best, spent = 0.0, []
    for image in _noise_pictures(detector.input_size_wh):
        began = mono()
        found = detector.detect(image, min_score=1e-7)
        spent.append(mono() - began)
        best = max(best, float(found.scores.max()) if len(found) else 0.0)
    problem = None
    if best == 0.0:
        problem = (
            f"{detector.model_id}: every score is exactly 0 on {_PICTURES} pictures; a bad INT8 export does that: "
            "export it again in float, or with separate scales for boxes and scores"
        )
    return SelfTest(best, 1000 * float(np.median(spent)), problem)


def _noise_pictures(size_wh: tuple[int, int]) -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(7)
    width, height = size_wh
    coarse = generator.integers(0, 256, (_PICTURES, height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    return [np.ascontiguousarray(one.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]) for one in coarse]
