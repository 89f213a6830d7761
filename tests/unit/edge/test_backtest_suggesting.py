"""What a search over judged alerts proposes, what it costs, and that true alerts it would lose are named."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import yaml

from tests.unit.edge.observing import camera
from tests.unit.edge.recurring import FIRST, RULE, reader, recurring
from xueliang_configs.loading import rule_from
from xueliang_configs.schedules import Schedule
from xueliang_edge.backtest.alerts import WouldBeAlert
from xueliang_edge.backtest.answering import KnownModel
from xueliang_edge.backtest.judgements import Judgement, Verdict
from xueliang_edge.backtest.report import Asked, backtest
from xueliang_edge.backtest.suggesting.changes import Change, ChangeKind, changed, snippet, values_of
from xueliang_edge.backtest.suggesting.hours import hours
from xueliang_edge.backtest.suggesting.ladders import ladder
from xueliang_edge.backtest.suggesting.places import places
from xueliang_edge.backtest.suggesting.searching import Proposal, Suggestions, _together, suggest
from xueliang_edge.backtest.suggesting.telling import json_lines, lines
from xueliang_edge.backtest.suggesting.week import Band, Week
from xueliang_edge.backtest.suggesting.weighing import judged_of, weighed
from xueliang_edge.errors import NothingToTry

MODEL = KnownModel("a" * 64, ("person", "car", "truck", "bus", "motorcycle", "bicycle"))
DAYS = 6
ALERT_ID = uuid.uuid5(uuid.NAMESPACE_URL, "alert").hex


def id_of(began_at: datetime) -> uuid.UUID:
    return uuid.uuid5(uuid.UUID(ALERT_ID), began_at.isoformat())


@pytest.fixture(scope="module")
def found() -> Suggestions:
    parts, judgements = recurring(DAYS)
    watched = camera(RULE)
    return suggest(Asked(watched, watched.rules[0], MODEL, judgements, id_of), reader(parts))


def proposal(found: Suggestions, **settings: Any) -> Proposal:
    return next(one for one in found.proposals if one.values == settings)


def test_every_alert_is_as_it_was_judged(found: Suggestions) -> None:
    assert len(found.judged.alerts) == 5 * DAYS
    assert (len(found.judged.false_alarms), len(found.judged.true_ones), found.judged.unjudged) == (
        3 * DAYS,
        2 * DAYS,
        (),
    )
    assert not found.judged.tuned_days & found.judged.checked_days
    assert len(found.judged.tuned_days) == len(found.judged.checked_days) == DAYS // 2


def test_the_first_proposal_removes_most_false_alarms_of_other_days_and_no_true_one(found: Suggestions) -> None:
    best = found.proposals[0]
    assert best.outcome.lost == ()
    assert best.outcome.gone_checked >= 0.5 * 9, best
    assert {change.kind for change in best.changes} >= {ChangeKind.SETTING, ChangeKind.HOURS}


def test_each_cause_is_found_alone(found: Suggestions) -> None:
    alone = [one for one in found.proposals if len(one.changes) == 1 and not one.outcome.lost]
    gone = {kind: max(one.outcome.gone_checked for one in alone if one.changes[0].kind is kind) for kind in ChangeKind}
    assert gone == {ChangeKind.ZONE: 3, ChangeKind.SETTING: 3, ChangeKind.HOURS: 3}


def test_a_harmful_proposal_names_each_true_alert_it_would_lose(found: Suggestions) -> None:
    harmful = proposal(found, dwell_s=180)
    assert len(harmful.outcome.lost) == 2 * DAYS
    told = list(lines(found, UTC))
    true_ones = [found.judged.alerts[one.hits(found.judged.alerts)[0]] for one in found.judged.true_ones]
    listed = "\n".join(told)
    for alert in true_ones:
        assert f"LOSES a true alert: {id_of(alert.began_at)}, raised {alert.raised_at:%Y-%m-%d %H:%M:%S}" in listed
    assert found.proposals.index(harmful) > max(
        index for index, one in enumerate(found.proposals) if not one.outcome.lost
    )


def test_what_is_proposed_can_be_written_and_does_what_it_says(found: Suggestions) -> None:
    parts, judgements = recurring(DAYS)
    best, watched = found.proposals[0], camera(RULE)
    written = yaml.safe_load(snippet(best.values))
    draft = rule_from(watched.rules[0].model_dump(mode="json") | written)
    scored = backtest(Asked(watched, draft, MODEL, judgements), parts).scored
    assert scored is not None
    assert (scored.found, scored.missed) == (2 * DAYS, 0)
    assert scored.false_alerts == 3 * DAYS - len(best.outcome.gone)


def test_what_keeps_true_alerts_only_just_is_said_and_comes_after_what_keeps_them_safely() -> None:
    """True ones stand for 97 s: a dwell of 90 s keeps them all, and one of 105 s would lose them all."""
    parts, judgements = recurring(DAYS, true_s=97)
    watched = camera(RULE)
    close = suggest(Asked(watched, watched.rules[0], MODEL, judgements), reader(parts))
    longer = proposal(close, dwell_s=90)
    assert (longer.outcome.lost, longer.nearly_lost) == ((), 2 * DAYS)
    safe = [one for one in close.proposals if not one.outcome.lost and not one.nearly_lost]
    assert close.proposals[: len(safe)] == tuple(safe)
    assert len(safe[0].changes) >= 2
    assert not any(change.name == "dwell_s" for one in safe for change in one.changes)
    assert "   CLOSE: a little further (dwell_s 105) and 12 true alerts would be lost" in list(lines(close))
    rows = {str(row.get("settings")): row for row in json_lines(close)}
    assert rows["{'dwell_s': 90.0}"]["nearly_lost"] == 12


def test_the_days_that_check_do_not_choose_what_is_taken_together(found: Suggestions) -> None:
    first, *_ = found.proposals
    tuned = sorted(found.judged.tuned)
    checked = sorted(set(found.judged.false_alarms) - found.judged.tuned)

    def alone(name: str, gone: list[int], **outcome: Any) -> Proposal:
        change = Change(ChangeKind.SETTING, name, name)
        gone_tuned = len(found.judged.tuned & set(gone))
        return Proposal((change,), {}, replace(first.outcome, gone=frozenset(gone), gone_tuned=gone_tuned, **outcome))

    most = alone("most", tuned[:5])
    on_checked = alone("on checked days", [*tuned[5:7], *checked])
    one_more, some_lost = alone("one", tuned[7:8]), proposal(found, dwell_s=180).outcome.lost
    one_lost = alone("lost", tuned[7:], lost=some_lost)
    near = replace(alone("near", tuned[7:]), nearly_lost=1)
    taken = _together([one_lost, near, one_more, on_checked, most], found.judged.tuned)
    assert [[change.name for change in changes] for changes in taken] == [["most", "on checked days"]]


def test_further_than_an_hour_is_the_hours_around_it_on_every_day() -> None:
    assert Band((0, 2), 450, 480).wider(30) == Band((0, 1, 2, 3, 4, 5, 6), 420, 510)
    assert Band((0,), 0, 1440).wider(30) == Band((0, 1, 2, 3, 4, 5, 6), 0, 1440)


def test_a_later_raise_is_said(found: Suggestions) -> None:
    assert proposal(found, dwell_s=90).outcome.later_s == pytest.approx(30, abs=2)
    assert any("true alerts are raised up to 30 s later" in line for line in lines(found))


def test_unjudged_alerts_that_would_go_are_counted(found: Suggestions) -> None:
    _, judgements = recurring(DAYS)
    said = [one for number, one in enumerate(judgements) if number != 1]  # nobody judged the first day's bush
    stretch = found.judged.alerts[0].began_at, found.judged.to_at
    judged = judged_of(found.judged.alerts, said, {}, stretch, "UTC")
    assert judged.unjudged == (1,)
    assert weighed(judged, judged.alerts).unjudged_gone == 0
    assert weighed(judged, [*judged.alerts[:1], *judged.alerts[2:]]).unjudged_gone == 1
    with_unjudged = replace(found.proposals[0], outcome=replace(found.proposals[0].outcome, unjudged_gone=1))
    told = list(lines(replace(found, proposals=(with_unjudged,))))
    assert any("1 alerts that nobody has judged go as well" in line for line in told)


def test_joined_alerts_are_one_and_a_true_one_among_them_is_not_lost(found: Suggestions) -> None:
    first, *rest = found.judged.alerts
    joined = replace(first, ended_at=rest[1].ended_at)  # the lorry's, the bush's and the car's
    outcome = weighed(found.judged, [joined, *rest[2:]])
    assert (sorted(outcome.gone), outcome.lost) == ([0, 1], ())


def test_nothing_is_proposed_where_a_true_hazard_stood(found: Suggestions) -> None:
    """The bush's place and the lorry's hour are spared when a true alert was there."""
    rule, judged = camera(RULE).rules[0], found.judged
    bush, lorry = judged.alerts[1], judged.alerts[0]
    assert list(places(rule, judged.false_tuned, judged.true_alerts))
    assert not list(places(rule, judged.false_tuned, [*judged.true_alerts, bush]))
    assert len(judged.true_alerts) == 2 * DAYS  # of the days that check, too

    def bands(true_ones: list[WouldBeAlert]) -> list[Band]:
        made = [one.mute for one in hours(rule, judged.false_tuned, true_ones, judged.to_at)]
        return [band for band in made if band is not None and band.meets(0, 8 * 60, 8 * 60 + 3)]

    assert bands(judged.true_alerts)
    assert not bands([*judged.true_alerts, lorry])


def test_what_cannot_be_searched_is_said() -> None:
    parts, judgements = recurring(2)
    watched = camera(RULE)

    def error(said: list[Judgement]) -> str:
        with pytest.raises(NothingToTry) as caught:
            suggest(Asked(watched, watched.rules[0], MODEL, said), reader(parts))
        return str(caught.value)

    assert "expected alerts of this rule judged false, got none" in error([])
    assert "expected alerts of this rule judged false" in error(
        [Judgement(Verdict.FALSE, FIRST + timedelta(hours=20), None)]
    )
    assert "on at least 2 days, got 1" in error(judgements[:5])


def test_the_answer_as_json_names_what_is_lost(found: Suggestions) -> None:
    head, *rows = json.loads(json.dumps(list(json_lines(found)), default=str))
    assert (head["kind"], head["false_searched"], head["false_checked"], head["true"]) == ("suggestions", 9, 9, 12)
    assert len(rows) == len(found.proposals)
    harmful = next(row for row in rows if row["settings"] == {"dwell_s": 180})
    assert len({lost["alert_id"] for lost in harmful["lost"]}) == 12


# The steps.


def test_a_muted_band_leaves_the_rest_of_the_week() -> None:
    before = {
        "bands": [{"start": "22:00", "until": "06:00"}],
        "time_zone": "UTC",
        "exceptions": [{"first": "2026-10-01"}],
    }
    written = Week.of(before).without(Band((0,), 60, 120)).schedule(before)
    schedule, earlier = Schedule.model_validate(written), Schedule.model_validate(before)
    assert (written["time_zone"], written["exceptions"]) == ("UTC", before["exceptions"])
    monday = datetime(2026, 11, 9, tzinfo=UTC)
    for minute in range(7 * 24 * 60):
        at = monday + timedelta(minutes=minute)
        assert schedule.is_active(at) == (earlier.is_active(at) and not 60 <= minute < 120), at


def test_steps_go_one_way_and_all_can_be_written() -> None:
    (lane, crowd, intrusion) = camera(
        RULE | {"rule_id": "a"},
        {"hazard": "crowd", "raise_at_count": 3, "clear_at_count": 1},
        {"hazard": "intrusion", "min_scores": {"person": 0.6}},
    ).rules
    for rule in (lane, crowd, intrusion):
        steps = list(ladder(rule, 0.35))
        assert steps
        for one in steps:
            assert values_of(rule, [one])
    assert {"dwell_s", "min_cover", "any_object", "min_scores"} <= {one.name for one in ladder(lane, 0.35)}
    scores = [one.values["min_scores"]["person"] for one in ladder(intrusion, 0.35) if one.name == "min_scores"]
    assert min(scores) > 0.6
    counts = [one for one in ladder(crowd, 0.35) if one.name == "raise_at_count"]
    assert [one.values["raise_at_count"] for one in counts] == [4, 4, 6]
    further = [one.further.values["raise_at_count"] for one in counts if one.further is not None]
    assert further == [5, 5, 8]  # half as far again, in whole people


def test_what_needs_closer_looks_than_the_log_has_is_not_possible() -> None:
    (rule,) = camera({"hazard": "intrusion"}).rules
    assert changed(rule, [Change(ChangeKind.SETTING, "looks", "", {"needed_looks": 6, "of_looks": 8})]) is None
    assert changed(rule, [Change(ChangeKind.SETTING, "dwell_s", "", {"dwell_s": -1})]) is None
    assert np.isclose(rule.largest_gap_s, 1.0)
