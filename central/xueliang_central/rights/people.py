"""People: added and changed by an administrator; each with a role, an area, and grants beyond it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import grants, sessions, users

USERNAME_PATTERN: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")


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
) -> str:
    """A new person; the user_id. `password_hash` from `hash_password`. Raises Conflict, MoveRefused."""
    name = username.strip().lower()
    if not USERNAME_PATTERN.match(name):
        raise MoveRefused("a user name has 1 to 64 of a-z, 0-9, . - _ and begins with a letter or a digit")
    if (await conn.execute(select(users.c.user_id).where(users.c.username == name))).one_or_none() is not None:
        raise Conflict(f"there is a user {name} already")
    user_id = str(uuid.uuid4())
    row: dict[str, Any] = {
        "user_id": user_id,
        "username": name,
        "display_name": (display_name or name)[:80],
        "role": role.value,
        "area_code": area_code,
        "area_path": area_path,
        "password_hash": password_hash,
        "disabled": False,
        "created_at": at,
    }
    await conn.execute(insert(users), row)
    detail = {"username": name, "role": role.value, "area": area_code}
    await chain.record(conn, actor=by, action="user.added", object_kind="user", object_id=user_id, detail=detail, at=at)
    return user_id


async def change_user(conn: AsyncConnection, user_id: str, *, at: datetime, by: str, **values: Any) -> None:
    """Change role, area, password hash or `disabled`, and end every session of that person. Raises NotFound."""
    allowed = {"role", "area_code", "area_path", "password_hash", "disabled", "display_name"}
    if not values or not set(values) <= allowed:
        raise ValueError(f"only {sorted(allowed)} can be changed")
    changed = await conn.execute(update(users).where(users.c.user_id == user_id).values(**values))
    if changed.rowcount == 0:
        raise NotFound("user")
    await conn.execute(delete(sessions).where(sessions.c.user_id == user_id))
    detail = {name: "changed" if name == "password_hash" else str(value) for name, value in values.items()}
    await chain.record(
        conn, actor=by, action="user.changed", object_kind="user", object_id=user_id, detail=detail, at=at
    )


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
