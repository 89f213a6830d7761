"""One hard deadline over a measurement: it is cut off wherever it is, and what was measured until then stands."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

QUICK_S = 50.0  # the promise of --quick, from the command on
AROUND_S = 5.0  # what comes before this process (./run looks at the environment) and behind the deadline (killing)


class DeadlinePassed(BaseException):
    """Not an Exception: nothing on the way may take it for a fault of its own and go on."""


def left_of_quick_s() -> float:
    """Seconds of a quick run that are left to measure in: what Python took to start and import has gone."""
    age_s = time.time() - psutil.Process().create_time()
    return max(1.0, QUICK_S - AROUND_S - age_s)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Cut the block off after `seconds` and go on behind it. Main thread only, one at a time."""

    def cut_off(_number: int, _frame: FrameType | None) -> None:
        raise DeadlinePassed

    before = signal.signal(signal.SIGALRM, cut_off)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except DeadlinePassed:
        print(f"cut off after {seconds:.0f} s: what was not measured by then is null")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
