"""Which boxes of an observation count for a rule: class, score, size, parts of the picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.judging import BoxSettings, PerspectiveSettings
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Box, Points, Zone

CUT_FROM: Final = 0.995  # of the picture's height: a box that reaches down to here is cut by its edge


def thresholds(observation: Observation, settings: BoxSettings) -> NDArray[np.float64]:
    """From which score each box is believed, shape (n,): its class's own, else the detector's."""
    own, general = settings.min_scores, observation.confident_score
    return np.array([own.get(name, general) for name in observation.class_names], dtype=np.float64)


def counted(observation: Observation, settings: BoxSettings, ease: float = 1.0) -> NDArray[np.int64]:
    """Index of every box of a class that counts, large enough, in no excluded zone, and of `ease` of its threshold."""
    return np.array(those_counted(observation, settings, ease), dtype=np.int64)


def those_counted(observation: Observation, settings: BoxSettings, ease: float = 1.0) -> list[int]:
    """`counted` as a list."""
    own, general = settings.min_scores, observation.confident_score
    least = {name: ease * own.get(name, general) for name in settings.classes}
    excluded, min_height, heights = settings.exclude_zones, settings.min_height, settings.heights
    kept = []
    for index, (box, score, name) in enumerate(observation.rows):
        if name not in least or score < least[name] or box[3] - box[1] < min_height:
            continue
        if heights is not None and not _fits(box, heights):
            continue
        if excluded and is_in_any(*geometry.feet_of_one(box), excluded):
            continue
        kept.append(index)
    return kept


def standing_in_zone(observation: Observation, settings: BoxSettings, zone: Zone) -> list[int]:
    """Index of every box that counts and stands in the zone with its feet."""
    rows, those = observation.rows, those_counted(observation, settings)
    return [index for index in those if geometry.is_inside(*geometry.feet_of_one(rows[index][0]), zone)]


def _fits(box: Box, perspective: PerspectiveSettings) -> bool:
    """As tall as what counts looks where it stands."""
    height, expected = box[3] - box[1], perspective.expected_height(box[3])
    # Cut by the lower edge of the picture: how tall it is cannot be said, only that it is not too small for that.
    is_cut = box[3] >= CUT_FROM
    is_enough = is_cut or height >= perspective.least_factor * expected
    return expected > 0 and is_enough and height <= perspective.most_factor * expected


def is_in_any(x: float, y: float, zones: Iterable[Zone]) -> bool:
    """Whether the point lies in any of the zones."""
    return any(geometry.is_inside(x, y, zone) for zone in zones)


def in_any(points: Points, zones: Iterable[Zone]) -> NDArray[np.bool_]:
    """Which of the points lie in any of the zones, shape (n,)."""
    inside = np.zeros(len(points), dtype=bool)
    for zone in zones:
        inside |= geometry.points_inside(points, zone)
    return inside
