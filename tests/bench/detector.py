"""The embedded detector: average precision at IoU 0.5 by set and class, with intervals; milliseconds on one thread."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.support.fixtures import fixtures_dir
from tests.support.labelled import CLASSES, campus_people, detect_all, labelled_pictures
from xueliang_models.catalogue import open_detector
from xueliang_models.evaluate import Truth, average_precision
from xueliang_models.onnx_detector import OnnxDetector

Pictures = list[tuple[NDArray[np.uint8], Truth]]
VEHICLES = ("car", "bus", "truck")


def measure(quick: bool) -> dict[str, float | None]:
    """Figures from 0 to 1; intervals are 95 % bootstraps over pictures, fewer draws with `quick`."""
    detector = open_detector("embedded")
    resamples = 100 if quick else 1000
    figures: dict[str, float | None] = {}
    have_pictures = (fixtures_dir() / "data").is_dir()
    if have_pictures:
        figures |= _set(detector, "campus_walkers", campus_people(), ("person",), resamples)
        figures |= _set(detector, "traffic_cams", labelled_pictures("traffic_cams"), VEHICLES, resamples)
        figures |= _set(detector, "coco_val128", labelled_pictures("coco_val128"), CLASSES, resamples)
    else:
        print(f"no labelled pictures below {fixtures_dir()} (XUELIANG_FIXTURES): average precision is not measured")
        figures |= {f"{name}_ap50": None for name in ("campus_walkers_person", "traffic_cams_mean", "coco_val128_mean")}
    figures["one_thread_ms"], figures["one_thread_cpu_ms"] = _milliseconds(detector, 100 if quick else 400)
    return figures


def _set(
    detector: OnnxDetector, name: str, pictures: Pictures, classes: Sequence[str], resamples: int
) -> dict[str, float | None]:
    found, truths = detect_all(detector, pictures), [truth for _, truth in pictures]
    figures: dict[str, float | None] = {}
    values = []
    for class_name in classes:
        one = average_precision(found, truths, CLASSES.index(class_name), resamples=resamples)
        values.append(one.value)
        key = f"{name}_{class_name}"
        figures |= {f"{key}_ap50": one.value, f"{key}_ap50_low": one.low, f"{key}_ap50_high": one.high}
        print(
            f"{name:16} {class_name:11} AP50 {one.value:.3f} ({one.low:.3f} to {one.high:.3f})  "
            f"{one.boxes} boxes in {one.pictures} pictures"
        )
    if len(values) > 1:
        figures[f"{name}_mean_ap50"] = float(np.mean(values))
    return figures


def _milliseconds(detector: OnnxDetector, rounds: int) -> tuple[float, float]:
    """Median wall and mean CPU milliseconds of one 1280x720 picture, preparation and suppression included."""
    generator = np.random.default_rng(3)
    image = generator.integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    for _ in range(10):
        detector.detect(image)
    spent = []
    cpu_before = time.process_time()
    for _ in range(rounds):
        began = time.perf_counter()
        detector.detect(image)
        spent.append(time.perf_counter() - began)
    return 1000 * float(np.median(spent)), 1000 * (time.process_time() - cpu_before) / rounds
