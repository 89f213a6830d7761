"""The limit of a task that is under way is later, because two people say so: one asks for it, another one agrees.

It is that to arrive: of the limits of whoever has a task no other runs. The worker asks, or a supervisor for the worker
(`requesting.py`); until it is agreed the limit stays where it is, and a request that is not decided by then lapses with
it. How often and how far: `side_moves` of the policy file, counted from the moment that the limit had first.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind, Limits
from xueliang_central.dispatch import requesting, service
from xueliang_central.dispatch.requesting import SUPERVISORS, Kind, Request
from xueliang_central.dispatch.rising import tell_task
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import POLICY, By, Change
from xueliang_central.incidents.later_limit import is_asked, standing_of
from xueliang_central.incidents.moments import at_text, span_text
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.regrouping import is_urgent
from xueliang_central.incidents.requested import LATER_LIMIT, SUSPENSION, Standing, standing_in, waiting_in
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.rights.scope import Actor
from xueliang_configs.side_moves import SideMoves

Row = dict[str, Any]

ASK: Final = "ask_later_limit"
TAKE_BACK: Final = "take_back_later_limit"
WORKERS: Final = frozenset({ASK, TAKE_BACK})
MOVED: Final = ClockKind.ARRIVE
KIND: Final = Kind(
    column=LATER_LIMIT,
    what="later limit",
    ask=ASK,
    agree="move_limit",
    refuse="refuse_later_limit",
    take_back=TAKE_BACK,
    take_back_by_desk="take_back_later_by_desk",
    lapse="lapse_later_limit",
    agreed=Standing.MOVED,
    asked="later_limit_asked",
    told={
        Standing.MOVED: "limit_moved",
        Standing.REFUSED: "later_limit_refused",
        Standing.LAPSED: "later_limit_lapsed",
    },
    also_told=("due_before",),
)


def laters_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """What this actor of a desk could do now about a later limit; whether one still runs is judged when it is made."""
    if not requesting.may_decide(actor, incident) or State(incident["state"]) not in MOVES[ASK].sources:
        return ()
    if is_asked(incident):
        return requesting.decisions_for(KIND, actor, incident)
    return (ASK,) if actor.role in SUPERVISORS and _can_be_asked(incident) else ()


def without_impossible(moves: tuple[str, ...], incident: Row, actor: Actor) -> tuple[str, ...]:
    """The worker's moves without those that are not possible now."""
    not_now = set() if _can_be_asked(incident) else {ASK}
    if not is_asked(incident) or not requesting.has_asked(KIND, actor, incident):
        not_now.add(TAKE_BACK)
    return tuple(name for name in moves if name not in not_now)


def _can_be_asked(incident: Row) -> bool:
    return not (is_urgent(incident) or _is_suspended(incident)) and waiting_in(incident) is None


def _is_suspended(incident: Row) -> bool:
    return standing_in(incident, SUSPENSION) is Standing.SUSPENDED


async def ask(change: Change, actor: Actor, incident: Row, task: Row, asked: Request, by: By) -> Row:
    """The request of a worker or of a supervisor for that worker; who may is judged by the caller. `task`: written.

    Raises MoveRefused.
    """
    rules = change.rulebook.side_moves
    clock = await timers.running_clock(change.conn, incident["incident_id"], MOVED)
    problem = _problem(incident, clock, asked, change.now, rules)
    if problem is not None:
        raise problem
    assert clock is not None, "checked above"
    decide_by = min(change.now + timedelta(seconds=rules.decide_s), clock["due_at"])
    more = {
        "limit": MOVED.value,
        "due_before": at_text(clock["due_at"]),
        "first_due_at": at_text(_first(clock)),
        "times": _times(clock) + 1,
    }
    return await requesting.ask(change, KIND, actor, incident, task, asked, by, decide_by, more)


def _first(clock: Row) -> datetime:
    """When it was due before anybody has moved it."""
    first: datetime = clock["first_due_at"] or clock["due_at"]
    return first


def _times(clock: Row) -> int:
    return int(clock["times_moved"] or 0)


