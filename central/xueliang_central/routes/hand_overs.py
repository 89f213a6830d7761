"""HTTP only: notes by which a shift hands over to the next."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from xueliang_central.centre import centre_of
from xueliang_central.hand_overs import service
from xueliang_central.hand_overs.facts import facts_of
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, allows, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import SAME_AGAIN, AnId, Words

router: Final = APIRouter(prefix="/api/hand-overs", tags=["incidents"])

MOST: Final = 100
NoteId = Annotated[AnId, Path(description="A UUID; of a new note made by who writes it.")]


class HandOverBody(BaseModel):
    """Own words. The facts are the centre's, of the moment it is saved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: Words = ""


@router.get("")
async def get_hand_overs(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_HAND_OVERS))],
    limit: Annotated[int, Query(ge=1, le=MOST)] = 30,
) -> dict[str, Any]:
    """Notes of the asker's areas, the newest first, without their facts."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        rows = await service.newest(conn, actor, limit)
    return {"items": [_view(request, row, actor) for row in rows]}


@router.get("/draft")
async def get_draft(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.WRITE_HAND_OVERS))]
) -> dict[str, Any]:
    """What a note of the asker's own area would hold now. Nothing is saved."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        return {"facts": await facts_of(conn, centre.areas.tree, actor.area_path, centre.wall())}


@router.get("/{hand_over_id}")
async def get_hand_over(
    request: Request, hand_over_id: NoteId, actor: Annotated[Actor, Depends(require(Permission.SEE_HAND_OVERS))]
) -> dict[str, Any]:
    """One note with its facts as they stood."""
    async with centre_of(request).database.reading() as conn:
        row = await service.find(conn, actor, hand_over_id)
    return _view(request, row, actor)


@router.put("/{hand_over_id}", status_code=201, responses=SAME_AGAIN)
async def put_hand_over(
    request: Request,
    response: Response,
    hand_over_id: NoteId,
    body: HandOverBody,
    actor: Annotated[Actor, Depends(require(Permission.WRITE_HAND_OVERS))],
) -> dict[str, Any]:
    """Save a note of the asker's own area. It does not change any more: 409 for other words under the same id."""
    centre = centre_of(request)
    now = centre.wall()
    async with centre.database.reading() as conn:
        is_new = not await service.is_saved(conn, actor, hand_over_id, body.words)
        facts = await facts_of(conn, centre.areas.tree, actor.area_path, now) if is_new else {}
    if is_new:
        async with acting(centre.database, actor) as conn:
            is_new = await service.write(conn, actor, hand_over_id, body.words, facts, now)
    if not is_new:
        response.status_code = 200
    return await get_hand_over(request, hand_over_id, actor)


@router.post("/{hand_over_id}/acknowledgement")
async def post_acknowledgement(
    request: Request, hand_over_id: NoteId, actor: Annotated[Actor, Depends(require(Permission.WRITE_HAND_OVERS))]
) -> dict[str, Any]:
    """The asker has read it and takes over. 409: somebody else has. 422: it is the asker's own."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        await service.acknowledge(conn, actor, hand_over_id, centre.wall())
    return await get_hand_over(request, hand_over_id, actor)


def _view(request: Request, row: dict[str, Any], actor: Actor) -> dict[str, Any]:
    may = allows(actor.role, Permission.WRITE_HAND_OVERS)
    return service.view(centre_of(request).areas.tree, row, actor, may_acknowledge=may)
