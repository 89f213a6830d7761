"""One look at a zone in which things may stand: what lies in it, what may hide it, what has changed in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol

import numpy as np

from xueliang_configs.rules import BlockedExitRule, FireLaneRule, IllegalParkingRule
from xueliang_edge.observations import BoxRow, Observation, Shown
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import GROUND_SHARE, Box, Boxes, Outline
from xueliang_edge.rules.once import LastAnswer, asked_once, once_for
from xueliang_edge.rules.rasters import PointSet
from xueliang_edge.rules.zone_change import ZoneChange, ZoneGrid, change_in, sets_in, zone_grid

StandingRule = FireLaneRule | BlockedExitRule | IllegalParkingRule

WEAK_SHARE: Final = 0.5  # of the confident score: from here a box may keep a place
WIDER: Final = 0.1
_WIDER: Final = float(np.float32(WIDER))
MIN_INSIDE: Final = 0.3  # share of the ground a thing covers that must be in the zone; a neighbour's edge is not
_TINY: Final = 1e-8  # of the picture: below it rounding may matter to what a box and a zone have in common
_ROUNDING: Final = 1e-6
MERGED: Final = (0.55, 0.85)  # IoU, share inside: from here two boxes are one thing


class Picture(Protocol):
    """What else a look shows."""

    @property
    def believed(self) -> Sequence[Box]:
        """Every believed box: what may hide a place."""
        ...

    def under_boxes(self, grid: ZoneGrid) -> PointSet:
        """The cells under any box, weak ones too, a little widened."""
        ...

    def has_changed(self, grid: ZoneGrid) -> bool:
        """At least one cell that counts has."""
        ...

    def change(self, grid: ZoneGrid) -> ZoneChange:
        """How the zone differs from its scene."""
        ...


@dataclass(frozen=True, eq=False)
class StandingMeasure:
    """One look, measured on the zone. What few looks need is worked out when it is asked for.

    Attributes:
        mono_s, at, is_known: when, and whether it could be judged.
        boxes: n boxes that count and lie in the zone, each thing once, surest first. scores: n. class_names: n.
        in_front: believed boxes over the zone of what does not lie in it.
        picture: for what else is in it.
        grid: the zone's cells; None without a change grid.
    """

    mono_s: float
    at: datetime
    is_known: bool
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    class_names: tuple[str, ...]
    in_front: tuple[Box, ...]
    picture: Picture
    grid: ZoneGrid | None
    confident_score: float
    model_digest: str | None
    frame_size_wh: tuple[int, int] | None

    @asked_once
    def under_box(self) -> PointSet:
        """The cells under any box, weak ones too; none without a grid."""
        return 0 if self.grid is None else self.picture.under_boxes(self.grid)

    @property
    def hidden(self) -> PointSet:
        """The cells under what is in front; none without a grid."""
        return self.grid.centres.under_any(self.in_front) if self.grid is not None and self.in_front else 0

    @property
    def has_changed(self) -> bool:
        """At least one of the zone's cells."""
        return self.grid is not None and self.picture.has_changed(self.grid)

    @asked_once
    def change(self) -> ZoneChange | None:
        """None without a change grid."""
        return None if self.grid is None else self.picture.change(self.grid)


def measure(observations: Sequence[Observation], settings: StandingRule) -> tuple[StandingMeasure, ...]:
    """Every look measured on the zone; live, a batch of one."""
    if len(observations) == 1:
        return (_measured(observations[0], settings),)
    return tuple([_measured(observation, settings) for observation in observations])


def _measured(observation: Observation, settings: StandingRule) -> StandingMeasure:
    change = observation.change
    inside = _inside(observation, settings)
    return StandingMeasure(
        observation.observed_mono_s,
        observation.observed_at,
        observation.is_good,
        inside.boxes,
        inside.scores,
        inside.class_names,
        inside.in_front,
        _picture(observation),
        None if change is None else _grid_of(settings, change.shape),
        observation.confident_score,
        observation.model_digest,
        observation.frame_size_wh,
    )


@dataclass(frozen=True, slots=True)
class Inside:
    """What lies in a zone and before it, see `StandingMeasure`."""

    boxes: tuple[Box, ...] = ()
    scores: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()
    in_front: tuple[Box, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[BoxRow], in_front: tuple[Box, ...]) -> Inside:
        """These rows, surest first."""
        if not rows:
            return cls(in_front=in_front) if in_front else NOTHING_INSIDE
        boxes, scores, names = zip(*rows, strict=True)
        return cls(boxes, scores, names, in_front)


NOTHING_INSIDE: Final = Inside()


@dataclass(frozen=True, slots=True, eq=False)
class _Zone:
    """Of a rule's zone: its outline, and what lay in it at the last look that was asked about."""

    outline: Outline
    last: LastAnswer[Inside]


@once_for
def _zone(settings: StandingRule, _confident_score: float) -> _Zone:
    return _Zone(geometry.outline_of(settings.zone), LastAnswer())


@once_for
def _grid_of(settings: StandingRule, grid_hw: tuple[int, int]) -> ZoneGrid:
    return zone_grid(settings.zone, grid_hw, settings.exclude_zones)


