"""A fault of a camera mutes what else that camera tells, until it is over (the decisions: `incidents.suppressing`).

Invariants
    - What comes while the fault stands is hidden, counted in the fault's book, and asks when the fault is over: by the
      same way as behind any silence (`silencing`). Of one batch the fault counts first, in whichever order it came.
    - An incident that is open when the fault begins stays, and is marked: somebody has seen it. So is what is never
      muted: fire, smoke, severity 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from xueliang_alerts.contract import Phase
from xueliang_central.incidents.camera_faults import open_incidents_of
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.node_failures import NODE_HAZARD
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.suppressing import why_hidden
from xueliang_central.silences import faults

Row = dict[str, Any]

INHIBITING: Final = By("system", "inhibiting")
MARKED: Final = "camera_faulty"


async def follow(change: Change, merged: Mapping[str, Row], routes: Mapping[str, Route]) -> None:
    """Begin and end what the faults among these alerts mute. `routes`: of those that lie in no incident yet."""
    over: list[str] = []
    for alert_id, row in merged.items():
        if row["hazard"] != NODE_HAZARD:
            continue
        if row["phase"] == Phase.CLEARED:
            over.append(alert_id)
            continue
        is_new = alert_id in routes and change.rulebook.inhibition.mutes(row)
        if is_new and await faults.begin(change, row, routes[alert_id].area):
            await _mark_open(change, row["camera_id"])
    if over:
        await faults.end(change, over)


async def mark(change: Change, rows: Collection[Row]) -> None:
    """What a fault may not mute says in its timeline that its camera sees wrongly. `rows`: alerts just placed."""
    told = [row for row in rows if row["hazard"] != NODE_HAZARD and row["phase"] != Phase.CLEARED and not row["drill"]]
    if not told:
        return
    found = await faults.in_force_at(change.conn, {row["camera_id"] for row in told}, change)
    for row in told:
        if (fault := found.get(row["camera_id"])) is not None:
            about = {"alert_id": row["alert_id"], "camera_id": row["camera_id"], "why": why_hidden(fault)}
            change.note(row["incident_id"], MARKED, INHIBITING, **about)


async def _mark_open(change: Change, camera_id: str) -> None:
    found = await open_incidents_of(change.conn, camera_id)
    fault = (await faults.in_force_at(change.conn, {camera_id}, change)).get(camera_id)
    if fault is not None:
        for incident_id in found:
            change.note(incident_id, MARKED, INHIBITING, camera_id=camera_id, why=why_hidden(fault))
