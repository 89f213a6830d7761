"""The newest masked still of a camera: what its zones are drawn over."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents.looked import FRESH
from xueliang_central.incidents.tables import alerts, expected_pictures
from xueliang_central.incidents.views import EVIDENCE
from xueliang_central.rights.scope import Actor, in_scope


async def newest_still(conn: AsyncConnection, actor: Actor, camera_id: str) -> dict[str, Any] | None:
    """Of the camera's alerts: one that has arrived and that this actor may see. None: there is none.

    Only its name is told here; who fetches the picture is in the audit chain like whoever looks at an incident.
    """
    arrived = and_(pictures.c.sha256 == expected_pictures.c.sha256, pictures.c.kind == EVIDENCE)
    query = (
        select(expected_pictures.c.sha256, alerts.c.frame_size_wh, alerts.c.observed_at)
        .join(alerts, alerts.c.alert_id == expected_pictures.c.alert_id)
        .join(pictures, arrived)
        .where(alerts.c.camera_id == camera_id, in_scope(expected_pictures.c.area_path, actor))
        .where(expected_pictures.c.kind != FRESH)  # taken at another time than its alert tells
        .order_by(alerts.c.began_at.desc())
        .limit(1)
    )
    found = (await conn.execute(query)).mappings().one_or_none()
    if found is None:
        return None
    at = found["observed_at"].isoformat().replace("+00:00", "Z")
    size_wh = found["frame_size_wh"]
    return {"sha256": found["sha256"], "frame_size_wh": size_wh, "observed_at": at, "is_asked_for": False}
