"""A back-test as a request: its answer in pages of bounded size, and an answer for whatever is wrong."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.edge.backtesting import part_of
from tests.unit.edge.observing import CAR, LANE, camera, lane_rule, seen, times
from xueliang_edge.backtest.report import Asked, Report, backtest
from xueliang_edge.backtest.requests import Request, answer, answer_pages, command_topic, is_concerned, result_topic

RULE = {"rule_id": "r0", "zone": LANE, "hazard": "fire_lane_obstruction", "dwell_s": 30}


def request(**values: Any) -> bytes:
    asked = {"command": "backtest", "request_id": "q-1", "camera_id": "lane", "rule": RULE}
    return json.dumps(asked | values).encode()


def run(asked: Request) -> Report:
    looks = [seen(at_s, [CAR] if at_s >= 10 else []) for at_s in times(60, 1.0)]
    return backtest(Asked(camera(lane_rule(dwell_s=30)), asked.rule), [part_of(looks)], asked.from_at, asked.to_at)


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


def test_what_is_wrong_with_a_request_is_its_answer() -> None:
    def error(payload: bytes) -> str:
        (page,) = told(answer(payload, run))
        assert page["rows"] == []
        return str(page["error"])

    assert "zone: required key is missing" in error(request(rule={"rule_id": "r0", "hazard": "intrusion"}))
    assert error(request(from_at="2026-11-23T08:00:00")).startswith("from_at: expected a moment like")
    assert error(request(from_at="2026-11-24T00:00Z", to_at="2026-11-23T00:00Z")).startswith("from_at: expected a mom")
    assert error(request(camera_id=None)) == "camera_id: required key is missing"
    assert error(b"[]").startswith("expected a JSON object")
    assert "rule" in error(request(rule=[1, 2]))


def test_other_commands_are_somebody_elses() -> None:
    assert is_concerned(request())
    assert not is_concerned(request(command="reboot"))
    assert not is_concerned(b"\xff")
    assert command_topic("edge-1").endswith("/nodes/edge-1/commands")
    assert result_topic("edge-1").endswith("/nodes/edge-1/results")
