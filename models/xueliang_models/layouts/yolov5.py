"""YOLOv5: RGB 0..1, centred letterbox; 1xNx(5+C) with three anchors a place, boxes in input pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xueliang_models.detections import Detections
from xueliang_models.layouts.layout import candidates, cells, corners, image_input_wh
from xueliang_models.pictures import Fitted, Picture, letterbox, planes
from xueliang_models.runtime import Port

_ANCHORS = 3


@dataclass(frozen=True)
class Yolov5Layout:
    """score = objectness * class."""

    input_name: str
    input_size_wh: tuple[int, int]
    class_count: int
    iou_limit: float = 0.6

    @classmethod
    def recognise(cls, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> Yolov5Layout | None:
        size = image_input_wh(inputs)
        if size is None or len(inputs) != 1 or not outputs or len(outputs[0].shape) != 3:
            return None
        _, rows, columns = outputs[0].shape
        if rows != _ANCHORS * cells(size) or columns is None or columns < 6:
            return None
        return cls(inputs[0].name, size, columns - 5)

    def prepare(self, picture: Picture) -> tuple[dict[str, NDArray[np.generic]], Fitted]:
        fitted = letterbox(picture, self.input_size_wh, centred=True)
        return {self.input_name: planes(fitted.image, rgb=True, unit_range=True)}, fitted

    def decode(self, outputs: list[NDArray[np.float32]], fitted: Fitted, min_score: float) -> Detections:
        raw = outputs[0][0]
        raw = raw[~(raw[:, 4] < min_score)]
        return candidates(corners(raw[:, :4]), raw[:, 4:5] * raw[:, 5:], fitted, min_score)
