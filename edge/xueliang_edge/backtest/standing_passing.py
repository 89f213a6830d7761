"""What only passes through a zone: looks whose boxes and changed cells are for certain gone before they can matter.

On a busy street something lies in the zone at every other look, and nearly all of it is seen once: what drives through,
a box of nothing, a cell that flickers. What one such look leaves is a place that no later look hits, that nothing hides
and no changed ground holds, so that two looks on it is forgotten; and cells that the next look shows as always. None of
it can be believed, hit, or be what hides the onset of something else. Such looks are found on whole columns. All that
is kept up over them is which cells a thing stood over that looked as always (`Ground.absorbed`), to the last bit. Pure.
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
from xueliang_edge.rules.episodes import MIN_CLEAR_LOOKS
from xueliang_edge.rules.places import HIDDEN_SHARE, SETTLED_IOU, Ground, Place, under_place
from xueliang_edge.rules.rasters import PointSet, union_of
from xueliang_edge.rules.standing_measure import StandingRule
from xueliang_edge.rules.zone_change import ZoneGrid

_FOLLOWING: Final = range(1, MIN_CLEAR_LOOKS + 1)  # so many looks on a place that was seen once is forgotten
_SURELY: Final = 0.9  # of what makes a box hit or hide a place: rounding is far smaller than the rest
_MOST_INSIDE: Final = 16  # far fewer than the places that are remembered at all


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
    def may_stay(self) -> list[bool]:
        """False: what this look leaves is gone two looks later."""
        found: list[bool] = (self.wakes | ~self.timeline.is_judged).tolist()
        return found

    @cached_property
    def _mono_s(self) -> list[float]:
        found: list[float] = self.timeline.mono_s.tolist()
        return found

    def leaves_nothing(self, ground: Ground, index: int, rule: StandingRule) -> bool:
        """All that is remembered before this look came with looks that pass, or is absorbed."""
        places, cells = ground.places, ground.cells if rule.any_object else ()
        if not (places or cells):
            return True
        if index < MIN_CLEAR_LOOKS or any(self.may_stay[index - MIN_CLEAR_LOOKS : index]):
            return False
        oldest_s, newest_s = self._mono_s[index - MIN_CLEAR_LOOKS], self._mono_s[index - 1]
        are_new = all(one.looks == 1 and one.last_hit.mono_s >= oldest_s for one in places)
        return are_new and all(patch.since.mono_s >= newest_s for patch in cells)

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
        index, gaps, is_judged = start, self.timeline.gap_s, self.timeline.is_judged
        while index < stop:
            if not (absorbed or under_hit):
                nearest = bisect_left(self._passing, index)
                index = self._passing[nearest] if nearest < len(self._passing) else stop
                if index >= stop:
                    break
            if is_judged[index]:
                if gaps[index] > rule.view_lost_after_s:
                    absorbed = 0
                elif self.grid is not None and self.has_change[index]:
                    absorbed = self._absorbed(absorbed, under_hit, index, self.grid)
                under_hit = int.from_bytes(self.covered[index].tobytes(), "little")
            index += 1
        return Ground(new_places(stop - 1) if under_hit else (), (), absorbed)

    def _absorbed(self, absorbed: PointSet, under_hit: PointSet, index: int, grid: ZoneGrid) -> PointSet:
        """As `places` has it."""
        known, still, _, under = (int.from_bytes(one.tobytes(), "little") for one in self.sets[index])
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
    is_followed = timeline.is_judged & ~may_be_twice & (inside.count <= _MOST_INSIDE)
    for ahead in _FOLLOWING:
        is_followed &= _later(timeline.is_judged if grid is None else timeline.is_judged & has_change, ahead)
    passes = is_asked & is_followed
    last = MIN_CLEAR_LOOKS
    passes[:-last] &= ~(covered[:-last] & open_changed[last:]).any(axis=1)  # held by what has changed under it
    if grid is not None and rule.any_object:
        stays = sets[1:, 1] | ~sets[1:, 0] | sets[1:, 3]
        passes[:-1] &= ~(open_changed[:-1] & stays).any(axis=1)
    asked = np.flatnonzero(passes & shows)
    for ahead in _FOLLOWING:
        asked = asked[~_is_hit(looks, inside, asked, ahead)]
        asked = asked[~_may_be_hidden(looks, inside, believed, asked, ahead)]
    is_gone = np.zeros(len(passes), np.bool_)
    is_gone[asked] = True
    passes &= is_gone | ~shows
    return Passing(timeline, is_asked & ~passes, passes, grid, has_change, sets, covered)


def _later(flags: Flags, ahead: int) -> Flags:
    """Of each look what is true of the one so many looks on; False beyond the end."""
    found = np.zeros(len(flags), np.bool_)
    found[:-ahead] = flags[ahead:]
    return found


def _pairs(
    inside: OfLooks, others: OfLooks, asked: NDArray[np.int64], ahead: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Each box inside at one of the looks `asked` with each of those others that a later look shows: index into
    `asked`, and the two.
    """
    first, count = others.first[asked + ahead], others.count[asked + ahead]
    for part in parts_of(inside.count[asked] * count):
        look, one = pairs(inside.first[asked[part]], inside.count[asked[part]])
        which, other = pairs(first[part][look], count[part][look])
        yield look[which] + part.start, one[which], other


def _is_hit(looks: LoggedLooks, inside: OfLooks, asked: NDArray[np.int64], ahead: int) -> Flags:
    """Which of the looks `asked` show something inside that a later look may hit."""
    found = np.zeros(len(asked), np.bool_)
    for look, one, other in _pairs(inside, inside, asked, ahead):
        common, area, of_other = _common(looks, inside.boxes[one], inside.boxes[other])
        found[look[common >= _SURELY * SETTLED_IOU * (area + of_other - common)]] = True
    return found


def _may_be_hidden(
    looks: LoggedLooks, inside: OfLooks, believed: OfLooks, asked: NDArray[np.int64], ahead: int
) -> Flags:
    """Which of the looks `asked` show something inside over which a later look may show believed boxes."""
    found = np.zeros(len(asked), np.bool_)
    for look, one, other in _pairs(inside, believed, asked, ahead):
        common, area, _ = _common(looks, inside.boxes[one], believed.boxes[other])
        over = np.bincount(one, common / np.maximum(area, 1e-12), len(inside.boxes))
        found[look[over[one] >= _SURELY * HIDDEN_SHARE]] = True
    return found


def _common(looks: LoggedLooks, a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Of pairs of boxes the area they have in common, and their areas."""
    one, other = looks.boxes_xyxyn[a].astype(np.float64), looks.boxes_xyxyn[b].astype(np.float64)
    width = np.minimum(one[:, 2], other[:, 2]) - np.maximum(one[:, 0], other[:, 0])
    height = np.minimum(one[:, 3], other[:, 3]) - np.maximum(one[:, 1], other[:, 1])
    common = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    areas = [(each[:, 2] - each[:, 0]) * (each[:, 3] - each[:, 1]) for each in (one, other)]
    return common, *areas
