"""The gate before the queue: alerts of cameras that are not released are held, followed, and let through on release.

Invariants
    - What is held is taken: it is in the ledger and acknowledged, and stays here until it is placed. Nothing pushes it
      out, and no time lets it go.
    - An alert is held here, hidden by a silence, or lies in an incident: one of them. Its row here is removed in the
      transaction that places it.
    - What lies in an incident already is followed to its end, whatever becomes of its camera's release.
    - Whoever reads a held alert to write it holds its row: ingest in the order of ids, the worker only what is free.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.cameras.gate import Gate, day_of
from xueliang_central.cameras.releases import CameraGate, is_released, standings
from xueliang_central.cameras.tables import cameras
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.grouping import routes_of
from xueliang_central.incidents.members import Revision, merge
from xueliang_central.incidents.service import update_alerts
from xueliang_central.incidents.tables import alert_columns, alerts
from xueliang_central.ingest.folding_in import place_all
from xueliang_central.ingest.tables import gated_alerts
from xueliang_central.store.among import among

Row = dict[str, Any]

GATE: Final = By("system", "camera_gate")
AT_ONCE: Final = 50  # as many as an ingest batch on one writer
_OF_ALERT: Final = tuple(column.name for column in alert_columns())


async def held_of(conn: AsyncConnection, alert_ids: Collection[str]) -> dict[str, Row]:
    """Those of these alerts that are held, locked. Asked before where else they lie: the worker may just place one."""
    if not alert_ids:
        return {}
    found = await conn.execute(
        select(gated_alerts)
        .where(among(conn, gated_alerts.c.alert_id, sorted(alert_ids)))
        .order_by(gated_alerts.c.alert_id)
        .with_for_update()
    )
    return {row["alert_id"]: dict(row) for row in found.mappings()}


async def hold(
    change: Change,
    gate: CameraGate,
    revisions: Mapping[str, Sequence[Revision]],
    held: Mapping[str, Row],
    placed: Collection[str],
) -> tuple[set[str], int]:
    """Keep back what the gate is closed to: the ids of all that is held, and how many were not before.

    Args:
        held: of them, what is held already, from `held_of`.
        placed: of them, what lies elsewhere already: it is followed there.
    """
    fresh = {id_: found[0].alert.camera_id for id_, found in revisions.items() if id_ not in held and id_ not in placed}
    stopped = await _stopped(change, gate, set(fresh.values()))
    rows = {
        alert_id: merge(held.get(alert_id), found)
        for alert_id, found in sorted(revisions.items())
        if alert_id in held or fresh.get(alert_id) in stopped
    }
    new = [row for alert_id, row in rows.items() if alert_id not in held]
    if new:
        routes = await routes_of(change, new)
        kept = {"held_at": change.now}
        await change.conn.execute(
            insert(gated_alerts),
            [
                {**row, **kept, "area_path": routes[row["alert_id"]].area.path, "held_state": stopped[row["camera_id"]]}
                for row in new
            ],
        )
    changed = [row for alert_id, row in rows.items() if alert_id in held and row != held[alert_id]]
    if changed:
        await update_alerts(change.conn, gated_alerts, changed)
    return set(rows), len(new)


async def _stopped(change: Change, gate: CameraGate, camera_ids: Collection[str]) -> dict[str, str]:
    """Those of these cameras that the gate is closed to, with how they stand."""
    if not camera_ids or await gate.mode(change.conn) is Gate.TELL:
        return {}
    found = await standings(change.conn, camera_ids, change.now)
    return {camera_id: one.state.value for camera_id, one in found.items() if not one.is_released}


async def is_any_to_let_through(conn: AsyncConnection, gate: CameraGate, now: datetime) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    return bool(await to_let_through(conn, gate, now, most=1))


async def to_let_through(conn: AsyncConnection, gate: CameraGate, now: datetime, *, most: int = AT_ONCE) -> list[str]:
    """The next ids, oldest first."""
    query = (await _query(conn, gate, now)).limit(most)
    return [row["alert_id"] for row in (await conn.execute(query)).mappings()]


async def let_through(change: Change, gate: CameraGate, *, only: str | None = None) -> int:
    """Place what is held of cameras that are released now, `AT_ONCE` of it; returns how many. `only`: this alert."""
    query = (await _query(change.conn, gate, change.now)).with_for_update(skip_locked=True)
    if only is not None:
        query = query.where(gated_alerts.c.alert_id == only)
    held = {row["alert_id"]: dict(row) for row in (await change.conn.execute(query)).mappings()}
    if not held:
        return 0
    await place_all(change, {id_: {name: row[name] for name in _OF_ALERT} for id_, row in held.items()}, {}, {})
    await change.conn.execute(delete(gated_alerts).where(among(change.conn, gated_alerts.c.alert_id, sorted(held))))
    found = await change.conn.execute(
        select(alerts.c.alert_id, alerts.c.incident_id).where(among(change.conn, alerts.c.alert_id, sorted(held)))
    )
    for alert_id, incident_id in sorted((row.alert_id, row.incident_id) for row in found):
        camera_id, since = held[alert_id]["camera_id"], held[alert_id]["held_at"].isoformat()
        change.note(incident_id, "let_through", GATE, alert_id=alert_id, camera_id=camera_id, held_at=since)
    return len(held)


async def _query(conn: AsyncConnection, gate: CameraGate, now: datetime) -> Select[Any]:
    held = gated_alerts.c
    query = select(gated_alerts).order_by(held.first_received_at, held.alert_id).limit(AT_ONCE)
    if await gate.mode(conn) is Gate.TELL:
        return query
    return query.where(held.camera_id.in_(select(cameras.c.camera_id).where(is_released(day_of(now)))))


async def counts(conn: AsyncConnection, camera_ids: Collection[str] | None = None) -> dict[str, int]:
    """How many alerts are held, by camera; cameras of which none is are left out."""
    query = select(gated_alerts.c.camera_id, func.count().label("many")).group_by(gated_alerts.c.camera_id)
    if camera_ids is not None:
        query = query.where(among(conn, gated_alerts.c.camera_id, sorted(camera_ids)))
    return {row.camera_id: row.many for row in await conn.execute(query)}
