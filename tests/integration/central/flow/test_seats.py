"""What opens is dealt to the seats of the nearest staffed desk: rows, waiting, rising, who goes off duty."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from tests.integration.central.flow.stage import (
    CHEN,
    LI,
    MAYOR,
    PHOTO,
    POLICIES,
    VILLAGE,
    WANG,
    HandClock,
    Stage,
    actor,
    alert,
    build,
    received,
)
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import code_of_path
from xueliang_central.dispatch import seat_board, seats
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.seat_tables import seat_cases, seat_rows
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.people.tables import shifts
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events

THREE = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)  # 03:00 on the 24th in Shanghai
COUNTY = "370102"
QIN, GAO = actor(Role.OPERATOR, COUNTY, "qin"), actor(Role.OPERATOR, COUNTY, "gao")
DAY = {"bands": [{"start": "08:00", "until": "18:00"}]}
NIGHT = {"bands": [{"start": "18:00", "until": "08:00"}]}
EVERYBODY = (WANG, LI, CHEN, QIN, GAO, MAYOR)
CAMERAS = ("lane-east", "lane-west", "far-gate", "other-gate")
HAZARDS = (Hazard.CROWD, Hazard.ILLEGAL_PARKING, Hazard.EBIKE_INDOORS, Hazard.DEBRIS_ON_ROAD, Hazard.WATER_LEVEL)
ROWS = POLICIES | {"seating": {"rows": 2}, "folding": {hazard.value: {"radius_m": 1} for hazard in HAZARDS}}


async def roster(stage: Stage, who: Actor, weekly: dict[str, Any]) -> None:
    row = {"shift_id": str(uuid.uuid4()), "user_id": who.user_id, "kind": "weekly", "weekly": weekly}
    row |= {"area_code": code_of_path(who.area_path), "area_path": who.area_path}
    async with stage.database.transaction() as conn:
        await conn.execute(insert(shifts), row)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(THREE)


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    """By night the village's and the township's desks have nobody; two people sit at the county's."""
    made = await build(database, clock, policies=ROWS, people=EVERYBODY)
    for who, weekly in ((LI, DAY), (CHEN, DAY), (QIN, NIGHT), (GAO, NIGHT)):
        await roster(made, who, weekly)
    return made


class Night:
    """Raises alerts one after the other, and deals as the worker does."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.sequence = stage, 0

    async def raises(self, hazard: Hazard, camera_id: str, severity: int = 3, phase: Phase = Phase.RAISED) -> None:
        self.sequence += 1
        now = self.stage.clock()
        began_at = now - timedelta(seconds=self.sequence)  # an alert is known by its camera, rule and onset
        body = alert(phase, 1, began_at=began_at, hazard=hazard, camera_id=camera_id, severity=severity)
        await self.stage.take(received(body, self.sequence, at=now))

    async def deal(self) -> int:
        stage = self.stage
        async with stage.database.reading() as conn:
            rule = stage.rulebook.seating
            is_any = await seats.is_any_to_deal(conn, stage.rulebook.tree, rule, stage.clock())
        async with changing(stage.database, stage.rulebook, stage.clock) as change:
            done = await seats.deal(change)
        assert is_any == bool(done), "what is asked by reading is what there is to do"
        return done

    async def rows(self) -> list[dict[str, Any]]:
        return sorted(await self.stage.rows(seat_rows), key=lambda row: (row["began_at"], row["severity"]))

    async def cases(self) -> dict[str, list[str]]:
        """By row: the hazards' severities of what is in it."""
        known = {one["incident_id"]: one for one in await self.stage.rows(incidents)}
        found: dict[str, list[str]] = {}
        for case in await self.stage.rows(seat_cases):
            found.setdefault(case["row_id"], []).append(known[case["incident_id"]]["camera_id"])
        return {row_id: sorted(cameras) for row_id, cameras in found.items()}

    async def told_of(self) -> list[dict[str, Any]]:
        """Entries of the timeline that say that something was dealt, in their order."""
        entries = [one for one in await self.stage.rows(incident_timeline) if one["kind"] == "dealt"]
        return sorted(entries, key=lambda one: one["entry_id"])

    async def told(self) -> list[dict[str, Any]]:
        async with self.stage.database.reading() as conn:
            query = select(incident_timeline.c.params).where(incident_timeline.c.kind == "dealt")
            return list((await conn.execute(query.order_by(incident_timeline.c.entry_id))).scalars())


@pytest.fixture
def night(stage: Stage) -> Night:
    return Night(stage)


async def test_like_ones_of_a_township_are_one_row_and_stay_incidents_of_their_own(night: Night) -> None:
    for camera_id in CAMERAS:
        await night.raises(Hazard.CROWD, camera_id)
    await night.deal()
    (row,) = await night.rows()
    assert (row["kind"], row["group_key"], row["desk_code"]) == ("batch", "370102003", COUNTY)
    assert await night.cases() == {row["row_id"]: sorted(CAMERAS)}
    assert await night.stage.count(incidents) == len(CAMERAS)
    assert await night.deal() == 0, "nothing is dealt twice"


