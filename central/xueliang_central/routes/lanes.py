"""HTTP only: the register of fire lanes, and the telephone number of who keeps one clear."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select

from xueliang_alerts.contract import ID_PATTERN, SHA256_PATTERN
from xueliang_central.areas.tree import AreaTree
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import centre_of
from xueliang_central.incidents.views import area_view, at_text
from xueliang_central.lanes import register
from xueliang_central.lanes.tables import lane_cameras, lanes
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, allows, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.routes.asking import LARGEST_PAGE, Text, Version
from xueliang_configs.lanes import PHONE_PATTERN

router: Final = APIRouter(prefix="/api/lanes", tags=["lanes"])

MOST_CAMERAS: Final = 32  # as in the file


def _one_line(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("printable letters without spaces around them")
    return value


LaneId = Annotated[str, Path(max_length=63)]
Line = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_one_line)]
Sees = Annotated[Actor, Depends(require(Permission.SEE_LANES))]


class LaneBody(BaseModel):
    """All of a lane but where it runs, which is imported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    name: Line
    unit: Annotated[Line, Field(description="The managing unit: who keeps it clear.")]
    duty_phone: Annotated[
        str | None, Field(pattern=f"^{PHONE_PATTERN}$", description="5 to 25 digits; null: as it is.")
    ] = None
    marking_photo: Annotated[
        str | None, Field(pattern=SHA256_PATTERN, description="Uploaded before, by PUT /api/photos/{sha256}.")
    ] = None
    cameras: Annotated[tuple[Annotated[str, Field(pattern=ID_PATTERN)], ...], Field(max_length=MOST_CAMERAS)] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    why: Annotated[Text, Field(min_length=1)]


@router.get("")
async def list_lanes(
    request: Request,
    actor: Sees,
    camera_id: Annotated[str | None, Query(max_length=63, description="Only those that this camera watches.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
    after: Annotated[str, Query(max_length=63, description="next_after of the page before.")] = "",
) -> dict[str, Any]:
    """Lanes in scope in the order of their ids; telephone numbers masked; `next_after` null on the last page."""
    condition = in_scope(lanes.c.area_path, actor)
    if camera_id is not None:
        of_register = cameras.c.camera_id == lane_cameras.c.camera_id
        watched = select(lane_cameras.c.lane_id).join(cameras, of_register)
        theirs = (lane_cameras.c.camera_id == camera_id, in_scope(cameras.c.area_path, actor))
        condition &= lanes.c.lane_id.in_(watched.where(*theirs))
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        rows = await register.lanes_where(conn, condition, after=after, limit=limit + 1)
        watching = await register.cameras_by_lane(conn, [row["lane_id"] for row in rows], seen_by=actor)
    shown = rows[:limit]
    items = [_view(centre.areas.tree, row, watching.get(row["lane_id"], ()), actor) for row in shown]
    return {"items": items, "next_after": shown[-1]["lane_id"] if len(rows) > limit else None}


@router.get("/{lane_id}")
async def one_lane(request: Request, lane_id: LaneId, actor: Sees) -> dict[str, Any]:
    """One lane, its telephone number masked."""
    return await _shown(request, lane_id, actor)


@router.put("/{lane_id}")
async def put_lane(
    request: Request,
    lane_id: LaneId,
    body: LaneBody,
    actor: Annotated[Actor, Depends(require(Permission.CHANGE_LANES))],
) -> dict[str, Any]:
    """Change it; answers with the lane after it. 409: it has changed since `version`. 422: a camera or photo."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        wanted = register.LaneChange(**body.model_dump())
        await register.change_lane(conn, centre.areas.tree, actor, lane_id, wanted, now=centre.wall())
    return await _shown(request, lane_id, actor)


@router.get("/{lane_id}/duty-phone")
async def get_duty_phone(
    request: Request,
    lane_id: LaneId,
    actor: Annotated[Actor, Depends(require(Permission.SEE_DUTY_PHONES))],
) -> dict[str, str]:
    """The number of the managing unit, whole. Every view is recorded."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        return {"duty_phone": await register.phone_shown(conn, actor, lane_id, centre.wall())}


async def _shown(request: Request, lane_id: str, actor: Actor) -> dict[str, Any]:
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await register.lane_of(conn, actor, lane_id)
        watching = await register.cameras_by_lane(conn, [lane_id], seen_by=actor)
    return _view(centre.areas.tree, row, watching.get(lane_id, ()), actor)


def _view(tree: AreaTree, row: dict[str, Any], watching: tuple[str, ...], actor: Actor) -> dict[str, Any]:
    return {
        **register.case_view(row, actor),
        "area": area_view(tree, row["area_code"] or ""),
        "located": row["located"],
        "located_note": row["located_note"],
        "shape": row["shape"],
        "width_m": row["width_m"],
        "cameras": list(watching),
        "valid_from": None if row["valid_from"] is None else row["valid_from"].isoformat(),
        "valid_to": None if row["valid_to"] is None else row["valid_to"].isoformat(),
        "version": row["version"],
        "changed_at": at_text(row["changed_at"]),
        "changed_by": row["changed_by"],
        "may_change": allows(actor.role, Permission.CHANGE_LANES),
    }
