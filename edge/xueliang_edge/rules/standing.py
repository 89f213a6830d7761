"""Something stands in a zone: fire lane, evacuation exit, no-stopping zone. Pure.

How it decides
    - A *place* is where something stands: an anchor box that later looks hit again. Places know no tracks, so a track
      that changes its id, or a class that flips between car and truck, changes nothing.
    - Still, not passing: a box must overlap the anchor by `FRESH_IOU` while the place is young, later by `SETTLED_IOU`
      (detectors jitter). What moves leaves its anchor and starts a new place, whose time starts anew.
    - Weak boxes keep a place, and a place is believed by the mean score of its looks: a parked car seen at 0.33 for a
      minute is surer than one look at 0.5.
    - A place that is hidden by something else is neither there nor gone.
    - Beside the detector, cells of the zone that stay changed against the long-term background are an object without a
      name. Cells under any box are left out: people who pass or stand there are no obstruction.
    - Zone time: for lanes and exits the blocked time goes on when one vehicle takes another's turn; for parking each
      vehicle counts alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from xueliang_alerts.contract import EndReason, Hazard, Phase
from xueliang_edge.rules import geometry
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
    ended,
    moment_of,
    why_ended,
)
from xueliang_edge.rules.geometry import Box
from xueliang_edge.rules.looking import timing_of
from xueliang_edge.rules.places import MIN_PRESENCE, SETTLE_S, Ground, Place, is_believed, remember
from xueliang_edge.rules.standing_measure import StandingMeasure, StandingRule, measure

__all__ = ["StandingMeasure", "StandingRule", "StandingState", "measure", "step"]

CHAIN_S: Final = 1.0
NEWS_SHARE: Final = 0.15  # a sixth of the lane more or less is worth a revision


@dataclass(frozen=True, slots=True)
class StandingState:
    """What the rule remembers between looks.

    Attributes:
        ground: see `Ground`.
        chain_since, chain_last: since when, and until when, the zone has been blocked without a break.
        unclear_since: since when all that stood there is hidden; None when it is not.
    """

    episode: EpisodeState = field(default_factory=EpisodeState)
    ground: Ground = field(default_factory=Ground)
    chain_since: Moment | None = None
    chain_last: Moment | None = None
    unclear_since: Moment | None = None


def step(
    state: StandingState, measured: StandingMeasure, settings: StandingRule
) -> tuple[StandingState, Decision | None]:
    """One look further."""
    timing = timing_of(settings)
    last = state.episode.last
    if last is not None and measured.mono_s <= last.mono_s:
        return state, None
    if last is not None and measured.mono_s - last.mono_s > settings.view_lost_after_s:
        state = StandingState(episode=state.episode)  # too long blind to say that it is the same thing
    if not measured.is_known:
        episode, said = advance(state.episode, Look(measured.mono_s, measured.at, Evidence.BLIND), timing)
        return replace(state, episode=episode), _in_words(said, None, measured, settings)
    now = moment_of(last, measured.mono_s, measured.at, settings.gap_tolerance_s)
    seconds = now.seen_s - (last.seen_s if last else 0.0)
    state = replace(state, ground=remember(state.ground, measured, now, seconds, settings))
    found = _find(state, measured, now, settings)
    is_unclear = found.evidence is Evidence.UNCLEAR
    if is_unclear != (state.unclear_since is not None):
        state = replace(state, unclear_since=now if is_unclear else None)
    if state.unclear_since and now.mono_s - state.unclear_since.mono_s > settings.view_lost_after_s:
        episode, said = ended(replace(state.episode, last=now), EndReason.VIEW_LOST)
        return StandingState(episode=episode), _in_words(said, None, measured, settings)
    onset = found.since
    if found.evidence is Evidence.HOLDS and not settings.counts_each_alone:
        state = _chained(state, found, now)
        onset = state.chain_since
    look = Look(
        measured.mono_s,
        measured.at,
        found.evidence,
        onset,
        settings.severity,
        found.share,
        NEWS_SHARE,
        may_begin=settings.may_begin(measured.at),
        begins_between=True,
    )
    episode, said = advance(state.episode, look, timing)
    if said is not None and said.phase is Phase.CLEARED:
        # What was seen to be gone starts anew when it comes back: no dwell is carried into the next episode.
        hit = tuple(place for place in state.ground.places if place.is_hit)
        state = replace(state, ground=replace(state.ground, places=hit), chain_since=None, chain_last=None)
    return replace(state, episode=episode), _in_words(said, found, measured, settings)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in the zone now.

    Attributes:
        since: when the zone came to be covered enough by what stands there now.
        share: of the zone covered, on the ground.
        names: classes of what stands there; "something" for what has no name.
    """

    evidence: Evidence
    since: Moment | None
    share: float
    names: tuple[str, ...]
    boxes: tuple[Box, ...]
    confidence: float


NOTHING: Final = Found(Evidence.ABSENT, None, 0.0, (), (), 0.0)


def _find(state: StandingState, measured: StandingMeasure, now: Moment, settings: StandingRule) -> Found:
    if not (state.ground.places or state.ground.cells):
        return NOTHING
    is_open = state.episode.open is not None
    believed = [place for place in state.ground.places if is_believed(place, measured, now, settings, is_open=is_open)]
    there = [place for place in believed if place.is_there]
    there.sort(key=lambda place: place.since.seen_s)
    named_since, named_share = _covered_since(there, settings, 0.5 if is_open else 1.0)
    thing_since, thing_share, thing_box = _object_since(state, measured, now, settings, 0.5 if is_open else 1.0)
    began = [since for since in (named_since, thing_since) if since is not None]
    if not began:
        hidden = any(place.is_hidden for place in believed) or _is_object_hidden(state, measured, settings)
        return Found(Evidence.UNCLEAR if hidden else Evidence.ABSENT, None, 0.0, (), (), 0.0)
    names = tuple(place.class_name for place in there) if named_since else ()
    boxes = tuple(place.anchor for place in sorted(there, key=lambda place: -place.score))
    if thing_since is not None and thing_box is not None:
        boxes = (*boxes, thing_box)
    confidence = max((place.score for place in there), default=0.0) if named_since else thing_share**0.5
    return Found(
        evidence=Evidence.HOLDS,
        since=min(began, key=lambda moment: moment.seen_s),
        share=min(1.0, (named_share if named_since else 0.0) + (thing_share if thing_since else 0.0)),
        names=names if names else ("something",),
        boxes=boxes,
        confidence=min(1.0, confidence),
    )


