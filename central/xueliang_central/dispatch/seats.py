"""Deals what opens to the seats of the desks that are staffed (the decisions: `incidents.seating`).

The worker asks every second. An incident is dealt once for each thing that it asks: to be judged, to be looked after
since the policy has sent it, to be looked at because a limit of that has passed, to be checked by hand. What a desk has
decided itself is not dealt to it again. What rose because no page told of anybody at a desk comes back to that desk
when it is staffed again, as far as nobody has dealt with it. One transaction deals at a time, so that two workers do
not split a row.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import CODE_LENGTHS, Area, AreaTree, Level, higher, parent_code
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.seat_tables import seat_cases, seat_rows
from xueliang_central.dispatch.telling import Told, who_is_told
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.seating import Newcomer, Placement, Row, RowKind, SeatingRule, due, place
from xueliang_central.incidents.shedding import may_be_held
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents as incident_rows
from xueliang_central.people import rosters
from xueliang_central.people.duty import Duty
from xueliang_central.people.presence import desks_of
from xueliang_central.rights.scope import Role
from xueliang_central.store.among import among

Record = dict[str, Any]

SEATING: Final = By("system", "seating")
SENT_STATES: Final = frozenset({State.DISPATCHED, State.TAKEN, State.ARRIVED})
ASKING: Final = sorted({State.OPEN, State.TO_CHECK, *SENT_STATES})
JUDGE, SENT, LATE, CHECK = "judge", "sent", "late", "check"
KEPT: Final = timedelta(days=2)
_LOCK: Final = text("select pg_try_advisory_xact_lock(hashtextextended('seats', 8))")
_CASE: Final = (
    "incident_id",
    "number",
    "hazard",
    "severity",
    "drill",
    "area_code",
    "state",
    "owner_level",
    "opened_at",
    "reopened_count",
    "version",
)


@dataclass(slots=True)
class Board:
    """What is before people, and what is to be dealt.

    Attributes:
        rows: those that are open, and those shown so lately that they count; `is_open` is as it is now.
        over: ids of open rows in which nothing asks any more.
        new: incidents to deal, each with its `ask`, in the order they are dealt.
        judge_by: running judge clocks. told: whose desk and seats, by area code; duty: of all these desks.
    """

    rows: dict[str, Row]
    over: list[str]
    new: list[Record]
    judge_by: Mapping[str, datetime]
    told: Mapping[str, Told]
    duty: Duty


async def is_any_to_deal(conn: AsyncConnection, tree: AreaTree, rule: SeatingRule | None, now: datetime) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    if rule is None:
        return False
    board = await _board(conn, tree, rule, now)
    return bool(board.new or board.over or due(board.rows.values(), now, rule))


async def deal(change: Change) -> int:
    """Deal what is new, show what has waited long enough, close what is over; returns how much was done."""
    rule = change.rulebook.seating
    if rule is None or not await _is_alone(change.conn):
        return 0
    board = await _board(change.conn, change.tree, rule, change.now)
    if board.over:
        over = among(change.conn, seat_rows.c.row_id, board.over)
        await change.conn.execute(update(seat_rows).where(over).values(closed_at=change.now))
    known = (*board.duty.present, *board.duty.off, *board.duty.silent)
    names = {person.user_id: person.display_name for person in known}
    for case in board.new:
        await _deal_one(change, board, case, rule, names)
    shown = due(board.rows.values(), change.now, rule)
    await _show(change, shown)
    return len(board.over) + len(board.new) + len(shown)


async def forget(change: Change) -> int:
    """Delete rows that were over two days ago; returns how many."""
    old = select(seat_rows.c.row_id).where(seat_rows.c.closed_at <= change.now - KEPT)
    await change.conn.execute(delete(seat_cases).where(seat_cases.c.row_id.in_(old)))
    return int((await change.conn.execute(delete(seat_rows).where(seat_rows.c.row_id.in_(old)))).rowcount)


def ask_of(case: Mapping[str, Any], has_late_clock: bool) -> str | None:
    """What an incident asks of a desk now, at which opening; None: nothing."""
    state = State(case["state"])
    kind = {State.OPEN: JUDGE, State.TO_CHECK: CHECK}.get(state)
    if kind is None and state in SENT_STATES:
        kind = LATE if has_late_clock else SENT
    return None if kind is None else f"{kind}:{case['reopened_count']}"


def still_asks(case: Mapping[str, Any], ask: str) -> bool:
    """Is what it was dealt for still to be done?"""
    kind, _, opening = ask.partition(":")
    if opening != str(case["reopened_count"]):
        return False
    state = State(case["state"])
    if kind == SENT:
        return state in SENT_STATES or state is State.HANDLED
    return {JUDGE: state is State.OPEN, CHECK: state is State.TO_CHECK, LATE: state in SENT_STATES}[kind]


async def _is_alone(conn: AsyncConnection) -> bool:
    """SQLite has one writer; of several workers over PostgreSQL one deals, the others look again later."""
    return conn.dialect.name != "postgresql" or bool((await conn.execute(_LOCK)).scalar_one())


async def _board(conn: AsyncConnection, tree: AreaTree, rule: SeatingRule, now: datetime) -> Board:
    cases = await _cases(conn)
    rows, over = await _rows(conn, rule, now)
    late = await _late(conn)
    seats = await _seats_on_duty(conn, rows.values(), now)
    new, stale, risen = [], [], []
    for case in cases:
        ask = ask_of(case, case["incident_id"] in late)
        row = rows.get(case["row_id"] or "")
        if ask is not None and _is_new(case, ask, row):
            new.append(case | {"ask": ask})
        elif row is not None and row.is_open and (row.desk, row.seat) not in seats and still_asks(case, case["ask"]):
            stale.append(case)
        elif row is not None and row.is_open and case["rose_from"] is not None and still_asks(case, case["ask"]):
            risen.append(case)
    told, duty = await _told(conn, tree, [*new, *stale, *risen], now)
    for case in stale:  # whoever had it has gone off duty; where nobody is on duty it stays where it is
        choice = told.get(case["area_code"])
        row = rows[case["row_id"]]
        if choice is not None and row.seat not in choice.user_ids and _may_go(row, choice, duty):
            new.append(case)
    for case in risen:  # a desk below is staffed again
        choice = told.get(case["area_code"])
        if choice is not None and choice.is_staffed and len(choice.area.code) > len(rows[case["row_id"]].desk):
            new.append(case)
    new = [case for case in new if case["area_code"] in told and told[case["area_code"]].user_ids]
    new.sort(key=lambda case: (case["severity"], case["opened_at"], case["number"]))
    judge_by = await _judge_by(conn, [case["incident_id"] for case in new])
    return Board(rows, over, new, judge_by, told, duty)


async def _cases(conn: AsyncConnection) -> list[Record]:
    """Everything open that may ask, with what it was dealt for and where."""
    found = await conn.execute(
        select(
            *(incident_rows.c[name] for name in _CASE), seat_cases.c.ask, seat_cases.c.row_id, seat_cases.c.rose_from
        )
        .outerjoin(seat_cases, seat_cases.c.incident_id == incident_rows.c.incident_id)
        .where(incident_rows.c.state.in_(ASKING), incident_rows.c.state != State.CLOSED.value)
    )
    return [dict(row) for row in found.mappings()]


async def _rows(conn: AsyncConnection, rule: SeatingRule, now: datetime) -> tuple[dict[str, Row], list[str]]:
    """Rows as `seating` sees them, and which of the open ones are over."""
    lately = seat_rows.c.shown_at > now - timedelta(seconds=rule.rows_in_s)
    found = await conn.execute(select(seat_rows).where(or_(seat_rows.c.closed_at.is_(None), lately)))
    records = [dict(row) for row in found.mappings()]
    asked = await conn.execute(
        select(seat_cases.c.row_id, seat_cases.c.ask, incident_rows.c.state, incident_rows.c.reopened_count)
        .join(incident_rows, incident_rows.c.incident_id == seat_cases.c.incident_id)
        .join(seat_rows, seat_rows.c.row_id == seat_cases.c.row_id)
        .where(seat_rows.c.closed_at.is_(None))
    )
    live = {row["row_id"] for row in map(dict, asked.mappings()) if still_asks(row, row["ask"])}
    rows = {one["row_id"]: replace(_row_of(one), is_open=one["row_id"] in live) for one in records}
    over = [one["row_id"] for one in records if one["closed_at"] is None and one["row_id"] not in live]
    return {row_id: row for row_id, row in rows.items() if row.is_open or row.shown_at is not None}, over


def _may_go(row: Row, choice: Told, duty: Duty) -> bool:
    """A row whose person has left goes to a desk that is staffed; where none is, silence alone moves nothing."""
    return choice.is_staffed or (row.desk, row.seat) not in {(one.area_code, one.user_id) for one in duty.silent}


def _row_of(record: Mapping[str, Any]) -> Row:
    return Row(
        row_id=record["row_id"],
        kind=RowKind(record["kind"]),
        desk=record["desk_code"],
        seat=record["seat_id"],
        hazard=record["hazard"],
        group=record["group_key"],
        severity=record["severity"],
        began_at=record["began_at"],
        show_by=record["show_by"],
        shown_at=record["shown_at"],
    )


def _is_new(case: Mapping[str, Any], ask: str, row: Row | None) -> bool:
    """Not dealt for this yet, or not since it was dealt with; or too severe by now for the row that it shares."""
    is_shared = row is not None and row.is_open and row.kind is not RowKind.ALONE
    if case["ask"] is None or (is_shared and not may_be_held(case["hazard"], case["severity"], case["drill"])):
        return True
    kind, _, opening = ask.partition(":")
    if kind == SENT and case["ask"].partition(":")[2] == opening:
        return False
    is_again = row is None or not row.is_open  # it asked for the same before, and that was dealt with
    return case["ask"] != ask or is_again


async def _late(conn: AsyncConnection) -> set[str]:
    """Incidents of which a limit has passed that was not the judgement's."""
    query = select(clocks.c.incident_id).where(
        clocks.c.stopped_at.is_(None),
        clocks.c.breached_at.is_not(None),
        clocks.c.paused_at.is_(None),
        clocks.c.kind.in_([ClockKind.TAKE.value, ClockKind.ARRIVE.value]),
    )
    return set((await conn.execute(query)).scalars())


