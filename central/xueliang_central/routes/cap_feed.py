"""HTTP only: what is told, for other systems with a token of their own."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import not_, or_, select

from xueliang_central.cap.document import MEDIA_TYPE
from xueliang_central.cap.feed import FEED_TYPE, feed_of
from xueliang_central.cap.receivers import receiver_of_token
from xueliang_central.cap.tables import cap_messages
from xueliang_central.centre import centre_of
from xueliang_central.errors import NotSignedIn
from xueliang_central.rights.policy import Permission, declare
from xueliang_central.rights.scope import Actor, in_scope, scoped
from xueliang_central.routes.cap import fetched

router: Final = APIRouter(prefix="/api/cap/feed", tags=["cap"])


async def require_receiver(request: Request) -> Actor:
    """The receiver whose token came as `Authorization: Bearer …`; 401 otherwise."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn("a receiver's token is needed")
    async with centre_of(request).database.reading() as conn:
        receiver = await receiver_of_token(conn, token.strip())
    if receiver is None:
        raise NotSignedIn("no receiver has this token")
    return receiver


declare(require_receiver, Permission.RECEIVER)


def _answer(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {}}, "description": description}}


@router.get("", response_class=Response, responses=_answer(FEED_TYPE, "Atom, newest first."))
async def get_feed(
    request: Request,
    receiver: Annotated[Actor, Depends(require_receiver)],
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """The newest messages of the receiver's area."""
    centre = centre_of(request)
    columns = [column for column in cap_messages.c if column is not cap_messages.c.document]
    query = scoped(select(*columns), cap_messages.c.area_path, receiver).where(
        or_(cap_messages.c.gone_to.is_(None), not_(in_scope(cap_messages.c.gone_to, receiver)))
    )
    newest_first = query.order_by(cap_messages.c.sent_at.desc(), cap_messages.c.identifier.desc()).limit(limit)
    async with centre.database.reading() as conn:
        rows = [dict(row) for row in (await conn.execute(newest_first)).mappings()]
    base = f"{(centre.settings.public_origin or '').rstrip('/')}{router.prefix}"
    return Response(feed_of(rows, base=base, now=centre.wall()), media_type=FEED_TYPE)


@router.get("/{identifier}", response_class=Response, responses=_answer(MEDIA_TYPE, "The document as it was told."))
async def get_document(
    request: Request,
    identifier: Annotated[str, Path(max_length=80)],
    receiver: Annotated[Actor, Depends(require_receiver)],
) -> Response:
    """One document, always the same bytes. Every fetch is audited."""
    return await fetched(request, identifier, receiver)
