"""Which of several ingest processes is at work: the one that holds the lease in the database.

Invariants
    - All ingest processes have one client id, by which the broker keeps their queue; two connections under it displace
      each other without end. So only the holder is connected, and a holder that finds its lease gone lets go at once.
    - A holder that dies is followed when its lease has lapsed; one that stops gives it back, and is followed at once.
    - Time is the database's: the machines' clocks may differ by more than a lease lasts.
    - SQLite belongs to one process: there is nothing to ask.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select

from xueliang_central.errors import CentralError, StoreError
from xueliang_central.store.claims import claim, release
from xueliang_central.store.database import Database

log = logging.getLogger(__name__)

LASTS_S: Final = 10.0
RENEW_S: Final = 3.0  # three tries before it lapses
ASK_S: Final = 1.0


class Lease:
    """One process's side of a lease. `name` says what it is for."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._holder = f"{socket.gethostname()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._is_needed = database.dialect != "sqlite"

    async def try_to_take(self) -> bool:
        """Take or extend it. Raises StoreError when the database cannot say."""
        if not self._is_needed:
            return True
        async with self._database.transaction() as conn:
            now = (await conn.execute(select(func.now()))).scalar_one()
            lasts = timedelta(seconds=LASTS_S)
            return await claim(conn, name=self._name, holder=self._holder, at=now, lasts=lasts) is not None

    async def hold(self) -> None:
        """Returns when it is somebody else's. While the database is away nobody else can take it either."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                if not await self.try_to_take():
                    return
            except StoreError as error:
                log.info("lease not renewed", extra={"lease": self._name, "why": str(error)})

    async def give_back(self) -> None:
        """As far as the database is there: else it lapses."""
        if not self._is_needed:
            return
        try:
            async with self._database.transaction() as conn:
                now = (await conn.execute(select(func.now()))).scalar_one()
                await release(conn, name=self._name, holder=self._holder, at=now)
        except CentralError as error:
            log.info("lease not given back", extra={"lease": self._name, "why": str(error)})
