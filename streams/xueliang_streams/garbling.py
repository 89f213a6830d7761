"""Whether a decoder lost its way: a picture in colours that no camera sends.

A decoder of H.265 that meets damaged data without noticing goes on with numbers of chance, and its colours run against
their limits, while video of limited range ends at 16 and 240. In 15 recordings of real places no sample was below 25 or
above 229; of 256 pictures of three of them with a quarter and more of their area damaged, 219 are garbled by what is
asked here (FFmpeg 8.1, 1 to 300 flipped bits a key picture, those that a strict decoder refuses left out).
"""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

LOWEST, HIGHEST = 6, 249  # of 8 bits: ringing about the purest colour that may be sent stays between them
GARBLED_SHARE: Final = 0.002
"""Of the samples looked at: some 260 pixels of 640x360, 2,000 of 1080p."""
_STEP: Final = 2  # every second sample of every second row: 0.3 ms at 1080p
_FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG


def is_garbled(picture: VideoFrame) -> bool:
    """False, too, for pictures of full range, in which every colour may be meant, and for grey ones."""
    name = picture.format.name
    if not name.startswith("yuv") or name.startswith("yuvj") or picture.color_range == _FULL_RANGE:
        return False
    return any(_extreme_share(picture, index) > GARBLED_SHARE for index in (1, 2))


def _extreme_share(picture: VideoFrame, index: int) -> float:
    plane, bits = picture.planes[index], picture.format.components[index].bits
    kind = np.uint8 if bits == 8 else np.uint16
    rows: NDArray[Any] = np.frombuffer(cast(Any, plane), kind).reshape(-1, plane.line_size // kind().itemsize)
    levels = rows[: plane.height : _STEP, : plane.width : _STEP]
    low, high = LOWEST << (bits - 8), HIGHEST << (bits - 8)
    # One comparison for both ends: what is below `low` turns round to large numbers.
    outside = np.count_nonzero((levels - kind(low + 1)) >= kind(high - low - 1))
    return outside / levels.size
