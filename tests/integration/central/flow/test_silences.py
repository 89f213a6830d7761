"""Silences, maintenance windows and known events over the flow: hidden, counted, let out, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    GRID,
    LI,
    MAYOR,
    NOON,
    OTHER_GRID,
    TOWNSHIP,
    VILLAGE,
    Stage,
    actor,
    alert,
    received,
)
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import EndReason, EvidenceKind, EvidenceRef, Hazard, Phase
from xueliang_central.audit.tables import audit_records
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import Settings
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import Conflict, DatabaseConflict, MoveRefused, NotAllowed, NotFound
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.suppressing import Asked, Kind, Silence, silence_of
from xueliang_central.incidents.tables import alerts, expected_pictures, incident_timeline, incidents
from xueliang_central.ingest import folding_in, releasing
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.running import centre_on
from xueliang_central.silences import service
from xueliang_central.silences.service import SilenceMove
from xueliang_central.silences.tables import silence_alerts, silenced_alerts, silences
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable
from xueliang_configs.schedules import Schedule

DAY = timedelta(days=1)
STILL = EvidenceRef(sha256="cd" * 32, kind=EvidenceKind.ONSET, bytes=100)
TUNER = actor(Role.RULE_OPERATOR, VILLAGE, "tuner")
WALKER = actor(Role.OPERATOR, VILLAGE, "colleague")


async def make(stage: Stage, who: Actor = LI, kind: Kind = Kind.SILENCE, **more: Any) -> str:
    fields: dict[str, Any] = {"reason": "road works", "ends_at": stage.clock.at + timedelta(hours=2), **more}
    if not fields.keys() & {"area_code", "camera_id", "node_id"}:
        fields["area_code"] = GRID
    key = fields.pop("key", None)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        return await service.make(change, who, Asked(kind, **fields), key=key)


async def end(stage: Stage, who: Actor, silence_id: str, version: int = 1, **more: Any) -> None:
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await service.move(change, who, silence_id, SilenceMove("end", version, **more))


def worker(stage: Stage, tmp_path: Path) -> Worker:
    table = PolicyTable.model_validate({"policies": [{"judge_s": 60, "take_s": 60, "arrive_s": 60}]})
    made = Worker(centre_on(stage.database, Settings(tmp_path), table, wall=stage.clock, mono=system_mono))
    made._rulebook = stage.rulebook  # the areas of the stage are not read from the database
    return made


async def look(stage: Stage) -> int:
    """What the worker does every second."""
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await service.expire(change)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        return await releasing.let_out(change)


class Node:
    """Sends alerts of the present second, and their ends, in order."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.sequence = stage, 0
        self.counts: dict[str, int] = {}

    async def says(self, phase: Phase = Phase.RAISED, revision: int = 1, **more: Any) -> datetime:
        self.sequence += 1
        began_at: datetime = more.pop("began_at", self.stage.clock.at)
        body = alert(phase, revision, began_at=began_at, **more)
        outcome = await self.stage.take(received(body, self.sequence, at=self.stage.clock.at))
        self.counts = dict(outcome.counts)
        return began_at


@pytest.fixture
def node(stage: Stage) -> Node:
    return Node(stage)


async def the_hidden(stage: Stage) -> dict[str, Any]:
    (row,) = await stage.rows(silenced_alerts)
    return row


async def nothing_asks(stage: Stage) -> None:
    for table in (incidents, alerts, clocks, tasks, notices, incident_timeline, expected_pictures):
        assert await stage.count(table) == 0, table.name


async def test_a_silenced_alert_asks_nobody_and_is_in_the_book(stage: Stage, node: Node) -> None:
    silence_id = await make(stage)
    await node.says(evidence=[STILL])
    await nothing_asks(stage)
    assert node.counts["silenced"] == 1
    row = await the_hidden(stage)
    assert (row["silence_id"], row["standing"], row["area_path"].endswith(GRID)) == (silence_id, "hidden", True)
    assert [item["sha256"] for item in row["evidence"]] == [STILL.sha256], "kept for the case it may become"
    (entry,) = await stage.rows(silence_alerts)
    assert (entry["silence_id"], entry["alert_id"]) == (silence_id, row["alert_id"])
    assert entry["why"]["code"] == "hidden_by_silence"
    assert "Li until 2026-11-23T06:00:00Z: road works" in entry["why"]["text"]


