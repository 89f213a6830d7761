"""Average precision, as COCO counts it: 101 recall points, one prediction per true box, greedy by score.

Source: the procedure of the COCO detection challenge (pycocotools), at one IoU threshold, without crowd regions and
without size limits. The interval is a bootstrap over pictures: 2.5 and 97.5 % of `resamples` draws, fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_models.detections import Detections
from xueliang_models.suppression import iou_of_one

_RECALL_POINTS: Final = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Truth:
    """Labelled boxes of one picture: float32 (n, 4) in pixels, and class numbers (n,)."""

    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """0 to 1, with its bootstrap interval and what stands behind it."""

    value: float
    low: float
    high: float
    boxes: int
    pictures: int


@dataclass(frozen=True, slots=True)
class _Matched:
    """Predictions of one class in one picture, sorted by score: scores, hit or not, and the number of true boxes."""

    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    truths: int


def _match(found: Detections, truth: Truth, class_id: int, iou_threshold: float) -> _Matched:
    mine = found.class_ids == class_id
    boxes, scores = found.boxes_xyxy[mine], found.scores[mine]
    order = np.argsort(-scores, kind="stable")
    true_boxes = truth.boxes_xyxy[truth.class_ids == class_id]
    taken = np.zeros(len(true_boxes), bool)
    hits = np.zeros(len(boxes), bool)
    for rank, row in enumerate(order):
        if not len(true_boxes):
            break
        overlap = np.where(taken, -1.0, iou_of_one(boxes[row], true_boxes))
        best = int(overlap.argmax())
        if overlap[best] >= iou_threshold:
            hits[rank] = taken[best] = True
    return _Matched(scores[order], hits, len(true_boxes))


def _area_under(matched: Sequence[_Matched]) -> float:
    truths = sum(one.truths for one in matched)
    if truths == 0:
        return float("nan")
    scores = np.concatenate([one.scores for one in matched])
    hits = np.concatenate([one.hits for one in matched])[np.argsort(-scores, kind="stable")]
    true_positives = np.cumsum(hits)
    recall = true_positives / truths
    precision = true_positives / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1] if len(precision) else precision
    places = np.searchsorted(recall, _RECALL_POINTS, side="left")
    return float(np.mean([envelope[place] if place < len(envelope) else 0.0 for place in places]))


def average_precision(
    found: Sequence[Detections],
    truths: Sequence[Truth],
    class_id: int,
    *,
    iou_threshold: float = 0.5,
    resamples: int = 200,
    seed: int = 1,
) -> AveragePrecision:
    """AP of one class over pictures; NaN when no picture has a true box of it."""
    matched = [_match(one, truth, class_id, iou_threshold) for one, truth in zip(found, truths, strict=True)]
    generator = np.random.default_rng(seed)
    draws = [
        _area_under([matched[index] for index in generator.integers(0, len(matched), len(matched))])
        for _ in range(resamples)
    ]
    usable = [value for value in draws if not np.isnan(value)]
    low, high = np.percentile(usable, [2.5, 97.5]) if usable else (float("nan"), float("nan"))
    boxes = sum(one.truths for one in matched)
    return AveragePrecision(_area_under(matched), float(low), float(high), boxes, len(matched))


def mean_average_precision(
    found: Sequence[Detections],
    truths: Sequence[Truth],
    class_ids: Sequence[int],
    *,
    iou_threshold: float = 0.5,
    resamples: int = 200,
    seed: int = 1,
) -> AveragePrecision:
    """The mean over classes, every class drawn on the same pictures. A class without a true box is left out of it."""
    by_class = [
        [_match(one, truth, class_id, iou_threshold) for one, truth in zip(found, truths, strict=True)]
        for class_id in class_ids
    ]
    generator = np.random.default_rng(seed)
    everything = range(len(found))
    draws = [_mean_area(by_class, generator.integers(0, len(found), len(found))) for _ in range(resamples)]
    usable = [value for value in draws if not np.isnan(value)]
    low, high = np.percentile(usable, [2.5, 97.5]) if usable else (float("nan"), float("nan"))
    boxes = sum(one.truths for matched in by_class for one in matched)
    return AveragePrecision(_mean_area(by_class, everything), float(low), float(high), boxes, len(found))


def _mean_area(by_class: Sequence[Sequence[_Matched]], pictures: Iterable[int]) -> float:
    chosen = list(pictures)
    areas = [_area_under([matched[index] for index in chosen]) for matched in by_class]
    usable = [area for area in areas if not np.isnan(area)]
    return float(np.mean(usable)) if usable else float("nan")
