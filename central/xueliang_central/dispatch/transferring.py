"""An operator hands a live task on to another person: the one recommended, or one that is named.

The former worker's task ends and says to what role and area it went, by no name; the other person is asked as anybody
is who is sent. Take and arrive begin anew, for somebody who has heard of it only now; the case's own time, and the
limits that passed before, stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, AreaTree, Level, brief
from xueliang_central.audit import chain
from xueliang_central.dispatch import service
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.recommending import TRANSFERRED, Recommendation, why_transferred
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.states import MOVES, TaskState
from xueliang_central.incidents.views import at_text
from xueliang_central.people import rosters
from xueliang_central.people.duty import Duty, Person
from xueliang_central.rights.people import people_where
from xueliang_central.rights.scope import Actor, Role, in_area, may_see
from xueliang_central.rights.tables import users

Row = dict[str, Any]

HANDED_ON: Final = "task_handed_on"
MOST_NAMED: Final = 200
_HANDABLE: Final = frozenset({TaskState.OFFERED, TaskState.TAKEN, TaskState.ARRIVED})


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a person asks for.

    Attributes:
        version: of the task as that person saw it.
        worker_id: to whom; None: to whom the centre recommends, of those who have not had it.
    """

    version: int
    worker_id: str | None = None
    reason_code: str | None = None
    note: str | None = None
    idempotency_key: str | None = None


async def transfer(change: Change, actor: Actor, task_id: str, asked: Transfer) -> str:
    """Hand it on. Returns the incident it is about.

    Raises:
        NotFound: no such task or person, or out of scope.
        Conflict: the task has changed since the actor saw it.
        MoveRefused: it is not under way or offered, nothing is said, or that person cannot be asked.
    """
    task = await service.load_task(change.conn, task_id)
    if actor.role not in JUDGES or not may_see(actor, task["area_path"]):
        raise NotFound("task")
    incident = await incidents.load(change.conn, task["incident_id"], lock=True)
    task = await service.load_task(change.conn, task_id)  # again: it may have changed while waiting for the lock
    if await seen_before(change, actor, asked.idempotency_key, task_id, "transfer"):
        return str(incident["incident_id"])
    _check(task, asked)
    place = service.place_of(change, incident["area_code"])
    choice = await _choice(change, actor, incident, task, place, asked.worker_id)
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    said: Row = {name: value for name, value in _reason(asked).items() if value}
    incident, due = await incidents.transition(
        change, incident, MOVES["transfer"], by, params={"task_id": task_id, "from": task["worker_name"], **said}
    )
    await _end(change, incident, task, choice, asked)
    new = await service.give(change, incident, place, choice, due, by)
    await chain.record(
        change.conn,
        actor=actor.name,
        action="task.transfer",
        object_kind="task",
        object_id=task_id,
        detail={"incident_id": incident["incident_id"], "to_task": new["task_id"], "reason_code": asked.reason_code},
        at=change.now,
    )
    return str(incident["incident_id"])


def _reason(asked: Transfer) -> Row:
    return {"reason_code": asked.reason_code, "note": asked.note}


def _check(task: Row, asked: Transfer) -> None:
    if task["version"] != asked.version:
        raise Conflict("the task has changed meanwhile", version=task["version"], state=task["state"])
    if task["state"] not in _HANDABLE:
        raise MoveRefused(f"transfer is not possible while {task['state']}", state=task["state"])
    if not (asked.reason_code or (asked.note or "").strip()):
        raise MoveRefused("transfer needs a reason_code or a note")
    if asked.worker_id is not None and asked.worker_id == task["worker_id"]:
        raise MoveRefused("this person has the task already: name another one")


async def _choice(
    change: Change, actor: Actor, incident: Row, task: Row, place: Area, worker_id: str | None
) -> Recommendation:
    """Who is asked. Raises NotFound, MoveRefused."""
    if worker_id is not None:
        return await _named(change, actor, place, worker_id)
    choice = await service.recommended(change, incident, place, await _not_these(change.conn, incident, task))
    if choice.person is None:
        raise MoveRefused("nobody else can be recommended: name somebody", reason="nobody_else")
    return choice


async def _not_these(conn: AsyncConnection, incident: Row, task: Row) -> frozenset[str]:
    has_it = {task["worker_id"]} if task["worker_id"] is not None else set()
    return await service.refused_by(conn, incident["incident_id"]) | has_it


