"""Messages about a case, between the desks that see it and the worker who has its task.

Nothing moves by one: no state, no clock, and no version of the task, so that what a phone has done without a signal
still counts. The timeline keeps all of them; the newest few stand on the incident, where queue, case and phone have
them by the events they follow already. A desk's message is a notice to the worker, received as any other. A worker's
is not: who cannot wait for a desk to look calls for help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.dispatch import service
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.errors import MoveRefused, NotFound, Throttled
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.incidents.views import at_text
from xueliang_central.notices import outbox
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]

SAID: Final = "message"
MOST_KEPT: Final = 6  # on the incident: what a phone shows without asking
MOST_AN_HOUR: Final = 60  # of one case, by everybody
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Message:
    """What a desk says."""

    text: str
    idempotency_key: str | None = None


async def say(change: Change, actor: Actor, incident_id: str, asked: Message) -> None:
    """A desk's message to whoever has the task.

    Raises:
        NotFound: no such incident, or out of scope.
        MoveRefused: nobody has its task, or nothing is said.
        Throttled: MOST_AN_HOUR have been said.
    """
    incident = await incidents.load(change.conn, incident_id, lock=True)
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if await seen_before(change, actor, asked.idempotency_key, incident_id, "say"):
        return
    text, move = asked.text.strip(), MOVES["say"]
    if not text:
        raise MoveRefused("a message needs words")
    if State(incident["state"]) not in move.sources:
        raise MoveRefused(f"nobody is asked or on the way while {incident['state']}", state=incident["state"])
    task = await service.live_task(change.conn, incident_id)
    if task is None or task["worker_id"] is None:
        raise MoveRefused("nobody has this task: there is nobody to say it to", reason="nobody_has_it")
    await must_not_flood(change.conn, incident_id, change.now)
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    kept = with_one(incident["messages"], {"from": "desk", "text": text}, by, change.now)
    params = {"task_id": task["task_id"], "note": text, "from": "desk"}
    incident, _ = await incidents.transition(change, incident, move, by, params=params, also={"messages": kept})
    change.touch_task(task["task_id"])
    await _tell(change, incident, task, kept["count"])
    await chain.record(
        change.conn,
        actor=actor.name,
        action="incident.say",
        object_kind="incident",
        object_id=incident_id,
        detail={"task_id": task["task_id"], "letters": len(text)},
        at=change.now,
    )


def with_one(before: Row | None, said: Row, by: By, now: datetime) -> Row:
    """The newest MOST_KEPT after one more, oldest first; `count`: of all there were."""
    items = [] if before is None else list(before["items"])
    count = 1 if before is None else before["count"] + 1
    return {"count": count, "items": [*items, {"at": at_text(now), "by": by.name, **said}][-MOST_KEPT:]}


def joined(into: Row | None, came: Row | None) -> Row | None:
    """What stands on a case to which a task comes with what was said about it; nothing is there twice.

    `count` only grows: a notice of a message is known by it.
    """
    if came is None:
        return into
    items, count = ([], 0) if into is None else (list(into["items"]), into["count"])
    new = [one for one in came["items"] if one not in items]
    return {"count": count + len(new), "items": sorted([*items, *new], key=lambda one: str(one["at"]))[-MOST_KEPT:]}


def of_worker(incident: Row, note: str | None, voices: Sequence[str], by: By, now: datetime) -> Row:
    """The same after a worker's message, written or spoken."""
    said: Row = {"from": "worker", "text": (note or "").strip()} | ({"voices": list(voices)} if voices else {})
    return with_one(incident["messages"], said, by, now)


async def must_not_flood(conn: AsyncConnection, incident_id: str, now: datetime) -> None:
    """Raises Throttled."""
    entry = incident_timeline.c
    query = select(func.count(), func.min(entry.at)).where(
        entry.incident_id == incident_id, entry.kind == SAID, entry.at > now - _HOUR
    )
    total, first_at = (await conn.execute(query)).one()
    if total >= MOST_AN_HOUR:
        wait_s = max(1, round((first_at + _HOUR - now).total_seconds()))
        raise Throttled(f"{MOST_AN_HOUR} messages about this case within the hour: phone", retry_after_s=wait_s)


async def _tell(change: Change, incident: Row, task: Row, count: int) -> None:
    await outbox.put(
        change.conn,
        key=f"{SAID}:{incident['incident_id']}:{count}",
        kind=SAID,
        user_ids=[task["worker_id"]],
        area_path=task["area_path"],
        params={
            "incident_id": incident["incident_id"],
            "task_id": task["task_id"],
            "number": incident["number"],
            "hazard": incident["hazard"],
            "drill": incident["drill"],
        },
        severity=incident["severity"],
        now=change.now,
    )
