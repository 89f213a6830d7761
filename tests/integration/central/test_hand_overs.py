"""A shift hands over: facts as they stand, own words, saved once, acknowledged once by somebody else."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.rows import add_incident, add_silence
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.hand_overs import service
from xueliang_central.incidents.tables import incidents
from xueliang_central.kept_open.tables import hazard_plans
from xueliang_central.rights.scope import Role
from xueliang_central.silences.tables import silences

NOTE = "11111111-1111-4111-8111-111111111111"
WORDS = "东巷工地夜间进料，物业已报备到 06:00"


@pytest.fixture
async def desk(centre: TestCentre) -> TestCentre:
    """Two operators and a supervisor of the same desk, one at a desk beside it, an auditor above."""
    await centre.add_user("day", Role.OPERATOR, city.SOUTH)
    await centre.add_user("night", Role.OPERATOR, city.SOUTH)
    await centre.add_user("chief", Role.SUPERVISOR, city.SOUTH)
    await centre.add_user("other", Role.OPERATOR, city.NORTH)
    await centre.add_user("auditor", Role.AUDITOR, city.WEST)
    await centre.add_cameras(camera("cam-1", city.VILLAGE), camera("cam-2", city.NORTH))
    return centre


async def _happen(centre: TestCentre) -> dict[str, str]:
    """Of each kind of fact one within the desk's area that is due, and one that is not, or lies outside."""
    ids = {"mine": await add_incident(centre, city.VILLAGE), "foreign": await add_incident(centre, city.NORTH)}
    ids["kept"] = await add_incident(centre, city.SOUTH)
    ids["soon"], ids["late"] = await add_silence(centre, city.SOUTH), await add_silence(centre, city.SOUTH)
    at = centre.clock.at
    plan = {
        "level": "township",
        "holder": "张",
        "holder_unit": "街道办",
        "measures": "拆",
        "funds": "年度",
        "plan": "守",
    }
    plan |= {"first_deadline": at, "extensions": 0, "kept_at": at, "kept_by": "chief"}
    async with centre.database.transaction() as conn:
        for silence_id, hours in ((ids["soon"], 3), (ids["late"], 30)):
            mine = silences.c.silence_id == silence_id
            await conn.execute(update(silences).where(mine).values(ends_at=at + timedelta(hours=hours)))
        kept = incidents.c.incident_id == ids["kept"]
        await conn.execute(update(incidents).where(kept).values(state="long_lived"))
        await conn.execute(
            insert(hazard_plans), plan | {"incident_id": ids["kept"], "deadline": at + timedelta(hours=2)}
        )
        await conn.execute(update(nodes).values(state="online", state_since=at))
        for camera_id in ("cam-1", "cam-2"):
            row = {"camera_id": camera_id, "node_id": "edge-01", "state": "offline", "since": at, "at": at}
            await conn.execute(insert(camera_states), row)
    return ids


async def test_a_draft_holds_what_the_next_shift_has_to_know_of_its_own_area(desk: TestCentre) -> None:
    ids = await _happen(desk)
    async with desk.signed_in("day") as client:
        facts = (await client.get("/api/hand-overs/draft")).json()["facts"]
    assert [one["incident_id"] for one in facts["incidents"]["items"]] == [ids["mine"]]
    assert (facts["incidents"]["total"], facts["incidents"]["by_state"]) == (1, {"open": 1})
    assert [one["silence_id"] for one in facts["silences"]["items"]] == [ids["soon"]]
    assert [one["camera_id"] for one in facts["cameras"]["items"]] == ["cam-1"]
    assert [(one["incident_id"], one["is_over"]) for one in facts["kept_open"]["items"]] == [(ids["kept"], False)]
    assert facts["nodes"] == {"total": 0, "items": []}, "the node belongs to the level above"


async def test_a_note_is_saved_once_with_the_facts_of_that_moment_and_never_changes(desk: TestCentre) -> None:
    ids = await _happen(desk)
    async with desk.signed_in("day") as client:
        answer = await client.put(f"/api/hand-overs/{NOTE}", json={"words": WORDS})
        assert answer.status_code == 201, answer.text
        first = answer.json()
        assert (first["words"], first["written_by"], first["may_acknowledge"]) == (WORDS, "day 先生", False)
        async with desk.database.transaction() as conn:
            await conn.execute(update(incidents).where(incidents.c.incident_id == ids["mine"]).values(state="closed"))
        again = await client.put(f"/api/hand-overs/{NOTE}", json={"words": WORDS})
        assert (again.status_code, again.json()) == (200, first)
        other = await client.put(f"/api/hand-overs/{NOTE}", json={"words": "anders"})
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        assert (await client.get(f"/api/hand-overs/{NOTE}")).json() == first
    async with desk.signed_in("night") as client:
        foreign = await client.put(f"/api/hand-overs/{NOTE}", json={"words": WORDS})
        assert foreign.status_code == 409


async def test_it_is_acknowledged_once_and_not_by_its_writer(desk: TestCentre) -> None:
    path = f"/api/hand-overs/{NOTE}/acknowledgement"
    async with desk.signed_in("day") as client:
        await client.put(f"/api/hand-overs/{NOTE}", json={"words": WORDS})
        assert (await client.post(path, json={})).status_code == 422
    async with desk.signed_in("night") as client:
        (listed,) = (await client.get("/api/hand-overs")).json()["items"]
        assert listed["may_acknowledge"]
        assert "facts" not in listed
        desk.clock.advance(60)
        done = (await client.post(path, json={})).json()
        assert (done["acknowledged_by"], done["acknowledged_at"]) == ("night 先生", "2026-11-23T08:01:00.000Z")
        desk.clock.advance(60)
        assert (await client.post(path, json={})).json() == done
    async with desk.signed_in("chief") as client:
        assert (await client.post(path, json={})).status_code == 409
    async with desk.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole
        query = select(audit_records.c.actor, audit_records.c.action).where(audit_records.c.object_id == NOTE)
        records = [tuple(row) for row in await conn.execute(query.order_by(audit_records.c.position))]
    assert records == [("day", "hand_over.written"), ("night", "hand_over.acknowledged")]


async def test_who_sees_and_writes_notes(desk: TestCentre) -> None:
    async with desk.signed_in("day") as client:
        await client.put(f"/api/hand-overs/{NOTE}", json={"words": WORDS})
    for role in Role:
        await desk.add_user(f"a-{role.value}", role, city.SOUTH)
        async with desk.signed_in(f"a-{role.value}") as client:
            seen = (await client.get("/api/hand-overs")).status_code
            assert seen == (200 if role in {Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR} else 403), role
            may = 200 if role in {Role.OPERATOR, Role.SUPERVISOR} else 403
            assert (await client.get("/api/hand-overs/draft")).status_code == may, role
            written = await client.put(f"/api/hand-overs/{uuid.uuid4()}", json={"words": ""})
            assert written.status_code == (201 if may == 200 else 403), role


async def test_notes_older_than_a_year_are_forgotten(desk: TestCentre) -> None:
    async with desk.signed_in("day") as client:
        await client.put(f"/api/hand-overs/{NOTE}", json={"words": WORDS})
    async with desk.database.transaction() as conn:
        assert await service.forget(conn, desk.clock.at + timedelta(days=365)) == 0
        assert await service.forget(conn, desk.clock.at + service.KEPT) == 1
