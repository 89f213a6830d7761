"""Tiles: where people are to be counted, the zone is looked at in parts beside the whole picture. Pure.

A compact detector finds most of a few people who stand alone at 30 pixels of its input, and less than half of them in a
crowd. Each tile shows its part of the picture at nearly twice the size.

Invariants
    - Tiles are asked for by what the whole picture showed: a calm camera costs one detection a look. They are for a
      crowd that may be there (`TILED_FROM_SHARE` of its count, weak boxes included), whose people are small.
    - Once asked for they stay for `HOLD_S`: a count in tiles is higher than one without, and must not come and go with
      a box.
    - Tiles overlap: what is no larger than the overlap lies whole in one of them. What is cut by an inner edge is not
      counted (`detection.joined`): what is larger than the overlap is seen in the whole picture.
    - Tiles that the detector has no time for are left out, and counted as such; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.rules import CrowdRule
from xueliang_edge.attention.crops import Crop
from xueliang_edge.rules import geometry
from xueliang_edge.rules.crowding import enough
from xueliang_edge.rules.geometry import Zone
from xueliang_edge.rules.standing_measure import WEAK_SHARE

# Of the count. Of 25 to 45 people seen from above the detector in the box is half sure of 13 (median; 5 to 20 or so): a
# crowd of which it is half sure of less than half for `HOLD_S` is not found.
TILED_FROM_SHARE: Final = 0.5
# Of the smaller people, in the network's input. On recordings tiles found 3.3 times as many people as the whole picture
# did where these were 28 to 37 pixels tall and stood close, 1.4 times as many at 40 to 62, and two for one from 150 on.
LARGE_PX: Final = 64.0
OVERLAP_SHARE: Final = 0.2  # of the part that is tiled: 50 to 90 pixels of the network's input
TILED_FROM_SIDE: Final = 0.6  # of the picture's width or height: a part below it is one tile wide or high
LEAST_GAIN: Final = 1.25  # a tile that shows things hardly larger than the whole picture does is not worth its time
BUDGET_SHARE: Final = 0.25  # of the time between two looks: a node has other cameras too
ABOVE_SHARE: Final = 0.15  # of the picture's height: people whose feet are in the zone rise above it
BESIDE_SHARE: Final = 0.03


class TileReason(StrEnum):
    """What became of tiles at one look that a rule wanted them for."""

    TILED = "tiled"
    TOO_DEAR = "too_dear"
    """The detector takes too long for so many parts, see `BUDGET_SHARE`."""
    GIVEN_UP = "given_up"
    """The node is overloaded, see `Degradation.NO_CROPS`."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What one detector found in a whole picture.

    Attributes:
        boxes_xyxyn: float32 (n, 4). scores: float32 (n,). class_names: n names.
        frame_size_wh, input_wh: pixels of the picture, and of the detector's input.
    """

    boxes_xyxyn: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    confident_score: float
    frame_size_wh: tuple[int, int]
    input_wh: tuple[int, int]

    @property
    def px_per_height(self) -> float:
        """Pixels of the network's input for the picture's height; letterboxed."""
        width, height = self.frame_size_wh
        return height * min(self.input_wh[0] / width, self.input_wh[1] / height)


def wants_tiles(rule: CrowdRule, shown: Shown, *, is_open: bool) -> bool:
    """Whether the whole picture shows so much of a crowd that its people must be counted closer.

    Args:
        is_open: its alert is open; it then matters whether the crowd is still there.
    """
    if rule.tiles != "auto":
        return rule.tiles == "always"
    people = _people(rule, shown)
    from_count = TILED_FROM_SHARE * (max(1, rule.clear_at_count) if is_open else enough(rule))
    return len(people) >= from_count and _height_px(rule, people, shown) < LARGE_PX


def tiles_for(zones: Sequence[Zone], size_wh: tuple[int, int], input_wh: tuple[int, int]) -> tuple[Crop, ...]:
    """One to four overlapping tiles that hold these zones and who stands in them; none when they would show no more."""
    if not zones:
        return ()
    across, down = (_cuts(low, high, size_wh[axis], input_wh[axis]) for axis, (low, high) in enumerate(_around(zones)))
    tiles = tuple(Crop(left, top, right, bottom) for top, bottom in down for left, right in across)
    gain = min(_scale(tile, input_wh) for tile in tiles) / min(n / m for n, m in zip(input_wh, size_wh, strict=True))
    return tiles if gain >= LEAST_GAIN else ()


def fits(tiles: int, detect_ms: float, gap_s: float) -> bool:
    """Whether so many more detections of `detect_ms` leave the detector its time for others."""
    return tiles * detect_ms <= BUDGET_SHARE * gap_s * 1000


def _people(rule: CrowdRule, shown: Shown) -> NDArray[np.float32]:
    """Boxes that may be somebody who counts, float32 (n, 4)."""
    counted = np.array([name in rule.classes for name in shown.class_names], dtype=np.bool_)
    boxes = shown.boxes_xyxyn[counted & (shown.scores >= WEAK_SHARE * shown.confident_score)]
    return boxes[geometry.points_inside(geometry.feet_of(boxes), rule.zone)]


def _height_px(rule: CrowdRule, people: NDArray[np.float32], shown: Shown) -> float:
    """How tall the smaller ones are: a quarter is smaller. As the rule's perspective says, else as they were seen."""
    if rule.heights is not None:
        there = geometry.zone_lattice(rule.zone)[:, 1]
        heights = np.array([max(0.0, rule.heights.expected_height(float(y))) for y in there])
    else:
        heights = people[:, 3] - people[:, 1]
    return float(np.quantile(heights, 0.25)) * shown.px_per_height if len(heights) else 0.0


def _around(zones: Sequence[Zone]) -> tuple[tuple[float, float], tuple[float, float]]:
    """What holds the zones and the people in them, 0..1: across and down."""
    points = np.concatenate([np.asarray(zone, np.float64) for zone in zones])
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return (
        (max(0.0, float(left) - BESIDE_SHARE), min(1.0, float(right) + BESIDE_SHARE)),
        (max(0.0, float(top) - ABOVE_SHARE), min(1.0, float(bottom) + BESIDE_SHARE)),
    )


def _cuts(low: float, high: float, size_px: int, input_px: int) -> tuple[tuple[int, int], ...]:
    """Where one axis is cut: one or two stretches of pixels, from even ones on, as colour planes begin."""
    count = 2 if high - low > TILED_FROM_SIDE else 1
    length = (high - low) * (1 + OVERLAP_SHARE) / 2 if count == 2 else high - low
    length = min(1.0, max(length, input_px / 2 / size_px))  # blown up more than twice nothing is gained
    starts = (low, high - length)[:count]
    placed = [int(np.clip(start, 0.0, 1.0 - length) * size_px) & ~1 for start in starts]
    return tuple((at, min(size_px, at + int(np.ceil(length * size_px)) + 1)) for at in placed)


def _scale(tile: Crop, input_wh: tuple[int, int]) -> float:
    return min(input_wh[0] / (tile.right - tile.left), input_wh[1] / (tile.bottom - tile.top))
