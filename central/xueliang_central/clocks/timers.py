"""Clocks as rows: started and stopped with the move that causes it, claimed when due, fired exactly once.

Exactly once: a firing is an update of the clock, which is held, plus a row in `escalations` keyed by (clock, step), in
the transaction of everything the firing causes. A process killed anywhere leaves either all of it or none.
On PostgreSQL several workers claim with `for update skip locked` on the *incident*, the row every other change of the
case locks first too, and then hold the clock; SQLite has one writer.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, higher
from xueliang_central.clocks.limits import BY_POLICY, ClockKind, Firing, Limits, fire, later, seconds_between
from xueliang_central.clocks.tables import clocks, escalations
from xueliang_central.incidents.tables import incidents
from xueliang_central.store.among import among

Due = dict[ClockKind, datetime]


async def running(conn: AsyncConnection, incident_id: str) -> dict[ClockKind, datetime]:
    """The running clocks of an incident, and when each is (or was) due."""
    return (await running_of(conn, [incident_id]))[incident_id]


async def running_of(conn: AsyncConnection, incident_ids: Collection[str]) -> dict[str, dict[ClockKind, datetime]]:
    """The running clocks of each of these incidents, and when each is (or was) due."""
    asked = (clocks.c.incident_id, clocks.c.kind, clocks.c.due_at)
    query = select(*asked).where(among(conn, clocks.c.incident_id, incident_ids), clocks.c.stopped_at.is_(None))
    found: dict[str, dict[ClockKind, datetime]] = {incident_id: {} for incident_id in incident_ids}
    for row in await conn.execute(query):
        found[row.incident_id][ClockKind(row.kind)] = row.due_at
    return found


async def start(
    conn: AsyncConnection,
    incident_id: str,
    kinds: Iterable[ClockKind],
    limits: Limits,
    now: datetime,
    *,
    no_later_than: datetime | None = None,
) -> dict[ClockKind, datetime]:
    """Start these clocks of an incident; one that runs already goes on. Returns when each is due.

    `no_later_than`: another clock that runs for the same alerts; none that starts now is due after it.
    """
    rows, due = rows_of(incident_id, kinds, limits, now, await running(conn, incident_id), no_later_than=no_later_than)
    await write(conn, rows)
    return due


def rows_of(
    incident_id: str,
    kinds: Iterable[ClockKind],
    limits: Limits,
    now: datetime,
    runs: Mapping[ClockKind, datetime],
    *,
    no_later_than: datetime | None = None,
) -> tuple[list[dict[str, Any]], dict[ClockKind, datetime]]:
    """The rows that `start` writes, and when each of these kinds is due; `runs`: what runs already."""
    due = dict(runs)
    rows: list[dict[str, Any]] = []
    wanted = sorted(kinds)
    for kind in wanted:
        if kind in due:
            continue
        due[kind] = limits.due(kind, now)
        if no_later_than is not None:
            due[kind] = min(due[kind], no_later_than)
        rows.append(
            {
                "clock_id": str(uuid.uuid4()),
                "incident_id": incident_id,
                "kind": kind.value,
                "limit_s": limits.of(kind),
                "started_at": now,
                "due_at": due[kind],
                "next_due_at": due[kind],
                # A passed check limit asks for a check by hand: a state, not an escalation.
                "escalation_levels": [] if kind is ClockKind.CHECK else list(limits.escalate),
                "escalate_every_s": limits.escalate_every_s,
                "escalated_steps": 0,
                "counts": limits.counted(kind),
            }
        )
    return rows, {kind: due[kind] for kind in wanted}


def dated_row(
    incident_id: str, kind: ClockKind, due_at: datetime, levels: Sequence[str], every_s: float, now: datetime
) -> dict[str, Any]:
    """A clock that ends at a moment that is known, and whom it tells then, in order."""
    return {
        "clock_id": str(uuid.uuid4()),
        "incident_id": incident_id,
        "kind": kind.value,
        "limit_s": (due_at - now).total_seconds(),
        "started_at": now,
        "due_at": due_at,
        "next_due_at": due_at,
        "escalation_levels": list(levels),
        "escalate_every_s": every_s,
        "escalated_steps": 0,
        "counts": None,
    }


async def write(conn: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Clocks of `rows_of` and `dated_row`."""
    if rows:
        await conn.execute(insert(clocks), rows)


