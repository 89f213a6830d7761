"""Keeps `noise_cases` right: each incident that an event tells of is written anew, some events in one transaction.

Events are committed in the order of their ids, so that a position among them misses none. Of several workers one
follows at a time, under the lock of the state's row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, String, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.cameras.tables import cameras
from xueliang_central.incidents.folding import FoldingRule
from xueliang_central.incidents.judging import SPEAKING, judgement
from xueliang_central.incidents.states import CloseReason
from xueliang_central.incidents.tables import alerts, incident_timeline, incidents
from xueliang_central.noise.flapping import peak_of
from xueliang_central.noise.tables import noise_cases, noise_state
from xueliang_central.store.among import among
from xueliang_central.store.claims import skip_taken
from xueliang_central.store.tables import events

Row = dict[str, Any]

EVENTS_AT_ONCE: Final = 500
GONE_AT_ONCE: Final = 500
KEPT: Final = timedelta(days=35)  # a month may be asked for, and a few days for a worker that was away


async def behind(conn: AsyncConnection) -> int:
    """How many events are not looked at yet; 0: everything is here."""
    position = (await conn.execute(select(noise_state.c.position))).scalar_one()
    newest = (await conn.execute(select(func.max(events.c.event_id)))).scalar_one() or 0
    return max(0, int(newest) - int(position))


async def follow(conn: AsyncConnection, folding: Mapping[str, FoldingRule], now: datetime) -> int:
    """Write anew what some events tell of; how many events: EVENTS_AT_ONCE when there may be more."""
    locked = skip_taken(select(noise_state))
    state = (await conn.execute(locked)).one_or_none()
    if state is None:
        return 0  # another worker has it
    query = select(events.c.event_id, events.c.kind, _incident_of(conn).label("incident_id"))
    later = query.where(events.c.event_id > state.position).order_by(events.c.event_id).limit(EVENTS_AT_ONCE)
    told = (await conn.execute(later)).all()
    if not told:
        return 0
    touched = sorted({row.incident_id for row in told if row.kind == "incident" and row.incident_id})
    if touched:
        await write_anew(conn, touched, folding, now)
    await conn.execute(update(noise_state).values(position=told[-1].event_id))
    return len(told)


async def forget(conn: AsyncConnection, now: datetime) -> int:
    """Remove some of what no span reaches any more; how many rows."""
    old = select(noise_cases.c.incident_id).where(noise_cases.c.last_raised_at < now - KEPT)
    ids = list((await conn.execute(old.distinct().limit(GONE_AT_ONCE))).scalars())
    if not ids:
        return 0
    its = noise_cases.c
    gone = await conn.execute(
        delete(noise_cases).where(among(conn, its.incident_id, ids), its.last_raised_at < now - KEPT)
    )
    return gone.rowcount


def _incident_of(conn: AsyncConnection) -> ColumnElement[Any]:
    """The id in an event's body, without reading the whole of it."""
    if conn.dialect.name == "postgresql":
        return func.jsonb_extract_path_text(events.c.body, "incident", "incident_id")
    return func.json_extract(events.c.body, "$.incident.incident_id", type_=String)


async def write_anew(
    conn: AsyncConnection, ids: Sequence[str], folding: Mapping[str, FoldingRule], now: datetime
) -> None:
    """The rows of these incidents in place of those they had."""
    cases = await _cases(conn, ids)
    raised = await _raised(conn, list(cases), now)
    said = await _entries_of(conn, list(cases))
    paths = await _paths(conn, {camera_id for _, camera_id, _ in raised})
    rows = [
        _row(cases[key[0]], key, times, said[key[0]], paths.get(key[1]), folding.get(cases[key[0]]["hazard"]))
        for key, times in raised.items()
    ]
    await conn.execute(delete(noise_cases).where(among(conn, noise_cases.c.incident_id, ids)))
    if rows:
        await conn.execute(insert(noise_cases), rows)


def _row(
    case: Row,
    key: tuple[str, str, str],
    raised_at: Sequence[datetime],
    said: Sequence[Row],
    camera_path: str | None,
    rule: FoldingRule | None,
) -> Row:
    incident_id, camera_id, rule_id = key
    return {
        "incident_id": incident_id,
        "camera_id": camera_id,
        "rule_id": rule_id,
        "area_path": camera_path or case["area_path"],
        "hazard": case["hazard"],
        "opened_at": case["opened_at"],
        "judged": judgement(case, said),
        "alerts": len(raised_at),
        "peak": peak_of(raised_at, (rule or FoldingRule()).flap_window_s),
        "last_raised_at": max(raised_at),
    }


async def _cases(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, Row]:
    its = incidents.c
    query = select(its.incident_id, its.area_path, its.hazard, its.opened_at, its.close_reason, its.review).where(
        among(conn, its.incident_id, ids), its.drill.is_(False)
    )
    rows = [dict(row) for row in (await conn.execute(query)).mappings()]
    return {row["incident_id"]: row for row in rows if row["close_reason"] != CloseReason.MERGED}


async def _raised(
    conn: AsyncConnection, ids: Sequence[str], now: datetime
) -> defaultdict[tuple[str, str, str], list[datetime]]:
    """By incident, camera and rule: when it was raised."""
    its = alerts.c
    query = select(its.incident_id, its.camera_id, its.rule_id, its.raised_at).where(
        among(conn, its.incident_id, ids), its.first_received_at >= now - KEPT
    )
    found: defaultdict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    for row in await conn.execute(query):
        found[row.incident_id, row.camera_id, row.rule_id].append(row.raised_at)
    return found


async def _entries_of(conn: AsyncConnection, ids: Sequence[str]) -> defaultdict[str, list[Row]]:
    asked = incident_timeline.c
    query = (
        select(asked.incident_id, asked.kind, asked.actor_kind, asked.params)
        .where(among(conn, asked.incident_id, ids), asked.kind.in_(SPEAKING))
        .order_by(asked.entry_id)
    )
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in (await conn.execute(query)).mappings():
        found[row["incident_id"]].append({str(name): value for name, value in row.items()})
    return found


async def _paths(conn: AsyncConnection, camera_ids: set[str]) -> dict[str, str]:
    its = cameras.c
    query = select(its.camera_id, its.area_path).where(among(conn, its.camera_id, sorted(camera_ids)))
    return {row.camera_id: row.area_path for row in await conn.execute(query) if row.area_path}
