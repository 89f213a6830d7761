"""A back-test as a request: its answer in pages of bounded size, and an answer for whatever is wrong."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.edge.backtesting import part_of
from tests.unit.edge.observing import CAR, LANE, camera, lane_rule, seen, times
from xueliang_alerts.commands import JUDGED_AT_MOST, BacktestCommand, JudgedAlert, read_command, why_not_now
from xueliang_alerts.contract import MAX_MESSAGE_BYTES, NotUnderstood, to_bytes
from xueliang_edge.backtest.judgements import Judgement, Verdict
from xueliang_edge.backtest.report import Asked, backtest, json_lines
from xueliang_edge.backtest.requests import Request, answer, answer_pages, request_id_in, request_of

LATER = "2026-11-23T12:00:00Z"
RULE = {"rule_id": "r0", "zone": LANE, "hazard": "fire_lane_obstruction", "dwell_s": 30}


def request(**values: Any) -> BacktestCommand:
    asked = {"command": "backtest", "request_id": "q-1", "camera_id": "lane", "rule": RULE, "expires_at": LATER}
    return read_command(json.dumps(asked | values).encode())


def judged(**values: Any) -> dict[str, Any]:
    return {"alert_id": str(uuid.UUID(int=7)), "verdict": "false", "at": "2026-11-23T08:00:30Z"} | values


def run(asked: Request) -> Iterable[Mapping[str, Any]]:
    looks = [seen(at_s, [CAR] if at_s >= 10 else []) for at_s in times(60, 1.0)]
    question = Asked(camera(lane_rule(dwell_s=30)), asked.rule)
    return json_lines(backtest(question, [part_of(looks)], asked.from_at, asked.to_at))


def told(pages: tuple[bytes, ...]) -> list[dict[str, Any]]:
    return [json.loads(page) for page in pages]


def test_a_request_is_answered_with_the_rows_of_the_report() -> None:
    (page,) = told(answer(request(), run))
    assert (page["request_id"], page["page"], page["pages"]) == ("q-1", 1, 1)
    assert [row["kind"] for row in page["rows"]] == ["summary", "alert"]


def test_pages_hold_all_rows_in_order_and_none_is_too_large() -> None:
    rows = [{"kind": "alert", "number": number, "reason": "车" * (number % 90)} for number in range(200)]
    pages = answer_pages("q-1", rows, page_bytes=2000)
    assert all(len(page) <= 2000 for page in pages)
    assert [row for page in told(pages) for row in page["rows"]] == rows
    assert [(page["page"], page["pages"]) for page in told(pages)] == [
        (n, len(pages)) for n in range(1, len(pages) + 1)
    ]


def test_what_does_not_fit_is_counted() -> None:
    rows = [{"number": number} for number in range(100)] + [{"reason": "x" * 3000}]
    pages = told(answer_pages("q-1", rows, page_bytes=500, pages_at_most=3))
    kept = sum(len(page["rows"]) for page in pages)
    assert len(pages) == 3
    assert pages[-1]["left_out"] == len(rows) - kept


def test_what_is_wrong_with_a_rule_is_the_answer() -> None:
    def error(command: BacktestCommand) -> str:
        (page,) = told(answer(command, run))
        assert page["rows"] == []
        return str(page["error"])

    assert "zone: required key is missing" in error(request(rule={"rule_id": "r0", "hazard": "intrusion"}))
    assert "dwel_s" in error(request(rule=RULE | {"dwel_s": 3}))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"from_at": "2026-11-23T08:00:00"}, "from_at: "),
        ({"from_at": "2026-11-24T00:00:00Z", "to_at": "2026-11-23T00:00:00Z"}, "expected a moment before to_at"),
        ({"camera_id": None}, "camera_id: "),
        ({"rule": [1, 2]}, "rule: "),
        ({"request_id": "../../x"}, "request_id: "),
        ({"command": "reboot"}, "command: Input should be 'backtest'"),
        ({"shell": "true"}, "shell: Extra inputs are not permitted"),
        ({"expires_at": None}, "expires_at: "),
        ({"suggest_from": []}, "suggest_from: "),
        ({"suggest_from": [judged()] * (JUDGED_AT_MOST + 1)}, "suggest_from: "),
        ({"suggest_from": [judged(verdict="duplicate")]}, "suggest_from.0.verdict: "),
        ({"rule": {"note": "x" * 70_000}}, "limit 65536"),
    ],
)
def test_a_command_that_is_not_of_the_contract_is_refused_with_the_place(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        request(**values)
    assert problem in str(caught.value)


def test_judged_alerts_ask_for_suggestions_and_without_them_a_command_is_what_it_was() -> None:
    plain, asks = request(), request(suggest_from=[judged(), judged(verdict="permitted")])
    assert request_of(plain).judgements is None
    assert request_of(asks).judgements == (
        Judgement(Verdict.FALSE, datetime(2026, 11, 23, 8, 0, 30, tzinfo=UTC), uuid.UUID(int=7)),
        Judgement(Verdict.PERMITTED, datetime(2026, 11, 23, 8, 0, 30, tzinfo=UTC), uuid.UUID(int=7)),
    )
    # A node of before the field refuses what it does not know: a null would be refused as well.
    assert "suggest_from" not in json.loads(to_bytes(plain))
    assert read_command(to_bytes(asks)) == asks


def test_as_many_judged_alerts_as_may_be_leave_room_for_a_rule() -> None:
    at = datetime(2026, 11, 23, 8, 0, 30, 123456, tzinfo=UTC)
    every = tuple(JudgedAlert(alert_id=uuid.uuid4(), verdict="permitted", at=at) for _ in range(JUDGED_AT_MOST))
    command = request(rule=RULE | {"note": "x" * 16_000}).model_copy(update={"suggest_from": every})
    assert len(to_bytes(command)) <= MAX_MESSAGE_BYTES


def test_a_command_is_for_now() -> None:
    command = request()
    at = command.expires_at
    assert why_not_now(command, at - timedelta(seconds=1)) is None
    assert "was 5 s ago" in str(why_not_now(command, at + timedelta(seconds=5)))
    assert "at most 600 s ahead" in str(why_not_now(command, at - timedelta(hours=1)))


def test_who_asked_can_be_told_also_when_the_rest_is_not_understood() -> None:
    assert request_id_in(b'{"request_id": "q-7", "command": 3}') == "q-7"
    unusable = (
        b"\xff",
        b"[]",
        b'{"request_id": 5}',
        b"[" * 100_000,
        b'{"request_id": "\\ud800"}',
        b'{"request_id": "q\\n"}',
    )
    assert [request_id_in(one) for one in unusable] == [""] * len(unusable)
