"""Points in rows and columns as bits of an int: which of many points some boxes cover, in a few steps. Pure.

What rules ask of a zone is asked of points: of the cells of a grid under it, of a lattice spread over it. A set of them
is an int, bit i for point i, so "changed, not under a box and not learnt" is one step however many points there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PointSet = int
"""Bit i: point i."""


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """Points that share few x and few y.

    Attributes:
        xs, ys: the different coordinates, ascending.
        left_of, above: for each of them, and one beyond, the points with a smaller one.
        every: all points. count: how many.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    left_of: tuple[PointSet, ...]
    above: tuple[PointSet, ...]
    every: PointSet
    count: int

    def under(self, box: tuple[float, float, float, float]) -> PointSet:
        """The points in the box, its border included."""
        left, top, right, bottom = box
        xs, ys = self.xs, self.ys
        if left > xs[-1] or right < xs[0] or top > ys[-1] or bottom < ys[0]:
            return 0
        across = self.left_of[bisect_right(xs, right)] & ~self.left_of[bisect_left(xs, left)]
        return across & self.above[bisect_right(ys, bottom)] & ~self.above[bisect_left(ys, top)]

    def under_any(self, boxes: Iterable[tuple[float, float, float, float]]) -> PointSet:
        """The points in any of the boxes."""
        xs, ys, left_of, above, points = self.xs, self.ys, self.left_of, self.above, 0
        first_x, last_x, first_y, last_y = xs[0], xs[-1], ys[0], ys[-1]
        for left, top, right, bottom in boxes:
            if left <= last_x and right >= first_x and top <= last_y and bottom >= first_y:
                across = left_of[bisect_right(xs, right)] & ~left_of[bisect_left(xs, left)]
                points |= across & above[bisect_right(ys, bottom)] & ~above[bisect_left(ys, top)]
        return points


def raster_of(points: NDArray[np.float64]) -> Raster:
    """Of points, shape (m, 2), m at least 1; point i is bit i."""
    xs, ys = np.unique(points[:, 0]), np.unique(points[:, 1])
    return Raster(
        xs=tuple(xs.tolist()),
        ys=tuple(ys.tolist()),
        left_of=tuple(set_of(points[:, 0] < x) for x in (*xs, np.inf)),
        above=tuple(set_of(points[:, 1] < y) for y in (*ys, np.inf)),
        every=(1 << len(points)) - 1,
        count=len(points),
    )


def set_of(is_in: NDArray[np.bool_]) -> PointSet:
    """Of a flag for each point."""
    return int.from_bytes(np.packbits(is_in, bitorder="little").tobytes(), "little")


def sets_of(are_in: NDArray[np.bool_]) -> list[PointSet]:
    """Of flags, shape (sets, m)."""
    packed = np.packbits(are_in, axis=1, bitorder="little")
    data, width = packed.tobytes(), packed.shape[1]
    return [int.from_bytes(data[start : start + width], "little") for start in range(0, len(data), width)]


def set_of_members(members: Iterable[int]) -> PointSet:
    """Of numbers of points."""
    points = 0
    for member in members:
        points |= 1 << member
    return points


def union_of(sets: Iterable[PointSet]) -> PointSet:
    """The points in any of them."""
    points = 0
    for one in sets:
        points |= one
    return points


@lru_cache(maxsize=4096)
def members_of(points: PointSet) -> tuple[int, ...]:
    """The numbers of the points, ascending. What stands still is asked about again and again."""
    members = []
    while points:
        lowest = points & -points
        members.append(lowest.bit_length() - 1)
        points ^= lowest
    return tuple(members)
