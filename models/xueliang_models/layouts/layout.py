"""What an adapter does: say whether a file is of its layout, prepare pictures, decode outputs."""

from __future__ import annotations

import math
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from xueliang_models.detections import Detections
from xueliang_models.errors import InferenceError
from xueliang_models.pictures import Fitted, Picture
from xueliang_models.runtime import Port

STRIDES = (8, 16, 32)


class Layout(Protocol):
    """Stateless apart from the input size and the number of classes it was made for."""

    @property
    def input_size_wh(self) -> tuple[int, int]: ...
    @property
    def class_count(self) -> int | None:
        """None where the file does not tell (transformers give class numbers)."""
        ...

    @property
    def iou_limit(self) -> float:
        """Suppression limit within a class; 1.0: the network does it itself."""
        ...

    def prepare(self, picture: Picture) -> tuple[dict[str, NDArray[np.generic]], Fitted]: ...
    def decode(self, outputs: list[NDArray[np.float32]], fitted: Fitted, min_score: float) -> Detections:
        """Candidates above `min_score` in picture pixels, not yet suppressed. Raises InferenceError."""
        ...


class RecognisableLayout(Layout, Protocol):
    """A layout that can be told from the inputs and outputs of a file."""

    @classmethod
    def recognise(cls, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> Self | None: ...


def image_input_wh(inputs: tuple[Port, ...]) -> tuple[int, int] | None:
    """(width, height) of the one 1x3xHxW input, or None."""
    pictures = [one for one in inputs if len(one.shape) == 4 and one.shape[1] == 3]
    if len(pictures) != 1 or pictures[0].shape[2] is None or pictures[0].shape[3] is None:
        return None
    return pictures[0].shape[3], pictures[0].shape[2]


def cells(input_wh: tuple[int, int]) -> int:
    """How many places a grid of strides 8, 16 and 32 has."""
    return sum(math.ceil(input_wh[0] / stride) * math.ceil(input_wh[1] / stride) for stride in STRIDES)


def candidates(
    boxes_xyxy: NDArray[np.float32], class_scores: NDArray[np.float32], fitted: Fitted, min_score: float
) -> Detections:
    """The best class of each place above `min_score`; boxes (n, 4) in input pixels, class_scores (n, c)."""
    class_ids = class_scores.argmax(axis=1)
    scores = class_scores[np.arange(len(class_ids)), class_ids]
    if not np.isfinite(scores).all():
        raise InferenceError("the model gave scores that are not finite")
    chosen = scores >= min_score
    boxes = boxes_xyxy[chosen]
    if not np.isfinite(boxes).all():
        raise InferenceError("the model gave boxes that are not finite")
    return Detections(
        fitted.to_picture(boxes.astype(np.float32)),
        np.clip(scores[chosen], 0, 1).astype(np.float32),
        class_ids[chosen].astype(np.int64),
    )


def corners(centres_xywh: NDArray[np.float32]) -> NDArray[np.float32]:
    """cx, cy, w, h to x1, y1, x2, y2."""
    half = centres_xywh[:, 2:] / 2
    return np.concatenate([centres_xywh[:, :2] - half, centres_xywh[:, :2] + half], axis=1)
