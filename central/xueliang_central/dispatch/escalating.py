"""A limit has passed: the next level is told; a case that nobody saw gone is to be checked by hand.

Where nobody is on duty at the desk of that level, the next one above is told at once, and the timeline says so. The
clock keeps its own steps: the levels in between have their turn when it fires again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from xueliang_central.areas.tree import Area, higher
from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import OF_UNIT, ClockKind, Firing
from xueliang_central.dispatch import later_limits, requesting, suspending, unit_replies
from xueliang_central.dispatch.telling import Told, who_is_told
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import CLOCK, Change
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.notices import outbox
from xueliang_central.people.presence import desks_of

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Step:
    """One firing on its way: whose desk is told of it, None: nobody's."""

    clock: Row
    incident: Row
    firing: Firing
    told: Told | None


async def fire_next(change: Change) -> bool:
    """Fire one due clock, with everything that follows from it, in this transaction. False: none is due."""
    return await fire_some(change, 1) > 0


async def fire_some(change: Change, most: int) -> int:
    """Fire due clocks with everything that follows from it, in this transaction, and in few statements however many
    they are. Returns how many were looked at; 0: none is due."""
    seen, claimed = await timers.claim_due(change.conn, change.now, most)
    if not claimed:
        return seen
    firings = await timers.mark_fired(change.conn, [one.clock for one in claimed], change.now)
    steps: list[_Step] = []
    for one, firing in zip(claimed, firings, strict=True):
        incident = await _limit_passed(change, one.clock, one.incident) if firing.step == 1 else one.incident
        steps.append(_Step(one.clock, incident, firing, None))
    steps = await _with_told(change, steps)
    told = await _tell(change, steps)
    fired = [
        timers.Fired(step.clock, step.firing, None if step.told is None else step.told.area, number)
        for step, number in zip(steps, told, strict=True)
    ]
    await timers.record_fired(change.conn, fired, change.now)
    return seen


async def _limit_passed(change: Change, clock: Row, incident: Row) -> Row:
    """What the first firing of a clock means, beside that somebody is told. The incident after it."""
    incident_id = incident["incident_id"]
    if clock["kind"] == ClockKind.REMIND:  # told once: what goes on is the deadline
        await timers.stop(change.conn, incident_id, [ClockKind.REMIND], change.now)
        return incident
    said = {"clock": clock["kind"], "limit_s": clock["limit_s"], "due_at": clock["due_at"].isoformat()}
    if clock["kind"] == ClockKind.CHECK and incident["state"] == State.HANDLED:
        incident, _ = await incidents.transition(change, incident, MOVES["check_limit"], CLOCK, params=said)
        return incident
    if clock["kind"] in OF_UNIT:
        await unit_replies.limit_passed(change, clock, incident)
        return await incidents.load(change.conn, incident_id)
    if clock["kind"] == ClockKind.DECIDE:
        await requesting.lapse(change, (suspending.KIND, later_limits.KIND), incident)
        return await incidents.load(change.conn, incident_id)
    if clock["kind"] == ClockKind.RESUME:
        await suspending.date_come(change, incident)
        return await incidents.load(change.conn, incident_id)
    change.note(incident_id, "limit_passed", CLOCK, **said)
    return incident


async def _with_told(change: Change, steps: Sequence[_Step]) -> list[_Step]:
    """Each with the desk of the next level that has anybody on duty, read once for all of them."""
    chains = [_chain(change, step) for step in steps]
    codes = sorted({area.code for chain in chains for area in chain})
    if not codes:
        return list(steps)
    duty = await desks_of(change.conn, codes, change.now)
    return [
        replace(step, told=who_is_told(chain, duty)) if chain else step
        for step, chain in zip(steps, chains, strict=True)
    ]


def _chain(change: Change, step: _Step) -> tuple[Area, ...]:
    """From the area of the level that is due up to the root; empty: nobody is told."""
    # An import may have taken its area away, and all above it: the limit passes all the same.
    known = change.tree.nearest(step.incident["area_code"])
    level = step.firing.level
    due = None if level is None or known is None else change.tree.ancestor_at(known.code, level)
    return () if due is None else tuple(reversed(change.tree.chain(due.code)))


async def _tell(change: Change, steps: Sequence[_Step]) -> list[int]:
    """Notices to the people of each desk, what has risen, and the timeline. How many were told of each."""
    notices: list[Row] = []
    risen: list[Row] = []
    told: list[int] = []
    for step in steps:
        if step.told is None:
            told.append(0)
            continue
        written = _notices_of(change, step, step.told)
        notices += written
        told.append(len(written))
        risen.append(_risen(change, step, step.told.area))
        _say_escalated(change, step, step.told, len(written))
    await outbox.put_all(change.conn, notices)
    await incidents.write_all(change, risen, ["owner_level", "updated_at"])
    return told


def _is_reminder(step: _Step) -> bool:
    return bool(step.clock["kind"] == ClockKind.REMIND)


def _notices_of(change: Change, step: _Step, told: Told) -> list[Row]:
    incident = step.incident
    said = {
        "incident_id": incident["incident_id"],
        "number": incident["number"],
        "hazard": incident["hazard"],
        "drill": incident["drill"],
        "clock": step.clock["kind"],
        "level": told.area.level.value,
    }
    return outbox.rows_of(
        key=f"escalated:{step.clock['clock_id']}:{step.firing.step}",
        kind="deadline_near" if _is_reminder(step) else "escalated",
        user_ids=told.user_ids,
        area_path=told.area.path,
        params=said,
        severity=incident["severity"],
        now=change.now,
    )


def _risen(change: Change, step: _Step, area: Area) -> Row:
    """What has risen stays, also when a desk below is back."""
    owner = step.incident["owner_level"]
    if not _is_reminder(step):
        owner = higher(owner, area.level).value
    return {"incident_id": step.incident["incident_id"], "owner_level": owner, "updated_at": change.now}


def _say_escalated(change: Change, step: _Step, told: Told, number: int) -> None:
    more: Row = {}
    if told.why is not None:
        more = {"why": told.why, "passed_over": [_named(one) for one in told.passed_over]}
    change.note(
        step.incident["incident_id"],
        "deadline_near" if _is_reminder(step) else "escalated",
        CLOCK,
        clock=step.clock["kind"],
        level=told.area.level.value,
        **_named(told.area),
        told=number,
        step=step.firing.step,
        **more,
    )


def _named(area: Area) -> Row:
    return {"area_code": area.code, "area_name": area.name, "area_name_en": area.name_en}
