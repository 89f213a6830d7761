"""People filled solid, or no picture.

Invariants
    - Solid fill, never blur: a blurred person can be recognised again, a filled one cannot.
    - It fails closed. A detector that is late, raises, gives numbers that are not finite or knows no class "person"
      ends in `Refused` with a reason that is counted; nothing here ever returns a mask it is not sure of.
    - What moves and is no vehicle counts as a person: a detector that misses somebody walking does not uncover them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_models.detections import Detections
from xueliang_models.pictures import Picture
from xueliang_streams.frame import Planes

PERSON_SCORE: Final = 0.05
VEHICLE_SCORE: Final = 0.30
PERSON_MARGIN: Final = 0.25  # of the box, on each side
MOVING_LEVELS: Final = 14
MOVING_TOO_MUCH: Final = 0.6  # share of the region: the camera shakes or the light flashes, movement tells nothing
VEHICLE_MOVES_SHARE: Final = 0.3  # of its box: it is the vehicle that moves, not somebody before it
SMALLEST_SIDE_PX: Final = 96
TILE_SHARE: Final = 0.6  # of each side; two by two, overlapping by a fifth of the picture: nobody is cut in every tile
VEHICLES: Final = frozenset({"car", "truck", "bus", "motorcycle", "bicycle"})
STILL_LONG_SIDE_PX: Final = 1280  # P07: no still is larger
_FULL_RANGE: Final = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)  # BT.601 luma


class PersonFinder(Protocol):
    """The part of a detector that masking needs."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def detect(self, picture: Picture, min_score: float) -> Detections: ...


@dataclass(frozen=True, slots=True)
class Refused:
    """No picture, and why: one word for the counter."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where people and vehicles are in one picture.

    Attributes:
        people_xyxy: float32, shape (n, 4), pixels, without margin; every box from `PERSON_SCORE` up.
        vehicles_xyxy: float32, shape (m, 4), pixels; boxes from `VEHICLE_SCORE` up.
    """

    people_xyxy: NDArray[np.float32]
    vehicles_xyxy: NDArray[np.float32]


def find_people(detector: PersonFinder, picture: Planes, is_late: Callable[[], bool]) -> Sighting | Refused:
    """Look at the whole picture and at four overlapping tiles: small people are found in the tiles only."""
    if "person" not in detector.classes:
        return Refused("no_person_class")
    if min(picture.size_wh) < SMALLEST_SIDE_PX:
        return Refused("picture_too_small")
    found: list[tuple[str, float, NDArray[np.float32]]] = []
    for left, top, right, bottom in [(0, 0, *picture.size_wh), *tiles(picture.size_wh)]:
        if is_late():
            return Refused("late")
        try:
            detections = detector.detect(picture.crop(left, top, right, bottom), PERSON_SCORE)
        except Exception:  # whatever a detector throws, the answer is the same: no picture
            return Refused("detector_failed")
        boxes, scores = np.asarray(detections.boxes_xyxy), np.asarray(detections.scores)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            return Refused("not_finite")
        offset = np.array([left, top, left, top], np.float32)
        names = (detector.classes[index] for index in detections.class_ids)
        found += [(name, float(score), box + offset) for name, score, box in zip(names, scores, boxes, strict=True)]
    if is_late():
        return Refused("late")
    return Sighting(
        _stack([box for name, score, box in found if name == "person" and score >= PERSON_SCORE]),
        _stack([box for name, score, box in found if name in VEHICLES and score >= VEHICLE_SCORE]),
    )


