"""Told by PostgreSQL that another process has written events, in place of asking for them fifty times a second.

Whoever writes events notifies `CHANNEL` in the same transaction; PostgreSQL says so to every connection that listens
once it is committed. Nothing rests on it: what is not heard is found by asking. A listening connection that has died,
or one behind a pooler that hands it to others, hears nothing and says nothing of it, so this one says something to
itself every `PROVE_S` and believes that it hears only while it hears that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy import text

from xueliang_central.errors import StoreError
from xueliang_central.store.database import Database
from xueliang_central.store.events import CHANNEL

log = logging.getLogger(__name__)

PROVE_S: Final = 10.0
HEARD_WITHIN_S: Final = 1.0
AGAIN_S: Final = 2.0
LONGEST_AGAIN_S: Final = 300.0  # behind a pooler that passes nothing on it is tried in vain for ever


class Hearing:
    """One connection that listens, from `start()` to `stop()`.

    Attributes:
        is_on: it was heard lately that this hears.
    """

    def __init__(self, database: Database, heard: Callable[[], None]) -> None:
        """`heard` is called in the event loop, also for what this says to itself."""
        self._database = database
        self._heard = heard
        self._anything = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_on = False

    def start(self) -> None:
        """Nothing on a database that only this process writes to, or when it is started already."""
        if self._task is None and self._database.dialect == "postgresql":
            self._task = asyncio.create_task(self._run(), name="hearing of events")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _hear(self) -> None:
        self._anything.set()
        self._heard()

    async def _run(self) -> None:
        pause_s = AGAIN_S
        while True:
            try:
                await self._listen()
            except (StoreError, OSError) as error:
                log.info("events are not heard, they are asked for", extra={"why": type(error).__name__})
            except Exception:
                log.exception("events are not heard, they are asked for")
            pause_s = AGAIN_S if self.is_on else min(LONGEST_AGAIN_S, 2 * pause_s)
            self.is_on = False
            await asyncio.sleep(pause_s)

    async def _listen(self) -> None:
        """Until nothing is heard any more."""
        async with self._database.listening(CHANNEL, self._hear) as conn:
            while True:
                self._anything.clear()
                await conn.execute(text("select pg_notify(:channel, '')"), {"channel": CHANNEL})
                await conn.commit()
                try:
                    async with asyncio.timeout(HEARD_WITHIN_S):
                        await self._anything.wait()
                except TimeoutError:
                    log.info("events are not heard, they are asked for", extra={"why": "own word not heard"})
                    return
                self.is_on = True
                await asyncio.sleep(PROVE_S)
