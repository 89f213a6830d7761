"""What a back-test answers: alerts, difference to the running version, what it cannot say, how it was judged."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.edge.backtesting import part_of
from tests.unit.edge.observing import CAR, START, camera, seen, times
from tests.unit.edge.observing import lane_rule as quick_rule
from xueliang_configs.cameras import CameraConfig, ViewSettings
from xueliang_edge.backtest.answering import Answerable, Answering, KnownModel, Unanswered
from xueliang_edge.backtest.judgements import Judgement, Verdict, read_judgements
from xueliang_edge.backtest.report import Asked, Report, backtest, json_lines, rate_of
from xueliang_edge.backtest.words import lines
from xueliang_edge.errors import JudgementsUnreadable, NothingToTry
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observation_log.reading import Gap, GapReason
from xueliang_edge.observations import Observation, ViewState

MODEL = KnownModel("a" * 64, ("person", "car", "truck", "bus", "motorcycle", "bicycle"))
FAR_ZONE = [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2], [0.0, 0.2]]


def lane_rule(**settings: Any) -> dict[str, Any]:
    """A rule that needs a look a second."""
    return quick_rule(dwell_s=30) | settings


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def lane(end_s: float, *stands: tuple[float, float], every_s: float = 1.0) -> list[Observation]:
    """A lane in which a car stands from when to when."""
    return [
        seen(at_s, [CAR] if any(since <= at_s < until for since, until in stands) else [])
        for at_s in times(end_s, every_s)
    ]


def draft_of(**settings: Any) -> Any:
    (rule,) = camera(lane_rule(rule_id="r0", **settings)).rules
    return rule


def report_of(
    looks: Sequence[Observation],
    running: CameraConfig | None = None,
    *,
    asked: dict[str, Any] | None = None,
    **draft: Any,
) -> Report:
    watched = camera(lane_rule()) if running is None else running
    return backtest(Asked(watched, draft_of(**draft), **(asked or {"model": MODEL})), [part_of(looks)])


def with_views(*view_ids: str) -> CameraConfig:
    views = tuple(ViewSettings(view_id=one, name=one) for one in view_ids)
    return camera().model_copy(update={"views": views})


@pytest.mark.parametrize(
    ("view_ids", "view", "problem"),
    [
        (("gate", "yard"), None, "view: expected the view that it was drawn in: this camera has several"),
        (("gate", "yard"), "gat", 'view: no view "gat" under views of this camera\n  hint: there: gate, yard'),
        ((), "gate", 'view: no view "gate" under views of this camera\n  hint: there: none'),
    ],
)
def test_a_draft_of_no_view_or_of_another_cameras_view_is_not_tried(
    view_ids: tuple[str, ...], view: str | None, problem: str
) -> None:
    with pytest.raises(NothingToTry) as caught:
        report_of(lane(60), with_views(*view_ids), view=view)
    assert str(caught.value).startswith(problem)


def test_a_draft_of_a_view_and_one_for_the_only_view_are_tried() -> None:
    assert report_of(lane(60), with_views("gate", "yard"), view="gate").alerts == ()
    assert report_of(lane(60), with_views("gate")).alerts == ()


def test_an_unchanged_draft_changes_nothing() -> None:
    report = report_of(lane(200, (10, 60), (120, 170)))
    assert [(one.began_at, one.raised_at, one.ended_at) for one in report.alerts] == [
        (at(9.5), at(40), at(59)),
        (at(119.5), at(150), at(169)),
    ]
    assert report.difference is not None
    assert (report.difference.added, report.difference.gone, report.difference.moved, report.difference.same) == (
        (),
        (),
        (),
        2,
    )
    assert report.answerable.unanswered_s == {}
    assert report.answerable.answered_s == report.answerable.total_s == 200


def test_a_longer_dwell_moves_one_alert_and_loses_the_other() -> None:
    report = report_of(lane(200, (10, 60), (120, 160)), dwell_s=45)
    assert report.difference is not None
    (moved,) = report.difference.moved
    assert (moved.raised_later_s, moved.ended_later_s) == (15, 0)
    assert [one.raised_at for one in report.difference.gone] == [at(150)]
    assert report.difference.added == ()


def test_a_shorter_dwell_adds_an_alert() -> None:
    report = report_of(lane(80, (10, 35)), dwell_s=15)
    assert report.difference is not None
    (added,) = report.difference.added
    assert "fire lane" in added.reason
    assert (added.boxes_xyxyn, added.measures["seconds"]) == (report.alerts[0].boxes_xyxyn, (15.5, "s"))


def test_an_alert_that_is_open_at_the_end_has_no_end() -> None:
    (alert,) = report_of(lane(80, (10, 200))).alerts
    assert (alert.ended_at, alert.end_reason, alert.ended_because) == (None, None, None)


def test_without_a_running_version_nothing_is_compared() -> None:
    report = report_of(lane(60, (10, 40)), camera())
    assert (report.running, report.difference) == (None, None)
    assert any("no running rule" in line for line in lines(report, UTC))


# What the log cannot say.


def answerable(parts: Sequence[LoggedLooks | Gap], rule: dict[str, Any] | None = None, **settings: Any) -> Answerable:
    (one,) = camera(rule or lane_rule()).rules
    answering = Answering(one, settings.pop("model", MODEL), **settings)
    for part in parts:
        if isinstance(part, Gap):
            answering.gap(part)
        else:
            answering.take(part)
    return answering.answer()


def test_a_gap_is_not_logged_and_never_no_alert() -> None:
    gap = Gap(GapReason.NODE_STOPPED, at(10), at(100))
    later = [replace(one, observed_mono_s=one.observed_mono_s - 900) for one in lane(110)[100:]]
    answer = answerable([part_of(lane(10)), gap, part_of(later, run_id="run-2")])
    assert answer.unanswered_s == {Unanswered.NOT_LOGGED: 90}
    assert (answer.answered_s, answer.total_s) == (20, 110)
    assert [(one.from_at, one.until_at) for one in answer.stretches] == [(at(10), at(100))]
    assert answer.reason_at(at(50)) is answer.reason_at(at(100)) is Unanswered.NOT_LOGGED
    assert answer.reason_at(at(10)) is answer.reason_at(at(101)) is None


def test_the_time_before_and_after_the_log_is_not_logged() -> None:
    answer = answerable(
        [Gap(GapReason.OUTSIDE, at(-60), at(0)), part_of(lane(10)), Gap(GapReason.OUTSIDE, at(10), at(40))]
    )
    assert answer.unanswered_s == {Unanswered.NOT_LOGGED: 90}


def test_a_blind_view_is_told_by_name() -> None:
    looks = lane(20)
    looks[5:10] = [seen(float(number), view=ViewState.OFFLINE) for number in range(5, 10)]
    assert answerable([part_of(looks)]).unanswered_s == {Unanswered.BLIND_VIEW: 5}


def test_so_are_looks_of_another_model_and_of_other_detectors() -> None:
    looks = lane(30)
    looks[5:10] = [replace(one, model_digest="b" * 64) for one in looks[5:10]]
    looks[15:25] = [replace(one, detector="night") for one in looks[15:25]]
    assert answerable([part_of(looks)]).unanswered_s == {
        Unanswered.OTHER_MODEL: 5,
        Unanswered.OTHER_DETECTOR: 11,
    }


def test_looks_too_far_apart_are_no_looks() -> None:
    looks = lane(20) + lane(60, every_s=4)[6:]
    assert answerable([part_of(looks)]).unanswered_s == {Unanswered.TOO_FAR_APART: 40}
    assert answerable([part_of(looks)], lane_rule(dwell_s=300)).unanswered_s == {Unanswered.TOO_FAR_APART: 40}
    assert (
        answerable([part_of(lane(20))], {"hazard": "wrong_way", "direction": [[0.2, 0.5], [0.8, 0.5]]}).answered_s == 0
    )


def test_the_parts_of_one_run_have_nothing_between_them() -> None:
    looks = lane(40)
    assert answerable([part_of(looks[:20]), part_of(looks[20:], first=21)]).answered_s == 40


def test_a_class_that_the_model_does_not_know_is_never_answered() -> None:
    answer = answerable([part_of(lane(20))], lane_rule(classes=["car", "tractor"]))
    assert answer.unanswered_s == {Unanswered.CLASS: 20}
    report = report_of(lane(60, (10, 40)), classes=["car", "tractor"])
    assert "tractor" in (report.always or "")
    assert (report.rate.alerts, report.rate.per_day) == (0, None)


def test_a_score_below_what_is_kept_is_never_answered() -> None:
    answer = answerable([part_of(lane(20))], lane_rule(min_scores={"car": 0.05}))
    assert answer.unanswered_s == {Unanswered.SCORE: 20}


def test_a_carried_answer_counts_where_a_move_would_have_been_noticed() -> None:
    looks = [replace(one, is_carried=number % 10 > 0) for number, one in enumerate(lane(80, (10, 60)))]
    assert report_of(looks).answerable.unanswered_s == {}
    far = backtest(Asked(camera(lane_rule()), draft_of(zone=FAR_ZONE), MODEL), [part_of(looks)])
    assert far.answerable.unanswered_s == {Unanswered.TOO_FAR_APART: 80}


def test_alerts_where_the_log_cannot_answer_are_shown_and_not_counted() -> None:
    looks = [replace(one, model_digest="b" * 64) for one in lane(70, (10, 60))] + lane(300, (150, 200))[71:]
    report = report_of(looks)
    assert [one.unanswered for one in report.alerts] == [Unanswered.OTHER_MODEL, None]
    assert report.rate.alerts == 1
    assert any("cannot be relied on" in line for line in lines(report, UTC))


def test_rates_have_the_bounds_of_counts() -> None:
    none, ten = rate_of(0, 86_400), rate_of(10, 2 * 86_400)
    assert (none.per_day, none.low) == (0, 0)
    assert none.high == pytest.approx(3.689, rel=0.01)
    assert ten.per_day == 5
    assert [ten.low, ten.high] == pytest.approx([2.398, 9.195], rel=0.01)
    assert rate_of(3, 0).per_day is None


# Operators' judgements.


def judged(*judgements: Judgement, **settings: Any) -> Report:
    looks = lane(500, (10, 60), (150, 200), (300, 350), (450, 470))
    ids = {at(9.5): uuid.UUID(int=1), at(149.5): uuid.UUID(int=2), at(299.5): uuid.UUID(int=3)}
    return report_of(
        looks, asked={"model": MODEL, "judgements": judgements, "alert_id_of": lambda began: ids[began]}, **settings
    )


def by_time(verdict: Verdict, seconds: float) -> Judgement:
    return Judgement(verdict, at(seconds), None)


def by_id(verdict: Verdict, number: int) -> Judgement:
    return Judgement(verdict, None, uuid.UUID(int=number))


def test_precision_and_recall_come_with_their_counts() -> None:
    report = judged(
        by_time(Verdict.TRUE, 20), by_id(Verdict.FALSE, 2), by_id(Verdict.PERMITTED, 3), by_time(Verdict.TRUE, 460)
    )
    scored = report.scored
    assert scored is not None
    assert (scored.true_alerts, scored.false_alerts, scored.unjudged, scored.permitted) == (1, 1, 1, 1)
    assert (scored.precision, scored.recall) == (0.5, 0.5)
    assert (scored.found, scored.missed, scored.judged) == (1, 1, 4)
    assert "precision 50%: 1 of 2 judged alerts true, 1 not judged" in list(lines(report, UTC))


def test_a_draft_that_raises_less_is_judged_by_what_the_running_version_raised() -> None:
    scored = judged(by_id(Verdict.TRUE, 1), by_id(Verdict.FALSE, 2), by_id(Verdict.TRUE, 9), min_cover=0.9).scored
    assert scored is not None
    assert (scored.found, scored.missed, scored.true_alerts, scored.false_alerts) == (0, 1, 0, 0)
    assert scored.unmatched == 1
    assert scored.precision is None


def test_a_true_hazard_in_a_gap_is_neither_found_nor_missed() -> None:
    parts: list[LoggedLooks | Gap] = [
        part_of(lane(100)),
        Gap(GapReason.LOST, at(100), at(200)),
        part_of(lane(300)[200:], first=300),
    ]
    asked = Asked(camera(lane_rule()), draft_of(), MODEL, [by_time(Verdict.TRUE, 150)])
    scored = backtest(asked, parts).scored
    assert scored is not None
    assert (scored.found, scored.missed, scored.unanswered, scored.recall) == (0, 0, 1, None)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_judgements_are_read_from_csv_and_from_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "judged.csv"
    path.write_text(
        "Verdict,at,camera_id,rule_id\n"
        "true,2026-11-23T08:00:20Z,lane,r0\n"
        "false_alarm,2026-11-23T08:01:00Z,,\n"
        "许可,2026-11-23T08:02:00Z,lane,\n"
        "nonsense,,other-camera,\n"
    )
    read = read_judgements(path, "lane", "r0", utc)
    assert [(one.verdict.value, one.at) for one in read] == [
        ("true", at(20)),
        ("false", at(60)),
        ("permitted", at(120)),
    ]
    path.write_text(f'{{"verdict": true, "alert_id": "{uuid.UUID(int=5)}"}}\n')
    assert read_judgements(path, "lane", "r0", utc) == (by_id(Verdict.TRUE, 5),)


def test_every_bad_judgement_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "judged.csv"
    path.write_text("verdict,at,alert_id\nmaybe,2026-11-23T08:00:20Z,\ntrue,yesterday,\ntrue,,\ntrue,,12\n")
    with pytest.raises(JudgementsUnreadable) as caught:
        read_judgements(path, "lane", "r0", utc)
    told = str(caught.value).splitlines()
    assert [line.split(": ", 1)[0] for line in told] == [f"{path}:{number}" for number in (2, 3, 4, 5)]
    assert told[0].endswith('verdict: expected true, false or permitted, got "maybe"')
    assert told[2].endswith("expected a moment (at) or an alert_id, got neither")


def test_the_answer_as_json_says_of_each_line_what_it_is() -> None:
    rows = list(json_lines(judged(by_time(Verdict.TRUE, 20), dwell_s=15)))
    kinds = [row["kind"] for row in rows]
    assert kinds[0] == "summary"
    assert kinds.count("alert") == 4
    assert kinds.count("added") == 1
    assert kinds.count("moved") == 3
    assert rows[0]["judged"]["recall"] == 1
    assert rows[0]["cannot_answer_share"] == {"looks_too_far_apart": 1}
