"""What has arrived and is not in a batch yet: kept unacknowledged in memory, so that what matters is taken first.

After an outage fifty thousand alerts lie at the broker, and the fresh ones behind them. All of it is read, and each
batch is chosen: fresh alerts first, then what still stands of the backlog, then what has ended meanwhile. An alert
whose end is here is taken together with it, so it asks nobody.

Invariants
    - Nothing here is acknowledged; a process that dies leaves it to the broker. One exception: a status is acknowledged
      when a newer one of its node takes its place, and the newer one is not.
    - The revisions of one alert are taken in the order in which they came. Alerts overtake each other, also those of
      one node; a gap record overtakes none of its node's.
    - Nothing waits for ever: whatever there is most of, a quarter of each batch is for the others.
    - Bounded in bytes. What finds no room stays with the broker, unacknowledged and counted (`left_at_broker`); it is
      asked for again when three quarters are free. Fresh alerts have some room of their own.
    - A message that waits already (a node repeats what has no receipt) is kept once and acknowledged with the first.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from xueliang_alerts.transport import Incoming
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.arrivals import Line, arrival_of, joined

log = logging.getLogger(__name__)

LIMIT_BYTES: Final = 192 << 20  # about 75,000 alerts; a city's eight hours without a centre are 50,000
ROOM_FOR_FRESH_BYTES: Final = 16 << 20
BOOKKEEPING_BYTES: Final = 1_400  # of each message beside its payload
GATHER_S: Final = 0.02
LOOK_S: Final = 0.1  # how often it is looked whether what stands is due
# A backlog comes by the thousand a second, what a slow line delays one by one.
READING_PER_S: Final = 100
SETTLE_S: Final = 1.0  # so long what stands waits for its end, and while a backlog is read …
LONGEST_S: Final = 60.0  # … so long at most: it may be a hazard that nobody knows of
COPIES_SOUGHT: Final = 64
LONGEST_STORY: Final = 1_000  # messages of one alert in one batch


@dataclass(slots=True)
class Held:
    """A message in hand, and how to tell the broker; of a repeated one, each copy."""

    received: Received
    acknowledgements: list[Callable[[], bool]]

    @property
    def size_bytes(self) -> int:
        return len(self.received.payload) + BOOKKEEPING_BYTES

    def acknowledge(self) -> int:
        """How many copies can no longer be acknowledged: their connection is gone."""
        return sum(not acknowledge() for acknowledge in self.acknowledgements)


@dataclass(slots=True)
class _Entry:
    """What is taken together: the revisions of an alert, or one message of another kind."""

    line: Line
    topic: str
    since_mono_s: float
    held: list[Held] = field(default_factory=list)


class _Pace:
    """Does something come by the hundred a second, in this second or the one before?"""

    def __init__(self) -> None:
        self._second, self._counts = 0, (0, 0)

    def add(self, now_mono_s: float) -> None:
        self._turn(now_mono_s)
        self._counts = (self._counts[0], self._counts[1] + 1)

    def is_high(self, now_mono_s: float) -> bool:
        self._turn(now_mono_s)
        return max(self._counts) >= READING_PER_S

    def _turn(self, now_mono_s: float) -> None:
        passed, self._second = int(now_mono_s) - self._second, int(now_mono_s)
        if passed:
            self._counts = (self._counts[1] if passed == 1 else 0, 0)


class Waiting:
    """An `Inbox` of several links. `put_nowait` from their threads, `take` and `forget` from any."""

    def __init__(
        self, *, wall: Callable[[], datetime], mono: Callable[[], float], limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self._wall, self._mono, self._limit_bytes = wall, mono, limit_bytes
        self._changed = threading.Condition()
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._lines: dict[Line, OrderedDict[tuple[str, str], _Entry]] = {line: OrderedDict() for line in Line}
        self._alerts_of: Counter[str] = Counter()  # entries of alerts, by topic
        self._backlog = _Pace()
        self._number = 0
        self._has_left_some = False
        self._says_room: Callable[[], None] = lambda: None
        self.size_bytes = 0
        self.messages = 0
        self.counts: Counter[str] = Counter()

    def on_room(self, says_room: Callable[[], None]) -> None:
        """Be told when there is room again for what was left with the broker, in the thread that takes."""
        self._says_room = says_room

    # --- coming in ---

    def put_nowait(self, item: Incoming, /) -> None:
        """Raises queue.Full."""
        now = self._wall()
        arrival = arrival_of(item.topic, item.payload, now)
        overtaken: list[Held] = []
        with self._changed:
            self._number += 1
            key = arrival.key or ("", str(self._number))
            held = Held(Received(item.topic, item.payload, now), [item.acknowledge])
            entry = self._entries.get(key)
            if entry is not None and self._is_copy(entry, held):
                return
            self._must_have_room(arrival.line, held)
            if arrival.line is Line.STATUS and entry is not None:
                overtaken, entry.held = entry.held, []
                self._forget_bytes(overtaken)
            if arrival.line in {Line.STANDING, Line.ENDED}:
                self._backlog.add(self._mono())
            if entry is None:
                entry = self._enter(key, arrival.line, item.topic)
            elif arrival.line is not Line.STATUS:
                self._move(key, entry, joined(entry.line, arrival.line))
            entry.held.append(held)
            self.size_bytes += held.size_bytes
            self.messages += 1
            self._changed.notify()
        for one in overtaken:
            self.counts["statuses_overtaken"] += 1
            one.acknowledge()

    def _is_copy(self, entry: _Entry, held: Held) -> bool:
        for one in entry.held[-COPIES_SOUGHT:]:
            if one.received.payload == held.received.payload and one.received.topic == held.received.topic:
                one.acknowledgements += held.acknowledgements
                self.counts["copies"] += 1
                return True
        return False

    def _must_have_room(self, line: Line, held: Held) -> None:
        is_old = line in {Line.STANDING, Line.ENDED}
        limit_bytes = self._limit_bytes + (0 if is_old else ROOM_FOR_FRESH_BYTES)
        if self.size_bytes + held.size_bytes <= limit_bytes:
            return
        self.counts["left_at_broker"] += 1
        if not self._has_left_some:
            log.warning("no room for more of the backlog", extra={"messages": self.messages, "bytes": self.size_bytes})
        self._has_left_some = True
        raise queue.Full

    def _enter(self, key: tuple[str, str], line: Line, topic: str) -> _Entry:
        entry = _Entry(line, topic, self._mono())
        self._entries[key] = self._lines[line][key] = entry
        self._alerts_of[topic] += _is_alert(line)
        return entry

    def _move(self, key: tuple[str, str], entry: _Entry, line: Line) -> None:
        if line is not entry.line:
            del self._lines[entry.line][key]
            self._lines[line][key] = entry
            entry.line = line

    # --- going out ---

    def take(self, limit: int, timeout_s: float) -> list[Held]:
        """The next batch, with what comes within 20 ms of its first; empty when nothing was due for so long."""
        with self._changed:
            found = self._waited(limit, timeout_s)
            has_room = self._has_left_some and self.size_bytes <= self._limit_bytes // 4
            if has_room:
                self._has_left_some = False
        if has_room:
            log.info("room again for the backlog", extra={"left_at_broker": self.counts["left_at_broker"]})
            self._says_room()
        return found

    def _waited(self, limit: int, timeout_s: float) -> list[Held]:
        give_up_mono_s = self._mono() + timeout_s
        while not (found := self._choose(limit)):
            left_s = give_up_mono_s - self._mono()
            if left_s <= 0:
                return []
            self._changed.wait(min(left_s, LOOK_S))
        until_mono_s = self._mono() + GATHER_S
        while len(found) < limit and (left_s := until_mono_s - self._mono()) > 0:
            self._changed.wait(left_s)
            found += self._choose(limit - len(found))
        return found

    def _choose(self, limit: int) -> list[Held]:
        """What is to be taken next, out of the lines."""
        chosen: list[Held] = []
        is_alone = len(self._lines[Line.PROMPT]) == len(self._entries)
        self._pick(Line.PROMPT, chosen, limit if is_alone else max(1, limit * 3 // 4))
        self._pick(Line.STATUS, chosen, min(limit, len(chosen) + max(1, limit // 8)))
        for line in (Line.STANDING, Line.ENDED, Line.PROMPT, Line.STATUS):
            self._pick(line, chosen, limit)
        self._pick_gaps(chosen, limit)
        return chosen

    def _pick(self, line: Line, chosen: list[Held], until: int) -> None:
        """The first of a line, until `chosen` has so many. What has ended is not torn apart, if it is not endless."""
        entries = self._lines[line]
        while entries and len(chosen) < until:
            key, entry = next(iter(entries.items()))
            if line is Line.STANDING and not self._is_due(entry):
                return
            room = until - len(chosen)
            if line is Line.ENDED and room < len(entry.held) <= LONGEST_STORY:
                if chosen:
                    return
                room = len(entry.held)
            self._out(key, entry, room, chosen)

    def _is_due(self, entry: _Entry) -> bool:
        now = self._mono()
        age_s = now - entry.since_mono_s
        if age_s >= LONGEST_S or (self._has_left_some and not self._lines[Line.ENDED]):
            return True
        return age_s >= SETTLE_S and not self._backlog.is_high(now)

    def _pick_gaps(self, chosen: list[Held], limit: int) -> None:
        for key, entry in list(self._lines[Line.GAP].items()):
            is_overdue = self._mono() - entry.since_mono_s >= LONGEST_S
            if len(chosen) < limit and (is_overdue or not self._alerts_of[entry.topic]):
                self._out(key, entry, 1, chosen)

    def _out(self, key: tuple[str, str], entry: _Entry, count: int, chosen: list[Held]) -> None:
        going, entry.held = entry.held[:count], entry.held[count:]
        chosen += going
        self._forget_bytes(going)
        if not entry.held:
            self._remove(key, entry)

    def _remove(self, key: tuple[str, str], entry: _Entry) -> None:
        del self._entries[key], self._lines[entry.line][key]
        self._alerts_of[entry.topic] -= _is_alert(entry.line)
        if not self._alerts_of[entry.topic]:
            del self._alerts_of[entry.topic]

    def _forget_bytes(self, gone: Collection[Held]) -> None:
        self.size_bytes -= sum(one.size_bytes for one in gone)
        self.messages -= len(gone)

    def forget(self, shards: Collection[str]) -> None:
        """What came for these shards is another's now; the broker gives it to whoever serves them."""
        with self._changed:
            for key, entry in list(self._entries.items()):
                levels = entry.topic.split("/", 3)
                if len(levels) == 4 and levels[2] in shards:
                    self._forget_bytes(entry.held)
                    self._remove(key, entry)


def _is_alert(line: Line) -> bool:
    return line in {Line.PROMPT, Line.STANDING, Line.ENDED}
