"""HTTP only: what waits for a second person over all cameras in scope, and decisions on several of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.camera_rules.second import decide_each, waiting
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import centre_of
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.routes.asking import Text

router: Final = APIRouter(prefix="/api/camera-rules", tags=["rules"])

MOST_AT_ONCE: Final = 200
Sees = Annotated[Actor, Depends(require(Permission.SEE_RULES))]
Decides = Annotated[Actor, Depends(require(Permission.DECIDE_RULES))]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WaitingVersion(_Frozen):
    """One version of one camera."""

    camera_id: Annotated[Text, Field(min_length=1, max_length=63)]
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class RulesDecisions(_Frozen):
    """approve | refuse, of several versions; each is judged for itself."""

    items: Annotated[tuple[WaitingVersion, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]
    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    note: Annotated[Text, Field(max_length=1000, description="Kept with each; needed for refusing.")] = ""


@router.get("/waiting")
async def list_waiting(request: Request, actor: Sees) -> dict[str, Any]:
    """Versions that wait for a second person, of all cameras in scope, the oldest first and 500 at most (`count`: all):
    who proposed it, when and why, why a second person is needed, which rules would leave the shadow (`promotes`), and
    what this actor may do (`moves`; of the own: withdraw)."""
    async with centre_of(request).database.reading() as conn:
        items, count = await waiting(conn, actor, in_scope(cameras.c.area_path, actor))
    return {"items": items, "count": count}


@router.post("/decisions")
async def post_decisions(request: Request, body: RulesDecisions, actor: Decides) -> dict[str, Any]:
    """Approve or refuse versions that other people proposed, in the order asked: an `outcome` for each (done, conflict,
    refused, not_found; unless done with `code` and `detail`). What one is refused for holds up no other. A decision
    that this person has taken already is done again."""
    centre = centre_of(request)
    asked = [(one.camera_id, one.version) for one in body.items]
    results = await decide_each(centre.database, centre.wall, actor, asked, body.move, body.note, gate=centre.gate)
    return {"results": results}
