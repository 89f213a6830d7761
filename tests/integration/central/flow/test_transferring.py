"""An operator hands a task on to another person, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    CHEN,
    GRID,
    LI,
    MAYOR,
    OTHER_GRID,
    PEOPLE,
    STRANGER,
    TOWNSHIP,
    VILLAGE,
    WANG,
    ZHOU,
    HandClock,
    Stage,
    actor,
    build,
    cleared,
    raised,
)
from xueliang_central.audit import chain
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.transferring import Transfer, candidates, transfer
from xueliang_central.dispatch.views import task_views
from xueliang_central.dispatch.working import moves_of
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.incidents.views import incident_views
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events

QIAN = actor(Role.WORKER, OTHER_GRID, "qian")


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock, people=(*PEOPLE, QIAN))


async def _first(stage: Stage) -> Actor:
    await stage.take(raised())
    return WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU


def _other(worker: Actor) -> Actor:
    return ZHOU if worker is WANG else WANG


async def _transfer(stage: Stage, who: Actor, **more: Any) -> None:
    task = await stage.task()
    asked = Transfer(**{"version": task["version"], "reason_code": "busy_elsewhere"} | more)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await transfer(change, who, task["task_id"], asked)


async def _from_whom(stage: Stage) -> str | None:
    """Who had the task before it was handed on, as a desk's queue is told."""
    async with stage.database.reading() as conn:
        (view,) = await incident_views(conn, stage.rulebook.tree, [await stage.one_incident()])
        (shown, *_) = await task_views(conn, stage.rulebook.tree, [await stage.task()])
    assert "handed_on_from" not in shown["incident"]["task"], "no phone is told"
    former = view["task"]["handed_on_from"]
    return None if former is None else str(former["user_id"])


async def _of(stage: Stage, worker: Actor) -> dict[str, Any]:
    return next(row for row in await stage.rows(tasks) if row["worker_id"] == worker.user_id)


async def test_what_is_under_way_goes_to_another_and_its_limits_begin_anew(stage: Stage, clock: HandClock) -> None:
    worker = await _first(stage)
    opened_at = (await stage.one_incident())["opened_at"]
    assert await _from_whom(stage) is None
    clock.forward(30)
    await stage.work_on(worker, "take")
    clock.forward(60)
    await _transfer(stage, LI)
    former, new = await _of(stage, worker), await _of(stage, _other(worker))
    assert (former["state"], former["reason_code"]) == ("withdrawn", "transferred")
    assert former["handed_on"]["role"] == "worker"
    assert former["handed_on"]["area"]["code"] == GRID
    assert _other(worker).name.title() not in str(former["handed_on"])
    assert moves_of(worker, former) == ()
    assert new["state"] == "offered"
    assert await _from_whom(stage) == worker.user_id
    assert (new["take_due_at"] - clock.at).total_seconds() == 60
    assert (new["arrive_due_at"] - clock.at).total_seconds() == 180
    incident = await stage.one_incident()
    assert (incident["state"], incident["opened_at"]) == ("dispatched", opened_at)
    running = [row for row in await stage.rows(clocks) if row["stopped_at"] is None]
    assert sorted((row["kind"], row["started_at"]) for row in running) == [("arrive", clock.at), ("take", clock.at)]
    assert (await stage.story())[-2:] == ["transferred", "task_offered"]
    told = {row["kind"]: row["user_id"] for row in await stage.rows(notices)}
    assert told["task_handed_on"] == worker.user_id
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole
        offers = [row for row in await stage.rows(notices) if row["kind"] == "task_offered"]
        assert [row["user_id"] for row in offers if row["notice_id"] not in await not_needed(conn, offers)] == [
            _other(worker).user_id
        ]


async def test_the_other_one_works_it_to_its_end(stage: Stage, clock: HandClock) -> None:
    worker = await _first(stage)
    await _transfer(stage, LI)
    former = await _of(stage, worker)
    with pytest.raises(MoveRefused, match="not possible while withdrawn"):
        await stage.work(worker, former["task_id"], "take", former["version"])
    new = await _of(stage, _other(worker))
    for move in ("take", "arrive", "handled"):
        row = await _of(stage, _other(worker))
        await stage.work(_other(worker), new["task_id"], move, row["version"], note="moved away")
    await stage.take(cleared())
    assert (await stage.one_incident())["close_reason"] == "verified"


