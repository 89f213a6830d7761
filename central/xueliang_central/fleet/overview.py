"""Nodes and cameras as answers and events show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import code_of_path
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.store.among import among

NOT_HEARD_OF: Final = "unknown"  # what a camera's state is while nobody says it: no node, or the node is away
AWAY: Final = frozenset({"lost", "stopped"})


def iso(at: datetime | None) -> str | None:
    """ISO 8601 with "Z", as every answer writes a time."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


async def camera_bodies(
    conn: AsyncConnection, camera_ids: Sequence[str] | None = None, *conditions: ColumnElement[bool]
) -> list[dict[str, Any]]:
    """Cameras as `GET /api/cameras` and `camera` events show them; all of them when no ids are given."""
    query = (
        select(
            cameras,
            camera_states.c.state,
            camera_states.c.since,
            camera_states.c.problem,
            camera_states.c.achieved_gap_s,
            nodes.c.state.label("node_state"),
            nodes.c.state_since.label("node_since"),
        )
        .outerjoin(camera_states, camera_states.c.camera_id == cameras.c.camera_id)
        .outerjoin(nodes, nodes.c.node_id == camera_states.c.node_id)
        .where(*conditions)
        .order_by(cameras.c.camera_id)
    )
    if camera_ids is not None:
        query = query.where(among(conn, cameras.c.camera_id, list(camera_ids)))
    return [_camera_body(row) for row in (await conn.execute(query)).mappings()]


def _camera_body(row: RowMapping) -> dict[str, Any]:
    state, since, problem = row["state"] or NOT_HEARD_OF, row["since"], row["problem"]
    if row["state"] is not None and row["node_state"] in AWAY:
        state, since, problem = NOT_HEARD_OF, row["node_since"], f"node {row['node_state']}"
    return {
        "camera_id": row["camera_id"],
        "name": row["name"],
        "area_code": row["area_code"],
        "longitude": row["longitude"],
        "latitude": row["latitude"],
        "place_class": row["place_class"],
        "bearing_deg": row["bearing_deg"],
        "field_of_view_deg": row["field_of_view_deg"],
        "node_id": row["node_id"],
        "located": row["located"],
        "state": state,
        "state_since": iso(since),
        "achieved_gap_s": row["achieved_gap_s"],
        "problem": problem,
    }


async def node_bodies(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Nodes as `GET /api/fleet` and `node` events show them, without their cameras."""
    found = await conn.execute(select(nodes).where(*conditions).order_by(nodes.c.node_id))
    return [_node_body(row) for row in found.mappings()]


def _node_body(row: RowMapping) -> dict[str, Any]:
    return {
        "node_id": row["node_id"],
        "area_code": code_of_path(row["area_path"]),
        "state": row["state"] or "never_seen",
        "state_since": iso(row["state_since"]),
        "last_seen_at": iso(row["last_seen_at"]),
        "software": row["software"],
        "clock_state": row["clock_state"],
        "backlog": {"records": row["backlog_records"], "empty_since": iso(row["backlog_empty_since"])},
        "last_sequence": row["last_sequence"],
        "data_missing": {"records": row["missing_records"] or 0, "found_at": iso(row["missing_at"])},
        "cloned_at": iso(row["cloned_at"]),
        "counters": row["counters"] or {},
    }
