"""The still of a camera that somebody who tunes its rules has asked for: one a camera, the newest. Those of its views:
`views.py`.

Invariants
    - It shows whom nobody may identify as little as any still: the node has masked it (edge: `evidence/stills.py`).
    - Seen by who may see the camera and its rules. Only what the named node has handed in is shown: a node cannot have
      another's picture shown by naming it.
    - The file goes with the pictures that no case names (`retention.unnamed_pictures_days`); without it nothing is
      told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, and_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.commands import FullStill
from xueliang_central.audit import chain
from xueliang_central.cameras.tables import camera_stills, cameras, view_stills
from xueliang_central.evidence.pictures import PictureKind
from xueliang_central.evidence.tables import pictures
from xueliang_central.rights.scope import Actor, in_scope

LOOKED: Final = "camera.looked_at"


async def note_asking(conn: AsyncConnection, who: str, camera_id: str, node_id: str, at: datetime) -> None:
    """In the audit chain, before the node is asked: a look that cannot be recorded is not made."""
    detail = {"for": "rules", "node_id": node_id}
    await chain.record(conn, actor=who, action=LOOKED, object_kind="camera", object_id=camera_id, detail=detail, at=at)


async def note_still(
    conn: AsyncConnection, camera_id: str, node_id: str, still: FullStill, observed_at: datetime
) -> None:
    """It is the camera's still from now on; it may not have come yet."""
    values = {
        "sha256": still.sha256,
        "node_id": node_id,
        "width": still.size_wh[0],
        "height": still.size_wh[1],
        "observed_at": observed_at,
    }
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(camera_stills).values(camera_id=camera_id, **values)
    await conn.execute(insert.on_conflict_do_update(index_elements=["camera_id"], set_=values))


async def still_of(conn: AsyncConnection, actor: Actor, camera_id: str) -> dict[str, Any] | None:
    """The camera's still, as `incidents.stills.newest_still` tells one. None: none was asked for, or it is not here."""
    query = _shown_to(actor).where(camera_stills.c.camera_id == camera_id)
    found = (await conn.execute(query)).mappings().one_or_none()
    if found is None:
        return None
    at = found["observed_at"].isoformat().replace("+00:00", "Z")
    size_wh = [found["width"], found["height"]]
    return {"sha256": found["sha256"], "frame_size_wh": size_wh, "observed_at": at, "is_asked_for": True}


async def camera_showing(conn: AsyncConnection, actor: Actor, sha256: str) -> str | None:
    """A camera whose still this is and that the actor may see; what else the actor may do is the caller's to know."""
    query = _shown_to(actor).where(camera_stills.c.sha256 == sha256).limit(1)
    found = (await conn.execute(query)).mappings().one_or_none()
    return None if found is None else str(found["camera_id"])


async def cameras_waiting_for(conn: AsyncConnection, sha256: str) -> list[str]:
    """Cameras whose still this is, or that of a view of theirs."""
    newest = select(camera_stills.c.camera_id).where(camera_stills.c.sha256 == sha256)
    of_view = select(view_stills.c.camera_id).where(view_stills.c.sha256 == sha256)
    return sorted((await conn.execute(newest.union(of_view))).scalars())


def _shown_to(actor: Actor) -> Select[Any]:
    arrived = and_(
        pictures.c.sha256 == camera_stills.c.sha256,
        pictures.c.kind == PictureKind.EVIDENCE.value,
        pictures.c.received_from == "node:" + camera_stills.c.node_id,
    )
    return (
        select(camera_stills)
        .join(cameras, cameras.c.camera_id == camera_stills.c.camera_id)
        .join(pictures, arrived)
        .where(in_scope(cameras.c.area_path, actor))
    )
