"""Who serves an area, who sits at its desk, who of them is on duty, and the rosters that say so."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import NotFound
from xueliang_central.people.duty import Duty, Person, Shift, ShiftKind, on_duty
from xueliang_central.people.tables import roster_versions, shifts
from xueliang_central.rights.people import Person as Account
from xueliang_central.rights.people import people_where
from xueliang_central.rights.scope import Role, within
from xueliang_central.rights.tables import users
from xueliang_central.store.among import among
from xueliang_configs.schedules import Schedule

log = logging.getLogger(__name__)

GOES: Final = (Role.WORKER.value, Role.OPERATOR.value, Role.SUPERVISOR.value)
"""Roles that can be sent or told: the others have no roster."""
DESK: Final = frozenset({Role.OPERATOR.value, Role.SUPERVISOR.value})
"""Roles that are told when a limit has passed."""


@dataclass(frozen=True, slots=True)
class Written:
    """How often a roster was changed, and by whom last. Version 0: never."""

    version: int = 0
    changed_at: datetime | None = None
    changed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """One person's.

    Attributes:
        shifts: those that count, in the order of `in_order`.
        left_behind: how many more there are, in areas that the person no longer belongs to; they count for nothing.
    """

    account: Account
    written: Written
    shifts: tuple[Shift, ...]
    left_behind: int


async def duty_of(conn: AsyncConnection, area_codes: Sequence[str], now: datetime) -> Duty:
    """Workers and desks of exactly these areas, not of what lies below them: who belongs there, or has a shift there.

    What `present` tells of other areas is not complete.
    """
    return await _duty(conn, _has_to_do_with(conn, area_codes), now)


def _has_to_do_with(conn: AsyncConnection, area_codes: Sequence[str]) -> Any:
    guests = select(shifts.c.user_id).where(among(conn, shifts.c.area_code, area_codes))
    return or_(among(conn, users.c.area_code, area_codes), users.c.user_id.in_(guests))


async def people_of(conn: AsyncConnection, area_code: str) -> list[Person]:
    """Workers and desks of exactly this area, and guests who have a shift in it; each with the area they belong to."""
    return await _people(conn, _has_to_do_with(conn, [area_code]))


def as_person(account: Account) -> Person:
    return Person(account.user_id, account.display_name, account.role.value, account.area_code)


async def duty_of_people(conn: AsyncConnection, user_ids: Sequence[str], now: datetime) -> Duty:
    """Exactly these people, wherever each is on duty. Who is gone or disabled is nowhere."""
    return await _duty(conn, among(conn, users.c.user_id, user_ids), now)


async def is_on_duty(conn: AsyncConnection, user_id: str, now: datetime) -> bool:
    """Anywhere. False also for who is gone."""
    return bool((await _duty(conn, users.c.user_id == user_id, now)).present)


async def _duty(conn: AsyncConnection, condition: Any, now: datetime) -> Duty:
    people = await _people(conn, condition)
    return on_duty(people, await shifts_that_count(conn, [person.user_id for person in people]), now)


async def _people(conn: AsyncConnection, condition: Any) -> list[Person]:
    found = await conn.execute(
        select(users.c.user_id, users.c.display_name, users.c.role, users.c.area_code).where(
            condition, users.c.role.in_(GOES), users.c.disabled.is_(False)
        )
    )
    return [Person(row.user_id, row.display_name, row.role, row.area_code) for row in found]


async def shifts_that_count(conn: AsyncConnection, user_ids: Iterable[str]) -> list[Shift]:
    """The shifts of these people, without those in areas that lie no longer within the person's own."""
    found = await conn.execute(
        select(shifts, users.c.area_path.label("own_path"))
        .join(users, users.c.user_id == shifts.c.user_id)
        .where(among(conn, shifts.c.user_id, list(user_ids)))
    )
    counting = [
        row for row in found.mappings() if row["area_path"] is None or within(row["area_path"], row["own_path"])
    ]
    return [shift for row in counting if (shift := _readable(row)) is not None]


def _readable(row: Mapping[Any, Any]) -> Shift | None:
    """None, and said: nobody's alert waits for a roster that this release or machine cannot read (its time zone)."""
    try:
        return shift_of(row)
    except ValueError as error:
        log.error("a shift cannot be read", extra={"user_id": row["user_id"], "why": str(error)[:300]})
        return None


def shift_of(row: Mapping[Any, Any]) -> Shift:
    """One row of `shifts`."""
    return Shift(
        user_id=row["user_id"],
        kind=ShiftKind(row["kind"]),
        area_code=row["area_code"],
        weekly=None if row["weekly"] is None else Schedule.model_validate(row["weekly"]),
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
    )


async def display_name_of(conn: AsyncConnection, user_id: str) -> str | None:
    found = await conn.execute(select(users.c.display_name).where(users.c.user_id == user_id))
    name: str | None = found.scalar_one_or_none()
    return name


async def account_of(conn: AsyncConnection, user_id: str) -> Account:
    """Somebody who can have a roster. Raises NotFound."""
    try:
        wanted = str(uuid.UUID(user_id))
    except ValueError:
        raise NotFound("person") from None
    found = await people_where(conn, users.c.user_id == wanted, users.c.role.in_(GOES))
    if not found:
        raise NotFound("person")
    return found[0]


async def accounts_of(conn: AsyncConnection, area_code: str) -> list[Account]:
    """Those of exactly this area who can have a roster, by user name."""
    return list(await people_where(conn, users.c.area_code == area_code, users.c.role.in_(GOES)))


async def rosters_of(conn: AsyncConnection, accounts: Sequence[Account]) -> list[Roster]:
    """In the order given."""
    ids = [account.user_id for account in accounts]
    counting: dict[str, list[Shift]] = {user_id: [] for user_id in ids}
    for shift in await shifts_that_count(conn, ids):
        counting[shift.user_id].append(shift)
    stored = dict.fromkeys(ids, 0)
    for user_id in (await conn.execute(select(shifts.c.user_id).where(shifts.c.user_id.in_(ids)))).scalars():
        stored[user_id] += 1
    written = await written_of(conn, ids)
    return [
        Roster(
            account=account,
            written=written[account.user_id],
            shifts=tuple(sorted(counting[account.user_id], key=in_order)),
            left_behind=stored[account.user_id] - len(counting[account.user_id]),
        )
        for account in accounts
    ]


async def written_of(conn: AsyncConnection, subjects: Iterable[str]) -> dict[str, Written]:
    """By subject: a user_id or the code of an area."""
    wanted = list(subjects)
    found = await conn.execute(select(roster_versions).where(roster_versions.c.subject.in_(wanted)))
    known = {row.subject: Written(row.version, row.changed_at, row.changed_by) for row in found}
    return {subject: known.get(subject, Written()) for subject in wanted}


def in_order(shift: Shift) -> tuple[str, ...]:
    """Weekly ones, spans, leaves; each kind by when it begins."""
    kind = {"weekly": "0", "span": "1", "leave": "2"}[shift.kind.value]
    begins = shift.starts_at.isoformat() if shift.starts_at else str(shift.valid_from or "")
    return (kind, begins, shift.area_code or "", "" if shift.weekly is None else shift.weekly.model_dump_json())
