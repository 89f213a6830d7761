"""HTTP only: a hazard that is kept open: its plan, follow-up, extension, write-off."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.keeping import MAX_PHOTOS, Keeping, keep
from xueliang_central.dispatch.publishing import changing
from xueliang_central.kept_open.planning import Plan
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import Key, Photos, Text, UtcMoment, Version, Words, rulebook_of
from xueliang_central.routes.incidents import incident_shown
from xueliang_configs.values import AreaLevel

router: Final = APIRouter(prefix="/api/incidents", tags=["incidents"])

ShortText = Annotated[Words, Field(min_length=1, max_length=80)]
LongText = Annotated[Words, Field(min_length=1)]


class PlanBody(BaseModel):
    """What must be in place (五到位), with the deadline beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Annotated[AreaLevel, Field(description="Which level follows it up; overdue, it is told first.")]
    holder: Annotated[ShortText, Field(description="The duty holder.")]
    holder_unit: ShortText
    measures: LongText
    funds: Annotated[Text, Field(min_length=1)]
    plan: Annotated[LongText, Field(description="What is done if it becomes worse meanwhile.")]


class KeepBody(BaseModel):
    """keep_open | replan | follow_up | ask_extension | extend | refuse_extension | write_off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    version: Version
    note: Words | None = None
    plan: Annotated[PlanBody | None, Field(description="Of keep_open and replan.")] = None
    deadline: Annotated[UtcMoment | None, Field(description="Of keep_open and ask_extension.")] = None
    photos: Annotated[
        Photos,
        Field(max_length=MAX_PHOTOS, description="Of follow_up and write_off; uploaded before, by the same person."),
    ] = ()
    idempotency_key: Key | None = None


@router.post("/{incident_id}/kept-open")
async def post_keeping(
    request: Request,
    incident_id: str,
    body: KeepBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Keep a hazard open, or move one that is; answers with the incident after it. 409: it has changed since `version`.
    422: not possible now, not by this person, or something is missing."""
    centre = centre_of(request)
    plain = body.model_dump(exclude={"plan"})
    plan = None if body.plan is None else Plan(**body.plan.model_dump(mode="json"))
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await keep(change, actor, incident_id, Keeping(**plain, plan=plan))
    return await incident_shown(request, incident_id, actor)
