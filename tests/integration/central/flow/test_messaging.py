"""Words between a desk and the worker of a case, on both databases: nothing moves, everybody sees them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    CHEN,
    LI,
    STRANGER,
    WANG,
    ZHOU,
    HandClock,
    Stage,
    build,
    cleared,
    raised,
)
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.messaging import MOST_AN_HOUR, MOST_KEPT, Message, joined, say
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import MoveRefused, NotFound, Throttled
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Actor
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock)


async def _says(stage: Stage, who: Actor, text: str, key: str | None = None) -> None:
    incident = await stage.one_incident()
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await say(change, who, incident["incident_id"], Message(text, key))


async def _worker(stage: Stage) -> Actor:
    await stage.take(raised())
    return WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU


async def _kept(stage: Stage) -> list[dict[str, Any]]:
    messages = (await stage.one_incident())["messages"]
    return [] if messages is None else messages["items"]


async def test_words_go_both_ways_and_neither_state_nor_clock_nor_the_tasks_version_moves(
    stage: Stage, clock: HandClock
) -> None:
    worker = await _worker(stage)
    await stage.work_on(worker, "take")
    before = await stage.task()
    due = await _due(stage)
    await _says(stage, LI, "  哪个单元门？ ", "key-1")
    await _says(stage, LI, "哪个单元门？", "key-1")  # told again by a page that had no answer
    await stage.work_on(worker, "message", note="北门，车还在")
    after = await stage.task()
    assert (after["state"], after["version"], await _due(stage)) == ("taken", before["version"], due)
    assert [(one["from"], one["text"]) for one in await _kept(stage)] == [
        ("desk", "哪个单元门？"),
        ("worker", "北门，车还在"),
    ]
    told = [row for row in await stage.rows(notices) if row["kind"] == "message"]
    assert [(row["user_id"], row["task_id"]) for row in told] == [(worker.user_id, after["task_id"])]
    assert (await stage.story())[-2:] == ["message", "message"]
    last = [row for row in await stage.rows(events) if row["kind"] == "task"][-1]
    assert last["body"]["task"]["incident"]["messages"]["count"] == 2
    await stage.work_on(worker, "arrive")  # decided on the version from before the messages
    assert (await stage.task())["state"] == "arrived"


async def _due(stage: Stage) -> list[Any]:
    return sorted((row["kind"], row["due_at"]) for row in await stage.rows(clocks) if row["stopped_at"] is None)


async def test_the_newest_few_stand_on_the_case_and_the_timeline_has_all(stage: Stage, clock: HandClock) -> None:
    worker = await _worker(stage)
    await stage.work_on(worker, "take")
    for number in range(MOST_KEPT + 2):
        clock.forward(1)
        await _says(stage, LI, f"第{number}句")
    kept = await _kept(stage)
    assert [one["text"] for one in kept] == [f"第{number}句" for number in range(2, MOST_KEPT + 2)]
    assert (await stage.story()).count("message") == MOST_KEPT + 2
    assert (await stage.one_incident())["messages"]["count"] == MOST_KEPT + 2


async def test_who_may_not_and_when_there_is_nobody_to_say_it_to(stage: Stage, clock: HandClock) -> None:
    worker = await _worker(stage)
    with pytest.raises(NotFound):
        await _says(stage, STRANGER, "hello")
    with pytest.raises(NotFound):
        await _says(stage, worker, "hello")
    with pytest.raises(MoveRefused, match="needs words"):
        await _says(stage, LI, "  ")
    with pytest.raises(MoveRefused, match="not possible while offered"):
        await stage.work_on(worker, "message", note="still on my way to take it")
    await _says(stage, CHEN, "a desk above may speak, before it is taken too")
    await stage.work_on(worker, "take")
    with pytest.raises(MoveRefused, match="needs a reason_code, a note or a voice note"):
        await stage.work_on(worker, "message")
    await stage.work_on(worker, "handled", note="gone")
    await stage.work_on(worker, "message", note="the key is at the gate")
    await stage.take(cleared())
    assert (await stage.one_incident())["state"] == "closed"
    with pytest.raises(MoveRefused, match="nobody is asked or on the way while closed"):
        await _says(stage, LI, "thank you")


async def test_after_so_many_within_the_hour_people_phone(stage: Stage, clock: HandClock) -> None:
    worker = await _worker(stage)
    await stage.work_on(worker, "take")
    for number in range(MOST_AN_HOUR):
        await _says(stage, LI, str(number))
    with pytest.raises(Throttled):
        await _says(stage, LI, "one more")
    with pytest.raises(Throttled):
        await stage.work_on(worker, "message", note="one more")
    clock.forward(timedelta(hours=1).total_seconds())
    await _says(stage, LI, "an hour later")
    assert len([row for row in await stage.rows(incident_timeline) if row["kind"] == "message"]) == MOST_AN_HOUR + 1


async def test_a_message_is_told_on_only_while_that_person_has_the_task(stage: Stage) -> None:
    worker = await _worker(stage)
    await stage.work_on(worker, "take")
    await _says(stage, LI, "哪个单元门？")
    told = [row for row in await stage.rows(notices) if row["kind"] == "message"]
    async with stage.database.reading() as conn:
        assert await not_needed(conn, told) == {}
    await stage.work_on(worker, "return", reason_code="cannot_handle")
    async with stage.database.reading() as conn:
        assert list((await not_needed(conn, told)).values()) == ["refused"]


def test_what_was_said_comes_along_with_a_task_once() -> None:
    def kept(*seconds: int) -> dict[str, Any]:
        items = [
            {"at": f"2026-11-23T04:00:{one:02}.000Z", "by": "li", "from": "desk", "text": str(one)} for one in seconds
        ]
        return {"count": len(items) + 10, "items": items}

    assert joined(None, None) is None
    assert joined(None, kept(1, 2)) == {"count": 2, "items": kept(1, 2)["items"]}
    assert joined(kept(1), None) == kept(1)
    both = joined(kept(1, 3), kept(2, 3))
    assert both is not None
    assert ([one["text"] for one in both["items"]], both["count"]) == (["1", "2", "3"], 13)
    many = joined(kept(*range(6)), kept(*range(3, 9)))
    assert many is not None
    assert [one["text"] for one in many["items"]] == ["3", "4", "5", "6", "7", "8"]


async def test_both_write_also_while_the_case_is_to_be_checked_by_hand(stage: Stage, clock: HandClock) -> None:
    worker = await _worker(stage)
    await stage.work_on(worker, "take")
    await stage.work_on(worker, "handled", note="gone")
    clock.forward(301)  # past the check limit: no camera has seen it gone
    await stage.fire_all()
    assert (await stage.one_incident())["state"] == "to_check"
    await _says(stage, LI, "which lane was it?")
    await stage.work_on(worker, "message", note="the eastern one")
    assert [one["text"] for one in await _kept(stage)] == ["which lane was it?", "the eastern one"]
