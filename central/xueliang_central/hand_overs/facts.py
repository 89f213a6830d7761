"""What the next shift of an area has to know, gathered from what the centre knows now. Each list is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.overview import AWAY, NOT_HEARD_OF, camera_bodies, node_bodies
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import area_view, at_text, incident_views
from xueliang_central.kept_open.tables import hazard_plans
from xueliang_central.rights.scope import in_area
from xueliang_central.silences.tables import silences

NEXT_SHIFT: Final = timedelta(hours=12)  # the longest shift in use: day and night
MOST: Final = 50  # of each list; its total is told
_SEEN: Final = frozenset({"streaming", "watching", "online", "ok", "good", "running", "connecting", NOT_HEARD_OF})
_IN_HAND: Final = [state.value for state in State if state not in (State.CLOSED, State.LONG_LIVED)]

Record = dict[str, Any]


async def facts_of(conn: AsyncConnection, tree: AreaTree, area_path: str, now: datetime) -> Record:
    """Of an area and what lies below it. Each list: `total`, and its first `items`."""
    until = now + NEXT_SHIFT
    return {
        "at": at_text(now),
        "until": at_text(until),
        "incidents": await _incidents(conn, tree, area_path),
        "silences": await _silences(conn, tree, area_path, until),
        "nodes": await _nodes(conn, area_path),
        "cameras": await _cameras(conn, area_path),
        "kept_open": await _kept_open(conn, tree, area_path, until, now),
    }


async def _incidents(conn: AsyncConnection, tree: AreaTree, area_path: str) -> Record:
    """Open ones, those that wait for a judgement first, then the most severe; with the clock that is due first."""
    is_here = in_area(incidents.c.area_path, area_path)
    in_hand = incidents.c.state.in_(_IN_HAND)
    states = Counter((await conn.execute(select(incidents.c.state).where(is_here, in_hand))).scalars())
    found = await conn.execute(
        select(incidents)
        .where(is_here, in_hand)
        .order_by(
            case((incidents.c.state == State.OPEN.value, 0), else_=1),
            incidents.c.severity,
            incidents.c.opened_at,
            incidents.c.incident_id,
        )
        .limit(MOST)
    )
    views = await incident_views(conn, tree, [dict(row) for row in found.mappings()])
    items = [
        {name: view[name] for name in ("incident_id", "number", "hazard", "severity", "state", "drill", "clock")}
        | {"area": view["area"], "camera_name": view["place"]["camera_name"]}
        for view in views
    ]
    return {"total": states.total(), "by_state": dict(states), "items": items}


async def _silences(conn: AsyncConnection, tree: AreaTree, area_path: str, until: datetime) -> Record:
    """Those that end within the next shift: what they hide asks again then."""
    asked = ("silence_id", "kind", "area_code", "camera_id", "hazard", "reason", "ends_at")
    found = await conn.execute(
        select(*(silences.c[name] for name in asked))
        .where(in_area(silences.c.area_path, area_path), silences.c.closed_at.is_(None), silences.c.ends_at <= until)
        .order_by(silences.c.ends_at, silences.c.silence_id)
    )
    rows = [dict(row) for row in found.mappings()]
    return _listed(
        [
            row | {"ends_at": at_text(row["ends_at"]), "area": area_view(tree, row.pop("area_code"))}
            for row in rows[:MOST]
        ],
        len(rows),
    )


async def _nodes(conn: AsyncConnection, area_path: str) -> Record:
    bodies = await node_bodies(conn, in_area(nodes.c.area_path, area_path), nodes.c.state.in_(sorted(AWAY)))
    return _listed([{name: one[name] for name in ("node_id", "state", "state_since")} for one in bodies], len(bodies))


async def _cameras(conn: AsyncConnection, area_path: str) -> Record:
    """Those that their node says it does not see; of a node that is away, the node is told."""
    bodies = await camera_bodies(conn, None, in_area(cameras.c.area_path, area_path))
    faulty = [one for one in bodies if one["state"] not in _SEEN]
    asked = ("camera_id", "name", "state", "state_since")
    return _listed([{name: one[name] for name in asked} for one in faulty], len(faulty))


async def _kept_open(conn: AsyncConnection, tree: AreaTree, area_path: str, until: datetime, now: datetime) -> Record:
    """Hazards kept open whose deadline passes within the next shift, or has passed."""
    asked = ("incident_id", "number", "hazard", "camera_name", "area_code")
    found = await conn.execute(
        select(*(incidents.c[name] for name in asked), hazard_plans.c.holder_unit, hazard_plans.c.deadline)
        .join(hazard_plans, hazard_plans.c.incident_id == incidents.c.incident_id)
        .where(
            in_area(incidents.c.area_path, area_path),
            incidents.c.state == State.LONG_LIVED.value,
            hazard_plans.c.deadline <= until,
        )
        .order_by(hazard_plans.c.deadline, incidents.c.incident_id)
    )
    rows = [dict(row) for row in found.mappings()]
    return _listed(
        [
            row
            | {
                "deadline": at_text(row["deadline"]),
                "is_over": row["deadline"] <= now,
                "area": area_view(tree, row.pop("area_code")),
            }
            for row in rows[:MOST]
        ],
        len(rows),
    )


def _listed(items: Sequence[Record], total: int) -> Record:
    return {"total": total, "items": list(items[:MOST])}
