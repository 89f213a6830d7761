"""HTTP only: a task that is suspended for a while, and a case that a centre above supervises."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.dispatch import supervising, suspending, watching
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.requesting import REASONS
from xueliang_central.dispatch.requesting import Request as Asked
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import Code, Key, UtcMoment, Version, Words, rulebook_of
from xueliang_central.routes.incidents import incident_shown

router: Final = APIRouter(prefix="/api", tags=["incidents"])


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    note: Words | None = None
    idempotency_key: Key | None = None


class SuspensionBody(_Asked):
    """Ask in the place of a worker that the task waits. `version`: of the task. The note is needed."""

    reason_code: Annotated[Code, Field(description="One of: " + ", ".join(REASONS))]
    until: UtcMoment


class SuspensionDecisionBody(_Asked):
    """Agree to a suspension, or not: then the note is needed. `version`: of the task."""

    approve: bool


class SuspensionWithdrawalBody(_Asked):
    """Take back the own request to suspend. `version`: of the task."""


class SupervisionReplyBody(BaseModel):
    """Words to the centre that supervises a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[Words, Field(min_length=1)]
    idempotency_key: Key | None = None


class ResumptionBody(_Asked):
    """Let a suspended task go on now. `version`: of the task."""


class SupervisionBody(BaseModel):
    """Put a case under supervision until `due`, or end that. `version`: of the incident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    move: Literal["supervise", "end_supervision"]
    version: Version
    note: Annotated[Words, Field(min_length=1, description="What is expected; of an end, what was found.")]
    due: Annotated[UtcMoment | None, Field(description="supervise needs it: when the levels above are told.")] = None
    idempotency_key: Key | None = None


@router.post("/tasks/{task_id}/suspension")
async def post_suspension(
    request: Request,
    task_id: str,
    body: SuspensionBody,
    actor: Annotated[Actor, Depends(require(Permission.SUSPEND_TASKS))],
) -> dict[str, Any]:
    """Ask for a worker who cannot; another person decides. Answers with the incident after it. 409: the task has
    changed since `version`. 422: it is not under way, is urgent, or is suspended already."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        asked = Asked(**body.model_dump())
        incident_id = await suspending.ask_for_worker(change, actor, task_id, asked)
    return await incident_shown(request, incident_id, actor)


@router.post("/tasks/{task_id}/suspension/decision")
async def post_decision(
    request: Request,
    task_id: str,
    body: SuspensionDecisionBody,
    actor: Annotated[Actor, Depends(require(Permission.SUSPEND_TASKS))],
) -> dict[str, Any]:
    """Decide what another person has asked for; answers with the incident after it. 409: the task has changed since
    `version`. 422: nothing is asked for, or this person has asked or has the task."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        asked = Asked(**body.model_dump(exclude={"approve"}))
        incident_id = await suspending.decide(change, actor, task_id, asked, approve=body.approve)
    return await incident_shown(request, incident_id, actor)


@router.post("/tasks/{task_id}/suspension/withdrawal")
async def post_withdrawal(
    request: Request,
    task_id: str,
    body: SuspensionWithdrawalBody,
    actor: Annotated[Actor, Depends(require(Permission.SUSPEND_TASKS))],
) -> dict[str, Any]:
    """Take back what this person has asked for, before it is decided; answers with the incident after it. 409: the task
    has changed since `version`. 422: nothing is asked for, or another person has asked."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        asked = Asked(**body.model_dump())
        incident_id = await suspending.take_back_by_desk(change, actor, task_id, asked)
    return await incident_shown(request, incident_id, actor)


@router.post("/tasks/{task_id}/resumption")
async def post_resumption(
    request: Request,
    task_id: str,
    body: ResumptionBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Let a suspended task go on before its date; answers with the incident after it. 409: the task has changed since
    `version`. 422: it is not suspended."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        asked = Asked(**body.model_dump())
        incident_id = await suspending.resume_by_desk(change, actor, task_id, asked)
    return await incident_shown(request, incident_id, actor)


@router.post("/incidents/{incident_id}/supervision")
async def post_supervision(
    request: Request,
    incident_id: str,
    body: SupervisionBody,
    actor: Annotated[Actor, Depends(require(Permission.SUPERVISE_INCIDENTS))],
) -> dict[str, Any]:
    """Supervise, or end it; answers with the incident after it. 409: it has changed since `version`. 422: this centre
    does not stand above the place, or not above the one that supervises."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await supervising.supervise(change, actor, incident_id, supervising.Supervision(**body.model_dump()))
    return await incident_shown(request, incident_id, actor)


@router.post("/incidents/{incident_id}/supervision/replies")
async def post_reply(
    request: Request,
    incident_id: str,
    body: SupervisionReplyBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Reply to the centre above that supervises it; answers with the incident after it. 422: it is not supervised, or
    not by a centre above this person's own."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await watching.reply(change, actor, incident_id, watching.Reply(**body.model_dump()))
    return await incident_shown(request, incident_id, actor)
