"""The members that say what a long-open incident is now, when it has more than anybody should read at each revision.

What is kept open takes its place's alerts in for years. Read are: what has not ended, the latest episode of every
camera and rule, and the newest MOST_READ; the rest has said what it had to say, and is counted. Nothing leaves what is
kept open (it is neither merged nor split), so its severity and its beginning stand as they were written.

An episode that comes late from a spool is old by its onset and new by its receipt: within the newest MOST_READ by
receipt the order is that of the onsets, as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Phase
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import alerts

Row = dict[str, Any]

MOST_READ: Final = 200


@dataclass(frozen=True, slots=True)
class Counted:
    """Of all members of an incident."""

    alert_count: int
    camera_count: int


def is_long(incident: Row) -> bool:
    """Has it more members than are read at each revision?"""
    return bool(incident["state"] == State.LONG_LIVED and incident["alert_count"] > MOST_READ)


async def members_that_count(conn: AsyncConnection, incident_id: str) -> tuple[list[Row], Counted]:
    """Bounded by MOST_READ, what has not ended, and the cameras and rules of the place; and how many there are."""
    mine = alerts.c.incident_id == incident_id
    newest = select(alerts).where(mine).order_by(alerts.c.first_received_at.desc(), alerts.c.alert_id.desc())
    present = select(alerts).where(mine, alerts.c.phase != Phase.CLEARED.value)
    each = alerts.c.camera_id, alerts.c.rule_id
    last = select(*each, func.max(alerts.c.first_received_at).label("at")).where(mine).group_by(*each).subquery()
    latest = (
        select(alerts)
        .join(
            last,
            and_(
                alerts.c.camera_id == last.c.camera_id,
                alerts.c.rule_id == last.c.rule_id,
                alerts.c.first_received_at == last.c.at,
            ),
        )
        .where(mine)
    )
    found: dict[str, Row] = {}
    for query in (newest.limit(MOST_READ), present, latest):
        found |= {row["alert_id"]: dict(row) for row in (await conn.execute(query)).mappings()}
    counts = select(func.count(), func.count(func.distinct(alerts.c.camera_id))).where(mine)
    total, cameras = (await conn.execute(counts)).one()
    return list(found.values()), Counted(total, cameras)


def with_counts(incident: Row, fresh: Row, counted: Counted) -> Row:
    """The aggregates of all members, from those that were read and what is written already (pure)."""
    return {
        **fresh,
        "alert_count": counted.alert_count,
        "camera_count": counted.camera_count,
        "severity": min(incident["severity"], fresh["severity"]),
        "began_at": min(incident["began_at"], fresh["began_at"]),
        "last_observed_at": max(incident["last_observed_at"], fresh["last_observed_at"]),
        "picture": fresh["picture"] or incident["picture"],
    }