def _problem(incident: Row, clock: Row | None, asked: Request, now: datetime, rules: SideMoves) -> MoveRefused | None:
    if _is_suspended(incident):
        return MoveRefused("the task is suspended, its limit waits: resume it first", reason="suspended")
    problem = requesting.what_is_missing(KIND, incident, asked)
    if problem is not None:
        return problem
    if clock is None:
        return MoveRefused(f"no limit to {MOVED.value} runs: there is none to move", reason="no_limit")
    due_at, first_due_at = clock["due_at"], _first(clock)
    if clock["escalated_steps"] or due_at <= now:
        return MoveRefused(
            f"the limit has passed at {at_text(due_at)}: it is not moved any more", reason="limit_passed"
        )
    most, longest_s = rules.later_limit_most, rules.later_limit_longest_s
    if _times(clock) >= most:
        detail = f"a limit is moved at most {most} times (side_moves.later_limit_most), this one was {_times(clock)}"
        return MoveRefused(detail, reason="moved_often", most=most)
    if not (asked.until and due_at < asked.until <= first_due_at + timedelta(seconds=longest_s)):
        detail = (
            f"until: expected after the limit {at_text(due_at)} and at most {span_text(longest_s)} after its first "
            f"moment {at_text(first_due_at)}, got {at_text(asked.until)}"
        )
        latest = at_text(first_due_at + timedelta(seconds=longest_s))
        return MoveRefused(detail, reason="until", after=at_text(due_at), at_most=latest)
    return None


async def work_on(change: Change, actor: Actor, incident: Row, task: Row, move: str, asked: Request, by: By) -> Row:
    """The worker's own moves of WORKERS; the task was written by the caller. Raises MoveRefused."""
    if move == ASK:
        return await ask(change, actor, incident, task, asked, by)
    return await requesting.take_back(change, KIND, actor, incident, MOVES[move], by, asked.note)


async def ask_for_worker(change: Change, actor: Actor, task_id: str, asked: Request) -> str:
    """A supervisor asks in the place of the worker; another one decides. Returns the incident it is about.

    Raises as `requesting.decide`.
    """
    incident, task = await requesting.locked(change, actor, task_id, SUPERVISORS)
    if await seen_before(change, actor, asked.idempotency_key, task_id, ASK):
        return str(incident["incident_id"])
    requesting.check(incident, task, ASK, asked)
    by = await requesting.called(change, actor)
    task = await service.write_task(change, task, {})
    incident = await ask(change, actor, incident, task, asked, by)
    await requesting.record_act(change, KIND, actor, ASK, task, incident, asked)
    return str(incident["incident_id"])


async def decide(change: Change, actor: Actor, task_id: str, asked: Request, *, approve: bool) -> str:
    """As `requesting.decide`."""
    return await requesting.decide(change, KIND, actor, task_id, asked, _move_limit if approve else None)


async def _move_limit(change: Change, incident: Row, decided: Row) -> None:
    """The running clock and the task say the new moment. Raises MoveRefused."""
    until = datetime.fromisoformat(decided["until"])
    if not await timers.put_off(change.conn, incident["incident_id"], MOVED, until, change.now):
        detail = f"the limit of {decided['due_before']} runs no longer, has passed, or is later than {decided['until']}"
        raise MoveRefused(detail, reason="limit_passed")
    await tell_task(change, incident, {MOVED: until})


async def take_back_by_desk(change: Change, actor: Actor, task_id: str, asked: Request) -> str:
    """As `requesting.take_back_by_desk`."""
    return await requesting.take_back_by_desk(change, KIND, actor, task_id, asked)


async def give_way(change: Change, incident: Row) -> None:
    """What has become urgent goes by the limit of its policy from now on, where that is sooner than what was agreed; a
    request waits no longer than the limit that it is about, which may have become sooner."""
    if is_asked(incident):
        await _wait_no_longer(change, incident)
    if standing_of(incident) is not Standing.MOVED or incident["gone"] or not is_urgent(incident):
        return
    limits = Limits.from_json(incident["policy"]).at(change.now)
    moved = await timers.hasten(change.conn, incident["incident_id"], limits, change.now)
    if moved:
        dates = {kind.value: due_at.isoformat() for kind, due_at in sorted(moved.items())}
        said = {"severity": incident["severity"], "policy_row": limits.row, "due": dates}
        change.note(incident["incident_id"], "limits_by_severity", POLICY, **said)
        await tell_task(change, incident, moved)


async def _wait_no_longer(change: Change, incident: Row) -> None:
    clock = await timers.running_clock(change.conn, incident["incident_id"], MOVED)
    if clock is None:
        return
    if await timers.no_later(change.conn, incident["incident_id"], ClockKind.DECIDE, clock["due_at"]):
        record = KIND.of(incident) | {"decide_by": at_text(clock["due_at"])}
        await incidents.write(change, incident, KIND.with_(record))
