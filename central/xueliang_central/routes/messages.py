"""HTTP only: a desk's message to the worker of a case; the worker's own is a move of the task."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.messaging import Message, say
from xueliang_central.dispatch.publishing import changing
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import Key, Words, rulebook_of
from xueliang_central.routes.incidents import incident_shown

router: Final = APIRouter(prefix="/api/incidents", tags=["incidents"])


class MessageBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[Words, Field(min_length=1)]
    idempotency_key: Key | None = None


@router.post("/{incident_id}/messages")
async def post_message(
    request: Request,
    incident_id: str,
    body: MessageBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Say something to whoever has the task; the timeline keeps it. Answers with the incident after it. 422: nobody has
    its task, or a telephone or identity number is said. 429: too many within the hour."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await say(change, actor, incident_id, Message(body.text, body.idempotency_key))
    return await incident_shown(request, incident_id, actor)
