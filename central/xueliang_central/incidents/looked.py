"""A fresh look at what an incident is about: which camera and rule are asked, and what is noted of the answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.commands import LookResult
from xueliang_central.audit import chain
from xueliang_central.errors import LookRefused, NotFound
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.tables import alerts, expected_pictures
from xueliang_central.incidents.views import EVIDENCE

Row = dict[str, Any]

LOOKED: Final = "looked"
LOOKED_AGAIN: Final = "looked_again"  # not asked for by a person: after a worker's *handled*
FRESH: Final = "fresh"
"""The kind of a still that somebody asked for, beside those of alerts: onset, confirm, end."""


async def alert_to_look_at(conn: AsyncConnection, incident_id: str, alert_id: str | None) -> Row:
    """The named alert of the incident, or the last seen of those that have not ended, else the last seen.

    Raises:
        NotFound: the incident has no such alert.
        LookRefused: no camera watches it.
    """
    its = alerts.c
    query = select(its.alert_id, its.camera_id, its.rule_id, its.node_id).where(its.incident_id == incident_id)
    if alert_id is not None:
        query = query.where(its.alert_id == alert_id)
    else:
        query = query.where(~its.node_id.startswith("@"))  # what people and sources told: `incidents/reported.py`
        is_over = case((its.phase == "cleared", 1), else_=0)
        query = query.order_by(is_over, its.observed_at.desc(), its.alert_id)
    found = (await conn.execute(query.limit(1))).mappings().one_or_none()
    if found is None and alert_id is not None:
        raise NotFound("alert")
    if found is None or found["node_id"].startswith("@"):
        raise LookRefused("no camera watches this: it was reported")
    return dict(found)


async def note_asking(conn: AsyncConnection, who: str, incident_id: str, alert: Row, at: datetime, **more: str) -> None:
    """In the audit chain, before the node is asked: a look that cannot be recorded is not made."""
    about = {"about": incident_id, "rule_id": alert["rule_id"], "node_id": alert["node_id"]}
    await chain.record(
        conn,
        actor=who,
        action="camera.looked_at",
        object_kind="camera",
        object_id=alert["camera_id"],
        detail=about | more,
        at=at,
    )


async def note_look(
    change: Change, incident: Row, alert: Row, result: LookResult, by: By, kind: str = LOOKED, /, **more: Any
) -> None:
    """The full still is expected as evidence of the incident, and the timeline says what was seen, and `more`."""
    still = result.still
    params: Row = {"camera_id": alert["camera_id"], "alert_id": alert["alert_id"], "says": str(result.says)}
    params |= more
    params |= {name: one.value for name, one in result.measures.items()}
    if result.why is not None:
        params["cannot_see"] = result.why
    if still is not None:
        params["sha256"] = still.sha256
        row = {
            "sha256": still.sha256,
            "alert_id": alert["alert_id"],
            "incident_id": incident["incident_id"],
            "node_id": alert["node_id"],
            "area_path": incident["area_path"],
            "kind": FRESH,
            "bytes": still.bytes,
            "named_at": change.now,
        }
        dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
        await change.conn.execute(dialect.insert(expected_pictures).on_conflict_do_nothing(), [row])
    change.note(incident["incident_id"], kind, by, **params)
    if still is not None and await _is_here(change.conn, still.sha256):
        change.note(
            incident["incident_id"], "picture_received", By("node", alert["node_id"]), sha256=still.sha256, still=FRESH
        )


async def _is_here(conn: AsyncConnection, sha256: str) -> bool:
    query = select(exists().where(pictures.c.sha256 == sha256, pictures.c.kind == EVIDENCE))
    return bool((await conn.execute(query)).scalar_one())
