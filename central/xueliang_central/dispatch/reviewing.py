"""The review of what ended by itself: the list, how many wait, and what a person says of many at once, each for itself.

Each incident has a transaction of its own: one that has come back meanwhile, or that somebody else has moved, keeps
nobody from the others. What it means for the incident: `incidents/reviewing.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Select, func, select, tuple_

from xueliang_central.audit import chain
from xueliang_central.dispatch.one_by_one import each
from xueliang_central.dispatch.side_moves import asides_for
from xueliang_central.errors import Conflict, MoveRefused
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change, Rulebook
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.reviewing import ANSWERS, ASKS_WHY, WAITING, WINDOW
from xueliang_central.incidents.shedding import may_be_held
from xueliang_central.incidents.states import MOVES, CloseReason
from xueliang_central.incidents.tables import incidents as rows
from xueliang_central.people import rosters
from xueliang_central.reports.periods import Period
from xueliang_central.rights.scope import Actor, in_area, scoped
from xueliang_central.silences import proposals
from xueliang_central.store.database import Database

Record = dict[str, Any]

MOST_COUNTED: Final = 1000  # "1000 or more": nobody looks through more, and the count stays cheap
_KEY_LENGTH: Final = 80  # of a request's key; with an incident's id behind it, it fits `move_keys`


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of those that opened within WINDOW. `area_path`: of this area and below it. `day`: local, on which it
    opened, as reports count it."""

    which: Literal["waiting", "reviewed", "all"] = "waiting"
    area_path: str | None = None
    hazard: str | None = None
    camera_id: str | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says. `cases`: incidents, each with the version that person saw."""

    answer: str
    cases: tuple[tuple[str, int], ...]
    reason_code: str | None = None
    note: str | None = None
    idempotency_key: str | None = None


def page(actor: Actor, wanted: Wanted, before: tuple[datetime, str] | None, limit: int, now: datetime) -> Select[Any]:
    """Rows of `incidents`, the last opened first. `before`: the last one of the page before."""
    query = _of(select(rows), actor, wanted, now)
    if before is not None:
        query = query.where(tuple_(rows.c.opened_at, rows.c.incident_id) < before)
    return query.order_by(rows.c.opened_at.desc(), rows.c.incident_id.desc()).limit(limit)


def waiting(actor: Actor, wanted: Wanted, now: datetime) -> Select[Any]:
    """How many wait to be looked at; MOST_COUNTED: these or more."""
    some = _of(select(rows.c.incident_id), actor, wanted, now).limit(MOST_COUNTED)
    return select(func.count()).select_from(some.subquery())


def _of(query: Select[Any], actor: Actor, wanted: Wanted, now: datetime) -> Select[Any]:
    query = scoped(query, rows.c.area_path, actor).where(rows.c.opened_at > now - WINDOW)
    if wanted.which == "waiting":
        query = query.where(rows.c.review == WAITING)
    elif wanted.which == "reviewed":
        query = query.where(rows.c.review.in_(ANSWERS))
    else:
        query = query.where(rows.c.review.is_not(None))
    if wanted.area_path is not None:
        query = query.where(in_area(rows.c.area_path, wanted.area_path))
    if wanted.hazard is not None:
        query = query.where(rows.c.hazard == wanted.hazard)
    if wanted.camera_id is not None:
        query = query.where(rows.c.camera_id == wanted.camera_id)
    if wanted.day is not None:
        begins, ends = (Period(day, 0).begins_at for day in (wanted.day, wanted.day + timedelta(days=1)))
        query = query.where(rows.c.opened_at >= begins, rows.c.opened_at < ends)
    return query


async def review_each(
    database: Database, rulebook: Rulebook, wall: Callable[[], datetime], actor: Actor, said: Said
) -> list[Record]:
    """One outcome for each case, in the order asked: incident_id, outcome (done, conflict, refused or not_found), and
    unless done: `detail`, with `number`, `state` and `version` as they are now. Conflict: it has come back, or has
    been moved, since it was seen.

    Raises:
        MoveRefused: nothing was said of any: no such answer, an incident is named twice, or the reason is missing.
        NotSignedIn: the account was changed meanwhile; the rest was not reviewed.
    """
    if said.answer not in ANSWERS:
        raise MoveRefused(f"no such answer: {said.answer[:24]}", answers=list(ANSWERS))
    if said.answer in ASKS_WHY and not (said.reason_code or (said.note or "").strip()):
        raise MoveRefused(f"{said.answer} needs a reason_code or a note")

    async def review(change: Change, incident: Record, version: int) -> None:
        await _review(change, actor, incident, said, version)

    return await each(database, rulebook, wall, actor, said.cases, review)


async def _review(change: Change, actor: Actor, incident: Record, said: Said, version: int) -> None:
    """Raises Conflict, MoveRefused."""
    key = None if said.idempotency_key is None else f"{said.idempotency_key[:_KEY_LENGTH]}:{incident['incident_id']}"
    if await seen_before(change, actor, key, incident["incident_id"], "review"):
        return
    if incident["version"] != version:
        raise Conflict("the incident has changed meanwhile", version=incident["version"], state=incident["state"])
    if "review" not in asides_for(actor, incident):
        raise MoveRefused("reviewed is what has ended by itself before anybody judged it", state=incident["state"])
    if len(said.cases) > 1 and not may_be_held(incident["hazard"], incident["severity"], incident["drill"]):
        raise MoveRefused("stands for itself: review it alone", alone=True)
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    told = {name: value for name, value in (("reason_code", said.reason_code), ("note", said.note)) if value}
    params = {"answer": said.answer, **told}
    reviewed = {"review": said.answer}
    incident, _ = await incidents.transition(change, incident, MOVES["review"], by, params=params, also=reviewed)
    if said.answer == CloseReason.PERMITTED:
        await proposals.consider(change, incident)
    await chain.record(
        change.conn,
        actor=actor.name,
        action="incident.review",
        object_kind="incident",
        object_id=incident["incident_id"],
        detail=params,
        at=change.now,
    )