def _inside(observation: Observation, settings: StandingRule) -> Inside:
    shown, zone = observation.shown, _zone(settings, observation.confident_score)
    known = zone.last.to(shown)
    if known is not None:
        return known
    rows, counted = shown.rows, selecting.those_counted(observation, settings, WEAK_SHARE)
    outline, concerned, in_front = zone.outline, [], []
    left, top, right, bottom = outline.bounds
    for index, (box, score, _) in enumerate(rows):
        if box[0] <= right and box[2] >= left and box[1] <= bottom and box[3] >= top:
            if index in counted and is_concerned(box, outline):
                concerned.append(index)
            elif score >= observation.confident_score:
                in_front.append(box)
    if concerned:
        concerned = surest_of(rows, concerned, counted)
    return zone.last.keep(shown, Inside.of([rows[one] for one in concerned], tuple(in_front)))


def surest_of(rows: Sequence[BoxRow], concerned: Sequence[int], counted: Sequence[int]) -> list[int]:
    """Of the boxes that are concerned those that stay when each thing is taken once, surest first.

    Every box that counts may be the surer report of the same thing, wherever it stands.
    """
    if not concerned or len(counted) == 1:
        return list(concerned)
    return [one for one in geometry.merged_rows(rows, _like_any(rows, concerned, counted), *MERGED) if one in concerned]


def _like_any(rows: Sequence[BoxRow], wanted: Sequence[int], index: Sequence[int]) -> list[int]:
    """Those that have a say in which of the wanted ones stay: they are like one of them, or like such a one."""
    found, waiting = set(wanted), list(wanted)
    while waiting:
        left, top, right, bottom = box = rows[waiting.pop()][0]
        for other in index:
            one = rows[other][0]
            if one[0] >= right or one[2] <= left or one[1] >= bottom or one[3] <= top or other in found:
                continue
            if geometry.is_same(box, one, *MERGED):
                found.add(other)
                waiting.append(other)
    return sorted(found)


def is_concerned(box: Box, outline: Outline) -> bool:
    """Enough of its ground is in the zone, or enough of the zone under it."""
    left, top, right, bottom = box
    top += (bottom - top) * (1 - GROUND_SHARE)
    ground, area = (left, top, right, bottom), (right - left) * (bottom - top)
    needed = MIN_INSIDE * (area if area < outline.area else outline.area)
    if needed > _TINY:
        least, most = outline.least_and_most_common(ground)
        if most < needed * (1 - _ROUNDING):
            return False
        if least > needed * (1 + _ROUNDING):
            return True
    common = geometry.common_with_zone(ground, outline.zone)
    return common > 0 and common >= needed


class _Picture:
    """The picture of an observation. Its change grid is gone through when a rule first asks for it."""

    __slots__ = ("_seen", "_sets")

    def __init__(self, seen: Observation) -> None:
        self._seen = seen
        self._sets: Sequence[PointSet] | None = None

    @property
    def believed(self) -> tuple[Box, ...]:
        return _believed(self._seen.shown, self._seen.confident_score)

    def under_boxes(self, grid: ZoneGrid) -> PointSet:
        return _under_boxes(self._seen.shown, grid)

    def has_changed(self, grid: ZoneGrid) -> bool:
        if self._seen.change is None:
            return False
        if self._sets is None:
            self._sets = sets_in(self._seen.change)
        return bool(self._sets[2] & grid.counting)

    def change(self, grid: ZoneGrid) -> ZoneChange:
        assert self._seen.change is not None
        if self._sets is None:
            self._sets = sets_in(self._seen.change)
        return change_in(grid, self._seen.change, self._sets)


@lru_cache(maxsize=8)
def _picture(observation: Observation) -> _Picture:
    """The rules of a camera ask one after the other: what they share is worked out once."""
    return _Picture(observation)


# The last answers of a node's cameras.


@lru_cache(maxsize=128)
def _believed(shown: Shown, confident_score: float) -> tuple[Box, ...]:
    return tuple([box for box, score, _ in shown.rows if score >= confident_score])


@lru_cache(maxsize=128)
def _widened(shown: Shown) -> Sequence[Box]:
    wide: list[Box] = widened(shown.boxes_xyxyn).tolist()
    return wide


@lru_cache(maxsize=256)
def _under_boxes(shown: Shown, grid: ZoneGrid) -> PointSet:
    return grid.centres.under_any(_widened(shown))


def widened_one(box: Box) -> Box:
    """`widened` for one box, to the last bit."""
    left, top, right, bottom = box
    across, down, _, _ = geometry.as_float32((right - left, bottom - top, 0.0, 0.0))
    across, down, _, _ = geometry.as_float32((across * _WIDER, down * _WIDER, 0.0, 0.0))
    return geometry.as_float32((left - across, top - down, right + across, bottom + down))


def widened(boxes: Boxes) -> Boxes:
    """A tenth wider on each side: a person's shadow and a detector's jitter belong to the box."""
    low, high, wide = boxes[:, :2], boxes[:, 2:], np.empty_like(boxes)
    margin = high - low
    margin *= np.float32(WIDER)
    np.subtract(low, margin, out=wide[:, :2])
    np.add(high, margin, out=wide[:, 2:])
    return wide
