"""Silences and calendar proposals through the door the console uses."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from tests.support import city
from tests.support.centres import START, TestCentre, camera
from tests.support.rows import add_proposal, add_silence, add_silenced_alert
from xueliang_central.rights.policy import ROLES_OF, Permission
from xueliang_central.rights.scope import Role
from xueliang_central.routes.asking import cursor_of
from xueliang_central.silences import proposals, service


def until(**after: float) -> str:
    return (START + timedelta(**after)).isoformat()


async def office(centre: TestCentre) -> None:
    await centre.add_user("li", Role.OPERATOR, city.SOUTH)
    await centre.add_user("tuner", Role.RULE_OPERATOR, city.SOUTH)
    await centre.add_user("head", Role.SUPERVISOR, city.WEST)
    await centre.add_cameras(camera("gate", city.GRID))


async def test_made_listed_and_ended(centre: TestCentre) -> None:
    await office(centre)
    body = {"kind": "silence", "reason": "修路", "camera_id": "gate", "ends_at": until(hours=2), "idempotency_key": "k"}
    async with centre.signed_in("li") as client:
        made = await client.post("/api/silences", json=body)
        assert made.status_code == 201, made.text
        again = await client.post("/api/silences", json=body)
        assert again.json() == made.json()
        view = made.json()
        assert (view["state"], view["in_force"], view["moves"], view["version"]) == ("active", True, ["end"], 1)
        assert (view["area"]["code"], view["owner"]["display_name"]) == (city.GRID, "li 先生")
        assert (view["starts_at"], view["ends_at"]) == ("2026-11-23T08:00:00.000Z", "2026-11-23T10:00:00.000Z")
        assert view["alerts"] == {"total": 0, "hidden": 0, "over": 0, "left": 0, "passed_on": 0}
        path = f"/api/silences/{view['silence_id']}"
        listed = (await client.get("/api/silences?kind=silence&ending_within_s=7200")).json()
        assert listed == {"items": [view], "next_cursor": None}
        assert (await client.get("/api/silences?ending_within_s=7199")).json()["items"] == []
        assert (await client.get("/api/silences?kind=event")).json()["items"] == []
        assert (await client.get(path)).json() == view
    async with centre.signed_in("tuner") as client:
        assert (await client.get(path)).json()["moves"] == []
        refused = await client.post(f"{path}/moves", json={"move": "end", "version": 1})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    async with centre.signed_in("head") as client:
        stale = await client.post(f"{path}/moves", json={"move": "end", "version": 2})
        assert (stale.status_code, stale.json()["version"]) == (409, 1)
        ended = await client.post(f"{path}/moves", json={"move": "end", "version": 1, "note": "done"})
        assert ended.status_code == 200, ended.text
        assert (ended.json()["state"], ended.json()["closed_by"], ended.json()["moves"]) == ("ended", "head 先生", [])
        assert (await client.get("/api/silences")).json()["items"] == []
        assert len((await client.get("/api/silences?state=closed")).json()["items"]) == 1


async def test_fire_and_severity_1_are_refused_with_every_problem(centre: TestCentre) -> None:
    await office(centre)
    body = {"kind": "silence", "reason": "x", "area_code": city.GRID, "ends_at": until(days=8)}
    body |= {"hazard": "fire_smoke", "severities": [1, 2]}  # type: ignore[dict-item]
    async with centre.signed_in("li") as client:
        refused = await client.post("/api/silences", json=body)
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["title"]) == (
        422,
        "silence_refused",
        "This cannot be silenced",
    )
    assert [one["where"] for one in problem["problems"]] == ["hazard", "severities", "ends_at"]
    assert problem["problems"][0]["expected"].startswith("fire_smoke can never be silenced")


async def test_what_is_no_silence_at_all_is_refused(centre: TestCentre) -> None:
    await office(centre)
    whole: dict[str, Any] = {"kind": "event", "reason": "x", "area_code": city.GRID, "hazard": "crowd"}
    whole["ends_at"] = until(days=1)
    weekly = {"bands": [{"days": ["sat"], "start": "22:00", "until": "02:00"}]}
    wrong: list[dict[str, Any]] = [
        {"ends_at": None},
        {"ends_at": "2026-11-24T08:00:00"},  # no offset
        {"ends_at": "0001-01-01T00:00:00+08:00"},
        {"reason": ""},
        {"reason": "a\0b"},
        {"kind": "nap"},
        {"hazard": "faces"},
        {"camera_id": "Gate 1"},
        {"severities": [7]},
        {"severities": [2, 2, 3, 3, 4]},
        {"weekly": {"bands": []}},
        {"weekly": {"bands": [{"start": "25:00", "until": "02:00"}]}},
        {"weekly": {**weekly, "time_zone": "Mars/Olympus"}},
        {"colour": "red"},
    ]
    async with centre.signed_in("tuner") as client:
        for one in wrong:
            answer = await client.post("/api/silences", json={**whole, **one})
            assert answer.status_code == 422, (one, answer.text)
            assert answer.json()["problems"], one
        made = await client.post("/api/silences", json={**whole, "weekly": weekly})
        assert made.status_code == 201, made.text
        assert made.json()["weekly"]["bands"] == weekly["bands"]
        assert made.json()["in_force"] is False, "it is Monday"
        odd = cursor_of(START, "no id at all")
        for path, status in (
            ("/api/silences/nonsense", 404),
            (f"/api/silences/{uuid.uuid4()}", 404),
            ("/api/silences?cursor=x", 422),
            (f"/api/silences?cursor={odd}", 200),
            (f"/api/calendar-proposals?cursor={odd}", 200),
            (f"/api/silences/{made.json()['silence_id']}/alerts?cursor={odd}", 200),
        ):
            assert (await client.get(path)).status_code == status, path


async def test_pages_hold_everything_once(centre: TestCentre) -> None:
    await office(centre)
    ids = {await add_silence(centre, city.GRID) for _ in range(5)}
    silence_id = min(ids)
    alert_ids = {await add_silenced_alert(centre, silence_id, city.GRID) for _ in range(5)}
    made = {await add_proposal(centre, city.GRID) for _ in range(5)}
    for path, key, wanted in (
        ("/api/silences", "silence_id", ids),
        (f"/api/silences/{silence_id}/alerts", "alert_id", alert_ids),
        ("/api/calendar-proposals", "proposal_id", made),
    ):
        found: list[str] = []
        cursor = ""
        async with centre.signed_in("li") as client:
            for _ in range(4):
                page = (await client.get(f"{path}?limit=2{cursor}")).json()
                found += [one[key] for one in page["items"]]
                if page["next_cursor"] is None:
                    break
                cursor = f"&cursor={page['next_cursor']}"
        assert (len(found), set(found)) == (5, wanted), path
    async with centre.signed_in("li") as client:
        (view,) = [
            one for one in (await client.get("/api/silences")).json()["items"] if one["silence_id"] == silence_id
        ]
        (first, *_) = (await client.get(f"/api/silences/{silence_id}/alerts")).json()["items"]
    assert view["alerts"] == {"total": 5, "hidden": 5, "over": 0, "left": 0, "passed_on": 0}
    assert (first["standing"], first["why_hidden"], first["incident_id"]) == ("hidden", {"code": "test"}, None)
    assert "evidence" not in first


async def test_a_rule_operator_answers_a_proposal(centre: TestCentre) -> None:
    await office(centre)
    proposal_id = await add_proposal(centre, city.GRID, camera_id="gate")
    path = f"/api/calendar-proposals/{proposal_id}"
    body = {"move": "accept", "version": 1, "idempotency_key": "k"}
    async with centre.signed_in("li") as client:
        assert (await client.get(path)).json()["moves"] == []
        assert (await client.post(f"{path}/moves", json=body)).status_code == 403
    async with centre.signed_in("tuner") as client:
        assert (await client.get("/api/calendar-proposals")).json()["items"][0]["moves"] == ["accept", "refuse"]
        accepted = await client.post(f"{path}/moves", json=body)
        assert accepted.status_code == 200, accepted.text
        assert (await client.post(f"{path}/moves", json=body)).json() == accepted.json()
        assert (await client.get("/api/calendar-proposals")).json()["items"] == []
        event = (await client.get(f"/api/silences/{accepted.json()['silence_id']}")).json()
    assert (event["kind"], event["camera_id"], event["proposal_id"]) == ("event", "gate", proposal_id)


def test_every_role_that_may_answer_or_make_has_the_route() -> None:
    """What the service allows a role, the route's permission does not forbid, and the other way round."""
    assert ROLES_OF[Permission.ANSWER_PROPOSALS] == proposals.ANSWERS
    assert ROLES_OF[Permission.MAKE_SILENCES] == frozenset().union(*service.MAKERS.values())
