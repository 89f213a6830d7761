"""Many looks of a fire lane, exit or parking rule: what stands in its zone and what has changed there, found on whole
columns, and which looks change nothing while the rule is at rest. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.values import polygon_area
from xueliang_edge.backtest import counting
from xueliang_edge.backtest.counting import CHANGED_LEVEL, STILL_CHANGED_LEVEL, Flags, OfLooks
from xueliang_edge.backtest.measuring import Batch, LiveBatch, Skipping, has_one_score
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.encoding import at_of, changes_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import BoxRow
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.geometry import Box, Boxes
from xueliang_edge.rules.rasters import PointSet
from xueliang_edge.rules.standing import StandingState
from xueliang_edge.rules.standing_measure import (
    NOTHING_INSIDE,
    WEAK_SHARE,
    Inside,
    StandingMeasure,
    StandingRule,
    is_concerned,
    surest_of,
    widened,
)
from xueliang_edge.rules.zone_change import ZoneChange, ZoneGrid, zone_grid

_KNOWN_STILL_CHANGED: Final = np.array([[0], [STILL_CHANGED_LEVEL], [CHANGED_LEVEL]], np.int8)
_SURELY_OUTSIDE: Final = 0.2  # below MIN_INSIDE by rectangles: the one round the zone never says less than the zone


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
        row, is_known = plain.rows[index], plain.is_known[index]
        context = looks.contexts[plain.context[index]]
        inside = self._inside(index) if is_known else NOTHING_INSIDE
        return StandingMeasure(
            plain.mono_s[index],
            at_of(plain.at_ms[index]),
            is_known,
            inside.boxes,
            inside.scores,
            inside.class_names,
            _Logged(self, index, row),
            self.grid if is_known and plain.has_change[index] else None,
            context.confident_score,
            context.model_digest if is_known else None,
            context.frame_size_wh if is_known else None,
        )

    def _inside(self, index: int) -> Inside:
        """What stands in the zone, each thing once, surest first."""
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
        rows, context, mono_s, at_ms, is_known, has_change: of each look.
        counted, inside, near, believed: of each look, where in the batch's `OfLooks`.
        inside_in_counted: of each box inside, where it is among those that count.
        known_inside: the last answer of `StandingBatch._inside`.
    """

    rows: list[int]
    context: list[int]
    mono_s: list[float]
    at_ms: list[int]
    is_known: list[bool]
    has_change: list[bool]
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
            batch.counted.stretches(),
            batch.inside.stretches(),
            batch.near.stretches(),
            batch.believed.stretches(),
            np.searchsorted(batch.counted.boxes, batch.inside.boxes).tolist(),
            {},
        )


class _Logged:
    """The picture of a logged look."""

    __slots__ = ("_batch", "_index", "_row")

    def __init__(self, batch: StandingBatch, index: int, row: int) -> None:
        self._batch, self._index, self._row = batch, index, row

    @property
    def believed(self) -> Sequence[Box]:
        batch = self._batch
        return list(map(tuple, batch.believed_boxes[batch.plain.believed[self._index]].tolist()))

    def under_boxes(self, grid: ZoneGrid) -> PointSet:
        wide: list[Box] = self._batch.wide[self._batch.plain.near[self._index]].tolist()
        return grid.centres.under_any(wide)

    def has_changed(self, _grid: ZoneGrid) -> bool:
        return bool(self._batch.has_changed[self._index])

    def change(self, grid: ZoneGrid) -> ZoneChange:
        data, width = self._batch.sets[self._index].tobytes(), self._batch.sets.shape[2]
        sets = [int.from_bytes(data[start : start + width], "little") for start in (0, width, 2 * width)]
        return ZoneChange.of(grid, sets, self._values)

    def _values(self) -> NDArray[np.float32]:
        assert self._batch.grid is not None
        return changes_of(self._batch.looks.change_levels[self._row].ravel()[self._batch.grid.index])


