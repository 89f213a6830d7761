"""What counts in many looks at once: `rules/selecting.py` and the change grid over whole columns. Pure.

Every comparison is the one that the rules make, on the same types, so a look that shows nothing here shows nothing
there. Boxes come first by what is cheapest to ask: class and score leave a fifth of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.judging import BoxSettings
from xueliang_edge.observation_log.encoding import CHANGE_STEPS, UNKNOWN_CHANGE
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import ViewState
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.geometry import Boxes, Zone
from xueliang_edge.rules.standing_measure import WIDER, widened
from xueliang_edge.rules.zone_change import CHANGED, STILL_CHANGED

# Levels of the log that a cell has when its rules call it changed, and still changed: twelfths hold both exactly.
CHANGED_LEVEL: Final = round(CHANGED * CHANGE_STEPS)
STILL_CHANGED_LEVEL: Final = round(STILL_CHANGED * CHANGE_STEPS)
PAIRS_AT_ONCE: Final = 1 << 20  # some 100 MB on the way
_HAIR: Final = 1e-9  # a point on the border of a zone is asked of `points_inside`, whatever rounding does

Flags = NDArray[np.bool_]
Index = NDArray[np.int64]


def by_score(looks: LoggedLooks, rows: Index, marked: Callable[[float], Flags]) -> tuple[Flags, Index]:
    """The boxes that count, and how many of them each look shows, where that depends on the confident score.

    Args:
        rows: the looks that are asked about. What others would need (another detector's score) is left out.
        marked: confident score to bool (b,).

    Returns:
        bool (b,): counts in a look of at least one of their scores; int64 (len(rows),), for each look by its own score.
    """
    score_of = np.array([one.confident_score for one in looks.contexts])[looks.context[rows]]
    any_score = np.zeros(len(looks.scores), np.bool_)
    counts = np.zeros(len(rows), np.int64)
    for score in scores_of_good(looks, rows):
        flags, of_score = marked(score), score_of == score
        any_score |= flags
        counts[of_score] = shown(looks, flags)[rows[of_score]]
    return any_score, counts


def scores_of_good(looks: LoggedLooks, rows: Index) -> tuple[float, ...]:
    """The confident scores of these looks, as far as their view was good: the others show no boxes."""
    contexts = [looks.contexts[one] for one in np.unique(looks.context[rows])]
    return tuple(sorted({one.confident_score for one in contexts if one.view is ViewState.GOOD}))


def shown(looks: LoggedLooks, flags: Flags) -> Index:
    """How many of the flagged boxes each look shows."""
    before = np.concatenate([[0], np.cumsum(flags)])
    counts: Index = before[looks.box_start + looks.box_count] - before[looks.box_start]
    return counts


def counted(looks: LoggedLooks, settings: BoxSettings, confident_score: float, ease: float = 1.0) -> Flags:
    """`selecting.counted` for every box of the part, in looks of this confident score."""
    table = [settings.min_scores.get(name, confident_score) for name in looks.class_names]
    is_wanted = np.array([name in settings.classes for name in looks.class_names], np.bool_)
    thresholds = ease * np.array(table, np.float64)
    index = np.flatnonzero(is_wanted[looks.class_ids])
    index = index[looks.scores[index] >= thresholds[looks.class_ids[index]]]
    boxes = looks.boxes_xyxyn[index]
    index = index[_has_size(boxes, settings) & ~inside_any(geometry.feet_of(boxes), settings.exclude_zones)]
    return _flags(index, len(looks.scores))


def _has_size(boxes: Boxes, settings: BoxSettings) -> Flags:
    """The sizes that `selecting.those_counted` asks for, in the same steps."""
    feet_y = boxes[:, 3].astype(np.float64)
    heights = feet_y - boxes[:, 1]
    is_sized: Flags = heights >= settings.min_height
    if settings.heights is None:
        return is_sized
    expected = np.array([settings.heights.expected_height(float(y)) for y in feet_y], dtype=np.float64)
    is_enough = (feet_y >= selecting.CUT_FROM) | (heights >= settings.heights.least_factor * expected)
    return is_sized & (expected > 0) & is_enough & (heights <= settings.heights.most_factor * expected)


def inside_any(points: NDArray[np.float64], zones: Sequence[Zone]) -> Flags:
    """`selecting.in_any`, quick where most points are far from the zones."""
    inside = np.zeros(len(points), np.bool_)
    for zone in zones:
        low, high = np.min(zone, axis=0) - _HAIR, np.max(zone, axis=0) + _HAIR
        near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
        inside[near] |= geometry.points_inside(points[near], zone)
    return inside


def standing_in(looks: LoggedLooks, flags: Flags, zone: Zone) -> Flags:
    """Those of the flagged boxes whose feet are in the zone."""
    index = np.flatnonzero(flags)
    return _flags(index[inside_any(geometry.feet_of(looks.boxes_xyxyn[index]), (zone,))], len(flags))


def meeting(looks: LoggedLooks, flags: Flags, zone: Zone, part_of: Callable[[Boxes], Boxes]) -> Flags:
    """Those of the flagged boxes of which a part meets the rectangle round the zone."""
    index = np.flatnonzero(flags)
    boxes = part_of(looks.boxes_xyxyn[index])
    return _flags(index[_meets(boxes, np.min(zone, axis=0), np.max(zone, axis=0))], len(flags))


def _flags(index: Index, count: int) -> Flags:
    flags = np.zeros(count, np.bool_)
    flags[index] = True
    return flags


def pairs(starts: Index, counts: Index) -> tuple[Index, Index]:
    """The elements of some ranges, and of which range each is: 2 and 7, of 3 and 1, give 0 0 0 1 and 2 3 4 7."""
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return owner, np.repeat(starts, counts) + np.arange(len(owner)) - first


def changed_in_the_open(
    looks: LoggedLooks, rows: Index, cells: Index, centres: NDArray[np.float64], covering: Flags
) -> Flags:
    """Which of the looks `rows` show one of the cells changed with none of the `covering` boxes, widened, over it."""
    is_changed = levels_of(looks, rows, cells) >= CHANGED_LEVEL
    return in_the_open(looks, rows, is_changed, centres, over_cells(looks, covering, centres))


def levels_of(looks: LoggedLooks, rows: Index, cells: Index) -> NDArray[np.int8]:
    """Of some cells in the looks `rows`, shape (len(rows), len(cells)); -1 where not known."""
    if looks.grids.grid_hw is None:
        return np.full((len(rows), len(cells)), -1, np.int8)
    levels: NDArray[np.int8] = looks.change_levels_of(cells)[rows].view(np.int8)
    levels[(levels == UNKNOWN_CHANGE) | ~looks.has_change[rows, None]] = -1
    return levels


def in_the_open(
    looks: LoggedLooks, rows: Index, is_changed: NDArray[np.bool_], centres: NDArray[np.float64], near: Flags
) -> Flags:
    """Which of the looks `rows` have a changed cell with none of the `near` boxes, widened, over it.

    Args:
        is_changed: bool (len(rows), k), which of its cells. centres: float64 (k, 2), of the cells.
    """
    found = np.zeros(len(rows), np.bool_)
    at, cell = np.nonzero(is_changed)
    covering = of_looks(looks, rows, near)
    wide = widened(looks.boxes_xyxyn[covering.boxes])
    first, count = covering.first[at], covering.count[at]
    is_open = np.ones(len(at), np.bool_)
    for part in parts_of(count):
        which, box = pairs(first[part], count[part])
        which += part.start
        x, y = centres[cell[which], 0], centres[cell[which], 1]
        is_under = (x >= wide[box, 0]) & (x <= wide[box, 2]) & (y >= wide[box, 1]) & (y <= wide[box, 3])
        is_open[which[is_under]] = False
    found[at[is_open]] = True
    return found


@dataclass(frozen=True, slots=True, eq=False)
class OfLooks:
    """Some boxes of a part, and which of them each of m looks shows: `count` from the `first` on.

    Attributes:
        boxes: int64 (k,), ascending. first, count: int64 (m,).
    """

    boxes: Index
    first: Index
    count: Index

    def bounds(self) -> tuple[list[int], list[int]]:
        """Of each look, from where and to where in `boxes`. No slices: they take ten times as long to make."""
        return self.first.tolist(), (self.first + self.count).tolist()


def of_looks(looks: LoggedLooks, rows: Index, flags: Flags) -> OfLooks:
    """Of the flagged boxes those that each of the looks `rows` shows."""
    boxes = np.flatnonzero(flags)
    first = np.searchsorted(boxes, looks.box_start[rows])
    count = np.searchsorted(boxes, looks.box_start[rows] + looks.box_count[rows]) - first
    return OfLooks(boxes, first, count)


def parts_of(count: Index) -> list[slice]:
    """Stretches of at most about `PAIRS_AT_ONCE` pairs."""
    ends = np.cumsum(count)
    cuts = np.searchsorted(ends, np.arange(PAIRS_AT_ONCE, int(ends[-1]) if len(ends) else 0, PAIRS_AT_ONCE))
    edges = [0, *np.unique(cuts).tolist(), len(count)]
    return [slice(a, b) for a, b in pairwise(edges) if a < b]


_WIDEST: Final = 1.01 * WIDER


def over_cells(looks: LoggedLooks, flags: Flags, centres: NDArray[np.float64]) -> Flags:
    """Those of the flagged boxes that, widened, may lie over one of the cells: their common rectangle is asked."""
    if not len(centres):
        return np.zeros(len(flags), np.bool_)
    low, high = centres.min(axis=0), centres.max(axis=0)
    # Within the picture none is widened by more than a tenth of it; what the log keeps is.
    index = np.flatnonzero(_meets(looks.boxes_xyxyn, low - _WIDEST, high + _WIDEST) & flags)
    return _flags(index[_meets(widened(looks.boxes_xyxyn[index]), low, high)], len(flags))


def _meets(boxes: Boxes, low: NDArray[np.float64], high: NDArray[np.float64]) -> Flags:
    """Column by column: over an axis of two numbers `all` costs more than the comparing."""
    meets: Flags = (boxes[:, 0] <= high[0]) & (boxes[:, 2] >= low[0])
    meets &= boxes[:, 1] <= high[1]
    meets &= boxes[:, 3] >= low[1]
    return meets


def overlapping(looks: LoggedLooks, rows: Index, flags: Flags, min_iou: float, min_inside: float) -> Flags:
    """Which of the looks `rows` show two flagged boxes that `geometry.merged` may take for one thing."""
    kept = np.flatnonzero(flags)
    boxes = looks.boxes_xyxyn[kept].astype(np.float64)  # in the steps, and to the last bit, of `geometry.merged`
    area = np.clip(boxes[:, 2] - boxes[:, 0], 0, None) * np.clip(boxes[:, 3] - boxes[:, 1], 0, None)
    first = np.searchsorted(kept, looks.box_start[rows])
    count = np.searchsorted(kept, looks.box_start[rows] + looks.box_count[rows]) - first
    # Carried answers show the same boxes: each stretch of boxes is asked once.
    stretches, of_look = np.unique(np.stack([first, count], axis=1), axis=0, return_inverse=True)
    first, count = stretches[:, 0], stretches[:, 1]
    found = np.zeros(len(count), np.bool_)
    for part in parts_of(count * count):
        owner, one = pairs(first[part], count[part])
        which, other = pairs(first[part][owner], count[part][owner])
        a, is_later = one[which], other > one[which]
        a, other, look = a[is_later], other[is_later], owner[which][is_later] + part.start
        sides = np.minimum(boxes[a, 2:], boxes[other, 2:]) - np.maximum(boxes[a, :2], boxes[other, :2])
        sides = np.clip(sides, 0, None)
        common = sides[:, 0] * sides[:, 1]
        smaller, larger = np.minimum(area[a], area[other]), np.maximum(area[a], area[other])
        is_same = common >= min_iou * np.maximum(smaller + larger - common, 1e-12)
        is_inside = (common >= min_inside * np.maximum(smaller, 1e-12)) & (smaller >= 0.5 * larger)
        found[look[is_same | is_inside]] = True
    is_found: Flags = found[of_look.ravel()]
    return is_found
