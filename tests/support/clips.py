"""Generated clips whose right answer is known exactly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xueliang_streams.encoding import VideoCodec, encode_clip

BOX_PX = 48
STEP_PX = 8
BACKGROUND_BGR = (70, 70, 70)
BOX_BGR = (235, 235, 235)


def moving_box_clip(
    path: Path,
    *,
    seconds: float = 4,
    fps: float = 10,
    size_wh: tuple[int, int] = (320, 240),
    codec: VideoCodec = "h264",
    gop: int | None = None,
    b_frames: int = 0,
) -> Path:
    """A bright square that moves right by STEP_PX a frame and begins again at the left; see `box_left_px`."""
    frames = (moving_box_frame(index, size_wh) for index in range(round(seconds * fps)))
    encode_clip(path, frames, fps, codec=codec, gop=gop, b_frames=b_frames)
    return path


def moving_box_frame(index: int, size_wh: tuple[int, int] = (320, 240)) -> NDArray[np.uint8]:
    """Frame `index` (from 0) of `moving_box_clip`, before encoding."""
    width, height = size_wh
    image_bgr = np.empty((height, width, 3), np.uint8)
    image_bgr[:] = BACKGROUND_BGR
    left, top = box_left_px(index, width), (height - BOX_PX) // 2
    image_bgr[top : top + BOX_PX, left : left + BOX_PX] = BOX_BGR
    return image_bgr


def box_left_px(index: int, width: int = 320) -> int:
    """Where the left edge of the square is in frame `index`."""
    return (index * STEP_PX) % (width - BOX_PX)


def seen_box_left_px(image_bgr: NDArray[np.uint8]) -> int:
    """Where the left edge of the square is in a decoded frame; -1 when there is none."""
    columns = np.flatnonzero(image_bgr[image_bgr.shape[0] // 2, :, 0] > 150)
    return int(columns[0]) if len(columns) else -1


def plain_clip(
    path: Path, brightness: int, *, seconds: float = 0.5, fps: float = 10, codec: VideoCodec = "h264"
) -> Path:
    """One even grey, so that a decoded frame tells which clip it came from."""
    encode_clip(path, _plain(brightness, round(seconds * fps)), fps, codec=codec, gop=round(seconds * fps))
    return path


def _plain(brightness: int, count: int) -> Iterator[NDArray[np.uint8]]:
    for _ in range(count):
        yield np.full((240, 320, 3), brightness, np.uint8)