async def hasten(conn: AsyncConnection, incident_id: str, limits: Limits, now: datetime) -> Due:
    """Its running clocks of the policy go by these limits from now on, where that is sooner; none gets longer.

    One that has fired keeps its levels, and tells the next of them sooner. One that is paused has less left, where that
    is sooner if it went on now. Returns those that are due sooner, and when; when a paused one is due nobody knows.
    """
    kinds = [kind.value for kind in BY_POLICY]
    found = await conn.execute(
        select(clocks).where(
            clocks.c.incident_id == incident_id,
            clocks.c.kind.in_(kinds),
            clocks.c.stopped_at.is_(None),
            or_(clocks.c.next_due_at.is_not(None), clocks.c.left_s.is_not(None)),
        )
    )
    moved: Due = {}
    for row in [dict(one) for one in found.mappings()]:
        kind = ClockKind(row["kind"])
        values = (_hastened if row["paused_at"] is None else _hastened_paused)(row, kind, limits, now)
        if "due_at" in values:
            moved[kind] = values["due_at"]
        if values:
            await conn.execute(update(clocks).where(clocks.c.clock_id == row["clock_id"]).values(**values))
    return moved


def _hastened(clock: dict[str, Any], kind: ClockKind, limits: Limits, now: datetime) -> dict[str, Any]:
    """The columns of a running clock that other limits change."""
    counts, every_s = limits.counted(kind), limits.escalate_every_s
    if clock["escalated_steps"]:
        next_due_at = later(now, every_s, counts)
        if next_due_at >= clock["next_due_at"]:
            return {}
        return {"next_due_at": next_due_at, "escalate_every_s": every_s, "counts": counts}
    due_at = limits.due(kind, now)
    levels = [] if kind is ClockKind.CHECK else list(limits.escalate)
    values = {"escalation_levels": levels, "escalate_every_s": every_s}
    if due_at < clock["due_at"]:
        return values | {"due_at": due_at, "next_due_at": due_at, "limit_s": limits.of(kind), "counts": counts}
    return values if counts else values | {"counts": None}  # every hour counts now; its own date is sooner


def _hastened_paused(clock: dict[str, Any], kind: ClockKind, limits: Limits, now: datetime) -> dict[str, Any]:
    """The columns of a paused clock, which has something left, that other limits change."""
    counts, every_s = limits.counted(kind), limits.escalate_every_s
    is_first = clock["escalated_steps"] == 0
    limit_s = limits.of(kind) if is_first else every_s
    values: dict[str, Any] = {"escalate_every_s": every_s}
    if is_first:
        values["escalation_levels"] = [] if kind is ClockKind.CHECK else list(limits.escalate)
    if counts is None:  # every hour counts now: what is left is no longer than it was
        left_s = min(limit_s, clock["left_s"])
    elif later(now, limit_s, counts) < later(now, clock["left_s"], clock["counts"]):
        left_s = limit_s
    else:
        return values if is_first else {}
    values |= {"left_s": left_s, "counts": counts}
    return values | {"limit_s": limit_s} if is_first and left_s == limit_s else values


async def stop(conn: AsyncConnection, incident_id: str, kinds: Iterable[ClockKind], now: datetime) -> None:
    """Stop these clocks of an incident, where they run."""
    await stop_all(conn, [incident_id], kinds, now)


async def stop_all(
    conn: AsyncConnection, incident_ids: Collection[str], kinds: Iterable[ClockKind], now: datetime
) -> None:
    """Stop these clocks of all these incidents, where they run."""
    await conn.execute(
        update(clocks)
        .where(
            among(conn, clocks.c.incident_id, incident_ids),
            clocks.c.kind.in_([kind.value for kind in kinds]),
            clocks.c.stopped_at.is_(None),
        )
        .values(stopped_at=now, next_due_at=None)
    )


async def pause(conn: AsyncConnection, incident_id: str, kinds: Iterable[ClockKind], now: datetime) -> None:
    """These running clocks of an incident wait until `go_on`: none of them fires."""
    for row in await _not_stopped(conn, incident_id, clocks.c.paused_at.is_(None)):
        if row.kind in set(kinds):
            left_s = None if row.next_due_at is None else seconds_between(now, row.next_due_at, row.counts)
            values = {"paused_at": now, "left_s": left_s, "next_due_at": None}
            await conn.execute(update(clocks).where(clocks.c.clock_id == row.clock_id).values(**values))


