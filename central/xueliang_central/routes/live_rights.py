"""HTTP only: the right to watch live, as a security administrator gives it to a person and takes it back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.live_views import granting
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor

router: Final = APIRouter(prefix="/api/users", tags=["users"])

Keeper = Annotated[Actor, Depends(require(Permission.MANAGE_ACCOUNTS))]


class NewLiveRight(BaseModel):
    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime = Field(description="At most 90 days from now.")
    why: Annotated[str, Field(min_length=4, max_length=200)]


class LiveRight(BaseModel):
    user_id: str
    why: str
    granted_by: str
    granted_at: datetime
    until_at: datetime


@router.put("/{user_id}/live-right")
async def give_live_right(user_id: str, wanted: NewLiveRight, request: Request, actor: Keeper) -> LiveRight:
    """Let an operator or supervisor watch released cameras of the own areas live, for a time. 403 for the own account,
    422 for another role or a later end."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        row = await granting.grant(conn, actor, user_id, why=wanted.why, until=wanted.until, at=centre.wall())
    return LiveRight.model_validate(row)


@router.delete("/{user_id}/live-right", status_code=204)
async def take_live_right(user_id: str, request: Request, actor: Keeper) -> None:
    """Take it back: what the person watches ends within seconds."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        await granting.revoke(conn, actor, user_id, at=centre.wall())