def tiles(size_wh: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Four overlapping tiles as left, top, right, bottom; they begin at even pixels, where a crop of planes does."""
    width, height = size_wh
    wide, tall = round(width * TILE_SHARE), round(height * TILE_SHARE)
    lefts, tops = (0, (width - wide) & ~1), (0, (height - tall) & ~1)
    return [(left, top, width if left else wide, height if top else tall) for top in tops for left in lefts]


def people_mask(sighting: Sighting, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Every person box with its margin, bool (h, w)."""
    mask = np.zeros((size_wh[1], size_wh[0]), np.bool_)
    for box in sighting.people_xyxy:
        _fill(mask, box, PERSON_MARGIN)
    return mask


def quiet_luma(picture: Planes) -> NDArray[np.uint8]:
    """Brightness 0 to 255 at half the size of a still, smoothed: compression noise stays below `MOVING_LEVELS`.

    Uint8 (h, w). Always made of the picture as it lies in its slot, not of one already brought down: two ways of
    reducing the same picture differ at every edge, and that would read as movement.
    """
    width, height = still_size(picture.size_wh)
    small = cv2.resize(picture.y, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    if not picture.is_full_range:
        small = cv2.LUT(small, _FULL_RANGE)
    return np.asarray(cv2.GaussianBlur(small, (5, 5), 0), dtype=np.uint8)


def still_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """What `Planes.fitted(STILL_LONG_SIDE_PX)` makes of a picture of this size."""
    scale = STILL_LONG_SIDE_PX / max(size_wh)
    if scale >= 1:
        return size_wh
    return max(2, round(size_wh[0] * scale / 2) * 2), max(2, round(size_wh[1] * scale / 2) * 2)


def moving_mask(
    size_wh: tuple[int, int], luma: NDArray[np.uint8], earlier_luma: Sequence[NDArray[np.uint8]], sighting: Sighting
) -> NDArray[np.bool_]:
    """What moved between this picture and earlier ones and is no moving vehicle, with a margin, bool (h, w).

    `luma` and `earlier_luma` as `quiet_luma` makes them; earlier ones of another size (another stream) say nothing.
    """
    moved = np.zeros(luma.shape, np.uint8)
    for earlier in earlier_luma:
        if earlier.shape == luma.shape:
            moved |= (cv2.absdiff(luma, earlier) > MOVING_LEVELS).astype(np.uint8)
    moved = np.asarray(cv2.morphologyEx(moved, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), dtype=np.uint8)
    reach = max(5, round(0.02 * min(luma.shape))) | 1
    moved = np.asarray(cv2.dilate(moved, np.ones((reach, reach), np.uint8)), dtype=np.uint8)
    full = cv2.resize(moved, size_wh, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    unexplained = full.copy()
    for left, top, right, bottom in np.round(sighting.vehicles_xyxy).astype(int):
        box = slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))
        if full[box].size and full[box].mean() >= VEHICLE_MOVES_SHARE:
            unexplained[box] = False
    return unexplained


def polygons_mask(polygons_xyn: Sequence[Sequence[tuple[float, float]]], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Filled polygons with corners in 0..1, bool (h, w)."""
    width, height = size_wh
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons_xyn:
        corners = np.round(np.asarray(polygon, np.float64) * [width, height]).astype(np.int32)
        cv2.fillPoly(mask, [corners], (1,))
    return mask.astype(np.bool_)


def boxes_mask(boxes_xyxyn: NDArray[np.float32], margin: float, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Filled boxes in 0..1 with a margin of their own size, bool (h, w)."""
    mask = np.zeros((size_wh[1], size_wh[0]), np.bool_)
    for box in boxes_xyxyn * np.array([*size_wh, *size_wh], np.float32):
        _fill(mask, box, margin)
    return mask


def _fill(mask: NDArray[np.bool_], box_xyxy: NDArray[np.float32], margin: float) -> None:
    left, top, right, bottom = (float(value) for value in box_xyxy)
    across, down = margin * (right - left), margin * (bottom - top)
    rows = slice(max(0, int(np.floor(top - down))), max(0, int(np.ceil(bottom + down))))
    mask[rows, max(0, int(np.floor(left - across))) : max(0, int(np.ceil(right + across)))] = True


def _stack(boxes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.stack(boxes).astype(np.float32) if boxes else np.zeros((0, 4), np.float32)
