"""Boxes and zones: what covers what, on the ground. Pure numpy; coordinates 0..1 of the picture, origin top left."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Zone = tuple[tuple[float, float], ...]
Box = tuple[float, float, float, float]
Boxes = NDArray[np.float32]
Points = NDArray[np.float64]

GROUND_SHARE: Final = (
    0.5  # lower half: from 3 to 6 m up, a vehicle's upper half hides what is behind it, not the ground
)
_LATTICE_POINTS: Final = 900  # cover to within about 1 %
_RECT_COLUMNS, _RECT_ROWS = 8, 6


def points_inside(points: Points, zone: Zone) -> NDArray[np.bool_]:
    """Which of the points, shape (m, 2), lie inside the polygon. Points on the border may fall either way."""
    corners = np.asarray(zone, dtype=np.float64)
    following = np.roll(corners, -1, axis=0)
    x, y = points[:, 0][:, None], points[:, 1][:, None]
    x1, y1, x2, y2 = corners[:, 0], corners[:, 1], following[:, 0], following[:, 1]
    straddles = (y1 > y) != (y2 > y)
    rise = np.where(y2 == y1, 1.0, y2 - y1)
    left_of_edge = x < (x2 - x1) * (y - y1) / rise + x1
    inside: NDArray[np.bool_] = (straddles & left_of_edge).sum(axis=1) % 2 == 1
    return inside


@lru_cache(maxsize=512)
def zone_lattice(zone: Zone) -> Points:
    """Points spread evenly over the zone, shape (m, 2), m at least about `_LATTICE_POINTS`: shares are counted on
    them.
    """
    corners = np.asarray(zone)
    low, high = corners.min(axis=0), corners.max(axis=0)
    points = np.zeros((0, 2))
    for per_side in (32, 64, 128, 256, 512):
        steps = (np.arange(per_side) + 0.5) / per_side
        xs, ys = np.meshgrid(low[0] + steps * (high[0] - low[0]), low[1] + steps * (high[1] - low[1]))
        every = np.stack([xs.ravel(), ys.ravel()], axis=1)
        points = every[points_inside(every, zone)]
        if len(points) >= _LATTICE_POINTS:
            break
    return points if len(points) else corners.mean(axis=0, keepdims=True)


@lru_cache(maxsize=512)
def zone_cells(zone: Zone, grid_hw: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.float64], Points]:
    """The grid cells under a zone: flat index, share of the zone in each, centre of each; all of length k."""
    height, width = grid_hw
    points = zone_lattice(zone)
    columns = np.clip((points[:, 0] * width).astype(np.int64), 0, width - 1)
    rows = np.clip((points[:, 1] * height).astype(np.int64), 0, height - 1)
    index, counts = np.unique(rows * width + columns, return_counts=True)
    centres = np.stack([(index % width + 0.5) / width, (index // width + 0.5) / height], axis=1)
    return index, counts / len(points), centres


def ground_of(boxes_xyxyn: Boxes) -> Boxes:
    """The part of each box that stands for the ground it covers: its lower half."""
    ground = np.array(boxes_xyxyn, dtype=np.float32, copy=True).reshape(-1, 4)
    ground[:, 1] += (ground[:, 3] - ground[:, 1]) * (1 - GROUND_SHARE)
    return ground


def feet_of(boxes_xyxyn: Boxes) -> Points:
    """Where each thing touches the ground: middle of the lower edge, drawn just inside the picture."""
    feet = np.stack([(boxes_xyxyn[:, 0] + boxes_xyxyn[:, 2]) / 2, boxes_xyxyn[:, 3]], axis=1).astype(np.float64)
    return np.clip(feet, 1e-4, 1 - 1e-4)


def _within(points: Points, boxes: Boxes) -> NDArray[np.bool_]:
    """shape (m, n): point m inside box n."""
    x, y = points[:, 0][:, None], points[:, 1][:, None]
    inside: NDArray[np.bool_] = (x >= boxes[:, 0]) & (x <= boxes[:, 2]) & (y >= boxes[:, 1]) & (y <= boxes[:, 3])
    return inside


def covered_points(points: Points, boxes: Boxes) -> NDArray[np.bool_]:
    """Which of the points, shape (m, 2), any of the boxes covers."""
    return np.asarray(_within(points, boxes).any(axis=1), dtype=np.bool_)


def covers(zone: Zone, boxes: Boxes) -> NDArray[np.float64]:
    """Share of the zone under each box alone, shape (n,)."""
    lattice = zone_lattice(zone)
    share: NDArray[np.float64] = _within(lattice, boxes).mean(axis=0)
    return share


def union_cover(zone: Zone, boxes: Boxes) -> float:
    """Share of the zone under all the boxes together, 0 for none."""
    return float(covered_points(zone_lattice(zone), boxes).mean()) if len(boxes) else 0.0


def inside_shares(boxes: Boxes, zone: Zone) -> NDArray[np.float64]:
    """Share of each box that lies inside the zone, shape (n,)."""
    n = len(boxes)
    if n == 0:
        return np.zeros(0)
    across = (np.arange(_RECT_COLUMNS) + 0.5) / _RECT_COLUMNS
    down = (np.arange(_RECT_ROWS) + 0.5) / _RECT_ROWS
    xs = boxes[:, 0, None, None] + across[None, None, :] * (boxes[:, 2] - boxes[:, 0])[:, None, None]
    ys = boxes[:, 1, None, None] + down[None, :, None] * (boxes[:, 3] - boxes[:, 1])[:, None, None]
    shape = (n, _RECT_ROWS, _RECT_COLUMNS)
    points = np.stack([np.broadcast_to(xs, shape).ravel(), np.broadcast_to(ys, shape).ravel()], axis=1)
    share: NDArray[np.float64] = points_inside(points.astype(np.float64), zone).reshape(n, -1).mean(axis=1)
    return share


def areas(boxes: Boxes) -> NDArray[np.float32]:
    """Area of each box, shape (n,)."""
    area: NDArray[np.float32] = np.clip(boxes[:, 2] - boxes[:, 0], 0, None) * np.clip(
        boxes[:, 3] - boxes[:, 1], 0, None
    )
    return area


def intersections(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Area common to each pair, shape (len(a), len(b))."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    common: NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return common


def ious(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Intersection over union of each pair, shape (len(a), len(b)); 0 where both are empty."""
    common = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - common
    share: NDArray[np.float32] = common / np.maximum(union, 1e-12)
    return share


def merged(boxes: Boxes, scores: NDArray[np.float32], min_iou: float, min_inside: float) -> NDArray[np.int64]:
    """Which boxes stay when one thing was reported several times: the surest of each heap, surest first.

    Two boxes are one thing when their IoU is at least `min_iou`, or when one lies inside the other by `min_inside`
    and is at least half as large.
    """
    if len(boxes) == 0:
        return np.zeros(0, dtype=np.int64)
    common, area = intersections(boxes, boxes), areas(boxes)
    smaller, larger = np.minimum(area[:, None], area[None, :]), np.maximum(area[:, None], area[None, :])
    iou = common / np.maximum(area[:, None] + area[None, :] - common, 1e-12)
    inside = (common >= min_inside * np.maximum(smaller, 1e-12)) & (smaller >= 0.5 * larger)
    same = (iou >= min_iou) | inside
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if not any(same[index, other] for other in kept):
            kept.append(int(index))
    return np.asarray(kept, dtype=np.int64)