async def _judge_by(conn: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, datetime]:
    query = select(clocks.c.incident_id, clocks.c.due_at).where(
        among(conn, clocks.c.incident_id, incident_ids),
        clocks.c.stopped_at.is_(None),
        clocks.c.kind == ClockKind.JUDGE.value,
    )
    return {row.incident_id: row.due_at for row in await conn.execute(query)}


async def _seats_on_duty(conn: AsyncConnection, rows: Iterable[Row], now: datetime) -> set[tuple[str, str]]:
    """(desk, person) of those on duty, and not silent, at desks that have open rows."""
    desks = sorted({row.desk for row in rows if row.is_open})
    duty = await desks_of(conn, desks, now) if desks else Duty()
    return {(one.area_code, one.user_id) for one in duty.present}


async def _told(
    conn: AsyncConnection, tree: AreaTree, cases: Iterable[Mapping[str, Any]], now: datetime
) -> tuple[dict[str, Told], Duty]:
    """The desk of each of their areas, its operators first; supervisors where it has none on duty."""
    chains = {code: _chain(tree, code) for code in {case["area_code"] for case in cases}}
    chains = {code: chain for code, chain in chains.items() if chain}
    if not chains:
        return {}, Duty()
    codes = sorted({area.code for chain in chains.values() for area in chain})
    duty = await desks_of(conn, codes, now)
    on_duty = (*duty.present, *duty.silent)
    operators = {(one.area_code, one.user_id) for one in on_duty if one.role == Role.OPERATOR.value}
    told: dict[str, Told] = {}
    for code, chain in chains.items():
        choice = who_is_told(chain, duty)
        first = tuple(user_id for user_id in choice.user_ids if (choice.area.code, user_id) in operators)
        told[code] = replace(choice, user_ids=first or choice.user_ids)
    return told, duty


