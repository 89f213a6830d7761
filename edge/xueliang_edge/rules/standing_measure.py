"""One look at a zone in which things may stand: what lies in it, what may hide it, what has changed in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Final, Protocol

import numpy as np

from xueliang_configs.rules import BlockedExitRule, FireLaneRule, IllegalParkingRule
from xueliang_edge.observations import BoxRow, Observation
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.geometry import Box, Boxes, Zone
from xueliang_edge.rules.rasters import PointSet, set_of
from xueliang_edge.rules.zone_change import CHANGED, ZoneChange, ZoneGrid, change_in, zone_grid

StandingRule = FireLaneRule | BlockedExitRule | IllegalParkingRule

WEAK_SHARE: Final = 0.5  # of the confident score: from here a box may keep a place
WIDER: Final = 0.1
_WIDER: Final = float(np.float32(WIDER))
MIN_INSIDE: Final = 0.3  # share of the ground a thing covers that must be in the zone; a neighbour's edge is not


MERGED: Final = (0.55, 0.85)  # IoU, share inside: from here two boxes are one thing


class Picture(Protocol):
    """What else a look shows."""

    @property
    def believed(self) -> Sequence[Box]:
        """Every believed box: what may hide a place."""
        ...

    @property
    def widened(self) -> Sequence[Box]:
        """Every box, weak ones too, a little widened."""
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
        picture: for what else is in it.
        grid: the zone's cells; None without a change grid.
    """

    mono_s: float
    at: datetime
    is_known: bool
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    class_names: tuple[str, ...]
    picture: Picture
    grid: ZoneGrid | None
    confident_score: float
    model_digest: str | None
    frame_size_wh: tuple[int, int] | None

    @cached_property
    def under_box(self) -> PointSet:
        """The cells under any box, weak ones too; none without a grid."""
        return 0 if self.grid is None else self.grid.centres.under_any(self.picture.widened)

    @property
    def has_changed(self) -> bool:
        """At least one of the zone's cells."""
        return self.grid is not None and self.picture.has_changed(self.grid)

    @cached_property
    def change(self) -> ZoneChange | None:
        """None without a change grid."""
        return None if self.grid is None else self.picture.change(self.grid)


def measure(observations: Sequence[Observation], settings: StandingRule) -> tuple[StandingMeasure, ...]:
    """Every look measured on the zone; live, a batch of one."""
    return tuple([_measured(observation, settings) for observation in observations])


def _measured(observation: Observation, settings: StandingRule) -> StandingMeasure:
    rows, grid = observation.rows, None
    if observation.change is not None:
        height, width = observation.change.shape
        grid = zone_grid(settings.zone, (height, width), settings.exclude_zones)
    inside = things_inside(rows, selecting.those_counted(observation, settings, WEAK_SHARE), settings.zone)
    return StandingMeasure(
        mono_s=observation.observed_mono_s,
        at=observation.observed_at,
        is_known=observation.is_good,
        boxes=tuple([rows[index][0] for index in inside]),
        scores=tuple([rows[index][1] for index in inside]),
        class_names=tuple([rows[index][2] for index in inside]),
        picture=_shown(observation),
        grid=grid,
        confident_score=observation.confident_score,
        model_digest=observation.model_digest,
        frame_size_wh=observation.frame_size_wh,
    )


def things_inside(rows: Sequence[BoxRow], counted: Sequence[int], zone: Zone) -> list[int]:
    """Index of every box that counts and lies in the zone, each thing once, surest first."""
    bounds = geometry.zone_bounds(zone)
    near = [index for index in counted if geometry.touches(rows[index][0], bounds)]
    return surest_of(rows, [index for index in near if is_concerned(rows[index][0], zone)], counted)


def surest_of(rows: Sequence[BoxRow], concerned: Sequence[int], counted: Sequence[int]) -> list[int]:
    """Of the boxes that are concerned those that stay when each thing is taken once, surest first.

    Every box that counts may be the surer report of the same thing, wherever it stands.
    """
    if not concerned:
        return []
    return [one for one in geometry.merged_rows(rows, _like_any(rows, concerned, counted), *MERGED) if one in concerned]


def _like_any(rows: Sequence[BoxRow], wanted: Sequence[int], index: Sequence[int]) -> list[int]:
    """Those that have a say in which of the wanted ones stay: they are like one of them, or like such a one."""
    found, waiting = set(wanted), list(wanted)
    while waiting:
        box = rows[waiting.pop()][0]
        for other in index:
            if other not in found and geometry.is_same(box, rows[other][0], *MERGED):
                found.add(other)
                waiting.append(other)
    return sorted(found)


def is_concerned(box: Box, zone: Zone) -> bool:
    """Enough of its ground is in the zone, or enough of the zone under it."""
    ground = geometry.ground_of_one(box)
    common = geometry.common_with_zone(ground, zone)
    return common > 0 and common >= MIN_INSIDE * min(geometry.area_of(ground), geometry.zone_area(zone))


@dataclass(frozen=True, eq=False)
class _Shown:
    """The picture of an observation."""

    seen: Observation

    @cached_property
    def believed(self) -> tuple[Box, ...]:
        least = self.seen.confident_score
        return tuple([box for box, score, _ in self.seen.rows if score >= least])

    @cached_property
    def widened(self) -> list[Box]:
        wide: list[Box] = widened(self.seen.boxes_xyxyn).tolist() if self.seen.class_names else []
        return wide

    def has_changed(self, grid: ZoneGrid) -> bool:
        return bool(self._changed & grid.counting)

    def change(self, grid: ZoneGrid) -> ZoneChange:
        assert self.seen.change is not None
        return change_in(grid, self.seen.change)

    @cached_property
    def _changed(self) -> PointSet:
        """Of all cells of the grid."""
        return 0 if self.seen.change is None else set_of(self.seen.change.ravel() >= CHANGED)


@lru_cache(maxsize=8)
def _shown(observation: Observation) -> _Shown:
    """The rules of a camera ask one after the other: what they share is worked out once."""
    return _Shown(observation)


def widened_one(box: Box) -> Box:
    """`widened` for one box, to the last bit."""
    left, top, right, bottom = box
    across, down, _, _ = geometry.as_float32((right - left, bottom - top, 0.0, 0.0))
    across, down, _, _ = geometry.as_float32((across * _WIDER, down * _WIDER, 0.0, 0.0))
    return geometry.as_float32((left - across, top - down, right + across, bottom + down))


def widened(boxes: Boxes) -> Boxes:
    """A tenth wider on each side: a person's shadow and a detector's jitter belong to the box."""
    margin = (boxes[:, 2:] - boxes[:, :2]) * np.float32(WIDER)
    wide = boxes.copy()
    wide[:, :2] -= margin
    wide[:, 2:] += margin
    return wide
