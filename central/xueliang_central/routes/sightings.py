"""HTTP only: sightings of people, what is near a place, and hazards that a rule should have seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Hazard, Severity, content_hash
from xueliang_central.audit import chain
from xueliang_central.centre import centre_of
from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import MoveRefused, NotFound
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import at_text
from xueliang_central.intake import service
from xueliang_central.intake.entries import PersonsSighting
from xueliang_central.intake.files import MAX_PHOTOS, MAX_VOICES
from xueliang_central.intake.nearby import same_in_area, same_nearby
from xueliang_central.intake.nearest import nearest
from xueliang_central.intake.placing import told_place
from xueliang_central.intake.tables import missed_hazards, sightings
from xueliang_central.intake.views import missed_views, nearby_view, sighting_views
from xueliang_central.people import rosters
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, Role, in_scope, may_see, scoped
from xueliang_central.routes.asking import (
    LARGEST_PAGE,
    SAME_AGAIN,
    AnId,
    Key,
    Photos,
    UtcMoment,
    Words,
    cursor_of,
    read_cursor,
    rulebook_of,
)

router: Final = APIRouter(tags=["sightings"])

Longitude = Annotated[float, Query(ge=-180, le=180)]
Latitude = Annotated[float, Query(ge=-90, le=90)]


def _of_the_city(hazard: Hazard) -> Hazard:
    if hazard is Hazard.CAMERA_FAULT:
        raise ValueError("expected a hazard of the city, got camera_fault, which nodes tell")
    return hazard


CityHazard = Annotated[Hazard, AfterValidator(_of_the_city)]


class CallBackBody(BaseModel):
    """A resident's number, kept so many hours and then erased."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Annotated[str, Field(pattern=r"^[0-9+][0-9 ()-]{3,22}$")]
    hours: Annotated[int, Field(ge=1, le=72)] = 24


class SightingBody(BaseModel):
    """What somebody saw. By a worker: the worker; by a desk: a resident, of whom nothing else is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hazard: CityHazard
    severity: Severity
    longitude: Annotated[
        float | None, Field(ge=-180, le=180, description="WGS84. Left out by a worker: somewhere in the own area.")
    ] = None
    latitude: Annotated[float | None, Field(ge=-90, le=90)] = None
    text: Annotated[Words, Field(max_length=400, description="A worker may leave it out.")] = ""
    seen_at: Annotated[UtcMoment | None, Field(description="Left out: now.")] = None
    drill: bool = False
    call_back: CallBackBody | None = None
    idempotency_key: Key
    accuracy_m: Annotated[
        float | None, Field(ge=0, le=1_000_000, description="Of the position, as the phone says.")
    ] = None
    photos: Annotated[Photos, Field(max_length=MAX_PHOTOS, description="Of a worker, uploaded before.")] = ()
    voices: Annotated[Photos, Field(max_length=MAX_VOICES, description="Of a worker, uploaded before.")] = ()
    same_as: Annotated[AnId | None, Field(description="The open incident that a worker recognised: it joins it.")] = (
        None
    )

    @property
    def hash(self) -> str:
        """Without the number: it could be found from its hash, long after it was erased. What came later into this body
        counts only where it is given: a phone that reported before an update repeats itself after it. `seen_at` counts
        for nothing: a phone tells it only while it fits its clock, which may be another one by the next try."""
        unsaid = {name for name in _LATER if not getattr(self, name)}
        timeless = self.model_copy(update={"seen_at": None})
        return content_hash(timeless.model_dump_json(exclude={"call_back"} | unsaid).encode())


_LATER: Final = ("accuracy_m", "photos", "voices", "same_as")
_NO_WORDS: Final = "（没有文字说明）"


@router.get("/api/sightings/nearby")
async def get_nearby(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.REPORT_SIGHTINGS))],
    hazard: CityHazard,
    longitude: Longitude | None = None,
    latitude: Latitude | None = None,
) -> dict[str, Any]:
    """Before reporting: open incidents of this hazard that may be the same, and the cameras that may see the place.

    Without a position: the newest of the asker's own area, with the distance from its middle.
    """
    centre = centre_of(request)
    told = told_place(centre.areas.tree, actor, longitude, latitude, None)
    place = (told.longitude, told.latitude)
    async with centre.database.reading() as conn:
        if told.area is not None:
            return nearby_view(await same_in_area(conn, hazard.value, place, actor.area_path), [], actor)
        same = await same_nearby(conn, hazard.value, place, in_scope(incidents.c.area_path, actor))
        near = await nearest(conn, place)
    return nearby_view(same, near, actor)


@router.post("/api/sightings", status_code=201, responses=SAME_AGAIN)
async def post_sighting(
    request: Request,
    response: Response,
    body: SightingBody,
    actor: Annotated[Actor, Depends(require(Permission.REPORT_SIGHTINGS))],
) -> dict[str, Any]:
    """Report what was seen: folded, routed and queued as an alert. The same key again: 200 and the same answer."""
    centre = centre_of(request)
    if body.call_back is not None and actor.role is Role.WORKER:
        raise MoveRefused("call_back is for residents; a worker's desk knows the worker")
    if actor.role is not Role.WORKER:
        _must_be_told_by_a_desk(body)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor, alone=True) as change:
        told = told_place(change.tree, actor, body.longitude, body.latitude, body.accuracy_m)
        asked = PersonsSighting(
            channel="worker" if actor.role is Role.WORKER else "resident",
            hazard=body.hazard.value,
            severity=int(body.severity),
            text=body.text or _NO_WORDS,
            seen_at=body.seen_at or change.now,
            longitude=told.longitude,
            latitude=told.latitude,
            drill=body.drill,
            doubt=told.doubt,
        )
        call_back = None
        if body.call_back is not None:
            until = change.now + timedelta(hours=body.call_back.hours)
            call_back = service.CallBack(body.call_back.number, until)
        name = await rosters.display_name_of(change.conn, actor.user_id) or actor.name
        besides = service.Besides(call_back, told.accuracy_m, told.is_good, body.photos, body.voices, body.same_as)
        taken = await service.take_sighting(
            change, actor, asked, key=body.idempotency_key, hash_=body.hash, besides=besides, name=name
        )
    if taken.is_repeated:
        response.status_code = 200
    return await _shown(request, taken.sighting_id, actor) | {"why_folded": taken.why_folded}


@router.get("/api/sightings")
async def list_sightings(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_SIGHTINGS))],
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Newest first, within the actor's areas; `next_cursor` null on the last page."""
    query = scoped(select(sightings), sightings.c.area_path, actor)
    if cursor is not None:
        query = query.where(tuple_(sightings.c.received_at, sightings.c.sighting_id) < read_cursor(cursor))
    newest_first = query.order_by(sightings.c.received_at.desc(), sightings.c.sighting_id.desc()).limit(limit + 1)
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = [dict(row) for row in (await conn.execute(newest_first)).mappings()]
        items = await sighting_views(conn, centre.areas.tree, found[:limit], actor)
    last = found[limit - 1] if len(found) > limit else None
    return {"items": items, "next_cursor": cursor_of(last["received_at"], last["sighting_id"]) if last else None}


