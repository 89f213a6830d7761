"""Records that will not come, and cloned nodes, are told: an event, a count, the fleet page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.central.flow.stage import LI, NOON, POLICIES, SPOOL, Stage, raised, received
from tests.integration.central.flow.test_http import Door
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Gap, NodeState, NodeStatus, to_bytes
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_central.app import create_app
from xueliang_central.centre import Settings
from xueliang_central.ingest.admission import Received
from xueliang_central.running import centre_on
from xueliang_central.store.tables import events
from xueliang_configs.policies import PolicyTable


@pytest.fixture
async def door(stage: Stage, tmp_path: Path) -> Door:
    policies = PolicyTable.model_validate(POLICIES)
    centre = centre_on(stage.database, Settings(tmp_path), policies, wall=stage.clock, mono=system_mono)
    await centre.areas.refresh(stage.database)
    await centre.health.ask()
    return Door(stage, create_app(centre))


def status(*, empty_for_s: float, last_sequence: int, state: NodeState = NodeState.ONLINE) -> Received:
    said = NodeStatus(
        node_id="edge-01",
        state=state,
        boot_id=SPOOL,
        spool_id=SPOOL,
        at=NOON + timedelta(hours=1),
        last_sequence=last_sequence,
        backlog_empty_since=NOON + timedelta(hours=1, seconds=-empty_for_s),
    )
    return Received(node_topic("edge-01", Leaf.STATUS), to_bytes(said), NOON)


async def shown(door: Door) -> dict[str, Any]:
    async with door.client(LI) as client:
        nodes: list[dict[str, Any]] = (await client.get("/api/fleet")).json()["nodes"]
    return next(node for node in nodes if node["node_id"] == "edge-01")


async def told(stage: Stage) -> list[tuple[str, int]]:
    bodies = [row["body"]["node"] for row in await stage.rows(events) if row["kind"] == "node"]
    return [(body["problem"], body["records"]) for body in bodies if body.get("problem") == "data_missing"]


async def test_nothing_is_missing_at_first(stage: Stage, door: Door) -> None:
    await stage.take(raised(1))
    node = await shown(door)
    assert (node["data_missing"], node["cloned_at"]) == ({"records": 0, "found_at": None}, None)


async def test_a_declared_gap_is_told_counted_and_shown(stage: Stage, door: Door) -> None:
    await stage.take(raised(1))
    gap = received(Gap(first_sequence=1, last_sequence=4, why="cap"), 5)
    outcome = await stage.take(gap)
    assert outcome.counts["data_missing"] == 3, "1 had arrived"
    assert await told(stage) == [("data_missing", 3)]
    assert (await shown(door))["data_missing"] == {"records": 3, "found_at": "2026-11-23T04:00:00Z"}
    await stage.take(gap)
    assert len(await told(stage)) == 1, "a repetition tells nothing new"


async def test_what_arrives_after_all_counts_no_longer(stage: Stage, door: Door) -> None:
    await stage.take(received(Gap(first_sequence=1, last_sequence=2, why="cap"), 3))
    await stage.take(raised(2))
    assert (await shown(door))["data_missing"]["records"] == 1
    assert len(await told(stage)) == 1


async def test_a_hole_open_ten_minutes_after_the_backlog_was_empty_is_missing(stage: Stage, door: Door) -> None:
    await stage.take(raised(1), raised(4, camera_id="far-gate"))
    await stage.take(status(empty_for_s=599, last_sequence=5))
    assert (await shown(door))["data_missing"]["records"] == 0
    await stage.take(status(empty_for_s=600, last_sequence=5))
    assert (await shown(door))["data_missing"]["records"] == 3
    await stage.take(status(empty_for_s=630, last_sequence=5))
    assert await told(stage) == [("data_missing", 3)], "told once"
    outcome = await stage.take(raised(2, camera_id="other-gate"))
    assert outcome.receipts[0].spools[0].contiguous_through == 2, "3 and 5 stay open: they were not declared"
    assert (await shown(door))["data_missing"]["records"] == 2


async def test_what_came_after_the_status_was_said_is_not_missing(stage: Stage, door: Door) -> None:
    """The broker repeats a retained status that is older than the records around it."""
    await stage.take(raised(1), raised(3, camera_id="far-gate"))
    await stage.take(status(empty_for_s=900, last_sequence=1))
    assert (await shown(door))["data_missing"]["records"] == 0


async def test_a_last_will_says_nothing_of_the_backlog(stage: Stage, door: Door) -> None:
    await stage.take(raised(2))
    await stage.take(status(empty_for_s=900, last_sequence=2, state=NodeState.LOST))
    assert (await shown(door))["data_missing"]["records"] == 0


async def test_a_cloned_node_is_shown(stage: Stage, door: Door) -> None:
    await stage.take(raised(1))
    await stage.take(raised(1, severity=1))
    assert (await shown(door))["cloned_at"] == "2026-11-23T04:00:00Z"
