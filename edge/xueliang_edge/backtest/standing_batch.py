"""The looks of a part as a fire lane, exit or parking rule measures them, each when it is asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.backtest.counting import Flags, OfLooks
from xueliang_edge.backtest.standing_passing import Passing
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.encoding import at_of, changes_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import BoxRow
from xueliang_edge.rules.geometry import Box, Boxes
from xueliang_edge.rules.hiding import Veil
from xueliang_edge.rules.places import Place, hidden_since
from xueliang_edge.rules.rasters import PointSet
from xueliang_edge.rules.standing_measure import NOTHING_INSIDE, Inside, StandingMeasure, surest_of
from xueliang_edge.rules.zone_change import ZoneChange, ZoneGrid


@dataclass(frozen=True, eq=False)
class StandingBatch:
    """Measured by flags, and by boxes only where some stand in the zone.

    Attributes:
        counted, inside: boxes that count; those that stand in the zone.
        believed: boxes that are. in_front: those over the zone that do not stand in it.
        grid: None without a change grid. has_changed: bool (m,), a cell that counts has.
        sets: uint8 (m, 4, bytes), known, still changed and changed cells, see `ZoneChange.of`; those under any box.
        may_be_twice: bool (m,), see `covering.may_be_reported_twice`. passing: what only passes.
    """

    looks: LoggedLooks
    timeline: Timeline
    counted: OfLooks
    inside: OfLooks
    believed: OfLooks
    in_front: OfLooks
    grid: ZoneGrid | None
    has_changed: Flags
    sets: NDArray[np.uint8]
    may_be_twice: Flags
    passing: Passing

    @property
    def wakes(self) -> Flags:
        """See `Batch`."""
        return self.passing.wakes

    def measure(self, index: int) -> StandingMeasure:
        looks, plain = self.looks, self.plain
        is_known = plain.is_known[index]
        context = looks.contexts[plain.context[index]]
        inside = self.inside_of(index) if is_known else NOTHING_INSIDE
        return StandingMeasure(
            plain.mono_s[index],
            at_of(plain.at_ms[index]),
            is_known,
            inside.boxes,
            inside.scores,
            inside.class_names,
            self.in_front_of(index) if is_known else (),
            _Logged(self, index),
            self.grid if is_known and plain.has_change[index] else None,
            context.confident_score,
            context.model_digest if is_known else None,
            context.frame_size_wh if is_known else None,
        )

    def inside_of(self, index: int) -> Inside:
        """What stands in the zone at a known look, each thing once, surest first."""
        plain = self.plain
        first, stop = plain.inside_first[index], plain.inside_stop[index]
        if first == stop:
            return NOTHING_INSIDE
        known = plain.known_inside.get(first)
        if known is None:  # carried answers show the same boxes
            rows = plain.inside_rows[first:stop]
            surest = self._surest_of(index) if plain.may_be_twice[index] else sorted(rows, key=_least_sure)
            known = Inside.of(surest, ())
            plain.known_inside.clear()
            plain.known_inside[first] = known
        return known

    def in_front_of(self, index: int) -> tuple[Box, ...]:
        """What is over the zone of a look and does not stand in it."""
        plain = self.plain
        return tuple(plain.front_boxes[plain.front_first[index] : plain.front_stop[index]])

    def hidden_at(self, index: int) -> PointSet:
        """The cells under it."""
        has_grid = self.plain.has_change[index] and self.grid is not None
        return self.grid.centres.under_any(self.in_front_of(index)) if has_grid and self.grid else 0

    def new_places(self, index: int, veils: Sequence[Veil]) -> tuple[Place, ...]:
        """Of what stands in the zone at a judged look that hits nothing; `veils`: after the look before."""
        now, inside = self.timeline.moment(index), self.inside_of(index)
        grid = self.grid if self.plain.has_change[index] else None
        rows = zip(inside.boxes, inside.scores, inside.class_names, strict=True)
        return tuple(
            [
                Place(box, hidden_since(veils, grid, box, now), now, 0.0, 0.0, score, 1, name, score)
                for box, score, name in rows
            ]
        )

    def _surest_of(self, index: int) -> list[BoxRow]:
        """Of what stands in the zone, where a thing may be reported several times."""
        counted, inside = self.counted, self.inside
        among = slice(counted.first[index], counted.first[index] + counted.count[index])
        rows, index_of = _rows(self.looks, counted.boxes[among]), counted.boxes[among].tolist().index
        stretch = slice(inside.first[index], inside.first[index] + inside.count[index])
        concerned = [index_of(box) for box in inside.boxes[stretch].tolist()]
        return [rows[one] for one in surest_of(rows, concerned, range(len(rows)))]

    def under_boxes(self, index: int) -> PointSet:
        """The cells under any box of a look, see `Picture`."""
        return self._set_at(index, 3)

    def change_at(self, index: int, grid: ZoneGrid) -> ZoneChange:
        """Of a look that has a change grid."""
        sets = [self._set_at(index, which) for which in range(3)]
        return ZoneChange.of(grid, sets, lambda: self._values(index))

    def same_at(self, index: int, grid: ZoneGrid) -> PointSet:
        """The cells that are known, and as always; an excluded cell is."""
        return (self._set_at(index, 0) & ~self._set_at(index, 1)) | grid.excluded

    def _set_at(self, index: int, which: int) -> PointSet:
        width = self.sets.shape[2]
        first = (4 * index + which) * width
        return int.from_bytes(self._packed_sets[first : first + width], "little")

    @cached_property
    def _packed_sets(self) -> bytes:
        return self.sets.tobytes()

    def _values(self, index: int) -> NDArray[np.float32]:
        return changes_of(self._levels[self.plain.rows[index]])

    @cached_property
    def _levels(self) -> NDArray[np.uint8]:
        assert self.grid is not None
        return self.looks.change_levels_of(self.grid.index)

    @cached_property
    def plain(self) -> _Plain:
        """Its columns; at rest they are never asked for."""
        return _Plain.of(self)

    @cached_property
    def believed_boxes(self) -> Boxes:
        """float32 (k, 4), of `believed`."""
        return self.looks.boxes_xyxyn[self.believed.boxes]

    def believed_at(self, index: int) -> list[Box]:
        """The believed boxes of a look."""
        first = self.believed.first[index]
        return list(map(tuple, self.believed_boxes[first : first + self.believed.count[index]].tolist()))


def _least_sure(row: BoxRow) -> float:
    return -row[1]


def _rows(looks: LoggedLooks, boxes: NDArray[np.int64]) -> list[BoxRow]:
    """Box, score and class of some boxes of a part."""
    names = [looks.class_names[one] for one in looks.class_ids[boxes].tolist()]
    return list(zip(map(tuple, looks.boxes_xyxyn[boxes].tolist()), looks.scores[boxes].tolist(), names, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class _Plain:
    """Columns of a batch as plain numbers: one number of an array costs more than all else that is asked of a look.

    Attributes:
        rows, context, mono_s, at_ms, is_known, has_change, has_changed: of each look.
        inside_first, inside_stop: of each look, where in `inside_rows`, the boxes that stand in the zone.
        front_first, front_stop: of each look, where in `front_boxes`, what is in front of the zone.
        may_be_twice: see `covering.may_be_reported_twice`.
        known_inside: the last answer of `StandingBatch.inside_of`.
    """

    rows: list[int]
    context: list[int]
    mono_s: list[float]
    at_ms: list[int]
    is_known: list[bool]
    has_change: list[bool]
    has_changed: list[bool]
    inside_first: list[int]
    inside_stop: list[int]
    inside_rows: list[BoxRow]
    front_first: list[int]
    front_stop: list[int]
    front_boxes: list[Box]
    may_be_twice: list[bool]
    known_inside: dict[int, Inside]

    @classmethod
    def of(cls, batch: StandingBatch) -> _Plain:
        looks, timeline = batch.looks, batch.timeline
        return cls(
            timeline.rows.tolist(),
            looks.context[timeline.rows].tolist(),
            timeline.mono_s.tolist(),
            timeline.at_ms.tolist(),
            timeline.is_known.tolist(),
            looks.has_change[timeline.rows].tolist(),
            batch.has_changed.tolist(),
            *batch.inside.bounds(),
            _rows(looks, batch.inside.boxes),
            *batch.in_front.bounds(),
            list(map(tuple, looks.boxes_xyxyn[batch.in_front.boxes].tolist())),
            batch.may_be_twice.tolist(),
            {},
        )


class _Logged:
    """The picture of a logged look."""

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: StandingBatch, index: int) -> None:
        self._batch, self._index = batch, index

    @property
    def believed(self) -> Sequence[Box]:
        return self._batch.believed_at(self._index)

    def under_boxes(self, _grid: ZoneGrid) -> PointSet:
        return self._batch.under_boxes(self._index)

    def has_changed(self, _grid: ZoneGrid) -> bool:
        return self._batch.plain.has_changed[self._index]

    def change(self, grid: ZoneGrid) -> ZoneChange:
        return self._batch.change_at(self._index, grid)
