"""How often a rule was raised within one window, by the numbers that folding calls flapping by (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta


def peak_of(raised_at: Iterable[datetime], window_s: float) -> int:
    """The most moments that lie within `window_s` of each other, both ends included; 0 without any."""
    window = timedelta(seconds=window_s)
    within: deque[datetime] = deque()
    most = 0
    for at in sorted(raised_at):
        within.append(at)
        while at - within[0] > window:
            within.popleft()
        most = max(most, len(within))
    return most
