"""By whom a camera is watched, and whether that node hears a question now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.cameras.releases import CameraGate, camera_row
from xueliang_central.errors import LookRefused, NodeAway, NotFound
from xueliang_central.fleet.overview import AWAY
from xueliang_central.fleet.tables import nodes


@dataclass(frozen=True, slots=True)
class Watched:
    """By whom a camera is watched, where it lies, and how that node is."""

    node_id: str | None
    area_code: str | None
    node_state: str | None

    def node_that_hears(self) -> str:
        """Raises NodeAway."""
        if self.node_id is None:
            raise NodeAway("no node watches this camera")
        if self.node_state is None or self.node_state in AWAY:
            raise NodeAway(f"node {self.node_id} is {self.node_state or 'not heard of yet'}")
        return self.node_id


async def watched_to_look(conn: AsyncConnection, gate: CameraGate, camera_id: str, at: datetime) -> Watched:
    """For a fresh look. Raises LookRefused for a camera that is gone, CameraNotReleased for one that may not be
    analysed."""
    try:
        camera = await camera_row(conn, camera_id)
    except NotFound as error:
        raise LookRefused(f"camera {camera_id} is not in the register any more") from error
    await gate.must_be_released(conn, camera, at)
    state = await conn.execute(select(nodes.c.state).where(nodes.c.node_id == camera["node_id"]))
    return Watched(camera["node_id"], camera["area_code"], state.scalar_one_or_none())
