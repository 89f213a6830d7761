"""What only passes through a zone: looks whose boxes and changed cells are for certain gone before they can matter.

On a busy street something lies in the zone at every other look, and nearly all of it is seen once: what drives through,
a box of nothing, a cell that flickers. What such a look leaves is a place that no later look hits before it is
forgotten, and cells that the next look shows as always, under no box. Neither is believed, and nothing else is decided
by them: whether they are remembered is the same to every other place, cell and alert. Such looks are found on whole
columns. All that is kept up over them is which cells a thing stood over that looked as always (`Ground.absorbed`), to
the last bit, and what the last of them showed. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.backtest.counting import Flags, OfLooks, pairs, parts_of
from xueliang_edge.backtest.covering import PackedSets
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.rules.covering_places import HIDDEN_SHARE, SETTLED_IOU
from xueliang_edge.rules.episodes import MIN_CLEAR_LOOKS, Moment
from xueliang_edge.rules.places import (
    FRESH_IOU,
    MAX_PLACES,
    SETTLE_S,
    Ground,
    Place,
    under_place,
)
from xueliang_edge.rules.rasters import PointSet, union_of
from xueliang_edge.rules.standing_measure import StandingRule
from xueliang_edge.rules.zone_change import ZoneGrid

_MOST_AHEAD: Final = 8  # looks on: what is remembered for longer is gone through look by look
_ROUNDING: Final = 1e-6  # of what makes a box hit or hide a place


@dataclass(frozen=True, eq=False)
class Passing:
    """Which looks leave nothing, and what they cover meanwhile.

    Attributes:
        wakes: bool (m,), looks at which something lies in the zone, or has changed in the open, and may stay.
        passes: bool (m,), looks at which it does not stay for certain.
        grid, sets: see `StandingBatch`. covered: uint8 (m, bytes), the cells under what lies in the zone, widened.
    """

    timeline: Timeline
    wakes: Flags
    passes: Flags
    grid: ZoneGrid | None
    has_change: Flags
    sets: NDArray[np.uint8]
    covered: PackedSets

    @cached_property
    def _passing(self) -> list[int]:
        found: list[int] = np.flatnonzero(self.passes).tolist()
        return found

    @cached_property
    def _when(self) -> frozenset[float]:
        return frozenset(self.timeline.mono_s[self.passes].tolist())

    @cached_property
    def may_stay(self) -> list[bool]:
        """Of each look `wakes`."""
        found: list[bool] = self.wakes.tolist()
        return found

    @cached_property
    def _columns(self) -> tuple[list[bool], list[float], list[bool]]:
        """Of each look: is it judged, its gap, has it a change grid. Plain: single numbers of arrays cost much."""
        return self.timeline.is_judged.tolist(), self.timeline.gap_s.tolist(), self.has_change.tolist()

    @cached_property
    def _covered(self) -> list[PointSet]:
        width, packed = self.covered.shape[1], self.covered.tobytes()
        if not width:
            return [0] * len(self.covered)
        return [int.from_bytes(packed[first : first + width], "little") for first in range(0, len(packed), width)]

    @cached_property
    def _packed_sets(self) -> bytes:
        return self.sets.tobytes()

    def leaves_nothing(self, ground: Ground, last: Moment | None, rule: StandingRule) -> bool:
        """All that is remembered after the look `last` came with looks that pass, or is absorbed."""
        when = self._when
        for place in ground.places:
            if place.looks > 1 or place.since.mono_s not in when:
                return False
        if not (rule.any_object and ground.cells):
            return True
        last_s = None if last is None else last.mono_s
        return last_s in when and all(patch.since.mono_s == last_s for patch in ground.cells)

    def over(
        self, ground: Ground, start: int, stop: int, rule: StandingRule, new_places: Callable[[int], tuple[Place, ...]]
    ) -> Ground:
        """What is remembered after these looks, none of which wakes.

        `ground`: of which `leaves_nothing` is true. `new_places`: of what lies in the zone at a look.
        """
        centres = None if self.grid is None else self.grid.centres
        absorbed, under_hit = ground.absorbed, 0
        if centres is not None:
            under_hit = union_of([under_place(centres, one.anchor) for one in ground.places if one.is_hit])
        index, (is_judged, gaps, has_change), covered = start, self._columns, self._covered
        while index < stop:
            if not (absorbed or under_hit):
                nearest = bisect_left(self._passing, index)
                index = self._passing[nearest] if nearest < len(self._passing) else stop
                if index >= stop:
                    break
            if is_judged[index]:
                if gaps[index] > rule.view_lost_after_s:
                    absorbed = 0
                elif self.grid is not None and has_change[index]:
                    absorbed = self._absorbed(absorbed, under_hit, index, self.grid)
                under_hit = covered[index]
            index += 1
        return Ground(new_places(stop - 1) if under_hit else (), (), absorbed)

    def _absorbed(self, absorbed: PointSet, under_hit: PointSet, index: int, grid: ZoneGrid) -> PointSet:
        """As `places` has it."""
        width, from_bytes = self.sets.shape[2], int.from_bytes
        first, packed = 4 * width * index, self._packed_sets
        known = from_bytes(packed[first : first + width], "little")
        still = from_bytes(packed[first + width : first + 2 * width], "little")
        under = from_bytes(packed[first + 3 * width : first + 4 * width], "little")
        same = (known & ~still) | grid.excluded
        absorbed = (absorbed & grid.centres.every) | (under_hit & same)
        return absorbed & ~(absorbed & same & ~under_hit & ~under)


def passing(
    looks: LoggedLooks,
    timeline: Timeline,
    rule: StandingRule,
    inside: OfLooks,
    believed: OfLooks,
    may_be_twice: Flags,
    grid: ZoneGrid | None,
    sets: NDArray[np.uint8],
    covered: PackedSets,
    open_changed: PackedSets,
) -> Passing:
    """Args as in `StandingBatch`; `open_changed`: uint8 (m, bytes), cells that count and have changed under no box."""
    has_open = open_changed.any(axis=1)
    shows, has_change = inside.count > 0, looks.has_change[timeline.rows]
    is_asked = shows | has_open if rule.any_object else shows
    passes = is_asked & timeline.is_judged & ~may_be_twice & (_around(inside.count) <= MAX_PLACES)
    passes &= _later(timeline.is_judged, 1)
    if grid is not None and rule.any_object:
        stays = sets[1:, 1] | ~sets[1:, 0] | sets[1:, 3]
        passes[:-1] &= ~(open_changed[:-1] & stays).any(axis=1)
        passes[-1:] = False
    boxes = _Boxes.of(looks, timeline, inside, np.flatnonzero(passes & shows))
    passes[boxes.staying(believed, covered, open_changed)] = False
    return Passing(timeline, is_asked & ~passes, passes, grid, has_change, sets, covered)


def _later(flags: Flags, ahead: int) -> Flags:
    """Of each look what is true of the one so many looks on; False beyond the end."""
    found = np.zeros(len(flags), np.bool_)
    found[:-ahead] = flags[ahead:]
    return found


def _around(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each look the sum of all looks whose places may be remembered together with its own."""
    before, index = np.concatenate([[0], np.cumsum(counts)]), np.arange(len(counts))
    until = np.minimum(index + _MOST_AHEAD + 1, len(counts))
    around: NDArray[np.int64] = before[until] - before[np.maximum(index - _MOST_AHEAD, 0)]
    return around


