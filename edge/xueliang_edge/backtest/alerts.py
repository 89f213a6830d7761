"""What a rule would have raised, and how that differs from what another version of it would have. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from xueliang_alerts.contract import EndReason, Phase, Severity
from xueliang_edge.backtest.answering import Answerable, Unanswered
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.geometry import Box

MOVED_S: Final = 1.0  # one look of most cameras: raised or ended by more than this earlier or later is moved


@dataclass(frozen=True, slots=True)
class WouldBeAlert:
    """One alert from its raise to its end.

    Attributes:
        began_at, raised_at: onset, and the look at which the dwell was met.
        ended_at: when the condition was last seen to hold; None: open when the log ended.
        severity: the most severe it had.
        reason, ended_because: the words of its raise and of its end.
        boxes_xyxyn, measures: at its raise; measures are name to (value, unit).
        updates: how often more would have been said of it.
        unanswered: why the log cannot be relied on at its raise; None: it can.
    """

    rule_id: str
    began_at: datetime
    raised_at: datetime
    ended_at: datetime | None
    end_reason: EndReason | None
    severity: Severity
    confidence: float
    reason: str
    ended_because: str | None
    boxes_xyxyn: tuple[Box, ...]
    measures: dict[str, tuple[float, str]]
    updates: int
    unanswered: Unanswered | None = None

    def overlap_s(self, from_at: datetime, until_at: datetime | None) -> float:
        """Seconds this alert and a stretch of time have in common; below 0: so far apart. None: open to the end."""
        start = max(self.began_at, from_at)
        ends = [end for end in (self.ended_at, until_at) if end is not None]
        return (min(ends) - start).total_seconds() if ends else float("inf")


@dataclass(slots=True)
class Collected:
    """Decisions of one rule, in their order, as alerts. An end without a raise is of an alert from before."""

    rule_id: str
    _said: list[list[Decision]] = field(default_factory=list)

    def add(self, decision: Decision) -> None:
        if decision.phase is Phase.RAISED:
            self._said.append([decision])
        elif self._said:
            self._said[-1].append(decision)

    def __len__(self) -> int:
        return len(self._said)

    def alerts(self, answerable: Answerable) -> tuple[WouldBeAlert, ...]:
        return tuple(self._alert(said, answerable) for said in self._said)

    def _alert(self, said: Sequence[Decision], answerable: Answerable) -> WouldBeAlert:
        raised, last = said[0], said[-1]
        is_over = last.phase is Phase.CLEARED
        return WouldBeAlert(
            rule_id=self.rule_id,
            began_at=raised.began.at,
            raised_at=raised.raised.at,
            ended_at=last.ended.at if is_over and last.ended is not None else None,
            end_reason=last.end_reason,
            severity=Severity(min(one.severity for one in said)),
            confidence=raised.confidence,
            reason=raised.reason.text,
            ended_because=last.reason.text if is_over else None,
            boxes_xyxyn=raised.boxes_xyxyn,
            measures=raised.measures,
            updates=sum(one.phase is Phase.UPDATED for one in said),
            unanswered=answerable.reason_at(raised.raised.at),
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """An alert of both versions. Seconds that the draft's comes later (negative: earlier); None: one is still open."""

    running: WouldBeAlert
    draft: WouldBeAlert
    raised_later_s: float
    ended_later_s: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What a draft changes.

    Attributes:
        added, gone: alerts of the draft alone, and of the running version alone.
        moved: alerts of both that are raised or end more than `MOVED_S` apart, or of which one alone is over.
        same: how many are the same.
    """

    added: tuple[WouldBeAlert, ...]
    gone: tuple[WouldBeAlert, ...]
    moved: tuple[Moved, ...]
    same: int


def difference(running: Sequence[WouldBeAlert], draft: Sequence[WouldBeAlert]) -> Difference:
    """Alerts are paired when their times from onset to end overlap: the longest overlap first, each at most once."""
    paired = dict(_pairs(running, draft))
    of_both = [_moved(running[one], draft[other]) for one, other in sorted(paired.items())]
    moved = tuple(one for one in of_both if _is_moved(one))
    taken = set(paired.values())
    return Difference(
        added=tuple(alert for index, alert in enumerate(draft) if index not in taken),
        gone=tuple(alert for index, alert in enumerate(running) if index not in paired),
        moved=moved,
        same=len(of_both) - len(moved),
    )


def _pairs(running: Sequence[WouldBeAlert], draft: Sequence[WouldBeAlert]) -> Iterable[tuple[int, int]]:
    """Both are in order of time, and no two alerts of one rule overlap."""
    overlaps: list[tuple[float, int, int]] = []
    first = 0
    for index, alert in enumerate(running):
        while (
            first < len(draft)
            and alert.overlap_s(draft[first].began_at, draft[first].ended_at) < 0
            and (draft[first].began_at < alert.began_at)
        ):
            first += 1
        other = first
        while other < len(draft) and (overlap := alert.overlap_s(draft[other].began_at, draft[other].ended_at)) >= 0:
            overlaps.append((-overlap, index, other))
            other += 1
    taken_running: set[int] = set()
    taken_draft: set[int] = set()
    for _, index, other in sorted(overlaps):
        if index not in taken_running and other not in taken_draft:
            taken_running.add(index)
            taken_draft.add(other)
            yield index, other


def _moved(running: WouldBeAlert, draft: WouldBeAlert) -> Moved:
    ended_later_s = None
    if running.ended_at is not None and draft.ended_at is not None:
        ended_later_s = (draft.ended_at - running.ended_at).total_seconds()
    return Moved(running, draft, (draft.raised_at - running.raised_at).total_seconds(), ended_later_s)


def _is_moved(pair: Moved) -> bool:
    is_one_open = (pair.running.ended_at is None) != (pair.draft.ended_at is None)
    return is_one_open or abs(pair.raised_later_s) > MOVED_S or abs(pair.ended_later_s or 0.0) > MOVED_S