def _covered_since(there: list[Place], settings: StandingRule, ease: float) -> tuple[Moment | None, float]:
    """Since when these places, oldest first, have covered enough of the zone; and how much they cover now."""
    if not there:
        return None, 0.0
    grounds = tuple(geometry.ground_of_one(place.anchor) for place in there)
    share = geometry.union_cover(settings.zone, grounds)
    needed = settings.min_cover * ease
    for count in range(1, len(there) + 1):
        first = count - 1 if settings.counts_each_alone else 0
        if geometry.union_cover(settings.zone, grounds[first:count]) >= needed:
            return there[count - 1].since, share
    return None, share


def _object_since(
    state: StandingState, measured: StandingMeasure, now: Moment, settings: StandingRule, ease: float
) -> tuple[Moment | None, float, Box | None]:
    """The same for cells that stay changed and have no box; and the box round them."""
    if not settings.any_object or not len(measured.weights) or not state.ground.cells:
        return None, 0.0, None
    cannot_see = measured.under_box | np.isnan(measured.changed)
    seen = [cell for cell in state.ground.cells if not cannot_see[cell.index]]
    ages = [(cell, now.seen_s - cell.since.seen_s) for cell in seen]
    standing = [
        cell for cell, age_s in ages if age_s >= SETTLE_S and cell.seen_s >= MIN_PRESENCE * (age_s - cell.unknown_s)
    ]
    share = 0.0
    since: Moment | None = None
    for cell in sorted(standing, key=lambda item: item.since.seen_s):
        share += float(measured.weights[cell.index])
        if since is None and share >= max(settings.min_changed, settings.min_cover) * ease:
            since = cell.since
    return since, share, _box_round([cell.index for cell in standing], measured)


def _box_round(cells: list[int], measured: StandingMeasure) -> Box | None:
    if not cells:
        return None
    height, width = measured.grid_hw
    half = np.array([0.5 / width, 0.5 / height])
    left, top = (measured.centres[cells] - half).min(axis=0)
    right, bottom = (measured.centres[cells] + half).max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _is_object_hidden(state: StandingState, measured: StandingMeasure, settings: StandingRule) -> bool:
    """Enough of the zone was changed and cannot be seen now: what stood there may still stand there.

    Under a box, or without a scene to compare with (the light changed at once, the scene is learnt anew).
    """
    if not settings.any_object or not state.ground.cells:
        return False
    if not len(measured.weights):  # no shares without a grid: whatever had settled may still be there
        return any(cell.seen_s >= SETTLE_S for cell in state.ground.cells)
    cannot_see = measured.under_box | np.isnan(measured.changed)
    settled = (cell.index for cell in state.ground.cells if cell.seen_s >= SETTLE_S)
    share = sum(float(measured.weights[index]) for index in settled if cannot_see[index])
    return share >= max(settings.min_changed, settings.min_cover) / 2


def _chained(state: StandingState, found: Found, now: Moment) -> StandingState:
    """The zone's own time: it goes on when what stands there now stood there before the last thing left."""
    since, last = found.since, state.chain_last
    joins = since is not None and last is not None and since.seen_s <= last.seen_s + CHAIN_S
    return replace(state, chain_since=state.chain_since if joins else since, chain_last=now)


_PLACE_NAMES: Final = {
    Hazard.FIRE_LANE_OBSTRUCTION: "fire lane",
    Hazard.BLOCKED_EXIT: "evacuation exit",
    Hazard.ILLEGAL_PARKING: "no-stopping zone",
}


def _in_words(
    said: Transition | None, found: Found | None, measured: StandingMeasure, settings: StandingRule
) -> Decision | None:
    if said is None:
        return None
    place = _PLACE_NAMES[settings.hazard]
    seconds = said.held_s
    if said.phase is Phase.CLEARED or found is None:
        why = why_ended(said) or Why(
            "lane_clear",
            f"{place} seen clear for {settings.clear_after_s:g} s after {seconds:.0f} s blocked",
            {"place": place},
        )
        return decided(
            said,
            why,
            measures={"seconds": (seconds, "s")},
            model_digest=measured.model_digest,
            frame_size_wh=measured.frame_size_wh,
        )
    objects = ", ".join(dict.fromkeys(found.names))
    text = f"{place} {found.share:.0%} covered by {objects} for {seconds:.0f} s"
    if said.phase is Phase.RAISED:
        why = Why("lane_blocked", f"{text} >= {settings.dwell_s:g} s", {"objects": objects[:80], "place": place})
    else:
        why = Why("lane_still_blocked", f"still: {text}", {"objects": objects[:80], "place": place})
    return decided(
        said,
        why,
        confidence=found.confidence,
        boxes_xyxyn=found.boxes,
        measures={
            "share": (found.share, "share"),
            "seconds": (seconds, "s"),
            "objects": (float(len(found.names)), "objects"),
        },
        model_digest=measured.model_digest,
        frame_size_wh=measured.frame_size_wh,
    )
