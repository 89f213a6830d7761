"""Something crosses a line. Pure.

A track is on a side when its foot is farther from the line than the band (and than its box jitters). It has crossed
when it was surely on one side, is now surely on the other, and its way between went through the line, not round its
end. In between it may stand on the line as long as it likes. One look never makes a crossing.

Crossings that follow each other within `clear_after_s` are one alert; it tells how many there were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xueliang_alerts.contract import Phase
from xueliang_configs.hazards_of_movement import Crossing
from xueliang_configs.rules import LineCrossingRule
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.episodes import (
    Decision,
    EpisodeState,
    Evidence,
    Look,
    Timing,
    Transition,
    Why,
    advance,
    decided,
)
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.looking import BoxesMeasure, blind_look, boxes_told, ended_in_words, is_after_gap, is_past
from xueliang_edge.rules.paths import Xy, aspect_of, in_heights, remembered, steps_of

WEAK: Final = 0.5  # of the threshold: from here a box goes on with a track; the tracker begins none below it
_PAST_END: Final = 0.05  # of the line: so far beyond its ends counts as through it
_WORDS: Final = {Crossing.ANY: "either way", Crossing.TO_LEFT: "to the left", Crossing.TO_RIGHT: "to the right"}


@dataclass(frozen=True, slots=True)
class SidedPath:
    """One track. `side`: -1 left, 1 right, 0 not known yet; `foot`: where it was last surely on that side."""

    track_id: int
    seen_mono_s: float
    side: int
    foot: Xy


@dataclass(frozen=True, slots=True)
class CrossingState:
    """What the rule remembers: its episode, the side of each track, crossings of the open episode."""

    episode: EpisodeState = field(default_factory=EpisodeState)
    paths: Annotated[tuple[SidedPath, ...], Field(exclude=True)] = ()
    count: int = 0


def measure(observations: Sequence[Observation], settings: LineCrossingRule) -> tuple[BoxesMeasure, ...]:
    """Every look with what may cross; live, a batch of one."""
    return tuple(BoxesMeasure.of(seen, selecting.counted(seen, settings, WEAK)) for seen in observations)


def step(
    state: CrossingState, measured: BoxesMeasure, settings: LineCrossingRule
) -> tuple[CrossingState, Decision | None]:
    """One look further."""
    # A crossing is an instant: its dwell is that it was on both sides.
    timing = Timing(
        0.0, settings.clear_after_s, settings.gap_tolerance_s, settings.view_lost_after_s, settings.cooldown_s
    )
    if is_past(state.episode, measured):
        return state, None
    if not measured.is_known:
        episode, said = advance(state.episode, blind_look(measured), timing)
        return replace(state, episode=episode), _in_words(said, state.count, measured, (), settings)
    if is_after_gap(state.episode, measured, settings.gap_tolerance_s):
        state = replace(state, paths=())  # whoever comes out of a blind stretch may have gone round
    paths, crossed = _followed(state.paths, measured, settings)
    may_begin = settings.may_begin(measured.at)
    is_open = state.episode.open is not None
    counts = _each_once(crossed, measured) if is_open or may_begin else ()
    count = (state.count if is_open else 0) + len(counts)
    look = Look(
        measured.mono_s,
        measured.at,
        Evidence.HOLDS if counts else Evidence.ABSENT,
        severity=settings.severity,
        headline=float(count),
        may_begin=may_begin,
    )
    episode, said = advance(state.episode, look, timing)
    state = CrossingState(episode, paths, count if episode.open is not None else 0)
    return state, _in_words(said, count, measured, counts, settings)


def _followed(
    before: Sequence[SidedPath], measured: BoxesMeasure, settings: LineCrossingRule
) -> tuple[tuple[SidedPath, ...], tuple[int, ...]]:
    """The tracks after this look, and the tracks that crossed in it the way that counts."""
    paths = remembered(before, measured.mono_s)
    start, end = in_heights(settings.line, aspect_of(measured))
    crossed: list[int] = []
    for track_id, foot, jitter in steps_of(measured):
        distance = _right_of(start, end, foot)
        side = 0 if abs(distance) <= max(settings.band, jitter) else 1 if distance > 0 else -1
        known = paths.get(track_id)
        if known is None:
            paths[track_id] = SidedPath(track_id, measured.mono_s, side, foot)
            continue
        if side and known.side == -side and _is_through(start, end, known.foot, foot) and _counts(side, settings):
            crossed.append(track_id)
        # On the line the last sure side is kept, and where it was.
        paths[track_id] = (
            SidedPath(track_id, measured.mono_s, side, foot) if side else replace(known, seen_mono_s=measured.mono_s)
        )
    return tuple(paths.values()), tuple(crossed)


def _each_once(crossed: Sequence[int], measured: BoxesMeasure) -> tuple[int, ...]:
    """Without a second track of the same thing: detectors report one vehicle as car and as truck."""
    those = np.flatnonzero(np.isin(measured.track_ids, crossed))
    kept = those[geometry.merged(measured.boxes[those], measured.scores[those], 0.55, 0.85)]
    return tuple(int(track_id) for track_id in measured.track_ids[kept])


def _counts(side: int, settings: LineCrossingRule) -> bool:
    if settings.direction is Crossing.ANY:
        return True
    return side == (1 if settings.direction is Crossing.TO_RIGHT else -1)


def _right_of(start: NDArray[np.float64], end: NDArray[np.float64], foot: Xy) -> float:
    """Distance to the right of the line, seen from its first point to its second in the picture (y is down)."""
    along = end - start
    offset = np.array(foot) - start
    return float((along[0] * offset[1] - along[1] * offset[0]) / np.hypot(*along))


def _is_through(start: NDArray[np.float64], end: NDArray[np.float64], before: Xy, after: Xy) -> bool:
    """The straight way between two sides meets the line between its ends."""
    far, near = _right_of(start, end, before), _right_of(start, end, after)
    meeting = np.array(before) + (np.array(after) - np.array(before)) * (far / (far - near))
    along = end - start
    share = float(((meeting - start) @ along) / (along @ along))
    return -_PAST_END <= share <= 1 + _PAST_END


def _in_words(
    said: Transition | None,
    count: int,
    measured: BoxesMeasure,
    crossed: Sequence[int],
    settings: LineCrossingRule,
) -> Decision | None:
    if said is None:
        return None
    if said.phase is Phase.CLEARED:
        text = f"nothing crossed for {settings.clear_after_s:g} s, after {count} crossings"
        return ended_in_words(said, Why("line_quiet", text), measured)
    those = np.isin(measured.track_ids, crossed)
    names = ", ".join(dict.fromkeys(name for name, is_one in zip(measured.class_names, those, strict=True) if is_one))
    way = _WORDS[settings.direction]
    text = f"line crossed by {names} ({way} counts), {count} in this alert so far"
    code = "line_crossed" if said.phase is Phase.RAISED else "line_crossed_again"
    return decided(
        said,
        Why(code, text, {"objects": names[:80], "direction": settings.direction.value}),
        confidence=float(measured.scores[those].max(initial=0.0)),
        boxes_xyxyn=boxes_told(measured.boxes[those]),
        measures={"count": (float(count), "crossings"), "seconds": (said.held_s, "s")},
        model_digest=measured.model_digest,
        frame_size_wh=measured.frame_size_wh,
    )
