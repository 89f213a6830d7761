"""The camera itself: offline. Pure.

Offline counts from the last look that had a picture (or from the first look ever), and needs looks that say so:
silence of the node itself raises nothing. A picture that the detector could not judge (UNKNOWN) is a picture: it ends
the counting of an offline that was not raised yet, and clears nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf

from xueliang_alerts.contract import Phase
from xueliang_configs.rules import CameraOfflineRule
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.episodes import (
    Decision,
    EpisodeState,
    Evidence,
    Look,
    Moment,
    Timing,
    Transition,
    Why,
    advance,
    decided,
    moment_of,
    why_ended,
)


@dataclass(frozen=True, slots=True)
class ViewMeasure:
    """One look at the camera itself."""

    mono_s: float
    at: datetime
    view: ViewState
    frame_size_wh: tuple[int, int] | None


def measure(observations: Sequence[Observation], _settings: CameraOfflineRule) -> tuple[ViewMeasure, ...]:
    """Every look's view; live, a batch of one."""
    return tuple(
        ViewMeasure(seen.observed_mono_s, seen.observed_at, seen.view, seen.frame_size_wh) for seen in observations
    )


@dataclass(frozen=True, slots=True)
class OfflineState:
    """What the rule remembers: its episode, and the last look that had a picture."""

    episode: EpisodeState = field(default_factory=EpisodeState)
    last_picture: Moment | None = None


def step(
    state: OfflineState, measured: ViewMeasure, settings: CameraOfflineRule
) -> tuple[OfflineState, Decision | None]:
    """One look further."""
    last = state.episode.last
    if last is not None and measured.mono_s <= last.mono_s:
        return state, None
    # Being blind is what this rule watches for: no stretch of it is too long to count.
    timing = Timing(settings.offline_after_s, settings.clear_after_s, gap_tolerance_s=inf, view_lost_after_s=inf)
    now = moment_of(last, measured.mono_s, measured.at, inf)
    look = Look(
        mono_s=measured.mono_s,
        at=measured.at,
        evidence=_evidence(measured.view, is_open=state.episode.open is not None),
        onset=state.last_picture,
        severity=settings.severity,
    )
    if measured.view is not ViewState.OFFLINE:
        state = replace(state, last_picture=now)
    episode, said = advance(state.episode, look, timing)
    return replace(state, episode=episode), _in_words(said, measured, settings)


def _evidence(view: ViewState, *, is_open: bool) -> Evidence:
    if view is ViewState.OFFLINE:
        return Evidence.HOLDS
    return Evidence.UNCLEAR if is_open and view is ViewState.UNKNOWN else Evidence.ABSENT


def _in_words(said: Transition | None, measured: ViewMeasure, settings: CameraOfflineRule) -> Decision | None:
    if said is None:
        return None
    seconds = said.held_s
    if said.phase is Phase.CLEARED:
        why = why_ended(said) or Why("camera_back", f"pictures are back after {seconds:.0f} s without")
    elif said.phase is Phase.RAISED:
        why = Why("camera_offline", f"no picture for {seconds:.0f} s >= {settings.offline_after_s:g} s")
    else:
        why = Why("camera_offline", f"still no picture, for {seconds:.0f} s")
    return decided(said, why, measures={"seconds": (seconds, "s")}, frame_size_wh=measured.frame_size_wh)
