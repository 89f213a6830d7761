"""Sign in, sessions, and who is behind one.

Invariants
    - There is no account that nobody made.
    - A session is a random 256-bit token; the database keeps only its hash. It ends by expiry, sign-out, a change of
      password, role or area, or when the account is disabled. The person is read anew for every request, so a change
      counts at once.
    - Whoever has enrolled a second factor gets a session only by a code of it, whatever the first step was
      (`rights/second_factor.py`). Between the two there is a token that is good for that code alone.
    - A session that a bound phone's key has opened lasts an hour, and ends with the phone (`rights/phones.py`).
    - An unknown name costs the same time, is counted the same and answered the same as a wrong password. A device from
      which this person signed in before has a count of its own, so that guesses from elsewhere do not keep the owner
      out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import NotSignedIn, PhoneRevoked, SecondStepOver, Throttled, WrongCode, WrongPassword
from xueliang_central.rights import people, phones, second_factor
from xueliang_central.rights.passwords import password_fits
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.rights.sealing import Seal
from xueliang_central.rights.tables import (
    grants,
    known_devices,
    login_attempts,
    second_factors,
    second_steps,
    sessions,
    sign_on_trips,
    users,
)
from xueliang_central.rights.tables import phones as phone_rows
from xueliang_central.rights.throttle import ACCOUNT, ADDRESS, DEVICE, FORGET_AFTER, count_attempt, subject_hash
from xueliang_central.store.database import Database

SESSION_COOKIE: Final = "xl_session"
DEVICE_COOKIE: Final = "xl_device"
CSRF_HEADER: Final = "x-csrf-token"
SESSION_LASTS: Final = timedelta(hours=12)  # a shift; a phone that is not bound signs in once a day
PHONE_SESSION_LASTS: Final = timedelta(hours=1)  # what a stolen cookie of a bound phone is worth; renewed by itself
DEVICE_LASTS: Final = timedelta(days=90)
SECOND_COOKIE: Final = "xl_second"
SECOND_LASTS: Final = timedelta(minutes=5)  # to find the phone and type six digits
ENROLLING_LASTS: Final = timedelta(days=1)  # what was begun and not confirmed


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`token` and `device` go into cookies and nowhere else."""

    user_id: str
    token: str
    device: str
    lasts: timedelta = SESSION_LASTS


