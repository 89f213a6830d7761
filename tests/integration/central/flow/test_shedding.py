"""A county with more alerts than it can judge: what is held, told, let go and ended, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.central.flow.stage import MAYOR, POLICIES, HandClock, Stage, alert, build, received
from xueliang_alerts.contract import EvidenceKind, EvidenceRef, Hazard, Phase
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import DatabaseConflict
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.tables import alerts, expected_pictures, incident_timeline, incidents
from xueliang_central.ingest import folding_in, releasing
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

    def __init__(self, stage: Stage, clock: HandClock) -> None:
        self.stage, self.clock, self.sequence = stage, clock, 0

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
    assert await busy.count(clocks) == 1, "one judge clock: asked once"
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


async def test_severity_1_fire_and_a_calm_county_are_never_held(
    busy: Stage, clock: HandClock, node: Node, database: Database
) -> None:
    await node.says(Phase.RAISED, severity=1)
    await node.says(Phase.RAISED, hazard=Hazard.FIRE_SMOKE, severity=2, camera_id="far-gate")
    assert set(await _by_place(busy)) == {"lane-east", "far-gate"}
    began_at = await node.says(Phase.RAISED, camera_id="other-gate", severity=3)
    assert "~held-1" in await _by_place(busy)
    await node.says(Phase.UPDATED, 2, began_at=began_at, camera_id="other-gate", severity=1)
    await _look(busy)
    assert (await _by_place(busy))["other-gate"]["severity"] == 1, "a severity that rises to 1 breaks out"


async def test_cameras_of_a_node_that_fail_together(busy: Stage, clock: HandClock, node: Node) -> None:
    for camera_id in ("lane-east", "far-gate", "other-gate"):
        clock.forward(1)
        await node.says(Phase.RAISED, hazard=Hazard.CAMERA_FAULT, camera_id=camera_id, severity=4)
    found = (await _by_place(busy))["~node:edge-01"]
    assert (found["alert_count"], found["camera_count"], found["area_code"]) == (3, 3, "370102")


async def test_a_batch_folds_as_its_alerts_one_by_one(busy: Stage, clock: HandClock) -> None:
    cameras = ("lane-east", "far-gate", "other-gate")
    bodies = [alert(Phase.RAISED, 1, camera_id=name, hazard=Hazard.INTRUSION, began_at=clock.at) for name in cameras]
    await busy.take(*[received(body, number, at=clock.at) for number, body in enumerate(bodies, start=1)])
    found = await _by_place(busy)
    assert {name: row["alert_count"] for name, row in found.items()} == {"~held-1": 1, "~held-2": 1, "~held-3": 1}
