"""Incident rows: opened, moved along the table of states, brought up to date with their members.

Every function works inside the caller's transaction (`Change`) and tells nobody: `publishing` does, once, at the end.
Rows travel as plain dicts with the names of the columns.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import NOT_OF_LIMITS, ClockKind, Limits, choose
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import later_limit, supervised, suspended
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.folding import CLOCK_AHEAD, trusted_began_at
from xueliang_central.incidents.members import Summary, is_seen_clear, summarise
from xueliang_central.incidents.old_members import Counted, with_counts
from xueliang_central.incidents.raised import as_raised
from xueliang_central.incidents.reported import said_by
from xueliang_central.incidents.requested import LATER_LIMIT
from xueliang_central.incidents.reviewing import WAITING
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.shedding import is_collective
from xueliang_central.incidents.states import WORDS_ONLY, CloseReason, Move, State, Who, allowed
from xueliang_central.incidents.tables import alerts, incident_numbers, incidents
from xueliang_central.store.among import among

Row = dict[str, Any]

_ALL_READ: Final[Mapping[str, Counted]] = {}


async def load(conn: AsyncConnection, incident_id: str, *, lock: bool = False) -> Row:
    """One incident. `lock`: for the rest of the transaction. Raises NotFound."""
    query = select(incidents).where(incidents.c.incident_id == incident_id)
    found = await conn.execute(query.with_for_update() if lock else query)
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("incident")
    return dict(row)


async def next_number(change: Change) -> str:
    """ "20261123-0001": the day (UTC) and a counter without gaps, from the row of that day.

    The first number of a transaction locks the row until its end, so the next ones are counted here; `write_opened`
    writes the last one.
    """
    day = change.now.strftime("%Y%m%d")
    if change.last_number is None:
        dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
        upsert = dialect.insert(incident_numbers).values(day=day, last=1)
        counted = upsert.on_conflict_do_update(
            index_elements=[incident_numbers.c.day], set_={"last": incident_numbers.c.last + 1}
        ).returning(incident_numbers.c.last)
        change.last_number = (await change.conn.execute(counted)).scalar_one()
    else:
        change.last_number += 1
    return f"{day}-{change.last_number:04d}"


@dataclass(slots=True)
class Opened:
    """Incidents that were opened and are not written yet, with their clocks."""

    incidents: list[Row] = field(default_factory=list)
    clocks: list[Row] = field(default_factory=list)


async def write_opened(change: Change, opened: Opened) -> None:
    """Write them, before anything that refers to them or asks the database for them."""
    if not opened.incidents:
        return
    await change.conn.execute(insert(incidents), opened.incidents)
    await timers.write(change.conn, opened.clocks)
    day = change.now.strftime("%Y%m%d")
    at = update(incident_numbers).where(incident_numbers.c.day == day)
    await change.conn.execute(at.values(last=change.last_number))
    opened.incidents, opened.clocks = [], []


def limits_for(change: Change, hazard: str, severity: int, route: Route) -> Limits:
    """The policy's limits now, with the levels to tell narrowed to those that stand above this area."""
    level = route.area.level.value
    chosen = choose(change.rulebook.policies, hazard, severity, route.place_class, level, change.now)
    return chosen.told_within({area.level.value for area in change.tree.chain(route.area.code)})


async def open_incident(
    change: Change,
    route: Route,
    camera_id: str,
    members: Sequence[Row],
    *,
    by: By,
    place_key: str | None = None,
    is_split_off: bool = False,
    judge_by: datetime | None = None,
    later: Opened | None = None,
) -> Row:
    """A new incident of these members (their alerts are written by the caller), with its judge clock running.

    When the members' end is known already (seen clear), it is recorded closed: no clock, no task, no notice.

    Args:
        place_key: of a collective incident (see `shedding`) or of none (`grouping`); else the camera is the place.
        is_split_off: its members were known before: it opens in any case, and what follows is said by `see_gone`.
        judge_by: when the judgement of its members was due where they were.
        later: where to keep what is to be written, for whoever writes many at once.
    """
    first = members[0]
    summary = summarise(with_trusted_times(members))
    limits = limits_for(change, first["hazard"], summary.severity, route)
    row: Row = {
        **asdict(summary),
        "incident_id": str(uuid.uuid4()),
        "number": await next_number(change),
        "hazard": first["hazard"],
        "state": State.OPEN.value,
        "drill": first["drill"],
        "area_code": route.area.code,
        "area_path": route.area.path,
        "owner_level": route.area.level.value,
        "place_key": place_key or camera_id,
        "camera_id": camera_id,
        "camera_name": route.camera_name,
        "longitude": route.longitude,
        "latitude": route.latitude,
        "place_class": route.place_class,
        "misplaced": route.misplaced,
        "opened_at": change.now,
        "updated_at": change.now,
        "why_routed": route.why,
        "policy": limits.as_json(),
        "handled_at": None,
        "verified": False,
        "closed_at": None,
        "close_reason": None,
        "review": None,
        "sent_when_gone": False,
        "reopened_count": 0,
        "version": 1,
    }
    is_over = summary.gone and not is_split_off
    if is_over:
        ended = CloseReason.ENDED_BY_ITSELF.value
        row |= {"state": State.CLOSED.value, "closed_at": change.now, "close_reason": ended}
        row["review"] = None if row["drill"] else WAITING
    opened = Opened() if later is None else later
    opened.incidents.append(row)
    change.note(
        row["incident_id"], "opened", by, reason=summary.reason, severity=summary.severity, why_routed=route.why
    )
    if is_over:
        change.note(row["incident_id"], "ended_before_known", by)
    else:
        judge, _ = timers.rows_of(row["incident_id"], [ClockKind.JUDGE], limits, change.now, {}, no_later_than=judge_by)
        opened.clocks += judge
    if later is None:
        await write_opened(change, opened)
    return row


