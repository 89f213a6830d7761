"""Receipts: a person's device has a notice, or the person acts on what it tells of. Either ends its climb.

A receipt is about one person; what others were told goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import NotFound
from xueliang_central.notices.ladder import UNTIL_ANSWERED
from xueliang_central.notices.tables import notices

Row = dict[str, Any]

DEVICE: Final = "device"  # the page says that it has the notice
OPENED: Final = "opened"  # the person has opened the task or the incident
ACTED: Final = "acted"  # the person has made a move of the task
_MOST: Final = 100


async def received(conn: AsyncConnection, notice_id: str, user_id: str, now: datetime) -> Row:
    """The page of this person has the notice; the notice after it. A second receipt changes nothing.

    Raises:
        NotFound: there is no such notice, or it is not for this person.
    """
    mine = (notices.c.notice_id == notice_id, notices.c.user_id == user_id)
    await _mark(conn, DEVICE, now, *mine)
    row = (await conn.execute(select(notices).where(*mine))).mappings().one_or_none()
    if row is None:
        raise NotFound("notice")
    return dict(row)


async def is_any_unreceived(conn: AsyncConnection, user_id: str, *about: ColumnElement[bool]) -> bool:
    found = await conn.execute(select(notices.c.notice_id).where(*_open(user_id), *about).limit(1))
    return found.one_or_none() is not None


async def all_received(conn: AsyncConnection, user_id: str, now: datetime, by: str, *about: ColumnElement[bool]) -> int:
    """Every notice to this person that these conditions take is received; returns how many were not before."""
    return await _mark(conn, by, now, notices.c.user_id == user_id, *about)


async def unreceived(conn: AsyncConnection, user_id: str) -> Sequence[Row]:
    """What this person was told and has not received, oldest first."""
    query = select(notices).where(*_open(user_id)).order_by(notices.c.created_at, notices.c.notice_id).limit(_MOST)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


def _open(user_id: str) -> tuple[ColumnElement[bool], ...]:
    """Those of the release before, which climb no ladder, are left out."""
    return notices.c.user_id == user_id, notices.c.received_at.is_(None), notices.c.severity.is_not(None)


async def _mark(conn: AsyncConnection, by: str, now: datetime, *which: ColumnElement[bool]) -> int:
    """`climb_at` is brought forward, so that the next look ends the climb and says why."""
    done = await conn.execute(
        update(notices).where(*which, notices.c.received_at.is_(None)).values(received_at=now, received_by=by)
    )
    await conn.execute(
        update(notices)
        .where(*which, notices.c.climb_at.is_not(None), notices.c.climb_at > now, notices.c.kind.not_in(UNTIL_ANSWERED))
        .values(climb_at=now)
    )
    return done.rowcount