@dataclass(frozen=True, eq=False)
class _Boxes:
    """Boxes inside, each at one look.

    Attributes:
        look: int64 (n,), index of the look. box: int64 (n,), of the part.
    """

    looks: LoggedLooks
    timeline: Timeline
    inside: OfLooks
    look: NDArray[np.int64]
    box: NDArray[np.int64]

    @classmethod
    def of(cls, looks: LoggedLooks, timeline: Timeline, inside: OfLooks, asked: NDArray[np.int64]) -> _Boxes:
        """Those that the looks `asked` show."""
        which, one = pairs(inside.first[asked], inside.count[asked])
        return cls(looks, timeline, inside, asked[which], inside.boxes[one])

    def staying(self, believed: OfLooks, covered: PackedSets, open_changed: PackedSets) -> NDArray[np.int64]:
        """The looks of those that may be hit later, or be remembered for longer than can be said."""
        count, is_left = len(self.timeline), np.arange(len(self.look))
        missed, stays = np.zeros(len(self.look), np.int64), []
        for ahead in range(1, _MOST_AHEAD + 1):
            at = self.look[is_left] + ahead
            is_asked = at < count
            is_asked[is_asked] = self.timeline.is_judged[at[is_asked]]
            is_asked[is_asked] = ~self._is_hit(is_left[is_asked], ahead)
            stays.append(is_left[~is_asked])
            is_left = is_left[is_asked]
            missed[is_left] += ~self._may_be_hidden(is_left, ahead, believed)
            look = self.look[is_left]
            may_be_held = (covered[look] & open_changed[look + ahead]).any(axis=1)
            is_left = is_left[may_be_held | (missed[is_left] < MIN_CLEAR_LOOKS)]
        found: NDArray[np.int64] = self.look[np.concatenate([*stays, is_left])]
        return found

    def _is_hit(self, which: NDArray[np.int64], ahead: int) -> Flags:
        """Which of these boxes one that is inside so many looks on hits."""
        found, seen_s = np.zeros(len(which), np.bool_), self.timeline.seen_s
        look = self.look[which]
        is_settled = seen_s[look + ahead] - seen_s[look] >= SETTLE_S
        least = np.where(is_settled, SETTLED_IOU, FRESH_IOU) * (1 - _ROUNDING)
        for owner, other in self._with_later(which, ahead, self.inside):
            common, area, of_other = self._common(self.box[which[owner]], other)
            found[owner[common >= least[owner] * (area + of_other - common)]] = True
        return found

    def _may_be_hidden(self, which: NDArray[np.int64], ahead: int, believed: OfLooks) -> Flags:
        """Over which of these places the believed boxes of so many looks on may lie."""
        over = np.zeros(len(which))
        for owner, other in self._with_later(which, ahead, believed):
            common, area, of_other = self._common(self.box[which[owner]], other)
            is_own = common >= SETTLED_IOU * (1 + _ROUNDING) * (area + of_other - common)
            over += np.bincount(owner, np.where(is_own, 0.0, common / np.maximum(area, 1e-12)), len(which))
        may_be: Flags = over >= HIDDEN_SHARE * (1 - _ROUNDING)
        return may_be

    def _with_later(
        self, which: NDArray[np.int64], ahead: int, others: OfLooks
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Each of these boxes with those others that the look so many on shows: index into `which`, box of the part."""
        at = self.look[which] + ahead
        first, count = others.first[at], others.count[at]
        for part in parts_of(count):
            owner, other = pairs(first[part], count[part])
            yield owner + part.start, others.boxes[other]

    def _common(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
        """Of pairs of boxes the area they have in common, and their areas."""
        one, other = (self.looks.boxes_xyxyn[each].astype(np.float64) for each in (a, b))
        width = np.minimum(one[:, 2], other[:, 2]) - np.maximum(one[:, 0], other[:, 0])
        height = np.minimum(one[:, 3], other[:, 3]) - np.maximum(one[:, 1], other[:, 1])
        areas = [(each[:, 2] - each[:, 0]) * (each[:, 3] - each[:, 1]) for each in (one, other)]
        return np.maximum(width, 0.0) * np.maximum(height, 0.0), *areas
