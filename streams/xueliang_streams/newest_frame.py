"""The one place between a reader thread and whoever asks for frames: holds the newest frame, nothing else."""

from __future__ import annotations

import threading
from collections import Counter

from xueliang_streams.frame import Frame


class NewestFrame:
    """A slot of one frame. A frame that is replaced before anybody took it is counted as `replaced`.

    Once closed, waiting readers return at once and later frames are ignored.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._is_taken = False
        self._is_closed = False
        self._dropped: Counter[str] = Counter()

    def put(self, frame: Frame) -> None:
        """Make this the newest frame."""
        with self._changed:
            if self._is_closed:
                return
            if self._frame is not None and not self._is_taken:
                self._dropped["replaced"] += 1
            self._frame, self._is_taken = frame, False
            self._changed.notify_all()

    def take(self, newer_than: int, timeout_s: float) -> Frame | None:
        """The frame when its sequence is above `newer_than`, waiting for one up to `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._has(newer_than), timeout_s)
            if not self._has(newer_than):
                return None
            self._is_taken = True
            return self._frame

    def count_dropped(self, reason: str, count: int = 1) -> None:
        """A picture was not handed out for this reason."""
        with self._changed:
            self._dropped[reason] += count

    def dropped(self) -> dict[str, int]:
        """Pictures not handed out, by reason."""
        with self._changed:
            return dict(self._dropped)

    def finish(self) -> None:
        """No frame will come any more; the last one can still be taken."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let the last frame go and release everybody who waits."""
        with self._changed:
            self._is_closed = True
            self._frame = None
            self._changed.notify_all()

    def _has(self, newer_than: int) -> bool:
        return self._frame is not None and self._frame.sequence > newer_than
