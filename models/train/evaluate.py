"""AP50 of an exported file on the test material, with bootstrap intervals, and its time on one thread.

    python evaluate.py --model FILE.onnx --shared DIR [--json FILE]

`--shared` holds `clips/` and `data/`. Nothing in it may be trained on. AP is COCO's (101 recall points, greedy
matching, IoU 0.5); an interval is the 2.5 % to 97.5 % range over 400 resamples of whole pictures.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from detect import Found, OnnxDetector, iou_matrix
from network import CLASS_NAMES
from numpy.typing import NDArray

RECALL_POINTS = np.linspace(0, 1, 101)
CAMPUS_EVERY = 20
RESAMPLES = 400
TRAFFIC_CLASSES = (2, 4, 5)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A test picture with its true boxes in pixels."""

    image_bgr: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One class in one picture: scores best first, hit or not, number of true boxes."""

    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    truths: int


def campus_walkers(clips: Path) -> Iterator[Labelled]:
    """Every 20th frame with all its people."""
    boxes: dict[int, list[list[float]]] = defaultdict(list)
    with (clips / "campus_walkers.tracks.csv").open() as lines:
        for row in csv.DictReader(lines):
            x, y, w, h = (float(row[name]) for name in ("x", "y", "w", "h"))
            boxes[int(row["frame"])].append([x, y, x + w, y + h])
    video = cv2.VideoCapture(str(clips / "campus_walkers.mp4"))
    number = 0
    while True:
        is_read, image = video.read()
        if not is_read:
            break
        if number % CAMPUS_EVERY == 0:
            table = np.array(boxes[number], np.float32).reshape(-1, 4)
            yield Labelled(np.asarray(image, np.uint8), table, np.zeros(len(table), np.int64))
        number += 1


def labelled_folder(folder: Path) -> Iterator[Labelled]:
    """Pictures in `images/` with YOLO text in `labels/`."""
    for path in sorted((folder / "images").iterdir()):
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        text = (folder / "labels" / f"{path.stem}.txt").read_text()
        table = np.array(
            [[float(v) for v in line.split()[:5]] for line in text.splitlines() if line.strip()], np.float32
        )
        table = table.reshape(-1, 5)
        table = table[table[:, 0] < len(CLASS_NAMES)]
        scale = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        half = table[:, 3:] / 2
        boxes = np.concatenate([table[:, 1:3] - half, table[:, 1:3] + half], 1) * scale
        yield Labelled(image, boxes, table[:, 0].astype(np.int64))


def match(found: Found, boxes: NDArray[np.float32], class_ids: NDArray[np.int64], class_id: int) -> Outcome:
    """Each detection, best first, takes the free true box that it overlaps most, from IoU 0.5."""
    mine = found.class_ids == class_id
    scores, true_boxes = found.scores[mine], boxes[class_ids == class_id]
    hits = np.zeros(len(scores), bool)
    if len(true_boxes) and len(scores):
        overlap = iou_matrix(found.boxes_xyxy[mine], true_boxes)
        for row in range(len(scores)):
            best = int(overlap[row].argmax())
            if overlap[row, best] >= 0.5:
                hits[row] = True
                overlap[:, best] = -1
    return Outcome(scores, hits, len(true_boxes))


def average_precision(outcomes: Sequence[Outcome]) -> float:
    """Area under the curve of precision over recall; NaN without true boxes."""
    truths = sum(one.truths for one in outcomes)
    if truths == 0:
        return float("nan")
    scores = np.concatenate([one.scores for one in outcomes])
    hits = np.concatenate([one.hits for one in outcomes])[np.argsort(-scores, kind="stable")]
    if not len(hits):
        return 0.0
    true_positives = np.cumsum(hits)
    recall, precision = true_positives / truths, true_positives / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALL_POINTS)
    return float(np.mean([envelope[place] if place < len(envelope) else 0.0 for place in places]))


def mean_with_interval(by_class: Sequence[Sequence[Outcome]]) -> dict[str, float]:
    """Mean AP over classes, resampling the same pictures for all of them."""
    rng = np.random.default_rng(1)
    pictures = len(by_class[0])
    draws = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, pictures, pictures)
        draws.append(np.nanmean([average_precision([outcomes[i] for i in rows]) for outcomes in by_class]))
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    value = float(np.mean([average_precision(outcomes) for outcomes in by_class]))
    boxes = sum(one.truths for outcomes in by_class for one in outcomes)
    return {
        "value": round(value, 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "pictures": pictures,
        "boxes": boxes,
    }


def measure(detector: OnnxDetector, pictures: Iterator[Labelled], class_ids: Sequence[int]) -> list[list[Outcome]]:
    """Outcomes per class (outer) and picture (inner)."""
    by_class: list[list[Outcome]] = [[] for _ in class_ids]
    for picture in pictures:
        found = detector.detect(picture.image_bgr)
        for outcomes, class_id in zip(by_class, class_ids, strict=True):
            outcomes.append(match(found, picture.boxes_xyxy, picture.class_ids, class_id))
    return by_class


def figures(detector: OnnxDetector, shared: Path) -> dict[str, object]:
    """All figures of the card."""
    campus = measure(detector, campus_walkers(shared / "clips"), (0,))
    traffic = measure(detector, labelled_folder(shared / "data" / "traffic_cams"), TRAFFIC_CLASSES)
    everyday = measure(detector, labelled_folder(shared / "data" / "coco_val128"), range(len(CLASS_NAMES)))
    table: dict[str, object] = {
        "campus_walkers_person_ap50": mean_with_interval(campus),
        "traffic_cams_mean_ap50": mean_with_interval(traffic),
    }
    for class_id, outcomes in zip(TRAFFIC_CLASSES, traffic, strict=True):
        table[f"traffic_cams_{CLASS_NAMES[class_id]}_ap50"] = mean_with_interval([outcomes])
    table["coco_val128_mean_ap50"] = mean_with_interval(everyday)
    for name, outcomes in zip(CLASS_NAMES, everyday, strict=True):
        table[f"coco_val128_{name}_ap50"] = mean_with_interval([outcomes])
    table["one_thread_ms"] = round(detector.one_thread_ms(), 2)
    return table


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    table = figures(OnnxDetector(options.model), options.shared)
    for name, entry in table.items():
        print(f"{name:32} {entry}")
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
