"""Fresh alerts past a backlog: by a connection of their own, on the real brokers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.integration.central.flow.ingest_process import open_service
from tests.integration.central.flow.stage import NOON, Stage, alert, message, raised
from tests.integration.central.flow.test_brokers import until
from tests.support.brokers import BROKER_KINDS, TestBroker, running_broker
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Gap, Phase
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.topics import Leaf, node_topic, shard_of
from xueliang_alerts.transport import Incoming
from xueliang_central.ingest.ahead import Ahead, FreshOnly
from xueliang_central.ingest.tables import spool_records
from xueliang_central.ingest.waiting import READING_PER_S

TOPIC = node_topic("edge-01", Leaf.ALERTS)
OLD_ONES = 2 * READING_PER_S


@pytest.fixture(params=BROKER_KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestBroker]:
    if request.param == "mosquitto":
        request.node.add_marker(pytest.mark.mosquitto)
    with running_broker(request.param, tmp_path, node_ids=["edge-01"]) as running:
        yield running


def _old(sequence: int) -> bytes:
    began_at = NOON - timedelta(hours=2, seconds=sequence)
    return message(alert(Phase.RAISED, 1, began_at=began_at), sequence)


class Basket:
    """An `Inbox` that keeps what it gets, and acknowledges nothing."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def put_nowait(self, item: Incoming, /) -> None:
        self.payloads.append(item.payload)


async def test_of_what_comes_while_a_backlog_is_read_fresh_alerts_are_taken_and_nothing_else(
    broker: TestBroker,
) -> None:
    basket, made = Basket(), list[MqttLink]()
    settings = broker.settings(broker.centre_user, client_id="ahead")

    def make() -> MqttLink:
        ahead_settings = replace(settings, clean_session=True, subscribe_qos=0)
        made.append(MqttLink(ahead_settings, mono=system_mono, inbox=FreshOnly(basket, lambda: NOON)))
        return made[-1]

    ahead, node = Ahead(make), broker.node_link("edge-01")
    ahead.serve([shard_of("edge-01")])
    node.publish(TOPIC, _old(1)).wait(10)
    assert not ahead.is_on
    ahead.follow(True)
    ahead.follow(True)
    try:
        [link] = made
        await until(lambda: link.state.is_connected, "the connection")
        gap = message(Gap(first_sequence=2, last_sequence=3, why="evicted"), 4)
        first, second = raised(5, began_at=NOON).payload, raised(6, camera_id="far-gate").payload

        async def is_heard() -> None:  # a subscription has no moment at which it holds
            while not basket.payloads:
                for payload in (_old(1), gap, first):
                    node.publish(TOPIC, payload).wait(10)
                await asyncio.sleep(0.05)

        await asyncio.wait_for(is_heard(), 30)
        node.publish(TOPIC, second)
        await until(lambda: second in basket.payloads, "the next, though nothing was acknowledged")
        assert set(basket.payloads) == {first, second}
        ahead.follow(False)
        assert not ahead.is_on
    finally:
        await ahead.close()
    assert not made[0].state.is_connected


async def test_a_backlog_that_is_told_of_after_the_end_opens_no_connection() -> None:
    """The thread that takes goes on for half a second; nobody would close what it opens, or read what that brings."""

    def make() -> MqttLink:
        pytest.fail("a connection that nobody closes")

    ahead = Ahead(make)
    await ahead.close()
    ahead.follow(True)
    assert not ahead.is_on


async def test_a_process_that_reads_a_backlog_listens_ahead_until_it_is_read(
    broker: TestBroker, stage: Stage, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    if stage.database.dialect != "postgresql":
        pytest.skip("once is enough")
    caplog.set_level(logging.INFO)
    door = (database_url, broker.port, broker.centre_user, broker.password(broker.centre_user))

    async def records() -> int:
        async with stage.database.reading() as conn:
            return int((await conn.execute(select(func.count()).select_from(spool_records))).scalar_one())

    node = broker.node_link("edge-01")
    for is_back in (False, True):
        centre, service = await open_service(*door)
        await service.start()
        try:
            async with asyncio.timeout(60):
                while not is_back and await records() < 1:  # the broker has a queue for this process then
                    await asyncio.to_thread(node.publish(TOPIC, _old(1)).wait, 10)
                    await asyncio.sleep(0.05)
                while is_back and await records() < OLD_ONES:
                    await asyncio.sleep(0.05)
                    is_fresh = [one.getMessage() for one in caplog.records if "backlog" in one.getMessage()]
                while is_back and "fresh alerts come by the queue again" not in caplog.messages:
                    await asyncio.sleep(0.05)
        finally:
            await service.stop()
            await centre.database.close()
        if not is_back:
            for sequence in range(2, OLD_ONES + 1):
                node.publish(TOPIC, _old(sequence))
            await until(lambda: node.counters()["publish_acknowledged"] >= OLD_ONES, "the backlog at the broker")
    assert is_fresh == ["fresh alerts come past the backlog"]
    assert await records() == OLD_ONES
