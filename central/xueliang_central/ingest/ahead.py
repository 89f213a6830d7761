"""Fresh alerts past a backlog.

A broker hands out a queue in its order: what comes now stands behind hours of what waited, and is reached when all of
that is read. So while a backlog is read another connection, one without a queue, brings what comes now as it comes.

Nothing rests on it. It is asked for without acknowledgements (QoS 0), and all that it brings comes by the queue as
well, where the ledger knows it by then. Only fresh alerts are taken from it: a gap record must not overtake what its
node sent before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
from collections.abc import Callable, Collection
from datetime import datetime

from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.topics import Leaf, shard_filter
from xueliang_alerts.transport import Inbox, Incoming
from xueliang_central.ingest.arrivals import Line, arrival_of

log = logging.getLogger(__name__)


class FreshOnly:
    """An `Inbox` that hands on fresh alerts and lets everything else go. What finds no room comes by the queue."""

    def __init__(self, inbox: Inbox, wall: Callable[[], datetime]) -> None:
        self._inbox, self._wall = inbox, wall

    def put_nowait(self, item: Incoming, /) -> None:
        arrival = arrival_of(item.topic, item.payload, self._wall())
        if arrival.line is Line.PROMPT and arrival.key is not None:
            with contextlib.suppress(queue.Full):
                self._inbox.put_nowait(item)


class Ahead:
    """The connection that brings them. All in the event loop; `close` before the loop ends."""

    def __init__(self, make: Callable[[], MqttLink]) -> None:
        """`make`: a link with a clean session and QoS 0 that fills a `FreshOnly`."""
        self._make = make
        self._shards: frozenset[str] = frozenset()
        self._link: MqttLink | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._is_over = False

    @property
    def is_on(self) -> bool:
        return self._link is not None

    def serve(self, shards: Collection[str]) -> None:
        """These shards are this process's now."""
        wanted = frozenset(shards)
        if self._link is not None:
            for shard in sorted(wanted - self._shards):
                self._link.subscribe(shard_filter(shard, Leaf.ALERTS))
            for shard in sorted(self._shards - wanted):
                self._link.unsubscribe(shard_filter(shard, Leaf.ALERTS))
        self._shards = wanted

    def follow(self, is_read: bool) -> None:
        """A backlog is read from now on, or no more. After `close` nothing: a thread may still tell of one."""
        if is_read and self._link is None and not self._is_over:
            log.info("fresh alerts come past the backlog")
            self._link = self._make()
            for shard in sorted(self._shards):
                self._link.subscribe(shard_filter(shard, Leaf.ALERTS))
            self._link.connect()
        elif not is_read and self._link is not None:
            log.info("fresh alerts come by the queue again")
            closing = asyncio.create_task(asyncio.to_thread(self._link.close))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._link = None

    async def close(self) -> None:
        self._is_over = True
        self.follow(False)
        await asyncio.gather(*self._closing, return_exceptions=True)
