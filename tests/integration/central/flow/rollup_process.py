"""A process that rolls up, to be killed: marks all days anew and computes them, over and over."""

from __future__ import annotations

import asyncio
import sys
from datetime import date

from xueliang_alerts.clocks import system_wall
from xueliang_central.reports import rolling
from xueliang_central.store.database import Database


async def main(url: str, first: date, last: date) -> None:
    database = await Database.open(url, wait_s=20)
    print("ready", flush=True)
    while True:
        async with database.transaction() as conn:
            await rolling.mark(conn)
        async with database.transaction() as conn:
            if not await rolling.compute(conn, system_wall()):
                await rolling.mark_days(conn, first, last)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3])))
