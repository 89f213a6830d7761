"""What nodes say of themselves: kept, told, shown to who may see it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.support import city
from tests.support.centres import START, TestCentre, camera
from xueliang_alerts.contract import CameraStatus, NodeState, NodeStatus
from xueliang_central.areas.tree import path_by_code
from xueliang_central.errors import Conflict, MoveRefused
from xueliang_central.fleet.nodes import add_node, node_of_token, renew_token, store_status
from xueliang_central.fleet.tables import nodes
from xueliang_central.rights.scope import Role
from xueliang_central.store.events import Event, read_after

BOOT = uuid.uuid4()


def status(
    state: NodeState = NodeState.ONLINE,
    *cameras: tuple[str, str],
    node_id: str = "edge-01",
    seconds: float = 0,
    **more: Any,
) -> NodeStatus:
    said = tuple(CameraStatus(camera_id=name, state=value) for name, value in cameras)
    at = START + timedelta(seconds=seconds)
    return NodeStatus(node_id=node_id, state=state, boot_id=BOOT, at=at, cameras=said, **more)


async def _say(centre: TestCentre, said: NodeStatus) -> list[Event]:
    """Store one status; the events that came of it."""
    async with centre.database.reading() as conn:
        before = len(await read_after(conn, 0))
    async with centre.database.transaction() as conn:
        await store_status(conn, said, centre.clock.at)
    async with centre.database.reading() as conn:
        return (await read_after(conn, 0))[before:]


async def test_a_status_is_shown_and_told(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID), camera("gate", city.EAST_GRID))
    await centre.add_user("wang", Role.OPERATOR, city.WEST)
    events = await _say(
        centre, status(NodeState.ONLINE, ("lane-east", "watching"), ("gate", "offline"), backlog_records=7)
    )
    assert sorted((event.kind, event.area_path) for event in events)[0][0] == "camera"
    assert {event.kind for event in events} == {"camera", "node"}
    async with centre.signed_in("wang") as client:
        (node,) = (await client.get("/api/fleet")).json()["nodes"]
        (shown,) = (await client.get("/api/cameras")).json()["cameras"]
        assert (await client.get("/api/fleet/edge-01")).json() == node
    assert (node["state"], node["backlog"]["records"], node["last_seen_at"]) == ("online", 7, "2026-11-23T08:00:00Z")
    assert [seen["camera_id"] for seen in node["cameras"]] == ["lane-east"], "the other one lies outside this scope"
    assert (shown["camera_id"], shown["state"], shown["node_id"]) == ("lane-east", "watching", "edge-01")


async def test_the_same_again_tells_nobody(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID))
    await _say(centre, status(NodeState.ONLINE, ("lane-east", "watching")))
    assert await _say(centre, status(NodeState.ONLINE, ("lane-east", "watching"), seconds=10)) == []


async def test_a_camera_that_changes_is_told_once(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID))
    await _say(centre, status(NodeState.ONLINE, ("lane-east", "watching")))
    (event,) = await _say(centre, status(NodeState.ONLINE, ("lane-east", "offline"), seconds=10))
    assert (event.kind, event.body["camera"]["state"]) == ("camera", "offline")
    assert event.area_path == path_by_code(city.GRID)


async def test_when_a_node_is_lost_its_cameras_are_unknown(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID))
    await centre.add_user("wang", Role.OPERATOR, city.WEST)
    await _say(centre, status(NodeState.ONLINE, ("lane-east", "watching"), seconds=5))
    centre.clock.advance(100)
    events = await _say(centre, status(NodeState.LOST, seconds=-50))  # a will is as old as its connection
    assert [event.kind for event in events if event.kind == "node"] == ["node"]
    async with centre.signed_in("wang") as client:
        (shown,) = (await client.get("/api/cameras")).json()["cameras"]
        (node,) = (await client.get("/api/fleet")).json()["nodes"]
    assert (shown["state"], shown["problem"]) == ("unknown", "node lost")
    assert (node["state"], node["last_seen_at"]) == ("lost", "2026-11-23T08:00:00Z")
    back = await _say(centre, status(NodeState.ONLINE, ("lane-east", "watching"), seconds=110))
    assert [event.body["camera"]["state"] for event in back if event.kind == "camera"] == ["watching"]


async def test_an_older_status_changes_nothing(centre: TestCentre) -> None:
    await _say(centre, status(seconds=10, backlog_records=1))
    await _say(centre, status(seconds=5, backlog_records=99))
    async with centre.database.reading() as conn:
        assert (await conn.execute(select(nodes.c.backlog_records))).scalar_one() == 1


async def test_an_unknown_node_is_not_kept(centre: TestCentre) -> None:
    async with centre.database.transaction() as conn:
        assert not await store_status(conn, status(node_id="stranger"), START)
        assert (await conn.execute(select(nodes.c.node_id))).scalars().all() == ["edge-01"]


async def test_a_node_does_not_speak_for_another_nodes_camera(centre: TestCentre) -> None:
    await centre.add_cameras(camera("theirs", city.GRID, node_id="edge-02"), camera("free", city.GRID, node_id=None))
    await centre.add_user("wang", Role.OPERATOR, city.WEST)
    await _say(centre, status(NodeState.ONLINE, ("theirs", "offline"), ("free", "watching"), ("unheard-of", "offline")))
    async with centre.signed_in("wang") as client:
        found = {seen["camera_id"]: seen["state"] for seen in (await client.get("/api/cameras")).json()["cameras"]}
    assert found == {"theirs": "unknown", "free": "watching"}


async def test_a_token_is_shown_once_and_can_be_renewed(centre: TestCentre) -> None:
    async with centre.database.transaction() as conn:
        token = await add_node(conn, node_id="edge-02", area_path="3701", at=START, by="test")
        assert await node_of_token(conn, token) == "edge-02"
        stored = (await conn.execute(select(nodes.c.token_hash).where(nodes.c.node_id == "edge-02"))).scalar_one()
        assert token not in stored
        newer = await renew_token(conn, node_id="edge-02", at=START, by="test")
        assert newer is not None
        assert await node_of_token(conn, token) is None
        assert await node_of_token(conn, newer) == "edge-02"
        assert await renew_token(conn, node_id="nobody", at=START, by="test") is None
        with pytest.raises(Conflict):
            await add_node(conn, node_id="edge-02", area_path="3701", at=START, by="test")
        with pytest.raises(MoveRefused):
            await add_node(conn, node_id="Edge #2", area_path="3701", at=START, by="test")
