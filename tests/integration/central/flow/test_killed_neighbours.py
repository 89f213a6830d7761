"""PostgreSQL and the broker are killed (SIGKILL) under two ingest processes while alerts flow: nothing is lost or done
twice, and both ingest processes go on by themselves.

What is acknowledged to a node (its receipt) is in the database that came back; what is not comes again from its spool.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.integration.central.flow.stage import NOON, VILLAGE, HandClock, Stage, build
from tests.integration.central.flow.test_two_ingests import (
    EPISODES,
    NODES,
    Door,
    everything_is_there_once,
    forwarding,
    process,
    produce,
    shares_become,
)
from tests.support.brokers import BROKER_KINDS, TestBroker, running_broker
from tests.support.databases import Postgres, running_postgres
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.spool import Spool
from xueliang_central.areas.tree import path_by_code
from xueliang_central.cameras.register import CameraPlace, upsert_cameras
from xueliang_central.clocks.tables import clocks
from xueliang_central.errors import DatabaseUnavailable
from xueliang_central.fleet.tables import nodes
from xueliang_central.ingest.tables import spool_records
from xueliang_central.notices.tables import notices
from xueliang_central.store.database import Database

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]

KILLS = 2
RECORDS = 2 * EPISODES * len(NODES)  # of a round


@pytest.fixture(params=BROKER_KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestBroker]:
    if request.param == "mosquitto":
        request.node.add_marker(pytest.mark.mosquitto)
    with running_broker(request.param, tmp_path, node_ids=NODES) as running:
        yield running


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """One of its own, with the settings that PostgreSQL has by itself: a commit is on disk (`fsync`)."""
    with running_postgres({}) as running:
        running.execute("create database killed")
        yield running


@pytest.fixture
async def stage(postgres: Postgres) -> AsyncIterator[Stage]:
    database = await Database.open(postgres.url("killed"), wait_s=20)
    await database.migrate()
    stage = await build(database, HandClock())
    async with database.transaction() as conn:
        await _register_nodes(conn, stage)
    yield stage
    await database.close()


async def _register_nodes(conn: AsyncConnection, stage: Stage) -> None:
    for node_id in NODES:
        row = {"node_id": node_id, "area_path": path_by_code(VILLAGE), "token_hash": node_id}
        await conn.execute(insert(nodes).values(**row, registered_at=NOON))
    places = [
        CameraPlace(f"cam-{node_id}", node_id, None, 117.001 + at * 0.003, 36.002, "street", node_id)
        for at, node_id in enumerate(NODES)
    ]
    await upsert_cameras(conn, places, stage.rulebook.tree, at=NOON)


@pytest.fixture
def its_door(stage: Stage, postgres: Postgres, broker: TestBroker) -> Door:
    return postgres.url("killed"), broker.port, broker.centre_user, broker.password(broker.centre_user)


async def _stored(stage: Stage) -> int:
    """How many records; while the database comes back it is asked again."""
    give_up_at = system_mono() + 60
    while True:
        try:
            async with stage.database.reading() as conn:
                total: int = (await conn.execute(select(func.count()).select_from(spool_records))).scalar_one()
                return total
        except DatabaseUnavailable:
            assert system_mono() < give_up_at, "the database does not come back"
            await asyncio.sleep(0.1)


async def _flows(stage: Stage, spools: dict[str, Spool], number: int) -> int:
    """The alerts of one round: some are stored, as many again have just been accepted. How many there are by now."""
    half = EPISODES // 2
    before, give_up_at = number * RECORDS, system_mono() + 60
    produce(spools, range(number * EPISODES, number * EPISODES + half))
    while await _stored(stage) < before + half:
        assert system_mono() < give_up_at, "nothing is stored"
        await asyncio.sleep(0.01)
    produce(spools, range(number * EPISODES + half, (number + 1) * EPISODES))
    return before + RECORDS


def _acknowledged(spools: dict[str, Spool], produced: int) -> int:
    return produced - sum(spool.pending_count() for spool in spools.values())


async def _each_clock_and_notice_is_there_once(stage: Stage) -> None:
    running = Counter((row["incident_id"], row["kind"]) for row in await stage.rows(clocks) if not row["stopped_at"])
    assert set(running.values()) <= {1}
    told = Counter(row["idempotency_key"] for row in await stage.rows(notices))
    assert set(told.values()) <= {1}


@pytest.mark.parametrize("broker", ["nats"], indirect=True)  # the database does not see which it is
async def test_the_database_is_killed_and_started_again(
    stage: Stage, its_door: Door, postgres: Postgres, broker: TestBroker, tmp_path: Path
) -> None:
    with forwarding(broker, tmp_path) as spools, process(its_door) as first, process(its_door) as second:
        await shares_become(stage, [2, 2])
        for kills in range(KILLS):
            produced = await _flows(stage, spools, kills)
            await asyncio.to_thread(postgres.kill)
            acknowledged = _acknowledged(spools, produced)
            await asyncio.to_thread(postgres.start)
            assert await _stored(stage) >= acknowledged, "what was acknowledged is there"
        await everything_is_there_once(stage, spools, KILLS * EPISODES)
        await _each_clock_and_notice_is_there_once(stage)
        await shares_become(stage, [2, 2])
        assert (first.returncode, second.returncode) == (None, None), "both went on by themselves"


async def test_the_broker_is_killed_and_started_again(
    stage: Stage, its_door: Door, broker: TestBroker, tmp_path: Path
) -> None:
    with forwarding(broker, tmp_path) as spools, process(its_door) as first, process(its_door) as second:
        await shares_become(stage, [2, 2])
        for kills in range(KILLS):
            await _flows(stage, spools, kills)
            await asyncio.to_thread(broker.restart)
        await everything_is_there_once(stage, spools, KILLS * EPISODES)
        await _each_clock_and_notice_is_there_once(stage)
        await shares_become(stage, [2, 2])
        assert (first.returncode, second.returncode) == (None, None), "both went on by themselves"


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)  # which loses more when it is killed
async def test_both_are_killed_at_once(
    stage: Stage, its_door: Door, postgres: Postgres, broker: TestBroker, tmp_path: Path
) -> None:
    """A machine with all of it that loses its power, but for what lies on its disk and the nodes."""
    with forwarding(broker, tmp_path) as spools, process(its_door), process(its_door):
        await shares_become(stage, [2, 2])
        await _flows(stage, spools, 0)
        await asyncio.gather(asyncio.to_thread(postgres.kill), asyncio.to_thread(broker.kill))
        produce(spools, range(EPISODES, EPISODES + EPISODES // 2))
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(broker.start)
        await everything_is_there_once(stage, spools, EPISODES + EPISODES // 2)
        await _each_clock_and_notice_is_there_once(stage)
