"""Which looks of a fire lane, exit or parking rule change nothing while it is at rest: nothing stands in its zone, and
nothing has changed in it. Pure.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from xueliang_configs.values import polygon_area
from xueliang_edge.backtest import counting
from xueliang_edge.backtest.counting import Flags
from xueliang_edge.backtest.measuring import Batch, LiveBatch, Skipping
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.geometry import Box, Boxes
from xueliang_edge.rules.standing import StandingState
from xueliang_edge.rules.standing_measure import WEAK_SHARE, StandingRule, is_concerned

_SURELY_OUTSIDE: Final = 0.2  # below MIN_INSIDE by rectangles: the one round the zone never says less than the zone


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
    return LiveBatch(looks, timeline, rule, wakes)


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
