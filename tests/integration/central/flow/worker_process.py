"""A worker in a process of its own, to be killed: fires what is due, then ends."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.integration.central.flow.stage import POLICIES
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_central import worker as work
from xueliang_central.centre import Settings
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable

CLOCKS_AT_ONCE = 20  # so that a few dozen clocks need more than one transaction


async def main(url: str) -> None:
    database = await Database.open(url, wait_s=20)
    table = PolicyTable.model_validate(POLICIES)
    centre = centre_on(database, Settings(Path(tempfile.gettempdir())), table, wall=system_wall, mono=system_mono)
    await centre.areas.refresh(database)
    work.CLOCKS_AT_ONCE = CLOCKS_AT_ONCE  # type: ignore[misc]
    worker = work.Worker(centre)
    while await worker.fire_due():
        pass
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
