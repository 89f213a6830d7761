"""Events to many listeners: one reader of the table per process, one bounded queue per listener.

The reader wakes after each commit of this process, and every `POLL_S` for those of others. A listener whose queue is
full is ended: its client comes back with its last id and reads on from the table. While nobody listens, as in a process
that only ingests, no event is read: only where the stream ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from xueliang_central.errors import DatabaseUnavailable, StoreError
from xueliang_central.store.database import Database
from xueliang_central.store.events import READ_LIMIT, Event, latest_id, read_after

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
QUEUE_LIMIT: Final = 256
START_WITHIN_S: Final = 5.0


class Listener:
    """One open stream. What comes is unfiltered: scope is judged by who reads it, at the time of reading."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self.overflowed = False
        self.ended = False

    async def next(self) -> Event | None:
        """Waits for the next event. None: this stream is over (`ended` is set)."""
        event = await self._queue.get()
        if event is None:
            self.ended = True
        return event

    def offer(self, event: Event) -> None:
        """Hand on one event; a listener that has fallen QUEUE_LIMIT behind is ended after those it has."""
        if self._queue.qsize() >= QUEUE_LIMIT:
            self.overflowed = True
            self.end()
        else:
            self._queue.put_nowait(event)

    def end(self) -> None:
        """Nothing more will come. The last place of the queue is kept for this."""
        if not self._queue.full():
            self._queue.put_nowait(None)


class EventFeed:
    """Runs between `start()` and `stop()`; both belong to the application."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: set[Listener] = set()
        self._wake = asyncio.Event()
        self._position: int | None = None  # the last event handed out; None: where the stream ends is not known yet
        self._has_position = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.dropped_listeners = 0
        database.on_commit(self._after_commit)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def _after_commit(self) -> None:
        if self._listeners:
            self._wake.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="event feed")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def end_streams(self) -> None:
        """End every open stream: the program is stopping, and their clients will come back with their last id."""
        for listener in tuple(self._listeners):
            listener.end()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        """From now on every event comes to the listener's queue. Read the table up to now *after* entering.

        Raises:
            DatabaseUnavailable: the feed has not come to know where the stream ends; what happens now would be missed.
        """
        try:
            async with asyncio.timeout(START_WITHIN_S):
                await self._has_position.wait()
        except TimeoutError as error:
            raise DatabaseUnavailable("the event stream has not begun yet") from error
        listener = Listener()
        self._listeners.add(listener)
        self._wake.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _run(self) -> None:
        self._wake.set()
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._hand_out()
            except StoreError as error:
                log.warning("events cannot be read", extra={"reason": error.code})
                await asyncio.sleep(POLL_S)

    async def _hand_out(self) -> None:
        async with self._database.reading() as conn:
            if self._position is None:
                self._position = await latest_id(conn)
                self._has_position.set()
            if not self._listeners:
                latest = await latest_id(conn)
                if not self._listeners:  # whoever came meanwhile has read the table up to an earlier event, perhaps
                    self._position = latest
                    return
            found = await read_after(conn, self._position)
        for event in found:
            self._position = event.event_id
            for listener in tuple(self._listeners):
                listener.offer(event)
                if listener.overflowed:
                    self._listeners.discard(listener)
                    self.dropped_listeners += 1
        if len(found) == READ_LIMIT:
            self._wake.set()
