"""Legal hold: what belongs to an incident stays, however long the policy keeps such things."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.tables import incidents as incident_rows
from xueliang_central.retention.tables import legal_holds
from xueliang_central.rights.scope import Actor, may_see, scoped

Row = dict[str, Any]


async def hold(conn: AsyncConnection, actor: Actor, incident_id: str, why: str, now: datetime) -> None:
    """Hold an incident. Raises NotFound; Conflict when it is held already."""
    await _seen_by(conn, actor, incident_id)
    if await find(conn, incident_id) is not None:
        raise Conflict("this incident is held already")
    row = {"incident_id": incident_id, "held_at": now, "held_by": actor.name, "why": why}
    await conn.execute(insert(legal_holds), row)
    await _record(conn, actor, "incident.held", incident_id, {"why": why}, now)


async def release(conn: AsyncConnection, actor: Actor, incident_id: str, why: str, now: datetime) -> None:
    """End a hold. What is older than the policy keeps goes with the next run. Raises NotFound."""
    await _seen_by(conn, actor, incident_id)
    if not (await conn.execute(delete(legal_holds).where(legal_holds.c.incident_id == incident_id))).rowcount:
        raise NotFound("hold")
    await _record(conn, actor, "incident.released", incident_id, {"why": why}, now)


async def find(conn: AsyncConnection, incident_id: str) -> Row | None:
    """None when it is not held."""
    found = await conn.execute(select(legal_holds).where(legal_holds.c.incident_id == incident_id))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


async def held(conn: AsyncConnection, actor: Actor, limit: int) -> list[Row]:
    """The holds within the actor's areas, the newest first."""
    query = (
        select(legal_holds, incident_rows.c.number)
        .join(incident_rows, incident_rows.c.incident_id == legal_holds.c.incident_id)
        .order_by(legal_holds.c.held_at.desc(), legal_holds.c.incident_id)
        .limit(limit)
    )
    return [dict(row) for row in (await conn.execute(scoped(query, incident_rows.c.area_path, actor))).mappings()]


async def _seen_by(conn: AsyncConnection, actor: Actor, incident_id: str) -> None:
    """Raises NotFound."""
    row = await incidents.load(conn, incident_id, lock=True)  # two holds at once: one after the other
    if not may_see(actor, row["area_path"]):
        raise NotFound("incident")


async def _record(
    conn: AsyncConnection, actor: Actor, action: str, incident_id: str, detail: Row, now: datetime
) -> None:
    await chain.record(
        conn, actor=actor.name, action=action, object_kind="incident", object_id=incident_id, detail=detail, at=now
    )
