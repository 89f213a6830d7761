"""Detecting in planes finds what detecting in colour finds: average precision and boxes, on labelled pictures."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.labelled import CLASSES, as_project_classes, campus_people, labelled_pictures
from xueliang_models.catalogue import open_detector
from xueliang_models.detections import Detections
from xueliang_models.evaluate import Truth, average_precision
from xueliang_models.onnx_detector import OnnxDetector
from xueliang_models.suppression import iou_of_one
from xueliang_streams.frame import Planes

SURE = 0.45


@pytest.fixture(scope="module")
def detector() -> OnnxDetector:
    return open_detector("embedded")


def both_ways(detector: OnnxDetector, name: str) -> tuple[list[Detections], list[Detections], list[Truth]]:
    pictures = campus_people(60) if name == "campus_walkers" else labelled_pictures(name)
    of_array = [as_project_classes(detector.detect(image, 0.001), detector.classes) for image, _ in pictures]
    of_planes = [
        as_project_classes(detector.detect(Planes.from_bgr(image), 0.001), detector.classes) for image, _ in pictures
    ]
    return of_array, of_planes, [truth for _, truth in pictures]


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("name", "class_name"),
    [("campus_walkers", "person"), ("coco_val128", "person"), ("traffic_cams", "car")],
    ids=["campus", "coco", "traffic"],
)
def test_average_precision_and_boxes_agree(detector: OnnxDetector, name: str, class_name: str) -> None:
    of_array, of_planes, truths = both_ways(detector, name)
    class_id = CLASSES.index(class_name)
    one, other = (average_precision(found, truths, class_id, resamples=5).value for found in (of_array, of_planes))
    assert one > 0.2, "the pictures or their labels are not what this test was made for"
    assert abs(one - other) < 0.02, f"in colour {one:.3f}, in planes {other:.3f}"
    agreed, sure = 0, 0
    for left, right in zip(of_array, of_planes, strict=True):
        for box, score, found_class in zip(left.boxes_xyxy, left.scores, left.class_ids, strict=True):
            if score >= SURE and found_class == class_id:
                same = right.boxes_xyxy[right.class_ids == class_id]
                sure += 1
                agreed += len(same) > 0 and bool(np.max(iou_of_one(box, same)) >= 0.85)
    assert sure >= 50
    assert agreed / sure >= 0.97, f"{agreed} of {sure} sure boxes were found in planes too"
