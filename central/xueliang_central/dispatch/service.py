"""Tasks: offered to whoever serves the place, taken, refused, handled, withdrawn.

Lock order: the incident first, then its task. Every function works inside the caller's transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.neighbouring import neighbours
from xueliang_central.areas.tree import Area
from xueliang_central.clocks.limits import ClockKind, Limits
from xueliang_central.dispatch.last_check_ins import checked_in_near, last_check_ins
from xueliang_central.dispatch.recommending import (
    NEIGHBOUR,
    TRANSFERRED,
    Recommendation,
    needs_neighbours,
    recommend,
)
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.unit_first import rule_for, tell_first
from xueliang_central.errors import Conflict, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import CAMERA, POLICY, By, Change, Rulebook
from xueliang_central.incidents.regrouping import is_urgent
from xueliang_central.incidents.reviewing import review_at_end
from xueliang_central.incidents.shedding import HELD, collective_of, stays_open_s
from xueliang_central.incidents.states import LIVE_TASK_STATES, MOVES, Move, State, TaskState
from xueliang_central.notices import outbox
from xueliang_central.people import rosters
from xueliang_central.people.duty import Duty
from xueliang_central.store.among import among

Row = dict[str, Any]

_LIVE: Final = sorted(state.value for state in LIVE_TASK_STATES)


async def live_task(conn: AsyncConnection, incident_id: str) -> Row | None:
    """The task of this incident that somebody has in hand or is asked to take; at most one by an index."""
    found = await conn.execute(select(tasks).where(tasks.c.incident_id == incident_id, tasks.c.state.in_(_LIVE)))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


async def latest_task(conn: AsyncConnection, incident_id: str) -> Row | None:
    found = await conn.execute(
        select(tasks)
        .where(tasks.c.incident_id == incident_id)
        .order_by(tasks.c.offered_at.desc(), tasks.c.task_id)
        .limit(1)
    )
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


async def live_counts(conn: AsyncConnection, user_ids: Sequence[str]) -> dict[str, int]:
    """How many tasks each of these people has in hand; who has none is left out."""
    found = await conn.execute(
        select(tasks.c.worker_id, func.count())
        .where(among(conn, tasks.c.worker_id, user_ids), tasks.c.state.in_(_LIVE))
        .group_by(tasks.c.worker_id)
    )
    return {row[0]: row[1] for row in found}


async def load_task(conn: AsyncConnection, task_id: str) -> Row:
    """Raises NotFound."""
    found = await conn.execute(select(tasks).where(tasks.c.task_id == task_id))
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("task")
    return dict(row)


def without_whereabouts(task: Row) -> Row:
    """The columns of a task that say where its worker was, emptied."""
    call = task["help"]
    return {"checked_in": None, "help": None if call is None else {**call, "where": None}}


async def write_task(change: Change, task: Row, values: Row, *, is_aside: bool = False) -> Row:
    """Update a task that still has the version read; counts the version up. Raises Conflict.

    Where its worker was is nobody's business once it has ended.

    Args:
        is_aside: nothing that anybody decides on has changed: the version stays.
    """
    if values.get("ended_at") is not None:
        values = {**values, **without_whereabouts(task | values)}
    if not is_aside:
        values = {**values, "version": task["version"] + 1}
    done = await change.conn.execute(
        update(tasks).where(tasks.c.task_id == task["task_id"], tasks.c.version == task["version"]).values(**values)
    )
    if done.rowcount != 1:
        raise Conflict("the task has changed meanwhile", version=task["version"])
    change.touch_task(task["task_id"])
    change.touch(task["incident_id"])
    return task | values


async def send(change: Change, incident: Row, move: Move, by: By, *, params: Row | None = None) -> Row:
    """Dispatch: the move, its clocks, and a task to whoever serves the place. Returns the incident after it."""
    incident, due = await incidents.transition(change, incident, move, by, params=params)
    await offer(change, incident, place_of(change, incident["area_code"]), due, by)
    return incident


def place_of(change: Change, area_code: str) -> Area:
    """The area, or the nearest above it that an import has left. Raises NotFound: none is."""
    left = change.tree.nearest(area_code)
    return change.tree.get(area_code) if left is None else left


async def dispatch_by_policy(change: Change, incident: Row) -> Row:
    """What a policy with auto_dispatch does when an incident opens; others wait for a judgement.

    Where it tells the lane's managing unit first, that is all for now.
    """
    limits = Limits.from_json(incident["policy"])
    if incident["state"] != State.OPEN or not limits.auto_dispatch:
        return incident
    with_unit = await tell_first(change, incident)
    if with_unit is not None:
        return with_unit
    return await send(change, incident, MOVES["dispatch_by_policy"], POLICY, params={"policy_row": limits.row})


async def dispatch_all_by_policy(change: Change, cases: Sequence[Row]) -> dict[str, Row]:
    """`dispatch_by_policy` of incidents that have just opened, in a few statements; all of them after it, by id."""
    after = {case["incident_id"]: case for case in cases}
    sent = [(case, Limits.from_json(case["policy"])) for case in cases if case["state"] == State.OPEN]
    sent = [(case, limits) for case, limits in sent if limits.auto_dispatch]
    units = [case for case, _ in sent if rule_for(change, case, at_opening=True) is not None]
    for case in units:  # few, and each looks for its lane
        after[case["incident_id"]] = await tell_first(change, case) or case
    sent = [(case, limits) for case, limits in sent if after[case["incident_id"]]["state"] == State.OPEN]
    if not sent:
        return after
    said = [{"policy_row": limits.row} for _, limits in sent]
    moved = await incidents.transition_all(
        change, [case for case, _ in sent], MOVES["dispatch_by_policy"], POLICY, said
    )
    areas = [change.tree.get(case["area_code"]) for case, _ in moved]
    duty, beside = await _duty_for(change, areas)
    in_hand = await live_counts(change.conn, [person.user_id for person in (*duty.present, *duty.off)])
    check_ins = await last_check_ins(change, in_hand)
    given: list[Row] = []
    notices: list[Row] = []
    for (case, due), area in zip(moved, areas, strict=True):
        chain, near = _chain(change, area), beside.get(area.code, ())
        told = checked_in_near(case, area, check_ins, change.now)
        choice = recommend(chain, duty, in_hand, neighbours=near, not_these=frozenset(), check_ins=told)
        if choice.person is not None:  # the next of these must know
            in_hand[choice.person.user_id] = in_hand.get(choice.person.user_id, 0) + 1
        given.append(_task_of(change, case, area, choice, due))
        _say_offered(change, case, given[-1], choice, POLICY)
        notices += _notices_of(change, case, given[-1], "task_offered")
        after[case["incident_id"]] = case
    await change.conn.execute(insert(tasks), given)
    await outbox.put_all(change.conn, notices)
    return after


async def offer(
    change: Change,
    incident: Row,
    area: Area,
    due: dict[ClockKind, datetime],
    by: By,
    *,
    not_these: frozenset[str] = frozenset(),
) -> Row:
    """A new task for whoever is on duty in `area`, in a grid beside it, or at the next level above."""
    return await give(change, incident, area, await recommended(change, incident, area, not_these), due, by)


async def recommended(change: Change, incident: Row, area: Area, not_these: frozenset[str]) -> Recommendation:
    """Who should be asked now, of those who are left. `area`: that is asked first."""
    duty, beside = await _duty_for(change, [area])
    in_hand = await live_counts(change.conn, [person.user_id for person in (*duty.present, *duty.off)])
    near = beside.get(area.code, ())
    told = checked_in_near(incident, area, await last_check_ins(change, in_hand), change.now)
    return recommend(_chain(change, area), duty, in_hand, neighbours=near, not_these=not_these, check_ins=told)


async def give(
    change: Change, incident: Row, area: Area, choice: Recommendation, due: dict[ClockKind, datetime], by: By
) -> Row:
    """A new task for whom somebody has chosen. `area`: that was asked first."""
    task = _task_of(change, incident, area, choice, due)
    await change.conn.execute(insert(tasks), task)
    _say_offered(change, incident, task, choice, by)
    await tell_worker(change, incident, task, "task_offered")
    return task


def _chain(change: Change, area: Area) -> tuple[Area, ...]:
    """From the area that is asked first up to the root."""
    return tuple(reversed(change.tree.chain(area.code)))


async def _duty_for(change: Change, areas: Sequence[Area]) -> tuple[Duty, dict[str, tuple[Area, ...]]]:
    """Who is on duty in these areas and above them; for a grid whose own are off duty also in the grids beside it.

    Returns also those grids, by the code of the area.
    """
    codes = {step.code for area in areas for step in change.tree.chain(area.code)}
    duty = await rosters.duty_of(change.conn, sorted(codes), change.now)
    beside = {area.code: neighbours(change.tree, area.code) for area in areas if needs_neighbours(area, duty)}
    if beside:
        codes |= {grid.code for found in beside.values() for grid in found}
        duty = await rosters.duty_of(change.conn, sorted(codes), change.now)
    return duty, beside


def _task_of(change: Change, incident: Row, area: Area, choice: Recommendation, due: dict[ClockKind, datetime]) -> Row:
    """`area`: that was asked first."""
    person = choice.person
    # A neighbour helps: the task stays the place's own, so that of the neighbour's area nobody else sees it.
    whose = area if choice.why["code"] == NEIGHBOUR else choice.area
    return {
        "task_id": str(uuid.uuid4()),
        "incident_id": incident["incident_id"],
        "state": TaskState.OFFERED.value,
        "area_code": whose.code,
        "area_path": whose.path,
        "worker_id": person.user_id if person else None,
        "worker_name": person.display_name if person else None,
        "why_offered": choice.why,
        "offered_at": change.now,
        "take_due_at": due.get(ClockKind.TAKE),
        "arrive_due_at": due.get(ClockKind.ARRIVE),
        "version": 1,
    }


def _say_offered(change: Change, incident: Row, task: Row, choice: Recommendation, by: By) -> None:
    person = choice.person
    change.touch_task(task["task_id"])
    whose = change.tree.get(task["area_code"])
    about = {"task_id": task["task_id"], "area_code": whose.code, "level": whose.level.value}
    change.note(
        incident["incident_id"],
        "task_offered",
        by,
        **about,
        worker=person.display_name if person else None,
        why=choice.why,
    )


async def withdraw(change: Change, incident: Row, by: By, why: str) -> None:
    """The live task, if there is one, ends: `closed` when its worker has handled it, else withdrawn with a notice."""
    task = await live_task(change.conn, incident["incident_id"])
    if task is None:
        return
    if task["state"] == TaskState.HANDLED:
        await write_task(change, task, {"state": TaskState.CLOSED.value, "ended_at": change.now})
        return
    ended = {"state": TaskState.WITHDRAWN.value, "ended_at": change.now, "reason_code": why}
    task = await write_task(change, task, ended)
    change.note(incident["incident_id"], "task_withdrawn", by, task_id=task["task_id"], why=why)
    await tell_worker(change, incident, task, "task_withdrawn", why=why)


async def tell_worker(change: Change, incident: Row, task: Row, kind: str, **params: Any) -> None:
    """A notice to the worker of a task, if it has one."""
    await outbox.put_all(change.conn, _notices_of(change, incident, task, kind, **params))


def _notices_of(change: Change, incident: Row, task: Row, kind: str, **params: Any) -> list[Row]:
    if task["worker_id"] is None:
        return []
    said = {
        "incident_id": incident["incident_id"],
        "task_id": task["task_id"],
        "number": incident["number"],
        "hazard": incident["hazard"],
        "drill": incident["drill"],
        **params,
    }
    return outbox.rows_of(
        key=f"{kind}:{task['task_id']}:{task['version']}",
        kind=kind,
        user_ids=[task["worker_id"]],
        area_path=task["area_path"],
        params=said,
        severity=incident["severity"],
        now=change.now,
    )


def settles_s(incident: Row, rulebook: Rulebook, now: datetime) -> float:
    """How long an untaken incident stays open after all of it was seen to be gone.

    One that all have left not at all, but for a collective one that still takes in what nothing has confirmed.
    `incident`: a row, or its columns incident_id, number, hazard, place_key, state, alert_count, opened_at.
    """
    takes_in = collective_of(incident).takes_in(now)
    if incident["alert_count"] == 0 and not (takes_in and incident["place_key"].startswith(HELD)):
        return 0.0
    rule = rulebook.folding_rule(incident["hazard"])
    return stays_open_s(incident["place_key"], rule, rulebook.shedding, takes_in=takes_in)


def waits_for_a_person(incident: Row) -> bool:
    """Fire or severity 1 that neither a person nor the policy has judged: a person says what it was.

    The same as in `incidents.tables.SETTLES`. One whose alerts have all left shows nothing that could be judged.
    """
    return incident["state"] == State.OPEN and incident["alert_count"] > 0 and is_urgent(incident)


def stands(incident: Row) -> bool:
    """A person sent somebody although it was gone already: that holds until somebody closes it or has handled it.

    The same as in `incidents.tables.SETTLES`.
    """
    return bool(incident["sent_when_gone"]) and incident["alert_count"] > 0


async def see_gone(change: Change, incident: Row, *, has_settled: bool = False) -> Row:
    """Every member was seen clear: what that means depends on how far the case has come.

    Not taken yet: it ended by itself and the task is withdrawn; at once, or when it has settled (`settles_s`). Fire and
    severity 1 that nobody has judged stay in the queue, and what a person has sent somebody to although it was gone.
    Handled: verified and closed, by the same camera; but not when its alerts have all left it, which no camera saw:
    that waits for a check by hand. Taken: somebody is on the way and will say what was found; then it is verified at
    once.
    """
    state = State(incident["state"])
    if not incident["gone"]:
        return incident
    if state in MOVES["ended_by_itself"].sources:
        if waits_for_a_person(incident) or stands(incident):
            return incident
        if not has_settled and settles_s(incident, change.rulebook, change.now) > 0:
            return incident
        review = await review_at_end(change, incident)
        also = {"review": review}
        incident, _ = await incidents.transition(change, incident, MOVES["ended_by_itself"], CAMERA, also=also)
        await withdraw(change, incident, CAMERA, "ended_by_itself")
    elif state in MOVES["verified"].sources and incident["alert_count"] > 0:
        incident, _ = await incidents.transition(change, incident, MOVES["verified"], CAMERA)
        change.note(incident["incident_id"], "closed", CAMERA, close_reason="verified")
        await withdraw(change, incident, CAMERA, "verified")
    return incident


async def reopen(change: Change, incident: Row, by: By, why: dict[str, Any]) -> Row:
    """Raised again: the case goes on where it can. A task that was given is returned to its worker; while that one is
    off duty, another is made.
    """
    before = await latest_task(change.conn, incident["incident_id"])
    if before is None or before["state"] not in {TaskState.CLOSED, TaskState.WITHDRAWN}:
        incident, _ = await incidents.transition(change, incident, MOVES["reopen_open"], by, params={"why": why})
        return await dispatch_by_policy(change, incident)
    incident, due = await incidents.transition(change, incident, MOVES["reopen_dispatched"], by, params={"why": why})
    area = change.tree.find(incident["area_code"])  # None: an import has taken it away; its worker is still there
    who = before["worker_id"]
    if area is not None and who is not None and not await rosters.is_on_duty(change.conn, who, change.now):
        await offer(change, incident, area, due, by)
        return incident
    again: Row = {
        "state": TaskState.OFFERED.value,
        "offered_at": change.now,
        "taken_at": None,
        "arrived_at": None,
        "handled_at": None,
        "ended_at": None,
        "reason_code": None,
        "help": None,
        "take_due_at": due.get(ClockKind.TAKE),
        "arrive_due_at": due.get(ClockKind.ARRIVE),
    }
    task = await write_task(change, before, again)
    change.note(incident["incident_id"], "task_returned", by, task_id=task["task_id"], worker=task["worker_name"])
    await tell_worker(change, incident, task, "task_returned")
    return incident


async def refused_by(conn: AsyncConnection, incident_id: str) -> frozenset[str]:
    """Who has refused or given back a task of this incident since it was opened, or from whom it was handed on."""
    handed_on = and_(tasks.c.state == TaskState.WITHDRAWN, tasks.c.reason_code == TRANSFERRED)
    found = await conn.execute(
        select(tasks.c.worker_id).where(
            tasks.c.incident_id == incident_id,
            or_(tasks.c.state == TaskState.REFUSED, handed_on),
            tasks.c.worker_id.is_not(None),
        )
    )
    return frozenset(found.scalars())


def asked_after(change: Change, task: Row) -> Area:
    """Who is asked when this task was refused or given back: one level up, and the root stays the root.

    After a worker of another grid the same area is asked anew: who has refused is left out there.
    """
    why = task["why_offered"]
    is_from_elsewhere = why.get("code") == TRANSFERRED and why["about"]["area_code"] != task["area_code"]
    if why.get("code") == NEIGHBOUR or is_from_elsewhere:
        return change.tree.get(task["area_code"])
    above: Sequence[Area] = change.tree.ancestors(task["area_code"])
    return above[-1] if above else change.tree.get(task["area_code"])
