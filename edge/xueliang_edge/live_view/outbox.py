"""What waits for the line to the centre, and what is given up when too much does (pure).

Invariants
    - Bounded: more than `limit_bytes` never wait, but for one key picture larger than that.
    - What is given up is everything up to the next key picture: no picture is sent whose predecessor was not.
    - A bundle begins with a key picture, or goes on where the last one ended: so whoever relays bundles may leave out
      whole ones as well.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from xueliang_streams.live_mp4 import Fragment


@dataclass(frozen=True, slots=True)
class Bundle:
    """What goes out in one request. `is_key`: playing can begin with it. `lost`: pictures given up so far."""

    data: bytes
    is_key: bool
    lost: int


class Outbox:
    """Belongs to whoever guards it: not thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._waiting: deque[Fragment] = deque()
        self._bytes = 0
        self._needs_key = True
        self.lost = 0

    def put(self, fragment: Fragment) -> None:
        if self._needs_key and not fragment.is_key:
            self.lost += 1
            return
        if self._waiting and self._bytes + len(fragment.data) > self._limit_bytes:
            self.lost += len(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            if not fragment.is_key:
                self.lost += 1
                self._needs_key = True
                return
        self._needs_key = False
        self._waiting.append(fragment)
        self._bytes += len(fragment.data)

    def take(self) -> Bundle | None:
        """All that waits, up to the next key picture; None: nothing does."""
        if not self._waiting:
            return None
        first = self._waiting.popleft()
        parts = [first.data]
        while self._waiting and not self._waiting[0].is_key:
            parts.append(self._waiting.popleft().data)
        data = b"".join(parts)
        self._bytes -= len(data)
        return Bundle(data, first.is_key, self.lost)
