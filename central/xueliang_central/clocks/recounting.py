"""A working calendar has changed: what of a running clock follows, and what does not.

What has been counted stays counted: of a clock that runs, the working time that is left by its old calendar is counted
again from now on by the new one. So no clock is due in the past by this, and none that is due now is put off. One that
has fired keeps its date and tells its next level by the new hours; a paused one has so much left as it had, and counts
it by the new hours when it goes on. A clock that counts every hour is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, Update, cast, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.clocks.limits import ClockKind, later, seconds_between
from xueliang_central.clocks.tables import clocks, working_calendars

Hours = Mapping[str, Any]
"""A `Calendar` as JSON."""


async def in_force(conn: AsyncConnection) -> dict[str, dict[str, Any]]:
    """The calendars that were put in force last, by name."""
    found = await conn.execute(select(working_calendars.c.name, working_calendars.c.hours))
    return {row.name: row.hours for row in found}


async def put_in_force(conn: AsyncConnection, wanted: Mapping[str, Hours], now: datetime) -> list[str]:
    """These are what is counted from now on; the names of those that were others before. Those not named stay."""
    known, changed = await in_force(conn), []
    for name, hours in sorted(wanted.items()):
        row = {"hours": dict(hours), "since": now}
        if name not in known:
            await conn.execute(insert(working_calendars), {"name": name, **row})
        elif known[name] != hours:
            changed.append(name)
            await conn.execute(update(working_calendars).where(working_calendars.c.name == name).values(**row))
    return changed


def brought_up(counts: Mapping[str, Any] | None, calendars: Mapping[str, Hours]) -> dict[str, Any] | None:
    """What a clock or a policy row counts, with its calendar as it is in force; None: it is so already, or every hour
    counts, or there is no such calendar any more."""
    if counts is None or counts["calendar"] not in calendars or counts["as"] == calendars[counts["calendar"]]:
        return None
    return {**counts, "as": calendars[counts["calendar"]]}


async def outdated(conn: AsyncConnection, calendars: Mapping[str, Hours]) -> list[str]:
    """Incidents of which a clock that is not over counts another calendar than that in force, in order."""
    # None is NULL in SQLite, and a JSON null in PostgreSQL.
    query = select(clocks.c.incident_id, clocks.c.counts).where(
        clocks.c.stopped_at.is_(None), cast(clocks.c.counts, String) != "null"
    )
    return sorted({row.incident_id for row in await conn.execute(query) if brought_up(row.counts, calendars)})


@dataclass(frozen=True, slots=True)
class Recounted:
    """A clock that is due at another moment now. Of one that has passed its limit: when it tells its next level."""

    kind: ClockKind
    before: datetime
    now: datetime
    has_passed: bool


async def recount(
    conn: AsyncConnection, incident_id: str, calendars: Mapping[str, Hours], now: datetime
) -> list[Recounted]:
    """Bring the clocks of an incident, which is locked, to the calendars in force; those whose moment is another."""
    query = select(clocks).where(clocks.c.incident_id == incident_id, clocks.c.stopped_at.is_(None))
    moved: list[Recounted] = []
    for row in [dict(one) for one in (await conn.execute(query.with_for_update())).mappings()]:
        counts = brought_up(row["counts"], calendars)
        if counts is None:
            continue
        values: dict[str, Any] = {"counts": counts}
        next_due_at = _moment(row, counts, now)
        if next_due_at != row["next_due_at"]:
            has_passed = row["escalated_steps"] > 0
            values |= {"next_due_at": next_due_at} | ({} if has_passed else {"due_at": next_due_at})
            moved.append(Recounted(ClockKind(row["kind"]), row["next_due_at"], next_due_at, has_passed))
        await conn.execute(_its(row).values(**values))
    return moved


def _moment(clock: Mapping[str, Any], counts: Mapping[str, Any], now: datetime) -> Any:
    """When it fires next, by these hours."""
    if clock["next_due_at"] is None or clock["next_due_at"] <= now:
        return clock["next_due_at"]  # it waits, has nothing left to tell, or fires now
    left_s = seconds_between(now, clock["next_due_at"], clock["counts"])
    # Nothing left, and not due: another clock's date was sooner. It stands.
    return later(now, left_s, counts) if left_s > 0 else clock["next_due_at"]


def _its(clock: Mapping[str, Any]) -> Update:
    return update(clocks).where(clocks.c.clock_id == clock["clock_id"])


def policy_brought_up(policy: Mapping[str, Any], calendars: Mapping[str, Hours]) -> dict[str, Any] | None:
    """The limits of an incident (`Limits.as_json`) with the calendars in force; None: nothing changes."""
    rows = [_row_brought_up(row, calendars) for row in (policy, *policy.get("by_hour", ()))]
    if not any(rows):
        return None
    changed, *by_hour = rows
    after = {**policy, **(changed or {})}
    if by_hour:
        after["by_hour"] = [new or old for new, old in zip(by_hour, policy["by_hour"], strict=True)]
    return after


def _row_brought_up(row: Mapping[str, Any], calendars: Mapping[str, Hours]) -> dict[str, Any] | None:
    counts = brought_up(row.get("counts"), calendars)
    return None if counts is None else {**row, "counts": counts}
