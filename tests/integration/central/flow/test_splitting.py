"""Split by hand: what is moved into an incident of its own, where later alerts go, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    GRID,
    LI,
    MAYOR,
    NOON,
    STRANGER,
    HandClock,
    Stage,
    actor,
    alert,
    cleared,
    raised,
    received,
)
from tests.integration.central.flow.test_regrouping import (
    EXIT,
    LANE,
    Row,
    _third,
    by_number,
    members,
    merge,
    running,
    split,
    told,
    two,
)
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.tables import alerts
from xueliang_central.rights.scope import Actor, Role

GRID_DESK = actor(Role.OPERATOR, GRID, "grid-desk")


async def near(stage: Stage, clock: HandClock, hazard: Hazard = EXIT) -> tuple[Row, dict[str, str]]:
    """One incident with an alert of each of two cameras 18 m apart; the alert ids by camera."""
    await stage.take(raised(1, hazard=hazard))
    clock.forward(20)
    body = alert(Phase.RAISED, 1, camera_id="lane-west", hazard=hazard, began_at=clock())
    await stage.take(received(body, 2, at=clock()))
    case = await stage.one_incident()
    return case, {row["camera_id"]: row["alert_id"] for row in await stage.rows(alerts)}


async def test_a_split_opens_an_incident_that_keeps_what_is_its_own(stage: Stage, clock: HandClock) -> None:
    case, ids = await near(stage, clock)
    clock.forward(10)
    fresh_id = await split(stage, LI, case, ids["lane-west"])
    case, fresh = await by_number(stage)
    assert (fresh["incident_id"], fresh["state"], fresh["place_key"]) == (fresh_id, "open", "lane-west")
    assert [row["alert_count"] for row in (case, fresh)] == [1, 1]
    assert await running(stage, case) == {"judge": NOON + timedelta(seconds=60)}
    assert await running(stage, fresh) == {"judge": NOON + timedelta(seconds=60)}, "nobody gains time by splitting"
    assert (await told(stage, case))[-1] == "split"
    assert "split_off" in await told(stage, fresh)
    clock.forward(900)
    for sequence, camera_id in ((3, "lane-west"), (4, "lane-east")):
        body = alert(Phase.RAISED, 1, camera_id=camera_id, hazard=EXIT, began_at=clock())
        await stage.take(received(body, sequence, at=clock()))
    assert await members(stage) == {"lane-east": case["number"], "lane-west": fresh["number"]}
    gone = alert(Phase.CLEARED, 2, camera_id="lane-west", hazard=EXIT, began_at=NOON + timedelta(seconds=20))
    await stage.take(received(gone, 5, at=clock()))
    case, fresh = await by_number(stage)
    assert [row["alert_count"] for row in (case, fresh)] == [2, 2], "an update goes where its alert is"


async def test_one_camera_split_its_place_goes_with_its_latest_alert(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised(1, hazard=EXIT))
    clock.forward(100)
    body = alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock())
    await stage.take(received(body, 2, at=clock()))
    case = await stage.one_incident()
    latest = max(await stage.rows(alerts), key=lambda row: row["began_at"])["alert_id"]
    await split(stage, LI, case, latest)
    case, fresh = await by_number(stage)
    assert fresh["place_key"].startswith("#"), "the old one still has the camera as its own place"
    clock.forward(100)
    body = alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock())
    await stage.take(received(body, 3, at=clock()))
    assert [row["alert_count"] for row in await by_number(stage)] == [1, 2]
    fresh = (await by_number(stage))[1]
    await stage.judge(LI, fresh["incident_id"], "false_alarm", fresh["version"])
    clock.forward(100)
    body = alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock())
    await stage.take(received(body, 4, at=clock()))
    assert [row["alert_count"] for row in await by_number(stage)] == [2, 2], "the place is its own again"


async def test_one_camera_split_an_older_alert_takes_nothing_new(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised(1, hazard=EXIT))
    clock.forward(100)
    await stage.take(received(alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock()), 2, at=clock()))
    case = await stage.one_incident()
    oldest = min(await stage.rows(alerts), key=lambda row: row["began_at"])["alert_id"]
    await split(stage, LI, case, oldest)
    clock.forward(100)
    await stage.take(received(alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock()), 3, at=clock()))
    assert [row["alert_count"] for row in await by_number(stage)] == [2, 1]


async def test_a_third_that_has_the_latest_alert_of_a_camera_keeps_it(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised(1, hazard=EXIT))
    for sequence in (2, 3):
        clock.forward(100)
        await stage.take(received(alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock()), sequence, at=clock()))
    case = await stage.one_incident()
    _, middle, latest = [row["alert_id"] for row in sorted(await stage.rows(alerts), key=lambda row: row["began_at"])]
    await split(stage, LI, case, latest)
    case, _ = await by_number(stage)
    await split(stage, LI, case, middle)
    clock.forward(100)
    await stage.take(received(alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock()), 4, at=clock()))
    assert [row["alert_count"] for row in await by_number(stage)] == [1, 2, 1]
    case, _, fresh = await by_number(stage)
    await merge(stage, LI, case, fresh)
    clock.forward(100)
    await stage.take(received(alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock()), 5, at=clock()))
    assert [row["alert_count"] for row in await by_number(stage)] == [2, 3, 0]


async def test_what_stays_is_shown_where_it_is(stage: Stage, clock: HandClock) -> None:
    case, ids = await near(stage, clock)
    await split(stage, LI, case, ids["lane-east"])
    case, fresh = await by_number(stage)
    assert (case["camera_id"], case["camera_name"]) == ("lane-west", "西巷")
    assert (fresh["camera_id"], fresh["camera_name"]) == ("lane-east", "东巷")


async def test_split_off_what_was_seen_clear_ends_and_so_does_what_stays(stage: Stage, clock: HandClock) -> None:
    case, ids = await near(stage, clock)
    await stage.take(cleared(3, hazard=EXIT))
    await split(stage, LI, case, ids["lane-west"])
    case, fresh = await by_number(stage)
    assert (case["close_reason"], fresh["state"]) == ("ended_by_itself", "open")
    assert "ended_before_known" not in await told(stage, fresh)


async def test_a_split_by_policy_is_sent_and_the_old_task_stays(stage: Stage, clock: HandClock) -> None:
    case, ids = await near(stage, clock, LANE)
    await split(stage, LI, case, ids["lane-west"])
    case, fresh = await by_number(stage)
    assert [row["state"] for row in (case, fresh)] == ["dispatched", "dispatched"]
    assert {row["incident_id"] for row in await stage.rows(tasks)} == {case["incident_id"], fresh["incident_id"]}


async def test_a_split_is_refused_with_the_reason(stage: Stage, clock: HandClock) -> None:
    case, ids = await near(stage, clock)

    async def why(*alert_ids: str, who: Actor = LI, **more: Any) -> Any:
        with pytest.raises(MoveRefused) as caught:
            await split(stage, who, case, *alert_ids, **more)
        return caught.value.extra.get("reason")

    assert await why(*ids.values()) == "nothing_stays"
    assert await why("0" * 36) == "not_members"
    assert await why(ids["lane-west"], reason_code=None) is None  # says what is missing
    with pytest.raises(Conflict):
        await split(stage, LI, {**case, "version": 9}, ids["lane-west"])
    with pytest.raises(NotFound):
        await split(stage, STRANGER, case, ids["lane-west"])
    await stage.judge(LI, case["incident_id"], "false_alarm", case["version"])
    case = await stage.one_incident()
    with pytest.raises(MoveRefused, match="closed"):
        await split(stage, LI, case, ids["lane-west"])


async def test_an_alert_of_another_area_is_split_off_only_from_above(stage: Stage, clock: HandClock) -> None:
    into, _ = await two(stage, clock)
    other_id = await _third(stage, clock)
    third = next(row for row in await by_number(stage) if row["incident_id"] == other_id)
    await merge(stage, MAYOR, into, third)
    into = (await by_number(stage))[0]
    [gate] = [row["alert_id"] for row in await stage.rows(alerts) if row["camera_id"] == "other-gate"]
    with pytest.raises(MoveRefused) as caught:
        await split(stage, GRID_DESK, into, gate)
    assert caught.value.extra["reason"] == "out_of_scope"
    await split(stage, LI, into, gate)
    assert (await by_number(stage))[-1]["area_code"] == third["area_code"]


async def test_a_split_is_undone_by_merging(stage: Stage, clock: HandClock) -> None:
    case, ids = await near(stage, clock)
    await split(stage, LI, case, ids["lane-west"])
    case, fresh = await by_number(stage)
    await merge(stage, LI, case, fresh)
    case, fresh = await by_number(stage)
    assert (case["alert_count"], fresh["close_reason"]) == (2, "merged")
    clock.forward(10)
    body = alert(Phase.RAISED, 1, camera_id="lane-west", hazard=EXIT, began_at=clock())
    await stage.take(received(body, 9, at=clock()))
    assert set((await members(stage)).values()) == {case["number"]}
