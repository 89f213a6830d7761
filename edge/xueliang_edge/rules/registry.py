"""Hazard to rule: the one table of what this node can watch for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xueliang_alerts.contract import Hazard
from xueliang_edge.observations import Observation
from xueliang_edge.rules import (
    burning,
    changing,
    crossing,
    crowding,
    standing,
    trespassing,
    view_faults,
    wrong_way,
)
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.present import Figure


@dataclass(frozen=True, slots=True)
class HazardRule:
    """How one hazard is judged. States and measures are each hazard's own; here they are only passed on.

    Attributes:
        measure: observations and settings to measures, one per observation.
        step: state, measure and settings to the next state and a decision.
        state_type: the frozen dataclass of its state; called without arguments it is the state before the first look.
        needs_detector: False: judged by the view alone, on every observation.
        present_figure: what the figure people follow is, by the state after a look and its measure; None: it has none.
        must_know: classes the detector must know beside those the rule names: what explains a change.
    """

    measure: Callable[[Sequence[Observation], Any], Sequence[Any]]
    step: Callable[[Any, Any, Any], tuple[Any, Decision | None]]
    state_type: type[Any]
    needs_detector: bool = True
    must_know: tuple[str, ...] = ()
    present_figure: Callable[[Any, Any, Any], Figure | None] | None = None


_STANDING: Final = HazardRule(
    standing.measure, standing.step, standing.StandingState, present_figure=standing.present_figure
)
_TRESPASSING: Final = HazardRule(
    trespassing.measure, trespassing.step, trespassing.TrespassState, present_figure=trespassing.present_figure
)
_CHANGING: Final = HazardRule(
    changing.measure,
    changing.step,
    changing.ChangeState,
    must_know=("person", "car"),
    present_figure=changing.present_figure,
)

RULES: Final[dict[Hazard, HazardRule]] = {
    Hazard.FIRE_LANE_OBSTRUCTION: _STANDING,
    Hazard.BLOCKED_EXIT: _STANDING,
    Hazard.ILLEGAL_PARKING: _STANDING,
    Hazard.CROWD: HazardRule(
        crowding.measure, crowding.step, crowding.CrowdState, present_figure=crowding.present_figure
    ),
    Hazard.FIRE_SMOKE: HazardRule(burning.measure, burning.step, burning.FireState),
    Hazard.INTRUSION: _TRESPASSING,
    Hazard.EBIKE_INDOORS: _TRESPASSING,
    Hazard.LINE_CROSSING: HazardRule(crossing.measure, crossing.step, crossing.CrossingState),
    Hazard.WRONG_WAY: HazardRule(wrong_way.measure, wrong_way.step, wrong_way.WrongWayState),
    Hazard.WATER_LEVEL: _CHANGING,
    Hazard.DEBRIS_ON_ROAD: _CHANGING,
    Hazard.CAMERA_FAULT: HazardRule(
        view_faults.measure, view_faults.step, view_faults.CameraFaultState, needs_detector=False
    ),
}
"""Every hazard of the contract; a test holds it whole."""
