"""The embedded detector: average precision at IoU 0.5 by set and class, with intervals; milliseconds on one thread."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.deadline import deadline, left_of_quick_s
from tests.bench.figures import Figures
from tests.support.fixtures import fixtures_dir
from tests.support.labelled import CLASSES, Labelled, campus_people, detect_all, labelled_pictures
from tests.support.models import open_shared_detector
from xueliang_models.catalogue import open_detector
from xueliang_models.evaluate import average_precision, mean_average_precision
from xueliang_models.onnx_detector import OnnxDetector

VEHICLES = ("car", "bus", "truck")


SETS: dict[str, tuple[str, ...]] = {
    "campus_walkers": ("person",),
    "traffic_cams": VEHICLES,
    "coco_val128": CLASSES,
}
FULL_LIMIT_S = 600.0
QUICK_ROUNDS, FULL_ROUNDS = 100, 400


def _keys() -> Iterator[str]:
    for name, classes in SETS.items():
        for class_name in classes:
            yield from (f"{name}_{class_name}_ap50{end}" for end in ("", "_low", "_high"))
        if len(classes) > 1:
            yield from (f"{name}_mean_ap50{end}" for end in ("", "_low", "_high"))
    yield from ("one_thread_ms", "one_thread_cpu_ms", "one_thread_ratio_to_yolox_nano")


KEYS = tuple(_keys())


def measure(quick: bool, figures: Figures) -> None:
    """Figures from 0 to 1; intervals are 95 % bootstraps over pictures, fewer draws with `quick`."""
    with deadline(left_of_quick_s() if quick else FULL_LIMIT_S):
        detector = open_detector("embedded")
        figures["one_thread_ms"], figures["one_thread_cpu_ms"] = _milliseconds(
            detector, QUICK_ROUNDS if quick else FULL_ROUNDS
        )
        figures["one_thread_ratio_to_yolox_nano"] = _ratio_to_yolox_nano(detector, 60 if quick else 200)
        for name, classes in SETS.items():
            pictures = _pictures(name)
            if pictures is None:
                print(f"{name} is not below {fixtures_dir()} (XUELIANG_FIXTURES): its average precision is null")
            else:
                figures |= _set(detector, name, pictures, classes, 100 if quick else 1000)


def _pictures(name: str) -> Labelled | None:
    """None when the set is not on this machine."""
    at = [f"data/{name}"]
    if name == "campus_walkers":
        at = ["clips/campus_walkers.mp4", "clips/campus_walkers.tracks.csv"]
    if not all((fixtures_dir() / one).exists() for one in at):
        return None
    return campus_people() if name == "campus_walkers" else labelled_pictures(name)


def _set(
    detector: OnnxDetector, name: str, pictures: Labelled, classes: Sequence[str], resamples: int
) -> dict[str, float]:
    found, truths = detect_all(detector, pictures), [truth for _, truth in pictures]
    figures: dict[str, float] = {}
    for class_name in classes:
        one = average_precision(found, truths, CLASSES.index(class_name), resamples=resamples)
        key = f"{name}_{class_name}"
        figures |= {f"{key}_ap50": one.value, f"{key}_ap50_low": one.low, f"{key}_ap50_high": one.high}
        print(
            f"{name:16} {class_name:11} AP50 {one.value:.3f} ({one.low:.3f} to {one.high:.3f})  "
            f"{one.boxes} boxes in {one.pictures} pictures"
        )
    if len(classes) > 1:
        numbers = [CLASSES.index(class_name) for class_name in classes]
        mean = mean_average_precision(found, truths, numbers, resamples=resamples)
        key = f"{name}_mean"
        figures |= {f"{key}_ap50": mean.value, f"{key}_ap50_low": mean.low, f"{key}_ap50_high": mean.high}
        print(f"{name:16} {'mean':11} AP50 {mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f})")
    return figures


def _ratio_to_yolox_nano(detector: OnnxDetector, rounds: int) -> float | None:
    """Our median time for one picture by yolox_nano's, taken in turns: what else the machine does meets both alike."""
    if not (fixtures_dir() / "models/yolox_nano_416.onnx").is_file():
        print(f"no yolox_nano below {fixtures_dir()} (XUELIANG_FIXTURES): the ratio to it is not measured")
        return None
    with tempfile.TemporaryDirectory() as folder:
        other = open_shared_detector("yolox_nano_416", Path(folder))
        image = _noise()
        spent: dict[OnnxDetector, list[float]] = {detector: [], other: []}
        for number in range(rounds + 10):
            for one, times in spent.items():
                began = time.perf_counter()
                one.detect(image)
                if number >= 10:  # the first ones warm up
                    times.append(time.perf_counter() - began)
        ours, theirs = (float(np.median(times)) for times in spent.values())
        other.close()
    return ours / theirs


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 255, (720, 1280, 3), dtype=np.uint8)


def _milliseconds(detector: OnnxDetector, rounds: int) -> tuple[float, float]:
    """Median wall and mean CPU milliseconds of one 1280x720 picture, preparation and suppression included."""
    image = _noise()
    for _ in range(10):
        detector.detect(image)
    spent = []
    cpu_before = time.process_time()
    for _ in range(rounds):
        began = time.perf_counter()
        detector.detect(image)
        spent.append(time.perf_counter() - began)
    return 1000 * float(np.median(spent)), 1000 * (time.process_time() - cpu_before) / rounds
