"""Listens for the seats: which of those on duty count as unstaffed, and which are staffed again.

Each change is on the audit chain, and told to whoever may see the desk. Nothing else of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, brief
from xueliang_central.audit import chain
from xueliang_central.incidents.views import at_text
from xueliang_central.people import presence, rosters
from xueliang_central.people.presence import Heard, has_left, heard, is_back
from xueliang_central.people.tables import seat_presence, shifts
from xueliang_central.rights.acting import acting
from xueliang_central.rights.scope import Actor, may_see
from xueliang_central.rights.tables import users
from xueliang_central.store import events
from xueliang_central.store.database import Database

LONGEST_LOOK_S: Final = 10.0  # a look that comes later than this could not listen in between

Record = dict[str, Any]


@dataclass(slots=True)
class Listener:
    """What one worker has heard. A new one has heard nothing: each seat has its whole limit before it."""

    mono: Callable[[], float]
    known: dict[str, Heard] = field(default_factory=dict)
    looked_s: float | None = None
    marked: frozenset[str] = frozenset()  # at the last look

    async def look(self, database: Database, tree: AreaTree, after_s: float | None, now: datetime) -> int:
        """Listen once; returns how many seats have changed. `after_s` None: presence does not count."""
        async with database.reading() as conn:
            rows = {row["user_id"]: dict(row) for row in (await conn.execute(select(seat_presence))).mappings()}
            desks = await _desks(conn, rows, now)
        changes = self._listen(rows, desks, after_s, now)
        if not changes:
            return 0
        async with database.transaction() as conn:
            done = [
                await _change(conn, tree, user_id, desks, since, now, told_at=rows[user_id]["told_at"])
                for user_id, since in changes.items()
            ]
        return sum(done)

    def _listen(
        self, rows: Mapping[str, Record], desks: Mapping[str, list[str]], after_s: float | None, now: datetime
    ) -> dict[str, datetime | None]:
        """By person: unstaffed since, or None: no longer."""
        mono_s = self.mono()
        passed_s = 0.0 if self.looked_s is None else min(mono_s - self.looked_s, LONGEST_LOOK_S)
        self.looked_s = mono_s
        counting = [] if after_s is None else [user_id for user_id in rows if user_id in desks]
        self.known = {one: heard(self.known.get(one), rows[one]["told_at"], passed_s) for one in counting}
        marked = {one for one, row in rows.items() if row["unstaffed_since"] is not None}
        for one in (marked - self.marked) & self.known.keys():
            self.known[one] = replace(
                self.known[one], steady_s=0.0
            )  # what it told before it fell silent brings no one back
        self.marked = frozenset(marked)
        changes: dict[str, datetime | None] = dict.fromkeys(marked - set(counting))  # off duty: it counts for nothing
        if after_s is None:
            return changes
        staffed = [self.known[one] for one in counting if one not in marked]
        for one in counting:
            if one in marked and is_back(self.known[one], after_s):
                changes[one] = None
            elif one not in marked and has_left(self.known[one], staffed, after_s):
                changes[one] = now
        return changes


async def say_present(database: Database, tree: AreaTree, actor: Actor, *, begins: bool, now: datetime) -> None:
    """A page says that somebody is at this seat. `begins`: by a press of that person, so it counts at once. Of who is
    off duty nothing is kept."""
    async with database.reading() as conn:
        row = await presence.of_person(conn, actor.user_id)
        desks = await _desks(conn, [actor.user_id], now)
    is_back = begins and row is not None and row["unstaffed_since"] is not None
    if not desks or not (is_back or presence.is_written_anew(row, now)):
        return
    async with acting(database, actor) as conn:
        await presence.write(conn, actor.user_id, now)
        if is_back:
            await _change(conn, tree, actor.user_id, desks, None, now, by=actor.name)


async def silent_desks(conn: AsyncConnection, tree: AreaTree, actor: Actor, now: datetime) -> list[Record]:
    """Desks in the actor's areas with seats that count as unstaffed: since when, how many, and how many are staffed.
    `staffed` 0: the desk's queue has risen. No names: whose seat it is stays between the roster and the desk."""
    marked = seat_presence.c.unstaffed_since.is_not(None)
    since = {row.user_id: row.unstaffed_since for row in await conn.execute(select(seat_presence).where(marked))}
    if not since:
        return []
    of_desks = await _desks(conn, list(since), now)
    codes = sorted({code for found in of_desks.values() for code in found})
    duty = await presence.desks_of(conn, codes, now)
    shown = []
    for code in codes:
        area = tree.find(code)
        if area is None or not may_see(actor, area.path):
            continue
        gone = [since[user_id] for user_id, found in of_desks.items() if code in found]
        staffed = sum(one.area_code == code and one.role in rosters.DESK for one in duty.present)
        shown.append({"area": brief(area), "since": at_text(max(gone)), "unstaffed": len(gone), "staffed": staffed})
    return shown


async def presence_view(conn: AsyncConnection, actor: Actor, after_s: float, now: datetime) -> Record:
    """Of the asker's own seat. `counts`: this person is on duty at a desk, so the centre listens for the page."""
    row = await presence.of_person(conn, actor.user_id)
    counts = bool(await _desks(conn, [actor.user_id], now))
    return {
        "counts": counts,
        "tell_every_s": presence.TELL_EVERY_S,
        "unstaffed_after_s": after_s,
        "unstaffed_since": at_text(row["unstaffed_since"]) if counts and row is not None else None,
    }


async def _desks(conn: AsyncConnection, user_ids: Iterable[str], now: datetime) -> dict[str, list[str]]:
    """At which desks each of them is on duty by the roster; who is at none is left out."""
    wanted = list(user_ids)
    if not wanted:
        return {}
    found: dict[str, list[str]] = {}
    for one in (await rosters.duty_of_people(conn, wanted, now)).present:
        if one.role in rosters.DESK:
            found.setdefault(one.user_id, []).append(one.area_code)
    return found


async def _desks_before(conn: AsyncConnection, user_id: str) -> list[str]:
    """Where who is at no desk now may have been at one: who sees these must not go on seeing that seat."""
    query = select(shifts.c.area_code).where(shifts.c.user_id == user_id, shifts.c.area_code.is_not(None)).distinct()
    found = set((await conn.execute(query)).scalars())
    own = (await conn.execute(select(users.c.area_code).where(users.c.user_id == user_id))).scalar_one_or_none()
    return sorted(found | ({own} if own is not None else set()))


async def _change(
    conn: AsyncConnection,
    tree: AreaTree,
    user_id: str,
    desks: Mapping[str, list[str]],
    since: datetime | None,
    now: datetime,
    *,
    by: str = "system",
    told_at: datetime | None = None,
) -> bool:
    """False: another worker, or the person, was first. `told_at`: the last word of its page, where known."""
    if not await presence.mark(conn, user_id, since, told_at):
        return False
    codes = desks.get(user_id, [])
    told = codes or await _desks_before(conn, user_id)
    action = "seat.unstaffed" if since else "seat.staffed" if codes else "seat.off_duty"
    await chain.record(
        conn, actor=by, action=action, object_kind="seat", object_id=user_id, detail={"desks": codes}, at=now
    )
    for area in filter(None, map(tree.find, told)):
        body = {"seat": {"desk": brief(area), "unstaffed_since": at_text(since)}}
        await events.append(conn, kind="seat", area_path=area.path, body=body, at=now)
    return True
