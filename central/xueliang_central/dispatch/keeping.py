"""A hazard that cannot be removed at once: kept open with a plan, followed up, extended by two people, written off.

While it is kept open nobody is sent and no limit of the policy runs; its deadline does. What its place's cameras raise
goes on being folded into it. It leaves the list with evidence only: a photo, or the camera that saw all of it gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import LEVEL_OF_LENGTH, higher
from xueliang_central.audit import chain
from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.dispatch import service
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.shedding import NEVER_HELD_HAZARDS, is_collective
from xueliang_central.incidents.states import MOVES, CloseReason, State, Who, allowed_keepings
from xueliang_central.incidents.views import at_text
from xueliang_central.kept_open.planning import OVERDUE_EVERY_S, Plan, problem_of_deadline, remind_at, told_when_overdue
from xueliang_central.kept_open.tables import hazard_photos, hazard_plans
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, Role, may_see

Row = dict[str, Any]

MAX_PHOTOS: Final = 12
_SUPERVISORS: Final = frozenset({Role.SUPERVISOR, Role.ADMIN})
_DECISIONS: Final = frozenset({"extend", "refuse_extension"})


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a person asks for.

    Attributes:
        version: of the incident as that person saw it.
        plan: of keep_open and replan.
        deadline: of keep_open and ask_extension.
        photos: of follow_up and write_off, uploaded before by the same person.
    """

    move: str
    version: int
    note: str | None = None
    plan: Plan | None = None
    deadline: datetime | None = None
    photos: Sequence[str] = ()
    idempotency_key: str | None = None


def keepings_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """What this actor could do now to keep it open, or with what is kept open."""
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        return ()
    if incident["hazard"] in NEVER_HELD_HAZARDS or is_collective(incident["place_key"]):
        return ()  # what burns is put out; and a collective incident is many places
    who = {Who.OPERATOR, Who.SUPERVISOR} if actor.role in _SUPERVISORS else {Who.OPERATOR}
    return allowed_keepings(State(incident["state"]), frozenset(who))


async def keepings_now(conn: AsyncConnection, actor: Actor, incident: Row) -> tuple[str, ...]:
    """As `keepings_for`, less a decision where nothing is asked for, or about the actor's own wish."""
    possible = keepings_for(actor, incident)
    if not _DECISIONS & set(possible):
        return possible
    plan = await plan_of(conn, incident["incident_id"])
    if plan is not None and plan["asked_deadline"] is not None and plan["asked_by_id"] != actor.user_id:
        return possible
    return tuple(one for one in possible if one not in _DECISIONS)


async def plan_of(conn: AsyncConnection, incident_id: str) -> Row | None:
    """The plan of a hazard that is or was kept open."""
    found = await conn.execute(select(hazard_plans).where(hazard_plans.c.incident_id == incident_id))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


async def keep(change: Change, actor: Actor, incident_id: str, asked: Keeping) -> None:
    """Make one move of a hazard that is kept open, or keep it open.

    Raises:
        NotFound: no such incident, or out of scope.
        Conflict: it has changed since the actor saw it.
        MoveRefused: not possible now, not by this person, or something is missing.
    """
    incident = await incidents.load(change.conn, incident_id, lock=True)
    if not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if await seen_before(change, actor, asked.idempotency_key, incident_id, asked.move):
        return
    _check(actor, incident, asked)
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    plan = await plan_of(change.conn, incident_id)
    said = await _act(change, actor, incident, plan, asked, by)
    await chain.record(
        change.conn,
        actor=actor.name,
        action=f"incident.{asked.move}",
        object_kind="incident",
        object_id=incident_id,
        detail=said | ({"note": asked.note} if asked.note else {}),
        at=change.now,
    )


def _check(actor: Actor, incident: Row, asked: Keeping) -> None:
    possible = keepings_for(actor, incident)
    move = MOVES.get(asked.move)
    if move is None or not move.keeps:
        raise MoveRefused(f"no such move: {asked.move[:24]}", moves=list(possible))
    if incident["version"] != asked.version:
        raise Conflict("the incident has changed meanwhile", version=incident["version"], state=incident["state"])
    if asked.move not in possible:
        detail = f"{asked.move} is not possible here while {incident['state']}"
        raise MoveRefused(detail, state=incident["state"], moves=list(possible))
    if move.needs_note and not (asked.note or "").strip():
        raise MoveRefused(f"{asked.move} needs a note")
    if asked.photos and asked.move not in {"follow_up", "write_off"}:
        raise MoveRefused("photos belong to follow_up and write_off")
    if len(asked.photos) > MAX_PHOTOS:
        raise MoveRefused(f"at most {MAX_PHOTOS} photos")


