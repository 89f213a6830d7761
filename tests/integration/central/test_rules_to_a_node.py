"""From a click to a node and back: the API, ingest and sender of a centre, a real broker, a real node with a camera."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.edge.scenes import CAMERA_PASSWORD, LANE, NODE_ID, LaneScene, lane_camera, write_settings
from tests.support import city
from tests.support.brokers import running_broker
from tests.support.centres import TestCentre
from tests.support.node_process import NodeProcess, node_process
from tests.support.rules_desk import CORNER, RULES, desk
from xueliang_alerts.clocks import system_wall
from xueliang_central.camera_rules.sending import make_key
from xueliang_central.worker import Worker
from xueliang_streams.rtsp_server import RtspServer

pytestmark = [pytest.mark.fixtures, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def scene(tmp_path: Path) -> LaneScene:
    return LaneScene(tmp_path)


@pytest.fixture
def server(scene: LaneScene) -> Iterator[RtspServer]:
    with RtspServer({"lane": scene.mount}, wall=system_wall, login=("user", CAMERA_PASSWORD)) as one:
        yield one


async def raised(node: NodeProcess, count: int) -> None:
    await asyncio.to_thread(
        node.until, lambda health: health["counters"]["alerts"].get("raised", 0) >= count, f"{count} alerts are raised"
    )


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1))


async def test_a_zone_drawn_at_the_centre_is_judged_by_the_node_refused_drifted_and_rolled_back(
    centre: TestCentre, tmp_path: Path, scene: LaneScene, server: RtspServer
) -> None:
    key = make_key(tmp_path / "signing.key")
    site = tmp_path / "node"
    site.mkdir()
    url = f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:{server.port}/lane"
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        path = write_settings(
            site, [lane_camera(url, zone=CORNER)], broker_port=broker.port, centre_keys=[key.public.text]
        )
        with node_process(path) as node:
            async with desk(centre, broker, tmp_path / "signing.key") as people:
                node.start()
                first = await people.until(lambda body: body["reported"], "the node says what it runs")
                assert (first["state"], first["reported"]["source"]) == ("as_node", "file")
                (rule,) = (await people.rules())["running_settings"]["rules"]

                scene.park()
                made = await people.propose(rule | {"zone": LANE, "version": 2})
                assert (made["version"], made["state"]) == (2, "desired")
                body = await people.in_force(2)
                assert body["reported"]["answer"]["outcome"] == "applied"
                assert (body["reported"]["source"], body["reported"]["by"]) == ("centre", "ruler")
                await raised(node, 1)  # nothing stood in the corner: it is judged by the new zone

                await people.propose(rule | {"zone": LANE, "version": 3, "detector": "night"})
                body = await people.until(lambda one: one["state"] == "refused", "the node's refusal")
                (problem,) = body["reported"]["answer"]["problems"]
                assert (problem["where"], 'no detector "night"' in problem["text"]) == ("rules.0", True)
                assert body["running_settings"]["rules"][0]["version"] == 2

                back = await people.ruler.post(f"{RULES}/rollback", json={"version": 1, "based_on": 3})
                assert back.json()["version"] == 4, back.text
                body = await people.in_force(4)
                assert body["running_settings"]["rules"] == [rule]

                edit(path, lambda value: value["cameras"][0]["rules"][0].update(dwell_s=33))
                body = await people.until(lambda one: one["state"] == "drifted", "the change at the node is seen")
                assert (body["reported"]["source"], body["running_settings"]["rules"][0]["dwell_s"]) == ("file", 33)

                node.kill()
                mild = await people.propose(rule | {"severity": 4, "zone": LANE})
                assert mild["state"] == "proposed"
                await people.approve(mild["version"])
                node.start()
                body = await people.in_force(mild["version"])  # it was off: the newest is there when it is back
                assert body["reported"]["by"] == "ruler, chief"
                health = await asyncio.to_thread(node.health)
                assert health["rules"]["cameras"][0]["source"] == "centre"
    told = node.log.read_text() + "".join(one.read_text() for one in (site / "data" / "rules").iterdir())
    assert CAMERA_PASSWORD not in told
    assert key.text not in told


async def test_what_an_area_says_reaches_a_node_as_its_cameras_document_and_a_trial_goes_back(
    centre: TestCentre, tmp_path: Path, server: RtspServer
) -> None:
    key = make_key(tmp_path / "signing.key")
    site = tmp_path / "node"
    site.mkdir()
    url = f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:{server.port}/lane"
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        path = write_settings(
            site, [lane_camera(url, zone=CORNER)], broker_port=broker.port, centre_keys=[key.public.text]
        )
        with node_process(path) as node:
            async with desk(centre, broker, tmp_path / "signing.key") as people:
                node.start()
                await people.until(lambda body: body["reported"], "the node says what it runs")
                (rule,) = (await people.rules())["running_settings"]["rules"]
                worker = Worker(centre.centre)

                async def say(based_on: int, cooldown_s: float, **more: Any) -> None:
                    settings = {rule["hazard"]: {"cooldown_s": cooldown_s}}
                    value = {"settings": settings, "why": "as in the county", "based_on": based_on} | more
                    made = await people.ruler.post(f"/api/rule-defaults/{city.SOUTH}/versions", json=value)
                    assert made.status_code == 201, made.text
                    await worker.spread_levels()

                await say(0, 45.0)
                body = await people.in_force(2)
                (inherited,) = body["running_settings"]["rules"]
                assert inherited == rule | {"cooldown_s": 45.0, "version": rule.get("version", 1) + 1}
                assert body["running_inherited"]["lane"]["cooldown_s"]["code"] == city.SOUTH
                assert body["reported"]["by"] == "ruler"

                await say(1, 15.0, canary={"cameras": ["lane-east"]})
                await people.in_force(3)
                moves = f"/api/rule-defaults/{city.SOUTH}/canaries/2/moves"
                moved = await people.ruler.post(moves, json={"move": "roll_back"})
                assert moved.status_code == 200, moved.text
                await worker.spread_levels()
                body = await people.in_force(4)
                assert body["running_settings"]["rules"][0]["cooldown_s"] == 45.0
