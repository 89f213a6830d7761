"""A task waits for a while, because two people say so: one asks with a reason and a date, another one agrees.

The worker asks, or a supervisor for the worker; a supervisor decides, never who has asked and never whose task it is.
Until then every limit runs on. While it is suspended the clocks of the task wait; they go on with what they had left at
the date, or when the worker or a desk resumes it sooner. Fire and severity 1 wait for nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from xueliang_central.audit import chain
from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.dispatch import service
from xueliang_central.dispatch.helping import desks_above
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import CLOCK, POLICY, By, Change
from xueliang_central.incidents.moments import span_text
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.regrouping import is_urgent
from xueliang_central.incidents.states import MOVES, UNDER_WAY, Move
from xueliang_central.incidents.suspended import PAUSED, Standing, ended, is_alive, standing_of
from xueliang_central.incidents.views import at_text
from xueliang_central.notices import outbox
from xueliang_central.people import presence, rosters
from xueliang_central.rights.scope import Actor, Role, may_see

Row = dict[str, Any]

SUPERVISORS: Final = frozenset({Role.SUPERVISOR, Role.ADMIN})
REASONS: Final = ("weather", "no_access", "owner_away", "equipment", "other_authority", "unsafe", "other")
TAKE_BACK: Final = "take_back_suspension"
TAKE_BACK_BY_DESK: Final = "take_back_by_desk"
WORKERS: Final = frozenset({"ask_suspension", TAKE_BACK, "resume"})
ASKED: Final = "suspension_asked"
TOLD: Final = {
    Standing.SUSPENDED: "suspension_approved",
    Standing.REFUSED: "suspension_refused",
    Standing.LAPSED: "suspension_lapsed",
    Standing.OVER: "task_resumed",
}


@dataclass(frozen=True, slots=True)
class Suspension:
    """What a person asks for, decides or resumes.

    Attributes:
        version: of the task as that person saw it.
        until: of a request.
    """

    version: int
    reason_code: str | None = None
    note: str | None = None
    until: datetime | None = None
    idempotency_key: str | None = None


def suspensions_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """What this actor of a desk could do now about a suspension."""
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]) or incident["state"] not in UNDER_WAY:
        return ()
    standing, is_supervisor = standing_of(incident), actor.role in SUPERVISORS
    if standing is Standing.SUSPENDED:
        return ("resume_by_desk",)
    if standing is Standing.ASKED and _has_asked(actor, incident):
        return (TAKE_BACK_BY_DESK,) if is_supervisor else ()
    if standing is Standing.ASKED:
        return ("suspend", "refuse_suspension") if is_supervisor and not _is_party(actor, incident) else ()
    return ("ask_suspension",) if is_supervisor and not is_urgent(incident) else ()


def without_impossible(moves: tuple[str, ...], incident: Row, actor: Actor) -> tuple[str, ...]:
    """The worker's moves without those that this suspension does not allow now."""
    standing = standing_of(incident)
    not_now = set() if standing is Standing.SUSPENDED else {"resume"}
    if is_alive(incident) or is_urgent(incident):
        not_now.add("ask_suspension")
    if standing is not Standing.ASKED or not _has_asked(actor, incident):
        not_now.add(TAKE_BACK)
    return tuple(name for name in moves if name not in not_now)


def _has_asked(actor: Actor, incident: Row) -> bool:
    return bool(incident["suspension"]["asked_by_id"] == actor.user_id)


def _is_party(actor: Actor, incident: Row) -> bool:
    suspension = incident["suspension"]
    return actor.user_id in {suspension["asked_by_id"], suspension["worker_id"]}


