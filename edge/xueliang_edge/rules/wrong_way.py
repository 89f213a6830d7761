"""Something moves against the permitted direction of a zone. Pure.

Of each track the rule remembers the *turn*: the last place from which it has gone the wrong way only. How far and for
how long it has gone against the direction counts from there; a box that jitters, or rolls back by less, does not turn
it. Who crosses the zone at an angle is not going the wrong way (`max_angle_deg`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from math import atan2, degrees
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xueliang_alerts.contract import Phase
from xueliang_configs.rules import WrongWayRule
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.episodes import (
    Decision,
    EpisodeState,
    Evidence,
    Look,
    Moment,
    Transition,
    Why,
    advance,
    decided,
)
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.looking import (
    BoxesMeasure,
    blind_look,
    boxes_told,
    ended_in_words,
    is_after_gap,
    is_past,
    now_of,
    timing_of,
)
from xueliang_edge.rules.paths import Xy, aspect_of, in_heights, remembered, steps_of

WEAK: Final = 0.5  # of the threshold: from here a box goes on with a track; the tracker begins none below it
_STARTED_SHARE: Final = 0.1  # of the distance: below it has not set off, and standing counts no time
_TURNED_SHARE: Final = 0.5  # of the distance: gone back by so much it has turned round


@dataclass(frozen=True, slots=True)
class DirectedPath:
    """One track.

    Attributes:
        turn, since: where, and when, it set off the wrong way.
        gone, most: how far it is from there against the direction now, and how far it was at most; picture heights.
        aside: how far it is beside its straight way.
    """

    track_id: int
    seen_mono_s: float
    turn: Xy
    since: Moment
    gone: float = 0.0
    most: float = 0.0
    aside: float = 0.0

    @property
    def angle_deg(self) -> float:
        """Between its way and straight against the direction."""
        return degrees(atan2(abs(self.aside), self.gone))


@dataclass(frozen=True, slots=True)
class WrongWayState:
    """What the rule remembers: its episode, and where each track set off."""

    episode: EpisodeState = field(default_factory=EpisodeState)
    paths: Annotated[tuple[DirectedPath, ...], Field(exclude=True)] = ()


def measure(observations: Sequence[Observation], settings: WrongWayRule) -> tuple[BoxesMeasure, ...]:
    """Every look with what moves in the zone; live, a batch of one."""
    return tuple(_measured(observation, settings) for observation in observations)


def _measured(observation: Observation, settings: WrongWayRule) -> BoxesMeasure:
    kept = selecting.counted(observation, settings, WEAK)
    feet = geometry.feet_of(observation.boxes_xyxyn[kept])
    return BoxesMeasure.of(observation, kept[geometry.points_inside(feet, settings.zone)])


def step(state: WrongWayState, measured: BoxesMeasure, settings: WrongWayRule) -> tuple[WrongWayState, Decision | None]:
    """One look further."""
    timing = timing_of(settings)
    if is_past(state.episode, measured):
        return state, None
    if not measured.is_known:
        episode, said = advance(state.episode, blind_look(measured), timing)
        return replace(state, episode=episode), _in_words(said, measured, (), settings)
    if is_after_gap(state.episode, measured, settings.gap_tolerance_s):
        state = replace(state, paths=())
    now = now_of(state.episode, measured, settings)
    paths = _followed(state.paths, measured, now, settings)
    wrong = [path for path in paths if path.seen_mono_s == measured.mono_s and _is_wrong(path, settings)]
    look = Look(
        measured.mono_s,
        measured.at,
        Evidence.HOLDS if wrong else Evidence.ABSENT,
        onset=min((path.since for path in wrong), key=lambda moment: moment.seen_s, default=None),
        severity=settings.severity,
        headline=float(len(wrong)),
        may_begin=settings.may_begin(measured.at),
    )
    episode, said = advance(state.episode, look, timing)
    return WrongWayState(episode, paths), _in_words(said, measured, wrong, settings)


def _followed(
    before: Sequence[DirectedPath], measured: BoxesMeasure, now: Moment, settings: WrongWayRule
) -> tuple[DirectedPath, ...]:
    paths = remembered(before, measured.mono_s)
    start, end = in_heights(settings.direction, aspect_of(measured))
    against = (start - end) / np.hypot(*(end - start))
    for track_id, foot, jitter in steps_of(measured):
        known = paths.get(track_id)
        fresh = DirectedPath(track_id, measured.mono_s, foot, now)
        paths[track_id] = fresh if known is None else _gone_on(known, fresh, against, jitter, settings)
    return tuple(paths.values())


def _gone_on(
    path: DirectedPath,
    fresh: DirectedPath,
    against: NDArray[np.float64],
    jitter: float,
    settings: WrongWayRule,
) -> DirectedPath:
    offset = np.array(fresh.turn) - np.array(path.turn)
    gone = float(offset @ against)
    aside = float(offset[0] * against[1] - offset[1] * against[0])
    is_back = path.most - gone > max(_TURNED_SHARE * settings.min_distance, 2 * jitter)
    if gone < 0 or is_back:
        return fresh
    has_set_off = gone >= max(_STARTED_SHARE * settings.min_distance, jitter)
    return replace(
        path,
        seen_mono_s=fresh.seen_mono_s,
        since=path.since if has_set_off else fresh.since,
        gone=gone,
        most=max(path.most, gone),
        aside=aside,
    )


def _is_wrong(path: DirectedPath, settings: WrongWayRule) -> bool:
    return path.gone >= settings.min_distance and path.angle_deg <= settings.max_angle_deg


def _in_words(
    said: Transition | None, measured: BoxesMeasure, wrong: Sequence[DirectedPath], settings: WrongWayRule
) -> Decision | None:
    if said is None:
        return None
    seconds = said.held_s
    if said.phase is Phase.CLEARED:
        text = f"nothing goes the wrong way for {settings.clear_after_s:g} s, after {seconds:.0f} s"
        return ended_in_words(said, Why("wrong_way_over", text), measured)
    those = np.isin(measured.track_ids, [path.track_id for path in wrong])
    names = ", ".join(dict.fromkeys(name for name, is_one in zip(measured.class_names, those, strict=True) if is_one))
    farthest = max((path.gone for path in wrong), default=0.0)
    text = f"{len(wrong)} the wrong way ({names}): {farthest:.0%} of the picture's height"
    if said.phase is Phase.RAISED:
        limits = f">= {settings.min_distance:.0%}, for {seconds:.1f} s >= {settings.dwell_s:g} s"
        why = Why("wrong_way_seen", f"{text} {limits}", {"objects": names[:80]})
    else:
        why = Why("wrong_way_still", f"still: {text}, for {seconds:.0f} s", {"objects": names[:80]})
    return decided(
        said,
        why,
        confidence=float(measured.scores[those].max(initial=0.0)),
        boxes_xyxyn=boxes_told(measured.boxes[those]),
        measures={
            "count": (float(len(wrong)), "objects"),
            "distance": (farthest, "picture heights"),
            "seconds": (seconds, "s"),
        },
        model_digest=measured.model_digest,
        frame_size_wh=measured.frame_size_wh,
    )
