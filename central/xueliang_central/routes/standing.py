"""HTTP only: how the way of an alert stands now, for the strip above a desk."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from xueliang_central.centre import centre_of
from xueliang_central.fleet.overview import iso
from xueliang_central.incidents import standing
from xueliang_central.incidents.wall import Seen, proof
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.reports import AreaCode, area_of
from xueliang_central.silences.ending import ending_soon

router: Final = APIRouter(prefix="/api/standing", tags=["incidents"])


@router.get("")
async def get_standing(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))], area: AreaCode = None
) -> dict[str, Any]:
    """`proof`: the last alert that came all the way here; `lag`: how old what arrives is; `held`: what a county that
    sheds load holds together; `silences_ending`: how many end within `within_s` seconds. Null: nothing to tell by.

    404: no `area` that the actor may see.
    """
    centre = centre_of(request)
    where = area_of(centre.areas.tree, actor, area)
    seen, now = Seen(actor, where.path), centre.wall()
    async with centre.database.reading() as conn:
        return {
            "at": iso(now),
            "proof": await proof(conn, seen),
            "lag": await standing.lag(conn, seen, now),
            "held": await standing.held(conn, seen),
            "silences_ending": await ending_soon(conn, seen.here, now),
        }
