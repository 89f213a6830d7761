"""Raised to closed: every way the case can go, told by its timeline."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.integration.central.flow.stage import (
    CHEN,
    GRID,
    LI,
    NOON,
    PHOTO,
    POLICIES,
    STRANGER,
    VILLAGE,
    WANG,
    ZHOU,
    HandClock,
    Stage,
    alert,
    build,
    cleared,
    raised,
    received,
)
from xueliang_alerts.contract import EndReason, Hazard, Phase
from xueliang_central.audit import chain
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import task_photos, tasks
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.ingest import releasing
from xueliang_central.notices.tables import notices
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events


async def _take_arrive(stage: Stage, clock: HandClock) -> None:
    worker = WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU
    clock.forward(5)
    await stage.work_on(worker, "take")
    clock.forward(5)
    await stage.work_on(worker, "arrive")


async def _handle(stage: Stage) -> None:
    worker = WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU
    await stage.work_on(worker, "handled", photos=[PHOTO], note="moved away")


async def test_handled_then_seen_clear_is_verified_and_closed(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    incident = await stage.one_incident()
    assert (incident["state"], incident["number"]) == ("dispatched", "20261123-0001")
    assert incident["area_code"] == GRID
    await _take_arrive(stage, clock)
    await _handle(stage)
    assert (await stage.one_incident())["state"] == "handled"
    clock.forward(5)
    await stage.take(cleared())
    incident = await stage.one_incident()
    assert (incident["state"], incident["close_reason"], incident["verified"]) == ("closed", "verified", True)
    assert (await stage.task())["state"] == "closed"
    assert await stage.story() == [
        "opened",
        "alert_folded",
        "dispatched",
        "task_offered",
        "taken",
        "arrived",
        "handled",
        "seen_clear",
        "verified",
        "closed",
    ]
    assert all(row["stopped_at"] is not None for row in await stage.rows(clocks))
    assert await stage.count(task_photos) == 1
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole


async def test_seen_clear_while_on_the_way_is_verified_when_handled(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    await _take_arrive(stage, clock)
    await stage.take(cleared())
    assert (await stage.one_incident())["state"] == "arrived"
    await _handle(stage)
    incident = await stage.one_incident()
    assert (incident["state"], incident["close_reason"]) == ("closed", "verified")


async def test_seen_clear_before_anyone_took_it_ends_by_itself(stage: Stage) -> None:
    await stage.take(raised())
    await stage.take(cleared())
    incident = await stage.one_incident()
    assert (incident["state"], incident["close_reason"], incident["verified"]) == ("closed", "ended_by_itself", False)
    assert (await stage.task())["state"] == "withdrawn"
    assert sorted(row["kind"] for row in await stage.rows(notices)) == ["task_offered", "task_withdrawn"]


@pytest.mark.parametrize(
    ("hazard", "severity"), [(Hazard.FIRE_SMOKE, 3), (Hazard.CROWD, 1)], ids=["fire", "severity 1"]
)
async def test_fire_and_severity_1_wait_for_a_judgement_when_they_are_gone(
    database: Database, clock: HandClock, hazard: Hazard, severity: int
) -> None:
    settling = {name.value: {"settle_s": 60} for name in (hazard, Hazard.INTRUSION)}
    stage = await build(database, clock, policies={**POLICIES, "folding": settling})
    mild = received(alert(Phase.RAISED, 1, camera_id="far-gate", hazard=Hazard.INTRUSION), 1)
    over = received(alert(Phase.CLEARED, 2, camera_id="far-gate", hazard=Hazard.INTRUSION), 2)
    await stage.take(mild, received(alert(Phase.RAISED, 1, hazard=hazard, severity=severity), 3))
    await stage.take(over, received(alert(Phase.CLEARED, 2, hazard=hazard, severity=severity), 4))
    for _ in range(2):
        clock.forward(61)
        async with changing(stage.database, stage.rulebook, clock) as change:
            await releasing.settle(change)
        async with stage.database.reading() as conn:
            assert not await releasing.is_any_settled(conn, stage.rulebook, clock())
    found = {row["hazard"]: row for row in await stage.rows(incidents)}
    assert found["intrusion"]["close_reason"] == "ended_by_itself"
    case = found[hazard.value]
    assert (case["state"], case["gone"]) == ("open", True)
    judge = [row for row in await stage.rows(clocks) if row["incident_id"] == case["incident_id"]]
    assert [(row["kind"], row["stopped_at"]) for row in judge] == [("judge", None)], "its limit goes on"
    await stage.judge(LI, case["incident_id"], "confirm", case["version"])
    clock.forward(61)
    async with changing(stage.database, stage.rulebook, clock) as change:
        await releasing.settle(change)
        async with stage.database.reading() as conn:
            assert not await releasing.is_any_settled(conn, stage.rulebook, clock())
    # Said once more by the camera, still gone: whom a person has sent goes all the same, and says what is there.
    await stage.take(received(alert(Phase.CLEARED, 3, hazard=hazard, severity=severity, seen_s=90), 5))
    sent = {row["hazard"]: row for row in await stage.rows(incidents)}[hazard.value]
    assert (sent["state"], sent["gone"]) == ("dispatched", True)
    task = next(row for row in await stage.rows(tasks) if row["incident_id"] == sent["incident_id"])
    assert task["state"] == "offered"
    await stage.work(WANG, task["task_id"], "take", 1)
    await stage.work(WANG, task["task_id"], "handled", 2, photos=(PHOTO,))
    ended = {row["hazard"]: row for row in await stage.rows(incidents)}[hazard.value]
    assert (ended["state"], ended["close_reason"], ended["review"]) == ("closed", "verified", None)


@pytest.mark.parametrize("end_reason", [EndReason.VIEW_LOST, EndReason.NODE_STOPPED, EndReason.RULE_CHANGED])
async def test_an_end_that_saw_nothing_never_verifies(stage: Stage, clock: HandClock, end_reason: EndReason) -> None:
    await stage.take(raised())
    await _take_arrive(stage, clock)
    await _handle(stage)
    await stage.take(cleared(end_reason=end_reason))
    assert (await stage.one_incident())["state"] == "handled"
    clock.forward(301)
    assert await stage.fire_all() == 1
    incident = await stage.one_incident()
    assert (incident["state"], incident["verified"]) == ("to_check", False)
    await stage.judge(LI, incident["incident_id"], "close", incident["version"], note="looked myself")
    incident = await stage.one_incident()
    assert (incident["close_reason"], incident["verified"]) == ("checked_by_hand", False)


async def test_the_same_camera_seeing_clear_after_a_restart_of_its_node_verifies(
    stage: Stage, clock: HandClock
) -> None:
    await stage.take(raised(1))
    await stage.take(cleared(2, end_reason=EndReason.NODE_STOPPED))
    clock.forward(100)
    again = clock.at
    await stage.take(received(alert(Phase.RAISED, 1, began_at=again), 3, at=again))
    assert (await stage.one_incident())["alert_count"] == 2
    await _take_arrive(stage, clock)
    await _handle(stage)
    assert (await stage.one_incident())["state"] == "handled"
    await stage.take(received(alert(Phase.CLEARED, 2, began_at=again), 4, at=clock()))
    incident = await stage.one_incident()
    assert (incident["state"], incident["verified"]) == ("closed", True)


async def test_seen_clear_after_the_check_limit_still_verifies(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    await _take_arrive(stage, clock)
    await _handle(stage)
    clock.forward(301)
    await stage.fire_all()
    await stage.take(cleared())
    assert (await stage.one_incident())["close_reason"] == "verified"


async def test_raised_again_within_the_window_reopens_and_returns_the_task(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    await _take_arrive(stage, clock)
    await _handle(stage)
    await stage.take(cleared())
    task = await stage.task()
    clock.forward(200)
    await stage.take(received(alert(Phase.RAISED, 1, began_at=clock()), 3, at=clock()))
    incident = await stage.one_incident()
    assert (incident["state"], incident["reopened_count"], incident["close_reason"]) == ("dispatched", 1, None)
    again = await stage.task()
    assert (again["task_id"], again["state"], again["worker_id"]) == (task["task_id"], "offered", task["worker_id"])
    assert again["taken_at"] is None
    assert "task_returned" in {row["kind"] for row in await stage.rows(notices)}


async def test_raised_again_after_the_window_is_another_incident(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    await stage.take(cleared())
    clock.forward(3600)
    await stage.take(received(alert(Phase.RAISED, 1, began_at=clock()), 3, at=clock()))
    numbers = sorted(row["number"] for row in await stage.rows(incidents))
    assert numbers == ["20261123-0001", "20261123-0002"]


async def test_a_new_alert_after_a_false_alarm_is_a_new_question(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    incident = await stage.one_incident()
    await stage.judge(LI, incident["incident_id"], "false_alarm", incident["version"])
    assert (await stage.task())["state"] == "withdrawn"
    await stage.take(cleared())
    clock.forward(60)
    await stage.take(received(alert(Phase.RAISED, 1, began_at=clock()), 3, at=clock()))
    assert sorted(row["state"] for row in await stage.rows(incidents)) == ["closed", "dispatched"]


async def test_what_policy_does_not_dispatch_waits_for_a_judgement(stage: Stage) -> None:
    await stage.take(raised(hazard=Hazard.CROWD))
    incident = await stage.one_incident()
    assert incident["state"] == "open"
    assert await stage.count(tasks) == 0
    assert [row["kind"] for row in await stage.rows(clocks)] == ["judge"]
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    assert (await stage.one_incident())["state"] == "dispatched"
    running = sorted(row["kind"] for row in await stage.rows(clocks) if row["stopped_at"] is None)
    assert running == ["arrive", "take"]


async def test_two_take_the_same_task_one_wins(stage: Stage) -> None:
    await stage.take(raised())
    task = await stage.task()
    results = await asyncio.gather(
        *(stage.work(who, task["task_id"], "take", task["version"]) for who in (WANG, ZHOU)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) in [["Conflict", "NoneType"], ["NoneType", "NotFound"]]
    assert (await stage.story()).count("taken") == 1


async def test_a_stale_version_is_a_conflict_and_a_repeated_key_is_not(stage: Stage) -> None:
    await stage.take(raised())
    task = await stage.task()
    await stage.work(WANG, task["task_id"], "take", 1, idempotency_key="k1")
    await stage.work(WANG, task["task_id"], "take", 1, idempotency_key="k1")
    with pytest.raises(Conflict):
        await stage.work(WANG, task["task_id"], "take", 1, idempotency_key="k2")
    assert (await stage.story()).count("taken") == 1


async def test_handled_needs_a_photo_or_a_note_and_the_photo_must_be_here(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    await _take_arrive(stage, clock)
    task = await stage.task()
    worker = WANG if task["worker_id"] == WANG.user_id else ZHOU
    with pytest.raises(MoveRefused, match="photo, a note or a voice note"):
        await stage.work_on(worker, "handled", note="  ")
    with pytest.raises(MoveRefused, match="upload"):
        await stage.work_on(worker, "handled", photos=["cd" * 32])


async def test_nothing_here_needs_a_photo_of_the_place(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    await _take_arrive(stage, clock)
    task = await stage.task()
    worker = WANG if task["worker_id"] == WANG.user_id else ZHOU
    with pytest.raises(MoveRefused, match="nothing here needs a photo"):
        await stage.work_on(worker, "handled", reason_code="nothing_here", note="all clear")
    with pytest.raises(MoveRefused, match="photos_before"):
        await stage.work_on(worker, "handled", photos=[PHOTO], photos_before=["cd" * 32])
    await stage.work_on(worker, "handled", reason_code="nothing_here", photos=[PHOTO], photos_before=[PHOTO])
    entry = next(row for row in await stage.rows(incident_timeline) if row["kind"] == "handled")
    assert (entry["params"]["reason_code"], entry["params"]["photos_before"]) == ("nothing_here", [PHOTO])


async def test_what_a_phone_tells_later_is_told_with_its_time_and_moves_no_clock(
    stage: Stage, clock: HandClock
) -> None:
    await stage.take(raised())
    task = await stage.task()
    worker = WANG if task["worker_id"] == WANG.user_id else ZHOU
    offered_at = task["offered_at"]
    clock.forward(600)
    done_at = offered_at + timedelta(seconds=30)
    # 0.01 degrees of latitude north of the camera: 1,112 m
    incident = await stage.one_incident()
    near = (incident["longitude"], incident["latitude"] + 0.01)
    await stage.work_on(worker, "take", acted_at=done_at, near=near)
    taken = await stage.task()
    assert taken["taken_at"] == clock.at
    await stage.work_on(worker, "arrive", acted_at=offered_at - timedelta(seconds=1))  # a clock that runs wrong
    await stage.work_on(worker, "handled", photos=[PHOTO], acted_at=clock.at + timedelta(days=900))
    told = {row["kind"]: row["params"] for row in await stage.rows(incident_timeline)}
    assert told["taken"]["acted_at"] == done_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert told["taken"]["distance_m"] == 1100
    assert not {"longitude", "latitude", "near"} & set(told["taken"])
    assert "acted_at" not in told["arrived"]
    assert "acted_at" not in told["handled"]


async def test_a_refused_task_goes_to_the_next_level(stage: Stage) -> None:
    await stage.take(raised())
    task = await stage.task()
    worker = WANG if task["worker_id"] == WANG.user_id else ZHOU
    with pytest.raises(MoveRefused, match="reason"):
        await stage.work_on(worker, "refuse")
    await stage.work_on(worker, "refuse", reason_code="on_leave")
    live = [row for row in await stage.rows(tasks) if row["state"] == "offered"]
    assert [(row["area_code"], row["worker_id"]) for row in live] == [(VILLAGE, LI.user_id)]
    assert live[0]["arrive_due_at"] == task["arrive_due_at"]  # the place's own limit goes on
    assert (await stage.one_incident())["state"] == "dispatched"
    assert (await stage.story())[-2:] == ["refused", "task_offered"]


async def test_a_grid_without_worker_asks_the_next_level_and_says_so(stage: Stage) -> None:
    await stage.take(raised(camera_id="other-gate"))
    task = await stage.task()
    assert (task["area_code"], task["worker_id"]) == (VILLAGE, LI.user_id)
    assert task["why_offered"]["code"] == "level_up"


async def test_nobody_anywhere_still_makes_a_task(database: Database, clock: HandClock) -> None:
    stage = await build(database, clock, people=())
    await stage.take(raised())
    task = await stage.task()
    assert (task["state"], task["worker_id"], task["area_code"]) == ("offered", None, GRID)


async def test_what_lies_outside_the_scope_does_not_exist(stage: Stage) -> None:
    await stage.take(raised())
    incident, task = await stage.one_incident(), await stage.task()
    with pytest.raises(NotFound):
        await stage.judge(STRANGER, incident["incident_id"], "false_alarm", incident["version"])
    with pytest.raises(NotFound):
        await stage.work(STRANGER, task["task_id"], "take", task["version"])


async def test_a_camera_that_is_not_registered_is_marked_and_not_dropped(stage: Stage) -> None:
    await stage.take(raised(camera_id="unknown-cam"))
    incident = await stage.one_incident()
    assert (incident["misplaced"], incident["area_code"]) == (True, VILLAGE)
    assert incident["why_routed"]["code"] == "not_registered"


async def test_an_unregistered_camera_with_a_position_goes_to_its_grid(stage: Stage) -> None:
    await stage.take(raised(camera_id="unknown-cam", position=(117.015, 36.005)))
    assert (await stage.one_incident())["area_code"].endswith("008")


async def test_near_cameras_fold_far_ones_and_drills_do_not(stage: Stage) -> None:
    await stage.take(raised(1), raised(2, camera_id="lane-west"))
    await stage.take(raised(3, camera_id="far-gate"))
    await stage.take(raised(4, camera_id="lane-west", drill=True, began_at=NOON + timedelta(seconds=1)))
    found = await stage.rows(incidents)
    assert sorted((row["alert_count"], row["camera_count"], row["drill"]) for row in found) == [
        (1, 1, False),
        (1, 1, True),
        (2, 2, False),
    ]


async def test_severity_rises_inside_an_incident_and_the_version_stays(stage: Stage) -> None:
    await stage.take(raised(1))
    before = await stage.one_incident()
    await stage.take(received(alert(Phase.UPDATED, 2, severity=1, seen_s=90), 2))
    after = await stage.one_incident()
    assert (before["severity"], after["severity"]) == (2, 1)
    assert after["version"] == before["version"]
    assert "severity_raised" in await stage.story()


async def test_limits_pass_level_by_level_each_exactly_once(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    clock.forward(59)
    assert await stage.fire_all() == 0
    clock.forward(1)
    assert await stage.fire_all() == 1
    assert await stage.fire_all() == 0
    assert (await stage.one_incident())["owner_level"] == "village"
    told = {row["user_id"] for row in await stage.rows(notices) if row["kind"] == "escalated"}
    assert told == {LI.user_id}
    clock.forward(60)
    assert await stage.fire_all() == 1
    told = {row["user_id"] for row in await stage.rows(notices) if row["kind"] == "escalated"}
    assert told == {LI.user_id, CHEN.user_id}
    clock.forward(60)
    await stage.fire_all()
    assert (await stage.one_incident())["owner_level"] in {"city", "village"}  # the arrive limit passes now too
    story = await stage.story()
    assert story.count("limit_passed") == 2
    take = next(row for row in await stage.rows(clocks) if row["kind"] == "take")
    assert (take["escalated_steps"], take["next_due_at"]) == (3, None)


async def test_a_taken_task_stops_its_clock(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    await _take_arrive(stage, clock)
    clock.forward(10_000)
    assert await stage.fire_all() == 0


async def test_after_an_outage_of_the_worker_each_level_still_gets_its_time(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised(hazard=Hazard.CROWD))
    clock.forward(7200)
    assert await stage.fire_all() == 1
    clock.forward(59)
    assert await stage.fire_all() == 0
    clock.forward(1)
    assert await stage.fire_all() == 1


async def test_every_change_is_on_the_stream_with_its_last_state(stage: Stage) -> None:
    await stage.take(raised())
    found = [row for row in await stage.rows(events) if row["kind"] == "incident"]
    assert len(found) == 1
    shown = found[0]["body"]["incident"]
    assert (shown["state"], shown["clock"]["kind"], shown["task"]["state"]) == ("dispatched", "take", "offered")
    assert [step["level"] for step in shown["area"]["path"]] == ["city", "county", "township", "village", "grid"]


async def test_what_a_person_reopens_stays_open_though_its_camera_saw_it_gone(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised(hazard=Hazard.BLOCKED_EXIT))
    await stage.take(cleared(hazard=Hazard.BLOCKED_EXIT))
    ended = await stage.one_incident()
    assert ended["close_reason"] == "ended_by_itself"
    clock.forward(60)
    await stage.judge(LI, ended["incident_id"], "reopen", ended["version"], note="the guard still sees it")
    clock.forward(3_600)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        assert await releasing.settle(change) == 0
    again = await stage.one_incident()
    assert (again["state"], again["gone"], again["still_present"]) == ("open", False, False)
    # Seen again and gone again: that the camera may say.
    await stage.take(received(alert(Phase.RAISED, 1, hazard=Hazard.BLOCKED_EXIT, began_at=clock()), 3, at=clock()))
    await stage.take(received(alert(Phase.CLEARED, 2, hazard=Hazard.BLOCKED_EXIT, began_at=clock()), 4, at=clock()))
    assert (await stage.one_incident())["close_reason"] == "ended_by_itself"


async def test_a_place_has_one_open_incident_also_by_hand(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    first = await stage.one_incident()
    await stage.judge(LI, first["incident_id"], "permitted", first["version"])
    clock.forward(60)
    await stage.take(received(alert(Phase.RAISED, 1, began_at=clock()), 2, at=clock()))
    with pytest.raises(MoveRefused, match="is open at this place"):
        await stage.judge(LI, first["incident_id"], "reopen", first["version"] + 1, note="wrong")
