"""A task is suspended by two people, its clocks wait, and it goes on with what was left: on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    CHEN,
    GRID,
    LI,
    PEOPLE,
    POLICIES,
    VILLAGE,
    HandClock,
    Stage,
    actor,
    alert,
    build,
    cleared,
    raised,
    received,
)
from tests.integration.central.flow.test_rollups import roll
from tests.integration.central.flow.test_worker import _run_worker
from tests.integration.central.flow.worker_process import CLOCKS_AT_ONCE
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import AreaBook
from xueliang_central.audit import chain
from xueliang_central.clocks.tables import clocks, escalations
from xueliang_central.dispatch import suspending
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.requesting import Request
from xueliang_central.dispatch.side_moves import asides_for
from xueliang_central.dispatch.supervising import Supervision, supervise
from xueliang_central.dispatch.suspending import ask_for_worker, decide, resume_by_desk, take_back_by_desk
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.transferring import Transfer, transfer
from xueliang_central.dispatch.urging import Urge, urge
from xueliang_central.dispatch.working import moves_of
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.change import Rulebook
from xueliang_central.incidents.tables import incidents
from xueliang_central.notices.tables import notices
from xueliang_central.reports.tables import rollups
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable
from xueliang_configs.side_moves import SideMoves

SUN = actor(Role.SUPERVISOR, VILLAGE, "sun")
QIU = actor(Role.SUPERVISOR, "370102003", "qiu")
FAR = actor(Role.SUPERVISOR, "370103", "far")
HOUR = timedelta(hours=1)
CASES = CLOCKS_AT_ONCE + 4  # so that a worker needs two transactions


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock, people=(*PEOPLE, SUN, QIU))


async def _taken(stage: Stage, *messages: Any) -> Actor:
    """An incident whose task is under way; who has it."""
    await stage.take(*(messages or (raised(),)))
    task = await stage.task()
    worker = next(one for one in PEOPLE if one.user_id == task["worker_id"])
    await stage.work_on(worker, "take")
    return worker


async def _ask(stage: Stage, worker: Actor, **more: Any) -> None:
    said = {"reason_code": "no_access", "note": "the gate is locked", "until": stage.clock() + HOUR}
    await stage.work_on(worker, "ask_suspension", **said | more)


async def _decide(stage: Stage, who: Actor, *, approve: bool = True, **more: Any) -> None:
    task = await stage.task()
    asked = Request(**{"version": task["version"]} | more)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await decide(change, who, task["task_id"], asked, approve=approve)


async def _resume(stage: Stage, who: Actor) -> None:
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await resume_by_desk(change, who, task["task_id"], Request(task["version"]))


async def _running(stage: Stage) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in await stage.rows(clocks) if row["stopped_at"] is None}


async def _suspension(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.one_incident())["suspension"]
    return found


async def test_it_waits_and_goes_on_at_its_date_with_what_was_left(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)
    clock.forward(60)  # of the 180 s to arrive
    await _ask(stage, worker)
    asked = await _suspension(stage)
    assert (asked["standing"], asked["reason_code"]) == ("asked", "no_access")
    assert (await _running(stage))["arrive"]["paused_at"] is None, "what is asked pauses nothing"
    clock.forward(20)
    await _decide(stage, SUN, note="until four")
    paused = (await _running(stage))["arrive"]
    assert (paused["next_due_at"], paused["left_s"], paused["paused_at"]) == (None, 100.0, clock.at)
    assert set(await _running(stage)) == {"arrive", "resume"}
    case = await stage.one_incident()
    assert (case["state"], case["suspension"]["standing"]) == ("taken", "suspended")
    assert (case["suspension"]["asked_by"], case["suspension"]["decided_by"]) == (worker.name.title(), "Sun")
    clock.forward(3000)
    assert await stage.fire_all() == 0, "nothing escalates while it waits"
    clock.at = datetime.fromisoformat(case["suspension"]["until"]) + timedelta(seconds=1)
    assert await stage.fire_all() == 1
    running = await _running(stage)
    assert set(running) == {"arrive"}
    assert running["arrive"]["next_due_at"] == running["arrive"]["due_at"] == clock.at + timedelta(seconds=100)
    task = await stage.task()
    assert (task["state"], task["arrive_due_at"]) == ("taken", running["arrive"]["due_at"])
    assert (await _suspension(stage))["ended_why"] == "resume_by_system"
    assert (await stage.story())[-3:] == ["suspension_asked", "suspended", "resumed"]
    told = {(row["kind"], row["user_id"]) for row in await stage.rows(notices)}
    assert ("suspension_asked", SUN.user_id) in told
    assert {("suspension_approved", worker.user_id), ("task_resumed", worker.user_id)} <= told
    assert "escalated" not in {kind for kind, _ in told}
    clock.forward(101)
    await stage.fire_all()
    assert "escalated" in await stage.story(), "the limit still counts"
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole


async def test_the_time_it_waits_is_not_counted_against_the_worker(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)
    clock.forward(60)
    await _ask(stage, worker)
    await _decide(stage, SUN)
    clock.forward(1800)
    await stage.work_on(worker, "arrive")  # who arrives all the same goes on
    assert (await _suspension(stage))["ended_why"] == "arrive"
    assert await _running(stage) == {}
    arrive = next(row for row in await stage.rows(clocks) if row["kind"] == "arrive")
    assert arrive["stopped_at"] <= arrive["due_at"]
    await roll(stage)
    own = [row for row in await stage.rows(rollups) if row["area_code"] == GRID]
    assert [(row["arrive_on_time"], row["arrive_late"]) for row in own] == [(1, 0)]


async def test_who_may_not(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, clock) as change:
        said = {"reason_code": "weather", "note": "storm", "until": clock.at + HOUR}
        await ask_for_worker(change, SUN, task["task_id"], Request(task["version"], **said))
    for who in (SUN, worker, LI, FAR):  # who asked; whose task it is; no supervisor; of elsewhere
        with pytest.raises((MoveRefused, NotFound)):
            await _decide(stage, who)
    case = await stage.one_incident()
    assert {"suspend", "refuse_suspension"} <= set(asides_for(QIU, case))
    assert not {"suspend", "refuse_suspension"} & {*asides_for(SUN, case), *asides_for(LI, case)}
    stale = (await stage.task())["version"] - 1
    with pytest.raises(Conflict):
        await _decide(stage, QIU, version=stale)
    with pytest.raises(MoveRefused, match="needs a note"):
        await _decide(stage, QIU, approve=False)
    with pytest.raises(MoveRefused, match="asked already"):
        await _ask(stage, worker)
    await _decide(stage, QIU, approve=False, note="the rain has stopped")
    assert (await _suspension(stage))["standing"] == "refused"
    assert set(await _running(stage)) == {"arrive"}
    told = {(row["kind"], row["user_id"]) for row in await stage.rows(notices)}
    assert {("suspension_refused", worker.user_id), ("suspension_refused", SUN.user_id)} <= told
    with pytest.raises(MoveRefused, match="no suspension is asked for"):
        await _decide(stage, QIU)
    with pytest.raises(MoveRefused, match="not suspended"):
        await stage.work_on(worker, "resume")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"reason_code": "tired"}, "expected one of"),
        ({"note": " "}, "needs a note"),
        ({"until": None}, "needs until"),
        ({"until": datetime(2026, 11, 23, 3, 0, tzinfo=UTC)}, "within 7 days"),
        ({"until": datetime(2026, 12, 23, 3, 0, tzinfo=UTC)}, "within 7 days"),
    ],
    ids=["reason", "words", "no date", "past", "too long"],
)
def test_what_a_request_must_say(more: dict[str, Any], says: str) -> None:
    now = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
    said: dict[str, Any] = {"reason_code": "weather", "note": "storm", "until": now + HOUR}
    problem = suspending._problem({"hazard": "crowd", "severity": 2}, Request(1, **said | more), now, 604_800.0)
    assert problem is not None
    assert says in str(problem)


async def test_a_request_that_nobody_decides_lapses(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)
    await stage.work_on(worker, "arrive")
    await _ask(stage, worker)
    asked = [row for row in await stage.rows(notices) if row["kind"] == "suspension_asked"]
    async with stage.database.reading() as conn:
        assert await not_needed(conn, asked) == {}
    clock.forward(SideMoves().decide_s + 1)
    await stage.fire_all()
    assert (await _suspension(stage))["standing"] == "lapsed"
    assert ("suspension_lapsed", worker.user_id) in {(row["kind"], row["user_id"]) for row in await stage.rows(notices)}
    async with stage.database.reading() as conn:
        assert set((await not_needed(conn, asked)).values()) == {"lapsed"}
    await _ask(stage, worker)  # and again
    await stage.work_on(worker, "handled", note="it was open after all")
    assert (await _suspension(stage))["ended_why"] == "handled"
    assert set(await _running(stage)) == {"check"}
    await stage.take(cleared())
    assert (await stage.one_incident())["close_reason"] == "verified"


async def test_who_has_asked_takes_it_back_and_nobody_else(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)
    assert "take_back_suspension" not in moves_of(worker, await stage.task(), await stage.one_incident())
    with pytest.raises(MoveRefused, match="no suspension is asked for"):
        await stage.work_on(worker, "take_back_suspension")
    await _ask(stage, worker)
    asked = [row for row in await stage.rows(notices) if row["kind"] == "suspension_asked"]
    assert "take_back_suspension" in moves_of(worker, await stage.task(), await stage.one_incident())
    await stage.work_on(worker, "take_back_suspension", note="the gate is open")
    assert (await _suspension(stage))["standing"] == "taken_back"
    assert set(await _running(stage)) == {"arrive"}
    assert (await stage.story())[-1] == "suspension_taken_back"
    async with stage.database.reading() as conn:
        assert set((await not_needed(conn, asked)).values()) == {"taken_back"}
    with pytest.raises(MoveRefused, match="no suspension is asked for"):
        await _decide(stage, QIU)
    task = await stage.task()
    until = {"reason_code": "weather", "note": "storm", "until": clock.at + HOUR}
    async with changing(stage.database, stage.rulebook, clock) as change:
        await ask_for_worker(change, SUN, task["task_id"], Request(task["version"], **until))
    case, task = await stage.one_incident(), await stage.task()
    assert "take_back_by_desk" in asides_for(SUN, case)
    assert "take_back_by_desk" not in {*asides_for(QIU, case), *asides_for(LI, case)}
    assert "take_back_suspension" not in moves_of(worker, task, case)
    with pytest.raises(MoveRefused, match="only who has asked"):
        await stage.work_on(worker, "take_back_suspension")
    said = Request(task["version"], note="the rain has stopped")
    with pytest.raises(MoveRefused, match="only who has asked"):
        async with changing(stage.database, stage.rulebook, clock) as change:
            await take_back_by_desk(change, QIU, task["task_id"], said)
    async with changing(stage.database, stage.rulebook, clock) as change:
        await take_back_by_desk(change, SUN, task["task_id"], said)
    assert (await _suspension(stage))["ended_why"] == "take_back_by_desk"
    await _ask(stage, worker)  # and again


async def test_the_policy_says_how_long_each_may_take(database: Database, clock: HandClock) -> None:
    limits = {"decide_s": 120, "suspension_longest_s": 3600, "supervision_longest_s": 7200}
    stage = await build(database, clock, policies=POLICIES | {"side_moves": limits}, people=(*PEOPLE, SUN))
    worker = await _taken(stage)
    await stage.work_on(worker, "arrive")
    with pytest.raises(MoveRefused, match="within 1 hour from now"):
        await _ask(stage, worker, until=clock.at + 2 * HOUR)
    case = await stage.one_incident()
    asked = Supervision("supervise", case["version"], "look", due=clock.at + 3 * HOUR)
    with pytest.raises(MoveRefused, match="within 2 hours from now"):
        async with changing(stage.database, stage.rulebook, clock) as change:
            await supervise(change, CHEN, case["incident_id"], asked)
    await _ask(stage, worker)
    clock.forward(121)
    await stage.fire_all()
    assert (await _suspension(stage))["standing"] == "lapsed"


async def test_what_other_moves_make_of_it(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)
    await _ask(stage, worker)
    await stage.work_on(worker, "arrive")
    assert (await _suspension(stage))["standing"] == "asked", "a request is still one on arrival"
    await _decide(stage, SUN)
    case = await stage.one_incident()
    assert "urge" not in asides_for(LI, case)
    with pytest.raises(MoveRefused, match="suspended: resume it"):
        async with changing(stage.database, stage.rulebook, clock) as change:
            await urge(change, LI, case["incident_id"], Urge(case["version"]))
    await _resume(stage, LI)
    assert (await _suspension(stage))["ended_why"] == "resume_by_desk"
    await _ask(stage, worker)
    await _decide(stage, SUN)
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, clock) as change:
        await transfer(change, LI, task["task_id"], Transfer(task["version"], reason_code="busy_elsewhere"))
    assert (await _suspension(stage))["ended_why"] == "transfer"
    running = await _running(stage)
    assert {kind: row["paused_at"] for kind, row in running.items()} == {"take": None, "arrive": None}
    case = await stage.one_incident()
    await stage.judge(LI, case["incident_id"], "false_alarm", case["version"])
    assert await _running(stage) == {}


async def test_what_becomes_urgent_goes_on_at_once(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)
    clock.forward(60)
    await _ask(stage, worker)
    await _decide(stage, SUN)
    clock.forward(60)
    await stage.take(received(alert(Phase.UPDATED, 2, severity=1, seen_s=120), 2, at=clock.at))
    assert (await _suspension(stage))["ended_why"] == "resume_by_system"
    assert (await _running(stage))["arrive"]["due_at"] == clock.at + timedelta(seconds=120)
    assert "task_resumed" in {row["kind"] for row in await stage.rows(notices)}
    with pytest.raises(MoveRefused, match="severity 1"):
        await _ask(stage, worker)


async def test_two_decide_at_once_and_one_of_them_does(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)
    await _ask(stage, worker)
    task = await stage.task()

    async def one(who: Actor, *, approve: bool) -> str:
        asked = Request(task["version"], note="so it is")
        try:
            async with changing(stage.database, stage.rulebook, clock) as change:
                await decide(change, who, task["task_id"], asked, approve=approve)
        except Conflict:
            return "conflict"
        return "done"

    outcomes = await asyncio.gather(one(SUN, approve=True), one(QIU, approve=False))
    assert sorted(outcomes) == ["conflict", "done"]


async def test_a_date_that_passed_while_workers_were_killed_resumes_each_task_once(
    stage: Stage, database_url: str
) -> None:
    """Workers are killed with SIGKILL between the firings: what is left resumes each once, with what it had left."""
    wall = HandClock(datetime.now(UTC) - timedelta(hours=6))
    stage.clock = wall
    table = {"policies": [{"judge_s": 60, "take_s": 600, "arrive_s": 36_000, "auto_dispatch": True}]}
    stage.rulebook = Rulebook.of(AreaBook(stage.rulebook.tree), PolicyTable.model_validate(table))
    hazards = [one for one in Hazard if one is not Hazard.FIRE_SMOKE]
    bodies = [
        alert(
            Phase.RAISED,
            1,
            camera_id=("lane-east", "far-gate", "other-gate")[number % 3],
            hazard=hazards[number // 3],
            began_at=wall.at - 2 * number * HOUR,
        )
        for number in range(CASES)
    ]
    await stage.take(*(received(body, number, at=wall.at) for number, body in enumerate(bodies, start=1)))
    for task in await stage.rows(tasks):
        worker = next(one for one in PEOPLE if one.user_id == task["worker_id"])
        await stage.work(worker, task["task_id"], "take", 1)
        said = {"reason_code": "weather", "note": "hail", "until": wall.at + HOUR}
        await stage.work(worker, task["task_id"], "ask_suspension", 2, **said)
        async with changing(stage.database, stage.rulebook, wall) as change:
            await decide(change, SUN, task["task_id"], Request(3), approve=True)
    assert len([row for row in await stage.rows(clocks) if row["left_s"] == 36_000]) == CASES
    await _run_worker(database_url, stage, kill_after=1)  # at work on those that its first transaction left
    between = await stage.count(escalations)
    await _run_worker(database_url, stage, kill_after=None)
    assert 0 < between <= await stage.count(escalations) == CASES
    running = [row for row in await stage.rows(clocks) if row["stopped_at"] is None]
    assert {(row["kind"], row["paused_at"]) for row in running} == {("arrive", None)}
    left = [(row["due_at"] - datetime.now(UTC)).total_seconds() for row in running]
    assert len(left) == CASES
    assert all(35_000 < one <= 36_000 for one in left), "what was left, from when it fired"
    assert (await stage.story()).count("resumed") == CASES
    assert {row["suspension"]["ended_why"] for row in await stage.rows(incidents)} == {"resume_by_system"}


async def test_what_became_of_a_request_is_told_on_only_while_it_stands_so(stage: Stage, clock: HandClock) -> None:
    worker = await _taken(stage)

    async def over(kind: str) -> set[str]:
        told = [row for row in await stage.rows(notices) if row["kind"] == kind]
        assert told
        async with stage.database.reading() as conn:
            return {(await not_needed(conn, told)).get(row["notice_id"], "needed") for row in told}

    await _ask(stage, worker)
    await _decide(stage, SUN)
    assert await over("suspension_approved") == {"needed"}
    clock.forward(60)
    await _resume(stage, LI)
    assert await over("suspension_approved") == {"over"}
    assert await over("task_resumed") == {"needed"}
    clock.forward(60)
    await _ask(stage, worker)
    assert await over("task_resumed") == {"asked_again"}
    await _decide(stage, SUN, approve=False, note="go on")
    assert await over("suspension_refused") == {"needed"}
    await stage.work_on(worker, "return", reason_code="cannot_handle")
    assert await over("suspension_refused") == {"dispatched"}
