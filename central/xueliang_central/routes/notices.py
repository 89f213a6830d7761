"""HTTP only: a person's own notices and their receipt, what became of a case's notices, dead letters, contacts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from xueliang_central.audit import chain
from xueliang_central.centre import Centre, centre_of
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import Conflict, NotAllowed, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.notices import contacts, receipts, sending, views
from xueliang_central.notices.tables import notice_steps, notices
from xueliang_central.rights.acting import acting
from xueliang_central.rights.people import Person
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, may_see, within
from xueliang_central.routes.asking import LARGEST_PAGE, AnId
from xueliang_configs.notices import Channel

router: Final = APIRouter(tags=["notices"])

Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
_LONGEST_HOURS: Final = 24 * 31


class ContactsBody(BaseModel):
    """All addresses of a person, by channel; a channel that is left out does not reach this person any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: Annotated[
        dict[Annotated[str, Field(max_length=63)], Annotated[str, Field(max_length=contacts.LONGEST)]],
        Field(max_length=20),
    ]


@router.get("/api/notices")
async def list_unreceived(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.RECEIVE_NOTICES))]
) -> dict[str, Any]:
    """The actor's own notices without a receipt, oldest first: what a page asks for when it was away."""
    async with centre_of(request).database.reading() as conn:
        return {"items": [views.own_view(row) for row in await receipts.unreceived(conn, actor.user_id)]}


@router.post("/api/notices/{notice_id}/received")
async def post_received(
    request: Request, notice_id: AnId, actor: Annotated[Actor, Depends(require(Permission.RECEIVE_NOTICES))]
) -> dict[str, Any]:
    """The actor's device has this notice of the actor's own: its climb ends. Again it changes nothing."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        row = await receipts.received(conn, notice_id, actor.user_id, centre.wall())
    return views.own_view(row)


@router.get("/api/incidents/{incident_id}/notices")
async def list_of_incident(
    request: Request,
    incident_id: str,
    actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))],
    limit: Limit = 100,
) -> dict[str, Any]:
    """Whom this case was told, by which channel, and what became of it; newest first."""
    async with centre_of(request).database.reading() as conn:
        row = await incidents.load(conn, incident_id)
        if not may_see(actor, row["area_path"]):
            raise NotFound("incident")
        found = await conn.execute(select(tasks.c.task_id).where(tasks.c.incident_id == incident_id))
        return {"items": await views.fates(conn, actor, incident_id, list(found.scalars()), limit)}


@router.get("/api/dead-notices")
async def list_dead(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.MANAGE_NOTICES))], limit: Limit = 100
) -> dict[str, Any]:
    """Steps of notices that were given up, newest first."""
    async with centre_of(request).database.reading() as conn:
        return {"items": await views.dead(conn, actor, limit)}


@router.post("/api/dead-notices/{notice_id}/{step}/retry")
async def post_retry(
    request: Request,
    notice_id: AnId,
    step: Annotated[int, Path(ge=0, le=100)],
    actor: Annotated[Actor, Depends(require(Permission.MANAGE_NOTICES))],
) -> dict[str, Any]:
    """Let a dead step go again, under the key it always had. One that is not needed any more is dropped, and says so.
    409: it is not dead."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        query = (
            select(notice_steps, notices.c.area_path)
            .join(notices, notices.c.notice_id == notice_steps.c.notice_id)
            .where(notice_steps.c.notice_id == notice_id, notice_steps.c.step == step)
        )
        row = (await conn.execute(query)).mappings().one_or_none()
        if row is None or not may_see(actor, row["area_path"]):
            raise NotFound("notice")
        now = centre.wall()
        if not await sending.let_go_again(conn, dict(row), now):
            raise Conflict("this notice is not dead", state=row["state"])
        await chain.record(
            conn,
            actor=actor.name,
            action="notice.retried",
            object_kind="notice",
            object_id=notice_id,
            detail={"step": step, "channel": row["channel"], "reason": row["reason"]},
            at=now,
        )
        after = (await conn.execute(query)).mappings().one()
        return {"notice_id": notice_id, **views.step_view(dict(after))}


@router.get("/api/notice-figures")
async def get_figures(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.MANAGE_NOTICES))],
    hours: Annotated[int, Query(ge=1, le=_LONGEST_HOURS)] = 24,
) -> dict[str, Any]:
    """How many notices were written, received, held back and why, and what became of their steps by channel."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        return await views.figures(conn, actor, centre.wall() - timedelta(hours=hours))


@router.get("/api/people/{user_id}/contacts")
async def get_contacts(
    request: Request, user_id: AnId, actor: Annotated[Actor, Depends(require(Permission.MANAGE_CONTACTS))]
) -> dict[str, Any]:
    """How a person is reached, and by which channels one could be. The view is audited."""
    centre = centre_of(request)
    async with centre.database.transaction() as conn:
        person = await contacts.known_person(conn, user_id)
        if not may_see(actor, person.area_path):
            raise NotFound("person")
        await chain.record(
            conn,
            actor=actor.name,
            action="contacts.viewed",
            object_kind="user",
            object_id=user_id,
            detail={},
            at=centre.wall(),
        )
        rows = await contacts.contacts_of(conn, user_id)
    return _shown(centre, person, {row["channel"]: row["address"] for row in rows})


@router.put("/api/people/{user_id}/contacts")
async def put_contacts(
    request: Request,
    user_id: AnId,
    body: ContactsBody,
    actor: Annotated[Actor, Depends(require(Permission.MANAGE_CONTACTS))],
) -> dict[str, Any]:
    """Replace all of them. 422 `contacts_refused`: every problem."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        person = await contacts.known_person(conn, user_id)
        if not may_see(actor, person.area_path):
            raise NotFound("person")
        if not within(person.area_path, actor.area_path):
            raise NotAllowed("a grant shows this place to you; only who it belongs to may change whom it reaches")
        await contacts.replace(conn, person, body.addresses, _channels(centre), by=actor.name, now=centre.wall())
    return _shown(centre, person, body.addresses)


def _channels(centre: Centre) -> Mapping[str, Channel]:
    return centre.settings.notices.channels


def _shown(centre: Centre, person: Person, addresses: Mapping[str, str]) -> dict[str, Any]:
    return {
        "user_id": person.user_id,
        "display_name": person.display_name,
        "addresses": dict(sorted(addresses.items())),
        "channels": [{"channel": name, "kind": one.kind} for name, one in sorted(_channels(centre).items())],
    }
