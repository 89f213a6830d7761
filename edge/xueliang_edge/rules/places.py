"""Places where something stands, and cells that stay changed: what a standing rule remembers of the ground. Pure.

A place knows no track and no identity. It is hit by boxes that overlap its anchor, missed when the picture is good
and shows none, and hidden when something else is in front of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from xueliang_edge.rules import geometry
from xueliang_edge.rules.episodes import MIN_CLEAR_LOOKS, Moment
from xueliang_edge.rules.geometry import Box
from xueliang_edge.rules.standing_measure import StandingMeasure, StandingRule, cells_under

# Of the confident score, as the mean over a place's looks. Measured on one clip: a standing car that yolox_nano
# (confident from 0.45) sees at 0.31 to 0.44 for 35 s; at 0.8 it was believed 2 s late.
BELIEVED_SHARE: Final = 0.7
SETTLE_S: Final = 2.0  # standing, not rolling: a car that stops for a gate or a turn has left after this
FRESH_IOU: Final = 0.7  # a car at walking pace 20 m away falls below within a second
SETTLED_IOU: Final = 0.6
# Share of its time in which a place must be hit. In a queue that rolls through, with a third of a length between the
# cars, a spot is hit 0.4 of the time at SETTLED_IOU.
MIN_PRESENCE: Final = 0.6
HIDDEN_SHARE: Final = 0.5
CHANGED: Final = 0.5  # of a cell's pixels: begins to count
STILL_CHANGED: Final = 0.25
HELD_BY_CHANGE_S: Final = 60.0  # a detector may lose a parked car for a minute; longer, and its "nothing" is believed
# What comes to stand half beside a place, on the same line, has taken its ground: what stood there has moved on.
MOVED_ON: Final = (0.2, 0.85)  # of the place's width, from its middle to the other's
MOVED_ON_LINE: Final = 0.15  # of its height, between the lower edges: what passes in front stands lower
MOVED_ON_SIZE: Final = 1.5  # at most so many times as wide
MOVED_ON_LOOKS: Final = 2  # in a row
MAX_PLACES: Final = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    Attributes:
        anchor: the box at which it was first seen to stand.
        since, last_hit: the first and the last look that saw it there.
        visible_s, hit_s: seconds in which the place could be seen, and in which the thing was seen in it.
        score: mean score of the looks that hit. looks: how many.
        class_name: of the surest look. best: its score.
        misses: looks in a row, not hidden, without a hit. missed_s: their seconds.
        is_hit: the last look hit it. is_held: no box, but the ground under it is still changed against the background.
        is_hidden: something else was in front of it. crowded_s: seconds in which that was another vehicle.
        displaced: looks in a row that showed a vehicle half on its ground that had not stood there before.
    """

    anchor: Box
    since: Moment
    last_hit: Moment
    visible_s: float
    hit_s: float
    score: float
    looks: int
    class_name: str
    best: float
    misses: int = 0
    missed_s: float = 0.0
    is_hit: bool = True
    is_held: bool = False
    is_hidden: bool = False
    crowded_s: float = 0.0
    displaced: int = 0

    @property
    def is_there(self) -> bool:
        """True when the last look saw something stand here."""
        return self.is_hit or self.is_held


