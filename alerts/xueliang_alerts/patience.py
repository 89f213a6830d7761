"""How long a receipt may take before its record goes again.

A centre that is behind is not helped by copies: most of what it reads would be repeats. So the wait follows how long
receipts take, as TCP's retransmission timeout follows the round trip (RFC 6298: the smoothed time by eighths, its
deviation by quarters, four deviations on top), between a shortest and a longest wait.
"""

from __future__ import annotations

from typing import Final

_TIME_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4
_DEVIATIONS: Final = 4


class Patience:
    """Of one node. Without any answer so far it waits the shortest time."""

    def __init__(self, shortest_s: float, longest_s: float) -> None:
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._usual_s: float | None = None
        self._deviation_s = 0.0

    def answered(self, after_s: float) -> None:
        """A receipt came `after_s` seconds after the record it settles was first sent.

        More than the longest wait counts as that: such a record may have been lost and found again.
        """
        after_s = min(after_s, self._longest_s)
        if self._usual_s is None:
            self._usual_s, self._deviation_s = after_s, after_s / 2
            return
        self._deviation_s += _DEVIATION_GAIN * (abs(after_s - self._usual_s) - self._deviation_s)
        self._usual_s += _TIME_GAIN * (after_s - self._usual_s)

    @property
    def first_wait_s(self) -> float:
        """From sending a record to repeating it."""
        if self._usual_s is None:
            return self._shortest_s
        return min(self._longest_s, max(self._shortest_s, self._usual_s + _DEVIATIONS * self._deviation_s))

    def next_wait_s(self, wait_s: float) -> float:
        """After a repeat: twice as long."""
        return min(2 * wait_s, self._longest_s)
