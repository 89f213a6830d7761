"""The managing unit of a lane first: told, its clocks, its replies, and a worker where it does not clear."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.integration.central.flow.stage import (
    GRID,
    LI,
    NOON,
    POLICIES,
    VILLAGE,
    HandClock,
    Stage,
    alert,
    build,
    cleared,
    raised,
    received,
)
from tests.integration.central.notices.conftest import ORIGIN, said
from tests.support.forked.children import forked
from tests.support.notice_targets import HttpTarget, config, http_target
from tests.support.rows import filled
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import AreaBook, AreaTree, path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.centre import Settings
from xueliang_central.clocks.tables import clocks, escalations
from xueliang_central.dispatch.merging import Merge, merge_incidents
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.unit_replies import Answer, Reply, reply
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents.tables import incidents
from xueliang_central.intake.sources import intake_key
from xueliang_central.lanes.tables import lane_cameras, lanes
from xueliang_central.notices.tables import notice_steps, notices
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_central.units import links
from xueliang_central.units.tables import unit_requests
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable

STEPS = [{"channel": "sms", "after_s": 0}, {"channel": "voice", "after_s": 60}]
ROW: dict[str, Any] = {"at": "opening", "reply_s": 300, "clear_s": 600, "steps": STEPS}


def policies(**row: Any) -> dict[str, Any]:
    return {**POLICIES, "unit_first": [{**ROW, **row}]}


async def add_lane(
    stage: Stage, lane_id: str = "east-alley", *, phone: str = "0531-8000 0119", camera: str = "lane-east"
) -> None:
    row = filled(
        lanes,
        lane_id=lane_id,
        name="东巷",
        unit="东巷物业",
        shape={"type": "LineString", "coordinates": [[117.0, 36.0], [117.001, 36.0]]},
        area_code=GRID,
        area_path=path_by_code(GRID),
        duty_phone=phone,
        valid_from=None,
        valid_to=None,
    )
    async with stage.database.transaction() as conn:
        await conn.execute(insert(lanes), row)
        await conn.execute(insert(lane_cameras), {"lane_id": lane_id, "camera_id": camera})


async def made(database: Database, clock: HandClock, **row: Any) -> Stage:
    stage = await build(database, clock, policies=policies(**row))
    await add_lane(stage)
    return stage


async def says(stage: Stage, answer: Answer, **more: Any) -> None:
    [request] = await stage.rows(unit_requests)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await reply(change, request["request_id"], Reply(answer, "link", **more))


async def running(stage: Stage) -> set[str]:
    return {row["kind"] for row in await stage.rows(clocks) if row["stopped_at"] is None and row["next_due_at"]}


async def test_at_opening_the_unit_is_told_and_nobody_is_sent(database: Database, clock: HandClock) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    case = await stage.one_incident()
    assert (case["state"], await stage.rows(tasks), await running(stage)) == ("unit_told", [], {"reply"})
    [request] = await stage.rows(unit_requests)
    assert (request["unit"], request["state"], request["lane_id"]) == ("东巷物业", "told", "east-alley")
    assert request["reply_by"] == clock.at + timedelta(seconds=300)
    assert "unit_told" in await stage.story()
    steps = sorted(await stage.rows(notice_steps), key=lambda row: row["step"])
    assert [(row["channel"], (row["next_try_at"] - clock.at).total_seconds()) for row in steps] == [
        ("sms", 0),
        ("voice", 60),
    ]
    everything = json.dumps([str(row) for table in (unit_requests, notices) for row in await stage.rows(table)])
    assert "8000" not in everything, "the number is the lane's and lies nowhere else"


async def test_the_unit_clears_it_and_the_camera_sees_it_gone(database: Database, clock: HandClock) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    clock.forward(30)
    await says(stage, "clears")
    assert ((await stage.one_incident())["state"], await running(stage)) == ("unit_clearing", {"clear"})
    clock.forward(120)
    await says(stage, "done", note="拖走了")
    assert ((await stage.one_incident())["state"], await running(stage)) == ("handled", {"check"})
    clock.forward(10)
    await stage.take(cleared(seen_s=160))
    case = await stage.one_incident()
    assert (case["state"], case["close_reason"], case["verified"]) == ("closed", "verified", True)
    assert await stage.rows(tasks) == [], "nobody was sent"
    [request] = await stage.rows(unit_requests)
    assert (request["state"], request["replied_by"]) == ("done", "link")
    acts = [
        (row["actor"], row["action"]) for row in await stage.rows(audit_records) if row["actor"].startswith("unit:")
    ]
    assert acts == [("unit:east-alley", "incident.unit_clears"), ("unit:east-alley", "incident.unit_done")]
    await says(stage, "done")  # the same again: answered, not repeated
    with pytest.raises(MoveRefused):
        await says(stage, "cannot")


async def test_what_is_seen_gone_while_the_unit_clears_is_verified_without_another_word(
    database: Database, clock: HandClock
) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    await says(stage, "clears")
    await stage.take(cleared(seen_s=100))
    case = await stage.one_incident()
    assert (case["close_reason"], await running(stage)) == ("verified", set())
    with pytest.raises(MoveRefused):
        await says(stage, "cannot")


async def test_seen_gone_before_the_unit_has_said_anything_it_ended_by_itself(
    database: Database, clock: HandClock
) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    await stage.take(cleared(seen_s=100))
    assert (await stage.one_incident())["close_reason"] == "ended_by_itself"


async def test_a_unit_that_cannot_has_a_worker_sent_at_once_and_is_not_asked_again(
    database: Database, clock: HandClock
) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    await says(stage, "cannot", note="没有拖车")
    assert (await stage.one_incident())["state"] == "dispatched"
    task = await stage.task()
    assert (task["state"], await running(stage)) == ("offered", {"take", "arrive"})
    story = await stage.story()
    assert story[-3:] == ["unit_cannot", "task_offered", "dispatched"]
    await stage.take(cleared(seen_s=100))
    later = NOON + timedelta(seconds=200)
    clock.at = later + timedelta(seconds=60)
    await stage.take(received(alert(Phase.RAISED, 1, began_at=later), 3, at=clock.at))
    assert (await stage.one_incident())["state"] == "dispatched", "reopened, and not with the unit"
    assert len(await stage.rows(unit_requests)) == 1


@pytest.mark.parametrize(("answered", "seconds", "why"), [(False, 301, "reply_limit"), (True, 601, "clear_limit")])
async def test_a_limit_that_passes_sends_a_worker_exactly_once(
    database: Database, clock: HandClock, answered: bool, seconds: int, why: str
) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    if answered:
        await says(stage, "clears")
    clock.forward(seconds - 2)
    assert await stage.fire_all() == 0
    clock.forward(2)
    assert await stage.fire_all() == 1
    assert await stage.fire_all() == 0
    assert (await stage.one_incident())["state"] == "dispatched"
    assert len(await stage.rows(tasks)) == len(await stage.rows(escalations)) == 1
    [request] = await stage.rows(unit_requests)
    assert request["state"] == "given_up"
    assert (await _params(stage, "unit_given_up"))["why"] == why
    with pytest.raises(MoveRefused):
        await says(stage, "done")


async def _params(stage: Stage, kind: str) -> dict[str, Any]:
    from xueliang_central.incidents.tables import incident_timeline

    [row] = [row for row in await stage.rows(incident_timeline) if row["kind"] == kind]
    params: dict[str, Any] = row["params"]
    return params


async def test_on_confirm_the_unit_is_told_and_an_operator_passes_it_by_with_one_act(
    database: Database, clock: HandClock
) -> None:
    stage = await made(database, clock, at="confirm")
    await stage.take(raised(hazard=Hazard.BLOCKED_EXIT))
    case = await stage.one_incident()
    assert case["state"] == "open"
    await stage.judge(LI, case["incident_id"], "confirm", case["version"])
    case = await stage.one_incident()
    assert (case["state"], await stage.rows(tasks)) == ("unit_told", [])
    await stage.judge(LI, case["incident_id"], "dispatch", case["version"])
    assert ((await stage.one_incident())["state"], len(await stage.rows(tasks))) == ("dispatched", 1)
    [request] = await stage.rows(unit_requests)
    assert request["state"] == "bypassed"
    assert "reply" not in await running(stage)


async def test_with_confirm_the_policy_dispatches_by_itself_as_before(database: Database, clock: HandClock) -> None:
    stage = await made(database, clock, at="confirm")
    await stage.take(raised())
    assert (await stage.one_incident())["state"] == "dispatched"


@pytest.mark.parametrize(
    ("row", "more"),
    [
        ({}, {"severity": 1}),
        ({"match": {"severity": [3, 4]}}, {}),
        ({"match": {"place_class": ["school"]}}, {}),
        ({"when": {"bands": [{"start": "20:00", "until": "22:00"}]}}, {}),  # it is noon
    ],
    ids=["severity 1", "another severity", "another place", "another hour"],
)
async def test_what_no_row_takes_is_dispatched_as_without(
    database: Database, clock: HandClock, row: dict[str, Any], more: dict[str, Any]
) -> None:
    stage = await made(database, clock, **row)
    await stage.take(raised(**more))
    assert ((await stage.one_incident())["state"], await stage.rows(unit_requests)) == ("dispatched", [])


async def test_lanes_of_two_units_and_a_camera_without_a_lane_send_a_worker(
    database: Database, clock: HandClock
) -> None:
    stage = await made(database, clock)
    await add_lane(stage, "other", phone="0531 1234567")
    await stage.take(raised(), raised(2, camera_id="far-gate"))
    assert {row["state"] for row in await stage.rows(incidents)} == {"dispatched"}
    assert (await _params(stage, "unit_not_told"))["why"] == "several_units"


async def test_a_severity_that_rises_to_1_waits_for_no_unit(database: Database, clock: HandClock) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    await says(stage, "clears")
    await stage.take(received(alert(Phase.UPDATED, 2, severity=1, seen_s=90), 2))
    assert (await stage.one_incident())["state"] == "dispatched"
    assert (await _params(stage, "unit_given_up"))["why"] == "severity"


async def _worker(stage: Stage, clock: HandClock, target: HttpTarget, data_dir: Path) -> Worker:
    channels = {name: {"kind": "http", "url": f"{target.url}/{name}"} for name in ("sms", "voice")}
    chosen = config(channels, deadline_s=5).model_copy(update={"unit_reply_token": "x" * 24})
    settings = Settings(data_dir, link_origin=ORIGIN, notices=chosen)
    table = PolicyTable.model_validate(policies())
    return Worker(centre_on(stage.database, settings, table, wall=clock, mono=system_mono))


async def _turn(worker: Worker) -> None:
    while await worker.climb():
        pass
    while await worker.sender.look():
        await worker.sender.idle()


async def test_the_duty_phone_is_told_step_by_step_until_it_replies(
    database: Database, clock: HandClock, tmp_path: Path
) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    async with http_target() as target:
        worker = await _worker(stage, clock, target, tmp_path)
        await _turn(worker)
        [first] = target.asked
        body = said(first)
        [request] = await stage.rows(unit_requests)
        assert (first.path, body["address"]) == ("/sms", "053180000119")
        assert "东巷" in body["text"]
        assert f"1 {request['code']}" in body["text"]
        token = body["link"].removeprefix(f"{ORIGIN}/unit#")
        assert links.request_of(intake_key(tmp_path / "intake.key"), token) == request["request_id"]
        await _turn(worker)
        assert len(target.asked) == 1, "the call has its turn later"
        await says(stage, "clears")
        clock.forward(61)
        await _turn(worker)
        assert len(target.asked) == 1
        await worker.stop()
    steps = {row["channel"]: (row["state"], row["reason"]) for row in await stage.rows(notice_steps)}
    assert steps == {"sms": ("sent", None), "voice": ("dropped", "clearing")}


async def test_without_a_reply_the_next_step_is_taken_and_a_lane_that_has_gone_is_dropped(
    database: Database, clock: HandClock, tmp_path: Path
) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    async with http_target() as target:
        worker = await _worker(stage, clock, target, tmp_path)
        await _turn(worker)
        clock.forward(61)
        async with stage.database.transaction() as conn:
            await conn.execute(update(lanes).values(duty_phone="0531 000"))
        await _turn(worker)
        assert [(asked.path, said(asked)["address"]) for asked in target.asked] == [
            ("/sms", "053180000119"),
            ("/voice", "0531000"),
        ]
        await worker.stop()


async def test_a_unit_s_limit_fires_exactly_once_through_kill_9(database: Database, database_url: str) -> None:
    """As the other clocks: killed at its work, and at last run to its end."""
    wall = HandClock(datetime.now(UTC) - timedelta(hours=3))
    stage = await build(database, wall, policies=policies())
    for number, camera in enumerate(("lane-east", "far-gate", "other-gate")):
        await add_lane(stage, f"lane-{number}", camera=camera)
    bodies = [
        alert(Phase.RAISED, 1, camera_id=camera, hazard=hazard, began_at=wall.at)
        for camera in ("lane-east", "far-gate", "other-gate")
        for hazard in (Hazard.FIRE_LANE_OBSTRUCTION,)
    ]
    await stage.take(*(received(body, number, at=wall.at) for number, body in enumerate(bodies, start=1)))
    assert {row["state"] for row in await stage.rows(incidents)} == {"unit_told"}
    for kill_after in (1, 2, None):
        with forked("tests.integration.central.flow.worker_process", database_url) as process:
            if kill_after is None:
                await process.wait()
                continue
            while await stage.count(escalations) < kill_after and process.returncode is None:
                await asyncio.sleep(0)
    of_units = [row for row in await stage.rows(clocks) if row["kind"] == "reply"]
    assert all(row["stopped_at"] and row["escalated_steps"] == 1 for row in of_units)
    assert len(of_units) == len(await stage.rows(tasks)) == 3, "one worker for each, sent once"
    assert {row["state"] for row in await stage.rows(unit_requests)} == {"given_up"}


async def test_of_a_case_that_ended_otherwise_the_request_is_over(database: Database, clock: HandClock) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    case = await stage.one_incident()
    await stage.judge(LI, case["incident_id"], "permitted", case["version"])
    with pytest.raises(MoveRefused, match="over"):
        await says(stage, "clears")
    async with stage.database.reading() as conn:
        assert (await conn.execute(select(unit_requests.c.state))).scalar_one() == "told"
    assert await running(stage) == set()


async def test_a_severe_incident_that_is_merged_into_one_with_a_unit_sends_a_worker(
    database: Database, clock: HandClock
) -> None:
    stage = await made(database, clock)
    await stage.take(raised(), raised(2, camera_id="far-gate", severity=1))
    with_unit, severe = sorted(await stage.rows(incidents), key=lambda row: -row["severity"])
    assert (with_unit["state"], severe["state"]) == ("unit_told", "dispatched")
    wanted = Merge(
        other_id=severe["incident_id"], version=with_unit["version"], other_version=severe["version"], note="one lorry"
    )
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await merge_incidents(change, LI, with_unit["incident_id"], wanted)
    after = {row["incident_id"]: row for row in await stage.rows(incidents)}
    assert (after[with_unit["incident_id"]]["state"], after[with_unit["incident_id"]]["severity"]) == ("dispatched", 1)
    assert "reply" not in await running(stage)


async def test_a_limit_that_passes_in_an_area_that_an_import_has_taken_away_sends_a_worker_and_stops_no_clock(
    database: Database, clock: HandClock
) -> None:
    stage = await made(database, clock)
    await stage.take(raised())
    left = [area for area in stage.rulebook.tree if area.code != GRID]
    stage.rulebook = replace(stage.rulebook, areas=AreaBook(AreaTree(left)))
    clock.forward(301)
    assert await stage.fire_all() == 1
    assert (await stage.one_incident())["state"] == "dispatched"
    assert (await stage.task())["area_code"] == VILLAGE