async def ask(change: Change, actor: Actor, incident: Row, task: Row, asked: Suspension, by: By) -> Row:
    """The request of a worker or of a supervisor for that worker; who may is judged by the caller. `task`: written.

    Raises MoveRefused.
    """
    rules = change.rulebook.side_moves
    problem = _problem(incident, asked, change.now, rules.suspension_longest_s)
    if problem is not None:
        raise problem
    until = asked.until
    assert until is not None, "checked above"
    decide_by = min(change.now + timedelta(seconds=rules.decide_s), until)
    suspension = {
        "standing": Standing.ASKED.value,
        "task_id": task["task_id"],
        "worker_id": task["worker_id"],
        "reason_code": asked.reason_code,
        "note": asked.note,
        "until": at_text(until),
        "asked_at": at_text(change.now),
        "asked_by": by.name,
        "asked_by_id": actor.user_id,
        "decide_by": at_text(decide_by),
    }
    told = {name: suspension[name] for name in ("task_id", "reason_code", "note", "until")}
    incident, _ = await incidents.transition(
        change, incident, MOVES["ask_suspension"], by, params=told, also={"suspension": suspension}
    )
    clock = timers.dated_row(incident["incident_id"], ClockKind.DECIDE, decide_by, (), 0.0, change.now)
    await timers.write(change.conn, [clock])
    await _tell_supervisors(change, incident, actor)
    return incident


def _problem(incident: Row, asked: Suspension, now: datetime, longest_s: float) -> MoveRefused | None:
    if is_urgent(incident):
        return MoveRefused("fire and severity 1 are not suspended: hand it on, or ask for help", reason="urgent")
    if is_alive(incident):
        standing = incident["suspension"]["standing"]
        return MoveRefused(f"a suspension is {standing} already", reason="suspended_already")
    if asked.reason_code not in REASONS:
        return MoveRefused(f"reason_code: expected one of {', '.join(REASONS)}", reasons=list(REASONS))
    if not (asked.note or "").strip():
        return MoveRefused("ask_suspension needs a note: what stands in the way, in words")
    if asked.until is None:
        return MoveRefused("ask_suspension needs until: when the task goes on")
    if not now < asked.until <= now + timedelta(seconds=longest_s):
        detail = f"until: expected a moment within {span_text(longest_s)} from now, got {asked.until.isoformat()}"
        return MoveRefused(detail, reason="until")
    return None


async def work_on(change: Change, actor: Actor, incident: Row, task: Row, move: str, asked: Suspension, by: By) -> Row:
    """The worker's own moves of WORKERS; the task was written by the caller. Raises MoveRefused."""
    if move == "ask_suspension":
        return await ask(change, actor, incident, task, asked, by)
    if move == TAKE_BACK:
        return await _take_back(change, actor, incident, MOVES[move], by, asked.note)
    return await _resume(change, incident, MOVES["resume"], by, asked.note)


async def ask_for_worker(change: Change, actor: Actor, task_id: str, asked: Suspension) -> str:
    """A supervisor asks in the place of the worker; another one decides. Returns the incident it is about.

    Raises:
        NotFound: no such task, or out of scope.
        Conflict: the task has changed since the actor saw it.
        MoveRefused: it is not under way, or something is missing.
    """
    incident, task = await _locked(change, actor, task_id, SUPERVISORS)
    if await seen_before(change, actor, asked.idempotency_key, task_id, "ask_suspension"):
        return str(incident["incident_id"])
    _check(incident, task, "ask_suspension", asked)
    by = await _called(change, actor)
    task = await service.write_task(change, task, {})
    await ask(change, actor, incident, task, asked, by)
    await _record(change, actor, "ask_suspension", task, incident, asked)
    return str(incident["incident_id"])


async def decide(change: Change, actor: Actor, task_id: str, asked: Suspension, *, approve: bool) -> str:
    """Another person than who asked agrees, or not. Returns the incident it is about. Raises as `ask_for_worker`."""
    incident, task = await _locked(change, actor, task_id, SUPERVISORS)
    name = "suspend" if approve else "refuse_suspension"
    if await seen_before(change, actor, asked.idempotency_key, task_id, name):
        return str(incident["incident_id"])
    _check(incident, task, name, asked)
    if standing_of(incident) is not Standing.ASKED:
        raise MoveRefused("no suspension is asked for", state=task["state"])
    if _is_party(actor, incident):
        raise MoveRefused("another person than the one who asked, or whose task it is, decides", reason="second_person")
    suspension = incident["suspension"]
    until = datetime.fromisoformat(suspension["until"])
    if approve and is_urgent(incident):
        raise MoveRefused("fire and severity 1 are not suspended", reason="urgent")
    if approve and until <= change.now:
        raise MoveRefused(f"until: {suspension['until']} has passed while it waited", reason="until")
    standing = Standing.SUSPENDED if approve else Standing.REFUSED
    by = await _called(change, actor)
    decided = {
        **suspension,
        "standing": standing.value,
        "decided_at": at_text(change.now),
        "decided_by": by.name,
        "decision_note": asked.note,
    }
    told = {"task_id": task_id, "reason_code": suspension["reason_code"], "until": suspension["until"]}
    params = {**told, "asked_by": suspension["asked_by"]} | ({"note": asked.note} if asked.note else {})
    task = await service.write_task(change, task, {})
    incident, _ = await incidents.transition(change, incident, MOVES[name], by, params=params, also=_with(decided))
    if approve:
        incident_id = incident["incident_id"]
        await timers.pause(change.conn, incident_id, PAUSED, change.now)
        await timers.write(change.conn, [timers.dated_row(incident_id, ClockKind.RESUME, until, (), 0.0, change.now)])
    await _tell(change, incident, task)
    await _record(change, actor, name, task, incident, asked)
    return str(incident["incident_id"])


