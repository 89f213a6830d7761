"""DEIM, D-FINE, RT-DETR: RGB 0..1, plain resize; labels, boxes in picture pixels and scores, end to end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xueliang_models.detections import Detections
from xueliang_models.errors import InferenceError
from xueliang_models.layouts.layout import image_input_wh
from xueliang_models.pictures import Fitted, Picture, planes, stretch
from xueliang_models.runtime import Port

_OUTPUTS = ("labels", "boxes", "scores")


@dataclass(frozen=True)
class DetrLayout:
    """Second input: int64 (1, 2), width and height of the picture. No suppression of its own class is needed."""

    input_name: str
    size_name: str
    output_order: tuple[int, int, int]
    input_size_wh: tuple[int, int]
    class_count: None = None
    iou_limit: float = 1.0

    @classmethod
    def recognise(cls, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> DetrLayout | None:
        size = image_input_wh(inputs)
        names = [one.name for one in outputs]
        sizes = [one for one in inputs if len(one.shape) == 2 and one.shape[1] == 2 and one.kind == "tensor(int64)"]
        if size is None or len(inputs) != 2 or len(sizes) != 1 or not set(_OUTPUTS) <= set(names):
            return None
        image = next(one for one in inputs if one is not sizes[0])
        order = (names.index("labels"), names.index("boxes"), names.index("scores"))
        return cls(image.name, sizes[0].name, order, size)

    def prepare(self, picture: Picture) -> tuple[dict[str, NDArray[np.generic]], Fitted]:
        fitted = stretch(picture, self.input_size_wh)
        size = np.array([fitted.picture_wh], np.int64)
        return {self.input_name: planes(fitted.image, rgb=True, unit_range=True), self.size_name: size}, fitted

    def decode(self, outputs: list[NDArray[np.float32]], fitted: Fitted, min_score: float) -> Detections:
        labels, boxes, scores = (outputs[index][0] for index in self.output_order)
        if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
            raise InferenceError("the model gave numbers that are not finite")
        chosen = np.flatnonzero(scores >= min_score)
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
        limit = np.array([*fitted.picture_wh, *fitted.picture_wh], np.float32)
        return Detections(
            np.clip(boxes[chosen], 0, limit).astype(np.float32),
            np.clip(scores[chosen], 0, 1).astype(np.float32),
            labels[chosen].astype(np.int64),
        )
