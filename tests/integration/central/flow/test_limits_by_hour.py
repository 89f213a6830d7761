"""Limits by the hour: each clock takes the row that holds when it starts, and no running clock is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.central.flow.stage import LI, WANG, HandClock, Stage, alert, build, received
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.clocks.tables import clocks
from xueliang_central.store.database import Database

BEFORE_TEN = datetime(2026, 11, 23, 13, 59, 30, tzinfo=UTC)  # 21:59:30 in Shanghai
POLICIES = {
    "policies": [
        {
            "when": {"bands": [{"start": "22:00", "until": "06:00"}]},
            "judge_s": 300,
            "take_s": 600,
            "arrive_s": 900,
            "check_s": 1800,
            "escalate": ["township", "city"],
        },
        {"judge_s": 60, "take_s": 180, "arrive_s": 300, "check_s": 600, "escalate": ["village"]},
    ]
}


async def _opened(database: Database) -> tuple[Stage, dict[str, Any]]:
    stage = await build(database, HandClock(BEFORE_TEN), policies=POLICIES)
    body = alert(Phase.RAISED, 1, hazard=Hazard.CROWD, began_at=BEFORE_TEN)
    await stage.take(received(body, 1, at=BEFORE_TEN))
    return stage, await stage.one_incident()


async def _running(stage: Stage) -> dict[str, tuple[float, list[str]]]:
    return {
        row["kind"]: ((row["due_at"] - row["started_at"]).total_seconds(), row["escalation_levels"])
        for row in await stage.rows(clocks)
        if row["stopped_at"] is None
    }


async def test_the_clock_that_runs_goes_on_and_the_next_ones_go_by_their_own_hour(database: Database) -> None:
    stage, incident = await _opened(database)
    assert await _running(stage) == {"judge": (60, ["village"])}
    stage.clock.forward(45)  # 22:00:15
    assert await _running(stage) == {"judge": (60, ["village"])}
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    levels = ["township", "city"]
    assert await _running(stage) == {"take": (600, levels), "arrive": (900, levels)}
    assert (await stage.one_incident())["policy"]["row"] == 0


async def test_the_check_limit_is_that_of_the_hour_at_which_it_was_handled(database: Database) -> None:
    stage, incident = await _opened(database)
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    assert {kind: limit for kind, (limit, _) in (await _running(stage)).items()} == {"take": 180, "arrive": 300}
    stage.clock.forward(40)
    for move in ("take", "arrive"):
        await stage.work_on(WANG, move)
    stage.clock.forward(timedelta(hours=9).total_seconds())  # day again
    task = await stage.task()
    await stage.work(WANG, task["task_id"], "handled", task["version"], note="人已散开")
    assert (await _running(stage))["check"][0] == 600
    assert (await stage.one_incident())["policy"]["row"] == 1
