"""What a changed rule makes of the alerts that people have judged. Pure."""

from __future__ import annotations

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from xueliang_edge.backtest.alerts import WouldBeAlert
from xueliang_edge.backtest.judgements import Judgement, Placed, Verdict, placed_in_time
from xueliang_edge.backtest.suggesting.week import local_of
from xueliang_edge.errors import NothingToTry

_LEAST_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """The alerts of the rule as it was asked about, and what is known of them.

    Attributes:
        alerts: all of them. false_alarms: index of those that were judged false and nothing else, where the log can be
            relied on. unjudged: index of those of which nobody has said whether they are true or false.
        true_ones: judged true, and raised. doubted: judged false where the log cannot be relied on: left out.
        tuned_days, checked_days: local days with judgements, one for this and the next for that.
        to_at: the end of what is still open.
    """

    alerts: Sequence[WouldBeAlert]
    false_alarms: tuple[int, ...]
    unjudged: tuple[int, ...]
    true_ones: tuple[Placed, ...]
    doubted: int
    tuned_days: frozenset[date]
    checked_days: frozenset[date]
    time_zone: str
    to_at: datetime

    def is_tuned(self, at: datetime) -> bool:
        """Whether this is of a day that is searched; else it is of one that checks what was found."""
        return local_of(at, self.time_zone).date() in self.tuned_days

    @property
    def tuned(self) -> frozenset[int]:
        """Of `false_alarms`, those of the days that are searched."""
        return frozenset(index for index in self.false_alarms if self.is_tuned(self.alerts[index].raised_at))

    @property
    def false_tuned(self) -> list[WouldBeAlert]:
        return [self.alerts[index] for index in sorted(self.tuned)]

    @property
    def true_alerts(self) -> list[WouldBeAlert]:
        """Of all days: what is known to be true is never searched away."""
        return [self.alerts[index] for index in sorted({n for one in self.true_ones for n in one.hits(self.alerts)})]


@dataclass(frozen=True, slots=True)
class Lost:
    """A true alert that would not be raised any more. `raised_at` and `reason` are of the rule as it is."""

    alert_id: uuid.UUID | None
    raised_at: datetime
    reason: str
    is_tuned: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change does.

    Attributes:
        gone: index of the false alarms that nobody would see. gone_tuned, gone_checked: how many, by day.
        lost: every true alert that nobody would see, of all days.
        later_s: how much later a true one would be raised at most.
        unjudged_gone: alerts that nobody has judged and that nobody would see: they may have been true.
        added: alerts at times at which the rule as it is raises none.
    """

    gone: frozenset[int]
    gone_tuned: int
    gone_checked: int
    lost: tuple[Lost, ...]
    later_s: float
    unjudged_gone: int
    added: int


def judged_of(
    alerts: Sequence[WouldBeAlert],
    judgements: Sequence[Judgement],
    running: Mapping[uuid.UUID, WouldBeAlert],
    stretch: tuple[datetime, datetime],
    time_zone: str,
) -> Judged:
    """`running`: alerts of the running version by id. Raises NothingToTry where nothing can be searched or checked."""
    from_at, to_at = stretch
    ids = {one.began_at: alert_id for alert_id, one in running.items()}
    met: list[set[Verdict]] = [set() for _ in alerts]
    true_ones: list[Placed] = []
    for judgement in judgements:
        placed = placed_in_time(judgement, running, to_at)
        if placed is None or placed.until_at < from_at or placed.from_at > to_at:
            continue
        hits = placed.hits(alerts)
        for index in hits:
            met[index].add(placed.verdict)
        if hits and placed.verdict is Verdict.TRUE:
            true_ones.append(_with_id(placed, ids.get(alerts[hits[0]].began_at)))
    every_false = [index for index, verdicts in enumerate(met) if verdicts == {Verdict.FALSE}]
    false_alarms = tuple(index for index in every_false if alerts[index].unanswered is None)
    raised = [alerts[index].raised_at for index in false_alarms] + [one.raised_at for one in true_ones]
    days = sorted({local_of(at, time_zone).date() for at in raised})
    if not false_alarms:
        doubt = f"; {len(every_false)} lie where the log cannot be relied on" if every_false else ""
        raise NothingToTry(
            f"suggestions: expected alerts of this rule judged false, got none in this time{doubt}\n"
            "  hint: a judgement names a moment at which the rule has an alert, or the alert's id"
        )
    if len(days) < _LEAST_DAYS:
        raise NothingToTry(
            f"suggestions: expected alerts judged on at least {_LEAST_DAYS} days, got {len(days)}: "
            "what is found on one day is checked on another\n  hint: judge more days, or ask about a longer time"
        )
    return Judged(
        alerts=alerts,
        false_alarms=false_alarms,
        unjudged=tuple(index for index, verdicts in enumerate(met) if not verdicts & {Verdict.TRUE, Verdict.FALSE}),
        true_ones=tuple(true_ones),
        doubted=len(every_false) - len(false_alarms),
        tuned_days=frozenset(days[::2]),
        checked_days=frozenset(days[1::2]),
        time_zone=time_zone,
        to_at=to_at,
    )


def _with_id(placed: Placed, alert_id: uuid.UUID | None) -> Placed:
    known = placed.alert_id or alert_id
    return Placed(placed.verdict, placed.from_at, placed.until_at, placed.raised_at, placed.slack_s, known)


def weighed(judged: Judged, alerts: Sequence[WouldBeAlert]) -> Outcome:
    """`alerts`: of the changed rule.

    A false alarm is gone when no alert is left for it: one that is open at its time and stands for no true hazard, and
    for no earlier false alarm. So alerts that are joined into one are one.
    """
    is_true = {index for one in judged.true_ones for index in one.hits(alerts)}
    false_alarms, ends = set(judged.false_alarms), [one.ended_at or judged.to_at for one in judged.alerts]
    left: set[int] = set()
    seen: set[int] = set()
    added = 0
    for index, alert in enumerate(alerts):
        met = _met(judged.alerts, ends, alert)
        seen.update(met)
        added += not met
        stands_for = next((n for n in met if n in false_alarms), None)
        if index not in is_true and stands_for is not None:
            left.add(stands_for)
    gone = frozenset(false_alarms - left)
    tuned = sum(judged.is_tuned(judged.alerts[index].raised_at) for index in gone)
    lost, later_s = _true_ones(judged, alerts)
    return Outcome(
        gone=gone,
        gone_tuned=tuned,
        gone_checked=len(gone) - tuned,
        lost=lost,
        later_s=later_s,
        unjudged_gone=sum(index not in seen for index in judged.unjudged),
        added=added,
    )


def _met(alerts: Sequence[WouldBeAlert], ends: Sequence[datetime], one: WouldBeAlert) -> range:
    """Index of each alert open at a time at which this one is. Alerts of one rule are in order and do not overlap."""
    first = bisect_left(ends, one.began_at)
    after = len(alerts) if one.ended_at is None else bisect_right(alerts, one.ended_at, key=lambda each: each.began_at)
    return range(first, max(first, after))


def _true_ones(judged: Judged, alerts: Sequence[WouldBeAlert]) -> tuple[tuple[Lost, ...], float]:
    lost: list[Lost] = []
    later_s = 0.0
    for one in judged.true_ones:
        before = judged.alerts[one.hits(judged.alerts)[0]]
        hits = one.hits(alerts)
        if hits:
            later_s = max(later_s, (alerts[hits[0]].raised_at - before.raised_at).total_seconds())
        else:
            lost.append(Lost(one.alert_id, before.raised_at, before.reason, judged.is_tuned(before.raised_at)))
    return tuple(lost), later_s