async def take_back_by_desk(change: Change, actor: Actor, task_id: str, asked: Suspension) -> str:
    """Who has asked in the place of the worker asks no more. Returns the incident it is about. Raises as
    `ask_for_worker`."""
    incident, task = await _locked(change, actor, task_id, SUPERVISORS)
    if await seen_before(change, actor, asked.idempotency_key, task_id, TAKE_BACK_BY_DESK):
        return str(incident["incident_id"])
    _check(incident, task, TAKE_BACK_BY_DESK, asked)
    by = await _called(change, actor)
    task = await service.write_task(change, task, {})
    incident = await _take_back(change, actor, incident, MOVES[TAKE_BACK_BY_DESK], by, asked.note)
    await _record(change, actor, TAKE_BACK_BY_DESK, task, incident, asked)
    return str(incident["incident_id"])


async def _take_back(change: Change, actor: Actor, incident: Row, move: Move, by: By, note: str | None) -> Row:
    if standing_of(incident) is not Standing.ASKED:
        raise MoveRefused("no suspension is asked for", state=incident["state"])
    if not _has_asked(actor, incident):
        raise MoveRefused("only who has asked takes a request back", reason="not_the_asker")
    over = ended(incident["suspension"], move.name, by.name, change.now, Standing.TAKEN_BACK)
    params = {"task_id": over["task_id"]} | ({"note": note} if note else {})
    incident, _ = await incidents.transition(change, incident, move, by, params=params, also=_with(over))
    return incident


async def resume_by_desk(change: Change, actor: Actor, task_id: str, asked: Suspension) -> str:
    """A desk of the place lets it go on now. Returns the incident it is about. Raises as `ask_for_worker`."""
    incident, task = await _locked(change, actor, task_id, JUDGES)
    if await seen_before(change, actor, asked.idempotency_key, task_id, "resume_by_desk"):
        return str(incident["incident_id"])
    _check(incident, task, "resume_by_desk", asked)
    by = await _called(change, actor)
    task = await service.write_task(change, task, {})
    incident = await _resume(change, incident, MOVES["resume_by_desk"], by, asked.note)
    await _tell(change, incident, task)
    await _record(change, actor, "resume_by_desk", task, incident, asked)
    return str(incident["incident_id"])


async def _resume(change: Change, incident: Row, move: Move, by: By, note: str | None = None) -> Row:
    if standing_of(incident) is not Standing.SUSPENDED:
        raise MoveRefused("the task is not suspended", state=incident["state"])
    over = ended(incident["suspension"], move.name, by.name, change.now)
    params = {"task_id": over["task_id"]} | ({"note": note} if note else {})
    incident, _ = await incidents.transition(change, incident, move, by, params=params, also=_with(over))
    return incident


async def clock_fired(change: Change, clock: Row, incident: Row) -> None:
    """Its date has come, or nobody has decided in time; in the transaction of the firing."""
    task = await service.live_task(change.conn, incident["incident_id"])
    if task is None or not is_alive(incident):
        return
    await service.write_task(change, task, {})
    if clock["kind"] == ClockKind.RESUME:
        incident = await _resume(change, incident, MOVES["resume_by_system"], CLOCK)
    else:
        lapsed = ended(incident["suspension"], "lapse_suspension", CLOCK.name, change.now, Standing.LAPSED)
        params = {"task_id": task["task_id"], "until": lapsed["until"]}
        move = MOVES["lapse_suspension"]
        incident, _ = await incidents.transition(change, incident, move, CLOCK, params=params, also=_with(lapsed))
    await _tell(change, incident, await service.load_task(change.conn, task["task_id"]))


