"""A back-test's answer for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Final

from xueliang_edge.backtest.alerts import WouldBeAlert
from xueliang_edge.backtest.answering import WORDS, Stretch
from xueliang_edge.backtest.judgements import Scored
from xueliang_edge.backtest.report import Rate, Report

ALERTS_TOLD: Final = 40
STRETCHES_TOLD: Final = 5


def lines(report: Report, zone: tzinfo | None = None) -> Iterator[str]:
    """`zone`: local time of what is printed; None: this machine's."""
    yield f"camera {report.camera_id}, rule {report.rule_id} ({report.hazard})"
    if report.from_at is None or report.to_at is None:
        yield "nothing is logged of this camera in this time: nothing can be said"
        return
    yield f"from {_at(report.from_at, zone)} to {_at(report.to_at, zone)}, {report.looks} looks"
    yield from _answer_lines(report, zone)
    yield ""
    yield f"the draft would have raised {_alerts(len(report.alerts))}; {_rate(report.rate)}"
    if report.running is None or report.difference is None or report.running_rate is None:
        yield f'this camera has no running rule "{report.rule_id}": nothing to compare with'
    else:
        parts = report.difference
        yield f"the running version raises {_alerts(len(report.running))}; {_rate(report.running_rate)}"
        yield f"  {len(parts.added)} added, {len(parts.gone)} gone, {len(parts.moved)} moved, {parts.same} the same"
    if report.scored is not None:
        yield from _scored_lines(report.scored)
    yield from _table(report, zone)


def _answer_lines(report: Report, zone: tzinfo | None) -> Iterator[str]:
    answer = report.answerable
    if not answer.total_s:
        yield "one look only: nothing can be said of any stretch of time"
        return
    share = answer.answered_s / answer.total_s
    yield f"the log can answer for {_span(answer.answered_s)} of {_span(answer.total_s)} ({share:.1%})"
    for reason, seconds in sorted(answer.unanswered_s.items(), key=lambda item: -item[1]):
        yield f"  cannot answer: {_span(seconds)} ({seconds / answer.total_s:.1%}): {WORDS[reason]}"
    if report.always is not None:
        yield f"  {report.always}"
    longest = sorted(answer.stretches, key=lambda one: -one.seconds)[:STRETCHES_TOLD]
    if report.always is None and longest:
        left = len(answer.stretches) - len(longest)
        yield "  the longest: " + "; ".join(_stretch(one, zone) for one in longest) + (f"; {left} more" if left else "")


def _stretch(stretch: Stretch, zone: tzinfo | None) -> str:
    return f"{_at(stretch.from_at, zone)} for {_span(stretch.seconds)} ({stretch.reason.value})"


def _scored_lines(score: Scored) -> Iterator[str]:
    precision, recall = score.precision, score.recall
    judged = score.true_alerts + score.false_alerts
    told = f"{precision:.0%}" if precision is not None else "none judged"
    yield f"precision {told}: {score.true_alerts} of {judged} judged alerts true, {score.unjudged} not judged"
    told = f"{recall:.0%}" if recall is not None else "no true hazard judged"
    yield f"recall {told}: {score.found} of {score.found + score.missed} true hazards raised"
    if score.unanswered:
        yield f"  {score.unanswered} true hazards lie where the log cannot answer: neither raised nor missed"
    if score.permitted:
        yield f"  {score.permitted} were permitted: they count neither way"
    if score.unmatched:
        yield f"  {score.unmatched} judgements name an alert that the running version does not raise here: left out"


def _table(report: Report, zone: tzinfo | None) -> Iterator[str]:
    marks = _marks(report)
    rows: list[tuple[WouldBeAlert, str]] = [(one, marks.get(id(one), "")) for one in report.alerts]
    if report.difference is not None:
        rows += [(one, "gone") for one in report.difference.gone]
    if not rows:
        return
    rows.sort(key=lambda row: row[0].raised_at)
    yield ""
    yield f"{'raised':19}  {'lasted':>8}  {'sev':>3}  {'against running':15}  why"
    for alert, mark in rows[:ALERTS_TOLD]:
        lasted = _span((alert.ended_at - alert.began_at).total_seconds()) if alert.ended_at is not None else "open"
        doubt = f" [log cannot be relied on here: {alert.unanswered.value}]" if alert.unanswered is not None else ""
        yield f"{_at(alert.raised_at, zone)}  {lasted:>8}  {alert.severity:>3}  {mark:15}  {alert.reason}{doubt}"
    if len(rows) > ALERTS_TOLD:
        yield f"and {len(rows) - ALERTS_TOLD} more; --json FILE has all"


def _marks(report: Report) -> dict[int, str]:
    if report.difference is None:
        return {}
    marks = {id(one): "same" for one in report.alerts}
    marks |= {id(one): "added" for one in report.difference.added}
    for pair in report.difference.moved:
        marks[id(pair.draft)] = (
            f"moved {pair.raised_later_s:+.0f} s" if abs(pair.raised_later_s) >= 0.5 else "moved end"
        )
    return marks


def _alerts(count: int) -> str:
    return "1 alert" if count == 1 else f"{count} alerts"


def _rate(rate: Rate) -> str:
    if rate.per_day is None or rate.low is None or rate.high is None:
        return "alerts a day cannot be said"
    return (
        f"{rate.per_day:.2g} a day ({rate.low:.2g} to {rate.high:.2g}), of {rate.alerts} in {_span(rate.days * 86_400)}"
    )


def _at(at: datetime, zone: tzinfo | None) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
