"""Which grids lie beside a grid.

Neighbours are grids whose polygons touch or overlap; at a corner is enough. Borders drawn by hand leave slivers: up to
`SLIVER_M` between two polygons is no gap. A grid without a polygon has no neighbours.
"""

from __future__ import annotations

import math
import weakref
from typing import Final

from shapely import STRtree

from xueliang_central.areas.tree import Area, AreaTree, Level

SLIVER_M: Final = 5.0  # a street is wider: what lies across one that belongs to neither does not touch
_METRES_PER_DEGREE: Final = 111_320.0  # of latitude, and of longitude at the equator


class _Grids:
    """The grids of one tree with their spatial index, and the neighbours found so far, by code."""

    def __init__(self, tree: AreaTree) -> None:
        self.areas = [area for area in tree.at_level(Level.GRID) if not area.polygon.is_empty]
        self.strtree = STRtree([area.polygon for area in self.areas])
        self.found: dict[str, tuple[Area, ...]] = {}


_grids: weakref.WeakKeyDictionary[AreaTree, _Grids] = weakref.WeakKeyDictionary()


def neighbours(tree: AreaTree, code: str) -> tuple[Area, ...]:
    """The grids beside a grid: of its village first, then of others; among each the nearest first, centre to centre.

    Empty for an area that is no grid. Worked out once for each tree and grid. Raises NotFound.
    """
    area = tree.get(code)
    if area.level is not Level.GRID or area.polygon.is_empty:
        return ()
    grids = _grids.get(tree)
    if grids is None:
        grids = _grids[tree] = _Grids(tree)
    if code not in grids.found:
        grids.found[code] = _around(grids, area)
    return grids.found[code]


def _around(grids: _Grids, area: Area) -> tuple[Area, ...]:
    reach = SLIVER_M / _METRES_PER_DEGREE
    numbers = grids.strtree.query(area.polygon, predicate="dwithin", distance=reach).tolist()
    beside = [grids.areas[number] for number in numbers if grids.areas[number].code != area.code]
    return tuple(sorted(beside, key=lambda one: (one.parent != area.parent, _apart_m(area, one), one.code)))


def _apart_m(area: Area, other: Area) -> float:
    """Between the centres of two areas that lie close together."""
    here, there = area.polygon.centroid, other.polygon.centroid
    east = (there.x - here.x) * math.cos(math.radians(here.y))
    return math.hypot(east, there.y - here.y) * _METRES_PER_DEGREE
