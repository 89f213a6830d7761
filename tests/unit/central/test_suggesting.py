"""Which judged alerts a node searches with, and when there are too few for it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from xueliang_alerts.commands import JUDGED_AT_MOST
from xueliang_central.camera_rules.record import ALERTS_AT_MOST, Recorded
from xueliang_central.camera_rules.suggesting import basis_of
from xueliang_central.errors import NotEnoughJudged
from xueliang_configs.loading import rule_from

FROM = datetime(2026, 11, 20, tzinfo=UTC)
ZONE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
RULE = rule_from({"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": ZONE})


def alert(hours: float, judged: str) -> Recorded:
    began = FROM + timedelta(hours=hours)
    raised, ended = began + timedelta(minutes=1), began + timedelta(minutes=3)
    return Recorded(str(uuid.uuid4()), str(uuid.uuid4()), began, raised, ended, judged, None, None, ())


def test_what_was_judged_is_sent_and_nothing_else() -> None:
    record = [
        alert(number * 24, judged)
        for number, judged in enumerate(
            ["true_hazard", "duplicate", "false_alarm", "unjudged", "permitted", "nothing_here"]
        )
    ]
    basis = basis_of(record, RULE, FROM)
    assert [one.verdict for one in basis.judged] == ["true", "false", "permitted"]
    assert [(str(one.alert_id), one.at) for one in basis.judged] == [
        (record[index].alert_id, record[index].raised_at) for index in (0, 2, 4)
    ]
    assert (basis.from_at, basis.left_out, list(basis.record)) == (FROM, 0, [record[0], record[2], record[4]])


@pytest.mark.parametrize(
    ("record", "false_alarms", "days"),
    [
        pytest.param([], 0, 0, id="none"),
        pytest.param([alert(1, "true_hazard"), alert(30, "true_hazard")], 0, 2, id="no false alarm"),
        pytest.param([alert(1, "false_alarm"), alert(5, "false_alarm")], 2, 1, id="one day"),
        pytest.param([alert(1, "false_alarm"), alert(30, "permitted")], 1, 1, id="a permitted one makes no day"),
        # 17:00 and 15:30 of the next day: two days of UTC, one of Shanghai.
        pytest.param([alert(17, "false_alarm"), alert(39.5, "false_alarm")], 2, 1, id="the rule's own days"),
    ],
)
def test_too_few_judged_alerts_are_told_with_how_many_are_needed(
    record: list[Recorded], false_alarms: int, days: int
) -> None:
    with pytest.raises(NotEnoughJudged) as caught:
        basis_of(record, RULE, FROM)
    told = {"false_alarms": false_alarms, "days": days, "needed_false_alarms": 1, "needed_days": 2}
    assert caught.value.extra == told
    assert f"got {false_alarms} on {days}" in str(caught.value)


def test_more_than_one_command_takes_are_left_out_and_so_is_their_time() -> None:
    record = [alert(number / 4, "false_alarm") for number in range(JUDGED_AT_MOST + 3)]
    basis = basis_of(record, RULE, FROM)
    assert (len(basis.judged), basis.left_out) == (JUDGED_AT_MOST, 3)
    assert basis.from_at == record[3].began_at


def test_before_the_oldest_alert_that_was_looked_up_nobody_knows_what_was_judged() -> None:
    record = [
        alert(number / 4, "false_alarm" if number % 50 == 0 else "unjudged") for number in range(2, ALERTS_AT_MOST + 2)
    ]
    basis = basis_of(record, RULE, FROM)
    assert (basis.left_out, basis.from_at) == (0, record[0].began_at)
