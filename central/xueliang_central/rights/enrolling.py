"""A worker's phone is enrolled: by a code that a supervisor shows for ten minutes, and that one phone uses once.

Invariants
    - The code has 130 random bits; the database keeps its hash. A new one of the same worker voids the one before. Of
      two phones that use it at once one is enrolled. The phone that used it, and no other, gets its answer again for as
      long as the code would have stood: the first may have been lost on its way.
    - It goes when its worker moves, is disabled or is no worker any more.
    - Wrong ones are counted by address as wrong passwords are, and are answered alike: unknown, used, over. A right one
      never waits for them: nobody guesses it, and all phones of a network may come from one address.
    - It stands for the password, and for nothing more: who has a second factor enters a code of it here too.
    - The phone proves that it has the key which it wants to be known by.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import CodeNeeded, EnrolmentOver, MoveRefused, PhoneRefused, Throttled, WrongCode
from xueliang_central.rights import accounts, keeping, people, phones, second_factor
from xueliang_central.rights.phone_keys import PhoneKey, to_enrol
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.rights.sealing import Seal
from xueliang_central.rights.tables import phone_codes, used_phone_codes, users
from xueliang_central.rights.tables import phones as phone_rows
from xueliang_central.rights.throttle import ADDRESS, count_attempt, subject_hash
from xueliang_central.store.database import Database

CODE_LASTS: Final = timedelta(minutes=10)  # to unlock a phone and open its camera, the worker standing beside
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U, which are misread when typed
_LENGTH: Final = 26  # of 5 bits each
_MISREAD: Final = str.maketrans("ILO", "110")


@dataclass(frozen=True, slots=True)
class ShownCode:
    """`code` is shown to who asked, and kept nowhere."""

    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingCode:
    made_by: str
    expires_at: datetime


def plain(code: str) -> str:
    """As it is compared: people type it with spaces and dashes, in small letters, and misread some."""
    return re.sub(r"[\s-]", "", code).upper().translate(_MISREAD)


def _hash(code: str) -> str:
    return hashlib.sha256(f"phone code:{plain(code)}".encode("utf-8", "replace")).hexdigest()


async def make_code(conn: AsyncConnection, actor: Actor, user_id: str, *, at: datetime) -> ShownCode:
    """Raises NotFound (also outside the actor's areas), MoveRefused (no worker, or disabled)."""
    account = await keeping.others_account(conn, actor, user_id)
    now = await people.hold(conn, account.user_id)
    if now is None or now.role != Role.WORKER.value or now.disabled:
        raise MoveRefused("a phone is enrolled for a worker whose account is in use")
    code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    await phones.void_code(conn, account.user_id)
    expires_at = at + CODE_LASTS
    row = {
        "user_id": account.user_id,
        "code_hash": _hash(code),
        "made_by": actor.name,
        "made_at": at,
        "expires_at": expires_at,
    }
    await conn.execute(insert(phone_codes), row)
    await _note(conn, actor.name, "phone_code.made", account.user_id, {}, at)
    return ShownCode(code, expires_at)


async def void_code(conn: AsyncConnection, actor: Actor, user_id: str, *, at: datetime) -> None:
    """The supervisor closes the picture. Nothing where none waits. Raises NotFound (the account)."""
    account = await keeping.others_account(conn, actor, user_id)
    if await phones.void_code(conn, account.user_id):
        await _note(conn, actor.name, "phone_code.voided", account.user_id, {}, at)


async def waiting_code(conn: AsyncConnection, user_id: str, at: datetime) -> WaitingCode | None:
    found = await conn.execute(
        select(phone_codes).where(phone_codes.c.user_id == user_id, phone_codes.c.expires_at > at)
    )
    row = found.one_or_none()
    return None if row is None else WaitingCode(row.made_by, row.expires_at)


async def whose(database: Database, code: str, *, address: str, at: datetime) -> people.Person:
    """Whose phone it would be; the code is not used up. Raises EnrolmentOver, Throttled."""
    row = await _of_code(database, code, address=address, at=at)
    return people.Person(row.user_id, row.username, row.display_name, Role(row.role), row.area_code, row.area_path)


async def enrol(
    database: Database,
    seal: Seal,
    *,
    code: str,
    key: PhoneKey,
    signature: str,
    name: str,
    second: str,
    address: str,
    device: str,
    at: datetime,
) -> tuple[accounts.SignedIn, str]:
    """The phone is bound; its first session, and its phone_id. Asked again with the same code and key: another session
    of the same phone, without a second code of the second factor.

    Args:
        signature: of `to_enrol(plain(code))`, by the key.
        name: of the browser, for the list.
        second: a code of the second factor, "" without one.

    Raises:
        EnrolmentOver: the code is unknown, was used, voided, or is over; counted.
        PhoneRefused: the key is none, or has not signed.
        CodeNeeded, WrongCode: the person has a second factor.
        Throttled: one wrong code too many, of this kind or of the second factor.
    """
    async with database.reading() as conn:
        before = await _used_by(conn, code, key, at)
    row = before or await _of_code(database, code, address=address, at=at)
    if not key.has_signed(to_enrol(plain(code)), signature):
        raise PhoneRefused("the phone has not signed with the key it names")
    async with database.reading() as conn:
        has_factor = before is None and (await second_factor.standing_of(conn, row.user_id)).is_enrolled
    subject = second_factor.subject_of(row.user_id)
    if has_factor and not second:
        raise CodeNeeded
    if has_factor:
        await second_factor.count(database, subject, at)
    async with database.transaction() as conn:
        await people.hold(conn, row.user_id)  # first, as where an account is changed: neither waits for the other
        before = await _used_by(conn, code, key, at)  # also by the same request, sent twice at once
        if before is not None:
            await _note(conn, row.username, "phone.enrolled_again", row.user_id, {"phone_id": before.phone_id}, at)
            return await _opened(conn, row, before.phone_id, address, device, at), before.phone_id
        is_enough = await _second_step(conn, seal, row, second, at)
        if is_enough:
            await second_factor.forget_attempts(conn, subject)
            return await _bind(conn, row, code, key, name, address, device, at)
        detail = {"address": address, "way": "phone code", "second": "wrong"}
        await _note(conn, "system", "phone.enrol_refused", row.user_id, detail, at)
    raise WrongCode


async def _second_step(conn: AsyncConnection, seal: Seal, row: Row[Any], second: str, at: datetime) -> bool:
    """Asked again under the lock: one may have been enrolled in this moment."""
    if not (await second_factor.standing_of(conn, row.user_id)).is_enrolled:
        return True
    return second != "" and await second_factor.take(conn, seal, row.user_id, second, at) is not None


async def _bind(
    conn: AsyncConnection,
    row: Row[Any],
    code: str,
    key: PhoneKey,
    name: str,
    address: str,
    device: str,
    at: datetime,
) -> tuple[accounts.SignedIn, str]:
    used = await conn.execute(
        delete(phone_codes)
        .where(phone_codes.c.code_hash == _hash(code), phone_codes.c.expires_at > at)
        .returning(phone_codes.c.expires_at)
    )
    expires_at = used.scalar_one_or_none()
    if expires_at is None:
        raise EnrolmentOver("another phone was faster, or the code was voided in this moment")
    phone_id = str(uuid.uuid4())
    bound = {
        "phone_id": phone_id,
        "user_id": row.user_id,
        "key_x": key.x,
        "key_y": key.y,
        "name": name,
        "enrolled_at": at,
        "enrolled_by": row.made_by,
        "last_used_at": at,
    }
    await conn.execute(insert(phone_rows), bound)
    spent = {"code_hash": _hash(code), "phone_id": phone_id, "expires_at": expires_at}
    await conn.execute(insert(used_phone_codes), spent)
    told = {"phone_id": phone_id, "name": name, "code_of": row.made_by, "address": address}
    await _note(conn, row.username, "phone.enrolled", row.user_id, told, at)
    return await _opened(conn, row, phone_id, address, device, at), phone_id


async def _opened(
    conn: AsyncConnection, row: Row[Any], phone_id: str, address: str, device: str, at: datetime
) -> accounts.SignedIn:
    return await accounts.open_by_phone(
        conn, row.user_id, row.username, phone_id, action="session.opened", address=address, device=device, at=at
    )


async def _used_by(conn: AsyncConnection, code: str, key: PhoneKey, at: datetime) -> Row[Any] | None:
    """The worker and the phone of a code that this very key has used, while the code would stand and the phone does."""
    asked = (
        select(users, phone_rows.c.phone_id)
        .join(phone_rows, phone_rows.c.user_id == users.c.user_id)
        .join(used_phone_codes, used_phone_codes.c.phone_id == phone_rows.c.phone_id)
        .where(
            used_phone_codes.c.code_hash == _hash(code),
            used_phone_codes.c.expires_at > at,
            phone_rows.c.key_x == key.x,
            phone_rows.c.key_y == key.y,
            phones.stands(at),
            users.c.disabled.is_(False),
            users.c.role == Role.WORKER.value,
        )
    )
    return (await conn.execute(asked)).one_or_none()


async def _of_code(database: Database, code: str, *, address: str, at: datetime) -> Row[Any]:
    """The worker whose code it is, as of now. Raises EnrolmentOver, Throttled."""
    asked = (
        select(users, phone_codes.c.made_by)
        .join(phone_codes, phone_codes.c.user_id == users.c.user_id)
        .where(
            phone_codes.c.code_hash == _hash(code),
            phone_codes.c.expires_at > at,
            users.c.disabled.is_(False),
            users.c.role == Role.WORKER.value,
        )
    )
    async with database.reading() as conn:
        row = (await conn.execute(asked)).one_or_none()
    if row is not None:
        return row
    async with database.transaction() as conn:
        wait_s = await count_attempt(conn, {subject_hash("phone-code", address): ADDRESS}, at)
    if wait_s:
        raise Throttled("wait before the next attempt", retry_after_s=wait_s)
    async with database.transaction() as conn:
        detail = {"address": address, "way": "phone code"}
        await chain.record(
            conn, actor="system", action="phone.enrol_refused", object_kind="user", object_id="", detail=detail, at=at
        )
    raise EnrolmentOver


async def _note(
    conn: AsyncConnection, actor: str, action: str, user_id: str, detail: dict[str, Any], at: datetime
) -> None:
    await chain.record(conn, actor=actor, action=action, object_kind="user", object_id=user_id, detail=detail, at=at)
