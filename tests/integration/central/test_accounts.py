"""Sign in, sessions, the throttle: through HTTP, on both databases."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from datetime import timedelta

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type
from sqlalchemy import select

from tests.support import city
from tests.support.centres import PASSWORD, TestCentre
from xueliang_central.rights import accounts, people
from xueliang_central.rights.accounts import SESSION_LASTS, forget_old
from xueliang_central.rights.passwords import hash_password, password_fits
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import sessions, users

GUESS = {"username": "wang", "password": "not the password"}
RIGHT = {"username": "wang", "password": PASSWORD}


async def test_signing_in_gives_the_person_and_a_cookie_scripts_cannot_read(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.client() as client:
        answer = await client.post("/api/session", json={**RIGHT, "username": " WANG "})
        assert answer.status_code == 200
        body = answer.json()
        assert body["user"]["username"] == "wang"
        assert body["user"]["role"] == "operator"
        assert body["user"]["area"] == {
            "code": city.SOUTH,
            "name": "区域001",
            "name_en": "Area 001",
            "level": "township",
        }
        cookies = answer.headers.get_list("set-cookie")
        assert all("HttpOnly" in cookie and "SameSite=strict" in cookie for cookie in cookies)
        again = await client.get("/api/session")
        assert again.json() == body


async def test_there_is_no_account_that_nobody_made(centre: TestCentre) -> None:
    async with centre.database.reading() as conn:
        assert (await conn.execute(select(users))).all() == []


async def test_signing_out_ends_the_session_everywhere(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as client:
        stolen = dict(client.cookies)
        assert (await client.delete("/api/session")).status_code == 204
        client.cookies.update(stolen)
        assert (await client.get("/api/session")).status_code == 401


async def test_a_session_ends_by_time(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as client:
        centre.clock.advance(SESSION_LASTS.total_seconds() - 1)
        assert (await client.get("/api/session")).status_code == 200
        centre.clock.advance(2)
        assert (await client.get("/api/session")).status_code == 401
    async with centre.database.transaction() as conn:
        await forget_old(conn, centre.clock.at)
        assert (await conn.execute(select(sessions))).all() == []


@pytest.mark.parametrize(
    "change",
    [{"role": "auditor"}, {"area_path": "3701/370103", "area_code": "370103"}, {"disabled": True}],
    ids=["role", "area", "disabled"],
)
async def test_a_change_of_the_person_ends_every_session(centre: TestCentre, change: dict[str, object]) -> None:
    user_id = await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as one, centre.signed_in("wang") as other:
        async with centre.database.transaction() as conn:
            await people.change_user(conn, user_id, at=centre.clock.at, by="test", **change)
        assert (await one.get("/api/session")).status_code == 401
        assert (await other.get("/api/areas")).status_code == 401


@pytest.mark.parametrize(
    "cookie",
    ["", "x", "a" * 5000, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3YW5nIn0.", "' or 1=1 --", "null"],
)
async def test_a_made_up_session_is_none(centre: TestCentre, cookie: str) -> None:
    await centre.add_user("wang", Role.ADMIN, city.CITY)
    async with centre.client() as client:
        assert (await client.get("/api/areas", headers={"cookie": f"xl_session={cookie}"})).status_code == 401


async def test_the_database_does_not_hold_the_token(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as client, centre.database.reading() as conn:
        (row,) = (await conn.execute(select(sessions))).all()
        assert client.cookies["xl_session"] not in str(row)


async def test_unknown_name_and_wrong_password_are_answered_alike(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    await centre.add_user("li", Role.OPERATOR, city.SOUTH)
    async with centre.database.transaction() as conn:
        await people.change_user(conn, centre.user_ids["li"], at=centre.clock.at, by="test", disabled=True)
    bodies = []
    async with centre.client() as client:
        for credentials in (GUESS, {**GUESS, "username": "nobody"}, {"username": "li", "password": PASSWORD}):
            answer = await client.post("/api/session", json=credentials)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers
            bodies.append({key: value for key, value in answer.json().items() if key != "request_id"})
    assert bodies[0] == bodies[1] == bodies[2]


async def test_unknown_name_costs_as_much_as_a_wrong_password() -> None:
    """Medians of interleaved measurements of the processor's time, so that other work does not decide it."""
    stored = await hash_password(PASSWORD)
    costs: dict[str | None, list[float]] = {stored: [], None: []}
    for _ in range(9):
        for known in (stored, None):
            began = time.process_time()
            assert not await password_fits(known, "wrong")
            costs[known].append(time.process_time() - began)
    ratio = statistics.median(costs[stored]) / statistics.median(costs[None])
    assert 0.5 < ratio < 2.0, ratio  # skipping the hash would be a factor of hundreds


