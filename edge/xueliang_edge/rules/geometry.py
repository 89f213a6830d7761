"""Boxes and zones: what covers what, on the ground. Pure numpy; coordinates 0..1 of the picture, origin top left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import inf
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.values import polygon_area
from xueliang_edge.observations import BoxRow
from xueliang_edge.rules.rasters import PointSet, Raster, raster_of

Zone = tuple[tuple[float, float], ...]
Box = tuple[float, float, float, float]
Boxes = NDArray[np.float32]
Points = NDArray[np.float64]

GROUND_SHARE: Final = (
    0.5  # lower half: from 3 to 6 m up, a vehicle's upper half hides what is behind it, not the ground
)
_HAIR: Final = 1e-9  # beyond it a point is outside the rectangle round a zone whatever rounding does
JUST_INSIDE: Final = 1e-4  # of the picture: feet on its edge stand in a zone that reaches it
_LATTICE_POINTS: Final = 900  # cover to within about 1 %
_FOUR_FLOAT32: Final = Struct("4f")
_ONE_FLOAT32: Final = Struct("f")


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


def is_inside(x: float, y: float, zone: Zone) -> bool:
    """`points_inside` for one point, to the last bit: a tenth of its cost."""
    inside = False
    x1, y1 = zone[-1]
    for x2, y2 in zone:
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
        x1, y1 = x2, y2
    return inside


@lru_cache(maxsize=512)
def zone_bounds(zone: Zone) -> Box:
    """Left, top, right and bottom of the zone."""
    xs, ys = [x for x, _ in zone], [y for _, y in zone]
    return min(xs), min(ys), max(xs), max(ys)


def touches(box: Box, bounds: Box) -> bool:
    """The two rectangles meet, or share an edge."""
    return box[0] <= bounds[2] and box[2] >= bounds[0] and box[1] <= bounds[3] and box[3] >= bounds[1]


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


@lru_cache(maxsize=512)
def _lattice_raster(zone: Zone) -> Raster:
    return raster_of(zone_lattice(zone))


@lru_cache(maxsize=512)
def zone_area(zone: Zone) -> float:
    """Of the zone, in the square of the picture's side."""
    return polygon_area(zone)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A zone, and what is asked of it again and again.

    Attributes:
        bounds, area: of the zone.
        is_upright: it is the rectangle of its bounds.
        inner: a, b, c of each edge: a * x + b * y <= c inside; none where the zone is not convex.
    """

    zone: Zone
    bounds: Box
    area: float
    is_upright: bool
    inner: tuple[tuple[float, float, float], ...]

    def least_and_most_common(self, box: Box) -> tuple[float, float]:
        """Between which areas what a box and the zone have in common lies."""
        left, top, right, bottom = box
        zone_left, zone_top, zone_right, zone_bottom = self.bounds
        width = (right if right < zone_right else zone_right) - (left if left > zone_left else zone_left)
        height = (bottom if bottom < zone_bottom else zone_bottom) - (top if top > zone_top else zone_top)
        if width <= 0 or height <= 0:
            return 0.0, 0.0
        most = width * height
        if self.is_upright:
            return most, most
        for a, b, c in self.inner:
            if a * (right if a > 0 else left) + b * (bottom if b > 0 else top) > c:
                return 0.0, most
        return (most, most) if self.inner else (0.0, most)


@lru_cache(maxsize=512)
def outline_of(zone: Zone) -> Outline:
    """Made once for each zone."""
    bounds, turn = zone_bounds(zone), 0.0
    corners = (*zone, *zone[:2])
    turns = [
        (x2 - x1) * (y3 - y2) - (y2 - y1) * (x3 - x2)
        for (x1, y1), (x2, y2), (x3, y3) in zip(corners, corners[1:], corners[2:], strict=False)
    ]
    left, top, right, bottom = bounds
    upright = {(left, top), (right, top), (right, bottom), (left, bottom)}
    is_upright = len(zone) == 4 and set(zone) == upright
    inner: list[tuple[float, float, float]] = []
    if min(turns) >= 0 or max(turns) <= 0:
        turn = 1.0 if max(turns) > 0 else -1.0
        for (x1, y1), (x2, y2) in pairwise(corners[: len(zone) + 1]):
            a, b = turn * (y2 - y1), turn * (x1 - x2)
            inner.append((a, b, a * x1 + b * y1))
    return Outline(zone, bounds, zone_area(zone), is_upright, tuple(inner))


def as_float32(box: Box) -> Box:
    """The nearest numbers that an array of boxes can hold."""
    left, top, right, bottom = _FOUR_FLOAT32.unpack(_FOUR_FLOAT32.pack(*box))
    return left, top, right, bottom


def ground_of_one(box: Box) -> Box:
    """`ground_of` for one box."""
    left, top, right, bottom = box
    return left, top + (bottom - top) * (1 - GROUND_SHARE), right, bottom


def ground_as_float32(box: Box) -> Box:
    """`ground_of` for one box, to the last bit."""
    left, top, right, bottom = box
    (height,) = _ONE_FLOAT32.unpack(_ONE_FLOAT32.pack(bottom - top))
    left, top, right, bottom = _FOUR_FLOAT32.unpack(
        _FOUR_FLOAT32.pack(left, top + height * (1 - GROUND_SHARE), right, bottom)
    )
    return left, top, right, bottom


def ground_of(boxes_xyxyn: Boxes) -> Boxes:
    """The part of each box that stands for the ground it covers: its lower half."""
    ground = np.array(boxes_xyxyn, dtype=np.float32, copy=True).reshape(-1, 4)
    ground[:, 1] += (ground[:, 3] - ground[:, 1]) * (1 - GROUND_SHARE)
    return ground


def feet_of(boxes_xyxyn: Boxes) -> Points:
    """Where each thing touches the ground: middle of the lower edge, drawn just inside the picture."""
    feet = np.empty((len(boxes_xyxyn), 2))
    feet[:, 0] = (boxes_xyxyn[:, 0].astype(np.float64) + boxes_xyxyn[:, 2]) / 2
    feet[:, 1] = boxes_xyxyn[:, 3]
    return np.minimum(np.maximum(feet, JUST_INSIDE, out=feet), 1 - JUST_INSIDE, out=feet)


def feet_of_one(box: Box) -> tuple[float, float]:
    """`feet_of` for one box, to the last bit."""
    x, y = (box[0] + box[2]) / 2, box[3]
    return min(max(x, JUST_INSIDE), 1 - JUST_INSIDE), min(max(y, JUST_INSIDE), 1 - JUST_INSIDE)


def bounds_for_feet(zone: Zone) -> Box:
    """Outside of these the middle of a box's lower edge is for certain outside the zone, see `feet_of`."""
    left, top, right, bottom = zone_bounds(zone)
    reach, end = JUST_INSIDE + _HAIR, 1 - JUST_INSIDE - _HAIR
    return (
        left - _HAIR if left > reach else -inf,
        top - _HAIR if top > reach else -inf,
        right + _HAIR if right < end else inf,
        bottom + _HAIR if bottom < end else inf,
    )


