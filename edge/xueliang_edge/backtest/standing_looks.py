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
from xueliang_edge.rules.standing import StandingState
from xueliang_edge.rules.standing_measure import (
    WEAK_SHARE,
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
        counted, inside, near: boxes that count; those that stand in the zone; those that, widened, may lie over its
            cells. wide: float32, the last ones, widened.
        grid: None without a change grid. has_changed: bool (m,), a cell that counts has.
        sets: uint8 (m, 3, bytes), known, still changed and changed cells, see `ZoneChange.of`.
    """

    looks: LoggedLooks
    timeline: Timeline
    wakes: Flags
    counted: OfLooks
    inside: OfLooks
    near: OfLooks
    wide: Boxes
    grid: ZoneGrid | None
    has_changed: Flags
    sets: NDArray[np.uint8]

    def measure(self, index: int) -> StandingMeasure:
        looks, row, is_known = self.looks, int(self.timeline.rows[index]), bool(self.timeline.is_known[index])
        context = looks.contexts[looks.context[row]]
        rows = self._things(index) if is_known else []
        return StandingMeasure(
            mono_s=float(self.timeline.mono_s[index]),
            at=at_of(int(looks.at_ms[row])),
            is_known=is_known,
            boxes=tuple([box for box, _, _ in rows]),
            scores=tuple([score for _, score, _ in rows]),
            class_names=tuple([name for _, _, name in rows]),
            picture=_Logged(self, index, row, context.confident_score),
            grid=self.grid if is_known and looks.has_change[row] else None,
            confident_score=context.confident_score,
            model_digest=context.model_digest if is_known else None,
            frame_size_wh=context.frame_size_wh if is_known else None,
        )

    def _things(self, index: int) -> Sequence[BoxRow]:
        """What stands in the zone, each thing once, surest first."""
        inside = self.inside.of(index)
        if not len(inside):
            return []
        counted = self.counted.of(index)
        rows = self._rows(counted)
        concerned: list[int] = np.searchsorted(counted, inside).tolist()
        return [rows[one] for one in surest_of(rows, concerned, range(len(rows)))]

    def _rows(self, boxes: NDArray[np.int64]) -> Sequence[BoxRow]:
        looks = self.looks
        names = [looks.class_names[one] for one in looks.class_ids[boxes].tolist()]
        each = map(tuple, looks.boxes_xyxyn[boxes].tolist())
        return list(zip(each, looks.scores[boxes].tolist(), names, strict=True))


@dataclass(frozen=True, eq=False)
class _Logged:
    """The picture of a logged look."""

    batch: StandingBatch
    index: int
    row: int
    confident_score: float

    @cached_property
    def believed(self) -> Sequence[Box]:
        looks, start = self.batch.looks, int(self.batch.looks.box_start[self.row])
        shown = slice(start, start + int(looks.box_count[self.row]))
        is_believed = looks.scores[shown].astype(np.float64) >= self.confident_score  # as plain numbers, like live
        return list(map(tuple, looks.boxes_xyxyn[shown][is_believed].tolist()))

    @property
    def widened(self) -> list[Box]:
        wide: list[Box] = self.batch.wide[self.batch.near.stretch(self.index)].tolist()
        return wide

    def has_changed(self, _grid: ZoneGrid) -> bool:
        return bool(self.batch.has_changed[self.index])

    def change(self, grid: ZoneGrid) -> ZoneChange:
        sets = [int.from_bytes(one.tobytes(), "little") for one in self.batch.sets[self.index]]
        return ZoneChange.of(grid, sets, self._values)

    def _values(self) -> NDArray[np.float32]:
        assert self.batch.grid is not None
        return changes_of(self.batch.looks.change_levels[self.row].ravel()[self.batch.grid.index])


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
    counted, inside, near = (counting.of_looks(looks, timeline.rows, each) for each in (is_counted, is_inside, is_near))
    wide = widened(looks.boxes_xyxyn[near.boxes])
    return StandingBatch(looks, timeline, wakes, counted, inside, near, wide, grid, has_changed, sets)


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
