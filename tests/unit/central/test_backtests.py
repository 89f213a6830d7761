"""When a question to a node ends, and who is asked at all: with a transport that only takes notes."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from xueliang_alerts.commands import BacktestCommand, JudgedAlert, ResultPage, read_command
from xueliang_alerts.contract import to_bytes
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Handler, Incoming, LinkPhase, LinkState, StateListener
from xueliang_central.errors import BacktestRefused, NodeBusy, NodeSilent, NodeTooOld
from xueliang_central.fleet.backtests import UNDER_WAY_AT_MOST, Answer, Backtests, Progress

RULE = {"rule_id": "lane"}
LONG_S = 60.0  # never waited for
AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


class NotingTransport:
    """A Transport that keeps who was asked, and hands over what a test lets a node say."""

    def __init__(self) -> None:
        self.state = LinkState(LinkPhase.CONNECTED, 1, 0.0)
        self.asked: list[tuple[str, str]] = []  # topic, request id
        self.commands: list[BacktestCommand] = []
        self.handlers: dict[str, Handler] = {}

    def connect(self) -> None: ...

    def close(self, timeout_s: float = 5.0) -> None: ...

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> Any:
        command = read_command(payload)
        self.asked.append((topic, command.request_id))
        self.commands.append(command)

    def subscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        assert handler is not None
        self.handlers[topic_filter] = handler

    def unsubscribe(self, topic_filter: str) -> None:
        del self.handlers[topic_filter]

    def get(self, timeout_s: float) -> Incoming | None:
        return None

    def on_state(self, listener: StateListener) -> None: ...

    def counters(self) -> dict[str, int]:
        return {}

    def say(self, node_id: str, number: int, of: int, **values: Any) -> None:
        """One page of the answer to what the node was asked last."""
        request_id = next(one for topic, one in reversed(self.asked) if topic == node_topic(node_id, Leaf.COMMANDS))
        fields: dict[str, Any] = {"request_id": request_id, "page": number, "pages": of, "rows": ({"number": number},)}
        page = ResultPage(**({"command": "backtest"} | fields | values))
        topic = node_topic(node_id, Leaf.RESULTS)
        self.handlers[topic](Incoming(topic, to_bytes(page), 1, False, 1, lambda: True))


def backtests_over(transport: NotingTransport, **patience: float) -> Backtests:
    chosen = {"first_page_s": LONG_S, "next_page_s": LONG_S, "whole_answer_s": LONG_S} | patience
    backtests = Backtests(lambda: AT, **chosen)
    backtests.use(transport)
    return backtests


async def asked(backtests: Backtests, node_id: str = "edge-01") -> asyncio.Task[Answer]:
    """A question that is on its way, or ended already."""
    task = asyncio.create_task(backtests.ask(node_id, "lane", RULE, None, None))
    await asyncio.sleep(0)
    return task


async def repeated(transport: NotingTransport, question: asyncio.Task[Answer], *pages: tuple[int, int]) -> None:
    """These pages, over and over, until the question ends."""
    async with asyncio.timeout(10):
        while not question.done():
            for number, of in pages:
                transport.say("edge-01", number, of)
            await asyncio.sleep(0.01)


async def test_a_page_that_is_repeated_for_ever_is_no_news() -> None:
    transport = NotingTransport()
    backtests = backtests_over(transport, next_page_s=0.2)
    question = await asked(backtests)
    await repeated(transport, question, (1, 2))
    with pytest.raises(NodeSilent, match=r"1 pages came, then nothing new for 0 s"):
        question.result()
    assert backtests.counts["repeated"] > 0
    assert not transport.handlers


async def test_an_answer_that_never_ends_is_ended() -> None:
    transport = NotingTransport()
    question = await asked(backtests_over(transport, whole_answer_s=0.3))
    for number in range(1, 100):
        if question.done():
            break
        transport.say("edge-01", number, 100)
        await asyncio.sleep(0.01)
    with pytest.raises(NodeSilent, match=r"is too slow: \d+ pages came in 0 s: ask about a shorter time"):
        await question


async def test_a_node_is_asked_one_question_at_a_time() -> None:
    transport = NotingTransport()
    backtests = backtests_over(transport)
    first = await asked(backtests)
    with pytest.raises(NodeBusy, match="node edge-01 is trying another draft: try again when"):
        await asyncio.wait_for(await asked(backtests), 5)
    other = await asked(backtests, "edge-02")
    transport.say("edge-02", 1, 1)
    assert (await asyncio.wait_for(other, 5)).rows == ({"number": 1},)
    transport.say("edge-01", 1, 1)
    assert (await asyncio.wait_for(first, 5)).rows == ({"number": 1},)
    again = await asked(backtests)
    transport.say("edge-01", 1, 1, rows=(), error="no log of that camera")
    with pytest.raises(BacktestRefused, match="no log of that camera"):
        await asyncio.wait_for(again, 5)
    assert len(transport.asked) == 3


async def test_a_search_is_waited_for_longer_and_a_node_that_knows_none_is_told_of() -> None:
    transport = NotingTransport()
    backtests = backtests_over(transport, first_page_s=0.1, search_first_page_s=LONG_S)
    judged = [JudgedAlert(alert_id=uuid.uuid4(), verdict="false", at=AT)]

    async def search() -> asyncio.Task[Answer]:
        task = asyncio.create_task(backtests.ask("edge-01", "lane", RULE, None, None, judged))
        await asyncio.sleep(0.3)
        return task

    found = await search()
    assert transport.commands[-1].suggest_from == tuple(judged)
    assert transport.commands[-1].expires_at == AT + timedelta(seconds=LONG_S)
    transport.say("edge-01", 1, 1)
    assert (await asyncio.wait_for(found, 5)).rows == ({"number": 1},)
    old = await search()
    transport.say("edge-01", 1, 1, rows=(), error="command: suggest_from: Extra inputs are not permitted")
    with pytest.raises(NodeTooOld, match="node edge-01 is of an older release"):
        await asyncio.wait_for(old, 5)
    with pytest.raises(NodeSilent):
        await asyncio.wait_for(await asked(backtests), 5)
    assert transport.commands[-1].suggest_from is None


async def test_how_far_a_question_is_and_who_gives_it_up_frees_the_node() -> None:
    transport = NotingTransport()
    backtests = backtests_over(transport)
    question = await asked(backtests)
    assert backtests.progress("edge-01", "lane") == Progress(AT, 0, None)
    transport.say("edge-01", 1, 3)
    await asyncio.sleep(0)
    assert backtests.progress("edge-01", "lane") == Progress(AT, 1, 3)
    assert backtests.progress("edge-01", "another") is None  # of a camera that may be nobody's here
    question.cancel()  # a page came in the same moment
    async with asyncio.timeout(5):
        await asyncio.gather(question, return_exceptions=True)
    assert question.cancelled()
    assert backtests.progress("edge-01", "lane") is None
    again = await asked(backtests)
    transport.say("edge-01", 1, 1)
    assert (await asyncio.wait_for(again, 5)).rows == ({"number": 1},)


async def test_who_asks_one_node_too_many_is_told_what_to_try() -> None:
    backtests = backtests_over(NotingTransport())
    under_way = [await asked(backtests, f"edge-{number}") for number in range(UNDER_WAY_AT_MOST)]
    with pytest.raises(NodeBusy, match=rf"{UNDER_WAY_AT_MOST} nodes are being asked already: try again") as refusal:
        await asyncio.wait_for(await asked(backtests, "edge-99"), 5)
    assert (refusal.value.status, refusal.value.code) == (409, "node_busy")
    for question in under_way:
        question.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    assert backtests.counts["busy"] == 1


@pytest.mark.parametrize(
    "pages", [pytest.param([(1, 3), (2, 2)], id="fewer than before"), pytest.param([(1, 2), (3, 3)], id="more")]
)
async def test_pages_that_do_not_agree_are_never_a_whole_answer(
    pages: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    transport = NotingTransport()
    backtests = backtests_over(transport, next_page_s=0.2)
    question = await asked(backtests)
    await repeated(transport, question, *pages)
    with pytest.raises(NodeSilent, match="1 pages came, then nothing new"):
        question.result()
    assert backtests.counts["inconsistent"] > 1
    assert len([one for one in caplog.records if "not of the answer under way" in one.message]) == 1


async def test_a_page_that_does_not_agree_costs_nothing_of_the_answer() -> None:
    transport = NotingTransport()
    backtests = backtests_over(transport)
    question = await asked(backtests)
    for number, of in ((1, 2), (2, 3), (2, 2)):
        transport.say("edge-01", number, of)
    assert [row["number"] for row in (await asyncio.wait_for(question, 5)).rows] == [1, 2]
    assert (backtests.counts["inconsistent"], backtests.counts["answered"]) == (1, 1)
