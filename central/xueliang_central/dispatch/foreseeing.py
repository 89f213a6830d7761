"""Who would go, asked before anybody is sent: the same choice that *confirm* makes, without making it.

It is a moment's answer: somebody may go off duty, or take another task, before the operator presses.
"""

from __future__ import annotations

from typing import Any

from xueliang_central.areas.tree import brief
from xueliang_central.dispatch import service
from xueliang_central.dispatch.recommending import Recommendation
from xueliang_central.dispatch.unit_first import rule_for
from xueliang_central.errors import NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.states import State
from xueliang_central.rights.scope import Actor, may_see
from xueliang_central.units import requests

Row = dict[str, Any]


async def who_would_go(change: Change, actor: Actor, incident_id: str) -> Row:
    """The worker whom *confirm* would send, with the reason; before that worker, the managing unit it would tell.

    `recommended` is null where the case is not open, or nobody serves its place (`why` says so).

    Raises:
        NotFound: no such incident, or out of scope.
    """
    incident = await incidents.load(change.conn, incident_id)
    if not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if incident["state"] != State.OPEN:
        return {"recommended": None, "why": None, "unit": None}
    place = service.place_of(change, incident["area_code"])
    choice = await service.recommended(change, incident, place, frozenset())
    return {"recommended": _named(choice), "why": choice.why_now, "unit": await _unit(change, incident)}


def _named(choice: Recommendation) -> Row | None:
    person = choice.person
    if person is None:
        return None
    worker = {"user_id": person.user_id, "display_name": person.display_name}
    return {"worker": worker, "role": person.role, "area": brief(choice.area)}


async def _unit(change: Change, incident: Row) -> str | None:
    """The managing unit that is told in place of a worker; None: a worker is sent."""
    if rule_for(change, incident, at_opening=False) is None:
        return None
    lane = (await requests.whom(change.conn, incident)).lane
    return None if lane is None else str(lane["unit"])
