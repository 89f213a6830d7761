"""Point to grid.

Inside several grids (shared borders, overlaps): the smallest. Inside none: the nearest grid within `NEAREST_M`; else
the lowest upper area that encloses the point; else the root whose border is nearest. What was not a plain "inside"
is marked, never dropped.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import Final, Literal

from shapely import STRtree
from shapely.affinity import scale
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from xueliang_central.areas.tree import CODE_LENGTHS, Area, AreaTree, Level

NEAREST_M: Final = 200.0  # a camera on the far kerb of a border street still belongs to the grid it looks at
_METRES_PER_DEGREE: Final = 111_320.0  # of latitude, and of longitude at the equator

How = Literal["inside", "nearest", "level_up", "nowhere"]


@dataclass(frozen=True, slots=True)
class Located:
    """`code` None only while there are no areas at all."""

    code: str | None
    how: How
    note: str


class _Index:
    """Spatial index of one tree."""

    def __init__(self, tree: AreaTree) -> None:
        self.areas: list[Area] = list(tree)
        self.strtree = STRtree([area.polygon for area in self.areas])


_indexes: weakref.WeakKeyDictionary[AreaTree, _Index] = weakref.WeakKeyDictionary()


def _index(tree: AreaTree) -> _Index:
    found = _indexes.get(tree)
    if found is None:
        found = _indexes[tree] = _Index(tree)
    return found


def locate(tree: AreaTree, longitude: float, latitude: float) -> Located:
    """Which area answers for this place, and how that was found."""
    if not len(tree):
        return Located(None, "nowhere", "no areas have been imported")
    index = _index(tree)
    point = Point(longitude, latitude)
    enclosing = [index.areas[number] for number in index.strtree.query(point, predicate="intersects")]
    grids = [area for area in enclosing if area.level is Level.GRID]
    if grids:
        chosen = min(grids, key=_smallest_first)
        note = "inside the grid" if len(grids) == 1 else f"inside {len(grids)} grids, the smallest was taken"
        return Located(chosen.code, "inside", note)
    near = _nearest_grid(index, point)
    if near is not None:
        area, metres = near
        return Located(area.code, "nearest", f"outside every grid, {metres:.0f} m from this one")
    if enclosing:
        lowest = min(enclosing, key=lambda area: (-CODE_LENGTHS[area.level], *_smallest_first(area)))
        return Located(lowest.code, "level_up", f"outside every grid, inside this {lowest.level.value}")
    root = min(tree.roots(), key=lambda area: (_metres(area.polygon, point), area.code))
    return Located(root.code, "nowhere", "outside every area")


def _smallest_first(area: Area) -> tuple[float, str]:
    return float(area.polygon.area), area.code


def _nearest_grid(index: _Index, point: Point) -> tuple[Area, float] | None:
    """The grid whose border is nearest and within NEAREST_M."""
    reach_y = NEAREST_M / _METRES_PER_DEGREE
    reach_x = reach_y / max(0.01, math.cos(math.radians(point.y)))
    around = scale(point.buffer(1.0), xfact=reach_x, yfact=reach_y, origin=point)
    candidates = [index.areas[number] for number in index.strtree.query(around)]
    measured = [(_metres(area.polygon, point), area) for area in candidates if area.level is Level.GRID]
    within_reach = [(metres, area) for metres, area in measured if metres <= NEAREST_M]
    if not within_reach:
        return None
    metres, area = min(within_reach, key=lambda pair: (pair[0], *_smallest_first(pair[1])))
    return area, metres


def _metres(polygon: BaseGeometry, point: Point) -> float:
    """Distance on a plane touching the earth at the point: right to a few per mille over some kilometres."""
    narrow = math.cos(math.radians(point.y))
    plane = scale(polygon, xfact=narrow, yfact=1.0, origin=(point.x, point.y))
    return float(plane.distance(point)) * _METRES_PER_DEGREE
