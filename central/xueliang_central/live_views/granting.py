"""The right to watch live: no role has it. A security administrator gives it to one person, for a time.

Invariants
    - It ends by itself after `LONGEST` at the latest; giving it again is another act.
    - It is for desks (`HOLDERS`): never for administrators of accounts, auditors and workers, and a change of the role
      takes it away with the sessions' next request.
    - Nobody gives it to oneself (`rights/keeping.py` judges whose account it is).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import MoveRefused, NotAllowed, NotFound
from xueliang_central.live_views.tables import live_rights
from xueliang_central.rights import keeping
from xueliang_central.rights.scope import Actor, Role

LONGEST: Final = timedelta(days=90)
HOLDERS: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR})

Row = dict[str, Any]


async def grant(conn: AsyncConnection, actor: Actor, user_id: str, *, why: str, until: datetime, at: datetime) -> Row:
    """What stood before is replaced. Raises NotFound, NotAllowed (the own account), MoveRefused."""
    account = await keeping.others_account(conn, actor, user_id)
    if account.role not in HOLDERS:
        named = ", ".join(sorted(HOLDERS))
        raise MoveRefused(f"live view can be given to {named}; this account is {account.role}")
    if not at < until <= at + LONGEST:
        raise MoveRefused(f"until: expected a moment within {LONGEST.days} days from now")
    row = {"user_id": account.user_id, "why": why, "granted_by": actor.name, "granted_at": at, "until_at": until}
    await conn.execute(delete(live_rights).where(live_rights.c.user_id == account.user_id))
    await conn.execute(insert(live_rights), row)
    await _note(conn, actor, "live_right.granted", account.user_id, {"why": why, "until": until.isoformat()}, at)
    return row


async def revoke(conn: AsyncConnection, actor: Actor, user_id: str, *, at: datetime) -> None:
    """Views that run end within seconds. Raises NotFound, also where there is no such right; NotAllowed."""
    account = await keeping.others_account(conn, actor, user_id)
    gone = await conn.execute(delete(live_rights).where(live_rights.c.user_id == account.user_id))
    if gone.rowcount != 1:
        raise NotFound("live right")
    await _note(conn, actor, "live_right.revoked", account.user_id, {}, at)


async def until_when(conn: AsyncConnection, actor: Actor, at: datetime) -> datetime | None:
    """Until when this person may watch live; None: not now."""
    if actor.role not in HOLDERS:
        return None
    found = await conn.execute(
        select(live_rights.c.until_at).where(live_rights.c.user_id == actor.user_id, live_rights.c.until_at > at)
    )
    until: datetime | None = found.scalar_one_or_none()
    return until


async def standing(conn: AsyncConnection, at: datetime) -> Mapping[str, Row]:
    """Every right that has not ended, by user_id: few, for each was given to one person by hand."""
    found = await conn.execute(select(live_rights).where(live_rights.c.until_at > at))
    return {row.user_id: dict(row._mapping) for row in found}


async def must_hold(conn: AsyncConnection, actor: Actor, at: datetime) -> datetime:
    """Until when. Raises NotAllowed."""
    until = await until_when(conn, actor, at)
    if until is None:
        raise NotAllowed("live view needs a right of its own, which a security administrator gives for a time")
    return until


async def _note(
    conn: AsyncConnection, actor: Actor, action: str, user_id: str, detail: dict[str, Any], at: datetime
) -> None:
    await chain.record(
        conn, actor=actor.name, action=action, object_kind="user", object_id=user_id, detail=detail, at=at
    )
