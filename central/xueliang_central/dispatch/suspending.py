"""A task waits for a while, because two people say so: one asks with a reason and a date, another one agrees.

The worker asks, or a supervisor for the worker; a supervisor decides, never who has asked and never whose task it is
(`requesting.py`). Until then every limit runs on. While it is suspended the clocks of the task wait; they go on with
what they had left at the date, or when the worker or a desk resumes it sooner. Fire and severity 1 wait for nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.dispatch import requesting, service
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.requesting import SUPERVISORS, Kind, Request
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import CLOCK, POLICY, By, Change
from xueliang_central.incidents.moments import span_text
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.regrouping import is_urgent
from xueliang_central.incidents.requested import SUSPENSION, Standing, ended, waiting_in
from xueliang_central.incidents.states import MOVES, Move
from xueliang_central.incidents.suspended import PAUSED, is_alive, standing_of
from xueliang_central.rights.scope import Actor

Row = dict[str, Any]

TAKE_BACK: Final = "take_back_suspension"
WORKERS: Final = frozenset({"ask_suspension", TAKE_BACK, "resume"})
KIND: Final = Kind(
    column=SUSPENSION,
    what="suspension",
    ask="ask_suspension",
    agree="suspend",
    refuse="refuse_suspension",
    take_back=TAKE_BACK,
    take_back_by_desk="take_back_by_desk",
    lapse="lapse_suspension",
    agreed=Standing.SUSPENDED,
    asked="suspension_asked",
    told={
        Standing.SUSPENDED: "suspension_approved",
        Standing.REFUSED: "suspension_refused",
        Standing.LAPSED: "suspension_lapsed",
        Standing.OVER: "task_resumed",
    },
)


def suspensions_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """What this actor of a desk could do now about a suspension."""
    if not requesting.may_decide(actor, incident):
        return ()
    standing = standing_of(incident)
    if standing is Standing.SUSPENDED:
        return ("resume_by_desk",)
    if standing is Standing.ASKED:
        return requesting.decisions_for(KIND, actor, incident)
    can_be_asked = actor.role in SUPERVISORS and not is_urgent(incident) and waiting_in(incident) is None
    return ("ask_suspension",) if can_be_asked else ()


def without_impossible(moves: tuple[str, ...], incident: Row, actor: Actor) -> tuple[str, ...]:
    """The worker's moves without those that this suspension does not allow now."""
    standing = standing_of(incident)
    not_now = set() if standing is Standing.SUSPENDED else {"resume"}
    if is_alive(incident) or is_urgent(incident) or waiting_in(incident) is not None:
        not_now.add("ask_suspension")
    if standing is not Standing.ASKED or not requesting.has_asked(KIND, actor, incident):
        not_now.add(TAKE_BACK)
    return tuple(name for name in moves if name not in not_now)


async def ask(change: Change, actor: Actor, incident: Row, task: Row, asked: Request, by: By) -> Row:
    """The request of a worker or of a supervisor for that worker; who may is judged by the caller. `task`: written.

    Raises MoveRefused.
    """
    rules = change.rulebook.side_moves
    problem = _problem(incident, asked, change.now, rules.suspension_longest_s)
    if problem is not None:
        raise problem
    assert asked.until is not None, "checked above"
    decide_by = min(change.now + timedelta(seconds=rules.decide_s), asked.until)
    return await requesting.ask(change, KIND, actor, incident, task, asked, by, decide_by)


def _problem(incident: Row, asked: Request, now: datetime, longest_s: float) -> MoveRefused | None:
    if standing_of(incident) is Standing.SUSPENDED:
        return MoveRefused("a suspension is suspended already", reason="suspended_already")
    problem = requesting.what_is_missing(KIND, incident, asked)
    if problem is None and not (asked.until and now < asked.until <= now + timedelta(seconds=longest_s)):
        got = asked.until.isoformat() if asked.until else "nothing"
        detail = f"until: expected a moment within {span_text(longest_s)} from now, got {got}"
        return MoveRefused(detail, reason="until")
    return problem


async def work_on(change: Change, actor: Actor, incident: Row, task: Row, move: str, asked: Request, by: By) -> Row:
    """The worker's own moves of WORKERS; the task was written by the caller. Raises MoveRefused."""
    if move == "ask_suspension":
        return await ask(change, actor, incident, task, asked, by)
    if move == TAKE_BACK:
        return await requesting.take_back(change, KIND, actor, incident, MOVES[move], by, asked.note)
    return await _resume(change, incident, MOVES["resume"], by, asked.note)


