"""An operator says that two incidents are one: everything of the second goes into the first, and that one goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xueliang_central.areas.tree import Area, AreaTree, Level
from xueliang_central.clocks.limits import Limits
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
from xueliang_central.dispatch.rising import rise, send_risen
from xueliang_central.dispatch.unit_replies import break_through
from xueliang_central.errors import MoveRefused, NotAllowed
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.raised import taken_over
from xueliang_central.incidents.regrouped import follow_places, move_alerts, write_down
from xueliang_central.incidents.regrouping import Kept, Refusal, kept_task, why_not_merge
from xueliang_central.incidents.shedding import is_collective
from xueliang_central.incidents.states import MOVES, State, allowed_regroupings
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Merge:
    """What a person asks for. Both versions: of the incidents as that person saw them.

    Attributes:
        keep_task_id: the live task that goes on, where both incidents have one.
    """

    other_id: str
    version: int
    other_version: int
    reason_code: str | None = None
    note: str | None = None
    keep_task_id: str | None = None
    idempotency_key: str | None = None


def regroupings_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """What this actor could do now of merge and split."""
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        return ()
    possible = allowed_regroupings(State(incident["state"]))
    if is_collective(incident["place_key"]):
        possible = tuple(name for name in possible if name != "merge")
    return tuple(name for name in possible if name != "split" or incident["alert_count"] > 1)


def county_of(tree: AreaTree, area_code: str) -> Area:
    """The county that an area lies in; above counties, the area itself."""
    return tree.ancestor_at(area_code, Level.COUNTY) or tree.get(area_code)


def why_not(tree: AreaTree, into: Row, other: Row) -> Refusal | None:
    """As `why_not_merge`; an area that an import has taken away is the county of nobody else."""
    counties = {
        code: county_of(tree, code).code if code in tree else code for code in (into["area_code"], other["area_code"])
    }
    return why_not_merge(into, other, counties)


async def merge_incidents(change: Change, actor: Actor, incident_id: str, asked: Merge) -> None:
    """Merge `other_id` into this incident.

    Raises:
        NotFound: one of them does not exist, or is out of scope.
        Conflict: one of them has changed since the actor saw it.
        MoveRefused: not possible now, or something is missing; `reason` says what.
    """
    if actor.role not in JUDGES:
        raise NotAllowed
    locked = await lock_cases(change, actor, {incident_id, asked.other_id})
    done = await repeated(change, actor, asked.idempotency_key, incident_id, "merge")
    if done is not None:
        if done["from_incident_id"] != asked.other_id:
            raise other_request()
        return
    into, other = locked.cases[incident_id], locked.cases[asked.other_id]
    said = check_reason("merge", asked.reason_code, asked.note)
    check_version(into, asked.version)
    check_version(other, asked.other_version)
    refusal = why_not(change.tree, into, other)
    if refusal is not None:
        raise MoveRefused(refusal.text, reason=refusal.code, state=into["state"])
    kept = await _kept(change, into, other, asked.keep_task_id)
    await _merge(change, actor, locked, (into, other), kept, said, asked.idempotency_key)


async def _kept(change: Change, into: Row, other: Row, named: str | None) -> Kept:
    into_task = await service.live_task(change.conn, into["incident_id"])
    other_task = await service.live_task(change.conn, other["incident_id"])
    kept = kept_task(into_task, other_task, named)
    if isinstance(kept, Refusal):
        live = [task for task in (into_task, other_task) if task is not None]
        shown = [{name: task[name] for name in ("task_id", "incident_id", "state", "worker_name")} for task in live]
        raise MoveRefused(kept.text, reason=kept.code, tasks=shown)
    return kept


async def _merge(
    change: Change, actor: Actor, locked: Locked, both: tuple[Row, Row], kept: Kept, said: Row, key: str | None
) -> None:
    into, other = both
    by = await called(change, actor)
    moved = sorted(member["alert_id"] for member in locked.of(other["incident_id"]))
    about = {**said, "number": other["number"], "other_id": other["incident_id"], "alerts": len(moved)}
    into, _ = await incidents.transition(
        change, into, MOVES["merge"], by, params=about, other_id=other["incident_id"], also=_stricter(into, other)
    )
    into, task_id = await _settle_tasks(change, into, other, kept, by)
    about = {**said, "number": into["number"], "other_id": into["incident_id"], "alerts": len(moved)}
    other, _ = await incidents.transition(change, other, MOVES["merged"], by, params=about)
    await move_alerts(change, moved, into)
    for member in locked.of(other["incident_id"]):
        member |= {"incident_id": into["incident_id"], "area_path": into["area_path"]}
    other = await incidents.refresh(change, other, [])
    into = await incidents.refresh(change, into, locked.members)
    into = await rise(change, both[0], into, limits=Limits.from_json(into["policy"]))  # the rows of the more severe
    await follow_places(change, locked.members, locked.routes, (into, other), merged=other)
    before = both[0]["policy"] if into["policy"] != both[0]["policy"] else None
    more = {"idempotency_key": key, "task_id": task_id, "policy_before": before}
    await write_down(change, "merge", actor, by, other, into, moved, **said, **more)
    detail = {**said, "absorbed": other["number"], "into": into["number"], "alerts": len(moved), "task_id": task_id}
    await record(change, actor, "incident.merge", into["incident_id"], detail)
    await record(change, actor, "incident.merged", other["incident_id"], detail)
    into = await send_risen(change, both[0], into)
    into = await break_through(change, into)  # what came may be of severity 1
    await service.see_gone(change, into)


def _stricter(into: Row, other: Row) -> Row:
    """The limits are those of the more severe of the two, and what a person said of its severity comes along."""
    limits = {"policy": other["policy"]} if other["severity"] < into["severity"] else {}
    return limits | taken_over(into, other)


async def _settle_tasks(change: Change, into: Row, other: Row, kept: Kept, by: By) -> tuple[Row, str | None]:
    """One live task is left, or none. Returns the survivor after it, and the task that came along."""
    if not kept.comes_along:
        await service.withdraw(change, other, by, "merged")
        return into, None
    task = await service.live_task(change.conn, other["incident_id"])
    assert task is not None, "kept_task has seen it under the same lock"
    await service.withdraw(change, into, by, "merged")
    return await bring_task(change, task, other, into, by), task["task_id"]
