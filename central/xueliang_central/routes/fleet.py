"""HTTP only: the nodes an actor may see, each with those of its cameras that lie in scope."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import centre_of
from xueliang_central.errors import NotFound
from xueliang_central.fleet.overview import camera_bodies, node_bodies
from xueliang_central.fleet.tables import nodes
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.routes.cameras import CameraOut

router: Final = APIRouter(prefix="/api/fleet", tags=["fleet"])


class Backlog(BaseModel):
    records: int | None
    empty_since: str | None


class DataMissing(BaseModel):
    """Records that the node had and the centre will not get: declared by it, or not here long after its last one."""

    records: int
    found_at: str | None


class NodeOut(BaseModel):
    node_id: str
    area_code: str
    state: str
    state_since: str | None
    last_seen_at: str | None
    software: str | None
    clock_state: str | None
    backlog: Backlog
    last_sequence: int | None
    data_missing: DataMissing
    cloned_at: str | None
    counters: dict[str, int]
    cameras: list[CameraOut]


class Fleet(BaseModel):
    nodes: list[NodeOut]


async def _nodes(conn: AsyncConnection, actor: Actor, *conditions: Any) -> list[NodeOut]:
    """A node is seen by who sees its area, or one of its cameras."""
    seen = await camera_bodies(conn, None, in_scope(cameras.c.area_path, actor), cameras.c.node_id.is_not(None))
    by_node: dict[str, list[CameraOut]] = {}
    for body in seen:
        by_node.setdefault(body["node_id"], []).append(CameraOut(**body))
    with_camera = select(cameras.c.node_id).where(in_scope(cameras.c.area_path, actor))
    visible = or_(in_scope(nodes.c.area_path, actor), nodes.c.node_id.in_(with_camera))
    bodies = await node_bodies(conn, visible, *conditions)
    return [NodeOut(**body, cameras=by_node.get(body["node_id"], [])) for body in bodies]


@router.get("")
async def list_nodes(request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_FLEET))]) -> Fleet:
    """Nodes with state, last sign of life, backlog and cameras. State "never_seen": registered, not heard of yet."""
    async with centre_of(request).database.reading() as conn:
        return Fleet(nodes=await _nodes(conn, actor))


@router.get("/{node_id}")
async def one_node(
    request: Request,
    node_id: Annotated[str, Path(max_length=63)],
    actor: Annotated[Actor, Depends(require(Permission.SEE_FLEET))],
) -> NodeOut:
    async with centre_of(request).database.reading() as conn:
        found = await _nodes(conn, actor, nodes.c.node_id == node_id)
    if not found:
        raise NotFound
    return found[0]