async def test_passwords_are_argon2id_of_the_promised_strength() -> None:
    parameters = extract_parameters(await hash_password(PASSWORD))
    assert parameters.type is Type.ID
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2


async def test_guessing_is_slowed_and_the_owner_is_not_kept_out(centre: TestCentre) -> None:
    """A day's patience of an attacker with as many addresses as guesses; meanwhile the owner signs in as usual."""
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as owner:
        device = owner.cookies.get("xl_device")
        assert device
        judged = refused = 0
        for guess in range(600):
            async with centre.client(address=f"203.0.113.{guess % 250}") as attacker:
                answer = await attacker.post("/api/session", json={**GUESS, "username": "wang"})
            if answer.status_code == 401:
                judged += 1
            else:
                assert answer.status_code == 429
                assert int(answer.headers["retry-after"]) >= 1
                refused += 1
            centre.clock.advance(6)
        assert judged <= 100, "guesses that were judged within an hour"
        assert refused > 450
        assert (await owner.post("/api/session", json=RIGHT)).status_code == 200, "a device known from before"
    centre.clock.advance(61)
    async with centre.client() as elsewhere:
        assert (await elsewhere.post("/api/session", json=RIGHT)).status_code == 200, "nobody is locked out for good"


async def test_many_guesses_at_once_are_no_way_around_the_throttle(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.client() as client:
        answers = await asyncio.gather(*(client.post("/api/session", json=GUESS) for _ in range(25)))
    assert {answer.status_code for answer in answers} == {401, 429}
    # Six are free, then one after 1, 2, 4, 8, … s: eleven when hashing them all takes half a minute. Unthrottled: 25.
    assert 6 <= sum(answer.status_code == 401 for answer in answers) <= 11


async def test_the_throttle_does_not_tell_names_apart(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    told: dict[str, list[int]] = {}
    for name, address in (("wang", "198.51.100.1"), ("nobody", "198.51.100.2")):
        async with centre.client(address=address) as client:
            answers = [await client.post("/api/session", json={**GUESS, "username": name}) for _ in range(10)]
        told[name] = [answer.status_code for answer in answers]
    assert told["wang"] == told["nobody"]
    assert 429 in told["wang"]


async def test_success_clears_the_count(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.client() as client:
        for _ in range(4):
            for _ in range(4):
                assert (await client.post("/api/session", json=GUESS)).status_code == 401
            assert (await client.post("/api/session", json=RIGHT)).status_code == 200


async def test_a_grant_opens_one_more_area_until_it_ends(centre: TestCentre) -> None:
    user_id = await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.database.transaction() as conn:
        await people.grant(
            conn,
            user_id,
            "3701/370103",
            why="help",
            by="test",
            at=centre.clock.at,
            until=centre.clock.at + timedelta(hours=1),
        )
    async with centre.signed_in("wang") as client:
        assert (await client.get(f"/api/areas/{city.EAST}")).status_code == 200
        centre.clock.advance(3601)
        assert (await client.get(f"/api/areas/{city.EAST}")).status_code == 404
        assert (await client.get(f"/api/areas/{city.SOUTH}")).status_code == 200


@pytest.mark.parametrize("name", ["\0", "a\0b", "\ud800", "' or 1=1 --", "<script>", "王" * 64, "a" * 65, " "])
async def test_hostile_names_are_wrong_names(centre: TestCentre, name: str) -> None:
    async with centre.client() as client:
        body = json.dumps({"username": name, "password": "x"}).encode()
        answer = await client.post("/api/session", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {401, 422}
        body = json.dumps({"username": "wang", "password": name}).encode()
        answer = await client.post("/api/session", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {401, 422}


async def test_a_password_that_is_changed_while_it_is_judged_opens_nothing(
    centre: TestCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await centre.add_user("zhao", Role.OPERATOR, city.SOUTH)
    another = await hash_password("another long password")
    judge = accounts.password_fits

    async def meanwhile(stored: str | None, password: str) -> bool:
        fits = await judge(stored, password)
        async with centre.database.transaction() as conn:
            await people.change_user(conn, user_id, at=centre.clock.at, by="test", password_hash=another)
        return fits

    monkeypatch.setattr(accounts, "password_fits", meanwhile)
    async with centre.client() as client:
        answer = await client.post("/api/session", json={"username": "zhao", "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong_password")
        assert (await client.get("/api/session")).status_code == 401
