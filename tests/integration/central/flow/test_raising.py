"""A person says that a case is more severe than its alerts do: limits, notices, what stays; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    CHEN,
    LI,
    PEOPLE,
    STRANGER,
    VILLAGE,
    HandClock,
    Stage,
    actor,
    alert,
    build,
    raised,
    received,
)
from tests.integration.central.flow.test_regrouping import by_number, merge, two
from xueliang_alerts.contract import Phase
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.raising import Raise, raise_severity
from xueliang_central.dispatch.requesting import Request
from xueliang_central.dispatch.side_moves import asides_for
from xueliang_central.dispatch.splitting import Split, split_incident
from xueliang_central.dispatch.suspending import decide
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events

SUN = actor(Role.SUPERVISOR, VILLAGE, "sun")
TABLE = {
    "policies": [
        {"match": {"severity": [1]}, "judge_s": 30, "take_s": 40, "arrive_s": 90, "auto_dispatch": True},
        {"match": {"severity": [2]}, "judge_s": 60, "take_s": 120, "arrive_s": 300, "escalate_every_s": 30},
        {"judge_s": 300, "take_s": 600, "arrive_s": 1200},
    ]
}


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock, policies=TABLE, people=(*PEOPLE, SUN))


async def _raise(stage: Stage, who: Actor, severity: int, **more: Any) -> None:
    case = (await by_number(stage))[0]
    said = {"version": case["version"], "reason_code": "people_at_risk", "note": "a school is about to end"}
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await raise_severity(change, who, case["incident_id"], Raise(severity=severity, **said | more))


async def _due(stage: Stage) -> dict[str, float]:
    """Of what runs, seconds from now."""
    running = [row for row in await stage.rows(clocks) if row["stopped_at"] is None]
    return {row["kind"]: (row["due_at"] - stage.clock()).total_seconds() for row in running}


async def test_its_limits_are_those_of_the_new_severity_and_its_alerts_do_not_lower_it(
    stage: Stage, clock: HandClock
) -> None:
    await stage.take(raised(severity=3, drill=True))
    before = await stage.one_incident()
    assert (before["state"], await _due(stage)) == ("open", {"judge": 300})
    clock.forward(100)
    await _raise(stage, CHEN, 2, idempotency_key="once")
    case = await stage.one_incident()
    assert (case["severity"], case["version"], case["drill"]) == (2, before["version"] + 1, True)
    assert case["raised"]["by"] == "Chen"
    assert await _due(stage) == {"judge": 60}, "from now, and sooner than what was left"
    told = [(row["kind"], row["user_id"], row["severity"]) for row in await stage.rows(notices)]
    assert ("severity_raised", LI.user_id, 2) in told, "the desk that has the case"
    shown = [row["body"]["incident"] for row in await stage.rows(events) if row["kind"] == "incident"][-1]
    assert (shown["severity"], shown["raised"]["before"]) == (2, 3)
    [act] = [row for row in await stage.rows(audit_records) if row["action"] == "incident.raise_severity"]
    assert act["detail"]["severity"] == 2
    said = [row for row in await stage.rows(incident_timeline) if row["kind"] == "severity_raised"]
    assert [(row["actor_name"], row["params"]["reason_code"]) for row in said] == [("Chen", "people_at_risk")]
    await stage.take(received(alert(Phase.UPDATED, 2, severity=3, seen_s=90, drill=True), 2, at=clock.at))
    assert (await stage.one_incident())["severity"] == 2, "its camera says what it said"
    with pytest.raises(Conflict):
        await _raise(stage, LI, 1, version=before["version"])
    await _raise(stage, LI, 1)  # and its row sends somebody by itself
    case = await stage.one_incident()
    assert (case["state"], await _due(stage)) == ("dispatched", {"take": 40, "arrive": 90})
    assert "raise_severity" not in asides_for(LI, case)
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole


async def test_who_is_on_the_way_hears_of_it_and_what_waits_goes_on(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised(severity=3))
    case = await stage.one_incident()
    await stage.judge(LI, case["incident_id"], "confirm", case["version"])
    task = await stage.task()
    worker = next(one for one in PEOPLE if one.user_id == task["worker_id"])
    await stage.work_on(worker, "take")
    said = {"reason_code": "no_access", "note": "locked", "until": clock.at + timedelta(hours=1)}
    await stage.work_on(worker, "ask_suspension", **said)
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, clock) as change:
        await decide(change, SUN, task["task_id"], Request(task["version"]), approve=True)
    await _raise(stage, LI, 2)
    [paused] = [row for row in await stage.rows(clocks) if row["paused_at"] is not None and row["stopped_at"] is None]
    assert (paused["kind"], paused["left_s"]) == ("arrive", 300), "it waits, with less left"
    assert (await stage.one_incident())["suspension"]["standing"] == "suspended"
    await _raise(stage, LI, 1)
    case = await stage.one_incident()
    assert case["suspension"]["ended_why"] == "resume_by_system"
    assert await _due(stage) == {"arrive": 90}
    kinds = [row["kind"] for row in await stage.rows(notices) if row["user_id"] == worker.user_id]
    assert kinds.count("severity_raised") == 2
    climbing = {row["severity"] for row in await stage.rows(notices) if row["climb_at"] is not None}
    assert climbing == {1}, "what still climbs about it goes on as of the new severity"


async def test_what_is_refused(stage: Stage) -> None:
    await stage.take(raised(severity=2))
    for severity in (2, 3):
        with pytest.raises(MoveRefused, match="never lowered"):
            await _raise(stage, LI, severity)
    with pytest.raises(MoveRefused, match="needs a reason_code or a note"):
        await _raise(stage, LI, 1, reason_code=None, note=" ")
    with pytest.raises(NotFound):
        await _raise(stage, STRANGER, 1)
    case = await stage.one_incident()
    assert "raise_severity" in asides_for(LI, case)
    await _raise(stage, CHEN, 1)
    told = [row for row in await stage.rows(notices) if row["kind"] == "severity_raised"]
    assert told
    async with stage.database.reading() as conn:
        assert await not_needed(conn, told) == {}
    case = await stage.one_incident()
    await stage.judge(LI, case["incident_id"], "false_alarm", case["version"])
    async with stage.database.reading() as conn:
        assert await not_needed(conn, told) == {row["notice_id"]: "closed" for row in told}
    with pytest.raises(MoveRefused, match="not possible while closed"):
        await _raise(stage, LI, 1)


async def test_it_goes_along_with_a_merge_and_back_with_its_undoing(stage: Stage, clock: HandClock) -> None:
    other, into = await two(stage, clock, severity=3)
    assert (other["severity"], into["severity"]) == (2, 3)
    await _raise(stage, CHEN, 1)  # of the first, which is dispatched by it
    other, into = await by_number(stage)
    await stage.judge(LI, into["incident_id"], "confirm", into["version"])
    other, into = await by_number(stage)
    await merge(stage, LI, into, other, keep_task_id=(await stage.task())["task_id"])
    other, into = await by_number(stage)
    assert (into["severity"], into["raised"]["by"]) == (1, "Chen")
    async with changing(stage.database, stage.rulebook, clock) as change:
        asked = Split(into["version"], (), absorbed_id=other["incident_id"], reason_code="grouped_in_error")
        await split_incident(change, LI, into["incident_id"], asked)
    other, into = await by_number(stage)
    assert (other["severity"], into["severity"], into["raised"]) == (1, 3, None)
