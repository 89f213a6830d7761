"""Who looks up more than the norm: judging one's own queue never counts, however fast; lookups elsewhere do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.support import city
from tests.support.centres import TestCentre
from tests.support.pictures import jpeg, sha256
from tests.support.rows import add_incident, filled
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.bulk_reads import MOST_AN_HOUR
from xueliang_central.dispatch.seat_tables import bulk_reads
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Role
from xueliang_central.store.events import read_after


async def add_stills(centre: TestCentre, count: int, state: str = "open") -> list[tuple[str, str]]:
    """Incidents of the southern county, each with a still that is here: (incident_id, sha256)."""
    made = []
    for number in range(count):
        picture = jpeg(filler=f"{state} {number}".encode())
        headers = {"authorization": f"Bearer {centre.node_token}", "content-type": "image/jpeg"}
        async with centre.client() as node:
            assert (await node.put(f"/api/evidence/{sha256(picture)}", content=picture, headers=headers)).is_success
        made.append((await add_incident(centre, city.GRID, still=sha256(picture)), sha256(picture)))
    if state != "open":
        async with centre.database.transaction() as conn:
            ids = [incident_id for incident_id, _ in made]
            over = {"state": state, "close_reason": "verified", "closed_at": centre.clock.at}
            await conn.execute(update(incidents).where(incidents.c.incident_id.in_(ids)).values(**over))
    return made


async def alarms(centre: TestCentre) -> list[dict[str, Any]]:
    async with centre.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole
        return [dict(row) for row in (await conn.execute(select(bulk_reads))).mappings()]


async def purposes(centre: TestCentre, action: str) -> set[str]:
    async with centre.database.reading() as conn:
        found = await conn.execute(select(audit_records.c.detail).where(audit_records.c.action == action))
        return {detail["purpose"] for detail in found.scalars()}


async def test_sixty_judged_in_an_hour_raise_nothing_and_stand_in_the_register(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    cases = await add_stills(centre, 60)
    async with centre.signed_in("wang") as client:
        for incident_id, still in cases:
            assert (await client.get(f"/api/incidents/{incident_id}")).is_success
            assert (await client.get(f"/api/evidence/{still}")).is_success
            body = {"move": "false_alarm", "version": 1, "reason_code": "shadow"}
            assert (await client.post(f"/api/incidents/{incident_id}/moves", json=body)).is_success
            assert (await client.get(f"/api/evidence/{still}")).is_success, "what was judged is looked at once more"
    assert await alarms(centre) == []
    assert await purposes(centre, "incident.viewed") == await purposes(centre, "evidence.viewed") == {"judge"}
    async with centre.database.reading() as conn:
        views = (await conn.execute(select(audit_records).where(audit_records.c.action == "evidence.viewed"))).all()
    assert len(views) == 120


async def test_one_more_than_the_norm_elsewhere_raises_one_alarm_an_hour(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    cases = await add_stills(centre, MOST_AN_HOUR + 3, "closed")
    async with centre.signed_in("wang") as client:
        for _, still in cases[:MOST_AN_HOUR]:
            assert (await client.get(f"/api/evidence/{still}")).is_success
        assert (await client.get(f"/api/evidence/{cases[0][1]}")).is_success
        assert await alarms(centre) == [], "the same picture again is no other picture"
        for _, still in cases[MOST_AN_HOUR:]:
            assert (await client.get(f"/api/evidence/{still}")).is_success, "told, not refused"
        (alarm,) = await alarms(centre)
        assert (alarm["user_id"], alarm["pictures"], alarm["cases"]) == (centre.user_ids["wang"], 51, 0)
        centre.clock.advance(3601)
        for _, still in cases:
            assert (await client.get(f"/api/evidence/{still}")).is_success
    assert len(await alarms(centre)) == 2
    assert await purposes(centre, "evidence.viewed") == {"lookup"}


async def test_a_review_of_what_ended_by_itself_is_judging_and_looking_it_up_later_is_not(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    cases = await add_stills(centre, MOST_AN_HOUR + 3, "closed")
    async with centre.database.transaction() as conn:
        await conn.execute(update(incidents).values(close_reason="ended_by_itself", review="waiting"))
    body = {"answer": "true_hazard", "cases": [{"incident_id": one, "version": 1} for one, _ in cases]}
    async with centre.signed_in("wang") as client:
        for _, still in cases:
            assert (await client.get(f"/api/evidence/{still}")).is_success
        answer = await client.post("/api/reviews", json=body)
        assert {one["outcome"] for one in answer.json()["outcomes"]} == {"done"}, answer.text
        assert await alarms(centre) == []
        assert await purposes(centre, "evidence.viewed") == {"judge"}
        centre.clock.advance(3601)
        for _, still in cases:
            assert (await client.get(f"/api/evidence/{still}")).is_success
    assert len(await alarms(centre)) == 1


async def test_cases_are_counted_as_pictures_are_and_two_pages_at_once_raise_one(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    cases = await add_stills(centre, MOST_AN_HOUR + 2, "closed")
    async with centre.signed_in("wang") as client:
        for incident_id, _ in cases[:MOST_AN_HOUR]:
            assert (await client.get(f"/api/incidents/{incident_id}")).is_success
        assert await alarms(centre) == []
        await asyncio.gather(*(client.get(f"/api/incidents/{incident_id}") for incident_id, _ in cases[MOST_AN_HOUR:]))
    assert len(await alarms(centre)) == 1


async def test_the_audit_administrator_of_the_area_is_told_and_nobody_else(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    await centre.add_user("shen", Role.AUDITOR, city.SOUTH)
    await centre.add_user("north", Role.AUDITOR, city.NORTH)
    row = {"user_id": centre.user_ids["wang"], "area_path": path_by_code(city.SOUTH), "pictures": 51, "cases": 2}
    async with centre.database.transaction() as conn:
        await conn.execute(insert(bulk_reads), filled(bulk_reads, alarm_id="a", **row))
    async with centre.signed_in("shen") as client:
        (item,) = (await client.get("/api/bulk-reads")).json()["items"]
    assert (item["person"]["username"], item["pictures"], item["cases"], item["norm"]) == ("wang", 51, 2, 50)
    async with centre.signed_in("north") as client:
        assert (await client.get("/api/bulk-reads")).json() == {"items": []}
    async with centre.signed_in("wang") as client:
        assert (await client.get("/api/bulk-reads")).status_code == 403


async def test_the_alarm_is_on_the_chain_and_in_the_stream(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.AUDITOR, city.SOUTH)
    cases = await add_stills(centre, MOST_AN_HOUR + 1)
    async with centre.signed_in("wang") as client:
        for incident_id, _ in cases:
            assert (await client.get(f"/api/incidents/{incident_id}")).is_success, "who judges nothing looks up"
    async with centre.database.reading() as conn:
        query = select(audit_records).where(audit_records.c.action == "reads.beyond_norm")
        (said,) = (await conn.execute(query)).mappings()
        told = [event for event in await read_after(conn, 0) if event.kind == "bulk_read"]
    assert said["detail"] == {"name": "wang", "cases": 51, "pictures": 0, "norm": 50}
    assert [event.area_path for event in told] == [path_by_code(city.SOUTH)]


@pytest.mark.parametrize("role", list(Role))
async def test_only_an_auditor_reads_the_list(centre: TestCentre, role: Role) -> None:
    await centre.add_user("someone", role, city.SOUTH)
    async with centre.signed_in("someone") as client:
        assert (await client.get("/api/bulk-reads")).status_code == (200 if role is Role.AUDITOR else 403)
