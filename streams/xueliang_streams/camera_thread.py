"""What both camera sources share: a thread that reads, frames numbered in order, the newest one kept."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final

from xueliang_streams.decoding import Decoded, RateLimit
from xueliang_streams.frame import Frame
from xueliang_streams.newest_frame import NewestFrame
from xueliang_streams.source import DecodeMode, SourceSettings

CLOSE_WAITS_S: Final = 4.8
"""`close` may take 5 s."""


class CameraThread(ABC):
    """The part of `DecodingSource` that does not depend on who reads.

    Args:
        last_sequence: of the frames another reader handed out before.
    """

    def __init__(self, camera_id: str, settings: SourceSettings, last_sequence: int = 0) -> None:
        self._camera_id = camera_id
        self._decode = settings.decode
        self._limit = RateLimit(settings.max_fps)
        self._newest = NewestFrame()
        self._sequence = last_sequence
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def camera_id(self) -> str:
        return self._camera_id

    @property
    def last_sequence(self) -> int:
        """Of the frames handed out so far; 0: none."""
        return self._sequence

    def start(self) -> None:
        with self._starting:
            if self._thread is not None or self._stopping.is_set():
                return
            self._thread = threading.Thread(target=self._run, name=f"camera {self._camera_id}", daemon=True)
            self._thread.start()

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:
        return self._newest.take(newer_than, timeout_s)

    def set_decode(self, mode: DecodeMode) -> None:
        """Decode other pictures from now on; to `all` it takes effect at the next key picture at the latest."""
        self._decode = mode

    def set_rate(self, max_fps: float | None) -> None:
        """Hand out at most so many frames a second from now on."""
        self._limit.set_rate(max_fps)

    @abstractmethod
    def _run(self) -> None:
        """The thread: read until `_stopping` is set."""

    def _hand_out(self, pictures: Iterable[Decoded]) -> None:
        for decoded in pictures:
            self._sequence += 1
            frame = Frame(
                camera_id=self._camera_id,
                sequence=self._sequence,
                planes=decoded.planes,
                received_mono_s=decoded.arrival.mono_s,
                received_at=decoded.arrival.at,
                is_key=decoded.is_key,
                decode_ms=decoded.decode_ms,
            )
            self._newest.put(frame)

    def _stop(self) -> bool:
        """Release who waits for frames and end the thread; False: it did not end in time."""
        self._stopping.set()
        self._newest.close()
        with self._starting:
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(CLOSE_WAITS_S)
        return not thread.is_alive()
