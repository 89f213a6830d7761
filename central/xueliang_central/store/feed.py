"""Events to many listeners: one reader of the table per process, one bounded queue per listener.

The reader wakes after each commit of this process, and when PostgreSQL says that another has written events (see
`hearing`); else it asks every `POLL_S`, or fifty times a second while somebody listens and nothing is heard. Each event
is put into the queues of those alone whose subtree it lies in: with five hundred streams over a city that is one in
thirty. A listener whose queue is full is ended: its client comes back with its last id and reads on from the table.
While nobody listens, as in a process that only ingests, no event is read: only where the stream ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from xueliang_alerts.clocks import Mono, system_mono
from xueliang_central.errors import DatabaseUnavailable, StoreError
from xueliang_central.rights.scope import Actor
from xueliang_central.store.database import Database
from xueliang_central.store.events import Event, latest_id, read_after
from xueliang_central.store.hearing import Hearing
from xueliang_central.store.pacing import Pacing, Told

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
POLL_SHARED_S: Final = 0.02  # a question of half a millisecond; half of it is what an alert waits on the mean
APART_S: Final = 0.005  # between two questions, however much is heard
PAGE: Final = 200  # events read at once; between two pages the listeners have their turn
QUEUE_LIMIT: Final = 5 * PAGE  # a page and what has waited must fit: one commit tells of hundreds of cameras
START_WITHIN_S: Final = 5.0


class Listener:
    """One open stream. `actor`: whose subtrees it hears of; what else it may hear is judged by who reads it.

    Attributes:
        began_after: id of the last event that was handed out before it came.
    """

    def __init__(self, actor: Actor, began_after: int) -> None:
        self.actor = actor
        self.began_after = began_after
        self._queue: asyncio.Queue[Told | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self.overflowed = False
        self.ended = False

    async def next(self) -> list[Told]:
        """Waits for the next event; with it comes what else is there. Empty: this stream is over (`ended` is set)."""
        found = [await self._queue.get()]
        while not self._queue.empty():
            found.append(self._queue.get_nowait())
        self.ended = found[-1] is None
        return [one for one in found if one is not None]

    def offer(self, told: Told) -> None:
        """Hand on one event; a listener that has fallen QUEUE_LIMIT behind is ended after those it has."""
        if self._queue.qsize() >= QUEUE_LIMIT:
            self.overflowed = True
            self.end()
        else:
            self._queue.put_nowait(told)

    def end(self) -> None:
        """Nothing more will come. The last place of the queue is kept for this."""
        if not self._queue.full():
            self._queue.put_nowait(None)


class Audience:
    """Who listens, by the roots of their subtrees and by who they are."""

    def __init__(self) -> None:
        self.all: set[Listener] = set()
        self._by_root: defaultdict[str, set[Listener]] = defaultdict(set)
        self._by_user: defaultdict[str, set[Listener]] = defaultdict(set)

    def add(self, listener: Listener) -> None:
        self.all.add(listener)
        self._by_user[listener.actor.user_id].add(listener)
        for root in listener.actor.roots:
            self._by_root[root].add(listener)

    def discard(self, listener: Listener) -> None:
        self.all.discard(listener)
        _remove(self._by_user, listener.actor.user_id, listener)
        for root in listener.actor.roots:
            _remove(self._by_root, root, listener)

    def of(self, event: Event) -> Iterable[Listener]:
        """Those for whom `event.is_for` holds, each once. May be changed while it is gone through."""
        if event.for_user is not None:
            return tuple(self._by_user.get(event.for_user, ()))
        steps = event.area_path.split("/") if event.area_path else []
        roots = ("/".join(steps[: count + 1]) for count in range(len(steps)))
        return tuple(set[Listener]().union(*(self._by_root.get(root, ()) for root in roots)))


def _remove(index: defaultdict[str, set[Listener]], key: str, listener: Listener) -> None:
    index[key].discard(listener)
    if not index[key]:
        del index[key]


class EventFeed:
    """Runs between `start()` and `stop()`; both belong to the application."""

    def __init__(self, database: Database, mono: Mono = system_mono) -> None:
        self._database = database
        self._mono = mono
        self._audience = Audience()
        self._pacing = Pacing()
        self._wake = asyncio.Event()
        self._hearing = Hearing(database, self._after_commit)
        self._asked_mono_s = system_mono() - POLL_S  # of this machine, whatever the centre's clock is
        self._position: int | None = None  # the last event read; None: where the stream ends is not known yet
        self._has_position = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.dropped_listeners = 0
        self.told = 0
        database.on_commit(self._after_commit)

    @property
    def listeners(self) -> int:
        return len(self._audience.all)

    @property
    def replaced(self) -> int:
        """Events that were never told because a newer one of the same thing came within the second."""
        return self._pacing.replaced

    def _after_commit(self) -> None:
        if self._audience.all:
            self._wake.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="event feed")

    async def stop(self) -> None:
        await self._hearing.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def end_streams(self) -> None:
        """End every open stream: the program is stopping, and their clients will come back with their last id."""
        for listener in tuple(self._audience.all):
            listener.end()

    @asynccontextmanager
    async def listen(self, actor: Actor) -> AsyncIterator[Listener]:
        """From now on every event that lies in the actor's subtrees comes to the listener's queue.

        What was read before, up to `began_after`, is in the table.

        Raises:
            DatabaseUnavailable: the feed has not come to know where the stream ends; what happens now would be missed.
        """
        try:
            async with asyncio.timeout(START_WITHIN_S):
                await self._has_position.wait()
        except TimeoutError as error:
            raise DatabaseUnavailable("the event stream has not begun yet") from error
        assert self._position is not None
        listener = Listener(actor, self._position)
        self._audience.add(listener)
        self._hearing.start()
        self._wake.set()
        try:
            yield listener
        finally:
            self._audience.discard(listener)

    def change(self, listener: Listener, actor: Actor) -> None:
        """The listener is somebody with other rights from now on."""
        if listener in self._audience.all:
            self._audience.discard(listener)
            listener.actor = actor
            self._audience.add(listener)

    async def _run(self) -> None:
        self._wake.set()
        while True:
            must_ask = await self._woken()
            for told in self._pacing.due(self._mono()):
                self._tell(told)
            if not must_ask:
                continue
            self._wake.clear()
            self._asked_mono_s = system_mono()
            try:
                await self._hand_out()
            except StoreError as error:
                log.warning("events cannot be read", extra={"reason": error.code})
                await asyncio.sleep(POLL_S)

    async def _woken(self) -> bool:
        """Is the table to be asked? False: what was held back is due."""
        ask_in_s = self._asked_mono_s + self._poll_s - system_mono()
        due_mono_s = self._pacing.next_due_s()
        due_in_s = ask_in_s if due_mono_s is None else due_mono_s - self._mono()
        try:
            async with asyncio.timeout(min(ask_in_s, due_in_s)):
                await self._wake.wait()
        except TimeoutError:
            return ask_in_s <= due_in_s
        await asyncio.sleep(self._asked_mono_s + APART_S - system_mono())
        return True

    @property
    def _poll_s(self) -> float:
        is_shared = self._audience.all and self._database.dialect == "postgresql"
        return POLL_SHARED_S if is_shared and not self._hearing.is_on else POLL_S

    async def _hand_out(self) -> None:
        async with self._database.reading() as conn:
            if self._position is None:
                self._position = await latest_id(conn)
                self._has_position.set()
            if not self._audience.all:
                latest = await latest_id(conn)
                if not self._audience.all:  # whoever came meanwhile begins where the feed had read to
                    self._position = latest
                    return
            found = await read_after(conn, self._position, limit=PAGE)
        for event in found:
            self._position = event.event_id
            if (now := self._pacing.take(event, self._mono())) is not None:
                self._tell(now)
        if len(found) == PAGE:
            self._wake.set()

    def _tell(self, told: Told) -> None:
        for listener in self._audience.of(told.event):
            self.told += 1
            listener.offer(told)
            if listener.overflowed:
                self._audience.discard(listener)
                self.dropped_listeners += 1
