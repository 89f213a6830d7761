"""As test_policy_matrix.py: seats, claims, silences and what is done to several things at once."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.integration.central.test_policy_matrix import DESKS, KINDS, NO_SUCH, OWN, PLACES, _furnish, _same, visible
from tests.support import city
from tests.support.centres import TestCentre
from tests.support.rows import (
    add_seat_row,
)
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Role


@pytest.mark.parametrize("role", list(Role))
async def test_a_seat_shows_and_judges_nothing_that_lies_outside(centre: TestCentre, role: Role) -> None:
    """Also when a row dealt to this person holds it: whoever moves to another area leaves it behind."""
    ids = await _furnish(centre)
    user_id = await centre.add_user("someone", role, OWN)
    row_id = await add_seat_row(centre, user_id, ids["incident"].values())
    foreign = await add_seat_row(centre, str(uuid.uuid4()), [])
    async with centre.signed_in("someone") as client:
        seat = await client.get("/api/seat")
        if role not in DESKS:
            assert seat.status_code == 403
        else:
            shown = {one for row in seat.json()["rows"] for one in row["incident_ids"]}
            assert shown == {ids["incident"][place] for place in PLACES if visible(place)}
        path, body = "/api/seat/rows/{}/moves", {"move": "confirm", "cases": [{"incident_id": NO_SUCH, "version": 1}]}
        missing = await client.post(path.format(NO_SUCH), json=body)
        for place in ("sibling", "parent"):
            body["cases"] = [{"incident_id": ids["incident"][place], "version": 1}]
            for asked in (row_id, foreign):
                answer = await client.post(path.format(asked), json=body)
                if role in {Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}:
                    assert answer.status_code == missing.status_code == 404, (role, place, answer.text)
                else:
                    assert answer.status_code == missing.status_code == 403, (role, place)


@pytest.mark.parametrize("role", list(Role))
async def test_many_incidents_are_counted_and_judged_within_the_own_areas_only(centre: TestCentre, role: Role) -> None:
    ids = (await _furnish(centre))["incident"]
    await centre.add_user("someone", role, OWN)
    body = {"move": "permitted", "reason_code": "registered_work"}
    body["cases"] = [{"incident_id": one, "version": 1} for one in (*ids.values(), NO_SUCH)]
    async with centre.signed_in("someone") as client:
        counts, moved = await client.get("/api/incidents/counts"), await client.post("/api/incidents/moves", json=body)
        foreign = await client.get("/api/incidents/counts", params={"area": KINDS["area"].missing})
    if role in DESKS:
        assert (counts.json()["total"]["open"], foreign.status_code) == (sum(map(visible, PLACES)), 404), role
    else:
        assert counts.status_code == 403, role
    if role in {Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}:
        outcomes = [one["outcome"] == "not_found" for one in moved.json()["outcomes"]]
        assert outcomes == [not visible(place) for place in ids] + [True], (role, moved.text)
    else:
        assert moved.status_code == 403, role


@pytest.mark.parametrize("role", list(Role))
async def test_several_versions_of_rules_are_decided_within_the_own_areas_only(centre: TestCentre, role: Role) -> None:
    ids = (await _furnish(centre))["rules"]
    await centre.add_user("someone", role, OWN)
    items = [{"camera_id": one, "version": 1} for one in (*ids.values(), "no-such")]
    async with centre.signed_in("someone") as client:
        body = {"items": items, "move": "refuse", "note": "too early"}
        decided = await client.post("/api/camera-rules/decisions", json=body)
    if role in {Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN}:
        outcomes = [one["outcome"] == "not_found" for one in decided.json()["results"]]
        assert outcomes == [not visible(place) for place in ids] + [True], (role, decided.text)
    else:
        assert decided.status_code == 403, role


@pytest.mark.parametrize("role", list(Role))
async def test_what_ended_by_itself_is_listed_and_reviewed_within_the_own_areas_only(
    centre: TestCentre, role: Role
) -> None:
    ids = (await _furnish(centre))["incident"]
    async with centre.database.transaction() as conn:
        ended = {"state": "closed", "close_reason": "ended_by_itself", "review": "waiting"}
        await conn.execute(update(incidents).values(**ended))
    await centre.add_user("someone", role, OWN)
    body = {"answer": "permitted", "reason_code": "registered_work"}
    body["cases"] = [{"incident_id": one, "version": 1} for one in (*ids.values(), NO_SUCH)]
    mine = {one for place, one in ids.items() if visible(place)}
    async with centre.signed_in("someone") as client:
        listed, counted = await client.get("/api/reviews"), await client.get("/api/reviews/count")
        foreign = await client.get("/api/reviews", params={"area": KINDS["area"].missing})
        said = await client.post("/api/reviews", json=body)
    if role in DESKS:
        assert {one["incident_id"] for one in listed.json()["items"]} == mine, role
        assert (counted.json(), foreign.status_code) == ({"waiting": len(mine), "is_more": False}, 404), role
    else:
        assert (listed.status_code, counted.status_code) == (403, 403), role
    if role in {Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}:
        outcomes = [one["outcome"] == "not_found" for one in said.json()["outcomes"]]
        assert outcomes == [not visible(place) for place in ids] + [True], (role, said.text)
    else:
        assert said.status_code == 403, role


@pytest.mark.parametrize("role", list(Role))
async def test_only_who_can_have_a_seat_tells_that_somebody_is_there(centre: TestCentre, role: Role) -> None:
    await centre.add_user("someone", role, OWN)
    async with centre.signed_in("someone") as client:
        answer = await client.post("/api/seat/presence", json={"begins": True})
    if role in {Role.OPERATOR, Role.SUPERVISOR}:
        assert answer.status_code == 200
        assert answer.json()["presence"]["unstaffed_after_s"] == 60.0, "also of a centre that deals nothing"
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_claims_or_sees_a_claim_of_what_lies_outside(centre: TestCentre, role: Role) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    await centre.add_user("everywhere", Role.SUPERVISOR, city.CITY)
    async with centre.signed_in("everywhere") as client:
        opened = {"opened": list(ids["incident"].values())}
        assert (await client.post("/api/seat/claims", json=opened)).is_success
    async with centre.signed_in("someone") as client:
        seen = await client.get("/api/seat/claims")
        if role in DESKS:
            shown = {item["incident_id"] for item in seen.json()["items"]}
            assert shown == {ids["incident"][place] for place in PLACES if visible(place)}
        else:
            assert seen.status_code == 403
        missing = await client.post("/api/seat/claims", json={"opened": [NO_SUCH]})
        for place in PLACES:
            answer = await client.post("/api/seat/claims", json={"opened": [ids["incident"][place]]})
            if role not in {Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}:
                assert answer.status_code == missing.status_code == 403, (role, place)
            elif visible(place):
                assert answer.status_code == 200, (role, place, answer.text)
            else:
                assert _same(answer, missing), (role, place, answer.text)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("kind", ["silence", "maintenance", "event"])
async def test_nobody_silences_what_lies_outside(centre: TestCentre, role: Role, kind: str) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    desks = {"silence": Role.OPERATOR, "maintenance": Role.RULE_OPERATOR, "event": Role.RULE_OPERATOR}
    may = role in {desks[kind], Role.SUPERVISOR, Role.ADMIN}
    body = {"kind": kind, "reason": "works", "ends_at": (centre.clock.at + timedelta(hours=1)).isoformat()}
    if kind == "event":
        body["hazard"] = "crowd"
    fields = {"area": "area_code", "camera": "camera_id"} | ({"node": "node_id"} if kind == "maintenance" else {})
    async with centre.signed_in("someone") as client:
        for name, field in fields.items():
            missing = await client.post("/api/silences", json={**body, field: KINDS[name].missing})
            for place in PLACES:
                answer = await client.post("/api/silences", json={**body, field: ids[name][place]})
                cell = (role, kind, name, place, answer.text)
                if not may:
                    assert answer.status_code == missing.status_code == 403, cell
                elif visible(place):
                    assert answer.status_code == 201, cell
                else:
                    assert _same(answer, missing), cell
