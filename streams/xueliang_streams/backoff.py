"""When to try a camera again (pure: the caller owns clock and dice).

Exponential from `first_s` to `cap_s`, with jitter so that a thousand cameras behind one switch do not all come back in
the same second. A refused login waits the whole cap: cameras lock accounts after a few wrong tries.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """The shape of the waiting times, in seconds."""

    first_s: float = 1.0
    cap_s: float = 60.0
    factor: float = 2.0

    def __post_init__(self) -> None:
        if not (0 < self.first_s <= self.cap_s and self.factor >= 1):
            raise ValueError(f"need 0 < first_s <= cap_s and factor >= 1, got {self}")


def delay_s(failures: int, shape: Backoff, rng: Random, *, login_refused: bool = False) -> float:
    """How long to wait after the `failures`-th failure in a row (from 1).

    Between half and all of min(cap_s, first_s * factor ** failures), never below `first_s`: with the defaults 1 to 2 s
    after the first failure, 30 to 60 s from the sixth on. With `login_refused`: cap_s to 1.5 cap_s.
    """
    if failures < 1:
        raise ValueError(f"failures counts from 1, got {failures}")
    if login_refused:
        return shape.cap_s * (1 + 0.5 * rng.random())
    # The exponent is bounded too: factor ** 2000 overflows a float when a camera is away for days.
    longest_s = min(shape.cap_s, shape.first_s * shape.factor ** min(failures, 64))
    return max(shape.first_s, longest_s * (0.5 + 0.5 * rng.random()))
