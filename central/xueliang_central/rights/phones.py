"""Phones that are bound to a worker each: who has which, and taking one away.

Invariants
    - A phone is one key and one person. That it was taken away stands in its row, and is asked with every request of a
      session that its key has opened: such a session ends at once, and says why.
    - One that nobody has used for `PHONE_LASTS` is bound no more; its row goes, as one does that was taken away so long
      ago. The audit chain keeps both.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import NotFound
from xueliang_central.rights.tables import phone_challenges, phone_codes, phones, sessions, used_phone_codes
from xueliang_central.store import events

PHONE_LASTS: Final = timedelta(days=90)  # as a known device; a worker on long leave is enrolled again


@dataclass(frozen=True, slots=True)
class Phone:
    """`revoked_by`: a user name; "system" where it followed from a change of the account."""

    phone_id: str
    name: str
    enrolled_at: datetime
    enrolled_by: str
    last_used_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None


def stands(at: datetime) -> ColumnElement[bool]:
    """Bound, neither taken away nor lapsed."""
    return phones.c.revoked_at.is_(None) & (phones.c.last_used_at > at - PHONE_LASTS)


async def phones_of(conn: AsyncConnection, user_id: str) -> Sequence[Phone]:
    """Those bound now first, the newest of them on top; then those taken away."""
    found = await conn.execute(
        select(phones)
        .where(phones.c.user_id == user_id)
        .order_by(phones.c.revoked_at.is_not(None), phones.c.enrolled_at.desc(), phones.c.phone_id)
    )
    names = ("phone_id", "name", "enrolled_at", "enrolled_by", "last_used_at", "revoked_at", "revoked_by")
    return [Phone(**{name: row[name] for name in names}) for row in found.mappings()]


async def phone_of_session(conn: AsyncConnection, token_hash: str) -> str | None:
    """None: it was opened by password."""
    asked = select(sessions.c.phone_id).where(sessions.c.token_hash == token_hash)
    found: str | None = (await conn.execute(asked)).scalar_one_or_none()
    return found


async def revoke(conn: AsyncConnection, user_id: str, phone_id: str, *, by: str, at: datetime) -> None:
    """Take one away: its sessions end at once. Raises NotFound, also where it was taken away before."""
    try:
        wanted = phones.c.phone_id == str(uuid.UUID(phone_id))
    except ValueError:
        raise NotFound("phone") from None
    if not await _revoke(conn, user_id, wanted, by=by, detail={}, at=at):
        raise NotFound("phone")


async def revoke_all(conn: AsyncConnection, user_id: str, *, by: str, why: str, at: datetime) -> None:
    """What follows for a person's phones from a change of the account; a code that waits goes as well."""
    await void_code(conn, user_id)
    await _revoke(conn, user_id, phones.c.user_id == user_id, by=by, detail={"why": why}, at=at)


async def void_code(conn: AsyncConnection, user_id: str) -> bool:
    """One that waits enrols nobody any more. False: none waited."""
    return (await conn.execute(delete(phone_codes).where(phone_codes.c.user_id == user_id))).rowcount > 0


async def _revoke(
    conn: AsyncConnection, user_id: str, wanted: ColumnElement[bool], *, by: str, detail: dict[str, Any], at: datetime
) -> int:
    gone = await conn.execute(
        update(phones)
        .where(phones.c.user_id == user_id, phones.c.revoked_at.is_(None), wanted)
        .values(revoked_at=at, revoked_by=by)
        .returning(phones.c.phone_id, phones.c.name)
    )
    rows = gone.all()
    for row in rows:
        await chain.record(
            conn,
            actor=by,
            action="phone.revoked",
            object_kind="user",
            object_id=user_id,
            detail={"phone_id": row.phone_id, "name": row.name, **detail},
            at=at,
        )
    if rows:
        await tell(conn, user_id, at)
    return len(rows)


async def tell(conn: AsyncConnection, user_id: str, at: datetime) -> None:
    """The person's streams are judged anew at once (routes/stream.py), by whichever process they hang on."""
    await events.append(conn, kind="phone", area_path="", body={}, at=at, for_user=user_id)


async def forget_old(conn: AsyncConnection, at: datetime) -> None:
    """Codes and challenges that are over, phones not used or taken away long ago."""
    await conn.execute(delete(phone_codes).where(phone_codes.c.expires_at <= at))
    await conn.execute(delete(used_phone_codes).where(used_phone_codes.c.expires_at <= at))
    await conn.execute(delete(phone_challenges).where(phone_challenges.c.expires_at <= at))
    long_ago = at - PHONE_LASTS
    await conn.execute(delete(phones).where(or_(phones.c.last_used_at < long_ago, phones.c.revoked_at < long_ago)))