async def transition(
    change: Change,
    incident: Row,
    move: Move,
    by: By,
    *,
    params: dict[str, Any] | None = None,
    also: dict[str, Any] | None = None,
    other_id: str | None = None,
    due_by: datetime | None = None,
) -> tuple[Row, dict[ClockKind, datetime]]:
    """Make one move of the table: state, clocks, timeline. Returns the row after it, and when started clocks are due.

    Args:
        also: further columns to set.
        other_id: the incident it is regrouped with, for the clocks that the move shares or brings.
        due_by: no clock that the move starts is due after this.

    Raises:
        MoveRefused: the table does not allow it from this state.
        Conflict: the incident has changed since it was read.
    """
    values = _values_after(change, incident, move, also) | _also_ended(change, incident, move, by)
    await write(change, incident, values)
    await _end_suspension(change, incident, incident | values, move, by)
    await _end_later_limit(change, incident, incident | values, move, by)
    due = await _move_clocks(change, incident | values, move, other_id, due_by)
    _say_moved(change, incident, move, by, params)
    return incident | values, due


async def transition_all(
    change: Change, cases: Sequence[Row], move: Move, by: By, params: Sequence[dict[str, Any]]
) -> list[tuple[Row, dict[ClockKind, datetime]]]:
    """`transition` of many incidents that this transaction has locked or opened, in a few statements.

    Raises:
        MoveRefused: the table does not allow it from one of these states.
    """
    after = [case | _values_after(change, case, move, None) for case in cases]
    names = sorted({name for case, row in zip(cases, after, strict=True) for name in row if case[name] != row[name]})
    await write_all(change, after, names)
    ids = [case["incident_id"] for case in cases]
    if move.stops:
        await timers.stop_all(change.conn, ids, move.stops, change.now)
    runs = await timers.running_of(change.conn, ids)
    clocks: list[Row] = []
    moved: list[tuple[Row, dict[ClockKind, datetime]]] = []
    for row, said in zip(after, params, strict=True):
        incident_id = row["incident_id"]
        limits = Limits.from_json(row["policy"])
        started, due = timers.rows_of(incident_id, move.starts, limits, change.now, runs[incident_id])
        clocks += started
        moved.append((row, due))
        _say_moved(change, row, move, by, said)
    await timers.write(change.conn, clocks)
    return moved


def _values_after(change: Change, incident: Row, move: Move, also: dict[str, Any] | None) -> Row:
    """The columns that a move changes. Raises MoveRefused."""
    state = State(incident["state"])
    if state not in move.sources:
        possible = allowed(state, move.who)
        raise MoveRefused(f"{move.name} is not possible while {state.value}", state=state.value, moves=list(possible))
    values: Row = {"updated_at": change.now, **(also or {})}
    # What a worker tells, or a desk says to the worker or to a centre above, changes nothing that anybody decides on.
    if move.to is not None or (move.who is not Who.WORKER and move.name not in WORDS_ONLY):
        values["version"] = incident["version"] + 1
    policy: Row = values.get("policy") or incident["policy"]
    if move.starts - NOT_OF_LIMITS and policy.get("by_hour"):  # its clocks go by the hour at which they start
        values["policy"] = Limits.from_json(policy).at(change.now).as_json()
    if move.to is not None:
        values["state"] = move.to.value
    if move.to is State.CLOSED and move.close_reason is not None:
        verified = move.close_reason is CloseReason.VERIFIED
        values |= {"closed_at": change.now, "close_reason": move.close_reason.value, "verified": verified}
    if state is State.CLOSED and move.to is not None:
        again = incident["reopened_count"] + 1
        values |= {"closed_at": None, "close_reason": None, "verified": False, "handled_at": None}
        values |= {"review": None, "sent_when_gone": False}
        values["reopened_count"] = again
    if move.to is State.HANDLED:
        values["handled_at"] = change.now
    return values


