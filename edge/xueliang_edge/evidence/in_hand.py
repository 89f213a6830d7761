"""Stills that were composed and wait for the disk: the main path hands them over and goes on.

Invariants
    - What is named by an alert that was accepted is on the disk: `write` leaves out what the store would not keep.
    - Bounded: above `BYTES_AT_MOST` a still is refused and its alert goes without.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from xueliang_alerts.contract import EvidenceRef
from xueliang_edge.evidence.stills import Still
from xueliang_edge.evidence.uploading import EvidenceStore

BYTES_AT_MOST: Final = 32 << 20  # some 200 stills: an hour of alerts of 16 cameras on a disk that takes none of them
REMEMBERED_AT_MOST: Final = 1000  # hashes of what could not be kept: far more than open alerts can name


class StillsInHand:
    """`keep` belongs to the main path, `write` to the thread that may wait for the disk."""

    def __init__(self, store: EvidenceStore) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._held: dict[str, tuple[Still, int]] = {}
        self._not_kept: dict[str, None] = {}

    def keep(self, still: Still, severity: int) -> bool:
        """Take one still in hand, without waiting. False: too many wait for the disk; name it nowhere then."""
        with self._guard:
            if still.sha256 in self._held:
                return True
            if sum(len(one.jpeg) for one, _ in self._held.values()) + len(still.jpeg) > BYTES_AT_MOST:
                return False
            self._held[still.sha256] = (still, severity)
            return True

    def write(self, evidence: Sequence[EvidenceRef]) -> tuple[EvidenceRef, ...]:
        """Put to the disk what of these is still in hand; those that an alert may name."""
        for ref in evidence:
            self._write_one(ref.sha256)
        return tuple(ref for ref in evidence if ref.sha256 not in self._not_kept)

    def write_rest(self) -> None:
        """Put everything to the disk: no alert that waits names it (any more)."""
        for sha256 in list(self._held):
            self._write_one(sha256)

    def _write_one(self, sha256: str) -> None:
        held = self._held.get(sha256)
        if held is None:
            return
        self._not_kept.pop(sha256, None)
        if not self._store.keep(*held):
            self._not_kept[sha256] = None
            if len(self._not_kept) > REMEMBERED_AT_MOST:
                del self._not_kept[next(iter(self._not_kept))]
        with self._guard:
            del self._held[sha256]
