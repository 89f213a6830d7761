"""A task that is offered to somebody whose account has been disabled is offered to somebody else, at once.

The clocks begin anew for the other person, as when a task is handed on (`transferring`): what is over is over, and the
case's own time goes on. A task that was taken is not touched: its desk decides, by handing it on.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.dispatch import service
from xueliang_central.dispatch.tables import tasks
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.states import MOVES, State, TaskState
from xueliang_central.rights.tables import users

WHY: Final = "account_disabled"
ACCOUNTS: Final = By("system", "accounts")


async def is_any(conn: AsyncConnection) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    return (await conn.execute(_offered().limit(1))).first() is not None


async def reoffer_next(change: Change) -> bool:
    """Offer one of them anew; False: there is none, or it is moving just now. Where nobody serves the place it waits
    there, and its clock escalates."""
    first = (await change.conn.execute(_offered().order_by(tasks.c.offered_at, tasks.c.task_id).limit(1))).first()
    if first is None:
        return False
    incident = await incidents.load(change.conn, first.incident_id, lock=True)
    task = await service.load_task(change.conn, first.task_id)  # again: it may have changed while waiting for the lock
    if task["state"] != TaskState.OFFERED or incident["state"] != State.DISPATCHED:
        return False
    said = {"task_id": task["task_id"], "from": task["worker_name"], "reason_code": WHY}
    incident, due = await incidents.transition(change, incident, MOVES["transfer"], ACCOUNTS, params=said)
    ended = {"state": TaskState.WITHDRAWN.value, "ended_at": change.now, "reason_code": WHY}
    await service.write_task(change, task, ended)
    place = service.place_of(change, incident["area_code"])
    not_these = await service.refused_by(change.conn, incident["incident_id"])
    new = await service.offer(change, incident, place, due, ACCOUNTS, not_these=not_these)
    await chain.record(
        change.conn,
        actor="system",
        action="task.reoffered",
        object_kind="task",
        object_id=task["task_id"],
        detail={"incident_id": incident["incident_id"], "to_task": new["task_id"], "reason_code": WHY},
        at=change.now,
    )
    return True


def _offered() -> Select[Any]:
    return (
        select(tasks.c.task_id, tasks.c.incident_id)
        .join(users, users.c.user_id == tasks.c.worker_id)
        .where(tasks.c.state == TaskState.OFFERED.value, users.c.disabled.is_(True))
    )
