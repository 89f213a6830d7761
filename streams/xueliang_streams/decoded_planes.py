"""The decoder's picture as `Planes`: 8-bit 4:2:0 is looked at where it lies; everything else is brought to it.

Brightness of 8 bits is never copied. Levels keep their range: nothing is stretched here, the planes say which it is.
"""

from __future__ import annotations

from typing import Any, Final, cast

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from xueliang_streams.frame import Planes

_FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG
_NO_COLOUR: Final = 128


def planes_of(picture: VideoFrame) -> Planes:
    """Views of the picture's memory, which live as long as they are used; planes of another format are new.

    Raises:
        av.error.FFmpegError: a format that cannot be converted.
    """
    name = picture.format.name
    is_full_range = name.startswith("yuvj") or picture.color_range == _FULL_RANGE
    half = (-(-picture.height // 2), -(-picture.width // 2))
    if not name.startswith(("yuv", "gray")):
        picture = picture.reformat(format="yuv420p")
    y = _plane(picture, 0)
    if name.startswith("gray"):
        grey = np.full(half, _NO_COLOUR, np.uint8)
        return Planes(y, grey, grey, is_full_range)
    return Planes(y, _halved(_plane(picture, 1), half), _halved(_plane(picture, 2), half), is_full_range)


def _plane(picture: VideoFrame, index: int) -> NDArray[np.uint8]:
    plane, bits = picture.planes[index], picture.format.components[index].bits
    kind = np.uint8 if bits == 8 else np.uint16
    # Offers the buffer protocol, which its stub does not say.
    rows: NDArray[Any] = np.frombuffer(cast(Any, plane), kind).reshape(-1, plane.line_size // kind().itemsize)
    levels = rows[: plane.height, : plane.width]
    if bits == 8:
        return levels
    return np.asarray(cv2.convertScaleAbs(levels, alpha=2.0 ** (8 - bits)), dtype=np.uint8)


def _halved(plane: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    if plane.shape == shape:
        return plane
    return np.asarray(cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)
