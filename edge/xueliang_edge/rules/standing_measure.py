"""One look at a zone in which things may stand: what lies in it, what may hide it, what has changed in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.rules import BlockedExitRule, FireLaneRule, IllegalParkingRule
from xueliang_configs.values import polygon_area
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.geometry import Box, Boxes, Points, Zone

StandingRule = FireLaneRule | BlockedExitRule | IllegalParkingRule

WEAK_SHARE: Final = 0.5  # of the confident score: from here a box may keep a place
WIDER: Final = 0.1
MIN_INSIDE: Final = 0.3  # share of the ground a thing covers that must be in the zone; a neighbour's edge is not


@dataclass(frozen=True, eq=False)
class StandingMeasure:
    """One look, measured on the zone. What few looks need is worked out when it is asked for.

    Attributes:
        mono_s, at, is_known: when, and whether it could be judged.
        boxes: n boxes that count and lie in the zone, each thing once, surest first. scores: n. class_names: n.
        seen: the observation, for what else is in the picture.
        changed: float64 (k,), changed share of each zone cell, NaN where not known; k = 0 without a change grid.
        weights: float64 (k,), share of the zone in each cell.
        centres: float64 (k, 2). grid_hw: rows and columns; 0, 0 without a change grid.
    """

    mono_s: float
    at: datetime
    is_known: bool
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    class_names: tuple[str, ...]
    seen: Observation
    changed: NDArray[np.float64]
    weights: NDArray[np.float64]
    centres: Points
    grid_hw: tuple[int, int]
    confident_score: float
    model_digest: str | None
    frame_size_wh: tuple[int, int] | None

    @cached_property
    def others(self) -> tuple[Box, ...]:
        """Every believed box of the picture: what may hide a place."""
        return tuple(box for box, score, _ in self.seen.rows if score >= self.confident_score)

    @cached_property
    def under_box(self) -> NDArray[np.bool_]:
        """bool (k,), cells under any box, weak ones too."""
        boxes = self.seen.boxes_xyxyn
        if not len(boxes):
            return np.zeros(len(self.centres), dtype=bool)
        return geometry.covered_points(self.centres, widened(boxes))

    @cached_property
    def most_changed(self) -> float:
        """Of the cell that has changed most; 0 where nothing is known."""
        return float(np.fmax.reduce(self.changed, initial=0.0))


def measure(observations: Sequence[Observation], settings: StandingRule) -> tuple[StandingMeasure, ...]:
    """Every look measured on the zone; live, a batch of one."""
    return tuple(_measured(observation, settings) for observation in observations)


def _measured(observation: Observation, settings: StandingRule) -> StandingMeasure:
    inside = _inside(observation, settings)
    rows = observation.rows
    changed, weights, centres, grid_hw = _zone_change(observation, settings)
    return StandingMeasure(
        mono_s=observation.observed_mono_s,
        at=observation.observed_at,
        is_known=observation.is_good,
        boxes=tuple(rows[index][0] for index in inside),
        scores=tuple(rows[index][1] for index in inside),
        class_names=tuple(rows[index][2] for index in inside),
        seen=observation,
        changed=changed,
        weights=weights,
        centres=centres,
        grid_hw=grid_hw,
        confident_score=observation.confident_score,
        model_digest=observation.model_digest,
        frame_size_wh=observation.frame_size_wh,
    )


def _inside(observation: Observation, settings: StandingRule) -> list[int]:
    """Index of every box that counts and lies in the zone, surest first."""
    candidates = selecting.those_counted(observation, settings, WEAK_SHARE)
    rows, bounds = observation.rows, geometry.zone_bounds(settings.zone)
    near = {index for index in candidates if geometry.touches(geometry.ground_of_one(rows[index][0]), bounds)}
    if not near:
        return []
    index = np.array(candidates, dtype=np.int64)
    unique = index[geometry.merged(observation.boxes_xyxyn[index], observation.scores[index], 0.55, 0.85)]
    return [one for one in unique.tolist() if one in near and is_concerned(rows[one][0], settings.zone)]


def is_concerned(box: Box, zone: Zone) -> bool:
    """Enough of its ground is in the zone, or enough of the zone under it."""
    ground = geometry.ground_of_one(box)
    common = geometry.common_with_zone(ground, zone)
    return common > 0 and common >= MIN_INSIDE * min(geometry.area_of(ground), polygon_area(zone))


_NO_CHANGE: Final = (np.zeros(0), np.zeros(0), np.zeros((0, 2)), (0, 0))


def _zone_change(
    observation: Observation, settings: StandingRule
) -> tuple[NDArray[np.float64], NDArray[np.float64], Points, tuple[int, int]]:
    if observation.change is None:
        return _NO_CHANGE
    height, width = observation.change.shape
    index, weights, centres = geometry.zone_cells(settings.zone, (height, width))
    changed = observation.change.ravel()[index].astype(np.float64)
    if settings.exclude_zones:
        changed[_excluded(settings.zone, (height, width), settings.exclude_zones)] = 0.0
    return changed, weights, centres, (height, width)


@lru_cache(maxsize=512)
def cells_under(zone: Zone, grid_hw: tuple[int, int], boxes: tuple[Box, ...]) -> NDArray[np.bool_]:
    """bool (k,), which of the zone's cells lie under these boxes, a little widened."""
    rows = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    return geometry.covered_points(geometry.zone_cells(zone, grid_hw)[2], widened(rows))


@lru_cache(maxsize=512)
def _excluded(zone: Zone, grid_hw: tuple[int, int], excluded: tuple[Zone, ...]) -> NDArray[np.bool_]:
    return selecting.in_any(geometry.zone_cells(zone, grid_hw)[2], excluded)


def widened(boxes: Boxes) -> Boxes:
    """A tenth wider on each side: a person's shadow and a detector's jitter belong to the box."""
    margin = (boxes[:, 2:] - boxes[:, :2]) * np.float32(WIDER)
    wide = boxes.copy()
    wide[:, :2] -= margin
    wide[:, 2:] += margin
    return wide
