"""Which looks change nothing for a rule that is at rest, and what it remembers after them: hazard by hazard. Pure.

A rule is *at rest* when no alert is open, none is on its way, and nothing it remembers can become one. Most looks of
most cameras find it so and leave it so; they are found on whole columns and passed over. At every other look the live
rule judges (`replaying.py`).

A look that is called quiet must be quiet for certain; one that is called a wake-up may turn out to be none.
Of what a rule remembers at rest, only what a later look can depend on is kept up: for how long an episode that was
never open has been absent is not, nor are changed cells of a rule that does not ask for them (`any_object: false`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import Hazard
from xueliang_configs.rules import CameraFaultRule, FireSmokeRule, LineCrossingRule, WrongWayRule
from xueliang_edge.backtest import counting
from xueliang_edge.backtest.crowds import CROWDS
from xueliang_edge.backtest.measuring import Batch, BoxBatch, LiveBatch, Skipping, has_one_score
from xueliang_edge.backtest.standing_looks import STANDING
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import NO_TRACK, ViewState
from xueliang_edge.rules import geometry
from xueliang_edge.rules.burning import HELD_SHARE as HELD_FIRE_SHARE
from xueliang_edge.rules.burning import LIFE_S, LOOKS_KEPT, FireState, Seen
from xueliang_edge.rules.cells import Cells, cells_of
from xueliang_edge.rules.changing import ChangeRule, ChangeState
from xueliang_edge.rules.crossing import WEAK as WEAK_CROSSING
from xueliang_edge.rules.crossing import CrossingState
from xueliang_edge.rules.looking import Hit
from xueliang_edge.rules.paths import remembered
from xueliang_edge.rules.standing_measure import WEAK_SHARE
from xueliang_edge.rules.trespassing import TrespassRule, TrespassState
from xueliang_edge.rules.view_faults import CameraFaultState
from xueliang_edge.rules.wrong_way import WEAK as WEAK_WRONG_WAY
from xueliang_edge.rules.wrong_way import WrongWayState

_TRESPASS_MERGED: Final = (0.75, 0.95)  # as rules/trespassing.py has it


# Changing: standing water, debris.


def _begin_changing(looks: LoggedLooks, timeline: Timeline, rule: ChangeRule) -> Batch:
    rows, wakes = timeline.rows, np.ones(len(timeline), np.bool_)
    grid_hw = looks.grids.grid_hw
    if grid_hw is not None:
        cells, kept = cells_of(grid_hw, rule.zone, rule.exclude_zones)
        centres = geometry.zone_cells(rule.zone, grid_hw)[2][kept]
        scores = [one.confident_score for one in looks.contexts]
        if len(cells):
            surest, least = max(scores), min(scores)
            weak, sure = looks.scores >= WEAK_SHARE * surest, looks.scores >= least
            is_covered = counting.shown(looks, counting.over_cells(looks, sure, centres))[rows] > 0
            is_changed = counting.changed_in_the_open(looks, rows, cells, centres, weak)
            wakes = is_covered | is_changed | ~looks.has_change[rows]
    return LiveBatch(looks, timeline, rule, wakes)


def _change_rests(state: ChangeState, _batch: Batch, _rule: ChangeRule) -> bool:
    return state.cells == Cells() and not state.about and state.unclear_since is None


# What stands somewhere, or moves.


def _begin_trespass(looks: LoggedLooks, timeline: Timeline, rule: TrespassRule) -> Batch:
    flags, counts = counting.by_score(
        looks, timeline.rows, lambda score: counting.standing_in(looks, counting.counted(looks, rule, score), rule.zone)
    )
    wakes = counts > 0
    if not has_one_score(looks, timeline):
        return LiveBatch(looks, timeline, rule, wakes)
    return BoxBatch.of(looks, timeline, flags, wakes, _TRESPASS_MERGED)


def _trespass_rests(state: TrespassState, _batch: Batch, _rule: TrespassRule) -> bool:
    return not any(one.is_hit for one in state.recent)


def _trespass_rested(
    state: TrespassState, _batch: Batch, timeline: Timeline, start: int, stop: int, rule: TrespassRule
) -> TrespassState:
    anew, has_reset = _since_reset(timeline, start, stop, rule.gap_tolerance_s)
    new = tuple(Hit(timeline.moment(int(one)), is_hit=False) for one in anew[-rule.of_looks :])
    return replace(state, recent=(*(() if has_reset else state.recent), *new)[-rule.of_looks :])


def _since_reset(
    timeline: Timeline, start: int, stop: int, limit_s: float, *, carried_too: bool = False
) -> tuple[NDArray[np.int64], bool]:
    """The judged looks of a stretch since the last gap in it, without carried answers; and whether there was one."""
    judged = timeline.judged(start, stop)
    resets = np.flatnonzero(timeline.gap_s[judged] > limit_s)
    if len(resets):
        judged = judged[resets[-1] :]
    return judged if carried_too else judged[~timeline.is_carried[judged]], len(resets) > 0


def _begin_crossing(looks: LoggedLooks, timeline: Timeline, rule: LineCrossingRule) -> Batch:
    return _followed(looks, timeline, rule, lambda score: counting.counted(looks, rule, score, WEAK_CROSSING))


def _begin_wrong_way(looks: LoggedLooks, timeline: Timeline, rule: WrongWayRule) -> Batch:
    return _followed(
        looks,
        timeline,
        rule,
        lambda score: counting.standing_in(looks, counting.counted(looks, rule, score, WEAK_WRONG_WAY), rule.zone),
    )


def _followed(looks: LoggedLooks, timeline: Timeline, rule: Any, marked: Any) -> Batch:
    flags, _ = counting.by_score(looks, timeline.rows, marked)
    wakes = counting.shown(looks, flags & (looks.track_ids != NO_TRACK))[timeline.rows] > 0
    if not has_one_score(looks, timeline):
        return LiveBatch(looks, timeline, rule, wakes)
    return BoxBatch.of(looks, timeline, flags, wakes, None)


def _paths_rested(state: Any, _batch: Batch, timeline: Timeline, start: int, stop: int, rule: Any) -> Any:
    """Tracks are only forgotten: none of them was seen."""
    since, has_reset = _since_reset(timeline, start, stop, rule.gap_tolerance_s, carried_too=True)
    if has_reset:
        return replace(state, paths=())
    if not len(since):
        return state
    return replace(state, paths=tuple(remembered(state.paths, float(timeline.mono_s[since[-1]])).values()))


def _without_paths(state: Any) -> Any:
    return replace(state, paths=())


def _crossing_rests(_state: CrossingState | WrongWayState, _batch: Batch, _rule: Any) -> bool:
    return True


# Burning.


def _begin_burning(looks: LoggedLooks, timeline: Timeline, rule: FireSmokeRule) -> Batch:
    _, counts = counting.by_score(
        looks, timeline.rows, lambda score: counting.counted(looks, rule, score, HELD_FIRE_SHARE)
    )
    return LiveBatch(looks, timeline, rule, counts > 0)


def _burning_rests(state: FireState, _batch: Batch, _rule: FireSmokeRule) -> bool:
    return not any(one.boxes for one in state.recent)


def _burning_rested(
    state: FireState, _batch: Batch, timeline: Timeline, start: int, stop: int, rule: FireSmokeRule
) -> FireState:
    anew, has_reset = _since_reset(timeline, start, stop, rule.gap_tolerance_s)
    recent = () if has_reset else state.recent
    if len(anew):
        kept = (*recent, *(Seen(timeline.moment(int(one))) for one in anew[-LOOKS_KEPT:]))[-LOOKS_KEPT:]
        young = sum(kept[-1].moment.seen_s - one.moment.seen_s <= LIFE_S for one in kept)
        recent = kept[-max(rule.of_looks, young) :]
    return replace(state, recent=recent)


# The camera itself.


def _begin_offline(looks: LoggedLooks, timeline: Timeline, rule: CameraFaultRule) -> Batch:
    if rule.fault != "offline":
        return LiveBatch(looks, timeline, rule, np.ones(len(timeline), np.bool_))
    is_offline = np.array([one.view is ViewState.OFFLINE for one in looks.contexts], np.bool_)[looks.context]
    return LiveBatch(looks, timeline, rule, is_offline[timeline.rows])


def _offline_rests(_state: CameraFaultState, _batch: Batch, rule: CameraFaultRule) -> bool:
    return rule.fault == "offline"  # faults of the view are judged look by look: it costs little


def _offline_rested(
    state: CameraFaultState, _batch: Batch, timeline: Timeline, _start: int, stop: int, _rule: CameraFaultRule
) -> CameraFaultState:
    return replace(state, last_picture=timeline.moment(int(timeline.last_judged[stop])))


def _unchanged(state: Any, _batch: Batch, _timeline: Timeline, _start: int, _stop: int, _rule: Any) -> Any:
    return state


_TRESPASSING: Final = Skipping(_begin_trespass, _trespass_rests, _trespass_rested)
_CHANGING: Final = Skipping(_begin_changing, _change_rests, _unchanged)

SKIPPING: Final[dict[Hazard, Skipping]] = {
    Hazard.FIRE_LANE_OBSTRUCTION: STANDING,
    Hazard.BLOCKED_EXIT: STANDING,
    Hazard.ILLEGAL_PARKING: STANDING,
    Hazard.CROWD: CROWDS,
    Hazard.FIRE_SMOKE: Skipping(_begin_burning, _burning_rests, _burning_rested),
    Hazard.INTRUSION: _TRESPASSING,
    Hazard.EBIKE_INDOORS: _TRESPASSING,
    Hazard.LINE_CROSSING: Skipping(_begin_crossing, _crossing_rests, _paths_rested, _without_paths),
    Hazard.WRONG_WAY: Skipping(_begin_wrong_way, _crossing_rests, _paths_rested, _without_paths),
    Hazard.WATER_LEVEL: _CHANGING,
    Hazard.DEBRIS_ON_ROAD: _CHANGING,
    Hazard.CAMERA_FAULT: Skipping(_begin_offline, _offline_rests, _offline_rested),
}
"""A hazard that is not here is judged look by look."""
