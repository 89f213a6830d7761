"""How the way of an alert stands at this moment, for the strip above a desk: proof, lag, what is held, what ends soon.

A few queries, however many incidents are open.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.incidents.shedding import HELD, STORM
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.incidents.wall import PROOF_AMONG, Seen

Row = dict[str, Any]

LAG_WITHIN: Final = timedelta(minutes=5)
LAG_OF: Final = 200  # newest alerts: enough for a median, and a storm costs no more


async def lag(conn: AsyncConnection, seen: Seen, now: datetime) -> Row | None:
    """How far what arrives lies behind: of the alerts of the last minutes, from the moment a rule's dwell was met to
    their receipt here, in seconds. `alerts`: of how many. None: none came.

    A node that sends what it could not send for an hour makes this large, and rightly: what arrives is an hour old.
    """
    its = alerts.c
    newest = (
        select(its.area_path, its.first_received_at, its.raised_at)
        .where(its.first_received_at > now - LAG_WITHIN)
        .order_by(its.first_received_at.desc())
        .limit(PROOF_AMONG)
        .subquery()
    )
    query = (
        select(newest.c.first_received_at, newest.c.raised_at)
        .where(seen.here(newest.c.area_path))
        .order_by(newest.c.first_received_at.desc())
        .limit(LAG_OF)
    )
    ways = [max(0.0, (row.first_received_at - row.raised_at).total_seconds()) for row in await conn.execute(query)]
    return {"median_s": round(median(ways), 1), "alerts": len(ways)} if ways else None


async def held(conn: AsyncConnection, seen: Seen) -> Row:
    """What a county that sheds load holds together, in how many collective incidents: shown, counted, not lost."""
    its = incidents.c
    is_holding = or_(its.place_key.startswith(HELD, autoescape=True), its.place_key.startswith(STORM, autoescape=True))
    query = select(func.count(), func.coalesce(func.sum(its.alert_count), 0)).where(
        its.state != State.CLOSED.value, is_holding, seen.here(its.area_path)
    )
    incidents_, alerts_ = (await conn.execute(query)).one()
    return {"incidents": int(incidents_), "alerts": int(alerts_)}
