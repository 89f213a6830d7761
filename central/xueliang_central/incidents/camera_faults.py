"""Incidents whose cameras see wrongly, as far as is known now: what the queue and the case say beside them.

A mark, never a judgement: it hides nothing, closes nothing and sorts nothing (docs/decisions/0062). It stands while
every camera that still tells of the incident has a fault that mutes, and goes with the fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Phase
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.moments import at_text
from xueliang_central.incidents.node_failures import NODE_HAZARD
from xueliang_central.incidents.states import State
from xueliang_central.incidents.suppressing import Kind
from xueliang_central.incidents.tables import IS_OPEN, alerts, incidents
from xueliang_central.silences.tables import OPEN, silences
from xueliang_central.store.among import among

Row = dict[str, Any]
View = dict[str, Any]

_TELLS: Final = alerts.c.phase != Phase.CLEARED.value


async def camera_faults_of(conn: AsyncConnection, rows: Sequence[Row]) -> dict[str, View]:
    """By incident_id, of rows of `incidents`; without those of which any camera sees well, and what is closed.

    `told_after_s`: so long after the incident had opened the fault was told; null: it was known by then.
    """
    asked = [row for row in rows if row["state"] != State.CLOSED and row["hazard"] != NODE_HAZARD and not row["drill"]]
    faults = await _faults(conn, {row["camera_id"] for row in asked})
    suspect = [row for row in asked if row["camera_id"] in faults]
    several = [row["incident_id"] for row in suspect if row["camera_count"] > 1]
    cameras = await _cameras_of(conn, several)
    faults |= await _faults(conn, {one for known in cameras.values() for one in known} - faults.keys())
    found: dict[str, View] = {}
    for row in suspect:
        if all(camera_id in faults for camera_id in cameras.get(row["incident_id"], ())):
            reason, told_at = faults[row["camera_id"]]
            later_s = (told_at - row["opened_at"]).total_seconds()
            found[row["incident_id"]] = {
                "reason": reason,
                "told_at": at_text(told_at),
                "told_after_s": later_s if later_s > 0 else None,
            }
    return found


async def open_incidents_of(conn: AsyncConnection, camera_id: str) -> list[str]:
    """Open ones, by id, of which this camera still tells; without faults of its own and drills."""
    query = (
        select(incidents.c.incident_id)
        .join(alerts, alerts.c.incident_id == incidents.c.incident_id)
        .where(
            text(f"incidents.{IS_OPEN}"),
            alerts.c.camera_id == camera_id,
            _TELLS,
            incidents.c.hazard != NODE_HAZARD,
            incidents.c.drill.is_(False),
        )
        .distinct()
    )
    return sorted((await conn.execute(query)).scalars())


async def tell_over(change: Change, camera_id: str) -> None:
    """A fault of this camera is over: the stream tells what it had marked."""
    for incident_id in await open_incidents_of(change.conn, camera_id):
        change.touch(incident_id)


async def _faults(conn: AsyncConnection, camera_ids: Collection[str]) -> dict[str, tuple[str, datetime]]:
    """By camera: the words of its fault that mutes now, and when it was told; of several the first."""
    if not camera_ids:
        return {}
    query = (
        select(silences.c.camera_id, silences.c.reason, silences.c.starts_at)
        .where(text(OPEN), silences.c.kind == Kind.FAULT.value, among(conn, silences.c.camera_id, sorted(camera_ids)))
        .order_by(silences.c.starts_at.desc(), silences.c.silence_id)
    )
    return {row.camera_id: (row.reason, row.starts_at) for row in await conn.execute(query)}


async def _cameras_of(conn: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, set[str]]:
    """By incident: the cameras that still tell of it."""
    if not incident_ids:
        return {}
    query = select(alerts.c.incident_id, alerts.c.camera_id).where(
        among(conn, alerts.c.incident_id, incident_ids), _TELLS
    )
    return _by_incident((row.incident_id, row.camera_id) for row in await conn.execute(query.distinct()))


def _by_incident(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for incident_id, camera_id in pairs:
        found.setdefault(incident_id, set()).add(camera_id)
    return found
