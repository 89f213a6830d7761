"""Average precision on cases whose answer is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xueliang_models.detections import Detections
from xueliang_models.evaluate import Truth, average_precision, mean_average_precision

BOX = [10.0, 10.0, 50.0, 50.0]
FAR = [100.0, 100.0, 140.0, 140.0]


def truth(*boxes: list[float]) -> Truth:
    return Truth(np.array(boxes, np.float32).reshape(-1, 4), np.zeros(len(boxes), np.int64))


def found(*rows: tuple[list[float], float]) -> Detections:
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([row[1] for row in rows], np.float32), np.zeros(len(rows), np.int64))


@pytest.mark.parametrize(
    ("detections", "expected"),
    [
        (found((BOX, 0.9), (FAR, 0.8)), 1.0),
        (found((BOX, 0.9)), 51 / 101),
        (found(), 0.0),
        (found((BOX, 0.9), (BOX, 0.85), (FAR, 0.8)), (51 + 50 * 2 / 3) / 101),
        (found(([200, 200, 240, 240], 0.95), (BOX, 0.9), (FAR, 0.8)), 2 / 3),
    ],
    ids=["both found", "half found", "none found", "a double counts as false", "a false one first"],
)
def test_known_cases(detections: Detections, expected: float) -> None:
    assert average_precision([detections], [truth(BOX, FAR)], 0, resamples=1).value == pytest.approx(expected, abs=1e-6)


def test_no_truth_gives_not_a_number() -> None:
    assert math.isnan(average_precision([found((BOX, 0.9))], [truth()], 0, resamples=5).value)


def test_interval_holds_the_value_and_narrows_with_pictures() -> None:
    few = [found((BOX, 0.9)) if number % 3 else found() for number in range(12)]
    many = few * 12
    wide = average_precision(few, [truth(BOX)] * len(few), 0)
    narrow = average_precision(many, [truth(BOX)] * len(many), 0)
    assert wide.low <= wide.value <= wide.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_the_mean_is_over_the_classes_that_have_true_boxes_and_has_an_interval() -> None:
    pictures = [found((BOX, 0.9)) if number % 3 else found() for number in range(12)]
    truths = [
        Truth(np.array([BOX, FAR], np.float32), np.array([0, 1], np.int64)) for _ in pictures
    ]  # class 0 found in two of three, class 1 never, class 2 not there
    mean = mean_average_precision(pictures, truths, (0, 1, 2))
    alone = average_precision(pictures, truths, 0)
    assert mean.value == pytest.approx(alone.value / 2)
    assert mean.low < mean.value < mean.high
    assert (mean.boxes, mean.pictures) == (24, 12)
    assert math.isnan(mean_average_precision([found()], [truth()], (0, 1), resamples=5).value)
