"""HTTP only: a fresh look at what an incident is about, by the camera that watches it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.commands import Says
from xueliang_central.centre import centre_of
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import LookRefused, NotFound
from xueliang_central.fleet.fresh_looks import preview_in
from xueliang_central.fleet.watched import watched_to_look
from xueliang_central.incidents import service
from xueliang_central.incidents.change import By, Rulebook
from xueliang_central.incidents.looked import alert_to_look_at, note_asking, note_look
from xueliang_central.incidents.states import State
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, Role, may_see
from xueliang_central.routes.backtests import while_connected
from xueliang_central.routes.evidence import own_task

router: Final = APIRouter(prefix="/api/incidents", tags=["incidents"])


class LookBody(BaseModel):
    """Of which alert of the incident; left out: the one last seen of those that have not ended."""

    model_config = ConfigDict(extra="forbid")

    alert_id: Annotated[str | None, Field(max_length=36)] = None


class LookAnswer(BaseModel):
    """What the rule says of this moment, and a small masked picture of it."""

    camera_id: str
    rule_id: str
    alert_id: str
    observed_at: datetime | None = Field(description="When the picture was taken; null: there is none.")
    says: Says
    since: datetime | None = Field(description="holds: since when; clear: last seen to hold, or seen to be over, then.")
    has_alert: bool = Field(description="An alert of this rule is open at the node.")
    measures: dict[str, Any] = Field(description="The figure people follow, with its unit: share, count.")
    why: str | None = Field(description="cannot_see: a stable word for the reason, such as offline or covered.")
    preview: str | None = Field(description="JPEG, at most 24 kB, masked, base64. Kept nowhere.")
    no_picture: str | None = Field(description="A stable word for why there is no preview.")
    still_sha256: str | None = Field(description="The still in full, under /api/evidence once it has arrived.")
    frame_size_wh: tuple[int, int] | None = Field(description="Pixels of the still in full.")


@router.post("/{incident_id}/look")
async def look_now(
    request: Request,
    response: Response,
    incident_id: str,
    body: LookBody,
    actor: Annotated[Actor, Depends(require(Permission.LOOK_NOW))],
) -> LookAnswer:
    """Have the camera look now. Takes up to some seconds; the full still follows as evidence of the incident. Who
    closes the connection gives the question up. 422 `look_refused`: among others, the incident is closed."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        incident = await service.load(conn, incident_id)
        await _must_see(conn, actor, incident)
        _must_be_open(incident)
        alert = await alert_to_look_at(conn, incident_id, body.alert_id)
        camera = await watched_to_look(conn, centre.gate, alert["camera_id"], centre.wall())
    centre.fresh_looks.must_be_allowed(actor.user_id, alert["camera_id"])
    node_id = camera.node_that_hears()
    async with acting(centre.database, actor) as conn:
        await note_asking(conn, actor.name, incident_id, alert | {"node_id": node_id}, centre.wall())
    question = centre.fresh_looks.ask(node_id, alert["camera_id"], alert["rule_id"])
    result = await while_connected(request, question)
    if result.says is None:
        raise LookRefused("the node said nothing of the rule")
    async with changing(centre.database, Rulebook(centre.areas, (), {}), centre.wall, actor=actor) as change:
        now = await service.load(change.conn, incident_id)
        await note_look(change, now, alert | {"node_id": node_id}, result, By("user", actor.name))
    response.headers["cache-control"] = "no-store"
    preview = preview_in(result)
    return LookAnswer(
        camera_id=alert["camera_id"],
        rule_id=alert["rule_id"],
        alert_id=alert["alert_id"],
        observed_at=result.observed_at,
        says=result.says,
        since=result.since,
        has_alert=result.has_alert,
        measures={name: one.model_dump() for name, one in result.measures.items()},
        why=result.why,
        preview=preview,
        no_picture=result.no_picture if preview is None else None,
        still_sha256=result.still.sha256 if result.still is not None else None,
        frame_size_wh=result.still.size_wh if result.still is not None else None,
    )


def _must_be_open(incident: dict[str, Any]) -> None:
    """A picture is taken for a case that somebody works on. Raises LookRefused."""
    if incident["state"] == State.CLOSED:
        raise LookRefused(f"incident {incident['number']} is closed: reopen it to have its camera look")


async def _must_see(conn: AsyncConnection, actor: Actor, incident: dict[str, Any]) -> None:
    """In scope; a worker while an own task of it goes on. Raises NotFound."""
    is_seen = may_see(actor, incident["area_path"])
    if actor.role is Role.WORKER:
        query = select(tasks.c.task_id).where(
            tasks.c.incident_id == incident["incident_id"], own_task(actor), tasks.c.ended_at.is_(None)
        )
        is_seen = (await conn.execute(query.limit(1))).one_or_none() is not None
    if not is_seen:
        raise NotFound("incident")
