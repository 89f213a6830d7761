"""Somebody or something is where it must not be: people in a danger zone, two-wheelers indoors. Pure.

What counts stands in the zone with its feet (the middle of the lower edge of its box). It must be seen in
`needed_looks` of the last `of_looks` looks that a detector judged, and be there for the dwell, which counts from the
first of these looks. Who it is, and whether it is the same one, is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Final

from xueliang_alerts.contract import Hazard, Phase
from xueliang_configs.rules import EbikeIndoorsRule, IntrusionRule
from xueliang_edge.observations import Observation
from xueliang_edge.rules import selecting
from xueliang_edge.rules.episodes import Decision, EpisodeState, Look, Moment, Transition, Why, advance, decided
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.looking import (
    BoxesMeasure,
    Hit,
    blind_look,
    boxes_told,
    ended_in_words,
    evidence_of,
    first_hit,
    is_after_gap,
    is_past,
    now_of,
    timing_of,
    with_look,
)
from xueliang_edge.rules.present import Figure

TrespassRule = IntrusionRule | EbikeIndoorsRule

_PLACES: Final = {Hazard.INTRUSION: "danger zone", Hazard.EBIKE_INDOORS: "indoor zone"}
_CODES: Final = {Hazard.INTRUSION: "intrusion", Hazard.EBIKE_INDOORS: "ebike"}


@dataclass(frozen=True, slots=True)
class TrespassState:
    """What the rule remembers: its episode, and what the last looks showed."""

    episode: EpisodeState = field(default_factory=EpisodeState)
    recent: tuple[Hit, ...] = ()


def measure(observations: Sequence[Observation], settings: TrespassRule) -> tuple[BoxesMeasure, ...]:
    """Every look with what stands in the zone; live, a batch of one."""
    return tuple(_measured(observation, settings) for observation in observations)


def _measured(observation: Observation, settings: TrespassRule) -> BoxesMeasure:
    return BoxesMeasure.of(observation, selecting.standing_in_zone(observation, settings, settings.zone))


def step(state: TrespassState, measured: BoxesMeasure, settings: TrespassRule) -> tuple[TrespassState, Decision | None]:
    """One look further."""
    timing = timing_of(settings)
    if is_past(state.episode, measured):
        return state, None
    if not measured.is_known:
        episode, said = advance(state.episode, blind_look(measured), timing)
        return replace(state, episode=episode), _in_words(said, measured, settings)
    recent = () if is_after_gap(state.episode, measured, settings.gap_tolerance_s) else state.recent
    now, is_hit = now_of(state.episode, measured, settings), len(measured.boxes) > 0
    # A carried answer is not seen once more: it neither confirms nor contradicts.
    recent = recent if measured.is_carried else with_look(recent, now, settings.of_looks, is_hit=is_hit)
    is_open = state.episode.open is not None
    look = Look(
        measured.mono_s,
        measured.at,
        evidence_of(recent, settings.needed_looks, is_hit=is_hit, is_open=is_open),
        onset=_onset(state.episode, recent, now),
        severity=settings.severity,
        headline=float(len(measured.boxes)),
        may_begin=settings.may_begin(measured.at),
    )
    episode, said = advance(state.episode, look, timing, now)
    return TrespassState(episode, recent), _in_words(said, measured, settings)


def present_figure(
    state: TrespassState,  # noqa: ARG001
    measured: BoxesMeasure,
    settings: TrespassRule,  # noqa: ARG001
) -> Figure | None:
    """How many stand in the zone."""
    return Figure("count", float(len(measured.boxes)), "objects", boxes_told(measured.boxes))


def _onset(episode: EpisodeState, recent: Sequence[Hit], now: Moment) -> Moment:
    return episode.onset or first_hit(recent) or now


def _in_words(said: Transition | None, measured: BoxesMeasure, settings: TrespassRule) -> Decision | None:
    if said is None:
        return None
    place, code, seconds, count = _PLACES[settings.hazard], _CODES[settings.hazard], said.held_s, len(measured.boxes)
    if said.phase is Phase.CLEARED:
        text = f"{place} seen empty for {settings.clear_after_s:g} s, after {seconds:.0f} s"
        return ended_in_words(said, Why(f"{code}_over", text, {"place": place}), measured)
    names = ", ".join(dict.fromkeys(measured.class_names))
    text = f"{count} in the {place} ({names}) for {seconds:.0f} s"
    about = {"objects": names[:80], "place": place}
    if said.phase is Phase.RAISED:
        seen = f"seen in {settings.needed_looks} of {settings.of_looks} looks"
        why = Why(f"{code}_seen", f"{text} >= {settings.dwell_s:g} s, {seen}", about)
    else:
        why = Why(f"{code}_still", f"still: {text}", about)
    return decided(
        said,
        why,
        confidence=measured.confidence,
        boxes_xyxyn=boxes_told(measured.boxes),
        measures={"count": (float(count), "objects"), "seconds": (seconds, "s")},
        model_digest=measured.model_digest,
        frame_size_wh=measured.frame_size_wh,
    )
