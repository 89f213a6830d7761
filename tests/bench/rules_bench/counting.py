"""From alerts and true events to figures: matches, precision, recall, F1, how late an onset is. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.bench.rules_bench.cases import Event

WINDOW_S: Final = 10.0
RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """An alert: the onset it states, and when it was raised."""

    began_s: float
    raised_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case judged by one system.

    Attributes:
        onset_errors_s: of the alerts that were right: told less true.
        gap_s: between two looks. hours: how long was watched.
    """

    hits: int
    false: int
    missed: int
    onset_errors_s: tuple[float, ...]
    gap_s: float
    hours: float


def matched(told: Sequence[Told], events: Sequence[Event]) -> list[tuple[int, int]]:
    """Pairs (alert, event), each in one pair at most, nearest onsets first, none further apart than `WINDOW_S`."""
    distances = sorted(
        (abs(one.began_s - event.onset_s), i, j) for i, one in enumerate(told) for j, event in enumerate(events)
    )
    pairs: list[tuple[int, int]] = []
    for distance, i, j in distances:
        if distance <= WINDOW_S and all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return sorted(pairs)


def outcome_of(told: Sequence[Told], events: Sequence[Event], *, gap_s: float, hours: float) -> Outcome:
    pairs = matched(told, events)
    errors = tuple(told[i].began_s - events[j].onset_s for i, j in pairs)
    return Outcome(len(pairs), len(told) - len(pairs), len(events) - len(pairs), errors, gap_s, hours)


@dataclass(frozen=True, slots=True)
class Score:
    """Many cases together. Shares are None where nothing was counted; intervals are 95 %.

    Attributes:
        precision, recall: each with its Wilson interval. f1: with a bootstrap over cases.
        onset_p95_s: of the size of the onset errors. late_p95_s: the same less half a gap.
    """

    cases: int
    events: int
    hits: int
    false: int
    hours: float
    precision: float | None
    precision_band: tuple[float, float]
    recall: float | None
    recall_band: tuple[float, float]
    f1: float | None
    f1_band: tuple[float, float]
    onset_p95_s: float | None
    late_p95_s: float | None


def score_of(outcomes: Iterable[Outcome]) -> Score:
    every = list(outcomes)
    counts = np.array([(one.hits, one.false, one.missed) for one in every], dtype=np.float64).reshape(-1, 3)
    hits, false, missed = (int(value) for value in counts.sum(axis=0))
    errors = [abs(error) for one in every for error in one.onset_errors_s]
    late = [abs(error) - one.gap_s / 2 for one in every for error in one.onset_errors_s]
    return Score(
        cases=len(every),
        events=hits + missed,
        hits=hits,
        false=false,
        hours=sum(one.hours for one in every),
        precision=hits / (hits + false) if hits + false else None,
        precision_band=wilson(hits, hits + false),
        recall=hits / (hits + missed) if hits + missed else None,
        recall_band=wilson(hits, hits + missed),
        f1=f1_of(hits, false, missed),
        f1_band=_f1_band(counts),
        onset_p95_s=float(np.percentile(errors, 95)) if errors else None,
        late_p95_s=float(np.percentile(late, 95)) if late else None,
    )


def f1_of(hits: float, false: float, missed: float) -> float | None:
    """None where there was nothing to find and nothing was told."""
    return 2 * hits / (2 * hits + false + missed) if hits + false + missed else None


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share; everything when nothing was counted."""
    if not of:
        return 0.0, 1.0
    z = 1.959964
    share = hits / of
    middle = share + z * z / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z * z / of)), min(1.0, (middle + half) / (1 + z * z / of))


def _f1_band(counts: NDArray[np.float64]) -> tuple[float, float]:
    """Cases drawn again with replacement: what happens in one case is not independent."""
    if not counts.sum():
        return 0.0, 1.0
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(counts), (RESAMPLES, len(counts)))
    hits, false, missed = np.moveaxis(counts[drawn].sum(axis=1), 1, 0)
    f1 = 2 * hits / np.maximum(2 * hits + false + missed, 1e-9)
    return float(np.percentile(f1, 2.5)), float(np.percentile(f1, 97.5))
