"""Rules of cameras on their way to the nodes: sent signed, once, and again to who lacks them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.integration.central.test_camera_rules import (
    LANE,
    RULES,
    answer,
    hear,
    people,
    propose,
    said,
    settings,
    state,
    street,
)
from tests.support import city
from tests.support.brokers import TestBroker, running_broker
from tests.support.centres import TestCentre
from xueliang_alerts.desired import (
    DesiredRules,
    read_desired,
)
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.signing import PublicKey, SigningKey
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_central.areas.tree import path_by_code
from xueliang_central.camera_rules.sending import LOOK_AGAIN_S, NO_KEY, RulesSender, make_key
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.nodes import add_node

__all__ = ["people", "street"]  # fixtures


class Listening:
    """What nodes hear, by node."""

    def __init__(self, broker: TestBroker, *node_ids: str) -> None:
        self.heard: dict[str, list[bytes]] = {node_id: [] for node_id in node_ids}
        for node_id in node_ids:
            broker.node_link(node_id).subscribe(node_topic(node_id, Leaf.CONFIG_DESIRED), self._hear(node_id))

    def _hear(self, node_id: str) -> Callable[[Incoming], None]:
        def hear(incoming: Incoming) -> None:
            self.heard[node_id].append(incoming.payload)
            incoming.acknowledge()

        return hear


@asynccontextmanager
async def sending(
    centre: TestCentre, broker: TestBroker, key_path: Path
) -> AsyncIterator[tuple[RulesSender, MqttLink, dict[str, str | None]]]:
    link, notes = broker.centre_link(f"centre-{uuid.uuid4().hex[:6]}"), {}
    sender = RulesSender(
        link,
        centre.database,
        key_path,
        may_send=lambda: link.state.is_connected,
        wall=centre.clock.wall,
        mono=centre.clock.mono,
        says_waiting=notes.__setitem__,
    )
    yield sender, link, notes


async def until(condition: Callable[[], object], what: str) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"waited 20 s in vain for: {what}")


async def test_what_is_wanted_is_sent_signed_once_and_again_to_who_lacks_it(street: TestCentre, tmp_path: Path) -> None:
    async with street.database.transaction() as conn:
        await add_node(conn, node_id="edge-02", area_path=path_by_code(city.WEST), at=street.clock.at, by="test")
    key_path = tmp_path / "signing.key"
    with running_broker("nats", tmp_path, node_ids=["edge-01", "edge-02"]) as broker:
        nodes = Listening(broker, "edge-01", "edge-02")
        heard = nodes.heard["edge-01"]
        async with people(street) as (ruler, chief), sending(street, broker, key_path) as (sender, _, notes):
            await propose(ruler, LANE | {"severity": 3})
            assert await sender.step() == 0  # nobody has agreed yet
            await chief.post(f"{RULES}/versions/2/moves", json={"move": "approve"})
            assert (await sender.step(), notes["rules"]) == (0, NO_KEY)
            key: SigningKey = make_key(key_path)
            assert key_path.stat().st_mode & 0o777 == 0o600
            assert (await sender.step(), await sender.step(), notes["rules"]) == (1, 0, None)
            await until(lambda: heard, "the node hears of it")
            document = read_desired(heard[0], [key.public])
            assert (document.node_id, document.camera_id, document.version) == ("edge-01", "lane", 2)
            assert (document.by, document.approved_by, document.why) == ("ruler", "chief", "the kerb was moved")
            assert document.settings == settings(LANE | {"severity": 3})
            shown = (await ruler.get(f"{RULES}/versions/2")).json()
            assert shown["sent_at"] is not None

            await hear(street, **said(settings(LANE)))  # it crossed what was sent
            assert await sender.step() == 0
            street.clock.advance(60)
            await hear(street, **said(settings(LANE)))  # a node that was off tells what it runs: what it ran before
            assert await sender.step() == 1
            await until(lambda: len(heard) == 2, "it is sent again")
            assert heard[0] == heard[1]

            await hear(street, **said(settings(LANE)))
            street.clock.advance(LOOK_AGAIN_S + 1)
            assert await sender.step() == 1  # and what crossed it is noticed within a minute
            await hear(street, **said(document.settings, 3, source="centre", answer=answer(2)))
            street.clock.advance(LOOK_AGAIN_S + 1)
            assert await sender.step() == 0

            async with street.database.transaction() as conn:
                await conn.execute(update(cameras).where(cameras.c.camera_id == "lane").values(node_id="edge-02"))
            street.clock.advance(LOOK_AGAIN_S + 1)
            assert await sender.step() == 1
            await until(lambda: nodes.heard["edge-02"], "the other node hears of it")
            assert read_desired(nodes.heard["edge-02"][0], [key.public]).node_id == "edge-02"
            assert await state(ruler) == "waiting"


async def test_what_is_wanted_while_the_broker_is_away_is_sent_when_it_is_back(
    street: TestCentre, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "signing.key")
    with running_broker("nats", tmp_path, node_ids=["edge-01"]) as broker:
        nodes = Listening(broker, "edge-01")
        async with people(street) as (ruler, _), sending(street, broker, tmp_path / "signing.key") as (sender, link, _):
            broker.kill()
            await until(lambda: not link.state.is_connected, "the connection is lost")
            await propose(ruler, LANE | {"dwell_s": 9})
            task = asyncio.create_task(sender.run())
            try:
                broker.start()
                await until(lambda: nodes.heard["edge-01"], "the node hears of it")
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    document: DesiredRules = read_desired(nodes.heard["edge-01"][0], [PublicKey.read(key.public.text)])
    assert document.settings["rules"][0]["dwell_s"] == 9
