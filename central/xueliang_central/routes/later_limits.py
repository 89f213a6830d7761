"""HTTP only: a later limit of a task, asked for by a desk and decided by another person."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.dispatch import later_limits
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.requesting import REASONS
from xueliang_central.dispatch.requesting import Request as Asked
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import Code, Key, UtcMoment, Version, Words, rulebook_of
from xueliang_central.routes.incidents import incident_shown

router: Final = APIRouter(prefix="/api/tasks", tags=["incidents"])


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    note: Words | None = None
    idempotency_key: Key | None = None


class LaterLimitBody(_Body):
    """Ask for a later limit in the place of a worker. `version`: of the task. The note is needed."""

    reason_code: Annotated[Code, Field(description="One of: " + ", ".join(REASONS))]
    until: Annotated[UtcMoment, Field(description="The new limit: after the one that runs.")]


class LaterLimitDecisionBody(_Body):
    """Agree to a later limit, or not: then the note is needed. `version`: of the task."""

    approve: bool


class LaterLimitWithdrawalBody(_Body):
    """Take back the own request of a later limit. `version`: of the task."""


@router.post("/{task_id}/later-limit")
async def post_later_limit(
    request: Request,
    task_id: str,
    body: LaterLimitBody,
    actor: Annotated[Actor, Depends(require(Permission.MOVE_LIMITS))],
) -> dict[str, Any]:
    """Ask for a worker who cannot; another person decides. Answers with the incident after it. 409: the task has
    changed since `version`. 422, with `reason`: its limit has passed (`limit_passed`), was moved as often as the policy
    allows (`moved_often`), `until` is too far or too soon (`until`), it is `urgent` or `suspended`."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        incident_id = await later_limits.ask_for_worker(change, actor, task_id, Asked(**body.model_dump()))
    return await incident_shown(request, incident_id, actor)


@router.post("/{task_id}/later-limit/decision")
async def post_later_limit_decision(
    request: Request,
    task_id: str,
    body: LaterLimitDecisionBody,
    actor: Annotated[Actor, Depends(require(Permission.MOVE_LIMITS))],
) -> dict[str, Any]:
    """Decide what another person has asked for; answers with the incident after it. 409: the task has changed since
    `version`. 422: nothing is asked for, the limit has passed, or this person has asked or has the task."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        asked = Asked(**body.model_dump(exclude={"approve"}))
        incident_id = await later_limits.decide(change, actor, task_id, asked, approve=body.approve)
    return await incident_shown(request, incident_id, actor)


@router.post("/{task_id}/later-limit/withdrawal")
async def post_later_limit_withdrawal(
    request: Request,
    task_id: str,
    body: LaterLimitWithdrawalBody,
    actor: Annotated[Actor, Depends(require(Permission.MOVE_LIMITS))],
) -> dict[str, Any]:
    """Take back what this person has asked for, before it is decided; answers with the incident after it. 409: the task
    has changed since `version`. 422: nothing is asked for, or another person has asked."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        incident_id = await later_limits.take_back_by_desk(change, actor, task_id, Asked(**body.model_dump()))
    return await incident_shown(request, incident_id, actor)
