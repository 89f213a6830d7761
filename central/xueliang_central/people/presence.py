"""Whether somebody is at a seat, as its page tells the centre; who of a desk counts as there.

A page tells while somebody could see and hear it. Invariants
    - Who has never been told of is where the roster says: a console that tells nothing makes no seat unstaffed.
    - Silence is counted by who listens, on a clock that cannot be set, and only while it could listen: neither a
      restart of the centre nor a database that is away, nor a wall clock that jumps, makes a seat unstaffed.
    - It takes a whole limit of silence to count as unstaffed, and as long of telling without a gap (or a person who
      says "I am here") to count as staffed again, so that nothing goes to and fro.
    - When several seats fall silent together, and no other is heard, it is more likely the centre that is deaf. It
      waits longer then.
    - Only the last moment is kept for each seat, and nothing for a person who is off duty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.people import rosters
from xueliang_central.people.duty import Duty
from xueliang_central.people.tables import seat_presence
from xueliang_central.rights.scope import Role
from xueliang_central.store.among import among

TELL_EVERY_S: Final = 15.0  # how often a page tells: three may be lost in a minute, and nobody is called away
WRITTEN_EVERY: Final = timedelta(seconds=5)  # several pages of one person are one seat
GAP_S: Final = 40.0  # two of them lost: the telling goes on all the same
DEAF_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What a listener knows of one seat: since when its page is silent, for how long it has told without a gap."""

    told_at: datetime
    silent_s: float = 0.0
    steady_s: float = 0.0


def heard(before: Heard | None, told_at: datetime, passed_s: float) -> Heard:
    """After `passed_s` of listening. That the moment differs is a new word, whichever way the clock was set."""
    if before is None:
        return Heard(told_at)
    silent_s = before.silent_s + passed_s
    if told_at == before.told_at:
        return replace(before, silent_s=silent_s)
    return Heard(told_at, 0.0, before.steady_s + silent_s if silent_s <= GAP_S else 0.0)


def has_left(one: Heard, staffed: Iterable[Heard], after_s: float) -> bool:
    """Does a seat that counts as staffed become unstaffed? `staffed`: all such seats, this one among them."""
    known = list(staffed)
    is_deaf = len(known) > 1 and all(other.silent_s > GAP_S for other in known)
    return one.silent_s >= (max(after_s, DEAF_S) if is_deaf else after_s)


def is_back(one: Heard, after_s: float) -> bool:
    """Does a seat that counts as unstaffed become staffed?"""
    return one.steady_s >= after_s and one.silent_s <= GAP_S


def without_silent(duty: Duty, unstaffed: Collection[str], told_of: Collection[str]) -> Duty:
    """The same with those taken out of `present` who are on duty and silent.

    A supervisor of such a desk stands in only when a page has told of that one: the roster alone says nothing of who
    is not expected at a screen.
    """
    gone = {one.area_code for one in duty.present if one.user_id in unstaffed and one.role in rosters.DESK}

    def is_silent(user_id: str, role: str, area_code: str) -> bool:
        if area_code not in gone or role not in rosters.DESK:
            return False
        return user_id in unstaffed or (role == Role.SUPERVISOR.value and user_id not in told_of)

    silent = tuple(one for one in duty.present if is_silent(one.user_id, one.role, one.area_code))
    return replace(duty, present=tuple(one for one in duty.present if one not in silent), silent=silent)


async def desks_of(conn: AsyncConnection, area_codes: Sequence[str], now: datetime) -> Duty:
    """As `rosters.duty_of`; who is on duty and silent is in `silent`."""
    duty = await rosters.duty_of(conn, area_codes, now)
    unstaffed = await _unstaffed(conn)
    if not unstaffed:
        return duty
    present = [one.user_id for one in duty.present if one.role in rosters.DESK]
    found = await conn.execute(select(seat_presence.c.user_id).where(among(conn, seat_presence.c.user_id, present)))
    return without_silent(duty, unstaffed, set(found.scalars()))


async def _unstaffed(conn: AsyncConnection) -> set[str]:
    found = await conn.execute(select(seat_presence.c.user_id).where(seat_presence.c.unstaffed_since.is_not(None)))
    return set(found.scalars())


async def of_person(conn: AsyncConnection, user_id: str) -> dict[str, Any] | None:
    """The person's row; None: never told of."""
    found = await conn.execute(select(seat_presence).where(seat_presence.c.user_id == user_id))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


def is_written_anew(row: dict[str, Any] | None, now: datetime) -> bool:
    """A word within `WRITTEN_EVERY` of the last one says nothing new; a clock set back must not make it so."""
    return row is None or not timedelta(0) <= now - row["told_at"] < WRITTEN_EVERY


async def write(conn: AsyncConnection, user_id: str, now: datetime) -> None:
    """Somebody is there, at `now`. Whether the seat counts as staffed is another question."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    first = dialect.insert(seat_presence).values(user_id=user_id, told_at=now)
    await conn.execute(first.on_conflict_do_update(index_elements=["user_id"], set_={"told_at": now}))


async def mark(conn: AsyncConnection, user_id: str, since: datetime | None, told_at: datetime | None = None) -> bool:
    """Unstaffed since then, or (None) staffed. False: it was so already, or its page has told of somebody after
    `told_at`."""
    mine = seat_presence.c.user_id == user_id
    other = seat_presence.c.unstaffed_since.is_(None) if since else seat_presence.c.unstaffed_since.is_not(None)
    which = [mine, other]
    if since is not None and told_at is not None:
        which.append(seat_presence.c.told_at == told_at)
    done = await conn.execute(update(seat_presence).where(*which).values(unstaffed_since=since))
    return bool(done.rowcount)