async def go_on(conn: AsyncConnection, incident_id: str, now: datetime) -> dict[ClockKind, datetime]:
    """Paused clocks of an incident run again with what they had left. Returns when each is (or was) due now."""
    due: dict[ClockKind, datetime] = {}
    for row in await _not_stopped(conn, incident_id, clocks.c.paused_at.is_not(None)):
        paused = max(now - row.paused_at, timedelta(0))  # the wall clock may have been set back
        next_due_at = None if row.left_s is None else later(now, row.left_s, row.counts)
        due_at: datetime = row.due_at + paused
        if next_due_at is not None and row.escalated_steps == 0:
            due_at = next_due_at
        due[ClockKind(row.kind)] = due_at
        values = {"paused_at": None, "left_s": None, "due_at": due_at, "next_due_at": next_due_at}
        if row.first_due_at is not None:
            values["first_due_at"] = row.first_due_at + (due_at - row.due_at)
        await conn.execute(update(clocks).where(clocks.c.clock_id == row.clock_id).values(**values))
    return due


async def put_off(conn: AsyncConnection, incident_id: str, kind: ClockKind, until: datetime, now: datetime) -> bool:
    """The running clock of this kind is due then, because people say so; it keeps the moment that it had first.

    They have named a moment: of its hours all count from now on. False: none runs, it waits, its limit has passed, or
    it is due later than that already.
    """
    its = clocks.c
    done = await conn.execute(
        update(clocks)
        .where(its.incident_id == incident_id, its.kind == kind.value, its.stopped_at.is_(None))
        .where(its.paused_at.is_(None), its.escalated_steps == 0, its.due_at > now, its.due_at < until)
        .values(
            due_at=until,
            next_due_at=until,
            counts=None,
            first_due_at=func.coalesce(its.first_due_at, its.due_at),
            times_moved=func.coalesce(its.times_moved, 0) + 1,
        )
    )
    return done.rowcount == 1


async def no_later(conn: AsyncConnection, incident_id: str, kind: ClockKind, due_at: datetime) -> bool:
    """The running clock of this kind is due then at the latest. False: none runs, or it is due by then."""
    its = clocks.c
    done = await conn.execute(
        update(clocks)
        .where(its.incident_id == incident_id, its.kind == kind.value, its.stopped_at.is_(None))
        .where(its.escalated_steps == 0, its.due_at > due_at)
        .values(due_at=due_at, next_due_at=due_at)
    )
    return done.rowcount == 1


async def running_clock(conn: AsyncConnection, incident_id: str, kind: ClockKind) -> dict[str, Any] | None:
    """The row of the clock of this kind that is not stopped."""
    found = await _not_stopped(conn, incident_id, clocks.c.kind == kind.value)
    return dict(found[0]._mapping) if found else None


async def _not_stopped(conn: AsyncConnection, incident_id: str, which: ColumnElement[bool]) -> Sequence[Any]:
    query = select(clocks).where(clocks.c.incident_id == incident_id, clocks.c.stopped_at.is_(None), which)
    return (await conn.execute(query)).all()


async def share(
    conn: AsyncConnection, incident_id: str, other_id: str, kinds: Iterable[ClockKind], now: datetime
) -> None:
    """Where a clock of these kinds runs in both incidents: the one due first goes on here, the other stops."""
    here, there = await running(conn, incident_id), await running(conn, other_id)
    for kind in sorted(kinds):
        if kind in here and kind in there:
            later = other_id if here[kind] <= there[kind] else incident_id
            await stop(conn, later, [kind], now)
            await bring(conn, incident_id, other_id, [kind])


async def bring(conn: AsyncConnection, incident_id: str, other_id: str, kinds: Iterable[ClockKind]) -> None:
    """These running clocks of the other incident become this one's, with what they have fired and when they are due."""
    await conn.execute(
        update(clocks)
        .where(
            clocks.c.incident_id == other_id,
            clocks.c.kind.in_([kind.value for kind in kinds]),
            clocks.c.stopped_at.is_(None),
        )
        .values(incident_id=incident_id)
    )


async def next_due_at(conn: AsyncConnection) -> datetime | None:
    """When the next clock fires; None when none waits."""
    waiting = select(func.min(clocks.c.next_due_at)).where(clocks.c.stopped_at.is_(None))
    earliest: datetime | None = (await conn.execute(waiting)).scalar_one_or_none()
    return earliest


