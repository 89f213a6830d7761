"""The system's two clocks, for entry points only: everything else is handed `wall` and `mono`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Wall = Callable[[], datetime]
Mono = Callable[[], float]


def system_wall() -> datetime:
    """Aware UTC now. May jump; order and dwell never depend on it."""
    return datetime.now(UTC)


def system_mono() -> float:
    """Seconds on a clock that never goes back; only differences within one boot mean anything."""
    return time.monotonic()
