"""Training pictures out of tars, held in memory, and how often each set is drawn.

A tar holds `<set>/images/*.jpg`, `<set>/labels/*.txt` (YOLO text, `class cx cy w h`, relative) and `<set>/pseudo.csv`
(`picture,true_lines,pseudo_lines`: in a label file the true lines come first). Fire and smoke (6, 7) are dropped.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

CLASS_COUNT = 6
HELD_OUT_SHARE = 0.06
# How often a set is drawn, times its number of pictures: camera views up, object-centred pictures down.
SET_WEIGHTS = {
    "people_walking": 1.5,
    "coco_people": 1.8,
    "coco_train": 1.8,
    "bicycles": 0.8,
    "street_india": 0.9,
    "road_indonesia": 0.4,
    "cars_parked": 1.2,
    "atl_traffic": 2.2,
    "tollroad": 1.2,
    "oi_vehicles": 0.6,
    "indoor_intel": 1.5,
}
# fire_smoke is left out: no class of this detector is truly labelled there, and its licence is the weakest.
LEFT_OUT_SETS = ("fire_smoke",)


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture with its boxes.

    Attributes:
        name: `<set>/<file>`.
        image_bgr: uint8 (h, w, 3).
        boxes_xyxy: float32 (n, 4), pixels of this picture.
        class_ids: int64 (n,), 0 to 5.
        weights: float32 (n,), 1 for true boxes, less for those of a teacher.
    """

    name: str
    image_bgr: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    weights: NDArray[np.float32]

    @property
    def set_name(self) -> str:
        """The set that the picture came from."""
        return self.name.split("/", 1)[0]


def is_held_out(name: str) -> bool:
    """A fixed slice of every set, by hash of the name, that training never sees; used for choosing thresholds."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE


def _parse_labels(
    text: str, size_wh: tuple[int, int], true_lines: int, pseudo_weight: float
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    rows = [[float(value) for value in line.split()[:5]] for line in text.splitlines() if line.strip()]
    table = np.array(rows, np.float32).reshape(-1, 5)
    weights = np.where(np.arange(len(table)) < true_lines, 1.0, pseudo_weight).astype(np.float32)
    keep = table[:, 0] < CLASS_COUNT
    table, weights = table[keep], weights[keep]
    scale = np.array([*size_wh, *size_wh], np.float32)
    half = table[:, 3:5] / 2
    boxes = np.concatenate([table[:, 1:3] - half, table[:, 1:3] + half], 1) * scale
    return boxes.clip(0, scale).astype(np.float32), table[:, 0].astype(np.int64), weights


def read_tar(path: Path, pseudo_weight: float = 0.6) -> list[Sample]:
    """All pictures of one tar, decoded, by name."""
    pictures: dict[str, bytes] = {}
    labels: dict[str, str] = {}
    true_lines: dict[str, int] = {}
    set_name = path.stem
    with tarfile.open(path) as archive:
        for member in archive:
            reader = archive.extractfile(member)
            if reader is None:
                continue
            place = PurePosixPath(member.name)
            set_name = place.parts[0]
            if place.suffix == ".jpg":
                pictures[place.stem] = reader.read()
            elif place.suffix == ".txt":
                labels[place.stem] = reader.read().decode()
            elif place.name == "pseudo.csv":
                for row in csv.DictReader(io.StringIO(reader.read().decode())):
                    true_lines[PurePosixPath(row["picture"]).stem] = int(row["true_lines"])
    samples = []
    for stem in sorted(pictures):
        image = cv2.imdecode(np.frombuffer(pictures[stem], np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{path.name}: {stem}: not a picture")
        size_wh = (image.shape[1], image.shape[0])
        parts = _parse_labels(labels.get(stem, ""), size_wh, true_lines.get(stem, 10**6), pseudo_weight)
        samples.append(Sample(f"{set_name}/{stem}", np.asarray(image, np.uint8), *parts))
    return samples


@dataclass(frozen=True, slots=True)
class Pool:
    """Samples for training and those held out, and the probability of drawing each training sample."""

    training: list[Sample]
    held_out: list[Sample]
    probabilities: NDArray[np.float64]


def load_pool(data_dir: Path, rendered: list[Path], rendered_share: float) -> Pool:
    """Every set under `data_dir`, and rendered tars that together get `rendered_share` of the draws."""
    training: list[Sample] = []
    held_out: list[Sample] = []
    weights: list[float] = []
    for path in sorted(data_dir.glob("*.tar")):
        if path.stem in LEFT_OUT_SETS:
            continue
        for sample in read_tar(path):
            if is_held_out(sample.name):
                held_out.append(sample)
            else:
                training.append(sample)
                weights.append(SET_WEIGHTS.get(sample.set_name, 1.0))
    real_sum = sum(weights)
    drawn = [sample for path in rendered for sample in read_tar(path)]
    fresh = [sample for sample in drawn if not is_held_out(sample.name)]
    held_out += [sample for sample in drawn if is_held_out(sample.name)]
    if fresh:
        training += fresh
        weights += [real_sum * rendered_share / (1 - rendered_share) / len(fresh)] * len(fresh)
    if not training:
        raise ValueError(f"{data_dir}: no *.tar with pictures in it")
    probabilities = np.array(weights, np.float64)
    return Pool(training, held_out, probabilities / probabilities.sum())
