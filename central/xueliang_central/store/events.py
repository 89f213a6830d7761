"""What happened, in order: the source of the operators' stream.

Invariants
    - Ids are committed in rising order. On PostgreSQL a sequence alone does not give that (a later id can be
      committed first, and a reader that has passed it never sees the earlier one), so the rows are written last in
      their transaction under one advisory lock (`journal_lock`, shared with the audit chain), and the lock is held
      until the commit. SQLite has one writer.
    - An event is in the table if and only if the change it tells of is.
    - A reader that falls behind loses nothing: it reads on from its last id. A subscriber whose queue is full is
      told so and ends.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.rights.scope import Actor, may_see
from xueliang_central.store.database import write_late
from xueliang_central.store.tables import events

log = logging.getLogger(__name__)

READ_LIMIT: Final = 500
CHANNEL: Final = "xueliang_events"  # notified with every commit that wrote events, see `hearing`
_JOURNAL_LOCK_KEY: Final = (
    0x7865_6C69  # any fixed number; one lock for events and audit, so that their order cannot deadlock
)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `for_user` set: for that user only, whoever else may see the area."""

    event_id: int
    kind: str
    area_path: str
    body: dict[str, Any]
    at: datetime
    for_user: str | None = None

    def is_for(self, actor: Actor) -> bool:
        if self.for_user is not None:
            return self.for_user == actor.user_id
        return may_see(actor, self.area_path)


async def journal_lock(conn: AsyncConnection) -> None:
    """Until the end of the transaction nobody else writes events or audit records."""
    if conn.dialect.name == "postgresql":
        await conn.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _JOURNAL_LOCK_KEY})


async def append(
    conn: AsyncConnection,
    *,
    kind: str,
    area_path: str,
    body: dict[str, Any],
    at: datetime,
    for_user: str | None = None,
) -> None:
    """Tell those who may see `area_path`. Written at the end of this transaction (see the invariants)."""
    row = {"kind": kind, "area_path": area_path, "body": body, "at": at, "for_user": for_user}
    write_late(conn, _write, row)


async def _write(conn: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    if conn.dialect.name == "postgresql":
        key = {"key": _JOURNAL_LOCK_KEY, "channel": CHANNEL}
        await conn.execute(text("select pg_advisory_xact_lock(:key), pg_notify(:channel, '')"), key)
    await conn.execute(insert(events), rows)  # executed row by row: the ids rise in the order of the calls


def _event(row: Row[Any]) -> Event:
    return Event(row.event_id, row.kind, row.area_path, row.body, row.at, row.for_user)


async def read_after(conn: AsyncConnection, event_id: int, *, limit: int = READ_LIMIT) -> list[Event]:
    """The next events after an id, oldest first, unfiltered."""
    found = await conn.execute(
        select(events).where(events.c.event_id > event_id).order_by(events.c.event_id).limit(limit)
    )
    return [_event(row) for row in found]


async def latest_id(conn: AsyncConnection) -> int:
    """0 when nothing has happened yet."""
    return (await conn.execute(select(func.max(events.c.event_id)))).scalar_one() or 0


async def oldest_id(conn: AsyncConnection) -> int:
    """The first that is still kept; 0 when there is none."""
    return (await conn.execute(select(func.min(events.c.event_id)))).scalar_one() or 0
