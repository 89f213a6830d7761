"""Many looks of a crowd rule: how many people each shows, and the trend behind the words of an alert. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.ground import area_of
from xueliang_configs.rules import CrowdRule
from xueliang_edge.backtest import counting
from xueliang_edge.backtest.counting import Flags
from xueliang_edge.backtest.measuring import Batch, BoxBatch, LiveBatch, Skipping, has_one_score
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.encoding import at_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.rules.crowding import (
    GROWTH_EVERY_S,
    GROWTH_OVER_S,
    KEPT_LOWS_S,
    LEAST_LOOKS,
    CountAt,
    CrowdMeasure,
    CrowdState,
    in_window,
    smoothed,
    with_low,
)

MERGED: Final = (0.75, 0.95)  # as rules/crowding.py has it


@dataclass(frozen=True, slots=True, eq=False)
class CrowdBatch:
    """`boxes`: what counts; `counts`: int64 (m,), people in each look; -1 where two boxes may be one, to be asked."""

    boxes: BoxBatch
    counts: NDArray[np.int64]
    wakes: Flags

    def measure(self, index: int) -> CrowdMeasure:
        looks, row, people = self.boxes.looks, self.boxes.timeline.rows[index], self.boxes.boxes_of(index)
        context, is_known = looks.contexts[looks.context[row]], bool(self.boxes.timeline.is_known[index])
        return CrowdMeasure(
            mono_s=float(self.boxes.timeline.mono_s[index]),
            at=at_of(int(looks.at_ms[row])),
            is_known=is_known,
            count=len(people),
            people=lambda: (looks.boxes_xyxyn[people], looks.scores[people]),
            model_digest=context.model_digest if is_known else None,
            frame_size_wh=context.frame_size_wh if is_known else None,
        )

    def count_of(self, index: int) -> int:
        if self.counts[index] < 0:
            self.counts[index] = len(self.boxes.boxes_of(index))
        return int(self.counts[index])


def _begin(looks: LoggedLooks, timeline: Timeline, rule: CrowdRule) -> Batch:
    if not has_one_score(looks, timeline):
        return LiveBatch(looks, timeline, rule, np.ones(len(timeline), np.bool_))
    flags, counts = counting.by_score(
        looks, timeline.rows, lambda score: counting.standing_in(looks, counting.counted(looks, rule, score), rule.zone)
    )
    wakes = counts >= _least(rule)
    boxes = BoxBatch.of(looks, timeline, flags, wakes, MERGED)
    several = np.flatnonzero(counts > 1)
    is_asked = counting.overlapping(looks, timeline.rows[several], flags, *MERGED)
    counts[several[is_asked]] = -1
    return CrowdBatch(boxes, counts, wakes)


def _least(rule: CrowdRule) -> float:
    """Below so many people in every look of the last seconds nothing begins."""
    if rule.ground is None:
        return float(rule.raise_at_count)
    m2, _ = area_of(rule.ground, rule.zone)
    return min(float(rule.raise_at_count), rule.levels.busy * m2 * (1 - 1e-9))


def _is_resting(state: CrowdState, _batch: Batch, rule: CrowdRule) -> bool:
    least = _least(rule)
    return state.run is None and all(item.count < least for item in state.recent)


def _rested(
    state: CrowdState, batch: CrowdBatch, timeline: Timeline, start: int, stop: int, rule: CrowdRule
) -> CrowdState:
    judged = timeline.judged(start, stop)
    if not len(judged):
        return state
    resets = np.flatnonzero(timeline.gap_s[judged] > rule.gap_tolerance_s)
    if len(resets):
        judged, state = judged[resets[-1] :], replace(state, recent=(), trend=(), lows=())
    seen_s: list[float] = timeline.seen_s[judged].tolist()

    def within(last: int) -> tuple[CountAt, ...]:
        """The counts that say how many people this look shows, itself included."""
        found: list[CountAt] = []
        index = last
        while index >= 0 and (len(found) < LEAST_LOOKS or seen_s[last] - seen_s[index] <= rule.smooth_s):
            found.append(CountAt(seen_s[index], float(batch.count_of(int(judged[index])))))
            index -= 1
        before = state.recent if index < 0 else ()
        return in_window((*before, *reversed(found)), rule.smooth_s)

    def lows() -> tuple[CountAt, ...]:
        """The last counts that no later one fell to."""
        first = bisect_left(seen_s, seen_s[-1] - KEPT_LOWS_S - 1e-6)  # what is a hair too old leaves by itself
        found = state.lows if first == 0 else ()
        for index in range(first, len(seen_s)):
            found = with_low(found, CountAt(seen_s[index], float(batch.count_of(int(judged[index])))))
        return found

    samples = _samples(seen_s, state.trend[-1].seen_s if state.trend else None)
    trend = state.trend
    if samples:
        newest_s = seen_s[samples[-1]]
        kept = [index for index in samples if newest_s - seen_s[index] <= GROWTH_OVER_S]
        new = tuple(CountAt(seen_s[index], smoothed(within(index))) for index in kept)
        trend = (*(item for item in state.trend if newest_s - item.seen_s <= GROWTH_OVER_S), *new)
    return replace(state, recent=within(len(seen_s) - 1), trend=trend, lows=lows())


def _samples(seen_s: list[float], last_s: float | None) -> list[int]:
    """The looks at which the trend takes a count: the first, then the first after each `GROWTH_EVERY_S`."""
    found: list[int] = []
    index = 0
    while True:
        if last_s is not None:
            index = bisect_left(seen_s, last_s + GROWTH_EVERY_S - 1e-6, index)  # a sum may round either way
            while index < len(seen_s) and seen_s[index] - last_s < GROWTH_EVERY_S:
                index += 1
        if index >= len(seen_s):
            return found
        found.append(index)
        last_s = seen_s[index]


CROWDS: Final = Skipping(_begin, _is_resting, _rested)
