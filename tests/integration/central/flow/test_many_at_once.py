"""A batch is written in a few statements: what comes of many at once is what comes of one after the other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete

from tests.integration.central.flow.stage import NOON, Stage, cleared, raised
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.tables import tasks
from xueliang_central.incidents.tables import alerts, incident_numbers, incident_timeline, incidents
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.tables import ledger, spool_records
from xueliang_central.notices.tables import notices
from xueliang_central.store.tables import events

CAMERAS = ("lane-east", "far-gate", "other-gate")  # places of their own: two in one grid, one in another
# Drawn anew every time, or who of two equals is asked.
DRAWN = {"incident_id", "task_id", "clock_id", "notice_id", "entry_id", "event_id", "idempotency_key", "params"}
DRAWN |= {"body", "worker_id", "worker_name", "why_offered", "user_id"}
TABLES = (events, incident_timeline, clocks, notices, tasks, alerts, incidents, incident_numbers)


def _raised() -> list[Received]:
    began = [NOON + timedelta(seconds=at) for at in range(len(CAMERAS))]
    return [raised(n + 1, camera_id=CAMERAS[n], began_at=began[n]) for n in range(len(CAMERAS))]


def _cleared() -> list[Received]:
    began = [NOON + timedelta(seconds=at) for at in range(len(CAMERAS))]
    return [cleared(n + 4, camera_id=CAMERAS[n], began_at=began[n]) for n in range(len(CAMERAS))]


async def _kept(stage: Stage) -> dict[str, list[str]]:
    """What lies in the tables, without what is drawn; each row with the place of its incident."""
    places = {row["incident_id"]: row["place_key"] for row in await stage.rows(incidents)}
    found: dict[str, list[str]] = {}
    for table in TABLES:
        rows: list[dict[str, Any]] = await stage.rows(table)
        told = [
            {name: value for name, value in row.items() if name not in DRAWN}
            | {"of": places.get(row.get("incident_id", ""))}
            for row in rows
        ]
        found[table.name] = sorted(map(repr, told))
    return found


async def _forget(stage: Stage) -> None:
    async with stage.database.transaction() as conn:
        for table in (*TABLES, spool_records, ledger):
            await conn.execute(delete(table))


async def test_a_batch_leaves_what_single_messages_leave(stage: Stage) -> None:
    for message in _raised():
        await stage.take(message)
    alone_raised = await _kept(stage)
    for message in _cleared():
        await stage.take(message)
    alone = await _kept(stage)
    await _forget(stage)
    await stage.take(*_raised())
    assert await _kept(stage) == alone_raised
    await stage.take(*_cleared())
    assert await _kept(stage) == alone
    assert all(alone[table.name] for table in TABLES)


async def test_two_lanes_of_a_grid_in_one_batch_go_to_two_workers(stage: Stage) -> None:
    await stage.take(*_raised()[:2])
    assert sorted(row["worker_name"] for row in await stage.rows(tasks)) == ["Wang", "Zhou"]


async def test_numbers_have_no_gap_over_batches(stage: Stage) -> None:
    first, second, third = _raised()
    await stage.take(first, second)
    await stage.take(third)
    numbers = sorted(row["number"] for row in await stage.rows(incidents))
    assert numbers == ["20261123-0001", "20261123-0002", "20261123-0003"]
