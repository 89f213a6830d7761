"""YOLOX: BGR 0..255, letterbox at the top left; 1xNx(5+C), rows by stride 8, 16, 32, scores already 0..1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xueliang_models.detections import Detections
from xueliang_models.layouts.layout import STRIDES, candidates, cells, corners, image_input_wh
from xueliang_models.pictures import Fitted, Picture, letterbox, planes
from xueliang_models.runtime import Port
from xueliang_models.suppression import SAME_CLASS_IOU

_BIGGEST_LOG = 10.0  # exp(10) strides is far beyond any picture; keeps a wild value finite


@dataclass(frozen=True)
class YoloxLayout:
    """cx = (x + gx) * s, cy = (y + gy) * s, w = exp(w) * s, h = exp(h) * s; score = objectness * class."""

    input_name: str
    input_size_wh: tuple[int, int]
    class_count: int
    iou_limit: float = SAME_CLASS_IOU

    @classmethod
    def recognise(cls, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> YoloxLayout | None:
        size = image_input_wh(inputs)
        if size is None or len(inputs) != 1 or len(outputs) != 1 or len(outputs[0].shape) != 3:
            return None
        _, rows, columns = outputs[0].shape
        if rows != cells(size) or columns is None or columns < 6:
            return None
        return cls(inputs[0].name, size, columns - 5)

    def prepare(self, picture: Picture) -> tuple[dict[str, NDArray[np.generic]], Fitted]:
        fitted = letterbox(picture, self.input_size_wh, centred=False)
        return {self.input_name: planes(fitted.image, rgb=False, unit_range=False)}, fitted

    def decode(self, outputs: list[NDArray[np.float32]], fitted: Fitted, min_score: float) -> Detections:
        raw = outputs[0][0]
        with np.errstate(invalid="ignore"):  # infinity times zero: refused below, as every number that is not finite
            class_scores = raw[:, 4:5] * raw[:, 5:]
        rows = np.flatnonzero(~(class_scores.max(axis=1) < min_score))  # keeps what is not finite, to be refused
        grid, stride = grid_of(self.input_size_wh)
        centres = np.empty((len(rows), 4), np.float32)
        centres[:, :2] = (raw[rows, :2] + grid[rows]) * stride[rows]
        centres[:, 2:] = np.exp(np.minimum(raw[rows, 2:4], _BIGGEST_LOG)) * stride[rows]
        return candidates(corners(centres), class_scores[rows], fitted, min_score)


_grids: dict[tuple[int, int], tuple[NDArray[np.float32], NDArray[np.float32]]] = {}


def grid_of(input_wh: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Grid corner (n, 2) in cells and stride (n, 1) in pixels of every row, in the order of the output."""
    if input_wh not in _grids:
        corners_xy, strides = [], []
        for stride in STRIDES:
            columns, rows = -(-input_wh[0] // stride), -(-input_wh[1] // stride)
            ys, xs = np.mgrid[:rows, :columns]
            corners_xy.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
            strides.append(np.full((rows * columns, 1), stride))
        _grids[input_wh] = (np.concatenate(corners_xy).astype(np.float32), np.concatenate(strides).astype(np.float32))
    return _grids[input_wh]
