"""A process that removes pictures that are due, to be killed."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from xueliang_central.evidence.pictures import PictureStore
from xueliang_central.retention import removing
from xueliang_central.store.database import Database
from xueliang_configs.retention import RetentionConfig


async def main(url: str, root: Path, now: datetime) -> None:
    database = await Database.open(url, wait_s=20)
    store, policy = PictureStore(root), RetentionConfig()
    removing.AT_ONCE, removing.FILES_AT_ONCE = 5, 3  # type: ignore[misc]  # many steps to be killed between
    print("ready", flush=True)
    while True:
        async with database.transaction() as conn:
            removed = await removing.remove(conn, "evidence", policy, now)
        async with database.transaction() as conn:
            unlinked = await removing.unlink_some(conn, store)
        if not removed and not unlinked:
            break
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])))
