"""Notices as the API shows them: what became of each, by which channel; never an address, a key or a text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.notices.tables import notice_steps, notices
from xueliang_central.rights.scope import Actor, in_scope, may_see
from xueliang_central.rights.tables import users
from xueliang_central.store.among import among

Row = dict[str, Any]
View = dict[str, Any]

_UNNAMED: Final[View] = {"user_id": None, "display_name": None, "role": None}


def own_view(row: Row) -> View:
    """A notice to its receiver. What it tells of is not repeated: the task or incident itself says who may see it."""
    plain = {name: row[name] for name in ("notice_id", "kind", "received_by")}
    return {**plain, "created_at": _moment(row["created_at"]), "received_at": _moment(row["received_at"])}


async def fates(
    conn: AsyncConnection, actor: Actor, incident_id: str, task_ids: Sequence[str], limit: int
) -> list[View]:
    """The notices of an incident and its tasks with all their steps, newest first.

    Who was told is named where the actor may see the area of that person; of others only the role is.
    """
    about = or_(notices.c.incident_id == incident_id, among(conn, notices.c.task_id, task_ids))
    query = select(notices).where(about).order_by(notices.c.created_at.desc(), notices.c.notice_id).limit(limit)
    rows = [dict(row) for row in (await conn.execute(query)).mappings()]
    steps: dict[str, list[Row]] = defaultdict(list)
    made = select(notice_steps).where(among(conn, notice_steps.c.notice_id, [row["notice_id"] for row in rows]))
    for row in (await conn.execute(made.order_by(notice_steps.c.step))).mappings():
        steps[row["notice_id"]].append(dict(row))
    people = await _people(conn, actor, sorted({row["user_id"] for row in rows}))
    return [_fate(row, steps[row["notice_id"]], people) for row in rows]


async def _people(conn: AsyncConnection, actor: Actor, user_ids: Sequence[str]) -> Mapping[str, View]:
    asked = (users.c.user_id, users.c.display_name, users.c.role, users.c.area_path)
    found = await conn.execute(select(*asked).where(among(conn, users.c.user_id, user_ids)))
    return {
        row.user_id: {"user_id": row.user_id, "display_name": row.display_name, "role": row.role}
        if may_see(actor, row.area_path)
        else {**_UNNAMED, "role": row.role}
        for row in found
    }


def _fate(row: Row, steps: Sequence[Row], people: Mapping[str, View]) -> View:
    return {
        "notice_id": row["notice_id"],
        "kind": row["kind"],
        "severity": row["severity"],
        "task_id": row["task_id"],
        "to": people.get(row["user_id"], _UNNAMED),
        "created_at": _moment(row["created_at"]),
        "on_page_at": _moment(row["sent_at"]),
        "received_at": _moment(row["received_at"]),
        "received_by": row["received_by"],
        "climb_end": row["climb_end"],
        "next_look_at": _moment(row["climb_at"]),
        "held_by": row["held_by"],
        "held": {"budget": row["held_for_budget"] or 0, "quiet": row["held_for_quiet"] or 0},
        "steps": [step_view(step) for step in steps],
    }


def step_view(step: Row) -> View:
    return {
        "step": step["step"],
        "channel": step["channel"],
        "state": step["state"],
        "reason": step["reason"],
        "attempts": step["attempts"],
        "made_at": _moment(step["made_at"]),
        "tried_at": _moment(step["tried_at"]),
        "sent_at": _moment(step["sent_at"]),
        "next_try_at": _moment(step["next_try_at"]),
    }


async def dead(conn: AsyncConnection, actor: Actor, limit: int) -> list[View]:
    """Steps that were given up within the actor's areas, newest first."""
    query = (
        select(notice_steps, notices.c.kind, notices.c.incident_id, notices.c.task_id, users.c.display_name)
        .join(notices, notices.c.notice_id == notice_steps.c.notice_id)
        .outerjoin(users, users.c.user_id == notice_steps.c.user_id)
        .where(notice_steps.c.state == "dead", in_scope(notices.c.area_path, actor))
        .order_by(notice_steps.c.made_at.desc(), notice_steps.c.notice_id, notice_steps.c.step)
        .limit(limit)
    )
    return [
        {
            "notice_id": row["notice_id"],
            "kind": row["kind"],
            "severity": row["severity"],
            "incident_id": row["incident_id"],
            "task_id": row["task_id"],
            "to": {"user_id": row["user_id"], "display_name": row["display_name"]},
            **step_view(dict(row)),
        }
        for row in (await conn.execute(query)).mappings()
    ]


async def figures(conn: AsyncConnection, actor: Actor, since: datetime) -> View:
    """What became of the notices written since then within the actor's areas: nothing is held back uncounted."""
    mine = (notices.c.created_at >= since, in_scope(notices.c.area_path, actor))
    asked = (
        func.count(),
        func.count(notices.c.received_at),
        func.sum(func.coalesce(notices.c.held_for_budget, 0)),
        func.sum(func.coalesce(notices.c.held_for_quiet, 0)),
    )
    told, received, budget, quiet = (await conn.execute(select(*asked).where(*mine))).one()
    by_step = await conn.execute(
        select(notice_steps.c.channel, notice_steps.c.state, notice_steps.c.reason, func.count())
        .join(notices, notices.c.notice_id == notice_steps.c.notice_id)
        .where(*mine)
        .group_by(notice_steps.c.channel, notice_steps.c.state, notice_steps.c.reason)
        .order_by(notice_steps.c.channel, notice_steps.c.state, notice_steps.c.reason)
    )
    steps = [{"channel": row[0], "state": row[1], "reason": row[2], "count": row[3]} for row in by_step]
    return {
        "since": _moment(since),
        "notices": told,
        "received": received,
        "held": {"budget": int(budget or 0), "quiet": int(quiet or 0)},
        "steps": steps,
    }


def _moment(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
