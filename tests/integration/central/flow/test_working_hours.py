"""Limits that count working hours: every start, restart, level and rise of severity goes by the same calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import LI, MAYOR, WANG, HandClock, Stage, alert, build, received
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.audit.tables import audit_records
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.by_calendar import ByCalendar
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.requesting import Request
from xueliang_central.dispatch.suspending import decide, resume_by_desk
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.views import task_views
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.incidents.views import incident_views
from xueliang_central.store.database import Database
from xueliang_configs.calendars import Calendar

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
EVENING = datetime(2026, 9, 30, 9, 30, tzinfo=UTC)  # wednesday 17:30 in Shanghai, before seven days off
AFTER_THE_HOLIDAY = datetime(2026, 10, 8, 0, 30, tzinfo=UTC)  # thursday 08:30
POLICIES: dict[str, Any] = {
    "calendars": {
        "office": {
            "hours": [{"days": WEEKDAYS, "start": "08:30", "until": "18:00"}],
            "days_off": [{"first": "2026-10-01", "last": "2026-10-07"}],
            "make_up_days": [{"day": "2026-10-10"}],
        }
    },
    "policies": [
        {
            "match": {"hazard": ["crowd"], "severity": [3, 4]},
            "counts": {"calendar": "office", "limits": ["take", "arrive"]},
            "judge_s": 3600,
            "take_s": 3600,
            "arrive_s": 7200,
            "escalate": ["village", "city"],
            "escalate_every_s": 1800,
        },
        {
            "match": {"severity": [1]},
            "judge_s": 60,
            "take_s": 120,
            "arrive_s": 7200,
            "escalate": ["township", "city"],
            "auto_dispatch": True,
        },
        {"judge_s": 60, "take_s": 180, "arrive_s": 300},
    ],
}


async def _opened(database: Database) -> tuple[Stage, dict[str, Any]]:
    stage = await build(database, HandClock(EVENING), policies=POLICIES)
    body = alert(Phase.RAISED, 1, hazard=Hazard.CROWD, severity=3, began_at=EVENING)
    await stage.take(received(body, 1, at=EVENING))
    return stage, await stage.one_incident()


async def _due(stage: Stage) -> dict[str, datetime]:
    return {row["kind"]: row["due_at"] for row in await stage.rows(clocks) if row["stopped_at"] is None}


async def test_clocks_rest_over_a_holiday_from_dispatch_to_the_last_level(database: Database) -> None:
    stage, incident = await _opened(database)
    assert await _due(stage) == {"judge": EVENING + timedelta(hours=1)}  # not one of those that count
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    after = {minutes: AFTER_THE_HOLIDAY + timedelta(minutes=minutes) for minutes in (30, 45, 60, 90)}
    assert await _due(stage) == {"take": after[30], "arrive": after[90]}
    async with database.reading() as conn:
        tree = stage.rulebook.tree
        shown = (await incident_views(conn, tree, [await stage.one_incident()]))[0]
        task = (await task_views(conn, tree, await stage.rows(tasks)))[0]
    assert shown["clock"]["counts"] == {
        "calendar": "office",
        "periods": [
            ["2026-09-30T09:30:00.000Z", "2026-09-30T10:00:00.000Z"],
            ["2026-10-08T00:30:00.000Z", "2026-10-08T01:00:00.000Z"],
        ],
    }
    assert task["limits"]["take_counts"] == shown["clock"]["counts"]
    assert [until for _, until in task["limits"]["arrive_counts"]["periods"]][-1] == "2026-10-08T02:00:00.000Z"
    stage.clock.at = AFTER_THE_HOLIDAY
    assert await stage.fire_all() == 0
    stage.clock.forward(15 * 60)
    await stage.work_on(WANG, "take")
    await stage.work_on(WANG, "return", note="要开会")  # it begins anew, by the same hours
    assert await _due(stage) == {
        "take": AFTER_THE_HOLIDAY + timedelta(minutes=75),
        "arrive": AFTER_THE_HOLIDAY + timedelta(minutes=135),
    }
    stage.clock.at = datetime(2026, 10, 8, 9, 45, tzinfo=UTC)  # 17:45: both passed while no worker process ran
    assert await stage.fire_all() == 2
    next_day = datetime(2026, 10, 9, 0, 45, tzinfo=UTC)
    assert {row["next_due_at"] for row in await stage.rows(clocks) if row["stopped_at"] is None} == {next_day}


async def test_a_rise_of_severity_ends_the_rest_and_makes_no_clock_longer(database: Database) -> None:
    stage, incident = await _opened(database)
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    before, version = await _due(stage), (await stage.task())["version"]
    stage.clock.forward(600)
    now = stage.clock()
    body = alert(Phase.UPDATED, 2, hazard=Hazard.CROWD, severity=1, began_at=EVENING, seen_s=600)
    await stage.take(received(body, 2, at=now))
    take, arrive = now + timedelta(seconds=120), now + timedelta(seconds=7200)
    assert before["arrive"] > arrive
    assert await _due(stage) == {"take": take, "arrive": arrive}
    running = [row for row in await stage.rows(clocks) if row["stopped_at"] is None]
    assert all(row["counts"] is None and row["escalation_levels"] == ["township", "city"] for row in running)
    task, case = await stage.task(), await stage.one_incident()
    assert (task["take_due_at"], task["arrive_due_at"], task["version"]) == (take, arrive, version)
    assert (case["policy"]["row"], case["policy"]["take_s"]) == (1, 120)
    why = next(row["params"] for row in await stage.rows(incident_timeline) if row["kind"] == "limits_by_severity")
    assert (why["before"], why["severity"], why["policy_row"], sorted(why["due"])) == (3, 1, 1, ["arrive", "take"])
    stage.clock.forward(120)
    assert await stage.fire_all() == 1
    assert (await stage.one_incident())["owner_level"] == "township"


async def test_what_waits_for_a_judgement_is_dispatched_when_its_new_row_does_that(database: Database) -> None:
    stage, _ = await _opened(database)
    body = alert(Phase.UPDATED, 2, hazard=Hazard.CROWD, severity=1, began_at=EVENING, seen_s=90)
    await stage.take(received(body, 2, at=EVENING))
    assert (await stage.one_incident())["state"] == "dispatched"
    assert set(await _due(stage)) == {"take", "arrive"}
    assert await stage.story() == [
        "opened",
        "alert_folded",
        "severity_raised",
        "limits_by_severity",
        "dispatched",
        "task_offered",
    ]


async def test_a_milder_row_moves_nothing_and_what_has_fired_hears_its_next_level_sooner(database: Database) -> None:
    slower = {**POLICIES, "policies": [dict(row) for row in POLICIES["policies"]]}
    slower["policies"][1] |= {"judge_s": 90_000, "auto_dispatch": False, "escalate_every_s": 60}
    stage = await build(database, HandClock(EVENING), policies=slower)
    first = alert(Phase.RAISED, 1, hazard=Hazard.CROWD, severity=3, began_at=EVENING)
    await stage.take(received(first, 1, at=EVENING))
    due = await _due(stage)
    stage.clock.forward(3600)
    assert await stage.fire_all() == 1
    now = stage.clock()
    body = alert(Phase.UPDATED, 2, hazard=Hazard.CROWD, severity=1, began_at=EVENING, seen_s=3600)
    await stage.take(received(body, 2, at=now))
    assert await _due(stage) == due
    [clock] = [row for row in await stage.rows(clocks) if row["stopped_at"] is None]
    assert (clock["next_due_at"], clock["escalation_levels"]) == (now + timedelta(seconds=60), ["village", "city"])


@pytest.mark.parametrize(
    ("severity", "limit_s", "levels"),
    [(1, 7200, ["township", "city"]), (2, 300, ["village", "township", "county", "city"])],
)
async def test_a_rise_of_severity_while_it_is_suspended_ends_the_rest_as_well(
    database: Database, severity: int, limit_s: float, levels: list[str]
) -> None:
    """Severity 1 goes on at once, another one when the desk says so: both by the new limits, at every hour."""
    stage, incident = await _opened(database)
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    await stage.work_on(WANG, "take")
    said = {"reason_code": "no_access", "note": "锁门", "until": stage.clock() + timedelta(days=1)}
    await stage.work_on(WANG, "ask_suspension", **said)
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await decide(change, MAYOR, task["task_id"], Request(task["version"]), approve=True)
    [paused] = [row for row in await stage.rows(clocks) if row["paused_at"] is not None]
    assert (paused["kind"], paused["left_s"], paused["counts"]["calendar"]) == ("arrive", 7200, "office")
    stage.clock.forward(600)
    body = alert(Phase.UPDATED, 2, hazard=Hazard.CROWD, severity=severity, began_at=EVENING, seen_s=600)
    await stage.take(received(body, 2, at=stage.clock()))
    why = next(row["params"] for row in await stage.rows(incident_timeline) if row["kind"] == "limits_by_severity")
    assert why["due"] == {}, "nobody knows when a clock that waits is due"
    if severity > 1:
        assert (await stage.one_incident())["suspension"]["standing"] == "suspended"
        stage.clock.forward(600)
        version = (await stage.task())["version"]
        async with changing(stage.database, stage.rulebook, stage.clock) as change:
            await resume_by_desk(change, LI, task["task_id"], Request(version))
    assert (await stage.one_incident())["suspension"]["standing"] == "over"
    [arrive] = [row for row in await stage.rows(clocks) if row["stopped_at"] is None]
    due_at = stage.clock() + timedelta(seconds=limit_s)
    assert (arrive["due_at"], arrive["next_due_at"], arrive["counts"]) == (due_at, due_at, None)
    assert (arrive["limit_s"], arrive["escalation_levels"]) == (limit_s, levels)
    assert (await stage.task())["arrive_due_at"] == due_at


def _office(*days_off: str) -> dict[str, Calendar]:
    """The office with these days off as well."""
    office = POLICIES["calendars"]["office"]
    late = [*office["days_off"], *({"first": day} for day in days_off)]
    return {"office": Calendar.model_validate({**office, "days_off": late})}


async def _running(stage: Stage) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in await stage.rows(clocks) if row["stopped_at"] is None}


async def test_days_off_that_are_published_late_reach_open_cases_once(database: Database) -> None:
    stage, incident = await _opened(database)
    thursday, friday, monday = "2026-10-08", "2026-10-09", "2026-10-12"
    old, early, first, second = (
        ByCalendar(database, stage.rulebook, _office(*days), stage.clock)
        for days in ((), (thursday,), (thursday, friday), (thursday, friday))
    )
    before = await _running(stage)
    assert await old.look() == await early.look() == 0
    assert await _running(stage) == before, "a judge clock counts every hour here"
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    assert await _due(stage) == {
        "take": AFTER_THE_HOLIDAY + timedelta(days=1, minutes=30),  # what starts later goes by it as well
        "arrive": AFTER_THE_HOLIDAY + timedelta(days=1, minutes=90),
    }
    stage.clock.forward(600)
    before, task = await _running(stage), await stage.task()

    assert await first.look() == 1
    saturday = datetime(2026, 10, 10, 0, 30, tzinfo=UTC)  # made up for: 08:30 is the next hour that is worked
    after = await _running(stage)
    due = {"take": saturday + timedelta(minutes=30), "arrive": saturday + timedelta(minutes=90)}
    assert {kind: after[kind]["due_at"] for kind in due} == {kind: after[kind]["next_due_at"] for kind in due} == due
    moved_task = await stage.task()
    assert (moved_task["take_due_at"], moved_task["arrive_due_at"]) == (due["take"], due["arrive"])
    assert moved_task["version"] == task["version"]
    (why,) = [row["params"] for row in await stage.rows(incident_timeline) if row["kind"] == "limits_by_calendar"]
    assert {kind: datetime.fromisoformat(at) for kind, at in why["due"].items()} == due
    assert {kind: datetime.fromisoformat(at) for kind, at in why["before"].items()} == {
        kind: before[kind]["due_at"] for kind in due
    }
    for worker in (old, second, first, old):
        assert await worker.look() == 0
    assert await _running(stage) == after
    changed = [row["detail"] for row in await stage.rows(audit_records) if row["action"] == "calendars.changed"]
    assert changed == [{"calendars": ["office"]}] * 2

    stage.clock.at = saturday
    await stage.work_on(WANG, "take")
    await stage.work_on(WANG, "return", note="要开会")  # what starts anew goes by it as well
    stage.clock.at = datetime(2026, 10, 10, 9, 45, tzinfo=UTC)  # 17:45: both have passed
    await stage.fire_all()
    next_level = datetime(2026, 10, 12, 0, 45, tzinfo=UTC)
    passed = await _running(stage)
    assert passed["take"]["next_due_at"] == passed["arrive"]["next_due_at"] == next_level
    third = ByCalendar(database, stage.rulebook, _office(thursday, friday, monday), stage.clock)
    assert await third.look() == 1
    now = await _running(stage)
    assert now["take"]["next_due_at"] == now["arrive"]["next_due_at"] == next_level + timedelta(days=1)
    assert [now[kind]["due_at"] for kind in due] == [passed[kind]["due_at"] for kind in due], "passed has passed"
