"""The worker's side of a task: take, arrive, handled, refuse, return; check-in and a call for help on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from xueliang_central.areas.tree import code_of_path
from xueliang_central.audit import chain
from xueliang_central.clocks import timers
from xueliang_central.dispatch import helping, later_limits, messaging, service, suspending
from xueliang_central.dispatch.checking_in import COARSE_M, Fix, checked_in, replaces, told_of
from xueliang_central.dispatch.requesting import Request
from xueliang_central.dispatch.tables import task_photos, task_voices
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.evidence.pictures import PictureKind
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.folding import distance_m
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.states import MOVES, TASK_MOVES, TaskState, allowed_task_moves
from xueliang_central.incidents.views import at_text
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, Role, may_see

Row = dict[str, Any]

MAX_PHOTOS: Final = 12
MAX_VOICES: Final = 3
NOTHING_HERE: Final = "nothing_here"  # handled: the worker stood there and saw no hazard
_TOLD_LATE_AFTER: Final = timedelta(seconds=60)  # sooner is a slow link, and the centre's own time says it well enough
_TELLS_WHERE: Final = frozenset({"check_in", "help"})
_SAYS: Final = frozenset({"message"})
_ASIDE: Final = frozenset({"check_in"}) | _SAYS  # what others decide on the task stays as they saw it
_REQUESTS: Final = suspending.WORKERS | later_limits.WORKERS
_UNTIL: Final = ("ask_suspension", later_limits.ASK)
_DESKS: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class TaskMove:
    """What a person asks for.

    Attributes:
        version: of the task as that person saw it.
        photos_before: those of `photos` taken before anything was done.
        voices: voice notes, uploaded before; one says what a note would.
        acted_at: when it was done, by the phone's clock: a phone without a connection tells later.
        near: (longitude, latitude) of the phone then, degrees, WGS84.
        fix: a position that the worker told on purpose.
        until: of ask_suspension, when the task goes on; of ask_later_limit, the limit that is asked for.
    """

    move: str
    version: int
    note: str | None = None
    photos: Sequence[str] = ()
    reason_code: str | None = None
    idempotency_key: str | None = None
    photos_before: Sequence[str] = ()
    acted_at: datetime | None = None
    near: tuple[float, float] | None = None
    fix: Fix | None = None
    voices: Sequence[str] = ()
    until: datetime | None = None

    @property
    def has_words(self) -> bool:
        """Something is said: written or spoken."""
        return bool((self.note or "").strip() or self.voices)


def may_work(actor: Actor, task: Row) -> bool:
    """The worker who was asked; while nobody has taken it, others of the same area; unassigned: the desk above too."""
    if task["worker_id"] == actor.user_id:
        return True
    waiting = task["state"] == TaskState.OFFERED
    if waiting and task["area_code"] == code_of_path(actor.area_path):
        return actor.role in _DESKS or actor.role is Role.WORKER
    return task["worker_id"] is None and waiting and actor.role in _DESKS and may_see(actor, task["area_path"])


def may_see_task(actor: Actor, task: Row) -> bool:
    """A worker sees what is or was asked of that worker; everyone else what lies in scope."""
    if actor.role is Role.WORKER:
        return may_work(actor, task)
    return may_see(actor, task["area_path"]) or may_work(actor, task)


def _was_faster(actor: Actor, task: Row, asked: TaskMove) -> bool:
    """Somebody else has taken what this worker's area was asked too, and this one still sees it as it was before."""
    was_asked = actor.role is Role.WORKER and task["area_code"] == code_of_path(actor.area_path)
    return was_asked and asked.move == "take" and task["taken_at"] is not None and asked.version < task["version"]


def moves_of(actor: Actor, task: Row, incident: Row | None = None) -> tuple[str, ...]:
    """The moves this actor could make now; with the incident, also as what is asked or agreed of it allows."""
    moves = allowed_task_moves(TaskState(task["state"])) if may_work(actor, task) else ()
    if incident is None:
        return moves
    return later_limits.without_impossible(suspending.without_impossible(moves, incident, actor), incident, actor)


