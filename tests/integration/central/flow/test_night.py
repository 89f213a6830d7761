"""Nights: who is off duty is not asked, a neighbour's worker goes, and limits climb to the desk that is staffed."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.integration.central.flow.stage import (
    CHEN,
    GRID,
    LI,
    MAYOR,
    OTHER_GRID,
    POLICIES,
    TOWNSHIP,
    VILLAGE,
    WANG,
    HandClock,
    Stage,
    actor,
    alert,
    build,
    cleared,
    raised,
    received,
)
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import code_of_path, path_by_code
from xueliang_central.clocks.tables import clocks, escalations
from xueliang_central.dispatch.tables import tasks
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.notices.tables import notices
from xueliang_central.people.tables import shifts
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.rights.tables import users
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events

THREE = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)  # 03:00 on the 24th in Shanghai
COUNTY = "370102"
HE = actor(Role.WORKER, OTHER_GRID, "he")
QIN = actor(Role.OPERATOR, COUNTY, "qin")
DAY = {"bands": [{"start": "08:00", "until": "18:00"}]}
EVERYBODY = (WANG, HE, LI, CHEN, QIN, MAYOR)


async def roster(stage: Stage, who: Actor, kind: str = "weekly", **more: Any) -> None:
    """One shift in the person's own area; by day when nothing else is said."""
    row: dict[str, Any] = {"shift_id": str(uuid.uuid4()), "user_id": who.user_id, "kind": kind}
    if kind != "leave":
        row |= {"area_code": code_of_path(who.area_path), "area_path": who.area_path}
    if kind == "weekly":
        row["weekly"] = DAY
    async with stage.database.transaction() as conn:
        await conn.execute(insert(shifts), row | more)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(THREE)


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock, people=EVERYBODY)


def now_raised(sequence: int = 1, *, at: datetime = THREE, **more: Any) -> Any:
    return received(alert(Phase.RAISED, 1, began_at=at, **more), sequence, at=at)


async def story_of(stage: Stage, kind: str) -> list[dict[str, Any]]:
    async with stage.database.reading() as conn:
        query = select(incident_timeline.c.params).where(incident_timeline.c.kind == kind)
        return list((await conn.execute(query.order_by(incident_timeline.c.entry_id))).scalars())


async def test_by_night_the_neighbours_worker_gets_the_task_with_the_why(stage: Stage) -> None:
    await roster(stage, WANG)
    await stage.take(now_raised())
    task = await stage.task()
    assert (task["worker_id"], task["area_code"], task["area_path"]) == (HE.user_id, GRID, WANG.area_path)
    assert task["why_offered"]["about"]["area_code"] == OTHER_GRID
    heard = [row["for_user"] for row in await stage.rows(events) if row["kind"] == "task"]
    assert heard == [None, HE.user_id], "the neighbour's phone hears of it, nobody else there does"
    why = task["why_offered"]
    assert (why["code"], [step["code"] for step in why["steps"]]) == ("neighbour_on_duty", ["all_off_duty"])
    assert why["about"]["asked"] == GRID
    assert "of the same village" in why["text"]
    assert why["steps"][0]["about"]["off_duty"] == 1
    assert [entry["why"] for entry in await story_of(stage, "task_offered")] == [why]
    incident = await stage.one_incident()
    assert (incident["area_code"], incident["owner_level"]) == (GRID, "grid"), "the place stays where it is"
    told = [row for row in await stage.rows(notices) if row["kind"] == "task_offered"]
    assert [row["user_id"] for row in told] == [HE.user_id]
    await stage.work_on(HE, "take")
    await stage.work_on(HE, "arrive")
    await stage.work_on(HE, "handled", note="moved away")
    await stage.take(cleared(began_at=THREE))
    assert (await stage.one_incident())["close_reason"] == "verified"


