"""As test_policy_matrix.py: rosters of people, the right to watch live, and phones."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.central.test_policy_matrix import KINDS, NO_SUCH, OWN, PLACES, _furnish, _same, visible
from tests.support.centres import TestCentre
from xueliang_central.rights.scope import Role


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_rosters_what_lies_outside(centre: TestCentre, role: Role) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    bodies: dict[str, dict[str, Any]] = {
        "roster": {"version": 0, "shifts": []},
        "area roster": {"version": 0, "people": []},
    }
    async with centre.signed_in("someone") as client:
        for name, body in bodies.items():
            kind = KINDS[name]
            missing = await client.put(kind.path.format(kind.missing), json=body)
            for place in PLACES:
                answer = await client.put(kind.path.format(ids[name][place]), json=body)
                cell = (role, name, place, answer.text)
                if role not in {Role.SUPERVISOR, Role.ADMIN}:
                    assert answer.status_code == missing.status_code == 403, cell
                elif visible(place):
                    assert answer.status_code == 200, cell
                else:
                    assert _same(answer, missing), cell


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_who_can_have_a_roster_sees_the_own_one_and_no_other(centre: TestCentre, role: Role) -> None:
    await _furnish(centre)
    user_id = await centre.add_user("someone", role, OWN)
    async with centre.signed_in("someone") as client:
        answer = await client.get("/api/me/roster")
    if role in {Role.WORKER, Role.OPERATOR, Role.SUPERVISOR}:
        assert (answer.status_code, answer.json()["user_id"]) == (200, user_id)
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize("role", list(Role))
async def test_a_table_of_rosters_knows_nobody_outside(centre: TestCentre, role: Role) -> None:
    await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    async with centre.signed_in("someone") as client:
        answers = {}
        for name in ("nobody", *(f"rostered-{place}" for place in PLACES)):
            body = {"text": f"username,kind\n{name},always\n", "dry_run": True}
            answers[name] = await client.post("/api/rosters/import", json=body)
        for place in PLACES:
            answer = answers[f"rostered-{place}"]
            if role not in {Role.SUPERVISOR, Role.ADMIN}:
                assert answer.status_code == answers["nobody"].status_code == 403
            elif visible(place):
                assert answer.status_code == 200, answer.text
            else:
                told = answer.text.replace(f"rostered-{place}", "nobody")
                assert (answer.status_code, _told(told)) == (422, _told(answers["nobody"].text))


def _told(text: str) -> dict[str, Any]:
    """A problem without what differs from request to request."""
    return {name: value for name, value in json.loads(text).items() if name not in {"instance", "request_id"}}


@pytest.mark.parametrize("role", list(Role))
async def test_no_role_watches_live_and_one_alone_gives_the_right(centre: TestCentre, role: Role) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    people = {place: await centre.add_user(f"desk-{place}", Role.OPERATOR, code) for place, code in PLACES.items()}
    body = {"until": (centre.clock.at + timedelta(days=1)).isoformat(), "why": "flood watch"}
    async with centre.signed_in("someone") as client:
        for place in PLACES:
            wanted = {"purpose": "drill", "note": "a drill"}
            watching = await client.post(f"/api/live-views/{ids['camera'][place]}", json=wanted)
            assert watching.status_code == 403, (role, place)
            given = await client.put(f"/api/users/{people[place]}/live-right", json=body)
            missing = await client.put(f"/api/users/{NO_SUCH}/live-right", json=body)
            if role is not Role.SECURITY:
                assert given.status_code == missing.status_code == 403, (role, place)
            elif visible(place):
                assert given.status_code == 200, (place, given.text)
                listed = {one["user_id"]: one for one in (await client.get("/api/users")).json()["users"]}
                assert listed[people[place]]["live_right"] == given.json()
                assert (await client.delete(f"/api/users/{people[place]}/live-right")).status_code == 204
            else:
                assert _same(given, missing), (place, given.text)


@pytest.mark.parametrize("role", list(Role))
async def test_phones_are_enrolled_by_supervisors_and_who_keeps_accounts(centre: TestCentre, role: Role) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    async with centre.signed_in("someone") as client:
        missing = {
            "made": await client.post(f"/api/users/{NO_SUCH}/phone-code", json={}),
            "voided": await client.delete(f"/api/users/{NO_SUCH}/phone-code"),
            "revoked": await client.delete(f"/api/users/{NO_SUCH}/phones/{NO_SUCH}"),
        }
        for place in PLACES:
            one = f"/api/users/{ids['phones'][place]}"
            answers = {
                "made": await client.post(f"{one}/phone-code", json={}),
                "voided": await client.delete(f"{one}/phone-code"),
                "revoked": await client.delete(f"{one}/phones/{NO_SUCH}"),
            }
            if role not in {Role.SUPERVISOR, Role.SECURITY}:
                assert {answer.status_code for answer in (*answers.values(), *missing.values())} == {403}
            elif visible(place):
                assert [answer.status_code for answer in answers.values()] == [201, 204, 404], place
            else:
                assert all(_same(answer, missing[act]) for act, answer in answers.items()), place