def _also_ended(change: Change, incident: Row, move: Move, by: By) -> Row:
    """What a move ends beside its state: a suspension, a request, a supervision. Raises MoveRefused."""
    values: Row = {}
    suspension = suspended.after(incident, move, by.name, change.now)
    if suspension is not None:
        values["suspension"] = suspension
    request = later_limit.after(incident, move, by.name, change.now)
    if request is not None:
        values[LATER_LIMIT] = request
    if move.to is State.CLOSED and supervised.is_supervised(incident):
        values["supervision"] = supervised.ended(incident["supervision"], supervised.CLOSED, by.name, change.now)
        change.watched_closed[incident["incident_id"]] = None
    return values


async def _end_suspension(change: Change, before: Row, after: Row, move: Move, by: By) -> None:
    """Where it was alive before this move and is not after it: before any clock of the move stops or starts."""
    if not suspended.is_alive(before) or suspended.is_alive(after):
        return
    await suspended.let_run(change.conn, before["incident_id"], change.now)
    if move.name in suspended.ENDS:
        change.note(before["incident_id"], "suspension_over", by, why=move.name)


async def _end_later_limit(change: Change, before: Row, after: Row, move: Move, by: By) -> None:
    """Nobody need decide any more what a move has made pointless."""
    if later_limit.is_asked(before) and not later_limit.is_asked(after) and move.name in later_limit.ENDS:
        await timers.stop(change.conn, before["incident_id"], [ClockKind.DECIDE], change.now)
        change.note(before["incident_id"], "later_limit_over", by, why=move.name)


def _say_moved(change: Change, incident: Row, move: Move, by: By, params: dict[str, Any] | None) -> None:
    said = dict(params or {})
    if move.close_reason is not None:
        said.setdefault("close_reason", move.close_reason.value)
    change.note(incident["incident_id"], move.timeline, by, **said)


async def write(change: Change, incident: Row, values: Row) -> None:
    """Update one incident if it still has the version that was read. Raises Conflict."""
    done = await change.conn.execute(
        update(incidents)
        .where(incidents.c.incident_id == incident["incident_id"], incidents.c.version == incident["version"])
        .values(**values)
    )
    if done.rowcount != 1:
        raise Conflict("the incident has changed meanwhile", version=incident["version"])
    change.touch(incident["incident_id"])


