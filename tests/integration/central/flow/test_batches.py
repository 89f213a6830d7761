"""Messages to committed batches: what is acknowledged, when, and what happens when something is away or breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from tests.integration.central.flow.stage import (
    NOON,
    SPOOL,
    HandClock,
    Stage,
    alert,
    raised,
    received,
)
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Gap, NodeState, NodeStatus, Phase, read_receipt, to_bytes
from xueliang_alerts.errors import NotConnected
from xueliang_alerts.topics import Leaf, is_of_station, node_topic, station_topic
from xueliang_alerts.transport import Handler, Incoming, LinkPhase, LinkState, StateListener
from xueliang_central.areas.tree import AreaBook
from xueliang_central.errors import DatabaseUnavailable
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.tables import incidents
from xueliang_central.ingest import batches, committing, quarantine
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.batches import Ingest
from xueliang_central.ingest.links import ask_for
from xueliang_central.ingest.sharing import ALL_SHARDS, GROUPS
from xueliang_central.ingest.tables import quarantine as quarantine_rows
from xueliang_central.ingest.tables import spool_records
from xueliang_central.ingest.waiting import Waiting


class Broker:
    """A Transport in memory that writes down in which order things happen."""

    def __init__(self, clock: HandClock) -> None:
        self.waiting = Waiting(wall=clock, mono=system_mono)
        self.happened: list[str] = []
        self.published: dict[str, bytes] = {}
        self.filters: list[str] = []
        self.is_up = True

    @property
    def state(self) -> LinkState:
        return LinkState(LinkPhase.CONNECTED, 1, 0.0)

    def deliver(self, *messages: Received) -> None:
        for item in messages:
            self.waiting.put_nowait(Incoming(item.topic, item.payload, 1, False, 1, self._acknowledge))

    def _acknowledge(self) -> bool:
        self.happened.append("acknowledged")
        return True

    def connect(self) -> None: ...

    def close(self, timeout_s: float = 5.0) -> None: ...

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> Any:
        if not self.is_up:
            raise NotConnected("no connection")
        assert retain
        self.happened.append("receipt")
        self.published[topic] = payload

    def subscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        self.filters.append(topic_filter)

    def unsubscribe(self, topic_filter: str) -> None: ...

    def get(self, timeout_s: float) -> Incoming | None:
        raise AssertionError("what arrives waits in `waiting`")

    def on_state(self, listener: StateListener) -> None: ...

    def counters(self) -> dict[str, int]:
        return {}


@pytest.fixture
def broker(clock: HandClock) -> Broker:
    return Broker(clock)


@pytest.fixture
def said() -> list[tuple[str, str | None]]:
    return []


@pytest.fixture
def ingest(
    stage: Stage, clock: HandClock, broker: Broker, said: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> Ingest:
    monkeypatch.setattr(batches, "FIRST_PAUSE_S", 0.01)
    return Ingest(
        broker,
        broker.waiting,
        stage.database,
        stage.rulebook,
        wall=clock,
        mono=system_mono,
        says_waiting=lambda what, why: said.append((what, why)),
    )


async def _until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"waited in vain for {what}")


async def test_commit_then_receipt_then_acknowledgement(ingest: Ingest, broker: Broker, stage: Stage) -> None:
    stage.database.on_commit(lambda: broker.happened.append("committed"))
    broker.deliver(raised(1), raised(2, camera_id="far-gate"))
    assert await ingest.step() == 2
    assert broker.happened == ["committed", "receipt", "acknowledged", "acknowledged"]
    [payload] = broker.published.values()
    assert read_receipt(payload).spools[0].contiguous_through == 2


async def test_an_alert_is_committed_and_answered_before_the_statuses_taken_with_it(
    ingest: Ingest, broker: Broker, stage: Stage
) -> None:
    stage.database.on_commit(lambda: broker.happened.append("committed"))
    said = NodeStatus(node_id="edge-01", state=NodeState.ONLINE, boot_id=SPOOL, spool_id=SPOOL, at=NOON)
    broker.deliver(Received(node_topic("edge-01", Leaf.STATUS), to_bytes(said), NOON), raised(1))
    assert await ingest.step() == 2
    assert broker.happened == ["committed", "receipt", "acknowledged", "committed", "acknowledged"]
    assert ingest.counts["taken"] == ingest.counts["status"] == 1


async def test_a_status_that_waits_for_the_database_holds_up_one_batch_of_alerts_at_most(
    ingest: Ingest, broker: Broker, stage: Stage
) -> None:
    """A row of the node is locked by somebody; the status is seen through once it is free."""
    if stage.database.dialect != "postgresql":
        pytest.skip("one writer")
    said = NodeStatus(node_id="edge-01", state=NodeState.ONLINE, boot_id=SPOOL, spool_id=SPOOL, at=NOON)
    running = asyncio.create_task(ingest.run())
    try:
        async with stage.database.transaction() as conn:
            await conn.execute(select(nodes).where(nodes.c.node_id == "edge-01").with_for_update())
            broker.deliver(Received(node_topic("edge-01", Leaf.STATUS), to_bytes(said), NOON))
            await _until(lambda: broker.waiting.messages == 0, "the status to be in hand")
            broker.deliver(raised(1))
            await _until(lambda: ingest.counts["taken"] == 1, "an alert beside the status")
            assert broker.happened == ["receipt", "acknowledged"]
            broker.deliver(raised(2, camera_id="far-gate"), raised(3, camera_id="far-yard"))
            assert ingest.counts["status"] == 0
        await _until(lambda: ingest.counts["taken"] == 3, "the alerts after it")
        await _until(lambda: broker.happened.count("acknowledged") == 4, "all of it")
        assert ingest.counts["status"] == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_status_that_waits_long_holds_up_no_alert_that_comes_after_a_pause(
    ingest: Ingest, broker: Broker, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stage.database.dialect != "postgresql":
        pytest.skip("one writer")
    monkeypatch.setattr(batches, "IDLE_S", 0.01)
    looks, take = [], broker.waiting.take

    def looked(limit: int, timeout_s: float) -> Any:
        looks.append(found := take(limit, timeout_s))
        return found

    monkeypatch.setattr(broker.waiting, "take", looked)
    said = NodeStatus(node_id="edge-01", state=NodeState.ONLINE, boot_id=SPOOL, spool_id=SPOOL, at=NOON)
    running = asyncio.create_task(ingest.run())
    try:
        async with stage.database.transaction() as conn:
            await conn.execute(select(nodes).where(nodes.c.node_id == "edge-01").with_for_update())
            broker.deliver(Received(node_topic("edge-01", Leaf.STATUS), to_bytes(said), NOON))
            await _until(lambda: any(looks) and looks[-1] == [], "the status in hand, and nothing behind it")
            broker.deliver(raised(1))
            await _until(lambda: ingest.counts["taken"] == 1, "an alert beside the status")
            assert ingest.counts["status"] == 0
        await _until(lambda: ingest.counts["status"] == 1, "the status")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_was_acknowledged_is_not_acknowledged_again_when_the_next_beside_it_breaks(
    ingest: Ingest, broker: Broker, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker may have given its packet id to another message, which would be lost."""
    see_through, broken = ingest._see_through, []

    async def break_once(batch: Any) -> None:
        if is_of_station(batch[0].topic) and not broken:
            broken.append(1)
            raise RuntimeError("a fault of ours")
        await see_through(batch)

    async def take_signal(_change: Change, _received: Received, *, is_replay: bool) -> str:
        return "again" if is_replay else "taken"

    monkeypatch.setattr(ingest, "_see_through", break_once)
    monkeypatch.setattr(ingest, "_takes_signals", take_signal)
    said = NodeStatus(node_id="edge-01", state=NodeState.ONLINE, boot_id=SPOOL, spool_id=SPOOL, at=NOON)
    signal = Received(station_topic("hall"), b"{}", NOON)
    broker.deliver(Received(node_topic("edge-01", Leaf.STATUS), to_bytes(said), NOON), signal)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await ingest.step()
    assert broker.happened.count("acknowledged") == 1
    assert await ingest.step() == 1
    assert broker.happened.count("acknowledged") == 2


