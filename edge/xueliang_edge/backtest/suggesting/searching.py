"""The search: each change tried over the log, then some together; found on some days, checked on the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from xueliang_configs.rules import Rule, at_place
from xueliang_edge.backtest.alerts import Collected, WouldBeAlert
from xueliang_edge.backtest.replaying import Replay
from xueliang_edge.backtest.report import Asked, Report, backtest
from xueliang_edge.backtest.suggesting.changes import Change, ChangeKind, changed, fit_together, values_of
from xueliang_edge.backtest.suggesting.hours import hours
from xueliang_edge.backtest.suggesting.ladders import ladder
from xueliang_edge.backtest.suggesting.places import places
from xueliang_edge.backtest.suggesting.week import time_zone_of
from xueliang_edge.backtest.suggesting.weighing import Judged, Outcome, judged_of, weighed
from xueliang_edge.errors import NothingToTry
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observation_log.reading import Gap
from xueliang_edge.observations import ViewState

_TOGETHER: Final = 4  # changes: more at once nobody can follow
_LEAST_GONE: Final = 2  # false alarms: one is no cause that comes again, and each change may cost a true alert one day
_KINDS: Final = tuple(ChangeKind)

Parts = Iterable[LoggedLooks | Gap]
Progress = Callable[[datetime], None]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes that could be made, and what they would do.

    Attributes:
        values: the settings that become others, as written.
        nearly_lost: true alerts that it keeps and the same taken further (`Change.further`) would lose.
    """

    changes: tuple[Change, ...]
    values: dict[str, object]
    outcome: Outcome
    nearly_lost: int = 0

    @property
    def words(self) -> str:
        return "; ".join(one.words for one in self.changes)


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What was found.

    Attributes:
        report: of the rule as it was asked about. judged: its alerts and what is known of them.
        proposals: those that lose no true alert, and not nearly, come first, then those with the most false alarms gone
            on the days that were searched. The days that check have no say but for true alerts lost, or nearly.
        tried: changes that were gone through. without_effect: of these, what removed no false alarm on those days, or
            did what a smaller step did. not_possible: what the settings or the looks of the log do not allow.
    """

    report: Report
    judged: Judged
    proposals: tuple[Proposal, ...]
    tried: int
    without_effect: int
    not_possible: int


def suggest(
    asked: Asked,
    read: Callable[[], Parts],
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    progress: Progress = lambda _at: None,
) -> Suggestions:
    """Goes through the log four times: `read` begins anew. Raises NothingToTry where nothing can be searched."""
    scores = _Scores(asked.draft)
    report = backtest(asked, scores.watched(read()), from_at, to_at, progress)
    if report.from_at is None or report.to_at is None:
        raise NothingToTry("suggestions: nothing is logged of this camera in this time\n  hint: ask about another time")
    running = (
        {} if asked.alert_id_of is None else {asked.alert_id_of(one.began_at): one for one in report.running or ()}
    )
    stretch, zone = (report.from_at, report.to_at), time_zone_of(asked.draft)
    judged = judged_of(report.alerts, asked.judgements or (), running, stretch, zone)
    trial = _Trial(asked, judged, report, progress)
    wanted = [(one,) for one in _changes(asked.draft, judged, scores.highest)]
    alone = trial.tried_further(_distinct(one for one in trial.proposals(wanted, read) if one.outcome.gone_tuned), read)
    together = trial.proposals(_together(alone, judged.tuned), read)
    return Suggestions(
        report=report,
        judged=judged,
        proposals=tuple(sorted([*alone, *together], key=_order)),
        tried=trial.tried,
        without_effect=trial.tried - len(alone) - len(together),
        not_possible=trial.not_possible,
    )


def _changes(rule: Rule, judged: Judged, confident_score: float) -> Iterator[Change]:
    false_alarms, true_ones = judged.false_tuned, judged.true_alerts
    yield from ladder(rule, confident_score)
    yield from places(rule, false_alarms, true_ones)
    yield from hours(rule, false_alarms, true_ones, judged.to_at)


class _Trial:
    """Goes through the log with changed rules."""

    def __init__(self, asked: Asked, judged: Judged, report: Report, progress: Progress) -> None:
        self._asked, self._judged, self._report, self._progress = asked, judged, report, progress
        self.tried = self.not_possible = 0

    def proposals(self, wanted: Sequence[tuple[Change, ...]], read: Callable[[], Parts]) -> list[Proposal]:
        possible: list[tuple[tuple[Change, ...], Rule]] = []
        for changes in wanted:
            rule = changed(self._asked.draft, changes)
            if rule is None:
                self.not_possible += 1
            else:
                possible.append((changes, rule))
        self.tried += len(possible)
        if not possible:
            return []
        said = self._alerts([rule for _, rule in possible], read())
        return [
            Proposal(changes, values_of(self._asked.draft, changes), weighed(self._judged, alerts))
            for (changes, _), alerts in zip(possible, said, strict=True)
        ]

    def tried_further(self, alone: Sequence[Proposal], read: Callable[[], Parts]) -> list[Proposal]:
        """The same single changes; those that lose nothing, with what they nearly lose."""
        furthers = {
            index: rule
            for index, one in enumerate(alone)
            if not one.outcome.lost and (rule := self._further(one.changes[0])) is not None
        }
        if not furthers:
            return list(alone)
        said = dict(zip(furthers, self._alerts(list(furthers.values()), read()), strict=True))
        return [
            replace(one, nearly_lost=len(weighed(self._judged, said[index]).lost)) if index in said else one
            for index, one in enumerate(alone)
        ]

    def _further(self, change: Change) -> Rule | None:
        return None if change.further is None else changed(self._asked.draft, [change.further])

    def _alerts(self, rules: Sequence[Rule], parts: Parts) -> list[tuple[WouldBeAlert, ...]]:
        """Of each rule, over one reading of the log."""
        replays = [Replay(at_place(rule, self._asked.camera.place_class)) for rule in rules]
        collected = [Collected(rule.rule_id) for rule in rules]
        for part in parts:
            if isinstance(part, Gap):
                continue
            for replay, found in zip(replays, collected, strict=True):
                for decision in replay.take(part):
                    found.add(decision)
            self._progress(part.last_at)
        return [found.alerts(self._report.answerable) for found in collected]


class _Scores:
    """The highest score that a class without its own had to have in these looks; 1 while nothing was seen."""

    def __init__(self, rule: Rule) -> None:
        self._detector, self._highest = rule.detector, 0.0

    @property
    def highest(self) -> float:
        return self._highest or 1.0

    def watched(self, parts: Parts) -> Parts:
        for part in parts:
            if isinstance(part, LoggedLooks):
                found = [
                    one.confident_score
                    for one in part.contexts
                    if one.view is ViewState.GOOD and one.detector == self._detector
                ]
                self._highest = max([self._highest, *found])
            yield part


def _distinct(proposals: Iterable[Proposal]) -> list[Proposal]:
    """Of the steps of one change that do the same, the first: it is the smallest."""
    found: dict[tuple[object, ...], Proposal] = {}
    for one in proposals:
        done = one.outcome
        found.setdefault((one.changes[0].name, done.gone, done.lost, done.unjudged_gone, done.added), one)
    return list(found.values())


def _together(alone: Sequence[Proposal], tuned: frozenset[int]) -> list[tuple[Change, ...]]:
    """Whichever removes most of what is left of `tuned`, again and again, without losing a true alert, or nearly."""
    safe = [one for one in alone if not one.outcome.lost and not one.nearly_lost]
    worth = [one for one in safe if one.outcome.gone_tuned >= _LEAST_GONE]
    taken: tuple[Change, ...] = ()
    left = tuned
    found: list[tuple[Change, ...]] = []
    while len(taken) < _TOGETHER:
        fitting = [one for one in worth if fit_together((*taken, *one.changes)) and one.outcome.gone & left]
        if not fitting:
            return found
        best = min(fitting, key=lambda one: (-len(one.outcome.gone & left), *_cost(one)))
        taken, left = (*taken, *best.changes), left - best.outcome.gone
        if len(taken) > 1:
            found.append(taken)
    return found


def _order(one: Proposal) -> tuple[float, ...]:
    return len(one.outcome.lost), one.nearly_lost, -one.outcome.gone_tuned, len(one.changes), *_cost(one)


def _cost(one: Proposal) -> tuple[float, ...]:
    """Where two remove the same: what delays less, hides fewer unjudged alerts, and blinds less."""
    done = one.outcome
    return done.later_s, done.unjudged_gone, max(_KINDS.index(change.kind) for change in one.changes)
