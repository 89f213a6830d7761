"""The looks of a part as a fire lane, exit or parking rule measures them, each when it is asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.backtest.counting import Flags, OfLooks
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.encoding import at_of, changes_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import BoxRow
from xueliang_edge.rules.geometry import Box, Boxes
from xueliang_edge.rules.rasters import PointSet
from xueliang_edge.rules.standing_measure import NOTHING_INSIDE, Inside, StandingMeasure, surest_of, widened
from xueliang_edge.rules.zone_change import ZoneChange, ZoneGrid


@dataclass(frozen=True, eq=False)
class StandingBatch:
    """Measured by flags, and by boxes only where some stand in the zone.

    Attributes:
        counted, inside: boxes that count; those that stand in the zone.
        near, believed: boxes that, widened, may lie over the zone's cells; those that are believed.
        grid: None without a change grid. has_changed: bool (m,), a cell that counts has.
        sets: uint8 (m, 3, bytes), known, still changed and changed cells, see `ZoneChange.of`.
    """

    looks: LoggedLooks
    timeline: Timeline
    wakes: Flags
    counted: OfLooks
    inside: OfLooks
    near: OfLooks
    believed: OfLooks
    grid: ZoneGrid | None
    has_changed: Flags
    sets: NDArray[np.uint8]

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
            _Logged(self, index),
            self.grid if is_known and plain.has_change[index] else None,
            context.confident_score,
            context.model_digest if is_known else None,
            context.frame_size_wh if is_known else None,
        )

    def inside_of(self, index: int) -> Inside:
        """What stands in the zone at a known look, each thing once, surest first."""
        plain = self.plain
        stretch = plain.inside[index]
        if stretch.start == stretch.stop:
            return NOTHING_INSIDE
        among = plain.counted[index]
        key = (stretch.start, among.start, among.stop)
        known = plain.known_inside.get(key)
        if known is None:  # carried answers show the same boxes
            rows = self._rows(among)
            concerned = [one - among.start for one in plain.inside_in_counted[stretch]]
            known = Inside.of([rows[one] for one in surest_of(rows, concerned, range(len(rows)))])
            plain.known_inside.clear()
            plain.known_inside[key] = known
        return known

    def under_boxes(self, index: int, grid: ZoneGrid) -> PointSet:
        """The cells under any box of a look, see `Picture`."""
        wide: list[Box] = self.wide[self.plain.near[index]].tolist()
        return grid.centres.under_any(wide)

    def change_at(self, index: int, grid: ZoneGrid) -> ZoneChange:
        """Of a look that has a change grid."""
        return ZoneChange.of(grid, self._sets_at(index), lambda: self._values(index))

    def same_at(self, index: int, grid: ZoneGrid) -> PointSet:
        """The cells that are known, and as always; an excluded cell is."""
        known, still, _ = self._sets_at(index)
        return (known & ~still) | grid.excluded

    def _sets_at(self, index: int) -> list[PointSet]:
        data, width = self._packed_sets, self.sets.shape[2]
        first = 3 * width * index
        return [int.from_bytes(data[at : at + width], "little") for at in range(first, first + 3 * width, width)]

    @cached_property
    def _packed_sets(self) -> bytes:
        return self.sets.tobytes()

    def _values(self, index: int) -> NDArray[np.float32]:
        assert self.grid is not None
        return changes_of(self.looks.change_levels[self.plain.rows[index]].ravel()[self.grid.index])

    def _rows(self, among: slice) -> Sequence[BoxRow]:
        boxes, scores, names = self._counted_columns
        return list(zip(map(tuple, boxes[among].tolist()), scores[among].tolist(), names[among].tolist(), strict=True))

    @cached_property
    def plain(self) -> _Plain:
        """Its columns; at rest they are never asked for."""
        return _Plain.of(self)

    @cached_property
    def _counted_columns(self) -> tuple[Boxes, NDArray[np.float32], NDArray[np.object_]]:
        looks, index = self.looks, self.counted.boxes
        names = np.array(looks.class_names, dtype=object)
        return looks.boxes_xyxyn[index], looks.scores[index], names[looks.class_ids[index]]

    @cached_property
    def believed_boxes(self) -> Boxes:
        """float32 (k, 4), of `believed`."""
        return self.looks.boxes_xyxyn[self.believed.boxes]

    @cached_property
    def wide(self) -> Boxes:
        """float32 (k, 4), of `near`, widened."""
        return widened(self.looks.boxes_xyxyn[self.near.boxes])


@dataclass(frozen=True, slots=True, eq=False)
class _Plain:
    """Columns of a batch as plain numbers: one number of an array costs more than all else that is asked of a look.

    Attributes:
        rows, context, mono_s, at_ms, is_known, has_change, has_changed: of each look.
        counted, inside, near, believed: of each look, where in the batch's `OfLooks`.
        inside_in_counted: of each box inside, where it is among those that count.
        known_inside: the last answer of `StandingBatch.inside_of`.
    """

    rows: list[int]
    context: list[int]
    mono_s: list[float]
    at_ms: list[int]
    is_known: list[bool]
    has_change: list[bool]
    has_changed: list[bool]
    counted: list[slice]
    inside: list[slice]
    near: list[slice]
    believed: list[slice]
    inside_in_counted: list[int]
    known_inside: dict[tuple[int, int, int], Inside]

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
            batch.counted.stretches(),
            batch.inside.stretches(),
            batch.near.stretches(),
            batch.believed.stretches(),
            np.searchsorted(batch.counted.boxes, batch.inside.boxes).tolist(),
            {},
        )


class _Logged:
    """The picture of a logged look."""

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: StandingBatch, index: int) -> None:
        self._batch, self._index = batch, index

    @property
    def believed(self) -> Sequence[Box]:
        batch = self._batch
        return list(map(tuple, batch.believed_boxes[batch.plain.believed[self._index]].tolist()))

    def under_boxes(self, grid: ZoneGrid) -> PointSet:
        return self._batch.under_boxes(self._index, grid)

    def has_changed(self, _grid: ZoneGrid) -> bool:
        return self._batch.plain.has_changed[self._index]

    def change(self, grid: ZoneGrid) -> ZoneChange:
        return self._batch.change_at(self._index, grid)
