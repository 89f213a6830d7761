"""The node registry: who may speak as a node, and what each one last said of itself and its cameras.

A node's token is shown once, when it is added; the database keeps its hash. A status that is older than the one kept
is ignored (the broker may repeat a retained one), except the last will, which carries the time of the connection it
ended.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import ID_PATTERN, CameraStatus, NodeState, NodeStatus
from xueliang_central.audit import chain
from xueliang_central.cameras.register import CameraPlace, places_of
from xueliang_central.errors import Conflict, MoveRefused
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.rights.accounts import token_hash
from xueliang_central.store import events

TOKEN_PREFIX: Final = "xln_"  # noqa: S105 -- not a secret: lets a scanner recognise one


async def add_node(conn: AsyncConnection, *, node_id: str, area_path: str, at: datetime, by: str) -> str:
    """Register a node; its token, which cannot be read again. Raises Conflict, MoveRefused."""
    if not re.match(ID_PATTERN, node_id):
        raise MoveRefused(f"node_id must match {ID_PATTERN}")
    if await is_registered(conn, node_id):
        raise Conflict(f"there is a node {node_id} already")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = {"node_id": node_id, "area_path": area_path, "token_hash": token_hash(token), "registered_at": at}
    await conn.execute(insert(nodes), row)
    await chain.record(
        conn, actor=by, action="node.added", object_kind="node", object_id=node_id, detail={"area": area_path}, at=at
    )
    return token


async def renew_token(conn: AsyncConnection, *, node_id: str, at: datetime, by: str) -> str | None:
    """A new token for a registered node; the old one no longer works. None: no such node."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    changed = await conn.execute(update(nodes).where(nodes.c.node_id == node_id).values(token_hash=token_hash(token)))
    if changed.rowcount == 0:
        return None
    await chain.record(
        conn, actor=by, action="node.token_renewed", object_kind="node", object_id=node_id, detail={}, at=at
    )
    return token


async def is_registered(conn: AsyncConnection, node_id: str) -> bool:
    found = await conn.execute(select(nodes.c.node_id).where(nodes.c.node_id == node_id))
    return found.one_or_none() is not None


async def node_of_token(conn: AsyncConnection, token: str) -> str | None:
    found = await conn.execute(select(nodes.c.node_id).where(nodes.c.token_hash == token_hash(token)))
    return found.scalar_one_or_none()


async def store_status(conn: AsyncConnection, status: NodeStatus, at: datetime) -> bool:
    """Keep what a node says of itself, and tell those who watch it. False: it is not registered, nothing was kept."""
    found = await conn.execute(select(nodes).where(nodes.c.node_id == status.node_id).with_for_update())
    before = found.mappings().one_or_none()
    if before is None:
        return False
    is_will = status.state is NodeState.LOST
    if before["status_at"] is not None and status.at < before["status_at"] and not is_will:
        return True
    state_changed = before["state"] != status.state.value
    values: dict[str, Any] = {"state": status.state.value, "last_seen_at": before["last_seen_at"] if is_will else at}
    if state_changed:
        values["state_since"] = at
    if not is_will:
        values |= {
            "status_at": status.at,
            "boot_id": status.boot_id,
            "spool_id": status.spool_id,
            "software": status.software,
            "last_sequence": status.last_sequence,
            "backlog_records": status.backlog_records,
            "backlog_empty_since": status.backlog_empty_since,
            "clock_state": status.clock_state.value,
            "counters": status.counters,
        }
    await conn.execute(update(nodes).where(nodes.c.node_id == status.node_id).values(**values))
    places = await _own_places(conn, status)
    await _store_cameras(conn, status, places, at)
    if state_changed:
        await _tell_node(conn, status.node_id, before["area_path"], at)
        await _tell_cameras(conn, places, at)
    return True


async def tell_problem(
    conn: AsyncConnection,
    node_id: str,
    problem: str | None,
    values: dict[str, Any],
    detail: dict[str, Any],
    at: datetime,
) -> None:
    """Keep `values` of a registered node, and tell those who watch it. `problem` None: only what is kept changed."""
    from xueliang_central.fleet.overview import node_bodies  # the overview reads what this module writes

    await conn.execute(update(nodes).where(nodes.c.node_id == node_id).values(**values))
    found = await conn.execute(select(nodes.c.area_path).where(nodes.c.node_id == node_id))
    area_path = found.scalar_one()
    for body in await node_bodies(conn, nodes.c.node_id == node_id):
        told = body if problem is None else {**body, "problem": problem, **detail}
        await events.append(conn, kind="node", area_path=area_path, body={"node": told}, at=at)


async def _own_places(conn: AsyncConnection, status: NodeStatus) -> dict[str, CameraPlace]:
    """The cameras of the status that the register gives to this node: a node speaks for no other's camera."""
    claimed = await places_of(conn, [camera.camera_id for camera in status.cameras])
    return {key: place for key, place in claimed.items() if place.node_id in {None, status.node_id}}


async def _store_cameras(
    conn: AsyncConnection, status: NodeStatus, places: dict[str, CameraPlace], at: datetime
) -> None:
    known = {
        row["camera_id"]: row
        for row in (
            await conn.execute(select(camera_states).where(camera_states.c.camera_id.in_(list(places))))
        ).mappings()
    }
    changed: dict[str, CameraPlace] = {}
    for camera in sorted(status.cameras, key=lambda camera: camera.camera_id):
        if camera.camera_id not in places:
            continue
        before = known.get(camera.camera_id)
        if before is None or (before["state"], before["problem"]) != (camera.state, camera.problem):
            changed[camera.camera_id] = places[camera.camera_id]
        await _store_camera(conn, status.node_id, camera, at, is_new=before is None)
    if status.state is not NodeState.LOST:
        await conn.execute(
            delete(camera_states).where(
                camera_states.c.node_id == status.node_id, camera_states.c.camera_id.not_in(list(places))
            )
        )
    await _tell_cameras(conn, changed, at)


async def _store_camera(
    conn: AsyncConnection, node_id: str, camera: CameraStatus, at: datetime, *, is_new: bool
) -> None:
    values = {
        "node_id": node_id,
        "state": camera.state,
        "since": camera.since,
        "achieved_gap_s": camera.achieved_gap_s,
        "problem": camera.problem,
        "at": at,
    }
    if is_new:
        await conn.execute(insert(camera_states), {"camera_id": camera.camera_id, **values})
    else:
        await conn.execute(update(camera_states).where(camera_states.c.camera_id == camera.camera_id).values(**values))


async def _tell_node(conn: AsyncConnection, node_id: str, area_path: str, at: datetime) -> None:
    from xueliang_central.fleet.overview import node_bodies  # the overview reads what this module writes

    for body in await node_bodies(conn, nodes.c.node_id == node_id):
        await events.append(conn, kind="node", area_path=area_path, body={"node": body}, at=at)


async def _tell_cameras(conn: AsyncConnection, places: dict[str, CameraPlace], at: datetime) -> None:
    from xueliang_central.fleet.overview import camera_bodies

    if not places:
        return
    paths = {place.camera_id: place.area_path for place in places.values()}
    for body in await camera_bodies(conn, list(paths)):
        path = paths[body["camera_id"]]
        await events.append(conn, kind="camera", area_path=path, body={"camera": body}, at=at)
