"""HTTP only: which cameras are released for analysis, signing for one, withdrawing that."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.cameras import releases
from xueliang_central.cameras.gate import day_of, standing_of
from xueliang_central.cameras.register import MAX_NOTE_LETTERS
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import centre_of
from xueliang_central.errors import NotAllowed, NotFound
from xueliang_central.incidents.views import at_text
from xueliang_central.ingest import gating
from xueliang_central.ingest.tables import gated_alerts
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, allows, require
from xueliang_central.rights.scope import Actor, in_scope, may_see, within
from xueliang_central.routes.asking import LARGEST_PAGE, Text

router: Final = APIRouter(tags=["release of cameras"])

CameraId = Annotated[str, Path(max_length=63)]
Sees = Annotated[Actor, Depends(require(Permission.SEE_RELEASES))]
Signs = Annotated[Actor, Depends(require(Permission.RELEASE_CAMERAS))]
Note = Annotated[Text, Field(min_length=1, max_length=MAX_NOTE_LETTERS)]
Row = dict[str, Any]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReleaseBody(_Frozen):
    """What is signed for. Days are those of China Standard Time."""

    purpose: Note
    legal_basis: Note
    signed_on: Annotated[date, Field(description="Day on which the sign that tells of the camera was put up.")]
    approved_view: Annotated[Note, Field(description="What it may show.")]
    view_approved_on: date
    review_by: Annotated[date | None, Field(description="The release ends after this day; null: it has no end.")] = None


class WithdrawalBody(_Frozen):
    why: Note


@router.get("/api/camera-releases")
async def list_releases(
    request: Request,
    actor: Sees,
    only: Annotated[Literal["all", "not_released"], Query()] = "all",
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
    after: Annotated[str, Query(max_length=63, description="next_after of the page before.")] = "",
) -> Row:
    """Cameras in scope by id, how each stands and how many of its alerts are held; `next_after` null on the last page.

    `unregistered`: cameras that are not in the register and have sent alerts, which are held.
    """
    centre = centre_of(request)
    today = day_of(centre.wall())
    query = select(cameras).where(in_scope(cameras.c.area_path, actor), cameras.c.camera_id > after)
    if only == "not_released":
        query = query.where(~releases.is_released(today))
    async with centre.database.reading() as conn:
        found = await conn.execute(query.order_by(cameras.c.camera_id).limit(limit + 1))
        rows = [dict(row) for row in found.mappings()]
        held = await gating.counts(conn, [row["camera_id"] for row in rows])
        sums = await _sums(conn, actor, today)
        mode = (await centre.gate.mode(conn)).value
        strangers = await _strangers(conn, actor)
    items = [_view(row, today, held.get(row["camera_id"], 0), actor) for row in rows[:limit]]
    next_after = items[-1]["camera_id"] if len(rows) > limit else None
    return {"mode": mode, **sums, "unregistered": strangers, "items": items, "next_after": next_after}


@router.get("/api/cameras/{camera_id}/release")
async def get_release(request: Request, camera_id: CameraId, actor: Sees) -> Row:
    """How one camera stands, what is stated of it, who signed or withdrew."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await _seen(conn, actor, camera_id)
        held = await gating.counts(conn, [camera_id])
        mode = (await centre.gate.mode(conn)).value
    return {"mode": mode, **_view(row, day_of(centre.wall()), held.get(camera_id, 0), actor)}


@router.post("/api/cameras/{camera_id}/release")
async def post_release(request: Request, camera_id: CameraId, body: ReleaseBody, actor: Signs) -> Row:
    """State these entries and sign for them; answers with the camera after it. Alerts that were held follow within
    seconds. 422 `release_refused`: every problem."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        row = await _own(conn, actor, camera_id)
        await releases.sign(conn, row, releases.Entries(**body.model_dump()), by=actor.name, at=centre.wall())
    return await get_release(request, camera_id, actor)


@router.post("/api/cameras/{camera_id}/release/withdrawal")
async def post_withdrawal(request: Request, camera_id: CameraId, body: WithdrawalBody, actor: Signs) -> Row:
    """The camera is released no longer; answers with it after that. 422: it was not, or there is no reason."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        row = await _own(conn, actor, camera_id)
        await releases.withdraw(conn, row, body.why, by=actor.name, at=centre.wall())
    return await get_release(request, camera_id, actor)


async def _seen(conn: AsyncConnection, actor: Actor, camera_id: str, *, lock: bool = False) -> Row:
    row = await releases.camera_row(conn, camera_id, lock=lock)
    if not may_see(actor, row["area_path"]):
        raise NotFound
    return row


async def _own(conn: AsyncConnection, actor: Actor, camera_id: str) -> Row:
    row = await _seen(conn, actor, camera_id, lock=True)
    if not within(row["area_path"], actor.area_path):
        raise NotAllowed("a grant shows this camera to you; only who it belongs to signs for it")
    return row


async def _sums(conn: AsyncConnection, actor: Actor, today: date) -> Row:
    mine = in_scope(cameras.c.area_path, actor)
    many = select(func.count()).select_from(cameras).where(mine)
    held = select(func.count()).select_from(gated_alerts).where(in_scope(gated_alerts.c.area_path, actor))
    return {
        "cameras": (await conn.execute(many)).scalar_one(),
        "released": (await conn.execute(many.where(releases.is_released(today)))).scalar_one(),
        "held_alerts": (await conn.execute(held)).scalar_one(),
    }


async def _strangers(conn: AsyncConnection, actor: Actor) -> list[Row]:
    held = gated_alerts.c
    query = (
        select(held.camera_id, func.count().label("held_alerts"))
        .where(in_scope(held.area_path, actor), held.camera_id.not_in(select(cameras.c.camera_id)))
        .group_by(held.camera_id)
        .order_by(held.camera_id)
        .limit(LARGEST_PAGE)
    )
    return [dict(row) for row in (await conn.execute(query)).mappings()]


def _view(row: Row, today: date, held: int, actor: Actor) -> Row:
    standing = standing_of(row, today)
    days = {name: None if row[name] is None else row[name].isoformat() for name in _DAYS}
    return {
        **{name: row[name] for name in ("camera_id", "name", "area_code", "purpose", "legal_basis", "approved_view")},
        **days,
        "state": standing.state.value,
        "missing": list(standing.missing),
        "released_at": at_text(row["released_at"]),
        "released_by": row["released_by"],
        "withdrawn_at": at_text(row["withdrawn_at"]),
        "withdrawn_by": row["withdrawn_by"],
        "withdrawn_why": row["withdrawn_why"],
        "held_alerts": held,
        "may_sign": allows(actor.role, Permission.RELEASE_CAMERAS) and within(row["area_path"], actor.area_path),
    }


_DAYS: Final = ("signed_on", "view_approved_on", "review_by")