async def _named(change: Change, actor: Actor, place: Area, worker_id: str) -> Recommendation:
    account = await rosters.account_of(change.conn, worker_id)
    if not may_see(actor, account.area_path):
        raise NotFound("person")  # as of one who does not exist
    area = change.tree.get(account.area_code)
    if not _may_go(change.tree, rosters.as_person(account)):
        raise MoveRefused("in a grid only its worker goes", reason="not_a_worker")
    duty = await rosters.duty_of_people(change.conn, [account.user_id], change.now)
    if duty.on_leave:
        raise MoveRefused("this person is on leave: name another one", reason="on_leave")
    in_hand = await service.live_counts(change.conn, [account.user_id])
    person = rosters.as_person(account)
    why = why_transferred(place, area, person, in_hand.get(account.user_id, 0), is_on_duty=bool(duty.present))
    # Of another grid: the task stays the place's own, so that of that grid nobody else sees it.
    return Recommendation(place if area.level is Level.GRID else area, person, why)


async def _end(change: Change, incident: Row, task: Row, choice: Recommendation, asked: Transfer) -> None:
    """The former one's task: over, and where it has gone."""
    about, person = choice.why["about"], choice.person
    handed_on = {
        "at": at_text(change.now),
        "role": None if person is None else person.role,
        "area": brief(change.tree.get(about["area_code"])),
        "reason_code": asked.reason_code,
    }
    ended = {"state": TaskState.WITHDRAWN.value, "ended_at": change.now, "reason_code": TRANSFERRED}
    task = await service.write_task(change, task, {**ended, "handed_on": handed_on})
    await service.tell_worker(change, incident, task, HANDED_ON, area=handed_on["area"], role=handed_on["role"])


async def candidates(change: Change, actor: Actor, task_id: str, area_code: str | None = None) -> Row:
    """The people of an area and below it who could be handed this task, and whom the centre recommends.

    `area_code` None: the village of the place. `is_cut`: the area has more than MOST_NAMED.

    Raises:
        NotFound: no such task or area, or out of scope.
    """
    task = await service.load_task(change.conn, task_id)
    if not may_see(actor, task["area_path"]):
        raise NotFound("task")
    incident = await incidents.load(change.conn, task["incident_id"])
    place = service.place_of(change, incident["area_code"])
    around = _around(change.tree, actor, place, area_code)
    accounts = await people_where(change.conn, in_area(users.c.area_path, around.path), users.c.role.in_(rosters.GOES))
    found = [rosters.as_person(one) for one in accounts if one.user_id != task["worker_id"]]
    people = [one for one in found if one.area_code in change.tree and _may_go(change.tree, one)]
    best = (await service.recommended(change, incident, place, await _not_these(change.conn, incident, task))).person
    shown = people[:MOST_NAMED] + ([best] if best is not None else [])
    ids = list(dict.fromkeys(one.user_id for one in shown))
    duty = await rosters.duty_of_people(change.conn, ids, change.now)
    in_hand = await service.live_counts(change.conn, ids)
    rows = [_candidate(change.tree, one, duty, in_hand.get(one.user_id, 0)) for one in shown]
    return {
        "area": brief(around),
        "recommended": None if best is None else rows.pop(),
        "items": rows,
        "is_cut": len(people) > MOST_NAMED,
    }


def _around(tree: AreaTree, actor: Actor, place: Area, area_code: str | None) -> Area:
    """Whose people are named. Raises NotFound."""
    if area_code is not None:
        asked = tree.find(area_code)
        if asked is None or not may_see(actor, asked.path):
            raise NotFound("area")
        return asked
    village = tree.ancestor_at(place.code, Level.VILLAGE)
    return village if village is not None and may_see(actor, village.path) else place


def _may_go(tree: AreaTree, person: Person) -> bool:
    """In a grid only its worker goes, as everywhere people are recommended."""
    return person.role == Role.WORKER.value or tree.get(person.area_code).level is not Level.GRID


def _candidate(tree: AreaTree, person: Person, duty: Duty, in_hand: int) -> Row:
    is_present = any(one.user_id == person.user_id for one in duty.present)
    is_on_leave = any(one.user_id == person.user_id for one in duty.on_leave)
    return {
        "worker": {"user_id": person.user_id, "display_name": person.display_name},
        "role": person.role,
        "area": brief(tree.get(person.area_code)),
        "duty": "on_duty" if is_present else "on_leave" if is_on_leave else "off_duty",
        "in_hand": in_hand,
    }
