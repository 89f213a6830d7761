"""The transactional outbox: a notice is written with the change it tells of, and sent later, once.

Invariants
    - A notice exists if and only if its change was committed. Its key says what it is about: the same key never gives
      two notices, however often the change is tried.
    - Delivery may repeat after a crash between sending and marking; receivers tell by `notice_id`.
    - A notice that cannot be sent is tried again with growing pauses, then given up and kept, with the last error.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import case, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.notices.tables import notices
from xueliang_central.store import events
from xueliang_central.store.among import among

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 5.0
MAX_ATTEMPTS: Final = 8  # 5 s doubled each time: about eleven minutes in all

Channel = Callable[[AsyncConnection, dict[str, Any], datetime], Awaitable[None]]


async def put(
    conn: AsyncConnection,
    *,
    key: str,
    kind: str,
    user_ids: Sequence[str],
    area_path: str,
    params: dict[str, Any],
    severity: int,
    now: datetime,
) -> int:
    """One notice for each of these users; returns how many. A key that is there already gives no second one."""
    rows = rows_of(
        key=key, kind=kind, user_ids=user_ids, area_path=area_path, params=params, severity=severity, now=now
    )
    await put_all(conn, rows)
    return len(rows)


def rows_of(
    *,
    key: str,
    kind: str,
    user_ids: Sequence[str],
    area_path: str,
    params: dict[str, Any],
    severity: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """The notices that `put` writes. `params`: the incident_id and task_id among them are what the notice is about."""
    return [
        {
            "notice_id": str(uuid.uuid4()),
            "idempotency_key": f"{key}:{user_id}",
            "kind": kind,
            "user_id": user_id,
            "area_path": area_path,
            "params": params,
            "created_at": now,
            "next_try_at": now,
            "attempts": 0,
            "severity": severity,
            "incident_id": params.get("incident_id"),
            "task_id": params.get("task_id"),
            "climb_at": now,
            "next_step": 0,
        }
        for user_id in sorted(set(user_ids))
    ]


async def put_all(conn: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write notices of `rows_of`."""
    if not rows:
        return
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(notices)
    await conn.execute(insert.on_conflict_do_nothing(index_elements=[notices.c.idempotency_key]), list(rows))


async def climb_as(conn: AsyncConnection, incident_id: str, severity: int, now: datetime) -> None:
    """What still climbs about this incident goes on as one of this severity where that is more severe; what a budget
    or quiet hours hold back is looked at again."""
    about = notices.c.incident_id == incident_id, notices.c.climb_at.is_not(None), notices.c.severity > severity
    again = case((notices.c.held_by.is_not(None), now), else_=notices.c.climb_at)
    await conn.execute(update(notices).where(*about).values(severity=severity, climb_at=again))


async def to_stream(conn: AsyncConnection, notice: dict[str, Any], now: datetime) -> None:
    """The first way of all: the receiver's own event stream, and a line in the log (no names, no text)."""
    body = {"notice": {name: notice[name] for name in ("notice_id", "kind", "params")}}
    await events.append(
        conn, kind="notice", area_path=notice["area_path"], body=body, at=now, for_user=notice["user_id"]
    )
    log.info("notice sent", extra={"notice_id": notice["notice_id"], "kind": notice["kind"]})


async def is_any_due(conn: AsyncConnection, now: datetime) -> bool:
    found = await conn.execute(select(notices.c.notice_id).where(notices.c.next_try_at <= now).limit(1))
    return found.one_or_none() is not None


async def claim(conn: AsyncConnection, now: datetime, *, limit: int = 50) -> list[dict[str, Any]]:
    """Notices that are due, oldest first, locked until the end of the transaction."""
    found = await conn.execute(
        select(notices)
        .where(notices.c.next_try_at <= now)
        .order_by(notices.c.next_try_at, notices.c.notice_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [dict(row) for row in found.mappings()]


async def mark_sent(conn: AsyncConnection, notice_ids: Collection[str], now: datetime) -> None:
    if not notice_ids:
        return
    sent = update(notices).where(among(conn, notices.c.notice_id, notice_ids))
    await conn.execute(sent.values(sent_at=now, next_try_at=None, attempts=notices.c.attempts + 1))


async def mark_failed(conn: AsyncConnection, notice: dict[str, Any], error: str, now: datetime) -> None:
    attempts = notice["attempts"] + 1
    if attempts >= MAX_ATTEMPTS:
        await _mark(conn, notice, attempts=attempts, next_try_at=None, given_up_at=now, last_error=error[:200])
        return
    next_try_at = now + timedelta(seconds=FIRST_PAUSE_S * 2 ** (attempts - 1))
    await _mark(conn, notice, attempts=attempts, next_try_at=next_try_at, last_error=error[:200])


async def _mark(conn: AsyncConnection, notice: dict[str, Any], **values: Any) -> None:
    await conn.execute(update(notices).where(notices.c.notice_id == notice["notice_id"]).values(**values))


async def deliver(conn: AsyncConnection, now: datetime, *, channel: Channel = to_stream, limit: int = 50) -> int:
    """Send what is due, in this transaction; returns how many were tried."""
    due = await claim(conn, now, limit=limit)
    sent: list[str] = []
    for notice in due:
        try:
            await channel(conn, notice, now)
        except (OSError, ValueError) as error:  # what an adapter may raise for a target that is down or refuses
            await mark_failed(conn, notice, type(error).__name__, now)
        else:
            sent.append(notice["notice_id"])
    await mark_sent(conn, sent, now)
    return len(due)
