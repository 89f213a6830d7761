"""Each adapter against a plain decode of the same file, and each shared file against its published figure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.integration.models import reference
from tests.support.labelled import (
    CLASSES,
    Labelled,
    as_project_classes,
    campus_people,
    detect_all,
    labelled_pictures,
)
from tests.support.models import open_shared_detector, shared_model_path
from xueliang_models.catalogue import open_detector
from xueliang_models.detections import Detections
from xueliang_models.evaluate import Truth, average_precision, mean_average_precision

pytestmark = [pytest.mark.fixtures, pytest.mark.slow, pytest.mark.timeout(240)]

Decode = Callable[..., list[reference.Row]]
DECODES: list[tuple[str, Decode, int]] = [
    ("yolox_nano_416", reference.yolox, 416),
    ("deimv2_atto_320", reference.detr, 320),
    ("yolo11n_320_int8_AGPL", reference.yolov8, 320),
]
# Column "AP50" of the first table in models/README.md of the shared material: every file of it that a layout of ours
# opens. Over the six classes on coco_val128, where not said otherwise there.
TABLE: list[tuple[str, tuple[str, ...], float]] = [
    ("yolox_nano_416", CLASSES, 0.55),
    ("deimv2_atto_320", CLASSES, 0.54),
    ("deimv2_femto_416", CLASSES, 0.57),
    ("person_lite_192", ("person",), 0.46),
    ("yolov8n_640_int8_AGPL", CLASSES, 0.65),
    ("yolo11n_320_int8_AGPL", CLASSES, 0.51),
    ("yolov5n_640_fp16_GPL", CLASSES, 0.59),
]
LEAST = 0.001


@cache
def _pictures(data: str) -> Labelled:
    return labelled_pictures(data)


def _truths(data: str) -> list[Truth]:
    return [truth for _, truth in _pictures(data)]


@pytest.fixture(scope="module")
def found_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], list[Detections]]:
    """What a shared model finds in a set, looked for once: both tests below count the same detections."""
    folder = tmp_path_factory.mktemp("cards")

    @cache
    def find(name: str, data: str) -> list[Detections]:
        return detect_all(open_shared_detector(name, folder), _pictures(data))

    return find


def _plain(
    name: str, decode: Decode, side: int, data: str, classes: tuple[str, ...], class_name: str
) -> list[Detections]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path, kind = str(shared_model_path(name)), classes.index(class_name)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [_as_detections(decode(session, image, side, LEAST, kind), classes) for image, _ in _pictures(data)]


def _as_detections(rows: list[reference.Row], classes: tuple[str, ...]) -> Detections:
    values = np.array(rows, np.float32).reshape(-1, 6)
    values = values[np.argsort(-values[:, 4], kind="stable")]
    return as_project_classes(Detections(values[:, :4], values[:, 4], values[:, 5].astype(np.int64)), classes)


@pytest.mark.parametrize(
    ("data", "class_name", "total"), [("coco_val128", "person", 128), ("traffic_cams", "car", 50)], ids=["coco", "cams"]
)
@pytest.mark.parametrize(("name", "decode", "side"), DECODES, ids=[case[0] for case in DECODES])
def test_adapter_agrees_with_a_plain_decode(
    name: str,
    decode: Decode,
    side: int,
    data: str,
    class_name: str,
    total: int,
    found_by: Callable[[str, str], list[Detections]],
    tmp_path: Path,
) -> None:
    assert len(_pictures(data)) == total
    classes = open_shared_detector(name, tmp_path).classes
    number = CLASSES.index(class_name)
    plain = _plain(name, decode, side, data, classes, class_name)
    plain_ap = average_precision(plain, _truths(data), number, resamples=1).value
    ours_ap = average_precision(found_by(name, data), _truths(data), number, resamples=1).value
    assert ours_ap == pytest.approx(plain_ap, abs=0.015)


@pytest.mark.parametrize(("name", "classes", "published"), TABLE, ids=[row[0] for row in TABLE])
def test_a_shared_model_has_its_published_precision(
    name: str, classes: tuple[str, ...], published: float, found_by: Callable[[str, str], list[Detections]]
) -> None:
    numbers = [CLASSES.index(one) for one in classes]
    found = found_by(name, "coco_val128")
    mean = mean_average_precision(found, _truths("coco_val128"), numbers, resamples=1).value
    assert mean == pytest.approx(published, abs=0.03)


def test_the_embedded_detector_reaches_its_first_figures() -> None:
    detector = open_detector("embedded")
    people = campus_people()
    person = average_precision(detect_all(detector, people), [truth for _, truth in people], 0, resamples=1).value
    assert person >= 0.70
    found = detect_all(detector, _pictures("traffic_cams"))
    vehicles = [CLASSES.index(name) for name in ("car", "bus", "truck")]
    assert mean_average_precision(found, _truths("traffic_cams"), vehicles, resamples=1).value >= 0.22