async def move_task(change: Change, actor: Actor, task_id: str, asked: TaskMove) -> datetime | None:
    """Make one move of a task, with all it means for the incident.

    Returns:
        When it was done, as far as the phone's clock can be believed; None: it had been made before.

    Raises:
        NotFound: no such task, or not one this actor may see.
        Conflict: the task has changed since the actor saw it; `taken_by` names who has taken it.
        MoveRefused: not possible now, or something is missing.
    """
    task = await service.load_task(change.conn, task_id)
    if not may_see_task(actor, task) and not _was_faster(actor, task, asked):
        raise NotFound("task")
    incident = await incidents.load(change.conn, task["incident_id"], lock=True)
    task = await service.load_task(change.conn, task_id)  # again: it may have changed while waiting for the lock
    if await seen_before(change, actor, asked.idempotency_key, task_id, asked.move):
        return None
    _check(actor, task, asked)
    done_at = _done_at(asked, task, change.now)
    if (same := _repeated(task, asked, incident, done_at, change.now)) is not None:
        await service.write_task(change, task, same, is_aside=True)
        return done_at
    if asked.move == "help":
        await helping.must_not_flood(change.conn, task, change.now)
    if asked.move == "message":
        await messaging.must_not_flood(change.conn, task["incident_id"], change.now)
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    task = await _write(change, actor, task, asked, incident)
    if asked.move in _REQUESTS:
        about = Request(asked.version, asked.reason_code, asked.note, asked.until, voices=asked.voices)
        work_on = suspending.work_on if asked.move in suspending.WORKERS else later_limits.work_on
        incident = await work_on(change, actor, incident, task, asked.move, about, by)
    else:
        incident = await _move_incident(change, incident, task, asked, by)
    if asked.move == "help":
        await helping.tell_desk(change, incident, task)
    if asked.move == "handled":
        await service.see_gone(change, incident)
    await chain.record(
        change.conn,
        actor=actor.name,
        action=f"task.{asked.move}",
        object_kind="task",
        object_id=task_id,
        detail={"incident_id": incident["incident_id"], "reason_code": asked.reason_code, "photos": len(asked.photos)}
        | ({"voices": len(asked.voices)} if asked.voices else {}),
        at=change.now,
    )
    return done_at


def _check(actor: Actor, task: Row, asked: TaskMove) -> None:
    if asked.move not in TASK_MOVES:
        raise MoveRefused(f"no such move: {asked.move[:24]}", moves=list(TASK_MOVES))
    if task["version"] != asked.version:
        raise _changed(actor, task)
    state = TaskState(task["state"])
    if state not in TASK_MOVES[asked.move][0]:
        possible = list(allowed_task_moves(state))
        raise MoveRefused(f"{asked.move} is not possible while {state.value}", state=state.value, moves=possible)
    if not may_work(actor, task):
        raise MoveRefused("this task is asked of somebody else", state=state.value, moves=[])
    if asked.move == "handled" and not (asked.photos or asked.has_words):
        raise MoveRefused("handled needs a photo, a note or a voice note")
    if asked.reason_code == NOTHING_HERE and not asked.photos:
        raise MoveRefused("nothing here needs a photo of the place")
    if not set(asked.photos_before) <= set(asked.photos):
        raise MoveRefused("photos_before names a photo that is not among photos")
    if asked.move == "check_in" and asked.fix is None:
        raise MoveRefused("check_in needs a fix: longitude, latitude, accuracy_m, age_s")
    if asked.fix is not None and asked.move not in _TELLS_WHERE:
        raise MoveRefused(f"a fix is told by {' and '.join(sorted(_TELLS_WHERE))} only, not by {asked.move}")
    if asked.photos and asked.move in _TELLS_WHERE | _SAYS | _REQUESTS:
        raise MoveRefused(f"{asked.move} takes no photos")
    if asked.until is not None and asked.move not in _UNTIL:
        raise MoveRefused(f"until is said by {' and '.join(_UNTIL)} only, not by {asked.move}")
    if len(asked.photos) > MAX_PHOTOS:
        raise MoveRefused(f"at most {MAX_PHOTOS} photos")
    if len(asked.voices) > MAX_VOICES:
        raise MoveRefused(f"at most {MAX_VOICES} voice notes")
    if MOVES[asked.move].needs_note and not (asked.reason_code or asked.has_words):
        raise MoveRefused(f"{asked.move} needs a reason_code, a note or a voice note")


def _changed(actor: Actor, task: Row) -> Conflict:
    taken_by = task["worker_name"] if task["taken_at"] is not None else None
    is_anothers = taken_by is not None and task["worker_id"] != actor.user_id
    detail = f"{taken_by} has taken this task" if is_anothers else "the task has changed meanwhile"
    return Conflict(detail, version=task["version"], state=task["state"], taken_by=taken_by)


def _repeated(task: Row, asked: TaskMove, incident: Row, done_at: datetime, now: datetime) -> Row | None:
    """What changes on the task when the same was told just now; None: it is something new, with a record of its own."""
    if asked.voices:
        return None
    if asked.move == "help" and helping.asks_again(task, asked.reason_code, asked.note):
        return {"help": helping.again(task, asked.fix, incident, now)}
    if asked.move == "check_in" and asked.fix is not None and not asked.note and replaces(task["checked_in"], done_at):
        return {"checked_in": checked_in(asked.fix, incident, done_at)}
    return None


