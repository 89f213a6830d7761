"""A node's answers to back-test requests: a child does the work, each request is answered once, or told why not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.brokers import wait_until
from tests.support.trying_node import DAY, Stood, keep_judged_days
from tests.unit.edge.logged import group_of, keep
from tests.unit.edge.observing import CAR, LANE, START, camera, lane_rule, seen, times
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.commands import BacktestCommand, ResultPage, read_result
from xueliang_alerts.errors import NotConnected
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Handler, Incoming
from xueliang_edge.backtest.answering import KnownModel
from xueliang_edge.backtest.judgements import Judgement, Verdict
from xueliang_edge.backtest.messages import Task
from xueliang_edge.backtest.report import Asked, backtest, json_lines
from xueliang_edge.backtest.serving import WAITING_AT_MOST, BacktestService
from xueliang_edge.backtest.suggesting.searching import suggest
from xueliang_edge.backtest.suggesting.telling import json_lines as json_lines_of
from xueliang_edge.observation_log.reading import read_parts

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
RULE = {"rule_id": "r0", "zone": LANE, "hazard": "fire_lane_obstruction", "dwell_s": 45, "clear_after_s": 3}
MODEL = KnownModel("a" * 64, ("person", "car", "truck", "bus", "motorcycle", "bicycle"))


class _Taken:
    is_acknowledged = True

    def wait(self, timeout_s: float) -> bool:
        return True


class Broker:
    """A transport that keeps what was published, in order; what it cannot do is not asked of it here."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.published: list[tuple[str, bytes]] = []
        self.acknowledged = 0
        self.is_away = False

    def subscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        assert handler is not None
        self.handlers[topic_filter] = handler

    def publish(self, topic: str, payload: bytes, **_options: Any) -> _Taken:
        if self.is_away:
            raise NotConnected("away")
        self.published.append((topic, payload))
        return _Taken()

    def bring(self, payload: bytes) -> None:
        topic = node_topic("edge-1", Leaf.COMMANDS)
        self.handlers[topic](Incoming(topic, payload, 1, False, 1, self._acknowledge))

    def _acknowledge(self) -> bool:
        self.acknowledged += 1
        return True

    @property
    def pages(self) -> list[ResultPage]:
        assert {topic for topic, _ in self.published} <= {node_topic("edge-1", Leaf.RESULTS)}
        return [read_result(payload) for _, payload in self.published]


def request(request_id: str = "q-1", **values: Any) -> bytes:
    expires_at = (NOW + timedelta(seconds=60)).isoformat().replace("+00:00", "Z")
    asked = {"command": "backtest", "request_id": request_id, "expires_at": expires_at, "camera_id": "lane"}
    return json.dumps(asked | {"rule": RULE} | values).encode()


@contextmanager
def serving(
    folder: Path | None, broker: Broker, *, is_started: bool = True, run_s: float = 60, search_s: float = 120
) -> Iterator[Any]:
    watched = camera(lane_rule(dwell_s=30))

    def task_of(command: BacktestCommand) -> Task:
        return Task(command, watched if command.camera_id == "lane" else None, ("lane",), {"objects": MODEL}, folder)

    limits = {"run_s": run_s, "search_s": search_s}
    service = BacktestService("edge-1", broker, task_of, wall=lambda: NOW, mono=system_mono, **limits)  # type: ignore[arg-type]
    if is_started:
        service.start()
    else:
        broker.subscribe(node_topic("edge-1", Leaf.COMMANDS), service._take)
    try:
        yield service
    finally:
        service.close()


def log_of_two_minutes(folder: Path) -> Path:
    keep(folder, 1, group_of([seen(at_s, [CAR] if 10 <= at_s < 80 else []) for at_s in times(120, 1.0)]))
    return folder


def test_a_request_is_answered_with_what_the_command_would_say(tmp_path: Path) -> None:
    folder, broker = log_of_two_minutes(tmp_path), Broker()
    with serving(folder, broker) as service:
        broker.bring(request())
        wait_until(lambda: service.counts["answered"], what="an answer")
    (page,) = broker.pages
    (draft,) = camera(RULE).rules
    report = backtest(Asked(camera(lane_rule(dwell_s=30)), draft, MODEL), read_parts(folder, "lane"))
    assert (page.request_id, page.page, page.pages, page.error) == ("q-1", 1, 1, None)
    wanted = [json.loads(json.dumps(row, default=lambda at: at.isoformat())) for row in json_lines(report)]
    assert list(page.rows) == wanted
    assert [row["kind"] for row in page.rows] == ["summary", "alert", "moved"]
    assert page.rows[0]["from_at"] == START.isoformat()


def test_a_repeated_request_is_answered_once(tmp_path: Path) -> None:
    broker = Broker()
    with serving(log_of_two_minutes(tmp_path), broker) as service:
        for _ in range(3):
            broker.bring(request())
        broker.bring(request("q-2"))
        wait_until(lambda: service.counts["answered"] == 2, what="two answers")
    assert [page.request_id for page in broker.pages] == ["q-1", "q-2"]
    assert (service.counts["repeated"], service.counts["received"], broker.acknowledged) == (2, 4, 4)