def _chain(tree: AreaTree, code: str) -> tuple[Area, ...]:
    """From the area up; an import may have taken the area away, then from what is left above it."""
    known: str | None = code
    while known is not None and known not in tree:
        known = parent_code(known)
    return () if known is None else tuple(reversed(tree.chain(known)))


async def _deal_one(change: Change, board: Board, case: Record, rule: SeatingRule, names: Mapping[str, str]) -> None:
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
    row = await _write_row(change, board, new, choice.area.code, placed)
    rose_from = _rose_from(board.duty, choice)
    values = {"row_id": row.row_id, "ask": case["ask"], "dealt_at": change.now, "rose_from": rose_from}
    mine = seat_cases.c.incident_id == incident_id
    if case["row_id"] is None:
        await change.conn.execute(insert(seat_cases).values(incident_id=incident_id, **values))
    else:
        await change.conn.execute(update(seat_cases).where(mine).values(**values))
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


async def _write_row(change: Change, board: Board, new: Newcomer, desk: str, placed: Placement) -> Row:
    """The row it goes into, in the database and on the board."""
    if placed.row_id is not None:
        before = board.rows[placed.row_id]
        row = replace(before, show_by=placed.show_by, severity=min(before.severity, new.severity))
        changed = {"show_by": row.show_by, "severity": row.severity}
        await change.conn.execute(update(seat_rows).where(seat_rows.c.row_id == row.row_id).values(**changed))
    else:
        row = Row(
            row_id=str(uuid.uuid4()),
            kind=placed.kind,
            desk=desk,
            seat=placed.seat,
            hazard=new.hazard,
            group=placed.group,
            severity=new.severity,
            began_at=change.now,
            show_by=placed.show_by,
            shown_at=placed.shown_at,
        )
        values: Record = {"row_id": row.row_id, "kind": row.kind.value, "desk_code": desk, "seat_id": row.seat}
        values |= {"hazard": row.hazard, "group_key": row.group, "severity": row.severity, "began_at": row.began_at}
        await change.conn.execute(insert(seat_rows).values(**values, show_by=row.show_by, shown_at=row.shown_at))
    board.rows[row.row_id] = row
    return row


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
