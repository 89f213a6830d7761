"""HTTP only: voice notes to a task. Heard by whoever may see its photos; every hearing is recorded.

They are played as they came: nothing here decodes, transcribes or recognises a voice.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.tables import task_voices, tasks
from xueliang_central.errors import NotFound
from xueliang_central.evidence.pictures import PictureKind, find
from xueliang_central.evidence.pieces import Pieces
from xueliang_central.evidence.tables import pictures
from xueliang_central.intake.files import is_shown_by_a_report
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, Role, in_scope
from xueliang_central.routes.evidence import (
    HERE_BEFORE,
    PIECE_TAKEN,
    Answers,
    Sha256,
    case_of,
    own_task,
    show,
    taken_in,
)

router: Final = APIRouter(prefix="/api/voices", tags=["voices"])

_SOUND: Final = {"schema": {"type": "string", "format": "binary"}}
_BODY: Final = {"requestBody": {"required": True, "content": {"audio/webm": _SOUND, "audio/mp4": _SOUND}}}
_ANSWER: Final[Answers] = {
    200: {"content": {kind: {} for kind in ("audio/webm", "audio/mp4")}, "description": "The voice note."}
}


@router.head("/{sha256}", responses={204: {"description": "Not whole; X-Received-Bytes of it are here."}})
async def has_voice(
    request: Request, sha256: Sha256, actor: Annotated[Actor, Depends(require(Permission.ADD_PHOTOS))]
) -> Response:
    """200: it is here, no need to send it. 204: not, or not whole; X-Received-Bytes says from where to go on."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        known = await find(conn, PictureKind.VOICE, sha256)
        is_theirs = known is not None and await _may_hear(conn, sha256, actor)
    if is_theirs and centre.pictures.path_of(PictureKind.VOICE, sha256).is_file():
        return Response(status_code=200)
    received = await Pieces(centre.pictures).received(PictureKind.VOICE, sha256, actor.user_id)
    return Response(status_code=204, headers={"x-received-bytes": str(received)})


@router.put("/{sha256}", status_code=201, responses=HERE_BEFORE | PIECE_TAKEN, openapi_extra=_BODY)
async def put_voice(
    request: Request,
    response: Response,
    sha256: Sha256,
    actor: Annotated[Actor, Depends(require(Permission.ADD_PHOTOS))],
    content_range: Annotated[str | None, Header(max_length=64, description="bytes 0-65535/400000: a piece.")] = None,
) -> dict[str, bool]:
    """A voice note (WebM or MP4 with sound alone, at most 2 MB). It is named by a task's move afterwards.

    Whole or in pieces, as a photo.
    """
    return await taken_in(request, response, PictureKind.VOICE, sha256, actor, content_range)


@router.get("/{sha256}", response_class=FileResponse, responses=_ANSWER)
async def get_voice(
    request: Request, sha256: Sha256, actor: Annotated[Actor, Depends(require(Permission.SEE_PICTURES))]
) -> Response:
    """A voice note of a task or a report in scope, or one's own."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        voice = await find(conn, PictureKind.VOICE, sha256)
        if voice is None or not await _may_hear(conn, sha256, actor):
            raise NotFound
        case_id = await case_of(conn, task_voices, sha256)
    return await show(centre, voice, actor, sha256, case_id=case_id)


async def _may_hear(conn: AsyncConnection, sha256: str, actor: Actor) -> bool:
    own = select(pictures.c.sha256).where(
        pictures.c.sha256 == sha256,
        pictures.c.kind == PictureKind.VOICE.value,
        pictures.c.received_from == actor.user_id,
    )
    if (await conn.execute(own.limit(1))).one_or_none() is not None:
        return True
    named = select(task_voices.c.sha256).where(task_voices.c.sha256 == sha256)
    if actor.role is Role.WORKER:
        named = named.where(task_voices.c.task_id.in_(select(tasks.c.task_id).where(own_task(actor))))
    else:
        named = named.where(in_scope(task_voices.c.area_path, actor))
        if await is_shown_by_a_report(conn, PictureKind.VOICE, sha256, actor):
            return True
    return (await conn.execute(named.limit(1))).one_or_none() is not None