def _within(points: Points, boxes: Boxes) -> NDArray[np.bool_]:
    """shape (m, n): point m inside box n."""
    x, y = points[:, 0][:, None], points[:, 1][:, None]
    inside: NDArray[np.bool_] = (x >= boxes[:, 0]) & (x <= boxes[:, 2]) & (y >= boxes[:, 1]) & (y <= boxes[:, 3])
    return inside


def covered_points(points: Points, boxes: Boxes) -> NDArray[np.bool_]:
    """Which of the points, shape (m, 2), any of the boxes covers."""
    return np.asarray(_within(points, boxes).any(axis=1), dtype=np.bool_)


def union_cover(zone: Zone, boxes: Iterable[Box]) -> float:
    """Share of the zone under all the boxes together, 0 for none."""
    lattice, covered = _lattice_raster(zone), 0
    for box in boxes:
        covered |= _under(lattice, box)
    return covered.bit_count() / lattice.count


@lru_cache(maxsize=4096)
def _under(lattice: Raster, box: Box) -> PointSet:
    """What stands still covers the same points look after look."""
    return lattice.under(as_float32(box))


def inside_shares(boxes: Boxes, zone: Zone) -> NDArray[np.float64]:
    """Share of each box that lies inside the zone, shape (n,)."""
    rows: list[Box] = boxes.tolist()
    return np.array([common_with_zone(box, zone) / max(area_of(box), 1e-12) for box in rows], dtype=np.float64)


