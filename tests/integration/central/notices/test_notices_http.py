"""Receipts, fates, dead letters, figures and contacts over HTTP: each with the asker's own rights."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.support import city
from tests.support.centres import TestCentre
from tests.support.notice_targets import config
from tests.support.rows import add_incident, add_task
from xueliang_central.app import create_app
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.incidents.tables import incidents
from xueliang_central.notices import outbox
from xueliang_central.notices.tables import contacts, notice_steps, notices
from xueliang_central.rights.scope import Role
from xueliang_central.routes.rates import Rates

CHANNELS = {
    "mail": {"kind": "email", "host": "127.0.0.1", "tls": "none", "sender": "notices@centre.example"},
    "robot": {"kind": "wecom", "url": "https://qyapi.weixin.qq.com/send?key=hunter2"},
}


@pytest.fixture
def told_centre(centre: TestCentre) -> TestCentre:
    """A centre with two channels."""
    settings = replace(centre.centre.settings, notices=config(CHANNELS))
    made = replace(centre.centre, settings=settings)
    rates = Rates(made.mono, per_second=1e6, burst=1e6)
    return replace(centre, centre=made, app=create_app(made, rates=rates))


async def tell(centre: TestCentre, user_id: str, area_code: str = city.VILLAGE, **params: Any) -> str:
    """One notice to a person; its id."""
    async with centre.database.transaction() as conn:
        [row] = outbox.rows_of(
            key=str(uuid.uuid4()),
            kind="task_offered",
            user_ids=[user_id],
            area_path=path_by_code(area_code),
            params={"number": "n-1", "hazard": "crowd", "drill": False, **params},
            severity=2,
            now=centre.clock.at,
        )
        await outbox.put_all(conn, [row])
    return str(row["notice_id"])


async def make_step(centre: TestCentre, notice_id: str, user_id: str, state: str = "dead") -> None:
    row = {"notice_id": notice_id, "step": 0, "channel": "mail", "user_id": user_id, "severity": 2, "state": state}
    row |= {"reason": "http_404", "made_at": centre.clock.at, "attempts": 8}
    async with centre.database.transaction() as conn:
        await conn.execute(insert(notice_steps), row)


async def received_by(centre: TestCentre, notice_id: str) -> str | None:
    async with centre.database.reading() as conn:
        query = select(notices.c.received_by).where(notices.c.notice_id == notice_id)
        return (await conn.execute(query)).scalar_one()


async def actions(centre: TestCentre, kind: str) -> list[dict[str, Any]]:
    async with centre.database.reading() as conn:
        query = select(audit_records.c.detail).where(audit_records.c.action == kind)
        return list((await conn.execute(query)).scalars())


async def test_a_page_says_that_it_has_a_notice(centre: TestCentre) -> None:
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    notice_id = await tell(centre, wang)
    async with centre.signed_in("wang") as client:
        [mine] = (await client.get("/api/notices")).json()["items"]
        assert (mine["notice_id"], mine["received_at"]) == (notice_id, None)
        answer = await client.post(f"/api/notices/{notice_id}/received")
        assert (answer.status_code, answer.json()["received_by"]) == (200, "device")
        again = await client.post(f"/api/notices/{notice_id}/received")
        assert again.json() == answer.json()
        assert (await client.get("/api/notices")).json()["items"] == []


@pytest.mark.parametrize("role", [one for one in Role if one not in {Role.SECURITY, Role.VIEWER}])
async def test_nobody_says_it_for_another(centre: TestCentre, role: Role) -> None:
    """Also who sees the whole area: that a person has a notice is that person's device to say."""
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    await centre.add_user("someone", role, city.SOUTH)
    notice_id = await tell(centre, wang)
    async with centre.signed_in("someone") as client:
        missing = await client.post(f"/api/notices/{uuid.uuid4()}/received")
        answer = await client.post(f"/api/notices/{notice_id}/received")
        assert answer.status_code == missing.status_code == 404
        assert answer.json()["code"] == missing.json()["code"] == "not_found"
        assert (await client.get("/api/notices")).json()["items"] == []
    assert await received_by(centre, notice_id) is None


async def test_a_receipt_needs_the_token_against_cross_site(centre: TestCentre) -> None:
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    notice_id = await tell(centre, wang)
    async with centre.signed_in("wang") as client:
        del client.headers["x-csrf-token"]
        assert (await client.post(f"/api/notices/{notice_id}/received")).status_code == 403


async def test_opening_a_task_or_acting_on_it_is_a_receipt(centre: TestCentre) -> None:
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    incident_id = await add_incident(centre, city.VILLAGE)
    async with centre.database.transaction() as conn:
        await conn.execute(update(incidents).values(state="dispatched"))
    task_id = await add_task(centre, incident_id, city.VILLAGE, worker_id=wang)
    first = await tell(centre, wang, task_id=task_id, incident_id=incident_id)
    async with centre.signed_in("wang") as client:
        shown = (await client.get(f"/api/tasks/{task_id}")).json()
        assert await received_by(centre, first) == "opened"
        second = await tell(centre, wang, task_id=task_id, incident_id=incident_id)
        answer = await client.post(f"/api/tasks/{task_id}/moves", json={"move": "take", "version": shown["version"]})
        assert answer.status_code == 200, answer.text
    assert await received_by(centre, second) == "acted"


