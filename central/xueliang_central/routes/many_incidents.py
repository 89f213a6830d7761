"""HTTP only: several incidents at once: counted by area, judged together."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.judging_together import Together, judge_each
from xueliang_central.incidents.counting import open_by_area
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import SeveralBody, path_seen, rulebook_of

router: Final = APIRouter(prefix="/api/incidents", tags=["incidents"])


class TogetherBody(SeveralBody):
    """confirm | dispatch | false_alarm | permitted; the last two with a reason_code or a note."""


@router.get("/counts")
async def get_counts(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))],
    area: Annotated[str | None, Query(max_length=15, description="The area looked at; none: all that is seen.")] = None,
) -> dict[str, Any]:
    """Open incidents: all that the actor sees, the areas on the way to `area`, itself, and those one step below it.
    An area with nothing open is left out. 404: no `area` that the actor may see."""
    path = None if area is None else path_seen(request, actor, area)
    async with centre_of(request).database.reading() as conn:
        return await open_by_area(conn, actor, path)


@router.post("/moves")
async def post_moves(
    request: Request,
    body: TogetherBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Judge these incidents alike, each for itself; answers with an outcome for each, in the order asked: `done`,
    `conflict` (it has changed since its `version`), `refused` (not possible now; `stands_alone`: severity 1, fire and
    smoke, drills are judged one by one) or `not_found`. 422: nothing was judged."""
    centre = centre_of(request)
    cases = tuple((case.incident_id, case.version) for case in body.cases)
    asked = Together(body.move, cases, body.reason_code, body.note, body.idempotency_key)
    return {"outcomes": await judge_each(centre.database, rulebook_of(request), centre.wall, actor, asked)}
