"""What a wall of screens is told: numbers and places, no person; and that its account opens nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.noise import add_case
from tests.support.rows import add_incident, add_task, filled
from xueliang_central.areas.tree import path_by_code
from xueliang_central.clocks.tables import clocks
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Role
from xueliang_central.routes.stream import _lines, is_for
from xueliang_central.store.events import Event
from xueliang_central.store.pacing import Told

WALL = "/api/wall"


async def change(centre: TestCentre, incident_id: str, **values: Any) -> None:
    async with centre.database.transaction() as conn:
        await conn.execute(update(incidents).where(incidents.c.incident_id == incident_id).values(**values))


async def run_clock(centre: TestCentre, incident_id: str, in_s: float) -> None:
    due_at = centre.clock.at + timedelta(seconds=in_s)
    row = filled(clocks, clock_id=incident_id, incident_id=incident_id, kind="judge", due_at=due_at)
    row |= {"started_at": centre.clock.at, "breached_at": due_at if in_s < 0 else None}
    async with centre.database.transaction() as conn:
        await conn.execute(insert(clocks), row)


async def seen(centre: TestCentre, who: str = "wall", **asked: Any) -> dict[str, Any]:
    async with centre.signed_in(who) as client:
        answer = await client.get(WALL, params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
async def street(centre: TestCentre) -> TestCentre:
    await centre.add_user("wall", Role.VIEWER, city.WEST)
    return centre


async def test_counts_by_state_and_severity_without_drills_and_what_is_kept_open(street: TestCentre) -> None:
    first, second, drill, kept, done, _ = [await add_incident(street, city.GRID) for _ in range(5)] + [
        await add_incident(street, city.EAST_GRID)
    ]
    await change(street, second, state="taken", severity=1)
    await change(street, drill, drill=True)
    await change(street, kept, state="long_lived")
    await change(street, done, state="closed")
    await run_clock(street, first, -5)
    found = (await seen(street))["counts"]
    assert {name: total for name, total in found["states"].items() if total} == {
        "open": 1,
        "taken": 1,
        "long_lived": 1,
    }
    assert found["severities"] == {"1": 1, "2": 1, "3": 0, "4": 0}
    assert (found["late"], found["drills"]) == (1, 1)


async def test_the_most_urgent_that_nobody_has_taken_come_first(street: TestCentre) -> None:
    late, soon, severe, taken, drill = [await add_incident(street, city.GRID) for _ in range(5)]
    await run_clock(street, late, 600)
    await run_clock(street, soon, 30)
    await change(street, severe, severity=1, state="dispatched")
    await change(street, taken, state="taken", severity=1)
    await change(street, drill, drill=True, severity=4)
    found = (await seen(street))["urgent"]
    assert [one["incident_id"] for one in found["items"]] == [severe, soon, late, drill]
    assert found["total"] == 3, "without the drill"
    assert [one["clock"] and one["clock"]["kind"] for one in found["items"]] == [None, "judge", "judge", None]


async def test_no_person_and_no_picture_is_in_the_answer(street: TestCentre) -> None:
    worker = await street.add_user("zhangsan", Role.WORKER, city.GRID)
    incident_id = await add_incident(street, city.GRID, still="a" * 64)
    await add_task(street, incident_id, city.GRID, worker_id=worker, state="taken")
    async with street.database.transaction() as conn:
        from xueliang_central.dispatch.tables import tasks

        await conn.execute(update(tasks).values(worker_name="张三"))
    found = await seen(street)
    text = json.dumps(found, ensure_ascii=False)
    for hidden in ("张三", "zhangsan", worker, "a" * 64, "sha256", "picture", "phone", "actor", "worker"):
        assert hidden not in text, hidden
    assert set(found["urgent"]["items"][0]) == {
        "incident_id",
        "number",
        "hazard",
        "severity",
        "state",
        "drill",
        "place",
        "area",
        "opened_at",
        "clock",
    }


async def test_health_and_the_last_alert_that_came_all_the_way(street: TestCentre) -> None:
    await street.add_cameras(*(camera(name, city.GRID) for name in ("a", "b", "c")), camera("e", city.EAST_GRID))
    async with street.database.transaction() as conn:
        await conn.execute(update(nodes).values(state="online", backlog_records=3, area_path=path_by_code(city.GRID)))
        for name, state in (("a", "streaming"), ("b", "offline")):
            row = filled(camera_states, camera_id=name, node_id="edge-01", state=state)
            await conn.execute(insert(camera_states), row)
    found = await seen(street)
    assert found["proof"] is None
    assert found["health"] == {
        "nodes": {"all": 1, "online": 1},
        "cameras": {"all": 3, "ok": 1, "faulty": 1, "unknown": 1},
        "backlog": 3,
        "missing": 0,
    }
    at = street.clock.at - timedelta(minutes=5)
    await add_case(street, city.GRID, "a", at=at)
    await add_case(street, city.EAST_GRID, "e", at=street.clock.at)
    proof = (await seen(street))["proof"]
    assert proof == {"at": at.isoformat().replace("+00:00", "Z"), "way_s": 0.0, "drill": False}


async def test_a_wall_ends_at_its_areas(street: TestCentre) -> None:
    await add_incident(street, city.EAST_GRID)
    found = await seen(street)
    assert (found["urgent"]["total"], found["places"]) == (0, [])
    async with street.signed_in("wall") as client:
        answers = [await client.get(WALL, params={"area": one}) for one in (city.EAST, "370199")]
    assert [one.status_code for one in answers] == [404, 404]


@pytest.mark.parametrize("role", list(Role))
async def test_who_may_show_a_wall(centre: TestCentre, role: Role) -> None:
    await centre.add_user("someone", role, city.WEST)
    async with centre.signed_in("someone") as client:
        answer = await client.get(WALL)
    assert answer.status_code == (403 if role in {Role.WORKER, Role.SECURITY} else 200)


async def test_a_wall_hears_that_something_changed_and_not_what(street: TestCentre) -> None:
    viewer = street.actor("wall", Role.VIEWER, city.WEST)
    path = path_by_code(city.GRID)
    body = {"incident": {"incident_id": "x", "task": {"worker": {"display_name": "张三"}}}}
    told = [Told(Event(7, "incident", path, body, street.clock.at, None), 7)]
    told.append(Told(Event(8, "camera", path, {"camera": {}}, street.clock.at, None), 8))
    assert all(is_for(viewer, one.event) for one in told)
    assert _lines(viewer, told) == [b"id: 8\nevent: changed\ndata: {}\n\n"]
    for kind in ("task", "notice", "silence", "seat"):
        assert not is_for(viewer, Event(9, kind, path, {}, street.clock.at, None)), kind
    assert not is_for(viewer, Event(9, "incident", path_by_code(city.EAST), body, street.clock.at, None))
    async with street.signed_in("wall") as client:
        presence = await client.post("/api/seat/presence", json={"begins": True})
        opened = await client.get("/api/incidents")
    assert (presence.status_code, opened.status_code) == (403, 403)
