"""From samples to one training picture: placing, colour, weather of the sensor.

Placing has three kinds, drawn at random:
  grid     1x1 to 4x3 cells, each filled by a crop of one picture; makes objects small and many, as seen from high up
  free     one picture, scaled freely, anywhere on grey 114 (zoom out and zoom in)
  letter   one picture exactly as it comes at run time: letterboxed at the top left
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np
from dataset import Sample
from numpy.typing import NDArray

PAD_VALUE = 114
# A box cut by a crop stays when this share of it is still seen, and at least this many pixels of either side.
MIN_VISIBLE_SHARE = 0.35
MIN_SIDE_PX = 3.0
GRIDS = ((1, 1), (2, 1), (2, 2), (3, 2), (4, 3))
GRID_CHANCES = (0.10, 0.12, 0.32, 0.28, 0.18)
KIND_CHANCES = (0.62, 0.20, 0.18)

Boxes = NDArray[np.float32]
Labels = NDArray[np.float32]
Picture = NDArray[np.uint8]
Draw = Callable[[], Sample]


def _table(sample: Sample) -> Labels:
    """(n, 6): x1, y1, x2, y2, class, weight."""
    return np.concatenate([sample.boxes_xyxy, sample.class_ids[:, None], sample.weights[:, None]], 1).astype(np.float32)


def _resized(image: Picture, width: int, height: int, rng: np.random.Generator) -> Picture:
    shrinks = width < image.shape[1]
    flag = cv2.INTER_AREA if shrinks and rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (max(1, width), max(1, height)), interpolation=flag), np.uint8)


def _cut(table: Labels, window_xyxy: tuple[float, float, float, float]) -> Labels:
    """Boxes clipped to the window, in the window's coordinates; those hardly seen any more are dropped."""
    if not len(table):
        return table
    x1, y1, x2, y2 = window_xyxy
    cut = table.copy()
    cut[:, [0, 2]] = cut[:, [0, 2]].clip(x1, x2) - x1
    cut[:, [1, 3]] = cut[:, [1, 3]].clip(y1, y2) - y1
    before = (table[:, 2] - table[:, 0]) * (table[:, 3] - table[:, 1])
    sides = cut[:, 2:4] - cut[:, 0:2]
    seen = sides.prod(1) / np.maximum(before, 1e-6)
    return cut[(seen > MIN_VISIBLE_SHARE) & (sides.min(1) >= MIN_SIDE_PX)]


def _flipped(image: Picture, table: Labels) -> tuple[Picture, Labels]:
    table = table.copy()
    table[:, [0, 2]] = image.shape[1] - table[:, [2, 0]]
    return np.ascontiguousarray(image[:, ::-1]), table


def _drawn(draw: Draw, rng: np.random.Generator) -> tuple[Picture, Labels]:
    sample = draw()
    image, table = sample.image_bgr, _table(sample)
    return _flipped(image, table) if rng.random() < 0.5 else (image, table)


def _cover(image: Picture, table: Labels, cell_wh: tuple[int, int], rng: np.random.Generator) -> tuple[Picture, Labels]:
    """Scales the picture to cover the cell (often more, then a random crop of it)."""
    cell_w, cell_h = cell_wh
    height, width = image.shape[:2]
    least = max(cell_w / width, cell_h / height)
    scale = least * (1.0 if rng.random() < 0.3 else float(rng.uniform(1.0, 1.9)))
    stretch = float(np.exp(rng.uniform(-0.15, 0.15)))
    new_w = max(cell_w, round(width * scale * stretch))
    new_h = max(cell_h, round(height * scale / stretch))
    left, top = int(rng.integers(0, new_w - cell_w + 1)), int(rng.integers(0, new_h - cell_h + 1))
    table = table.copy()
    table[:, [0, 2]] *= new_w / width
    table[:, [1, 3]] *= new_h / height
    # Crop before scaling: the cell is often a small part of the picture.
    fx, fy = width / new_w, height / new_h
    part = image[int(top * fy) : int(np.ceil((top + cell_h) * fy)), int(left * fx) : int(np.ceil((left + cell_w) * fx))]
    return _resized(part, cell_w, cell_h, rng), _cut(table, (left, top, left + cell_w, top + cell_h))


def _edges(length: int, cells: int, rng: np.random.Generator) -> list[int]:
    step = length / cells
    inner = [round(step * (i + float(rng.uniform(-0.25, 0.25)))) for i in range(1, cells)]
    return [0, *inner, length]


def _grid(draw: Draw, size_wh: tuple[int, int], rng: np.random.Generator) -> tuple[Picture, Labels]:
    columns, rows = GRIDS[int(rng.choice(len(GRIDS), p=GRID_CHANCES))]
    xs, ys = _edges(size_wh[0], columns, rng), _edges(size_wh[1], rows, rng)
    canvas = np.empty((size_wh[1], size_wh[0], 3), np.uint8)
    tables = []
    for top, bottom in pairwise(ys):
        for left, right in pairwise(xs):
            part, table = _cover(*_drawn(draw, rng), (right - left, bottom - top), rng)
            canvas[top:bottom, left:right] = part
            table[:, [0, 2]] += left
            table[:, [1, 3]] += top
            tables.append(table)
    return canvas, np.concatenate(tables)


