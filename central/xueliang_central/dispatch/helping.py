"""A worker under way asks for help; a desk says who comes.

The call and its answer stand on the task, where the worker's phone and every desk above see them at once. The desk on
duty has a notice that climbs until it is answered or the task is under way no more; the answer is a notice to the
worker. A second call replaces the first, and its answer with it; the same call again while nobody has answered is no
second one (`asks_again`), so that whoever presses in need neither floods the desk nor makes its answer too late; where
that person is now counts all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import Counter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, Level
from xueliang_central.audit import chain
from xueliang_central.dispatch import service
from xueliang_central.dispatch.checking_in import Fix, checked_in
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.errors import Conflict, MoveRefused, NotFound, Throttled
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import POLICY, By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.states import MOVES
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.incidents.views import at_text
from xueliang_central.notices import outbox
from xueliang_central.notices.ladder import ALWAYS_GOES
from xueliang_central.people import presence, rosters
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]

ASKED: Final = "help_asked"
ANSWERED: Final = "help_answered"
UNTOLD: Final = Counter("central_help_untold", "Calls for help that no desk could be told")
# Of one task, so that nobody loses calls by those of who had it before: each is a notice that goes the hardest way.
CALLS_AN_HOUR: Final = 12
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class HelpAnswer:
    """Who comes. `version`: of the task as that person saw it."""

    version: int
    reason_code: str | None = None
    note: str | None = None
    idempotency_key: str | None = None


def call_of(reason_code: str | None, note: str | None, fix: Fix | None, incident: Row, now: datetime) -> Row:
    """What stands on the task until it is answered. The time is the centre's: it is what the desk waits from."""
    where = None if fix is None else checked_in(fix, incident, now)
    return {"reason_code": reason_code, "note": note, "asked_at": at_text(now), "where": where, "answer": None}


def asks_again(task: Row, reason_code: str | None, note: str | None) -> bool:
    """The same words while the call waits for its answer. One that nobody was told is told anew: somebody may be there
    now."""
    call = task["help"]
    is_same = is_wanted(task) and (call["reason_code"], call["note"]) == (reason_code, note)
    return is_same and not call.get("told_nobody")


def again(task: Row, fix: Fix | None, incident: Row, now: datetime) -> Row:
    """The call that stands, with how often it was repeated, and where the worker is now if that was said."""
    call: Row = task["help"]
    where = call["where"] if fix is None else checked_in(fix, incident, now)
    return call | {"repeated": call.get("repeated", 0) + 1, "where": where}


async def must_not_flood(conn: AsyncConnection, task: Row, now: datetime) -> None:
    """Raises Throttled."""
    entry = incident_timeline.c
    query = (
        select(entry.at, entry.params)
        .where(entry.incident_id == task["incident_id"], entry.kind == ASKED, entry.at > now - _HOUR)
        .order_by(entry.at.desc())
    )
    found = [row.at for row in await conn.execute(query) if row.params.get("task_id") == task["task_id"]]
    told_at = found[:CALLS_AN_HOUR]
    if len(told_at) == CALLS_AN_HOUR:
        wait_s = max(1, round((told_at[-1] + _HOUR - now).total_seconds()))
        detail = f"the desk was told {CALLS_AN_HOUR} different calls for help within the hour: phone it"
        raise Throttled(detail, retry_after_s=wait_s)


def is_wanted(task: Row) -> bool:
    """Somebody has asked and nobody has answered."""
    return task["help"] is not None and task["help"]["answer"] is None


async def tell_desk(change: Change, incident: Row, task: Row) -> None:
    """A notice to the desk on duty of the level that has the case, or the next above it.

    Where no desk from there up has anybody, the task, the timeline, the register and a counter say so: the worker must
    not wait for who was never told.
    """
    if await _tell(change, incident, task):
        return
    UNTOLD.inc()
    await service.write_task(change, task, {"help": task["help"] | {"told_nobody": True}}, is_aside=True)
    change.note(incident["incident_id"], "help_untold", POLICY, task_id=task["task_id"])
    await chain.record(
        change.conn,
        actor=POLICY.name,
        action="task.help_untold",
        object_kind="task",
        object_id=task["task_id"],
        detail={"incident_id": incident["incident_id"], "area_code": incident["area_code"]},
        at=change.now,
    )


async def _tell(change: Change, incident: Row, task: Row) -> int:
    """How many people have a notice."""
    above = desks_above(change, incident)
    if not above:
        return 0
    duty = await presence.desks_of(change.conn, [area.code for area in above], change.now)
    told = who_is_told(above, duty)
    return await outbox.put(
        change.conn,
        key=f"{ASKED}:{task['task_id']}:{task['version']}",
        kind=ASKED,
        user_ids=told.user_ids,
        area_path=told.area.path,
        params={
            "incident_id": incident["incident_id"],
            "task_id": task["task_id"],
            "number": incident["number"],
            "hazard": incident["hazard"],
            "drill": incident["drill"],
            "reason_code": task["help"]["reason_code"],
            "asked_at": task["help"]["asked_at"],
            "level": told.area.level.value,
        },
        severity=ALWAYS_GOES,  # of whatever severity the case is
        now=change.now,
    )


def desks_above(change: Change, incident: Row) -> Sequence[Area]:
    """From the level that has the case up to the root; a grid has no desk. Where an import has taken the area away,
    from what is left above it. Empty: nothing is."""
    known = change.tree.nearest(incident["area_code"])
    if known is None:
        return ()
    upward = list(reversed(change.tree.chain(known.code)))
    owner = next((number for number, area in enumerate(upward) if area.level.value == incident["owner_level"]), 0)
    return [area for area in upward[owner:] if area.level is not Level.GRID]


async def answer(change: Change, actor: Actor, task_id: str, asked: HelpAnswer) -> None:
    """Say who comes.

    Raises:
        NotFound: no such task, or out of scope.
        Conflict: the task has changed since the actor saw it.
        MoveRefused: nobody has asked, it is not under way any more, or nothing is said.
    """
    task = await service.load_task(change.conn, task_id)
    if actor.role not in JUDGES or not may_see(actor, task["area_path"]):
        raise NotFound("task")
    incident = await incidents.load(change.conn, task["incident_id"], lock=True)
    task = await service.load_task(change.conn, task_id)  # again: it may have changed while waiting for the lock
    if await seen_before(change, actor, asked.idempotency_key, task_id, "answer_help"):
        return
    if task["version"] != asked.version:
        raise Conflict("the task has changed meanwhile", version=task["version"], state=task["state"])
    if not is_wanted(task):
        raise MoveRefused("no call for help waits for an answer", state=task["state"])
    if not (asked.reason_code or (asked.note or "").strip()):
        raise MoveRefused("answer_help needs a reason_code or a note")
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    said: Row = {"reason_code": asked.reason_code, "note": asked.note}
    done = {**said, "at": at_text(change.now), "by": by.name}
    task = await service.write_task(change, task, {"help": {**task["help"], "answer": done}})
    params = {"task_id": task_id} | {name: value for name, value in said.items() if value}
    incident, _ = await incidents.transition(change, incident, MOVES["answer_help"], by, params=params)
    await service.tell_worker(change, incident, task, ANSWERED, reason_code=asked.reason_code)
    await chain.record(
        change.conn,
        actor=actor.name,
        action="task.answer_help",
        object_kind="task",
        object_id=task_id,
        detail={"incident_id": incident["incident_id"], "reason_code": asked.reason_code},
        at=change.now,
    )
