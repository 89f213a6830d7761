"""The node registry: who may speak as a node, and what each one last said of itself and its cameras.

A node's token is shown once, when it is added; the database keeps its hash. A status that is older than the one kept
is ignored (the broker may repeat a retained one), except the last will, which carries the time of the connection it
ended.
"""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import ID_PATTERN, CameraStatus, NodeState, NodeStatus
from xueliang_central.audit import chain
from xueliang_central.cameras.register import CameraPlace, places_of
from xueliang_central.errors import Conflict, MoveRefused
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.rights.accounts import token_hash
from xueliang_central.store import events
from xueliang_central.store.among import among, pairs_among

TOKEN_PREFIX: Final = "xln_"  # noqa: S105 -- not a secret: lets a scanner recognise one
_SAID: Final = (  # the columns of a node that its status decides
    *("state", "state_since", "last_seen_at", "status_at", "boot_id", "spool_id", "software", "last_sequence"),
    *("backlog_records", "backlog_empty_since", "clock_state", "counters"),
)


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
    return status.node_id in await store_statuses(conn, [(status, at)])


async def store_statuses(conn: AsyncConnection, said: Sequence[tuple[NodeStatus, datetime]]) -> set[str]:
    """Keep what these nodes say, one status of each and when it came; those of them that are registered."""
    node_ids = sorted({status.node_id for status, _ in said})
    known = select(nodes).where(among(conn, nodes.c.node_id, node_ids)).order_by(nodes.c.node_id).with_for_update()
    before = {row["node_id"]: dict(row) for row in (await conn.execute(known)).mappings()}
    taken = [(status, at) for status, at in said if status.node_id in before and _is_news(status, before)]
    if not taken:
        return set(before)
    after = [_row_after(before[status.node_id], status, at) for status, at in taken]
    heard = [row for row in after if row["state"] != NodeState.LOST]
    lost = [row for row in after if row["state"] == NodeState.LOST]
    await _update(conn, nodes, "node_id", heard, _SAID)
    await _update(conn, nodes, "node_id", lost, ("state", "state_since"))
    places = await _own_places(conn, [status for status, _ in taken])
    changed = await _store_cameras(conn, taken, places)
    other = {row["node_id"]: row["area_path"] for row in after if before[row["node_id"]]["state"] != row["state"]}
    when = {status.node_id: at for status, at in taken}
    await _tell_nodes(conn, other, when)
    # With its node every camera looks different.
    await _tell_cameras(conn, {node_id: (places if node_id in other else changed)[node_id] for node_id in when}, when)
    return set(before)


def _is_news(status: NodeStatus, before: Mapping[str, Mapping[str, Any]]) -> bool:
    """The last will always is: it carries the time of the connection it ended."""
    told_at = before[status.node_id]["status_at"]
    return told_at is None or status.at >= told_at or status.state is NodeState.LOST


def _row_after(before: dict[str, Any], status: NodeStatus, at: datetime) -> dict[str, Any]:
    """The node's row after this status. The last will says that the node is lost, and nothing else."""
    row = {**before, "state": status.state.value}
    if before["state"] != status.state.value:
        row["state_since"] = at
    if status.state is NodeState.LOST:
        return row
    return row | {
        "last_seen_at": at,
        "status_at": status.at,
        "boot_id": str(status.boot_id),
        "spool_id": None if status.spool_id is None else str(status.spool_id),
        "software": status.software,
        "last_sequence": status.last_sequence,
        "backlog_records": status.backlog_records,
        "backlog_empty_since": status.backlog_empty_since,
        "clock_state": status.clock_state.value,
        "counters": status.counters,
    }


