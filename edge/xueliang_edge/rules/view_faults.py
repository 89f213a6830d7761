"""The camera itself: offline, or a view that shows nothing of its place. Pure.

Offline counts from the last look that had a picture (or from the first look ever), and needs looks that say so:
silence of the node itself raises nothing. A picture that the detector could not judge (UNKNOWN) is a picture: it ends
the counting of an offline that was not raised yet, and clears nothing.

A fault of the view counts from the first look that shows it. Which looks do is decided where the pixels are
(`view_watch.py`); a look that is unknown for another reason counts neither way, and only a good view ends one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from typing import Final

from xueliang_alerts.contract import Phase
from xueliang_configs.rules import CameraFaultRule
from xueliang_edge.observations import Observation, ViewFault, ViewState
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

WATCHED_GAP_S: Final = 600.0  # the rarest looks there may be; longer without a picture nobody saw it
NEWS_FIGURE: Final = 0.25
_WORDS: Final = {
    ViewFault.FROZEN: ("camera_frozen", "the picture does not change though the camera sends, for {seconds}"),
    ViewFault.BLACK: ("camera_black", "view black for {seconds}: {share} of the picture is dark"),
    ViewFault.OVER_EXPOSED: ("camera_over_exposed", "view over-exposed for {seconds}: {share} of it is blown out"),
    ViewFault.DEFOCUSED: ("camera_defocused", "view out of focus for {seconds}: {share} of its sharpness is gone"),
    ViewFault.COVERED: ("camera_covered", "view covered for {seconds}: {share} of the scene's detail is gone"),
    ViewFault.MOVED: ("camera_moved", "view moved for {seconds}: the scene is shifted by {share} of the picture"),
}
_ELSEWHERE: Final = "view moved for {seconds}: nothing of the scene is in the picture"


@dataclass(frozen=True, slots=True)
class ViewMeasure:
    """One look at the camera itself; `fault` and `figure` as in `Observation`."""

    mono_s: float
    at: datetime
    view: ViewState
    frame_size_wh: tuple[int, int] | None
    fault: ViewFault | None = None
    figure: float = 0.0


def measure(observations: Sequence[Observation], _settings: CameraFaultRule) -> tuple[ViewMeasure, ...]:
    """Every look's view; live, a batch of one."""
    return tuple(
        ViewMeasure(
            seen.observed_mono_s, seen.observed_at, seen.view, seen.frame_size_wh, seen.view_fault, seen.view_figure
        )
        for seen in observations
    )


@dataclass(frozen=True, slots=True)
class CameraFaultState:
    """What the rule remembers: its episode, and the last look that had a picture (offline only)."""

    episode: EpisodeState = field(default_factory=EpisodeState)
    last_picture: Moment | None = None


def step(
    state: CameraFaultState, measured: ViewMeasure, settings: CameraFaultRule
) -> tuple[CameraFaultState, Decision | None]:
    """One look further."""
    last = state.episode.last
    if last is not None and measured.mono_s <= last.mono_s:
        return state, None
    if settings.fault == "offline":
        return _step_offline(state, measured, settings)
    return _step_view(state, measured, settings)


def _step_offline(
    state: CameraFaultState, measured: ViewMeasure, settings: CameraFaultRule
) -> tuple[CameraFaultState, Decision | None]:
    # Being blind is what this rule watches for: no stretch of it is too long to count.
    timing = Timing(settings.offline_after_s, settings.clear_after_s, gap_tolerance_s=inf, view_lost_after_s=inf)
    now = moment_of(state.episode.last, measured.mono_s, measured.at, inf)
    look = Look(
        mono_s=measured.mono_s,
        at=measured.at,
        evidence=_offline_evidence(measured.view, is_open=state.episode.open is not None),
        onset=state.last_picture,
        severity=settings.severity,
    )
    if measured.view is not ViewState.OFFLINE:
        state = replace(state, last_picture=now)
    episode, said = advance(state.episode, look, timing)
    return replace(state, episode=episode), _offline_in_words(said, measured, settings)


def _offline_evidence(view: ViewState, *, is_open: bool) -> Evidence:
    if view is ViewState.OFFLINE:
        return Evidence.HOLDS
    return Evidence.UNCLEAR if is_open and view is ViewState.UNKNOWN else Evidence.ABSENT


def _offline_in_words(said: Transition | None, measured: ViewMeasure, settings: CameraFaultRule) -> Decision | None:
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


def _step_view(
    state: CameraFaultState, measured: ViewMeasure, settings: CameraFaultRule
) -> tuple[CameraFaultState, Decision | None]:
    # An open fault goes on through any blind stretch: only a good view tells that it is over.
    timing = Timing(settings.view_after_s, settings.clear_after_s, WATCHED_GAP_S, view_lost_after_s=inf)
    look = Look(
        mono_s=measured.mono_s,
        at=measured.at,
        evidence=_view_evidence(measured, settings),
        severity=settings.severity,
        headline=measured.figure,
        news_step=NEWS_FIGURE,
    )
    episode, said = advance(state.episode, look, timing)
    return replace(state, episode=episode), _view_in_words(said, measured, settings)


def _view_evidence(measured: ViewMeasure, settings: CameraFaultRule) -> Evidence:
    if measured.fault is not None and settings.fault in ("view", measured.fault.value):
        return Evidence.HOLDS
    if measured.view is ViewState.GOOD:
        return Evidence.ABSENT
    # Another fault may hide this one. No picture at all: the time does not count.
    return Evidence.BLIND if measured.view is ViewState.OFFLINE else Evidence.UNCLEAR


def _view_in_words(said: Transition | None, measured: ViewMeasure, settings: CameraFaultRule) -> Decision | None:
    if said is None:
        return None
    seconds = said.held_s
    if said.phase is Phase.CLEARED or measured.fault is None:
        why = why_ended(said) or Why("camera_view_back", f"the view is good again after {seconds:.0f} s")
        return decided(said, why, measures={"seconds": (seconds, "s")}, frame_size_wh=measured.frame_size_wh)
    fault = measured.fault
    limit = f" >= {settings.view_after_s:g} s" if said.phase is Phase.RAISED else ""
    code, words = _WORDS[fault]
    if fault is ViewFault.MOVED and measured.figure == 1.0:
        words = _ELSEWHERE
    text = words.format(seconds=f"{seconds:.0f} s{limit}", share=f"{measured.figure:.0%}")
    cause = "tampering" if fault.may_be_tampering else "cannot_see"
    means = "somebody may have tampered with the camera" if fault.may_be_tampering else "the camera cannot see"
    return decided(
        said,
        Why(code, f"{text}; {means}", {"fault": fault.value, "cause": cause}),
        measures={"seconds": (seconds, "s"), "share": (measured.figure, "share")},
        frame_size_wh=measured.frame_size_wh,
    )
