"""HTTP only: what a wall of screens shows of an area.

A wall is seen by visitors, so that its answer holds no person: no name, no number, no picture, no words that somebody
has written; and it opens nothing else: the role `viewer` has this, the areas and the word that something has changed.
"""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from xueliang_central.areas.tree import brief
from xueliang_central.centre import centre_of
from xueliang_central.fleet.overview import iso
from xueliang_central.incidents import wall
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.reports import AreaCode, area_of

router: Final = APIRouter(prefix="/api/wall", tags=["incidents"])


@router.get("")
async def get_wall(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_WALL))], area: AreaCode = None
) -> JSONResponse:
    """Open incidents by state and severity (drills apart), the most urgent ones that nobody has taken with their
    clocks, where the open ones lie, how cameras and nodes are, and the last alert that came all the way here.

    404: no `area` that the actor may see.
    """
    centre = centre_of(request)
    where = area_of(centre.areas.tree, actor, area)
    seen = wall.Seen(actor, where.path)
    async with centre.database.reading() as conn:
        shown: dict[str, Any] = {
            "counts": await wall.counts(conn, seen),
            "urgent": await wall.urgent(conn, centre.areas.tree, seen),
            "places": await wall.places(conn, seen),
            "health": await wall.health(conn, seen),
            "proof": await wall.proof(conn, seen),
        }
    return JSONResponse({"area": brief(where), "at": iso(centre.wall().astimezone(UTC)), **shown})
