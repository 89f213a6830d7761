"""Two ingest processes over one PostgreSQL share the shards; each takes over from the other, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from tests.integration.central.flow.ingest_process import open_service
from tests.integration.central.flow.stage import NOON, VILLAGE, Stage, alert
from tests.integration.central.flow.test_brokers import QUICK
from tests.support.brokers import TestBroker, running_broker
from tests.support.forked.children import ForkedChild, forked
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Phase
from xueliang_alerts.forwarder import Forwarder
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.spool import Spool
from xueliang_alerts.topics import Leaf, shard_filter, shard_of
from xueliang_central.areas.tree import path_by_code
from xueliang_central.cameras.register import CameraPlace, upsert_cameras
from xueliang_central.centre import Centre
from xueliang_central.dispatch.tables import tasks
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest import lease
from xueliang_central.ingest.batches import client_id_of
from xueliang_central.ingest.service import ANOTHER
from xueliang_central.ingest.sharing import ALL_SHARDS, GROUPS, PLACES
from xueliang_central.ingest.tables import quarantine, spool_records
from xueliang_central.store.tables import leases

EPISODES = 20


def _nodes() -> list[str]:
    """One node in each group of shards."""
    names = (f"edge-{number:02d}" for number in range(3, 100))
    found: dict[int, str] = {}
    for name in names:
        group = next(at for at, group in enumerate(GROUPS) if shard_of(name) in group.shards)
        found.setdefault(group, name)
    return [found[at] for at in sorted(found)]


NODES = _nodes()
Door = tuple[str, int, str, str]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[TestBroker]:
    with running_broker("nats", tmp_path, node_ids=NODES) as running:
        yield running


@pytest.fixture
def door(database_url: str, broker: TestBroker) -> Door:
    if not database_url.startswith("postgresql"):
        pytest.skip("SQLite has one process")
    return database_url, broker.port, broker.centre_user, broker.password(broker.centre_user)


@pytest.fixture
async def city(stage: Stage) -> Stage:
    """The stage with a node in each group of shards, each with a camera of its own, 300 m apart."""
    async with stage.database.transaction() as conn:
        for node_id in NODES:
            row = {"node_id": node_id, "area_path": path_by_code(VILLAGE), "token_hash": node_id}
            await conn.execute(insert(nodes).values(**row, registered_at=NOON))
        places = [
            CameraPlace(f"cam-{node_id}", node_id, None, 117.001 + at * 0.003, 36.002, "street", node_id)
            for at, node_id in enumerate(NODES)
        ]
        await upsert_cameras(conn, places, stage.rulebook.tree, at=NOON)
    return stage


@contextlib.asynccontextmanager
async def serving(door: Door) -> AsyncIterator[Centre]:
    centre, service = await open_service(*door)
    await service.start()
    try:
        yield centre
    finally:
        await service.stop()
        await centre.database.close()


@contextlib.contextmanager
def process(door: Door) -> Iterator[ForkedChild]:
    """An ingest in a process of its own, to be killed."""
    module = "tests.integration.central.flow.ingest_process"
    with forked(module, *(str(part) for part in door)) as child:
        yield child


@contextlib.contextmanager
def forwarding(broker: TestBroker, tmp_path: Path) -> Iterator[dict[str, Spool]]:
    """The nodes with their spools, connected."""
    with contextlib.ExitStack() as stack:
        spools: dict[str, Spool] = {}
        for node_id in NODES:
            spool = Spool.open(tmp_path / node_id, node_id, wall=system_wall, mono=system_mono)
            spools[node_id] = stack.enter_context(spool)
            link = broker.node_link(node_id, connect=False)
            stack.callback(link.close)
            forwarder = Forwarder(spool, link, wall=system_wall, mono=system_mono, software="test", settings=QUICK)
            forwarder.start()
            stack.callback(forwarder.stop)
            link.connect()
        yield spools


def produce(spools: dict[str, Spool], numbers: range) -> None:
    """Each node: one hazard that flaps, a raised and a cleared revision an episode."""
    for number in numbers:
        began_at = NOON + timedelta(seconds=number)
        for revision, phase in enumerate((Phase.RAISED, Phase.CLEARED), start=1):
            for node_id, spool in spools.items():
                told = alert(phase, revision, camera_id=f"cam-{node_id}", began_at=began_at, spool_id=spool.spool_id)
                spool.accept(told)


def said(centre: Centre) -> str | None:
    return next((item.why for item in centre.health.waiting_for if item.what == "ingest"), None)


async def until(condition: object, what: str, within_s: float = 60.0) -> None:
    """`condition`: returns whether it holds, or an awaitable of it."""
    give_up_at = system_mono() + within_s
    while True:
        found = condition()  # type: ignore[operator]
        if await found if asyncio.iscoroutine(found) else found:
            return
        if system_mono() > give_up_at:
            pytest.fail(f"waited {within_s:g} s in vain for: {what}")
        await asyncio.sleep(0.05)


async def shares(stage: Stage) -> list[int]:
    """How many groups each holder has a lease of that has not lapsed, fewest first."""
    names = [group.name for group in GROUPS]
    query = select(leases.c.holder, func.count()).where(
        leases.c.name.in_(names), leases.c.holder != "", leases.c.until_at > func.now()
    )
    async with stage.database.reading() as conn:
        return sorted(count for _, count in await conn.execute(query.group_by(leases.c.holder)))


async def shares_become(stage: Stage, wanted: list[int], within_s: float = 40.0) -> None:
    async def are() -> bool:
        return await shares(stage) == wanted

    await until(are, f"shares {wanted}", within_s)


async def records_reach(stage: Stage, total: int) -> None:
    async def are() -> bool:
        return await stage.count(spool_records) >= total

    await until(are, f"{total} records")


async def everything_is_there_once(stage: Stage, spools: dict[str, Spool], episodes: int) -> None:
    """Every record by its receipt, in the database once; one incident and one task of each node's hazard."""
    await until(lambda: not any(spool.pending_count() for spool in spools.values()), "a receipt of every record")
    assert await stage.count(spool_records) == 2 * episodes * len(NODES)
    assert await stage.count(alerts) == episodes * len(NODES)
    assert await stage.count(quarantine) == 0
    found = await stage.rows(incidents)
    assert sorted(row["place_key"] for row in found) == sorted(f"cam-{node_id}" for node_id in NODES)
    assert {row["alert_count"] for row in found} == {episodes}
    assert len({row["number"] for row in found}) == len(NODES)
    assert await stage.count(tasks) == len({row["incident_id"] for row in await stage.rows(tasks)})


