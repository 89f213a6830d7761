"""Non-maximum suppression: one box for one object.

Greedy by score, class by class; then once more over classes that detectors confuse for the same thing, so that one
lorry reported as car, bus and truck counts as one vehicle (the highest score names it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_models.detections import Detections

SAME_CLASS_IOU: Final = 0.65  # YOLOX's own evaluation setting; the Ultralytics family uses 0.7
CONFUSED_IOU: Final = 0.55  # two vehicles rarely overlap more in one view; one seen twice nearly always does
CONFUSED_GROUPS: Final = (frozenset({"car", "bus", "truck"}), frozenset({"bicycle", "motorcycle"}))
MOST_CANDIDATES: Final = 1000  # by score, before suppression: bounds the work on a noisy picture


def iou_of_one(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Overlap of one box, shape (4,), with n boxes, shape (n, 4): intersection over union, shape (n,)."""
    left_top = np.maximum(box[:2], others[:, :2])
    right_bottom = np.minimum(box[2:], others[:, 2:])
    inner = np.prod(np.clip(right_bottom - left_top, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    overlap: NDArray[np.float32] = (inner / np.maximum(area + areas - inner, 1e-9)).astype(np.float32)
    return overlap


def overlaps(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Overlap of every box with every other: shape (n, 4) to (n, n), as `iou_of_one` row by row."""
    x1, y1, x2, y2 = boxes_xyxy.T
    widths = np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1)
    heights = np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1)
    inner = np.maximum(widths, 0) * np.maximum(heights, 0)
    areas = (x2 - x1) * (y2 - y1)
    overlap: NDArray[np.float32] = inner / np.maximum(areas[:, None] + areas - inner, 1e-9)
    return overlap


def greedy(boxes_xyxy: NDArray[np.float32], scores: NDArray[np.float32], iou_limit: float) -> NDArray[np.intp]:
    """Indices that survive, highest score first: a box goes when it overlaps a kept one by more than `iou_limit`."""
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    is_other = overlaps(boxes_xyxy[order]) <= iou_limit
    stands = np.ones(len(order), bool)
    for row in range(len(order)):
        if stands[row]:
            stands[row + 1 :] &= is_other[row, row + 1 :]
    return order[stands]


def _greedy_per_group(found: Detections, groups: Iterable[NDArray[np.bool_]], iou_limit: float) -> Detections:
    kept = []
    for mask in groups:
        rows = np.flatnonzero(mask)
        if rows.size:
            kept.append(rows[greedy(found.boxes_xyxy[rows], found.scores[rows], iou_limit)])
    if not kept:
        return found
    rows = np.concatenate(kept)
    return found.keep(rows[np.argsort(-found.scores[rows], kind="stable")])


def suppress(found: Detections, *, iou_limit: float = SAME_CLASS_IOU) -> Detections:
    """Class-aware suppression. Sorted by score."""
    if len(found) > MOST_CANDIDATES:
        found = found.keep(np.argsort(-found.scores, kind="stable")[:MOST_CANDIDATES])
    return _greedy_per_group(found, (found.class_ids == one for one in np.unique(found.class_ids)), iou_limit)


def merge_confused(found: Detections, classes: Sequence[str]) -> Detections:
    """One object reported under two confusable classes becomes one detection of the better class."""
    if not len(found):
        return found
    group_of = np.array([_group_number(name, number) for number, name in enumerate(classes)])
    groups = group_of[found.class_ids]
    gone = np.zeros(len(found), bool)
    for one in np.unique(groups[groups < 0]):
        rows = np.flatnonzero(groups == one)
        survivors = rows[greedy(found.boxes_xyxy[rows], found.scores[rows], CONFUSED_IOU)]
        gone[np.setdiff1d(rows, survivors)] = True
    return found.keep(~gone)


def _group_number(name: str, number: int) -> int:
    """A number below zero for a confusable group; a class that is in none stays by itself."""
    for index, group in enumerate(CONFUSED_GROUPS):
        if name in group:
            return -1 - index
    return number