async def test_what_opens_where_no_desk_is_staffed_rises_at_once_and_says_why(night: Night) -> None:
    await night.raises(Hazard.CROWD, "lane-east")
    await night.deal()
    assert (await night.stage.one_incident())["owner_level"] == "county"
    (entry,) = await night.told()
    assert (entry["level"], entry["row"]) == ("county", "batch")
    assert entry["seat"] in {"Qin", "Gao"}
    assert entry["why"]["code"] == "desk_unstaffed"
    assert [one["area_code"] for one in entry["passed_over"]] == [VILLAGE, "370102003"]


async def test_by_day_the_villages_own_desk_has_it(night: Night) -> None:
    night.stage.clock.at = THREE + timedelta(hours=8)  # 11:00
    await night.raises(Hazard.CROWD, "lane-east")
    await night.deal()
    (row,) = await night.rows()
    assert (row["desk_code"], row["seat_id"]) == (VILLAGE, LI.user_id)
    assert (await night.stage.one_incident())["owner_level"] == "grid"
    assert "why" not in (await night.told())[0]


async def test_rows_are_spread_over_the_seats_and_mild_ones_wait_for_room(night: Night) -> None:
    for hazard in HAZARDS:
        await night.raises(hazard, "lane-east")
    await night.deal()
    rows = await night.rows()
    assert sorted(row["seat_id"] for row in rows if row["shown_at"]) == sorted([QIN.user_id, GAO.user_id] * 2)
    (waiting,) = [row for row in rows if row["shown_at"] is None]
    assert waiting["show_by"] == THREE + timedelta(seconds=30), "half of a judge limit of a minute"
    night.stage.clock.forward(29)
    assert await night.deal() == 0
    night.stage.clock.forward(1)
    before = await night.stage.count(events)
    assert await night.deal() == 1
    assert await night.stage.count(events) == before + 1, "the console hears that it is shown"
    assert all(row["shown_at"] for row in await night.rows())


async def test_fire_and_severity_1_stand_alone_and_never_wait(night: Night) -> None:
    for hazard in HAZARDS:
        await night.raises(hazard, "lane-east")
    await night.deal()
    await night.raises(Hazard.FIRE_SMOKE, "far-gate", severity=2)
    await night.raises(Hazard.CROWD, "far-gate", severity=1)
    await night.deal()
    alone = [row for row in await night.rows() if row["kind"] == "alone"]
    assert [(row["hazard"], row["shown_at"]) for row in sorted(alone, key=lambda row: row["hazard"])] == [
        ("crowd", THREE),
        ("fire_smoke", THREE),
    ]


async def test_a_member_that_becomes_severe_leaves_the_row_it_shares(night: Night) -> None:
    await night.raises(Hazard.CROWD, "lane-east")
    await night.raises(Hazard.CROWD, "far-gate")
    await night.deal()
    (shared,) = await night.rows()
    worse = alert(
        Phase.UPDATED, 2, began_at=THREE - timedelta(seconds=2), hazard=Hazard.CROWD, camera_id="far-gate", severity=1
    )
    await night.stage.take(received(worse, 9, at=THREE))
    await night.deal()
    (alone,) = [row for row in await night.rows() if row["kind"] == "alone"]
    assert await night.cases() == {shared["row_id"]: ["lane-east"], alone["row_id"]: ["far-gate"]}
    assert alone["shown_at"] == THREE


async def test_what_the_policy_sends_is_one_row_until_a_limit_passes(night: Night) -> None:
    await night.raises(Hazard.FIRE_LANE_OBSTRUCTION, "lane-east", severity=2)
    await night.raises(Hazard.FIRE_LANE_OBSTRUCTION, "other-gate", severity=2)
    await night.deal()
    (row,) = await night.rows()
    assert (row["kind"], row["group_key"], len((await night.cases())[row["row_id"]])) == ("sent", COUNTY, 2)
    night.stage.clock.forward(61)  # nobody has taken them
    await night.stage.fire_all()
    await night.deal()
    rows = await night.rows()
    assert sorted(one["kind"] for one in rows) == ["alone", "alone", "sent"]
    assert {one["shown_at"] for one in rows if one["kind"] == "alone"} == {night.stage.clock()}
    await night.deal()
    assert [one["closed_at"] is not None for one in await night.rows() if one["kind"] == "sent"] == [True]


async def test_a_row_is_over_when_all_of_it_is_judged_and_what_comes_then_is_new(night: Night) -> None:
    await night.raises(Hazard.CROWD, "lane-east")
    await night.deal()
    incident = await night.stage.one_incident()
    await night.stage.judge(QIN, incident["incident_id"], "false_alarm", incident["version"], reason_code="shadow")
    assert await night.deal() == 1
    (row,) = await night.rows()
    assert row["closed_at"] == THREE
    await night.raises(Hazard.CROWD, "far-gate")
    await night.deal()
    assert len(await night.rows()) == 2


