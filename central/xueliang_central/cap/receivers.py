"""Other systems that may fetch what is told: a token and an area each."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.cap.tables import cap_receivers
from xueliang_central.errors import MoveRefused
from xueliang_central.rights.accounts import token_hash
from xueliang_central.rights.scope import Actor, Role

TOKEN_PREFIX: Final = "xlc_"  # noqa: S105 -- not a secret: lets a scanner recognise one
ID_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,29}$"


async def add_receiver(conn: AsyncConnection, *, receiver_id: str, area_path: str, at: datetime, by: str) -> str:
    """A new receiver, or a new token and area for a known one; the token, which cannot be read again.

    Raises:
        MoveRefused: no id of a receiver.
    """
    if not re.match(ID_PATTERN, receiver_id):
        raise MoveRefused(f"receiver_id must match {ID_PATTERN}, got {receiver_id[:40]!r}")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    values = {"area_path": area_path, "token_hash": token_hash(token), "added_at": at}
    mine = cap_receivers.c.receiver_id == receiver_id
    if (await conn.execute(update(cap_receivers).where(mine).values(**values))).rowcount == 0:
        await conn.execute(insert(cap_receivers), {"receiver_id": receiver_id, **values})
    await _record(conn, receiver_id, "receiver.added", {"area": area_path}, by, at)
    return token


async def remove_receiver(conn: AsyncConnection, *, receiver_id: str, at: datetime, by: str) -> None:
    """Its token no longer works. Raises MoveRefused: there is no such receiver."""
    gone = await conn.execute(delete(cap_receivers).where(cap_receivers.c.receiver_id == receiver_id))
    if gone.rowcount == 0:
        raise MoveRefused(f"there is no receiver {receiver_id[:40]}")
    await _record(conn, receiver_id, "receiver.removed", {}, by, at)


async def receiver_of_token(conn: AsyncConnection, token: str) -> Actor | None:
    """Who fetches, as the filter of areas and the audit name it; no person, and allowed nothing else."""
    found = await conn.execute(select(cap_receivers).where(cap_receivers.c.token_hash == token_hash(token)))
    row = found.mappings().one_or_none()
    if row is None:
        return None
    name = f"receiver:{row['receiver_id']}"
    return Actor(user_id=name, name=name, role=Role.AUDITOR, area_path=row["area_path"])


async def _record(
    conn: AsyncConnection, receiver_id: str, action: str, detail: dict[str, str], by: str, at: datetime
) -> None:
    await chain.record(
        conn, actor=by, action=action, object_kind="receiver", object_id=receiver_id, detail=detail, at=at
    )
