"""HTTP only: the queue of incidents, one incident, and the operator's moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.bulk_reads import note_read
from xueliang_central.dispatch.judging import IncidentMove, move_incident, moves_for
from xueliang_central.dispatch.keeping import keepings_now, plan_view
from xueliang_central.dispatch.merging import regroupings_for
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.purposes import VIEWED, purpose_of
from xueliang_central.dispatch.side_moves import asides_for
from xueliang_central.dispatch.ticking import may_tick
from xueliang_central.errors import NotFound
from xueliang_central.incidents import service
from xueliang_central.incidents.checklist import checklist_view
from xueliang_central.incidents.earlier import earlier_here
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import incident_detail, incident_views, page_of_alerts, page_of_timeline
from xueliang_central.lanes.register import case_view, lanes_of_case
from xueliang_central.notices import receipts
from xueliang_central.notices.tables import notices
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_area, may_see, scoped
from xueliang_central.routes.asking import (
    LARGEST_PAGE,
    BadCursor,
    IncidentMoveBody,
    cursor_of,
    path_seen,
    read_cursor,
    rulebook_of,
)
from xueliang_central.units.requests import case_view as unit_of_case

router: Final = APIRouter(prefix="/api/incidents", tags=["incidents"])

VIEWED_AGAIN_S: Final = 300.0
MOST_VIEWS_REMEMBERED: Final = 10_000
MOST_DAYS_BACK: Final = 90


@router.get("")
async def list_incidents(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))],
    state: Annotated[Literal["open", "closed", "all", "long_lived"], Query()] = "open",
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    area: Annotated[str | None, Query(max_length=15, description="Only of this area and below it.")] = None,
) -> dict[str, Any]:
    """Newest first, within the actor's areas; `next_cursor` null on the last page. `long_lived`: what is kept open.
    404: no `area` that the actor may see."""
    query = scoped(select(incidents), incidents.c.area_path, actor)
    if area is not None:
        query = query.where(in_area(incidents.c.area_path, path_seen(request, actor, area)))
    if state == "long_lived":
        query = query.where(incidents.c.state == State.LONG_LIVED.value)
    elif state != "all":
        closed = incidents.c.state == State.CLOSED.value
        query = query.where(closed if state == "closed" else ~closed)
    if cursor is not None:
        query = query.where(tuple_(incidents.c.opened_at, incidents.c.incident_id) < read_cursor(cursor))
    newest_first = query.order_by(incidents.c.opened_at.desc(), incidents.c.incident_id.desc())
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = (await conn.execute(newest_first.limit(limit + 1))).mappings().all()
        rows = [dict(row) for row in found[:limit]]
        items = await incident_views(conn, centre.areas.tree, rows)
    last = rows[-1] if len(found) > limit else None
    return {"items": items, "next_cursor": cursor_of(last["opened_at"], last["incident_id"]) if last else None}


@router.get("/{incident_id}")
async def get_incident(
    request: Request, incident_id: str, actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))]
) -> dict[str, Any]:
    """One incident with alerts, timeline, stills, the *why*, the fire lanes that its cameras watch, what was asked
    of a lane's managing unit, its plan when it is or was kept open, the checklist of its hazard, and the moves this
    actor may make. The view is
    audited."""
    view = await incident_shown(request, incident_id, actor)
    await _audit_view(request, incident_id, actor)
    await _receive(request, actor, incident_id)
    return view


@router.get("/{incident_id}/alerts")
async def list_alerts(
    request: Request,
    incident_id: str,
    actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))],
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """All alerts of one incident, the last received first: also those that its own page leaves out."""
    before = None if cursor is None else read_cursor(cursor)
    async with centre_of(request).database.reading() as conn:
        await _seen(conn, actor, incident_id)
        items, last = await page_of_alerts(conn, incident_id, before, limit)
    return {"items": items, "next_cursor": cursor_of(*last) if last else None}


@router.get("/{incident_id}/timeline")
async def list_timeline(
    request: Request,
    incident_id: str,
    actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))],
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """The whole timeline of one incident, newest first: also what its own page leaves out."""
    before = None if cursor is None else read_cursor(cursor)[1]
    if before is not None and not (before.isascii() and before.isdecimal() and len(before) < 19):
        raise BadCursor
    async with centre_of(request).database.reading() as conn:
        await _seen(conn, actor, incident_id)
        items, last = await page_of_timeline(conn, incident_id, None if before is None else int(before), limit)
    return {"items": items, "next_cursor": cursor_of(*last) if last else None}


@router.get("/{incident_id}/earlier")
async def get_earlier(
    request: Request,
    incident_id: str,
    actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))],
    days: Annotated[int, Query(ge=1, le=MOST_DAYS_BACK)] = 30,
) -> dict[str, Any]:
    """What was at this place in the days before: incidents of the same hazard, of its camera or within `near_m`; how
    they ended, and the newest. The view is audited, as of the incident itself."""
    async with centre_of(request).database.reading() as conn:
        found = await earlier_here(conn, actor, await _seen(conn, actor, incident_id), days)
    await _audit_view(request, incident_id, actor)
    return found


async def _seen(conn: AsyncConnection, actor: Actor, incident_id: str) -> dict[str, Any]:
    """The incident. Raises NotFound."""
    row = await service.load(conn, incident_id)
    if not may_see(actor, row["area_path"]):
        raise NotFound("incident")
    return row


@router.post("/{incident_id}/moves")
async def post_move(
    request: Request,
    incident_id: str,
    body: IncidentMoveBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Make a move; answers with the incident after it. 409: it has changed since `version`. 422: not possible now."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await move_incident(change, actor, incident_id, IncidentMove(**body.model_dump()))
    return await incident_shown(request, incident_id, actor)


async def _audit_view(request: Request, incident_id: str, actor: Actor) -> None:
    """Once per person, incident and VIEWED_AGAIN_S: an open page asks again after every event.

    Remembered per process and bounded; what is forgotten is recorded once more, never less. What cannot be recorded
    (DatabaseUnavailable) is not shown.
    """
    centre, state = centre_of(request), request.app.state
    now = centre.wall()
    seen: dict[tuple[str, str], datetime] = getattr(state, "incidents_viewed", {})
    state.incidents_viewed = seen
    before = seen.get((actor.user_id, incident_id))
    if before is not None and timedelta(0) <= now - before < timedelta(seconds=VIEWED_AGAIN_S):
        return
    async with centre.database.transaction() as conn:
        await note_read(
            conn,
            actor,
            await purpose_of(conn, actor, incident_id, now),
            action=VIEWED,
            object_kind="incident",
            object_id=incident_id,
            detail={},
            now=now,
        )
    seen.pop((actor.user_id, incident_id), None)
    seen[actor.user_id, incident_id] = now
    while len(seen) > MOST_VIEWS_REMEMBERED:
        del seen[next(iter(seen))]


async def _receive(request: Request, actor: Actor, incident_id: str) -> None:
    """Who has opened a case has what was told of it: nobody is called about it any further."""
    centre, about = centre_of(request), notices.c.incident_id == incident_id
    async with centre.database.reading() as conn:
        if not await receipts.is_any_unreceived(conn, actor.user_id, about):
            return
    async with centre.database.transaction() as conn:
        await receipts.all_received(conn, actor.user_id, centre.wall(), receipts.OPENED, about)


async def incident_shown(request: Request, incident_id: str, actor: Actor) -> dict[str, Any]:
    """The incident as this actor sees it now. Raises NotFound."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await service.load(conn, incident_id)
        if not may_see(actor, row["area_path"]):
            raise NotFound("incident")
        tree, lanes, plan = centre.areas.tree, await lanes_of_case(conn, row), await plan_view(conn, incident_id)
        view = await incident_detail(conn, tree, row, moves_for(actor, row), regroupings_for(actor, row))
        unit = await unit_of_case(conn, row, actor)
        keepings = await keepings_now(conn, actor, row)
        steps = await checklist_view(conn, incident_id, rulebook_of(request).checklist(row["hazard"]))
    shown = {
        "checklist": steps,
        "may_tick": may_tick(actor, row),
        "unit": unit,
        "lanes": [case_view(lane, actor) for lane in lanes],
        "kept_open": plan,
    }
    may = {"may_keep": list(keepings), "may_aside": list(asides_for(actor, row))}
    return {**view, **shown, **may}
