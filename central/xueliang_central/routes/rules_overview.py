"""HTTP only: how the rules of all cameras in scope stand, and what a rule may say."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from xueliang_central.camera_rules.listing import standings
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import centre_of
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_configs.cameras import CameraRules

router: Final = APIRouter(prefix="/api/camera-rules", tags=["rules"])

Sees = Annotated[Actor, Depends(require(Permission.SEE_RULES))]


@router.get("")
async def list_standings(request: Request, actor: Sees) -> dict[str, Any]:
    """Every camera in scope, by name: state, version wanted, version that runs (null: none of the centre's), who waits
    for a second person, how many problems its node named, and how the node is."""
    async with centre_of(request).database.reading() as conn:
        return {"items": await standings(conn, in_scope(cameras.c.area_path, actor))}


@router.get("/schema")
async def get_schema(_actor: Sees) -> dict[str, Any]:
    """JSON Schema of a camera's rules as this release understands them: forms are made from it."""
    return _schema()


@cache
def _schema() -> dict[str, Any]:
    """Made once: it takes a tenth of a second, in which the centre answers nobody."""
    return CameraRules.model_json_schema()
