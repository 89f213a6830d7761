"""The centre comes back after two hours: what waited at the broker is read before it is taken.

By one process or two, of which one is killed in the middle.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from tests.integration.central.flow.stage import NOON, VILLAGE, Stage, alert, received
from tests.integration.central.flow.test_two_ingests import NODES, process, records_reach, shares_become, until
from tests.support.brokers import BROKER_KINDS, TestBroker, running_broker
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Phase
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_central.areas.tree import path_by_code
from xueliang_central.cameras.register import CameraPlace, upsert_cameras
from xueliang_central.dispatch.tables import tasks
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.tables import incidents
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.tables import quarantine, spool_records
from xueliang_central.store.tables import leases

AWAY = timedelta(hours=2)
EPISODES = {1: 60, 2: 120}  # of each node, by processes: more beginnings than a batch of one holds before the first end


@pytest.fixture(params=BROKER_KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestBroker]:
    if request.param == "mosquitto":
        request.node.add_marker(pytest.mark.mosquitto)
    with running_broker(request.param, tmp_path, node_ids=NODES) as running:
        yield running


@pytest.fixture
async def city(stage: Stage) -> Stage:
    """A node in each group of shards, with a camera for what waited and one for what is fresh."""
    async with stage.database.transaction() as conn:
        for node_id in NODES:
            row = {"node_id": node_id, "area_path": path_by_code(VILLAGE), "token_hash": node_id}
            await conn.execute(insert(nodes).values(**row, registered_at=NOON))
        places = [
            CameraPlace(f"{kind}-{node_id}", node_id, None, longitude + at * 0.003, 36.002, "street", node_id)
            for at, node_id in enumerate(NODES)
            for kind, longitude in (("old", 117.001), ("new", 117.0022))
        ]
        await upsert_cameras(conn, places, stage.rulebook.tree, at=NOON)
    return stage


class Nodes:
    """They publish and wait for no receipt: what the broker loses is lost."""

    def __init__(self, link: MqttLink) -> None:
        self._link = link
        self._last = dict.fromkeys(NODES, 0)

    @property
    def told(self) -> int:
        return sum(self._last.values())

    def tell(self, node_id: str, kind: str, phase: Phase, revision: int, began_at: datetime) -> Received:
        """One revision of an episode."""
        self._last[node_id] += 1
        spool_id = uuid.uuid5(uuid.NAMESPACE_DNS, node_id)
        body = alert(phase, revision, camera_id=f"{kind}-{node_id}", began_at=began_at, spool_id=spool_id)
        told = received(body, self._last[node_id], node_id=node_id, spool_id=spool_id)
        self.repeat(told)
        return told

    def repeat(self, told: Received) -> None:
        assert self._link.publish(told.topic, told.payload).wait(20)


def tell_backlog(fleet: Nodes, now: datetime, episodes: int) -> None:
    """Every beginning before the first end, as nodes that see much tell it."""
    for phase, revision in ((Phase.RAISED, 1), (Phase.CLEARED, 2)):
        for number in range(episodes):
            for node_id in NODES:
                fleet.tell(node_id, "old", phase, revision, now - AWAY + timedelta(seconds=20 * number))


@pytest.mark.parametrize("processes", [1, 2])
async def test_after_an_outage_fresh_alerts_come_first_and_what_has_ended_asks_nobody(
    city: Stage, database_url: str, broker: TestBroker, processes: int
) -> None:
    is_shared = city.database.dialect == "postgresql"
    if processes == 2 and not is_shared:
        pytest.skip("SQLite has one process")
    door = (database_url, broker.port, broker.centre_user, broker.password(broker.centre_user))
    fleet, now = Nodes(broker.centre_link("the-nodes")), system_wall().replace(microsecond=0)
    with process(door) as first:  # so that the broker keeps everything for the centre
        if is_shared:
            await shares_become(city, [4])
        told = [fleet.tell(node_id, "new", Phase.RAISED, 1, now) for node_id in NODES]

        async def are_known() -> bool:
            for one in told:  # the broker keeps nothing for the centre before it has asked
                fleet.repeat(one)
            return await city.count(spool_records) == len(NODES)

        await until(are_known, "the first records")
        first.kill()
    if is_shared:
        await _leases_are_over(city)
    tell_backlog(fleet, now, EPISODES[processes])
    for node_id in NODES:
        fleet.tell(node_id, "new", Phase.CLEARED, 2, now)
    with contextlib.ExitStack() as stack:
        served = [stack.enter_context(process(door)) for _ in range(processes)]
        await records_reach(city, fleet.told // 2)
        served[0].kill()  # in the middle: what it holds comes again from the broker
        stack.enter_context(process(door))
        await records_reach(city, fleet.told)
    assert await city.count(spool_records) == fleet.told
    assert await city.count(quarantine) == 0
    found = await city.rows(incidents)
    assert {row["camera_id"].split("-")[0] for row in found} == {"old", "new"}
    assert not any(row["still_present"] for row in found)
    asked = {row["incident_id"] for row in await city.rows(tasks)}
    assert {row["camera_id"] for row in found if row["incident_id"] in asked} == {f"new-{node}" for node in NODES}


async def _leases_are_over(city: Stage) -> None:
    """The killed process's: a moment later, so that the next need not wait."""
    async with city.database.transaction() as conn:
        await conn.execute(leases.update().values(holder="", until_at=select(func.now()).scalar_subquery()))
