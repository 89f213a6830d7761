"""What a person asks for is not done when the account is changed before it is: truly at once, on both databases.

That every route that writes asks is a test of its own (`unit/central/test_every_writing_route_stands.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import DBAPIError

from tests.support import city
from tests.support.bound_phone import BoundPhone
from tests.support.centres import TestCentre
from xueliang_alerts.clocks import system_mono
from xueliang_central.errors import DatabaseUnavailable
from xueliang_central.people.tables import shifts
from xueliang_central.rights import people, phones
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import users


async def _waits(centre: TestCentre, asked: asyncio.Task[httpx.Response]) -> None:
    """Until the request stands before a lock of this database; or has ended, which the test will judge."""
    give_up_at = system_mono() + 20
    while not asked.done():
        assert system_mono() < give_up_at, "the request waits for no lock"
        if centre.database.dialect == "sqlite":
            if centre.database._writer_lock._waiters:
                return
        else:
            async with centre.database.reading() as conn:
                blocked = text("select count(*) from pg_locks where not granted")
                if (await conn.execute(blocked)).scalar_one():
                    return
        await asyncio.sleep(0.01)


async def _is_free(centre: TestCentre, asked: Select[Any]) -> bool:
    try:
        async with centre.database.transaction() as other:
            await other.execute(asked)
    except (DBAPIError, DatabaseUnavailable) as error:
        if "could not obtain lock" in str(error.__cause__ or error):
            return False
        raise
    return True


@pytest.mark.parametrize(
    "changed",
    [{"disabled": True}, {"role": Role.OPERATOR}, {"password_hash": "x"}],
    ids=["disabled", "another role", "sessions ended"],
)
async def test_a_roster_is_not_replaced_by_who_is_changed_meanwhile(centre: TestCentre, changed: Any) -> None:
    boss = await centre.add_user("boss", Role.SUPERVISOR, city.WEST)
    wang = await centre.add_user("wang", Role.WORKER, city.GRID)
    night = {"kind": "weekly", "weekly": {"bands": [{"start": "18:00", "until": "22:00"}]}}
    async with centre.signed_in("boss") as client:
        async with centre.database.transaction() as conn:
            await people.change_user(conn, boss, at=centre.clock.at, by="security", **changed)
            body = {"version": 0, "shifts": [night]}
            asked = asyncio.create_task(client.put(f"/api/people/{wang}/roster", json=body))
            await _waits(centre, asked)
        answer = await asked
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    async with centre.database.reading() as conn:
        assert (await conn.execute(select(func.count()).select_from(shifts))).scalar_one() == 0


async def test_who_takes_a_phone_away_waits_for_who_holds_its_person(centre: TestCentre) -> None:
    """As a phone does that goes on in this moment: it has its session before, or none."""
    await centre.add_user("boss", Role.SUPERVISOR, city.WEST)
    wang = await centre.add_user("wang", Role.WORKER, city.GRID)
    phone = BoundPhone()
    async with centre.signed_in("boss") as boss, centre.client() as client:
        code = (await boss.post(f"/api/users/{wang}/phone-code", json={})).json()["code"]
        assert (await phone.enrol(client, code)).status_code == 200
        async with centre.database.transaction() as conn:
            await people.hold(conn, wang)
            asked = asyncio.create_task(boss.delete(f"/api/users/{wang}/phones/{phone.phone_id}"))
            await _waits(centre, asked)
            assert not asked.done()
        assert (await asked).status_code == 204


async def test_a_phone_that_is_taken_away_meanwhile_reports_nothing(centre: TestCentre) -> None:
    wang = await centre.add_user("wang", Role.WORKER, city.GRID)
    await centre.add_user("boss", Role.SUPERVISOR, city.WEST)
    phone = BoundPhone()
    async with centre.signed_in("boss") as boss, centre.client() as client:
        code = (await boss.post(f"/api/users/{wang}/phone-code", json={})).json()["code"]
        assert (await phone.enrol(client, code)).status_code == 200
        async with centre.database.transaction() as conn:
            await people.hold(conn, wang)
            await phones.revoke(conn, wang, phone.phone_id, by="boss", at=centre.clock.at)
            asked = asyncio.create_task(client.post(f"/api/notices/{wang}/received", json={}))
            await _waits(centre, asked)
        answer = await asked
    assert (answer.status_code, answer.json()["code"]) == (401, "phone_revoked"), answer.text


async def test_what_refers_to_a_person_who_is_held_does_not_wait_and_a_renewal_holds_up_no_work(
    centre: TestCentre,
) -> None:
    """By NOWAIT: refused at once where it would wait. SQLite has one writer anyway."""
    if centre.database.dialect == "sqlite":
        pytest.skip("SQLite holds no rows")
    wang = await centre.add_user("wang", Role.WORKER, city.GRID)
    row = select(users.c.user_id).where(users.c.user_id == wang)
    refers = row.with_for_update(read=True, key_share=True, nowait=True)  # what a foreign key asks for
    works, changes = row.with_for_update(read=True, nowait=True), row.with_for_update(key_share=True, nowait=True)
    for shared, free in ((False, {"refers"}), (True, {"refers", "works"})):
        async with centre.database.transaction() as conn:
            await people.hold(conn, wang, shared=shared)
            asked = {"refers": refers, "works": works, "changes": changes}
            found = {name for name, one in asked.items() if await _is_free(centre, one)}
        assert found == free


async def test_of_two_who_disable_each_other_at_once_one_is_disabled(centre: TestCentre) -> None:
    one, other = [await centre.add_user(name, Role.SECURITY, city.CITY) for name in ("ann", "bo")]
    async with centre.signed_in("ann") as ann, centre.signed_in("bo") as bo:
        answers = await asyncio.gather(
            ann.patch(f"/api/users/{other}", json={"disabled": True}),
            bo.patch(f"/api/users/{one}", json={"disabled": True}),
        )
    assert sorted(answer.status_code for answer in answers) == [200, 401], [answer.text for answer in answers]
    async with centre.database.reading() as conn:
        disabled = (await conn.execute(select(users.c.username).where(users.c.disabled))).scalars().all()
    assert disabled == (["bo"] if answers[0].status_code == 200 else ["ann"])
