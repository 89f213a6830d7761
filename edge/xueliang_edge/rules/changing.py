"""The place itself has changed and stays so: water that stands, things that lie on a road. Pure.

It needs no name for what is there: cells of the zone that stay changed against the long-term scene, in one piece, with
no person or vehicle over them. What passes is under a box, or gone by the next look. Light that changes much of the
zone at once is neither there nor gone (`max_changed`); a shadow that creeps changes its cells one after the other, and
an object all of them at once (`appears_within_s`); water may spread slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Final

import numpy as np

from xueliang_alerts.contract import EndReason, Hazard, Phase
from xueliang_configs.rules import DebrisOnRoadRule, WaterLevelRule
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry
from xueliang_edge.rules.cells import (
    Cells,
    ChangeMeasure,
    Piece,
    box_round,
    cells_of,
    changed_pieces,
    hidden_share,
    passed_unknown,
    remember_cells,
    standing_pieces,
)
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
)
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import Box
from xueliang_edge.rules.looking import blind_look, ended_in_words, is_after_gap, is_past, now_of, timing_of
from xueliang_edge.rules.present import Figure
from xueliang_edge.rules.standing_measure import WEAK_SHARE, widened

ChangeRule = WaterLevelRule | DebrisOnRoadRule

NEWS_SHARE: Final = 0.1
_WORDS: Final = {
    Hazard.WATER_LEVEL: ("water", "what may be standing water"),
    Hazard.DEBRIS_ON_ROAD: ("debris", "an object without a name"),
}


@dataclass(frozen=True, slots=True)
class ChangeState:
    """What the rule remembers.

    Attributes:
        cells: see `Cells`.
        about: the cells of what was last there: it is not gone while something else is in front of them.
        unclear_since: since when what was there is hidden; None when it is not.
    """

    episode: EpisodeState = field(default_factory=EpisodeState)
    cells: Cells = field(default_factory=Cells)
    about: tuple[int, ...] = ()
    unclear_since: Moment | None = None


def measure(observations: Sequence[Observation], settings: ChangeRule) -> tuple[ChangeMeasure, ...]:
    """Every look measured on the zone; live, a batch of one."""
    return tuple(_measured(observation, settings) for observation in observations)


def _measured(seen: Observation, settings: ChangeRule) -> ChangeMeasure:
    grid = np.zeros((0, 0)) if seen.change is None else seen.change.astype(np.float64)
    height, width = grid.shape
    index, kept = np.zeros(0, np.int64), np.zeros(0, np.int64)
    weights, centres = np.zeros(0), np.zeros((0, 2))
    if grid.size:
        index, kept = cells_of((height, width), settings.zone, settings.exclude_zones)
        _, weights, centres = geometry.zone_cells(settings.zone, (height, width))
    boxes = seen.boxes_xyxyn[seen.scores >= WEAK_SHARE * seen.confident_score]
    sure = seen.boxes_xyxyn[seen.scores >= seen.confident_score]
    return ChangeMeasure(
        mono_s=seen.observed_mono_s,
        at=seen.observed_at,
        is_known=seen.is_good,
        is_carried=seen.is_carried,
        model_digest=None,  # what is said rests on no box
        frame_size_wh=seen.frame_size_wh,
        changed=grid.ravel()[index],
        weights=weights[kept],
        centres=centres[kept],
        rows=index // max(width, 1),
        columns=index % max(width, 1),
        grid_wh=(width, height),
        under_box=geometry.covered_points(centres[kept], widened(boxes)),
        under_sure=geometry.covered_points(centres[kept], widened(sure)),
    )


def step(state: ChangeState, measured: ChangeMeasure, settings: ChangeRule) -> tuple[ChangeState, Decision | None]:
    """One look further."""
    timing = timing_of(settings)
    if is_past(state.episode, measured):
        return state, None
    if is_after_gap(state.episode, measured, settings.view_lost_after_s):
        state = ChangeState(episode=state.episode)
    if not measured.is_known:
        episode, said = advance(state.episode, blind_look(measured), timing)
        return replace(state, episode=episode), _in_words(said, None, measured, settings)
    last, now = state.episode.last, now_of(state.episode, measured, settings)
    is_light = measured.changed_share > settings.max_changed
    seconds = now.seen_s - (last.seen_s if last else 0.0)
    if is_light or not len(measured.changed):
        state = replace(state, cells=passed_unknown(state.cells, seconds))
    else:
        is_open = state.episode.open is not None
        state = replace(state, cells=remember_cells(state.cells, measured, now, seconds, is_open=is_open))
    found = _find(state, measured, now, settings, is_light=is_light)
    is_unclear = found.evidence is Evidence.UNCLEAR
    state = replace(
        state,
        about=found.cells or state.about,
        unclear_since=(state.unclear_since or now) if is_unclear else None,
    )
    if state.unclear_since and now.mono_s - state.unclear_since.mono_s > settings.view_lost_after_s:
        episode, said = ended(replace(state.episode, last=now), EndReason.VIEW_LOST)
        return ChangeState(episode=episode), _in_words(said, None, measured, settings)
    look = Look(
        measured.mono_s,
        measured.at,
        found.evidence,
        onset=found.since,
        severity=settings.severity,
        headline=found.share,
        news_step=NEWS_SHARE,
        may_begin=settings.may_begin(measured.at),
    )
    episode, said = advance(state.episode, look, timing)
    about = state.about if episode.open is not None or found.cells else ()
    return replace(state, episode=episode, about=about), _in_words(said, found, measured, settings)


def present_figure(state: ChangeState, measured: ChangeMeasure, settings: ChangeRule) -> Figure | None:
    """Of the zone changed, after `step` has taken this look."""
    now = state.episode.last
    if now is None:
        return None
    is_light = measured.changed_share > settings.max_changed
    found = _find(state, measured, now, settings, is_light=is_light)
    return Figure("share", found.share, "share", found.boxes)


@dataclass(frozen=True, slots=True)
class Found:
    """What has changed in the zone.

    Attributes:
        since: when it came to be enough. share: of the zone, all its pieces. cells: which.
    """

    evidence: Evidence
    since: Moment | None = None
    share: float = 0.0
    boxes: tuple[Box, ...] = ()
    cells: tuple[int, ...] = ()


def _find(state: ChangeState, measured: ChangeMeasure, now: Moment, settings: ChangeRule, *, is_light: bool) -> Found:
    if is_light or not len(measured.changed):
        return Found(Evidence.UNCLEAR)  # nothing to compare with: neither there nor gone
    is_open = state.episode.open is not None
    needed = settings.min_changed * (0.5 if is_open else 1.0)
    pieces = standing_pieces(state.cells, measured, now)
    sinces = [since for piece in pieces if (since := _enough_since(piece, needed, measured, settings, is_open))]
    if not sinces:
        return Found(Evidence.UNCLEAR if _may_be_there(state, measured, needed) else Evidence.ABSENT)
    large = [piece for piece in pieces if piece.share >= needed]
    boxes = tuple(box for piece in large if (box := box_round(piece.cells, measured)) is not None)
    share = min(1.0, sum(piece.share for piece in large))
    cells = tuple(cell.index for piece in large for cell in piece.cells)
    return Found(Evidence.HOLDS, min(sinces, key=lambda moment: moment.seen_s), share, boxes, cells)


def _may_be_there(state: ChangeState, measured: ChangeMeasure, needed: float) -> bool:
    """Not seen to be gone: hidden, or, while an alert is open, changed just now and not long enough to say by what."""
    changed = [cell.index for cell in state.cells.changed]
    if hidden_share(changed, measured) >= needed / 2:
        return True
    if state.episode.open is None:
        return False
    if hidden_share(state.about, measured) >= needed / 2:
        return True
    return any(piece.share >= needed for piece in changed_pieces(state.cells, measured))


def _enough_since(
    piece: Piece, needed: float, measured: ChangeMeasure, settings: ChangeRule, is_open: bool
) -> Moment | None:
    """Since when the piece covers enough of the zone; None when it does not, or grew as a shadow does."""
    within_s = settings.appears_within_s if isinstance(settings, DebrisOnRoadRule) and not is_open else np.inf
    share, first = 0.0, 0
    for index, cell in enumerate(piece.cells):
        share += float(measured.weights[cell.index])
        while cell.since.seen_s - piece.cells[first].since.seen_s > within_s:
            share -= float(measured.weights[piece.cells[first].index])
            first += 1
        if share >= needed - 1e-9 and index >= first:
            return cell.since
    return None


def _in_words(
    said: Transition | None, found: Found | None, measured: ChangeMeasure, settings: ChangeRule
) -> Decision | None:
    if said is None:
        return None
    code, what = _WORDS[settings.hazard]
    seconds = said.held_s
    if said.phase is Phase.CLEARED or found is None:
        text = f"the zone looks as always for {settings.clear_after_s:g} s, after {seconds:.0f} s of {what}"
        return ended_in_words(said, Why(f"{code}_gone", text), measured)
    text = f"{found.share:.0%} of the zone changed for {seconds:.0f} s"
    if said.phase is Phase.RAISED:
        limits = f">= {settings.min_changed:.0%} for {settings.dwell_s:g} s"
        why = Why(f"{code}_seen", f"{text}, {limits}: {what}, no person or vehicle explains it")
    else:
        why = Why(f"{code}_still", f"still: {text}: {what}")
    return decided(
        said,
        why,
        confidence=min(1.0, found.share**0.5),
        boxes_xyxyn=found.boxes[:64],
        measures={"share": (found.share, "share"), "seconds": (seconds, "s")},
        frame_size_wh=measured.frame_size_wh,
    )
