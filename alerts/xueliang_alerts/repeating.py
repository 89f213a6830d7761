"""Which records of a node go again because no receipt has come, and when.

As TCP does it: one timer for all that is under way, not one for each. A centre that is behind is not helped by
copies; with a timer for each record nodes repeated 120,000 alerts 529,000 times (`./run bench ingest --parts burst`).

Invariants
    - Every record without receipt goes again sooner or later: what was sent the longest ago first, so a few that are
      never answered hold up no other.
    - Of those that are late together only a few go, as a question. Each prompt answer lets twice as many go, so a
      broker that has lost a window of them gets all again within seconds; one that is late again brings it back to
      the few.
    - A receipt that comes soon after a repeat teaches nothing about how long receipts take: it cannot be told which of
      the two was answered (Karn's rule). One that comes later does, or a node that has one record under way at a time
      would repeat each to a slow centre for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from xueliang_alerts.patience import Patience


@dataclass(slots=True)
class Sent:
    """One record under way. Times are monotonic seconds of this connection."""

    sent_mono_s: float
    repeated_mono_s: float | None = None

    @property
    def last_mono_s(self) -> float:
        return self.sent_mono_s if self.repeated_mono_s is None else self.repeated_mono_s


class Repeating:
    """Of one node.

    Args:
        shortest_s, longest_s: limits of the wait for a receipt.
        questions: how many go again at first.
        window: how many may go again at most.
    """

    def __init__(self, shortest_s: float, longest_s: float, *, questions: int, window: int) -> None:
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._questions, self._window = questions, window
        self._patience = Patience(shortest_s, longest_s)
        self._may_go = questions
        self._wait_s = shortest_s
        self._next_mono_s = 0.0
        self._heard_mono_s = 0.0

    def due(self, under_way: Mapping[int, Sent], now: float) -> list[int]:
        """Sequences to send again now, marked as repeated; the caller sends them."""
        if now < self._next_mono_s or not under_way:
            return []
        since = now - min(self._wait_s, self._patience.first_wait_s)
        late = sorted(
            (sequence for sequence, sent in under_way.items() if sent.last_mono_s <= since),
            key=lambda sequence: (under_way[sequence].last_mono_s, sequence),
        )
        if not late:
            return []
        if any(under_way[sequence].repeated_mono_s is not None for sequence in late):
            self._may_go = self._questions
        going = late[: self._may_go]
        for sequence in going:
            under_way[sequence].repeated_mono_s = now
        self._wait_s = self._patience.next_wait_s(self._wait_s)
        self._next_mono_s = now + self._wait_s
        return going

    def answered(self, done: Collection[Sent], left: Collection[Sent], now: float) -> None:
        """A receipt has come for `done`; `left` is still under way."""
        was_silent = now - self._heard_mono_s > self._longest_s
        self._heard_mono_s = now
        first = [
            sent.sent_mono_s
            for sent in done
            if sent.repeated_mono_s is None or now - sent.repeated_mono_s >= self._shortest_s
        ]
        if first:
            self._patience.answered(now - min(first))
        is_prompt = any(
            sent.repeated_mono_s is not None and now - sent.repeated_mono_s < self._shortest_s for sent in done
        )
        if is_prompt:
            self._may_go = min(2 * self._may_go, self._window)
        since = now - self._patience.first_wait_s
        if is_prompt or was_silent or not any(sent.sent_mono_s <= since for sent in left):
            self._wait_s = self._patience.first_wait_s
            self._next_mono_s = min(self._next_mono_s, now + self._wait_s)

    def begin(self, now: float) -> None:
        """A new connection: what is under way was just sent."""
        self._wait_s = self._patience.first_wait_s
        self._next_mono_s = min(self._next_mono_s, now + self._wait_s)
        self._heard_mono_s = now
