"""What a worker or a supervisor asks for and another person decides: the one machine of suspensions and later limits.

Who asks does not decide, and neither does whose task it is. Nothing follows from a request; nobody decides in time, and
it lapses. Who has asked may take it back. One request of a task waits at a time, of either kind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xueliang_central.audit import chain
from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.dispatch import service
from xueliang_central.dispatch.helping import desks_above
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import CLOCK, By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.regrouping import is_urgent
from xueliang_central.incidents.requested import Standing, ended, standing_in, waiting_in
from xueliang_central.incidents.states import MOVES, UNDER_WAY, Move, State
from xueliang_central.incidents.views import at_text
from xueliang_central.notices import outbox
from xueliang_central.people import presence, rosters
from xueliang_central.rights.scope import Actor, Role, may_see

Row = dict[str, Any]

SUPERVISORS: Final = frozenset({Role.SUPERVISOR, Role.ADMIN})
REASONS: Final = ("weather", "no_access", "owner_away", "equipment", "other_authority", "unsafe", "other")
_TOLD: Final = ("task_id", "reason_code", "until")


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for, decides, takes back or resumes.

    Attributes:
        version: of the task as that person saw it.
        until: of a request.
        voices: voice notes of a request, which say what the note would.
    """

    version: int
    reason_code: str | None = None
    note: str | None = None
    until: datetime | None = None
    idempotency_key: str | None = None
    voices: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the things that are asked so.

    Attributes:
        column: of the incident, which holds the last one.
        what: as a refusal calls it.
        ask, agree, refuse, take_back, take_back_by_desk, lapse: its moves.
        agreed: how it stands when the second person has agreed.
        asked: the notice to those who may decide.
        told: the notice of what has become of it, by how it stands.
        also_told: of the record, beside what every kind says in timeline and notices.
    """

    column: str
    what: str
    ask: str
    agree: str
    refuse: str
    take_back: str
    take_back_by_desk: str
    lapse: str
    agreed: Standing
    asked: str
    told: Mapping[Standing, str]
    also_told: tuple[str, ...] = ()

    def of(self, incident: Row) -> Row:
        """The last one of an incident that has one."""
        record: Row = incident[self.column]
        return record

    def is_asked(self, incident: Row) -> bool:
        return standing_in(incident, self.column) is Standing.ASKED

    def with_(self, record: Row) -> Row:
        return {self.column: record}


Agree = Callable[[Change, Row, Row], Awaitable[None]]
"""What follows from an approval: the change, the incident after it, the record. Raises MoveRefused: not any more."""


def decisions_for(kind: Kind, actor: Actor, incident: Row) -> tuple[str, ...]:
    """What this person of a desk could do about a request of this kind that waits."""
    if actor.role not in SUPERVISORS:
        return ()
    if has_asked(kind, actor, incident):
        return (kind.take_back_by_desk,)
    return () if _is_party(kind, actor, incident) else (kind.agree, kind.refuse)


def may_decide(actor: Actor, incident: Row) -> bool:
    """Of a desk that sees a case that is under way."""
    sees = actor.role in JUDGES and may_see(actor, incident["area_path"])
    return sees and State(incident["state"]) in UNDER_WAY


def has_asked(kind: Kind, actor: Actor, incident: Row) -> bool:
    return bool(kind.of(incident)["asked_by_id"] == actor.user_id)


def _is_party(kind: Kind, actor: Actor, incident: Row) -> bool:
    record = kind.of(incident)
    return actor.user_id in {record["asked_by_id"], record["worker_id"]}


def what_is_missing(kind: Kind, incident: Row, asked: Request) -> MoveRefused | None:
    """Why this cannot be asked for now, as far as it is the same of every kind. None: it can."""
    if is_urgent(incident):
        detail = f"no {kind.what} of fire and severity 1: hand it on, or ask for help"
        return MoveRefused(detail, reason="urgent")
    waiting = waiting_in(incident)
    if waiting is not None:
        what = waiting.replace("_", " ")
        return MoveRefused(f"a {what} is asked already: decide that, or take it back", reason="asked_already")
    if asked.reason_code not in REASONS:
        return MoveRefused(f"reason_code: expected one of {', '.join(REASONS)}", reasons=list(REASONS))
    if not ((asked.note or "").strip() or asked.voices):
        return MoveRefused(f"{kind.ask} needs a note or a voice note: what stands in the way")
    if asked.until is None:
        return MoveRefused(f"{kind.ask} needs until: the moment that is asked for")
    return None


async def ask(
    change: Change,
    kind: Kind,
    actor: Actor,
    incident: Row,
    task: Row,
    asked: Request,
    by: By,
    decide_by: datetime,
    more: Mapping[str, Any] | None = None,
) -> Row:
    """Write what is asked, which the caller has judged, and tell those who may decide. `task`: written; `more`: of the
    record of this kind."""
    record = {
        "standing": Standing.ASKED.value,
        "task_id": task["task_id"],
        "worker_id": task["worker_id"],
        "reason_code": asked.reason_code,
        "note": asked.note,
        "until": at_text(asked.until),
        "asked_at": at_text(change.now),
        "asked_by": by.name,
        "asked_by_id": actor.user_id,
        "decide_by": at_text(decide_by),
        **(more or {}),
    }
    if asked.voices:
        record["voices"] = list(asked.voices)
    params = {name: record[name] for name in (*_TOLD, *kind.also_told, "note", "voices") if record.get(name)}
    incident, _ = await incidents.transition(
        change, incident, MOVES[kind.ask], by, params=params, also=kind.with_(record)
    )
    clock = timers.dated_row(incident["incident_id"], ClockKind.DECIDE, decide_by, (), 0.0, change.now)
    await timers.write(change.conn, [clock])
    await _tell_supervisors(change, kind, incident, actor)
    return incident


async def decide(change: Change, kind: Kind, actor: Actor, task_id: str, asked: Request, agree: Agree | None) -> str:
    """Another person than who asked agrees, or does not (`agree` is None). Returns the incident it is about.

    Raises:
        NotFound: no such task, or out of scope.
        Conflict: the task has changed since the actor saw it.
        MoveRefused: nothing is asked for, this person has asked or has the task, or it is not possible any more.
    """
    incident, task = await locked(change, actor, task_id, SUPERVISORS)
    name = kind.refuse if agree is None else kind.agree
    if await seen_before(change, actor, asked.idempotency_key, task_id, name):
        return str(incident["incident_id"])
    check(incident, task, name, asked)
    if not kind.is_asked(incident):
        raise MoveRefused(f"no {kind.what} is asked for", reason="not_asked", state=task["state"])
    if _is_party(kind, actor, incident):
        raise MoveRefused("another person than the one who asked, or whose task it is, decides", reason="second_person")
    record = kind.of(incident)
    if agree is not None and is_urgent(incident):
        raise MoveRefused(f"no {kind.what} of fire and severity 1", reason="urgent")
    if agree is not None and datetime.fromisoformat(record["until"]) <= change.now:
        raise MoveRefused(f"until: {record['until']} has passed while it waited", reason="until")
    standing = Standing.REFUSED if agree is None else kind.agreed
    by = await called(change, actor)
    decided = {
        **record,
        "standing": standing.value,
        "decided_at": at_text(change.now),
        "decided_by": by.name,
        "decision_note": asked.note,
    }
    params = {one: record[one] for one in (*_TOLD, *kind.also_told, "asked_by")} | (
        {"note": asked.note} if asked.note else {}
    )
    task = await service.write_task(change, task, {})
    incident, _ = await incidents.transition(change, incident, MOVES[name], by, params=params, also=kind.with_(decided))
    if agree is not None:
        await agree(change, incident, decided)
    await tell(change, kind, incident, task)
    await record_act(change, kind, actor, name, task, incident, asked)
    return str(incident["incident_id"])


async def take_back_by_desk(change: Change, kind: Kind, actor: Actor, task_id: str, asked: Request) -> str:
    """Who has asked in the place of the worker asks no more. Returns the incident it is about. Raises as `decide`."""
    incident, task = await locked(change, actor, task_id, SUPERVISORS)
    name = kind.take_back_by_desk
    if await seen_before(change, actor, asked.idempotency_key, task_id, name):
        return str(incident["incident_id"])
    check(incident, task, name, asked)
    by = await called(change, actor)
    task = await service.write_task(change, task, {})
    incident = await take_back(change, kind, actor, incident, MOVES[name], by, asked.note)
    await record_act(change, kind, actor, name, task, incident, asked)
    return str(incident["incident_id"])


async def take_back(
    change: Change, kind: Kind, actor: Actor, incident: Row, move: Move, by: By, note: str | None
) -> Row:
    """Raises MoveRefused."""
    if not kind.is_asked(incident):
        raise MoveRefused(f"no {kind.what} is asked for", reason="not_asked", state=incident["state"])
    if not has_asked(kind, actor, incident):
        raise MoveRefused("only who has asked takes a request back", reason="not_the_asker")
    over = ended(kind.of(incident), move.name, by.name, change.now, Standing.TAKEN_BACK)
    params = {"task_id": over["task_id"]} | ({"note": note} if note else {})
    incident, _ = await incidents.transition(change, incident, move, by, params=params, also=kind.with_(over))
    return incident


async def lapse(change: Change, kinds: Sequence[Kind], incident: Row) -> None:
    """Nobody has decided in time what waits; in the transaction of the firing."""
    kind = next((one for one in kinds if one.is_asked(incident)), None)
    task = None if kind is None else await service.live_task(change.conn, incident["incident_id"])
    if kind is None or task is None:
        return
    await service.write_task(change, task, {})
    lapsed = ended(kind.of(incident), kind.lapse, CLOCK.name, change.now, Standing.LAPSED)
    params = {"task_id": task["task_id"], "until": lapsed["until"]}
    move = MOVES[kind.lapse]
    incident, _ = await incidents.transition(change, incident, move, CLOCK, params=params, also=kind.with_(lapsed))
    await tell(change, kind, incident, await service.load_task(change.conn, task["task_id"]))


async def locked(change: Change, actor: Actor, task_id: str, roles: frozenset[Role]) -> tuple[Row, Row]:
    """The incident, locked, and its task. Raises NotFound."""
    task = await service.load_task(change.conn, task_id)
    if actor.role not in roles or not may_see(actor, task["area_path"]):
        raise NotFound("task")
    incident = await incidents.load(change.conn, task["incident_id"], lock=True)
    return incident, await service.load_task(change.conn, task_id)  # again: it may have changed meanwhile


def check(incident: Row, task: Row, name: str, asked: Request) -> None:
    """Raises Conflict, MoveRefused."""
    if task["version"] != asked.version:
        raise Conflict("the task has changed meanwhile", version=task["version"], state=task["state"])
    if task["state"] not in MOVES[name].sources or incident["state"] not in MOVES[name].sources:
        raise MoveRefused(f"{name} is not possible while {task['state']}", state=task["state"])
    if MOVES[name].needs_note and not (asked.note or "").strip():
        raise MoveRefused(f"{name} needs a note")


async def called(change: Change, actor: Actor) -> By:
    return By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)


async def _tell_supervisors(change: Change, kind: Kind, incident: Row, asker: Actor) -> None:
    """A notice to those who may decide: of the first level upward that has one on duty, else that has one at all."""
    above = desks_above(change, incident)
    duty = await presence.desks_of(change.conn, [area.code for area in above], change.now)
    parties = {asker.user_id, kind.of(incident)["worker_id"]}
    for people in (duty.present, (*duty.silent, *duty.off)):
        for area in above:
            may = [one for one in people if one.area_code == area.code and one.role == Role.SUPERVISOR.value]
            user_ids = [one.user_id for one in may if one.user_id not in parties]
            if user_ids:
                await _put(change, kind, incident, kind.asked, user_ids, area.path)
                return


async def tell(change: Change, kind: Kind, incident: Row, task: Row) -> None:
    """The worker, and who has asked in that one's place, hear what has become of it."""
    record = kind.of(incident)
    user_ids = {one for one in (task["worker_id"], record["asked_by_id"]) if one is not None}
    await _put(change, kind, incident, kind.told[Standing(record["standing"])], sorted(user_ids), task["area_path"])


async def _put(change: Change, kind: Kind, incident: Row, notice: str, user_ids: list[str], area_path: str) -> None:
    record = kind.of(incident)
    said = {name: incident[name] for name in ("incident_id", "number", "hazard", "drill")}
    told = {name: record[name] for name in (*_TOLD, *kind.also_told, "asked_at")}
    await outbox.put(
        change.conn,
        key=f"{notice}:{record['task_id']}:{record['asked_at']}",
        kind=notice,
        user_ids=user_ids,
        area_path=area_path,
        params={**said, **told},
        severity=incident["severity"],
        now=change.now,
    )


async def record_act(
    change: Change, kind: Kind, actor: Actor, name: str, task: Row, incident: Row, asked: Request
) -> None:
    record = incident[kind.column] or {}
    await chain.record(
        change.conn,
        actor=actor.name,
        action=f"task.{name}",
        object_kind="task",
        object_id=task["task_id"],
        detail={"incident_id": incident["incident_id"], "until": record.get("until")}
        | ({"note": asked.note} if asked.note else {}),
        at=change.now,
    )
