"""What the camera said after a worker's *handled*, as the worker's task shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.incidents.looked import LOOKED_AGAIN
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.incidents.views import at_text, received
from xueliang_central.store.among import among

Row = dict[str, Any]
View = dict[str, Any]


async def looked_again_of(conn: AsyncConnection, rows: Sequence[Row]) -> dict[str, View]:
    """By task_id, of rows of `tasks`: the newest answer since each was handled. Tasks without one are left out."""
    handled = {row["task_id"]: row for row in rows if row["handled_at"] is not None}
    if not handled:
        return {}
    entry = incident_timeline.c
    found = await conn.execute(
        select(entry.at, entry.params)
        .where(among(conn, entry.incident_id, {row["incident_id"] for row in handled.values()}))
        .where(entry.kind == LOOKED_AGAIN)
        .order_by(entry.entry_id)
    )
    newest: dict[str, tuple[datetime, Row]] = {}
    for at, params in found.all():
        task = handled.get(params["task_id"])
        if task is not None and at >= task["handled_at"]:
            newest[task["task_id"]] = (at, params)
    named = [params["sha256"] for _, params in newest.values() if "sha256" in params]
    here = await received(conn, named)
    return {task_id: _view(at, params, here) for task_id, (at, params) in newest.items()}


def _view(at: datetime, params: Row, here: set[str]) -> View:
    sha256 = params.get("sha256")
    size = params.get("frame_size_wh")
    return {
        "at": at_text(at),
        "not_asked": params.get("not_asked"),
        "says": params.get("says"),
        "why": params.get("cannot_see"),
        "share": params.get("share"),
        "count": params.get("count"),
        "unit": params.get("unit"),
        "still": sha256 and {"sha256": sha256, "received": sha256 in here, "frame_size_wh": size, "boxes_xyxyn": []},
    }
