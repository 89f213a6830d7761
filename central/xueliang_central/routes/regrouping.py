"""HTTP only: merge two incidents, split one, and which could be merged."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import or_, select, tuple_

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.merging import Merge, county_of, merge_incidents, why_not
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.splitting import Split, split_incident
from xueliang_central.errors import NotFound
from xueliang_central.incidents import service
from xueliang_central.incidents.folding import distance_m
from xueliang_central.incidents.shedding import is_collective
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import incident_views
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, may_see, scoped
from xueliang_central.routes.asking import LARGEST_PAGE, MergeBody, SplitBody, cursor_of, read_cursor, rulebook_of
from xueliang_central.routes.incidents import incident_shown

router: Final = APIRouter(prefix="/api/incidents", tags=["incidents"])

Row = dict[str, Any]


@router.get("/{incident_id}/mergeable")
async def list_mergeable(
    request: Request,
    incident_id: str,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Open incidents of the same hazard and county, newest first: how far away, and why one cannot be merged now."""
    centre = centre_of(request)
    tree = centre.areas.tree
    async with centre.database.reading() as conn:
        case = await service.load(conn, incident_id)
        if not may_see(actor, case["area_path"]):
            raise NotFound("incident")
        county = county_of(tree, case["area_code"]).path if case["area_code"] in tree else case["area_path"]
        query = scoped(select(incidents), incidents.c.area_path, actor).where(
            incidents.c.state != State.CLOSED.value,
            incidents.c.hazard == case["hazard"],
            incidents.c.drill == case["drill"],
            incidents.c.incident_id != incident_id,
            or_(incidents.c.area_path == county, incidents.c.area_path.startswith(f"{county}/", autoescape=True)),
        )
        if cursor is not None:
            query = query.where(tuple_(incidents.c.opened_at, incidents.c.incident_id) < read_cursor(cursor))
        newest_first = query.order_by(incidents.c.opened_at.desc(), incidents.c.incident_id.desc())
        found = [dict(row) for row in (await conn.execute(newest_first.limit(limit + 1))).mappings()]
        rows = found[:limit]
        views = await incident_views(conn, tree, rows)
    items = [
        {
            "incident": view,
            "distance_m": _apart_m(case, row),
            "why_not": None if (refusal := why_not(tree, case, row)) is None else refusal.as_json(),
        }
        for row, view in zip(rows, views, strict=True)
        if not is_collective(row["place_key"])
    ]
    last = rows[-1] if len(found) > limit else None
    return {"items": items, "next_cursor": cursor_of(last["opened_at"], last["incident_id"]) if last else None}


@router.post("/{incident_id}/merge")
async def post_merge(
    request: Request,
    incident_id: str,
    body: MergeBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Merge `other_id` into this incident; answers with this one. 409: one has changed. 422: `reason` says why not."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await merge_incidents(change, actor, incident_id, Merge(**body.model_dump()))
    return await incident_shown(request, incident_id, actor)


@router.post("/{incident_id}/split")
async def post_split(
    request: Request,
    incident_id: str,
    body: SplitBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Split alerts off; answers with this incident and `split_off`, where they are now. 409 and 422 as in merge."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        other_id = await split_incident(change, actor, incident_id, Split(**body.model_dump()))
    view = await incident_shown(request, incident_id, actor)
    async with centre.database.reading() as conn:
        other = await service.load(conn, other_id)
    return {**view, "split_off": {"incident_id": other_id, "number": other["number"]}}


def _apart_m(one: Row, other: Row) -> float | None:
    """Metres between two incidents; None where one has no point on the map."""
    points = (one["longitude"], one["latitude"], other["longitude"], other["latitude"])
    if any(value is None for value in points):
        return None
    return round(distance_m(*points), 1)
