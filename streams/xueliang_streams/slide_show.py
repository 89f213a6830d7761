"""Writes pictures as a clip one by one, each shown from its own time until the next one's: a slide show.

H.264 where the PyAV wheel has libx264, else MPEG-4 part 2; yuv420p either way, which every player opens.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import av
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from xueliang_streams.errors import EncodingFailed

_TICK: Final = Fraction(1, 1000)
_GOP: Final = 10  # a player finds a slide by decoding at most so many
_QUALITY: Final[dict[str, dict[str, str]]] = {
    "libx264": {"preset": "veryfast", "crf": "23", "bf": "0", "g": str(_GOP)},
    "mpeg4": {"qscale": "4", "bf": "0", "g": str(_GOP)},
}


class SlideShow:
    """Grows under `path`, and can be played once it is closed. Belongs to one thread.

    Every call but `close` raises EncodingFailed when the file cannot be written; the caller then closes and removes it.
    """

    def __init__(self, path: Path) -> None:
        """Begins a new MP4 file, whatever its name; raises EncodingFailed."""
        self._path = path
        self._stream: VideoStream | None = None
        self._waiting: tuple[NDArray[np.uint8], int] | None = None
        self._lengths: dict[int | None, int] = {}  # of pictures in the encoder, by their time; ticks
        self.count = 0
        try:
            self._container = av.open(str(path), "w", format="mp4")
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def add(self, image_bgr: NDArray[np.uint8], at_s: float) -> None:
        """One slide, shown from `at_s` on: seconds, later than the one before.

        uint8 (h, w, 3), all of one size with even sides; the caller does not write to it afterwards.
        """
        at = round(at_s / _TICK)
        if self._waiting is not None:
            if at <= self._waiting[1]:
                raise EncodingFailed(f"{self._path}: slide {self.count + 1} is not later than the one before it")
            self._write(*self._waiting, until=at)
        self._waiting = (image_bgr, at)
        self.count += 1

    def finish(self, end_s: float) -> None:
        """The last slide is shown until `end_s`; then the file is whole."""
        if self._waiting is not None:
            self._write(*self._waiting, until=max(round(end_s / _TICK), self._waiting[1] + 1))
            self._waiting = None
        try:
            if self._stream is not None:
                self._mux(self._stream.encode())
            self._container.close()
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Let go of the file; without `finish` before, it is not whole."""
        try:
            self._container.close()
        except (av.error.FFmpegError, OSError):
            return  # it was given up already

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _write(self, image_bgr: NDArray[np.uint8], at: int, *, until: int) -> None:
        try:
            if self._stream is None:
                self._stream = self._begin(image_bgr.shape)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image_bgr), format="bgr24")
            picture.pts, picture.time_base = at, _TICK
            self._lengths[at] = until - at
            self._mux(self._stream.encode(picture))
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        """Encoders forget how long a picture is shown: a player would end with the beginning of the last one."""
        for packet in packets:
            packet.duration = self._lengths.pop(packet.pts, packet.duration)
        self._container.mux(packets)

    def _begin(self, shape: tuple[int, ...]) -> VideoStream:
        if len(shape) != 3 or shape[2] != 3 or shape[0] % 2 or shape[1] % 2:
            raise EncodingFailed(f"slides must have shape (h, w, 3) with even h and w, got {shape}")
        encoder = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream = cast(VideoStream, self._container.add_stream(encoder, rate=25, options=_QUALITY[encoder]))
        stream.height, stream.width = shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _TICK
        stream.codec_context.thread_count = 1  # the same slides give the same file
        return stream

    def _failed(self, error: Exception) -> EncodingFailed:
        words = getattr(error, "strerror", None) or type(error).__name__
        return EncodingFailed(f"{self._path}: cannot be written: {words}")
