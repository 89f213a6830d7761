"""A city of crooked grids whose borders are shared point by point, and a reference that says where a point belongs.

The reference counts crossings of a ray and measures distances to border lines with numpy alone: nothing of what it is
held against (shapely, its index, `areas.locating`).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon, mapping
from shapely.ops import unary_union

from tests.support.city import area_table, feature
from xueliang_central.areas.importing import areas_of
from xueliang_central.areas.locating import NEAREST_M
from xueliang_central.areas.tree import AreaTree

WEST, SOUTH, STEP = 116.9, 36.2, 0.011  # degrees; a grid is about a kilometre wide
BLOCKS: Final = (3, 9, 27)  # cells along a side of a village, a township, a county
METRES_PER_DEGREE: Final = 111_320.0
_GONE, _GROWN = 0.04, 0.02  # shares of cells without a grid, and of grids that lie over their neighbours

Ring = NDArray[np.float64]  # (n, 2), first point repeated
Points = NDArray[np.float64]  # (n, 2)


def jagged_city(side: int, seed: int = 1) -> dict[str, Any]:
    """GeoJSON of `side` x `side` cells with villages, townships and counties of whole cells."""
    cells = _cells(side, random.Random(seed))
    dice = random.Random(seed + 1)
    shapes: dict[str, Any] = {}
    for (column, row), cell in cells.items():
        if dice.random() < _GONE:
            continue
        grown = dice.random() < _GROWN
        shapes[_code(column, row)] = cell.buffer(STEP / 8, join_style="mitre") if grown else cell
    upper: dict[str, list[Polygon]] = {}
    for (column, row), cell in cells.items():
        code = _code(column, row)
        for length in (12, 9, 6, 4):
            upper.setdefault(code[:length], []).append(cell)
    shapes |= {code: unary_union(parts) for code, parts in upper.items()}
    features = [feature(code, geometry=mapping(shapes[code])) for code in sorted(shapes)]
    return {"type": "FeatureCollection", "features": features}


def tree_of(geojson: dict[str, Any]) -> AreaTree:
    return AreaTree(areas_of(area_table(geojson)))


def points_over(side: int, count: int, seed: int) -> Points:
    """Longitude and latitude, some of them beyond the city's border."""
    rng = np.random.default_rng(seed)
    return np.array([WEST, SOUTH]) - STEP + rng.random((count, 2)) * (side + 2) * STEP


def _code(column: int, row: int) -> str:
    """City, county, township, village, grid: two to three digits each, by the block the cell lies in."""
    village, township, county = ((column // block, row // block) for block in BLOCKS)
    return (
        "37"
        + "01"
        + f"{county[0] * 10 + county[1] + 1:02d}"
        + f"{township[0] * 25 + township[1] + 1:03d}"
        + f"{village[0] % 3 * 3 + village[1] % 3 + 1:03d}"
        + f"{column % 3 * 3 + row % 3 + 1:03d}"
    )


def _cells(side: int, dice: random.Random) -> dict[tuple[int, int], Polygon]:
    def corner(column: int, row: int) -> tuple[float, float]:
        sway = 0.25 * STEP
        return (
            WEST + column * STEP + dice.uniform(-sway, sway),
            SOUTH + row * STEP + dice.uniform(-sway, sway),
        )

    corners = {(column, row): corner(column, row) for column in range(side + 1) for row in range(side + 1)}
    borders: dict[tuple[tuple[int, int], tuple[int, int]], list[tuple[float, float]]] = {}

    def border(begin: tuple[int, int], end: tuple[int, int]) -> list[tuple[float, float]]:
        """From begin up to, and without, end; the same points whichever side asks."""
        key = (min(begin, end), max(begin, end))
        if key not in borders:
            (x, y), (to_x, to_y) = corners[key[0]], corners[key[1]]
            bends = sorted(dice.uniform(0.1, 0.9) for _ in range(3))
            across = (0.0, 1.0) if key[0][1] == key[1][1] else (1.0, 0.0)
            borders[key] = [
                (x + (to_x - x) * part + across[0] * sway, y + (to_y - y) * part + across[1] * sway)
                for part in bends
                for sway in [dice.uniform(-1, 1) * STEP / 12]
            ]
        inner = borders[key] if begin == key[0] else borders[key][::-1]
        return [corners[begin], *inner]

    found = {}
    for column in range(side):
        for row in range(side):
            turn = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1), (column, row)]
            ring = [point for begin, end in itertools.pairwise(turn) for point in border(begin, end)]
            found[column, row] = Polygon(ring)
    return found


