"""One box for one object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_models.detections import Detections
from xueliang_models.suppression import greedy, iou_of_one, merge_confused, suppress

CLASSES = ("person", "car", "truck")


def found(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    values = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(values[:, :4], values[:, 4], values[:, 5].astype(np.int64))


def test_one_vehicle_reported_as_car_and_truck_counts_once_as_the_better() -> None:
    both = found((10, 10, 110, 60, 0.6, 1), (12, 11, 111, 61, 0.8, 2))
    kept = merge_confused(suppress(both), CLASSES)
    assert [CLASSES[number] for number in kept.class_ids] == ["truck"]


def test_a_person_before_a_car_stays_a_person() -> None:
    both = found((10, 10, 60, 110, 0.9, 1), (12, 12, 60, 110, 0.5, 0))
    assert len(merge_confused(suppress(both), CLASSES)) == 2


def test_two_people_close_together_stay_two() -> None:
    pair = found((10, 10, 40, 90, 0.9, 0), (22, 10, 52, 90, 0.8, 0))
    assert len(suppress(pair)) == 2
    assert len(merge_confused(pair, CLASSES)) == 2


def test_nothing_in_nothing_out() -> None:
    assert len(suppress(Detections.nothing())) == 0


def test_iou_of_known_boxes() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]], np.float32)
    assert iou_of_one(box, others) == pytest.approx([1.0, 1 / 3, 0.0, 0.0])


corner = st.floats(0, 90, width=32)
side = st.floats(1, 60, width=32)


row = st.tuples(corner, corner, side, side, st.floats(0.0625, 1, width=32))


@given(st.lists(row, max_size=25), st.floats(0.1, 0.9))
def test_survivors_never_overlap_more_than_the_limit_and_the_rest_does(
    rows: list[tuple[float, float, float, float, float]], limit: float
) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float32).reshape(-1, 4)
    scores = np.array([row[4] for row in rows], np.float32)
    kept = list(greedy(boxes, scores, limit))
    for position, one in enumerate(kept):
        assert (iou_of_one(boxes[one], boxes[kept[position + 1 :]]) <= limit).all()
    for gone in set(range(len(rows))) - set(kept):
        better = [one for one in kept if scores[one] >= scores[gone]]
        assert (iou_of_one(boxes[gone], boxes[better]) > limit - 1e-5).any()
