"""Which boxes of an observation count for a rule: class, score, size, parts of the picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.judging import BoxSettings, PerspectiveSettings
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Box, Points, Zone
from xueliang_edge.rules.once import MOST_KEPT, LastAnswer, once_for

STANDING_MERGED: Final = (0.75, 0.95)  # IoU, share inside: from here two boxes that stand in a zone are one thing
Excluded = tuple[Zone, ...]
CUT_FROM: Final = 0.995  # of the picture's height: a box that reaches down to here is cut by its edge


def thresholds(observation: Observation, settings: BoxSettings) -> NDArray[np.float64]:
    """From which score each box is believed, shape (n,): its class's own, else the detector's."""
    own, general = settings.min_scores, observation.confident_score
    return np.array([own.get(name, general) for name in observation.class_names], dtype=np.float64)


def counted(observation: Observation, settings: BoxSettings, ease: float = 1.0) -> NDArray[np.int64]:
    """Index of every box of a class that counts, large enough, in no excluded zone, and of `ease` of its threshold."""
    return np.array(those_counted(observation, settings, ease), dtype=np.int64)


@once_for
def least_scores(settings: BoxSettings, confident_score: float, ease: float) -> dict[str, float]:
    """From which score a box of each class counts; what is not named does not."""
    own = settings.min_scores
    return {name: ease * own.get(name, confident_score) for name in settings.classes}


@dataclass(slots=True, eq=False)
class _Choice:
    """What counts by class, score, size and place; and of the last look that was asked about, which boxes do."""

    least: dict[str, float]
    last: LastAnswer[list[int]] = field(default_factory=LastAnswer)


@once_for
def _choice(settings: BoxSettings, confident_score: float, ease: float) -> _Choice:
    least = least_scores(settings, confident_score, ease)
    return _same_choice(tuple(sorted(least.items())), settings.min_height, settings.heights, settings.exclude_zones)


@lru_cache(maxsize=MOST_KEPT)
def _same_choice(
    least: tuple[tuple[str, float], ...], _height: float, _heights: PerspectiveSettings | None, _excluded: Excluded
) -> _Choice:
    """Rules of a camera often count the same, and ask one after the other."""
    return _Choice(dict(least))


def those_counted(observation: Observation, settings: BoxSettings, ease: float = 1.0) -> list[int]:
    """`counted` as a list."""
    choice, shown = _choice(settings, observation.confident_score, ease), observation.shown
    kept = choice.last.to(shown)
    if kept is None:
        rows, least, height = shown.rows, choice.least, settings.min_height
        kept = [
            index
            for index, (box, score, name) in enumerate(rows)
            if score >= least.get(name, inf) and box[3] - box[1] >= height
        ]
        if settings.heights is not None or settings.exclude_zones:
            kept = [index for index in kept if has_size_and_place(rows[index][0], settings)]
        choice.last.keep(shown, kept)
    return kept


def has_size_and_place(box: Box, settings: BoxSettings) -> bool:
    """As large as what counts, and in no excluded zone."""
    heights, excluded = settings.heights, settings.exclude_zones
    if box[3] - box[1] < settings.min_height or (heights is not None and not _fits(box, heights)):
        return False
    return not (excluded and is_in_any(*geometry.feet_of_one(box), excluded))


@dataclass(slots=True, eq=False)
class _Standing:
    """What is known of the boxes that stand in a rule's zone. `bounds`: see `geometry.bounds_for_feet`."""

    bounds: Box
    last: LastAnswer[list[int]] = field(default_factory=LastAnswer)


@once_for
def _standing(_settings: BoxSettings, zone: Zone, _confident_score: float) -> _Standing:
    return _Standing(geometry.bounds_for_feet(zone))


def standing_in_zone(observation: Observation, settings: BoxSettings, zone: Zone) -> list[int]:
    """Index of every box that counts and stands in the zone with its feet, each thing once, surest first."""
    about = _standing(settings, zone, observation.confident_score)
    found = about.last.to(observation.shown)
    if found is None:
        rows, (left, top, right, bottom) = observation.rows, about.bounds
        those = []
        for index in those_counted(observation, settings):
            box = rows[index][0]
            is_near = top <= box[3] <= bottom and left <= (box[0] + box[2]) / 2 <= right
            if is_near and geometry.is_inside(*geometry.feet_of_one(box), zone):
                those.append(index)
        found = about.last.keep(observation.shown, geometry.merged_rows(rows, those, *STANDING_MERGED))
    return found


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