def _free(draw: Draw, size_wh: tuple[int, int], rng: np.random.Generator) -> tuple[Picture, Labels]:
    image, table = _drawn(draw, rng)
    width, height = size_wh
    scale = min(width / image.shape[1], height / image.shape[0]) * float(np.exp(rng.uniform(np.log(0.35), np.log(1.8))))
    stretch = float(np.exp(rng.uniform(-0.2, 0.2)))
    new_w, new_h = max(8, round(image.shape[1] * scale * stretch)), max(8, round(image.shape[0] * scale / stretch))
    table = table.copy()
    table[:, [0, 2]] *= new_w / image.shape[1]
    table[:, [1, 3]] *= new_h / image.shape[0]
    left = int(rng.integers(min(0, width - new_w), max(0, width - new_w) + 1))
    top = int(rng.integers(min(0, height - new_h), max(0, height - new_h) + 1))
    canvas = np.full((height, width, 3), PAD_VALUE, np.uint8)
    scaled = _resized(image, new_w, new_h, rng)
    x1, y1, x2, y2 = max(0, left), max(0, top), min(width, left + new_w), min(height, top + new_h)
    canvas[y1:y2, x1:x2] = scaled[y1 - top : y2 - top, x1 - left : x2 - left]
    table[:, [0, 2]] += left
    table[:, [1, 3]] += top
    return canvas, _cut(table, (0.0, 0.0, float(width), float(height)))


def letterbox(image: Picture, size_wh: tuple[int, int], flag: int = cv2.INTER_LINEAR) -> tuple[Picture, float]:
    """The picture at the top left of a grey canvas of `size_wh`, and the scale that was used."""
    scale = min(size_wh[0] / image.shape[1], size_wh[1] / image.shape[0])
    new_w, new_h = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    canvas = np.full((size_wh[1], size_wh[0], 3), PAD_VALUE, np.uint8)
    canvas[:new_h, :new_w] = cv2.resize(image, (new_w, new_h), interpolation=flag)
    return canvas, scale


def _letter(draw: Draw, size_wh: tuple[int, int], rng: np.random.Generator) -> tuple[Picture, Labels]:
    image, table = _drawn(draw, rng)
    canvas, scale = letterbox(image, size_wh)
    table = table.copy()
    table[:, :4] *= scale
    return canvas, table


def _colour(image: Picture, rng: np.random.Generator) -> Picture:
    """Hue, saturation and brightness by tables, then contrast and gamma; sometimes grey, as night cameras are."""
    if rng.random() < 0.12:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    else:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        ramp = np.arange(256)
        hue = ((np.arange(256) + rng.integers(-6, 7)) % 180).astype(np.uint8)
        saturation = (ramp * rng.uniform(0.4, 1.5)).clip(0, 255).astype(np.uint8)
        table = np.stack([hue, saturation, ramp.astype(np.uint8)], 1)[None]
        image = np.asarray(cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR), np.uint8)
    gamma, gain, offset = float(np.exp(rng.uniform(-0.5, 0.5))), rng.uniform(0.65, 1.35), rng.uniform(-25, 25)
    curve = ((np.arange(256) / 255.0) ** gamma - 0.5) * 255 * gain + 127.5 + offset
    return np.asarray(cv2.LUT(image, curve.clip(0, 255).astype(np.uint8)), np.uint8)


def _sensor(image: Picture, rng: np.random.Generator) -> Picture:
    """Blur, a coarser sensor, noise and compression, each now and then."""
    if rng.random() < 0.15:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.3))), np.uint8)
    if rng.random() < 0.12:
        share = float(rng.uniform(0.5, 0.9))
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (image.shape[1], image.shape[0])), np.uint8)
    if rng.random() < 0.2:
        noise = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31 - 1)))
        cv2.randn(noise, 0, float(rng.uniform(2, 12)))
        image = np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
    if rng.random() < 0.2:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 75))])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image


def training_picture(
    samples: Sequence[Sample],
    probabilities_cumulated: NDArray[np.float64],
    size_wh: tuple[int, int],
    rng: np.random.Generator,
    plain: bool = False,
) -> tuple[Picture, Labels]:
    """One augmented picture (h, w, 3) and its table (n, 6): x1, y1, x2, y2, class, weight.

    With `plain` only the kinds `free` and `letter` are used: the last part of a training sees whole pictures again.
    """

    def draw() -> Sample:
        return samples[int(np.searchsorted(probabilities_cumulated, rng.random() * probabilities_cumulated[-1]))]

    chances = (0.25, 0.35, 0.40) if plain else KIND_CHANCES
    kind = int(rng.choice(3, p=chances))
    image, table = (_grid, _free, _letter)[kind](draw, size_wh, rng)
    return _sensor(_colour(image, rng), rng), table
