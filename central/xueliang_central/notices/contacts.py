"""How a person is reached: one address for each channel, written by administrators, shown to nobody else.

The audit chain says who changed which channels; never an address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import ContactsRefused, NotFound
from xueliang_central.notices.tables import contacts
from xueliang_central.rights.people import Person, person_of
from xueliang_central.rights.tables import users
from xueliang_configs.notices import Channel, EmailChannel, RobotChannel

Row = dict[str, Any]

LONGEST: Final = 200
_MAILBOX: Final = re.compile(r"^[^\s<>@\"(),:;\\\[\]]{1,64}@[A-Za-z0-9.-]{1,190}$")
_MOBILE: Final = re.compile(r"^\+?[0-9]{5,20}$")
_ONE_LINE: Final = re.compile(rf"^[^\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]{{1,{LONGEST}}}$")
_OPEN_ID: Final = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


@dataclass(frozen=True, slots=True)
class ContactProblem:
    """One thing to mend: which field, what was expected. What came is a person's address and is not repeated."""

    where: str
    expected: str


def problems_of(wanted: Mapping[str, str], channels: Mapping[str, Channel]) -> list[ContactProblem]:
    """What is wrong with these addresses, by channel (pure)."""
    found: list[ContactProblem] = []
    for name, address in sorted(wanted.items()):
        where = f"addresses.{name[:63]}"
        channel = channels.get(name)
        if channel is None:
            there = ", ".join(sorted(channels)) or "none; an administrator adds it to centre.yaml"
            found.append(ContactProblem(where, f"a channel of this centre: {there}"))
            continue
        pattern, words = _shape(channel)
        if not pattern.fullmatch(address):  # `$` alone takes a line break at the end
            found.append(ContactProblem(where, words))
    return found


def _shape(channel: Channel) -> tuple[re.Pattern[str], str]:
    match channel:
        case EmailChannel():
            return _MAILBOX, "a mailbox: name@host"
        case RobotChannel(kind="feishu"):
            return _OPEN_ID, "the person's open_id: letters, digits, _ and -"
        case RobotChannel():
            return _MOBILE, "the mobile number that the robot is to mention: 5 to 20 digits"
        case _:
            return _ONE_LINE, f"1 to {LONGEST} characters on one line"


async def contacts_of(conn: AsyncConnection, user_id: str) -> Sequence[Row]:
    query = select(contacts).where(contacts.c.user_id == user_id).order_by(contacts.c.channel)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def known_person(conn: AsyncConnection, user_id: str) -> Person:
    """Raises NotFound."""
    person = await person_of(conn, user_id)
    if person is None:
        raise NotFound("person")
    return person


async def replace(
    conn: AsyncConnection,
    person: Person,
    wanted: Mapping[str, str],
    channels: Mapping[str, Channel],
    *,
    by: str,
    now: datetime,
) -> None:
    """All addresses of a person, replaced. The same addresses again change nothing. Raises ContactsRefused."""
    problems = problems_of(wanted, channels)
    if problems:
        raise ContactsRefused(problems)
    # One change of a person at a time: two at once would write the same row.
    await conn.execute(select(users.c.user_id).where(users.c.user_id == person.user_id).with_for_update(key_share=True))
    before = {row["channel"]: row["address"] for row in await contacts_of(conn, person.user_id)}
    changed = sorted(name for name in {*before, *wanted} if before.get(name) != wanted.get(name))
    if not changed:
        return
    await conn.execute(delete(contacts).where(contacts.c.user_id == person.user_id, contacts.c.channel.in_(changed)))
    rows = [
        {"user_id": person.user_id, "channel": name, "address": wanted[name], "changed_at": now, "changed_by": by}
        for name in changed
        if name in wanted
    ]
    if rows:
        await conn.execute(insert(contacts), rows)
    await chain.record(
        conn,
        actor=by,
        action="contacts.replaced",
        object_kind="user",
        object_id=person.user_id,
        detail={"channels": changed},
        at=now,
    )
