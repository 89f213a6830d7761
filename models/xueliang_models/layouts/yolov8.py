"""YOLOv8 to YOLO12 as Ultralytics exports them: RGB 0..1, centred letterbox; 1x(4+C)xN, boxes in input pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xueliang_models.detections import Detections
from xueliang_models.layouts.layout import candidates, cells, corners, image_input_wh
from xueliang_models.pictures import Fitted, Picture, letterbox, planes
from xueliang_models.runtime import Port


@dataclass(frozen=True)
class Yolov8Layout:
    """Columns are places: cx, cy, w, h, then one score for each class, already 0..1."""

    input_name: str
    input_size_wh: tuple[int, int]
    class_count: int
    iou_limit: float = 0.7  # the setting its authors validate with

    @classmethod
    def recognise(cls, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> Yolov8Layout | None:
        size = image_input_wh(inputs)
        if size is None or len(inputs) != 1 or len(outputs) != 1 or len(outputs[0].shape) != 3:
            return None
        _, rows, places = outputs[0].shape
        if places != cells(size) or rows is None or rows < 5:
            return None
        return cls(inputs[0].name, size, rows - 4)

    def prepare(self, picture: Picture) -> tuple[dict[str, NDArray[np.generic]], Fitted]:
        fitted = letterbox(picture, self.input_size_wh, centred=True)
        return {self.input_name: planes(fitted.image, rgb=True, unit_range=True)}, fitted

    def decode(self, outputs: list[NDArray[np.float32]], fitted: Fitted, min_score: float) -> Detections:
        raw = outputs[0][0]
        places = np.flatnonzero(~(raw[4:].max(axis=0) < min_score))
        chosen = raw[:, places].T
        return candidates(corners(chosen[:, :4]), chosen[:, 4:], fitted, min_score)
