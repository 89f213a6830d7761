"""Incidents of which no document could be made: counted, tried again later and later, and known to health.

Why is kept as the kind of error: its text may hold anything.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import Counter
from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.cap.tables import cap_set_aside
from xueliang_central.store.database import after_commit

log = logging.getLogger(__name__)

TRY_LIMIT: Final = 20
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
SET_ASIDE: Final = Counter("central_cap_set_aside", "Tries to make a CAP document that failed", ["why"])


async def put(conn: AsyncConnection, incident: Mapping[str, Any], error: Exception, now: datetime) -> None:
    """Set an incident aside, or once more. The first time it is logged with its traceback."""
    mine = cap_set_aside.c.incident_id == incident["incident_id"]
    why = type(error).__name__[:200]
    tries = (await conn.execute(select(cap_set_aside.c.tries).where(mine))).scalar_one_or_none() or 0
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries, 10))
    values = {"why": why, "tries": tries + 1, "next_try_at": now + pause}
    if tries:
        await conn.execute(update(cap_set_aside).where(mine).values(**values))
    else:
        await conn.execute(insert(cap_set_aside), {"incident_id": incident["incident_id"], "since": now, **values})
        log.error("an incident cannot be told as CAP", exc_info=error, extra={"number": incident["number"], "why": why})
    after_commit(conn, lambda: SET_ASIDE.labels(why).inc())


async def take_back(conn: AsyncConnection, incident_id: str) -> None:
    """It could be told, or there was nothing to tell."""
    await conn.execute(delete(cap_set_aside).where(cap_set_aside.c.incident_id == incident_id))


async def to_try(conn: AsyncConnection, now: datetime) -> list[str]:
    """Those whose next try is due, the longest due first."""
    due = select(cap_set_aside.c.incident_id).where(cap_set_aside.c.next_try_at <= now)
    return list((await conn.execute(due.order_by(cap_set_aside.c.next_try_at).limit(TRY_LIMIT))).scalars())


async def count(conn: AsyncConnection) -> int:
    return int((await conn.execute(select(func.count()).select_from(cap_set_aside))).scalar_one())


def is_one(incident_id: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(cap_set_aside.c.incident_id == incident_id)
