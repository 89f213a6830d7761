"""HTTP only: what happens, as server-sent events.

A plain streaming answer. `Last-Event-ID` reads on from the table, then the live feed follows without a hole: the
listener is put on before the table is read, and what came by both ways is told apart by its id. Who is listening is
judged anew every `PING_S`: a session that ended, or a role that changed, ends or narrows the stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from xueliang_central.centre import Centre, centre_of
from xueliang_central.errors import NotSignedIn, StoreError
from xueliang_central.rights.accounts import SESSION_COOKIE, actor_of_session
from xueliang_central.rights.policy import Permission, allows, require
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store.events import READ_LIMIT, Event, latest_id, oldest_id, read_after
from xueliang_central.store.feed import Listener
from xueliang_central.store.pacing import Told

router: Final = APIRouter(tags=["events"])

PING_S: Final = 15.0
REPLAY_LIMIT: Final = 10_000  # further behind than this: the console reads its lists again instead ("reload")
_NEEDS: Final[Mapping[str, Permission]] = {
    "incident": Permission.SEE_INCIDENTS,
    "task": Permission.SEE_TASKS,
    "camera": Permission.SEE_CAMERAS,
    "camera_gone": Permission.SEE_CAMERAS,
    "node": Permission.SEE_FLEET,
    "notice": Permission.SIGNED_IN,
    "silence": Permission.SEE_SILENCES,
    "calendar_proposal": Permission.SEE_SILENCES,
    "camera_rules": Permission.SEE_RULES,
    "seat": Permission.SEE_INCIDENTS,
    "hand_over": Permission.SEE_HAND_OVERS,
    "claim": Permission.SEE_INCIDENTS,
    "bulk_read": Permission.SEE_BULK_READS,
}
_ON_A_WALL: Final = frozenset({"incident", "camera", "camera_gone", "node"})


def is_for(actor: Actor, event: Event) -> bool:
    """Scope, and the right to the kind of thing; of tasks a worker hears those nobody has, and the own. A wall hears
    `changed` of what it shows, see `_lines`."""
    if actor.role is Role.VIEWER:
        return event.kind in _ON_A_WALL and event.is_for(actor)
    needed = _NEEDS.get(event.kind)
    if needed is None or not allows(actor.role, needed) or not event.is_for(actor):
        return False
    if event.kind == "task" and actor.role is Role.WORKER:
        worker = event.body.get("task", {}).get("worker")
        return worker is None or worker.get("user_id") == actor.user_id
    return True


def line(kind: str, body: Mapping[str, Any], event_id: int | None = None) -> bytes:
    """One server-sent event. JSON on one line, so no text of a user can begin a new field."""
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


@router.get("/api/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def follow(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.FOLLOW_EVENTS))],
    last_event_id: Annotated[int | None, Header(ge=0, le=2**62)] = None,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="As Last-Event-ID, for a first connection.")] = None,
) -> StreamingResponse:
    """Events in scope: hello, incident, task, camera, camera_gone, node, notice, silence, calendar_proposal,
    camera_rules, seat, claim, bulk_read, reload; a comment every 15 s. The role `viewer` hears `changed` alone, without
    what has."""
    stream = _stream(centre_of(request), actor, request.cookies[SESSION_COOKIE], last_event_id or after)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _stream(centre: Centre, actor: Actor, token: str, after: int | None) -> AsyncIterator[bytes]:
    judged_at = centre.mono()
    async with centre.feed.listen(actor) as listener:
        newest = await _newest(centre, listener, after)
        position = newest if after is None or after > newest else after
        if newest - position > REPLAY_LIMIT or (position < newest and await _has_gone(centre, position)):
            position = newest
            yield line("reload", {})
        yield line("hello", {"event_id": position}, position)
        if position < newest:
            async for event in _replay(centre, position):
                position = event.event_id
                if is_for(actor, event):
                    yield _line_of(actor, event)
        while not listener.ended:
            found = await _next(listener)
            if not found:
                yield b": ping\n\n"
            if centre.mono() - judged_at >= PING_S:
                judged = await _judge_again(centre, actor, token)
                if judged is None:
                    return
                if judged != actor:
                    centre.feed.change(listener, judged)
                    yield line("reload", {})  # what the lists hold is another area's now
                actor, judged_at = judged, centre.mono()
            lines = _lines(actor, [one for one in found if one.event.event_id > position and is_for(actor, one.event)])
            if lines:
                yield b"".join(lines)


async def _newest(centre: Centre, listener: Listener, after: int | None) -> int:
    """The last event that does not come by the listener. Only who comes back from further on asks the table."""
    if after is None or after <= listener.began_after:
        return listener.began_after
    async with centre.database.reading() as conn:
        return await latest_id(conn)


async def _has_gone(centre: Centre, position: int) -> bool:
    """Is an event after this one no longer kept?"""
    async with centre.database.reading() as conn:
        return position + 1 < await oldest_id(conn)


def _lines(actor: Actor, told: list[Told]) -> list[bytes]:
    """A wall is told once of all that came together."""
    if actor.role is Role.VIEWER:
        return [line("changed", {}, told[-1].safe_id)] if told else []
    return [_written(one) for one in told]


def _line_of(actor: Actor, event: Event) -> bytes:
    if actor.role is Role.VIEWER:
        return line("changed", {}, event.event_id)
    return line(event.kind, event.body, event.event_id)


def _written(told: Told) -> bytes:
    """Once for all streams."""
    if not told.encoded:
        told.encoded = line(told.event.kind, told.event.body, told.safe_id)
    return told.encoded


async def _replay(centre: Centre, position: int) -> AsyncIterator[Event]:
    """What the table holds after `position`, page by page."""
    while True:
        async with centre.database.reading() as conn:
            found = await read_after(conn, position)
        for event in found:
            yield event
        if len(found) < READ_LIMIT:
            return
        position = found[-1].event_id


async def _next(listener: Listener) -> list[Told]:
    """The next events; none after PING_S without one, or when the stream is to end."""
    try:
        async with asyncio.timeout(PING_S):
            return await listener.next()
    except TimeoutError:
        return []


async def _judge_again(centre: Centre, actor: Actor, token: str) -> Actor | None:
    """The actor as of now; None when the stream must end. A database that is away changes nothing yet."""
    try:
        async with centre.database.reading() as conn:
            now = await actor_of_session(conn, token, at=centre.wall())
    except NotSignedIn:
        return None
    except StoreError:
        return actor
    return now if allows(now.role, Permission.FOLLOW_EVENTS) else None
