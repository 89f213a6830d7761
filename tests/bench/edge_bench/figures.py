"""Small exact arithmetic for the tables: intervals, percentiles, slopes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

_HALVINGS: Final = 60  # bisection down to 2⁻⁶⁰


def exact_interval(hits: int, tries: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper–Pearson: the shares for which `hits` of `tries` is no surprise on either side. No tries: 0 to 1."""
    if not 0 <= hits <= tries:
        raise ValueError(f"expected 0 <= hits <= tries, got {hits} of {tries}")
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _where(lambda p: 1 - _at_most(hits - 1, tries, p), tail)
    high = 1.0 if hits == tries else 1 - _where(lambda p: 1 - _at_most(tries - hits - 1, tries, p), tail)
    return low, high


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of the values do not exceed (nearest rank); None of none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Least squares: y per x; None with fewer than two different x."""
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else None


def ratio(of: float | None, to: float | None) -> float | None:
    """How many times `to` fits into `of`; None when either was not measured."""
    return of / to if of is not None and to else None


def cameras_per_core(cpu_s_per_camera_minute: float | None) -> float | None:
    """60 CPU-seconds make a core busy for a minute."""
    return ratio(60.0, cpu_s_per_camera_minute)


def _at_most(hits: int, tries: int, share: float) -> float:
    """The binomial distribution function, summed from logarithms so that thousands of tries do not overflow."""
    if share <= 0.0 or share >= 1.0:
        return float(hits >= tries * share)
    log_yes, log_no = math.log(share), math.log1p(-share)
    whole = math.lgamma(tries + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(tries - k + 1) + k * log_yes + (tries - k) * log_no)
        for k in range(hits + 1)
    )


def _where(rising: Callable[[float], float], level: float) -> float:
    """The share at which a function that rises from 0 to 1 reaches a level."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < level else (low, middle)
    return (low + high) / 2
