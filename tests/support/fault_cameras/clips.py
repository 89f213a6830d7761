"""Clips in unusual shapes, and a judge that knows every picture of a clip.

The pictures are a drifting cloud pattern with a hard-edged square: damage shows anywhere in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from xueliang_streams import Frame
from xueliang_streams.encoding import VideoCodec
from xueliang_streams.segments import Segment, load_segment

BLOCK_PX = 16
_DRIFT_PX = 4
_SQUARE_PX = 48


def cloud_clip(
    path: Path,
    *,
    pictures: int = 20,
    fps: float = 10,
    gop: int = 10,
    size_wh: tuple[int, int] = (320, 240),
    codec: VideoCodec = "h264",
    b_frames: int = 0,
    pix_fmt: str = "yuv420p",
    is_interlaced: bool = False,
    slices: int = 1,
    crf: int = 23,
) -> Segment:
    """A clip of clouds as a camera's segment. Written with the encoders of the PyAV wheel, one thread: always the same.

    `pix_fmt` is the encoder's: yuv420p, yuvj420p, yuv422p, yuv444p, yuv420p10le, ...
    """
    rate = Fraction(fps).limit_denominator(1001)
    options = {"preset": "ultrafast", "crf": str(crf), "g": str(gop), "bf": str(b_frames)}
    own = f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes={b_frames}"
    if codec == "h264":
        options["x264-params"] = f"{own}:slices={slices}" + (":tff=1:interlaced=1" if is_interlaced else "")
    else:
        options["x265-params"] = f"{own}:log-level=none:info=0:slices={slices}"
    with av.open(str(path), "w", format="mp4") as container:
        name = "libx264" if codec == "h264" else "libx265"
        stream = cast(VideoStream, container.add_stream(name, rate=rate, options=options))
        stream.width, stream.height = size_wh
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.thread_count = 1
        for index, image_bgr in enumerate(cloud_pictures(pictures, size_wh)):
            picture = av.VideoFrame.from_ndarray(image_bgr, format="bgr24")
            picture.pts, picture.time_base = index, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return load_segment(path.stem, path)


def cloud_pictures(count: int, size_wh: tuple[int, int], seed: int = 1) -> Iterator[NDArray[np.uint8]]:
    """The pictures before encoding, uint8 (h, w, 3)."""
    width, height = size_wh
    coarse = np.random.default_rng(seed).integers(40, 200, (height // 8 + 2, (width + count * _DRIFT_PX) // 8 + 2, 3))
    size = (width + count * _DRIFT_PX, height)
    clouds = cv2.resize(coarse.astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    side = min(_SQUARE_PX, width // 4, height // 4)
    for index in range(count):
        image_bgr = np.ascontiguousarray(clouds[:, index * _DRIFT_PX : index * _DRIFT_PX + width], dtype=np.uint8)
        left, top = (index * 2 * _DRIFT_PX) % (width - side), (height - side) // 2
        image_bgr[top : top + side, left : left + side] = 235
        yield image_bgr


class Judge:
    """Knows every picture of some clips as a sound decoder shows it.

    A decoder is exact by the standard: a frame is sound when its brightness is one of these pictures bit by bit, key
    pictures with or without smoothing across block edges. Only for 8-bit clips; others are measured by `wrongness`.
    """

    def __init__(self, *clips: Path) -> None:
        self._hashes: set[bytes] = set()
        self._blocks: list[NDArray[np.float32]] = []
        for clip in clips:
            for picture in [*_pictures(clip), *_unsmoothed_key_pictures(clip)]:
                y = _luma(picture)
                self._hashes.add(_hash(y))
                self._blocks.append(_block_means(y))

    def is_sound(self, frame: Frame) -> bool:
        """Whether the frame is one of the pictures, exactly."""
        return _hash(frame.luma()) in self._hashes

    def wrongness(self, frame: Frame) -> float:
        """How far the worst block is from the most similar picture, in levels of brightness (0 to 255)."""
        seen = _block_means(frame.luma())
        fitting = [true for true in self._blocks if true.shape == seen.shape]
        return min((float(np.abs(seen - true).max()) for true in fitting), default=255.0)


def colour_wrongness(frame: Frame, count: int) -> float:
    """The same for colour, against the pictures before encoding: of the worst block of the most similar one."""
    seen = _block_means(frame.image_bgr)
    return min(float(np.abs(seen - _block_means(true)).max()) for true in cloud_pictures(count, frame.size_wh))


def _pictures(clip: Path) -> list[av.VideoFrame]:
    with av.open(str(clip)) as container:
        return list(container.decode(video=0))


def _unsmoothed_key_pictures(clip: Path) -> list[av.VideoFrame]:
    with av.open(str(clip)) as container:
        context = container.streams.video[0].codec_context
        context.skip_frame = "NONKEY"
        context.options = {"skip_loop_filter": "all"}
        return [picture for picture in container.decode(video=0) if picture.key_frame]


def _luma(picture: av.VideoFrame) -> NDArray[np.uint8]:
    if picture.format.components[0].bits > 8:
        picture = picture.reformat(format="yuv420p")
    plane = picture.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)  # type: ignore[call-overload]
    return np.ascontiguousarray(rows[:, : plane.width])


def _hash(luma: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(luma).tobytes() + str(luma.shape).encode(), digest_size=16).digest()


def _block_means(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    size = (max(1, image.shape[1] // BLOCK_PX), max(1, image.shape[0] // BLOCK_PX))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