async def test_without_it_the_same_alert_asks(stage: Stage, node: Node) -> None:
    await make(stage, starts_at=NOON + timedelta(hours=1))  # planned: not in force yet
    await node.says()
    assert (await stage.one_incident())["state"] == "dispatched"
    assert node.counts["silenced"] == 0


@pytest.mark.parametrize(
    ("scope", "alert_of", "hides"),
    [
        ({"area_code": VILLAGE}, {"camera_id": "other-gate"}, True),
        ({"area_code": OTHER_GRID}, {"camera_id": "lane-east"}, False),
        ({"camera_id": "lane-east"}, {"camera_id": "lane-east"}, True),
        ({"camera_id": "lane-east"}, {"camera_id": "lane-west"}, False),
        ({"hazard": "crowd"}, {}, False),
        ({"rule_id": "lane-blocked"}, {}, True),
        ({"rule_id": "other-rule"}, {}, False),
        ({"severities": (3, 4)}, {"severity": 2}, False),
        ({"severities": (3, 4)}, {"severity": 3}, True),
        ({}, {"hazard": Hazard.FIRE_SMOKE}, False),
        ({}, {"severity": 1}, False),
        ({}, {"drill": True}, False),
    ],
)
async def test_only_what_is_meant_is_hidden(
    stage: Stage, node: Node, scope: dict[str, Any], alert_of: dict[str, Any], hides: bool
) -> None:
    await make(stage, **scope)
    await node.says(**alert_of)
    assert (await stage.count(silenced_alerts), await stage.count(incidents)) == ((1, 0) if hides else (0, 1))


async def test_severity_1_breaks_through(stage: Stage, node: Node) -> None:
    silence_id = await make(stage)
    began_at = await node.says(evidence=[STILL])
    stage.clock.forward(60)
    await node.says(Phase.UPDATED, 2, began_at=began_at, severity=1)
    case = await stage.one_incident()
    assert (case["severity"], case["state"]) == (1, "dispatched")
    assert await stage.count(clocks) > 0
    row = await the_hidden(stage)
    assert (row["standing"], row["incident_id"], row["why_left"]["code"]) == (
        "left",
        case["incident_id"],
        "severity_breaks_through",
    )
    (still,) = await stage.rows(expected_pictures)
    assert still["incident_id"] == case["incident_id"]
    let_out = next(entry for entry in await stage.rows(incident_timeline) if entry["kind"] == "let_out")
    assert let_out["params"]["why"]["about"]["silence_id"] == silence_id
    # From now on it is a member like any other.
    await node.says(Phase.CLEARED, 3, began_at=began_at, seen_s=200, severity=1)
    assert (await stage.one_incident())["close_reason"] == "ended_by_itself"
    assert (await the_hidden(stage))["revision"] == 1, "the book keeps what was hidden, as it was"


async def test_what_is_still_there_when_it_expires_asks_at_once(stage: Stage, node: Node, tmp_path: Path) -> None:
    silence_id = await make(stage)
    await node.says(evidence=[STILL])
    stage.clock.forward(2 * 3600 - 1)
    running = worker(stage, tmp_path)
    assert (await running.end_silences(), await running.let_out()) == (0, 0)
    stage.clock.forward(1)
    assert (await running.end_silences(), await running.let_out()) == (1, 1)
    assert (running.counts["silences_expired"], running.counts["let_out"]) == (1, 1)
    case = await stage.one_incident()
    assert (case["state"], case["opened_at"]) == ("dispatched", stage.clock.at)
    (running_clock, *_others) = [row for row in await stage.rows(clocks) if row["kind"] == "take"]
    assert running_clock["started_at"] == stage.clock.at, "its people get their whole time"
    assert (await the_hidden(stage))["why_left"]["code"] == "silence_over"
    (silence,) = await stage.rows(silences)
    assert (silence["close_reason"], silence["closed_at"]) == ("expired", stage.clock.at)
    said = [(row["actor"], row["action"], row["object_id"]) for row in await stage.rows(audit_records)]
    assert ("system", "silence.expired", silence_id) in said
    assert await running.let_out() == 0


