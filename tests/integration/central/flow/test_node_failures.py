"""Cameras that go offline with their node: one question, whatever comes first; nothing is held here. Both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from tests.integration.central.flow.stage import MAYOR, POLICIES, HandClock, Stage, alert, build, received
from xueliang_alerts.contract import EndReason, Hazard, Phase
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.splitting import Split, split_incident
from xueliang_central.dispatch.tables import tasks
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.tables import alerts, incident_timeline, incidents
from xueliang_central.ingest import releasing
from xueliang_central.store.database import Database

OF_NODE = ("lane-east", "far-gate", "other-gate")
CALM: dict[str, Any] = {**POLICIES, "folding": {"camera_fault": {"node_cameras": 3, "settle_s": 300}}}


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock, policies=CALM)


class Node:
    """edge-01: tells of its cameras, in order."""

    def __init__(self, stage: Stage, clock: HandClock) -> None:
        self.stage, self.clock, self.sequence = stage, clock, 0
        self.since: dict[str, Any] = {}

    def _body(self, phase: Phase, camera_id: str, code: str, **more: Any) -> Any:
        self.sequence += 1
        began_at = self.since.setdefault(camera_id, self.clock.at)
        seen_s = max(60.0, (self.clock.at - began_at).total_seconds())
        revision = 1 if phase is Phase.RAISED else 2
        about = {"hazard": Hazard.CAMERA_FAULT, "severity": 4, **more}
        body = alert(phase, revision, camera_id=camera_id, began_at=began_at, seen_s=seen_s, code=code, **about)
        return received(body, self.sequence, at=self.clock.at)

    async def loses(self, *camera_ids: str, code: str = "camera_offline", **more: Any) -> None:
        """One after the other, a second apart."""
        for camera_id in camera_ids:
            self.clock.forward(1)
            self.since.pop(camera_id, None)
            await self.stage.take(self._body(Phase.RAISED, camera_id, code, **more))

    async def loses_in_one_batch(self, *camera_ids: str) -> None:
        await self.stage.take(*(self._body(Phase.RAISED, camera_id, "camera_offline") for camera_id in camera_ids))

    async def gets_back(self, *camera_ids: str) -> None:
        for camera_id in camera_ids:
            await self.stage.take(self._body(Phase.CLEARED, camera_id, "camera_back", end_reason=EndReason.SEEN_CLEAR))

    async def is_said_to_be(self, state: str) -> None:
        async with self.stage.database.transaction() as conn:
            values = {"state": state, "state_since": self.clock.at}
            await conn.execute(update(nodes).where(nodes.c.node_id == "edge-01").values(**values))


@pytest.fixture
def node(stage: Stage, clock: HandClock) -> Node:
    return Node(stage, clock)


async def _look(stage: Stage) -> None:
    """What the worker does every second."""
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await releasing.let_go(change)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await releasing.settle(change)


async def _by_place(stage: Stage) -> dict[str, dict[str, Any]]:
    return {row["place_key"]: row for row in await stage.rows(incidents)}


async def test_the_third_camera_tells_that_it_is_the_node_and_the_others_come_along(stage: Stage, node: Node) -> None:
    await node.loses(*OF_NODE)
    found = await _by_place(stage)
    together = found.pop("~node:edge-01")
    assert (together["alert_count"], together["camera_count"], together["state"]) == (3, 3, "open")
    assert (together["area_code"], together["owner_level"]) == ("370102", "county")
    assert set(found) == {"lane-east", "far-gate"}
    for emptied in found.values():
        assert (emptied["state"], emptied["close_reason"], emptied["alert_count"]) == ("closed", "ended_by_itself", 0)
    running = [row for row in await stage.rows(clocks) if row["stopped_at"] is None]
    assert [row["incident_id"] for row in running] == [together["incident_id"]], "one question"
    assert {row["why_folded"]["code"] for row in await stage.rows(alerts)} == {"node_down"}
    left = [row for row in await stage.rows(incident_timeline) if row["kind"] == "alerts_left"]
    assert {row["params"]["number"] for row in left} == {together["number"]}


async def test_a_node_that_fails_in_one_batch_opens_nothing_for_its_cameras(stage: Stage, node: Node) -> None:
    await node.loses_in_one_batch(*OF_NODE, "lane-west")
    together = await stage.one_incident()
    assert (together["place_key"], together["alert_count"]) == ("~node:edge-01", 4)


async def test_two_cameras_or_two_at_different_times_stand_for_themselves(
    stage: Stage, clock: HandClock, node: Node
) -> None:
    await node.loses(*OF_NODE[:2])
    clock.forward(61)
    await node.loses(OF_NODE[2])
    assert set(await _by_place(stage)) == set(OF_NODE)


async def test_a_camera_that_follows_later_and_one_that_flaps_join_the_node(
    stage: Stage, clock: HandClock, node: Node
) -> None:
    await node.loses(*OF_NODE)
    clock.forward(200)
    await node.loses("lane-west")
    await node.gets_back(*OF_NODE, "lane-west")
    clock.forward(600)
    await _look(stage)
    await node.loses(*OF_NODE)
    opened = [row for row in await stage.rows(incident_timeline) if row["kind"] == "opened"]
    assert len(opened) == 3, "two of cameras that failed first, one of the node"
    assert (await _by_place(stage))["~node:edge-01"]["alert_count"] == 7


async def test_what_is_still_offline_when_the_node_is_back_gets_its_own(
    stage: Stage, clock: HandClock, node: Node
) -> None:
    await node.loses_in_one_batch(*OF_NODE)
    clock.forward(5_000)
    await _look(stage)
    assert set(await _by_place(stage)) == {"~node:edge-01"}, "however long"
    await node.gets_back("lane-east", "far-gate")
    clock.forward(179)
    await _look(stage)
    assert set(await _by_place(stage)) == {"~node:edge-01"}
    clock.forward(1)
    await _look(stage)
    found = await _by_place(stage)
    assert (found["other-gate"]["state"], found["other-gate"]["alert_count"]) == ("open", 1)
    assert found["~node:edge-01"]["alert_count"] == 2
    (own,) = [row for row in await stage.rows(alerts) if row["incident_id"] == found["other-gate"]["incident_id"]]
    assert own["why_folded"]["code"] == "still_offline"


async def test_a_camera_of_a_node_that_is_away_waits_for_its_node(stage: Stage, clock: HandClock, node: Node) -> None:
    await node.loses("lane-east")
    await node.is_said_to_be("lost")
    await node.loses("far-gate")
    found = await _by_place(stage)
    assert found["lane-east"]["state"] == "closed", "what failed a moment before is not a question of its own"
    assert (found["~node:edge-01"]["alert_count"], set(found)) == (2, {"lane-east", "~node:edge-01"})
    assert {row["why_folded"]["code"] for row in await stage.rows(alerts)} == {"node_away"}
    clock.forward(3_600)
    await node.is_said_to_be("online")
    await node.gets_back("lane-east")
    clock.forward(179)
    await _look(stage)
    assert "far-gate" not in await _by_place(stage)
    clock.forward(1)
    await _look(stage)
    assert (await _by_place(stage))["far-gate"]["state"] == "open"


async def test_only_a_camera_that_is_offline_is_its_nodes(stage: Stage, node: Node) -> None:
    await node.loses(*OF_NODE, code="camera_covered")
    assert set(await _by_place(stage)) == set(OF_NODE)


async def test_a_case_that_somebody_has_judged_keeps_its_alerts(stage: Stage, node: Node) -> None:
    await node.loses("lane-east")
    own = await stage.one_incident()
    await stage.judge(MAYOR, own["incident_id"], "dispatch", own["version"])
    await node.loses("far-gate", "other-gate")
    found = await _by_place(stage)
    assert (found["lane-east"]["state"], found["lane-east"]["alert_count"]) == ("dispatched", 1)
    assert found["~node:edge-01"]["alert_count"] == 2, "it counts all the same"
    assert await stage.count(tasks) == 1


async def test_a_camera_that_a_person_has_split_off_is_not_taken_back(stage: Stage, node: Node) -> None:
    await node.loses_in_one_batch(*OF_NODE)
    together = await stage.one_incident()
    ids = {row["camera_id"]: row["alert_id"] for row in await stage.rows(alerts)}
    asked = Split(together["version"], (ids["lane-east"],), reason_code="another_thing")
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await split_incident(change, MAYOR, together["incident_id"], asked)
    await node.loses("lane-west")
    found = await _by_place(stage)
    assert (found["~node:edge-01"]["alert_count"], found["~node:edge-01"]["camera_count"]) == (3, 3)
    assert (found["lane-east"]["state"], found["lane-east"]["alert_count"]) == ("open", 1)


async def test_whoever_repairs_the_node_has_all_its_cameras(stage: Stage, clock: HandClock, node: Node) -> None:
    await node.loses_in_one_batch(*OF_NODE)
    together = await stage.one_incident()
    await stage.judge(MAYOR, together["incident_id"], "dispatch", together["version"])
    await stage.work_on(MAYOR, "take")
    await node.loses("lane-west")
    assert (await stage.one_incident())["alert_count"] == 4
    await stage.work_on(MAYOR, "handled", note="switch replaced")
    clock.forward(30)
    await node.gets_back(*OF_NODE)
    assert (await stage.one_incident())["state"] == "handled", "one camera is still away"
    await node.gets_back("lane-west")
    assert (await stage.one_incident())["close_reason"] == "verified"


async def test_batches_that_meet_see_all_cameras_of_the_node(stage: Stage, node: Node) -> None:
    """Each alone sees too few."""
    await asyncio.gather(*(node.loses_in_one_batch(camera_id) for camera_id in OF_NODE))
    open_ones = [row for row in await stage.rows(incidents) if row["state"] == "open"]
    assert [(row["place_key"], row["alert_count"]) for row in open_ones] == [("~node:edge-01", 3)]


async def test_without_the_rule_every_camera_stands_for_itself(database: Database, clock: HandClock) -> None:
    stage = await build(database, clock, policies={**POLICIES, "folding": {"camera_fault": {"node_cameras": 0}}})
    await Node(stage, clock).loses(*OF_NODE)
    assert set(await _by_place(stage)) == set(OF_NODE)
