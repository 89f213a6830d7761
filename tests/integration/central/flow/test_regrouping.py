"""Merged and split by hand: what moves, what stops, where later alerts go, what is refused, and back again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.integration.central.flow.stage import (
    CHEN,
    LI,
    MAYOR,
    NOON,
    POLICIES,
    STRANGER,
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
from xueliang_alerts.contract import EvidenceKind, EvidenceRef, Hazard, Phase
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.merging import Merge, merge_incidents
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.requesting import Request
from xueliang_central.dispatch.splitting import Split, split_incident
from xueliang_central.dispatch.suspending import decide
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import Conflict, DatabaseConflict, MoveRefused, NotFound
from xueliang_central.incidents.regrouping_tables import hand_places, regroupings
from xueliang_central.incidents.tables import alerts, expected_pictures, incident_timeline, incidents
from xueliang_central.ingest import releasing
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Actor
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events

LANE, EXIT = Hazard.FIRE_LANE_OBSTRUCTION, Hazard.BLOCKED_EXIT  # sent by policy at once; waits for a judgement
Row = dict[str, Any]


async def by_number(stage: Stage) -> list[Row]:
    return sorted(await stage.rows(incidents), key=lambda row: row["number"])


async def merge(stage: Stage, who: Actor, into: Row, other: Row, **more: Any) -> None:
    asked = Merge(other["incident_id"], into["version"], other["version"], **{"reason_code": "same_thing", **more})
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await merge_incidents(change, who, into["incident_id"], asked)


async def split(stage: Stage, who: Actor, case: Row, *alert_ids: str, **more: Any) -> str:
    asked = Split(case["version"], alert_ids, **{"reason_code": "another_thing", **more})
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        return await split_incident(change, who, case["incident_id"], asked)


async def two(stage: Stage, clock: HandClock, hazard: Hazard = EXIT, **second: Any) -> tuple[Row, Row]:
    """Two open incidents of one grid, 600 m and 20 s apart."""
    await stage.take(raised(1, hazard=hazard))
    clock.forward(20)
    began_at = NOON + timedelta(seconds=20)
    body = alert(Phase.RAISED, 1, camera_id="far-gate", hazard=hazard, began_at=began_at, **second)
    await stage.take(received(body, 2, at=clock()))
    first, other = await by_number(stage)
    return first, other


async def running(stage: Stage, case: Row) -> dict[str, Any]:
    rows = await stage.rows(clocks)
    mine = [row for row in rows if row["incident_id"] == case["incident_id"] and row["stopped_at"] is None]
    return {row["kind"]: row["due_at"] for row in mine}


async def members(stage: Stage) -> dict[str, str]:
    """By camera, the number of the incident of its latest alert."""
    numbers = {row["incident_id"]: row["number"] for row in await stage.rows(incidents)}
    rows = sorted(await stage.rows(alerts), key=lambda row: row["began_at"])
    return {row["camera_id"]: numbers[row["incident_id"]] for row in rows}


async def told(stage: Stage, case: Row) -> list[str]:
    query = select(incident_timeline.c.kind).where(incident_timeline.c.incident_id == case["incident_id"])
    async with stage.database.reading() as conn:
        return list((await conn.execute(query.order_by(incident_timeline.c.entry_id))).scalars())


async def refusal(stage: Stage, who: Actor, into: Row, other: Row, **more: Any) -> str:
    with pytest.raises(MoveRefused) as caught:
        await merge(stage, who, into, other, **more)
    return str(caught.value.extra.get("reason"))


async def test_a_merge_moves_everything_and_ends_the_other(stage: Stage, clock: HandClock) -> None:
    still = EvidenceRef(sha256="cd" * 32, kind=EvidenceKind.ONSET, bytes=9)
    into, other = await two(stage, clock, severity=3, evidence=(still,))
    seen = len(await stage.rows(events))
    clock.forward(5)
    await merge(stage, LI, into, other, note="the same lorry")
    into, other = await by_number(stage)
    assert (into["state"], into["alert_count"], into["camera_count"], into["severity"]) == ("open", 2, 2, 2)
    assert (other["state"], other["close_reason"], other["alert_count"]) == ("closed", "merged", 0)
    assert {row["incident_id"] for row in await stage.rows(alerts)} == {into["incident_id"]}
    assert [row["incident_id"] for row in await stage.rows(expected_pictures)] == [into["incident_id"]]
    assert await running(stage, into) == {"judge": NOON + timedelta(seconds=60)}
    assert await running(stage, other) == {}
    assert (await told(stage, into))[-1] == "merge"
    assert (await told(stage, other))[-1] == "merged"
    told_of = [row["body"]["incident"]["incident_id"] for row in (await stage.rows(events))[seen:]]
    assert set(told_of) == {into["incident_id"], other["incident_id"]}
    assert sum(row["alert_count"] for row in (into, other)) == await stage.count(alerts)
    acts = {(row["action"], row["object_id"]) for row in await stage.rows(audit_records)}
    assert acts >= {("incident.merge", into["incident_id"]), ("incident.merged", other["incident_id"])}
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole


async def test_the_judgement_is_due_when_the_earlier_of_both_was(stage: Stage, clock: HandClock) -> None:
    older, newer = await two(stage, clock)
    await merge(stage, LI, newer, older)
    older, newer = await by_number(stage)
    assert (older["close_reason"], newer["state"]) == ("merged", "open")
    assert await running(stage, newer) == {"judge": NOON + timedelta(seconds=60)}
    clock.forward(41)
    assert await stage.fire_all() == 1


async def test_the_severity_and_the_limits_are_those_of_the_more_severe(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock, severity=1)
    await merge(stage, LI, into, other)
    into = (await by_number(stage))[0]
    assert (into["severity"], into["policy"]) == (1, other["policy"])
    assert "severity_raised" in await told(stage, into)


async def test_later_alerts_of_both_places_go_to_the_survivor(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock)
    await merge(stage, LI, into, other)
    clock.forward(7200)  # beyond every window and memory
    for sequence, camera_id in ((3, "far-gate"), (4, "lane-east")):
        body = alert(Phase.RAISED, 1, camera_id=camera_id, hazard=EXIT, began_at=clock())
        await stage.take(received(body, sequence, at=clock()))
    into, other = await by_number(stage)
    assert (into["alert_count"], other["alert_count"]) == (4, 0)
    why = next(row for row in await stage.rows(alerts) if row["camera_id"] == "far-gate" and row["sequence"] == 3)
    assert (why["why_folded"]["code"], why["why_folded"]["about"]["by_way_of"]) == ("same_camera", other["number"])


async def test_merged_twice_the_places_go_along(stage: Stage, clock: HandClock) -> None:
    first, second = await two(stage, clock)
    body = alert(Phase.RAISED, 1, camera_id="other-gate", hazard=EXIT, began_at=clock())
    await stage.take(received(body, 3, at=clock()))
    third = (await by_number(stage))[2]  # of another grid
    await merge(stage, LI, second, first)
    _, second, third = await by_number(stage)
    await merge(stage, CHEN, third, second)
    clock.forward(7200)
    body = alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock())
    await stage.take(received(body, 4, at=clock()))
    assert set((await members(stage)).values()) == {third["number"]}
    assert len(await by_number(stage)) == 3


async def test_when_the_survivor_has_ended_its_borrowed_place_is_free_again(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock)
    await merge(stage, LI, into, other)
    into = (await by_number(stage))[0]
    await stage.judge(LI, into["incident_id"], "false_alarm", into["version"])
    clock.forward(60)
    body = alert(Phase.RAISED, 1, camera_id="far-gate", hazard=EXIT, began_at=clock())
    await stage.take(received(body, 3, at=clock()))
    rows = await by_number(stage)
    assert [(row["state"], row["place_key"]) for row in rows][2:] == [("open", "far-gate")]
    assert await stage.rows(hand_places) == []


async def test_an_ended_survivor_is_reopened_from_the_place_it_was_given(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock)
    await merge(stage, LI, into, other)
    began_at = NOON + timedelta(seconds=20)
    body = alert(Phase.CLEARED, 2, camera_id="far-gate", hazard=EXIT, began_at=began_at)
    await stage.take(cleared(3, hazard=EXIT), received(body, 4))
    assert (await by_number(stage))[0]["close_reason"] == "ended_by_itself"
    clock.forward(100)
    body = alert(Phase.RAISED, 1, camera_id="far-gate", hazard=EXIT, began_at=clock())
    await stage.take(received(body, 5, at=clock()))
    into, other = await by_number(stage)
    assert (into["state"], into["reopened_count"], other["close_reason"]) == ("open", 1, "merged")


async def test_the_only_task_goes_along_with_its_clocks(stage: Stage, clock: HandClock) -> None:
    """The absorbed incident was sent, the survivor waits: it is sent as well, and no limit starts anew."""
    into, other = await two(stage, clock, EXIT)
    await stage.judge(LI, other["incident_id"], "confirm", other["version"])
    into, other = await by_number(stage)
    due = await running(stage, other)
    task = await stage.task()
    clock.forward(10)
    await merge(stage, LI, into, other)
    into, other = await by_number(stage)
    moved = await stage.task()
    assert (moved["task_id"], moved["incident_id"], moved["state"]) == (task["task_id"], into["incident_id"], "offered")
    assert into["state"] == "dispatched"
    assert await running(stage, into) == due
    assert "task_moved" in {row["kind"] for row in await stage.rows(notices)}
    who = WANG if moved["worker_id"] == WANG.user_id else ZHOU
    await stage.work_on(who, "take")
    assert (await by_number(stage))[0]["state"] == "taken"


async def test_whom_a_person_sent_although_it_was_gone_goes_after_a_merge_as_well(
    database: Database, clock: HandClock
) -> None:
    """Both are gone and would end by themselves; undone, the one without the task does and the other stands again."""
    settling = {**POLICIES, "folding": {EXIT.value: {"settle_s": 60}}}
    stage = await build(database, clock, policies=settling)

    async def settle() -> list[tuple[str, str | None]]:
        clock.forward(61)
        async with changing(stage.database, stage.rulebook, clock) as change:
            await releasing.settle(change)
        return [(row["state"], row["close_reason"]) for row in await by_number(stage)]

    into, other = await two(stage, clock)
    began_at = NOON + timedelta(seconds=20)
    gone = alert(Phase.CLEARED, 2, camera_id="far-gate", hazard=EXIT, began_at=began_at)
    await stage.take(cleared(3, hazard=EXIT), received(gone, 4))
    into, other = await by_number(stage)
    await stage.judge(LI, other["incident_id"], "confirm", other["version"])
    into, other = await by_number(stage)
    assert [(row["gone"], row["sent_when_gone"]) for row in (into, other)] == [(True, False), (True, True)]
    await merge(stage, LI, into, other)
    assert await settle() == [("dispatched", None), ("closed", "merged")]
    assert (await stage.task())["state"] == "offered"
    into = (await by_number(stage))[0]
    await split(stage, LI, into, absorbed_id=other["incident_id"])
    assert await settle() == [("closed", "ended_by_itself"), ("dispatched", None)]
    assert (await stage.task())["state"] == "offered"


async def test_two_live_tasks_need_a_word_and_the_other_is_withdrawn(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock, LANE)
    assert await refusal(stage, LI, into, other) == "two_tasks"
    assert await refusal(stage, LI, into, other, keep_task_id=into["incident_id"]) == "not_their_task"
    theirs = next(row for row in await stage.rows(tasks) if row["incident_id"] == other["incident_id"])
    await merge(stage, LI, into, other, keep_task_id=theirs["task_id"])
    found = {row["task_id"]: (row["incident_id"], row["state"]) for row in await stage.rows(tasks)}
    assert found.pop(theirs["task_id"]) == (into["incident_id"], "offered")
    assert list(found.values()) == [(into["incident_id"], "withdrawn")]
    assert (await by_number(stage))[0]["state"] == "dispatched"


async def test_the_survivors_own_task_can_be_the_one(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock, LANE)
    due = await running(stage, into)
    mine = next(row for row in await stage.rows(tasks) if row["incident_id"] == into["incident_id"])
    await merge(stage, LI, into, other, keep_task_id=mine["task_id"])
    states = {row["incident_id"]: row["state"] for row in await stage.rows(tasks)}
    assert states == {into["incident_id"]: "offered", other["incident_id"]: "withdrawn"}
    assert await running(stage, into) == due


async def test_what_is_urgent_is_never_hidden(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock, Hazard.FIRE_SMOKE)
    await stage.judge(LI, into["incident_id"], "confirm", into["version"])
    into = (await by_number(stage))[0]
    assert await refusal(stage, LI, into, other) == "urgent_unjudged"
    assert await refusal(stage, LI, other, into) == "urgent_unjudged"
    await stage.judge(LI, into["incident_id"], "false_alarm", into["version"])
    into = (await by_number(stage))[0]
    assert await refusal(stage, LI, into, other) == "into_closed"


async def test_severity_1_does_not_go_into_what_is_handled(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock, LANE)
    first = next(row for row in await stage.rows(tasks) if row["incident_id"] == into["incident_id"])
    worker = WANG if first["worker_id"] == WANG.user_id else ZHOU
    await stage.work(worker, first["task_id"], "take", 1)
    await stage.work(worker, first["task_id"], "handled", 2, note="gone")
    more_severe = alert(
        Phase.UPDATED, 2, camera_id="far-gate", began_at=NOON + timedelta(seconds=20), severity=1, seen_s=70
    )
    await stage.take(received(more_severe, 3))
    into, other = await by_number(stage)
    assert (into["state"], other["severity"]) == ("handled", 1)
    assert await refusal(stage, LI, into, other, keep_task_id=first["task_id"]) == "urgent_into_handled"


async def test_severity_1_at_a_place_given_by_hand_is_asked_about_when_the_rest_is_handled(
    stage: Stage, clock: HandClock
) -> None:
    into, other = await two(stage, clock, LANE)
    mine = next(row for row in await stage.rows(tasks) if row["incident_id"] == into["incident_id"])
    await merge(stage, LI, into, other, keep_task_id=mine["task_id"])
    worker = WANG if mine["worker_id"] == WANG.user_id else ZHOU
    for move, more in (("take", {}), ("handled", {"note": "gone"})):
        version = next(row["version"] for row in await stage.rows(tasks) if row["task_id"] == mine["task_id"])
        await stage.work(worker, mine["task_id"], move, version, **more)
    clock.forward(60)
    body = alert(Phase.RAISED, 1, camera_id="far-gate", severity=1, began_at=clock())
    await stage.take(received(body, 3, at=clock()))
    into, _, anew = await by_number(stage)
    assert (into["state"], into["alert_count"]) == ("handled", 2)
    assert (anew["state"], anew["severity"], anew["place_key"]) == ("dispatched", 1, "far-gate")


async def test_a_late_alert_does_not_reopen_what_has_lost_its_place(stage: Stage, clock: HandClock) -> None:
    """The survivor has ended, its own camera has a new incident; the camera it was given tells something of before."""
    into, other = await two(stage, clock)
    await merge(stage, LI, into, other)
    began_at = NOON + timedelta(seconds=20)
    body = alert(Phase.CLEARED, 2, camera_id="far-gate", hazard=EXIT, began_at=began_at)
    await stage.take(cleared(3, hazard=EXIT), received(body, 4))
    into = (await by_number(stage))[0]
    window_s = into["policy"]["reopen_window_s"]
    clock.forward(window_s + 60)
    body = alert(Phase.RAISED, 1, hazard=EXIT, began_at=clock())
    await stage.take(received(body, 5, at=clock()))
    assert [row["state"] for row in await by_number(stage)] == ["closed", "closed", "open"]
    late = alert(
        Phase.RAISED, 1, camera_id="far-gate", hazard=EXIT, began_at=into["closed_at"] + timedelta(seconds=window_s / 2)
    )
    outcome = await stage.take(received(late, 6, at=clock()))
    assert outcome.receipts
    rows = await by_number(stage)
    assert [(row["state"], row["place_key"]) for row in rows][2:] == [("open", "lane-east"), ("open", "far-gate")]


@pytest.mark.parametrize(
    ("second", "reason"),
    [({"hazard": Hazard.CROWD}, "other_hazard"), ({"hazard": EXIT, "drill": True}, "drill")],
    ids=["another hazard", "a drill"],
)
async def test_what_is_not_alike_is_not_merged(stage: Stage, second: Row, reason: str) -> None:
    await stage.take(raised(1, hazard=EXIT))
    await stage.take(raised(2, camera_id="far-gate", **second))
    first, other = await by_number(stage)
    assert await refusal(stage, LI, first, other) == reason
    assert await refusal(stage, LI, first, first) == "itself"


async def test_a_merge_needs_a_reason_the_version_and_the_right_to_both(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock)
    with pytest.raises(MoveRefused, match="reason_code or a note"):
        await merge(stage, LI, into, other, reason_code=None)
    with pytest.raises(Conflict):
        await merge(stage, LI, into, {**other, "version": 9})
    with pytest.raises(Conflict):
        await merge(stage, LI, {**into, "version": 9}, other)
    with pytest.raises(NotFound):
        await merge(stage, STRANGER, into, other)
    with pytest.raises(NotFound):
        await merge(stage, LI, into, {**other, "incident_id": "0" * 36})
    body = alert(Phase.RAISED, 1, camera_id="other-gate", hazard=EXIT, began_at=clock())
    await stage.take(received(body, 3, at=clock()))
    third = (await by_number(stage))[2]
    with pytest.raises(NotFound):
        await merge(stage, STRANGER, third, into)
    assert await stage.rows(regroupings) == []


async def test_of_two_merges_at_once_one_is_told_that_it_has_changed(stage: Stage, clock: HandClock) -> None:
    first, other = await two(stage, clock)
    answers = await asyncio.gather(
        merge(stage, LI, first, other), merge(stage, CHEN, other, first), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "NoneType"]
    assert sorted(row["state"] for row in await by_number(stage)) == ["closed", "open"]


async def test_the_same_request_again_is_answered_not_repeated(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock)
    for _ in range(2):
        await merge(stage, LI, into, other, idempotency_key="tap")
    assert len(await stage.rows(regroupings)) == 1
    with pytest.raises(MoveRefused, match="another request"):
        await merge(stage, LI, into, {**other, "incident_id": await _third(stage, clock)}, idempotency_key="tap")
    into = (await by_number(stage))[0]
    [far] = [row["alert_id"] for row in await stage.rows(alerts) if row["camera_id"] == "far-gate"]
    ids = [await split(stage, LI, into, far, idempotency_key="tap-2") for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(await stage.rows(regroupings)) == 2


async def _third(stage: Stage, clock: HandClock) -> str:
    body = alert(Phase.RAISED, 1, camera_id="other-gate", hazard=EXIT, began_at=clock())
    await stage.take(received(body, 3, at=clock()))
    return str((await by_number(stage))[2]["incident_id"])


async def test_a_merged_incident_has_no_moves_and_does_not_come_back(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock)
    await merge(stage, LI, into, other)
    other = (await by_number(stage))[1]
    with pytest.raises(MoveRefused):
        await stage.judge(LI, other["incident_id"], "reopen", other["version"], note="why not")


async def test_a_merge_is_undone_and_all_that_came_goes_back(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock, severity=1)
    was = into
    await merge(stage, LI, into, other)
    clock.forward(5)
    body = alert(Phase.RAISED, 1, camera_id="far-gate", hazard=EXIT, began_at=clock())
    await stage.take(received(body, 3, at=clock()))
    into = (await by_number(stage))[0]
    assert into["alert_count"] == 3
    back_id = await split(stage, LI, into, absorbed_id=other["incident_id"])
    into, back = await by_number(stage)
    assert back_id == back["incident_id"] == other["incident_id"]
    assert (into["state"], into["alert_count"], into["severity"], into["policy"]) == ("open", 1, 2, was["policy"])
    assert (back["state"], back["alert_count"], back["severity"], back["close_reason"]) == ("open", 2, 1, None)
    assert await running(stage, back) == {"judge": NOON + timedelta(seconds=60)}
    assert await stage.rows(hand_places) == []
    clock.forward(7200)
    body = alert(Phase.RAISED, 1, camera_id="far-gate", hazard=EXIT, began_at=clock())
    await stage.take(received(body, 4, at=clock()))
    assert await members(stage) == {"lane-east": into["number"], "far-gate": back["number"]}
    with pytest.raises(MoveRefused) as caught:
        await split(stage, LI, into, absorbed_id=other["incident_id"])
    assert caught.value.extra["reason"] == "not_merged_here"


async def test_undone_the_task_goes_back_and_what_is_left_waits(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock)
    await stage.judge(LI, other["incident_id"], "confirm", other["version"])
    into, other = await by_number(stage)
    due = await running(stage, other)
    await merge(stage, LI, into, other)
    into = (await by_number(stage))[0]
    await split(stage, LI, into, absorbed_id=other["incident_id"])
    into, back = await by_number(stage)
    assert (into["state"], back["state"]) == ("open", "dispatched")
    assert (await stage.task())["incident_id"] == back["incident_id"]
    assert await running(stage, back) == due
    assert set(await running(stage, into)) == {"judge"}


async def test_undone_no_suspended_task_goes_back(stage: Stage, clock: HandClock) -> None:
    """Asked for or approved: nothing moves until it is resumed, then the task goes back and its clock runs."""
    into, other = await two(stage, clock)
    await stage.judge(LI, other["incident_id"], "confirm", other["version"])
    into, other = await by_number(stage)
    await merge(stage, LI, into, other)
    worker = WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU
    await stage.work_on(worker, "take")
    said = {"reason_code": "no_access", "note": "locked", "until": clock() + timedelta(hours=1)}
    await stage.work_on(worker, "ask_suspension", **said)

    async def why_not() -> Any:
        into = (await by_number(stage))[0]
        with pytest.raises(MoveRefused, match="resume it first") as caught:
            await split(stage, LI, into, absorbed_id=other["incident_id"])
        assert [row["alert_count"] for row in await by_number(stage)] == [2, 0]
        return caught.value.extra["reason"]

    assert await why_not() == "suspended"
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, clock) as change:
        await decide(change, MAYOR, task["task_id"], Request(task["version"]), approve=True)
    assert await why_not() == "suspended"
    await stage.work_on(worker, "resume")
    into = (await by_number(stage))[0]
    await split(stage, LI, into, absorbed_id=other["incident_id"])
    into, back = await by_number(stage)
    assert (into["state"], back["state"]) == ("open", "taken")
    [arrive] = [row for row in await stage.rows(clocks) if row["kind"] == "arrive" and row["stopped_at"] is None]
    assert (arrive["incident_id"], arrive["next_due_at"]) == (back["incident_id"], arrive["due_at"])


async def test_an_alert_that_comes_while_its_incident_is_merged_is_taken_once(stage: Stage, clock: HandClock) -> None:
    """Beside each other, again and again: whichever is first, it ends up in an open incident."""
    into, other = await two(stage, clock)
    began_at = NOON + timedelta(seconds=20)

    async def ingest() -> None:
        for n in range(2, 12):
            body = alert(Phase.UPDATED, n, camera_id="far-gate", hazard=EXIT, began_at=began_at, seen_s=60 + n)
            for _ in range(5):
                with suppress(DatabaseConflict):  # the alert has moved meanwhile: `batches` tries again as well
                    await stage.take(received(body, n + 5, at=clock()))
                    break

    await asyncio.gather(ingest(), merge(stage, LI, into, other))
    into, other = await by_number(stage)
    assert (into["alert_count"], other["alert_count"], other["close_reason"]) == (2, 0, "merged")
    found = {row["camera_id"]: row["revision"] for row in await stage.rows(alerts)}
    assert found["far-gate"] == 11
