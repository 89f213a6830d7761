"""What there is to deal to seats, read so that a city's ten thousand open incidents cost no more than what is new.

The worker asks every second. The database leaves out what was dealt already and still stands (`_IS_NEW`, `_IS_MOVABLE`,
`_is_over`): as `ask_of`, `still_asks` and `is_new` say it, which decide. Only rows of the desks that are dealt to are
read, and of the seats for which something waits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, String, and_, cast, exists, func, literal, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, AreaTree, parent_code
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.seat_tables import seat_cases, seat_rows
from xueliang_central.dispatch.telling import Told, who_is_told
from xueliang_central.incidents.seating import Row, RowKind, SeatingRule
from xueliang_central.incidents.shedding import MOST_SEVERE, NEVER_HELD_HAZARDS, may_be_held
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents
from xueliang_central.people.duty import Duty, Person
from xueliang_central.people.presence import desks_of
from xueliang_central.rights.scope import Role
from xueliang_central.store.among import among

Record = dict[str, Any]
Seat = tuple[str, str]  # desk, person

AT_ONCE: Final = 50  # dealt in one transaction: each is told to the stream, and other jobs have their turn in between
SENT_STATES: Final = frozenset({State.DISPATCHED, State.TAKEN, State.ARRIVED})
ASKING: Final = sorted({State.OPEN, State.TO_CHECK, *SENT_STATES})
JUDGE, SENT, LATE, CHECK = "judge", "sent", "late", "check"
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
_IS_SENT: Final = incidents.c.state.in_(sorted(SENT_STATES))
_ASKS: Final = and_(incidents.c.state.in_(ASKING), incidents.c.state != State.CLOSED.value)
_ROW_IS_OPEN: Final = seat_rows.c.closed_at.is_(None)
# Incidents of which a limit has passed that was not the judgement's.
_HAS_LATE: Final = incidents.c.incident_id.in_(
    select(clocks.c.incident_id).where(
        clocks.c.stopped_at.is_(None),
        clocks.c.breached_at.is_not(None),
        clocks.c.paused_at.is_(None),
        clocks.c.kind.in_([ClockKind.TAKE.value, ClockKind.ARRIVE.value]),
    )
)


@dataclass(slots=True)
class Board:
    """What is before people, and what is to be dealt.

    Attributes:
        rows: of the desks that are dealt to, those that are open, and those shown so lately that they count; of all
            others, those that wait. `is_open` is as it is now.
        lately: how many rows have come before each seat lately, of the people who are dealt to or have one waiting.
        over: ids of open rows in which nothing asks any more.
        new: incidents to deal, each with its `ask`, in the order they are dealt; the first `AT_ONCE` of them.
        judge_by: running judge clocks. told: whose desk and seats, by area code; duty: of all these desks.
    """

    rows: dict[str, Row]
    lately: Counter[str]
    over: list[str]
    new: list[Record]
    judge_by: Mapping[str, datetime]
    told: Mapping[str, Told]
    duty: Duty


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


def is_new(case: Mapping[str, Any], ask: str, *, row_is_open: bool) -> bool:
    """Not dealt for this yet, or not since it was dealt with; or too severe by now for the row that it shares."""
    is_shared = row_is_open and case["row_kind"] != RowKind.ALONE.value
    if case["ask"] is None or (is_shared and not may_be_held(case["hazard"], case["severity"], case["drill"])):
        return True
    kind, _, opening = ask.partition(":")
    if kind == SENT and case["ask"].partition(":")[2] == opening:
        return False
    is_again = not row_is_open  # it asked for the same before, and that was dealt with
    return bool(case["ask"] != ask) or is_again


def _asked(kind: str) -> ColumnElement[str]:
    return literal(f"{kind}:", String) + cast(incidents.c.reopened_count, String)


def _still_asks() -> ColumnElement[bool]:
    """As `still_asks`."""
    ask = seat_cases.c.ask
    return or_(
        and_(ask == _asked(JUDGE), incidents.c.state == State.OPEN.value),
        and_(ask == _asked(CHECK), incidents.c.state == State.TO_CHECK.value),
        and_(ask == _asked(LATE), _IS_SENT),
        and_(ask == _asked(SENT), or_(_IS_SENT, incidents.c.state == State.HANDLED.value)),
    )


def _is_new() -> ColumnElement[bool]:
    """As `is_new`, of what asks at all; beside it those too severe for a row in which nothing asks any more."""
    ask = seat_cases.c.ask
    is_dealt = or_(
        and_(incidents.c.state == State.OPEN.value, ask == _asked(JUDGE), _ROW_IS_OPEN),
        and_(incidents.c.state == State.TO_CHECK.value, ask == _asked(CHECK), _ROW_IS_OPEN),
        and_(_IS_SENT, _HAS_LATE, ask == _asked(LATE), _ROW_IS_OPEN),
        and_(_IS_SENT, not_(_HAS_LATE), ask.in_([_asked(kind) for kind in (JUDGE, SENT, LATE, CHECK)])),
    )
    stands_alone = or_(
        incidents.c.drill, incidents.c.severity <= MOST_SEVERE, incidents.c.hazard.in_(sorted(NEVER_HELD_HAZARDS))
    )
    is_shared = and_(_ROW_IS_OPEN, seat_rows.c.kind != RowKind.ALONE.value)
    return or_(ask.is_(None), not_(is_dealt), and_(is_shared, stands_alone))


_IS_NEW: Final = _is_new()
# Dealt, it still asks for the same, and may go to another seat.
_IS_MOVABLE: Final = and_(_ASKS, _ROW_IS_OPEN, _still_asks(), not_(_IS_NEW))


async def read(conn: AsyncConnection, tree: AreaTree, rule: SeatingRule, now: datetime) -> Board:
    """All that one transaction deals, shows and closes."""
    over = await _over(conn)
    new, told, duty = await _new(conn, tree, set(over), now)
    moved, where, who = await _moved(conn, tree, now)
    told, duty = told | where, _joined(duty, who)
    new = sorted([*new, *moved], key=lambda case: (case["severity"], case["opened_at"], case["number"]))[:AT_ONCE]
    desks = {told[case["area_code"]].area.code for case in new}
    people = {user_id for case in new for user_id in told[case["area_code"]].user_ids}
    since = now - timedelta(seconds=rule.rows_in_s)
    rows = await _rows(conn, since, desks, set(over))
    lately = await _lately(conn, since, people | {row.seat for row in rows.values() if row.shown_at is None})
    return Board(rows, lately, over, new, await _judge_by(conn, [case["incident_id"] for case in new]), told, duty)


async def _over(conn: AsyncConnection) -> list[str]:
    """Open rows in which nothing asks any more."""
    asks = (
        select(literal(1))
        .select_from(seat_cases.join(incidents, incidents.c.incident_id == seat_cases.c.incident_id))
        .where(seat_cases.c.row_id == seat_rows.c.row_id, _still_asks())
        .correlate(seat_rows)
    )
    found = await conn.execute(select(seat_rows.c.row_id).where(_ROW_IS_OPEN, not_(exists(asks))))
    return list(found.scalars())


async def _new(
    conn: AsyncConnection, tree: AreaTree, over: Collection[str], now: datetime
) -> tuple[list[Record], dict[str, Told], Duty]:
    """What has not been dealt for what it asks, the first `AT_ONCE` of those for which there is a desk at all."""
    found: list[Record] = []
    told: dict[str, Told] = {}
    duty = Duty()
    for most in (AT_ONCE, None):  # where the first ones have no desk, nobody else waits for them
        cases = await _cases(conn, _IS_NEW, most)
        told, duty = await _told(conn, tree, {case["area_code"] for case in cases}, now)
        found = []
        for case in cases:
            ask = ask_of(case, case["has_late"])
            row_is_open = case["row_id"] is not None and case["row_closed_at"] is None and case["row_id"] not in over
            if ask is not None and is_new(case, ask, row_is_open=row_is_open) and _has_desk(told, case["area_code"]):
                found.append(case | {"ask": ask})
        if len(found) == len(cases) or len(cases) < AT_ONCE:
            break
    return found[:AT_ONCE], told, duty


async def _moved(conn: AsyncConnection, tree: AreaTree, now: datetime) -> tuple[list[Record], dict[str, Told], Duty]:
    """What goes to another seat: whoever had it has gone off duty, or a desk below is staffed again."""
    seats = await _open_seats(conn)
    duty = await desks_of(conn, sorted({desk for desk, _ in seats}), now) if seats else Duty()
    gone = seats - {(one.area_code, one.user_id) for one in duty.present}
    places = await _places(conn, seat_cases.c.rose_from.is_not(None))
    stale = {place for place in await _places(conn, _of_people(conn, gone)) if place[1:] in gone} if gone else set()
    risen = {place for place in places if place[1:] not in gone}
    told, duty = await _told(conn, tree, {area_code for area_code, *_ in (*stale, *risen)}, now)
    goes = {place for place in stale if place[0] in told and _may_leave(place, told[place[0]], duty)}
    goes |= {place for place in risen if place[0] in told and _may_sink(place, told[place[0]])}
    if not goes:
        return [], told, duty
    of_people = and_(_IS_MOVABLE, _of_people(conn, {place[1:] for place in goes}))
    cases = await _cases(conn, of_people)
    is_risen = {place for place in goes if place in risen}
    return (
        [
            case
            for case in cases
            if (place := (case["area_code"], case["desk_code"], case["seat_id"])) in goes
            and (place not in is_risen or case["rose_from"] is not None)
        ],
        told,
        duty,
    )


def _of_people(conn: AsyncConnection, seats: Iterable[Seat]) -> ColumnElement[bool]:
    """Rows of these people; of which of their desks is for the caller to see."""
    return among(conn, seat_rows.c.seat_id, sorted({user_id for _, user_id in seats}))


def _may_leave(place: tuple[str, str, str], choice: Told, duty: Duty) -> bool:
    """A row whose person has left goes to a desk that is staffed; where none is, silence alone moves nothing, and where
    nobody is on duty it stays where it is."""
    if not choice.user_ids or place[2] in choice.user_ids:
        return False
    return choice.is_staffed or place[1:] not in {(one.area_code, one.user_id) for one in duty.silent}


def _may_sink(place: tuple[str, str, str], choice: Told) -> bool:
    return bool(choice.user_ids) and choice.is_staffed and len(choice.area.code) > len(place[1])


async def _open_seats(conn: AsyncConnection) -> set[Seat]:
    query = select(seat_rows.c.desk_code, seat_rows.c.seat_id).where(_ROW_IS_OPEN).distinct()
    return {(row.desk_code, row.seat_id) for row in await conn.execute(query)}


async def _places(conn: AsyncConnection, which: ColumnElement[bool]) -> set[tuple[str, str, str]]:
    """Area of the case, desk and person of its row: of what may go to another seat."""
    query = (
        select(incidents.c.area_code, seat_rows.c.desk_code, seat_rows.c.seat_id)
        .join(seat_cases, seat_cases.c.incident_id == incidents.c.incident_id)
        .join(seat_rows, seat_rows.c.row_id == seat_cases.c.row_id)
        .where(which, _IS_MOVABLE)
        .distinct()
    )
    return {(row.area_code, row.desk_code, row.seat_id) for row in await conn.execute(query)}


async def _cases(conn: AsyncConnection, which: ColumnElement[bool], most: int | None = None) -> list[Record]:
    """What may ask, in the order it is dealt, with what it was dealt for and where."""
    query = (
        select(
            *(incidents.c[name] for name in _CASE),
            *(seat_cases.c[name] for name in ("ask", "row_id", "rose_from")),
            *(seat_rows.c[name] for name in ("desk_code", "seat_id")),
            seat_rows.c.kind.label("row_kind"),
            seat_rows.c.closed_at.label("row_closed_at"),
            _HAS_LATE.label("has_late"),
        )
        .outerjoin(seat_cases, seat_cases.c.incident_id == incidents.c.incident_id)
        .outerjoin(seat_rows, seat_rows.c.row_id == seat_cases.c.row_id)
        .where(_ASKS, which)
        .order_by(incidents.c.severity, incidents.c.opened_at, incidents.c.number)
        .limit(most)
    )
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def _rows(
    conn: AsyncConnection, since: datetime, desks: Collection[str], over: Collection[str]
) -> dict[str, Row]:
    """Rows as `seating` sees them: of these desks, and what waits at any."""
    of_desks = and_(among(conn, seat_rows.c.desk_code, desks), or_(_ROW_IS_OPEN, seat_rows.c.shown_at > since))
    waits = and_(_ROW_IS_OPEN, seat_rows.c.shown_at.is_(None))
    found = await conn.execute(select(seat_rows).where(or_(of_desks, waits) if desks else waits))
    rows = (_row_of(record, record["row_id"] in over) for record in map(dict, found.mappings()))
    return {row.row_id: row for row in rows if row.is_open or row.shown_at is not None}


async def _lately(conn: AsyncConnection, since: datetime, people: Collection[str]) -> Counter[str]:
    if not people:
        return Counter()
    mine = among(conn, seat_rows.c.seat_id, people)
    query = select(seat_rows.c.seat_id, func.count()).where(mine, seat_rows.c.shown_at > since)
    return Counter(dict(row._tuple() for row in await conn.execute(query.group_by(seat_rows.c.seat_id))))


def _row_of(record: Mapping[str, Any], is_over: bool) -> Row:
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
        is_open=record["closed_at"] is None and not is_over,
    )


async def _judge_by(conn: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, datetime]:
    if not incident_ids:
        return {}
    query = select(clocks.c.incident_id, clocks.c.due_at).where(
        among(conn, clocks.c.incident_id, incident_ids),
        clocks.c.stopped_at.is_(None),
        clocks.c.kind == ClockKind.JUDGE.value,
    )
    return {row.incident_id: row.due_at for row in await conn.execute(query)}


def _has_desk(told: Mapping[str, Told], area_code: str) -> bool:
    return area_code in told and bool(told[area_code].user_ids)


async def _told(
    conn: AsyncConnection, tree: AreaTree, area_codes: Iterable[str], now: datetime
) -> tuple[dict[str, Told], Duty]:
    """The desk of each of these areas, its operators first; supervisors where it has none on duty."""
    chains = {code: chain for code in area_codes if (chain := _chain(tree, code))}
    if not chains:
        return {}, Duty()
    duty = await desks_of(conn, sorted({area.code for chain in chains.values() for area in chain}), now)
    on_duty = (*duty.present, *duty.silent)
    operators = {(one.area_code, one.user_id) for one in on_duty if one.role == Role.OPERATOR.value}
    people = [_by_area(kind) for kind in (duty.present, duty.off, duty.on_leave, duty.silent)]
    told: dict[str, Told] = {}
    for code, chain in chains.items():
        here = [tuple(one for area in chain for one in by_area.get(area.code, ())) for by_area in people]
        choice = who_is_told(chain, Duty(present=here[0], off=here[1], on_leave=here[2], silent=here[3]))
        first = tuple(user_id for user_id in choice.user_ids if (choice.area.code, user_id) in operators)
        told[code] = replace(choice, user_ids=first or choice.user_ids)
    return told, duty


def _by_area(people: Iterable[Person]) -> Mapping[str, list[Person]]:
    found: dict[str, list[Person]] = defaultdict(list)
    for one in people:
        found[one.area_code].append(one)
    return found


def _joined(one: Duty, other: Duty) -> Duty:
    """Of the desks of both; who is in both is there once."""

    def both(name: str) -> tuple[Person, ...]:
        return tuple(dict.fromkeys((*getattr(one, name), *getattr(other, name))))

    return Duty(both("present"), both("off"), both("on_leave"), one.unrostered | other.unrostered, both("silent"))


def _chain(tree: AreaTree, code: str) -> tuple[Area, ...]:
    """From the area up; an import may have taken the area away, then from what is left above it."""
    known: str | None = code
    while known is not None and known not in tree:
        known = parent_code(known)
    return () if known is None else tuple(reversed(tree.chain(known)))