async def test_a_status_that_broke_beside_the_next_batch_is_taken_again(
    ingest: Ingest, broker: Broker, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stage.database.dialect != "postgresql":
        pytest.skip("one writer")
    see_through, broken = ingest._see_through, []

    async def break_once(batch: Any) -> None:
        if batch[0].topic.endswith("/status") and not broken:
            broken.append(1)
            raise RuntimeError("a fault of ours")
        await see_through(batch)

    monkeypatch.setattr(ingest, "_see_through", break_once)
    said = NodeStatus(node_id="edge-01", state=NodeState.ONLINE, boot_id=SPOOL, spool_id=SPOOL, at=NOON)
    running = asyncio.create_task(ingest.run())
    try:
        broker.deliver(Received(node_topic("edge-01", Leaf.STATUS), to_bytes(said), NOON), raised(1))
        await _until(lambda: ingest.counts["status"] == 1, "the status")
        await _until(lambda: broker.happened.count("acknowledged") == 2, "all of it")
        assert (broken, ingest.counts["rounds_failed"], ingest.counts["taken"]) == ([1], 1, 1)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_every_shard_is_asked_for_once_by_a_group_with_a_name_of_its_own() -> None:
    for groups in (GROUPS, (ALL_SHARDS,)):
        broker = Broker(HandClock())
        for group in groups:
            ask_for(broker, group.shards)
        assert len(set(broker.filters)) == len(broker.filters) == 4 * 16  # alerts, statuses, reports of rules, stations
        assert len({batches.client_id_of(group.shards) for group in groups}) == len(groups)


async def test_nothing_is_acknowledged_while_the_database_is_down_and_it_is_said(
    ingest: Ingest,
    broker: Broker,
    stage: Stage,
    said: list[tuple[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, is_down = stage.database.transaction, True

    def transaction() -> Any:
        if is_down:
            raise DatabaseUnavailable("down")
        return real()

    monkeypatch.setattr(stage.database, "transaction", transaction)
    broker.deliver(raised())
    step = asyncio.create_task(ingest.step())
    await _until(lambda: ingest.counts["waited"] >= 2, "two tries")
    assert broker.happened == []
    assert said[0][0] == "ingest"
    assert said[0][1] is not None
    assert "acknowledged" in said[0][1]
    is_down = False
    await asyncio.wait_for(step, 20)
    assert broker.happened == ["receipt", "acknowledged"]
    assert said[-1] == ("ingest", None)
    assert await stage.count(incidents) == 1


async def test_without_areas_it_waits_for_them(
    ingest: Ingest, broker: Broker, stage: Stage, said: list[tuple[str, str | None]]
) -> None:
    known = stage.rulebook.areas.tree
    stage.rulebook.areas.tree = AreaBook().tree
    broker.deliver(raised())
    step = asyncio.create_task(ingest.step())
    await _until(lambda: bool(said), "words")
    assert said[0][1] is not None
    assert "import-areas" in said[0][1]
    stage.rulebook.areas.tree = known
    await asyncio.wait_for(step, 20)
    assert broker.happened == ["receipt", "acknowledged"]


async def test_one_message_that_we_cannot_take_does_not_stop_the_others(
    ingest: Ingest, broker: Broker, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = committing.fold_in

    async def fold_in(change: Change, revisions: Any, known: Any, hidden: Any) -> int:
        if any(item.alert.camera_id == "far-gate" for found in revisions.values() for item in found):
            raise ZeroDivisionError("a fault of ours")
        return await real(change, revisions, known, hidden)

    monkeypatch.setattr(committing, "fold_in", fold_in)
    broker.deliver(raised(1), raised(2, camera_id="far-gate"), raised(3, camera_id="other-gate"))
    await ingest.step()
    assert broker.happened.count("acknowledged") == 3
    assert await stage.count(incidents) == 2
    [kept] = await stage.rows(quarantine_rows)
    assert (kept["kind"], kept["reason"]) == ("failed", "could not be committed: ZeroDivisionError")
    [payload] = broker.published.values()
    spool = read_receipt(payload).spools[0]
    assert (spool.contiguous_through, [item.sequence for item in spool.rejected]) == (3, [2])

    monkeypatch.setattr(committing, "fold_in", real)  # repaired: an operator asks for another try
    lines = await quarantine.command(stage.database, "replay", None, at=NOON)
    assert lines[0].startswith("1 ")
    assert await ingest.replay_asked() == 1
    assert await stage.count(incidents) == 3
    assert await quarantine.command(stage.database, "list", None, at=NOON) == ["the quarantine is empty"]


async def test_a_replay_that_fails_again_goes_back_to_quarantine_and_stops_nothing(
    ingest: Ingest, broker: Broker, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fold_in(change: Change, revisions: Any, known: Any, hidden: Any) -> int:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(committing, "fold_in", fold_in)
    broker.deliver(raised(1), raised(2, camera_id="far-gate"))
    await ingest.step()
    await quarantine.command(stage.database, "replay", None, at=NOON)
    assert await ingest.replay_asked() == 2
    assert await ingest.replay_asked() == 0  # asked for once, tried once
    assert [row["kind"] for row in await stage.rows(quarantine_rows)] == ["failed", "failed"]


async def test_killed_between_commit_and_acknowledgement_it_is_taken_once(
    ingest: Ingest, broker: Broker, stage: Stage
) -> None:
    """The broker repeats everything that the dead process had committed and not acknowledged."""
    messages = [
        raised(1),
        received(alert(Phase.UPDATED, 2), 2),
        received(Gap(first_sequence=3, last_sequence=4, why="cap"), 5),
    ]
    await stage.take(*messages)  # committed; the process died here
    broker.deliver(*messages)
    await ingest.step()
    assert broker.happened == ["receipt", "acknowledged", "acknowledged", "acknowledged"]
    assert await stage.count(spool_records) == 3
    assert (await stage.story()).count("task_offered") == 1


async def test_a_receipt_that_cannot_be_sent_is_sent_with_the_repetition(
    ingest: Ingest, broker: Broker, stage: Stage
) -> None:
    broker.is_up = False
    broker.deliver(raised())
    await ingest.step()
    assert ingest.counts["receipt_not_sent"] == 1
    broker.is_up = True
    broker.deliver(raised())
    await ingest.step()
    assert len(broker.published) == 1


async def test_a_batch_is_bounded(ingest: Ingest, broker: Broker) -> None:
    broker.deliver(*(raised(number, camera_id="far-gate") for number in range(1, 260)))
    assert await ingest.step() == ingest.batch_limit <= batches.MAX_BATCH
    assert broker.waiting.messages == 259 - ingest.batch_limit


async def test_a_fault_of_ours_does_not_end_ingest_and_is_said(
    ingest: Ingest,
    broker: Broker,
    stage: Stage,
    said: list[tuple[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real, is_broken = broker.publish, True

    def publish(topic: str, payload: bytes, **more: Any) -> Any:
        if is_broken:
            raise ZeroDivisionError
        return real(topic, payload, **more)

    monkeypatch.setattr(broker, "publish", publish)
    broker.deliver(raised())
    running = asyncio.create_task(ingest.run())
    try:
        await _until(lambda: running.done() or ingest.counts["rounds_failed"] >= 3, "three failed rounds")
        assert not running.done(), "ingest ended"
        assert said[-1][0] == "ingest"
        assert "see the log" in str(said[-1][1])
        assert [record.getMessage() for record in caplog.records if record.exc_info] == ["ingest failed"]
        is_broken = False
        await _until(lambda: "acknowledged" in broker.happened, "the message in hand")
        await _until(lambda: said[-1] == ("ingest", None), "health is good again")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await stage.count(incidents) == 1
