"""A small copy of a masked still, for whoever waits for it behind a thin link. Made from the finished JPEG only."""

from __future__ import annotations

from itertools import product
from typing import Final

import cv2
import numpy as np

LONG_SIDES_PX: Final = (640, 480, 320)
QUALITIES: Final = (80, 65, 50, 35)


def preview_of(jpeg: bytes, most_bytes: int) -> bytes | None:
    """The largest, then the best, copy that fits; None: the still cannot be read, or no copy is small enough."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return None
    height, width = image.shape[:2]
    for long_side_px, quality in product(LONG_SIDES_PX, QUALITIES):
        share = min(1.0, long_side_px / max(width, height))
        size_wh = max(1, round(width * share)), max(1, round(height * share))
        small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
        done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done and len(data) <= most_bytes:
            return data.tobytes()
    return None
