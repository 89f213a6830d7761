"""Flame or smoke that persists in one place and moves as flame and smoke do. Never from one picture. Pure.

How it decides
    - A box of a class that counts is *at a place* when it overlaps the boxes of earlier looks there; in `needed_looks`
      of the last `of_looks` looks that a detector judged it must be. Lights that drive by leave no two boxes in one
      place.
    - It must be alive: within some seconds its edges move (`min_flicker`), or it has grown since it was first seen
      there (`min_growth`), or the change grid says that the place differs from its long-term scene and goes on
      changing. A lamp, a sign, a wet road in the sun keeps its box for as long as it is there.
    - What fills most of the picture at once is haze or light (`max_box`): fire that grows so large was smaller before.
    - An open alert is held by any box in the zone of at least `HELD_SHARE` of the score: fire that dims is not out.
    - Carried answers are not seen once more: they neither confirm nor let it flicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import Phase
from xueliang_configs.rules import FireSmokeRule
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
from xueliang_edge.rules.geometry import Box, Boxes
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
from xueliang_edge.rules.standing_measure import widened

HELD_SHARE: Final = 0.6  # of the threshold: keeps an open alert
INSIDE_SHARE: Final = 0.3  # of a box that must lie in the zone; smoke drifts out of it
SAME_PLACE_IOU: Final = 0.1  # flames at two looks a second apart overlap by 0.3 and more, smoke by less
CHANGED: Final = 0.5  # of the cells under the box, against the long-term scene
CHANGE_MOVES: Final = 0.05  # how much that share must vary from look to look: what stands still does not
BOXES_KEPT: Final = 8
LIFE_S: Final = 5.0  # flames move within one second, smoke that only drifts within a few
LOOKS_KEPT: Final = 64


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FireMeasure(BoxesMeasure):
    """A look and the flame and smoke in it.

    Attributes:
        is_sure: bool (n,), believed; the others only hold an open alert.
        changed: float64 (n,), share of the cells under each box that differ from the scene; NaN where not known.
    """

    is_sure: NDArray[np.bool_]
    changed: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """One look that a detector judged: believed boxes, and how changed the ground under each is (None: not known)."""

    moment: Moment
    boxes: tuple[Box, ...] = ()
    changed: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class FireState:
    """What the rule remembers: its episode, and the looks of the last seconds."""

    episode: EpisodeState = field(default_factory=EpisodeState)
    recent: tuple[Seen, ...] = ()


def measure(observations: Sequence[Observation], settings: FireSmokeRule) -> tuple[FireMeasure, ...]:
    """Every look with its flame and smoke; live, a batch of one."""
    return tuple(_measured(observation, settings) for observation in observations)


def _measured(seen: Observation, settings: FireSmokeRule) -> FireMeasure:
    kept = selecting.counted(seen, settings, HELD_SHARE)
    boxes = seen.boxes_xyxyn
    centres = (boxes[kept, :2] + boxes[kept, 2:]).astype(np.float64) / 2
    is_in_zone = geometry.inside_shares(boxes[kept], settings.zone) >= INSIDE_SHARE
    kept = kept[is_in_zone & ~selecting.in_any(centres, settings.exclude_zones)]
    kept = kept[np.argsort(-seen.scores[kept], kind="stable")]
    base = BoxesMeasure.of(seen, kept)
    return FireMeasure(
        mono_s=base.mono_s,
        at=base.at,
        is_known=base.is_known,
        is_carried=base.is_carried,
        model_digest=base.model_digest,
        frame_size_wh=base.frame_size_wh,
        boxes=base.boxes,
        scores=base.scores,
        class_names=base.class_names,
        track_ids=base.track_ids,
        is_sure=(base.scores >= selecting.thresholds(seen, settings)[kept])
        & (geometry.areas(base.boxes) <= settings.max_box),
        changed=_changed_under(base.boxes, seen.change),
    )


def _changed_under(boxes: Boxes, change: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """Mean of the known cells under each box, shape (n,); NaN where none is known."""
    shares = np.full(len(boxes), np.nan)
    if change is None:
        return shares
    height, width = change.shape
    for index, (left, top, right, bottom) in enumerate(boxes):
        rows = slice(int(top * height), max(int(np.ceil(bottom * height)), int(top * height) + 1))
        columns = slice(int(left * width), max(int(np.ceil(right * width)), int(left * width) + 1))
        known = change[rows, columns][~np.isnan(change[rows, columns])]
        shares[index] = float(known.mean()) if len(known) else np.nan
    return shares


def step(state: FireState, measured: FireMeasure, settings: FireSmokeRule) -> tuple[FireState, Decision | None]:
    """One look further."""
    timing = timing_of(settings)
    if is_past(state.episode, measured):
        return state, None
    if not measured.is_known:
        episode, said = advance(state.episode, blind_look(measured), timing)
        return replace(state, episode=episode), _in_words(said, measured, None, settings)
    recent = () if is_after_gap(state.episode, measured, settings.gap_tolerance_s) else state.recent
    now = now_of(state.episode, measured, settings)
    if not measured.is_carried:
        recent = _with(recent, _seen(measured, now), settings)
    fire = _persisting(recent, settings)
    look = Look(
        measured.mono_s,
        measured.at,
        _evidence(state.episode, measured, fire),
        onset=state.episode.onset or (fire.since if fire else None),
        severity=settings.severity,
        headline=float(geometry.areas(measured.boxes).sum()),
        news_step=0.1,
        may_begin=settings.may_begin(measured.at),
    )
    episode, said = advance(state.episode, look, timing)
    return FireState(episode, recent), _in_words(said, measured, fire, settings)


def _with(recent: tuple[Seen, ...], seen: Seen, settings: FireSmokeRule) -> tuple[Seen, ...]:
    """The last `of_looks` looks, and all within `LIFE_S`: how it moves must not depend on how often one looks."""
    kept = (*recent, seen)[-LOOKS_KEPT:]
    young = sum(seen.moment.seen_s - one.moment.seen_s <= LIFE_S for one in kept)
    return kept[-max(settings.of_looks, young) :]


def _seen(measured: FireMeasure, now: Moment) -> Seen:
    sure = np.flatnonzero(measured.is_sure)[:BOXES_KEPT]
    changed = tuple(None if np.isnan(measured.changed[i]) else float(measured.changed[i]) for i in sure)
    return Seen(now, boxes_told(measured.boxes[sure]), changed)


def _evidence(episode: EpisodeState, measured: FireMeasure, fire: Fire | None) -> Evidence:
    if episode.open is not None:
        return Evidence.HOLDS if len(measured.boxes) else Evidence.ABSENT
    if fire is None:
        return Evidence.ABSENT
    # A look that misses it is no reason to begin, and none to start again.
    return Evidence.HOLDS if measured.is_sure.any() else Evidence.UNCLEAR


@dataclass(frozen=True, slots=True)
class Fire:
    """What persists at one place.

    Attributes:
        since: the first of these looks that showed it. looks: how many did.
        flicker: how far its edges move between these looks, as a share of its size.
        growth: how much larger than at first, as a share.
        stir: how much the changed share under it varies from look to look; 0 where that is not known.
    """

    since: Moment
    looks: int
    flicker: float
    growth: float
    stir: float


def _persisting(recent: Sequence[Seen], settings: FireSmokeRule) -> Fire | None:
    """The place that is most alive, seen in enough of the last looks; None when there is none."""
    last = recent[-settings.of_looks :]
    boxes = [box for seen in last for box in seen.boxes]
    repeated = [box for box in boxes if len(_chain(last, box)) >= settings.needed_looks]
    fires = [_fire(_chain(recent, box)) for box in repeated]
    alive = [fire for fire in fires if _is_alive(fire, settings)]
    return max(alive, key=lambda fire: (fire.looks, fire.flicker), default=None)


def _is_alive(fire: Fire, settings: FireSmokeRule) -> bool:
    return fire.flicker >= settings.min_flicker or fire.growth >= settings.min_growth or fire.stir >= CHANGE_MOVES


_Link = tuple[Moment, NDArray[np.float64], float | None]


def _chain(recent: Sequence[Seen], box: Box) -> list[_Link]:
    """In each look that has one, the box that overlaps this one most; the place may widen by a tenth."""
    place = widened(np.array([box], dtype=np.float32))
    links: list[_Link] = []
    for seen in recent:
        if not seen.boxes:
            continue
        boxes = np.array(seen.boxes, dtype=np.float32)
        overlap = geometry.ious(place, boxes)[0]
        best = int(overlap.argmax())
        if overlap[best] >= SAME_PLACE_IOU:
            links.append((seen.moment, boxes[best].astype(np.float64), seen.changed[best]))
    return links


def _fire(chain: Sequence[_Link]) -> Fire:
    boxes = np.array([box for _, box, _ in chain])
    sizes = np.sqrt(np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-8))
    changed = [share for _, _, share in chain if share is not None]
    is_new = len(changed) >= 2 and min(changed) >= CHANGED
    return Fire(
        since=chain[0][0],
        looks=len(chain),
        flicker=float(np.ptp(boxes, axis=0).mean() / sizes.mean()),
        growth=float((sizes[-1] / sizes[0]) ** 2 - 1),
        stir=float(np.abs(np.diff(changed)).mean()) if is_new else 0.0,
    )


def _in_words(
    said: Transition | None, measured: FireMeasure, fire: Fire | None, settings: FireSmokeRule
) -> Decision | None:
    if said is None:
        return None
    seconds = said.held_s
    if said.phase is Phase.CLEARED:
        text = f"no flame or smoke for {settings.clear_after_s:g} s, after {seconds:.0f} s of it"
        return ended_in_words(said, Why("fire_gone", text), measured)
    names = " and ".join(sorted(set(measured.class_names)))
    share = min(1.0, float(geometry.areas(measured.boxes).sum()))
    measures = {"seconds": (seconds, "s"), "share": (share, "picture")}
    text, about = f"{names} for {seconds:.0f} s", {"objects": names[:80]}
    if fire is not None:
        measures |= {"flicker": (fire.flicker, "share"), "growth": (fire.growth, "share")}
        text += f", seen in {fire.looks} looks lately (>= {settings.needed_looks})"
        text += f", edges move {fire.flicker:.1%}, {fire.growth:+.0%} in size"
    if said.phase is Phase.RAISED:
        why = Why("fire_seen", f"{text}; {settings.dwell_s:g} s wanted", about)
    else:
        why = Why("fire_still", f"still: {text}", about)
    return decided(
        said,
        why,
        confidence=measured.confidence,
        boxes_xyxyn=boxes_told(measured.boxes),
        measures=measures,
        model_digest=measured.model_digest,
        frame_size_wh=measured.frame_size_wh,
    )