async def test_two_share_and_each_takes_over_when_the_other_is_killed(
    city: Stage, door: Door, broker: TestBroker, tmp_path: Path
) -> None:
    with forwarding(broker, tmp_path) as spools, process(door) as first:
        await shares_become(city, [4])
        with process(door) as second:
            await shares_become(city, [2, 2])
            produce(spools, range(EPISODES))
            await records_reach(city, EPISODES)  # in the middle
            first.kill()
            produce(spools, range(EPISODES, 2 * EPISODES))
            await shares_become(city, [4])
            with process(door):
                await shares_become(city, [2, 2])
                produce(spools, range(2 * EPISODES, 3 * EPISODES))
                second.kill()
                await everything_is_there_once(city, spools, 3 * EPISODES)


async def test_killed_at_any_moment_nothing_is_lost_or_doubled(
    city: Stage, door: Door, broker: TestBroker, tmp_path: Path
) -> None:
    rng = random.Random(5)
    with forwarding(broker, tmp_path) as spools:
        for kills in range(4):
            with process(door) as child, process(door):
                await shares_become(city, [2, 2])
                produce(spools, range(kills * EPISODES, (kills + 1) * EPISODES))
                await asyncio.sleep(rng.uniform(0.0, 0.5))
                child.kill()
        with process(door):
            await everything_is_there_once(city, spools, 4 * EPISODES)


async def test_one_that_stops_is_followed_at_once(city: Stage, door: Door) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(door):
            await shares_become(city, [4])
            second = await stack.enter_async_context(serving(door))
            await shares_become(city, [2, 2])
            await until(lambda: said(second) is None, "it serves")
        await shares_become(city, [4], within_s=lease.LASTS_S / 2)


async def test_one_that_was_away_for_longer_than_its_leases_lets_go(
    city: Stage, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xueliang_central.ingest.service.RENEW_S", 0.2)
    async with serving(door) as centre:
        await shares_become(city, [4])
        async with city.database.transaction() as conn:
            await conn.execute(
                update(leases)
                .where(leases.c.name.in_([*PLACES, *(group.name for group in GROUPS)]))
                .values(holder="another", until_at=func.now() + timedelta(hours=1))
            )
        await until(lambda: said(centre) == ANOTHER, "it says that others serve")
        assert not any(item.what == "broker" for item in centre.health.waiting_for), "it is no longer connected"


async def test_the_queue_of_a_release_with_one_connection_is_ended(
    city: Stage, door: Door, broker: TestBroker, tmp_path: Path
) -> None:
    """Its session would keep every message for nobody; what lies in it comes again from the nodes."""
    old = broker.centre_link(client_id_of(ALL_SHARDS.shards))
    for shard in ALL_SHARDS.shards:
        old.subscribe(shard_filter(shard, Leaf.ALERTS))
    await asyncio.sleep(0.5)
    old.close()
    async with city.database.transaction() as conn:
        row = {"name": ALL_SHARDS.name, "holder": "old", "until_at": NOON, "fence": 3}
        await conn.execute(insert(leases), row)
    with forwarding(broker, tmp_path) as spools:
        produce(spools, range(EPISODES))
        async with serving(door):
            await everything_is_there_once(city, spools, EPISODES)
    assert ALL_SHARDS.name not in {row["name"] for row in await city.rows(leases)}
    again: MqttLink = broker.centre_link(client_id_of(ALL_SHARDS.shards))
    assert again.state.detail == "new session"
