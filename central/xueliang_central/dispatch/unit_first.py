"""The managing unit of a lane is told first: when a case goes to it in place of a worker.

Called where a case would be dispatched: by an operator's *confirm*, or by the policy at its opening. It says whether
the unit is told; where it is not, the case goes on as it would without.
"""

from __future__ import annotations

from typing import Any

from xueliang_alerts.contract import Hazard, Severity
from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import POLICY, By, Change
from xueliang_central.incidents.shedding import is_collective
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.incidents.views import at_text
from xueliang_central.units import requests
from xueliang_configs.policies import UnitFirst
from xueliang_configs.values import AreaLevel, PlaceClass

Row = dict[str, Any]


def rule_for(change: Change, incident: Row, *, at_opening: bool) -> tuple[int, UnitFirst] | None:
    """The row of the policy by which a unit is told of this case now, and its number; None: a worker is sent."""
    rules = change.rulebook.unit_first
    if not rules or incident["state"] != State.OPEN or is_collective(incident["place_key"]):
        return None
    area = change.tree.find(incident["area_code"])
    if area is None:
        return None
    case = (
        Hazard(incident["hazard"]),
        Severity(incident["severity"]),
        PlaceClass(incident["place_class"]),
        AreaLevel(area.level.value),
    )
    found = next(((number, row) for number, row in enumerate(rules) if row.takes(case, change.now)), None)
    return None if found is None or (at_opening and found[1].at != "opening") else found


async def tell_first(
    change: Change, incident: Row, by: By = POLICY, *, at_opening: bool = True, params: Row | None = None
) -> Row | None:
    """Tell the unit of the lane in which the case lies, if the policy says so; the incident after it.

    None: nobody was told; when a rule would have, the timeline says why not.
    """
    found = rule_for(change, incident, at_opening=at_opening)
    if found is None:
        return None
    number, row = found
    whom = await requests.whom(change.conn, incident)
    if whom.lane is None:
        if whom.why != "no_lane":
            change.note(incident["incident_id"], "unit_not_told", POLICY, why=whom.why)
        return None
    request = await requests.write(change.conn, incident, whom.lane, row, change.now)
    said = {
        **(params or {}),
        "unit": request["unit"],
        "lane": request["lane_name"],
        "reply_s": row.reply_s,
        "clear_s": row.clear_s,
        "reply_by": at_text(request["reply_by"]),
        "unit_row": number,
    }
    incident, _ = await incidents.transition(change, incident, MOVES["unit_first"], by, params=said)
    clock = timers.dated_row(incident["incident_id"], ClockKind.REPLY, request["reply_by"], (), row.reply_s, change.now)
    await timers.write(change.conn, [clock])
    return incident
