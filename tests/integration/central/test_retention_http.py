"""Legal holds and the policy over HTTP; and the stream, whose old events go."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, insert, select

from tests.support import city
from tests.support.centres import START, TestCentre
from tests.support.rows import add_incident
from xueliang_central.audit.tables import audit_records
from xueliang_central.retention.tables import removals
from xueliang_central.rights.scope import Role
from xueliang_central.routes import stream
from xueliang_central.store.events import append
from xueliang_central.store.tables import events


async def test_a_hold_is_made_shown_recorded_and_ended(centre: TestCentre) -> None:
    incident_id = await add_incident(centre, city.GRID)
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    path = f"/api/incidents/{incident_id}/hold"
    async with centre.signed_in("chief") as client:
        assert (await client.put(path, json={"why": "court 12/2026"})).status_code == 204
        assert (await client.put(path, json={"why": "again"})).status_code == 409
        (hold,) = (await client.get("/api/retention")).json()["holds"]
        ended = await client.request("DELETE", path, json={"why": "the case is closed"})
        twice = await client.request("DELETE", path, json={"why": "the case is closed"})
        after = (await client.get("/api/retention")).json()["holds"]
    assert (hold["incident_id"], hold["held_by"], hold["why"]) == (incident_id, "chief", "court 12/2026")
    assert (ended.status_code, twice.status_code, after) == (204, 404, [])
    async with centre.database.reading() as conn:
        query = select(audit_records.c.action).where(audit_records.c.object_id == incident_id)
        assert list((await conn.execute(query)).scalars()) == ["incident.held", "incident.released"]


@pytest.mark.parametrize(
    ("role", "area", "status"),
    [
        (Role.SUPERVISOR, city.EAST, 404),
        (Role.ADMIN, city.CITY, 204),
        (Role.OPERATOR, city.WEST, 403),
        (Role.AUDITOR, city.WEST, 403),
        (Role.WORKER, city.GRID, 403),
    ],
    ids=["another county", "the city", "operator", "auditor", "worker"],
)
async def test_who_may_hold(centre: TestCentre, role: Role, area: str, status: int) -> None:
    incident_id = await add_incident(centre, city.GRID)
    await centre.add_user("someone", role, area)
    async with centre.signed_in("someone") as client:
        answer = await client.put(f"/api/incidents/{incident_id}/hold", json={"why": "court"})
        missing = await client.put("/api/incidents/no-such/hold", json={"why": "court"})
    assert answer.status_code == status
    assert missing.status_code == (404 if status != 403 else 403)


async def test_holds_of_other_areas_are_not_shown(centre: TestCentre) -> None:
    incident_id = await add_incident(centre, city.EAST_GRID)
    await centre.add_user("chief", Role.SUPERVISOR, city.CITY)
    await centre.add_user("west", Role.OPERATOR, city.WEST)
    async with centre.signed_in("chief") as client:
        await client.put(f"/api/incidents/{incident_id}/hold", json={"why": "court"})
    async with centre.signed_in("west") as client:
        assert (await client.get("/api/retention")).json()["holds"] == []


async def test_the_policy_and_what_was_removed_are_shown(centre: TestCentre) -> None:
    await centre.add_user("reader", Role.AUDITOR, city.CITY)
    async with centre.database.transaction() as conn:
        await conn.execute(insert(removals), {"kind": "evidence", "removed": 12, "removed_at": START})
    async with centre.signed_in("reader") as client:
        shown = (await client.get("/api/retention")).json()
    assert shown["policy"]["evidence_days"] == 90
    assert shown["removed"]["evidence"] == {"total": 12, "last_at": "2026-11-23T08:00:00.000Z"}
    assert shown["removed"]["events"] == {"total": 0, "last_at": None}


@pytest.mark.parametrize(("kept_from", "told"), [(4, "reload"), (3, "hello")], ids=["a hole", "no hole"])
async def test_a_stream_that_would_miss_events_that_have_gone_reads_anew(
    centre: TestCentre, kept_from: int, told: str
) -> None:
    """Last-Event-ID 2, and the table begins at 3 or 4."""
    user_id = await centre.add_user("reader", Role.AUDITOR, city.CITY)
    async with centre.database.transaction() as conn:
        start = (await conn.execute(select(func.max(events.c.event_id)))).scalar_one() or 0
    async with centre.database.transaction() as conn:
        for number in range(5):
            at = START + timedelta(seconds=number)
            await append(conn, kind="notice", area_path="3701", body={"n": number}, at=at, for_user=user_id)
    async with centre.database.transaction() as conn:
        await conn.execute(delete(events).where(events.c.event_id < start + kept_from))
    await centre.centre.feed.start()
    try:
        actor = centre.actor("reader", Role.AUDITOR, city.CITY)
        lines = stream._stream(centre.centre, actor, "token", start + 2)
        assert f"event: {told}" in (await anext(lines)).decode()
        await lines.aclose()
    finally:
        await centre.centre.feed.stop()
