"""What waits for one viewer, and what is given up when too much does (pure).

More than `limit_bytes` never wait, but for one key picture larger than that. What is given up is everything up to the
next key picture: what the viewer gets can always be decoded.
"""

from __future__ import annotations

from collections import deque


class Waiting:
    """Bundles of whole pictures, as nodes send them."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bundles: deque[bytes] = deque()
        self._bytes = 0
        self._needs_key = True
        self.dropped = 0
        """Bundles given up."""

    def put(self, bundle: bytes, *, is_key: bool) -> None:
        if self._needs_key and not is_key:
            self.dropped += 1
            return
        if self._bundles and self._bytes + len(bundle) > self._limit_bytes:
            self.dropped += len(self._bundles)
            self._bundles.clear()
            self._bytes = 0
            if not is_key:
                self.dropped += 1
                self._needs_key = True
                return
        self._needs_key = False
        self._bundles.append(bundle)
        self._bytes += len(bundle)

    def take(self) -> bytes:
        """All that waits; empty: nothing does."""
        data = b"".join(self._bundles)
        self._bundles.clear()
        self._bytes = 0
        return data
