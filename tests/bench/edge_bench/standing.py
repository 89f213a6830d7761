"""What the peers make of pictures: vehicles that stand in a zone, and whether anything moves. Ordinary, and frugal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

VEHICLES: Final = frozenset({"car", "bus", "truck"})
SAME_OVERLAP: Final = 0.6  # intersection over union: a box that moved less than this is the same vehicle, standing
MIN_INSIDE: Final = 0.3  # of a box's lower third, where it touches the ground
_RASTER_WH: Final = (160, 90)


@dataclass(slots=True)
class _Stand:
    box_xyxyn: NDArray[np.float32]
    since_s: float
    last_s: float


class StandingWatch:
    """One zone: says once when a vehicle has stood in it for `dwell_s`, and again only after it was free.

    A vehicle not seen for `patience_s` has left; the zone is free after `clear_after_s` without one that stood.
    """

    def __init__(
        self, zone: Sequence[Sequence[float]], *, dwell_s: float, clear_after_s: float, patience_s: float
    ) -> None:
        self._dwell_s, self._clear_after_s, self._patience_s = dwell_s, clear_after_s, patience_s
        mask = np.zeros(_RASTER_WH[::-1], np.uint8)
        corners = np.rint(np.asarray(zone) * _RASTER_WH).astype(np.int32)
        self._mask = cv2.fillPoly(mask, [corners], 1)
        self._stands: list[_Stand] = []
        self._is_raised = False
        self._last_stood_s = float("-inf")

    def look(self, boxes_xyxyn: NDArray[np.float32], class_names: Sequence[str], now_s: float) -> bool:
        """One look's boxes. True when an alert begins."""
        for box, name in zip(boxes_xyxyn, class_names, strict=True):
            if name in VEHICLES and self._is_inside(box):
                self._see(box, now_s)
        self._stands = [stand for stand in self._stands if now_s - stand.last_s <= self._patience_s]
        if any(stand.last_s - stand.since_s >= self._dwell_s for stand in self._stands):
            self._last_stood_s = now_s
            begins = not self._is_raised
            self._is_raised = True
            return begins
        if now_s - self._last_stood_s > self._clear_after_s:
            self._is_raised = False
        return False

    def _see(self, box: NDArray[np.float32], now_s: float) -> None:
        for stand in self._stands:
            if overlap(stand.box_xyxyn, box) >= SAME_OVERLAP:
                stand.last_s = now_s
                return
        self._stands.append(_Stand(box, now_s, now_s))

    def _is_inside(self, box: NDArray[np.float32]) -> bool:
        left, top, right, bottom = box
        width, height = _RASTER_WH
        rows = slice(int((bottom - (bottom - top) / 3) * height), max(int(bottom * height), 1))
        part = self._mask[rows, int(left * width) : max(int(right * width), 1)]
        return bool(part.size and part.mean() >= MIN_INSIDE)


def overlap(one_xyxy: NDArray[np.float32], other_xyxy: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(one_xyxy[2:], other_xyxy[2:]) - np.maximum(one_xyxy[:2], other_xyxy[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    whole = float(np.prod(one_xyxy[2:] - one_xyxy[:2]) + np.prod(other_xyxy[2:] - other_xyxy[:2])) - shared
    return shared / whole if whole > 0 else 0.0


class MotionGate:
    """The gate that open NVRs use: a small grey picture against a running mean."""

    WH: Final = (160, 90)
    FORGETS: Final = 0.05  # weight of the newest picture: four seconds at 5 a second
    MIN_STEP: Final = 25  # grey levels
    MIN_AREA: Final = 12  # pixels of the small picture, a thousandth of it

    def __init__(self) -> None:
        self._mean: NDArray[np.float32] | None = None

    def moves(self, image_bgr: NDArray[np.uint8]) -> bool:
        """Whether anything moves in this picture; never in the first."""
        grey = cv2.cvtColor(cv2.resize(image_bgr, self.WH, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        grey = cv2.GaussianBlur(grey, (3, 3), 0)
        if self._mean is None:
            self._mean = grey.astype(np.float32)
            return False
        step = cv2.absdiff(grey, cv2.convertScaleAbs(self._mean))
        cv2.accumulateWeighted(grey, self._mean, self.FORGETS)
        _, moved = cv2.threshold(step, self.MIN_STEP, 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(
            cv2.dilate(moved, np.ones((3, 3), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        return any(cv2.contourArea(contour) >= self.MIN_AREA for contour in contours)
