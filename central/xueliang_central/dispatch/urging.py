"""A reminder (催办) to whoever has a case to do: nothing moves but the attention.

The worker who is offered the task or is on the way is reminded by any desk of the place; the desk that has not judged
yet, by a desk above it. Not more often than once in AGAIN_AFTER for a case, however many desks remind: a phone that
rings without end is put away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from xueliang_central.audit import chain
from xueliang_central.dispatch import service
from xueliang_central.dispatch.helping import desks_above
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.incidents.views import at_text
from xueliang_central.notices import outbox
from xueliang_central.people import presence, rosters
from xueliang_central.rights.scope import Actor, may_see, within

Row = dict[str, Any]

URGED: Final = "urged"
AGAIN_AFTER: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Urge:
    """`version`: of the incident as that person saw it."""

    version: int
    note: str | None = None
    idempotency_key: str | None = None


async def urge(change: Change, actor: Actor, incident_id: str, asked: Urge) -> None:
    """Remind whoever has it to do.

    Raises:
        NotFound: no such incident, or out of scope.
        Conflict: it has changed since the actor saw it.
        MoveRefused: nobody has it to do, it is the actor's own desk's, or it was urged less than AGAIN_AFTER ago.
    """
    incident = await incidents.load(change.conn, incident_id, lock=True)
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if await seen_before(change, actor, asked.idempotency_key, incident_id, "urge"):
        return
    _check(change, incident, asked)
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    if incident["state"] == State.OPEN:
        user_ids, area_path, said = await _desk(change, actor, incident)
        task = None
    else:
        task = await _task(change, incident)
        user_ids, area_path, said = (task["worker_id"],), task["area_path"], {"worker": task["worker_name"]}
    count = (incident["urged"] or {"count": 0})["count"] + 1
    task_id = None if task is None else task["task_id"]
    urged = {"count": count, "at": at_text(change.now), "by": by.name, "note": asked.note, "task_id": task_id}
    params = {"count": count, **said} | ({"note": asked.note} if asked.note else {})
    incident, _ = await incidents.transition(change, incident, MOVES["urge"], by, params=params, also={"urged": urged})
    if task_id is not None:
        change.touch_task(task_id)  # its version stays: what the phone has done without a signal still counts
    await _tell(change, incident, user_ids, area_path, count, task_id)
    await chain.record(
        change.conn,
        actor=actor.name,
        action="incident.urge",
        object_kind="incident",
        object_id=incident_id,
        detail={"count": count, "task_id": task_id, "told": len(user_ids)},
        at=change.now,
    )


def _check(change: Change, incident: Row, asked: Urge) -> None:
    if incident["version"] != asked.version:
        raise Conflict("the incident has changed meanwhile", version=incident["version"], state=incident["state"])
    state = State(incident["state"])
    if state not in MOVES["urge"].sources:
        raise MoveRefused(f"urge is not possible while {state.value}", state=state.value)
    before = incident["urged"]
    if before is None:
        return
    again_at = datetime.fromisoformat(before["at"]) + AGAIN_AFTER
    if change.now < again_at:
        detail = f"urged less than {AGAIN_AFTER.total_seconds():.0f} s ago by {before['by']}"
        text = at_text(again_at)
        raise MoveRefused(f"{detail}: possible again at {text}", reason="urged_lately", possible_at=text)


async def _task(change: Change, incident: Row) -> Row:
    """The task that somebody has to do. Raises MoveRefused."""
    task = await service.live_task(change.conn, incident["incident_id"])
    if task is None or task["worker_id"] is None:
        raise MoveRefused("nobody has this task: hand it on to somebody", reason="nobody_has_it")
    return task


async def _desk(change: Change, actor: Actor, incident: Row) -> tuple[tuple[str, ...], str, Row]:
    """The desk below the actor's that should judge: whom to tell, its area's path, what the timeline says.

    Raises MoveRefused.
    """
    below = [area for area in desks_above(change, incident) if _is_below(area.path, actor)]
    if not below:
        raise MoveRefused("no desk below yours has to judge this: it is yours to judge", reason="own_desk")
    told = who_is_told(below, await presence.desks_of(change.conn, [area.code for area in below], change.now))
    if not told.user_ids:
        raise MoveRefused("nobody belongs to a desk below yours that could judge this", reason="nobody_below")
    area = told.area
    named = {"area_code": area.code, "area_name": area.name, "area_name_en": area.name_en, "level": area.level.value}
    return told.user_ids, area.path, named


def _is_below(path: str, actor: Actor) -> bool:
    return path != actor.area_path and within(path, actor.area_path)


async def _tell(
    change: Change, incident: Row, user_ids: tuple[str, ...], area_path: str, count: int, task_id: str | None
) -> None:
    said: Row = {
        "incident_id": incident["incident_id"],
        "number": incident["number"],
        "hazard": incident["hazard"],
        "drill": incident["drill"],
        "state": incident["state"],
        "count": count,
    }
    await outbox.put(
        change.conn,
        key=f"{URGED}:{incident['incident_id']}:{incident['version']}",
        kind=URGED,
        user_ids=user_ids,
        area_path=area_path,
        params=said if task_id is None else {**said, "task_id": task_id},
        severity=incident["severity"],
        now=change.now,
    )