async def ask_for_worker(change: Change, actor: Actor, task_id: str, asked: Request) -> str:
    """A supervisor asks in the place of the worker; another one decides. Returns the incident it is about.

    Raises:
        NotFound: no such task, or out of scope.
        Conflict: the task has changed since the actor saw it.
        MoveRefused: it is not under way, or something is missing.
    """
    incident, task = await requesting.locked(change, actor, task_id, SUPERVISORS)
    if await seen_before(change, actor, asked.idempotency_key, task_id, "ask_suspension"):
        return str(incident["incident_id"])
    requesting.check(incident, task, "ask_suspension", asked)
    by = await requesting.called(change, actor)
    task = await service.write_task(change, task, {})
    incident = await ask(change, actor, incident, task, asked, by)
    await requesting.record_act(change, KIND, actor, "ask_suspension", task, incident, asked)
    return str(incident["incident_id"])


async def decide(change: Change, actor: Actor, task_id: str, asked: Request, *, approve: bool) -> str:
    """As `requesting.decide`."""
    return await requesting.decide(change, KIND, actor, task_id, asked, _suspend if approve else None)


async def _suspend(change: Change, incident: Row, decided: Row) -> None:
    """Its clocks wait until the date."""
    incident_id, until = incident["incident_id"], datetime.fromisoformat(decided["until"])
    await timers.pause(change.conn, incident_id, PAUSED, change.now)
    await timers.write(change.conn, [timers.dated_row(incident_id, ClockKind.RESUME, until, (), 0.0, change.now)])


async def take_back_by_desk(change: Change, actor: Actor, task_id: str, asked: Request) -> str:
    """As `requesting.take_back_by_desk`."""
    return await requesting.take_back_by_desk(change, KIND, actor, task_id, asked)


async def resume_by_desk(change: Change, actor: Actor, task_id: str, asked: Request) -> str:
    """A desk of the place lets it go on now. Returns the incident it is about. Raises as `ask_for_worker`."""
    incident, task = await requesting.locked(change, actor, task_id, JUDGES)
    if await seen_before(change, actor, asked.idempotency_key, task_id, "resume_by_desk"):
        return str(incident["incident_id"])
    requesting.check(incident, task, "resume_by_desk", asked)
    by = await requesting.called(change, actor)
    task = await service.write_task(change, task, {})
    incident = await _resume(change, incident, MOVES["resume_by_desk"], by, asked.note)
    await requesting.tell(change, KIND, incident, task)
    await requesting.record_act(change, KIND, actor, "resume_by_desk", task, incident, asked)
    return str(incident["incident_id"])


async def _resume(change: Change, incident: Row, move: Move, by: By, note: str | None = None) -> Row:
    if standing_of(incident) is not Standing.SUSPENDED:
        raise MoveRefused("the task is not suspended", state=incident["state"])
    over = ended(KIND.of(incident), move.name, by.name, change.now)
    params = {"task_id": over["task_id"]} | ({"note": note} if note else {})
    incident, _ = await incidents.transition(change, incident, move, by, params=params, also=KIND.with_(over))
    return incident


async def date_come(change: Change, incident: Row) -> None:
    """A suspended task goes on at its date; in the transaction of the firing."""
    task = await service.live_task(change.conn, incident["incident_id"])
    if task is None or standing_of(incident) is not Standing.SUSPENDED:
        return
    await service.write_task(change, task, {})
    incident = await _resume(change, incident, MOVES["resume_by_system"], CLOCK)
    await requesting.tell(change, KIND, incident, await service.load_task(change.conn, task["task_id"]))


async def give_way(change: Change, incident: Row) -> Row:
    """What has become urgent while it is suspended goes on at once. The incident after it."""
    if standing_of(incident) is not Standing.SUSPENDED or incident["gone"] or not is_urgent(incident):
        return incident
    task = await service.live_task(change.conn, incident["incident_id"])
    incident = await _resume(change, incident, MOVES["resume_by_system"], POLICY, "severity 1")
    if task is not None:
        await requesting.tell(change, KIND, incident, await service.write_task(change, task, {}))
    return incident
