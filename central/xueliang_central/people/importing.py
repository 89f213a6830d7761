"""A table of rosters into the database: the roster of each person it names is replaced, the others stay.

Taken as a whole or not at all, in one transaction, with every bad row told first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.errors import ImportRefused
from xueliang_central.people.checking import MOST_SHIFTS, Problem, at_home, problems_of_shift
from xueliang_central.people.duty import Shift
from xueliang_central.people.replacing import differs, replace_person
from xueliang_central.people.roster_table import Line, RosterTable, told
from xueliang_central.people.rosters import GOES, rosters_of
from xueliang_central.rights.people import Person as Account
from xueliang_central.rights.people import people_where
from xueliang_central.rights.scope import within
from xueliang_central.rights.tables import users


async def import_rosters(
    conn: AsyncConnection,
    tree: AreaTree,
    table: RosterTable,
    *,
    at: datetime,
    by: str,
    dry_run: bool,
    below: str | None = None,
) -> list[str]:
    """What changes, a line for each person, then the sums. Raises ImportRefused with every bad row.

    `below`: whoever belongs to no area at or below this path is nobody here; None: all of the centre.
    """
    accounts = {
        account.username: account
        for account in await people_where(conn, users.c.role.in_(GOES))
        if below is None or within(account.area_path, below)
    }
    problems = sorted([*table.problems, *_problems(table, accounts, tree)], key=lambda found: found[0])
    if problems:
        bad = f"{len({row for row, _ in problems})} bad rows; nothing was changed"
        raise ImportRefused([*(told(row, problem) for row, problem in problems), bad])
    wanted: dict[str, list[Shift]] = {}
    for line in table.lines:
        shifts = wanted.setdefault(line.username, [])
        if line.shift is not None:
            shifts.append(_filled(line.shift, accounts[line.username]))
    before = {roster.account.username: roster for roster in await rosters_of(conn, [accounts[name] for name in wanted])}
    lines, changed = [], 0
    for username in sorted(wanted):
        old, new = before[username], wanted[username]
        if not differs(old, new):
            continue
        changed += 1
        now_has = f"{len(new)} shifts" if new else "always on duty"
        lines.append(f"~ {username}: {now_has} (had {len(old.shifts) + old.left_behind})")
        if not dry_run:
            await replace_person(conn, tree, old.account, new, version=None, by=by, now=at, way="import")
    return [*lines, f"{changed} rosters changed, {len(wanted) - changed} unchanged"]


def _filled(shift: Shift, account: Account) -> Shift:
    return at_home(replace(shift, user_id=account.user_id), account.area_code)


def _problems(table: RosterTable, accounts: Mapping[str, Account], tree: AreaTree) -> list[tuple[int, Problem]]:
    found: list[tuple[int, Problem]] = []
    first: dict[Shift, Line] = {}
    count: dict[str, int] = {}
    for line in table.lines:
        account = accounts.get(line.username)
        if account is None:
            expected = "a worker, operator or supervisor of this centre"
            found.append((line.row, Problem("username", expected, f'"{line.username[:64]}"')))
            continue
        if line.shift is None:
            continue
        shift = _filled(line.shift, account)
        found += [(line.row, one) for one in problems_of_shift(shift, account.area_path, tree)]
        if shift in first:
            found.append((line.row, Problem("", "each shift once", f"the same as row {first[shift].row}")))
        first.setdefault(shift, line)
        count[line.username] = count.get(line.username, 0) + 1
        if count[line.username] == MOST_SHIFTS + 1:
            expected = f"at most {MOST_SHIFTS} shifts of {line.username}"
            found.append((line.row, Problem("", expected, "more")))
    return found
