"""HTTP only: the policy table, as it is in force."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from xueliang_central.centre import centre_of
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor

router: Final = APIRouter(prefix="/api/policies", tags=["policies"])


@router.get("")
async def list_policies(
    request: Request, _actor: Annotated[Actor, Depends(require(Permission.SEE_POLICIES))]
) -> dict[str, Any]:
    """Rows in order, first match wins; and how alerts of each hazard fold. The same for every area."""
    return centre_of(request).policies.model_dump(mode="json")