async def write_all(change: Change, rows: Sequence[Row], names: Sequence[str]) -> None:
    """These columns of incidents that this transaction has locked or opened: their version need not be asked."""
    if not rows or not names:
        return
    statement = (
        update(incidents)
        .where(incidents.c.incident_id == bindparam("its_incident_id"))  # names differ from those of columns
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    values = [{"its_incident_id": row["incident_id"]} | {f"new_{name}": row[name] for name in names} for row in rows]
    await change.conn.execute(statement, values)
    for row in rows:
        change.touch(row["incident_id"])


async def _move_clocks(
    change: Change, incident: Row, move: Move, other_id: str | None, due_by: datetime | None
) -> dict[ClockKind, datetime]:
    incident_id = incident["incident_id"]
    if move.stops:
        await timers.stop(change.conn, incident_id, move.stops, change.now)
    if other_id is not None:
        await timers.share(change.conn, incident_id, other_id, move.shares, change.now)
        await timers.bring(change.conn, incident_id, other_id, move.brings)
    starts = move.starts - NOT_OF_LIMITS  # whoever knows when they end starts those (dispatch: keeping, unit_first)
    if not starts:
        return {}
    limits = Limits.from_json(incident["policy"])
    return await timers.start(change.conn, incident_id, starts, limits, change.now, no_later_than=due_by)


def with_trusted_times(members: Sequence[Row]) -> list[Row]:
    """Members with the onset and the last picture as the centre believes them.

    What cannot be trusted becomes the time of first receipt, which does not depend on how often a revision came.
    """
    trusted: list[Row] = []
    for member in members:
        began_at = trusted_began_at(member["began_at"], member["first_received_at"], member["clock_state"])
        is_trusted = began_at == member["began_at"] and member["observed_at"] <= member["received_at"] + CLOCK_AHEAD
        observed_at = max(member["observed_at"], began_at) if is_trusted else member["received_at"]
        trusted.append({**member, "trusted_began_at": began_at, "trusted_observed_at": observed_at})
    return trusted


async def members_of(conn: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, list[Row]]:
    found = await conn.execute(select(alerts).where(among(conn, alerts.c.incident_id, incident_ids)))
    members: dict[str, list[Row]] = {incident_id: [] for incident_id in incident_ids}
    for row in found.mappings():
        members[row["incident_id"]].append(dict(row))
    return members


async def update_alerts(conn: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Write these rows, which have the same columns, over those of the same alert_id; one statement for all."""
    statement = (
        update(table)
        .where(table.c.alert_id == bindparam("its_alert_id"))  # names of parameters must differ from those of columns
        .values({name: bindparam(f"new_{name}") for name in rows[0] if name != "alert_id"})
    )
    values = [
        {"its_alert_id": row["alert_id"]} | {f"new_{name}": row[name] for name in row if name != "alert_id"}
        for row in rows
    ]
    await conn.execute(statement, values)


async def refresh(change: Change, incident: Row, members: Sequence[Row]) -> Row:
    """Bring the aggregates of an incident up to date with its members; the state stays.

    The version stays too: it counts moves, so that a camera that keeps reporting does not turn an operator's click
    into a conflict.
    """
    if not members:
        return await _left_by_all(change, incident)
    values = _fresh_values(change, incident, members)
    if not values:
        return incident
    await write(change, incident, values)
    _say_severity(change, incident, values["severity"])
    return incident | values


async def refresh_all(
    change: Change,
    cases: Sequence[Row],
    members: Mapping[str, Sequence[Row]],
    counted: Mapping[str, Counted] = _ALL_READ,
) -> dict[str, Row]:
    """`refresh` of many incidents that this transaction has locked or opened, in one statement; by id.

    `counted`: of those whose members are not all among `members` (`old_members`).
    """
    after: dict[str, Row] = {}
    changed: list[Row] = []
    for case in cases:
        incident_id = case["incident_id"]
        if not members[incident_id]:
            after[incident_id] = await _left_by_all(change, case)
            continue
        values = _fresh_values(change, case, members[incident_id], counted.get(incident_id))
        after[incident_id] = case | values
        if values:
            changed.append(after[incident_id])
    await write_all(change, changed, [*Summary.__dataclass_fields__, "updated_at"])
    for case in cases:
        _say_severity(change, case, after[case["incident_id"]]["severity"])
    return after


def _fresh_values(change: Change, incident: Row, members: Sequence[Row], counted: Counted | None = None) -> Row:
    """The aggregates as they are now; empty when nothing has changed."""
    fresh = asdict(summarise(with_trusted_times(members)))
    if counted is not None:
        fresh = with_counts(incident, fresh, counted)
    fresh["severity"] = as_raised(incident, fresh["severity"])
    if all(incident[name] == value for name, value in fresh.items()):
        return {}
    return {**fresh, "updated_at": change.now}


def _say_severity(change: Change, incident: Row, severity: int) -> None:
    if severity < incident["severity"]:
        change.note(
            incident["incident_id"],
            "severity_raised",
            By("system", "folding"),
            before=incident["severity"],
            severity=severity,
        )


async def _left_by_all(change: Change, incident: Row) -> Row:
    """An incident whose alerts have all left it for another: nothing is there."""
    values: Row = {"alert_count": 0, "camera_count": 0, "still_present": False, "gone": True}
    values["updated_at"] = change.now
    await write(change, incident, values)
    return incident | values


async def keep_time(change: Change, incident: Row) -> None:
    """The judge clock of a collective incident runs while something is there, and starts anew when something comes.

    Nobody is reminded of what has gone or left: it waits for what may come, and ends by itself. Others keep theirs.
    """
    if not is_collective(incident["place_key"]) or incident["state"] != State.OPEN:
        return
    if incident["gone"]:
        await timers.stop(change.conn, incident["incident_id"], [ClockKind.JUDGE], change.now)
    else:
        limits = Limits.from_json(incident["policy"]).at(change.now)
        await timers.start(change.conn, incident["incident_id"], [ClockKind.JUDGE], limits, change.now)


def note_member(change: Change, incident_id: str, before: Row | None, after: Row) -> None:
    """What an alert's new revision means for the timeline: folded, seen clear, ended otherwise."""
    node = said_by(after)
    about = {"alert_id": after["alert_id"], "camera_id": after["camera_id"]}
    if before is None:
        change.note(incident_id, "alert_folded", node, **about, why=after["why_folded"], reason=after["reason"])
    if after["phase"] != "cleared" or (before is not None and before["phase"] == "cleared"):
        return
    if is_seen_clear(after):
        change.note(incident_id, "seen_clear", node, **about, reason=after["reason"])
    else:
        change.note(incident_id, "alert_ended", node, **about, end_reason=after["end_reason"], reason=after["reason"])
