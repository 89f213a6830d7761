"""What a judged look showed, as far as attention is concerned. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.hazards import CrowdSettings, StandingSettings
from xueliang_configs.rules import Rule
from xueliang_edge.attention.levels import Signs
from xueliang_edge.attention.refreshing import has_moved
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry
from xueliang_edge.rules.standing_measure import WEAK_SHARE

CROWD_SHARE: Final = 0.5  # of the people that make a crowd: fewer are everyday life
CHANGE_SHARE: Final = 0.5  # of the change that makes an object without a name


def signs_of(
    rules: Sequence[Rule],
    observations: Iterable[Observation],
    *,
    moved: NDArray[np.float32] | None,
    near_zones: NDArray[np.bool_],
    raises_in_s: float | None,
    has_open_episode: bool,
    input_sizes_wh: Mapping[str, tuple[int, int]],
) -> Signs:
    """What the observations of one look say to `attend`; `input_sizes_wh`: what each detector's network sees."""
    candidates = [one for seen in observations for one in _candidates(rules, seen, input_sizes_wh)]
    return Signs(
        has_moved=moved is not None and has_moved(moved, near_zones),
        has_candidate=bool(candidates),
        raises_in_s=raises_in_s,
        has_open_episode=has_open_episode,
        smallest_candidate_px=min((px for px in candidates if px is not None), default=None),
    )


def _candidates(
    rules: Sequence[Rule], seen: Observation, input_sizes_wh: Mapping[str, tuple[int, int]]
) -> list[float | None]:
    """Long side in the network's pixels of every box that a rule may soon count; None for what has no box."""
    found: list[float | None] = []
    for rule in rules:
        if not seen.is_good or rule.detector != seen.detector:
            continue
        inside = _inside(rule, seen)
        if isinstance(rule, CrowdSettings) and len(inside) < max(1.0, CROWD_SHARE * rule.raise_at_count):
            continue
        size_wh = input_sizes_wh.get(seen.detector)
        found += [_long_side_px(box, size_wh) for box in inside]
        if isinstance(rule, StandingSettings) and rule.any_object and _is_changed(rule, seen):
            found.append(None)
    return found


def _inside(rule: Any, seen: Observation) -> NDArray[np.float32]:
    classes, zone = getattr(rule, "classes", ()), getattr(rule, "zone", ())
    counts = np.array([name in classes for name in seen.class_names], dtype=bool)
    rows = np.flatnonzero(counts & (seen.scores >= WEAK_SHARE * seen.confident_score))
    boxes = seen.boxes_xyxyn[rows]
    if not len(boxes) or not len(zone):
        return boxes
    is_inside = geometry.points_inside(geometry.feet_of(boxes), zone)
    return boxes[is_inside | (geometry.inside_shares(geometry.ground_of(boxes), zone) > 0)]


def _is_changed(rule: Any, seen: Observation) -> bool:
    if seen.change is None:
        return False
    index, weights, _ = geometry.zone_cells(rule.zone, seen.change.shape)
    changed = np.nan_to_num(seen.change.ravel()[index])
    return float((changed * weights).sum()) >= CHANGE_SHARE * rule.min_changed


def _long_side_px(box_xyxyn: NDArray[np.float32], size_wh: tuple[int, int] | None) -> float | None:
    if size_wh is None:
        return None
    width, height = (box_xyxyn[2:] - box_xyxyn[:2]) * np.array(size_wh, np.float32)
    return float(max(width, height))
