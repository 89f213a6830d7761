"""HTTP only: the areas an actor may see."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from xueliang_central.areas.tree import Area, brief
from xueliang_central.centre import centre_of
from xueliang_central.errors import NotFound
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, may_see

router: Final = APIRouter(prefix="/api/areas", tags=["areas"])


class AreaOut(BaseModel):
    code: str
    name: str
    name_en: str
    level: str
    parent: str | None = Field(description="Code one level up; it may lie outside the scope.")
    geometry: dict[str, Any] | None = Field(description="GeoJSON Polygon or MultiPolygon, WGS84.")


class Areas(BaseModel):
    areas: list[AreaOut]


def _out(area: Area) -> AreaOut:
    geometry = None if area.geometry is None else dict(area.geometry)
    return AreaOut(**brief(area), parent=area.parent, geometry=geometry)


@router.get("")
async def list_areas(request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_AREAS))]) -> Areas:
    """Every area in scope, parents before children."""
    return Areas(areas=[_out(area) for area in centre_of(request).areas.tree if may_see(actor, area.path)])


@router.get("/{code}")
async def one_area(
    request: Request,
    code: Annotated[str, Path(max_length=15)],
    actor: Annotated[Actor, Depends(require(Permission.SEE_AREAS))],
) -> AreaOut:
    area = centre_of(request).areas.tree.find(code)
    if area is None or not may_see(actor, area.path):
        raise NotFound
    return _out(area)
