"""An api in a process of its own, over the small city. Arguments: database URL, port of loopback, a folder for data."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn

from tests.integration.central.flow.stage import POLICIES
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_central.app import create_app
from xueliang_central.centre import Settings
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable


async def main(url: str, port: str, folder: str) -> None:
    database = await Database.open(url, wait_s=20)
    table = PolicyTable.model_validate(POLICIES)
    centre = centre_on(database, Settings(Path(folder)), table, wall=system_wall, mono=system_mono)
    await centre.areas.refresh(database)
    await centre.health.ask()
    await uvicorn.Server(uvicorn.Config(create_app(centre), port=int(port), log_level="error")).serve()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
