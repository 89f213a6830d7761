"""HTTP only: who looked up more than the norm."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.bulk_reads import alarms_seen
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor

router: Final = APIRouter(tags=["audit"])


@router.get("/api/bulk-reads")
async def list_bulk_reads(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_BULK_READS))]
) -> dict[str, Any]:
    """People of the asker's areas who looked up more cases or pictures within an hour than the norm, beyond their own
    queue and tasks: one entry for a person and an hour, newest first."""
    async with centre_of(request).database.reading() as conn:
        return {"items": await alarms_seen(conn, actor)}
