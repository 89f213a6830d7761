"""A centre above puts a case under supervision (督办): with words and a date that the desks below and the worker see.

At the date the supervising level is told, and after it one level more each day, as of a hazard that is overdue. It ends
by that centre or one above it, in words, or with the case. It moves nothing else: who has the case goes on with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from xueliang_central.areas.tree import LEVEL_OF_LENGTH, Level, code_of_path
from xueliang_central.audit import chain
from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.dispatch import service
from xueliang_central.dispatch.helping import desks_above
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.moments import span_text
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.regrouping import UNDER_WAY
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.incidents.supervised import ended, is_supervised, replies_of
from xueliang_central.incidents.views import at_text
from xueliang_central.kept_open.planning import OVERDUE_EVERY_S, told_when_overdue
from xueliang_central.notices import outbox
from xueliang_central.people import presence, rosters
from xueliang_central.rights.scope import Actor, may_see, within

Row = dict[str, Any]

SUPERVISED: Final = "supervised"
SUPERVISE: Final = "supervise"
END: Final = "end_supervision"
_CENTRES: Final = frozenset({Level.TOWNSHIP, Level.COUNTY, Level.CITY})  # a village has the case, it does not watch it


@dataclass(frozen=True, slots=True)
class Supervision:
    """What a person asks for.

    Attributes:
        version: of the incident as that person saw it.
        note: what is expected; of an end, what was found.
        due: until when; of `supervise`.
    """

    move: str
    version: int
    note: str
    due: datetime | None = None
    idempotency_key: str | None = None


def supervisions_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """What this actor could do now to put it under supervision, or to end that."""
    if actor.role not in JUDGES or not _is_above(actor, incident) or incident["state"] == State.CLOSED:
        return ()
    if not is_supervised(incident):
        return (SUPERVISE,)
    is_theirs = within(incident["supervision"]["area_path"], actor.area_path)
    return (SUPERVISE, END) if is_theirs else ()


def _is_above(actor: Actor, incident: Row) -> bool:
    """The own area, no grant: who is asked to help is no centre above."""
    level = LEVEL_OF_LENGTH.get(len(code_of_path(actor.area_path)))
    is_below = incident["area_path"] != actor.area_path and within(incident["area_path"], actor.area_path)
    return level in _CENTRES and is_below


async def supervise(change: Change, actor: Actor, incident_id: str, asked: Supervision) -> None:
    """Put it under supervision, with another date or words where it is already; or end that.

    Raises:
        NotFound: no such incident, or out of scope.
        Conflict: it has changed since the actor saw it.
        MoveRefused: not by this centre, not possible now, or something is missing.
    """
    incident = await incidents.load(change.conn, incident_id, lock=True)
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if await seen_before(change, actor, asked.idempotency_key, incident_id, asked.move):
        return
    _check(actor, incident, asked, change)
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    if asked.move == SUPERVISE:
        incident = await _begin(change, actor, incident, asked, by)
    else:
        over = ended(incident["supervision"], asked.note, by.name, change.now)
        said = {"level": over["level"], "note": asked.note}
        incident, _ = await incidents.transition(
            change, incident, MOVES[END], by, params=said, also={"supervision": over}
        )
    task = await service.live_task(change.conn, incident_id)
    if task is not None:
        change.touch_task(task["task_id"])  # the phone shows it; what it has done without a signal still counts
    if asked.move == SUPERVISE:
        await _tell(change, actor, incident, task)
    await chain.record(
        change.conn,
        actor=actor.name,
        action=f"incident.{asked.move}",
        object_kind="incident",
        object_id=incident_id,
        detail={"note": asked.note, "due": incident["supervision"]["due"]},
        at=change.now,
    )


def _check(actor: Actor, incident: Row, asked: Supervision, change: Change) -> None:
    if asked.move not in (SUPERVISE, END):
        raise MoveRefused(f"no such move: {asked.move[:24]}", moves=[SUPERVISE, END])
    if incident["version"] != asked.version:
        raise Conflict("the incident has changed meanwhile", version=incident["version"], state=incident["state"])
    if not _is_above(actor, incident):
        raise MoveRefused("only a township, county or city above the place supervises", reason="not_above")
    if incident["state"] == State.CLOSED:
        raise MoveRefused(f"{asked.move} is not possible while closed", state=incident["state"])
    if is_supervised(incident) and not within(incident["supervision"]["area_path"], actor.area_path):
        level = incident["supervision"]["level"]
        raise MoveRefused(f"it is supervised by the {level}: only that level or one above it", reason="level_above")
    if asked.move == END and not is_supervised(incident):
        raise MoveRefused("this incident is not supervised", state=incident["state"])
    if not asked.note.strip():
        raise MoveRefused(f"{asked.move} needs a note")
    longest_s = change.rulebook.side_moves.supervision_longest_s
    latest = change.now + timedelta(seconds=longest_s)
    if asked.move == SUPERVISE and (asked.due is None or not change.now < asked.due <= latest):
        detail = f"due: expected a moment within {span_text(longest_s)} from now, got {asked.due}"
        raise MoveRefused(detail, reason="due")
    if asked.move == END and asked.due is not None:
        raise MoveRefused("due belongs to supervise")


async def _begin(change: Change, actor: Actor, incident: Row, asked: Supervision, by: By) -> Row:
    due = asked.due
    assert due is not None, "checked before"
    code = code_of_path(actor.area_path)
    level = LEVEL_OF_LENGTH[len(code)].value
    area = change.tree.find(code)
    supervision = {
        "area_code": code,
        "area_name": code if area is None else area.name,
        "area_name_en": code if area is None else area.name_en,
        "area_path": actor.area_path,
        "level": level,
        "note": asked.note,
        "due": at_text(due),
        "since": at_text(change.now),
        "by": by.name,
        "by_id": actor.user_id,
        "ended_at": None,
    } | replies_of(incident["supervision"])
    said = {name: supervision[name] for name in ("level", "area_name", "area_name_en", "note", "due")}
    incident, _ = await incidents.transition(
        change, incident, MOVES[SUPERVISE], by, params=said, also={"supervision": supervision}
    )
    levels = tuple(LEVEL_OF_LENGTH[len(one)].value for one in incident["area_path"].split("/"))
    upward = told_when_overdue(level, levels)
    row = timers.dated_row(incident["incident_id"], ClockKind.OVERSEE, due, upward, OVERDUE_EVERY_S, change.now)
    await timers.write(change.conn, [row])
    return incident


async def _tell(change: Change, actor: Actor, incident: Row, task: Row | None) -> None:
    """The desk that has the case, and the worker who is asked or on the way."""
    supervision = incident["supervision"]
    said = {name: incident[name] for name in ("incident_id", "number", "hazard", "drill")}
    said |= {"level": supervision["level"], "due": supervision["due"]}
    key = f"{SUPERVISED}:{incident['incident_id']}:{incident['version']}"
    above = desks_above(change, incident)
    if above:
        duty = await presence.desks_of(change.conn, [area.code for area in above], change.now)
        told = who_is_told(above, duty)
        desk = [one for one in told.user_ids if one != actor.user_id]
        await _put(change, incident, key, desk, told.area.path, said)
    if task is not None and task["worker_id"] is not None and task["state"] in UNDER_WAY:
        said = {**said, "task_id": task["task_id"]}
        await _put(change, incident, f"{key}:worker", [task["worker_id"]], task["area_path"], said)


async def _put(change: Change, incident: Row, key: str, user_ids: list[str], area_path: str, said: Row) -> None:
    await outbox.put(
        change.conn,
        key=key,
        kind=SUPERVISED,
        user_ids=user_ids,
        area_path=area_path,
        params=said,
        severity=incident["severity"],
        now=change.now,
    )
