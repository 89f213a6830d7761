"""Accounts as their security administrator keeps them: whose, where, and what nobody may combine."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.integration.central.test_policy_matrix import NO_SUCH, OWN, PLACES, visible
from tests.support import city
from tests.support.centres import PASSWORD, TestCentre
from xueliang_central import administration
from xueliang_central.audit.tables import audit_records
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.rights import people
from xueliang_central.rights.administrators import ADMINISTRATORS
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import users
from xueliang_central.running import Running

NEW = {"username": "new", "role": "operator", "area_code": city.SOUTH, "password": PASSWORD, "holder": "p-900"}


@pytest.mark.parametrize("role", list(Role))
async def test_whose_accounts_each_role_sees_and_changes(centre: TestCentre, role: Role) -> None:
    for place, code in PLACES.items():
        await centre.add_user(f"there-{place}", Role.WORKER, code)
    await centre.add_user("someone", role, OWN)
    keeps, sees = role is Role.SECURITY, role in {Role.SECURITY, Role.AUDITOR}
    async with centre.signed_in("someone") as client:
        listed = await client.get("/api/users")
        assert listed.status_code == (200 if sees else 403)
        if sees:
            shown = {one["username"] for one in listed.json()["users"]}
            assert shown == {"someone", *(f"there-{place}" for place in PLACES if visible(place))}
            assert "password" not in listed.text
            assert "argon2" not in listed.text
        missing = await client.patch(f"/api/users/{NO_SUCH}", json={"disabled": True})
        for place in PLACES:
            path = f"/api/users/{centre.user_ids[f'there-{place}']}"
            for answer in (
                await client.patch(path, json={"disabled": True}),
                await client.delete(f"{path}/second-factor"),
            ):
                if not keeps:
                    assert answer.status_code == 403, (role, place)
                elif visible(place):
                    assert answer.status_code in {200, 204}, answer.text
                else:
                    assert (answer.status_code, _plain(answer)) == (404, _plain(missing))
        for place, code in {**PLACES, "nowhere": "370199"}.items():
            wanted = {**NEW, "username": f"new-{place}", "holder": f"p-{place}", "area_code": code}
            added = await client.post("/api/users", json=wanted)
            outside = place == "nowhere" or not visible(place)
            assert added.status_code == (403 if not keeps else 404 if outside else 201), (place, added.text)


def _plain(answer: Any) -> dict[str, Any]:
    return {key: value for key, value in answer.json().items() if key != "request_id"}


@pytest.fixture
async def kept(centre: TestCentre) -> TestCentre:
    await centre.add_user("keeper", Role.SECURITY, city.WEST)
    await centre.add_user("li", Role.OPERATOR, city.SOUTH)
    return centre


async def test_one_person_has_one_account(kept: TestCentre) -> None:
    async with kept.signed_in("keeper") as client:
        made = await client.post("/api/users", json={**NEW, "role": "admin"})
        assert made.status_code == 201
        second = {**NEW, "username": "newer", "role": "auditor"}
        refused = await client.post("/api/users", json=second)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert "one person has one account" in refused.json()["detail"]
        spaced = await client.post("/api/users", json={**second, "holder": " p-900 "})
        assert spaced.status_code == 409
        moved = await client.patch(f"/api/users/{kept.user_ids['li']}", json={"holder": "p-900"})
        assert moved.status_code == 409
        renamed = await client.patch(f"/api/users/{made.json()['user_id']}", json={"holder": "p-901"})
        assert renamed.status_code == 422, "an administrator's account is not handed on"


@pytest.mark.parametrize("role", list(ADMINISTRATORS))
async def test_an_administrator_without_a_holder_is_refused(kept: TestCentre, role: Role) -> None:
    async with kept.signed_in("keeper") as client:
        refused = await client.post("/api/users", json={**NEW, "role": role.value, "holder": None})
        assert (refused.status_code, refused.json()["code"]) == (422, "move_refused")
        assert "names its holder" in refused.json()["detail"]
    async with kept.database.transaction() as conn:
        of_li = users.c.user_id == kept.user_ids["li"]
        await conn.execute(update(users).where(of_li).values(holder=None))
    async with kept.signed_in("keeper") as client:
        path = f"/api/users/{kept.user_ids['li']}"
        assert (await client.patch(path, json={"role": role.value})).status_code == 422
        both = await client.patch(path, json={"role": role.value, "holder": "p-77"})
        assert (both.status_code, both.json()["role"]) == (200, role.value)


async def test_the_three_are_not_combined_by_way_of_another_role(kept: TestCentre) -> None:
    path = f"/api/users/{kept.user_ids['li']}"
    async with kept.signed_in("keeper") as client:
        for role, status in (
            ("admin", 200),
            ("auditor", 422),
            ("operator", 200),
            ("security", 422),
            ("auditor", 422),
            ("admin", 200),
        ):
            answer = await client.patch(path, json={"role": role})
            assert answer.status_code == status, (role, answer.text)
        assert "was system administrator" in (await client.patch(path, json={"role": "auditor"})).json()["detail"]


async def test_an_administrator_of_the_release_before_is_one_already(kept: TestCentre) -> None:
    """What that release writes has no word in `administered_as`."""
    async with kept.database.transaction() as conn:
        of_li = users.c.user_id == kept.user_ids["li"]
        await conn.execute(update(users).where(of_li).values(role="admin", administered_as=None))
        with pytest.raises(MoveRefused, match="was system administrator"):
            await people.change_user(conn, kept.user_ids["li"], at=kept.clock.at, by="test", role="security")


async def test_nobody_changes_the_own_account(kept: TestCentre) -> None:
    async with kept.signed_in("keeper") as client:
        for change in ({"disabled": False}, {"role": "operator"}, {"area_code": city.SOUTH}, {"password": PASSWORD}):
            refused = await client.patch(f"/api/users/{kept.user_ids['keeper']}", json=change)
            assert refused.status_code == 403, change


async def test_a_change_ends_sessions_and_is_in_the_book(kept: TestCentre) -> None:
    async with kept.signed_in("keeper") as client, kept.signed_in("li") as li:
        path = f"/api/users/{kept.user_ids['li']}"
        assert (await client.patch(path, json={})).status_code == 422
        assert (await client.patch(path, json={"colour": "red"})).status_code == 422
        assert (await client.patch(path, json={"password": "short"})).status_code == 422
        assert (await client.patch(path, json={"password": "another long password"})).status_code == 200
        assert (await li.get("/api/areas")).status_code == 401
        assert (await client.patch(path, json={"disabled": True})).json()["disabled"] is True
    async with kept.database.reading() as conn:
        found = await conn.execute(select(audit_records).where(audit_records.c.actor == "keeper"))
        details = [record.detail for record in found if record.action == "user.changed"]
    assert details == [{"password_hash": "changed"}, {"disabled": "True"}]


@pytest.mark.parametrize("user_id", ["x", "'", "0", "%2e%2e", "a" * 500])
async def test_what_is_no_id_is_nobody(kept: TestCentre, user_id: str) -> None:
    async with kept.signed_in("keeper") as client:
        assert (await client.patch(f"/api/users/{user_id}", json={"disabled": True})).status_code == 404


async def test_the_command_line_keeps_the_same_rule(kept: TestCentre) -> None:
    database, at = kept.database, kept.clock.at
    nothing = {"role": None, "area_code": None, "holder": None, "disabled": None, "forget_second_factor": False}
    new = {"display_name": "", "area_code": city.CITY, "password": PASSWORD, "at": at}
    with pytest.raises(MoveRefused, match="names its holder"):
        await administration.new_user(database, username="root", role="admin", **new)
    await administration.new_user(database, username="root", role="admin", holder="p-1", **new)
    with pytest.raises(Conflict, match="one person has one account"):
        await administration.new_user(database, username="book", role="auditor", holder="p-1", **new)
    with pytest.raises(MoveRefused, match="was system administrator"):
        await administration.changed_user(database, username="root", at=at, **{**nothing, "role": "auditor"})
    with pytest.raises(NotFound):
        await administration.changed_user(database, username="nobody", at=at, **{**nothing, "disabled": True})
    with pytest.raises(MoveRefused, match="say what"):
        await administration.changed_user(database, username="root", at=at, **nothing)
    told = await administration.changed_user(
        database, username="ROOT", at=at, **{**nothing, "disabled": True, "forget_second_factor": True}
    )
    assert told == ["root: disabled True", "root: no second factor now"]
    assert await administration.check_accounts(database) == []


async def test_a_start_names_the_accounts_that_break_the_rule(
    kept: TestCentre, caplog: pytest.LogCaptureFixture
) -> None:
    async with kept.database.transaction() as conn:
        of_li = users.c.user_id == kept.user_ids["li"]
        await conn.execute(update(users).where(of_li).values(role="admin", holder=None))
    (told,) = await administration.check_accounts(kept.database)
    assert told.startswith("li: a system administrator's account names its holder")
    async with kept.signed_in("keeper") as client:
        breach = {one["username"]: one["breach"] for one in (await client.get("/api/users")).json()["users"]}
    assert breach == {"keeper": None, "li": told.removeprefix("li: ")}
    running = Running(kept.centre, list)
    with caplog.at_level(logging.WARNING):
        await running.start()
        await running.ready.wait()
        await running.stop()
    assert told in caplog.text


async def test_two_adds_at_once_are_told_apart_in_words(kept: TestCentre) -> None:
    async with kept.signed_in("keeper") as client:
        for change in ({"holder": "p-1"}, {"username": "twin"}):
            wanted = [{**NEW, "username": f"new-{n}-{min(change)}", "holder": f"p-{n}-{n}", **change} for n in range(4)]
            answers = await asyncio.gather(*(client.post("/api/users", json=one) for one in wanted))
            assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize("name", ["a\x00b", "a\nb"])
async def test_a_name_that_cannot_be_shown_is_refused(kept: TestCentre, name: str) -> None:
    async with kept.signed_in("keeper") as client:
        added = await client.post("/api/users", json={**NEW, "display_name": name})
        changed = await client.patch(f"/api/users/{kept.user_ids['li']}", json={"display_name": name})
        assert (added.status_code, changed.status_code) == (422, 422)