async def test_by_day_the_grids_own_worker_goes(stage: Stage, clock: HandClock) -> None:
    await roster(stage, WANG)
    clock.at = THREE + timedelta(hours=8)  # 11:00
    await stage.take(now_raised(at=clock.at))
    task = await stage.task()
    assert (task["worker_id"], task["why_offered"]["code"]) == (WANG.user_id, "serves_here")
    assert task["why_offered"]["about"]["is_rostered"]


async def test_a_shift_that_cannot_be_read_stops_nobody(stage: Stage) -> None:
    await roster(stage, WANG, weekly=DAY | {"time_zone": "Nowhere/Now"})
    await stage.take(now_raised())
    assert (await stage.task())["worker_id"] == WANG.user_id, "as if there were no roster"


async def test_a_neighbour_who_refuses_leaves_it_to_the_own_levels(stage: Stage, clock: HandClock) -> None:
    await roster(stage, WANG)
    await stage.take(now_raised())
    clock.forward(5)
    await stage.work_on(HE, "refuse", reason_code="too_far")
    live = [row for row in await stage.rows(tasks) if row["state"] == "offered"]
    assert [(row["area_code"], row["worker_id"]) for row in live] == [(VILLAGE, LI.user_id)]
    assert [step["code"] for step in live[0]["why_offered"]["steps"]] == ["all_off_duty", "no_neighbour_on_duty"]
    clock.forward(5)
    await stage.work_on(LI, "refuse", reason_code="alone_here")
    live = [row for row in await stage.rows(tasks) if row["state"] == "offered"]
    assert [(row["area_code"], row["worker_id"]) for row in live] == [(TOWNSHIP, CHEN.user_id)]


async def test_leave_counts_like_a_night(stage: Stage, clock: HandClock) -> None:
    clock.at = THREE + timedelta(hours=8)
    await roster(stage, WANG)
    at = {"starts_at": THREE, "ends_at": THREE + timedelta(days=3)}
    await roster(stage, WANG, "leave", **at)
    await roster(stage, HE, "leave", **at)
    await stage.take(now_raised(at=clock.at))
    task = await stage.task()
    assert (task["worker_id"], task["why_offered"]["code"]) == (LI.user_id, "level_up")
    assert [step["code"] for step in task["why_offered"]["steps"]] == ["all_off_duty", "no_neighbour_on_duty"]


async def test_nobody_on_duty_anywhere_is_as_without_a_roster(stage: Stage) -> None:
    for person in EVERYBODY:
        await roster(stage, person)
    await stage.take(now_raised())
    task = await stage.task()
    assert (task["worker_id"], task["area_code"]) == (WANG.user_id, GRID)
    assert task["why_offered"]["code"] == "nobody_on_duty"


async def test_somebody_from_above_sits_at_a_desk_below_for_the_night(stage: Stage) -> None:
    for person in (WANG, HE, LI):
        await roster(stage, person)
    night = {"bands": [{"start": "18:00", "until": "08:00"}]}
    await roster(stage, QIN, weekly=night, area_code=VILLAGE, area_path=path_by_code(VILLAGE))
    await stage.take(now_raised())
    task = await stage.task()
    assert (task["worker_id"], task["area_code"]) == (QIN.user_id, VILLAGE)


async def test_a_roster_of_a_place_that_was_left_counts_for_nothing(stage: Stage) -> None:
    await roster(stage, WANG, area_code=OTHER_GRID, area_path=path_by_code(OTHER_GRID))
    await stage.take(now_raised())
    task = await stage.task()
    assert (task["worker_id"], task["why_offered"]["about"]["is_rostered"]) == (WANG.user_id, False)


