"""The operator's side of an incident: confirm, dispatch, false alarm, permitted, duplicate, close, reopen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from xueliang_alerts.contract import Hazard
from xueliang_central.audit import chain
from xueliang_central.dispatch import service, unit_replies
from xueliang_central.dispatch.unit_first import tell_first
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.states import MOVES, CloseReason, State, Who, allowed
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.incidents.tables import incidents as incident_rows
from xueliang_central.incidents.views import at_text
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, Role, may_see
from xueliang_central.silences import faults, proposals

Row = dict[str, Any]

_SAID = frozenset(move.timeline for move in MOVES.values() if move.who is Who.OPERATOR and not move.keeps)
_NO_FAULT = frozenset({"false_alarm", "close"})  # of a camera: it sees, whatever its node says
JUDGES = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class IncidentMove:
    """What a person asks for. `version`: of the incident as that person saw it."""

    move: str
    version: int
    reason_code: str | None = None
    note: str | None = None
    idempotency_key: str | None = None


def moves_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """The moves this actor could make now."""
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        return ()
    if incident["close_reason"] == CloseReason.MERGED:
        return ()  # its alerts are elsewhere: only splitting them off there brings it back
    return allowed(State(incident["state"]), Who.OPERATOR)


async def move_incident(change: Change, actor: Actor, incident_id: str, asked: IncidentMove) -> None:
    """Make one move of an incident.

    Raises:
        NotFound: no such incident, or out of scope.
        Conflict: it has changed since the actor saw it; `said_last` names who moved it last.
        MoveRefused: not possible now, or something is missing.
    """
    incident = await incidents.load(change.conn, incident_id, lock=True)
    if not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if await seen_before(change, actor, asked.idempotency_key, incident_id, asked.move):
        return
    try:
        _check(actor, incident, asked)
    except Conflict as error:
        said_last = await _said_last(change, incident_id)
        raise Conflict(error.detail, **error.extra, said_last=said_last) from error
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    params = {name: value for name, value in (("reason_code", asked.reason_code), ("note", asked.note)) if value}
    move = MOVES[asked.move]
    if move.to is State.DISPATCHED and incident["gone"]:
        stands = {"sent_when_gone": True}  # this person has seen that it is gone, and sends somebody all the same
        await incidents.write(change, incident, stands)
        incident |= stands
    if asked.move == "confirm" and await tell_first(change, incident, by, at_opening=False, params=params):
        pass  # judged, and the lane's managing unit has it first
    elif move.to is State.DISPATCHED:
        await unit_replies.bypassed(change, incident)
        await service.withdraw(change, incident, by, "sent_again")
        await service.send(change, incident, move, by, params=params)
    elif asked.move == "reopen":
        await _place_is_free(change, incident)
        # All of it may have been seen gone, and this person says otherwise: it does not end by itself a second later.
        await incidents.transition(change, incident, move, by, params=params, also={"gone": False})
    else:
        incident, _ = await incidents.transition(change, incident, move, by, params=params)
        await service.withdraw(change, incident, by, str(incident["close_reason"]))
        if incident["close_reason"] == CloseReason.PERMITTED:
            await proposals.consider(change, incident)
        if asked.move in _NO_FAULT and incident["hazard"] == Hazard.CAMERA_FAULT:
            await faults.end_of(change, incident_id, by=by.name)
    await chain.record(
        change.conn,
        actor=actor.name,
        action=f"incident.{asked.move}",
        object_kind="incident",
        object_id=incident_id,
        detail=params,
        at=change.now,
    )


def _check(actor: Actor, incident: Row, asked: IncidentMove) -> None:
    possible = moves_for(actor, incident)
    move = MOVES.get(asked.move)
    if move is None or move.who is not Who.OPERATOR or move.regroups or move.keeps or move.aside:
        raise MoveRefused(f"no such move: {asked.move[:24]}", moves=list(possible))
    if incident["version"] != asked.version:
        raise Conflict("the incident has changed meanwhile", version=incident["version"], state=incident["state"])
    if asked.move not in possible:
        detail = f"{asked.move} is not possible while {incident['state']}"
        raise MoveRefused(detail, state=incident["state"], moves=list(possible))
    if move.needs_note and not (asked.reason_code or (asked.note or "").strip()):
        raise MoveRefused(f"{asked.move} needs a reason_code or a note")


async def _said_last(change: Change, incident_id: str) -> Row | None:
    """Which person moved this case last, and how: who was first when two judge at once."""
    its = incident_timeline.c
    query = select(its.actor_name, its.kind, its.at).where(
        its.incident_id == incident_id, its.actor_kind == "user", its.kind.in_(_SAID)
    )
    said = (await change.conn.execute(query.order_by(its.entry_id.desc()).limit(1))).one_or_none()
    return None if said is None else {"by": said.actor_name, "kind": said.kind, "at": at_text(said.at)}


async def _place_is_free(change: Change, incident: Row) -> None:
    """One open incident per place: a closed one stays closed while another is open there."""
    same = [incident_rows.c[name] == incident[name] for name in ("area_code", "hazard", "place_key", "drill")]
    found = await change.conn.execute(
        select(incident_rows.c.number).where(*same, incident_rows.c.state != State.CLOSED.value)
    )
    other = found.scalar_one_or_none()
    if other is not None:
        raise MoveRefused(f"incident {other} is open at this place", number=other)
