"""What is given up first when the machine cannot do everything: a declared order, one step at a time. Pure.

Invariants
    - A step holds on every camera alike, except where the severity of its rules says otherwise: the least severe are
      slowed first.
    - One step up after `WORSE_FOR_S` of load, one step down after a calm stretch; never two at once, so that the effect
      of each is seen before the next.
    - What a step gives up is said in words, for the health page. Nothing is given up silently.
    - No step gives up a camera: at the last one every camera still has its looks, less often.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from xueliang_alerts.contract import Severity

WORSE_FOR_S: Final = 5.0  # a burst of key pictures passes within one group of pictures, 2 to 4 s
CALM_FOR_S: Final = 30.0  # three refreshes of an idle camera: shorter, the calm is only what the last step brought
CALM_AT_MOST_S: Final = 600.0
# A late second costs so many calm ones. Key pictures of many cameras that fall together are such a second now and then:
# were one enough to begin anew, a node that had been overloaded once would stay so for ever.
LATE_COSTS: Final = 5.0
MEASURED_AT_MOST_S: Final = 2.0  # one measurement speaks for about a second; after a pause nothing is known
RELAPSE_WITHIN_S: Final = 60.0  # worse again so soon after a step down: the step was needed, wait longer next time
LATE_S: Final = 0.5  # behind the deadline: rules are promised their gap and 0.2 s, and a raise within a second of it
CALM_LATE_S: Final = 0.2
CALM_BUSY_SHARE: Final = 0.75  # each step gives back up to a third; from here that no longer fits
REFRESH_S: Final = 10.0  # what the change test cannot see is seen by a detector within the shortest usual dwell (10 s)
REFRESH_OVERLOADED_S: Final = 30.0  # half the usual dwell of a lane (60 s)


class Degradation(IntEnum):
    """The declared order. Each step includes those before it."""

    NONE = 0
    NO_CROPS = 1
    SLOW_WATCH = 2
    KEY_WATCH = 3
    LONGER_GAPS = 4
    LONGEST_GAPS = 5

    @property
    def words(self) -> str:
        """What this step gives up, for the people who run the node."""
        return _WORDS[self]

    @property
    def refresh_s(self) -> float:
        """How old a detector's answer may grow while nothing moves."""
        return REFRESH_OVERLOADED_S if self >= Degradation.SLOW_WATCH else REFRESH_S

    def gap_factor(self, most_severe: Severity) -> float:
        """By how much the gaps of a camera whose most severe rule is this are stretched."""
        is_severe = most_severe <= Severity.ORANGE
        if self is Degradation.LONGER_GAPS:
            return 1.0 if is_severe else 1.5
        if self is Degradation.LONGEST_GAPS:
            return 1.5 if is_severe else 3.0
        return 1.0


_WORDS: Final = {
    Degradation.NONE: "nothing is given up",
    Degradation.NO_CROPS: "no closer crops and no tiles: small things and crowds are judged from the whole picture",
    Degradation.SLOW_WATCH: "cameras where something happens are looked at once a second at most; where nothing moves "
    f"the detector looks again every {REFRESH_OVERLOADED_S:g} s",
    Degradation.KEY_WATCH: "cameras where something happens are looked at in key pictures only",
    Degradation.LONGER_GAPS: "cameras that have only yellow and blue rules are looked at 1.5 times less often than "
    "they need",
    Degradation.LONGEST_GAPS: "cameras that have only yellow and blue rules are looked at 3 times less often than "
    "they need, all others 1.5 times",
}


@dataclass(frozen=True, slots=True)
class Load:
    """How the node keeps up, measured over the last second or so.

    Attributes:
        lag_s: how far the most urgent waiting look is behind its deadline; 0 when none is late.
        busy_share: share of the time in which the detector children had work, 0..1, of the busiest.
        decode_lag_s: how far the capture children are behind what they received, of the worst.
    """

    lag_s: float
    busy_share: float
    decode_lag_s: float = 0.0

    @property
    def is_too_much(self) -> bool:
        return max(self.lag_s, self.decode_lag_s) > LATE_S

    @property
    def is_calm(self) -> bool:
        return max(self.lag_s, self.decode_lag_s) <= CALM_LATE_S and self.busy_share <= CALM_BUSY_SHARE


@dataclass(frozen=True, slots=True)
class Overload:
    """What is given up now, and what is remembered of the load.

    Attributes:
        degradation: see `Degradation`.
        since_mono_s: when this step was taken; None at the start.
        worse_since_mono_s: since when the load has been too much without a break; None: it is not.
        calm_s: seconds of calm since the last step, less what late ones cost; what is neither does not count.
        measured_mono_s: the last measurement; None: there was none.
        eased_at_mono_s: the last step down.
        calm_for_s: how long it must be calm before the next step down; doubled by each relapse.
    """

    degradation: Degradation = Degradation.NONE
    since_mono_s: float | None = None
    worse_since_mono_s: float | None = None
    calm_s: float = 0.0
    measured_mono_s: float | None = None
    eased_at_mono_s: float | None = None
    calm_for_s: float = CALM_FOR_S


def advance(state: Overload, load: Load, now_mono_s: float) -> Overload:
    """One measurement further, about once a second; at most one step up or down."""
    state = replace(
        state,
        worse_since_mono_s=_since(state.worse_since_mono_s, load.is_too_much, now_mono_s),
        calm_s=_calm_s(state, load, now_mono_s),
        measured_mono_s=now_mono_s,
    )
    if _held(state.worse_since_mono_s, now_mono_s, WORSE_FOR_S) and state.degradation < Degradation.LONGEST_GAPS:
        return _worse(state, now_mono_s)
    if state.calm_s >= state.calm_for_s:
        return _easier(state, now_mono_s)
    return state


def _since(since: float | None, holds: bool, now_mono_s: float) -> float | None:
    if not holds:
        return None
    return now_mono_s if since is None else since


def _calm_s(state: Overload, load: Load, now_mono_s: float) -> float:
    measured_s = 0.0 if state.measured_mono_s is None else now_mono_s - state.measured_mono_s
    measured_s = min(measured_s, MEASURED_AT_MOST_S)
    if load.is_calm:
        return state.calm_s + measured_s
    return max(0.0, state.calm_s - LATE_COSTS * measured_s) if load.is_too_much else state.calm_s


def _held(since: float | None, now_mono_s: float, for_s: float) -> bool:
    return since is not None and now_mono_s - since >= for_s


def _worse(state: Overload, now_mono_s: float) -> Overload:
    is_relapse = _held(state.eased_at_mono_s, now_mono_s, 0.0) and not _held(
        state.eased_at_mono_s, now_mono_s, RELAPSE_WITHIN_S
    )
    return replace(
        state,
        degradation=Degradation(state.degradation + 1),
        since_mono_s=now_mono_s,
        worse_since_mono_s=now_mono_s,  # the next step counts from here
        calm_s=0.0,
        calm_for_s=min(CALM_AT_MOST_S, 2 * state.calm_for_s) if is_relapse else state.calm_for_s,
    )


def _easier(state: Overload, now_mono_s: float) -> Overload:
    if state.degradation is Degradation.NONE:
        return replace(state, calm_for_s=CALM_FOR_S, calm_s=0.0)
    return replace(
        state,
        degradation=Degradation(state.degradation - 1),
        since_mono_s=now_mono_s,
        calm_s=0.0,
        eased_at_mono_s=now_mono_s,
    )