async def _act(change: Change, actor: Actor, incident: Row, plan: Row | None, asked: Keeping, by: By) -> Row:
    """The move itself; what the register of acts is told of it."""
    if asked.move == "keep_open":
        return await _keep_open(change, incident, asked, by)
    if plan is None:
        raise MoveRefused("this incident has no plan")
    match asked.move:
        case "replan":
            return await _replan(change, incident, plan, asked, by)
        case "ask_extension":
            return await _ask(change, actor, incident, plan, asked, by)
        case "extend" | "refuse_extension":
            return await _decide(change, actor, incident, plan, asked, by)
        case _:
            return await _with_photos(change, actor, incident, asked, by)


async def _keep_open(change: Change, incident: Row, asked: Keeping, by: By) -> Row:
    plan = _whole(incident, asked.plan)
    if asked.deadline is None:
        raise MoveRefused("keep_open needs a deadline")
    problem = problem_of_deadline(change.now, asked.deadline)
    if problem is not None:
        raise MoveRefused(problem)
    owner = higher(incident["owner_level"], plan.level).value
    said = {"level": plan.level, "deadline": at_text(asked.deadline)}
    move = MOVES["keep_open"]
    params = {**asdict(plan), **said, "note": asked.note}
    incident, _ = await incidents.transition(change, incident, move, by, params=params, also={"owner_level": owner})
    await service.withdraw(change, incident, by, "kept_open")
    row = {
        **asdict(plan),
        "incident_id": incident["incident_id"],
        "deadline": asked.deadline,
        "first_deadline": asked.deadline,
        "extensions": 0,
        "kept_at": change.now,
        "kept_by": by.name,
    }
    await change.conn.execute(delete(hazard_plans).where(hazard_plans.c.incident_id == incident["incident_id"]))
    await change.conn.execute(insert(hazard_plans), row)
    await _start_clocks(change, incident, plan.level, asked.deadline)
    return said


def _whole(incident: Row, plan: Plan | None) -> Plan:
    """The plan, when it says everything. Raises MoveRefused."""
    if plan is None:
        raise MoveRefused("a plan is needed: level, holder, holder_unit, measures, funds, plan")
    missing = plan.missing()
    if missing:
        raise MoveRefused(f"the plan leaves empty: {', '.join(missing)}", missing=list(missing))
    levels = _levels(incident)
    if plan.level not in levels:
        raise MoveRefused(f"level: expected one of {', '.join(levels)}, got {plan.level[:16]!r}")
    return plan


def _levels(incident: Row) -> tuple[str, ...]:
    """The levels of the incident's area, the root's first; also of one that an import has taken away."""
    return tuple(LEVEL_OF_LENGTH[len(code)].value for code in incident["area_path"].split("/"))


async def _start_clocks(change: Change, incident: Row, level: str, deadline: datetime) -> None:
    incident_id, levels = incident["incident_id"], _levels(incident)
    upward = told_when_overdue(level, levels)
    rows = [
        timers.dated_row(
            incident_id, ClockKind.REMIND, remind_at(change.now, deadline), (level,), OVERDUE_EVERY_S, change.now
        ),
        timers.dated_row(incident_id, ClockKind.DEADLINE, deadline, upward, OVERDUE_EVERY_S, change.now),
    ]
    await timers.write(change.conn, rows)


async def _replan(change: Change, incident: Row, before: Row, asked: Keeping, by: By) -> Row:
    """Handed over, or worked otherwise; the deadline and whom it tells stay."""
    plan = _whole(incident, asked.plan)
    if plan.level != before["level"]:
        raise MoveRefused(f"level: stays {before['level']} while the deadline runs; extend it to change that")
    changed = {name: value for name, value in asdict(plan).items() if before[name] != value}
    if not changed:
        raise MoveRefused("the plan says the same as before")
    await _set(change, incident, changed)
    params = {**changed, "note": asked.note}
    await incidents.transition(change, incident, MOVES["replan"], by, params=params)
    return {"what": sorted(changed)}


async def _ask(change: Change, actor: Actor, incident: Row, plan: Row, asked: Keeping, by: By) -> Row:
    if asked.deadline is None:
        raise MoveRefused("ask_extension needs the deadline that is wanted")
    problem = problem_of_deadline(change.now, asked.deadline, plan["deadline"])
    if problem is not None:
        raise MoveRefused(problem)
    wanted = {"asked_deadline": asked.deadline, "asked_by_id": actor.user_id, "asked_by": by.name}
    await _set(change, incident, {**wanted, "asked_why": asked.note})
    said = {"deadline": at_text(asked.deadline)}
    await incidents.transition(change, incident, MOVES["ask_extension"], by, params={**said, "note": asked.note})
    return said


