"""One change of the flow: open a transaction, let it happen, tell the stream what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import select

from xueliang_central.dispatch.recommending import FROM_ELSEWHERE
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.views import task_views
from xueliang_central.dispatch.watching import tell_closed
from xueliang_central.incidents.change import Change, Rulebook
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import View, incident_views
from xueliang_central.rights import people
from xueliang_central.rights.scope import Actor
from xueliang_central.silences.tables import calendar_proposals, silences
from xueliang_central.silences.views import proposal_view, silence_views
from xueliang_central.store import events
from xueliang_central.store.among import among
from xueliang_central.store.database import Database


@asynccontextmanager
async def changing(
    database: Database,
    rulebook: Rulebook,
    wall: Callable[[], datetime],
    *,
    actor: Actor | None = None,
    alone: bool = False,
) -> AsyncIterator[Change]:
    """A transaction of the flow: committed at the end of the block with its timeline and events, or nothing of it.

    `actor`: the person who asks for it; `alone`: one request of that person at a time. Raises NotSignedIn when that
    account has been changed since the request came.
    """
    async with database.transaction() as conn:
        if actor is not None:
            await people.must_stand(conn, actor, alone=alone)
        change = Change(conn, wall(), rulebook)
        yield change
        await publish(change)


async def publish(change: Change) -> None:
    """Write the timeline; one event per incident, task, silence and proposal touched, with its state now."""
    await tell_closed(change)
    await change.flush()
    known: dict[str, View] = {}
    if change.incidents:
        touched = among(change.conn, incidents.c.incident_id, change.incidents)
        found = await change.conn.execute(select(incidents).where(touched))
        rows = [dict(row) for row in found.mappings()]
        views = await incident_views(change.conn, change.tree, rows)
        known = {row["incident_id"]: view for row, view in zip(rows, views, strict=True)}
        for row, view in zip(rows, views, strict=True):
            await events.append(
                change.conn, kind="incident", area_path=row["area_path"], body={"incident": view}, at=change.now
            )
    if change.tasks:
        found = await change.conn.execute(select(tasks).where(among(change.conn, tasks.c.task_id, change.tasks)))
        rows = [dict(row) for row in found.mappings()]
        for row, view in zip(rows, await task_views(change.conn, change.tree, rows, known), strict=True):
            await events.append(
                change.conn, kind="task", area_path=row["area_path"], body={"task": view}, at=change.now
            )
            if row["why_offered"].get("code") in FROM_ELSEWHERE:  # whose worker does not hear of this area
                await events.append(
                    change.conn,
                    kind="task",
                    area_path=row["area_path"],
                    body={"task": view},
                    at=change.now,
                    for_user=row["worker_id"],
                )
    await _publish_silences(change)
    change.incidents, change.tasks, change.silences, change.proposals = {}, {}, {}, {}


async def _publish_silences(change: Change) -> None:
    if change.silences:
        found = await change.conn.execute(select(silences).where(silences.c.silence_id.in_(list(change.silences))))
        rows = [dict(row) for row in found.mappings()]
        views = await silence_views(change.conn, change.tree, rows, change.now)
        for row, view in zip(rows, views, strict=True):
            await events.append(
                change.conn, kind="silence", area_path=row["area_path"], body={"silence": view}, at=change.now
            )
    if change.proposals:
        wanted = calendar_proposals.c.proposal_id.in_(list(change.proposals))
        found = await change.conn.execute(select(calendar_proposals).where(wanted))
        for row in [dict(row) for row in found.mappings()]:
            body = {"calendar_proposal": proposal_view(change.tree, row)}
            await events.append(
                change.conn, kind="calendar_proposal", area_path=row["area_path"], body=body, at=change.now
            )
