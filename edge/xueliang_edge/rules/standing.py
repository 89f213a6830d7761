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

from dataclasses import field, replace
from typing import Final

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
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import Box
from xueliang_edge.rules.looking import timing_of
from xueliang_edge.rules.places import LEAST_LOOKS, MIN_PRESENCE, SETTLE_S, Ground, Place, is_believed, remember
from xueliang_edge.rules.present import Figure
from xueliang_edge.rules.rasters import PointSet, members_of, union_of
from xueliang_edge.rules.standing_measure import StandingMeasure, StandingRule, measure

__all__ = ["StandingMeasure", "StandingRule", "StandingState", "measure", "present_figure", "step"]

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
    ground = remember(state.ground, measured, now, seconds, settings)
    found = find(ground, measured, now, settings, is_open=state.episode.open is not None)
    unclear_since = (state.unclear_since or now) if found.evidence is Evidence.UNCLEAR else None
    if unclear_since and now.mono_s - unclear_since.mono_s > settings.view_lost_after_s:
        episode, said = ended(replace(state.episode, last=now), EndReason.VIEW_LOST)
        return StandingState(episode=episode), _in_words(said, None, measured, settings)
    onset, chain_since, chain_last = found.since, state.chain_since, state.chain_last
    if found.evidence is Evidence.HOLDS and not settings.counts_each_alone:
        onset = chain_since = _chain_since(state, found)
        chain_last = now
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
    episode, said = advance(state.episode, look, timing, now)
    if said is not None and said.phase is Phase.CLEARED:
        # What was seen to be gone starts anew when it comes back: no dwell is carried into the next episode.
        hit = tuple(place for place in ground.places if place.is_hit)
        ground, chain_since, chain_last = replace(ground, places=hit), None, None
    after = StandingState(episode, ground, chain_since, chain_last, unclear_since)
    return after, _in_words(said, found, measured, settings)


def present_figure(state: StandingState, measured: StandingMeasure, settings: StandingRule) -> Figure | None:
    """Of the zone covered, after `step` has taken this look."""
    now = state.episode.last
    if now is None:
        return None
    found = find(state.ground, measured, now, settings, is_open=state.episode.open is not None)
    return Figure("share", found.share, "share", found.boxes(measured))


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in the zone now.

    Attributes:
        since: when the zone came to be covered enough by what stands there now.
        share: of the zone covered, on the ground.
        places: that stand there, oldest first.
        cells: of what has no name; none while it does not count. is_named: the places count.
        confidence: of what counts.
    """

    evidence: Evidence
    since: Moment | None = None
    share: float = 0.0
    places: tuple[Place, ...] = ()
    cells: PointSet = 0
    is_named: bool = False
    confidence: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Classes of what counts; "something" for what has no name."""
        return tuple(place.class_name for place in self.places) if self.is_named else ("something",)

    def boxes(self, measured: StandingMeasure) -> tuple[Box, ...]:
        """Surest first; last the box round what has no name."""
        boxes = [place.anchor for place in sorted(self.places, key=lambda place: -place.score)]
        if self.cells and measured.change is not None:
            boxes.append(measured.change.grid.box_round(self.cells))
        return tuple(boxes)


NOTHING: Final = Found(Evidence.ABSENT)
HIDDEN: Final = Found(Evidence.UNCLEAR)


