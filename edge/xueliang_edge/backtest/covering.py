"""What boxes cover, in many looks at once: cells of a zone as packed bits, boxes that may be one thing. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.backtest.counting import Flags, OfLooks, pairs, parts_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.rules.rasters import PointSet, Raster
from xueliang_edge.rules.standing_measure import MERGED, widened

PackedSets = NDArray[np.uint8]
"""Sets of cells, bit i of byte j: cell 8 * j + i. The last axis is the bytes."""

_SURELY_OTHER: Final = 0.9  # of what makes two boxes one thing: rounding is far smaller than the rest


def width_of(cells: Raster) -> int:
    """Bytes that a packed set of these cells takes."""
    return (cells.count + 7) // 8


def packed(sets: tuple[PointSet, ...], width: int) -> PackedSets:
    """uint8 (sets, width)."""
    return np.frombuffer(b"".join([one.to_bytes(width, "little") for one in sets]), np.uint8).reshape(-1, width)


def cells_under(looks: LoggedLooks, boxes: OfLooks, cells: Raster) -> PackedSets:
    """uint8 (m, width): of each look the cells under any of its boxes, widened: `Raster.under_any` of many looks."""
    width, wide = width_of(cells), widened(looks.boxes_xyxyn[boxes.boxes]).astype(np.float64)
    under = np.zeros((len(boxes.first), width), np.uint8)
    left_of, above = packed(cells.left_of, width), packed(cells.above, width)
    across = left_of[np.searchsorted(cells.xs, wide[:, 2], "right")]
    across &= ~left_of[np.searchsorted(cells.xs, wide[:, 0], "left")]
    across &= above[np.searchsorted(cells.ys, wide[:, 3], "right")]
    across &= ~above[np.searchsorted(cells.ys, wide[:, 1], "left")]
    shows = np.flatnonzero(boxes.count)
    if len(shows):
        first = boxes.first[shows]
        edges = np.stack([first, first + boxes.count[shows]], axis=1).ravel()
        with_end = np.concatenate([across, np.zeros((1, width), np.uint8)])
        under[shows] = np.bitwise_or.reduceat(with_end, edges, axis=0)[::2]
    return under


def may_be_reported_twice(looks: LoggedLooks, inside: OfLooks, counted: OfLooks) -> Flags:
    """bool (m,): looks in which a box inside may be one thing with another one that counts, see `geometry.is_same`.

    False: for certain none is.
    """
    found = np.zeros(len(inside.first), np.bool_)
    min_iou, min_inside = MERGED
    for part in parts_of(inside.count * counted.count):
        look, one = pairs(inside.first[part], inside.count[part])
        which, other = pairs(counted.first[part][look], counted.count[part][look])
        a, b = inside.boxes[one[which]], counted.boxes[other]
        is_other = a != b
        a, b, look = a[is_other], b[is_other], look[which[is_other]] + part.start
        box_a, box_b = looks.boxes_xyxyn[a].astype(np.float64), looks.boxes_xyxyn[b].astype(np.float64)
        common = _area(np.maximum(box_a[:, :2], box_b[:, :2]), np.minimum(box_a[:, 2:], box_b[:, 2:]))
        area_a, area_b = _area(box_a[:, :2], box_a[:, 2:]), _area(box_b[:, :2], box_b[:, 2:])
        is_like = common >= _SURELY_OTHER * min_iou * (area_a + area_b - common)
        is_like |= common >= _SURELY_OTHER * min_inside * np.minimum(area_a, area_b)
        found[look[is_like & (common > 0)]] = True
    return found


def _area(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(high - low, 0.0)
    area: NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return area
