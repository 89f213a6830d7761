"""What merging and splitting share: locks, who may, and a task that changes its incident.

Lock order as in ingest (`ingest/folding_in.py`): the group keys, sorted, then the incidents, sorted; tasks after them.
So an alert that arrives meanwhile is folded before or after, never beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from xueliang_central.audit import chain
from xueliang_central.dispatch import service
from xueliang_central.dispatch.messaging import joined
from xueliang_central.dispatch.tables import task_photos, task_voices
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.grouping import lock_groups, routes_of
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.regrouped import done_with_key
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.incidents.tables import incidents as incident_rows
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]


@dataclass(slots=True)
class Locked:
    """The incidents of a regrouping, locked, with all their alerts and where each belongs."""

    cases: dict[str, Row]
    members: list[Row]
    routes: dict[str, Route]

    def of(self, incident_id: str) -> list[Row]:
        return [member for member in self.members if member["incident_id"] == incident_id]


async def lock_cases(change: Change, actor: Actor, incident_ids: set[str]) -> Locked:
    """Lock these incidents and the keys under which alerts may join them. Raises NotFound: missing, or out of scope."""
    cases = await _load(change, incident_ids, lock=False)
    if set(cases) != incident_ids or not all(may_see(actor, case["area_path"]) for case in cases.values()):
        raise NotFound("incident")
    locked = await _with_members(change, cases)
    keys = {(case["area_code"], case["hazard"]) for case in cases.values()}
    keys |= {(locked.routes[one["alert_id"]].area.code, one["hazard"]) for one in locked.members}
    await lock_groups(change, keys)
    return await _with_members(change, await _load(change, incident_ids, lock=True))


async def _load(change: Change, incident_ids: set[str], *, lock: bool) -> dict[str, Row]:
    query = select(incident_rows).where(incident_rows.c.incident_id.in_(sorted(incident_ids)))
    query = query.order_by(incident_rows.c.incident_id)
    found = await change.conn.execute(query.with_for_update() if lock else query)
    return {row["incident_id"]: dict(row) for row in found.mappings()}


async def _with_members(change: Change, cases: dict[str, Row]) -> Locked:
    by_case = await incidents.members_of(change.conn, sorted(cases))
    members = [member for found in by_case.values() for member in found]
    return Locked(cases, members, await routes_of(change, members))


async def repeated(change: Change, actor: Actor, key: str | None, incident_id: str, move: str) -> Row | None:
    """What the same request did before, when it comes again; None: it is new, and its key is noted."""
    if not await seen_before(change, actor, key, incident_id, move) or key is None:
        return None
    return await done_with_key(change.conn, actor, key)


def other_request() -> MoveRefused:
    return MoveRefused("this idempotency_key was used for another request")


def check_version(incident: Row, version: int) -> None:
    """Raises Conflict."""
    if incident["version"] != version:
        detail = f"incident {incident['number']} has changed meanwhile"
        raise Conflict(
            detail, incident_id=incident["incident_id"], version=incident["version"], state=incident["state"]
        )


def check_reason(move: str, reason_code: str | None, note: str | None) -> Row:
    """The reason as the timeline keeps it. Raises MoveRefused: none given."""
    if MOVES[move].needs_note and not (reason_code or (note or "").strip()):
        raise MoveRefused(f"{move} needs a reason_code or a note")
    return {name: value for name, value in (("reason_code", reason_code), ("note", note)) if value}


async def called(change: Change, actor: Actor) -> By:
    """The person as the timeline names people."""
    return By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)


async def bring_task(change: Change, task: Row, came_from: Row, into: Row, by: By) -> Row:
    """The task goes on for the other incident, with its state and its clocks; its worker is told.

    Whom a person has sent although all was gone stands there as well: else it would end by itself over that task.
    """
    move = MOVES[f"task_comes_{_state_for(task).value}"]
    into, _ = await incidents.transition(
        change,
        into,
        move,
        by,
        params={"task_id": task["task_id"], "worker": task["worker_name"], "number": came_from["number"]},
        also={
            "handled_at": None,
            "sent_when_gone": into["sent_when_gone"] or came_from["sent_when_gone"],
            "messages": joined(into["messages"], came_from["messages"]),
        },
        other_id=came_from["incident_id"],
    )
    # How far its worker was from the other camera says nothing here.
    away = {"incident_id": into["incident_id"], **service.without_whereabouts(task)}
    task = await service.write_task(change, task, away)
    await change.conn.execute(
        update(task_photos).where(task_photos.c.task_id == task["task_id"]).values(area_path=into["area_path"])
    )
    await change.conn.execute(
        update(task_voices).where(task_voices.c.task_id == task["task_id"]).values(area_path=into["area_path"])
    )
    change.touch(into["incident_id"])
    await service.tell_worker(change, into, task, "task_moved", from_number=came_from["number"])
    return into


def _state_for(task: Row) -> State:
    return {"offered": State.DISPATCHED, "taken": State.TAKEN, "arrived": State.ARRIVED}[task["state"]]


async def record(change: Change, actor: Actor, action: str, incident_id: str, detail: Row) -> None:
    """On the register of acts."""
    await chain.record(
        change.conn,
        actor=actor.name,
        action=action,
        object_kind="incident",
        object_id=incident_id,
        detail=detail,
        at=change.now,
    )