async def _decide(change: Change, actor: Actor, incident: Row, plan: Row, asked: Keeping, by: By) -> Row:
    """Another person than the one who asked says yes or no to the longer deadline."""
    wanted: datetime | None = plan["asked_deadline"]
    if wanted is None:
        raise MoveRefused("no extension is asked for")
    if plan["asked_by_id"] == actor.user_id:
        raise MoveRefused("another person than the one who asked decides an extension")
    settled: Row = dict.fromkeys(("asked_deadline", "asked_by_id", "asked_by", "asked_why"))
    said = {"deadline": at_text(wanted), "asked_by": plan["asked_by"]}
    if asked.move == "extend":
        problem = problem_of_deadline(change.now, wanted, plan["deadline"])
        if problem is not None:  # it has passed while it waited
            raise MoveRefused(problem)
        settled |= {"deadline": wanted, "extensions": plan["extensions"] + 1}
    await _set(change, incident, settled)
    note = {"note": asked.note} if asked.note else {}
    await incidents.transition(change, incident, MOVES[asked.move], by, params={**said, **note})
    if asked.move == "extend":
        await _start_clocks(change, incident, plan["level"], wanted)
    return said


async def _with_photos(change: Change, actor: Actor, incident: Row, asked: Keeping, by: By) -> Row:
    """follow_up and write_off."""
    photos = list(dict.fromkeys(asked.photos))
    if asked.move == "write_off" and not photos and not incident["gone"]:
        raise MoveRefused("write_off needs evidence: a photo of the place, or the camera seeing all of it gone")
    await _add_photos(change, actor, incident, asked.move, photos, by)
    said: Row = {"photos": len(photos)}
    if asked.move == "write_off":
        said |= {"evidence": "photo" if photos else "camera", "close_reason": CloseReason.CHECKED_BY_HAND.value}
    params = {**said, "photos": photos, "note": asked.note}
    await incidents.transition(change, incident, MOVES[asked.move], by, params=params)
    return said


async def _add_photos(change: Change, actor: Actor, incident: Row, move: str, photos: Sequence[str], by: By) -> None:
    if not photos:
        return
    own = (pictures.c.sha256.in_(photos), pictures.c.kind == "photo", pictures.c.received_from == actor.user_id)
    is_here = (hazard_photos.c.sha256.in_(photos), hazard_photos.c.incident_id == incident["incident_id"])
    shown = set((await change.conn.execute(select(hazard_photos.c.sha256).where(*is_here))).scalars())
    found = shown | set((await change.conn.execute(select(pictures.c.sha256).where(*own))).scalars())
    missing = sorted(set(photos) - found)
    if missing:
        raise MoveRefused("upload the photos first", missing=missing)
    about = {"incident_id": incident["incident_id"], "area_path": incident["area_path"], "move": move}
    rows = [{**about, "sha256": one, "added_at": change.now, "added_by": by.name} for one in photos if one not in shown]
    if rows:  # who showed one first, and with which move, stays
        await change.conn.execute(insert(hazard_photos), rows)


async def _set(change: Change, incident: Row, values: Row) -> None:
    where = hazard_plans.c.incident_id == incident["incident_id"]
    await change.conn.execute(update(hazard_plans).where(where).values(**values))


async def plan_view(conn: AsyncConnection, incident_id: str) -> Row | None:
    """The plan as the case shows it, with its photos; None: it was never kept open."""
    plan = await plan_of(conn, incident_id)
    if plan is None:
        return None
    query = select(hazard_photos).where(hazard_photos.c.incident_id == incident_id)
    found = await conn.execute(query.order_by(hazard_photos.c.added_at, hazard_photos.c.sha256))
    times = ("deadline", "first_deadline", "kept_at")
    plain = ("level", "holder", "holder_unit", "measures", "funds", "plan", "extensions", "kept_by")
    asked = None
    if plan["asked_deadline"] is not None:
        asked = {"deadline": at_text(plan["asked_deadline"]), "by": plan["asked_by"], "why": plan["asked_why"]}
    return {
        **{name: plan[name] for name in plain},
        **{name: at_text(plan[name]) for name in times},
        "extension_asked": asked,
        "photos": [
            {"sha256": row["sha256"], "move": row["move"], "at": at_text(row["added_at"]), "by": row["added_by"]}
            for row in found.mappings()
        ],
    }
