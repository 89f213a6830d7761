"""HTTP only: evidence stills from nodes, photos from the people who went there. Every view is recorded."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy import ColumnElement, Table, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import SHA256_PATTERN
from xueliang_central.audit import chain
from xueliang_central.camera_rules.views import tell as tell_rules
from xueliang_central.cameras.stills import camera_showing, cameras_waiting_for
from xueliang_central.cameras.views import camera_with_view
from xueliang_central.centre import Centre, centre_of
from xueliang_central.dispatch.bulk_reads import note_read
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.purposes import purpose_of
from xueliang_central.dispatch.service import live_task
from xueliang_central.dispatch.tables import task_photos, tasks
from xueliang_central.errors import NotFound
from xueliang_central.evidence.pictures import Picture, PictureKind, find, note_received
from xueliang_central.evidence.pieces import Pieces, piece_of
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents.change import By, Change, Rulebook
from xueliang_central.incidents.states import HAD_TASK_STATES
from xueliang_central.incidents.tables import expected_pictures
from xueliang_central.intake.files import is_photo_of_cases, is_shown_by_a_report
from xueliang_central.kept_open.tables import hazard_photos
from xueliang_central.lanes.tables import lanes
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, allows, require, require_node
from xueliang_central.rights.scope import Actor, Role, in_scope

router: Final = APIRouter(tags=["pictures"])

Sha256 = Annotated[str, Path(pattern=SHA256_PATTERN, description="Of the bytes, lower-case hexadecimal.")]
_PICTURE_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Answers = dict[int | str, dict[str, Any]]
_STILL_ANSWER: Final[Answers] = {200: {"content": {"image/jpeg": {}}, "description": "The picture."}}
_PHOTO_ANSWER: Final[Answers] = {
    200: {"content": {kind: {} for kind in ("image/jpeg", "image/png", "image/webp")}, "description": "The picture."}
}
HERE_BEFORE: Final[Answers] = {200: {"model": dict[str, bool], "description": "It was here before."}}
PIECE_TAKEN: Final[Answers] = {202: {"model": dict[str, bool], "description": "A piece was taken, more must come."}}


@router.put("/api/evidence/{sha256}", status_code=201, responses=HERE_BEFORE, openapi_extra=_PICTURE_BODY)
async def put_evidence(
    request: Request, response: Response, sha256: Sha256, node_id: Annotated[str, Depends(require_node)]
) -> dict[str, bool]:
    """A node hands in a masked still (JPEG, at most 8 MB) by its hash. 201 when it is new, 200 when it was here."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        known = await find(conn, PictureKind.EVIDENCE, sha256)
    if known is not None and centre.pictures.path_of(PictureKind.EVIDENCE, sha256).is_file():
        response.status_code = 200
        return {"received": True}
    picture = await centre.pictures.receive(PictureKind.EVIDENCE, sha256, request.stream())
    rulebook = Rulebook(centre.areas, (), {})  # no decision is made here, only told
    async with changing(centre.database, rulebook, centre.wall) as change:
        if await note_received(change.conn, picture, centre.pictures, source=f"node:{node_id}", at=change.now):
            await _tell(change, sha256, By("node", node_id))
    return {"received": True}


async def _tell(change: Change, sha256: str, by: By) -> None:
    """One line in the timeline of each incident that has been waiting for this picture; its worker is told too, and
    who has its camera's rules open."""
    waiting = await change.conn.execute(
        select(expected_pictures.c.incident_id, expected_pictures.c.kind)
        .where(expected_pictures.c.sha256 == sha256)
        .distinct()
    )
    for row in waiting.all():
        change.note(row.incident_id, "picture_received", by, sha256=sha256, still=row.kind)
        if (task := await live_task(change.conn, row.incident_id)) is not None:
            change.touch_task(task["task_id"])
    for camera_id in await cameras_waiting_for(change.conn, sha256):
        await tell_rules(change.conn, camera_id, change.now)


@router.head("/api/evidence/{sha256}")
async def has_evidence(request: Request, sha256: Sha256, _node_id: Annotated[str, Depends(require_node)]) -> Response:
    """200: it is here, no need to send it. 404: not yet."""
    async with centre_of(request).database.reading() as conn:
        known = await find(conn, PictureKind.EVIDENCE, sha256)
    return Response(status_code=404 if known is None else 200)


