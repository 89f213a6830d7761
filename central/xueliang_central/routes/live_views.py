"""HTTP only: live view, unmasked. A purpose in, a stream out; a node's stream in.

The stream to the viewer is one answer that goes on, no WebSocket: session, CSRF token, origin and policy of this route
are judged where those of every other are (decision 0038).
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.audit import chain
from xueliang_central.cameras.releases import camera_row
from xueliang_central.centre import Centre, centre_of
from xueliang_central.errors import CentralError, LiveRefused, NotFound, NotSignedIn, StoreError
from xueliang_central.fleet.watched import watched_to_look
from xueliang_central.incidents import service
from xueliang_central.live_views.granting import must_hold, until_when
from xueliang_central.live_views.relaying import View
from xueliang_central.rights.accounts import SESSION_COOKIE, actor_of_session
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require, require_node
from xueliang_central.rights.scope import Actor, may_see
from xueliang_central.routes.asking import Words
from xueliang_central.routes.backtests import while_connected

router: Final = APIRouter(tags=["live view"])

CameraId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Purpose = Literal["incident", "emergency", "upkeep", "drill"]

_WHY_NOT: Final = {
    "not_h264": "the camera does not send H.264, which browsers need: set its small stream to H.264",
    "not_spoken": "the node's own reader does not speak with this camera: live view needs RTSP over TCP",
    "login_refused": "the camera refuses the node's login",
    "camera_unreachable": "the camera does not answer its node",
    "no_key_picture": "the camera sent no key picture in time: set its key picture interval to 4 s or less",
    "centre_unreachable": "the node cannot reach this centre over HTTP: see node.centre.url",
    "centre_refused": "this centre refuses the node's token or its stream: see the node's log",
    "node_silent": "the node said that it begins, and nothing came",
}


class LiveBody(BaseModel):
    """What somebody wants to watch for. It is recorded before anything is shown."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose
    note: Annotated[Words, Field(min_length=4, max_length=200, description="In words of the person's own.")]
    incident_id: Annotated[str | None, Field(max_length=36)] = Field(
        default=None, description="The incident it is about; needed where the purpose is incident."
    )


class LiveStanding(BaseModel):
    """What is there for the one who asks."""

    is_on: bool = Field(description="This centre allows live view at all.")
    until: datetime | None = Field(description="Until when this person has the right; null: has none now.")
    minutes: int | None = Field(description="So long one view lasts at most.")


@router.get("/api/live-views")
async def live_standing(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SIGNED_IN))]
) -> LiveStanding:
    """Whether this person may watch live. What a camera's node says of it comes when it is asked."""
    centre = centre_of(request)
    chosen = centre.settings.live_view
    async with centre.database.reading() as conn:
        until = await until_when(conn, actor, centre.wall())
    return LiveStanding(is_on=chosen is not None, until=until, minutes=chosen.minutes if chosen else None)


@router.post(
    "/api/live-views/{camera_id}",
    response_class=StreamingResponse,
    responses={200: {"content": {"video/mp4": {}}, "description": "Fragmented MP4 until it is over."}},
)
async def watch(
    request: Request,
    camera_id: CameraId,
    body: LiveBody,
    actor: Annotated[Actor, Depends(require(Permission.WATCH_LIVE, must_hold))],
) -> StreamingResponse:
    """The camera's stream as it is, **unmasked**, until it is over: by the viewer, the time, the right, the camera or
    its node. The last box of the stream says which. Nothing of it is kept."""
    centre = centre_of(request)
    chosen, at = centre.settings.live_view, centre.wall()
    if chosen is None:
        raise LiveRefused("live view is off at this centre: centre.live_view in centre.yaml")
    async with centre.database.reading() as conn:
        camera = await camera_row(conn, camera_id)
        if not may_see(actor, camera["area_path"]):
            raise NotFound("camera")
        await _must_name_an_incident(conn, actor, body)
        watched = await watched_to_look(conn, centre.gate, camera_id, at)
        right_until = await must_hold(conn, actor, at)
    node_id = watched.node_that_hears()
    until = min(right_until, at + timedelta(minutes=chosen.minutes))
    view = _view(centre, actor, request.cookies[SESSION_COOKIE], camera_id, node_id, body, until)
    centre.live_views.open(view)
    try:
        await _note_begin(centre, actor, view, body, at)
        await while_connected(request, _begin(centre, view))
    except CentralError as error:
        view.end(error.code)
        raise
    except BaseException:
        view.end("viewer_gone")
        raise
    headers = {
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "x-live-view": view.view_id,
        "x-live-until": until.isoformat(),
    }
    stream = centre.live_views.stream(view)
    return StreamingResponse(stream, media_type=f'video/mp4; codecs="{view.codec}"', headers=headers)


