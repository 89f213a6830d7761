"""A person says that a case is more severe than its alerts do: by a desk of the place, with a reason, never milder.

One person is enough: limits only become shorter and more people hear of it. What follows is what follows when an alert
raises it (`rising.py`); what is asked or agreed of it goes on, and what has become urgent waits no longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from xueliang_central.audit import chain
from xueliang_central.dispatch import service
from xueliang_central.dispatch.giving_way import give_way
from xueliang_central.dispatch.helping import desks_above
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.rising import rise, send_risen
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.dispatch.unit_replies import break_through
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.regrouping import UNDER_WAY
from xueliang_central.incidents.shedding import MOST_SEVERE, is_collective
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.incidents.views import at_text
from xueliang_central.notices import outbox
from xueliang_central.people import presence, rosters
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]

RAISE: Final = "raise_severity"
RAISED: Final = "severity_raised"


@dataclass(frozen=True, slots=True)
class Raise:
    """What a person asks for.

    Attributes:
        version: of the incident as that person saw it.
        severity: 1 to 3, more severe than the incident is now.
    """

    version: int
    severity: int
    reason_code: str | None = None
    note: str | None = None
    idempotency_key: str | None = None


def can_be_raised(incident: Row) -> bool:
    """Is there a severity above its own that a person could give it?"""
    return bool(incident["severity"] > MOST_SEVERE) and not is_collective(incident["place_key"])


async def raise_severity(change: Change, actor: Actor, incident_id: str, asked: Raise) -> None:
    """Make it more severe, with all that follows.

    Raises:
        NotFound: no such incident, or out of scope.
        Conflict: it has changed since the actor saw it.
        MoveRefused: it is closed or collective, that is not more severe than it is, or the reason is missing.
    """
    incident = await incidents.load(change.conn, incident_id, lock=True)
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if await seen_before(change, actor, asked.idempotency_key, incident_id, RAISE):
        return
    _check(incident, asked)
    before = incident
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    said = {"before": before["severity"], "severity": asked.severity}
    why = {name: getattr(asked, name) for name in ("reason_code", "note")}
    raised = {**said, **why, "by": by.name, "at": at_text(change.now)}
    params = said | {name: value for name, value in why.items() if value}
    also = {"severity": asked.severity, "raised": raised}
    incident, _ = await incidents.transition(change, incident, MOVES[RAISE], by, params=params, also=also)
    incident = await rise(change, before, incident)
    await _tell(change, actor, incident, before["severity"])
    incident = await send_risen(change, before, incident)
    await give_way(change, await break_through(change, incident))
    await chain.record(
        change.conn,
        actor=actor.name,
        action=f"incident.{RAISE}",
        object_kind="incident",
        object_id=incident_id,
        detail=params,
        at=change.now,
    )


def _check(incident: Row, asked: Raise) -> None:
    if incident["version"] != asked.version:
        raise Conflict("the incident has changed meanwhile", version=incident["version"], state=incident["state"])
    if State(incident["state"]) not in MOVES[RAISE].sources:
        raise MoveRefused(f"{RAISE} is not possible while {incident['state']}", state=incident["state"])
    if is_collective(incident["place_key"]):
        raise MoveRefused("a collective incident has no severity of its own: judge what is in it", reason="collective")
    if not MOST_SEVERE <= asked.severity < incident["severity"]:
        detail = f"severity: expected {MOST_SEVERE} to {incident['severity'] - 1}, got {asked.severity}"
        raise MoveRefused(f"{detail}: a case is raised, never lowered", reason="not_more_severe")
    if not (asked.reason_code or (asked.note or "").strip()):
        raise MoveRefused(f"{RAISE} needs a reason_code or a note")


async def _tell(change: Change, actor: Actor, incident: Row, before: int) -> None:
    """The worker who is asked or on the way, and the desk that has the case where another one has raised it."""
    said = {name: incident[name] for name in ("incident_id", "number", "hazard", "drill", "severity")}
    said |= {"before": before}
    key = f"{RAISED}:{incident['incident_id']}:{incident['version']}"
    task = await service.live_task(change.conn, incident["incident_id"])
    if task is not None and task["worker_id"] is not None and task["state"] in UNDER_WAY:
        change.touch_task(task["task_id"])  # its version stays: what the phone has done without a signal still counts
        about = {**said, "task_id": task["task_id"]}
        await _put(change, incident, f"{key}:worker", [task["worker_id"]], task["area_path"], about)
    above = desks_above(change, incident)
    if above:
        told = who_is_told(above, await presence.desks_of(change.conn, [area.code for area in above], change.now))
        if actor.user_id not in told.user_ids:
            await _put(change, incident, key, list(told.user_ids), told.area.path, said)


async def _put(change: Change, incident: Row, key: str, user_ids: list[str], area_path: str, said: Row) -> None:
    await outbox.put(
        change.conn,
        key=key,
        kind=RAISED,
        user_ids=user_ids,
        area_path=area_path,
        params=said,
        severity=incident["severity"],
        now=change.now,
    )
