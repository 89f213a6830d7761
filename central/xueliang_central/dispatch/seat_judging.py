"""One's own seat: its rows as they stand, and one judgement of several incidents in a row.

A judgement of a row is one of each incident named, at the version the person saw: each has its own record, timeline and
clocks. All of them are judged, or none.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.clocks import timers
from xueliang_central.dispatch.judging import IncidentMove, move_incident
from xueliang_central.dispatch.seat_board import still_asks
from xueliang_central.dispatch.seat_tables import seat_cases, seat_rows
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.seating import RowKind
from xueliang_central.incidents.shedding import may_be_held
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import area_view, at_text
from xueliang_central.rights.scope import Actor, scoped

Record = dict[str, Any]

TOGETHER: Final = ("confirm", "false_alarm", "permitted")  # moves that several incidents of a row may make at once
_KEY_LENGTH: Final = 80  # of a request's key; with an incident's id behind it, it fits `move_keys`


@dataclass(frozen=True, slots=True)
class RowMove:
    """What a person asks for. `cases`: incidents of the row, each with the version that person saw."""

    move: str
    cases: tuple[tuple[str, int], ...]
    reason_code: str | None = None
    note: str | None = None
    idempotency_key: str | None = None


async def seat_view(conn: AsyncConnection, tree: AreaTree, actor: Actor) -> Record:
    """What is before this person: rows, most severe first, and what waits to be shown with its first limit."""
    cases: dict[str, list[Record]] = {}
    for case in await _cases_of(conn, actor):
        cases.setdefault(case["row_id"], []).append(case)
    due = await timers.running_of(conn, [case["incident_id"] for found in cases.values() for case in found])
    rows = []
    for found in cases.values():
        limits = [at for case in found for at in due[case["incident_id"]].values()]
        rows.append((found, min(limits, default=None)))
    rows.sort(key=lambda one: (min(case["severity"] for case in one[0]), at_text(one[1]) or "~", one[0][0]["row_id"]))
    shown = [_row_view(tree, found, at_text(due_at)) for found, due_at in rows if found[0]["shown_at"] is not None]
    waiting = [(found, due_at) for found, due_at in rows if found[0]["shown_at"] is None]
    first = min((due_at for _, due_at in waiting if due_at is not None), default=None)
    return {
        "rows": shown,
        "waiting": {
            "incidents": sum(len(found) for found, _ in waiting),
            "first_due_at": at_text(first),
            "rows": [_row_view(tree, found, at_text(due_at)) for found, due_at in waiting],
        },
    }


async def judge_row(change: Change, actor: Actor, row_id: str, asked: RowMove) -> None:
    """The same judgement of incidents of one's own row.

    Raises:
        NotFound: no such row before this person, or an incident that is not in it.
        Conflict: one has changed since the actor saw it.
        MoveRefused: not such a move, one cannot make it now, or one has become too severe to be judged with others.
    """
    wanted = dict(asked.cases)
    if asked.move not in TOGETHER:
        raise MoveRefused(f"{asked.move[:24]} is made one by one", moves=list(TOGETHER))
    if len(wanted) != len(asked.cases):
        raise MoveRefused("an incident is named twice")
    known_row = seat_rows.c.row_id == _an_id(row_id)
    rows = select(seat_rows.c.kind).where(known_row, seat_rows.c.seat_id == actor.user_id)
    kind = (await change.conn.execute(rows)).scalar_one_or_none()
    if kind is None:
        raise NotFound("row")
    found = await change.conn.execute(
        select(incidents.c.incident_id, incidents.c.hazard, incidents.c.severity, incidents.c.drill, incidents.c.number)
        .join(seat_cases, seat_cases.c.incident_id == incidents.c.incident_id)
        .where(seat_cases.c.row_id == _an_id(row_id))
    )
    known = {case["incident_id"]: dict(case) for case in found.mappings()}
    for incident_id in wanted:
        if incident_id not in known:
            raise NotFound("incident of this row")
    for incident_id in sorted(wanted):
        case = known[incident_id]
        if kind != RowKind.ALONE and not may_be_held(case["hazard"], case["severity"], case["drill"]):
            raise MoveRefused(f"incident {case['number']} stands for itself: judge it alone", number=case["number"])
        await _judge_one(change, actor, case, wanted[incident_id], asked)


def _an_id(row_id: str) -> str:
    """Raises NotFound for what is none."""
    try:
        return str(uuid.UUID(row_id))
    except ValueError:
        raise NotFound("row") from None


async def _judge_one(change: Change, actor: Actor, case: Record, version: int, asked: RowMove) -> None:
    key = None if asked.idempotency_key is None else f"{asked.idempotency_key[:_KEY_LENGTH]}:{case['incident_id']}"
    move = IncidentMove(asked.move, version, asked.reason_code, asked.note, key)
    try:
        await move_incident(change, actor, case["incident_id"], move)
    except (Conflict, MoveRefused) as error:
        more = error.extra | {"number": case["number"], "incident_id": case["incident_id"]}
        raise type(error)(f"incident {case['number']}: {error.detail}", **more) from error


async def _cases_of(conn: AsyncConnection, actor: Actor) -> Sequence[Record]:
    """Incidents in this person's open rows that ask for something and lie in the own areas."""
    query = (
        select(
            seat_rows,
            seat_cases.c.ask,
            *(incidents.c[name] for name in ("incident_id", "state", "reopened_count", "opened_at", "area_code")),
            incidents.c.severity.label("its_severity"),
        )
        .join(seat_cases, seat_cases.c.row_id == seat_rows.c.row_id)
        .join(incidents, incidents.c.incident_id == seat_cases.c.incident_id)
        .where(seat_rows.c.seat_id == actor.user_id, seat_rows.c.closed_at.is_(None))
        .order_by(incidents.c.opened_at, incidents.c.incident_id)
    )
    found = await conn.execute(scoped(query, incidents.c.area_path, actor))
    cases = [dict(row) | {"severity": row["its_severity"]} for row in found.mappings()]
    return [case for case in cases if still_asks(case, case["ask"])]


def _row_view(tree: AreaTree, cases: Sequence[Record], due_at: str | None) -> Record:
    first = cases[0]
    code = first["area_code"] if first["kind"] == RowKind.ALONE else first["group_key"]
    return {
        "row_id": first["row_id"],
        "kind": first["kind"],
        "hazard": first["hazard"],
        "area": area_view(tree, code),
        "severity": min(case["severity"] for case in cases),
        "began_at": at_text(first["began_at"]),
        "shown_at": at_text(first["shown_at"]),
        "show_by": at_text(first["show_by"]),
        "due_at": due_at,
        "incident_ids": [case["incident_id"] for case in cases],
    }
