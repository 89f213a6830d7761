"""Cells of a zone that stay changed against the long-term scene, and the pieces they make. Pure.

A cell counts while it is seen changed, with no person or vehicle over it. Under a box or without a scene to compare
with it is neither changed nor free. A cell that looks as always *under* a parked vehicle has learnt that vehicle as
its scene: when it drives off, the bare road is what differs, and says nothing until it was seen unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.episodes import Moment
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import Box, Points, Zone
from xueliang_edge.rules.looking import LookMeasure
from xueliang_edge.rules.places import MIN_PRESENCE, SETTLE_S, ZoneCell
from xueliang_edge.rules.zone_change import CHANGED, STILL_CHANGED

LEARNT_S: Final = 10.0  # who only passes hides a cell for less; who parks has been learnt for longer


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ChangeMeasure(LookMeasure):
    """One look at how a zone differs from its scene.

    Attributes:
        changed: float64 (k,), changed share of each zone cell, NaN where not known; k = 0 without a change grid.
        weights: float64 (k,), share of the zone in each cell. centres: float64 (k, 2).
        rows, columns: int64 (k,), where each cell lies in the grid. grid_wh: of the grid; 0, 0 without one.
        under_box: bool (k,), a person or vehicle is over it. under_sure: bool (k,), and that one is sure.
    """

    changed: NDArray[np.float64]
    weights: NDArray[np.float64]
    centres: Points
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    grid_wh: tuple[int, int]
    under_box: NDArray[np.bool_]
    under_sure: NDArray[np.bool_]

    @property
    def is_hidden(self) -> NDArray[np.bool_]:
        """Cells that cannot be judged at this look."""
        return self.under_box | np.isnan(self.changed)

    @property
    def changed_share(self) -> float:
        """Of what can be seen of the zone, how much is changed; 0 when nothing can be seen."""
        seen = ~self.is_hidden
        whole = float(self.weights[seen].sum())
        return float(self.weights[seen & (self.changed >= CHANGED)].sum()) / whole if whole > 0 else 0.0


@dataclass(frozen=True, slots=True)
class LearntCell:
    """A cell that looked as always while a vehicle stood on it, and for how many seconds."""

    index: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Cells:
    """What is remembered of a zone: cells that are changed now, and cells that have learnt what stood on them."""

    changed: tuple[ZoneCell, ...] = ()
    learnt: tuple[LearntCell, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Changed cells that touch each other. `cells`: longest changed first; `share`: of the zone."""

    cells: tuple[ZoneCell, ...]
    share: float


def cells_of(grid_hw: tuple[int, int], zone: Zone, excluded: Sequence[Zone]) -> tuple[NDArray[np.int64], ...]:
    """Flat index of each cell under the zone and in no excluded one, and its place among `geometry.zone_cells`."""
    index, _, centres = geometry.zone_cells(zone, grid_hw)
    kept = np.flatnonzero(~selecting.in_any(centres, excluded))
    return index[kept], kept


def passed_unknown(before: Cells, seconds: float) -> Cells:
    """A look at which nothing could be compared: neither there nor gone."""
    return replace(before, changed=tuple(_unknown(cell, seconds) for cell in before.changed))


def _unknown(cell: ZoneCell, seconds: float) -> ZoneCell:
    return replace(cell, unknown_s=cell.unknown_s + seconds)


def remember_cells(before: Cells, measured: ChangeMeasure, now: Moment, seconds: float, *, is_open: bool) -> Cells:
    """One look further; `seconds` of watching since the last.

    Time under people and vehicles speaks against a change that is not raised yet: in a queue that passes, what shows
    between them is rarely the road. An alert that is open it neither holds nor ends.
    """
    learnt = _learnt(before.learnt, measured, seconds)
    ignored = {cell.index for cell in learnt if cell.seconds >= LEARNT_S}
    known = {cell.index: cell for cell in before.changed if cell.index < len(measured.changed)}
    hidden, cells = measured.is_hidden, []
    for index in range(len(measured.changed)):
        cell = known.get(index)
        if hidden[index]:
            if cell is not None:
                is_unknown = is_open or np.isnan(measured.changed[index])
                cells.append(_unknown(cell, seconds if is_unknown else 0.0))
        elif index not in ignored and measured.changed[index] >= (STILL_CHANGED if cell else CHANGED):
            cells.append(replace(cell, seen_s=cell.seen_s + seconds) if cell else ZoneCell(index, now))
    return Cells(tuple(cells), learnt)


