"""A table of addresses into the database: taken as a whole or not at all, with every bad row told first.

What is told names people, channels and at most the last three characters of an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import true
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import ImportRefused
from xueliang_central.notices.contact_table import ContactLine, ContactTable
from xueliang_central.notices.contacts import contacts_of, replace
from xueliang_central.rights.people import people_where
from xueliang_configs.notices import Channel

_SHOWN: Final = 3
_LONG_ENOUGH: Final = 8  # a shorter address would be half told


async def import_contacts(
    conn: AsyncConnection,
    table: ContactTable,
    channels: Mapping[str, Channel],
    *,
    at: datetime,
    by: str,
    dry_run: bool,
) -> list[str]:
    """What changes, a line for each person, then the sums. Raises ImportRefused with every bad row.

    Of a person who is changed, addresses of channels that are not there any more go.
    """
    people = {person.username: person for person in await people_where(conn, true())}
    unknown = [
        (line.row, "username: expected a person of this centre") for line in table.lines if line.username not in people
    ]
    problems = sorted([*table.problems, *unknown])
    if problems:
        bad = f"{len({row for row, _ in problems})} bad rows; nothing was changed"
        raise ImportRefused([*(f"row {row}, {text}" for row, text in problems), bad])
    lines = []
    for line in sorted(table.lines, key=lambda line: line.username):
        person = people[line.username]
        before = {row["channel"]: row["address"] for row in await contacts_of(conn, person.user_id)}
        after = _after({name: address for name, address in before.items() if name in channels}, line)
        if after == before:
            continue
        lines.append(f"~ {line.username}: {', '.join(_changes(before, after))}")
        if not dry_run:
            await replace(conn, person, after, channels, by=by, now=at)
    return [*lines, f"{len(lines)} people changed, {len(table.lines) - len(lines)} unchanged"]


def _after(here: Mapping[str, str], line: ContactLine) -> dict[str, str]:
    after = {channel: address for channel, address in here.items() if channel not in line.wanted}
    return after | {channel: address for channel, address in line.wanted.items() if address is not None}


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    told = []
    for channel in sorted({*before, *after}):
        old, new = before.get(channel), after.get(channel)
        if old == new:
            continue
        if old is None:
            told.append(f"{channel} + {_hidden(new)}")
        else:
            told.append(f"{channel} - {_hidden(old)}" if new is None else f"{channel} {_hidden(old)} → {_hidden(new)}")
    return told


def _hidden(address: str | None) -> str:
    """ "…001": enough to find a typing error, never a whole address."""
    return f"…{address[-_SHOWN:]}" if address is not None and len(address) >= _LONG_ENOUGH else "…"
