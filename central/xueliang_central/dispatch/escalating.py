"""A limit has passed: the next level is told; a case that nobody saw gone is to be checked by hand.

Where nobody is on duty at the desk of that level, the next one above is told at once, and the timeline says so. The
clock keeps its own steps: the levels in between have their turn when it fires again.
"""

from __future__ import annotations

from typing import Any

from xueliang_central.areas.tree import Area, higher
from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import OF_SUSPENSION, OF_UNIT, ClockKind, Firing
from xueliang_central.dispatch import suspending, unit_replies
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import CLOCK, Change
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.notices import outbox
from xueliang_central.people.presence import desks_of

Row = dict[str, Any]


async def fire_next(change: Change) -> bool:
    """Fire one due clock, with everything that follows from it, in this transaction. False: none is due."""
    claimed = await timers.claim_due(change.conn, change.now)
    if claimed is None:
        return False
    clock, incident = claimed
    firing = await timers.mark_fired(change.conn, clock, change.now)
    if firing is None:
        return True
    if firing.step == 1:
        await _limit_passed(change, clock, incident)
    area, told = await _escalate(change, clock, incident, firing)
    await timers.record_firing(change.conn, clock, firing, area=area, told=told, now=change.now)
    return True


async def _limit_passed(change: Change, clock: Row, incident: Row) -> None:
    if clock["kind"] == ClockKind.REMIND:  # told once: what goes on is the deadline
        await timers.stop(change.conn, incident["incident_id"], [ClockKind.REMIND], change.now)
        return
    said = {"clock": clock["kind"], "limit_s": clock["limit_s"], "due_at": clock["due_at"].isoformat()}
    if clock["kind"] == ClockKind.CHECK and incident["state"] == State.HANDLED:
        await incidents.transition(change, incident, MOVES["check_limit"], CLOCK, params=said)
        return
    if clock["kind"] in OF_UNIT:
        await unit_replies.limit_passed(change, clock, incident)
        return
    if clock["kind"] in OF_SUSPENSION:
        await suspending.clock_fired(change, clock, incident)
        return
    change.note(incident["incident_id"], "limit_passed", CLOCK, **said)


async def _escalate(change: Change, clock: Row, incident: Row, firing: Firing) -> tuple[Area | None, int]:
    """Tell the people of the next level that has any on duty; returns which area, and how many were told."""
    # An import may have taken its area away, and all above it: the limit passes all the same.
    known = change.tree.nearest(incident["area_code"])
    due = None if firing.level is None or known is None else change.tree.ancestor_at(known.code, firing.level)
    if due is None:
        return None, 0
    chain = tuple(reversed(change.tree.chain(due.code)))
    choice = who_is_told(chain, await desks_of(change.conn, [area.code for area in chain], change.now))
    area = choice.area
    said = {
        "incident_id": incident["incident_id"],
        "number": incident["number"],
        "hazard": incident["hazard"],
        "drill": incident["drill"],
        "clock": clock["kind"],
        "level": area.level.value,
    }
    is_reminder = clock["kind"] == ClockKind.REMIND
    told = await outbox.put(
        change.conn,
        key=f"escalated:{clock['clock_id']}:{firing.step}",
        kind="deadline_near" if is_reminder else "escalated",
        user_ids=choice.user_ids,
        area_path=area.path,
        params=said,
        severity=incident["severity"],
        now=change.now,
    )
    # What has risen stays, also when a desk below is back.
    owner = incident["owner_level"] if is_reminder else higher(incident["owner_level"], area.level).value
    await incidents.write(change, incident, {"owner_level": owner, "updated_at": change.now})
    more: Row = {}
    if choice.why is not None:
        more = {"why": choice.why, "passed_over": [_named(one) for one in choice.passed_over]}
    change.note(
        incident["incident_id"],
        "deadline_near" if is_reminder else "escalated",
        CLOCK,
        clock=clock["kind"],
        level=area.level.value,
        **_named(area),
        told=told,
        step=firing.step,
        **more,
    )
    return area, told


def _named(area: Area) -> Row:
    return {"area_code": area.code, "area_name": area.name, "area_name_en": area.name_en}
