"""HTTP only: the impact assessment of an area, and the notice page of a camera."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse

from xueliang_central.areas.tree import code_of_path
from xueliang_central.audit import chain
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import centre_of
from xueliang_central.disclosure import gathering
from xueliang_central.disclosure.pages import assessment_page, notice_page
from xueliang_central.disclosure.words import Language
from xueliang_central.errors import NotFound, ReportRefused
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.routes.reports import area_of

router: Final = APIRouter(tags=["disclosure"])

MOST_CAMERAS: Final = 2_000  # of one page over HTTP; a larger one is written by the command
_HTML: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/html": {}}, "description": "A page to print."}}
_NO_STORE: Final = {"cache-control": "no-store"}


@router.get("/api/impact-assessment", response_class=HTMLResponse, responses=_HTML)
async def get_assessment(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_ASSESSMENT))],
    area: Annotated[str | None, Query(max_length=15, description="Left out: the own area.")] = None,
    language: Annotated[Language, Query()] = "zh",
) -> HTMLResponse:
    """What of each camera is stated, which rules and models judge, what is kept and who may see it. It is recorded."""
    centre = centre_of(request)
    where = area_of(centre.areas.tree, actor, area)
    async with centre.database.reading() as conn:
        many = await gathering.count(conn, gathering.at_or_below(where))
        if many > MOST_CAMERAS:
            raise ReportRefused(
                f"expected at most {MOST_CAMERAS} cameras on one page, got {many}: a smaller area, or the command"
            )
        found = await gathering.assessment(
            conn,
            centre.areas.tree,
            where,
            gathering.at_or_below(where),
            retention=centre.settings.retention,
            disclosure=centre.settings.disclosure,
            live_view=centre.settings.live_view,
            at=centre.wall(),
        )
    async with centre.database.transaction() as conn:
        await chain.record(
            conn,
            actor=actor.name,
            action="assessment.made",
            object_kind="area",
            object_id=where.code,
            detail={"version": found.version, "cameras": many, "language": language},
            at=found.made_at,
        )
    return HTMLResponse("".join(assessment_page(found, language)), headers=_NO_STORE)


@router.get("/api/cameras/{camera_id}/notice", response_class=HTMLResponse, responses=_HTML)
async def get_notice(
    request: Request,
    camera_id: Annotated[str, Path(max_length=63)],
    actor: Annotated[Actor, Depends(require(Permission.SEE_CAMERAS))],
) -> HTMLResponse:
    """The page for the public about one camera, to be printed or put on a site: Chinese and English."""
    centre = centre_of(request)
    tree = centre.areas.tree
    async with centre.database.reading() as conn:
        found = await gathering.assessment(
            conn,
            tree,
            tree.get(code_of_path(actor.area_path)),
            cameras.c.camera_id == camera_id,
            in_scope(cameras.c.area_path, actor),
            retention=centre.settings.retention,
            disclosure=centre.settings.disclosure,
            live_view=centre.settings.live_view,
            at=centre.wall(),
            accounts=False,
        )
    if not found.cameras:
        raise NotFound
    return HTMLResponse(notice_page(found, found.cameras[0]), headers=_NO_STORE)
