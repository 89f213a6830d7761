"""Looks beyond the own queue are counted by person and hour; beyond the norm the audit administrator is told.

Invariants
    - Counted is what stands on the audit chain with the purpose *lookup*, each case and each picture once; what is
      looked at to judge it, or for the own task, is not counted, however much it is.
    - An alarm is recorded in the transaction of the look that goes beyond the norm, so none is lost; and the look is
      given all the same.
    - One alarm for a person and an hour: one person's looks are counted one after the other.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.purposes import Purpose
from xueliang_central.dispatch.seat_tables import bulk_reads
from xueliang_central.incidents.views import at_text
from xueliang_central.rights.scope import Actor, scoped
from xueliang_central.rights.tables import users
from xueliang_central.store import events

MOST_AN_HOUR: Final = 50
"""The norm of the city's privacy rules: more pictures than these, looked up in an hour, are a bulk read."""
HOUR: Final = timedelta(hours=1)
MOST_SHOWN: Final = 200
_PICTURES: Final = ("evidence.viewed", "photo.viewed", "voice.viewed")
_CASES: Final = ("incident.viewed", "ledger.exported")


async def note_read(
    conn: AsyncConnection,
    actor: Actor,
    purpose: Purpose,
    *,
    action: str,
    object_kind: str,
    object_id: str,
    detail: dict[str, Any],
    now: datetime,
) -> None:
    """Record one look with its purpose, in this transaction; and the alarm if it goes beyond the norm."""
    if purpose is Purpose.LOOKUP:
        await _count(conn, actor, action, object_id, now)
    await chain.record(
        conn,
        actor=actor.name,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        detail=detail | {"purpose": purpose.value},
        at=now,
    )


async def _count(conn: AsyncConnection, actor: Actor, action: str, object_id: str, now: datetime) -> None:
    me = users.c.user_id == actor.user_id
    await conn.execute(select(users.c.user_id).where(me).with_for_update())  # of several at once, one counts
    looks = await _lookups(conn, actor, now) | {(action, object_id)}
    pictures = sum(kind in _PICTURES for kind, _ in looks)
    cases = len(looks) - pictures
    if max(pictures, cases) <= MOST_AN_HOUR:
        return
    mine = select(bulk_reads.c.alarm_id).where(bulk_reads.c.user_id == actor.user_id, bulk_reads.c.at > now - HOUR)
    if (await conn.execute(mine.limit(1))).one_or_none() is None:
        await _alarm(conn, actor, cases, pictures, now)


async def _lookups(conn: AsyncConnection, actor: Actor, now: datetime) -> set[tuple[str, str]]:
    """What this person has looked up within the hour before, each thing once."""
    its = audit_records.c
    query = select(its.action, its.object_id, its.detail).where(
        its.actor == actor.name, its.at > now - HOUR, its.action.in_([*_PICTURES, *_CASES])
    )
    found = await conn.execute(query)
    return {(row.action, row.object_id) for row in found if row.detail.get("purpose") == Purpose.LOOKUP}


async def _alarm(conn: AsyncConnection, actor: Actor, cases: int, pictures: int, now: datetime) -> None:
    row = {
        "alarm_id": str(uuid.uuid4()),
        "user_id": actor.user_id,
        "area_path": actor.area_path,
        "cases": cases,
        "pictures": pictures,
        "at": now,
    }
    await conn.execute(insert(bulk_reads).values(**row))
    await chain.record(
        conn,
        actor="system",
        action="reads.beyond_norm",
        object_kind="user",
        object_id=actor.user_id,
        detail={"name": actor.name, "cases": cases, "pictures": pictures, "norm": MOST_AN_HOUR},
        at=now,
    )
    body = {"bulk_read": {"alarm_id": row["alarm_id"], "at": at_text(now)}}
    await events.append(conn, kind="bulk_read", area_path=actor.area_path, body=body, at=now)


async def alarms_seen(conn: AsyncConnection, actor: Actor) -> list[dict[str, Any]]:
    """Of people in the asker's areas, newest first."""
    query = select(bulk_reads, users.c.username, users.c.display_name, users.c.role).join(
        users, users.c.user_id == bulk_reads.c.user_id
    )
    newest = scoped(query, bulk_reads.c.area_path, actor).order_by(bulk_reads.c.at.desc(), bulk_reads.c.alarm_id)
    return [
        {
            "alarm_id": row["alarm_id"],
            "at": at_text(row["at"]),
            "person": {name: row[name] for name in ("user_id", "username", "display_name", "role")},
            "cases": row["cases"],
            "pictures": row["pictures"],
            "norm": MOST_AN_HOUR,
        }
        for row in (await conn.execute(newest.limit(MOST_SHOWN))).mappings()
    ]
