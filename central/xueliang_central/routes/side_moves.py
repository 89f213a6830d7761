"""HTTP only: the side moves of a case that have routes of their own, and whom to send: who would go, a task handed on,
a reminder."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.dispatch import foreseeing, raising, transferring, urging
from xueliang_central.dispatch.publishing import changing
from xueliang_central.incidents.change import Change
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import AnId, Code, Key, Version, Words, rulebook_of
from xueliang_central.routes.incidents import incident_shown

router: Final = APIRouter(prefix="/api", tags=["incidents"])


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    reason_code: Code | None = None
    note: Words | None = None
    idempotency_key: Key | None = None


class UrgeBody(BaseModel):
    """Remind whoever has a case to do. `version`: of the incident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    note: Words | None = None
    idempotency_key: Key | None = None


class RaiseBody(_Asked):
    """Make a case more severe; never milder. `version`: of the incident. A reason_code or a note is needed."""

    severity: Annotated[int, Field(ge=1, le=3, description="1 (most severe) to 3; more severe than it is.")]


class TransferBody(_Asked):
    """Hand a task on to another person. `version`: of the task. A reason_code or a note is needed."""

    worker_id: Annotated[AnId | None, Field(description="To whom; null: to whom the centre recommends.")] = None


@router.get("/tasks/{task_id}/transfer")
async def list_candidates(
    request: Request,
    task_id: str,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
    area: Annotated[str | None, Query(max_length=15, description="Whose people; left out: the village's.")] = None,
) -> dict[str, Any]:
    """Who could be handed this task: whom the centre recommends, and the people of an area with what they have in hand.

    `is_cut`: there are more; ask for an area below it. 404: no such task or area that the actor may see.
    """
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        return await transferring.candidates(Change(conn, centre.wall(), rulebook_of(request)), actor, task_id, area)


@router.get("/incidents/{incident_id}/recommended")
async def get_recommended(
    request: Request, incident_id: str, actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))]
) -> dict[str, Any]:
    """Whom *confirm* would send now, and why: `recommended` (worker, role, area), `why`, and `unit`, the managing unit
    that would be told in place of a worker. All null where the incident does not wait for a judgement. 404: no such
    incident that the actor may see."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        return await foreseeing.who_would_go(Change(conn, centre.wall(), rulebook_of(request)), actor, incident_id)


@router.post("/tasks/{task_id}/transfer")
async def post_transfer(
    request: Request,
    task_id: str,
    body: TransferBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Hand it on; answers with the incident after it. 409: the task has changed since `version`. 422: it is not under
    way or offered, or that person cannot be asked."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        asked = transferring.Transfer(**body.model_dump())
        incident_id = await transferring.transfer(change, actor, task_id, asked)
    return await incident_shown(request, incident_id, actor)


@router.post("/incidents/{incident_id}/urge")
async def post_urge(
    request: Request,
    incident_id: str,
    body: UrgeBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Remind the worker, or while it waits for a judgement the desk below; answers with the incident after it. 409: it
    has changed since `version`. 422: nobody has it to do, or it was urged within the minute (`possible_at`)."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await urging.urge(change, actor, incident_id, urging.Urge(**body.model_dump()))
    return await incident_shown(request, incident_id, actor)


@router.post("/incidents/{incident_id}/severity")
async def post_severity(
    request: Request,
    incident_id: str,
    body: RaiseBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Raise its severity, with the limits of the new one; answers with the incident after it. 409: it has changed since
    `version`. 422: it is closed, collective, or not milder than `severity`."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await raising.raise_severity(change, actor, incident_id, raising.Raise(**body.model_dump()))
    return await incident_shown(request, incident_id, actor)
