"""A second factor through HTTP, on both databases: enrolled, asked, used once, throttled, demanded, taken away."""

from __future__ import annotations

import asyncio
import base64
import stat
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support import city
from tests.support.centres import PASSWORD, TestCentre, build_centre
from xueliang_central.audit.chain import verify
from xueliang_central.audit.tables import audit_records
from xueliang_central.rights import second_factor
from xueliang_central.rights.accounts import ENROLLING_LASTS, SECOND_LASTS, forget_old
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import second_factors, second_steps, users
from xueliang_central.rights.totp import code_of, step_of
from xueliang_central.store.database import Database

RIGHT = {"username": "wang", "password": PASSWORD}


def _code(centre: TestCentre, secret: str, *, steps: int = 0) -> str:
    padded = secret + "=" * (-len(secret) % 8)
    return code_of(base64.b32decode(padded), step_of(centre.clock.at) + steps)


def _wrong(centre: TestCentre, secret: str) -> str:
    near = {_code(centre, secret, steps=steps) for steps in (-1, 0, 1)}
    return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


async def _enrol(centre: TestCentre, client: httpx.AsyncClient) -> tuple[str, list[str]]:
    """The secret and the recovery codes; afterwards the step is over, so that its code is not wanted again."""
    begun = (await client.post("/api/session/second-factor", json={})).json()
    confirmed = await client.post("/api/session/second-factor/confirm", json={"code": _code(centre, begun["secret"])})
    assert confirmed.status_code == 200, confirmed.text
    centre.clock.advance(60)
    return begun["secret"], confirmed.json()["recovery_codes"]


@pytest.fixture
async def enrolled(centre: TestCentre) -> tuple[TestCentre, str, list[str]]:
    await centre.add_user("wang", Role.SUPERVISOR, city.SOUTH)
    async with centre.signed_in("wang") as client:
        secret, codes = await _enrol(centre, client)
    return centre, secret, codes


