"""The small brightness of a picture: 160 x 90 samples, made once a look, which every comparison shares. Pure.

Lengths of a whole picture shrink to a few samples: a person of a twelfth of its height to 2 x 7, compression noise and
the flicker of sharp edges to a few levels.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_streams.frame import Planes

GRID_WH: Final = (32, 18)
SMALL_WH: Final = (160, 90)  # 5 x 5 samples a cell
# Rows are left out as long as a sample keeps six: at 1080p that is 0.5 ms instead of 0.9, and of an interlaced picture
# one field is taken.
_ROWS_KEPT: Final = 540
_DARK: Final = 12  # levels; ratios of darker samples are noise
_BRIGHT: Final = 250  # saturated: says nothing about how much brighter it is
_GAIN_FROM: Final = 100  # samples that tell the gain, of 1,600
_FULL_RANGE: Final = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)

Small = NDArray[np.uint8]


def small_brightness(planes: Planes) -> Small:
    """Brightness in full range at `SMALL_WH`, slightly blurred, uint8 (90, 160); a new array."""
    y = planes.y[:: max(1, planes.y.shape[0] // _ROWS_KEPT)]
    height, width = y.shape
    if width % SMALL_WH[0] or height % SMALL_WH[1]:
        # Area averages by a fraction are ten times slower: bilinear to about half way, then by a whole number.
        halfway = (_multiple(width, SMALL_WH[0]), _multiple(height, SMALL_WH[1]))
        y = np.asarray(cv2.resize(y, halfway, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    small = cv2.blur(cv2.resize(y, SMALL_WH, interpolation=cv2.INTER_AREA), (3, 3))
    if not planes.is_full_range:
        small = cv2.LUT(small, _FULL_RANGE)
    return np.asarray(small, dtype=np.uint8)


def _multiple(side: int, of: int) -> int:
    return of * max(1, round(side / of / 2))


def gain_between(now: Small, then: Small, usable: NDArray[np.bool_] | None = None) -> float:
    """How much brighter the whole is now: the median ratio over the usable samples, 0.4 to 2.5; 1.0 when few tell."""
    now, then = now[::3, ::3], then[::3, ::3]
    tells = (then > _DARK) & (now < _BRIGHT)
    if usable is not None:
        tells &= usable[::3, ::3]
    if np.count_nonzero(tells) < _GAIN_FROM:
        return 1.0
    # Not numpy's median: it loads numpy.ma at its first call, 5 MB and a tenth of a second in every process.
    ratios = np.divide(now[tells], then[tells], dtype=np.float32)
    middle = len(ratios) // 2
    return float(np.clip(np.partition(ratios, middle)[middle], 0.4, 2.5))


def difference(now: Small, then: Small, gain: float) -> Small:
    """How many levels each sample differs from `then` under the light of now."""
    return np.asarray(cv2.absdiff(now, cv2.convertScaleAbs(then, alpha=gain)), dtype=np.uint8)


def cell_shares(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of true samples in each cell of the grid, float32 (18, 32)."""
    shares = cv2.resize(mask.view(np.uint8) * np.float32(1.0), GRID_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(shares, dtype=np.float32)


def boxes_mask(boxes_xyxyn: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Which samples of a picture of this size any of the boxes touches, bool (h, w)."""
    width, height = size_wh
    mask = np.zeros((height, width), np.bool_)
    for left, top, right, bottom in np.clip(np.nan_to_num(boxes_xyxyn), 0.0, 1.0):
        rows = slice(int(np.floor(top * height)), int(np.ceil(bottom * height)))
        mask[rows, int(np.floor(left * width)) : int(np.ceil(right * width))] = True
    return mask
