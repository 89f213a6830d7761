"""Many looks of a fire lane, exit or parking rule: what stands in its zone and what has changed there, found on whole
columns, and which looks change nothing while the rule is at rest. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.values import polygon_area
from xueliang_edge.backtest import counting, covering
from xueliang_edge.backtest.counting import CHANGED_LEVEL, STILL_CHANGED_LEVEL, Flags
from xueliang_edge.backtest.measuring import Batch, LiveBatch, Skipping, has_one_score
from xueliang_edge.backtest.standing_batch import StandingBatch
from xueliang_edge.backtest.standing_free import is_bare, pass_while_free
from xueliang_edge.backtest.standing_hidden import veils_through
from xueliang_edge.backtest.standing_passing import passing
from xueliang_edge.backtest.standing_runs import run_through
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Box, Boxes
from xueliang_edge.rules.places import Place
from xueliang_edge.rules.standing import StandingState
from xueliang_edge.rules.standing_measure import WEAK_SHARE, StandingRule, is_concerned
from xueliang_edge.rules.zone_change import zone_grid

_KNOWN_STILL_CHANGED: Final = np.array([[0], [STILL_CHANGED_LEVEL], [CHANGED_LEVEL]], np.int8)
_SURELY_OUTSIDE: Final = 0.2  # below MIN_INSIDE by rectangles: the one round the zone never says less than the zone


def _begin(looks: LoggedLooks, timeline: Timeline, rule: StandingRule) -> Batch:
    if rule.any_object and max(rule.min_changed, rule.min_cover) <= 0:
        return LiveBatch(looks, timeline, rule, np.ones(len(timeline), np.bool_))  # never seen to be free
    is_counted, _ = counting.by_score(
        looks, timeline.rows, lambda score: counting.counted(looks, rule, score, WEAK_SHARE)
    )
    is_inside = _concerned(looks, is_counted, rule)
    inside = counting.of_looks(looks, timeline.rows, is_inside)
    has_changed: NDArray[np.bool_] = np.zeros(len(timeline), np.bool_)
    grid, sets = None, np.zeros((len(timeline), 4, 0), np.uint8)
    covered = in_the_open = np.zeros((len(timeline), 0), np.uint8)
    if looks.grids.grid_hw is not None:
        grid = zone_grid(rule.zone, looks.grids.grid_hw, rule.exclude_zones)
        width, centres = covering.width_of(grid.centres), geometry.zone_cells(rule.zone, grid.grid_hw)[2]
        levels = counting.levels_of(looks, timeline.rows, grid.index)
        every = np.ones(len(looks.scores), np.bool_)
        near = counting.of_looks(looks, timeline.rows, counting.over_cells(looks, every, centres))
        sets = np.zeros((len(timeline), 4, width), np.uint8)
        sets[:, :3] = np.packbits(levels[:, None] >= _KNOWN_STILL_CHANGED, axis=2, bitorder="little")
        sets[:, 3] = covering.cells_under(looks, near, grid.centres)
        changed = sets[:, 2] & ~covering.packed((grid.excluded,), width)
        has_changed |= changed.any(axis=1)
        covered, in_the_open = covering.cells_under(looks, inside, grid.centres), changed & ~sets[:, 3]
    if not has_one_score(looks, timeline):
        wakes = inside.count > 0
        return LiveBatch(looks, timeline, rule, wakes | in_the_open.any(axis=1) if rule.any_object else wakes)
    is_believed = np.zeros(len(looks.scores), np.bool_)
    if scores := counting.scores_of_good(looks, timeline.rows):
        is_believed = looks.scores.astype(np.float64) >= scores[0]  # plain numbers, like live
    is_in_front = counting.meeting(looks, is_believed & ~is_inside, rule.zone, _whole)
    counted, believed, in_front = (
        counting.of_looks(looks, timeline.rows, each) for each in (is_counted, is_believed, is_in_front)
    )
    may_be_twice = covering.may_be_reported_twice(looks, inside, counted)
    what_passes = passing(looks, timeline, rule, inside, believed, may_be_twice, grid, sets, covered, in_the_open)
    return StandingBatch(
        looks, timeline, counted, inside, believed, in_front, grid, has_changed, sets, may_be_twice, what_passes
    )


def _whole(boxes: Boxes) -> Boxes:
    return boxes


def _concerned(looks: LoggedLooks, flags: Flags, rule: StandingRule) -> Flags:
    """Those of the flagged boxes that stand in the zone, as `standing_measure` asks it."""
    index = np.flatnonzero(counting.meeting(looks, flags, rule.zone, geometry.ground_of))
    index = index[_may_be_in(geometry.ground_of(looks.boxes_xyxyn[index]), rule)]
    found = np.zeros(len(flags), np.bool_)
    rows: list[Box] = looks.boxes_xyxyn[index].tolist()
    outline = geometry.outline_of(rule.zone)
    found[index] = [is_concerned(box, outline) for box in rows]
    return found


def _may_be_in(ground: Boxes, rule: StandingRule) -> Flags:
    low, high = np.min(rule.zone, axis=0), np.max(rule.zone, axis=0)
    sides = np.minimum(ground[:, 2:], high) - np.maximum(ground[:, :2], low)
    common = np.clip(sides, 0, None).prod(axis=1)
    may: Flags = (common >= _SURELY_OUTSIDE * geometry.areas(ground)) | (
        common >= _SURELY_OUTSIDE / 2 * polygon_area(rule.zone)
    )
    return may


def _is_resting(state: StandingState, batch: Batch, rule: StandingRule) -> bool:
    if state.unclear_since is not None:
        return False
    if isinstance(batch, StandingBatch):
        return batch.passing.leaves_nothing(state.ground, state.episode.last, rule)
    return is_bare(state.ground, rule)


def _rested(
    state: StandingState, batch: Batch, timeline: Timeline, start: int, stop: int, rule: StandingRule
) -> StandingState:
    is_lost = (timeline.gap_s[timeline.judged(start, stop)] > rule.view_lost_after_s).any()
    before = StandingState(episode=state.episode) if is_lost else state
    known = state.ground.veils
    veils = veils_through(known, batch, timeline, start, stop, rule)
    if not isinstance(batch, StandingBatch):
        return before if veils == before.ground.veils else replace(before, ground=replace(before.ground, veils=veils))

    def new_places(index: int) -> tuple[Place, ...]:
        is_first = timeline.gap_s[index] > rule.view_lost_after_s
        return batch.new_places(index, () if is_first else veils_through(known, batch, timeline, start, index, rule))

    ground = batch.passing.over(state.ground, start, stop, rule, new_places)
    return replace(before, ground=replace(ground, veils=veils))


def _on(state: StandingState, batch: Batch, start: int, rule: StandingRule) -> tuple[StandingState, int, int]:
    if not isinstance(batch, StandingBatch):
        return state, start, 0
    index, alone = start, 0
    while True:
        state, steady = run_through(state, batch, index, rule)
        state, free = pass_while_free(state, batch, steady, rule)
        if free == index:
            return state, index, alone
        index, alone = free, alone + free - steady


STANDING: Final = Skipping(_begin, _is_resting, _rested, on=_on)