async def _first_step(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/session", json=RIGHT)
    assert (answer.status_code, answer.json()) == (200, {"second_step": True, "expires_in_s": 300})


async def test_the_password_alone_opens_nothing_and_the_code_does(
    enrolled: tuple[TestCentre, str, list[str]],
) -> None:
    centre, secret, _ = enrolled
    async with centre.client() as client:
        await _first_step(client)
        assert "xl_session" not in client.cookies
        assert (await client.get("/api/areas")).status_code == 401
        answer = await client.post("/api/session/code", json={"code": _code(centre, secret)})
        assert answer.status_code == 200
        assert answer.json()["second_factor"] == {"is_enrolled": True, "must_enrol": False, "recovery_codes_left": 10}
        assert (await client.get("/api/areas")).status_code == 200


async def test_the_cookie_of_the_first_step_is_out_of_reach_of_scripts(
    enrolled: tuple[TestCentre, str, list[str]],
) -> None:
    centre, _, _ = enrolled
    async with centre.client() as client:
        answer = await client.post("/api/session", json=RIGHT)
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("xl_second=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/api/session" in cookie


async def test_a_code_is_taken_once(enrolled: tuple[TestCentre, str, list[str]]) -> None:
    centre, secret, _ = enrolled
    code = _code(centre, secret)
    async with centre.client() as one, centre.client() as other:
        await _first_step(one)
        await _first_step(other)
        assert (await one.post("/api/session/code", json={"code": code})).status_code == 200
        again = await other.post("/api/session/code", json={"code": code})
        assert (again.status_code, again.json()["code"]) == (422, "wrong_code")
        earlier = await other.post("/api/session/code", json={"code": _code(centre, secret, steps=-1)})
        assert earlier.status_code == 422, "nor one of a step before it"
        later = await other.post("/api/session/code", json={"code": _code(centre, secret, steps=1)})
        assert later.status_code == 200


async def test_of_the_same_code_many_times_at_once_one_is_taken(
    enrolled: tuple[TestCentre, str, list[str]],
) -> None:
    centre, secret, _ = enrolled
    clients = [centre.client(address=f"10.0.0.{number}") for number in range(5)]
    for client in clients:
        await _first_step(client)
    code = _code(centre, secret)
    answers = await asyncio.gather(*(one.post("/api/session/code", json={"code": code}) for one in clients))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422, 422]
    for client in clients:
        await client.aclose()


async def test_the_enrolling_code_signs_nobody_in(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.SUPERVISOR, city.SOUTH)
    async with centre.signed_in("wang") as client:
        secret = (await client.post("/api/session/second-factor", json={})).json()["secret"]
        code = _code(centre, secret)
        assert (await client.post("/api/session/second-factor/confirm", json={"code": code})).status_code == 200
    async with centre.client() as client:
        await _first_step(client)
        assert (await client.post("/api/session/code", json={"code": code})).status_code == 422


async def test_a_recovery_code_works_once(enrolled: tuple[TestCentre, str, list[str]]) -> None:
    centre, _, codes = enrolled
    assert len(set(codes)) == 10
    async with centre.client() as client:
        await _first_step(client)
        typed = codes[3].lower().replace("-", " ")
        answer = await client.post("/api/session/code", json={"code": typed})
        assert answer.status_code == 200
        assert answer.json()["second_factor"]["recovery_codes_left"] == 9
        await _first_step(client)
        assert (await client.post("/api/session/code", json={"code": codes[3]})).status_code == 422


async def test_new_recovery_codes_end_the_old_ones(enrolled: tuple[TestCentre, str, list[str]]) -> None:
    centre, secret, codes = enrolled
    async with centre.client() as client:
        await _first_step(client)
        opened = await client.post("/api/session/code", json={"code": _code(centre, secret)})
        client.headers["x-csrf-token"] = opened.json()["csrf"]
        path = "/api/session/second-factor/recovery-codes"
        assert (await client.post(path, json={"code": codes[1]})).status_code == 422, "not for a recovery code"
        assert (await client.get("/api/session")).json()["second_factor"]["recovery_codes_left"] == 10, "nor used up"
        centre.clock.advance(30)
        renewed = (await client.post(path, json={"code": _code(centre, secret)})).json()["recovery_codes"]
        await _first_step(client)
        assert (await client.post("/api/session/code", json={"code": codes[1]})).status_code == 422
        assert (await client.post("/api/session/code", json={"code": renewed[1]})).status_code == 200


async def test_guessing_codes_is_slowed_over_all_sign_ins(enrolled: tuple[TestCentre, str, list[str]]) -> None:
    """Two hours of an attacker who has the password, with as many first steps and addresses as wanted."""
    centre, secret, codes = enrolled
    owner = centre.client()
    await _first_step(owner)
    assert (await owner.post("/api/session/code", json={"code": codes[0]})).status_code == 200
    judged = 0
    for minute in range(120):
        async with centre.client(address=f"203.0.113.{minute}") as client:
            await _first_step(client)
            for _ in range(2):
                answer = await client.post("/api/session/code", json={"code": _wrong(centre, secret)})
                assert answer.status_code in {422, 429}
                judged += answer.status_code == 422
        centre.clock.advance(60)
    assert judged <= 40
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    await _first_step(owner)
    known = await owner.post("/api/session/code", json={"code": _code(centre, secret)})
    assert known.status_code == 200, "a device known from before does not wait"
    await owner.aclose()
    centre.clock.advance(301)
    async with centre.client() as elsewhere:
        await _first_step(elsewhere)
        assert (await elsewhere.post("/api/session/code", json={"code": _code(centre, secret)})).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a" * 5000])
async def test_without_a_first_step_there_is_no_second(enrolled: tuple[TestCentre, str, list[str]], token: str) -> None:
    centre, secret, _ = enrolled
    async with centre.client() as client:
        headers = {"cookie": f"xl_second={token}"}
        answer = await client.post("/api/session/code", json={"code": _code(centre, secret)}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "second_step_over")


async def test_the_first_step_ends_by_time_and_by_a_change_of_the_account(
    enrolled: tuple[TestCentre, str, list[str]],
) -> None:
    centre, secret, _ = enrolled
    async with centre.client() as client:
        await _first_step(client)
        centre.clock.advance(SECOND_LASTS.total_seconds())
        late = await client.post("/api/session/code", json={"code": _code(centre, secret)})
        assert late.status_code == 401
        await _first_step(client)
        async with centre.database.transaction() as conn:
            await conn.execute(update(users).where(users.c.username == "wang").values(disabled=True))
        shut = await client.post("/api/session/code", json={"code": _code(centre, secret)})
        assert shut.status_code == 401
    async with centre.database.transaction() as conn:
        await forget_old(conn, centre.clock.at + SECOND_LASTS)
        assert (await conn.execute(select(second_steps))).all() == []


async def test_enrolling_ends_the_other_sessions_and_starting_again_replaces(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as one, centre.signed_in("wang") as other:
        first = (await one.post("/api/session/second-factor", json={})).json()["secret"]
        assert (await centre.client().post("/api/session", json=RIGHT)).json().get("csrf"), "not asked before it counts"
        second = (await one.post("/api/session/second-factor", json={})).json()["secret"]
        stale = await one.post("/api/session/second-factor/confirm", json={"code": _code(centre, first)})
        assert stale.status_code == 422
        confirmed = await one.post("/api/session/second-factor/confirm", json={"code": _code(centre, second)})
        assert confirmed.status_code == 200
        assert (await other.get("/api/session")).status_code == 401
        assert (await one.get("/api/session")).json()["second_factor"]["is_enrolled"] is True
        assert (await one.post("/api/session/second-factor", json={})).status_code == 409, "it is not shown again"


async def test_enrolling_in_many_windows_at_once_ends_with_one(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as client:
        path = "/api/session/second-factor"
        begun = await asyncio.gather(*(client.post(path, json={}) for _ in range(4)))
        assert {answer.status_code for answer in begun} <= {200, 409}
        codes = [_code(centre, one.json()["secret"]) for one in begun if one.status_code == 200]
        ended = await asyncio.gather(*(client.post(f"{path}/confirm", json={"code": code}) for code in codes))
        assert sum(answer.status_code == 200 for answer in ended) == 1
        assert (await client.post(path, json={})).status_code == 409


async def test_nothing_answers_or_records_the_secret(enrolled: tuple[TestCentre, str, list[str]]) -> None:
    centre, secret, codes = enrolled
    raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
    async with centre.database.reading() as conn:
        (row,) = (await conn.execute(select(second_factors))).all()
        told = str((await conn.execute(select(audit_records))).all())
        assert (await verify(conn)).is_whole
    assert raw not in base64.b64decode(row.sealed_secret)
    for hidden in (secret, *codes):
        assert hidden not in str(row)
        assert hidden not in told
    assert "second_factor.enrolled" in told
    key = centre.centre.settings.data_dir / "accounts.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


async def test_a_key_that_is_gone_is_said_and_makes_no_new_one(
    enrolled: tuple[TestCentre, str, list[str]],
) -> None:
    centre, secret, codes = enrolled
    key: Path = centre.centre.settings.data_dir / "accounts.key"
    kept = key.read_bytes()
    key.unlink()
    async with centre.client() as client:
        await _first_step(client)
        answer = await client.post("/api/session/code", json={"code": _code(centre, secret)})
        assert (answer.status_code, answer.json()["code"]) == (503, "second_factor_unreadable")
        await centre.add_user("li", Role.OPERATOR, city.SOUTH)
        async with centre.signed_in("li") as other:
            assert (await other.post("/api/session/second-factor", json={})).status_code == 503
        assert not key.exists()
        assert (await client.post("/api/session/code", json={"code": codes[0]})).status_code == 200, "needs no key"
        key.write_bytes(b"x" * 32)
        await _first_step(client)
        assert (await client.post("/api/session/code", json={"code": _code(centre, secret)})).status_code == 503
        key.write_bytes(kept)
        assert (await client.post("/api/session/code", json={"code": _code(centre, secret)})).status_code == 200


async def test_another_persons_row_is_no_factor(centre: TestCentre) -> None:
    """Whoever can write the database puts the own secret in the place of another's."""
    await centre.add_user("wang", Role.SUPERVISOR, city.SOUTH)
    await centre.add_user("thief", Role.SUPERVISOR, city.SOUTH)
    async with centre.signed_in("wang") as wang, centre.signed_in("thief") as thief:
        await _enrol(centre, wang)
        secret, _ = await _enrol(centre, thief)
    async with centre.database.transaction() as conn:
        of_thief = second_factors.c.user_id == centre.user_ids["thief"]
        sealed = await conn.scalar(select(second_factors.c.sealed_secret).where(of_thief))
        await conn.execute(update(second_factors).values(sealed_secret=sealed))
    async with centre.client() as client:
        await _first_step(client)
        assert (await client.post("/api/session/code", json={"code": _code(centre, secret)})).status_code == 503


@pytest.mark.parametrize("role", list(Role))
async def test_an_approver_without_one_can_do_nothing_but_enrol(database: Database, tmp_path: Path, role: Role) -> None:
    centre = await build_centre(database, tmp_path / "data", second_factor="approvers")
    await centre.add_user("wang", role, city.SOUTH)
    async with centre.signed_in("wang") as client:
        told = (await client.get("/api/session")).json()["second_factor"]
        areas = await client.get("/api/areas")
        if role in {Role.WORKER, Role.OPERATOR, Role.VIEWER}:
            assert (told["must_enrol"], areas.status_code) == (False, 200)
            return
        assert told["must_enrol"] is True
        assert (areas.status_code, areas.json()["code"]) == (403, "second_factor_needed")
        await _enrol(centre, client)
        assert (await client.get("/api/areas")).status_code == 200


async def test_a_security_administrator_takes_a_lost_one_away(
    enrolled: tuple[TestCentre, str, list[str]],
) -> None:
    centre, secret, _codes = enrolled
    await centre.add_user("keeper", Role.SECURITY, city.WEST)
    async with centre.client() as wang, centre.signed_in("keeper") as keeper:
        await _first_step(wang)
        assert (await wang.post("/api/session/code", json={"code": _code(centre, secret)})).status_code == 200
        gone = await keeper.delete(f"/api/users/{centre.user_ids['wang']}/second-factor")
        assert gone.status_code == 204
        assert (await wang.get("/api/areas")).status_code == 401
        signed_in = await wang.post("/api/session", json=RIGHT)
        assert signed_in.json()["second_factor"] == {
            "is_enrolled": False,
            "must_enrol": False,
            "recovery_codes_left": 0,
        }
        own = await keeper.delete(f"/api/users/{centre.user_ids['keeper']}/second-factor")
        assert own.status_code == 403
    async with centre.database.reading() as conn:
        reset = await conn.execute(select(audit_records).where(audit_records.c.action == "second_factor.reset"))
        (record,) = reset.all()
    assert (record.actor, record.object_id) == ("keeper", centre.user_ids["wang"])


async def test_a_sign_in_by_password_alone_does_not_outlive_an_enrolment_beside_it(
    centre: TestCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    await centre.add_user("wang", Role.SUPERVISOR, city.SOUTH)
    confirming: list[asyncio.Task[httpx.Response]] = []
    standing_of = second_factor.standing_of
    async with centre.signed_in("wang") as owner, centre.client() as other:
        begun = (await owner.post("/api/session/second-factor", json={})).json()

        async def meanwhile(conn: AsyncConnection, user_id: str) -> second_factor.Standing:
            found = await standing_of(conn, user_id)
            if not confirming:
                code = {"code": _code(centre, begun["secret"])}
                confirming.append(asyncio.create_task(owner.post("/api/session/second-factor/confirm", json=code)))
                await asyncio.wait(confirming, timeout=0.5)
            return found

        monkeypatch.setattr(second_factor, "standing_of", meanwhile)
        assert (await other.post("/api/session", json=RIGHT)).status_code == 200
        assert (await confirming[0]).status_code == 200
        assert (await other.get("/api/session")).status_code == 401


async def test_an_enrolment_that_nobody_ended_is_no_factor_for_ever(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    await centre.add_user("li", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as client:
        await client.post("/api/session/second-factor", json={})
    (centre.centre.settings.data_dir / "accounts.key").unlink()
    for days, status in ((0, 503), (2, 200)):
        async with centre.database.transaction() as conn:
            await forget_old(conn, centre.clock.at + days * ENROLLING_LASTS)
        async with centre.signed_in("li") as client:
            assert (await client.post("/api/session/second-factor", json={})).status_code == status
