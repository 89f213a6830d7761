"""The answer of a back-test, and the one function that gives it. `words.py` tells it to people."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from xueliang_configs.cameras import CameraConfig
from xueliang_configs.loading import view_problem
from xueliang_configs.rules import Rule, at_place, has_place, view_of
from xueliang_edge.attention.refreshing import zone_cells
from xueliang_edge.backtest.alerts import Collected, Difference, WouldBeAlert, difference
from xueliang_edge.backtest.answering import Answerable, Answering, KnownModel, always_unanswered
from xueliang_edge.backtest.judgements import Judgement, Scored, scored
from xueliang_edge.backtest.replaying import Replay
from xueliang_edge.brightness import GRID_WH
from xueliang_edge.errors import NothingToTry
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observation_log.reading import Gap
from xueliang_edge.rules import geometry

DAY_S: Final = 86_400.0
_Z95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Rate:
    """Alerts a day of time that the log can answer for.

    Attributes:
        alerts: how many it rests on. days: of answerable time.
        per_day, low, high: and between which figures 19 of 20 such rates lie; None: there is no time to count in.
    """

    alerts: int
    days: float
    per_day: float | None
    low: float | None
    high: float | None


def rate_of(alerts: int, seconds: float) -> Rate:
    """As if alerts came independently of each other (Poisson): those that come in bursts spread wider than this.

    Byar's approximation: the upper bound is within 1 % of the exact one, from five alerts on the lower one too.
    """
    days = seconds / DAY_S
    if days <= 0:
        return Rate(alerts, 0.0, None, None, None)
    low = alerts * (1 - 1 / (9 * alerts) - _Z95 / (3 * alerts**0.5)) ** 3 if alerts else 0.0
    more = alerts + 1
    high = more * (1 - 1 / (9 * more) + _Z95 / (3 * more**0.5)) ** 3
    return Rate(alerts, days, alerts / days, max(0.0, low) / days, high / days)


@dataclass(frozen=True, slots=True)
class Report:
    """What a draft would have raised.

    Attributes:
        from_at, to_at: the stretch asked about, as far as the log has one end of it; None: nothing is logged.
        alerts: of the draft. running: of the running version over the same looks; None: the camera has no such rule.
        difference: None without a running version.
        rate: of alerts raised where the log can answer; the others are in `alerts`, with why not.
        always: why the log can never answer for this draft, in words; None: it can.
        scored: None without judgements.
        looks: that concern the draft. judged_alone: of these, gone through one by one.
        digests: model digest to looks of the rule's detector.
    """

    camera_id: str
    rule_id: str
    hazard: str
    from_at: datetime | None
    to_at: datetime | None
    alerts: tuple[WouldBeAlert, ...]
    running: tuple[WouldBeAlert, ...] | None
    difference: Difference | None
    rate: Rate
    running_rate: Rate | None
    answerable: Answerable
    always: str | None
    scored: Scored | None
    looks: int
    judged_alone: int
    digests: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked.

    Attributes:
        camera: with its running rules. draft: the rule to try; the running version is the one of its rule_id.
        model: what the draft's detector is today; None: not known, then no look is doubted for its model.
        judgements: of operators. alert_id_of: onset to the id of the running version's alert; None: not known.
    """

    camera: CameraConfig
    draft: Rule
    model: KnownModel | None = None
    judgements: Sequence[Judgement] | None = None
    alert_id_of: Callable[[datetime], uuid.UUID] | None = None


class _OneRule:
    """A rule on its way through the log."""

    def __init__(self, rule: Rule, camera: CameraConfig, model: KnownModel | None) -> None:
        self.rule = at_place(rule, camera.place_class)
        self.replay, self.collected = Replay(self.rule), Collected(rule.rule_id)
        self.answering = Answering(self.rule, model, carried_counts=is_watched(self.rule, camera))

    def take(self, part: LoggedLooks | Gap) -> None:
        if isinstance(part, Gap):
            self.answering.gap(part)
            return
        self.answering.take(part)
        for decision in self.replay.take(part):
            self.collected.add(decision)


def is_watched(rule: Rule, camera: CameraConfig) -> bool:
    """Whether a move where the rule looks is noticed: its zone lies where the camera's running rules look.

    A detector's answer is carried on while nothing moves there, whatever moves elsewhere.
    """
    if not has_place(rule):
        return True
    grid_hw = (GRID_WH[1], GRID_WH[0])
    watched = zone_cells([one for one in camera.rules if has_place(one) and one.detector == rule.detector], grid_hw)
    return bool(watched.ravel()[geometry.zone_cells(rule.zone, grid_hw)[0]].all())


