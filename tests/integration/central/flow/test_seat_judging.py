"""One's own seat by the API: what it shows, what waits, and one judgement of several incidents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tests.integration.central.flow.stage import LI, WANG, HandClock, Stage, alert, build, received
from tests.integration.central.flow.test_http import Door
from tests.integration.central.flow.test_seats import CAMERAS, EVERYBODY, GAO, HAZARDS, QIN, ROWS, THREE, Night
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.app import create_app
from xueliang_central.audit.tables import audit_records
from xueliang_central.centre import Settings
from xueliang_central.incidents.tables import incidents
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable


@pytest.fixture
def clock() -> HandClock:
    return HandClock(THREE)


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    """Everybody on duty: the village's one seat has all of it."""
    return await build(database, clock, policies=ROWS, people=EVERYBODY)


@pytest.fixture
async def night(stage: Stage) -> Night:
    return Night(stage)


@pytest.fixture
async def door(stage: Stage, clock: HandClock, tmp_path: Path) -> Door:
    centre = centre_on(
        stage.database, Settings(tmp_path), PolicyTable.model_validate(ROWS), wall=clock, mono=system_mono
    )
    await centre.areas.refresh(stage.database)
    await centre.health.ask()
    return Door(stage, create_app(centre))


@pytest.fixture
async def li(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    async with door.client(LI) as client:
        yield client


async def _seat(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/seat")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _body(stage: Stage, row: dict[str, Any], **more: Any) -> dict[str, Any]:
    versions = {one["incident_id"]: one["version"] for one in await stage.rows(incidents)}
    cases = [{"incident_id": one, "version": versions[one]} for one in row["incident_ids"]]
    return {"move": "permitted", "reason_code": "delivery", "cases": cases} | more


async def _crowds(night: Night) -> None:
    for camera_id in CAMERAS[:3]:
        await night.raises(Hazard.CROWD, camera_id)
    await night.deal()


async def test_a_seat_shows_its_rows_and_counts_what_waits(night: Night, li: httpx.AsyncClient) -> None:
    await _crowds(night)
    for hazard in HAZARDS[1:]:
        await night.raises(hazard, "lane-east", severity=4)
    await night.deal()
    seat = await _seat(li)
    assert seat["is_dealt"]
    first, second = seat["rows"]
    assert (first["kind"], first["hazard"], first["severity"], len(first["incident_ids"])) == ("batch", "crowd", 3, 3)
    assert first["area"]["level"] == "township"
    assert first["due_at"] == "2026-11-23T19:01:00.000Z"
    assert second["severity"] == 4
    assert (seat["waiting"]["incidents"], seat["waiting"]["first_due_at"]) == (3, "2026-11-23T19:01:00.000Z")
    assert [len(row["incident_ids"]) for row in seat["waiting"]["rows"]] == [1, 1, 1]


async def test_others_have_nothing_of_it(night: Night, door: Door, li: httpx.AsyncClient) -> None:
    await _crowds(night)
    (row,) = (await _seat(li))["rows"]
    async with door.client(QIN) as client:
        assert (await _seat(client))["rows"] == []
        answer = await client.post(f"/api/seat/rows/{row['row_id']}/moves", json=await _body(night.stage, row))
        missing = await client.post(f"/api/seat/rows/{GAO.user_id}/moves", json=await _body(night.stage, row))
    assert answer.status_code == missing.status_code == 404
    async with door.client(WANG) as client:
        assert (await client.get("/api/seat")).status_code == 403


async def test_a_row_is_judged_in_one_request_and_each_incident_has_its_record(
    night: Night, li: httpx.AsyncClient
) -> None:
    await _crowds(night)
    (row,) = (await _seat(li))["rows"]
    path, body = f"/api/seat/rows/{row['row_id']}/moves", await _body(night.stage, row, idempotency_key="once")
    answer = await li.post(path, json=body)
    assert (answer.status_code, answer.json()["rows"]) == (200, [])
    assert {one["close_reason"] for one in await night.stage.rows(incidents)} == {"permitted"}
    async with night.stage.database.reading() as conn:
        query = select(audit_records.c.object_id).where(audit_records.c.action == "incident.permitted")
        assert set((await conn.execute(query)).scalars()) == set(row["incident_ids"])
    assert (await li.post(path, json=body)).status_code == 200, "the same request again changes nothing"
    assert {one["version"] for one in await night.stage.rows(incidents)} == {2}


async def test_all_are_judged_or_none(night: Night, li: httpx.AsyncClient) -> None:
    await _crowds(night)
    (row,) = (await _seat(li))["rows"]
    body = await _body(night.stage, row)
    last = sorted(row["incident_ids"])[-1]
    await night.stage.judge(LI, last, "confirm", 1)
    answer = await li.post(f"/api/seat/rows/{row['row_id']}/moves", json=body)
    assert (answer.status_code, answer.json()["incident_id"]) == (409, last)
    states = {one["incident_id"]: one["state"] for one in await night.stage.rows(incidents)}
    assert sorted(states.values()) == ["dispatched", "open", "open"]


async def test_what_has_become_severe_is_not_judged_with_others(night: Night, li: httpx.AsyncClient) -> None:
    await _crowds(night)
    (row,) = (await _seat(li))["rows"]
    (case,) = [one for one in await night.stage.rows(incidents) if one["camera_id"] == CAMERAS[0]]
    worse = alert(Phase.UPDATED, 2, began_at=case["began_at"], hazard=Hazard.CROWD, camera_id=CAMERAS[0], severity=1)
    await night.stage.take(received(worse, 9, at=THREE))
    answer = await li.post(f"/api/seat/rows/{row['row_id']}/moves", json=await _body(night.stage, row))
    assert (answer.status_code, answer.json()["number"]) == (422, case["number"])
    assert {one["state"] for one in await night.stage.rows(incidents)} == {"open"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"move": "reopen"}, 422),
        ({"cases": []}, 422),
        ({"cases": [{"incident_id": "00000000-0000-4000-8000-000000000000", "version": 1}]}, 404),
    ],
    ids=["another move", "of nothing", "of what is not in it"],
)
async def test_what_is_refused(night: Night, li: httpx.AsyncClient, change: dict[str, Any], status: int) -> None:
    await _crowds(night)
    (row,) = (await _seat(li))["rows"]
    answer = await li.post(f"/api/seat/rows/{row['row_id']}/moves", json=await _body(night.stage, row) | change)
    assert answer.status_code == status, answer.text
    assert {one["state"] for one in await night.stage.rows(incidents)} == {"open"}
