"""Which notices are still needed, by the case they tell of: what has come to an end need not be told any further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules.tables import rule_canaries, rule_copies
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch import later_limits, suspending
from xueliang_central.dispatch.messaging import SAID
from xueliang_central.dispatch.raising import RAISED
from xueliang_central.dispatch.supervising import SUPERVISED
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.watching import REPLIED
from xueliang_central.incidents.requested import Standing
from xueliang_central.incidents.states import LIVE_TASK_STATES, UNDER_WAY, State, TaskState
from xueliang_central.incidents.supervised import is_supervised
from xueliang_central.incidents.tables import incidents
from xueliang_central.store.among import among
from xueliang_central.units import requests

Row = dict[str, Any]

_REMINDS: Final = "deadline_near"
_ASKS: Final = frozenset({"task_offered", "task_returned", "task_moved"})
_RISES: Final = frozenset({"escalated", _REMINDS})
_CALLS: Final = "help_asked"
_URGES: Final = "urged"
_REQUESTS: Final = {
    notice: (kind, standing)
    for kind in (suspending.KIND, later_limits.KIND)
    for standing, notice in ((Standing.ASKED, kind.asked), *kind.told.items())
}
"""By kind of notice, what was asked and how that must stand."""
_COLUMNS: Final = (incidents.c.suspension, incidents.c.later_limit)
_HELD: Final = "canary_held"
_LIMIT_MET: Final = "limit_met"


async def not_needed(conn: AsyncConnection, notices: Sequence[Row]) -> dict[str, str]:
    """By notice_id, why a notice is not needed any more; one that is needed is left out.

    An offer: while its task is offered to that person. An escalation: while its clock runs and the case is open;
    one that started later (the deadline was extended) is another. A reminder: while that deadline runs. A request to
    a lane's managing unit: until it replies, or its turn is over. A canary to decide on: while it waits. A call for
    help: until a desk has answered it, or its task is under way no more. A request to suspend or for a later limit, and
    what has become of it: while it stands so, and the case is under way. An urging: while the case is where it was. A
    supervision: while it lasts, until that date; a reply to it: while it lasts. A message: while that person has the
    task. A severity that a person has raised: until the case is closed.
    Anything else (a task was withdrawn): until it is received.
    """
    asks = [row for row in notices if row["kind"] in _ASKS and row["task_id"]]
    risen = [row for row in notices if row["kind"] in _RISES and row["incident_id"]]
    held = [row for row in notices if row["kind"] == _HELD]
    units = [row for row in notices if row["kind"] == requests.TOLD]
    of_units = await requests.over(conn, units) if units else {}
    return {
        **await _offers_over(conn, asks),
        **await _escalations_over(conn, risen),
        **await _canaries_over(conn, held),
        **await _urges_over(conn, [row for row in notices if row["kind"] == _URGES]),
        **await _calls_over(conn, [row for row in notices if row["kind"] == _CALLS]),
        **await _requests_over(conn, [row for row in notices if row["kind"] in _REQUESTS]),
        **await _supervisions_over(conn, [row for row in notices if row["kind"] in (SUPERVISED, REPLIED)]),
        **await _raises_over(conn, [row for row in notices if row["kind"] == RAISED]),
        **await _messages_over(conn, [row for row in notices if row["kind"] == SAID and row["task_id"]]),
        **of_units,
    }


async def _now(
    conn: AsyncConnection, key: Column[Any], notices: Sequence[Row], *columns: Column[Any]
) -> dict[str, Any]:
    """What notices tell of, as it stands: by the key, the rows that are still there."""
    wanted = sorted({row[key.name] for row in notices})
    found = await conn.execute(select(key, *columns).where(among(conn, key, wanted)))
    return {str(row[0]): row for row in found}


async def _offers_over(conn: AsyncConnection, asks: Sequence[Row]) -> dict[str, str]:
    if not asks:
        return {}
    now = await _now(conn, tasks.c.task_id, asks, tasks.c.state, tasks.c.worker_id)
    over: dict[str, str] = {}
    for row in asks:
        task = now.get(row["task_id"])
        if task is None:
            over[row["notice_id"]] = "no_task"
        elif row["kind"] == "task_moved":
            if task.state not in (TaskState.OFFERED, TaskState.TAKEN, TaskState.ARRIVED):
                over[row["notice_id"]] = str(task.state)
        elif task.state != TaskState.OFFERED:
            over[row["notice_id"]] = str(task.state)
        elif task.worker_id != row["user_id"]:
            over[row["notice_id"]] = "given_to_another"
    return over


async def _calls_over(conn: AsyncConnection, calls: Sequence[Row]) -> dict[str, str]:
    if not calls:
        return {}
    now = await _now(conn, tasks.c.task_id, calls, tasks.c.state, tasks.c.help)
    over: dict[str, str] = {}
    for row in calls:
        task = now.get(row["task_id"])
        if task is None or task.help is None:
            over[row["notice_id"]] = "no_task"
        elif row["params"].get("asked_at", task.help["asked_at"]) != task.help["asked_at"]:
            over[row["notice_id"]] = "asked_again"
        elif task.help["answer"] is not None:
            over[row["notice_id"]] = "answered"
        elif task.state not in (TaskState.TAKEN, TaskState.ARRIVED):
            over[row["notice_id"]] = str(task.state)
    return over


async def _urges_over(conn: AsyncConnection, urges: Sequence[Row]) -> dict[str, str]:
    """Over when the case has moved on since, or its task is another."""
    if not urges:
        return {}
    now = await _now(conn, incidents.c.incident_id, urges, incidents.c.state, incidents.c.urged)
    over: dict[str, str] = {}
    for row in urges:
        case = now.get(row["incident_id"])
        if case is None or case.state != row["params"]["state"]:
            over[row["notice_id"]] = "moved_on" if case is not None else State.CLOSED.value
    return over


async def _requests_over(conn: AsyncConnection, asked: Sequence[Row]) -> dict[str, str]:
    if not asked:
        return {}
    now = await _now(conn, incidents.c.incident_id, asked, incidents.c.state, *_COLUMNS)
    over: dict[str, str] = {}
    for row in asked:
        case = now.get(row["incident_id"])
        kind, standing = _REQUESTS[row["kind"]]
        record = None if case is None else getattr(case, kind.column)
        if case is None or record is None or record["asked_at"] != row["params"]["asked_at"]:
            over[row["notice_id"]] = "asked_again"
        elif record["standing"] != standing:
            over[row["notice_id"]] = str(record["standing"])
        elif case.state not in UNDER_WAY:
            over[row["notice_id"]] = str(case.state)
    return over


async def _supervisions_over(conn: AsyncConnection, told: Sequence[Row]) -> dict[str, str]:
    if not told:
        return {}
    wanted = sorted({row["incident_id"] for row in told})
    query = select(incidents.c.incident_id, incidents.c.supervision)
    found = await conn.execute(query.where(among(conn, incidents.c.incident_id, wanted)))
    now = {row["incident_id"]: dict(row) for row in found.mappings()}
    over: dict[str, str] = {}
    for row in told:
        case = now.get(row["incident_id"])
        if case is None or not is_supervised(case):
            over[row["notice_id"]] = "supervision_over"
        elif row["kind"] == SUPERVISED and case["supervision"]["due"] != row["params"]["due"]:
            over[row["notice_id"]] = "another_date"
    return over


async def _raises_over(conn: AsyncConnection, told: Sequence[Row]) -> dict[str, str]:
    if not told:
        return {}
    now = await _now(conn, incidents.c.incident_id, told, incidents.c.state)
    is_open = {name for name, case in now.items() if case.state != State.CLOSED}
    return {row["notice_id"]: State.CLOSED.value for row in told if row["incident_id"] not in is_open}


async def _messages_over(conn: AsyncConnection, said: Sequence[Row]) -> dict[str, str]:
    if not said:
        return {}
    now = await _now(conn, tasks.c.task_id, said, tasks.c.state, tasks.c.worker_id)
    over: dict[str, str] = {}
    for row in said:
        task = now.get(row["task_id"])
        if task is None:
            over[row["notice_id"]] = "no_task"
        elif task.state not in LIVE_TASK_STATES:
            over[row["notice_id"]] = str(task.state)
        elif task.worker_id != row["user_id"]:
            over[row["notice_id"]] = "given_to_another"
    return over


async def _escalations_over(conn: AsyncConnection, risen: Sequence[Row]) -> dict[str, str]:
    if not risen:
        return {}
    wanted = sorted({row["incident_id"] for row in risen})
    states = await conn.execute(
        select(incidents.c.incident_id, incidents.c.state).where(among(conn, incidents.c.incident_id, wanted))
    )
    state_of = {row.incident_id: row.state for row in states}
    running = await conn.execute(
        select(clocks.c.incident_id, clocks.c.kind, clocks.c.started_at, clocks.c.paused_at).where(
            among(conn, clocks.c.incident_id, wanted), clocks.c.stopped_at.is_(None)
        )
    )
    runs, paused = {}, set()
    for one in running:
        runs[one.incident_id, one.kind] = one.started_at
        if one.paused_at is not None:
            paused.add((one.incident_id, one.kind))
    over: dict[str, str] = {}
    for row in risen:
        if state_of.get(row["incident_id"]) in (None, State.CLOSED):
            over[row["notice_id"]] = State.CLOSED.value
            continue
        clock = ClockKind.DEADLINE if row["kind"] == _REMINDS else row["params"].get("clock")
        since = runs.get((row["incident_id"], clock))
        if since is None or since > row["created_at"]:
            over[row["notice_id"]] = _LIMIT_MET
        elif (row["incident_id"], clock) in paused:
            over[row["notice_id"]] = Standing.SUSPENDED.value
    return over


async def _canaries_over(conn: AsyncConnection, held: Sequence[Row]) -> dict[str, str]:
    over: dict[str, str] = {}
    for row in held:
        its, params = rule_canaries.c, row["params"]
        of_copy = rule_copies.c.copy_id == params.get("copy_id")
        query = select(rule_copies.c.state).where(of_copy)
        if "copy_id" not in params:
            query = select(its.state).where(its.area_code == params["area_code"], its.version == params["version"])
        state = (await conn.execute(query)).scalar_one_or_none()
        if state != "held":
            over[row["notice_id"]] = state or "no_canary"
    return over