def backtest(
    asked: Asked,
    parts: Iterable[LoggedLooks | Gap],
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    progress: Callable[[datetime], None] = lambda _at: None,
) -> Report:
    """Go through the log. `progress` is told the last moment of each part.

    Raises NothingToTry for a draft whose view this camera does not tell: no look would be its own, or all would.
    """
    _must_name_its_view(asked)
    camera, draft = asked.camera, _OneRule(asked.draft, asked.camera, asked.model)
    rule = next((one for one in camera.rules if one.rule_id == asked.draft.rule_id), None)
    running = None
    if rule is not None:
        running = _OneRule(rule, camera, asked.model if rule.detector == asked.draft.detector else None)
    first_at, last_at = from_at, to_at
    for part in parts:
        for one in (draft, running):
            if one is not None:
                one.take(part)
        if isinstance(part, LoggedLooks):
            first_at = part.first_at if first_at is None else first_at
            last_at = part.last_at if to_at is None else to_at
            progress(part.last_at)
    answerable = draft.answering.answer()
    alerts = draft.collected.alerts(answerable)
    before = None if running is None else running.collected.alerts(running.answering.answer())
    always = always_unanswered(draft.rule, asked.model)
    return Report(
        camera_id=camera.camera_id,
        rule_id=asked.draft.rule_id,
        hazard=asked.draft.hazard.value,
        from_at=first_at,
        to_at=last_at,
        alerts=alerts,
        running=before,
        difference=None if before is None else difference(before, alerts),
        rate=rate_of(sum(one.unanswered is None for one in alerts), answerable.answered_s),
        running_rate=None if before is None or running is None else _rate(before, running.answering.answer()),
        answerable=answerable,
        always=None if always is None else always[1],
        scored=_scored(asked, alerts, before or (), answerable, first_at, last_at),
        looks=draft.replay.looks,
        judged_alone=draft.replay.judged_alone,
        digests=dict(draft.answering.digests),
    )


def _must_name_its_view(asked: Asked) -> None:
    """A draft comes alone: what its camera's file would be refused for is asked here."""
    view_ids, draft = [one.view_id for one in asked.camera.views], asked.draft
    problem = view_problem(view_of(draft), view_ids, needs_one=has_place(draft))
    if problem is not None:
        raise NothingToTry(f"view: {problem[0]}\n  hint: {problem[1]}")


def _rate(alerts: Sequence[WouldBeAlert], answerable: Answerable) -> Rate:
    return rate_of(sum(one.unanswered is None for one in alerts), answerable.answered_s)


def _scored(
    asked: Asked,
    alerts: Sequence[WouldBeAlert],
    running: Sequence[WouldBeAlert],
    answerable: Answerable,
    from_at: datetime | None,
    to_at: datetime | None,
) -> Scored | None:
    if asked.judgements is None or from_at is None or to_at is None:
        return None
    by_id = {} if asked.alert_id_of is None else {asked.alert_id_of(one.began_at): one for one in running}
    return scored(asked.judgements, alerts, by_id, answerable, from_at, to_at)


def json_lines(report: Report) -> Iterable[dict[str, Any]]:
    """One object for the whole, then one for each alert, difference and unanswered stretch; `kind` says which."""
    unanswered = {reason.value: seconds for reason, seconds in report.answerable.unanswered_s.items()}
    total_s = report.answerable.total_s
    summary: dict[str, Any] = {
        "kind": "summary",
        "camera_id": report.camera_id,
        "rule_id": report.rule_id,
        "hazard": report.hazard,
        "from_at": report.from_at,
        "to_at": report.to_at,
        "looks": report.looks,
        "alerts": len(report.alerts),
        "alerts_counted": report.rate.alerts,
        "alerts_per_day": report.rate.per_day,
        "alerts_per_day_low": report.rate.low,
        "alerts_per_day_high": report.rate.high,
        "running_alerts": None if report.running is None else len(report.running),
        "running_alerts_per_day": None if report.running_rate is None else report.running_rate.per_day,
        "total_s": total_s,
        "answered_s": report.answerable.answered_s,
        "cannot_answer_s": unanswered,
        "cannot_answer_share": {name: seconds / total_s for name, seconds in unanswered.items()} if total_s else {},
        "cannot_answer_always": report.always,
        "model_digests": dict(report.digests),
    }
    if report.difference is not None:
        parts = report.difference
        summary["difference"] = {
            "added": len(parts.added),
            "gone": len(parts.gone),
            "moved": len(parts.moved),
            "same": parts.same,
        }
    if report.scored is not None:
        figures = asdict(report.scored)
        summary["judged"] = figures | {"precision": report.scored.precision, "recall": report.scored.recall}
    yield summary
    yield from ({"kind": "alert"} | _alert_json(one) for one in report.alerts)
    if report.difference is not None:
        yield from ({"kind": "added"} | _alert_json(one) for one in report.difference.added)
        yield from ({"kind": "gone"} | _alert_json(one) for one in report.difference.gone)
        for pair in report.difference.moved:
            yield {
                "kind": "moved",
                "running": _alert_json(pair.running),
                "draft": _alert_json(pair.draft),
                "raised_later_s": pair.raised_later_s,
                "ended_later_s": pair.ended_later_s,
            }
    for stretch in report.answerable.stretches:
        yield {
            "kind": "cannot_answer",
            "from_at": stretch.from_at,
            "until_at": stretch.until_at,
            "reason": stretch.reason.value,
        }


def _alert_json(alert: WouldBeAlert) -> dict[str, Any]:
    told = asdict(alert)
    told["measures"] = {name: {"value": value, "unit": unit} for name, (value, unit) in alert.measures.items()}
    return told
