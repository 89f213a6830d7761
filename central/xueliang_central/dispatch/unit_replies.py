"""What the managing unit of a lane says, and what follows when it says nothing.

*We clear it* starts the clock of clearing; *done* is *handled*: the same camera must see it gone within the check
limit; *cannot*, a limit that passes, or a severity that rises to 1 sends a worker as a dispatch does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from xueliang_central.audit import chain
from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.dispatch import service
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import CLOCK, POLICY, By, Change
from xueliang_central.incidents.shedding import MOST_SEVERE
from xueliang_central.incidents.states import MOVES, WITH_UNIT, Move, State
from xueliang_central.units import requests

Row = dict[str, Any]
Answer = Literal["clears", "done", "cannot"]

_MOVE_OF: Final[dict[Answer, str]] = {"clears": "unit_clears", "done": "unit_done", "cannot": "unit_cannot"}
_STATE_OF: Final[dict[Answer, str]] = {"clears": "clearing", "done": "done", "cannot": "cannot"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a unit says. `by`: link or gateway."""

    answer: Answer
    by: Literal["link", "gateway"]
    note: str | None = None


async def reply(change: Change, request_id: str, said: Reply) -> None:
    """Make the move that a unit asks for. The same said again changes nothing.

    Raises:
        NotFound: no such request.
        MoveRefused: not possible any more: a worker is on the way, or the case is over.
    """
    known = await requests.find(change.conn, request_id)
    incident = await incidents.load(change.conn, known["incident_id"], lock=True)
    request = await requests.find(change.conn, request_id)  # again: it may have changed while waiting for the lock
    if request["state"] == _STATE_OF[said.answer]:
        return
    move = MOVES[_MOVE_OF[said.answer]]
    if State(incident["state"]) not in move.sources or requests.standing(request, incident["state"]) == requests.OVER:
        possible = list(requests.replies_in(incident["state"]))
        raise MoveRefused("this request is over", state=incident["state"], replies=possible)
    by = By("unit", request["unit"])
    params: Row = {"unit": request["unit"], "lane": request["lane_name"], "by": said.by}
    if said.note:
        params["note"] = said.note
    await _move(change, incident, request, move, said, by, params)
    await chain.record(
        change.conn,
        actor=f"unit:{request['lane_id']}",
        action=f"incident.{move.name}",
        object_kind="incident",
        object_id=incident["incident_id"],
        detail={"lane_id": request["lane_id"], "by": said.by},
        at=change.now,
    )


async def _move(change: Change, incident: Row, request: Row, move: Move, said: Reply, by: By, params: Row) -> None:
    incident_id, now = incident["incident_id"], change.now
    values: Row = {"replied_at": now, "replied_by": said.by}
    if said.answer == "clears":
        values["clear_by"] = now + timedelta(seconds=request["clear_s"])
    else:
        values["ended_at"] = now
    await requests.set_state(change.conn, incident_id, _STATE_OF[said.answer], **values)
    if said.answer == "cannot":
        await _send(change, incident, move, by, params)
        return
    incident, _ = await incidents.transition(change, incident, move, by, params=params)
    if said.answer == "clears":
        clear_s = float(request["clear_s"])
        clock = timers.dated_row(incident_id, ClockKind.CLEAR, values["clear_by"], (), clear_s, now)
        await timers.write(change.conn, [clock])
    await service.see_gone(change, incident)


async def _send(change: Change, incident: Row, move: Move, by: By, params: Row) -> Row:
    """The move that ends the unit's turn, and a worker for the place, as any dispatch has it."""
    incident = await service.send(change, incident, move, by, params=params)
    change.note(incident["incident_id"], "dispatched", POLICY, why=move.name)
    return incident


async def limit_passed(change: Change, clock: Row, incident: Row) -> None:
    """Its reply clock or its clearing clock has run out: a worker is sent, in the transaction of the firing."""
    if incident["state"] not in WITH_UNIT:
        return
    await _give_up(change, incident, CLOCK, f"{clock['kind']}_limit", {"limit_s": clock["limit_s"]})


async def break_through(change: Change, incident: Row) -> Row:
    """What has become of severity 1 while a unit has it waits for nobody. The incident after it."""
    if incident["state"] not in WITH_UNIT or incident["severity"] != MOST_SEVERE or incident["gone"]:
        return incident
    return await _give_up(change, incident, POLICY, "severity", {})


async def _give_up(change: Change, incident: Row, by: By, why: str, more: Row) -> Row:
    await requests.set_state(change.conn, incident["incident_id"], "given_up", ended_at=change.now)
    return await _send(change, incident, MOVES["unit_given_up"], by, {"why": why, **more})


async def bypassed(change: Change, incident: Row) -> None:
    """An operator sends a worker while the unit has it; called before that move."""
    if incident["state"] in WITH_UNIT:
        await requests.set_state(change.conn, incident["incident_id"], "bypassed", ended_at=change.now)