@dataclass(frozen=True, slots=True)
class _Shape:
    code: str
    ring: Ring
    area: float


class Reference:
    """Where points belong, by the words of `areas.locating` and another's arithmetic."""

    def __init__(self, geojson: dict[str, Any]) -> None:
        self._shapes = [
            _Shape(one["properties"]["code"], ring, _area(ring)) for one in geojson["features"] for ring in _rings(one)
        ]
        grids = [shape for shape in self._shapes if len(shape.code) == 15]
        self._begins = np.concatenate([shape.ring[:-1] for shape in grids])
        self._ends = np.concatenate([shape.ring[1:] for shape in grids])
        self._owners = np.concatenate([np.full(len(shape.ring) - 1, at) for at, shape in enumerate(grids)])
        self._grids = grids
        order = np.argsort(self._begins[:, 1])
        self._begins, self._ends, self._owners = self._begins[order], self._ends[order], self._owners[order]

    def codes(self, points: Points) -> list[str | None]:
        """The code of each point; None: outside of everything, for which the root answers."""
        best: dict[int, tuple[int, float, str]] = {}  # by point: what comes first, smallest last
        order = np.argsort(points[:, 0])
        sorted_x = points[order, 0]
        for shape in self._shapes:
            west, south = shape.ring.min(axis=0)
            east, north = shape.ring.max(axis=0)
            near = order[np.searchsorted(sorted_x, west) : np.searchsorted(sorted_x, east, side="right")]
            near = near[(points[near, 1] >= south) & (points[near, 1] <= north)]
            for at in near[_inside(shape.ring, points[near])]:
                rank = (-len(shape.code), shape.area, shape.code)
                if int(at) not in best or rank < best[int(at)]:
                    best[int(at)] = rank
        found: list[str | None] = []
        for at in range(len(points)):
            code = best[at][2] if at in best else None
            found.append(code if code is not None and len(code) == 15 else self._nearest(points[at]) or code)
        return found

    def _nearest(self, point: Ring) -> str | None:
        reach = 3 * STEP
        first = np.searchsorted(self._begins[:, 1], point[1] - reach)
        last = np.searchsorted(self._begins[:, 1], point[1] + reach)
        scale = np.array([np.cos(np.radians(point[1])), 1.0]) * METRES_PER_DEGREE
        begin, end = (self._begins[first:last] - point) * scale, (self._ends[first:last] - point) * scale
        if not len(begin):
            return None
        along = end - begin
        part = np.clip(-(begin * along).sum(axis=1) / (along * along).sum(axis=1), 0, 1)
        metres = np.hypot(*(begin + along * part[:, None]).T)
        if metres.min() > NEAREST_M:
            return None
        nearest = {int(owner) for owner in self._owners[first:last][metres <= metres.min() + 1e-6]}
        return min((self._grids[owner].area, self._grids[owner].code) for owner in nearest)[1]


def _rings(one: dict[str, Any]) -> Iterator[Ring]:
    geometry = one["geometry"]
    parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    for part in parts:
        assert len(part) == 1, "no holes in this city"
        yield np.array(part[0], dtype=np.float64)


def _area(ring: Ring) -> float:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(abs((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2)


def _inside(ring: Ring, points: Points) -> NDArray[np.bool_]:
    """An odd number of border lines between the point and the far east."""
    is_odd = np.zeros(len(points), dtype=bool)
    for (x, y), (to_x, to_y) in itertools.pairwise(ring):
        spans = (y > points[:, 1]) != (to_y > points[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = x + (points[:, 1] - y) * (to_x - x) / (to_y - y)
        is_odd ^= spans & (points[:, 0] < crossing)
    return is_odd