async def give_way(change: Change, incident: Row) -> Row:
    """What has become urgent while it is suspended goes on at once. The incident after it."""
    if standing_of(incident) is not Standing.SUSPENDED or incident["gone"] or not is_urgent(incident):
        return incident
    task = await service.live_task(change.conn, incident["incident_id"])
    incident = await _resume(change, incident, MOVES["resume_by_system"], POLICY, "severity 1")
    if task is not None:
        await _tell(change, incident, await service.write_task(change, task, {}))
    return incident


async def _locked(change: Change, actor: Actor, task_id: str, roles: frozenset[Role]) -> tuple[Row, Row]:
    """The incident, locked, and its task. Raises NotFound."""
    task = await service.load_task(change.conn, task_id)
    if actor.role not in roles or not may_see(actor, task["area_path"]):
        raise NotFound("task")
    incident = await incidents.load(change.conn, task["incident_id"], lock=True)
    return incident, await service.load_task(change.conn, task_id)  # again: it may have changed meanwhile


def _check(incident: Row, task: Row, name: str, asked: Suspension) -> None:
    if task["version"] != asked.version:
        raise Conflict("the task has changed meanwhile", version=task["version"], state=task["state"])
    if task["state"] not in UNDER_WAY or incident["state"] not in UNDER_WAY:
        raise MoveRefused(f"{name} is not possible while {task['state']}", state=task["state"])
    if MOVES[name].needs_note and not (asked.note or "").strip():
        raise MoveRefused(f"{name} needs a note")


def _with(suspension: Row) -> Row:
    return {"suspension": suspension}


async def _called(change: Change, actor: Actor) -> By:
    return By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)


async def _tell_supervisors(change: Change, incident: Row, asker: Actor) -> None:
    """A notice to those who may decide: of the first level upward that has one on duty, else that has one at all."""
    above = desks_above(change, incident)
    duty = await presence.desks_of(change.conn, [area.code for area in above], change.now)
    parties = {asker.user_id, incident["suspension"]["worker_id"]}
    for people in (duty.present, (*duty.silent, *duty.off)):
        for area in above:
            may = [one for one in people if one.area_code == area.code and one.role == Role.SUPERVISOR.value]
            user_ids = [one.user_id for one in may if one.user_id not in parties]
            if user_ids:
                await _put(change, incident, ASKED, user_ids, area.path)
                return


async def _tell(change: Change, incident: Row, task: Row) -> None:
    """The worker, and who has asked in that one's place, hear what has become of it."""
    suspension = incident["suspension"]
    kind = TOLD[Standing(suspension["standing"])]
    user_ids = {one for one in (task["worker_id"], suspension["asked_by_id"]) if one is not None}
    await _put(change, incident, kind, sorted(user_ids), task["area_path"])


async def _put(change: Change, incident: Row, kind: str, user_ids: list[str], area_path: str) -> None:
    suspension = incident["suspension"]
    said = {name: incident[name] for name in ("incident_id", "number", "hazard", "drill")}
    told = {name: suspension[name] for name in ("task_id", "reason_code", "until", "asked_at")}
    await outbox.put(
        change.conn,
        key=f"{kind}:{suspension['task_id']}:{suspension['asked_at']}",
        kind=kind,
        user_ids=user_ids,
        area_path=area_path,
        params={**said, **told},
        severity=incident["severity"],
        now=change.now,
    )


async def _record(change: Change, actor: Actor, name: str, task: Row, incident: Row, asked: Suspension) -> None:
    suspension = incident["suspension"] or {}
    await chain.record(
        change.conn,
        actor=actor.name,
        action=f"task.{name}",
        object_kind="task",
        object_id=task["task_id"],
        detail={"incident_id": incident["incident_id"], "until": suspension.get("until")}
        | ({"note": asked.note} if asked.note else {}),
        at=change.now,
    )