async def test_a_worker_of_another_grid_hears_of_it_and_nobody_else_there_does(stage: Stage, clock: HandClock) -> None:
    worker = await _first(stage)
    await _transfer(stage, LI, worker_id=QIAN.user_id)
    new = await _of(stage, QIAN)
    assert (new["area_code"], new["why_offered"]["code"]) == (GRID, "transferred")
    assert new["why_offered"]["about"]["area_code"] == OTHER_GRID
    assert (await _of(stage, worker))["handed_on"]["area"]["code"] == OTHER_GRID
    own = [row for row in await stage.rows(events) if row["kind"] == "task" and row["for_user"] == QIAN.user_id]
    assert [row["body"]["task"]["task_id"] for row in own] == [new["task_id"]]
    # Refused, the place's own area is asked anew, without who has had it.
    await stage.work(QIAN, new["task_id"], "refuse", new["version"], reason_code="busy_elsewhere")
    assert (await _of(stage, _other(worker)))["state"] == "offered"


async def test_a_desk_above_can_be_handed_it_by_name(stage: Stage, clock: HandClock) -> None:
    worker = await _first(stage)
    await _transfer(stage, CHEN, worker_id=LI.user_id)
    assert (await _of(stage, LI))["area_code"] == VILLAGE
    assert (await _of(stage, worker))["handed_on"]["area"]["level"] == "village"
    assert (await _of(stage, worker))["handed_on"]["role"] == "operator"


async def test_the_same_request_again_is_not_repeated(stage: Stage, clock: HandClock) -> None:
    await _first(stage)
    task = await stage.task()
    asked = Transfer(task["version"], reason_code="not_on_duty", idempotency_key="k")
    for _ in range(2):
        async with changing(stage.database, stage.rulebook, stage.clock) as change:
            await transfer(change, LI, task["task_id"], asked)
    assert (await stage.story()).count("transferred") == 1
    assert await stage.count(tasks) == 2


async def test_what_is_refused(stage: Stage, clock: HandClock) -> None:
    worker = await _first(stage)
    with pytest.raises(MoveRefused, match="needs a reason_code or a note"):
        await _transfer(stage, LI, reason_code=None)
    with pytest.raises(MoveRefused, match="has the task already"):
        await _transfer(stage, LI, worker_id=worker.user_id)
    with pytest.raises(Conflict):
        await _transfer(stage, LI, version=7)
    for nobody in (STRANGER, worker):
        with pytest.raises(NotFound):
            await _transfer(stage, nobody)
    for beyond in (CHEN.user_id, MAYOR.user_id, "no such"):  # above, or nobody: alike
        with pytest.raises(NotFound):
            await _transfer(stage, LI, worker_id=beyond)
    with pytest.raises(MoveRefused, match="in a grid only its worker goes"):
        await _transfer(stage, LI, worker_id=STRANGER.user_id)
    await stage.work_on(worker, "take")
    await stage.work_on(worker, "handled", note="done")
    with pytest.raises(MoveRefused, match="not possible while handled"):
        await _transfer(stage, LI)
    assert "transferred" not in await stage.story()
    assert await stage.count(tasks) == 1


async def test_who_could_have_it(stage: Stage, clock: HandClock) -> None:
    worker = await _first(stage)
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        found = await candidates(change, LI, task["task_id"])
        above = await candidates(change, CHEN, task["task_id"], TOWNSHIP)
        with pytest.raises(NotFound):
            await candidates(change, LI, task["task_id"], TOWNSHIP)
        with pytest.raises(NotFound):
            await candidates(change, STRANGER, task["task_id"])
    assert found["area"]["code"] == VILLAGE
    assert {one["worker"]["user_id"] for one in found["items"]} == {_other(worker).user_id, QIAN.user_id, LI.user_id}
    assert found["recommended"]["worker"]["user_id"] == _other(worker).user_id
    assert {one["duty"] for one in found["items"]} == {"on_duty"}
    assert CHEN.user_id in {one["worker"]["user_id"] for one in above["items"]}


async def test_the_timeline_says_from_whom_and_why(stage: Stage, clock: HandClock) -> None:
    worker = await _first(stage)
    await _transfer(stage, LI, note="still at the south gate")
    entry = next(row for row in await stage.rows(incident_timeline) if row["kind"] == "transferred")
    assert entry["params"]["from"] == worker.name.title()
    assert (entry["params"]["reason_code"], entry["params"]["note"]) == ("busy_elsewhere", "still at the south gate")
    assert entry["actor_name"] == "Li"