async def _write(change: Change, actor: Actor, task: Row, asked: TaskMove, incident: Row) -> Row:
    after = TASK_MOVES[asked.move][1]
    values: Row = {} if after is None else {"state": after.value}
    if asked.note and after is not None:
        values["note"] = asked.note
    if asked.reason_code and after is not None:
        values["reason_code"] = asked.reason_code
    match asked.move:
        case "check_in" if asked.fix is not None:
            values["checked_in"] = checked_in(asked.fix, incident, _done_at(asked, task, change.now))
        case "help":
            values["help"] = helping.call_of(asked.reason_code, asked.note, asked.fix, incident, change.now)
        case "message":
            values["version"] = task[
                "version"
            ]  # nothing of the task changes, and still it must be the one that was seen
        case "take":
            values |= {"taken_at": change.now, "worker_id": actor.user_id}
            if task["worker_id"] != actor.user_id:
                values["worker_name"] = await rosters.display_name_of(change.conn, actor.user_id) or actor.name
        case "arrive":
            values["arrived_at"] = change.now
        case "handled":
            values["handled_at"] = change.now
        case "refuse" | "return":
            values |= {"ended_at": change.now, "worker_id": actor.user_id}
    if asked.photos:
        await _add_photos(change, actor, task, asked.photos)
    if asked.voices:
        await _add_voices(change, actor, task, asked)
    return await service.write_task(change, task, values, is_aside=asked.move in _ASIDE)


async def _missing(change: Change, kind: PictureKind, names: Sequence[str]) -> list[str]:
    found = await change.conn.execute(
        select(pictures.c.sha256).where(pictures.c.sha256.in_(list(names)), pictures.c.kind == kind)
    )
    return sorted(set(names) - set(found.scalars()))


async def _add_voices(change: Change, actor: Actor, task: Row, asked: TaskMove) -> None:
    missing = await _missing(change, PictureKind.VOICE, asked.voices)
    if missing:
        raise MoveRefused("upload the voice notes first", missing=missing)
    incident = await incidents.load(change.conn, task["incident_id"])
    dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
    rows = [
        {
            "task_id": task["task_id"],
            "sha256": sha256,
            "area_path": incident["area_path"],
            "move": asked.move,
            "added_by": actor.user_id,
            "added_at": change.now,
        }
        for sha256 in dict.fromkeys(asked.voices)
    ]
    await change.conn.execute(dialect.insert(task_voices).on_conflict_do_nothing(), rows)


async def _add_photos(change: Change, actor: Actor, task: Row, photos: Sequence[str]) -> None:
    missing = await _missing(change, PictureKind.PHOTO, photos)
    if missing:
        raise MoveRefused("upload the photos first", missing=missing)
    incident = await incidents.load(change.conn, task["incident_id"])
    dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
    rows = [
        {
            "task_id": task["task_id"],
            "sha256": sha256,
            "area_path": incident["area_path"],
            "added_by": actor.user_id,
            "added_at": change.now,
        }
        for sha256 in dict.fromkeys(photos)
    ]
    await change.conn.execute(dialect.insert(task_photos).on_conflict_do_nothing(), rows)


async def _move_incident(change: Change, incident: Row, task: Row, asked: TaskMove, by: By) -> Row:
    params: Row = {"task_id": task["task_id"]}
    if asked.note:
        params["note"] = asked.note
    if asked.reason_code:
        params["reason_code"] = asked.reason_code
    if asked.photos:
        params["photos"] = list(asked.photos)
    if asked.photos_before:
        params["photos_before"] = list(asked.photos_before)
    if asked.voices:
        params["voices"] = list(asked.voices)
    params |= _as_told(asked, incident, task, change.now)
    also: Row = {}
    if asked.move == "message":
        params["from"] = "worker"
        also["messages"] = messaging.of_worker(incident, asked.note, asked.voices, by, change.now)
    incident, due = await incidents.transition(change, incident, MOVES[asked.move], by, params=params, also=also)
    if asked.move in {"refuse", "return"}:
        not_these = await service.refused_by(change.conn, incident["incident_id"])
        up = service.asked_after(change, task)
        due = {**await timers.running(change.conn, incident["incident_id"]), **due}
        await service.offer(change, incident, up, due, by, not_these=not_these)
    return incident


def _as_told(asked: TaskMove, incident: Row, task: Row, now: datetime) -> Row:
    """What the phone says of when and where, for the timeline. It moves no clock, and the position itself is not kept.

    A time before the task was offered, or ahead of ours, is a wrong clock and says nothing.
    """
    told: Row = {}
    if _done_at(asked, task, now) <= now - _TOLD_LATE_AFTER:
        told["acted_at"] = at_text(asked.acted_at)
    if asked.fix is not None:
        told |= told_of(asked.fix, incident)
    elif asked.near is not None and incident["longitude"] is not None and incident["latitude"] is not None:
        apart_m = distance_m(*asked.near, incident["longitude"], incident["latitude"])
        told["distance_m"] = round(apart_m / COARSE_M) * COARSE_M
    return told


def _done_at(asked: TaskMove, task: Row, now: datetime) -> datetime:
    """When it was done, as far as the phone's clock can be believed; else now."""
    at = asked.acted_at
    return at if at is not None and task["offered_at"] <= at <= now else now
