"""A county with more alerts than it can judge: what is held, told, let go and ended, on both databases."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, Engine, event, update

from tests.integration.central.flow.stage import (
    CITY,
    MAYOR,
    OTHER_GRID,
    POLICIES,
    HandClock,
    Stage,
    alert,
    build,
    received,
)
from xueliang_alerts.contract import EndReason, EvidenceKind, EvidenceRef, Hazard, Phase
from xueliang_central.cameras.tables import cameras
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import DatabaseConflict
from xueliang_central.incidents import shedding
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.shedding import is_collective
from xueliang_central.incidents.tables import alerts, expected_pictures, incident_timeline, incidents
from xueliang_central.ingest import folding_in, releasing
from xueliang_central.store import migrating
from xueliang_central.store.database import Database

BUSY: dict[str, Any] = {
    **POLICIES,
    "folding": {
        "intrusion": {"confirm_s": 300, "settle_s": 120, "confirm_cameras": 0},
        "fire_lane_obstruction": {"confirm_s": 300, "confirm_cameras": 2},
        "camera_fault": {"node_cameras": 3},
    },
    "shedding": {"above_per_hour": 0.5, "quiet_s": 1_000},
}
STILL = EvidenceRef(sha256="cd" * 32, kind=EvidenceKind.ONSET, bytes=100)


@pytest.fixture
async def busy(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock, policies=BUSY)


class Node:
    """Sends alerts of the present second, and their ends, in order."""

    def __init__(self, stage: Stage, clock: HandClock, sequence: int = 0) -> None:
        self.stage, self.clock, self.sequence = stage, clock, sequence

    async def says(
        self, phase: Phase, revision: int = 1, *, began_at: Any = None, seen_s: float = 60, **more: Any
    ) -> Any:
        self.sequence += 1
        began_at = began_at or self.clock.at
        body = alert(phase, revision, began_at=began_at, seen_s=seen_s, **{"hazard": Hazard.INTRUSION, **more})
        await self.stage.take(received(body, self.sequence, at=self.clock.at))
        return began_at


@pytest.fixture
def node(busy: Stage, clock: HandClock) -> Node:
    return Node(busy, clock)


async def _shedding(database: Database, clock: HandClock, *, above_per_hour: float | None) -> Stage:
    shedding = {**BUSY["shedding"], "above_per_hour": above_per_hour}
    return await build(database, clock, policies={**BUSY, "shedding": shedding})


async def _moves_to(stage: Stage, camera_id: str, area_code: str) -> None:
    async with stage.database.transaction() as conn:
        await conn.execute(update(cameras).where(cameras.c.camera_id == camera_id).values(area_code=area_code))


async def _look(stage: Stage) -> None:
    """What the worker does every second."""
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await releasing.let_go(change)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await releasing.settle(change)


async def _by_place(stage: Stage) -> dict[str, dict[str, Any]]:
    return {row["place_key"]: row for row in await stage.rows(incidents)}


async def test_flaps_ask_once_and_the_county_sees_why(busy: Stage, clock: HandClock, node: Node) -> None:
    for _ in range(6):
        began_at = await node.says(Phase.RAISED)
        clock.forward(20)
        await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=70)
        clock.forward(80)
        await _look(busy)
    collective = await busy.one_incident()
    assert (collective["place_key"], collective["state"], collective["alert_count"]) == ("~held-1", "open", 6)
    assert (collective["area_code"], collective["owner_level"]) == ("370102", "county")
    assert (collective["why_routed"]["code"], collective["longitude"]) == ("held", None)
    opened = [row for row in await busy.rows(incident_timeline) if row["kind"] == "opened"]
    assert len(opened) == 1, "asked once"
    assert all(row["stopped_at"] for row in await busy.rows(clocks)), "nobody is reminded of what is gone"
    folded = [row for row in await busy.rows(incident_timeline) if row["kind"] == "alert_folded"]
    assert [row["params"]["why"]["code"] for row in folded] == ["held"] * 6
    clock.forward(1_000)
    await _look(busy)
    assert (await busy.one_incident())["close_reason"] == "ended_by_itself"


async def test_what_stays_gets_its_own_incident_with_its_pictures(busy: Stage, clock: HandClock, node: Node) -> None:
    began_at = await node.says(Phase.RAISED, evidence=[STILL])
    clock.forward(299)
    await _look(busy)
    assert list(await _by_place(busy)) == ["~held-1"]
    clock.forward(1)
    await _look(busy)
    await _look(busy)
    found = await _by_place(busy)
    own, collective = found["lane-east"], found["~held-1"]
    assert (own["state"], own["alert_count"], own["still_present"]) == ("open", 1, True)
    assert (collective["alert_count"], collective["still_present"], collective["gone"]) == (0, False, True)
    (member,) = await busy.rows(alerts)
    assert (member["incident_id"], member["why_folded"]["code"]) == (own["incident_id"], "outlasted")
    assert member["area_path"] == own["area_path"]
    (still,) = await busy.rows(expected_pictures)
    assert (still["incident_id"], still["area_path"]) == (own["incident_id"], own["area_path"])
    told = {(row["incident_id"], row["kind"]) for row in await busy.rows(incident_timeline)}
    assert (collective["incident_id"], "alerts_left") in told
    assert (own["incident_id"], "alerts_taken_over") in told
    # Its end is the end of its own incident, once it has settled.
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=400)
    assert (await _by_place(busy))["lane-east"]["state"] == "open"
    clock.forward(120)
    await _look(busy)
    assert (await _by_place(busy))["lane-east"]["close_reason"] == "ended_by_itself"


async def test_an_end_that_meets_its_alert_on_the_way_out_is_read_again(
    busy: Stage, clock: HandClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    if busy.database.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    began_at = await node.says(Phase.RAISED)
    clock.forward(300)
    locking, looks = folding_in.lock_groups, 0

    async def look_first(change: Change, groups: set[tuple[str, str]]) -> None:
        """The ingest has read the alert and is about to lock: now the worker lets the alert go."""
        nonlocal looks
        looks += 1
        if looks == 1:
            await _look(busy)
        await locking(change, groups)

    monkeypatch.setattr(folding_in, "lock_groups", look_first)
    with pytest.raises(DatabaseConflict):
        await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=400)
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=400)
    own = (await _by_place(busy))["lane-east"]
    assert (own["alert_count"], own["still_present"], own["gone"]) == (1, False, True)
    (member,) = await busy.rows(alerts)
    assert (member["incident_id"], member["why_folded"]["code"]) == (own["incident_id"], "outlasted")


async def test_what_a_judgement_of_the_whole_leaves_there_leaves_it_all_the_same(
    busy: Stage, clock: HandClock, node: Node
) -> None:
    await node.says(Phase.RAISED)
    collective = await busy.one_incident()
    await busy.judge(MAYOR, collective["incident_id"], "false_alarm", collective["version"], note="leaves")
    clock.forward(300)
    await _look(busy)
    assert (await _by_place(busy))["lane-east"]["state"] == "open"


async def test_a_second_camera_confirms_and_takes_the_first_along(busy: Stage, clock: HandClock, node: Node) -> None:
    lane = Hazard.FIRE_LANE_OBSTRUCTION
    await node.says(Phase.RAISED, hazard=lane)
    assert await busy.count(tasks) == 0, "a collective incident sends nobody by itself"
    clock.forward(10)
    await node.says(Phase.RAISED, hazard=lane, camera_id="lane-west")
    found = await _by_place(busy)
    assert found["lane-west"]["camera_count"] == 2
    assert found["lane-west"]["state"] == "dispatched"
    assert found["~held-1"]["alert_count"] == 0


async def test_severity_1_and_fire_are_never_held(busy: Stage, node: Node) -> None:
    await node.says(Phase.RAISED, severity=1)
    await node.says(Phase.RAISED, hazard=Hazard.FIRE_SMOKE, severity=2, camera_id="far-gate")
    assert set(await _by_place(busy)) == {"lane-east", "far-gate"}
    began_at = await node.says(Phase.RAISED, camera_id="other-gate", severity=3)
    assert "~held-1" in await _by_place(busy), "the county sheds: what is above was not held for what it is"
    await node.says(Phase.UPDATED, 2, began_at=began_at, camera_id="other-gate", severity=1)
    await _look(busy)
    assert (await _by_place(busy))["other-gate"]["severity"] == 1, "a severity that rises to 1 breaks out"


async def test_a_county_holds_from_the_first_alert_above_its_limit(database: Database, clock: HandClock) -> None:
    stage = await _shedding(database, clock, above_per_hour=2)
    node = Node(stage, clock)
    await node.says(Phase.RAISED, camera_id="far-gate", drill=True)
    over = clock.at - timedelta(seconds=400)
    await node.says(Phase.CLEARED, 2, began_at=over, seen_s=70, camera_id="far-gate")
    for camera_id in ("lane-east", "other-gate"):
        await node.says(Phase.RAISED, camera_id=camera_id)
    assert not any(key.startswith("~") for key in await _by_place(stage)), "a drill and what was over do not count"
    await node.says(Phase.RAISED, camera_id="lane-west", hazard=Hazard.ILLEGAL_PARKING)
    assert (await _by_place(stage))["~held-1"]["hazard"] == "illegal_parking"


async def test_a_county_does_not_hold_for_what_others_have(database: Database, clock: HandClock) -> None:
    stage = await _shedding(database, clock, above_per_hour=2)
    for camera_id in ("lane-east", "lane-west", "far-gate"):
        await _moves_to(stage, camera_id, CITY)
    names = ("lane-east", "lane-west", "far-gate", "other-gate")
    bodies = [alert(Phase.RAISED, 1, camera_id=name, hazard=Hazard.INTRUSION, began_at=clock.at) for name in names]
    await stage.take(*[received(body, number, at=clock.at) for number, body in enumerate(bodies, start=1)])
    areas = {key: row["area_code"] for key, row in (await _by_place(stage)).items()}
    assert areas.pop("other-gate") == OTHER_GRID, "the only alert of its county"
    assert set(areas.values()) == {CITY}
    assert all(is_collective(key) for key in areas)


async def test_cameras_of_a_node_that_fail_together(busy: Stage, clock: HandClock, node: Node) -> None:
    """Each is held by itself until the third tells that it is the node: then they are one."""
    for camera_id, of_node in (("lane-east", 0), ("far-gate", 0), ("other-gate", 3)):
        clock.forward(1)
        fault: dict[str, Any] = {"hazard": Hazard.CAMERA_FAULT, "severity": 4, "code": "camera_offline"}
        await node.says(Phase.RAISED, camera_id=camera_id, **fault)
        found = await _by_place(busy)
        assert found.get("~node:edge-01", {"alert_count": 0})["alert_count"] == of_node
    together = found["~node:edge-01"]
    assert (together["camera_count"], together["area_code"]) == (3, "370102")
    assert {key: row["alert_count"] for key, row in found.items() if key.startswith("~held")} == {
        "~held-1": 0,
        "~held-2": 0,
    }
    assert {row["why_folded"]["code"] for row in await busy.rows(alerts)} == {"node_down"}


async def test_what_is_held_leaves_although_its_camera_now_belongs_elsewhere(
    busy: Stage, clock: HandClock, node: Node
) -> None:
    await node.says(Phase.RAISED)
    await _moves_to(busy, "lane-east", CITY)
    clock.forward(300)
    await _look(busy)
    found = await _by_place(busy)
    assert (found["lane-east"]["area_code"], found["~held-1"]["alert_count"]) == (CITY, 0)


async def test_severity_1_leaves_first(
    busy: Stage, clock: HandClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "AT_ONCE", 1)
    await node.says(Phase.RAISED, camera_id="lane-east")
    began_at = await node.says(Phase.RAISED, camera_id="other-gate")
    clock.forward(300)
    await node.says(Phase.UPDATED, 2, began_at=began_at, camera_id="other-gate", severity=1)
    await _look(busy)
    found = await _by_place(busy)
    assert "other-gate" in found
    assert "lane-east" not in found
    await _look(busy)
    assert "lane-east" in await _by_place(busy)


@pytest.mark.parametrize("reason", [EndReason.VIEW_LOST, EndReason.NODE_STOPPED, EndReason.RULE_CHANGED])
async def test_what_ends_unseen_is_there_until_it_is_seen_to_be_gone(
    busy: Stage, clock: HandClock, node: Node, reason: EndReason
) -> None:
    began_at = await node.says(Phase.RAISED)
    clock.forward(200)
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=200, end_reason=reason)
    clock.forward(99)
    await _look(busy)
    assert list(await _by_place(busy)) == ["~held-1"]
    clock.forward(1_000)
    await _look(busy)
    found = await _by_place(busy)
    assert (found["lane-east"]["state"], found["lane-east"]["gone"]) == ("open", False)
    assert found["~held-1"]["alert_count"] == 0


async def test_what_ended_unseen_and_was_seen_to_be_gone_later_stays_where_it_is(
    busy: Stage, clock: HandClock, node: Node
) -> None:
    began_at = await node.says(Phase.RAISED)
    clock.forward(20)
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=70, end_reason=EndReason.VIEW_LOST)
    clock.forward(60)
    began_at = await node.says(Phase.RAISED)
    clock.forward(20)
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=70)
    clock.forward(900)
    await _look(busy)
    collective = await busy.one_incident()
    assert (collective["place_key"], collective["alert_count"], collective["gone"]) == ("~held-1", 2, True)


async def test_what_somebody_has_in_hand_keeps_its_alerts_and_is_not_verified_by_their_leaving(
    busy: Stage, clock: HandClock, node: Node
) -> None:
    await node.says(Phase.RAISED)
    collective = await busy.one_incident()
    await busy.judge(MAYOR, collective["incident_id"], "dispatch", collective["version"])
    await node.says(Phase.RAISED, camera_id="other-gate")
    assert (await _by_place(busy))["~held-2"]["alert_count"] == 1, "only what waits for a judgement takes alerts in"
    await busy.work_on(MAYOR, "take")
    await busy.work_on(MAYOR, "handled", note="looked around")
    clock.forward(300)
    await _look(busy)
    found = await _by_place(busy)
    assert "other-gate" in found
    assert (found["~held-1"]["state"], found["~held-1"]["alert_count"]) == ("handled", 1)
    closing = found["~held-1"]
    await busy.judge(MAYOR, closing["incident_id"], "close", closing["version"], note="nothing to be seen")
    await _look(busy)
    found = await _by_place(busy)
    assert (found["lane-east"]["state"], found["~held-1"]["close_reason"]) == ("open", "checked_by_hand")


async def test_an_incident_that_all_have_left_ends_and_is_never_verified(
    busy: Stage, clock: HandClock, node: Node
) -> None:
    await node.says(Phase.RAISED)
    collective = await busy.one_incident()
    await busy.judge(MAYOR, collective["incident_id"], "dispatch", collective["version"])
    clock.forward(300)
    await _look(busy)
    found = await _by_place(busy)
    emptied = found["~held-1"]
    assert (emptied["state"], emptied["verified"], emptied["alert_count"]) == ("closed", False, 0)
    sent = next(row for row in await busy.rows(tasks) if row["incident_id"] == collective["incident_id"])
    assert sent["state"] == "withdrawn"
    running = [row["incident_id"] for row in await busy.rows(clocks) if row["stopped_at"] is None]
    assert running == [found["lane-east"]["incident_id"]]


async def test_nobody_is_reminded_of_a_collective_in_which_nothing_is_there(
    busy: Stage, clock: HandClock, node: Node
) -> None:
    """Its judge limit is 60 s: the next level is told while something is there, and not after it has gone."""
    began_at = await node.says(Phase.RAISED)
    clock.forward(20)
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=70)
    clock.forward(600)
    assert await busy.fire_all() == 0
    assert (await busy.one_incident())["state"] == "open", "it waits for what may come"
    began_at = await node.says(Phase.RAISED)
    clock.forward(59)
    assert await busy.fire_all() == 0
    clock.forward(1)
    assert await busy.fire_all() == 1
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=70)
    clock.forward(999)
    assert await busy.fire_all() == 0
    await _look(busy)
    assert (await busy.one_incident())["state"] == "open"
    clock.forward(1)
    await _look(busy)
    assert (await busy.one_incident())["close_reason"] == "ended_by_itself"


async def test_a_full_collective_is_followed_by_a_new_one_that_says_so(
    busy: Stage, clock: HandClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shedding, "MOST_ALERTS", 2)

    async def flap() -> None:
        began_at = await node.says(Phase.RAISED)
        clock.forward(20)
        await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=70)
        clock.forward(80)

    for _ in range(3):
        await flap()
    found = await _by_place(busy)
    assert {key: row["alert_count"] for key, row in found.items()} == {"~held-1": 2, "~held-2": 1}
    why = found["~held-2"]["why_routed"]
    assert (why["code"], found["~held-1"]["number"] in why["text"]) == ("held", True)
    clock.forward(120)
    await _look(busy)
    found = await _by_place(busy)
    assert found["~held-1"]["close_reason"] == "ended_by_itself", "it takes nothing more in: nothing to wait for"
    assert found["~held-2"]["state"] == "open"
    clock.forward(86_400)
    await busy.take()  # the worker did not run meanwhile: it is open, and a day old
    await flap()
    opened = [row for row in await busy.rows(incident_timeline) if row["kind"] == "opened"]
    assert len(opened) == 3


async def test_what_is_heard_in_an_hour_is_counted_by_county_and_no_further_than_needed(
    database: Database, clock: HandClock
) -> None:
    """By the index of the county's alerts, whatever others have."""
    stage = await _shedding(database, clock, above_per_hour=2)
    node = Node(stage, clock)
    for camera_id in ("lane-east", "far-gate", "other-gate"):
        await node.says(Phase.RAISED, camera_id=camera_id)
    assert {row["county_code"] for row in await stage.rows(alerts)} == {"370102"}
    asked: list[str] = []

    def listen(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    await node.says(Phase.RAISED, camera_id="lane-west", hazard=Hazard.ILLEGAL_PARKING)
    event.remove(Engine, "before_cursor_execute", listen)
    (counted,) = [statement for statement in asked if "county_code" in statement and "count(" in statement]
    assert "LIMIT" in counted
    assert "~held-1" in await _by_place(stage)


@pytest.mark.parametrize(
    ("area_path", "county"),
    [
        ("3701/370102/370102003/370102003005/370102003005007", "370102"),
        ("3701/370102", "370102"),
        ("3701", "3701"),
        ("370102/370102003", "370102"),
        ("370102", "370102"),
    ],
)
async def test_a_migration_in_the_middle_of_a_storm_knows_the_last_hour_by_county(
    busy: Stage, node: Node, area_path: str, county: str
) -> None:
    await node.says(Phase.RAISED)
    (path,) = (Path(migrating.__file__).parent / "migrations/versions").glob("*_alerts_by_county.py")
    migration = runpy.run_path(str(path))

    def migrate(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            migration["tell_the_last_hours"]()

    async with busy.database.transaction() as conn:
        lately = {"first_received_at": datetime.now(UTC), "area_path": area_path, "county_code": None}
        await conn.execute(update(alerts).values(**lately))
        await conn.run_sync(migrate)
    (member,) = await busy.rows(alerts)
    assert member["county_code"] == county


async def test_what_somebody_was_sent_to_is_reopened_and_not_held(busy: Stage, clock: HandClock, node: Node) -> None:
    """It ended by itself, but it was judged: the case goes on where it was."""
    began_at = await node.says(Phase.RAISED, severity=1)
    own = await busy.one_incident()
    await busy.judge(MAYOR, own["incident_id"], "confirm", own["version"])
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=70, severity=1)
    clock.forward(130)
    await _look(busy)
    assert (await busy.one_incident())["close_reason"] == "ended_by_itself"
    await node.says(Phase.RAISED)
    again = await busy.one_incident()
    assert (again["place_key"], again["state"], again["reopened_count"]) == ("lane-east", "dispatched", 1)


async def test_what_has_settled_ends_a_few_at_a_time(
    busy: Stage, clock: HandClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "AT_ONCE", 1)
    for camera_id in ("lane-east", "other-gate"):
        began_at = await node.says(Phase.RAISED, camera_id=camera_id, drill=True)
        await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=70, camera_id=camera_id, drill=True)
    clock.forward(119)
    async with busy.database.reading() as conn:
        assert not await releasing.is_any_settled(conn, busy.rulebook, clock())
    clock.forward(1)
    for open_ones in (1, 0):
        await _look(busy)
        assert sum(row["state"] == "open" for row in await busy.rows(incidents)) == open_ones


async def test_a_batch_folds_as_its_alerts_one_by_one(busy: Stage, clock: HandClock) -> None:
    cameras = ("lane-east", "far-gate", "other-gate")
    bodies = [alert(Phase.RAISED, 1, camera_id=name, hazard=Hazard.INTRUSION, began_at=clock.at) for name in cameras]
    await busy.take(*[received(body, number, at=clock.at) for number, body in enumerate(bodies, start=1)])
    found = await _by_place(busy)
    assert {name: row["alert_count"] for name, row in found.items()} == {"~held-1": 1, "~held-2": 1, "~held-3": 1}