async def test_a_case_shows_what_became_of_its_notices_and_no_address(told_centre: TestCentre) -> None:
    centre = told_centre
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    await centre.add_user("li", Role.OPERATOR, city.SOUTH)
    incident_id = await add_incident(centre, city.VILLAGE)
    notice_id = await tell(centre, wang, incident_id=incident_id)
    await make_step(centre, notice_id, wang)
    async with centre.database.transaction() as conn:
        row = {"user_id": wang, "channel": "mail", "address": "wang@secret.example"}
        await conn.execute(insert(contacts).values(**row, changed_at=centre.clock.at, changed_by="x"))
    async with centre.signed_in("li") as client:
        answer = await client.get(f"/api/incidents/{incident_id}/notices")
    [shown] = answer.json()["items"]
    assert shown["to"]["display_name"] == "wang 先生"
    assert [(step["channel"], step["state"], step["reason"]) for step in shown["steps"]] == [
        ("mail", "dead", "http_404")
    ]
    assert "secret" not in answer.text


async def test_a_case_does_not_name_people_of_other_areas(centre: TestCentre) -> None:
    """The desk above was told; who sits there is not the village's to know."""
    mayor = await centre.add_user("mayor", Role.SUPERVISOR, city.WEST)
    await centre.add_user("li", Role.OPERATOR, city.SOUTH)
    incident_id = await add_incident(centre, city.VILLAGE)
    await tell(centre, mayor, city.WEST, incident_id=incident_id)
    async with centre.signed_in("li") as client:
        answer = await client.get(f"/api/incidents/{incident_id}/notices")
    assert answer.json()["items"][0]["to"] == {"user_id": None, "display_name": None, "role": "supervisor"}
    assert mayor not in answer.text
    assert "mayor" not in answer.text


async def test_dead_letters_are_an_administrators_within_the_own_areas(centre: TestCentre) -> None:
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    here, elsewhere = await tell(centre, wang), await tell(centre, wang, city.NORTH)
    for notice_id in (here, elsewhere):
        await make_step(centre, notice_id, wang)
    await centre.add_user("root", Role.ADMIN, city.SOUTH)
    async with centre.signed_in("root") as client:
        shown = (await client.get("/api/dead-notices")).json()["items"]
        assert [one["notice_id"] for one in shown] == [here]
        assert (await client.post(f"/api/dead-notices/{elsewhere}/0/retry")).status_code == 404
        assert (await client.post(f"/api/dead-notices/{here}/1/retry")).status_code == 404
        answer = await client.post(f"/api/dead-notices/{here}/0/retry")
        assert (answer.status_code, answer.json()["state"], answer.json()["attempts"]) == (200, "waiting", 0)
        again = await client.post(f"/api/dead-notices/{here}/0/retry")
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        figures = (await client.get("/api/notice-figures")).json()
        assert (figures["notices"], figures["received"], figures["held"]) == (1, 0, {"budget": 0, "quiet": 0})
    assert await actions(centre, "notice.retried") == [{"step": 0, "channel": "mail", "reason": "http_404"}]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_contacts_and_dead_letters_are_for_administrators(centre: TestCentre, role: Role) -> None:
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    await centre.add_user("someone", role, city.SOUTH)
    async with centre.signed_in("someone") as client:
        paths = ("/api/dead-notices", "/api/notice-figures", f"/api/people/{wang}/contacts")
        assert {(await client.get(path)).status_code for path in paths} == {403}
        answer = await client.put(f"/api/people/{wang}/contacts", json={"addresses": {}})
        assert answer.status_code == 403


async def test_an_administrator_writes_how_a_person_is_reached(told_centre: TestCentre) -> None:
    centre = told_centre
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    stranger = await centre.add_user("stranger", Role.WORKER, city.NORTH)
    await centre.add_user("root", Role.ADMIN, city.SOUTH)
    path, wanted = f"/api/people/{wang}/contacts", {"mail": "wang@city.example", "robot": "13800001111"}
    async with centre.signed_in("root") as client:
        answer = await client.put(path, json={"addresses": wanted})
        assert (answer.status_code, answer.json()["addresses"]) == (200, wanted)
        await client.put(path, json={"addresses": wanted})  # nothing changes, nothing is recorded
        assert (await client.get(path)).json()["addresses"] == wanted
        await client.put(path, json={"addresses": {"mail": "wang@city.example"}})
        assert (await client.get(path)).json()["addresses"] == {"mail": "wang@city.example"}
        foreign = f"/api/people/{stranger}/contacts"
        assert (await client.get(foreign)).status_code == 404
        assert (await client.put(foreign, json={"addresses": wanted})).status_code == 404
    written = await actions(centre, "contacts.replaced")
    assert written == [{"channels": ["mail", "robot"]}, {"channels": ["robot"]}]
    assert len(await actions(centre, "contacts.viewed")) == 2


@pytest.mark.parametrize(
    ("channel", "address", "expected"),
    [
        ("mail", "no mailbox", "a mailbox: name@host"),
        ("mail", "a@b.example\r\nBcc: all@city.example", "a mailbox: name@host"),
        ("robot", "@all", "the mobile number that the robot is to mention: 5 to 20 digits"),
        ("pager", "1", "a channel of this centre: mail, robot"),
    ],
    ids=["no mailbox", "header", "everybody", "no channel"],
)
async def test_an_address_that_cannot_be_is_refused_and_not_repeated(
    told_centre: TestCentre, channel: str, address: str, expected: str
) -> None:
    centre = told_centre
    wang = await centre.add_user("wang", Role.WORKER, city.VILLAGE)
    await centre.add_user("root", Role.ADMIN, city.SOUTH)
    async with centre.signed_in("root") as client:
        answer = await client.put(f"/api/people/{wang}/contacts", json={"addresses": {channel: address}})
    assert (answer.status_code, answer.json()["code"]) == (422, "contacts_refused")
    assert answer.json()["problems"] == [{"where": f"addresses.{channel}", "expected": expected}]
