"""Two ingest processes over one PostgreSQL: one is at work, the other waits, says so, and takes over."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.integration.central.flow.ingest_process import open_service
from tests.integration.central.flow.stage import NOON, Stage, alert
from tests.integration.central.flow.test_brokers import forwarding
from tests.support.brokers import TestBroker, running_broker
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Phase
from xueliang_alerts.spool import Spool
from xueliang_central.centre import Centre
from xueliang_central.ingest import lease
from xueliang_central.ingest.service import ANOTHER
from xueliang_central.ingest.tables import quarantine, spool_records
from xueliang_central.store.tables import leases

EPISODES = 20


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[TestBroker]:
    with running_broker("nats", tmp_path, node_ids=["edge-01"]) as running:
        yield running


@pytest.fixture
def door(database_url: str, broker: TestBroker) -> tuple[str, int, str, str]:
    if not database_url.startswith("postgresql"):
        pytest.skip("SQLite has one process")
    return database_url, broker.port, broker.centre_user, broker.password(broker.centre_user)


@contextlib.asynccontextmanager
async def serving(door: tuple[str, int, str, str]) -> AsyncIterator[Centre]:
    centre, service = await open_service(*door)
    await service.start()
    try:
        yield centre
    finally:
        await service.stop()
        await centre.database.close()


def said(centre: Centre) -> str | None:
    return next((item.why for item in centre.health.waiting_for if item.what == "ingest"), None)


async def records_reach(stage: Stage, total: int, within_s: float = 60.0) -> None:
    give_up_at = system_mono() + within_s
    while (count := await stage.count(spool_records)) < total:
        if system_mono() > give_up_at:
            pytest.fail(f"waited {within_s:g} s in vain for {total} records, there are {count}")
        await asyncio.sleep(0.05)


async def said_becomes(centre: Centre, why: str | None, within_s: float = 30.0) -> None:
    give_up_at = system_mono() + within_s
    while said(centre) != why:
        if system_mono() > give_up_at:
            pytest.fail(f"waited {within_s:g} s in vain for {why!r}, health says {said(centre)!r}")
        await asyncio.sleep(0.05)


def produce(spool: Spool, numbers: range) -> None:
    for number in numbers:
        began_at = NOON + timedelta(seconds=number)
        for revision, phase in enumerate((Phase.RAISED, Phase.CLEARED), start=1):
            spool.accept(alert(phase, revision, began_at=began_at, spool_id=spool.spool_id))


async def test_the_second_waits_and_takes_over_when_the_first_is_killed(
    stage: Stage,
    door: tuple[str, int, str, str],
    broker: TestBroker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.central.flow.ingest_process", *(str(part) for part in door)
    )
    try:
        with forwarding(broker, tmp_path) as spool:
            produce(spool, range(EPISODES))
            await records_reach(stage, 2 * EPISODES)
            async with serving(door) as second:
                await said_becomes(second, ANOTHER)
                produce(spool, range(EPISODES, 2 * EPISODES))
                await records_reach(stage, 2 * EPISODES + 1)
                first.send_signal(signal.SIGKILL)
                produce(spool, range(2 * EPISODES, 3 * EPISODES))
                await records_reach(stage, 6 * EPISODES)
                assert said(second) is None
                give_up_at = system_mono() + 30
                while spool.pending_count() and system_mono() < give_up_at:
                    await asyncio.sleep(0.05)
                assert spool.pending_count() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            first.kill()
        await first.wait()
    assert await stage.count(spool_records) == 6 * EPISODES
    assert await stage.count(quarantine) == 0
    assert (await stage.one_incident())["alert_count"] == 3 * EPISODES
    messages = [record.getMessage() for record in caplog.records if record.name.endswith("ingest.service")]
    assert messages.count("another ingest is at work") == 1


async def test_one_that_stops_is_followed_at_once(stage: Stage, door: tuple[str, int, str, str]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(door) as first:
            await said_becomes(first, None)
            second = await stack.enter_async_context(serving(door))
            await said_becomes(second, ANOTHER)
        await said_becomes(second, None, within_s=lease.LASTS_S / 2)


async def test_one_that_was_away_for_longer_than_its_lease_lets_go(
    stage: Stage, door: tuple[str, int, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.2)
    async with serving(door) as centre:
        give_up_at = system_mono() + 30
        while not (held := await stage.rows(leases)) and system_mono() < give_up_at:
            await asyncio.sleep(0.05)
        assert held, "the lease was not taken"
        async with stage.database.transaction() as conn:
            until_at = held[0]["until_at"] + timedelta(hours=1)
            await conn.execute(update(leases).values(holder="another", until_at=until_at))
        await said_becomes(centre, ANOTHER)
        assert not any(item.what == "broker" for item in centre.health.waiting_for), "it is no longer connected"
