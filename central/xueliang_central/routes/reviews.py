"""HTTP only: what ended by itself, looked at afterwards: the list, how many wait, what is said of many at once."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_alerts.contract import Hazard
from xueliang_central.centre import centre_of
from xueliang_central.dispatch import reviewing
from xueliang_central.dispatch.reviewing import MOST_COUNTED, Said, Wanted, review_each
from xueliang_central.incidents.views import incident_views
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import (
    LARGEST_PAGE,
    MOST_TOGETHER,
    CaseBody,
    Code,
    Key,
    Words,
    cursor_of,
    path_seen,
    read_cursor,
    rulebook_of,
)

router: Final = APIRouter(prefix="/api/reviews", tags=["incidents"])

Area = Annotated[str | None, Query(max_length=15, description="Only of this area and below it.")]


class ReviewBody(BaseModel):
    """What these incidents were; false_alarm and permitted with a reason_code or a note."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: Literal["true_hazard", "false_alarm", "permitted", "no_answer"]
    cases: Annotated[tuple[CaseBody, ...], Field(min_length=1, max_length=MOST_TOGETHER)]
    reason_code: Code | None = None
    note: Words | None = None
    idempotency_key: Annotated[Key | None, Field(max_length=80)] = None


@router.get("")
async def list_reviews(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))],
    which: Annotated[Literal["waiting", "reviewed", "all"], Query()] = "waiting",
    area: Area = None,
    hazard: Annotated[Hazard | None, Query()] = None,
    camera_id: Annotated[str | None, Query(max_length=64)] = None,
    day: Annotated[date | None, Query(ge=date(2000, 1, 1), le=date(2999, 12, 31), description="Local.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Incidents of the last 30 days that ended before anybody judged them, the last opened first, within the actor's
    areas; `review` is `waiting` or what was said. `next_cursor` null on the last page. 404: no `area` that the actor
    may see."""
    centre = centre_of(request)
    path = None if area is None else path_seen(request, actor, area)
    wanted = Wanted(which, path, None if hazard is None else hazard.value, camera_id, day)
    query = reviewing.page(actor, wanted, None if cursor is None else read_cursor(cursor), limit + 1, centre.wall())
    async with centre.database.reading() as conn:
        found = [dict(row) for row in (await conn.execute(query)).mappings()]
        items = await incident_views(conn, centre.areas.tree, found[:limit])
    last = found[limit - 1] if len(found) > limit else None
    return {"items": items, "next_cursor": cursor_of(last["opened_at"], last["incident_id"]) if last else None}


@router.get("/count")
async def get_count(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))],
    area: Area = None,
) -> dict[str, Any]:
    """How many of the last 30 days wait to be looked at; `is_more`: at least so many. 404: no `area` that the
    actor may see."""
    path = None if area is None else path_seen(request, actor, area)
    centre = centre_of(request)
    query = reviewing.waiting(actor, Wanted(area_path=path), centre.wall())
    async with centre.database.reading() as conn:
        count = (await conn.execute(query)).scalar_one()
    return {"waiting": count, "is_more": count == MOST_COUNTED}


@router.post("")
async def post_reviews(
    request: Request,
    body: ReviewBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Say of these incidents what they were, each for itself; answers with an outcome for each, in the order asked:
    `done`, `conflict` (it has come back or was moved since its `version`: what 409 is for one), `refused` (it did not
    end by itself unjudged; `stands_alone`: severity 1 and fire are reviewed one by one) or `not_found`. No task comes
    of it. 422: nothing was said."""
    centre = centre_of(request)
    cases = tuple((case.incident_id, case.version) for case in body.cases)
    said = Said(body.answer, cases, body.reason_code, body.note, body.idempotency_key)
    return {"outcomes": await review_each(centre.database, rulebook_of(request), centre.wall, actor, said)}
