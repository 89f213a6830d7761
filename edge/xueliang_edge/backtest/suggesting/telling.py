"""Suggestions for a terminal, and as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date, tzinfo
from typing import Any, Final

from xueliang_edge.backtest.suggesting.changes import snippet
from xueliang_edge.backtest.suggesting.searching import Proposal, Suggestions
from xueliang_edge.backtest.suggesting.weighing import Judged, Lost

TOLD: Final = 12
_DAYS_NAMED: Final = 7


def lines(found: Suggestions, zone: tzinfo | None = None) -> Iterator[str]:
    """`zone`: local time of what is printed; None: this machine's."""
    judged, report = found.judged, found.report
    tuned, checked = _false_by_day(judged)
    yield f"camera {report.camera_id}, rule {report.rule_id} ({report.hazard})"
    yield (
        f"{len(judged.alerts)} alerts: {len(judged.false_alarms)} judged false; {len(judged.true_ones)} true hazards "
        f"raised; {len(judged.unjudged)} alerts judged neither"
    )
    if judged.doubted:
        yield f"  {judged.doubted} more judged false are left out: the log cannot be relied on there"
    yield f"proposals were found on {_named(judged.tuned_days)} ({tuned} false alarms)"
    yield f"and checked on {_named(judged.checked_days)} ({checked}); days of {judged.time_zone}"
    yield (
        f"{found.tried} changes tried: {found.without_effect} remove nothing, or no more than a smaller step; "
        f"{found.not_possible} more cannot stand in this rule or need closer looks than the log has"
    )
    if not found.proposals:
        yield "no change removes a false alarm of the days searched"
        return
    yield "nothing is changed by this: to take a proposal, write its lines into the rule in place of those there"
    for number, one in enumerate(found.proposals[:TOLD], 1):
        yield ""
        yield from _proposal(number, one, (tuned, checked), zone)
    if len(found.proposals) > TOLD:
        yield ""
        yield f"and {len(found.proposals) - TOLD} more; --json FILE has all"


def _named(days: Iterable[date]) -> str:
    """A few days by name, more by number: 3 days (2026-11-23, 11-25, 11-27)."""
    first, *more = sorted(days)
    listed = ", ".join([first.isoformat(), *(f"{day:%m-%d}" for day in more[: _DAYS_NAMED - 1])])
    return f"{1 + len(more)} day{'s' if more else ''} ({listed}{', …' if len(more) >= _DAYS_NAMED else ''})"


def _proposal(number: int, one: Proposal, false: tuple[int, int], zone: tzinfo | None) -> Iterator[str]:
    done, (tuned, checked) = one.outcome, false
    yield f"{number}. {one.words}"
    yield (
        f"   false alarms gone: {_share(done.gone_tuned, tuned)} on the days searched, "
        f"{_share(done.gone_checked, checked)} on the days that check"
    )
    if not done.lost:
        yield "   no true alert lost"
    if one.nearly_lost:
        further = "; ".join(change.further.words for change in one.changes if change.further is not None)
        yield f"   CLOSE: a little further ({further}) and {_true_alerts(one.nearly_lost)} would be lost"
    for lost in done.lost:
        yield f"   LOSES a true alert: {_lost(lost, zone)}"
    if done.later_s > 0:
        yield f"   true alerts are raised up to {done.later_s:.0f} s later"
    if done.unjudged_gone:
        yield f"   {done.unjudged_gone} alerts that nobody has judged go as well: some may have been true"
    if done.added:
        yield f"   {done.added} alerts are raised at times when there are none today"
    yield from (f"     {line}" for line in snippet(one.values).splitlines())


def _true_alerts(count: int) -> str:
    return "1 true alert" if count == 1 else f"{count} true alerts"


def _lost(lost: Lost, zone: tzinfo | None) -> str:
    known = f"{lost.alert_id}, " if lost.alert_id is not None else ""
    day = "searched" if lost.is_tuned else "that checks"
    return f"{known}raised {lost.raised_at.astimezone(zone):%Y-%m-%d %H:%M:%S} (a day {day}): {lost.reason}"


def _share(gone: int, of: int) -> str:
    return f"{gone} of {of} ({gone / of:.0%})" if of else "none to remove"


def _false_by_day(judged: Judged) -> tuple[int, int]:
    tuned = len(judged.false_tuned)
    return tuned, len(judged.false_alarms) - tuned


def json_lines(found: Suggestions) -> Iterable[dict[str, Any]]:
    """One object for the whole, then one for each proposal, in their order; `kind` says which."""
    judged, report = found.judged, found.report
    tuned, checked = _false_by_day(judged)
    yield {
        "kind": "suggestions",
        "camera_id": report.camera_id,
        "rule_id": report.rule_id,
        "hazard": report.hazard,
        "from_at": report.from_at,
        "to_at": report.to_at,
        "alerts": len(judged.alerts),
        "false_searched": tuned,
        "false_checked": checked,
        "false_doubted": judged.doubted,
        "true": len(judged.true_ones),
        "unjudged": len(judged.unjudged),
        "days_searched": _days(judged.tuned_days),
        "days_checked": _days(judged.checked_days),
        "time_zone": judged.time_zone,
        "tried": found.tried,
        "without_effect": found.without_effect,
        "not_possible": found.not_possible,
    }
    for one in found.proposals:
        done = one.outcome
        yield {
            "kind": "proposal",
            "words": one.words,
            "settings": one.values,
            "gone_searched": done.gone_tuned,
            "gone_checked": done.gone_checked,
            "lost": [asdict(lost) for lost in done.lost],
            "nearly_lost": one.nearly_lost,
            "later_s": done.later_s,
            "unjudged_gone": done.unjudged_gone,
            "added": done.added,
        }


def _days(days: Iterable[Any]) -> list[str]:
    return [day.isoformat() for day in sorted(days)]
