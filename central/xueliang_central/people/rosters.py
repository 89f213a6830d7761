"""Who serves an area, and who sits at its desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import users
from xueliang_central.store.among import among

_GOES: Final = (Role.WORKER.value, Role.OPERATOR.value, Role.SUPERVISOR.value)
_DESK: Final = (Role.OPERATOR.value, Role.SUPERVISOR.value)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who could be sent, with the one area this person belongs to."""

    user_id: str
    display_name: str
    role: str
    area_code: str


async def people_of(conn: AsyncConnection, area_codes: Sequence[str]) -> list[Person]:
    """Workers and desks of exactly these areas, not of what lies below them."""
    found = await conn.execute(
        select(users.c.user_id, users.c.display_name, users.c.role, users.c.area_code).where(
            among(conn, users.c.area_code, area_codes), users.c.role.in_(_GOES), users.c.disabled.is_(False)
        )
    )
    return [Person(row.user_id, row.display_name, row.role, row.area_code) for row in found]


async def display_name_of(conn: AsyncConnection, user_id: str) -> str | None:
    found = await conn.execute(select(users.c.display_name).where(users.c.user_id == user_id))
    name: str | None = found.scalar_one_or_none()
    return name


async def desk_of(conn: AsyncConnection, area_code: str) -> list[str]:
    """user_ids of the operators and supervisors of exactly this area: who is told when a limit has passed."""
    people = await people_of(conn, [area_code])
    return sorted(person.user_id for person in people if person.role in _DESK)
