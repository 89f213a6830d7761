"""A camera by our own reader, and by libav's from the moment ours says that it does not speak what the camera offers.

The change is for good: a camera that needs libav is not asked every day whether it still does. It happens when somebody
asks for a frame or for the health next. Sequence goes on over it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from xueliang_streams.errors import NotSpoken
from xueliang_streams.frame import Frame
from xueliang_streams.rtsp.source import RtspSource
from xueliang_streams.source import DecodeMode, DecodingSource, SourceHealth

_SLICE_S = 0.5
"""The longest that somebody who waits for a frame holds up the change."""


class FallingBackSource:
    """See `DecodingSource`. `open_other` opens libav's reader, given the reason and the last sequence handed out."""

    def __init__(self, own: RtspSource, open_other: Callable[[NotSpoken, int], DecodingSource]) -> None:
        self._own = own
        self._open_other = open_other
        self._lock = threading.Lock()
        self._is_closed = False
        self._mode: DecodeMode | None = None
        self._rate: tuple[float | None] | None = None  # None: as its settings say
        self._other: DecodingSource | None = None

    @property
    def camera_id(self) -> str:
        return self._own.camera_id

    def start(self) -> None:
        self._current().start()

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:
        left_s = timeout_s
        while True:
            slice_s = min(left_s, _SLICE_S)
            frame = self._current().next_frame(newer_than, slice_s)
            left_s -= slice_s
            if frame is not None or left_s <= 0 or self._is_closed:
                return frame

    def set_decode(self, mode: DecodeMode) -> None:
        """Decode other pictures from now on; to `all` it takes effect at the next key picture at the latest."""
        self._mode = mode
        self._current().set_decode(mode)

    def set_rate(self, max_fps: float | None) -> None:
        """Hand out at most so many frames a second from now on."""
        self._rate = (max_fps,)
        self._current().set_rate(max_fps)

    def health(self) -> SourceHealth:
        return self._current().health()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            source = self._other or self._own
        source.close()

    def _current(self) -> DecodingSource:
        with self._lock:
            reason = self._own.not_spoken
            if self._other is None and reason is not None and not self._is_closed:
                self._own.close()
                self._other = self._open_other(reason, self._own.last_sequence)
                if self._mode is not None:
                    self._other.set_decode(self._mode)
                if self._rate is not None:
                    self._other.set_rate(*self._rate)
                self._other.start()
            return self._other or self._own
