"""HTTP only: a masked still of what a camera shows now, for who tunes its rules; no incident is needed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from xueliang_alerts.commands import Says
from xueliang_central.camera_rules import service
from xueliang_central.camera_rules.views import tell
from xueliang_central.cameras.stills import note_asking, note_still
from xueliang_central.cameras.views import note_views
from xueliang_central.centre import centre_of
from xueliang_central.errors import LookRefused, NotAllowed
from xueliang_central.fleet.fresh_looks import preview_in
from xueliang_central.fleet.watched import watched_to_look
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.backtests import while_connected

router: Final = APIRouter(prefix="/api/cameras", tags=["cameras"])

CameraId = Annotated[str, Path(max_length=63)]
Changes = Annotated[Actor, Depends(require(Permission.CHANGE_RULES))]


class View(BaseModel):
    """One of the views of a camera that turns, as its node knows it."""

    model_config = ConfigDict(extra="forbid")

    view_id: str = Field(description="As rules name it.")
    name: str = Field(description="As people call it.")
    state: str | None = Field(
        description="What the node knows of it: known, learning, no_reference (nobody has shown it to the node yet), "
        "beside (the camera looks beside it: moved zones wait for a person at the node); null: it does not say."
    )


class StillAnswer(BaseModel):
    """What the node says of its picture, and the small one; the still in full follows."""

    model_config = ConfigDict(extra="forbid")

    observed_at: datetime | None = Field(description="When the picture was taken; null: there is none.")
    why: str | None = Field(description="There was no picture: a stable word for the reason, such as offline or moved.")
    preview: str | None = Field(description="JPEG, at most 24 kB, masked, base64. Kept nowhere.")
    no_picture: str | None = Field(
        description="There was a picture, and nothing of it is shown: a stable word for why."
    )
    still_sha256: str | None = Field(description="The still in full, under /api/evidence once it has arrived.")
    frame_size_wh: tuple[int, int] | None = Field(description="Pixels of the still in full.")
    view_id: str | None = Field(
        description="The view that the picture shows; null: none of them, or the camera's are not told apart."
    )
    views: list[View] | None = Field(
        description="All views of the camera; empty: it stands still; null: a node of a release before says nothing."
    )


@router.post("/{camera_id}/still")
async def fresh_still(request: Request, response: Response, camera_id: CameraId, actor: Changes) -> StillAnswer:
    """Have the node take a masked still of all that the camera shows now. Takes up to some seconds; the full still
    follows and takes the place of the last one. Who closes the connection gives the question up. Of own cameras only:
    a grant shows a camera, its rules are not for the guest to change."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        if not service.may_change(actor, await service.camera_of(conn, actor, camera_id)):
            raise NotAllowed("a grant shows this camera to you; only who it belongs to asks it for a picture")
        camera = await watched_to_look(conn, centre.gate, camera_id, centre.wall())
    centre.fresh_looks.must_be_allowed(actor.user_id, camera_id)
    node_id = camera.node_that_hears()
    async with acting(centre.database, actor) as conn:
        await note_asking(conn, actor.name, camera_id, node_id, centre.wall())
    result = await while_connected(request, centre.fresh_looks.ask(node_id, camera_id, None))
    if result.says not in (Says.NO_RULE, Says.CANNOT_SEE):
        raise LookRefused("the node answered another question")
    async with acting(centre.database, actor) as conn:
        await note_views(conn, camera_id, node_id, result, centre.wall())
        if result.still is not None and result.observed_at is not None:
            await note_still(conn, camera_id, node_id, result.still, result.observed_at)
        await tell(conn, camera_id, centre.wall())  # its still may have come before its answer
    response.headers["cache-control"] = "no-store"
    preview = preview_in(result)
    return StillAnswer(
        observed_at=result.observed_at,
        why=result.why,
        preview=preview,
        no_picture=result.no_picture if preview is None else None,
        still_sha256=result.still.sha256 if result.still is not None else None,
        frame_size_wh=result.still.size_wh if result.still is not None else None,
        view_id=result.view_id,
        views=None if result.views is None else [View(**one.model_dump()) for one in result.views],
    )