async def test_one_that_cannot_be_placed_keeps_no_other_hidden(
    stage: Stage, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(stage, area_code=VILLAGE)
    await node.says()
    await node.says(camera_id="far-gate")
    stage.clock.forward(2 * 3600)
    place_all = releasing.place_all

    async def cannot_place_one(change: Change, rows: dict[str, Any], *more: Any) -> Any:
        if any(row["camera_id"] == "lane-east" for row in rows.values()):
            raise ZeroDivisionError
        return await place_all(change, rows, *more)

    monkeypatch.setattr(releasing, "place_all", cannot_place_one)
    running = worker(stage, tmp_path)
    await running.end_silences()
    assert await running.let_out() == 1
    assert (await stage.one_incident())["camera_id"] == "far-gate"
    assert (running.counts["let_out"], running.counts["let_out_stuck"]) == (1, 1)
    with pytest.raises(ZeroDivisionError):
        await running.let_out()
    monkeypatch.undo()
    assert await running.let_out() == 1
    assert await stage.count(incidents) == 2


async def test_the_worker_is_not_needed_where_a_revision_comes(stage: Stage, node: Node) -> None:
    await make(stage)
    began_at = await node.says()
    stage.clock.forward(2 * 3600)
    await node.says(Phase.UPDATED, 2, began_at=began_at)
    assert (await stage.one_incident())["alert_count"] == 1


async def test_what_was_seen_to_be_gone_never_asks(stage: Stage, node: Node) -> None:
    await make(stage)
    first = await node.says()
    second = await node.says(camera_id="far-gate")
    stage.clock.forward(300)
    await node.says(Phase.CLEARED, 2, began_at=first)
    stage.clock.forward(2 * 3600)
    await node.says(Phase.CLEARED, 2, began_at=second, camera_id="far-gate")  # after the end, before the worker looked
    await look(stage)
    await nothing_asks(stage)
    assert {row["standing"] for row in await stage.rows(silenced_alerts)} == {"over"}


async def test_an_end_that_nobody_saw_asks_unless_a_later_episode_has_been_told(stage: Stage, node: Node) -> None:
    await make(stage)
    began_at = await node.says()
    await node.says(Phase.CLEARED, 2, began_at=began_at, end_reason=EndReason.VIEW_LOST)
    other = await node.says(camera_id="far-gate")
    await node.says(Phase.CLEARED, 2, began_at=other, camera_id="far-gate", end_reason=EndReason.VIEW_LOST)
    stage.clock.forward(600)
    again = await node.says()
    await node.says(Phase.CLEARED, 2, began_at=again)
    stage.clock.forward(2 * 3600)
    await look(stage)
    assert (await stage.one_incident())["camera_id"] == "far-gate", "it went dark, and nobody knows"
    await node.says(Phase.CLEARED, 2, began_at=began_at, end_reason=EndReason.VIEW_LOST)  # told again, late
    assert await stage.count(incidents) == 1, "of the past nobody is asked"
    assert [row["standing"] for row in await stage.rows(silenced_alerts)].count("over") == 2


async def test_ended_early_by_the_owner_it_asks(stage: Stage, node: Node) -> None:
    silence_id = await make(stage)
    await node.says()
    stage.clock.forward(60)
    await end(stage, LI, silence_id, note="works are done")
    assert await look(stage) == 1
    assert (await stage.one_incident())["state"] == "dispatched"
    (row,) = await stage.rows(silences)
    assert (row["close_reason"], row["closed_by"], row["close_note"]) == ("ended", "Li", "works are done")
    with pytest.raises(MoveRefused, match="over already"):
        await end(stage, LI, silence_id, version=2)


async def test_who_ends_it_early(stage: Stage) -> None:
    for who, refusal in (
        (WALKER, NotAllowed),  # a colleague at the same desk is no superior
        (actor(Role.OPERATOR, OTHER_GRID, "stranger"), NotFound),
        (actor(Role.AUDITOR, TOWNSHIP, "auditor"), NotAllowed),
        (actor(Role.SUPERVISOR, VILLAGE, "head"), None),
        (actor(Role.OPERATOR, TOWNSHIP, "chen"), None),
        (MAYOR, None),
    ):
        silence_id = await make(stage)
        if refusal is None:
            await end(stage, who, silence_id)
        else:
            with pytest.raises(refusal):
                await end(stage, who, silence_id)
            with pytest.raises(Conflict):
                await end(stage, LI, silence_id, version=7)


async def test_what_belongs_to_an_open_incident_joins_it(stage: Stage, node: Node) -> None:
    first = await node.says()
    await node.says(Phase.CLEARED, 2, began_at=first, end_reason=EndReason.VIEW_LOST)
    await make(stage)
    stage.clock.forward(120)
    await node.says()
    await node.says(camera_id="far-gate")
    assert (await stage.one_incident())["alert_count"] == 2, "else it could be verified while the thing is there again"
    assert (await the_hidden(stage))["camera_id"] == "far-gate"


async def test_what_a_silence_hides_reopens_nothing_and_loads_no_county(stage: Stage, node: Node) -> None:
    first = await node.says()
    await node.says(Phase.CLEARED, 2, began_at=first)
    await make(stage)
    stage.clock.forward(30)
    await node.says()
    assert (await stage.one_incident())["state"] == "closed"
    assert await stage.count(silenced_alerts) == 1


async def test_another_silence_hides_it_on_with_its_own_why(stage: Stage, node: Node) -> None:
    short = await make(stage, ends_at=NOON + timedelta(hours=1))
    await node.says()
    long = await make(stage, MAYOR, ends_at=NOON + timedelta(hours=3), area_code=TOWNSHIP)
    stage.clock.forward(3600)
    assert await look(stage) == 1
    assert await look(stage) == 0
    await nothing_asks(stage)
    assert (await the_hidden(stage))["silence_id"] == long
    assert {row["silence_id"] for row in await stage.rows(silence_alerts)} == {short, long}
    stage.clock.forward(2 * 3600)
    await look(stage)
    assert (await stage.one_incident())["state"] == "dispatched"


async def test_maintenance_hides_camera_faults_of_a_node(stage: Stage, node: Node) -> None:
    await make(stage, TUNER, Kind.MAINTENANCE, node_id="edge-01")
    await node.says(hazard=Hazard.CAMERA_FAULT, severity=3)
    await node.says(hazard=Hazard.CAMERA_FAULT, severity=3, camera_id="other-gate")
    await nothing_asks(stage)
    stage.clock.forward(1)
    await node.says()
    assert (await stage.one_incident())["hazard"] == "fire_lane_obstruction", "only faults are planned"


async def test_a_market_day_over_midnight_hides_its_hours_and_no_others(stage: Stage, node: Node) -> None:
    weekly = Schedule.model_validate({"bands": [{"days": ["mon"], "start": "20:00", "until": "01:00"}]})
    await make(stage, TUNER, Kind.EVENT, area_code=VILLAGE, hazard="crowd", ends_at=NOON + 30 * DAY, weekly=weekly)
    crowd = {"hazard": Hazard.CROWD, "severity": 3}
    began_at = await node.says(**crowd)  # Monday noon, Shanghai
    await node.says(Phase.CLEARED, 2, began_at=began_at, **crowd)
    assert await stage.count(silenced_alerts) == 0
    stage.clock.at = datetime.fromisoformat("2026-11-23T15:59:00+00:00")  # 23:59
    await node.says(camera_id="far-gate", **crowd)
    stage.clock.at = datetime.fromisoformat("2026-11-23T16:59:59+00:00")  # 00:59:59 on Tuesday
    await node.says(camera_id="other-gate", **crowd)
    await look(stage)
    assert {row["standing"] for row in await stage.rows(silenced_alerts)} == {"hidden"}
    stage.clock.forward(1)  # 01:00: the band is over, the event is not
    assert await look(stage) == 2
    opened = [row for row in await stage.rows(incidents) if row["state"] != "closed"]
    assert {row["camera_id"] for row in opened} == {"far-gate", "other-gate"}
    (event,) = await stage.rows(silences)
    assert event["closed_at"] is None


async def test_of_what_hides_only_silences_with_hours_are_read_each_second(
    stage: Stage, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    weekly = Schedule.model_validate({"bands": [{"days": ["mon"], "start": "11:00", "until": "13:00"}]})
    of_all_hours = [await make(stage, camera_id=camera_id) for camera_id in ("lane-east", "far-gate")]
    market = await make(stage, TUNER, Kind.EVENT, camera_id="other-gate", hazard="crowd", weekly=weekly)
    for camera_id in ("lane-east", "far-gate"):
        await node.says(camera_id=camera_id)
    await node.says(camera_id="other-gate", hazard=Hazard.CROWD, severity=3)
    read: list[str] = []

    def reading(row: dict[str, Any]) -> Silence:
        read.append(row["silence_id"])
        return silence_of(row)

    monkeypatch.setattr(service, "silence_of", reading)
    async with stage.database.reading() as conn:
        assert await service.hiding_past(conn, stage.clock()) == []
        assert read == [market], "the others are as many as cameras with a fault"
        assert await service.hiding_past(conn, stage.clock() + timedelta(seconds=5400)) == [market]
        assert await service.hiding_past(conn, stage.clock() + DAY) == sorted([*of_all_hours, market])
        assert read == [market] * 2


async def test_silences_are_found_by_more_ids_than_a_statement_takes_values(stage: Stage) -> None:
    if stage.database.dialect != "postgresql":
        pytest.skip("SQLite takes as many")
    async with stage.database.reading() as conn:
        silence_id = await make(stage)
        many = [str(number) for number in range(40_000)]
        assert set(await service.by_id(conn, [*many, silence_id])) == {silence_id}


async def test_a_camera_that_moves_to_another_area_leaves_its_silence(stage: Stage, node: Node) -> None:
    await make(stage, camera_id="lane-east")
    began_at = await node.says()
    async with stage.database.transaction() as conn:
        other = cameras.c.camera_id == "lane-east"
        path = f"3701/370102/{TOWNSHIP}/{VILLAGE}/{OTHER_GRID}"
        await conn.execute(cameras.update().where(other).values(area_code=OTHER_GRID, area_path=path))
    await node.says(Phase.UPDATED, 2, began_at=began_at)
    assert (await stage.one_incident())["area_code"] == OTHER_GRID
    assert (await the_hidden(stage))["why_left"]["code"] == "no_longer_meant"


async def test_a_revision_that_meets_its_alert_on_the_way_out_is_read_again(
    stage: Stage, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stage.database.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    await make(stage)
    began_at = await node.says()
    stage.clock.forward(2 * 3600)
    locking, looks = folding_in.lock_groups, 0

    async def look_first(change: Change, groups: set[tuple[str, str]]) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            await look(stage)
        await locking(change, groups)

    monkeypatch.setattr(folding_in, "lock_groups", look_first)
    node.sequence += 1
    late = received(alert(Phase.UPDATED, 2, began_at=began_at), node.sequence, at=stage.clock.at)
    with pytest.raises(DatabaseConflict):
        await stage.take(late)
    await stage.take(late)
    assert ((await stage.one_incident())["alert_count"], await stage.count(alerts)) == (1, 1)


async def test_what_is_long_over_is_forgotten_and_said(stage: Stage, node: Node, tmp_path: Path) -> None:
    silence_id = await make(stage)
    kept = await make(stage, TUNER, Kind.EVENT, hazard="crowd", ends_at=NOON + 5 * DAY)
    began_at = await node.says()
    await node.says(Phase.CLEARED, 2, began_at=began_at)
    running = worker(stage, tmp_path)
    stage.clock.forward(2 * 3600)
    await running.end_silences()
    keep_s = stage.rulebook.silencing.keep_s
    stage.clock.forward(keep_s - 1)
    assert await running.forget_silences() == 0
    stage.clock.forward(1)
    assert await running.forget_silences() == 1
    assert [row["silence_id"] for row in await stage.rows(silences)] == [kept]
    assert (await stage.count(silenced_alerts), await stage.count(silence_alerts)) == (0, 0)
    (said,) = [row for row in await stage.rows(audit_records) if row["action"] == "silences.forgotten"]
    assert said["detail"] == {"silences": [silence_id], "alerts": 1}
