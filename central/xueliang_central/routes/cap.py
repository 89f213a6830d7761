"""HTTP only: what was told to other systems as CAP 1.2, as a list and document by document."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import select, tuple_

from xueliang_central.audit import chain
from xueliang_central.cap.document import MEDIA_TYPE
from xueliang_central.cap.tables import cap_messages
from xueliang_central.centre import centre_of
from xueliang_central.errors import NotFound
from xueliang_central.incidents.views import at_text
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, may_see, scoped
from xueliang_central.routes.asking import LARGEST_PAGE, AnId, cursor_of, read_cursor

router: Final = APIRouter(prefix="/api/cap/messages", tags=["cap"])

_PLAIN: Final = ("identifier", "incident_id", "number", "hazard", "severity", "area_code", "status", "message_type")


@router.get("")
async def list_messages(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_CAP))],
    incident_id: Annotated[AnId | None, Query(description="Only what was told of this incident.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Newest first, within the actor's areas; `next_cursor` null on the last page."""
    columns = [column for column in cap_messages.c if column is not cap_messages.c.document]
    query = scoped(select(*columns), cap_messages.c.area_path, actor)
    if incident_id is not None:
        query = query.where(cap_messages.c.incident_id == incident_id)
    if cursor is not None:
        query = query.where(tuple_(cap_messages.c.sent_at, cap_messages.c.identifier) < read_cursor(cursor))
    newest_first = query.order_by(cap_messages.c.sent_at.desc(), cap_messages.c.identifier.desc())
    async with centre_of(request).database.reading() as conn:
        found = [dict(row) for row in (await conn.execute(newest_first.limit(limit + 1))).mappings()]
    last = found[limit - 1] if len(found) > limit else None
    return {
        "items": [_view(row) for row in found[:limit]],
        "next_cursor": cursor_of(last["sent_at"], last["identifier"]) if last else None,
    }


@router.get(
    "/{identifier}",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {}}, "description": "The document as it was told."}},
)
async def get_message(
    request: Request,
    identifier: Annotated[str, Path(max_length=80)],
    actor: Annotated[Actor, Depends(require(Permission.SEE_CAP))],
) -> Response:
    """One document, always the same bytes. Every fetch is audited."""
    return await fetched(request, identifier, actor)


async def fetched(request: Request, identifier: str, actor: Actor) -> Response:
    """The document, once its fetch is recorded. Raises NotFound."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        query = select(cap_messages.c.area_path, cap_messages.c.document)
        row = (await conn.execute(query.where(cap_messages.c.identifier == identifier))).one_or_none()
    if row is None or not may_see(actor, row.area_path):
        raise NotFound("message")
    async with centre.database.transaction() as conn:
        await chain.record(
            conn,
            actor=actor.name,
            action="cap.fetched",
            object_kind="cap_message",
            object_id=identifier,
            detail={},
            at=centre.wall(),
        )
    return Response(row.document, media_type=MEDIA_TYPE)


def _view(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _PLAIN} | {
        "scope": row["scope"],
        "sent_at": at_text(row["sent_at"]),
        "expires_at": at_text(row["expires_at"]),
        "references": row["refers_to"],
        "why": row["why"],
        "sha256": row["sha256"],
        "href": f"{router.prefix}/{row['identifier']}",
    }
