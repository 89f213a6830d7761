"""One decoded picture with its times: what this room hands to the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture of one camera.

    Attributes:
        camera_id: the label the source was opened with.
        sequence: counts from 1 per opened source and goes on over reconnects; pictures that were skipped leave no hole
            that means anything.
        image_bgr: uint8, shape (h, w, 3), OpenCV's channel order. The frame owns the buffer: nobody writes to it.
        received_mono_s: when the packet that completed the picture arrived, monotonic seconds; never less than that of
            the frame before. For recordings: the recording's own clock, start + timestamp.
        received_at: the same moment by the wall clock, aware UTC.
        is_key: the picture was coded without reference to others.
    """

    camera_id: str
    sequence: int
    image_bgr: NDArray[np.uint8]
    received_mono_s: float
    received_at: datetime
    is_key: bool

    def __post_init__(self) -> None:
        shape = self.image_bgr.shape
        if self.image_bgr.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"image_bgr must be uint8 of shape (h, w, 3), got {self.image_bgr.dtype} of shape {shape}")
        if self.sequence < 1:
            raise ValueError(f"sequence counts from 1, got {self.sequence}")
        if self.received_at.utcoffset() != timedelta(0):
            raise ValueError(f"received_at must be aware UTC, got {self.received_at!r}")

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.image_bgr.shape[:2]
        return width, height

    def luma(self) -> NDArray[np.uint8]:
        """Brightness, uint8 of shape (h, w). Computed at each call, a new buffer."""
        return np.asarray(cv2.cvtColor(self.image_bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
