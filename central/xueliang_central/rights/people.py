"""People: added and changed by an administrator; each with a role, an area, and grants beyond it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Insert, Row, Update, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, MoveRefused, NotFound, NotSignedIn, PhoneRevoked
from xueliang_central.rights import phones
from xueliang_central.rights.administrators import Standing, administered_as, why_not
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.rights.tables import grants, second_steps, sessions, users
from xueliang_central.rights.tables import phones as phone_rows

MAX_HOLDER: Final = 128
USERNAME_PATTERN: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")


async def hold(conn: AsyncConnection, user_id: str, *, shared: bool = False) -> Row[Any] | None:
    """The person's row, held until the transaction ends: of two that open and end sessions one waits for the other.

    On PostgreSQL by FOR NO KEY UPDATE (`key_share`): nobody changes or removes a user_id, so that a row which only
    refers to the person (a session, a known device, a step of a sign-in) need not wait, as it would for FOR UPDATE.
    `shared`, by FOR SHARE: for who changes nothing of the account and only needs it to stay as it is. What the person
    asks for meanwhile (`must_stand`) does not wait then, who changes the account does. Not with `hold` for oneself
    after it: two that share the row and then want it alone would wait for each other for ever.
    """
    asked = select(users).where(users.c.user_id == user_id)
    held = asked.with_for_update(read=True) if shared else asked.with_for_update(key_share=True)
    return (await conn.execute(held)).one_or_none()


async def must_stand(conn: AsyncConnection, actor: Actor, *, alone: bool = False, changes: str | None = None) -> None:
    """The account is as it was when its request was let in, and stays so until the transaction ends.

    Between the two somebody may have disabled it, moved it, or given it another role, or ended its sessions: by a new
    password, a reset second factor, a phone that is taken away; that of the request is looked for once the lock is
    there. A grant that ran out in this moment still counts for this one request. Locked
    first of all, and shared: what one person asks for at once does not wait for each other. `alone`: it does, because
    what follows locks the person's row too; two that share it and then want it alone would wait for each other for
    ever. Never with `hold` of the same person after it. `changes`: the account, this or another, that what follows
    changes: both rows are held, in one order, so that two who change each other do not wait so either. Raises
    NotSignedIn, PhoneRevoked.
    """
    its = users.c
    asked = select(its.user_id, its.role, its.area_path, its.disabled).where(its.user_id.in_(_both(actor, changes)))
    if changes is not None:
        asked = asked.order_by(its.user_id)
    is_alone = alone or changes is not None  # key_share: what only refers to the row need not wait
    held = asked.with_for_update(key_share=True) if is_alone else asked.with_for_update(read=True)
    row = next((one for one in await conn.execute(held) if one.user_id == actor.user_id), None)
    if row is None or row.disabled or (row.role, row.area_path) != (actor.role.value, actor.area_path):
        raise NotSignedIn("the account was changed in this moment")
    if actor.session:
        await _must_last(conn, actor.session)


async def _must_last(conn: AsyncConnection, token_hash: str) -> None:
    """A statement of its own: it sees what was committed while the row of the person was waited for."""
    found = await conn.execute(
        select(phone_rows.c.revoked_at)
        .select_from(sessions)
        .outerjoin(phone_rows, phone_rows.c.phone_id == sessions.c.phone_id)
        .where(sessions.c.token_hash == token_hash)
    )
    row = found.one_or_none()
    if row is None:
        raise NotSignedIn("the session was ended in this moment")
    if row.revoked_at is not None:
        raise PhoneRevoked


def _both(actor: Actor, changes: str | None) -> set[str]:
    """What names no account, as it came in an address, is left to whoever looks for it."""
    try:
        return {actor.user_id} if changes is None else {actor.user_id, str(uuid.UUID(changes))}
    except ValueError:
        return {actor.user_id}


async def add_user(
    conn: AsyncConnection,
    *,
    username: str,
    display_name: str,
    role: Role,
    area_code: str,
    area_path: str,
    password_hash: str,
    at: datetime,
    by: str,
    holder: str | None = None,
) -> str:
    """A new person; the user_id. Raises Conflict, MoveRefused.

    Args:
        password_hash: from `hash_password`.
        holder: the person's number (personnel, police or identity provider's); one person has one account.
    """
    name = username.strip().lower()
    if not USERNAME_PATTERN.match(name):
        raise MoveRefused("a user name has 1 to 64 of a-z, 0-9, . - _ and begins with a letter or a digit")
    if (await conn.execute(select(users.c.user_id).where(users.c.username == name))).one_or_none() is not None:
        raise Conflict(f"there is a user {name} already")
    holder = _holder(holder)
    refused = why_not(role, holder=holder, was=None)
    if refused:
        raise MoveRefused(refused)
    await _refuse_second_account(conn, holder, None)
    user_id = str(uuid.uuid4())
    row: dict[str, Any] = {
        "user_id": user_id,
        "username": name,
        "display_name": _display_name(display_name or name),
        "role": role.value,
        "area_code": area_code,
        "area_path": area_path,
        "password_hash": password_hash,
        "disabled": False,
        "created_at": at,
        "holder": holder,
        "administered_as": administered_as(role, None),
    }
    await _written(conn, insert(users).values(row))
    detail = {"username": name, "role": role.value, "area": area_code, "holder": holder}
    await chain.record(conn, actor=by, action="user.added", object_kind="user", object_id=user_id, detail=detail, at=at)
    return user_id


async def change_user(conn: AsyncConnection, user_id: str, *, at: datetime, by: str, **values: Any) -> None:
    """Change role, area, password hash, holder or `disabled`, and end every session of that person. Phones that are
    bound go with a worker who is disabled, or no worker any more; else they go on, by their keys. A code that waits for
    a phone goes with a change of the area, too.

    Raises NotFound, Conflict, and MoveRefused where it would combine what one person may not be.
    """
    allowed = {"role", "area_code", "area_path", "password_hash", "disabled", "display_name", "holder"}
    if not values or not set(values) <= allowed:
        raise ValueError(f"only {sorted(allowed)} can be changed")
    before = await hold(conn, user_id)
    if before is None:
        raise NotFound("user")
    if "display_name" in values:
        values["display_name"] = _display_name(values["display_name"])
    if "role" in values or "holder" in values:
        values = await _judged(conn, before, values)
    await _written(conn, update(users).where(users.c.user_id == user_id).values(**values))
    await conn.execute(delete(second_steps).where(second_steps.c.user_id == user_id))
    await conn.execute(delete(sessions).where(sessions.c.user_id == user_id))
    if values.get("disabled") or values.get("role", before.role) != Role.WORKER.value:
        await phones.revoke_all(conn, user_id, by=by, why="the account was changed", at=at)
    elif values.get("area_path", before.area_path) != before.area_path:
        await phones.void_code(conn, user_id)  # shown by who leads the area that the person has left
    detail = {name: "changed" if name == "password_hash" else str(value) for name, value in values.items()}
    await chain.record(
        conn, actor=by, action="user.changed", object_kind="user", object_id=user_id, detail=detail, at=at
    )


async def _judged(conn: AsyncConnection, before: Row[Any], values: dict[str, Any]) -> dict[str, Any]:
    """The values of a change of role or holder, with what follows from them. Raises Conflict, MoveRefused."""
    role = Role(values.get("role", before.role))
    holder = _holder(values["holder"]) if "holder" in values else before.holder
    was = administered_as(before.role, before.administered_as)  # null where the release before added the account
    if before.holder is not None and holder != before.holder and was is not None:
        raise MoveRefused("an account that was an administrator's stays its holder's; make another account")
    refused = why_not(role, holder=holder, was=was)
    if refused:
        raise MoveRefused(refused)
    await _refuse_second_account(conn, holder, before.user_id)
    return {**values, "holder": holder, "administered_as": administered_as(role, was)}


async def _written(conn: AsyncConnection, change: Insert | Update) -> None:
    """On PostgreSQL two at once find the name and the holder free; the database lets one of them in."""
    try:
        await conn.execute(change)
    except IntegrityError as error:
        raise Conflict("the name or the holder has got an account in this moment") from error


def _display_name(given: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", given):
        raise MoveRefused("a display name holds no control characters")
    return given[:80]


def _holder(holder: str | None) -> str | None:
    """As it is kept: without spaces around it; one that is empty or cannot be printed is none or refused."""
    holder = (holder or "").strip()
    if len(holder) > MAX_HOLDER or not holder.isprintable():
        raise MoveRefused(f"a holder has up to {MAX_HOLDER} printable characters")
    return holder or None


async def _refuse_second_account(conn: AsyncConnection, holder: str | None, user_id: str | None) -> None:
    if holder is None:
        return
    found = await conn.execute(select(users.c.user_id).where(users.c.holder == holder))
    if any(other != user_id for other in found.scalars()):
        raise Conflict(f"the holder {holder} has an account already; one person has one account")


async def grant(
    conn: AsyncConnection,
    user_id: str,
    area_path: str,
    *,
    why: str,
    by: str,
    at: datetime,
    until: datetime | None = None,
) -> None:
    """Let a person see a further subtree, for example the neighbouring grid that asks for help."""
    row = {
        "user_id": user_id,
        "area_path": area_path,
        "why": why[:200],
        "granted_by": by,
        "granted_at": at,
        "until_at": until,
    }
    await conn.execute(delete(grants).where(grants.c.user_id == user_id, grants.c.area_path == area_path))
    await conn.execute(insert(grants), row)
    detail = {"area_path": area_path, "why": why}
    await chain.record(
        conn, actor=by, action="grant.added", object_kind="user", object_id=user_id, detail=detail, at=at
    )


@dataclass(frozen=True, slots=True)
class Person:
    """A user as answers name them."""

    user_id: str
    username: str
    display_name: str
    role: Role
    area_code: str
    area_path: str


async def person_of(conn: AsyncConnection, user_id: str) -> Person | None:
    found = await people_where(conn, users.c.user_id == user_id)
    return found[0] if found else None


async def people_where(conn: AsyncConnection, *conditions: Any) -> Sequence[Person]:
    """Those not disabled for whom the conditions on `rights.tables.users` hold, by user name."""
    found = await conn.execute(select(users).where(users.c.disabled.is_(False), *conditions).order_by(users.c.username))
    return [
        Person(row.user_id, row.username, row.display_name, Role(row.role), row.area_code, row.area_path)
        for row in found
    ]


async def standings(conn: AsyncConnection) -> Sequence[Standing]:
    """Every account that is not disabled, as the rule of the three administrators judges it."""
    found = await conn.execute(
        select(users.c.username, users.c.role, users.c.holder, users.c.administered_as).where(
            users.c.disabled.is_(False)
        )
    )
    return [Standing(row.username, row.role, row.holder, row.administered_as) for row in found]