def _learnt(before: Sequence[LearntCell], measured: ChangeMeasure, seconds: float) -> tuple[LearntCell, ...]:
    known = {cell.index: cell.seconds for cell in before if cell.index < len(measured.changed)}
    is_same = measured.changed < STILL_CHANGED  # False where it is not known
    after: dict[int, float] = {}
    for index in range(len(measured.changed)):
        lasted_s = known.get(index)
        if measured.under_sure[index] and is_same[index]:
            after[index] = (lasted_s or 0.0) + (seconds if lasted_s is not None else 0.0)
        elif lasted_s is not None and (measured.is_hidden[index] or (lasted_s >= LEARNT_S and not is_same[index])):
            after[index] = lasted_s
    return tuple(LearntCell(index, lasted_s) for index, lasted_s in after.items())


def standing_pieces(cells: Cells, measured: ChangeMeasure, now: Moment) -> tuple[Piece, ...]:
    """Pieces of cells that have been changed for a while, and steadily; largest first. Hidden cells are left out."""
    return _pieces([cell for cell in _seen(cells, measured) if _is_steady(cell, now)], measured)


def changed_pieces(cells: Cells, measured: ChangeMeasure) -> tuple[Piece, ...]:
    """The same of all cells that are changed at this look, however briefly."""
    return _pieces(_seen(cells, measured), measured)


def _seen(cells: Cells, measured: ChangeMeasure) -> list[ZoneCell]:
    hidden = measured.is_hidden
    return [cell for cell in cells.changed if not hidden[cell.index]]


def _is_steady(cell: ZoneCell, now: Moment) -> bool:
    age_s = now.seen_s - cell.since.seen_s
    return age_s >= SETTLE_S and cell.seen_s >= MIN_PRESENCE * (age_s - cell.unknown_s)


def _pieces(cells: Sequence[ZoneCell], measured: ChangeMeasure) -> tuple[Piece, ...]:
    waiting = {(int(measured.rows[cell.index]), int(measured.columns[cell.index])): cell for cell in cells}
    pieces = []
    while waiting:
        members = _touching(waiting, next(iter(waiting)))
        members.sort(key=lambda cell: cell.since.seen_s)
        pieces.append(Piece(tuple(members), float(measured.weights[[cell.index for cell in members]].sum())))
    return tuple(sorted(pieces, key=lambda piece: -piece.share))


def _touching(waiting: dict[tuple[int, int], ZoneCell], first: tuple[int, int]) -> list[ZoneCell]:
    """Taken out of `waiting`: every cell that hangs together with the first, corners included."""
    members, edge = [waiting.pop(first)], [first]
    while edge:
        row, column = edge.pop()
        for place in [(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)]:
            if place in waiting:
                members.append(waiting.pop(place))
                edge.append(place)
    return members


def hidden_share(index: Iterable[int], measured: ChangeMeasure) -> float:
    """Share of the zone that these cells make up and that cannot be seen now."""
    hidden = measured.is_hidden
    return float(sum(measured.weights[one] for one in index if one < len(hidden) and hidden[one]))


def box_round(cells: Sequence[ZoneCell], measured: ChangeMeasure) -> Box | None:
    """The box round these cells."""
    if not cells:
        return None
    index = [cell.index for cell in cells]
    half = np.array([0.5 / measured.grid_wh[0], 0.5 / measured.grid_wh[1]])
    left, top = measured.centres[index].min(axis=0) - half
    right, bottom = measured.centres[index].max(axis=0) + half
    return float(left), float(top), float(right), float(bottom)
