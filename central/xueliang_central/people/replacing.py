"""Rosters replaced as a whole, a person's or all of an area; each change of a person's is on the audit chain.

Idempotent: what is there already is not written again, whatever version the asker has seen. Else the version must be
the one that is there. Two that replace at once wait for each other.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, path_by_code
from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, RosterRefused
from xueliang_central.people.checking import Problem, at_home, problems_of_roster
from xueliang_central.people.duty import Shift
from xueliang_central.people.rosters import Roster, Written, accounts_of, in_order, rosters_of, written_of
from xueliang_central.people.tables import roster_versions, shifts
from xueliang_central.people.views import shift_view
from xueliang_central.rights.people import Person as Account

_LOCK: Final = "rosters"


async def replace_person(
    conn: AsyncConnection,
    tree: AreaTree,
    account: Account,
    asked: Sequence[Shift],
    *,
    version: int | None,
    by: str,
    now: datetime,
    way: str = "person",
) -> bool:
    """This person's roster becomes `asked`; False: it is that already.

    Args:
        version: of the roster as the asker saw it; None: whatever is there is replaced.
        way: how it was asked, for the audit record: "person", "area", "import".

    Raises:
        RosterRefused: with every problem.
        Conflict: it has changed since.
    """
    await _one_at_a_time(conn)
    wanted = [at_home(shift, account.area_code) for shift in asked]
    problems = problems_of_roster(wanted, account.area_path, tree)
    if problems:
        raise RosterRefused(problems)
    [before] = await rosters_of(conn, [account])
    if not differs(before, wanted):
        return False
    _check_version(before.written, version)
    await _write(conn, before, wanted, by=by, now=now, way=way)
    await _count_up(conn, account.area_code, by, now)
    return True


async def replace_area(
    conn: AsyncConnection,
    tree: AreaTree,
    area_code: str,
    asked: Mapping[str, Sequence[Shift]],
    *,
    version: int,
    by: str,
    now: datetime,
) -> int:
    """The rosters of everybody of exactly this area become `asked`; returns how many changed.

    Args:
        asked: by user_id; who is left out has no shifts from now on.

    Raises:
        RosterRefused: with every problem.
        Conflict: one of them has changed since.
    """
    await _one_at_a_time(conn)
    accounts = await accounts_of(conn, area_code)
    known = {account.user_id for account in accounts}
    numbers = {user_id: number for number, user_id in enumerate(asked)}
    problems = [
        Problem(f"people.{numbers[user_id]}.user_id", "a worker, operator or supervisor of this area", user_id)
        for user_id in asked
        if user_id not in known
    ]
    wanted = {
        account.user_id: [at_home(shift, account.area_code) for shift in asked.get(account.user_id, ())]
        for account in accounts
    }
    for account in accounts:
        found = problems_of_roster(wanted[account.user_id], account.area_path, tree)
        problems += [one.under(f"people.{numbers[account.user_id]}") for one in found]
    if problems:
        raise RosterRefused(problems)
    before = await rosters_of(conn, accounts)
    changed = [roster for roster in before if differs(roster, wanted[roster.account.user_id])]
    if not changed:
        return 0
    _check_version((await written_of(conn, [area_code]))[area_code], version)
    for roster in changed:
        await _write(conn, roster, wanted[roster.account.user_id], by=by, now=now, way="area")
    await _count_up(conn, area_code, by, now)
    return len(changed)


def differs(before: Roster, wanted: Sequence[Shift]) -> bool:
    """Would `wanted`, with its areas filled in, change anything?"""
    return bool(before.left_behind) or set(before.shifts) != set(wanted)


def _check_version(written: Written, seen: int | None) -> None:
    if seen is not None and seen != written.version:
        raise Conflict("the roster has changed meanwhile", version=written.version)


async def _write(
    conn: AsyncConnection, before: Roster, wanted: Sequence[Shift], *, by: str, now: datetime, way: str
) -> None:
    user_id = before.account.user_id
    await conn.execute(delete(shifts).where(shifts.c.user_id == user_id))
    if wanted:
        await conn.execute(insert(shifts), [_row(shift, user_id) for shift in wanted])
    version = await _count_up(conn, user_id, by, now)
    said = {
        "username": before.account.username,
        "way": way,
        "version": version,
        "before": [shift_view(shift) for shift in before.shifts],
        "after": [shift_view(shift) for shift in sorted(wanted, key=in_order)],
    }
    await chain.record(
        conn, actor=by, action="roster.replaced", object_kind="roster", object_id=user_id, detail=said, at=now
    )


def _row(shift: Shift, user_id: str) -> dict[str, Any]:
    return {
        "shift_id": str(uuid.uuid4()),
        "user_id": user_id,
        "kind": shift.kind.value,
        "area_code": shift.area_code,
        "area_path": None if shift.area_code is None else path_by_code(shift.area_code),
        "weekly": None if shift.weekly is None else shift.weekly.model_dump(mode="json"),
        "valid_from": shift.valid_from,
        "valid_to": shift.valid_to,
        "starts_at": shift.starts_at,
        "ends_at": shift.ends_at,
    }


async def _count_up(conn: AsyncConnection, subject: str, by: str, now: datetime) -> int:
    """One change more; the version after it."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    said = {"changed_at": now, "changed_by": by[:80]}
    put = dialect.insert(roster_versions).values(subject=subject, version=1, **said)
    counted = put.on_conflict_do_update(
        index_elements=[roster_versions.c.subject], set_={"version": roster_versions.c.version + 1, **said}
    )
    version: int = (await conn.execute(counted.returning(roster_versions.c.version))).scalar_one()
    return version


async def _one_at_a_time(conn: AsyncConnection) -> None:
    """Rosters change a few times a day: whoever replaces one waits for the other (SQLite has one writer)."""
    if conn.dialect.name == "postgresql":
        await conn.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 7))"), {"key": _LOCK})
