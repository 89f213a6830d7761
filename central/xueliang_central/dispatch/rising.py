"""An incident has become more severe: what still runs goes by the policy row of its new severity, where that is sooner.

The new limits count from the rise: nobody could act by them before. No clock gets longer, none is due in the past, and
what has passed its limit already only has its next level told sooner.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import ClockKind, Limits, choose
from xueliang_central.dispatch import service
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import POLICY, Change
from xueliang_central.incidents.shedding import is_collective

Row = dict[str, Any]


async def rise(change: Change, before: Row, case: Row, *, limits: Limits | None = None) -> Row:
    """After a rise from `before`: limits, running clocks, the worker's dates. The incident after it.

    `limits`: those of its new severity where they are known; else those of today's table for its own place.
    """
    if case["severity"] >= before["severity"]:
        return case
    if limits is None:
        limits = _limits_of(change, case)
        if limits is None or limits.as_json() == case["policy"]:
            return case  # the row of its old severity is that of the new one
    moved = await timers.hasten(change.conn, case["incident_id"], limits, change.now)
    values: Row = {} if limits.as_json() == case["policy"] else {"policy": limits.as_json(), "updated_at": change.now}
    if values:
        await incidents.write(change, case, values)
    if moved or values:
        dates = {kind.value: due_at.isoformat() for kind, due_at in sorted(moved.items())}
        said = {"severity": case["severity"], "before": before["severity"], "policy_row": limits.row, "due": dates}
        change.note(case["incident_id"], "limits_by_severity", POLICY, **said)
    await tell_task(change, case, moved)
    return case | values


async def send_risen(change: Change, before: Row, case: Row) -> Row:
    """Where the row of the new severity dispatches by itself, so is what waits for a judgement; the incident after."""
    if case["severity"] >= before["severity"] or case["gone"] or is_collective(case["place_key"]):
        return case
    return await service.dispatch_by_policy(change, case)


def _limits_of(change: Change, case: Row) -> Limits | None:
    """None: an import has taken its area away, and all above it."""
    area = change.tree.nearest(case["area_code"])
    if area is None:
        return None
    asked = (case["hazard"], case["severity"], case["place_class"], area.level.value)
    chosen = choose(change.rulebook.policies, *asked, change.now)
    return chosen.told_within({above.level.value for above in change.tree.chain(area.code)})


async def tell_task(change: Change, case: Row, moved: Mapping[ClockKind, datetime]) -> None:
    """The dates of the clocks that have moved, on the task that its worker has."""
    dates = {f"{kind.value}_due_at": moved[kind] for kind in (ClockKind.TAKE, ClockKind.ARRIVE) if kind in moved}
    task = await service.live_task(change.conn, case["incident_id"]) if dates else None
    if task is not None:
        await service.write_task(change, task, dates, is_aside=True)