def test_what_is_refused_is_counted_and_told(tmp_path: Path) -> None:
    broker = Broker()
    with serving(tmp_path, broker, is_started=False) as service:
        broker.bring(request("late", expires_at="2026-11-23T08:59:00Z"))
        broker.bring(request("odd", shell="true"))
        broker.bring(b"\xff")
        broker.bring(b'{"request_id": "\\ud800"}')
        for number in range(WAITING_AT_MOST + 1):
            broker.bring(request(f"n-{number}"))
    told = {page.request_id: page.error or "" for page in broker.pages}
    assert "was 60 s ago" in told["late"]
    assert told["odd"] == "command: shell: Extra inputs are not permitted"
    assert "4 back-tests wait on this node already" in told[f"n-{WAITING_AT_MOST}"]
    assert len(told) == 3
    assert service.counts == {"received": 9, "not_now": 1, "not_understood": 3, "too_many": 1, "pages": 3}


def test_what_the_node_cannot_try_is_said(tmp_path: Path) -> None:
    broker = Broker()
    with serving(None, broker) as service:
        broker.bring(request("gate", camera_id="gate"))
        broker.bring(request("none"))
        wait_until(lambda: service.counts["answered"] == 2, what="two answers")
    with serving(log_of_two_minutes(tmp_path), broker) as service:
        broker.bring(request("night", rule=RULE | {"detector": "night"}))
        wait_until(lambda: service.counts["answered"], what="an answer")
    told = {page.request_id: page.error or "" for page in broker.pages}
    assert 'no camera "gate" on this node\n  hint: there: lane' in told["gate"]
    assert "observation_log is null" in told["none"]
    assert 'no "night" on this node\n  hint: there: objects' in told["night"]


def test_what_takes_too_long_is_ended_and_the_next_one_goes_on(tmp_path: Path) -> None:
    broker = Broker()
    with serving(log_of_two_minutes(tmp_path), broker, run_s=0.0) as service:
        broker.bring(request())
        wait_until(lambda: service.counts["took_too_long"], what="a refusal")
        service._run_s = 60.0
        broker.bring(request("q-2"))
        wait_until(lambda: service.counts["answered"], what="an answer")
    first, second = broker.pages
    assert "ask for a shorter time" in (first.error or "")
    assert (second.request_id, second.error) == ("q-2", None)


def search(request_id: str, stood: list[Stood], **values: Any) -> bytes:
    judged = [
        {"alert_id": str(uuid.UUID(int=number)), "verdict": one.verdict, "at": one.middle_at.isoformat()}
        for number, one in enumerate(stood)
    ]
    return request(request_id, suggest_from=judged, rule=RULE | {"dwell_s": 60}, **values)


def test_suggestions_are_answered_with_what_the_search_says(tmp_path: Path) -> None:
    broker = Broker()
    stood = keep_judged_days(tmp_path, NOW - 5 * DAY, 4)
    with serving(tmp_path, broker) as service:
        broker.bring(search("q-1", stood))
        wait_until(lambda: service.counts["answered"], what="an answer")
    (page,) = broker.pages
    assert page.error is None
    (draft,) = camera(RULE | {"dwell_s": 60}).rules
    judgements = tuple(Judgement(Verdict(one.verdict), one.middle_at, uuid.UUID(int=n)) for n, one in enumerate(stood))
    found = suggest(
        Asked(camera(lane_rule(dwell_s=30)), draft, MODEL, judgements), partial(read_parts, tmp_path, "lane")
    )
    wanted = json.loads(json.dumps(list(json_lines_of(found)), default=str))
    assert [row["kind"] for row in page.rows][:2] == ["suggestions", "proposal"]
    told = [{**row, "lost": [one["alert_id"] for one in row.get("lost", ())]} for row in (*page.rows, *wanted)]
    assert [{k: v for k, v in one.items() if not k.endswith("_at")} for one in told[: len(wanted)]] == [
        {k: v for k, v in one.items() if not k.endswith("_at")} for one in told[len(wanted) :]
    ]
    [longest] = [row for row in page.rows if row.get("settings") == {"dwell_s": 180.0}]
    assert [one["alert_id"] for one in longest["lost"]] == [str(uuid.UUID(int=11))]  # the last, of 170 s


def test_a_search_that_cannot_be_made_or_takes_too_long_says_why_and_the_next_one_goes_on(tmp_path: Path) -> None:
    broker = Broker()
    stood = keep_judged_days(tmp_path, NOW - 5 * DAY, 4)
    with serving(tmp_path, broker, search_s=0.0) as service:
        broker.bring(search("slow", stood))
        wait_until(lambda: service.counts["took_too_long"], what="a refusal")
        service._search_s = 120.0
        broker.bring(search("true", [one for one in stood if one.verdict == "true"]))
        broker.bring(search("one-day", stood[:3]))
        broker.bring(request("plain"))
        wait_until(lambda: service.counts["answered"] == 3, what="three answers")
    told = {page.request_id: page.error for page in broker.pages}
    assert told["slow"] == "not done in 0 s: ask for a shorter time"
    assert "expected alerts of this rule judged false, got none" in (told["true"] or "")
    assert "on at least 2 days, got 1" in (told["one-day"] or "")
    assert told["plain"] is None


def test_an_answer_that_the_broker_does_not_take_is_counted(tmp_path: Path) -> None:
    broker = Broker()
    broker.is_away = True
    with serving(log_of_two_minutes(tmp_path), broker) as service:
        broker.bring(request())
        wait_until(lambda: service.counts["not_published"], what="a page that cannot go")
    assert service.counts["answered"] == 0
