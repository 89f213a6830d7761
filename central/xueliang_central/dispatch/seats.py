"""Deals what opens to the seats of the desks that are staffed (the decisions: `incidents.seating`).

The worker asks every second. An incident is dealt once for each thing that it asks: to be judged, to be looked after
since the policy has sent it, to be looked at because a limit of that has passed, to be checked by hand. What a desk has
decided itself is not dealt to it again. What rose because no page told of anybody at a desk comes back to that desk
when it is staffed again, as far as nobody has dealt with it. One transaction deals at a time, so that two workers do
not split a row, and no more than `AT_ONCE`: what is there to do is read by `seat_board`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import CODE_LENGTHS, Area, AreaTree, Level, higher
from xueliang_central.dispatch import seat_board
from xueliang_central.dispatch.seat_board import AT_ONCE, CHECK, JUDGE, LATE, SENT, Board
from xueliang_central.dispatch.seat_tables import seat_cases, seat_rows
from xueliang_central.dispatch.telling import Told
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.seating import Newcomer, Placement, Row, SeatingRule, due, place
from xueliang_central.people import rosters
from xueliang_central.people.duty import Duty
from xueliang_central.store.among import among

Record = dict[str, Any]

SEATING: Final = By("system", "seating")
KEPT: Final = timedelta(days=2)
_LOCK: Final = text("select pg_try_advisory_xact_lock(hashtextextended('seats', 8))")
_PLACED: Final = ("row_id", "ask", "dealt_at", "rose_from")
_JOINED: Final = ("show_by", "severity")


@dataclass(slots=True)
class _Dealt:
    """What is written when all of it is placed: new rows and those that were joined, by id; cases by whether they had
    been dealt before."""

    made: dict[str, Row] = field(default_factory=dict)
    joined: dict[str, Row] = field(default_factory=dict)
    first: list[Record] = field(default_factory=list)
    again: list[Record] = field(default_factory=list)


async def is_any_to_deal(conn: AsyncConnection, tree: AreaTree, rule: SeatingRule | None, now: datetime) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    if rule is None:
        return False
    board = await seat_board.read(conn, tree, rule, now)
    return bool(board.new or board.over or due(board.rows.values(), now, rule, board.lately))


async def deal(change: Change) -> int:
    """Deal what is new, show what has waited long enough, close what is over; returns how much was done, with
    `AT_ONCE` and more there may be more to do."""
    rule = change.rulebook.seating
    if rule is None or not await _is_alone(change.conn):
        return 0
    board = await seat_board.read(change.conn, change.tree, rule, change.now)
    if board.over:
        over = among(change.conn, seat_rows.c.row_id, board.over)
        await change.conn.execute(update(seat_rows).where(over).values(closed_at=change.now))
    known = (*board.duty.present, *board.duty.off, *board.duty.silent)
    names = {person.user_id: person.display_name for person in known}
    dealt = _Dealt()
    for case in board.new:
        await _deal_one(change, board, case, rule, names, dealt)
        await asyncio.sleep(0)  # a desk of a whole city has thousands of rows: the clocks do not wait for all of them
    await _write(change.conn, dealt)
    shown = due(board.rows.values(), change.now, rule, board.lately)[:AT_ONCE]
    await _show(change, shown)
    return len(board.over) + len(board.new) + len(shown)


async def forget(change: Change) -> int:
    """Delete rows that were over two days ago; returns how many."""
    old = select(seat_rows.c.row_id).where(seat_rows.c.closed_at <= change.now - KEPT)
    await change.conn.execute(delete(seat_cases).where(seat_cases.c.row_id.in_(old)))
    return int((await change.conn.execute(delete(seat_rows).where(seat_rows.c.row_id.in_(old)))).rowcount)


async def _is_alone(conn: AsyncConnection) -> bool:
    """SQLite has one writer; of several workers over PostgreSQL one deals, the others look again later."""
    return conn.dialect.name != "postgresql" or bool((await conn.execute(_LOCK)).scalar_one())


async def _deal_one(
    change: Change, board: Board, case: Record, rule: SeatingRule, names: Mapping[str, str], dealt: _Dealt
) -> None:
    choice, incident_id = board.told[case["area_code"]], case["incident_id"]
    kind = case["ask"].partition(":")[0]
    new = Newcomer(
        incident_id=incident_id,
        hazard=case["hazard"],
        severity=case["severity"],
        drill=case["drill"],
        township=case["area_code"][: CODE_LENGTHS[Level.TOWNSHIP]],
        county=case["area_code"][: CODE_LENGTHS[Level.COUNTY]],
        came_at=change.now,
        is_sent=kind == SENT,
        judge_by=board.judge_by.get(incident_id),
        is_urgent=kind in (LATE, CHECK),
    )
    placed = place(new, choice.area.code, choice.user_ids, board.rows.values(), rule)
    row = _row_of(board, dealt, new, choice.area.code, placed)
    rose_from = _rose_from(board.duty, choice)
    values = {"row_id": row.row_id, "ask": case["ask"], "dealt_at": change.now, "rose_from": rose_from}
    (dealt.first if case["row_id"] is None else dealt.again).append({"incident_id": incident_id} | values)
    risen = await _rise(change, board.duty, case, choice)
    change.note(
        incident_id,
        "dealt",
        SEATING,
        seat=names.get(row.seat, ""),
        row=placed.kind.value,
        level=choice.area.level.value,
        **_named(choice.area),
        **({} if row.shown_at is not None else {"waits_until": placed.show_by.isoformat()}),
        **risen,
        **({"back": True} if case["rose_from"] is not None and rose_from is None else {}),
    )


def _row_of(board: Board, dealt: _Dealt, new: Newcomer, desk: str, placed: Placement) -> Row:
    """The row it goes into, on the board and in what is to be written."""
    if placed.row_id is not None:
        before = board.rows[placed.row_id]
        row = replace(before, show_by=placed.show_by, severity=min(before.severity, new.severity))
        is_made = row.row_id in dealt.made
    else:
        row = Row(
            row_id=str(uuid.uuid4()),
            kind=placed.kind,
            desk=desk,
            seat=placed.seat,
            hazard=new.hazard,
            group=placed.group,
            severity=new.severity,
            began_at=new.came_at,
            show_by=placed.show_by,
            shown_at=placed.shown_at,
        )
        is_made = True
        board.lately[row.seat] += row.shown_at is not None
    (dealt.made if is_made else dealt.joined)[row.row_id] = row
    board.rows[row.row_id] = row
    return row


async def _write(conn: AsyncConnection, dealt: _Dealt) -> None:
    """A few statements, however many were dealt. Rows first: cases point at them."""
    if dealt.made:
        await conn.execute(insert(seat_rows), [_record_of(row) for row in dealt.made.values()])
    if dealt.joined:
        its_row = update(seat_rows).where(seat_rows.c.row_id == bindparam("its_row_id"))
        await conn.execute(
            its_row.values({name: bindparam(f"new_{name}") for name in _JOINED}),
            [
                {"its_row_id": row.row_id} | {f"new_{n}": getattr(row, n) for n in _JOINED}
                for row in dealt.joined.values()
            ],
        )
    if dealt.first:
        await conn.execute(insert(seat_cases), dealt.first)
    if dealt.again:
        its_case = update(seat_cases).where(seat_cases.c.incident_id == bindparam("its_incident_id"))
        await conn.execute(
            its_case.values({name: bindparam(f"new_{name}") for name in _PLACED}),
            [{"its_incident_id": one["incident_id"]} | {f"new_{n}": one[n] for n in _PLACED} for one in dealt.again],
        )


def _record_of(row: Row) -> Record:
    return {
        "row_id": row.row_id,
        "kind": row.kind.value,
        "desk_code": row.desk,
        "seat_id": row.seat,
        "hazard": row.hazard,
        "group_key": row.group,
        "severity": row.severity,
        "began_at": row.began_at,
        "show_by": row.show_by,
        "shown_at": row.shown_at,
    }


def _rose_from(duty: Duty, choice: Told) -> str | None:
    """The lowest desk that it passed over because nobody was heard there; None: no such desk."""
    silent = {one.area_code for one in duty.silent}
    return next((area.code for area in choice.passed_over if area.code in silent), None) if choice.is_staffed else None


async def _rise(change: Change, duty: Duty, case: Record, choice: Told) -> Record:
    """An incident whose own desks have nobody on duty is the business of the level it has come to, from the start."""
    away = {one.area_code for one in (*duty.off, *duty.on_leave, *duty.silent) if one.role in rosters.DESK}
    passed_over = [area for area in choice.passed_over if area.code in away]
    if not passed_over or case["ask"].partition(":")[0] != JUDGE:
        return {}
    owner = higher(case["owner_level"], choice.area.level).value
    if owner != case["owner_level"]:
        await incidents.write(change, case, {"owner_level": owner, "updated_at": change.now})
    return {"why": choice.why, "passed_over": [_named(area) for area in passed_over]}


def _named(area: Area) -> Record:
    return {"area_code": area.code, "area_name": area.name, "area_name_en": area.name_en}


async def _show(change: Change, rows: Sequence[Row]) -> None:
    if not rows:
        return
    ids = [row.row_id for row in rows]
    await change.conn.execute(
        update(seat_rows).where(among(change.conn, seat_rows.c.row_id, ids)).values(shown_at=change.now)
    )
    found = await change.conn.execute(
        select(seat_cases.c.incident_id).where(among(change.conn, seat_cases.c.row_id, ids))
    )
    for incident_id in found.scalars():
        change.touch(incident_id)
