"""Accounts as a security administrator keeps them: those of the own areas, and never the own one.

What lies outside the own areas is answered like what does not exist. What an account may be at all is judged where it
is written (`rights/people.py`), for this door as for the command line.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Row, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import MoveRefused, NotAllowed, NotFound
from xueliang_central.rights import people, second_factor
from xueliang_central.rights.administrators import Standing, breaches
from xueliang_central.rights.scope import Actor, Role, may_see, scoped, within
from xueliang_central.rights.tables import second_factors, users


class Areas(Protocol):
    """What is asked of the tree of areas. Raises NotFound."""

    def path_of(self, code: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Account:
    """One account as its keeper sees it; no secret is in it."""

    user_id: str
    username: str
    display_name: str
    role: str
    area_code: str
    holder: str | None
    disabled: bool
    created_at: datetime
    has_second_factor: bool
    breach: str | None


_ACCOUNTS = select(users, second_factors.c.confirmed_at).outerjoin(
    second_factors, and_(second_factors.c.user_id == users.c.user_id, second_factors.c.confirmed_at.is_not(None))
)


async def accounts_of(conn: AsyncConnection, actor: Actor) -> Sequence[Account]:
    """The accounts of the actor's areas, by user name."""
    found = await conn.execute(scoped(_ACCOUNTS, users.c.area_path, actor).order_by(users.c.username))
    return [_account(row) for row in found]


async def add(
    conn: AsyncConnection,
    tree: Areas,
    actor: Actor,
    *,
    username: str,
    display_name: str,
    role: Role,
    area_code: str,
    holder: str | None,
    password_hash: str,
    at: datetime,
) -> Account:
    """Raises Conflict, MoveRefused, NotFound (an area beyond the actor's)."""
    user_id = await people.add_user(
        conn,
        username=username,
        display_name=display_name,
        role=role,
        area_code=area_code,
        area_path=_path(tree, actor, area_code),
        password_hash=password_hash,
        holder=holder,
        at=at,
        by=actor.name,
    )
    return _account(await _row(conn, actor, user_id))


async def change(
    conn: AsyncConnection, tree: Areas, actor: Actor, user_id: str, values: Mapping[str, Any], *, at: datetime
) -> Account:
    """`values` as `people.change_user` takes them, without the path. Raises what it raises, and NotAllowed."""
    await others_account(conn, actor, user_id)
    if not values:
        raise MoveRefused("say what to change")
    wanted = dict(values)
    if "area_code" in wanted:
        wanted["area_path"] = _path(tree, actor, wanted["area_code"])
    await people.change_user(conn, user_id, at=at, by=actor.name, **wanted)
    return _account(await _row(conn, actor, user_id))


async def forget_second_factor(conn: AsyncConnection, actor: Actor, user_id: str, *, at: datetime) -> None:
    """Raises NotFound, NotAllowed."""
    await others_account(conn, actor, user_id)
    await second_factor.reset(conn, user_id, by=actor.name, at=at)


async def others_account(conn: AsyncConnection, actor: Actor, user_id: str) -> Account:
    """Of the actor's own areas, and somebody else's. A grant for a time is for what happens there: what is done to an
    account outlives it. Raises NotFound, NotAllowed."""
    row = await _row(conn, actor, user_id)
    if not within(row.area_path, actor.area_path):
        raise NotFound("user")
    if row.user_id == actor.user_id:
        raise NotAllowed("nobody changes the own account; another security administrator does")
    return _account(row)


async def seen_account(conn: AsyncConnection, actor: Actor, user_id: str) -> Account:
    """Of the actor's areas. Raises NotFound."""
    return _account(await _row(conn, actor, user_id))


async def _row(conn: AsyncConnection, actor: Actor, user_id: str) -> Row[Any]:
    try:
        asked = _ACCOUNTS.where(users.c.user_id == str(uuid.UUID(user_id)))
    except ValueError:
        raise NotFound("user") from None
    row = (await conn.execute(asked)).one_or_none()
    if row is None or not may_see(actor, row.area_path):
        raise NotFound("user")
    return row


def _path(tree: Areas, actor: Actor, area_code: str) -> str:
    try:
        path = tree.path_of(area_code)
    except NotFound:
        raise NotFound("area") from None  # in the words for one that lies outside
    if not may_see(actor, path):
        raise NotFound("area")
    return path


def _account(row: Row[Any]) -> Account:
    told = breaches([Standing(row.username, row.role, row.holder, row.administered_as)])
    return Account(
        user_id=row.user_id,
        username=row.username,
        display_name=row.display_name,
        role=row.role,
        area_code=row.area_code,
        holder=row.holder,
        disabled=row.disabled,
        created_at=row.created_at,
        has_second_factor=row.confirmed_at is not None,
        breach=told[0].partition(": ")[2] if told else None,
    )
