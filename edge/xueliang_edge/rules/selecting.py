"""Which boxes of an observation count for a rule: class, score, size, parts of the picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.judging import BoxSettings, PerspectiveSettings
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Boxes, Points, Zone


def thresholds(observation: Observation, settings: BoxSettings) -> NDArray[np.float64]:
    """From which score each box is believed, shape (n,): its class's own, else the detector's."""
    own, general = settings.min_scores, observation.confident_score
    return np.array([own.get(name, general) for name in observation.class_names], dtype=np.float64)


def counted(observation: Observation, settings: BoxSettings, ease: float = 1.0) -> NDArray[np.int64]:
    """Index of every box of a class that counts, large enough, in no excluded zone, and of `ease` of its threshold."""
    of_class = np.array([name in settings.classes for name in observation.class_names], dtype=bool)
    is_sure = observation.scores >= ease * thresholds(observation, settings)
    is_sized = has_size(observation.boxes_xyxyn, settings)
    is_allowed = ~in_any(geometry.feet_of(observation.boxes_xyxyn), settings.exclude_zones)
    return np.flatnonzero(of_class & is_sure & is_sized & is_allowed)


def has_size(boxes: Boxes, settings: BoxSettings) -> NDArray[np.bool_]:
    """Which boxes are as large as what counts looks where it stands, shape (n,)."""
    heights = (boxes[:, 3] - boxes[:, 1]).astype(np.float64)
    is_sized: NDArray[np.bool_] = heights >= settings.min_height
    if settings.heights is None:
        return is_sized
    return is_sized & _fits(boxes[:, 3].astype(np.float64), heights, settings.heights)


def _fits(
    feet_y: NDArray[np.float64], heights: NDArray[np.float64], perspective: PerspectiveSettings
) -> NDArray[np.bool_]:
    expected = np.array([perspective.expected_height(float(y)) for y in feet_y], dtype=np.float64)
    least, most = perspective.least_factor * expected, perspective.most_factor * expected
    # Cut by the lower edge of the picture: how tall it is cannot be said, only that it is not too small for that.
    is_cut = feet_y >= 0.995
    return (expected > 0) & (is_cut | (heights >= least)) & (heights <= most)


def in_any(points: Points, zones: Iterable[Zone]) -> NDArray[np.bool_]:
    """Which of the points lie in any of the zones, shape (n,)."""
    inside = np.zeros(len(points), dtype=bool)
    for zone in zones:
        inside |= geometry.points_inside(points, zone)
    return inside