@router.get("/api/evidence/{sha256}", response_class=FileResponse, responses=_STILL_ANSWER)
async def get_evidence(
    request: Request, sha256: Sha256, actor: Annotated[Actor, Depends(require(Permission.SEE_PICTURES))]
) -> Response:
    """A still of an incident in scope; a worker sees those of own tasks. Who may see rules: of a camera in scope the
    newest, and the newest of each of its views, that was asked for to tune its rules."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        incident_id = about = await _incident_showing(conn, sha256, actor)
        if about is None and allows(actor.role, Permission.SEE_RULES):
            about = await camera_showing(conn, actor, sha256) or await camera_with_view(conn, actor, sha256)
        picture = await find(conn, PictureKind.EVIDENCE, sha256)
    if about is None or picture is None:
        raise NotFound
    return await show(centre, picture, actor, about, case_id=incident_id)


async def _incident_showing(conn: AsyncConnection, sha256: str, actor: Actor) -> str | None:
    """An incident that names this still and that the actor may see."""
    query = select(expected_pictures.c.incident_id).where(expected_pictures.c.sha256 == sha256)
    if actor.role is Role.WORKER:
        query = query.where(expected_pictures.c.incident_id.in_(select(tasks.c.incident_id).where(own_task(actor))))
    else:
        query = query.where(in_scope(expected_pictures.c.area_path, actor))
    return (await conn.execute(query.limit(1))).scalar_one_or_none()


def own_task(actor: Actor) -> ColumnElement[bool]:
    """The condition of `dispatch.working.may_see_task` for a worker: asked of this one, or offered to the own area."""
    offered_here = and_(tasks.c.state == "offered", tasks.c.area_path == actor.area_path)
    return or_(tasks.c.worker_id == actor.user_id, offered_here)


@router.head("/api/photos/{sha256}", responses={204: {"description": "Not whole; X-Received-Bytes of it are here."}})
async def has_photo(
    request: Request, sha256: Sha256, actor: Annotated[Actor, Depends(require(Permission.ADD_PHOTOS))]
) -> Response:
    """200: it is here, no need to send it. 204: not, or not whole; X-Received-Bytes says from where to go on."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        known = await find(conn, PictureKind.PHOTO, sha256)
        is_theirs = known is not None and await _may_see_photo(conn, sha256, actor)
    if is_theirs and centre.pictures.path_of(PictureKind.PHOTO, sha256).is_file():
        return Response(status_code=200)
    received = await Pieces(centre.pictures).received(PictureKind.PHOTO, sha256, actor.user_id)
    return Response(status_code=204, headers={"x-received-bytes": str(received)})


@router.put("/api/photos/{sha256}", status_code=201, responses=HERE_BEFORE | PIECE_TAKEN, openapi_extra=_PICTURE_BODY)
async def put_photo(
    request: Request,
    response: Response,
    sha256: Sha256,
    actor: Annotated[Actor, Depends(require(Permission.ADD_PHOTOS))],
    content_range: Annotated[str | None, Header(max_length=64, description="bytes 0-65535/400000: a piece.")] = None,
) -> dict[str, bool]:
    """A photo from the place (JPEG, PNG or WebP, at most 10 MB). It is named by a task's move afterwards.

    Whole, or in pieces one after the other (Content-Range): 202 until the last of them has come, 409 for one that does
    not begin where the bytes here end (HEAD says where).
    """
    return await taken_in(request, response, PictureKind.PHOTO, sha256, actor, content_range)


async def taken_in(
    request: Request, response: Response, kind: PictureKind, sha256: str, actor: Actor, content_range: str | None
) -> dict[str, bool]:
    """What a person sends: 201, 200 when it was known, 202 while pieces are missing."""
    sent = await _take_in(request, kind, sha256, actor, content_range)
    if sent is None:
        response.status_code = 202
        return {"received": False}
    if not await note_sent(centre_of(request), sent, actor):
        response.status_code = 200
    return {"received": True}


async def _take_in(
    request: Request, kind: PictureKind, sha256: str, actor: Actor, content_range: str | None
) -> Picture | None:
    """What a person sends, whole or a piece of it; None while pieces are missing."""
    centre = centre_of(request)
    if content_range is None:
        return await centre.pictures.receive(kind, sha256, request.stream())
    piece = piece_of(content_range, kind)
    now_s = centre.wall().timestamp()
    return await Pieces(centre.pictures).add(kind, sha256, actor.user_id, piece, request.stream(), now_s=now_s)