async def test_what_comes_back_by_night_does_not_return_to_who_is_off_duty(stage: Stage, clock: HandClock) -> None:
    clock.at = THREE - timedelta(hours=9, minutes=5)  # 17:55, five minutes before the end of the shift
    began_at = clock.at
    await roster(stage, WANG)
    await stage.take(now_raised(at=began_at, hazard=Hazard.FIRE_LANE_OBSTRUCTION))
    assert (await stage.task())["worker_id"] == WANG.user_id
    await stage.work_on(WANG, "take")
    await stage.work_on(WANG, "arrive")
    await stage.work_on(WANG, "handled", note="moved away")
    await stage.take(cleared(began_at=began_at))
    assert (await stage.one_incident())["state"] == "closed"
    clock.forward(600)
    again = received(alert(Phase.RAISED, 1, began_at=clock()), 3, at=clock())
    await stage.take(again)
    assert (await stage.one_incident())["state"] == "dispatched"
    live = [row for row in await stage.rows(tasks) if row["state"] == "offered"]
    assert [(row["worker_id"], row["why_offered"]["code"]) for row in live] == [(HE.user_id, "neighbour_on_duty")]
    assert "task_returned" not in await stage.story()


async def _told(stage: Stage) -> list[str]:
    return sorted(row["user_id"] for row in await stage.rows(notices) if row["kind"] == "escalated")


async def test_an_escalation_at_three_climbs_to_the_county_that_is_staffed(stage: Stage, clock: HandClock) -> None:
    for person in (LI, CHEN):
        await roster(stage, person)
    await stage.take(now_raised())
    clock.forward(60)
    assert await stage.fire_all() == 1
    assert await _told(stage) == [QIN.user_id]
    incident = await stage.one_incident()
    assert incident["owner_level"] == "county"
    [entry] = await story_of(stage, "escalated")
    assert (entry["level"], entry["area_code"], entry["told"]) == ("county", COUNTY, 1)
    assert [one["area_code"] for one in entry["passed_over"]] == [VILLAGE, TOWNSHIP]
    assert entry["why"]["code"] == "desk_unstaffed"
    assert entry["why"]["text"].startswith("nobody is on duty at the desk of the village and township")
    [step] = await stage.rows(escalations)
    assert (step["level"], step["area_code"], step["told"]) == ("county", COUNTY, 1)
    assert next(row for row in await stage.rows(clocks) if row["kind"] == "take")["escalated_to"] == "county"


async def test_what_has_risen_stays_there_when_a_desk_below_is_back(stage: Stage, clock: HandClock) -> None:
    for person in (LI, CHEN):
        await roster(stage, person)
    await stage.take(now_raised())
    clock.forward(60)
    await stage.fire_all()
    async with stage.database.transaction() as conn:  # Chen comes earlier than the roster says
        await conn.execute(update(shifts).values(weekly={"bands": [{"start": "03:01", "until": "18:00"}]}))
    clock.forward(60)
    await stage.fire_all()
    assert await _told(stage) == sorted([QIN.user_id, CHEN.user_id])
    entries = await story_of(stage, "escalated")
    assert [entry["level"] for entry in entries] == ["county", "township"]
    assert "why" not in entries[1]
    assert (await stage.one_incident())["owner_level"] == "county"
    assert next(row for row in await stage.rows(clocks) if row["kind"] == "take")["escalated_to"] == "county"


async def test_with_no_desk_on_duty_the_one_that_is_due_is_told_all_the_same(stage: Stage, clock: HandClock) -> None:
    for person in (LI, CHEN, QIN, MAYOR):
        await roster(stage, person)
    await stage.take(now_raised())
    clock.forward(60)
    await stage.fire_all()
    assert await _told(stage) == [LI.user_id]
    [entry] = await story_of(stage, "escalated")
    assert (entry["level"], entry["why"]["code"]) == ("village", "no_desk_on_duty")


async def test_without_any_roster_nothing_is_different(database: Database) -> None:
    clock = HandClock(THREE)
    stage = await build(database, clock, policies=POLICIES)
    await stage.take(raised(began_at=THREE))
    why = (await stage.task())["why_offered"]
    assert why["code"] == "serves_here"
    assert "steps" not in why
    clock.forward(60)
    await stage.fire_all()
    assert await _told(stage) == [LI.user_id]
    async with database.reading() as conn:
        assert (await conn.execute(select(users.c.user_id))).first() is not None
