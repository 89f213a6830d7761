"""Who would go, asked before anybody is sent: the one whom *confirm* then sends, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    LI,
    NOON,
    POLICIES,
    STRANGER,
    WANG,
    ZHOU,
    HandClock,
    Stage,
    build,
    raised,
)
from tests.integration.central.flow.test_units import ROW, add_lane
from xueliang_alerts.contract import Hazard
from xueliang_central.dispatch.foreseeing import who_would_go
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import NotFound
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Actor
from xueliang_central.store.database import Database


async def _asked(stage: Stage, incident_id: str, by: Actor = LI) -> dict[str, Any]:
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        return await who_would_go(change, by, incident_id)


async def _of_hazard(stage: Stage, hazard: Hazard) -> dict[str, Any]:
    [found] = [row for row in await stage.rows(incidents) if row["hazard"] == hazard]
    return found


async def test_it_names_whom_confirm_then_sends_with_the_same_reason(database: Database, clock: HandClock) -> None:
    stage = await build(database, clock)
    await stage.take(raised())  # dispatched at once by the policy: one of the two workers has something to do
    busy = (await stage.task())["worker_id"]
    await stage.take(raised(2, hazard=Hazard.CROWD, began_at=NOON - timedelta(seconds=90)))
    crowd = await _of_hazard(stage, Hazard.CROWD)
    said = await _asked(stage, crowd["incident_id"])
    free = ZHOU if busy == WANG.user_id else WANG
    assert said["recommended"]["worker"]["user_id"] == free.user_id
    assert (said["why"]["code"], said["why"]["about"]["in_hand"], said["unit"]) == ("serves_here", 0, None)
    assert await stage.count(tasks) == 1, "asking sends nobody"

    await stage.judge(LI, crowd["incident_id"], "confirm", crowd["version"])
    [task] = [row for row in await stage.rows(tasks) if row["incident_id"] == crowd["incident_id"]]
    assert task["worker_id"] == free.user_id
    assert await _asked(stage, crowd["incident_id"]) == {"recommended": None, "why": None, "unit": None}
    with pytest.raises(NotFound):
        await _asked(stage, crowd["incident_id"], STRANGER)


async def test_the_managing_unit_is_named_where_it_would_be_told_first(database: Database, clock: HandClock) -> None:
    by_hand = [{**row, "auto_dispatch": False} for row in POLICIES["policies"]]
    stage = await build(database, clock, policies={"policies": by_hand, "unit_first": [{**ROW, "at": "confirm"}]})
    await stage.take(raised())
    case = await stage.one_incident()
    assert (await _asked(stage, case["incident_id"]))["unit"] is None, "no lane is known here"
    await add_lane(stage)
    said = await _asked(stage, case["incident_id"])
    assert (said["unit"], said["recommended"] is not None) == ("东巷物业", True)
    await stage.judge(LI, case["incident_id"], "confirm", case["version"])
    assert (await stage.one_incident())["state"] == "unit_told"
