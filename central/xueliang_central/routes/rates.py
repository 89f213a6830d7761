"""How many requests one session, node or address may make: a bucket each, refilled by the second."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

from xueliang_alerts.clocks import Mono

PER_SECOND: Final = 40.0  # a console that has just been opened asks for a few dozen things at once, then for few
BURST: Final = 400.0
_SUBJECTS: Final = 20_000


class Rates:
    """Bounded: the subject seen longest ago is forgotten first, which can only favour it."""

    def __init__(self, mono: Mono, *, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._mono = mono
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # subject: tokens left, at which second

    def wait_s(self, subject: str) -> int:
        """Count one request: 0 when it may go on, else whole seconds until it may."""
        now = self._mono()
        tokens, since = self._buckets.pop(subject, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        allowed = tokens >= 1.0
        self._buckets[subject] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > _SUBJECTS:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1.0 - tokens) / self._per_second))
