"""Who has a case open: begun by opening it, renewed, taken over by one act, lapsed by the centre's clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tests.integration.central.flow.stage import LI, WANG, HandClock, Stage
from tests.integration.central.flow.test_http import Door
from tests.integration.central.flow.test_seat_judging import clock, door, night, stage
from tests.integration.central.flow.test_seats import CAMERAS, QIN, Night
from xueliang_alerts.contract import Hazard
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.seat_tables import case_claims
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.store.tables import events

__all__ = ["clock", "door", "night", "stage"]

Answer = dict[str, Any]


@pytest.fixture
async def li(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    async with door.client(LI) as client:
        yield client


@pytest.fixture
async def qin(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    async with door.client(QIN) as client:
        yield client


@pytest.fixture
async def case(night: Night) -> str:
    await night.raises(Hazard.CROWD, CAMERAS[0])
    return str((await night.stage.one_incident())["incident_id"])


async def says(client: httpx.AsyncClient, *opened: str, **more: Any) -> list[Answer]:
    answer = await client.post("/api/seat/claims", json={"opened": list(opened), **more})
    assert answer.status_code == 200, answer.text
    assert answer.json()["renew_every_s"] == 20.0
    return list(answer.json()["items"])


async def whose(client: httpx.AsyncClient) -> dict[str, str]:
    answer = await client.get("/api/seat/claims")
    assert answer.status_code == 200, answer.text
    return {one["incident_id"]: one["by"]["display_name"] for one in answer.json()["items"]}


async def told(stage: Stage) -> list[str | None]:
    """Of every event about a claim: by whom; None: it ended."""
    async with stage.database.reading() as conn:
        query = select(events.c.body).where(events.c.kind == "claim").order_by(events.c.event_id)
        bodies = [body["claim"] for body in (await conn.execute(query)).scalars()]
    return [one["by"] and one["by"]["display_name"] for one in bodies]


async def recorded(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole
        query = select(audit_records.c.actor, audit_records.c.detail)
        found = await conn.execute(query.where(audit_records.c.action == "incident.claim_taken_over"))
        return [(row.actor, row.detail) for row in found]


async def test_opening_claims_and_others_see_who_and_since_when(
    stage: Stage, case: str, li: httpx.AsyncClient, qin: httpx.AsyncClient
) -> None:
    (mine,) = await says(li, case)
    (seen,) = (await qin.get("/api/seat/claims")).json()["items"]
    assert seen == mine
    assert seen["by"] == {"user_id": LI.user_id, "display_name": "Li", "role": "operator"}
    assert (seen["since"], seen["lapses_in_s"]) == ("2026-11-23T19:00:00.000Z", 60.0)
    (theirs,) = await says(qin, case)
    assert theirs["by"]["user_id"] == LI.user_id, "opening takes nothing from anybody"
    assert await told(stage) == ["Li"]


async def test_it_lapses_a_minute_after_its_last_renewal(
    stage: Stage, clock: HandClock, case: str, li: httpx.AsyncClient, qin: httpx.AsyncClient
) -> None:
    await says(li, case)
    for _ in range(3):
        clock.forward(50)
        (mine,) = await says(li, case)
    assert mine["since"] == "2026-11-23T19:00:00.000Z"
    assert await told(stage) == ["Li"], "renewals are told to nobody"
    clock.forward(59)
    assert await whose(qin) == {case: "Li"}
    clock.forward(1)
    assert await whose(qin) == {}
    (theirs,) = await says(qin, case)
    assert (theirs["by"]["display_name"], await told(stage)) == ("Qin", ["Li", "Qin"])
    assert await recorded(stage) == [], "what has lapsed is taken from nobody"


async def test_one_act_takes_over_and_the_former_page_does_not_take_it_back(
    stage: Stage, clock: HandClock, case: str, li: httpx.AsyncClient, qin: httpx.AsyncClient
) -> None:
    await says(li, case)
    clock.forward(5)
    (taken,) = await says(qin, case, takes_over=True)
    assert (taken["by"]["display_name"], taken["since"]) == ("Qin", "2026-11-23T19:00:05.000Z")
    (seen,) = await says(li, case)
    assert seen["by"]["display_name"] == "Qin", "a renewal is no takeover"
    assert (await li.post("/api/seat/claims", json={"left": [case]})).status_code == 200
    assert await whose(li) == {case: "Qin"}, "who has lost it cannot end it"
    assert await told(stage) == ["Li", "Qin"]
    assert await recorded(stage) == [(QIN.name, {"from": LI.name, "since": "2026-11-23T19:00:00.000Z"})]


async def test_closing_the_case_or_moving_on_ends_it(
    stage: Stage, night: Night, case: str, li: httpx.AsyncClient
) -> None:
    await night.raises(Hazard.ILLEGAL_PARKING, CAMERAS[1])
    (other,) = [one["incident_id"] for one in await stage.rows(incidents) if one["incident_id"] != case]
    await says(li, case)
    assert [one["incident_id"] for one in await says(li, other, left=[case])] == [other]
    assert set(await whose(li)) == {other}
    await says(li, left=[other])
    assert await stage.count(case_claims) == 0
    assert await told(stage) == ["Li", None, "Li", None]


async def test_a_shared_row_claims_each_of_its_cases(stage: Stage, night: Night, li: httpx.AsyncClient) -> None:
    for camera_id in CAMERAS[:3]:
        await night.raises(Hazard.CROWD, camera_id)
    ids = [one["incident_id"] for one in await stage.rows(incidents)]
    await says(li, *ids)
    assert set(await whose(li)) == set(ids)


async def test_a_claim_changes_nothing_of_the_case_and_stands_in_nobodys_way(
    stage: Stage, case: str, li: httpx.AsyncClient, qin: httpx.AsyncClient
) -> None:
    async def entries() -> int:
        return await stage.count(incident_timeline)

    before, noted = await stage.one_incident(), await entries()
    await says(li, case)
    await says(qin, case, takes_over=True)
    assert (await stage.one_incident(), await entries()) == (before, noted)
    answer = await li.post(f"/api/incidents/{case}/moves", json={"move": "confirm", "version": before["version"]})
    assert answer.status_code == 200, "whoever has the case open, the first judgement counts"
    second = {"move": "false_alarm", "version": before["version"], "reason_code": "shadow"}
    late = await qin.post(f"/api/incidents/{case}/moves", json=second)
    assert late.status_code == 409
    assert late.json()["said_last"] == {"by": "Li", "kind": "confirmed", "at": "2026-11-23T19:00:00.000Z"}
    assert await whose(qin) == {}, "what is judged waits for nobody"
    assert await says(qin, case) == []


async def test_two_who_open_at_once_agree_who_has_it(
    stage: Stage, case: str, li: httpx.AsyncClient, qin: httpx.AsyncClient
) -> None:
    (first,), (second,) = await asyncio.gather(says(li, case), says(qin, case))
    assert first["by"] == second["by"]
    assert len(await told(stage)) == 1


async def test_pages_with_several_cases_never_wait_for_each_other(
    stage: Stage, night: Night, li: httpx.AsyncClient, qin: httpx.AsyncClient
) -> None:
    for camera_id in CAMERAS[:3]:
        await night.raises(Hazard.CROWD, camera_id)
    ids = [one["incident_id"] for one in await stage.rows(incidents)]
    for _ in range(10):
        await asyncio.gather(says(li, *ids, takes_over=True), says(qin, *reversed(ids), takes_over=True))
    assert len({*(await whose(li)).values()}) == 1, "one of them has the whole row"


async def test_who_judges_nothing_claims_nothing(door: Door, case: str, li: httpx.AsyncClient) -> None:
    async with door.client(WANG) as worker:
        assert (await worker.post("/api/seat/claims", json={"opened": [case]})).status_code == 403
        assert (await worker.get("/api/seat/claims")).status_code == 403
    twice = await li.post("/api/seat/claims", json={"opened": [case], "left": [case]})
    assert twice.status_code == 422
