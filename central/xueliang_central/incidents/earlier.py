"""What was at this place before: earlier incidents of one hazard, of the same camera or a few metres away.

Bounded on both sides: by days, by the newest MOST_LOOKED_AT of each way to find them, and by the indexes
`incidents_by_camera` and `incidents_by_area`. Drills are told of drills alone; what was merged into another incident is
told by that one.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.incidents.folding import distance_m
from xueliang_central.incidents.states import CloseReason
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import at_text
from xueliang_central.rights.scope import Actor, scoped

Row = dict[str, Any]

NEAR_M: Final = 25.0  # cameras of one gate or junction; the next house is another place
MOST_LOOKED_AT: Final = 500  # a camera with more of them in a month needs its rule looked at, not a longer list
MOST_TOLD: Final = 10
STILL_OPEN: Final = "open"  # how one is counted that has not ended
_METRES_PER_DEGREE: Final = 111_320.0  # of latitude
_TOLD: Final = ("incident_id", "number", "severity", "state", "close_reason", "opened_at", "closed_at")
_LOOKED_AT: Final = (*_TOLD, "camera_id", "camera_name", "longitude", "latitude")


async def earlier_here(conn: AsyncConnection, actor: Actor, incident: Row, days: int) -> dict[str, Any]:
    """Of the `days` before this incident opened, within what the actor sees.

    Returns:
        days, near_m, total, by_end (close reason or "open" to how many), is_cut (there were more than are counted) and
        items: the newest MOST_TOLD, each with `distance_m` (0: the same camera).
    """
    table, since = incidents.c, incident["opened_at"] - timedelta(days=days)
    base = scoped(select(*(table[name] for name in _LOOKED_AT)), table.area_path, actor).where(
        table.hazard == incident["hazard"],
        table.drill == incident["drill"],
        table.opened_at >= since,
        table.opened_at < incident["opened_at"],
        table.incident_id != incident["incident_id"],
        table.close_reason.is_(None) | (table.close_reason != CloseReason.MERGED.value),
    )
    newest_first = base.order_by(table.opened_at.desc(), table.incident_id.desc()).limit(MOST_LOOKED_AT)
    ways = [table.camera_id == incident["camera_id"]]
    if (beside := _beside(incident)) is not None:
        ways.append(beside)
    found: dict[str, Row] = {}
    is_cut = False
    for way in ways:
        rows = (await conn.execute(newest_first.where(way))).mappings().all()
        is_cut = is_cut or len(rows) == MOST_LOOKED_AT
        found.update((row["incident_id"], dict(row)) for row in rows)
    measured = [row | {"distance_m": round(_apart_m(incident, row), 1)} for row in found.values()]
    here = [row for row in measured if row["distance_m"] <= NEAR_M]
    here.sort(key=lambda row: (row["opened_at"], row["incident_id"]), reverse=True)
    ends = Counter(row["close_reason"] or STILL_OPEN for row in here)
    return {
        "days": days,
        "near_m": NEAR_M,
        "total": len(here),
        "by_end": dict(ends),
        "is_cut": is_cut,
        "items": [_view(row) for row in here[:MOST_TOLD]],
    }


def _beside(incident: Row) -> ColumnElement[bool] | None:
    """In a box of the same area around the place; None when the place is not known."""
    longitude, latitude = incident["longitude"], incident["latitude"]
    if longitude is None or latitude is None:
        return None
    high = NEAR_M / _METRES_PER_DEGREE
    wide = high / max(0.01, math.cos(math.radians(latitude)))
    return and_(
        incidents.c.area_code == incident["area_code"],
        incidents.c.latitude.between(latitude - high, latitude + high),
        incidents.c.longitude.between(longitude - wide, longitude + wide),
    )


def _apart_m(incident: Row, other: Row) -> float:
    if other["camera_id"] == incident["camera_id"]:
        return 0.0
    return distance_m(incident["longitude"], incident["latitude"], other["longitude"], other["latitude"])


def _view(row: Row) -> dict[str, Any]:
    at = {name: at_text(row[name]) for name in ("opened_at", "closed_at")}
    return {name: row[name] for name in (*_TOLD, "camera_id", "camera_name", "distance_m")} | at
