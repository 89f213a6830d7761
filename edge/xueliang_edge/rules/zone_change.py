"""The cells of a change grid under a zone, and which of them have changed at a look: sets of cells, as bits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import Box, Zone
from xueliang_edge.rules.rasters import PointSet, Raster, members_of, raster_of, set_of, set_of_members, sets_of

CHANGED: Final = 0.5  # of a cell's pixels: begins to count
STILL_CHANGED: Final = 0.25
_NOT_IN_ORDER: Final = 8  # from here on numpy adds in another order
_KNOWN_STILL_CHANGED: Final = np.array([[-np.inf], [STILL_CHANGED], [CHANGED]], dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ZoneGrid:
    """The cells of a change grid under a zone: cell i is point i of `centres`.

    Attributes:
        grid_hw: rows and columns of the grid. index: int64 (k,), of each cell, flat.
        weights: k shares of the zone.
        excluded: cells in which nothing counts. counting: the others, flat as the grid has them.
        under: all of them, flat. runs: neighbours among them: the first, flat; as many bits; the first among the cells.
    """

    grid_hw: tuple[int, int]
    index: NDArray[np.int64]
    centres: Raster
    weights: tuple[float, ...]
    excluded: PointSet
    counting: PointSet
    under: PointSet
    runs: tuple[tuple[int, PointSet, int], ...]

    def narrowed(self, flat: PointSet) -> PointSet:
        """Of cells of the whole grid those under the zone, as cells of the zone."""
        inside = flat & self.under
        if inside == self.under:
            return self.centres.every
        points = 0
        if inside:
            for first, bits, number in self.runs:
                points |= ((inside >> first) & bits) << number
        return points

    def share(self, cells: PointSet) -> float:
        """Of the zone, in these cells."""
        return sum([self.weights[cell] for cell in members_of(cells)])

    def box_round(self, cells: PointSet) -> Box:
        """Round these cells, at least one."""
        height, width = self.grid_hw
        index = [int(self.index[cell]) for cell in members_of(cells)]
        columns, rows = [one % width for one in index], [one // width for one in index]
        left, right = ((column + 0.5) / width for column in (min(columns), max(columns)))
        top, bottom = ((row + 0.5) / height for row in (min(rows), max(rows)))
        return left - 0.5 / width, top - 0.5 / height, right + 0.5 / width, bottom + 0.5 / height


@lru_cache(maxsize=512)
def zone_grid(zone: Zone, grid_hw: tuple[int, int], excluded: tuple[Zone, ...]) -> ZoneGrid:
    """Made once for each rule."""
    index, weights, centres = geometry.zone_cells(zone, grid_hw)
    is_excluded = selecting.in_any(centres, excluded)
    counting = set_of_members(index[~is_excluded].tolist())
    cells: list[int] = index.tolist()
    return ZoneGrid(
        grid_hw,
        index,
        raster_of(centres),
        tuple(weights.tolist()),
        set_of(is_excluded),
        counting,
        set_of_members(cells),
        tuple(_runs(cells)),
    )


def _runs(cells: Sequence[int]) -> Iterator[tuple[int, PointSet, int]]:
    begins = [number for number, cell in enumerate(cells) if not number or cell != cells[number - 1] + 1]
    for number, following in pairwise([*begins, len(cells)]):
        yield cells[number], (1 << (following - number)) - 1, number


@dataclass(frozen=True, slots=True, eq=False)
class ZoneChange:
    """How the zone differs from its scene at one look.

    Attributes:
        known, still, changed: cells with something to compare with; of these, those that differ by `STILL_CHANGED` at
            least, and by `CHANGED`. An excluded cell is known and does not differ.
        values: gives float32 (k,), the share of each cell that differs, of excluded ones too.
    """

    grid: ZoneGrid
    known: PointSet
    still: PointSet
    changed: PointSet
    values: Callable[[], NDArray[np.float32]]

    @classmethod
    def of(cls, grid: ZoneGrid, sets: Sequence[PointSet], values: Callable[[], NDArray[np.float32]]) -> ZoneChange:
        """`sets`: known, still and changed, excluded cells like others."""
        (known, still, changed), excluded = sets, grid.excluded
        return cls(grid, known | excluded, still & ~excluded, changed & ~excluded, values)

    def mean(self, cells: PointSet) -> float:
        """How much these cells differ, all of them known."""
        members = members_of(cells)
        values: list[float] = self.values()[list(members)].tolist()
        if self.grid.excluded & cells:
            values = [0.0 if self.grid.excluded >> one & 1 else each for one, each in zip(members, values, strict=True)]
        return float(np.mean(values)) if len(values) >= _NOT_IN_ORDER else sum(values) / len(values)


def sets_in(change: NDArray[np.float32]) -> list[PointSet]:
    """Of a whole change grid, flat: the cells that are known, still changed, changed."""
    return sets_of(change.ravel() >= _KNOWN_STILL_CHANGED)


def change_in(grid: ZoneGrid, change: NDArray[np.float32], sets: Sequence[PointSet] | None = None) -> ZoneChange:
    """Of the zone's part of a change grid; `sets`: what `sets_in` says of it, where it was asked."""
    narrowed = [grid.narrowed(one) for one in (sets_in(change) if sets is None else sets)]
    return ZoneChange.of(grid, narrowed, lambda: change.ravel().take(grid.index))
