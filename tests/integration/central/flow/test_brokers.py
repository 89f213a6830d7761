"""Spool → real broker → ingest → database → receipt → spool, with the broker and the ingest killed in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.central.flow.stage import NOON, Stage, alert
from tests.support.brokers import BROKER_KINDS, TestBroker, running_broker
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Phase
from xueliang_alerts.forwarder import Forwarder, ForwarderSettings
from xueliang_alerts.spool import Spool
from xueliang_alerts.topics import shard_of
from xueliang_central.dispatch.tables import tasks
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest.batches import Ingest, client_id_of
from xueliang_central.ingest.links import ask_for
from xueliang_central.ingest.tables import quarantine, spool_records
from xueliang_central.ingest.waiting import Waiting

QUICK = ForwarderSettings(first_resend_s=0.5, longest_resend_s=2.0, status_every_s=0.5)
TOTAL = 150


@pytest.fixture(params=BROKER_KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestBroker]:
    marks = {"mosquitto": pytest.mark.mosquitto}
    if request.param in marks:
        request.node.add_marker(marks[request.param])
    with running_broker(request.param, tmp_path, node_ids=["edge-01"]) as running:
        yield running


@contextlib.contextmanager
def forwarding(broker: TestBroker, tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool", "edge-01", wall=system_wall, mono=system_mono) as spool:
        link = broker.node_link("edge-01", connect=False)
        forwarder = Forwarder(spool, link, wall=system_wall, mono=system_mono, software="test", settings=QUICK)
        forwarder.start()
        link.connect()
        try:
            yield spool
        finally:
            forwarder.stop()
            link.close()


@contextlib.asynccontextmanager
async def ingesting(broker: TestBroker, stage: Stage) -> AsyncIterator[Ingest]:
    waiting = Waiting(wall=system_wall, mono=system_mono)
    link = broker.centre_link(client_id_of(["00", "0f"]), connect=False, inbox=waiting)
    ingest = Ingest(link, waiting, stage.database, stage.rulebook, wall=system_wall, mono=system_mono)
    ask_for(link, [shard_of("edge-01")])
    link.connect()
    task = asyncio.create_task(ingest.run())
    try:
        yield ingest
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(link.close)


async def until(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    give_up_at = system_mono() + timeout_s
    while not condition():
        if system_mono() > give_up_at:
            pytest.fail(f"waited {timeout_s:g} s in vain for: {what}")
        await asyncio.sleep(0.02)


async def test_nothing_is_lost_or_doubled_when_broker_and_ingest_are_killed(
    broker: TestBroker, stage: Stage, tmp_path: Path
) -> None:
    """One hazard that flaps: fifty episodes of three revisions each, one incident, one task."""
    if stage.database.dialect == "postgresql" and broker.kind == "mosquitto":
        pytest.skip("each broker and each database once is enough")
    stop = threading.Event()

    def produce(spool: Spool) -> None:
        for number in range(TOTAL // 3):
            began_at = NOON + timedelta(seconds=number)
            for revision, phase in enumerate((Phase.RAISED, Phase.UPDATED, Phase.CLEARED), start=1):
                if number == TOTAL // 3 - 1 and phase is Phase.CLEARED:
                    phase = Phase.UPDATED  # the last stays
                spool.accept(alert(phase, revision, began_at=began_at, spool_id=spool.spool_id))
            if stop.wait(0.02):
                return

    with forwarding(broker, tmp_path) as spool:
        producer = threading.Thread(target=produce, args=(spool,))
        async with ingesting(broker, stage) as ingest:
            producer.start()
            try:
                await until(lambda: ingest.counts["taken"] > 10, "the first records")
                await asyncio.to_thread(broker.restart)
                await until(lambda: ingest.counts["taken"] > 40, "records again after the broker")
            finally:
                if ingest.counts["taken"] <= 40:
                    stop.set()
        async with ingesting(broker, stage) as second:  # another process takes over the same session
            await asyncio.to_thread(producer.join, 30)
            await until(lambda: spool.pending_count() == 0, f"all settled by receipt, {second.counts}")
            await until(lambda: second.counts["status"] > 0, "a status")
    assert await stage.count(spool_records) == TOTAL
    assert await stage.count(alerts) == TOTAL // 3
    assert await stage.count(quarantine) == 0
    incident = await stage.one_incident()
    assert (incident["state"], incident["alert_count"], incident["still_present"]) == ("dispatched", TOTAL // 3, True)
    assert await stage.count(tasks) == 1
    states = {row["node_id"]: row["state"] for row in await stage.rows(nodes)}
    assert states["edge-01"] is not None


async def test_two_ingests_at_once_open_one_incident_for_one_place(stage: Stage) -> None:
    """Shards are served by different processes: nodes of both see the same lane."""
    from tests.integration.central.flow.stage import received

    if stage.database.dialect == "sqlite":
        pytest.skip("SQLite has one ingest")
    batches = []
    for number in range(12):
        began_at = NOON + timedelta(seconds=number)
        camera_id, node_id = (("lane-east", "edge-01"), ("lane-west", "edge-02"))[number % 2]
        body = alert(Phase.RAISED, 1, camera_id=camera_id, began_at=began_at)
        batches.append(received(body, number + 1, node_id=node_id))
    await asyncio.gather(*(stage.take(item) for item in batches))
    assert await stage.count(incidents) == 1
    assert (await stage.one_incident())["alert_count"] == 12
    assert await stage.count(tasks) == 1
