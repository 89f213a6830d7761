"""Whether a detector must look at this picture, or its last answer still holds. Pure.

Invariants
    - An answer is carried only while the place its rules watch shows the same picture as when the detector answered:
      the change test compares with *that* picture, so a slow change adds up and is noticed.
    - No answer grows older than the refresh and one look: what the change test cannot see is found then.
    - Not knowing (no picture to compare with, almost everything differs) never saves a detection.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.attention.levels import Level
from xueliang_edge.attention.overload import REFRESH_S
from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Zone

# Two of a cell's 25 samples. A person of a twelfth of the picture's height covers 2 x 7 samples, and one sample alone
# flickers in the compression of a sharp edge.
MOVED_SHARE: Final = 0.08
EARLY_SHARE: Final = 0.1  # of a gap: looks do not come to the millisecond


class DetectionReason(StrEnum):
    """Why the detector must look, or need not."""

    FIRST = "first_look"
    NOT_COMPARABLE = "not_comparable"
    """Almost everything differs from the picture it saw, or there is none any more."""
    MOVED = "moved"
    WATCHED = "watched"
    REFRESH = "refresh"
    STILL = "still"
    """Its last answer is carried."""

    @property
    def must_run(self) -> bool:
        return self is not DetectionReason.STILL


def detection_reason(
    level: Level,
    moved: NDArray[np.float32] | None,
    near_zones: NDArray[np.bool_],
    *,
    gap_s: float,
    age_s: float | None,
    is_concerned: bool = True,
    refresh_s: float = REFRESH_S,
) -> DetectionReason:
    """Must one detector look at this picture of one camera?

    Args:
        level: how closely the camera is watched.
        moved: `Look.moved`: share of each cell that differs from the picture of the last detection.
        near_zones: bool, the same shape: `zone_cells` of the rules that look through this detector.
        gap_s: the largest gap of those rules (`Need.detector_gaps_s`).
        age_s: how old its last real answer for this camera is; None: there is none.
        is_concerned: False when what keeps the camera in watch is nothing of this detector's rules: it then answers
            at its own gap, beside one that answers at every look.
        refresh_s: see `Degradation.refresh_s`; rules that can wait longer are not refreshed sooner.
    """
    if age_s is None:
        return DetectionReason.FIRST
    if moved is None:
        return DetectionReason.NOT_COMPARABLE
    if has_moved(moved, near_zones):
        return DetectionReason.MOVED
    early = 1.0 - EARLY_SHARE
    if level is not Level.IDLE and (is_concerned or age_s >= gap_s * early):
        return DetectionReason.WATCHED
    if age_s >= max(refresh_s, gap_s) * early:
        return DetectionReason.REFRESH
    return DetectionReason.STILL


def has_moved(moved: NDArray[np.float32] | None, near_zones: NDArray[np.bool_]) -> bool:
    """True when something moved in these cells, or nobody can say."""
    return moved is None or bool((moved[near_zones] >= MOVED_SHARE).any())


def zone_cells(rules: Iterable[Any], grid_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The cells within the zones of these rules, one cell wider on every side, bool of the grid's shape.

    One cell is a thirtieth of the picture: what comes near is looked at before it is inside, and what stands in a zone
    rises above it. Rules without a zone add nothing.
    """
    zones: list[Zone] = [rule.zone for rule in rules if getattr(rule, "zone", ())]
    height, width = grid_hw
    cells = np.zeros(grid_hw, np.bool_)
    for zone in zones:
        index, _, _ = geometry.zone_cells(zone, grid_hw)
        cells.ravel()[index] = True
    framed = np.pad(cells, 1)
    shifted = [framed[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    return np.asarray(np.any(shifted, axis=0), dtype=np.bool_)