def _begin(looks: LoggedLooks, timeline: Timeline, rule: StandingRule) -> Batch:
    if rule.any_object and max(rule.min_changed, rule.min_cover) <= 0:
        return LiveBatch(looks, timeline, rule, np.ones(len(timeline), np.bool_))  # never seen to be free
    is_counted, _ = counting.by_score(
        looks, timeline.rows, lambda score: counting.counted(looks, rule, score, WEAK_SHARE)
    )
    is_inside = _concerned(looks, is_counted, rule)
    wakes = counting.shown(looks, is_inside)[timeline.rows] > 0
    has_changed: NDArray[np.bool_] = np.zeros(len(timeline), np.bool_)
    is_near: NDArray[np.bool_] = np.zeros(len(looks.scores), np.bool_)
    grid, sets = None, np.zeros((len(timeline), 3, 0), np.uint8)
    if looks.grids.grid_hw is not None:
        grid = zone_grid(rule.zone, looks.grids.grid_hw, rule.exclude_zones)
        centres = geometry.zone_cells(rule.zone, grid.grid_hw)[2]
        levels = counting.levels_of(looks, timeline.rows, grid.index)
        sets = np.packbits(levels[:, None] >= _KNOWN_STILL_CHANGED, axis=2, bitorder="little")
        is_changed = (levels >= CHANGED_LEVEL) & ~selecting.in_any(centres, rule.exclude_zones)
        has_changed |= is_changed.any(axis=1)
        is_near = counting.over_cells(looks, np.ones(len(looks.scores), np.bool_), centres)
        if rule.any_object:
            wakes |= counting.in_the_open(looks, timeline.rows, is_changed, centres, is_near)
    if not has_one_score(looks, timeline):
        return LiveBatch(looks, timeline, rule, wakes)
    scores = counting.scores_of_good(looks, timeline.rows)
    is_believed = (
        looks.scores.astype(np.float64) >= scores[0] if scores else is_near & False
    )  # plain numbers, like live
    flags = (is_counted, is_inside, is_near, is_believed)
    counted, inside, near, believed = (counting.of_looks(looks, timeline.rows, each) for each in flags)
    return StandingBatch(looks, timeline, wakes, counted, inside, near, believed, grid, has_changed, sets)


def _concerned(looks: LoggedLooks, flags: Flags, rule: StandingRule) -> Flags:
    """Those of the flagged boxes that stand in the zone, as `standing_measure` asks it."""
    index = np.flatnonzero(counting.meeting(looks, flags, rule.zone, geometry.ground_of))
    index = index[_may_be_in(geometry.ground_of(looks.boxes_xyxyn[index]), rule)]
    found = np.zeros(len(flags), np.bool_)
    rows: list[Box] = looks.boxes_xyxyn[index].tolist()
    found[index] = [is_concerned(box, rule.zone) for box in rows]
    return found


def _may_be_in(ground: Boxes, rule: StandingRule) -> Flags:
    low, high = np.min(rule.zone, axis=0), np.max(rule.zone, axis=0)
    sides = np.minimum(ground[:, 2:], high) - np.maximum(ground[:, :2], low)
    common = np.clip(sides, 0, None).prod(axis=1)
    may: Flags = (common >= _SURELY_OUTSIDE * geometry.areas(ground)) | (
        common >= _SURELY_OUTSIDE / 2 * polygon_area(rule.zone)
    )
    return may


def _is_resting(state: StandingState, rule: StandingRule) -> bool:
    ground = state.ground
    has_cells = rule.any_object and bool(ground.cells)
    return not ground.places and not ground.absorbed and not has_cells and state.unclear_since is None


def _rested(
    state: StandingState, _batch: Batch, timeline: Timeline, start: int, stop: int, rule: StandingRule
) -> StandingState:
    if (timeline.gap_s[timeline.judged(start, stop)] > rule.view_lost_after_s).any():
        return StandingState(episode=state.episode)
    return state


STANDING: Final = Skipping(_begin, _is_resting, _rested)