@dataclass(frozen=True, slots=True)
class Claimed:
    """A due clock and its incident, both as rows, locked until the end of the transaction."""

    clock: dict[str, Any]
    incident: dict[str, Any]


async def claim_due(conn: AsyncConnection, now: datetime, most: int) -> tuple[int, list[Claimed]]:
    """Due clocks with their incidents, those due first, one of an incident; and how many were found.

    0 were found: none is due, or other workers have them. Fewer may be claimed than were found: one that was stopped
    or moved while its incident was waited for, and the second of an incident, which the first may change.
    """
    found = await conn.execute(
        select(clocks.c.clock_id, clocks.c.incident_id)
        .join(incidents, incidents.c.incident_id == clocks.c.incident_id)
        .where(clocks.c.next_due_at <= now, clocks.c.stopped_at.is_(None))
        .order_by(clocks.c.next_due_at, clocks.c.clock_id)
        .limit(most)
        .with_for_update(of=incidents, skip_locked=True)
    )
    first: dict[str, str] = {}
    seen = 0
    for row in found:
        seen += 1
        first.setdefault(row.incident_id, row.clock_id)
    if not first:
        return seen, []
    cases = await conn.execute(select(incidents).where(among(conn, incidents.c.incident_id, first)))
    case_of = {row["incident_id"]: dict(row) for row in cases.mappings()}
    # Again, and held: the statement that locked the incidents read the clocks as they were before it waited.
    its_clocks = await conn.execute(
        select(clocks)
        .where(among(conn, clocks.c.clock_id, first.values()))
        .where(clocks.c.next_due_at <= now, clocks.c.stopped_at.is_(None))
        .order_by(clocks.c.next_due_at, clocks.c.clock_id)
        .with_for_update()
    )
    rows = [dict(row) for row in its_clocks.mappings()]
    return seen, [
        Claimed(row, case_of[row["incident_id"]])
        for row in rows
        if first.get(row["incident_id"]) == row["clock_id"]  # it may have gone to another incident with its task
    ]


async def mark_fired(conn: AsyncConnection, held: Sequence[dict[str, Any]], now: datetime) -> list[Firing]:
    """Take the next step of these clocks, which this transaction holds; what it is, in their order."""
    firings = [
        fire(
            clock["escalation_levels"],
            clock["escalate_every_s"],
            clock["escalated_steps"],
            clock["next_due_at"],
            now,
            clock["counts"],
        )
        for clock in held
    ]
    values = [
        {
            "its_clock_id": clock["clock_id"],
            "new_escalated_steps": firing.step,
            "new_escalated_to": firing.level or clock["escalated_to"],
            "new_breached_at": clock["breached_at"] or now,
            "new_next_due_at": firing.next_due_at,
        }
        for clock, firing in zip(held, firings, strict=True)
    ]
    await conn.execute(_setting("escalated_steps", "escalated_to", "breached_at", "next_due_at"), values)
    return firings


@dataclass(frozen=True, slots=True)
class Fired:
    """A step that a clock has taken. `area`: whose desk was told, which may stand above the level due."""

    clock: dict[str, Any]
    firing: Firing
    area: Area | None
    told: int

    @property
    def level(self) -> str | None:
        return self.firing.level if self.area is None else self.area.level.value


async def record_fired(conn: AsyncConnection, fired: Sequence[Fired], now: datetime) -> None:
    """The rows that make these steps unrepeatable."""
    risen = [
        {"its_clock_id": one.clock["clock_id"], "new_escalated_to": shown}
        for one in fired
        if (shown := _shown(one)) != (one.firing.level or one.clock["escalated_to"])
    ]
    if risen:
        await conn.execute(_setting("escalated_to"), risen)
    rows = [
        {
            "clock_id": one.clock["clock_id"],
            "step": one.firing.step,
            "level": one.level,
            "area_code": None if one.area is None else one.area.code,
            "told": one.told,
            "due_at": one.clock["next_due_at"],
            "fired_at": now,
        }
        for one in fired
    ]
    await conn.execute(insert(escalations), rows)


def _shown(one: Fired) -> str | None:
    """The highest level that this clock has reached."""
    before: str | None = one.clock["escalated_to"]
    if one.area is None:
        return one.firing.level or before
    return higher(before or one.area.level.value, one.area.level).value


def _setting(*names: str) -> Update:
    """These columns of a clock; its parameters have other names than the columns."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return update(clocks).where(clocks.c.clock_id == bindparam("its_clock_id")).values(values)
