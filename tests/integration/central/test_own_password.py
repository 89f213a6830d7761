"""Everybody changes the own password: the old one is asked, others sessions end, guesses are throttled."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tests.support import city
from tests.support.centres import PASSWORD, TestCentre
from xueliang_central.audit.tables import audit_records
from xueliang_central.rights.own_password import problem_of
from xueliang_central.rights.scope import Role

NEW = "another good one, long"


async def acts(centre: TestCentre) -> list[tuple[str, Any]]:
    query = select(audit_records.c.action, audit_records.c.detail).where(audit_records.c.action.like("password.%"))
    async with centre.database.reading() as conn:
        return [(row.action, row.detail) for row in await conn.execute(query.order_by(audit_records.c.position))]


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_changes_the_own_password_and_other_sessions_end(centre: TestCentre, role: Role) -> None:
    await centre.add_user("wang", role, city.SOUTH)
    async with centre.signed_in("wang") as here, centre.signed_in("wang") as elsewhere:
        answer = await here.post("/api/session/password", json={"old": PASSWORD, "new": NEW})
        assert (answer.status_code, answer.json()) == (200, {"sessions_ended": 1})
        assert (await here.get("/api/session")).status_code == 200
        assert (await elsewhere.get("/api/session")).status_code == 401
    async with centre.client() as client:
        before = await client.post("/api/session", json={"username": "wang", "password": PASSWORD})
        after = await client.post("/api/session", json={"username": "wang", "password": NEW})
    assert (before.status_code, after.status_code) == (401, 200)
    assert await acts(centre) == [("password.changed", {"sessions_ended": 1})]
    async with centre.database.reading() as conn:
        everything = str((await conn.execute(select(audit_records))).all())
    assert NEW not in everything


async def test_the_old_one_is_asked_and_guesses_wait(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    guess = {"old": "not the old one", "new": NEW}
    async with centre.signed_in("wang") as client:
        answers = [await client.post("/api/session/password", json=guess) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [422] * 6 + [429]
        assert answers[0].json()["code"] == "wrong_old_password"
        right = await client.post("/api/session/password", json={"old": PASSWORD, "new": NEW})
        assert right.status_code == 429, "not judged: nobody learns that it would have been right"
        centre.clock.advance(120)
        right = await client.post("/api/session/password", json={"old": PASSWORD, "new": NEW})
        assert right.status_code == 200
    assert [action for action, _ in await acts(centre)] == ["password.refused"] * 6 + ["password.changed"]
    async with centre.client() as client:
        again = await client.post("/api/session", json={"username": "wang", "password": NEW})
        assert again.status_code == 200, "the sign-in does not wait for guesses of a session"


async def test_what_is_refused_says_what_was_expected_and_counts_no_guess(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("wang") as client:
        for new, reason in (("short", "length"), (PASSWORD, "same"), ("i am Wang today", "holds_name")):
            for _ in range(4):
                answer = await client.post("/api/session/password", json={"old": PASSWORD, "new": new})
                assert (answer.status_code, answer.json()["reason"]) == (422, reason)
        assert (await client.post("/api/session/password", json={"old": PASSWORD, "new": NEW})).status_code == 200


async def test_nobody_without_a_session_or_its_token(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    body = {"old": PASSWORD, "new": NEW}
    async with centre.client() as client:
        assert (await client.post("/api/session/password", json=body)).status_code == 401
    async with centre.signed_in("wang") as client:
        del client.headers["x-csrf-token"]
        assert (await client.post("/api/session/password", json=body)).status_code == 403


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("123456789", "length"),
        ("x" * 257, "length"),
        ("1212121212", "too_simple"),
        ("aaaabbbbcccc", "too_simple"),
        ("WANG-4711-gate", "holds_name"),
        ("the old one", "same"),
        ("正在值班的密码一二三", None),
        ("abcde abcde", None),
    ],
)
def test_the_rules(password: str, reason: str | None) -> None:
    problem = problem_of(password, username="wang", old="the old one")
    assert (problem and problem[0]) == reason
