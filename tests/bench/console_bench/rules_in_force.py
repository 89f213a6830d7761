"""How long rules take from the press of *save*, or of *approve* where two agree, until a real node runs them: API,
ingest and sender of a centre on PostgreSQL, a real broker, a real node that watches one camera. Asked for: 2 s.
"""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path
from typing import Final

from tests.bench.figures import Figures
from tests.integration.edge.scenes import CAMERA_PASSWORD, LANE, LaneScene, lane_camera, write_settings
from tests.support.brokers import running_broker
from tests.support.centres import build_centre
from tests.support.databases import running_postgres
from tests.support.node_process import NodeProcess, node_process
from tests.support.rules_desk import CORNER, NODE_ID, Desk, desk
from xueliang_alerts.clocks import system_wall
from xueliang_central.camera_rules.sending import make_key
from xueliang_central.store.database import Database
from xueliang_streams.rtsp_server import RtspServer

KEYS: Final = ("rules_in_force_p50_s", "rules_in_force_max_s", "rules_sent")


def measure(folder: Path, changes: int, figures: Figures) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scene = LaneScene(folder)
    login = ("user", CAMERA_PASSWORD)
    with running_postgres() as postgres, RtspServer({"lane": scene.mount}, wall=system_wall, login=login) as server:
        postgres.execute("create database rules")
        url = f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:{server.port}/lane"
        took_s = asyncio.run(_took_s(postgres.url("rules"), folder.resolve(), url, changes))
    figures["rules_in_force_p50_s"], figures["rules_in_force_max_s"] = statistics.median(took_s), max(took_s)
    figures["rules_sent"] = len(took_s)


async def _took_s(database_url: str, folder: Path, camera_url: str, changes: int) -> list[float]:
    key_path, site = folder / "signing.key", folder / "node"
    key = make_key(key_path)
    site.mkdir()
    database = await Database.open(database_url, wait_s=20)
    try:
        await database.migrate()
        centre = await build_centre(database, folder / "centre")
        with running_broker("nats", folder, node_ids=[NODE_ID]) as broker:
            cameras = [lane_camera(camera_url, zone=CORNER)]
            path = write_settings(site, cameras, broker_port=broker.port, centre_keys=[key.public.text])
            with node_process(path) as node:
                async with desk(centre, broker, key_path) as people:
                    return await _changed(people, node, changes)
    finally:
        await database.close()


async def _changed(people: Desk, node: NodeProcess, changes: int) -> list[float]:
    node.start()
    first = await people.until(lambda body: body["reported"], "the node says what it runs")
    (rule,) = first["running_settings"]["rules"]
    for number in range(changes):
        severity = {"severity": 4} if number % 4 in (1, 2) else {}  # each second change is of it: two persons
        zone = LANE if number % 2 == 0 else CORNER
        made = await people.propose(rule | severity | {"zone": zone, "version": number + 2})
        if made["state"] == "proposed":
            await people.approve(made["version"])
        await people.in_force(made["version"])
    return people.took_s