@dataclass(frozen=True, slots=True)
class ZoneCell:
    """A cell of the zone that stays changed.

    Attributes:
        index: counts the zone's cells.
        since: the first look that saw it changed.
        seen_s: seconds since in which it was seen changed, with no box over it.
        unknown_s: seconds since in which there was nothing to compare it with.
    """

    index: int
    since: Moment
    seen_s: float = 0.0
    unknown_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What is remembered of a zone's ground.

    Attributes:
        places: see `Place`; older ones first.
        cells: cells that are changed now, each with its beginning.
        absorbed: cells whose background has learnt a thing that was standing there: their change says nothing until it
            was seen to be none.
    """

    places: tuple[Place, ...] = ()
    cells: tuple[ZoneCell, ...] = ()
    absorbed: tuple[int, ...] = ()


def remember(ground: Ground, measured: StandingMeasure, now: Moment, seconds: float, settings: StandingRule) -> Ground:
    """One look further; `seconds` of watching since the last."""
    if not (ground.places or ground.cells or ground.absorbed or measured.boxes) and measured.most_changed < CHANGED:
        return ground  # most looks of most zones
    hits = _hits(ground.places, measured, now)
    places = []
    for index, place in enumerate(ground.places):
        box = hits.get(index)
        if box is not None:
            seen = _hit(place, measured, box, now, seconds)
        else:
            newcomers = _newcomers(place, ground, hits, measured)
            seen = _missed(place, measured, seconds, newcomers, is_held=_held_by_change(place, ground, measured))
        if not _is_gone(seen, now, settings):
            places.append(seen)
    taken = set(hits.values())
    places += [_new_place(measured, box, now) for box in range(len(measured.boxes)) if box not in taken]
    cells, absorbed = _cells(ground, measured, now, seconds, settings)
    return Ground(tuple(places[:MAX_PLACES]), cells, absorbed)


def _hits(places: tuple[Place, ...], measured: StandingMeasure, now: Moment) -> dict[int, int]:
    """Place index to box index: each box hits at most one place, best overlap first, older places before younger."""
    pairs = []
    for number, place in enumerate(places):
        needed = SETTLED_IOU if _is_settled(place, now) else FRESH_IOU
        for box_number, box in enumerate(measured.boxes):
            overlap = geometry.iou_of(place.anchor, box) if geometry.touches(place.anchor, box) else 0.0
            if overlap >= needed:
                pairs.append((-overlap, number, box_number))
    hits: dict[int, int] = {}
    taken: set[int] = set()
    for _, number, box_number in sorted(pairs):
        if number not in hits and box_number not in taken:
            hits[number] = box_number
            taken.add(box_number)
    return hits


def _is_settled(place: Place, now: Moment) -> bool:
    return now.seen_s - place.since.seen_s >= SETTLE_S


def _new_place(measured: StandingMeasure, box: int, now: Moment) -> Place:
    score = measured.scores[box]
    return Place(measured.boxes[box], now, now, 0.0, 0.0, score, 1, measured.class_names[box], score)


def _hit(place: Place, measured: StandingMeasure, box: int, now: Moment, seconds: float) -> Place:
    score, looks = measured.scores[box], place.looks + 1
    is_better = score > place.best
    return replace(
        place,
        last_hit=now,
        visible_s=place.visible_s + seconds,
        hit_s=place.hit_s + seconds,
        score=place.score + (score - place.score) / looks,
        looks=looks,
        class_name=measured.class_names[box] if is_better else place.class_name,
        best=max(score, place.best),
        misses=0,
        missed_s=0.0,
        is_hit=True,
        is_held=False,
        is_hidden=False,
        displaced=0,
    )


def _newcomers(place: Place, ground: Ground, hits: dict[int, int], measured: StandingMeasure) -> list[Box]:
    """Believed boxes of what did not stand anywhere yet when the place was last hit: a neighbour that did has not
    taken its ground.
    """
    last_s = place.last_hit.mono_s
    before = {hits[index] for index, one in enumerate(ground.places) if index in hits and one.since.mono_s <= last_s}
    sure = [index for index, score in enumerate(measured.scores) if score >= measured.confident_score]
    return [measured.boxes[index] for index in sure if index not in before]


def _missed(
    place: Place, measured: StandingMeasure, seconds: float, newcomers: Sequence[Box], *, is_held: bool
) -> Place:
    missed = replace(place, is_hit=False, is_held=is_held, is_hidden=False, displaced=0)
    # Its own box may lie a little too far outside the zone to be counted: it hides nothing.
    others = [box for box in measured.others if geometry.iou_of(place.anchor, box) < SETTLED_IOU]
    takers = [] if is_held else [box for box in newcomers if _takes_its_ground(place, box)]
    # Behind something else it may still stand.
    if takers and _hidden_share(place, [box for box in others if box not in takers]) < HIDDEN_SHARE:
        missed = replace(missed, displaced=place.displaced + 1)
    if _hidden_share(place, others) >= HIDDEN_SHARE:
        is_crowded = _hidden_share(place, measured.boxes) >= HIDDEN_SHARE
        crowded_s = place.crowded_s + (seconds if is_crowded else 0.0)
        return replace(missed, is_held=False, is_hidden=True, crowded_s=crowded_s)
    # The first miss after a hit proves nothing about the time between the two looks.
    counted_s = seconds if place.misses else 0.0
    return replace(
        missed,
        visible_s=place.visible_s + (0.0 if is_held else seconds),
        misses=place.misses + 1,
        missed_s=place.missed_s + counted_s,
    )


def _takes_its_ground(place: Place, box: Box) -> bool:
    """It stands half beside the place, on the same line, and is about as wide."""
    left, top, right, bottom = place.anchor
    width, height = right - left, bottom - top
    if abs(box[3] - bottom) > MOVED_ON_LINE * height:
        return False
    wide = (box[2] - box[0]) / max(width, 1e-9)
    apart = abs(box[0] + box[2] - left - right) / 2 / max(width, 1e-9)
    return 1 / MOVED_ON_SIZE <= wide <= MOVED_ON_SIZE and MOVED_ON[0] <= apart <= MOVED_ON[1]


def _hidden_share(place: Place, boxes: Iterable[Box]) -> float:
    common = sum(geometry.common_area(place.anchor, box) for box in boxes)
    return common / max(geometry.area_of(place.anchor), 1e-12)


def _is_gone(place: Place, now: Moment, settings: StandingRule) -> bool:
    if place.displaced >= MOVED_ON_LOOKS:
        return True
    if place.is_hit or place.is_hidden:
        return False
    if not _is_settled(place, now) or place.looks < 3:
        return place.misses >= MIN_CLEAR_LOOKS and not place.is_held
    limit_s = HELD_BY_CHANGE_S if place.is_held else settings.clear_after_s
    is_absent = place.missed_s >= limit_s and place.misses >= MIN_CLEAR_LOOKS
    return is_absent or place.hit_s < MIN_PRESENCE * place.visible_s


def _cells(
    ground: Ground, measured: StandingMeasure, now: Moment, seconds: float, settings: StandingRule
) -> tuple[tuple[ZoneCell, ...], tuple[int, ...]]:
    if not len(measured.changed):
        # Nothing was compared: neither there nor gone.
        return tuple(replace(cell, unknown_s=cell.unknown_s + seconds) for cell in ground.cells), ground.absorbed
    changed, is_known = measured.changed, ~np.isnan(measured.changed)
    is_free, is_same = ~measured.under_box & is_known, changed < STILL_CHANGED
    hit_anchors = tuple(place.anchor for place in ground.places if place.is_hit)
    under_place = cells_under(settings.zone, measured.grid_hw, hit_anchors)
    is_absorbed = np.zeros(len(changed), bool)
    is_absorbed[[index for index in ground.absorbed if index < len(changed)]] = True
    is_absorbed |= under_place & is_same
    is_absorbed &= ~(is_free & is_same & ~under_place)
    before = {cell.index: cell for cell in ground.cells if cell.index < len(changed)}
    begun = np.flatnonzero(is_free & ~is_absorbed & (changed >= CHANGED)).tolist()
    cells = []
    for index in sorted({*before, *begun}):
        cell = before.get(index)
        if cell is None:
            cells.append(ZoneCell(index, now))
        elif not is_free[index]:
            unknown_s = 0.0 if is_known[index] else seconds
            cells.append(ZoneCell(index, cell.since, cell.seen_s, cell.unknown_s + unknown_s))
        elif not is_absorbed[index] and changed[index] >= STILL_CHANGED:
            cells.append(ZoneCell(index, cell.since, cell.seen_s + seconds, cell.unknown_s))
    return tuple(cells), tuple(np.flatnonzero(is_absorbed).tolist())


def is_believed(place: Place, measured: StandingMeasure, now: Moment, settings: StandingRule, *, is_open: bool) -> bool:
    """It stands: long enough, seen steadily, and surely enough on the whole."""
    if not _is_settled(place, now) or place.looks < 3:
        return False
    # Before it is raised, time under other vehicles speaks against it: a rolling queue hides the spots it passes.
    possible_s = place.visible_s + (0.0 if is_open else place.crowded_s)
    is_steady = place.hit_s >= MIN_PRESENCE * possible_s
    threshold = settings.min_scores.get(place.class_name, measured.confident_score)
    return is_steady and place.score >= BELIEVED_SHARE * threshold


def _held_by_change(place: Place, ground: Ground, measured: StandingMeasure) -> bool:
    """The detector lost it, and the ground under it is still changed against the background."""
    if place.missed_s > HELD_BY_CHANGE_S or measured.most_changed < CHANGED:
        return False
    lower = geometry.ground_of(np.array([place.anchor], dtype=np.float32))
    under = geometry.covered_points(measured.centres, lower) & ~np.isnan(measured.changed) & ~measured.under_box
    under[[index for index in ground.absorbed if index < len(under)]] = False
    return bool(under.any()) and float(measured.changed[under].mean()) >= CHANGED