@dataclass(frozen=True, slots=True)
class SecondStep:
    """The first step is done, a code is asked now. `token` goes into a cookie and nowhere else."""

    token: str


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """Bound to the session without being stored: whoever has it can read the console's answers, not its cookie."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def csrf_matches(token: str, given: str) -> bool:
    return hmac.compare_digest(csrf_of(token).encode(), given.encode())


async def sign_in(
    database: Database, *, username: str, password: str, address: str, device: str, at: datetime
) -> SignedIn | SecondStep:
    """The first step by password: a new session, or what stands between it and its code.

    Args:
        address: where the attempt comes from.
        device: the device cookie, "" without one.

    Raises:
        WrongPassword: also for an unknown or disabled name.
        Throttled: the attempt was not judged.
    """
    name = username.strip().lower()[:64]
    async with database.transaction() as conn:
        user = (await conn.execute(select(users).where(users.c.username == name))).one_or_none()
        known = user is not None and await _is_known_device(conn, device, user.user_id, at)
        subjects = (
            {subject_hash("device", token_hash(device)): DEVICE}
            if known
            else {subject_hash("account", name): ACCOUNT, subject_hash("address", address): ADDRESS}
        )
        wait_s = await count_attempt(conn, subjects, at)
    if wait_s:
        raise Throttled("wait before the next attempt", retry_after_s=wait_s)
    stored = user.password_hash if user is not None and not user.disabled else None
    fits = await password_fits(stored, password)
    async with database.transaction() as conn:
        if fits and user is not None:  # judging takes its time: a password changed meanwhile opens nothing
            now = await people.hold(conn, user.user_id)
            fits = now is not None and not now.disabled and now.password_hash == stored
        if not fits or user is None:
            detail = {"address": address}
            await chain.record(
                conn, actor="system", action="session.refused", object_kind="user", object_id=name, detail=detail, at=at
            )
        else:
            await conn.execute(delete(login_attempts).where(login_attempts.c.subject_hash.in_(list(subjects))))
            return await go_on(
                conn, user_id=user.user_id, name=name, way="password", address=address, device=device, at=at
            )
    raise WrongPassword


async def go_on(
    conn: AsyncConnection, *, user_id: str, name: str, way: str, address: str, device: str, at: datetime
) -> SignedIn | SecondStep:
    """What follows the first step of a person who proved to be `user_id` (`way`: "password" or "oidc")."""
    await people.hold(conn, user_id)  # against a second factor that is confirmed in this moment
    if not (await second_factor.standing_of(conn, user_id)).is_enrolled:
        return await _opened(conn, user_id, name, {"address": address, "way": way}, device, at)
    token = secrets.token_urlsafe(32)
    row = {"token_hash": token_hash(token), "user_id": user_id, "way": way, "expires_at": at + SECOND_LASTS}
    await conn.execute(insert(second_steps), row)
    return SecondStep(token)


async def second_step(
    database: Database, seal: Seal, *, token: str, code: str, address: str, device: str, at: datetime
) -> SignedIn:
    """The code has come: a new session.

    Raises:
        SecondStepOver: there was no first step, or it was too long ago.
        WrongCode: no code of this person now; the first step still stands.
        Throttled: the code was not judged.
    """
    asked = (
        select(users.c.user_id, users.c.username, second_steps.c.way)
        .join(second_steps, second_steps.c.user_id == users.c.user_id)
        .where(
            second_steps.c.token_hash == token_hash(token), second_steps.c.expires_at > at, users.c.disabled.is_(False)
        )
    )
    async with database.reading() as conn:
        user = (await conn.execute(asked)).one_or_none()
        known = user is not None and await _is_known_device(conn, device, user.user_id, at)
    if user is None:
        raise SecondStepOver
    subject = second_factor.subject_of(user.user_id, token_hash(device) if known else "")
    await second_factor.count(database, subject, at)
    async with database.transaction() as conn:
        await people.hold(conn, user.user_id)  # first, as where an account is changed: neither waits for the other
        how = await second_factor.take(conn, seal, user.user_id, code, at)
        if how is not None:
            over = await conn.execute(delete(second_steps).where(second_steps.c.token_hash == token_hash(token)))
            if over.rowcount != 1:
                raise SecondStepOver  # done elsewhere meanwhile; the code is not used up
            await second_factor.forget_attempts(conn, subject)
            detail = {"address": address, "way": user.way, "second": how}
            return await _opened(conn, user.user_id, user.username, detail, device, at)
        detail = {"address": address, "second": "wrong"}
        await chain.record(
            conn,
            actor="system",
            action="session.refused",
            object_kind="user",
            object_id=user.username,
            detail=detail,
            at=at,
        )
    raise WrongCode


async def _opened(
    conn: AsyncConnection, user_id: str, name: str, detail: dict[str, str], device: str, at: datetime
) -> SignedIn:
    known = await _is_known_device(conn, device, user_id, at)
    signed_in = await _open_session(conn, user_id, device if known else "", at)
    await chain.record(
        conn, actor=name, action="session.opened", object_kind="user", object_id=user_id, detail=detail, at=at
    )
    return signed_in


async def open_by_phone(
    conn: AsyncConnection,
    user_id: str,
    name: str,
    phone_id: str,
    *,
    action: str,
    address: str,
    device: str,
    at: datetime,
) -> SignedIn:
    """A session of a bound phone, which has just proved that it has its key."""
    known = await _is_known_device(conn, device, user_id, at)
    signed_in = await _open_session(conn, user_id, device if known else "", at, phone_id, PHONE_SESSION_LASTS)
    detail = {"address": address, "way": "phone", "phone_id": phone_id}
    await chain.record(conn, actor=name, action=action, object_kind="user", object_id=user_id, detail=detail, at=at)
    return signed_in


async def _is_known_device(conn: AsyncConnection, device: str, user_id: str, at: datetime) -> bool:
    if not device:
        return False
    found = await conn.execute(
        select(known_devices.c.user_id).where(
            known_devices.c.token_hash == token_hash(device),
            known_devices.c.user_id == user_id,
            known_devices.c.last_used_at > at - DEVICE_LASTS,
        )
    )
    return found.one_or_none() is not None


async def _open_session(
    conn: AsyncConnection,
    user_id: str,
    device: str,
    at: datetime,
    phone_id: str | None = None,
    lasts: timedelta = SESSION_LASTS,
) -> SignedIn:
    token = secrets.token_urlsafe(32)
    new_device = secrets.token_urlsafe(32)
    if device:
        await conn.execute(delete(known_devices).where(known_devices.c.token_hash == token_hash(device)))
    await conn.execute(
        insert(known_devices), {"token_hash": token_hash(new_device), "user_id": user_id, "last_used_at": at}
    )
    row = {
        "token_hash": token_hash(token),
        "user_id": user_id,
        "created_at": at,
        "expires_at": at + lasts,
        "phone_id": phone_id,
    }
    await conn.execute(insert(sessions), row)
    return SignedIn(user_id, token, new_device, lasts)


async def sign_out(conn: AsyncConnection, token: str) -> None:
    await conn.execute(delete(sessions).where(sessions.c.token_hash == token_hash(token)))


async def actor_of_session(conn: AsyncConnection, token: str, *, at: datetime) -> Actor:
    """Who is behind a session token now. Raises NotSignedIn: unknown, expired, revoked, or the account is disabled;
    PhoneRevoked, which is one too: the phone whose session it is was taken away."""
    found = await conn.execute(
        select(users, second_factors.c.confirmed_at, phone_rows.c.revoked_at)
        .join(sessions, sessions.c.user_id == users.c.user_id)
        .outerjoin(
            second_factors,
            and_(second_factors.c.user_id == users.c.user_id, second_factors.c.confirmed_at.is_not(None)),
        )
        .outerjoin(phone_rows, phone_rows.c.phone_id == sessions.c.phone_id)
        .where(sessions.c.token_hash == token_hash(token), sessions.c.expires_at > at, users.c.disabled.is_(False))
    )
    row = found.one_or_none()
    if row is None:
        raise NotSignedIn
    if row.revoked_at is not None:
        raise PhoneRevoked
    granted = await conn.execute(
        select(grants.c.area_path).where(
            grants.c.user_id == row.user_id, or_(grants.c.until_at.is_(None), grants.c.until_at > at)
        )
    )
    return Actor(
        row.user_id,
        row.username,
        Role(row.role),
        row.area_path,
        tuple(granted.scalars()),
        has_second_factor=row.confirmed_at is not None,
        session=token_hash(token),
    )


async def forget_old(conn: AsyncConnection, at: datetime) -> None:
    """Clear what no longer matters: expired sessions and half sign-ins, enrolments nobody ended, old attempts, devices
    not seen for long, codes and challenges of phones that are over."""
    await conn.execute(delete(sessions).where(sessions.c.expires_at <= at))
    await conn.execute(delete(second_steps).where(second_steps.c.expires_at <= at))
    begun = second_factors.c.confirmed_at.is_(None)  # nobody sees it, and it would stand in the way of a new key
    await conn.execute(delete(second_factors).where(begun, second_factors.c.started_at < at - ENROLLING_LASTS))
    await conn.execute(delete(sign_on_trips).where(sign_on_trips.c.expires_at <= at))
    await conn.execute(delete(login_attempts).where(login_attempts.c.last_at < at - FORGET_AFTER * 24))
    await conn.execute(delete(known_devices).where(known_devices.c.last_used_at < at - DEVICE_LASTS))
    await phones.forget_old(conn, at)
