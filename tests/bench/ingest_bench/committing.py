"""What a batch costs by itself: no broker, no nodes, batches of 200 one after the other into PostgreSQL."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.bench.edge_bench.accounting import cpu_seconds
from tests.bench.ingest_bench.city import NODES, node_id_of
from tests.bench.ingest_bench.episodes import episodes, message, status
from tests.bench.ingest_bench.phases import Story
from tests.bench.ingest_bench.system import System
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_central.areas.tree import AreaBook
from xueliang_central.dispatch.publishing import changing
from xueliang_central.incidents.change import Rulebook
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.batches import MAX_BATCH
from xueliang_central.ingest.committing import commit_batch
from xueliang_central.store.database import Database

WARM: Final = 10  # batches: an episode's update comes after four, its end after eight

STATUS_NODES: Final = 2 * MAX_BATCH  # those that say it again and again: the first time is dearer


@dataclass(frozen=True, slots=True)
class BatchCosts:
    """CPU seconds per 1,000 messages, of this process (the ingest's part) and of PostgreSQL."""

    ingest: float
    postgres: float


def cost_of_batches(system: System, batches: int) -> tuple[BatchCosts, BatchCosts]:
    """Of alerts, a third of each phase; of statuses."""
    return asyncio.run(_measured(system, batches))


async def _measured(system: System, batches: int) -> tuple[BatchCosts, BatchCosts]:
    database = await Database.open(system.database_url, wait_s=60)
    try:
        areas = AreaBook()
        await areas.refresh(database)
        rulebook = Rulebook.of(areas, system.policies())
        alerts = _alerts()
        await _take(database, rulebook, alerts, WARM)
        found = await _cost(system, database, rulebook, alerts, batches)
        said = _statuses()
        await _take(database, rulebook, said, STATUS_NODES // MAX_BATCH)
        return found, await _cost(system, database, rulebook, said, max(2, batches // 8))
    finally:
        await database.close()


async def _cost(
    system: System, database: Database, rulebook: Rulebook, messages: Iterator[Received], batches: int
) -> BatchCosts:
    own, server = time.process_time(), cpu_seconds([system.postgres.pid])
    making = await _take(database, rulebook, messages, batches)
    per_1000 = 1000 / (batches * MAX_BATCH)
    spent = time.process_time() - own - making
    return BatchCosts(spent * per_1000, (cpu_seconds([system.postgres.pid]) - server) * per_1000)


async def _take(database: Database, rulebook: Rulebook, messages: Iterator[Received], batches: int) -> float:
    """Commit so many batches; the CPU seconds that it took to make them."""
    making = 0.0
    for _ in range(batches):
        before = time.process_time()
        batch = [next(messages) for _ in range(MAX_BATCH)]
        making += time.process_time() - before
        async with changing(database, rulebook, system_wall) as change:
            await commit_batch(change, batch)
    return making


def _alerts() -> Iterator[Received]:
    """A story in which a batch is one second."""
    story = Story(episodes(random.Random(1), datetime.now(UTC)))
    last = [0] * NODES
    number = 0
    while True:
        episode, phase = story.next(number / MAX_BATCH, datetime.now(UTC) - timedelta(seconds=60))
        number += 1
        last[episode.node] += 1
        now = datetime.now(UTC)
        payload = message(episode, phase, last[episode.node], now)
        yield Received(node_topic(node_id_of(episode.node), Leaf.ALERTS), payload, now)


def _statuses() -> Iterator[Received]:
    number = 0
    while True:
        node, now = number % STATUS_NODES, datetime.now(UTC)
        number += 1
        yield Received(node_topic(node_id_of(node), Leaf.STATUS), status(node, 7, 0, now), now)
