"""Closer crops: where to cut a large picture so that small things reach the network in their own pixels. Pure geometry.

Invariants
    - At most `CROPS_AT_MOST`, of the network's shape where the picture is large enough, all within the picture.
    - What is known to be small (candidates) is in a crop before the rest of a zone is.
    - A crop is as fine as it can be: one picture pixel for one of the network where that covers what is wanted, else
      the finest scale at which it does. A picture that is no larger than the network's input needs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Zone

CROPS_AT_MOST: Final = 3  # with the whole picture four detections a look: 60 ms of a compact detector
MARGIN_SHARE: Final = 0.12  # of a crop: what is wanted lies so far inside it, so that what stands there is not cut
_SCALE_STEP: Final = 2**0.25
_NO_BOXES: Final[NDArray[np.float32]] = np.zeros((0, 4), np.float32)


class Crop(NamedTuple):
    """A part of the picture: pixels, right and lower edge excluded."""

    left: int
    top: int
    right: int
    bottom: int


def crops_for(
    zones: Sequence[Zone],
    size_wh: tuple[int, int],
    input_wh: tuple[int, int],
    candidates_xyxyn: NDArray[np.float32] = _NO_BOXES,
) -> tuple[Crop, ...]:
    """Where to look closer in a picture of `size_wh` with a network of `input_wh`.

    Args:
        zones: of the rules that count, corners in 0..1.
        candidates_xyxyn: float32 (n, 4), what was seen in them and is small; empty: the zones in whole.

    Returns:
        None to three crops, in the order of what they hold. Empty: the whole picture is as fine as it gets.
    """
    if size_wh[0] <= input_wh[0] and size_wh[1] <= input_wh[1]:
        return ()
    points = _wanted(zones, candidates_xyxyn) * np.array(size_wh)
    if not len(points):
        return ()
    scale = 1.0
    while True:
        crop_wh = (min(size_wh[0], round(input_wh[0] * scale)), min(size_wh[1], round(input_wh[1] * scale)))
        if crop_wh == size_wh:
            return ()
        crops = _covering(points, crop_wh, size_wh)
        if crops is not None:
            return crops
        scale *= _SCALE_STEP


def _wanted(zones: Sequence[Zone], candidates_xyxyn: NDArray[np.float32]) -> NDArray[np.float64]:
    """Points in 0..1 that must lie in a crop, shape (n, 2): corners of the candidates, else the zones."""
    if len(candidates_xyxyn):
        boxes = np.clip(np.nan_to_num(candidates_xyxyn), 0.0, 1.0)
        corners = [boxes[:, columns] for columns in ([0, 1], [2, 1], [0, 3], [2, 3])]
        return np.concatenate(corners).astype(np.float64)
    parts = [np.concatenate([geometry.zone_lattice(zone), np.asarray(zone, np.float64)]) for zone in zones]
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def _covering(
    points: NDArray[np.float64], crop_wh: tuple[int, int], size_wh: tuple[int, int]
) -> tuple[Crop, ...] | None:
    """At most three crops that hold every point; None when it takes more."""
    crops: list[Crop] = []
    left_over = points
    while len(left_over):
        if len(crops) == CROPS_AT_MOST:
            return None
        crop, holds = _best(left_over, crop_wh, size_wh)
        crops.append(crop)
        left_over = left_over[~holds]
    return tuple(crops)


def _best(
    points: NDArray[np.float64], crop_wh: tuple[int, int], size_wh: tuple[int, int]
) -> tuple[Crop, NDArray[np.bool_]]:
    """The crop that holds most of these points, of those that begin at either end of where they are spread most.

    From an end, so that no gap is left behind that takes a crop of its own.
    """
    margin = np.array(crop_wh) * MARGIN_SHARE
    room = np.array(crop_wh) - 2 * margin
    axis = int(np.argmax((points.max(axis=0) - points.min(axis=0)) / room))
    tried: list[tuple[Crop, NDArray[np.bool_]]] = []
    for start in (points[:, axis].min(), points[:, axis].max() - room[axis]):
        strip = points[(points[:, axis] >= start - 1e-9) & (points[:, axis] <= start + room[axis] + 1e-9)]
        across = _densest(strip[:, 1 - axis], room[1 - axis])
        corner = np.array([start, across] if axis == 0 else [across, start]) - margin
        if float(np.ptp(points[:, axis])) <= room[axis]:  # all of it fits: in the middle
            corner[axis] = (points[:, axis].min() + points[:, axis].max() - crop_wh[axis]) / 2
        crop = _placed(corner, crop_wh, size_wh)
        tried.append((crop, _holds(crop, points, margin, size_wh)))
    return max(tried, key=lambda one: int(one[1].sum()))


def _densest(values: NDArray[np.float64], length: float) -> float:
    """Where a stretch of this length begins that holds most of the values, centred on those it holds."""
    ordered = np.sort(values)
    ends = np.searchsorted(ordered, ordered + length + 1e-9, side="right")
    first = int(np.argmax(ends - np.arange(len(ordered))))
    held = ordered[first : ends[first]]
    return float((held[0] + held[-1] - length) / 2)


def _placed(corner: NDArray[np.float64], crop_wh: tuple[int, int], size_wh: tuple[int, int]) -> Crop:
    """Moved into the picture, on even pixels where colour planes begin."""
    left, top = (
        int(np.clip(np.floor(at), 0, whole - part)) & ~1
        for at, part, whole in zip(corner, crop_wh, size_wh, strict=True)
    )
    return Crop(left, top, left + crop_wh[0], top + crop_wh[1])


def _holds(
    crop: Crop, points: NDArray[np.float64], margin: NDArray[np.float64], size_wh: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which points lie well inside: the margin away from every edge that is not the picture's own."""
    inside = np.ones(len(points), np.bool_)
    slack = margin - 3.0  # whole and even pixels
    for axis, (low, high) in enumerate(((crop.left, crop.right), (crop.top, crop.bottom))):
        from_px = low + slack[axis] if low > 0 else -1.0
        to_px = high - slack[axis] if high < size_wh[axis] - 1 else size_wh[axis] + 1.0
        inside &= (points[:, axis] >= from_px) & (points[:, axis] <= to_px)
    return inside