@router.post("/api/live-feeds/{camera_id}/{view_id}", status_code=204)
async def feed(
    request: Request,
    camera_id: CameraId,
    view_id: Annotated[str, Path(max_length=36)],
    node_id: Annotated[str, Depends(require_node)],
    key: Annotated[bool, Query(description="Playing can begin with this.")] = False,
    codec: Annotated[str, Query(pattern=r"^(avc1\.[0-9A-F]{6})?$")] = "",
    lost: Annotated[int, Query(ge=0, le=2**31, description="Pictures that the node gave up so far.")] = 0,
    over: Annotated[str, Query(pattern=r"^[a-z0-9_]{0,40}$", description="Why nothing more comes.")] = "",
) -> None:
    """Whole fragments of a view that this node was asked for; empty: it is still there. 404: nobody watches (any more).
    Handed on to the viewer and kept nowhere."""
    data = await request.body()
    views = centre_of(request).live_views
    views.take(camera_id, view_id, node_id, data, is_key=key, codec=codec, lost=lost, over=over)


async def _must_name_an_incident(conn: Any, actor: Actor, body: LiveBody) -> None:
    """Raises NotFound for one outside the own areas, LiveRefused where one must be named."""
    if body.incident_id is not None:
        incident = await service.load(conn, body.incident_id)
        if not may_see(actor, incident["area_path"]):
            raise NotFound("incident")
    elif body.purpose == "incident":
        raise LiveRefused("incident_id: name the incident that it is about")


def _view(
    centre: Centre, actor: Actor, token: str, camera_id: str, node_id: str, body: LiveBody, until: datetime
) -> View:
    view_id, now_s = str(uuid.uuid4()), centre.mono()
    mark = {"view": view_id, "viewer": actor.name, "camera": camera_id, "purpose": body.purpose}
    return View(
        view_id=view_id,
        camera_id=camera_id,
        node_id=node_id,
        until_at=until,
        mark=mark,
        judge=_judge(centre, token, camera_id),
        on_end=lambda view: _note_end(centre, actor, view),
        heard_mono_s=now_s,
        read_mono_s=now_s,
    )


def _judge(centre: Centre, token: str, camera_id: str) -> Callable[[], Awaitable[str]]:
    """Whether it may go on is asked of the database each time; what cannot be asked may not."""

    async def judge() -> str:
        at = centre.wall()
        try:
            async with centre.database.reading() as conn:
                actor = await actor_of_session(conn, token, at=at)
                camera = await camera_row(conn, camera_id)
                if await until_when(conn, actor, at) is None or not may_see(actor, camera["area_path"]):
                    return "right_ended"
                return "camera_not_released" if await centre.gate.is_closed_to(conn, camera, at) else ""
        except NotSignedIn:
            return "session_ended"
        except NotFound:
            return "camera_removed"
        except StoreError:
            return "database_away"

    return judge


async def _begin(centre: Centre, view: View) -> None:
    """Returns with the first picture. Raises LiveRefused, NodeAway, NodeSilent."""
    at = centre.wall().strftime("%Y-%m-%dT%H:%M:%SZ")
    await centre.live_views.ask_node(view, f"live view {view.view_id} of {view.camera_id} from {at}")
    if not await centre.live_views.first_picture(view):
        raise LiveRefused(_WHY_NOT.get(view.why, f"it ended before the first picture: {view.why}"), why=view.why)


async def _note_begin(centre: Centre, actor: Actor, view: View, body: LiveBody, at: datetime) -> None:
    """Before the node is asked: a view that cannot be recorded is not shown."""
    detail = {
        "view_id": view.view_id,
        "purpose": body.purpose,
        "note": body.note,
        "about": body.incident_id,
        "node_id": view.node_id,
        "until": view.until_at.isoformat(),
    }
    await _record(centre, actor, view, "live_view.began", detail, at)


async def _note_end(centre: Centre, actor: Actor, view: View) -> None:
    detail = {
        "view_id": view.view_id,
        "why": view.why,
        "bytes": view.relayed_bytes,
        "lost_by_node": view.lost,
        "dropped_for_viewer": view.waiting.dropped,
    }
    await _record(centre, actor, view, "live_view.ended", detail, centre.wall())


async def _record(centre: Centre, actor: Actor, view: View, action: str, detail: dict[str, Any], at: datetime) -> None:
    async with acting(centre.database, actor) as conn:
        await chain.record(
            conn,
            actor=actor.name,
            action=action,
            object_kind="camera",
            object_id=view.camera_id,
            detail=detail,
            at=at,
        )
