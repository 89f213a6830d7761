"""What a person looks at a case for: to judge it, for a task of the own, or because they look it up.

*judge* is a case of the own queue: it was dealt to this person's seat; or it is open and the own desk owns its judging;
or it is open and is dealt to nobody, so that everybody sees one list; or it has ended by itself and waits to be
reviewed, which is one list too; or this person has moved it within the hour.
Everything else that a desk may see is *lookup*: other desks' cases, and what is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import LEVEL_OF_LENGTH
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.seat_tables import seat_cases, seat_rows
from xueliang_central.incidents.reviewing import is_to_review
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Actor, Role

STILL_AT_HAND: Final = timedelta(hours=1)
VIEWED: Final = "incident.viewed"
_ASKED: Final = ("state", "review", "opened_at", "owner_level", "area_path")


class Purpose(StrEnum):
    JUDGE = "judge"
    TASK = "task"
    LOOKUP = "lookup"


async def purpose_of(conn: AsyncConnection, actor: Actor, incident_id: str | None, now: datetime) -> Purpose:
    """Of a look at this case, or at what belongs to it. None: it belongs to no case."""
    if actor.role is Role.WORKER:
        return Purpose.TASK  # others' tasks are not shown to a worker
    if incident_id is None or actor.role not in JUDGES:
        return Purpose.LOOKUP
    query = (
        select(*(incidents.c[name] for name in _ASKED), seat_rows.c.seat_id)
        .outerjoin(seat_cases, seat_cases.c.incident_id == incidents.c.incident_id)
        .outerjoin(seat_rows, seat_rows.c.row_id == seat_cases.c.row_id)
        .where(incidents.c.incident_id == incident_id)
    )
    case = (await conn.execute(query)).mappings().one_or_none()
    if case is None:
        return Purpose.LOOKUP
    is_own = _is_in_own_queue(actor, dict(case), now) or await _has_moved(conn, actor, incident_id, now)
    return Purpose.JUDGE if is_own else Purpose.LOOKUP


def _is_in_own_queue(actor: Actor, case: dict[str, Any], now: datetime) -> bool:
    if case["seat_id"] == actor.user_id:
        return True
    if case["state"] == State.CLOSED:
        return is_to_review(case, now)
    return case["seat_id"] is None or _owning_desk(case) == actor.area_path.rpartition("/")[2]


def _owning_desk(case: dict[str, Any]) -> str | None:
    """The area at whose level the case is judged."""
    codes = case["area_path"].split("/")
    return next((code for code in codes if LEVEL_OF_LENGTH.get(len(code)) == case["owner_level"]), None)


async def _has_moved(conn: AsyncConnection, actor: Actor, incident_id: str, now: datetime) -> bool:
    """What was just judged is looked at once more: whether it went through, what follows."""
    its = audit_records.c
    query = select(its.position).where(
        its.object_kind == "incident",
        its.object_id == incident_id,
        its.actor == actor.name,
        its.action != VIEWED,
        its.at > now - STILL_AT_HAND,
    )
    return (await conn.execute(query.limit(1))).one_or_none() is not None