async def _update(
    conn: AsyncConnection, table: Table, key: str, rows: Sequence[dict[str, Any]], names: Sequence[str]
) -> None:
    """These columns of many rows, in one statement."""
    statement = (
        update(table)
        .where(table.c[key] == bindparam("its_key"))  # names of parameters must differ from those of columns
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    values = [{"its_key": row[key]} | {f"new_{name}": row[name] for name in names} for row in rows]
    if values:
        await conn.execute(statement, values)


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


async def _own_places(conn: AsyncConnection, said: Sequence[NodeStatus]) -> dict[str, dict[str, CameraPlace]]:
    """By node, the cameras of its status that the register gives to it: a node speaks for no other's camera."""
    claimed = await places_of(conn, sorted({camera.camera_id for status in said for camera in status.cameras}))
    return {
        status.node_id: {
            camera.camera_id: claimed[camera.camera_id]
            for camera in sorted(status.cameras, key=lambda camera: camera.camera_id)
            if camera.camera_id in claimed and claimed[camera.camera_id].node_id in {None, status.node_id}
        }
        for status in said
    }


async def _store_cameras(
    conn: AsyncConnection,
    said: Sequence[tuple[NodeStatus, datetime]],
    places: Mapping[str, Mapping[str, CameraPlace]],
) -> dict[str, dict[str, CameraPlace]]:
    """Keep what is said of the cameras of `places`, and forget those a node no longer has; what changed, by node."""
    ids = sorted({camera_id for mine in places.values() for camera_id in mine})
    before: dict[str, dict[str, Any]] = {}
    # Two questions, each by its index: asked with "or", every row of the table is held against both lists.
    for are_theirs in (among(conn, camera_states.c.camera_id, ids), among(conn, camera_states.c.node_id, list(places))):
        found = (await conn.execute(select(camera_states).where(are_theirs))).mappings()
        before |= {row["camera_id"]: dict(row) for row in found}
    after = dict(before)
    had: defaultdict[str, list[str]] = defaultdict(list)
    for camera_id, row in before.items():
        had[row["node_id"]].append(camera_id)
    changed: dict[str, dict[str, CameraPlace]] = {}
    for status, at in said:
        mine = places[status.node_id]
        changed[status.node_id] = {}
        for camera in status.cameras:
            if camera.camera_id not in mine:
                continue
            known = after.get(camera.camera_id)
            if known is None or (known["state"], known["problem"]) != (camera.state, camera.problem):
                changed[status.node_id][camera.camera_id] = mine[camera.camera_id]
            after[camera.camera_id] = _camera_row(status.node_id, camera, at)
        if status.state is not NodeState.LOST:
            for camera_id in had[status.node_id]:  # unless another node tells of it by now
                if camera_id not in mine and after[camera_id]["node_id"] == status.node_id:
                    del after[camera_id]
    if new := [row for key, row in sorted(after.items()) if key not in before]:
        await conn.execute(insert(camera_states), new)
    if told := [row for key, row in sorted(after.items()) if key in before and row is not before[key]]:
        await _update(conn, camera_states, "camera_id", told, [name for name in told[0] if name != "camera_id"])
    # By its node too: another one, to which the camera was given, may have told of it meanwhile.
    if gone := sorted((key, before[key]["node_id"]) for key in set(before) - set(after)):
        are_gone = pairs_among(conn, camera_states.c.camera_id, camera_states.c.node_id, gone)
        await conn.execute(delete(camera_states).where(are_gone))
    return changed


def _camera_row(node_id: str, camera: CameraStatus, at: datetime) -> dict[str, Any]:
    return {
        "camera_id": camera.camera_id,
        "node_id": node_id,
        "state": camera.state,
        "since": camera.since,
        "achieved_gap_s": camera.achieved_gap_s,
        "problem": camera.problem,
        "at": at,
    }


async def _tell_nodes(conn: AsyncConnection, paths: Mapping[str, str], when: Mapping[str, datetime]) -> None:
    """How nodes stand now, each to those who watch its area. `paths`: of each."""
    from xueliang_central.fleet.overview import node_bodies  # the overview reads what this module writes

    if not paths:
        return
    for body in await node_bodies(conn, among(conn, nodes.c.node_id, sorted(paths))):
        node_id = body["node_id"]
        await events.append(conn, kind="node", area_path=paths[node_id], body={"node": body}, at=when[node_id])


async def _tell_cameras(
    conn: AsyncConnection, places: Mapping[str, Mapping[str, CameraPlace]], when: Mapping[str, datetime]
) -> None:
    """The same of cameras, by the node that told of them."""
    from xueliang_central.fleet.overview import camera_bodies

    told = {
        camera_id: (place.area_path, when[node_id])
        for node_id in places
        for camera_id, place in places[node_id].items()
    }
    if not told:
        return
    for body in await camera_bodies(conn, sorted(told)):
        path, at = told[body["camera_id"]]
        await events.append(conn, kind="camera", area_path=path, body={"camera": body}, at=at)
