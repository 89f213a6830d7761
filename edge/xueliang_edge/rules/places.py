"""Places where something stands, and cells that stay changed: what a standing rule remembers of the ground. Pure.

A place knows no track and no identity. It is hit by boxes that overlap its anchor, missed when the picture is good
and shows none, and hidden when something else is in front of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from xueliang_edge.rules import geometry
from xueliang_edge.rules.covering_places import SETTLED_IOU, is_crowded, is_over, takers_of_ground
from xueliang_edge.rules.episodes import MIN_CLEAR_LOOKS, Moment
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import Box
from xueliang_edge.rules.hiding import Cells, Veil, last_free_s, set_written, veils_after
from xueliang_edge.rules.rasters import PointSet, Raster, members_of, union_of
from xueliang_edge.rules.standing_measure import StandingMeasure, StandingRule, widened_one
from xueliang_edge.rules.zone_change import CHANGED, ZoneChange, ZoneGrid

# Of the confident score, as the mean over a place's looks. Measured on one clip: a standing car that yolox_nano
# (confident from 0.45) sees at 0.31 to 0.44 for 35 s; at 0.8 it was believed 2 s late.
BELIEVED_SHARE: Final = 0.7
SETTLE_S: Final = 2.0  # standing, not rolling: a car that stops for a gate or a turn has left after this
FRESH_IOU: Final = 0.7  # a car at walking pace 20 m away falls below within a second
# Share of its time in which a place must be hit. In a queue that rolls through, with a third of a length between the
# cars, a spot is hit 0.4 of the time at SETTLED_IOU.
MIN_PRESENCE: Final = 0.6
STOOD_SHARE: Final = 0.7  # of the cells under a box: one in eight of a thing's cells looks like the ground
ROUNDING_S: Final = 1e-6  # of sums of seconds
HELD_BY_CHANGE_S: Final = 60.0  # a detector may lose a parked car for a minute; longer, and its "nothing" is believed
MOVED_ON_LOOKS: Final = 2  # in a row: what has taken the ground of a place was there
# Of its own size between its first two looks: it rolled at the first. In made-up scenes the first box of what stood lay
# within 0.04 of the mean of the next three in 19 of 20, that of what rolled beyond 0.09 in half.
ROLLED_SHARE: Final = 0.08
PICTURE_EDGE: Final = 0.01  # of the picture: nearer to its edge a box may be cut off
MAX_PLACES: Final = 64
LEAST_LOOKS: Final = 3  # of a place that is believed


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    Attributes:
        anchor: the box at which it was first seen to stand; of what is cut off by the picture's edge the largest of
            its first `SETTLE_S`.
        since, last_hit: the first and the last look that saw it there. Unseen before the first: since the ground was
            last seen free; nothing where it still rolled.
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
class Patch:
    """Cells of the zone that have one history: of each it is what `ZoneCell` says."""

    cells: PointSet
    since: Moment
    seen_s: float = 0.0
    unknown_s: float = 0.0


# A snapshot names cells one by one.

_CELLS: Final = TypeAdapter(tuple[ZoneCell, ...])


def _cells_of(patches: Sequence[Patch]) -> tuple[ZoneCell, ...]:
    cells = [
        ZoneCell(index, patch.since, patch.seen_s, patch.unknown_s)
        for patch in patches
        for index in members_of(patch.cells)
    ]
    return tuple(sorted(cells, key=lambda cell: cell.index))


def _patches_of(written: Any) -> tuple[Patch, ...]:
    found: dict[tuple[Any, ...], Patch] = {}
    for cell in _CELLS.validate_python(written):
        history = (cell.since, cell.since.unseen_s, cell.seen_s, cell.unknown_s)
        before = found.get(history, Patch(0, cell.since, cell.seen_s, cell.unknown_s))
        found[history] = replace(before, cells=before.cells | set_written([cell.index]))
    return tuple(found.values())


Patches = Annotated[
    tuple[Patch, ...], PlainValidator(_patches_of), PlainSerializer(_cells_of, return_type=tuple[ZoneCell, ...])
]


@dataclass(frozen=True, slots=True)
class Ground:
    """What is remembered of a zone's ground.

    Attributes:
        places: see `Place`; older ones first.
        cells: cells that are changed now, each in one patch.
        absorbed: cells whose background has learnt a thing that was standing there: their change says nothing until it
            was seen to be none.
        veils: cells that something outside the zone stands in front of; those hidden for longest first.
    """

    places: tuple[Place, ...] = ()
    cells: Patches = ()
    absorbed: Cells = 0
    veils: tuple[Veil, ...] = ()


def remember(ground: Ground, measured: StandingMeasure, now: Moment, seconds: float, settings: StandingRule) -> Ground:
    """One look further; `seconds` of watching since the last."""
    before, boxes = ground.places, measured.boxes
    veils = veils_after(ground.veils, measured.hidden, now) if ground.veils or measured.in_front else ()
    if not (before or boxes or ground.cells or ground.absorbed or measured.has_changed):
        return Ground(veils=veils) if ground.veils or veils else ground  # most looks of most zones
    hits = hits_of(before, boxes, now)
    sight = _Sight.of(ground, measured, hits, seconds) if len(hits) < len(before) else None
    places = []
    for index, place in enumerate(before):
        box = hits.get(index)
        if box is not None:
            places.append(_hit(place, measured, box, now, seconds))
        elif sight is not None and (left := _missed(place, sight, now, settings)) is not None:
            places.append(left)
    if len(hits) < len(boxes):
        taken = hits.values()
        new = [box for box in range(len(boxes)) if box not in taken]
        places += [_new_place(measured, box, now, _unseen_since(ground, measured, box, now, settings)) for box in new]
    cells, absorbed = _cells(ground, measured, now, seconds, any_object=settings.any_object)
    return Ground(tuple(places[:MAX_PLACES]), cells, absorbed, veils)


def hits_of(places: Sequence[Place], boxes: Sequence[Box], now: Moment) -> dict[int, int]:
    """Place index to box index: each box hits at most one place, best overlap first, older places before younger."""
    pairs: list[tuple[float, int, int]] = []
    if not (boxes and places):
        return {}
    areas = [geometry.area_of(box) for box in boxes]
    for number, place in enumerate(places):
        left, top, right, bottom = place.anchor
        for box_number, (box_left, box_top, box_right, box_bottom) in enumerate(boxes):
            if box_left < right and box_right > left and box_top < bottom and box_bottom > top:
                # `geometry.iou_of`, in place: a busy street asks it of some dozens of pairs at every look.
                width = (right if right < box_right else box_right) - (left if left > box_left else box_left)
                height = (bottom if bottom < box_bottom else box_bottom) - (top if top > box_top else box_top)
                if width <= 0 or height <= 0:
                    continue
                common = width * height
                union = (right - left) * (bottom - top) + areas[box_number] - common
                overlap = common / (union if union > 1e-12 else 1e-12)
                if overlap >= SETTLED_IOU and overlap >= (SETTLED_IOU if is_settled(place, now) else FRESH_IOU):
                    pairs.append((-overlap, number, box_number))
    if len(pairs) < 2:
        return {number: box_number for _, number, box_number in pairs}
    hits: dict[int, int] = {}
    taken: set[int] = set()
    for _, number, box_number in sorted(pairs):
        if number not in hits and box_number not in taken:
            hits[number] = box_number
            taken.add(box_number)
    return hits


def is_settled(place: Place, now: Moment) -> bool:
    """It has stood for long enough to be no thing that rolls."""
    return now.seen_s - place.since.seen_s >= SETTLE_S


def _new_place(measured: StandingMeasure, box: int, now: Moment, since: Moment) -> Place:
    score = measured.scores[box]
    return Place(measured.boxes[box], since, now, 0.0, 0.0, score, 1, measured.class_names[box], score)


def _unseen_since(ground: Ground, measured: StandingMeasure, box: int, now: Moment, settings: StandingRule) -> Moment:
    """This look, unseen for as long as the detector missed what stood there, or something else hid its ground."""
    since = _missed_since(ground, measured, box, now, settings)
    return since if since is not now else hidden_since(ground.veils, measured.grid, measured.boxes[box], now)


def hidden_since(veils: Sequence[Veil], grid: ZoneGrid | None, box: Box, now: Moment) -> Moment:
    """This look, unseen since something in front of the ground under the box had hidden it."""
    if not veils or grid is None:
        return now
    under = grid.centres.under(geometry.ground_as_float32(box))
    free_s = last_free_s(veils, under, max(1.0, STOOD_SHARE * under.bit_count()))
    return now if free_s is None else replace(now, unseen_s=now.seen_s - free_s)


def _missed_since(ground: Ground, measured: StandingMeasure, box: int, now: Moment, settings: StandingRule) -> Moment:
    """This look; where the looks before saw the ground under the box changed and nothing on it, the detector missed
    what stood there: it is unseen for as long as that, and longer by what was unseen before.
    """
    change = measured.change if settings.any_object and ground.cells else None
    if change is None:
        return now
    # Not where a box lay over it in between: a bus that stood there, missed at one look.
    least_s = now.seen_s - now.unseen_s - ROUNDING_S
    bare = [patch for patch in ground.cells if patch.seen_s >= least_s - patch.since.seen_s]
    if not bare:
        return now
    under = change.grid.centres.under(geometry.ground_as_float32(measured.boxes[box])) & change.known
    count, needed = 0, max(1.0, STOOD_SHARE * under.bit_count())
    for patch in sorted(bare, key=_by_since):
        count += (patch.cells & under).bit_count()
        if count >= needed:
            # Changed for longer: by something else. And no alert begins before the last one was seen clear.
            missed_s = now.seen_s - patch.since.seen_s
            is_missed = missed_s <= settings.clear_after_s
            return replace(now, unseen_s=2 * missed_s + patch.since.unseen_s) if is_missed else now
    return now


def _by_since(patch: Patch) -> float:
    return patch.since.seen_s


def _hit(place: Place, measured: StandingMeasure, box: int, now: Moment, seconds: float) -> Place:
    score, looks = measured.scores[box], place.looks + 1
    is_better = score > place.best
    # Neither `replace` nor by names: this is asked of every standing thing at every look.
    return Place(
        measured.boxes[box] if _comes_in(place, measured.boxes[box], now) else place.anchor,
        _once_still(place, measured.boxes[box]) if looks == 2 else place.since,
        now,
        place.visible_s + seconds,
        place.hit_s + seconds,
        place.score + (score - place.score) / looks,
        looks,
        measured.class_names[box] if is_better else place.class_name,
        score if is_better else place.best,
        crowded_s=place.crowded_s,
    )


def _once_still(place: Place, box: Box) -> Moment:
    """Its first look; what has moved on a little since came to stand after it, so nothing before it is told."""
    left, top, right, bottom = place.anchor
    across = abs(box[0] + box[2] - left - right) / 2 / max(right - left, 1e-9)
    down = abs(box[1] + box[3] - top - bottom) / 2 / max(bottom - top, 1e-9)
    return replace(place.since, unseen_s=0.0) if max(across, down) > ROLLED_SHARE else place.since


def _comes_in(place: Place, box: Box, now: Moment) -> bool:
    """More of it than its anchor shows has come into the picture, and then it stood: later boxes are as large as this.

    Only while the place is young: what goes on coming in leaves its anchor as anything that moves.
    """
    if is_settled(place, now) or not _is_cut_off(place.anchor):
        return False
    return geometry.area_of(box) > geometry.area_of(place.anchor)


def _is_cut_off(box: Box) -> bool:
    return min(box[0], box[1]) <= PICTURE_EDGE or max(box[2], box[3]) >= 1 - PICTURE_EDGE


@dataclass(frozen=True, slots=True, eq=False)
class _Sight:
    """What a look says of the places that it did not hit, as far as it is the same for all of them.

    Attributes:
        sure: boxes in the zone that are believed, surest first. believed: every believed box.
        change: of the zone; None where nothing has changed. not_learnt: cells whose change says something.
    """

    ground: Ground
    measured: StandingMeasure
    hits: dict[int, int]
    seconds: float
    sure: Sequence[Box]
    believed: Sequence[Box]
    change: ZoneChange | None = None
    not_learnt: PointSet = 0

    @classmethod
    def of(cls, ground: Ground, measured: StandingMeasure, hits: dict[int, int], seconds: float) -> _Sight:
        sure = 0
        for score in measured.scores:
            if score < measured.confident_score:
                break
            sure += 1
        boxes, believed = measured.boxes[:sure], measured.picture.believed
        change = measured.change if measured.has_changed else None
        return cls(ground, measured, hits, seconds, boxes, believed, change, ~ground.absorbed)

    def is_changed_under(self, place: Place) -> bool:
        """The detector lost it, and the ground under it is still changed against the background."""
        change = self.change
        if change is None or place.missed_s > HELD_BY_CHANGE_S:
            return False
        under = _under_ground(change.grid.centres, place.anchor) & self.not_learnt
        if not under & change.changed:
            return False
        under &= ~self.measured.under_box
        return bool(under & change.changed) and change.mean(under & change.known) >= CHANGED

    def takers_of(self, place: Place) -> list[Box]:
        """Believed boxes that stand on the place's ground, of what did not stand anywhere yet when the place was last
        hit: a neighbour that did has not taken its ground.
        """
        takers = takers_of_ground(place.anchor, self.sure)
        if not takers:
            return []
        last_s, places = place.last_hit.mono_s, self.ground.places
        before = [box for at, box in self.hits.items() if places[at].since.mono_s <= last_s]
        return [self.sure[index] for index in takers if index not in before]


def _missed(place: Place, sight: _Sight, now: Moment, settings: StandingRule) -> Place | None:
    """The place after a look that did not hit it; None: what stood there is gone."""
    takers = sight.takers_of(place) if sight.sure else []
    is_hidden, are_others = is_over(place.anchor, sight.believed, takers)
    is_taken = bool(takers) and not are_others  # behind something else it may still stand
    is_held = (is_taken or not is_hidden) and sight.is_changed_under(place)
    displaced = place.displaced + 1 if is_taken and not is_held else 0
    if displaced >= MOVED_ON_LOOKS:
        return None
    visible_s, crowded_s, misses, missed_s = place.visible_s, place.crowded_s, place.misses, place.missed_s
    if is_hidden:
        is_held = False
        crowded_s += sight.seconds if is_crowded(place.anchor, sight.measured.boxes) else 0.0
        is_as_before = place.is_hidden and crowded_s == place.crowded_s and displaced == place.displaced
        if is_as_before and not (place.is_hit or place.is_held):
            return place  # what a parked car hides is hidden look after look
    else:
        visible_s += 0.0 if is_held else sight.seconds
        # The first miss after a hit proves nothing about the time between the two looks.
        missed_s += sight.seconds if misses else 0.0
        misses += 1
        is_young = place.looks < LEAST_LOOKS or not is_settled(place, now)
        limit_s = HELD_BY_CHANGE_S if is_held else settings.clear_after_s
        is_absent = not is_held if is_young else missed_s >= limit_s
        if misses >= MIN_CLEAR_LOOKS and is_absent:
            return None
        if not is_young and place.hit_s < MIN_PRESENCE * visible_s:
            return None
    return Place(
        place.anchor,
        place.since,
        place.last_hit,
        visible_s,
        place.hit_s,
        place.score,
        place.looks,
        place.class_name,
        place.best,
        misses,
        missed_s,
        is_hit=False,
        is_held=is_held,
        is_hidden=is_hidden,
        crowded_s=crowded_s,
        displaced=displaced,
    )


def _cells(
    ground: Ground, measured: StandingMeasure, now: Moment, seconds: float, *, any_object: bool
) -> tuple[tuple[Patch, ...], PointSet]:
    """Patches only where a rule counts what has no name; what the background has learnt matters to places too."""
    hit = [place.anchor for place in ground.places if place.is_hit]
    if not (hit or ground.cells or ground.absorbed or measured.has_changed):
        return (), 0
    change = measured.change
    if change is None:
        # Nothing was compared: neither there nor gone.
        return tuple([replace(patch, unknown_s=patch.unknown_s + seconds) for patch in ground.cells]), ground.absorbed
    centres = change.grid.centres
    under_hit = union_of([under_place(centres, anchor) for anchor in hit])
    same = change.known & ~change.still
    absorbed = (ground.absorbed & centres.every) | (under_hit & same)
    bare = absorbed & same & ~under_hit
    if not ((any_object and (ground.cells or change.changed)) or bare):
        return (), absorbed  # what lies over them does not matter
    free = change.known & ~measured.under_box
    absorbed &= ~(bare & free)
    if not any_object:
        return (), absorbed
    open_, before, cells = free & ~absorbed, 0, []
    for patch in ground.cells:
        before |= patch.cells
        cells += _gone_on(patch, change.known & ~free, ~change.known & centres.every, open_ & change.still, seconds)
    begun = open_ & change.changed & ~before
    if begun:
        cells.append(Patch(begun, now))
    return tuple(cells), absorbed


@lru_cache(maxsize=4096)
def under_place(centres: Raster, anchor: Box) -> PointSet:
    """The points under a place, a little widened. An anchor stays where it is, look after look."""
    return centres.under(widened_one(anchor))


@lru_cache(maxsize=4096)
def _under_ground(centres: Raster, anchor: Box) -> PointSet:
    return centres.under(geometry.ground_as_float32(anchor))


def _gone_on(patch: Patch, hidden: PointSet, unknown: PointSet, still: PointSet, seconds: float) -> list[Patch]:
    """What is left of a patch, by what was seen of its cells: under a box, nothing to compare with, still changed."""
    cells, since, seen_s, unknown_s = patch.cells, patch.since, patch.seen_s, patch.unknown_s
    parts = []
    if left := cells & still:
        parts.append(Patch(left, since, seen_s + seconds, unknown_s))
    if left := cells & unknown:
        parts.append(Patch(left, since, seen_s, unknown_s + seconds))
    if left := cells & hidden:
        parts.append(Patch(left, since, seen_s, unknown_s))
    return parts


def is_believed(place: Place, measured: StandingMeasure, now: Moment, settings: StandingRule, *, is_open: bool) -> bool:
    """It stands: long enough, seen steadily, and surely enough on the whole."""
    if place.looks < LEAST_LOOKS or not is_settled(place, now):
        return False
    # Before it is raised, time under other vehicles speaks against it: a rolling queue hides the spots it passes.
    possible_s = place.visible_s + (0.0 if is_open else place.crowded_s)
    is_steady = place.hit_s >= MIN_PRESENCE * possible_s
    threshold = settings.min_scores.get(place.class_name, measured.confident_score)
    return is_steady and place.score >= BELIEVED_SHARE * threshold
