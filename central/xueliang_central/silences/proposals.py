"""Calendar proposals: made when a closing as *permitted* comes back, answered by a rule operator, never alone."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import Conflict, MoveRefused, NotAllowed, NotFound
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.proposing import Closing, Suggested, suggest
from xueliang_central.incidents.reported import MARK
from xueliang_central.incidents.shedding import is_collective, may_be_held
from xueliang_central.incidents.states import CloseReason
from xueliang_central.incidents.suppressing import Asked, Kind
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, Role, may_see, within
from xueliang_central.silences import service
from xueliang_central.silences.tables import calendar_proposals
from xueliang_configs.schedules import Schedule

Row = dict[str, Any]

ANSWERS: Final = frozenset({Role.RULE_OPERATOR, Role.ADMIN})
OPEN_STATE, ACCEPTED, REFUSED, LAPSED = "open", "accepted", "refused", "lapsed"
MOVES: Final = ("accept", "refuse")
AT_ONCE: Final = 50
CLOSINGS_AT_MOST: Final = 200  # of one camera and rule that are looked at: a busy place needs no more to show


@dataclass(frozen=True, slots=True)
class ProposalMove:
    """accept | refuse. `version`: of the proposal as that person saw it."""

    move: str
    version: int
    note: str | None = None
    idempotency_key: str | None = None


async def consider(change: Change, incident: Row) -> list[str]:
    """After an incident was closed as permitted: the proposals that come of it, one a rule that took part at most.

    A collective incident says nothing of a place, nor does one that could not be silenced anyway; what a station or a
    person has told of has no rule to be silenced.
    """
    if not change.rulebook.silencing.propose_after or is_collective(incident["place_key"]):
        return []
    if not may_be_held(incident["hazard"], incident["severity"], incident["drill"]):
        return []
    is_seen_by_camera = ~alerts.c.camera_id.startswith(MARK)
    pairs = select(alerts.c.camera_id, alerts.c.rule_id).where(
        alerts.c.incident_id == incident["incident_id"], is_seen_by_camera
    )
    made: list[str] = []
    for camera_id, rule_id in sorted(tuple(row) for row in await change.conn.execute(pairs.distinct())):
        await _one_at_a_time(change.conn, camera_id, rule_id)
        made += await _consider(change, incident, camera_id, rule_id)
    return made


async def _consider(change: Change, incident: Row, camera_id: str, rule_id: str) -> list[str]:
    rule = change.rulebook.silencing
    since = change.now - timedelta(seconds=rule.propose_within_s)
    before = await _proposals_of(change.conn, incident["area_path"], camera_id, rule_id)
    newest = _closing(incident)
    already = next((one for one in before if one["state"] == OPEN_STATE and _means(one, newest.began_at)), None)
    if already is not None:  # asked already: one more reason for the same answer
        await _write(change, already, {"closings": [*already["closings"], _shown(newest)]})
        return []
    used = {one["incident_id"] for proposal in before for one in proposal["closings"]}
    earlier = [
        one for one in await _closings(change.conn, incident, camera_id, rule_id, since) if one.incident_id not in used
    ]
    suggested = suggest(newest, earlier, rule)
    return [] if suggested is None else [await _propose(change, incident, camera_id, rule_id, suggested)]


async def _one_at_a_time(conn: AsyncConnection, camera_id: str, rule_id: str) -> None:
    if conn.dialect.name == "postgresql":
        lock = {"key": f"proposal/{camera_id}/{rule_id}"}
        await conn.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 7))"), lock)


async def _proposals_of(conn: AsyncConnection, area_path: str, camera_id: str, rule_id: str) -> list[Row]:
    """Of this area: a camera that has moved here leaves its story to those who may see it."""
    found = await conn.execute(
        select(calendar_proposals).where(
            calendar_proposals.c.camera_id == camera_id,
            calendar_proposals.c.rule_id == rule_id,
            calendar_proposals.c.area_path == area_path,
        )
    )
    return [dict(row) for row in found.mappings()]


def _means(proposal: Row, at: datetime) -> bool:
    return Schedule.model_validate(proposal["weekly"]).is_active(at)


async def _closings(
    conn: AsyncConnection, incident: Row, camera_id: str, rule_id: str, since: datetime
) -> list[Closing]:
    """Other permitted closings of this camera and rule, newest first. What was reopened since is none."""
    took_part = select(alerts.c.incident_id).where(alerts.c.camera_id == camera_id, alerts.c.rule_id == rule_id)
    found = await conn.execute(
        select(incidents)
        .where(
            incidents.c.incident_id.in_(took_part),
            incidents.c.incident_id != incident["incident_id"],
            incidents.c.hazard == incident["hazard"],
            incidents.c.area_path == incident["area_path"],
            or_(
                incidents.c.close_reason == CloseReason.PERMITTED.value,
                incidents.c.review == CloseReason.PERMITTED.value,
            ),
            incidents.c.closed_at >= since,
            incidents.c.drill.is_(False),
        )
        .order_by(incidents.c.closed_at.desc(), incidents.c.incident_id)
        .limit(CLOSINGS_AT_MOST)
    )
    rows = [dict(row) for row in found.mappings()]
    return [
        _closing(row)
        for row in rows
        if may_be_held(row["hazard"], row["severity"], False) and not is_collective(row["place_key"])
    ]


def _closing(row: Row) -> Closing:
    return Closing(**{name: row[name] for name in Closing.__dataclass_fields__})


def _shown(closing: Closing) -> Row:
    times = {name: getattr(closing, name).isoformat().replace("+00:00", "Z") for name in ("began_at", "closed_at")}
    return {"incident_id": closing.incident_id, "number": closing.number, **times}


async def _propose(change: Change, incident: Row, camera_id: str, rule_id: str, suggested: Suggested) -> str:
    proposal_id = str(uuid.uuid4())
    row: Row = {
        "proposal_id": proposal_id,
        "area_code": incident["area_code"],
        "area_path": incident["area_path"],
        "camera_id": camera_id,
        "camera_name": incident["camera_name"] if camera_id == incident["camera_id"] else camera_id,
        "hazard": incident["hazard"],
        "rule_id": rule_id,
        "weekly": suggested.weekly.model_dump(mode="json"),
        "ends_at": change.now + timedelta(seconds=change.rulebook.silencing.proposed_for_s),
        "closings": [_shown(one) for one in suggested.closings],
        "state": OPEN_STATE,
        "made_at": change.now,
        "version": 1,
    }
    await change.conn.execute(insert(calendar_proposals), row)
    change.touch_proposal(proposal_id)
    numbers = [one.number for one in suggested.closings]
    await _record(change, "system", "calendar.proposed", proposal_id, {"camera_id": camera_id, "incidents": numbers})
    return proposal_id


async def load(conn: AsyncConnection, proposal_id: str, *, lock: bool = False) -> Row:
    """Raises NotFound."""
    try:
        wanted = str(uuid.UUID(proposal_id))
    except ValueError:
        raise NotFound("proposal") from None
    query = select(calendar_proposals).where(calendar_proposals.c.proposal_id == wanted)
    row = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None:
        raise NotFound("proposal")
    return dict(row)


def moves_of(actor: Actor, row: Row) -> tuple[str, ...]:
    """What this person may answer."""
    may = row["state"] == OPEN_STATE and actor.role in ANSWERS and within(row["area_path"], actor.area_path)
    return MOVES if may else ()


async def move(change: Change, actor: Actor, proposal_id: str, asked: ProposalMove) -> None:
    """Accept: an event is made of it, in the name of who accepts. Refuse: these closings propose nothing again.

    Raises:
        NotFound: no such proposal, or out of scope.
        Conflict: it has changed since the actor saw it.
        NotAllowed: not a rule operator of this area.
        MoveRefused: it has been answered, or there is no such move.
        SilenceRefused: the event cannot be made any more.
    """
    row = await load(change.conn, proposal_id, lock=True)
    if not may_see(actor, row["area_path"]):
        raise NotFound("proposal")
    if await seen_before(change, actor, asked.idempotency_key, row["proposal_id"], f"proposal_{asked.move}"[:24]):
        return
    if asked.move not in MOVES:
        raise MoveRefused(f"no such move: {asked.move[:24]}", moves=list(moves_of(actor, row)))
    if row["version"] != asked.version:
        raise Conflict("the proposal has changed meanwhile", version=row["version"], state=row["state"])
    if row["state"] != OPEN_STATE:
        raise MoveRefused(f"it is answered already: {row['state']}", moves=[])
    if not moves_of(actor, row):
        raise NotAllowed("a rule operator of this area answers it")
    name = await rosters.display_name_of(change.conn, actor.user_id) or actor.name
    values: Row = {"state": REFUSED, "decided_at": change.now, "decided_by": name, "note": asked.note}
    if asked.move == "accept":
        values |= {"state": ACCEPTED, "silence_id": await _make_event(change, actor, row, asked.note)}
    await _write(change, row, values)
    said = {name: value for name, value in (("note", asked.note), ("silence_id", values.get("silence_id"))) if value}
    await _record(change, actor.name, f"calendar.{values['state']}", row["proposal_id"], said)


async def _make_event(change: Change, actor: Actor, row: Row, note: str | None) -> str:
    numbers = ", ".join(one["number"] for one in row["closings"][-3:])
    event = Asked(
        kind=Kind.EVENT,
        reason=note or f"permitted {len(row['closings'])} times at this time of day: {numbers}",
        ends_at=row["ends_at"],
        camera_id=row["camera_id"],
        hazard=row["hazard"],
        rule_id=row["rule_id"],
        weekly=Schedule.model_validate(row["weekly"]),
    )
    return await service.make(change, actor, event, proposal_id=row["proposal_id"])


async def _write(change: Change, row: Row, values: Row) -> None:
    await change.conn.execute(
        update(calendar_proposals)
        .where(calendar_proposals.c.proposal_id == row["proposal_id"])
        .values(**values, version=row["version"] + 1)
    )
    change.touch_proposal(row["proposal_id"])


async def _record(change: Change, actor: str, action: str, proposal_id: str, detail: Row) -> None:
    await service.record(change, actor, action, proposal_id, detail, kind="calendar_proposal")


async def is_any_due(conn: AsyncConnection, now: datetime) -> bool:
    """Asked by reading: is any to lapse?"""
    query = select(calendar_proposals.c.proposal_id).where(*_lapses(now)).limit(1)
    return (await conn.execute(query)).first() is not None


def _lapses(now: datetime) -> list[Any]:
    return [calendar_proposals.c.state == OPEN_STATE, calendar_proposals.c.ends_at <= now]


async def lapse(change: Change) -> int:
    """Close what nobody has answered until its event would be over; returns how many."""
    lapsed = await _taken(change, _lapses(change.now))
    for row in lapsed:
        await _write(change, row, {"state": LAPSED, "decided_at": change.now})
        await _record(change, "system", "calendar.lapsed", row["proposal_id"], {})
    return len(lapsed)


async def forget(change: Change) -> int:
    """Delete what was refused or has lapsed long ago; what was accepted goes with its event. Returns how many."""
    since = change.now - timedelta(seconds=change.rulebook.silencing.keep_s)
    old = await _taken(
        change, [calendar_proposals.c.state.in_([REFUSED, LAPSED]), calendar_proposals.c.decided_at <= since]
    )
    if old:
        ids = [row["proposal_id"] for row in old]
        await change.conn.execute(delete(calendar_proposals).where(calendar_proposals.c.proposal_id.in_(ids)))
        await _record(change, "system", "calendar.forgotten", "*", {"proposals": ids})
    return len(old)


async def _taken(change: Change, conditions: Sequence[Any]) -> list[Row]:
    found = await change.conn.execute(
        select(calendar_proposals)
        .where(*conditions)
        .order_by(calendar_proposals.c.proposal_id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return [dict(row) for row in found.mappings()]
