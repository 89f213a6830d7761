"""A limit is moved by two people, fires once at its new moment, and stays visible where it was: on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    LI,
    PEOPLE,
    POLICIES,
    VILLAGE,
    HandClock,
    Stage,
    actor,
    alert,
    build,
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
from xueliang_central.dispatch.later_limits import ask_for_worker, decide, take_back_by_desk
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.requesting import Request
from xueliang_central.dispatch.side_moves import asides_for
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.working import moves_of
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.change import Rulebook
from xueliang_central.notices.tables import notices
from xueliang_central.reports.tables import rollups
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable

SUN = actor(Role.SUPERVISOR, VILLAGE, "sun")
QIU = actor(Role.SUPERVISOR, "370102003", "qiu")
FAR = actor(Role.SUPERVISOR, "370103", "far")
MINUTE = timedelta(minutes=1)
CASES = CLOCKS_AT_ONCE + 4  # so that a worker needs two transactions


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock, people=(*PEOPLE, SUN, QIU))


async def _taken(stage: Stage) -> tuple[Actor, datetime]:
    """An incident whose task is under way: who has it, and when that one must be there."""
    await stage.take(raised())
    task = await stage.task()
    worker = next(one for one in PEOPLE if one.user_id == task["worker_id"])
    await stage.work_on(worker, "take")
    return worker, (await _arrive(stage))["due_at"]


async def _ask(stage: Stage, worker: Actor, until: datetime, **more: Any) -> None:
    said = {"reason_code": "no_access", "note": "the road is dug up", "until": until}
    await stage.work_on(worker, "ask_later_limit", **said | more)


async def _decide(stage: Stage, who: Actor, *, approve: bool = True, **more: Any) -> None:
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        asked = Request(**{"version": task["version"]} | more)
        await decide(change, who, task["task_id"], asked, approve=approve)


async def _arrive(stage: Stage) -> dict[str, Any]:
    return [row for row in await stage.rows(clocks) if row["kind"] == "arrive"][-1]


async def _running(stage: Stage) -> set[str]:
    return {row["kind"] for row in await stage.rows(clocks) if row["stopped_at"] is None}


async def _record(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.one_incident())["later_limit"]
    return found


async def _counts(stage: Stage) -> dict[str, int]:
    await roll(stage)
    rows = [row for row in await stage.rows(rollups) if row["area_code"] == (await stage.one_incident())["area_code"]]
    names = ("arrive_on_time", "arrive_late", "arrive_moved", "arrive_by_move")
    return {name: sum(row[name] for row in rows) for name in names}


async def test_it_fires_once_at_the_new_moment_and_keeps_the_first(stage: Stage, clock: HandClock) -> None:
    worker, first = await _taken(stage)
    clock.forward(60)
    later = first + 20 * MINUTE
    await _ask(stage, worker, later)
    assert (await _arrive(stage))["due_at"] == first, "what is asked moves nothing"
    asked = await _record(stage)
    assert (asked["standing"], asked["limit"], asked["times"]) == ("asked", "arrive", 1)
    clock.forward(30)
    await _decide(stage, SUN, note="mind the works")
    moved = await _arrive(stage)
    assert (moved["due_at"], moved["next_due_at"], moved["first_due_at"], moved["times_moved"]) == (
        later,
        later,
        first,
        1,
    )
    assert (await stage.task())["arrive_due_at"] == later
    assert await _running(stage) == {"arrive"}
    record = await _record(stage)
    assert (record["standing"], record["decided_by"], record["decision_note"]) == ("moved", "Sun", "mind the works")
    clock.at = first + timedelta(seconds=5)
    assert await stage.fire_all() == 0, "where it was first it does not fire any more"
    clock.at = later - timedelta(seconds=1)
    assert await stage.fire_all() == 0
    clock.at = later + timedelta(seconds=1)
    assert await stage.fire_all() == 1
    assert await stage.fire_all() == 0
    assert [(row["step"], row["due_at"]) for row in await stage.rows(escalations)] == [(1, later)]
    assert [kind for kind in await stage.story() if "limit" in kind] == [
        "later_limit_asked",
        "limit_moved",
        "limit_passed",
    ]
    told = {(row["kind"], row["user_id"]) for row in await stage.rows(notices)}
    assert {("later_limit_asked", SUN.user_id), ("limit_moved", worker.user_id)} <= told
    with pytest.raises(MoveRefused, match="the limit has passed"):
        await _ask(stage, worker, later + 10 * MINUTE)
    await stage.work_on(worker, "arrive")
    assert await _counts(stage) == {"arrive_on_time": 0, "arrive_late": 1, "arrive_moved": 1, "arrive_by_move": 0}
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole


async def test_figures_judge_by_the_moved_limit_and_say_what_only_that_has_saved(
    stage: Stage, clock: HandClock
) -> None:
    worker, first = await _taken(stage)
    await _ask(stage, worker, first + 5 * MINUTE)
    await _decide(stage, SUN)
    clock.forward(30)
    said = {"reason_code": "weather", "note": "hail", "until": clock.at + 60 * MINUTE}
    await stage.work_on(worker, "ask_suspension", **said)
    with pytest.raises(MoveRefused, match="suspension is asked already"):
        await _ask(stage, worker, first + 10 * MINUTE)
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, clock) as change:
        await suspending.decide(change, SUN, task["task_id"], Request(task["version"]), approve=True)
    with pytest.raises(MoveRefused, match="suspended"):
        await _ask(stage, worker, first + 10 * MINUTE)
    clock.forward(600)
    await stage.work_on(worker, "resume")
    paused = timedelta(seconds=600)
    moved = await _arrive(stage)
    assert (moved["first_due_at"], moved["due_at"]) == (first + paused, first + paused + 5 * MINUTE)
    clock.at = first + paused + 2 * MINUTE
    await stage.work_on(worker, "arrive")
    assert await _counts(stage) == {"arrive_on_time": 1, "arrive_late": 0, "arrive_moved": 1, "arrive_by_move": 1}


async def test_who_may_not_and_what_is_refused(stage: Stage, clock: HandClock) -> None:
    worker, first = await _taken(stage)
    for until, reason in ((first, "until"), (first + 61 * MINUTE, "until")):
        with pytest.raises(MoveRefused) as refused:
            await _ask(stage, worker, until)
        assert refused.value.extra["reason"] == reason
    with pytest.raises(MoveRefused, match="expected one of"):
        await _ask(stage, worker, first + MINUTE, reason_code="tired")
    with pytest.raises(MoveRefused, match="needs a note"):
        await _ask(stage, worker, first + MINUTE, note=" ")
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, clock) as change:
        said = Request(task["version"], reason_code="weather", note="storm", until=first + 10 * MINUTE)
        await ask_for_worker(change, SUN, task["task_id"], said)
    for who in (SUN, worker, LI, FAR):  # who asked; whose task it is; no supervisor; of elsewhere
        with pytest.raises((MoveRefused, NotFound)):
            await _decide(stage, who)
    case = await stage.one_incident()
    assert {"move_limit", "refuse_later_limit"} <= set(asides_for(QIU, case))
    assert "take_back_later_by_desk" in asides_for(SUN, case)
    assert not {"move_limit", "ask_later_limit", "ask_suspension"} & {*asides_for(SUN, case), *asides_for(LI, case)}
    assert not {"ask_later_limit", "take_back_later_limit"} & set(moves_of(worker, await stage.task(), case))
    with pytest.raises(MoveRefused, match="later limit is asked already"):
        await _ask(stage, worker, first + MINUTE)
    with pytest.raises(MoveRefused, match="needs a note"):
        await _decide(stage, QIU, approve=False)
    with pytest.raises(Conflict):
        await _decide(stage, QIU, version=(await stage.task())["version"] - 1)
    with pytest.raises(MoveRefused, match="only who has asked"):
        await stage.work_on(worker, "take_back_later_limit")
    await _decide(stage, QIU, approve=False, note="another road is open")
    assert ((await _record(stage))["standing"], (await _arrive(stage))["due_at"]) == ("refused", first)
    told = {(row["kind"], row["user_id"]) for row in await stage.rows(notices)}
    assert {("later_limit_refused", worker.user_id), ("later_limit_refused", SUN.user_id)} <= told
    with pytest.raises(MoveRefused) as refused:
        await _decide(stage, QIU)  # once more, on a page that has not heard of it
    assert refused.value.extra["reason"] == "not_asked"


async def test_how_often_and_how_far_the_policy_lets_it_be_moved(database: Database, clock: HandClock) -> None:
    rules = {"later_limit_most": 2, "later_limit_longest_s": 600}
    stage = await build(database, clock, policies=POLICIES | {"side_moves": rules}, people=(*PEOPLE, SUN))
    worker, first = await _taken(stage)
    await _ask(stage, worker, first + 8 * MINUTE)
    await _decide(stage, SUN)
    with pytest.raises(MoveRefused) as too_far:
        await _ask(stage, worker, first + 11 * MINUTE)
    assert datetime.fromisoformat(too_far.value.extra["at_most"]) == first + 10 * MINUTE, "from its first moment"
    await _ask(stage, worker, first + 10 * MINUTE)
    await _decide(stage, SUN)
    assert ((await _record(stage))["times"], (await _arrive(stage))["first_due_at"]) == (2, first)
    with pytest.raises(MoveRefused, match="at most 2 times"):
        await _ask(stage, worker, first + 10 * MINUTE)


async def test_a_request_lapses_with_its_limit_and_ends_with_the_task(stage: Stage, clock: HandClock) -> None:
    worker, first = await _taken(stage)
    await _ask(stage, worker, first + 10 * MINUTE)
    assert (await _record(stage))["decide_by"].startswith(first.isoformat()[:19])
    asked = [row for row in await stage.rows(notices) if row["kind"] == "later_limit_asked"]
    async with stage.database.reading() as conn:
        assert await not_needed(conn, asked) == {}
    await stage.work_on(worker, "take_back_later_limit", note="it goes after all")
    assert ((await _record(stage))["standing"], await _running(stage)) == ("taken_back", {"arrive"})
    async with stage.database.reading() as conn:
        assert set((await not_needed(conn, asked)).values()) == {"taken_back"}
    clock.forward(1)
    await _ask(stage, worker, first + 10 * MINUTE)
    await stage.work_on(worker, "return", reason_code="cannot_handle")
    assert ((await _record(stage))["ended_why"], "decide" in await _running(stage)) == ("return", False)
    assert "later_limit_over" in await stage.story()
    task = await stage.task()
    other = next(one for one in (*PEOPLE, SUN, QIU) if one.user_id == task["worker_id"])
    await stage.work_on(other, "take")
    due = (await _arrive(stage))["due_at"]
    await _ask(stage, other, due + 10 * MINUTE)
    assert (await _record(stage))["times"] == 1, "another worker's limit counts anew"
    task = await stage.task()
    clock.at = due + timedelta(seconds=1)
    with pytest.raises(MoveRefused, match="has passed"):
        await _decide(stage, next(one for one in (SUN, QIU) if one is not other))
    assert (await stage.task())["version"] == task["version"], "nothing of it is written"
    await stage.fire_all()
    assert (await _record(stage))["standing"] == "lapsed"
    assert "escalated" in await stage.story()
    told = {(row["kind"], row["user_id"]) for row in await stage.rows(notices)}
    assert ("later_limit_lapsed", other.user_id) in told


async def test_the_asker_of_the_desk_takes_it_back_and_two_decide_at_once(stage: Stage, clock: HandClock) -> None:
    worker, first = await _taken(stage)
    task = await stage.task()
    said = {"reason_code": "weather", "note": "storm", "until": first + 10 * MINUTE}
    async with changing(stage.database, stage.rulebook, clock) as change:
        await ask_for_worker(change, SUN, task["task_id"], Request(task["version"], **said))
    async with changing(stage.database, stage.rulebook, clock) as change:
        await take_back_by_desk(change, SUN, task["task_id"], Request((await stage.task())["version"]))
    assert (await _record(stage))["ended_why"] == "take_back_later_by_desk"
    await _ask(stage, worker, first + 10 * MINUTE)
    version = (await stage.task())["version"]

    async def one(who: Actor, *, approve: bool) -> str:
        try:
            async with changing(stage.database, stage.rulebook, clock) as change:
                await decide(change, who, task["task_id"], Request(version, note="so it is"), approve=approve)
        except Conflict:
            return "conflict"
        return "done"

    outcomes = await asyncio.gather(one(SUN, approve=True), one(QIU, approve=False))
    assert sorted(outcomes) == ["conflict", "done"]


async def test_what_becomes_urgent_goes_by_its_policy_again(stage: Stage, clock: HandClock) -> None:
    worker, first = await _taken(stage)
    await _ask(stage, worker, first + 30 * MINUTE)
    await _decide(stage, SUN)
    clock.forward(60)
    await stage.take(received(alert(Phase.UPDATED, 2, severity=1, seen_s=120), 2, at=clock.at))
    arrive = await _arrive(stage)
    assert arrive["due_at"] == arrive["next_due_at"] <= clock.at + timedelta(seconds=180)
    assert (await stage.task())["arrive_due_at"] == arrive["due_at"]
    with pytest.raises(MoveRefused, match="severity 1"):
        await _ask(stage, worker, arrive["due_at"] + MINUTE)


async def test_a_request_waits_no_longer_than_its_limit_that_a_rise_has_made_sooner(
    database: Database, clock: HandClock
) -> None:
    lane, other = POLICIES["policies"]
    severe = {**lane, "match": {"hazard": ["fire_lane_obstruction"], "severity": [1]}, "arrive_s": 120}
    stage = await build(database, clock, policies={"policies": [severe, lane, other]}, people=(*PEOPLE, SUN))
    worker, first = await _taken(stage)
    await _ask(stage, worker, first + 30 * MINUTE)
    await stage.take(received(alert(Phase.UPDATED, 2, severity=1, seen_s=120), 2, at=clock.at))
    due = (await _arrive(stage))["due_at"]
    assert due < first
    [decide_at] = [row["due_at"] for row in await stage.rows(clocks) if row["kind"] == "decide"]
    assert decide_at == due
    assert (await _record(stage))["decide_by"].startswith(due.isoformat()[:19])
    clock.at = due
    await stage.fire_all()
    assert (await _record(stage))["standing"] == "lapsed"


async def test_limits_moved_while_workers_were_killed_fire_once_each_at_the_new_moment(
    stage: Stage, database_url: str
) -> None:
    """Workers are killed with SIGKILL between the firings: each moved limit fires once, what is not due not at all."""
    wall = HandClock(datetime.now(UTC) - timedelta(hours=3))
    stage.clock = wall
    table = {
        "policies": [
            {"judge_s": 60, "take_s": 600, "arrive_s": 3600, "escalate_every_s": 86_400, "auto_dispatch": True}
        ],
        "side_moves": {"later_limit_longest_s": 86_400},
    }
    stage.rulebook = Rulebook.of(AreaBook(stage.rulebook.tree), PolicyTable.model_validate(table))
    hazards = [one for one in Hazard if one is not Hazard.FIRE_SMOKE]
    bodies = [
        alert(
            Phase.RAISED,
            1,
            camera_id=("lane-east", "far-gate", "other-gate")[number % 3],
            hazard=hazards[number // 3],
            began_at=wall.at - number * 2 * timedelta(hours=1),
        )
        for number in range(CASES)
    ]
    await stage.take(*(received(body, number, at=wall.at) for number, body in enumerate(bodies, start=1)))
    ahead = set()
    for number, task in enumerate(await stage.rows(tasks)):
        worker = next(one for one in PEOPLE if one.user_id == task["worker_id"])
        await stage.work(worker, task["task_id"], "take", 1)
        hours = 10 if number < 2 else 1  # due two hours ago, moved to one hour ago; but two of them to far ahead
        until = task["arrive_due_at"] + timedelta(hours=hours)
        if number < 2:
            ahead.add(task["incident_id"])
        said = {"reason_code": "weather", "note": "hail", "until": until}
        await stage.work(worker, task["task_id"], "ask_later_limit", 2, **said)
        async with changing(stage.database, stage.rulebook, wall) as change:
            await decide(change, SUN, task["task_id"], Request(3), approve=True)
    await _run_worker(database_url, stage, kill_after=1)
    between = await stage.count(escalations)
    await _run_worker(database_url, stage, kill_after=None)
    fired = await stage.rows(escalations)
    assert 0 < between <= len(fired) == CASES - len(ahead)
    arrive = {row["clock_id"]: row for row in await stage.rows(clocks) if row["kind"] == "arrive"}
    assert all(row["step"] == 1 and row["due_at"] == arrive[row["clock_id"]]["due_at"] for row in fired)
    assert not ahead & {arrive[row["clock_id"]]["incident_id"] for row in fired}
    assert {row["times_moved"] for row in arrive.values()} == {1}