@router.get("/api/sightings/own")
async def list_own(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.REPORT_SIGHTINGS))],
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 30,
) -> dict[str, Any]:
    """What the asker reported, newest first, and what became of each: its incident's state, and why it was closed."""
    newest_first = (
        select(sightings)
        .where(sightings.c.by_id == actor.user_id)
        .order_by(sightings.c.received_at.desc(), sightings.c.sighting_id.desc())
    )
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        rows = [dict(row) for row in (await conn.execute(newest_first.limit(limit))).mappings()]
        return {"items": await sighting_views(conn, centre.areas.tree, rows, actor)}


@router.get("/api/sightings/{sighting_id}")
async def get_sighting(
    request: Request, sighting_id: AnId, actor: Annotated[Actor, Depends(require(Permission.SEE_SIGHTINGS))]
) -> dict[str, Any]:
    """One sighting, its incident, the nearest cameras, and the rules that were silent."""
    return await _shown(request, sighting_id, actor)


@router.get("/api/sightings/{sighting_id}/call-back")
async def get_call_back(
    request: Request, sighting_id: AnId, actor: Annotated[Actor, Depends(require(Permission.CALL_BACK))]
) -> dict[str, Any]:
    """The number to call, until its time is over. Every view is audited."""
    centre = centre_of(request)
    async with centre.database.transaction() as conn:
        row = await _seen(conn, sighting_id, actor)
        if row["call_back"] is None or row["call_back_until"] <= centre.wall():
            raise NotFound("number")
        await chain.record(
            conn,
            actor=actor.name,
            action="sighting.call_back_seen",
            object_kind="sighting",
            object_id=sighting_id,
            detail={},
            at=centre.wall(),
        )
    return {"number": row["call_back"], "until": at_text(row["call_back_until"])}


@router.get("/api/missed-hazards")
async def list_missed(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_RULES))],
    camera_id: Annotated[str | None, Query(max_length=63, description="Only those of this camera.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> dict[str, Any]:
    """Examples for rules, newest first: reported near their camera while they were silent."""
    query = scoped(select(missed_hazards), missed_hazards.c.area_path, actor)
    if camera_id is not None:
        query = query.where(missed_hazards.c.camera_id == camera_id)
    newest_first = query.order_by(
        missed_hazards.c.marked_at.desc(),
        missed_hazards.c.sighting_id,
        missed_hazards.c.camera_id,
        missed_hazards.c.rule_id,
    )
    async with centre_of(request).database.reading() as conn:
        rows = [dict(row) for row in (await conn.execute(newest_first.limit(limit))).mappings()]
        return {"items": await missed_views(conn, rows)}


def _must_be_told_by_a_desk(body: SightingBody) -> None:
    """A resident's place and words are asked for; photos and what was recognised are a worker's to tell."""
    if body.longitude is None or body.latitude is None:
        raise MoveRefused("body.longitude, body.latitude: needed, a desk stands elsewhere")
    if not body.text.strip():
        raise MoveRefused("body.text: expected what the resident told")
    if body.photos or body.voices or body.same_as or body.accuracy_m is not None:
        raise MoveRefused("photos, voices, same_as and accuracy_m are for a worker's own report")


async def _seen(conn: AsyncConnection, sighting_id: str, actor: Actor) -> dict[str, Any]:
    found = await conn.execute(select(sightings).where(sightings.c.sighting_id == sighting_id))
    row = found.mappings().one_or_none()
    if row is None or not may_see(actor, row["area_path"]):
        raise NotFound("sighting")
    return dict(row)


async def _shown(request: Request, sighting_id: str, actor: Actor) -> dict[str, Any]:
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await _seen(conn, sighting_id, actor)
        return (await sighting_views(conn, centre.areas.tree, [row], actor))[0]
