"""Cameras that are away, tried again in turn: the limit that many of them share. Pure but for its lock.

A camera by itself backs off to a try a minute (`backoff.py`); sixty-four of them still make one a second. So each
process of a node has a share of the node's attempts, and whoever is due takes a turn.

Invariants:
- Turns are given at `per_s` at most over any time, after a burst of `burst` that fills again at the same rate.
- Whoever was due first is first. One that does not take its turn holds back that turn and no other.
- An attempt that brings packets gives its turn back: only cameras that stay away use the rate up, and those that come
  back together follow each other at once.
"""

from __future__ import annotations

import threading
from typing import Final

BURST: Final = 8.0
"""Four cameras that fall away at a time have two quick tries each."""


class Reconnects:
    """The turns of one process. May be used from any thread; times are monotonic seconds, handed in.

    Who waits is named by an object of its own (compared by identity).
    """

    def __init__(self, per_s: float, now_s: float, *, burst: float = BURST) -> None:
        if not (per_s > 0 and burst >= 1):
            raise ValueError(f"need per_s > 0 and burst >= 1, got {per_s} and {burst}")
        self._per_s = per_s
        self._burst = burst
        self._turns = burst
        self._counted_s = now_s
        self._due_s: dict[object, float] = {}
        self._trying: set[object] = set()
        self._lock = threading.Lock()

    def set_rate(self, per_s: float, now_s: float) -> None:
        """From now on; what was saved up stays."""
        with self._lock:
            self._count(now_s)
            self._per_s = per_s

    def wait(self, who: object, due_s: float) -> None:
        """Stand in line for an attempt that is due then."""
        with self._lock:
            self._trying.discard(who)
            self._due_s[who] = due_s

    def waits_s(self, who: object, now_s: float) -> float:
        """Until its attempt may begin, as far as is known; 0: now. Who stands in no line may."""
        with self._lock:
            due_s = self._due_s.get(who)
            if due_s is None:
                return 0.0
            self._count(now_s)
            before = sum(1 for other, at_s in self._due_s.items() if at_s < due_s and other is not who)
            return max(0.0, due_s - now_s, (before + 1 - self._turns) / self._per_s)

    def begin(self, who: object, now_s: float) -> None:
        """The attempt begins; who stood in line takes a turn."""
        with self._lock:
            if self._due_s.pop(who, None) is not None:
                self._count(now_s)
                self._turns -= 1
                self._trying.add(who)

    def succeeded(self, who: object) -> None:
        """The attempt brought packets: what it took is given back."""
        with self._lock:
            if who in self._trying:
                self._trying.remove(who)
                self._turns = min(self._burst, self._turns + 1)

    def leave(self, who: object) -> None:
        """It will not try again."""
        with self._lock:
            self._due_s.pop(who, None)
            self._trying.discard(who)

    def _count(self, now_s: float) -> None:
        passed_s = max(0.0, now_s - self._counted_s)
        self._counted_s = max(self._counted_s, now_s)
        self._turns = min(self._burst, self._turns + passed_s * self._per_s)
