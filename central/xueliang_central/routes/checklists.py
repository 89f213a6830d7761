"""HTTP only: ticks on the checklist of a case."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.ticking import Ticks, tick
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import Code, Key, rulebook_of
from xueliang_central.routes.incidents import incident_shown
from xueliang_configs.checklists import MOST_STEPS

router: Final = APIRouter(prefix="/api/incidents", tags=["incidents"])


class TicksBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Annotated[
        dict[Code, bool],
        Field(min_length=1, max_length=MOST_STEPS, description="By step_id: true is done, false takes it back."),
    ]
    idempotency_key: Key | None = None


@router.post("/{incident_id}/checklist")
async def post_ticks(
    request: Request,
    incident_id: str,
    body: TicksBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Tick steps of the hazard's checklist; one entry of the timeline says which. Answers with the incident after it.
    Never asked for before a move. 422: the incident is closed, or a step is not of its hazard."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await tick(change, actor, incident_id, Ticks(body.steps, body.idempotency_key))
    return await incident_shown(request, incident_id, actor)
