"""Who works on what: leases with a fence, and due rows that no two workers take.

A lease is held until its time is over, whatever became of the holder; the fence rises with every new holder, so that
what an earlier one still does late can be recognised and refused.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Select, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.store.tables import leases

SelectT = TypeVar("SelectT", bound=Select[Any])


def skip_taken(query: SelectT) -> SelectT:
    """Rows that another transaction works on are left out (PostgreSQL); SQLite has one writer anyway."""
    return query.with_for_update(skip_locked=True)


async def claim(conn: AsyncConnection, *, name: str, holder: str, at: datetime, lasts: timedelta) -> int | None:
    """Take or extend a lease: its fence. None: somebody else has it."""
    found = await conn.execute(select(leases).where(leases.c.name == name).with_for_update())
    row = found.one_or_none()
    if row is None:
        return await _first(conn, name, holder, at + lasts)
    if row.holder != holder and row.until_at > at:
        return None
    fence: int = row.fence if row.holder == holder else row.fence + 1
    await conn.execute(
        update(leases).where(leases.c.name == name).values(holder=holder, until_at=at + lasts, fence=fence)
    )
    return fence


async def _first(conn: AsyncConnection, name: str, holder: str, until: datetime) -> int | None:
    try:
        async with conn.begin_nested():
            await conn.execute(insert(leases), {"name": name, "holder": holder, "until_at": until, "fence": 1})
    except IntegrityError:  # another one was first, in this instant
        return None
    return 1


async def release(conn: AsyncConnection, *, name: str, holder: str, at: datetime) -> None:
    """Give a lease back early. The row stays: the next holder's fence must be higher."""
    await conn.execute(
        update(leases).where(leases.c.name == name, leases.c.holder == holder).values(holder="", until_at=at)
    )
