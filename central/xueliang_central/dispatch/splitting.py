"""An operator says that alerts are another thing: they get an incident of their own, or go back to what they came from.

The judge clock of what is split off runs from now, by the policy of its own severity and place; while the incident it
leaves still waits for its judgement, it is due no later than that one: nobody gains time by splitting.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.dispatch import service
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.regrouping import (
    Locked,
    bring_task,
    called,
    check_reason,
    check_version,
    lock_cases,
    other_request,
    record,
    repeated,
)
from xueliang_central.errors import MoveRefused, NotAllowed
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.grouping import NO_PLACE
from xueliang_central.incidents.later_limit import is_asked
from xueliang_central.incidents.raised import given_back
from xueliang_central.incidents.regrouped import follow_places, merge_of, move_alerts, write_down
from xueliang_central.incidents.regrouping import UNDER_WAY
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.shedding import is_collective
from xueliang_central.incidents.states import MOVES, CloseReason, State
from xueliang_central.incidents.suspended import is_alive
from xueliang_central.incidents.tables import incidents as incident_rows
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Split:
    """What a person asks for: these alerts, or all that a merge has brought (`absorbed_id`), never both."""

    version: int
    alert_ids: tuple[str, ...] = ()
    absorbed_id: str | None = None
    reason_code: str | None = None
    note: str | None = None
    idempotency_key: str | None = None


async def split_incident(change: Change, actor: Actor, incident_id: str, asked: Split) -> str:
    """Split alerts off this incident; returns the incident_id of where they are now.

    Raises:
        NotFound: no such incident, or out of scope.
        Conflict: it has changed since the actor saw it.
        MoveRefused: not possible now, or something is missing; `reason` says what.
    """
    if actor.role not in JUDGES:
        raise NotAllowed
    both = {incident_id} if asked.absorbed_id is None else {incident_id, asked.absorbed_id}
    locked = await lock_cases(change, actor, both)
    done = await repeated(change, actor, asked.idempotency_key, incident_id, "split")
    if done is not None:
        same = done["into_incident_id"] == asked.absorbed_id if asked.absorbed_id else True
        if not same or (asked.alert_ids and done["alert_ids"] != set(asked.alert_ids)):
            raise other_request()
        return str(done["into_incident_id"])
    case = locked.cases[incident_id]
    said = check_reason("split", asked.reason_code, asked.note)
    check_version(case, asked.version)
    if asked.absorbed_id is not None:
        return await _give_back(change, actor, locked, case, asked, said)
    picked = _picked(locked, case, set(asked.alert_ids))
    return await _split(change, actor, locked, case, picked, said, asked.idempotency_key)


def _picked(locked: Locked, case: Row, alert_ids: set[str]) -> list[Row]:
    """The alerts, oldest first. Raises MoveRefused: not all of them are here, or nothing would stay."""
    picked = [member for member in locked.of(case["incident_id"]) if member["alert_id"] in alert_ids]
    missing = sorted(alert_ids - {member["alert_id"] for member in picked})
    if missing or not picked:
        detail = f"not alerts of incident {case['number']}"
        raise MoveRefused(detail, reason="not_members", missing=missing)
    _something_stays(locked, case, picked)
    trusted = incidents.with_trusted_times(picked)
    trusted.sort(key=lambda one: (one["trusted_began_at"], one["alert_id"]))
    by_id = {member["alert_id"]: member for member in picked}
    return [by_id[one["alert_id"]] for one in trusted]


def _something_stays(locked: Locked, case: Row, leaving: list[Row]) -> None:
    if len(leaving) == len(locked.of(case["incident_id"])):
        raise MoveRefused("at least one alert stays in the incident", reason="nothing_stays")


async def _split(
    change: Change, actor: Actor, locked: Locked, case: Row, picked: list[Row], said: Row, key: str | None
) -> str:
    by = await called(change, actor)
    for member in picked:
        if not may_see(actor, locked.routes[member["alert_id"]].area.path):
            detail = f"camera {member['camera_id']} lies outside your areas: somebody above must split it off"
            raise MoveRefused(detail, reason="out_of_scope")
    due_by = await _judgement_due(change, case)
    first = picked[0]
    route = locked.routes[first["alert_id"]]
    fresh = await incidents.open_incident(
        change,
        route,
        first["camera_id"],
        picked,
        by=by,
        place_key=await _place_key(change, route, first),
        is_split_off=True,
        judge_by=due_by,
    )
    change.note(fresh["incident_id"], "split_off", by, **said, **_about(case, picked))
    case, _ = await incidents.transition(change, case, MOVES["split"], by, params={**said, **_about(fresh, picked)})
    fresh = await _hand_over(change, actor, locked, (case, fresh), picked, by, "split", said, key)
    await service.dispatch_by_policy(change, await service.see_gone(change, fresh))
    return str(fresh["incident_id"])


def _about(other: Row, moved: list[Row]) -> Row:
    return {"number": other["number"], "other_id": other["incident_id"], "alerts": len(moved)}


async def _judgement_due(change: Change, case: Row) -> datetime | None:
    """When the incident that is left must be judged; None: it has been."""
    return (await timers.running(change.conn, case["incident_id"])).get(ClockKind.JUDGE)


async def _place_key(change: Change, route: Route, first: Row) -> str:
    """The camera, where no open incident has it as its own place; else a key that no camera can have."""
    if await _open_at(change, route.area.code, first["hazard"], first["drill"], first["camera_id"]) is None:
        return str(first["camera_id"])
    return f"{NO_PLACE}{uuid.uuid4()}"


async def _open_at(change: Change, area_code: str, hazard: str, drill: bool, place_key: str) -> str | None:
    """The number of the incident that is open at this place."""
    same = {"area_code": area_code, "hazard": hazard, "drill": drill, "place_key": place_key}
    found = await change.conn.execute(
        select(incident_rows.c.number).where(
            *(incident_rows.c[name] == value for name, value in same.items()),
            incident_rows.c.state != State.CLOSED.value,
        )
    )
    number: str | None = found.scalar_one_or_none()
    return number


async def _hand_over(
    change: Change,
    actor: Actor,
    locked: Locked,
    both: tuple[Row, Row],
    moved: list[Row],
    by: By,
    kind: str,
    said: Row,
    key: str | None,
    **more: Any,
) -> Row:
    """The alerts go from the first incident to the second, both are brought up to date, and it is written down."""
    case, into = both
    ids = sorted(member["alert_id"] for member in moved)
    await move_alerts(change, ids, into)
    for member in moved:
        member |= {"incident_id": into["incident_id"], "area_path": into["area_path"]}
    staying = locked.of(case["incident_id"])
    case = await incidents.refresh(change, await _placed(change, locked, case, staying), staying)
    into = await incidents.refresh(change, into, locked.of(into["incident_id"]))
    await follow_places(change, locked.members, locked.routes, (case, into))
    await write_down(change, kind, actor, by, case, into, ids, **said, **more, idempotency_key=key)
    detail = {**said, "from": case["number"], "into": into["number"], "alerts": len(ids)}
    await record(change, actor, f"incident.{kind}", case["incident_id"], detail)
    await record(change, actor, "incident.split_off", into["incident_id"], detail)
    await incidents.keep_time(change, case)
    await service.see_gone(change, case)
    return into


async def _placed(change: Change, locked: Locked, case: Row, staying: list[Row]) -> Row:
    """Shown at the camera of its earliest alert when the one it was shown at has left it; its key stays its own."""
    if is_collective(case["place_key"]) or any(one["camera_id"] == case["camera_id"] for one in staying):
        return case
    trusted = incidents.with_trusted_times(staying)
    first = min(trusted, key=lambda one: (one["trusted_began_at"], one["alert_id"]))
    route = locked.routes[first["alert_id"]]
    values = {"camera_id": first["camera_id"], "camera_name": route.camera_name, "place_class": route.place_class}
    values |= {"longitude": route.longitude, "latitude": route.latitude}
    await incidents.write(change, case, values)
    return case | values


async def _give_back(change: Change, actor: Actor, locked: Locked, case: Row, asked: Split, said: Row) -> str:
    """Undo a merge: the absorbed incident is open again with all that came from it, its number and its task."""
    absorbed = locked.cases[str(asked.absorbed_id)]
    merge = await merge_of(change.conn, absorbed["incident_id"], case["incident_id"])
    if merge is None or absorbed["close_reason"] != CloseReason.MERGED:
        detail = f"incident {absorbed['number']} is not merged into {case['number']}"
        raise MoveRefused(detail, reason="not_merged_here")
    place = [absorbed[name] for name in ("area_code", "hazard", "drill", "place_key")]
    taken_by = await _open_at(change, *place)
    if taken_by is not None:
        raise MoveRefused(f"incident {taken_by} is open at its place", reason="place_taken", number=taken_by)
    moved = [one for one in locked.of(case["incident_id"]) if _came_from(one, merge, absorbed)]
    if not moved:
        raise MoveRefused(f"nothing of incident {absorbed['number']} is here any more", reason="nothing_here")
    _something_stays(locked, case, moved)
    task = await _task_going_back(change, case, merge)
    by = await called(change, actor)
    due_by = await _judgement_due(change, case)
    absorbed, _ = await incidents.transition(
        change, absorbed, MOVES["given_back"], by, params={**said, **_about(case, moved)}, due_by=due_by
    )
    params = {**said, **_about(absorbed, moved)}
    also = {"policy": merge["policy_before"]} if merge["policy_before"] else {}
    also |= given_back(case, absorbed["incident_id"])
    case, _ = await incidents.transition(change, case, MOVES["split"], by, params=params, also=also)
    if task is not None:
        case, absorbed = await _task_back(change, case, absorbed, task, by)
    more = {"task_id": None if task is None else task["task_id"]}
    absorbed = await _hand_over(
        change, actor, locked, (case, absorbed), moved, by, "undo", said, asked.idempotency_key, **more
    )
    await service.dispatch_by_policy(change, await service.see_gone(change, absorbed))
    return str(absorbed["incident_id"])


def _came_from(member: Row, merge: Row, absorbed: Row) -> bool:
    """It came with the merge, or was folded in since at a place that came with it."""
    by_way_of = member["why_folded"].get("about", {}).get("by_way_of")
    return member["alert_id"] in merge["alert_ids"] or by_way_of == absorbed["number"]


async def _task_going_back(change: Change, case: Row, merge: Row) -> Row | None:
    """The task that came with the merge, while somebody is under way for it.

    Where it has been handled meanwhile it stays: it was handled for the whole.

    Raises:
        MoveRefused: it is suspended, or that or a later limit is asked for: all of them belong to the incident that
            it would leave.
    """
    task = await service.live_task(change.conn, case["incident_id"])
    if task is None or task["task_id"] != merge["task_id"] or task["state"] not in UNDER_WAY:
        return None
    if is_alive(case):
        detail = f"the task of incident {case['number']} is suspended, or that is asked for: decide or resume it first"
        raise MoveRefused(detail, reason="suspended")
    if is_asked(case):
        detail = f"a later limit is asked for of the task of incident {case['number']}: decide that first"
        raise MoveRefused(detail, reason="later_limit_asked")
    return task


async def _task_back(change: Change, case: Row, absorbed: Row, task: Row, by: By) -> tuple[Row, Row]:
    """The task goes back with its clocks; what is left waits to be judged."""
    absorbed = await bring_task(change, task, case, absorbed, by)
    params = {"task_id": task["task_id"], "number": absorbed["number"]}
    also = {"sent_when_gone": False}  # whoever was sent has gone with the task
    case, _ = await incidents.transition(change, case, MOVES["task_leaves"], by, params=params, also=also)
    return case, absorbed
