"""One look at a zone in which things may stand: what lies in it, what may hide it, what has changed in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.rules import BlockedExitRule, FireLaneRule, IllegalParkingRule
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry, selecting
from xueliang_edge.rules.geometry import Boxes

StandingRule = FireLaneRule | BlockedExitRule | IllegalParkingRule

WEAK_SHARE: Final = 0.5  # of the confident score: from here a box may keep a place
MIN_INSIDE: Final = 0.3  # share of the ground a thing covers that must be in the zone; a neighbour's edge is not


@dataclass(frozen=True, slots=True, eq=False)
class StandingMeasure:
    """One look, measured on the zone.

    Attributes:
        mono_s, at, is_known: when, and whether it could be judged.
        boxes: float32 (n, 4), what counts and lies in the zone, each thing once, surest first.
        scores: float32 (n,). class_names: n names.
        others: float32 (m, 4), every believed box of the picture: what may hide a place.
        changed: float64 (k,), changed share of each zone cell, NaN where not known; k = 0 without a change grid.
        weights: float64 (k,), share of the zone in each cell.
        centres: float64 (k, 2). cell_wh: size of a cell; 0, 0 without a change grid.
        under_box: bool (k,), cells under any box, weak ones too.
    """

    mono_s: float
    at: datetime
    is_known: bool
    boxes: Boxes
    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    others: Boxes
    changed: NDArray[np.float64]
    weights: NDArray[np.float64]
    centres: NDArray[np.float64]
    under_box: NDArray[np.bool_]
    cell_wh: tuple[float, float]
    confident_score: float
    model_digest: str | None
    frame_size_wh: tuple[int, int] | None


def measure(observations: Sequence[Observation], settings: StandingRule) -> tuple[StandingMeasure, ...]:
    """Every look measured on the zone; live, a batch of one."""
    return tuple(_measured(observation, settings) for observation in observations)


def _measured(observation: Observation, settings: StandingRule) -> StandingMeasure:
    boxes, scores = observation.boxes_xyxyn, observation.scores
    candidates = selecting.counted(observation, settings, WEAK_SHARE)
    kept = candidates[geometry.merged(boxes[candidates], scores[candidates], 0.55, 0.85)]
    ground = geometry.ground_of(boxes[kept])
    share_alone = geometry.covers(settings.zone, ground)
    concerned = (geometry.inside_shares(ground, settings.zone) >= MIN_INSIDE) | (share_alone >= MIN_INSIDE)
    inside = kept[concerned]
    changed, weights, centres = _zone_change(observation, settings)
    return StandingMeasure(
        mono_s=observation.observed_mono_s,
        at=observation.observed_at,
        is_known=observation.is_good,
        boxes=boxes[inside],
        scores=scores[inside],
        class_names=tuple(observation.class_names[index] for index in inside),
        others=boxes[scores >= observation.confident_score],
        changed=changed,
        weights=weights,
        centres=centres,
        under_box=geometry.covered_points(centres, widened(boxes))
        if len(boxes)
        else np.zeros(len(centres), dtype=bool),
        cell_wh=_cell_wh(observation),
        confident_score=observation.confident_score,
        model_digest=observation.model_digest,
        frame_size_wh=observation.frame_size_wh,
    )


def _zone_change(
    observation: Observation, settings: StandingRule
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    if observation.change is None:
        return np.zeros(0), np.zeros(0), np.zeros((0, 2))
    height, width = observation.change.shape
    index, weights, centres = geometry.zone_cells(settings.zone, (height, width))
    changed = observation.change.ravel()[index].astype(np.float64)
    changed[selecting.in_any(centres, settings.exclude_zones)] = 0.0
    return changed, weights, centres


def _cell_wh(observation: Observation) -> tuple[float, float]:
    if observation.change is None:
        return 0.0, 0.0
    height, width = observation.change.shape
    return 1 / width, 1 / height


def widened(boxes: Boxes) -> Boxes:
    """A tenth wider on each side: a person's shadow and a detector's jitter belong to the box."""
    margin = np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=1) * 0.1
    wide: Boxes = np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)
    return wide
