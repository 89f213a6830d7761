"""HTTP only: the cameras an actor may see, with what their node says of them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import centre_of
from xueliang_central.errors import NotFound
from xueliang_central.fleet.overview import camera_bodies
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope

router: Final = APIRouter(prefix="/api/cameras", tags=["cameras"])


class CameraOut(BaseModel):
    camera_id: str
    name: str
    area_code: str | None
    longitude: float
    latitude: float
    place_class: str
    bearing_deg: float | None
    field_of_view_deg: float | None
    node_id: str | None
    located: str
    state: str
    state_since: str | None
    achieved_gap_s: float | None
    problem: str | None


class Cameras(BaseModel):
    cameras: list[CameraOut]


@router.get("", response_model=Cameras)
async def list_cameras(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_CAMERAS))]
) -> JSONResponse:
    """Every camera in scope. State "unknown": nobody says how it is."""
    async with centre_of(request).database.reading() as conn:
        bodies = await camera_bodies(conn, None, in_scope(cameras.c.area_path, actor))
    return JSONResponse({"cameras": bodies})  # a city has 30,000: checking each of them takes twice as long as all else


@router.get("/{camera_id}")
async def one_camera(
    request: Request,
    camera_id: Annotated[str, Path(max_length=63)],
    actor: Annotated[Actor, Depends(require(Permission.SEE_CAMERAS))],
) -> CameraOut:
    async with centre_of(request).database.reading() as conn:
        bodies = await camera_bodies(conn, [camera_id], in_scope(cameras.c.area_path, actor))
    if not bodies:
        raise NotFound
    return CameraOut(**bodies[0])
