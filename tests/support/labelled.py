"""The labelled pictures of the shared sets, with the six classes of the project."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.fixtures import require_fixture
from xueliang_models.detections import Detections
from xueliang_models.evaluate import Truth
from xueliang_models.onnx_detector import OnnxDetector

Labelled = list[tuple[NDArray[np.uint8], Truth]]
CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")


def labelled_pictures(name: str) -> Labelled:
    """Every picture of `data/<name>` with its boxes in pixels."""
    folder = require_fixture(f"data/{name}")
    return [_read(path, folder / "labels" / f"{path.stem}.txt") for path in sorted((folder / "images").iterdir())]


def _read(picture: Path, labels: Path) -> tuple[NDArray[np.uint8], Truth]:
    image = np.asarray(cv2.imread(str(picture)), np.uint8)
    height, width = image.shape[:2]
    lines = labels.read_text().splitlines() if labels.exists() else []
    rows = np.array([[float(part) for part in line.split()] for line in lines if line.strip()]).reshape(-1, 5)
    half = rows[:, 3:] / 2
    scale = np.array([width, height, width, height])
    boxes = np.concatenate([rows[:, 1:3] - half, rows[:, 1:3] + half], axis=1) * scale
    return image, Truth(boxes.astype(np.float32), rows[:, 0].astype(np.int64))


def campus_people(every: int = 20) -> Labelled:
    """Every `every`-th frame of campus_walkers with all its people."""
    tracks = np.genfromtxt(require_fixture("clips/campus_walkers.tracks.csv"), delimiter=",", skip_header=1)
    capture = cv2.VideoCapture(str(require_fixture("clips/campus_walkers.mp4")))
    pictures: Labelled = []
    number = 0
    while True:
        is_read, image = capture.read()
        if not is_read:
            return pictures
        if number % every == 0:
            rows = tracks[tracks[:, 0] == number]
            boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1).astype(np.float32)
            pictures.append((np.asarray(image, np.uint8), Truth(boxes, np.zeros(len(boxes), np.int64))))
        number += 1


def as_project_classes(found: Detections, classes: tuple[str, ...]) -> Detections:
    """Only detections of the six classes, numbered as CLASSES."""
    numbers = np.array([CLASSES.index(name) if name in CLASSES else -1 for name in classes])
    mapped = numbers[found.class_ids] if len(found) else np.zeros(0, np.int64)
    kept = mapped >= 0
    return Detections(found.boxes_xyxy[kept], found.scores[kept], mapped[kept].astype(np.int64))


def detect_all(detector: OnnxDetector, pictures: Labelled) -> list[Detections]:
    """Everything from score 0.001, each class by itself, as average precision counts."""
    detector.merges_confused = False
    return [as_project_classes(detector.detect(image, 0.001), detector.classes) for image, _ in pictures]
