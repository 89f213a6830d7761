"""From a click to a node and back: the API, ingest and sender of a centre, a real broker, a real node with a camera."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.edge.scenes import CAMERA_PASSWORD, LANE, NODE_ID, LaneScene, lane_camera, write_settings
from tests.support import city
from tests.support.brokers import TestBroker, running_broker
from tests.support.centres import TestCentre, camera
from tests.support.node_process import NodeProcess, node_process
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.topics import shard_of
from xueliang_central.camera_rules.sending import RulesSender, make_key
from xueliang_central.incidents.change import Rulebook
from xueliang_central.ingest.batches import Ingest
from xueliang_central.ingest.links import ask_for
from xueliang_central.ingest.waiting import Waiting
from xueliang_central.rights.scope import Role
from xueliang_central.worker import Worker
from xueliang_streams.rtsp_server import RtspServer

pytestmark = [pytest.mark.fixtures, pytest.mark.slow, pytest.mark.timeout(300)]

CORNER = [[0.9, 0.9], [1.0, 0.9], [1.0, 1.0]]
"""Nothing ever stands there."""
RULES = "/api/cameras/lane-east/rules"


@pytest.fixture
def scene(tmp_path: Path) -> LaneScene:
    return LaneScene(tmp_path)


@pytest.fixture
def server(scene: LaneScene) -> Iterator[RtspServer]:
    with RtspServer({"lane": scene.mount}, wall=system_wall, login=("user", CAMERA_PASSWORD)) as one:
        yield one


@dataclass
class Desk:
    """A rule operator and a supervisor at a centre that ingests and sends."""

    ruler: httpx.AsyncClient
    chief: httpx.AsyncClient
    took_s: list[float] = field(default_factory=list)

    async def rules(self) -> dict[str, Any]:
        answer = await self.ruler.get(RULES)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until(self, condition: Callable[[dict[str, Any]], object], what: str, timeout_s: float = 60) -> Any:
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            body = await self.rules()
            if condition(body):
                return body
            await asyncio.sleep(0.05)
        pytest.fail(f"waited {timeout_s:g} s in vain for: {what}; {json.dumps(body, ensure_ascii=False)[:1500]}")

    async def propose(self, *rules: dict[str, Any]) -> dict[str, Any]:
        newest = (await self.rules())["newest_version"]
        value = {"settings": {"rules": list(rules)}, "why": "vans unload here", "based_on": newest}
        answer = await self.ruler.post(f"{RULES}/versions", json=value)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def in_force(self, version: int) -> Any:
        begun = time.monotonic()
        body = await self.until(
            lambda one: one["state"] == "in_force" and one["desired"]["version"] == version,
            f"version {version} is in force",
        )
        self.took_s.append(time.monotonic() - begun)
        return body


@asynccontextmanager
async def desk(centre: TestCentre, broker: TestBroker, key_path: Path) -> AsyncIterator[Desk]:
    """The clock runs; ingest and sender work as in a running centre."""
    object.__setattr__(centre.centre, "wall", system_wall)
    object.__setattr__(centre.centre, "mono", time.monotonic)
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane-east", city.GRID, node_id=NODE_ID))
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    waiting = Waiting(wall=system_wall, mono=time.monotonic)
    link = broker.centre_link(inbox=waiting)
    rulebook = Rulebook.of(centre.centre.areas, centre.centre.policies)
    ingest = Ingest(link, waiting, centre.database, rulebook, wall=system_wall, mono=time.monotonic)
    ask_for(link, [shard_of(NODE_ID)])
    sender = RulesSender(
        link,
        centre.database,
        key_path,
        may_send=lambda: link.state.is_connected,
        wall=system_wall,
        mono=time.monotonic,
    )
    tasks = [asyncio.create_task(one) for one in (ingest.run(), sender.run())]
    try:
        async with centre.signed_in("ruler") as ruler, centre.signed_in("chief") as chief:
            yield Desk(ruler, chief)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
                agreed = await people.chief.post(f"{RULES}/versions/{mild['version']}/moves", json={"move": "approve"})
                assert agreed.json()["state"] == "desired", agreed.text
                node.start()
                body = await people.in_force(mild["version"])  # it was off: the newest is there when it is back
                assert body["reported"]["by"] == "ruler, chief"
                health = await asyncio.to_thread(node.health)
                assert health["rules"]["cameras"][0]["source"] == "centre"
                print(f"\nfrom the answer to a click until in force: {[round(one, 2) for one in people.took_s]} s")
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
