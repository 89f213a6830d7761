"""Incidents and tasks through the door the console uses."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, insert

from tests.integration.central.flow.stage import (
    CHEN,
    GRID,
    LI,
    MAYOR,
    NOON,
    OTHER_GRID,
    PHOTO,
    POLICIES,
    STRANGER,
    WANG,
    ZHOU,
    HandClock,
    Stage,
    alert,
    cleared,
    raised,
    received,
)
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.app import create_app
from xueliang_central.audit.tables import audit_records
from xueliang_central.centre import Settings
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.accounts import CSRF_HEADER, SESSION_COOKIE, csrf_of, token_hash
from xueliang_central.rights.scope import Actor
from xueliang_central.rights.tables import sessions
from xueliang_central.running import centre_on
from xueliang_configs.policies import PolicyTable


class Door:
    """The application, and a signed-in client for anyone of the stage."""

    def __init__(self, stage: Stage, app: Any) -> None:
        self._stage = stage
        self._app = app

    @asynccontextmanager
    async def client(self, who: Actor) -> AsyncIterator[httpx.AsyncClient]:
        token = secrets.token_urlsafe(32)
        at = self._stage.clock()
        row = {"token_hash": token_hash(token), "user_id": who.user_id, "created_at": at}
        async with self._stage.database.transaction() as conn:
            await conn.execute(insert(sessions), {**row, "expires_at": at + timedelta(days=1)})
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://centre.test",
            cookies={SESSION_COOKIE: token},
            headers={CSRF_HEADER: csrf_of(token)},
        ) as client:
            yield client


@pytest.fixture
async def door(stage: Stage, clock: HandClock, tmp_path: Path) -> Door:
    table = PolicyTable.model_validate(POLICIES)
    centre = centre_on(stage.database, Settings(tmp_path), table, wall=clock, mono=system_mono)
    await centre.areas.refresh(stage.database)
    await centre.health.ask()
    return Door(stage, create_app(centre))


INCIDENT_KEYS = {
    "incident_id",
    "number",
    "hazard",
    "severity",
    "state",
    "drill",
    "area",
    "place",
    "misplaced",
    "opened_at",
    "updated_at",
    "began_at",
    "last_observed_at",
    "alert_count",
    "camera_count",
    "still_present",
    "reason",
    "measures",
    "picture",
    "clock",
    "task",
    "owner_level",
    "verified",
    "closed_at",
    "close_reason",
    "merged_into",
    "version",
}
TASK_KEYS = {
    "task_id",
    "incident_id",
    "state",
    "worker",
    "area",
    "offered_at",
    "taken_at",
    "arrived_at",
    "handled_at",
    "limits",
    "photos",
    "note",
    "version",
    "incident",
}


async def test_the_whole_loop_through_http(stage: Stage, door: Door) -> None:
    await stage.take(raised())
    task = await stage.task()
    who = WANG if task["worker_id"] == WANG.user_id else ZHOU
    async with door.client(who) as worker, door.client(CHEN) as operator:
        [shown] = (await operator.get("/api/incidents")).json()["items"]
        assert set(shown) >= INCIDENT_KEYS
        assert shown["began_at"] == "2026-11-23T04:00:00.000Z"
        assert shown["place"]["camera_name"] == "东巷"
        assert shown["clock"]["kind"] == "take"
        [mine] = (await worker.get("/api/tasks")).json()["items"]
        assert set(mine) >= TASK_KEYS
        assert mine["incident"]["number"] == shown["number"]
        assert mine["limits"]["take_due_at"] == "2026-11-23T04:01:00.000Z"
        path = f"/api/tasks/{mine['task_id']}/moves"
        version = mine["version"]
        for move, more in (("take", {}), ("arrive", {}), ("handled", {"photos": [PHOTO]})):
            answer = await worker.post(path, json={"move": move, "version": version, **more})
            assert answer.status_code == 200, answer.text
            version = answer.json()["version"]
        await stage.take(cleared())
        detail = (await operator.get(f"/api/incidents/{shown['incident_id']}")).json()
        assert (detail["state"], detail["close_reason"], detail["verified"]) == ("closed", "verified", True)
        assert detail["moves"] == ["reopen"]
        assert [entry["kind"] for entry in detail["timeline"]][-3:] == ["seen_clear", "verified", "closed"]
        assert detail["why_folded"]["code"] == "first_here"
        assert detail["why_routed"]["about"]["area_code"] == GRID
        assert (await worker.get(f"/api/tasks/{mine['task_id']}")).json()["photos"][0]["sha256"] == PHOTO
        assert (await operator.get("/api/incidents?state=closed")).json()["items"][0]["state"] == "closed"
        assert (await operator.get("/api/incidents")).json()["items"] == []
        assert (await worker.get("/api/tasks")).json()["items"] == []


async def test_a_stale_move_is_409_an_impossible_one_422_a_foreign_one_404(stage: Stage, door: Door) -> None:
    await stage.take(raised())
    incident = await stage.one_incident()
    path = f"/api/incidents/{incident['incident_id']}"
    async with door.client(LI) as operator, door.client(STRANGER) as stranger, door.client(WANG) as worker:
        stale = await operator.post(f"{path}/moves", json={"move": "false_alarm", "version": 99})
        assert (stale.status_code, stale.json()["version"]) == (409, incident["version"])
        impossible = await operator.post(f"{path}/moves", json={"move": "confirm", "version": incident["version"]})
        assert (impossible.status_code, impossible.json()["moves"]) == (422, ["false_alarm", "permitted", "duplicate"])
        missing = await operator.get("/api/incidents/00000000-0000-4000-8000-000000000000")
        foreign = await stranger.get(path)
        assert (foreign.status_code, missing.status_code) == (404, 404)
        assert {**foreign.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
        blocked = await stranger.post(f"{path}/moves", json={"move": "false_alarm", "version": incident["version"]})
        assert blocked.status_code == 404
        assert (await worker.get("/api/incidents")).status_code == 403
        task = await stage.task()
        assert (await stranger.get(f"/api/tasks/{task['task_id']}")).status_code == 404


async def test_a_repeated_request_with_its_key_is_answered_not_repeated(stage: Stage, door: Door) -> None:
    await stage.take(raised())
    incident = await stage.one_incident()
    path = f"/api/incidents/{incident['incident_id']}/moves"
    body = {"move": "false_alarm", "version": incident["version"], "idempotency_key": "tap-1"}
    async with door.client(LI) as operator:
        first, second = [await operator.post(path, json=body) for _ in range(2)]
        other = await operator.post(path, json={**body, "move": "permitted"})
    assert (first.status_code, second.status_code, other.status_code) == (200, 200, 422)
    assert first.json() == second.json()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"move": "close"},
        {"move": "close", "version": "1; drop table"},
        {"move": "close", "version": 2**40},
        {"move": "CLOSE", "version": 1},
        {"move": "close", "version": 1, "note": "a\0b"},
        {"move": "close", "version": 1, "note": "x" * 1001},
        {"move": "close", "version": 1, "reason_code": "<b>"},
        {"move": "close", "version": 1, "surprise": True},
    ],
)
async def test_a_body_that_is_not_as_expected_is_422(stage: Stage, door: Door, body: dict[str, Any]) -> None:
    await stage.take(raised())
    incident = await stage.one_incident()
    async with door.client(LI) as operator:
        answer = await operator.post(f"/api/incidents/{incident['incident_id']}/moves", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_lone_surrogate_in_a_note_is_422(stage: Stage, door: Door) -> None:
    await stage.take(raised())
    incident = await stage.one_incident()
    async with door.client(LI) as operator:
        answer = await operator.post(
            f"/api/incidents/{incident['incident_id']}/moves",
            content=b'{"move": "permitted", "version": 2, "note": "\\ud800"}',
            headers={"content-type": "application/json"},
        )
    assert answer.status_code == 422


async def test_pages_follow_one_another_without_gap_or_repetition(stage: Stage, clock: HandClock, door: Door) -> None:
    for number in range(7):
        clock.forward(1 if number % 2 else 0)  # some have the same time
        camera_id = ("lane-east", "far-gate", "other-gate")[number % 3]
        hazard = (Hazard.CROWD, Hazard.FIRE_SMOKE, Hazard.BLOCKED_EXIT)[number // 3]
        body = alert(Phase.RAISED, 1, camera_id=camera_id, hazard=hazard, began_at=NOON + timedelta(seconds=number))
        node_id = "edge-01"
        await stage.take(received(body, number + 1, node_id=node_id))
    seen: list[str] = []
    cursor = ""
    async with door.client(MAYOR) as operator:
        for _ in range(5):
            page = (await operator.get(f"/api/incidents?limit=2{cursor}")).json()
            seen += [item["number"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        bad = await operator.get("/api/incidents?cursor=nonsense")
    assert len(seen) == 7
    assert len(set(seen)) == 7
    assert bad.status_code == 422


async def test_a_cursor_beyond_the_calendar_is_refused(door: Door) -> None:
    far = urlsafe_b64encode(b"9999-12-31T23:59:59-23:59|x").decode()
    async with door.client(MAYOR) as operator:
        answer = await operator.get(f"/api/incidents?cursor={far}")
    assert answer.status_code == 422


async def test_opening_a_case_is_audited_once_in_a_while_and_for_each_person(
    stage: Stage, clock: HandClock, door: Door
) -> None:
    await stage.take(raised(1))
    [case] = await stage.rows(incidents)
    address = f"/api/incidents/{case['incident_id']}"

    async def views() -> list[tuple[str, str]]:
        rows = [row for row in await stage.rows(audit_records) if row["action"] == "incident.viewed"]
        return sorted((row["actor"], row["object_id"]) for row in rows)

    async with door.client(LI) as li, door.client(CHEN) as chen:
        for client in (li, li, chen):  # the console asks again after every event
            assert (await client.get(address)).status_code == 200
        assert await views() == [("chen", case["incident_id"]), ("li", case["incident_id"])]
        clock.forward(301)
        await li.get(address)
    async with door.client(STRANGER) as stranger:
        assert (await stranger.get(address)).status_code in {403, 404}
    assert [name for name, _ in await views()] == ["chen", "li", "li"]


async def test_the_timeline_names_people_as_others_call_them(stage: Stage, door: Door) -> None:
    await stage.take(raised(1))
    [case] = await stage.rows(incidents)
    async with door.client(LI) as operator:
        body = {"move": "false_alarm", "version": case["version"]}
        answer = await operator.post(f"/api/incidents/{case['incident_id']}/moves", json=body)
    assert answer.status_code == 200
    people = [entry["actor"]["name"] for entry in answer.json()["timeline"] if entry["actor"]["kind"] == "user"]
    assert set(people) == {"Li"}


async def test_a_list_of_fifty_costs_no_more_queries_than_a_list_of_one(
    stage: Stage, clock: HandClock, door: Door
) -> None:
    hazards = list(Hazard)

    async def queries_for(total: int) -> int:
        async with door.client(MAYOR) as operator:
            await operator.get("/api/incidents")
            counted: list[str] = []
            engine = stage.database._reader.sync_engine

            def count(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
                counted.append(statement)

            event.listen(engine, "before_cursor_execute", count)
            try:
                page = (await operator.get("/api/incidents?limit=50")).json()
            finally:
                event.remove(engine, "before_cursor_execute", count)
            assert len(page["items"]) == total
        return len([statement for statement in counted if statement.lstrip().lower().startswith("select")])

    await stage.take(raised(1))
    one = await queries_for(1)
    cameras = ("lane-east", "far-gate", "other-gate", "lane-west")
    bodies = [
        alert(Phase.RAISED, 1, camera_id=camera, hazard=hazard, began_at=NOON + timedelta(hours=-number))
        for number, (camera, hazard) in enumerate(product(cameras, hazards[1:]), start=1)
    ]
    await stage.take(*(received(body, number) for number, body in enumerate(bodies, start=2)))
    clock.forward(1)
    total = 1 + len(bodies)
    assert total > 40
    assert await queries_for(total) == one


async def test_merge_split_and_why_through_http(stage: Stage, clock: HandClock, door: Door) -> None:
    await stage.take(raised(1, hazard=Hazard.CROWD))
    await stage.take(raised(2, hazard=Hazard.CROWD, camera_id="far-gate"))
    await stage.take(raised(3, hazard=Hazard.CROWD, camera_id="other-gate"))
    first, second, _ = sorted(await stage.rows(incidents), key=lambda row: row["number"])
    path = f"/api/incidents/{first['incident_id']}"
    async with door.client(LI) as operator, door.client(WANG) as worker:
        page = (await operator.get(f"{path}/mergeable?limit=1")).json()
        rest = (await operator.get(f"{path}/mergeable?cursor={page['next_cursor']}")).json()
        could = [*page["items"], *rest["items"]]
        assert {item["incident"]["place"]["camera_id"] for item in could} == {"far-gate", "other-gate"}
        assert rest["next_cursor"] is None
        assert all(item["why_not"] is None and item["distance_m"] > 500 for item in could)
        body = {"other_id": second["incident_id"], "version": first["version"], "other_version": second["version"]}
        assert (await worker.post(f"{path}/merge", json={**body, "note": "one crowd"})).status_code == 403
        bare = await operator.post(f"{path}/merge", json=body)
        assert (bare.status_code, bare.headers["content-type"]) == (422, "application/problem+json")
        stale = await operator.post(f"{path}/merge", json={**body, "other_version": 9, "note": "one crowd"})
        assert (stale.status_code, stale.json()["incident_id"]) == (409, second["incident_id"])
        merged = (await operator.post(f"{path}/merge", json={**body, "note": "one crowd"})).json()
        assert merged["may_regroup"] == ["merge", "split"]
        came = next(one for one in merged["alerts"] if one["camera_id"] == "far-gate")
        assert (came["why_folded"]["code"], came["why_folded"]["about"]["area_code"]) == ("first_here", GRID)
        [moved] = came["moved"]
        assert (moved["kind"], moved["by"], moved["note"]) == ("merge", "Li", "one crowd")
        assert (moved["from"]["number"], moved["into"]["number"]) == (second["number"], first["number"])
        absorbed = (await operator.get(f"/api/incidents/{second['incident_id']}")).json()
        assert (absorbed["close_reason"], absorbed["moves"], absorbed["may_regroup"]) == ("merged", [], [])
        assert absorbed["merged_into"] == {"incident_id": first["incident_id"], "number": first["number"]}
        [entry] = [one for one in absorbed["timeline"] if one["kind"] == "merged"]
        assert entry["params"]["number"] == first["number"]
        [undo] = [one for one in merged["regroupings"] if one["may_undo"]]
        body = {"absorbed_id": undo["from"]["incident_id"], "version": merged["version"], "note": "two after all"}
        back = (await operator.post(f"{path}/split", json=body)).json()
        assert back["split_off"] == {"incident_id": second["incident_id"], "number": second["number"]}
        assert [one["may_undo"] for one in back["regroupings"]] == [False, False]
        again = (await operator.get(f"/api/incidents/{second['incident_id']}")).json()
        assert (again["state"], again["merged_into"]) == ("open", None)
        assert [one["kind"] for one in again["alerts"][0]["moved"]] == ["merge", "undo"]


@pytest.mark.parametrize(
    "body",
    [
        {"version": 1, "note": "x"},
        {"version": 1, "note": "x", "alert_ids": []},
        {"version": 1, "note": "x", "alert_ids": ["no id"]},
        {"version": 1, "note": "x", "alert_ids": ["0" * 8 + "-0000-4000-8000-" + "0" * 12] * 1001},
        {"version": 1, "note": "x", "absorbed_id": "/../", "alert_ids": []},
    ],
    ids=["nothing", "no alerts", "not an id", "too many", "a path"],
)
async def test_a_split_that_names_nothing_or_too_much_is_422(stage: Stage, door: Door, body: dict[str, Any]) -> None:
    await stage.take(raised())
    incident = await stage.one_incident()
    async with door.client(LI) as operator:
        answer = await operator.post(f"/api/incidents/{incident['incident_id']}/split", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_the_list_is_narrowed_to_an_area_that_one_may_see(stage: Stage, door: Door) -> None:
    await stage.take(raised(1))
    body = alert(Phase.RAISED, 1, camera_id="other-gate", hazard=Hazard.CROWD)
    await stage.take(received(body, 2))

    async def places(client: httpx.AsyncClient, code: str) -> list[str]:
        answer = await client.get(f"/api/incidents?area={code}")
        assert answer.status_code == 200, answer.text
        return sorted(item["area"]["code"] for item in answer.json()["items"])

    async with door.client(MAYOR) as mayor, door.client(STRANGER) as stranger:
        assert await places(mayor, "3701") == [GRID, OTHER_GRID]
        assert await places(mayor, GRID) == [GRID]
        assert await places(stranger, OTHER_GRID) == [OTHER_GRID]
        for code in (GRID, "3701", "370199"):  # another's, one above, none: the same answer
            assert (await stranger.get(f"/api/incidents?area={code}")).status_code == 404
        assert (await mayor.get("/api/incidents?area=370199")).status_code == 404
