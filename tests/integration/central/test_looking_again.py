"""A worker's *handled* over HTTP has the camera look: over a real broker to a node, into the timeline and the task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select, update

from tests.integration.central.test_backtests import NODE_ID, say, until
from tests.integration.central.test_fresh_looks import (
    STILL,
    LookingNode,
    at_the_desk,
    hand_in,
    holds,
    watched_incident,
)
from tests.support import city
from tests.support.brokers import TestBroker, running_broker
from tests.support.centres import TestCentre
from tests.support.pictures import sha256
from tests.support.rows import add_task
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.commands import LookCommand, LookResult, Says
from xueliang_alerts.contract import NodeState
from xueliang_central.audit.tables import audit_records
from xueliang_central.cameras.gate import Gate
from xueliang_central.dispatch.tables import tasks
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Role
from xueliang_central.store.tables import events


def clear(command: LookCommand) -> LookResult:
    return holds(command, says=Says.CLEAR, has_alert=False, measures={})


def cannot_see(command: LookCommand) -> LookResult:
    without: dict[str, Any] = {"observed_at": None, "since": None, "measures": {}, "preview": None, "still": None}
    return holds(command, says=Says.CANNOT_SEE, why="covered", no_picture="no_picture", **without)


@asynccontextmanager
async def at_the_place(centre: TestCentre, broker: TestBroker) -> AsyncIterator[httpx.AsyncClient]:
    """A worker in the grid; the process looks again."""
    async with at_the_desk(centre, broker, Role.WORKER, city.GRID) as worker:
        await centre.centre.looking_again.start()
        try:
            yield worker
        finally:
            await centre.centre.looking_again.stop()


async def arrived(centre: TestCentre, worker: httpx.AsyncClient, *, node_id: str = NODE_ID) -> tuple[str, str]:
    """An incident that the worker has come to, and the task."""
    incident_id = await watched_incident(centre, node_id=node_id)
    me = (await worker.get("/api/session")).json()["user"]["user_id"]
    task_id = await add_task(centre, incident_id, city.GRID, worker_id=me, state="arrived")
    async with centre.database.transaction() as conn:
        its = incidents.c.incident_id == incident_id
        await conn.execute(update(incidents).where(its).values(state="arrived", still_present=True))
        await conn.execute(update(tasks).where(tasks.c.task_id == task_id).values(handled_at=None))
    return incident_id, task_id


async def say_handled(worker: httpx.AsyncClient, task_id: str, **body: Any) -> httpx.Response:
    move = {"move": "handled", "version": 1, "note": "车已开走"}
    return await worker.post(f"/api/tasks/{task_id}/moves", json=move | body)


async def answered(centre: TestCentre) -> None:
    await until(lambda: not centre.centre.looking_again._under_way, "the look's end")


async def told(worker: httpx.AsyncClient, task_id: str) -> Any:
    return (await worker.get(f"/api/tasks/{task_id}")).json()["looked_again"]


async def timeline(centre: TestCentre, incident_id: str) -> list[dict[str, Any]]:
    if "boss" not in centre.user_ids:
        await centre.add_user("boss", Role.OPERATOR, city.WEST)
    async with centre.signed_in("boss") as desk:
        entries: list[dict[str, Any]] = (await desk.get(f"/api/incidents/{incident_id}")).json()["timeline"]
    return entries


def of_kind(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in entries if one["kind"] == kind]


async def test_the_worker_hears_what_the_camera_sees_and_sees_the_still(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, holds)
        async with at_the_place(centre, broker) as worker:
            incident_id, task_id = await arrived(centre, worker)
            moved = await say_handled(worker, task_id, idempotency_key="once")
            await answered(centre)
            again = await say_handled(worker, task_id, idempotency_key="once")  # the phone heard nothing and repeats
            await answered(centre)
            before = await told(worker, task_id)
            assert await hand_in(centre, STILL) == 201
            after = await told(worker, task_id)
            picture = await worker.get(f"/api/evidence/{sha256(STILL)}")
            entries = await timeline(centre, incident_id)
            async with centre.database.reading() as conn:
                streamed = (await conn.execute(select(events.c.body).where(events.c.kind == "task"))).scalars().all()
                records = (await conn.execute(select(audit_records))).mappings().all()
    assert (moved.status_code, again.status_code) == (200, 200), (moved.text, again.text)
    assert moved.json()["looked_again"] is None  # the move does not wait
    assert [(one.camera_id, one.rule_id) for one in node.commands] == [("lane", "lane")]
    assert (before["says"], before["share"], before["not_asked"]) == ("holds", 0.41, None)
    assert before["still"] == {
        "sha256": sha256(STILL),
        "received": False,
        "frame_size_wh": [1280, 720],
        "boxes_xyxyn": [],
    }
    assert after["still"]["received"] is True
    assert picture.content == STILL
    (entry,) = of_kind(entries, "looked_again")
    assert (entry["params"]["says"], entry["params"]["task_id"]) == ("holds", task_id)
    assert of_kind(entries, "looked") == []
    shown = [one["task"]["looked_again"] for one in streamed if one["task"]["looked_again"]]
    assert [one["still"]["received"] for one in shown] == [False, True]
    (asked,) = [one for one in records if one["action"] == "camera.looked_at"]
    assert (asked["actor"], asked["detail"]["about"], asked["detail"]["after"]) == ("desk", incident_id, "handled")


async def test_clear_and_cannot_see_are_told_and_close_nothing(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        answers = [clear, cannot_see]
        LookingNode(broker, lambda command: answers.pop(0)(command))
        async with at_the_place(centre, broker) as worker:
            seen = []
            for _ in range(2):
                _, task_id = await arrived(centre, worker)
                assert (await say_handled(worker, task_id)).status_code == 200
                await answered(centre)
                task = (await worker.get(f"/api/tasks/{task_id}")).json()
                seen.append((task["state"], task["looked_again"]["says"], task["looked_again"]["why"]))
    assert seen == [("handled", "clear", None), ("handled", "cannot_see", "covered")]


async def test_a_late_act_another_move_and_what_is_over_ask_nobody(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, holds)
        async with at_the_place(centre, broker) as worker:
            looking = centre.centre.looking_again
            late_case, late = await arrived(centre, worker)
            over_case, over = await arrived(centre, worker)
            _, given_back = await arrived(centre, worker)
            _, reported = await arrived(centre, worker, node_id="@people")
            async with centre.database.transaction() as conn:
                its = incidents.c.incident_id == over_case
                await conn.execute(update(incidents).where(its).values(still_present=False, gone=True))
            acted_at = (system_wall() - timedelta(minutes=3)).isoformat()
            centre.clock.at = system_wall()
            assert (await say_handled(worker, late, acted_at=acted_at)).status_code == 200
            assert (await say_handled(worker, over)).status_code == 200
            await answered(centre)
            body = {"move": "return", "version": 1, "note": "进不去"}
            assert (await worker.post(f"/api/tasks/{given_back}/moves", json=body)).status_code == 200
            assert (await say_handled(worker, reported)).status_code == 200
            await answered(centre)
            entries = await timeline(centre, late_case) + await timeline(centre, over_case)
            assert await told(worker, reported) is None
    assert node.commands == []
    assert looking.counts == {"too_late": 1, "over_already": 1, "no_camera": 1}
    assert of_kind(entries, "looked_again") == []


async def test_who_cannot_be_asked_is_told_and_the_move_stands(centre: TestCentre, tmp_path: Path) -> None:
    centre.centre.fresh_looks._answer_s = 0.5
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        async with at_the_place(centre, broker) as worker:
            made, codes = [], []

            async def one() -> None:
                _, task_id = await arrived(centre, worker)
                made.append((await say_handled(worker, task_id)).status_code)
                await answered(centre)
                codes.append((await told(worker, task_id))["not_asked"])

            await one()  # nobody listens
            await say(centre, NodeState.LOST)
            await one()
            centre.centre.gate.chosen = Gate.ENFORCE  # nobody has signed for it
            await one()
            metrics = (await worker.get("/metrics")).text
    assert 'central_looks_after_handled{how="node_away"} 1.0' in metrics
    assert made == [200, 200, 200]
    assert codes == ["node_silent", "node_away", "camera_not_released"]
    assert centre.centre.looking_again.counts == {"node_silent": 1, "node_away": 1, "camera_not_released": 1}


async def test_a_stop_gives_up_what_is_under_way(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, lambda _: None)
        async with at_the_place(centre, broker) as worker:
            looking = centre.centre.looking_again
            _, task_id = await arrived(centre, worker)
            assert (await say_handled(worker, task_id)).status_code == 200
            await until(lambda: node.commands, "the question")
            async with asyncio.timeout(5):  # far below the 20 s that an answer may take
                await looking.stop()
            _, after = await arrived(centre, worker)
            assert (await say_handled(worker, after)).status_code == 200
            assert await told(worker, task_id) is None
    assert (looking.counts["cancelled"], looking._under_way) == (1, set())
    assert not centre.centre.fresh_looks._under_way
    assert len(node.commands) == 1
