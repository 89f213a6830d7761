"""What hides a zone after looks that were not gone through one by one: found backwards from the last of them. Pure."""

from __future__ import annotations

from xueliang_edge.backtest.measuring import Batch
from xueliang_edge.backtest.standing_batch import StandingBatch
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.rules.hiding import Veil, is_long, joined
from xueliang_edge.rules.rasters import PointSet
from xueliang_edge.rules.standing_measure import StandingRule


def veils_through(
    before: tuple[Veil, ...], batch: Batch, timeline: Timeline, start: int, stop: int, rule: StandingRule
) -> tuple[Veil, ...]:
    """`Ground.veils` after the looks from `start` to `stop`, by `before`, those after the look before."""
    last = int(timeline.last_judged[stop])
    if last < start:
        return before
    hidden = throughout = _hidden_at(batch, last)
    if not hidden:
        return ()
    judged, now = timeline.judged(start, stop).tolist(), timeline.moment(last)
    later: list[Veil] = []
    for index, earlier in zip(reversed(judged), (*reversed(judged[:-1]), None), strict=True):
        since = timeline.moment(index)
        if not hidden or is_long(since, now) or timeline.gap_s[index] > rule.view_lost_after_s:
            return joined((), [Veil(hidden, since), *reversed(later)], now)
        still = 0 if earlier is None else hidden & _hidden_at(batch, earlier)
        later.append(Veil(hidden & ~still, since))
        throughout, hidden = hidden, still
    kept = [Veil(veil.cells & throughout, veil.since) for veil in before]
    return joined(kept, list(reversed(later)), now)


def _hidden_at(batch: Batch, index: int) -> PointSet:
    if isinstance(batch, StandingBatch):
        return batch.hidden_at(index)
    hidden: PointSet = batch.measure(index).hidden
    return hidden
