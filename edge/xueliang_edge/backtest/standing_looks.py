"""Many looks of a fire lane, exit or parking rule: what lies in the zone, what hides it, what has changed in it. Pure.

`measure` gives what `standing_measure.measure` gives, to the last bit, at a fraction of its price: boxes are asked for
their class, score, size and place on whole columns, and only those near the zone are compared with its cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.values import polygon_area
from xueliang_edge.backtest import counting
from xueliang_edge.backtest.counting import Flags, Index
from xueliang_edge.backtest.measuring import Batch, LiveBatch, Skipping, has_one_score
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.encoding import at_of, changes_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import ViewState
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.geometry import Boxes, Points
from xueliang_edge.rules.standing import StandingState
from xueliang_edge.rules.standing_measure import MIN_INSIDE, WEAK_SHARE, StandingMeasure, StandingRule, widened

MERGED: Final = (0.55, 0.85)  # as rules/standing_measure.py has it
# Boxes asked exactly how much of them lies in a zone; below this share by rectangles they are not (48 points a box
# are counted, so a share of 0.2 by area is at most 0.29 by points).
_SURELY_OUTSIDE: Final = 0.2
_BOXES_AT_ONCE: Final = 4096


@dataclass(frozen=True, eq=False)
class StandingBatch:
    """A batch of looks with one confident score.

    Attributes:
        candidates: int64 (c,), boxes that count, wherever they are, in order; is_inside: bool (b,), those in the zone.
        is_alone: bool (m,), looks in which no two candidates may be one thing.
    """

    looks: LoggedLooks
    timeline: Timeline
    rule: StandingRule
    wakes: Flags
    candidates: Index
    is_inside: Flags
    is_alone: Flags

    def measure(self, index: int) -> StandingMeasure:
        looks, row = self.looks, int(self.timeline.rows[index])
        context = looks.contexts[looks.context[row]]
        start, stop = int(looks.box_start[row]), int(looks.box_start[row] + looks.box_count[row])
        inside = self._inside(index, start, stop)
        boxes, scores = looks.boxes_xyxyn[start:stop], looks.scores[start:stop]
        changed, weights, centres = self._changed(row)
        return StandingMeasure(
            mono_s=float(self.timeline.mono_s[index]),
            at=at_of(int(looks.at_ms[row])),
            is_known=context.view is ViewState.GOOD,
            boxes=looks.boxes_xyxyn[inside],
            scores=looks.scores[inside],
            class_names=tuple(looks.class_names[one] for one in looks.class_ids[inside]),
            others=boxes[scores >= context.confident_score],
            changed=changed,
            weights=weights,
            centres=centres,
            under_box=self._under_box(start, stop, centres),
            cell_wh=self._cell_wh if looks.has_change[row] else (0.0, 0.0),
            confident_score=context.confident_score,
            model_digest=context.model_digest,
            frame_size_wh=context.frame_size_wh,
        )

    def _inside(self, index: int, start: int, stop: int) -> Index:
        """Surest first, each thing once."""
        first, last = np.searchsorted(self.candidates, (start, stop))
        boxes = self.candidates[first:last]
        if not len(boxes) or not self.is_inside[boxes].any():
            return boxes[:0]
        scores = self.looks.scores[boxes]
        if self.is_alone[index]:
            boxes = boxes[np.argsort(-scores, kind="stable")]
        else:
            boxes = boxes[geometry.merged(self.looks.boxes_xyxyn[boxes], scores, *MERGED)]
        return boxes[self.is_inside[boxes]]

    def _changed(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64], Points]:
        if not self.looks.has_change[row]:
            return np.zeros(0), np.zeros(0), np.zeros((0, 2))
        index, weights, centres, is_excluded = self._cells
        changed = changes_of(self.looks.change_levels[row].ravel()[index]).astype(np.float64)
        changed[is_excluded] = 0.0
        return changed, weights, centres

    def _under_box(self, start: int, stop: int, centres: Points) -> Flags:
        if not len(centres):
            return np.zeros(0, np.bool_)
        first, last = np.searchsorted(self._near, (start, stop))
        return geometry.covered_points(centres, self._wide[first:last])

    @cached_property
    def _cells(self) -> tuple[Index, NDArray[np.float64], Points, Flags]:
        index, weights, centres = geometry.zone_cells(self.rule.zone, self._grid_hw)
        return index, weights, centres, selecting.in_any(centres, self.rule.exclude_zones)

    @property
    def _grid_hw(self) -> tuple[int, int]:
        grid_hw = self.looks.grids.grid_hw
        assert grid_hw is not None  # asked only of a look that has a grid
        return grid_hw

    @cached_property
    def _cell_wh(self) -> tuple[float, float]:
        height, width = self._grid_hw
        return 1 / width, 1 / height

    @cached_property
    def _near(self) -> Index:
        """The boxes that, widened, may lie over a cell of the zone."""
        every_box = np.ones(len(self.looks.scores), np.bool_)
        near: Index = np.flatnonzero(counting.over_cells(self.looks, every_box, self._cells[2]))
        return near

    @cached_property
    def _wide(self) -> Boxes:
        return widened(self.looks.boxes_xyxyn[self._near])


def _begin(looks: LoggedLooks, timeline: Timeline, rule: StandingRule) -> Batch:
    if rule.any_object and max(rule.min_changed, rule.min_cover) <= 0:
        return LiveBatch(looks, timeline, rule, np.ones(len(timeline), np.bool_))  # never seen to be free
    is_candidate, _ = counting.by_score(
        looks, timeline.rows, lambda score: counting.counted(looks, rule, score, WEAK_SHARE)
    )
    is_inside = _concerned(looks, is_candidate, rule)
    wakes = counting.shown(looks, is_inside)[timeline.rows] > 0
    grid_hw = looks.grids.grid_hw
    if rule.any_object and grid_hw is not None:
        index, _, centres = geometry.zone_cells(rule.zone, grid_hw)
        kept = ~selecting.in_any(centres, rule.exclude_zones)
        every_box = np.ones(len(looks.scores), np.bool_)
        wakes |= counting.changed_in_the_open(looks, timeline.rows, index[kept], centres[kept], every_box)
    if not has_one_score(looks, timeline):
        return LiveBatch(looks, timeline, rule, wakes)
    is_alone = ~counting.overlapping(looks, timeline.rows, is_candidate, *MERGED)
    return StandingBatch(looks, timeline, rule, wakes, np.flatnonzero(is_candidate), is_inside, is_alone)


def _concerned(looks: LoggedLooks, flags: Flags, rule: StandingRule) -> Flags:
    """Those of the flagged boxes that stand in the zone, as `standing_measure` asks it."""
    index = np.flatnonzero(counting.meeting(looks, flags, rule.zone, geometry.ground_of))
    ground = geometry.ground_of(looks.boxes_xyxyn[index])
    near = _may_be_in(ground, rule)
    index, ground = index[near], ground[near]
    found = np.zeros(len(flags), np.bool_)
    for start in range(0, len(index), _BOXES_AT_ONCE):
        some = ground[start : start + _BOXES_AT_ONCE]
        is_inside = geometry.inside_shares(some, rule.zone) >= MIN_INSIDE
        found[index[start : start + _BOXES_AT_ONCE]] = is_inside | (geometry.covers(rule.zone, some) >= MIN_INSIDE)
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
