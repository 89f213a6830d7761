"""What it costs a worker to ask every second whether anything is to be dealt to seats, with so many open incidents.

Nothing is new: all of them are dealt first. PostgreSQL is real; the worker's own look runs here, beside a task that
wakes every few milliseconds and says for how long nothing else could run.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from sqlalchemy import text

from tests.bench.centre_bench.stored import Past, make_past
from xueliang_alerts.clocks import Wall
from xueliang_central.areas.tree import AreaBook
from xueliang_central.dispatch import seats
from xueliang_central.dispatch.publishing import changing
from xueliang_central.incidents.change import Rulebook
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable

_WAKES_S: Final = 0.005
_MOST_DEALS: Final = 10_000


@dataclass(slots=True)
class Dealt:
    """`dealt_s`: until all had their seat. `cpu_s`: of this process for one look. `held_s`: for so long nothing else
    could run, at most, in each look; `dealing_held_s`: the same while all of it was dealt."""

    dealt_s: float = 0.0
    dealing_held_s: float = 0.0
    cpu_s: list[float] = field(default_factory=list)
    held_s: list[float] = field(default_factory=list)

    @property
    def cpu_p50_s(self) -> float:
        return float(np.median(self.cpu_s))


async def dealt(database: Database, policies: PolicyTable, wall: Wall, total: int, looks: int) -> Dealt:
    """Open so many incidents in the place of any others, deal them all, then look so often."""
    async with database.transaction() as conn:
        await conn.execute(text("truncate incidents, seat_cases, seat_rows cascade"))
    await make_past(database, Past(0, total, 1), wall())
    areas = AreaBook()
    await areas.refresh(database)
    rulebook = Rulebook.of(areas, policies)
    found = Dealt()
    began_s = time.perf_counter()
    async with _held() as held:
        await _deal_all(database, rulebook, wall)
    found.dealt_s, found.dealing_held_s = time.perf_counter() - began_s, held[0]
    for _ in range(looks):
        async with _held() as held:
            began_s = time.process_time()
            async with database.reading() as conn:
                await seats.is_any_to_deal(conn, rulebook.tree, rulebook.seating, wall())
            found.cpu_s.append(time.process_time() - began_s)
        found.held_s.append(held[0])
    return found


async def _deal_all(database: Database, rulebook: Rulebook, wall: Wall) -> None:
    for _ in range(_MOST_DEALS):
        async with changing(database, rulebook, wall) as change:
            if not await seats.deal(change):
                return
    raise RuntimeError(f"{_MOST_DEALS} times something was dealt, and there was more")


@asynccontextmanager
async def _held() -> AsyncIterator[list[float]]:
    """The longest time, in seconds, between two turns of the event loop within the block, but for the sleep itself."""
    longest = [0.0]

    async def wake() -> None:
        while True:
            before_s = time.perf_counter()
            await asyncio.sleep(_WAKES_S)
            longest[0] = max(longest[0], time.perf_counter() - before_s - _WAKES_S)

    task = asyncio.create_task(wake())
    await asyncio.sleep(0)
    try:
        yield longest
    finally:
        await asyncio.sleep(2 * _WAKES_S)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