def find(ground: Ground, measured: StandingMeasure, now: Moment, settings: StandingRule, *, is_open: bool) -> Found:
    """What of the remembered stands there now, and since when it covers enough."""
    if not (ground.places or ground.cells):
        return NOTHING
    believed = [
        place
        for place in ground.places
        if place.looks >= LEAST_LOOKS and is_believed(place, measured, now, settings, is_open=is_open)
    ]
    if not (believed or ground.cells):
        return NOTHING
    there = [place for place in believed if place.is_there]
    there.sort(key=lambda place: place.since.seen_s)
    ease = 0.5 if is_open else 1.0
    named_since, named_share = _covered_since(there, settings, ease)
    thing_since, thing_share, cells = _object_since(ground, measured, now, settings, ease)
    began = [since for since in (named_since, thing_since) if since is not None]
    if not began:
        is_hidden = any(place.is_hidden for place in believed) or _is_object_hidden(ground, measured, settings)
        return HIDDEN if is_hidden else NOTHING
    confidence = max((place.score for place in there), default=0.0) if named_since else thing_share**0.5
    return Found(
        evidence=Evidence.HOLDS,
        since=min(began, key=lambda moment: moment.seen_s),
        share=min(1.0, (named_share if named_since else 0.0) + (thing_share if thing_since else 0.0)),
        places=tuple(there),
        cells=cells if thing_since else 0,
        is_named=named_since is not None,
        confidence=min(1.0, confidence),
    )


def _covered_since(there: list[Place], settings: StandingRule, ease: float) -> tuple[Moment | None, float]:
    """Since when these places, oldest first, have covered enough of the zone; and how much they cover now."""
    if not there:
        return None, 0.0
    grounds = [geometry.ground_of_one(place.anchor) for place in there]
    share = geometry.union_cover(settings.zone, grounds)
    needed = settings.min_cover * ease
    if share < needed:
        return None, share
    for count in range(1, len(there) + 1):
        first = count - 1 if settings.counts_each_alone else 0
        if geometry.union_cover(settings.zone, grounds[first:count]) >= needed:
            return there[count - 1].since, share
    return None, share


def _object_since(
    ground: Ground, measured: StandingMeasure, now: Moment, settings: StandingRule, ease: float
) -> tuple[Moment | None, float, PointSet]:
    """The same for cells that stay changed and have no box; and which cells."""
    change = measured.change if settings.any_object and ground.cells else None
    if change is None:
        return None, 0.0, 0
    standing: list[tuple[float, int, Moment]] = []
    cells = 0
    for patch in ground.cells:
        age_s = now.seen_s - patch.since.seen_s
        if age_s >= SETTLE_S and patch.seen_s >= MIN_PRESENCE * (age_s - patch.unknown_s):
            seen = patch.cells & change.known & ~measured.under_box
            standing += [(patch.since.seen_s, cell, patch.since) for cell in members_of(seen)]
            cells |= seen
    share = 0.0
    since: Moment | None = None
    for _, cell, began in sorted(standing, key=_by_age):
        share += change.grid.weights[cell]
        if since is None and share >= max(settings.min_changed, settings.min_cover) * ease:
            since = began
    return since, share, cells


def _by_age(standing: tuple[float, int, Moment]) -> tuple[float, int]:
    return standing[:2]


def _is_object_hidden(ground: Ground, measured: StandingMeasure, settings: StandingRule) -> bool:
    """Enough of the zone was changed and cannot be seen now: what stood there may still stand there.

    Under a box, or without a scene to compare with (the light changed at once, the scene is learnt anew).
    """
    if not settings.any_object or not ground.cells:
        return False
    settled = [patch.cells for patch in ground.cells if patch.seen_s >= SETTLE_S]
    change = measured.change
    if change is None:  # no shares without a grid: whatever had settled may still be there
        return bool(settled)
    seen = change.known & ~measured.under_box
    share = change.grid.share(union_of(settled) & ~seen)
    return share >= max(settings.min_changed, settings.min_cover) / 2


def _chain_since(state: StandingState, found: Found) -> Moment | None:
    """The zone's own time: it goes on when what stands there now stood there before the last thing left."""
    since, last = found.since, state.chain_last
    joins = since is not None and last is not None and since.seen_s <= last.seen_s + CHAIN_S
    return state.chain_since if joins else since


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
        boxes_xyxyn=found.boxes(measured),
        measures={
            "share": (found.share, "share"),
            "seconds": (seconds, "s"),
            "objects": (float(len(found.names)), "objects"),
        },
        model_digest=measured.model_digest,
        frame_size_wh=measured.frame_size_wh,
    )
