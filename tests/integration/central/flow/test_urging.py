"""Whoever has a case to do is reminded, not more often than once a minute; on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    CHEN,
    LI,
    MAYOR,
    STRANGER,
    WANG,
    ZHOU,
    HandClock,
    Stage,
    raised,
)
from xueliang_alerts.contract import Hazard
from xueliang_central.audit import chain
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.urging import Urge, urge
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Actor
from xueliang_central.store.tables import events


async def _urge(stage: Stage, who: Actor, **more: Any) -> None:
    incident = await stage.one_incident()
    asked = Urge(**{"version": incident["version"]} | more)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await urge(change, who, incident["incident_id"], asked)


async def _told(stage: Stage) -> list[dict[str, Any]]:
    return [row for row in await stage.rows(notices) if row["kind"] == "urged"]


async def _sent(stage: Stage) -> Actor:
    await stage.take(raised())
    return WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU


async def test_the_worker_is_reminded_and_sees_how_often(stage: Stage, clock: HandClock) -> None:
    worker = await _sent(stage)
    before = await stage.task()
    await _urge(stage, LI, note="school ends soon")
    urged = (await stage.one_incident())["urged"]
    assert (urged["count"], urged["by"], urged["note"]) == (1, "Li", "school ends soon")
    assert urged["task_id"] == before["task_id"]
    assert (await stage.one_incident())["state"] == "dispatched"
    assert (await stage.task())["version"] == before["version"], "what the phone has done meanwhile still counts"
    assert [row["user_id"] for row in await _told(stage)] == [worker.user_id]
    last = [row for row in await stage.rows(events) if row["kind"] == "task"][-1]
    assert last["body"]["task"]["incident"]["urged"]["count"] == 1
    clock.forward(60)
    await stage.work_on(worker, "take")
    await _urge(stage, CHEN)
    told = await _told(stage)
    assert len(told) == 2
    async with stage.database.reading() as conn:
        assert await not_needed(conn, told) == {told[0]["notice_id"]: "moved_on"}
        assert (await chain.verify(conn)).is_whole
    entries = [row["params"]["count"] for row in await stage.rows(incident_timeline) if row["kind"] == "urged"]
    assert entries == [1, 2]


async def test_not_more_often_than_once_a_minute_whoever_reminds(stage: Stage, clock: HandClock) -> None:
    await _sent(stage)
    await _urge(stage, LI)
    clock.forward(59)
    with pytest.raises(MoveRefused) as refused:
        await _urge(stage, CHEN)
    assert "possible again at 2026-11-23T04:01:00.000Z" in str(refused.value)
    clock.forward(1)
    await _urge(stage, CHEN)
    assert (await stage.one_incident())["urged"]["count"] == 2


async def test_the_same_request_again_is_not_repeated(stage: Stage, clock: HandClock) -> None:
    await _sent(stage)
    version = (await stage.one_incident())["version"]
    for _ in range(2):
        await _urge(stage, LI, version=version, idempotency_key="k")
    assert (await stage.story()).count("urged") == 1


async def test_a_desk_above_reminds_the_desk_that_has_not_judged(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised(hazard=Hazard.ILLEGAL_PARKING))
    assert (await stage.one_incident())["state"] == "open"
    with pytest.raises(MoveRefused, match="yours to judge"):
        await _urge(stage, LI)
    await _urge(stage, CHEN)
    told = await _told(stage)
    assert [row["user_id"] for row in told] == [LI.user_id]
    entry = (await stage.rows(incident_timeline))[-1]
    assert (entry["kind"], entry["params"]["level"]) == ("urged", "village")
    incident = await stage.one_incident()
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    async with stage.database.reading() as conn:
        assert set((await not_needed(conn, told)).values()) == {"moved_on"}


async def test_what_is_refused(stage: Stage, clock: HandClock) -> None:
    worker = await _sent(stage)
    for nobody in (STRANGER, worker):
        with pytest.raises(NotFound):
            await _urge(stage, nobody)
    with pytest.raises(Conflict):
        await _urge(stage, LI, version=77)
    await stage.work_on(worker, "take")
    await stage.work_on(worker, "handled", note="done")
    with pytest.raises(MoveRefused, match="not possible while handled"):
        await _urge(stage, MAYOR)
    assert await _told(stage) == []
