"""A worker in a process of its own, to be killed while it sends: `URL HTTP_PORT WALL`; its wall clock stands still."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from tests.integration.central.flow.stage import POLICIES
from tests.support.notice_targets import config
from xueliang_alerts.clocks import system_mono
from xueliang_central.centre import Settings
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable

RULES = {"ladders": [{"steps": [{"channel": "wecom", "after_s": 0}]}]}


async def main(url: str, port: str, wall: str) -> None:
    database = await Database.open(url, wait_s=20)
    table = PolicyTable.model_validate({**POLICIES, "notices": RULES})
    channels = config({"wecom": {"kind": "http", "url": f"http://127.0.0.1:{port}/wecom"}}, deadline_s=5)
    settings = Settings(Path(tempfile.gettempdir()), link_origin="https://centre.example", notices=channels)
    at = datetime.fromisoformat(wall)
    worker = Worker(centre_on(database, settings, table, wall=lambda: at, mono=system_mono))
    await worker.climb()
    await worker.sender.look()
    await worker.sender.idle()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
