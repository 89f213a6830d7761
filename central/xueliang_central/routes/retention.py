"""HTTP only: what is kept for how long, what was removed, and legal holds."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from xueliang_central.centre import centre_of
from xueliang_central.incidents.views import at_text
from xueliang_central.retention import holding
from xueliang_central.retention.due import KINDS
from xueliang_central.retention.tables import removals
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import LARGEST_PAGE, Text

router: Final = APIRouter(tags=["retention"])


class HoldBody(BaseModel):
    """Why it is held, or why no longer; it is recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    why: Annotated[Text, Field(min_length=1)]


@router.get("/api/retention")
async def get_retention(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_RETENTION))]
) -> dict[str, Any]:
    """The policy in force, what has been removed by kind since the beginning, and the holds in scope (at most 200)."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        counted = {row.kind: row for row in await conn.execute(select(removals))}
        holds = await holding.held(conn, actor, LARGEST_PAGE)
    return {
        "policy": centre.settings.retention.model_dump(mode="json"),
        "removed": {
            kind: {
                "total": counted[kind].removed if kind in counted else 0,
                "last_at": at_text(counted[kind].removed_at) if kind in counted else None,
            }
            for kind in KINDS
        },
        "holds": [{**hold, "held_at": at_text(hold["held_at"])} for hold in holds],
    }


@router.put("/api/incidents/{incident_id}/hold", status_code=204)
async def put_hold(
    request: Request,
    incident_id: str,
    body: HoldBody,
    actor: Annotated[Actor, Depends(require(Permission.HOLD_INCIDENTS))],
) -> None:
    """Keep all that belongs to an incident until the hold is ended. 409: it is held already."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        await holding.hold(conn, actor, incident_id, body.why, centre.wall())


@router.delete("/api/incidents/{incident_id}/hold", status_code=204)
async def delete_hold(
    request: Request,
    incident_id: str,
    body: HoldBody,
    actor: Annotated[Actor, Depends(require(Permission.HOLD_INCIDENTS))],
) -> None:
    """End a hold: what is older than the policy keeps goes within the hour."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        await holding.release(conn, actor, incident_id, body.why, centre.wall())
