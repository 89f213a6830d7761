"""Notices up their ladders, in the caller's transaction: decides by `ladder`, writes the steps that are to be sent.

Several workers may climb at once: a notice is locked by the one that looks at it (PostgreSQL; SQLite has one writer).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.notices.ladder import (
    BESIDE,
    BUDGET_OVER,
    End,
    Go,
    HeldBy,
    Hold,
    Person,
    Skip,
    Standing,
    next_move,
)
from xueliang_central.notices.tables import contacts, notice_steps, notices
from xueliang_central.store.among import among
from xueliang_central.store.claims import skip_taken
from xueliang_configs.notices import NoticeRules

Row = dict[str, Any]
NotNeeded: TypeAlias = Callable[[AsyncConnection, Sequence[Row]], Awaitable[dict[str, str]]]

AT_ONCE: Final = 50  # notices looked at in one transaction
TOLD: Final = ("waiting", "sent", "dead")  # states that count against a budget: it was tried, or will be


async def is_any_due(conn: AsyncConnection, now: datetime) -> bool:
    found = await conn.execute(select(notices.c.notice_id).where(notices.c.climb_at <= now).limit(1))
    return found.one_or_none() is not None


async def climb(conn: AsyncConnection, rules: NoticeRules, not_needed: NotNeeded, now: datetime) -> Counter[str]:
    """Look at the notices that are due, as many as one transaction should; what was done, counted.

    Keys: "looked", "go", "skip", "held_budget", "held_quiet", and "end_" with the reason.
    """
    if not rules.ladders:
        return await _end_all(conn, now)
    found = await conn.execute(
        skip_taken(
            select(notices)
            .where(notices.c.climb_at <= now)
            .order_by(notices.c.severity, notices.c.climb_at, notices.c.notice_id)
            .limit(AT_ONCE)
        )
    )
    due = [dict(row) for row in found.mappings()]
    counts = Counter(looked=len(due))
    if not due:
        return counts
    over = await not_needed(conn, due)
    people = await _people(conn, {row["user_id"] for row in due}, now)
    for row in due:
        person = people[row["user_id"]]
        steps, values = _up(row, person, over.get(row["notice_id"]), rules, now, counts)
        if steps:
            await conn.execute(insert(notice_steps), steps)
            told = [now for step in steps if step["state"] == "waiting"]
            if row["kind"] in BESIDE:
                people[row["user_id"]] = replace(person, told_beside_at=(*person.told_beside_at, *told))
            else:
                people[row["user_id"]] = replace(person, told_at=(*person.told_at, *told))
        await conn.execute(update(notices).where(notices.c.notice_id == row["notice_id"]).values(**values))
    return counts


async def _end_all(conn: AsyncConnection, now: datetime) -> Counter[str]:
    """A centre without ladders: one statement for many. Rows that somebody else changes now are left for later."""
    due = skip_taken(select(notices.c.notice_id).where(notices.c.climb_at <= now).limit(AT_ONCE * 10))
    ids = list((await conn.execute(due)).scalars())
    over = update(notices).where(among(conn, notices.c.notice_id, ids))
    await conn.execute(over.values(climb_at=None, climb_end="no_ladder"))
    return Counter(looked=len(ids), end_no_ladder=len(ids))


def _up(
    row: Row, person: Person, over: str | None, rules: NoticeRules, now: datetime, counts: Counter[str]
) -> tuple[list[Row], Row]:
    """The steps that are made now, and the notice's new values. Steps that cannot reach the person cost no time."""
    made: list[Row] = []
    step = row["next_step"] or 0
    while True:
        standing = Standing(row["severity"], row["kind"], row["created_at"], step, row["received_at"] is not None, over)
        match next_move(standing, person, rules, now):
            case Go(number, channel, next_at):
                counts["go"] += 1
                made.append(_step(row, number, channel, "waiting", None, now))
                end = None if next_at else "last_step"
                return made, {"next_step": number + 1, "climb_at": next_at, "climb_end": end, "held_by": None}
            case Skip(number, channel, reason):
                counts["skip"] += 1
                made.append(_step(row, number, channel, "skipped", reason, now))
                step = number + 1
            case Hold(until, by):
                values: Row = {"next_step": step, "climb_at": until, "held_by": by.value if by else None}
                return made, values | _held(row, by, counts)
            case End(reason):
                counts[f"end_{reason}"] += 1
                return made, {"next_step": step, "climb_at": None, "climb_end": reason, "held_by": None}


def _held(row: Row, by: HeldBy | None, counts: Counter[str]) -> Row:
    """Counted once for each time that it begins to wait, not for each look."""
    if by is None or row["held_by"] == by.value:
        return {}
    counts[f"held_{by.value}"] += 1
    column = f"held_for_{by.value}"
    return {column: (row[column] or 0) + 1}


def _step(row: Row, number: int, channel: str, state: str, reason: str | None, now: datetime) -> Row:
    return {
        "notice_id": row["notice_id"],
        "step": number,
        "channel": channel,
        "user_id": row["user_id"],
        "severity": row["severity"],
        "state": state,
        "reason": reason,
        "made_at": now,
        "next_try_at": now if state == "waiting" else None,
        "attempts": 0,
    }


async def _people(conn: AsyncConnection, user_ids: Collection[str], now: datetime) -> dict[str, Person]:
    addresses: dict[str, dict[str, str]] = defaultdict(dict)
    for row in await conn.execute(select(contacts).where(among(conn, contacts.c.user_id, sorted(user_ids)))):
        addresses[row.user_id][row.channel] = row.address
    told: dict[str, list[datetime]] = defaultdict(list)
    beside: dict[str, list[datetime]] = defaultdict(list)
    made = await conn.execute(
        select(notice_steps.c.user_id, notice_steps.c.made_at, notices.c.kind)
        .join(notices, notices.c.notice_id == notice_steps.c.notice_id)
        .where(
            among(conn, notice_steps.c.user_id, sorted(user_ids)),
            notice_steps.c.made_at > now - BUDGET_OVER,
            notice_steps.c.state.in_(TOLD),
        )
        .order_by(notice_steps.c.made_at)
    )
    for row in made:
        (beside if row.kind in BESIDE else told)[row.user_id].append(row.made_at)
    return {user_id: Person(addresses[user_id], told[user_id], beside[user_id]) for user_id in user_ids}
