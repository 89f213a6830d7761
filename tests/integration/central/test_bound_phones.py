"""A worker's phone through HTTP, on both databases: enrolled by a code, going on by its key, taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, select

from tests.integration.central.test_second_factor import _code as code_of_app
from tests.integration.central.test_second_factor import _enrol as enrol_factor
from tests.support import city
from tests.support.bound_phone import BoundPhone
from tests.support.centres import TestCentre
from tests.support.rows import filled
from tests.support.streams import open_stream
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.chain import verify
from xueliang_central.audit.tables import audit_records
from xueliang_central.rights.accounts import PHONE_SESSION_LASTS, forget_old
from xueliang_central.rights.enrolling import CODE_LASTS
from xueliang_central.rights.people import change_user
from xueliang_central.rights.phones import PHONE_LASTS
from xueliang_central.rights.renewing import CHALLENGE_LASTS
from xueliang_central.rights.scope import Role
from xueliang_central.rights.second_factor import reset
from xueliang_central.rights.tables import grants, phone_challenges, phone_codes, phones, used_phone_codes
from xueliang_central.rights.throttle import ADDRESS, DEVICE


@pytest.fixture
async def staffed(centre: TestCentre) -> AsyncIterator[TestCentre]:
    """A worker and the supervisor of the area, and a feed that runs."""
    await centre.add_user("zhao", Role.SUPERVISOR, city.SOUTH)
    await centre.add_user("wang", Role.WORKER, city.GRID)
    await centre.centre.feed.start()
    yield centre
    await centre.centre.feed.stop()


async def shown_code(centre: TestCentre, by: str = "zhao", of: str = "wang") -> str:
    async with centre.signed_in(by) as desk:
        answer = await desk.post(f"/api/users/{centre.user_ids[of]}/phone-code", json={})
        assert answer.status_code == 201, answer.text
        code: str = answer.json()["code"]
        return code


async def actions(centre: TestCentre) -> list[str]:
    async with centre.database.reading() as conn:
        await verify(conn)
        found = await conn.execute(select(audit_records.c.action).order_by(audit_records.c.position))
        return [action for action in found.scalars() if "phone" in action or action.startswith("session.")]


async def test_a_phone_is_enrolled_goes_on_by_its_key_and_is_taken_away(staffed: TestCentre) -> None:
    phone, worker = BoundPhone(), staffed.user_ids["wang"]
    code = await shown_code(staffed)
    async with staffed.client() as client, staffed.signed_in("zhao") as desk:
        typed = f" {code[:4].lower()}-{code[4:]}".replace("0", "o")
        whose = await client.post("/api/session/phone/whose", json={"code": typed})
        assert (whose.status_code, whose.json()["display_name"]) == (200, "wang 先生")
        assert whose.json()["area"]["code"] == city.GRID
        assert (await desk.get(f"/api/users/{worker}/phones")).json()["waiting_code"]["made_by"] == "zhao"

        enrolled = await phone.enrol(client, code)
        assert enrolled.status_code == 200, enrolled.text
        assert enrolled.json()["session"]["user"]["user_id"] == worker
        cookie = next(one for one in enrolled.headers.get_list("set-cookie") if one.startswith("xl_session="))
        assert f"Max-Age={int(PHONE_SESSION_LASTS.total_seconds())}" in cookie
        assert (await client.get("/api/tasks")).status_code == 200

        listed = (await desk.get(f"/api/users/{worker}/phones")).json()
        assert listed["waiting_code"] is None
        (row,) = listed["phones"]
        assert (row["name"], row["enrolled_by"], row["revoked_at"]) == ("Chrome · Android", "zhao", None)
        (own,) = (await client.get("/api/session/phones")).json()["phones"]
        assert own["is_this"]

        staffed.clock.advance(PHONE_SESSION_LASTS.total_seconds())
        assert (await client.get("/api/tasks")).json()["code"] == "not_signed_in"
        assert (await phone.renew(client)).status_code == 200
        assert (await client.get("/api/tasks")).status_code == 200

        gone = await desk.delete(f"/api/users/{worker}/phones/{phone.phone_id}")
        assert gone.status_code == 204
        for answer in (await client.get("/api/tasks"), await phone.renew(client)):
            assert (answer.status_code, answer.json()["code"]) == (401, "phone_revoked")
        again = await desk.delete(f"/api/users/{worker}/phones/{phone.phone_id}")
        assert again.status_code == 404
        (row,) = (await desk.get(f"/api/users/{worker}/phones")).json()["phones"]
        assert row["revoked_by"] == "zhao"
        async with staffed.signed_in("wang") as by_password:
            (own,) = (await by_password.get("/api/session/phones")).json()["phones"]
            assert not own["is_this"]
    told = [action for action in await actions(staffed) if action != "session.opened"]
    assert told == ["phone_code.made", "phone.enrolled", "session.renewed", "phone.revoked"]


async def test_a_code_is_used_once_also_by_two_phones_at_once(staffed: TestCentre) -> None:
    code = await shown_code(staffed)
    async with staffed.client() as one, staffed.client(address="10.9.9.9") as other:
        answers = await asyncio.gather(BoundPhone().enrol(one, code), BoundPhone().enrol(other, code))
        assert sorted(answer.status_code for answer in answers) == [200, 422]
        assert {answer.json().get("code") for answer in answers} == {None, "enrolment_over"}
    async with staffed.database.reading() as conn:
        assert len((await conn.execute(select(phones))).all()) == 1
        assert (await conn.execute(select(phone_codes))).all() == []


async def test_a_lost_answer_is_given_again_to_the_same_key_while_the_code_would_stand(staffed: TestCentre) -> None:
    async with staffed.signed_in("wang") as client:
        secret, _ = await enrol_factor(staffed, client)
    phone, worker, code = BoundPhone(), staffed.user_ids["wang"], await shown_code(staffed)
    async with staffed.client() as client, staffed.client() as other, staffed.signed_in("zhao") as desk:
        same = {"second": code_of_app(staffed, secret)}
        twice = await asyncio.gather(phone.enrol(client, code, **same), phone.enrol(other, code, **same))
        assert [answer.status_code for answer in twice] == [200, 200], [answer.text for answer in twice]
        assert len({answer.json()["phone_id"] for answer in twice}) == 1
        again = await phone.enrol(client, code)  # another code of the second factor is not asked
        assert (again.status_code, again.json()["phone_id"]) == (200, phone.phone_id)
        assert (await client.get("/api/tasks")).status_code == 200
        assert len((await desk.get(f"/api/users/{worker}/phones")).json()["phones"]) == 1

        theirs = phone.enrolment(code)["key"]
        assert (await BoundPhone().enrol(other, code)).json()["code"] == "enrolment_over", "another key"
        assert (await BoundPhone().enrol(other, code, key=theirs)).json()["code"] == "phone_refused", "not its own"
        assert (await other.post("/api/session/phone/whose", json={"code": code})).json()["code"] == "enrolment_over"
        assert (await desk.delete(f"/api/users/{worker}/phones/{phone.phone_id}")).status_code == 204
        assert (await phone.enrol(client, code)).json()["code"] == "enrolment_over", "taken away"

        late, last = BoundPhone(), await shown_code(staffed)
        staffed.clock.advance(30)  # a code of the application is good once
        assert (await late.enrol(client, last, second=code_of_app(staffed, secret))).status_code == 200
        staffed.clock.advance(CODE_LASTS.total_seconds())
        assert (await late.enrol(client, last)).json()["code"] == "enrolment_over"
        async with staffed.database.transaction() as conn:
            await forget_old(conn, staffed.clock.at)
            assert (await conn.execute(select(used_phone_codes))).all() == []
    told = [action for action in await actions(staffed) if action.startswith("phone.enrolled")]
    assert told == ["phone.enrolled", "phone.enrolled_again", "phone.enrolled_again", "phone.enrolled"]


async def test_a_code_goes_with_the_area_and_the_use_of_its_workers_account(staffed: TestCentre) -> None:
    village = {"area_code": city.VILLAGE, "area_path": path_by_code(city.VILLAGE)}
    async with staffed.client() as client:
        for change, is_over in (({"password_hash": "x"}, False), (village, True), ({"disabled": True}, True)):
            code = await shown_code(staffed)
            for changed in (change, {"disabled": False}):
                async with staffed.database.transaction() as conn:
                    await change_user(conn, staffed.user_ids["wang"], at=staffed.clock.at, by="test", **changed)
            answer = await BoundPhone().enrol(client, code)
            assert (answer.status_code, answer.json().get("code")) == (
                (422, "enrolment_over") if is_over else (200, None)
            )


async def test_a_code_that_is_over_voided_or_replaced_enrols_nothing(staffed: TestCentre) -> None:
    worker = staffed.user_ids["wang"]
    replaced = await shown_code(staffed)
    voided = await shown_code(staffed)
    async with staffed.client() as client, staffed.signed_in("zhao") as desk:
        assert (await BoundPhone().enrol(client, replaced)).json()["code"] == "enrolment_over"
        assert (await desk.delete(f"/api/users/{worker}/phone-code")).status_code == 204
        assert (await BoundPhone().enrol(client, voided)).json()["code"] == "enrolment_over"
        over = await shown_code(staffed)
        staffed.clock.advance(CODE_LASTS.total_seconds())
        assert (await BoundPhone().enrol(client, over)).json()["code"] == "enrolment_over"
        async with staffed.database.transaction() as conn:
            await forget_old(conn, staffed.clock.at)
            assert (await conn.execute(select(phone_codes))).all() == []

        for _ in range(ADDRESS.free):
            answer = await client.post("/api/session/phone/whose", json={"code": "0" * 26})
        assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
        assert (await BoundPhone().enrol(client, await shown_code(staffed))).status_code == 200, "others' errors"
    assert (await actions(staffed)).count("phone.enrol_refused") >= 3


async def test_a_key_that_is_none_or_has_not_signed_is_not_enrolled(staffed: TestCentre) -> None:
    phone, code = BoundPhone(), await shown_code(staffed)
    nowhere = {"x": "A" * 43, "y": "A" * 43}
    async with staffed.client() as client:
        for changed in ({"signature": BoundPhone().sign(f"xueliang phone enrol\n{code}")}, {"key": nowhere}):
            answer = await phone.enrol(client, code, **changed)
            assert (answer.status_code, answer.json()["code"]) == (422, "phone_refused"), changed
        assert (await phone.enrol(client, code)).status_code == 200, "the code was not used up by them"


async def test_a_challenge_is_answered_once_in_time_and_by_the_phones_key(staffed: TestCentre) -> None:
    phone, other = BoundPhone(), BoundPhone()
    async with staffed.client() as client, staffed.client() as second:
        assert (await phone.enrol(client, await shown_code(staffed))).status_code == 200
        assert (await other.enrol(second, await shown_code(staffed))).status_code == 200

        async def answered(challenge: str, by: BoundPhone = phone) -> tuple[int, str]:
            given = by.renewal(challenge) | {"phone_id": phone.phone_id}
            answer = await client.post("/api/session/phone/renew", json=given)
            return answer.status_code, answer.json().get("code", "")

        given = (await phone.challenge(client)).json()["challenge"]
        assert await answered(given) == (200, "")
        assert await answered(given) == (422, "phone_refused"), "again"
        others = (await other.challenge(client)).json()["challenge"]
        assert await answered(others) == (422, "phone_refused"), "another phone's"
        given = (await phone.challenge(client)).json()["challenge"]
        other.phone_id, real = phone.phone_id, other.phone_id
        assert await answered(given, by=other) == (422, "phone_refused"), "another key"
        other.phone_id = real
        late = (await phone.challenge(client)).json()["challenge"]
        staffed.clock.advance(CHALLENGE_LASTS.total_seconds())
        assert await answered(late) == (422, "phone_refused"), "late"
        twice = (await phone.challenge(client)).json()["challenge"]
        ends = await asyncio.gather(answered(twice), answered(twice))
        assert sorted(status for status, _ in ends) == [200, 422]
        for _ in range(DEVICE.free + 1):
            end = await answered("no such challenge")
        assert end == (429, "throttled")
        async with staffed.database.transaction() as conn:
            await forget_old(conn, staffed.clock.at + CHALLENGE_LASTS)
            assert (await conn.execute(select(phone_challenges))).all() == []
    async with staffed.client() as client:
        unknown = await client.post("/api/session/phone/challenge", json={"phone_id": "no-such"})
        assert (unknown.status_code, unknown.json()["code"]) == (401, "phone_revoked")


async def test_the_stream_of_a_phone_that_is_taken_away_ends_at_once(staffed: TestCentre) -> None:
    phone = BoundPhone()
    async with staffed.client() as client, staffed.signed_in("zhao") as desk:
        assert (await phone.enrol(client, await shown_code(staffed))).status_code == 200
        async with open_stream(staffed, client) as reader:
            path = f"/api/users/{staffed.user_ids['wang']}/phones/{phone.phone_id}"
            assert (await desk.delete(path)).status_code == 204
            assert await reader.next() == ("end", None), "the clock has not moved: no ping was waited for"


async def test_phones_go_with_an_account_that_is_disabled_and_lapse_unused(staffed: TestCentre) -> None:
    phone, worker = BoundPhone(), staffed.user_ids["wang"]
    async with staffed.client() as client:
        assert (await phone.enrol(client, await shown_code(staffed))).status_code == 200
        for change in ({"password_hash": "x"}, {"area_code": city.VILLAGE, "area_path": path_by_code(city.VILLAGE)}):
            async with staffed.database.transaction() as conn:
                await change_user(conn, worker, at=staffed.clock.at, by="test", **change)
            assert (await client.get("/api/tasks")).status_code == 401
            assert (await phone.renew(client)).status_code == 200, change
        for disabled in (True, False):
            async with staffed.database.transaction() as conn:
                await change_user(conn, worker, at=staffed.clock.at, by="test", disabled=disabled)
        assert (await phone.renew(client)).json()["code"] == "phone_revoked"

        unused = BoundPhone()
        assert (await unused.enrol(client, await shown_code(staffed))).status_code == 200
        staffed.clock.advance(PHONE_LASTS.total_seconds() + 1)
        assert (await unused.renew(client)).json()["code"] == "phone_revoked"
        async with staffed.database.transaction() as conn:
            await forget_old(conn, staffed.clock.at)
            assert (await conn.execute(select(phones))).all() == []


async def test_who_has_a_second_factor_enters_a_code_of_it(staffed: TestCentre) -> None:
    phone = BoundPhone()
    async with staffed.signed_in("wang") as client:
        secret, _ = await enrol_factor(staffed, client)
    code = await shown_code(staffed)
    async with staffed.client() as client:
        assert (await phone.enrol(client, code)).json()["code"] == "code_needed"
        assert (await phone.enrol(client, code, second="no code")).json()["code"] == "wrong_code"
        assert (await phone.enrol(client, code, second=code_of_app(staffed, secret))).status_code == 200
        assert (await phone.renew(client)).status_code == 200, "from then on the key stands for both"
        async with staffed.database.transaction() as conn:
            await reset(conn, staffed.user_ids["wang"], by="test", at=staffed.clock.at)
        assert (await phone.renew(client)).json()["code"] == "phone_revoked"


async def test_a_code_is_for_a_worker_in_use_alone(staffed: TestCentre) -> None:
    desk_id = await staffed.add_user("desk", Role.OPERATOR, city.SOUTH)
    async with staffed.signed_in("zhao") as desk:
        assert (await desk.post(f"/api/users/{desk_id}/phone-code", json={})).status_code == 422
        own = await desk.post(f"/api/users/{staffed.user_ids['zhao']}/phone-code", json={})
        assert own.status_code == 403
        async with staffed.database.transaction() as conn:
            await change_user(conn, staffed.user_ids["wang"], at=staffed.clock.at, by="test", disabled=True)
        assert (await desk.post(f"/api/users/{staffed.user_ids['wang']}/phone-code", json={})).status_code == 422


async def test_a_grant_for_a_time_enrols_nobody(staffed: TestCentre) -> None:
    guest = await staffed.add_user("guest", Role.SUPERVISOR, city.EAST_SOUTH)
    async with staffed.database.transaction() as conn:
        place = {"user_id": guest, "area_path": path_by_code(city.SOUTH)}
        await conn.execute(insert(grants), filled(grants, **place))
    async with staffed.signed_in("guest") as desk:
        seen = await desk.get(f"/api/users/{staffed.user_ids['wang']}/phones")
        asked = await desk.post(f"/api/users/{staffed.user_ids['wang']}/phone-code", json={})
    assert (seen.status_code, asked.status_code) == (200, 404)


async def test_a_worker_gives_an_own_phone_up_and_no_others(staffed: TestCentre) -> None:
    await staffed.add_user("li", Role.WORKER, city.GRID)
    phone = BoundPhone()
    async with staffed.client() as client:
        assert (await phone.enrol(client, await shown_code(staffed))).status_code == 200
        async with staffed.signed_in("li") as other:
            assert (await other.delete(f"/api/session/phones/{phone.phone_id}")).status_code == 404
            assert (await other.delete("/api/session/phones/no-such")).status_code == 404
        assert (await client.delete(f"/api/session/phones/{phone.phone_id}")).status_code == 204
        assert (await client.get("/api/tasks")).json()["code"] == "phone_revoked"
