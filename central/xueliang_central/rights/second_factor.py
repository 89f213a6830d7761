"""A second factor: enrolled once, asked at every sign-in, given up only with a security administrator.

Invariants
    - A secret is shown once, when enrolment starts, and never answered again; the database has it sealed.
    - It counts from the first code that fits; until then sign-in does not ask for it, and starting again replaces it.
    - A code is taken once: `last_step` only goes up, by one statement that also asks whether it does. A recovery code
      is a row that is deleted; only hashes are kept (60 random bits need no slow hash).
    - An attempt is counted before it is judged (`rights/throttle.py`), per person, however many sign-ins are open; on a
      device that the person signed in from before it has a count of its own, as passwords have.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, NotFound, Throttled, WrongCode
from xueliang_central.rights import totp
from xueliang_central.rights.acting import acting
from xueliang_central.rights.scope import Actor
from xueliang_central.rights.sealing import Seal
from xueliang_central.rights.tables import login_attempts, recovery_codes, second_factors, second_steps, sessions, users
from xueliang_central.rights.throttle import Limit, count_attempt, subject_hash
from xueliang_central.store.database import Database

ISSUER: Final = "Xueliang"  # what the authenticator app shows above the code
RECOVERY_CODES: Final = 10
_RECOVERY_LENGTH: Final = 12
# Whoever gets here has the password already. At most 12 guesses an hour once five are spent, each at three of a million
# codes: one chance in a thousand a day.
CODES: Final = Limit(free=5, cap_s=300)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What is shown once. `secret` is for whoever cannot scan the picture of `uri`."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class Standing:
    is_enrolled: bool
    recovery_codes_left: int


async def standing_of(conn: AsyncConnection, user_id: str) -> Standing:
    is_enrolled = await _row(conn, user_id, is_confirmed=True) is not None
    left = await conn.scalar(
        select(func.count()).select_from(recovery_codes).where(recovery_codes.c.user_id == user_id)
    )
    return Standing(is_enrolled, int(left or 0))


async def start(conn: AsyncConnection, seal: Seal, *, user_id: str, username: str, at: datetime) -> Enrolment:
    """A new secret that counts once a code of it has come. Raises Conflict when one is enrolled."""
    if await _row(conn, user_id, is_confirmed=True) is not None:
        raise Conflict("a second factor is enrolled; a security administrator can take it away")
    secret = totp.new_secret()
    # With secrets in the database a missing key is lost or not mounted: a new one would hide that.
    is_first = await conn.scalar(select(second_factors.c.user_id).limit(1)) is None
    row = {
        "user_id": user_id,
        "sealed_secret": seal.close(secret, user_id=user_id, may_make_key=is_first),
        "started_at": at,
        "confirmed_at": None,
        "last_step": -1,
    }
    await conn.execute(
        delete(second_factors).where(second_factors.c.user_id == user_id, second_factors.c.confirmed_at.is_(None))
    )
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    made = await conn.execute(dialect.insert(second_factors).on_conflict_do_nothing(), row)
    if made.rowcount == 0:
        raise Conflict("another window has begun to enrol in this moment; begin again")
    await _tell(conn, username, "second_factor.started", user_id, {}, at)
    return Enrolment(totp.as_text(secret), totp.uri_of(secret, username=username, issuer=ISSUER))


async def confirm(
    database: Database, seal: Seal, actor: Actor, *, code: str, keep: str, at: datetime
) -> tuple[str, ...]:
    """The first code has come: the factor counts, the person's other sessions end; the recovery codes.

    Args:
        keep: hash of the session that goes on.

    Raises:
        WrongCode: or nothing was started.
        Throttled: the attempt was not judged.
    """
    user_id, username = actor.user_id, actor.name
    await count(database, subject_of(user_id), at)
    # Held: a sign-in that saw no factor is done, so that its session ends here.
    async with acting(database, actor, changes=user_id) as conn:
        row = await _row(conn, user_id, is_confirmed=False)
        step = None if row is None else _step(seal, row, code, at)
        if row is not None and step is not None:
            confirmed = await conn.execute(
                update(second_factors)
                .where(
                    second_factors.c.user_id == user_id,
                    second_factors.c.sealed_secret == row.sealed_secret,  # the one whose code this is
                    second_factors.c.confirmed_at.is_(None),
                )
                .values(confirmed_at=at, last_step=step)
            )
            if confirmed.rowcount == 1:
                await conn.execute(delete(sessions).where(sessions.c.user_id == user_id, sessions.c.token_hash != keep))
                await forget_attempts(conn, subject_of(user_id))
                await _tell(conn, username, "second_factor.enrolled", user_id, {}, at)
                return await _new_codes(conn, user_id)
        await _tell(conn, username, "second_factor.refused", user_id, {"when": "enrolling"}, at)
    raise WrongCode


async def renew_codes(database: Database, seal: Seal, actor: Actor, *, code: str, at: datetime) -> tuple[str, ...]:
    """New recovery codes in place of all before, for a code of now. Raises WrongCode, Throttled."""
    user_id, username = actor.user_id, actor.name
    await count(database, subject_of(user_id), at)
    async with acting(database, actor, changes=user_id) as conn:
        way = await take(conn, seal, user_id, code, at) if _is_of_app(code) else None
        if way == "code":
            await forget_attempts(conn, subject_of(user_id))
            await _tell(conn, username, "second_factor.codes_renewed", user_id, {}, at)
            return await _new_codes(conn, user_id)
        await _tell(conn, username, "second_factor.refused", user_id, {"when": "renewing codes"}, at)
    raise WrongCode


async def take(conn: AsyncConnection, seal: Seal, user_id: str, code: str, at: datetime) -> str | None:
    """Use up a code of a person who has enrolled: "code", "recovery", or None when it is none, or was used before."""
    row = await _row(conn, user_id, is_confirmed=True)
    if row is None:
        return None
    step = _step(seal, row, code, at)
    if step is not None:
        taken = await conn.execute(
            update(second_factors)
            .where(second_factors.c.user_id == user_id, second_factors.c.last_step < step)
            .values(last_step=step)
        )
        way = "code" if taken.rowcount == 1 else None
    else:
        used = await conn.execute(
            delete(recovery_codes).where(
                recovery_codes.c.user_id == user_id, recovery_codes.c.code_hash == _hash_of_recovery(code)
            )
        )
        way = "recovery" if used.rowcount == 1 else None
    return way


async def reset(conn: AsyncConnection, user_id: str, *, by: str, at: datetime) -> None:
    """Take the factor away, with its recovery codes; every session of the person ends. Raises NotFound."""
    if await conn.scalar(select(users.c.user_id).where(users.c.user_id == user_id)) is None:
        raise NotFound("user")
    for table in (second_factors, recovery_codes, second_steps, sessions):
        await conn.execute(delete(table).where(table.c.user_id == user_id))
    await forget_attempts(conn, subject_of(user_id))
    await _tell(conn, by, "second_factor.reset", user_id, {}, at)


def _step(seal: Seal, row: Row[Any], code: str, at: datetime) -> int | None:
    if not _is_of_app(code):
        return None
    return totp.step_that_fits(seal.open(row.sealed_secret, user_id=row.user_id), _plain(code), at)


def _is_of_app(code: str) -> bool:
    return re.fullmatch(r"[0-9]{6}", _plain(code)) is not None


def _plain(code: str) -> str:
    """As it is compared: people type codes with spaces and dashes, and in small letters."""
    return re.sub(r"[\s-]", "", code).upper()


async def _row(conn: AsyncConnection, user_id: str, *, is_confirmed: bool) -> Row[Any] | None:
    confirmed = second_factors.c.confirmed_at
    asked = select(second_factors).where(
        second_factors.c.user_id == user_id, confirmed.is_not(None) if is_confirmed else confirmed.is_(None)
    )
    return (await conn.execute(asked)).one_or_none()


async def _new_codes(conn: AsyncConnection, user_id: str) -> tuple[str, ...]:
    made = tuple(totp.as_text(secrets.token_bytes(8))[:_RECOVERY_LENGTH] for _ in range(RECOVERY_CODES))
    await conn.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    rows = [{"user_id": user_id, "code_hash": _hash_of_recovery(code)} for code in made]
    await conn.execute(insert(recovery_codes), rows)
    return tuple("-".join(code[at : at + 4] for at in range(0, _RECOVERY_LENGTH, 4)) for code in made)


def _hash_of_recovery(code: str) -> str:
    return hashlib.sha256(f"recovery:{_plain(code)}".encode("utf-8", "replace")).hexdigest()


def subject_of(user_id: str, device_hash: str = "") -> str:
    """Whose attempts are counted together. `device_hash`: of a device that this person signed in from before."""
    return subject_hash("code", f"{user_id} {device_hash}")


async def count(database: Database, subject: str, at: datetime) -> None:
    """One attempt at a person's codes. Raises Throttled when it may not be judged now."""
    async with database.transaction() as conn:
        wait_s = await count_attempt(conn, {subject: CODES}, at)
    if wait_s:
        raise Throttled("wait before the next attempt", retry_after_s=wait_s)


async def forget_attempts(conn: AsyncConnection, subject: str) -> None:
    await conn.execute(delete(login_attempts).where(login_attempts.c.subject_hash == subject))


async def _tell(
    conn: AsyncConnection, actor: str, action: str, user_id: str, detail: dict[str, Any], at: datetime
) -> None:
    await chain.record(conn, actor=actor, action=action, object_kind="user", object_id=user_id, detail=detail, at=at)