def common_with_zone(box: Box, zone: Zone) -> float:
    """Area that a box and a zone have in common: the polygon cut by one side of the box after the other.

    Sutherland and Hodgman, Reentrant polygon clipping, 1974. Where a zone that is not convex falls apart, the pieces
    stay joined by edges that lie on each other; they add nothing to the area.
    """
    left, top, right, bottom = box
    bounds = zone_bounds(zone)
    if not touches(box, bounds):
        return 0.0
    points: Sequence[tuple[float, float]] = zone
    if bounds[0] < left:
        points = _cut(points, 0, left, 1.0)
    if bounds[2] > right:
        points = _cut(points, 0, right, -1.0)
    if bounds[1] < top:
        points = _cut(points, 1, top, 1.0)
    if bounds[3] > bottom:
        points = _cut(points, 1, bottom, -1.0)
    return polygon_area(tuple(points)) if points else 0.0


def _cut(points: Sequence[tuple[float, float]], axis: int, limit: float, sign: float) -> list[tuple[float, float]]:
    """The part of a polygon beyond a line across one axis: where sign * (coordinate - limit) >= 0."""
    kept: list[tuple[float, float]] = []
    if not points:
        return kept
    before = points[-1]
    depth_before = sign * (before[axis] - limit)
    for point in points:
        depth = sign * (point[axis] - limit)
        if (depth >= 0) != (depth_before >= 0):
            share = depth_before / (depth_before - depth)
            x, y = before
            kept.append((x + (point[0] - x) * share, y + (point[1] - y) * share))
        if depth >= 0:
            kept.append(point)
        before, depth_before = point, depth
    return kept


def areas(boxes: Boxes) -> NDArray[np.float32]:
    """Area of each box, shape (n,)."""
    area: NDArray[np.float32] = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    return area


def intersections(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Area common to each pair, shape (len(a), len(b))."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    common: NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return common


def area_of(box: Box) -> float:
    """`areas` for one box."""
    width, height = box[2] - box[0], box[3] - box[1]
    return width * height if width > 0 and height > 0 else 0.0


def iou_of(a: Box, b: Box) -> float:
    """`ious` for one pair."""
    common = common_area(a, b)
    if not common:
        return 0.0
    union = area_of(a) + area_of(b) - common
    return common / (union if union > 1e-12 else 1e-12)


def common_area(a: Box, b: Box) -> float:
    """`intersections` for one pair."""
    width = (a[2] if a[2] < b[2] else b[2]) - (a[0] if a[0] > b[0] else b[0])
    if width <= 0:
        return 0.0
    height = (a[3] if a[3] < b[3] else b[3]) - (a[1] if a[1] > b[1] else b[1])
    return width * height if height > 0 else 0.0


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
    if len(boxes) < 2:
        return np.arange(len(boxes))
    rows = list(zip(boxes.tolist(), scores.tolist(), strict=True))
    return np.array(merged_rows(rows, range(len(rows)), min_iou, min_inside), dtype=np.int64)


def merged_rows(
    rows: Sequence[tuple[Box, float] | BoxRow], index: Sequence[int], min_iou: float, min_inside: float
) -> list[int]:
    """`merged` without arrays: which of the rows of this index stay. Rows are box, score and what else."""
    if len(index) < 2:
        return list(index)
    kept: list[int] = []
    for one in sorted(index, key=lambda each: -rows[each][1]):
        left, top, right, bottom = box = rows[one][0]
        for other in kept:
            kept_left, kept_top, kept_right, kept_bottom = kept_box = rows[other][0]
            if (
                kept_left < right
                and kept_right > left
                and kept_top < bottom
                and kept_bottom > top
                and is_same(box, kept_box, min_iou, min_inside)
            ):
                break
        else:
            kept.append(one)
    return kept


def is_same(a: Box, b: Box, min_iou: float, min_inside: float) -> bool:
    """The two boxes are one thing, see `merged`."""
    common = common_area(a, b)
    if not common:
        return False
    smaller, larger = area_of(a), area_of(b)
    if smaller > larger:
        smaller, larger = larger, smaller
    if common >= min_iou * max(smaller + larger - common, 1e-12):
        return True
    return common >= min_inside * max(smaller, 1e-12) and smaller >= 0.5 * larger