async def test_what_an_operator_sends_is_not_dealt_again(night: Night) -> None:
    await night.raises(Hazard.CROWD, "lane-east", severity=2)
    await night.deal()
    incident = await night.stage.one_incident()
    await night.stage.judge(QIN, incident["incident_id"], "confirm", incident["version"])
    await night.deal()
    assert [row["kind"] for row in await night.rows()] == ["alone"]


async def test_what_is_to_be_checked_by_hand_a_second_time_is_dealt_a_second_time(night: Night) -> None:
    stage = night.stage

    async def handled_and_not_seen_gone() -> None:
        for move in ("take", "arrive"):
            await stage.work_on(WANG, move)
        await stage.work_on(WANG, "handled", photos=[PHOTO], note="moved away")
        stage.clock.forward(3600)
        await stage.fire_all()
        await night.deal()

    await night.raises(Hazard.CROWD, "lane-east", severity=2)
    await night.deal()
    incident = await stage.one_incident()
    await stage.judge(QIN, incident["incident_id"], "confirm", incident["version"])
    await night.deal()
    await handled_and_not_seen_gone()
    incident = await stage.one_incident()
    assert incident["state"] == "to_check"
    assert [row["closed_at"] is None for row in await night.rows()] == [False, True]
    await stage.judge(QIN, incident["incident_id"], "dispatch", incident["version"])
    await night.deal()
    assert [row for row in await night.rows() if row["closed_at"] is None] == [], "the desk has dealt with it"
    await handled_and_not_seen_gone()
    assert (await stage.one_incident())["state"] == "to_check"
    (again,) = [row for row in await night.rows() if row["closed_at"] is None]
    assert again["kind"] == "alone"
    assert await night.deal() == 0


async def test_who_goes_off_duty_leaves_the_rows_to_who_comes(night: Night) -> None:
    night.stage.clock.at = datetime(2026, 11, 23, 23, 59, tzinfo=UTC)  # 07:59
    await night.raises(Hazard.CROWD, "lane-east")
    await night.deal()
    night.stage.clock.forward(120)
    await night.deal()
    await night.deal()
    first, second = await night.rows()
    assert (second["seat_id"], second["desk_code"]) == (LI.user_id, VILLAGE)
    assert (first["closed_at"] is not None, second["closed_at"]) == (True, None)


async def test_where_nobody_is_on_duty_it_stays_with_whom_it_was_dealt_to(night: Night) -> None:
    await roster(night.stage, MAYOR, DAY)
    async with night.stage.database.transaction() as conn:
        await conn.execute(shifts.update().where(shifts.c.user_id.in_([QIN.user_id, GAO.user_id])).values(weekly=DAY))
    await night.raises(Hazard.CROWD, "lane-east")
    await night.deal()
    (row,) = await night.rows()
    assert (row["desk_code"], row["seat_id"]) == (VILLAGE, LI.user_id), "the first desk that has anybody, off duty"
    assert await night.deal() == 0, "and it is not dealt anew every second"


async def test_many_are_dealt_a_lot_at_a_time_the_most_severe_first(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat_board, "AT_ONCE", 3)
    for number, camera_id in enumerate(CAMERAS):
        await night.raises(Hazard.CROWD, camera_id, severity=3 if number else 2)
        await night.raises(Hazard.WATER_LEVEL, camera_id, severity=2)
    assert [await night.deal() for _ in range(4)] == [3, 3, 2, 0]
    dealt = [case["incident_id"] for case in await night.told_of()]
    severity = {one["incident_id"]: one["severity"] for one in await night.stage.rows(incidents)}
    assert [severity[incident_id] for incident_id in dealt] == [2] * 5 + [3] * 3
    assert len(await night.rows()) == 6, "the three mild ones, dealt in two lots, share a row"


async def test_nobody_waits_for_those_that_have_no_desk_at_all(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_board, "AT_ONCE", 1)
    await night.raises(Hazard.CROWD, "lane-east", severity=2)
    await night.raises(Hazard.CROWD, "far-gate")
    async with night.stage.database.transaction() as conn:
        nowhere = {"area_code": "990102003005007"}
        await conn.execute(incidents.update().where(incidents.c.camera_id == "lane-east").values(**nowhere))
    assert await night.deal() == 1
    assert list((await night.cases()).values()) == [["far-gate"]]
    assert await night.deal() == 0


async def test_nothing_is_dealt_where_the_policy_has_no_seating(database: Database, clock: HandClock) -> None:
    stage = await build(database, clock)
    night = Night(stage)
    await night.raises(Hazard.CROWD, "lane-east")
    assert await night.deal() == 0
    assert await night.rows() == []


async def test_rows_that_are_over_are_forgotten_after_two_days(night: Night) -> None:
    await night.raises(Hazard.CROWD, "lane-east")
    await night.deal()
    incident = await night.stage.one_incident()
    await night.stage.judge(QIN, incident["incident_id"], "false_alarm", incident["version"], reason_code="shadow")
    await night.deal()
    night.stage.clock.forward(2 * 86_400)
    async with changing(night.stage.database, night.stage.rulebook, night.stage.clock) as change:
        assert await seats.forget(change) == 1
    assert (await night.stage.count(seat_rows), await night.stage.count(seat_cases)) == (0, 0)
