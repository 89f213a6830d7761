"""A bound phone goes on: it signs a challenge of the centre, and has a session of an hour again.

Invariants
    - A challenge is good for one phone, once, for a minute.
    - Whoever has a session's cookie alone has it for `accounts.PHONE_SESSION_LASTS` at most: only the key renews it,
      and the key does not leave the phone.
    - A phone that was taken away, has lapsed, or whose person is disabled or no worker any more renews nothing.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import PhoneRefused, PhoneRevoked, Throttled
from xueliang_central.rights import accounts, people
from xueliang_central.rights.phone_keys import PhoneKey, to_renew
from xueliang_central.rights.phones import stands
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import login_attempts, phone_challenges, phones, users
from xueliang_central.rights.throttle import DEVICE, count_attempt, subject_hash
from xueliang_central.store.database import Database

CHALLENGE_LASTS: Final = timedelta(minutes=1)  # a signature takes milliseconds, a bad line seconds


async def challenge(database: Database, phone_id: str, *, at: datetime) -> str:
    """What the phone is to sign now. Raises PhoneRevoked, also for a phone that nobody knows."""
    async with database.reading() as conn:
        await _bound(conn, phone_id, at)
    given = secrets.token_urlsafe(32)
    row = {"challenge_hash": accounts.token_hash(given), "phone_id": phone_id, "expires_at": at + CHALLENGE_LASTS}
    async with database.transaction() as conn:
        mine = phone_challenges.c.phone_id == phone_id
        await conn.execute(delete(phone_challenges).where(mine, phone_challenges.c.expires_at <= at))
        await conn.execute(insert(phone_challenges), row)
    return given


async def renew(
    database: Database, *, phone_id: str, given: str, signature: str, address: str, device: str, at: datetime
) -> accounts.SignedIn:
    """A new session.

    Args:
        given: the challenge.
        signature: of `to_renew(phone_id, given)`, by the phone's key.

    Raises:
        PhoneRevoked: for good.
        PhoneRefused: the challenge is over or was answered, or another key has signed; counted.
        Throttled: not judged.
    """
    subject = subject_hash("phone", f"{phone_id} {address}")
    async with database.transaction() as conn:
        wait_s = await count_attempt(conn, {subject: DEVICE}, at)
    if wait_s:
        raise Throttled("wait before the next attempt", retry_after_s=wait_s)
    async with database.reading() as conn:
        user_id = (await _bound(conn, phone_id, at)).user_id
    async with database.transaction() as conn:
        await people.hold(conn, user_id, shared=True)  # whoever takes the phone away in this moment waits, or is done
        row = await _bound(conn, phone_id, at)
        refused = await _why_not(conn, row, given, signature, at)
        if not refused:
            await conn.execute(delete(login_attempts).where(login_attempts.c.subject_hash == subject))
            await conn.execute(update(phones).where(phones.c.phone_id == phone_id).values(last_used_at=at))
            return await accounts.open_by_phone(
                conn, user_id, row.username, phone_id, action="session.renewed", address=address, device=device, at=at
            )
        detail = {"address": address, "way": "phone", "phone_id": phone_id, "why": refused}
        await chain.record(
            conn,
            actor="system",
            action="session.refused",
            object_kind="user",
            object_id=row.username,
            detail=detail,
            at=at,
        )
    raise PhoneRefused(refused)


async def _why_not(conn: AsyncConnection, row: Row[Any], given: str, signature: str, at: datetime) -> str:
    """In words; "" where nothing is wrong. The challenge is used up either way."""
    used = await conn.execute(
        delete(phone_challenges).where(
            phone_challenges.c.challenge_hash == accounts.token_hash(given),
            phone_challenges.c.phone_id == row.phone_id,
            phone_challenges.c.expires_at > at,
        )
    )
    if used.rowcount != 1:
        return "the challenge is over, or was answered before"
    is_signed = PhoneKey(row.key_x, row.key_y).has_signed(to_renew(row.phone_id, given), signature)
    return "" if is_signed else "the challenge was not signed by the phone's key"


async def _bound(conn: AsyncConnection, phone_id: str, at: datetime) -> Row[Any]:
    try:
        wanted = phones.c.phone_id == str(uuid.UUID(phone_id))
    except ValueError:
        raise PhoneRevoked from None
    found = await conn.execute(
        select(phones, users.c.username)
        .join(users, users.c.user_id == phones.c.user_id)
        .where(wanted, stands(at), users.c.disabled.is_(False), users.c.role == Role.WORKER.value)
    )
    row = found.one_or_none()
    if row is None:
        raise PhoneRevoked
    return row
