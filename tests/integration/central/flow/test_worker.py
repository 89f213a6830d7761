"""Clocks and notices over real processes: exactly once through kills, in time, by several workers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.integration.central.flow.stage import (
    GRID,
    LI,
    POLICIES,
    HandClock,
    Stage,
    alert,
    build,
    raised,
    received,
)
from tests.support.forked.children import forked
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import AreaTree, Level
from xueliang_central.centre import Settings
from xueliang_central.clocks.tables import clocks, escalations
from xueliang_central.errors import CentralError
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.jobs import Job, Jobs
from xueliang_central.notices import outbox
from xueliang_central.notices.tables import notices
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable

CASES = 24  # each with three levels to tell: 72 firings


async def _many_due(stage: Stage, clock: HandClock, total: int) -> None:
    """Cases whose take clock has passed for all three levels."""
    hazards = list(Hazard)
    bodies = []
    for number in range(total):
        began_at = clock.at - timedelta(hours=2 * number)
        camera_id = ("lane-east", "far-gate", "other-gate")[number % 3]
        bodies.append(alert(Phase.RAISED, 1, camera_id=camera_id, hazard=hazards[number // 3], began_at=began_at))
    await stage.take(*(received(body, number, at=clock.at) for number, body in enumerate(bodies, start=1)))
    assert await stage.count(incidents) == total


def _worker(database: Database, tmp_path: Path, wall: Any) -> Worker:
    table = PolicyTable.model_validate(POLICIES)
    return Worker(centre_on(database, Settings(tmp_path), table, wall=wall, mono=system_mono))


async def _run_worker(database_url: str, stage: Stage, *, kill_after: int | None) -> None:
    """A worker process, killed once that many more limits have fired; None: until it has nothing left to do."""
    before = await stage.count(escalations)
    with forked("tests.integration.central.flow.worker_process", database_url) as process:
        if kill_after is None:
            assert await asyncio.wait_for(process.wait(), 90) == 0
            return
        while await stage.count(escalations) < before + kill_after:
            assert process.returncode is None, "it ended before it could be killed"
            await asyncio.sleep(0)


async def test_every_limit_fires_exactly_once_through_kill_9(stage: Stage, database_url: str, tmp_path: Path) -> None:
    wall = HandClock(datetime.now(UTC) - timedelta(hours=6))
    stage.clock = wall
    await _many_due(stage, wall, CASES)
    async with stage.database.transaction() as conn:  # all levels are due at once: the worker has much to do
        await conn.execute(update(clocks).values(escalate_every_s=0.001))
    rng = random.Random(5)
    for _ in range(4):  # killed in the middle of its work, each time somewhere else
        await _run_worker(database_url, stage, kill_after=rng.randint(1, 9))
    between = await stage.count(escalations)
    await _run_worker(database_url, stage, kill_after=None)
    assert 4 <= between < await stage.count(escalations), "it was not killed at work"
    async with stage.database.reading() as conn:
        waiting = await conn.execute(select(func.count()).where(clocks.c.next_due_at <= datetime.now(UTC)))
        assert waiting.scalar_one() == 0
    expected = sum(max(1, len(row["escalation_levels"])) for row in await stage.rows(clocks) if row["breached_at"])
    assert await stage.count(escalations) == expected
    told = Counter(row["idempotency_key"] for row in await stage.rows(notices) if row["kind"] == "escalated")
    assert set(told.values()) == {1}
    async with stage.database.reading() as conn:
        entries = await conn.execute(
            select(func.count()).select_from(incident_timeline).where(incident_timeline.c.kind == "escalated")
        )
        assert entries.scalar_one() == len([row for row in await stage.rows(escalations) if row["area_code"]])


async def test_two_workers_share_the_work_without_doing_it_twice(
    stage: Stage, clock: HandClock, database_url: str, tmp_path: Path
) -> None:
    await _many_due(stage, clock, 9)
    clock.forward(61)
    other = await Database.open(database_url, wait_s=20)
    centres = [_worker(database, tmp_path, clock) for database in (stage.database, other)]
    for worker in centres:
        await worker._rulebook.areas.refresh(stage.database)

    async def work(worker: Worker) -> None:
        for _ in range(40):
            await worker.fire_due()
            await asyncio.sleep(0.01)

    await asyncio.gather(*(work(worker) for worker in centres))
    await other.close()
    fired = await stage.rows(escalations)
    assert len(fired) == len({(row["clock_id"], row["step"]) for row in fired}) == 9


async def test_a_limit_fires_within_a_second_and_after_a_restart(database: Database, tmp_path: Path) -> None:
    policies = {"policies": [{"judge_s": 0.6, "take_s": 5, "arrive_s": 5, "escalate": ["village"]}]}
    stage = await build(database, HandClock(), policies=policies)
    stage.clock = system_wall  # type: ignore[assignment]
    worker = _worker(database, tmp_path, system_wall)
    await worker._rulebook.areas.refresh(database)
    now = datetime.now(UTC)
    await worker.start()
    await stage.take(received(alert(Phase.RAISED, 1, began_at=now), 1, at=now))
    for _ in range(400):
        if await stage.count(escalations):
            break
        await asyncio.sleep(0.02)
    await worker.stop()
    [row] = await stage.rows(escalations)
    late_s = (row["fired_at"] - row["due_at"]).total_seconds()
    assert 0 <= late_s < 5, "generous: this machine is shared; on a free one it is below 0.3 s"

    await stage.take(received(alert(Phase.RAISED, 1, camera_id="far-gate", began_at=now), 2, at=now))
    again = _worker(database, tmp_path, lambda: datetime.now(UTC) + timedelta(seconds=30))
    await again._rulebook.areas.refresh(database)
    assert await again.fire_due() == 1
    assert await again.fire_due() == 0


async def test_notices_are_sent_once_to_whom_they_are_for(stage: Stage, clock: HandClock, tmp_path: Path) -> None:
    await stage.take(raised(hazard=Hazard.CROWD))
    clock.forward(61)
    await stage.fire_all()
    worker = _worker(stage.database, tmp_path, clock)
    assert await worker.send_notices() == 1
    assert await worker.send_notices() == 0
    sent = [row for row in await stage.rows(events) if row["kind"] == "notice"]
    assert [(row["for_user"], row["body"]["notice"]["kind"]) for row in sent] == [(LI.user_id, "escalated")]


async def test_a_channel_that_is_down_is_tried_again_and_given_up_at_last(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())

    async def down(*_: Any) -> None:
        raise OSError("refused")

    for _ in range(outbox.MAX_ATTEMPTS):
        async with stage.database.transaction() as conn:
            assert await outbox.deliver(conn, clock(), channel=down) == 1
            assert await outbox.deliver(conn, clock(), channel=down) == 0
        clock.forward(3600)
    [row] = await stage.rows(notices)
    assert (row["next_try_at"], row["sent_at"], row["last_error"]) == (None, None, "OSError")
    assert row["given_up_at"] is not None


async def test_the_worker_goes_on_after_a_fault(
    stage: Stage, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = _worker(stage.database, tmp_path, clock)
    calls = 0

    async def sometimes() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise CentralError("not now")
        if calls == 2:
            raise ZeroDivisionError
        return 0

    monkeypatch.setattr("xueliang_central.jobs.FIRST_PAUSE_S", 0.01)
    jobs = Jobs([Job("clocks", sometimes, 0.01)], worker.clock, worker.counts)
    loop = asyncio.create_task(jobs.run())
    for _ in range(500):
        if calls > 4:
            break
        await asyncio.sleep(0.01)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert (worker.counts["clocks_waited"], worker.counts["clocks_failed"]) == (1, 1)
    assert calls > 4


async def test_months_of_records_have_partitions_of_their_own(stage: Stage, tmp_path: Path) -> None:
    from xueliang_central.ingest.partitions import ensure_months

    if stage.database.dialect != "postgresql":
        pytest.skip("SQLite has no partitions")
    await ensure_months(stage.database, datetime(2026, 12, 5, tzinfo=UTC))
    await ensure_months(stage.database, datetime(2026, 12, 5, tzinfo=UTC))
    await stage.take(received(alert(Phase.RAISED, 1), 1, at=datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)))
    async with stage.database.reading() as conn:
        found = await conn.exec_driver_sql("select count(*) from spool_records_202612")
        assert found.scalar_one() == 1


async def test_a_case_of_an_area_that_has_gone_holds_up_no_other_clock(
    stage: Stage, clock: HandClock, tmp_path: Path
) -> None:
    await stage.take(raised(1), raised(2, camera_id="other-gate"))
    worker = _worker(stage.database, tmp_path, clock)
    known = stage.rulebook.areas.tree
    left = AreaTree([area for level in Level for area in known.at_level(level) if area.code != GRID])
    stage.rulebook.areas.tree = left
    worker._rulebook = stage.rulebook
    clock.forward(3600)
    assert await worker.fire_due() >= 2


async def test_limits_that_pass_together_share_a_transaction(
    stage: Stage, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xueliang_central.worker.CLOCKS_AT_ONCE", 20)
    await _many_due(stage, clock, CASES)
    clock.forward(61)
    asked = iter(range(10_000))
    worker = _worker(stage.database, tmp_path, lambda: clock.at + timedelta(milliseconds=next(asked)))
    await worker._rulebook.areas.refresh(stage.database)
    assert await worker.fire_due() == CASES
    together = Counter(row["fired_at"] for row in await stage.rows(escalations))
    assert sorted(together.values()) == [CASES - 20, 20]


async def test_two_limits_of_one_case_that_pass_together_both_fire(
    stage: Stage, clock: HandClock, tmp_path: Path
) -> None:
    await stage.take(raised())  # sent by its policy: to take within 60 s, to arrive within 180 s
    clock.forward(181)
    worker = _worker(stage.database, tmp_path, clock)
    await worker._rulebook.areas.refresh(stage.database)
    await worker.fire_due()
    kinds = {row["clock_id"]: row["kind"] for row in await stage.rows(clocks)}
    fired = sorted((kinds[row["clock_id"]], row["step"], row["level"]) for row in await stage.rows(escalations))
    assert fired == [("arrive", 1, "village"), ("take", 1, "village")]
    assert [kind for kind in await stage.story() if kind in {"limit_passed", "escalated"}] == [
        *("limit_passed", "escalated"),
        *("limit_passed", "escalated"),
    ]
    assert (await stage.one_incident())["owner_level"] == "village"


async def test_a_limit_that_cannot_pass_undoes_none_that_was_due_before_it(
    stage: Stage, clock: HandClock, tmp_path: Path
) -> None:
    await _many_due(stage, clock, 3)
    due = [row for row in await stage.rows(clocks) if row["next_due_at"] is not None]
    waiting = [row["clock_id"] for row in sorted(due, key=lambda row: (row["next_due_at"], row["clock_id"]))]
    broken = waiting.pop()
    async with stage.database.transaction() as conn:
        await conn.execute(update(clocks).where(clocks.c.clock_id == broken).values(escalate_every_s=1e300))
    clock.forward(3600)
    worker = _worker(stage.database, tmp_path, clock)
    await worker._rulebook.areas.refresh(stage.database)
    with pytest.raises(OverflowError):
        await worker.fire_due()
    assert {row["clock_id"] for row in await stage.rows(escalations)} == set(waiting)
