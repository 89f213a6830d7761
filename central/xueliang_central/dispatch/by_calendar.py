"""Days off that are published late reach the cases that are open: their clocks count by the calendar in force.

Invariants
    - What is in force is one row for each calendar: that of the policy table with which a worker was started last. All
      workers bring clocks to it, so that two that have read different files do not move them to and fro.
    - A case is moved in one transaction with its clocks, its limits, its worker's dates and an entry that says which
      moments were which before. What lies right is not touched: it happens once, whoever looks how often.
    - A clock that another process starts by an older file is found by the next look.
How much of a clock follows: `clocks.recounting`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import String, cast, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.clocks import Wall
from xueliang_central.audit import chain
from xueliang_central.clocks import recounting
from xueliang_central.clocks.limits import hours_of
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.rising import tell_task
from xueliang_central.incidents.change import POLICY, Change, Rulebook
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents
from xueliang_central.store.among import among
from xueliang_central.store.database import Database
from xueliang_configs.calendars import Calendar

Row = dict[str, Any]

AT_ONCE: Final = 50  # cases in one transaction: an ingest batch waits no longer than for one of its own


class ByCalendar:
    """Belongs to one worker. `calendars`: of the policy table that it was started with."""

    def __init__(self, database: Database, rulebook: Rulebook, calendars: Mapping[str, Calendar], wall: Wall) -> None:
        self._database, self._rulebook, self._wall = database, rulebook, wall
        self._wanted = {name: hours_of(calendar) for name, calendar in calendars.items()}
        self._done: dict[str, Row] | None = None  # the calendars that all open cases were looked through for
        self._is_in_force = False
        self.counts: Counter[str] = Counter()

    async def look(self) -> int:
        """Bring what counts another calendar to that in force; how many cases have another moment now."""
        if not self._is_in_force:
            await self._put_in_force()
        async with self._database.reading() as conn:
            calendars = await recounting.in_force(conn)
            found = set(await recounting.outdated(conn, calendars))
            if calendars != self._done:
                found |= set(await _limited_by_others(conn, calendars))
        wanted, moved = sorted(found), 0
        for first in range(0, len(wanted), AT_ONCE):
            async with changing(self._database, self._rulebook, self._wall) as change:
                moved += await follow(change, calendars, wanted[first : first + AT_ONCE])
        self._done = calendars
        self.counts["moved"] += moved
        return moved

    async def _put_in_force(self) -> None:
        now = self._wall()
        async with self._database.transaction() as conn:
            changed = await recounting.put_in_force(conn, self._wanted, now)
            if changed:
                what = {"action": "calendars.changed", "object_kind": "policies", "object_id": "*"}
                await chain.record(conn, actor="system", **what, detail={"calendars": changed}, at=now)
        self._is_in_force = True


async def follow(change: Change, calendars: Mapping[str, Row], incident_ids: Sequence[str]) -> int:
    """Bring these cases to the calendars in force, in this transaction; of how many a moment is another now."""
    cases = await change.conn.execute(
        select(incidents)
        .where(among(change.conn, incidents.c.incident_id, incident_ids))
        .order_by(incidents.c.incident_id)
        .with_for_update()
    )
    moved = 0
    for case in [dict(row) for row in cases.mappings()]:
        recounted = await recounting.recount(change.conn, case["incident_id"], calendars, change.now)
        policy = recounting.policy_brought_up(case["policy"], calendars)
        if policy is not None:  # nothing that anybody decides on: its version and its time stay
            its = incidents.c.incident_id == case["incident_id"]
            await change.conn.execute(update(incidents).where(its).values(policy=policy))
        if recounted:
            moved += 1
            _note(change, case["incident_id"], recounted)
            await tell_task(change, case, {one.kind: one.now for one in recounted if not one.has_passed})
    return moved


def _note(change: Change, incident_id: str, recounted: Sequence[recounting.Recounted]) -> None:
    due = {one.kind.value: one.now.isoformat() for one in recounted}
    before = {one.kind.value: one.before.isoformat() for one in recounted}
    change.note(incident_id, "limits_by_calendar", POLICY, due=due, before=before)


async def _limited_by_others(conn: AsyncConnection, calendars: Mapping[str, Row]) -> list[str]:
    """Open cases whose limits count another calendar than that in force: clocks that they start would go by it."""
    query = select(incidents.c.incident_id, incidents.c.policy).where(
        incidents.c.state != State.CLOSED.value, cast(incidents.c.policy, String).like('%"counts"%')
    )
    found = await conn.execute(query)
    return [row.incident_id for row in found if recounting.policy_brought_up(row.policy, calendars) is not None]
