"""How a camera's reader stands: its state, since when and why, and when it tries again. Pure but for its log lines.

Of our own reader and of libav's. Not thread-safe; whoever reads it from several threads holds a lock.

Invariants:
- A repeated fault is logged once; `attempts` counts the rest.
- A camera's first attempt and the first after a failure begin when they are due; the others take turns with those of
  the other cameras (`reconnects.py`), and that wait is part of the back-off.
- Closed is for good.
- A connection that brought packets for STEADY_AFTER_S was a success: the next failure begins a new row. A camera that
  answers and dies at once keeps backing off.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from random import Random
from typing import Final

from xueliang_streams.backoff import Backoff, delay_s
from xueliang_streams.errors import CameraRefusedLogin, NotSpoken, StreamError, StreamStalled
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.source import SourceHealth, SourceState

log = logging.getLogger(__name__)

STEADY_AFTER_S: Final = 10.0
FREE_RETRIES: Final = 1
"""Of a row of failures: a connection that broke is made anew at once, however many other cameras are away."""
IN_TURN_WORDS: Final = "many cameras are away: tried again in turn"
TURN_IS_SAID_S: Final = 1.0
"""Waits shorter than this are nobody's concern."""


class Standing:
    """One reader's standing. Times are monotonic seconds, handed in.

    Args:
        reconnects: what it takes turns by; None: it has nobody to take turns with.
        reader: what `SourceHealth.reader` says.
    """

    def __init__(
        self,
        camera_id: str,
        *,
        backoff: Backoff,
        rng: Random,
        stall_after_s: float,
        now_s: float,
        reconnects: Reconnects | None = None,
        reader: str = "own",
    ) -> None:
        self._camera_id = camera_id
        self._backoff = backoff
        self._rng = rng
        self._reconnects = reconnects
        self._stall_after_s = stall_after_s
        self._reader = reader
        self._state = SourceState.CONNECTING
        self._since_s = now_s
        self._problem: str | None = None
        self._last_packet_s: float | None = None
        self._attempts = 0
        self._failures = 0
        self._next_attempt_s: float | None = None
        self._logged: str | None = None

    @property
    def state(self) -> SourceState:
        """Of the reader itself; `health` may see a stall first."""
        return self._state

    def waits_s(self, now_s: float) -> float:
        """Until the next attempt is due; 0: it is due, or none waits."""
        if self._next_attempt_s is None:
            return 0.0
        in_turn_s = 0.0 if self._reconnects is None else self._reconnects.waits_s(self, now_s)
        return max(0.0, self._next_attempt_s - now_s, in_turn_s)

    def attempt_begins(self, now_s: float) -> None:
        """A connection is tried."""
        self._attempts += 1
        self._next_attempt_s = None
        if self._reconnects is not None:
            self._reconnects.begin(self, now_s)

    def packets_arrived(self, now_s: float, began_s: float) -> None:
        """On the connection that began then."""
        if self._state is SourceState.CLOSED:
            return
        self._last_packet_s = now_s
        if now_s - began_s > STEADY_AFTER_S:
            self._failures = 0
        if self._state is not SourceState.STREAMING:
            self._enter(SourceState.STREAMING, None, now_s)
            self._logged = None
            log.info("camera streaming", extra={"camera_id": self._camera_id, "attempts": self._attempts})
            if self._reconnects is not None:
                self._reconnects.succeeded(self)
        self._attempts = 0

    def failed(self, problem: StreamError, now_s: float) -> None:
        """The attempt failed, or the connection ended."""
        if self._state is SourceState.CLOSED:
            return
        self._failures += 1
        is_login = isinstance(problem, CameraRefusedLogin)
        # What is not spoken today is hardly spoken in a second: as gently as with a refused login.
        is_gentle = is_login or isinstance(problem, NotSpoken)
        self._next_attempt_s = now_s + delay_s(self._failures, self._backoff, self._rng, login_refused=is_gentle)
        if self._reconnects is not None and self._failures > FREE_RETRIES:
            self._reconnects.wait(self, self._next_attempt_s)
        had_packets = self._attempts == 0
        if is_login:
            state = SourceState.AUTH_FAILED
        elif isinstance(problem, StreamStalled) and had_packets:
            state = SourceState.STALLED  # until a reconnect fails
        else:
            state = SourceState.OFFLINE
        is_in_turn = now_s + self.waits_s(now_s) > self._next_attempt_s + TURN_IS_SAID_S
        self._enter(state, f"{problem}; {IN_TURN_WORDS}" if is_in_turn else str(problem), now_s)
        if self._logged != str(problem):
            self._logged = str(problem)
            log.warning("camera away", extra={"camera_id": self._camera_id, "problem": self._logged})

    def close(self, now_s: float) -> None:
        """For good."""
        self._enter(SourceState.CLOSED, None, now_s)
        self._next_attempt_s = None
        if self._reconnects is not None:
            self._reconnects.leave(self)

    def health(self, now_s: float, frames_dropped: Mapping[str, int], stall_words: str) -> SourceHealth:
        """As one value. A stall is seen here as soon as it is one, whenever the reader is polled next."""
        state, since_s, problem = self._state, self._since_s, self._problem
        if state is SourceState.STREAMING and self._last_packet_s is not None:
            stalled_s = self._last_packet_s + self._stall_after_s
            if now_s > stalled_s:
                state, since_s, problem = SourceState.STALLED, stalled_s, stall_words
        return SourceHealth(
            state=state,
            since_mono_s=since_s,
            last_packet_mono_s=self._last_packet_s,
            problem=problem,
            attempts=self._attempts,
            frames_dropped=frames_dropped,
            next_attempt_in_s=None if self._next_attempt_s is None else self.waits_s(now_s),
            reader=self._reader,
        )

    def _enter(self, state: SourceState, problem: str | None, now_s: float) -> None:
        if self._state is not state:
            self._state, self._since_s = state, now_s
        self._problem = problem


def stall_words(stall_after_s: float) -> str:
    """What a stall is called."""
    return f"connected, but no packet for {stall_after_s:g} s; reconnecting"