async def note_sent(centre: Centre, picture: Picture, actor: Actor) -> bool:
    """A person's picture or voice note is here whole. False: it was known already."""
    async with acting(centre.database, actor) as conn:
        at = centre.wall()
        is_new = await note_received(conn, picture, centre.pictures, source=actor.user_id, at=at)
        if is_new:
            await chain.record(
                conn,
                actor=actor.name,
                action=f"{picture.kind.value}.added",
                object_kind=picture.kind.value,
                object_id=picture.sha256,
                detail={"bytes": picture.bytes},
                at=at,
            )
    return is_new


@router.get("/api/photos/{sha256}", response_class=FileResponse, responses=_PHOTO_ANSWER)
async def get_photo(
    request: Request, sha256: Sha256, actor: Annotated[Actor, Depends(require(Permission.SEE_PICTURES))]
) -> Response:
    """A photo of a task or a report in scope, one that shows a lane or a kept hazard in scope, or one's own. A worker
    sees those of reports in the case of a task that is this worker's now."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        picture = await find(conn, PictureKind.PHOTO, sha256)
        if picture is None or not await _may_see_photo(conn, sha256, actor):
            raise NotFound
        case_id = await case_of(conn, task_photos, sha256)
    return await show(centre, picture, actor, sha256, case_id=case_id)


async def case_of(conn: AsyncConnection, of_tasks: Table, sha256: str) -> str | None:
    """The case of the task that named a photo or a voice note first; None: no task did."""
    query = select(tasks.c.incident_id).join(of_tasks, of_tasks.c.task_id == tasks.c.task_id)
    named = query.where(of_tasks.c.sha256 == sha256).order_by(of_tasks.c.added_at).limit(1)
    found: str | None = (await conn.execute(named)).scalar_one_or_none()
    return found


async def _may_see_photo(conn: AsyncConnection, sha256: str, actor: Actor) -> bool:
    own = select(pictures.c.sha256).where(pictures.c.sha256 == sha256, pictures.c.received_from == actor.user_id)
    if (await conn.execute(own.limit(1))).one_or_none() is not None:
        return True
    named = select(task_photos.c.sha256).where(task_photos.c.sha256 == sha256)
    if actor.role is Role.WORKER:
        named = named.where(task_photos.c.task_id.in_(select(tasks.c.task_id).where(own_task(actor))))
        had = tasks.c.state.in_([state.value for state in HAD_TASK_STATES])
        theirs = select(tasks.c.incident_id).where(tasks.c.worker_id == actor.user_id, had)
        if await is_photo_of_cases(conn, sha256, theirs):
            return True
    else:
        named = named.where(in_scope(task_photos.c.area_path, actor))
        marks = select(lanes.c.marking_photo).where(lanes.c.marking_photo == sha256, in_scope(lanes.c.area_path, actor))
        follows = select(hazard_photos.c.sha256).where(
            hazard_photos.c.sha256 == sha256, in_scope(hazard_photos.c.area_path, actor)
        )
        for query in (marks, follows):
            if (await conn.execute(query.limit(1))).one_or_none() is not None:
                return True
        if await is_shown_by_a_report(conn, PictureKind.PHOTO, sha256, actor):
            return True
    return (await conn.execute(named.limit(1))).one_or_none() is not None


async def show(centre: Centre, picture: Picture, actor: Actor, about: str, *, case_id: str | None) -> Response:
    """Record the view and what it is for, then show: a view that cannot be recorded is not given."""
    path = centre.pictures.path_of(picture.kind, picture.sha256)
    if not path.is_file():
        raise NotFound
    now = centre.wall()
    async with centre.database.transaction() as conn:
        await note_read(
            conn,
            actor,
            await purpose_of(conn, actor, case_id, now),
            action=f"{picture.kind.value}.viewed",
            object_kind=picture.kind.value,
            object_id=picture.sha256,
            detail={"about": about},
            now=now,
        )
    headers = {"cache-control": "no-store", "content-disposition": "inline"}
    return FileResponse(path, media_type=picture.media_type, headers=headers)
