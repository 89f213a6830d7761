"""What has arrived and is not in a batch yet: kept unacknowledged in memory, so that what matters is taken first.

After an outage fifty thousand alerts lie at the broker, and the fresh ones behind them. All of it is read, and each
batch is chosen: fresh alerts first, then what still stands of the backlog, then what has ended meanwhile. An alert
whose end is here is taken together with it, so it asks nobody. A node that has a whole window of records here holds
more, for want of receipts: ends, or fresh alerts. So what has ended there is taken before the rest of the backlog, and
what stands there waits for it: until the node has sent what its receipts made room for, and nothing more comes.

Invariants
    - Nothing here is acknowledged; a process that dies leaves it to the broker. One exception: a status is acknowledged
      when a newer one of its node takes its place, and the newer one is not.
    - The revisions of one alert are taken in the order in which they came. Alerts overtake each other, also those of
      one node; a gap record overtakes none of its node's.
    - Nothing waits for ever: whatever there is most of, an eighth of each batch is for the others.
    - Bounded in bytes. What finds no room stays with the broker, unacknowledged and counted (`left_at_broker`); it is
      asked for again when three quarters are free. Fresh alerts have some room of their own.
    - A message that waits already (a node repeats what has no receipt) is kept once and acknowledged with the first.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prometheus_client import Counter as Total
from prometheus_client import Gauge

from xueliang_alerts.forwarder import ForwarderSettings
from xueliang_alerts.transport import Incoming
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.arrivals import Arrival, Line, arrival_of, joined

log = logging.getLogger(__name__)

LIMIT_BYTES: Final = 192 << 20  # about 75,000 alerts; a city's eight hours without a centre are 50,000
ROOM_FOR_FRESH_BYTES: Final = 16 << 20
BOOKKEEPING_BYTES: Final = 1_400  # of each message beside its payload
GATHER_S: Final = 0.005
LOOK_S: Final = 0.1  # how often it is looked whether what stands is due
# A backlog comes by the thousand a second, what a slow line delays one by one.
READING_PER_S: Final = 100
READ_FIRST_S: Final = 10.0  # so long a backlog is only read at first: fresh alerts lie behind it at the broker
READ_FIRST_SHARE: Final = 8  # but of nodes that hold more, maybe something fresh: this part of a batch
SETTLE_S: Final = 1.0  # so long what stands waits for its end, and while a backlog is read …
LONGEST_S: Final = 60.0  # … so long at most: it may be a hazard that nobody knows of
# A node that had a whole window here sends more as soon as it has receipts: for so long after something of it came or
# went, more may come. A batch is committed in two seconds at most, and a thin line carries a record in 0.15 s.
REFILLS_S: Final = 5.0
WINDOW: Final = ForwarderSettings().fresh_window
COPIES_SOUGHT: Final = 64
LONGEST_STORY: Final = 1_000  # messages of one alert in one batch
# The broker has a queue for each shard, and keeps there what is not acknowledged.
UNACKNOWLEDGED: Final = Gauge(
    "central_ingest_unacknowledged", "Messages of a shard's queue that are read and not yet in a batch", ["shard"]
)
LEFT_AT_BROKER: Final = Total(
    "central_ingest_left_at_broker", "Messages that found no room and were left in their shard's queue", ["shard"]
)


@dataclass(slots=True)
class Held:
    """A message in hand, and how to tell the broker; of a repeated one, each copy."""

    received: Received
    acknowledgements: list[Callable[[], bool]]
    at_mono_s: float

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


_Key = tuple[str, str]
_Entries = dict[_Key, _Entry]


class _Pace:
    """Does a backlog come: by the hundred a second, in this second or the one before? And since when."""

    def __init__(self) -> None:
        self._second, self._counts = 0, (0, 0)
        self._since_mono_s: float | None = None

    def add(self, now_mono_s: float) -> None:
        self._turn(now_mono_s)
        self._counts = (self._counts[0], self._counts[1] + 1)

    def for_s(self, now_mono_s: float) -> float | None:
        """None: it does not."""
        self._turn(now_mono_s)
        if max(self._counts) < READING_PER_S:
            self._since_mono_s = None
            return None
        if self._since_mono_s is None:
            self._since_mono_s = now_mono_s
        return now_mono_s - self._since_mono_s

    def _turn(self, now_mono_s: float) -> None:
        passed = int(now_mono_s) - self._second
        if passed > 0:  # what came a moment ago is sorted in now: it may belong to the second before
            self._second += passed
            self._counts = (self._counts[1] if passed == 1 else 0, 0)


@dataclass(frozen=True, slots=True)
class _Arrived:
    """Out of a link's thread, not in a line yet."""

    arrival: Arrival
    held: Held


class Waiting:
    """An `Inbox` of several links. `put_nowait` from their threads, `take` from one, `forget` from any.

    Sixteen threads put: they share a queue and a number and nothing else, or most of the time one waits for another.
    """

    def __init__(
        self, *, wall: Callable[[], datetime], mono: Callable[[], float], limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self._wall, self._mono, self._limit_bytes = wall, mono, limit_bytes
        self._door = threading.Lock()  # for `size_bytes`
        self._arrived: queue.SimpleQueue[_Arrived] = queue.SimpleQueue()
        self._sorting = threading.Lock()  # for all below
        self._entries: _Entries = {}
        self._lines: dict[Line, OrderedDict[_Key, _Entry]] = {line: OrderedDict() for line in Line}
        self._alerts_of: defaultdict[str, _Entries] = defaultdict(dict)  # by topic
        self._records_of: Counter[str] = Counter()  # messages of those
        self._full: dict[str, None] = {}  # topics that have a whole window here
        self._refills_mono_s: dict[str, float] = {}  # topics that had one: when something of them last came or went
        self._backlog = _Pace()
        self._is_reading = False
        self._number = 0
        self._sorted = 0
        self._has_left_some = False
        self._says_room: Callable[[], None] = lambda: None
        self._says_backlog: Callable[[bool], None] = lambda _is_read: None
        self.size_bytes = 0
        self.counts: Counter[str] = Counter()

    @property
    def messages(self) -> int:
        return self._sorted + self._arrived.qsize()

    def count_of(self, shards: Collection[str]) -> int:
        """Messages that came for these shards and wait here."""
        with self._sorting:
            self._sort_in()
            return sum(len(entry.held) for entry in self._entries.values() if _shard_of(entry.topic) in shards)

    def on_room(self, says_room: Callable[[], None]) -> None:
        """Be told when there is room again for what was left with the broker, in the thread that takes."""
        self._says_room = says_room

    def on_backlog(self, says_backlog: Callable[[bool], None]) -> None:
        """Be told when a backlog begins to be read, and when it is over, in the thread that takes: quickly."""
        self._says_backlog = says_backlog

    # --- coming in ---

    def put_nowait(self, item: Incoming, /) -> None:
        """Raises queue.Full."""
        now = self._wall()
        arrival = arrival_of(item.topic, item.payload, now)
        held = Held(Received(item.topic, item.payload, now), [item.acknowledge], self._mono())
        is_old = arrival.line in {Line.STANDING, Line.ENDED}
        limit_bytes = self._limit_bytes + (0 if is_old else ROOM_FOR_FRESH_BYTES)
        with self._door:
            has_room = self.size_bytes + held.size_bytes <= limit_bytes
            self.size_bytes += held.size_bytes if has_room else 0
        if has_room:
            UNACKNOWLEDGED.labels(_shard_of(item.topic)).inc()
        else:
            LEFT_AT_BROKER.labels(_shard_of(item.topic)).inc()
            self.counts["left_at_broker"] += 1
            if not self._has_left_some:
                log.warning("no room for more of the backlog", extra={"bytes": self.size_bytes})
            self._has_left_some = True
            raise queue.Full
        self._arrived.put(_Arrived(arrival, held))

    def _sort_in(self) -> None:
        """What has arrived into its lines."""
        while True:
            try:
                one = self._arrived.get_nowait()
            except queue.Empty:
                return
            self._sort(one)

    def _sort(self, one: _Arrived) -> None:
        line, held = one.arrival.line, one.held
        self._number += 1
        key = one.arrival.key or ("", str(self._number))
        entry = self._entries.get(key)
        if entry is not None and self._is_copy(entry, held):
            self._forget_bytes([held])
            return
        if line in {Line.STANDING, Line.ENDED}:
            self._backlog.add(held.at_mono_s)
        if entry is None:
            entry = self._enter(key, one)
        elif line is Line.STATUS:
            self._overtake(entry)
        else:
            self._move(key, entry, joined(entry.line, line))
        entry.held.append(held)
        self._count(entry, 1)

    def _overtake(self, entry: _Entry) -> None:
        for one in entry.held:
            one.acknowledge()
        self.counts["statuses_overtaken"] += len(entry.held)
        self._count(entry, -len(entry.held))
        self._forget_bytes(entry.held)
        entry.held = []

    def _is_copy(self, entry: _Entry, held: Held) -> bool:
        for one in entry.held[-COPIES_SOUGHT:]:
            if one.received.payload == held.received.payload and one.received.topic == held.received.topic:
                one.acknowledgements += held.acknowledgements
                self.counts["copies"] += 1
                return True
        return False

    def _enter(self, key: _Key, one: _Arrived) -> _Entry:
        line, topic = one.arrival.line, one.held.received.topic
        entry = _Entry(line, topic, one.held.at_mono_s)
        self._entries[key] = self._lines[line][key] = entry
        if _is_alert(line):
            self._alerts_of[topic][key] = entry
        return entry

    def _count(self, entry: _Entry, more: int) -> None:
        self._sorted += more
        if not _is_alert(entry.line):
            return
        self._records_of[entry.topic] += more
        is_full = self._records_of[entry.topic] >= WINDOW
        if is_full:
            self._full[entry.topic] = None
        else:
            self._full.pop(entry.topic, None)
        if is_full or (entry.line is not Line.PROMPT and self._has_more(entry.topic)):
            self._refills_mono_s[entry.topic] = self._mono()
        if not self._records_of[entry.topic]:
            del self._records_of[entry.topic]

    def _move(self, key: _Key, entry: _Entry, line: Line) -> None:
        if line is not entry.line:
            del self._lines[entry.line][key]
            self._lines[line][key] = entry
            entry.line = line

    # --- going out ---

    def take(self, limit: int, timeout_s: float) -> list[Held]:
        """The next batch; empty when nothing was due for so long.

        With it comes what arrives within 5 ms of its first: what came while the batch before was committed waits no
        more.
        """
        give_up_mono_s = self._mono() + timeout_s
        while not (found := self._next(limit)):
            left_s = give_up_mono_s - self._mono()
            if left_s <= 0:
                return []
            self._wait(min(left_s, LOOK_S))
        until_mono_s = min(one.at_mono_s for one in found) + GATHER_S
        while len(found) < limit and (left_s := until_mono_s - self._mono()) > 0:
            self._wait(left_s)
            found += self._next(limit - len(found))
        if self._has_left_some and self.size_bytes <= self._limit_bytes // 4:
            self._has_left_some = False
            log.info("room again for the backlog", extra={"left_at_broker": self.counts["left_at_broker"]})
            self._says_room()
        return found

    def _wait(self, timeout_s: float) -> None:
        """Until something arrives."""
        try:
            one = self._arrived.get(timeout=timeout_s)
        except queue.Empty:
            return
        with self._sorting:
            self._sort(one)

    def _next(self, limit: int) -> list[Held]:
        with self._sorting:
            self._sort_in()
            return self._choose(limit)

    def _choose(self, limit: int) -> list[Held]:
        """What is to be taken next, out of the lines."""
        chosen: list[Held] = []
        read_for_s = self._backlog.for_s(self._mono())
        if self._is_reading != (read_for_s is not None):
            self._is_reading = not self._is_reading
            self._says_backlog(self._is_reading)
        if read_for_s is not None and read_for_s < READ_FIRST_S and not self._has_left_some:
            self._pick(Line.PROMPT, chosen, limit)
            self._pick_of_full(chosen, min(limit, len(chosen) + limit // READ_FIRST_SHARE))
            return chosen
        is_alone = len(self._lines[Line.PROMPT]) == len(self._entries)
        self._pick(Line.PROMPT, chosen, limit if is_alone else max(1, limit * 7 // 8))
        self._pick(Line.STATUS, chosen, min(limit, len(chosen) + max(1, limit // 16)))
        self._pick_of_full(chosen, limit)
        for line in (Line.STANDING, Line.ENDED, Line.PROMPT, Line.STATUS):
            self._pick(line, chosen, limit)
        self._pick_gaps(chosen, limit)
        return chosen

    def _pick(self, line: Line, chosen: list[Held], until: int) -> None:
        """The first of a line, until `chosen` has so many; more only lest what has ended be torn apart."""
        entries = self._lines[line]
        if line is Line.STANDING:
            for key, entry in list(entries.items()):
                if len(chosen) < until and self._is_due(entry):
                    self._out(key, entry, until - len(chosen), chosen)
            return
        while entries and len(chosen) < until:
            key, entry = next(iter(entries.items()))
            self._out(key, entry, LONGEST_STORY if line is Line.ENDED else until - len(chosen), chosen)

    def _pick_of_full(self, chosen: list[Held], until: int) -> None:
        """Of nodes that hold more, until they have no whole window here: what has ended, else what there is."""
        for topic in list(self._full):
            while topic in self._full and len(chosen) < until:
                found = self._first_of(topic, Line.ENDED) or self._first_of(topic, Line.STANDING)
                if found is None or (found[1].line is Line.STANDING and not self._has_settled(found[1])):
                    break
                key, entry = found
                self._out(key, entry, LONGEST_STORY if entry.line is Line.ENDED else until - len(chosen), chosen)

    def _first_of(self, topic: str, line: Line) -> tuple[_Key, _Entry] | None:
        return next((one for one in self._alerts_of[topic].items() if one[1].line is line), None)

    def _is_due(self, entry: _Entry) -> bool:
        """It stands: everything that might tell of its end has been read, or it has waited long enough."""
        if self._has_left_some and not self._lines[Line.ENDED]:
            return True
        is_overdue = self._mono() - entry.since_mono_s >= LONGEST_S
        return is_overdue or (not self._has_more(entry.topic) and self._has_settled(entry))

    def _has_more(self, topic: str) -> bool:
        """Does its node hold records for want of receipts, or has it just had some?"""
        if topic in self._full:
            return True
        last_mono_s = self._refills_mono_s.get(topic)
        if last_mono_s is None:
            return False
        if self._mono() - last_mono_s < REFILLS_S:
            return True
        del self._refills_mono_s[topic]
        return False

    def _has_settled(self, entry: _Entry) -> bool:
        now = self._mono()
        return now - entry.since_mono_s >= SETTLE_S and self._backlog.for_s(now) is None

    def _pick_gaps(self, chosen: list[Held], limit: int) -> None:
        for key, entry in list(self._lines[Line.GAP].items()):
            is_overdue = self._mono() - entry.since_mono_s >= LONGEST_S
            if len(chosen) < limit and (is_overdue or entry.topic not in self._records_of):
                self._out(key, entry, 1, chosen)

    def _out(self, key: _Key, entry: _Entry, count: int, chosen: list[Held]) -> None:
        going, entry.held = entry.held[:count], entry.held[count:]
        chosen += going
        self._count(entry, -len(going))
        self._forget_bytes(going)
        if not entry.held:
            self._remove(key, entry)

    def _remove(self, key: _Key, entry: _Entry) -> None:
        del self._entries[key], self._lines[entry.line][key]
        if _is_alert(entry.line):
            del self._alerts_of[entry.topic][key]
            if not self._alerts_of[entry.topic]:
                del self._alerts_of[entry.topic]

    def _forget_bytes(self, gone: Collection[Held]) -> None:
        with self._door:
            self.size_bytes -= sum(one.size_bytes for one in gone)
        for one in gone:
            UNACKNOWLEDGED.labels(_shard_of(one.received.topic)).dec()

    def forget(self, shards: Collection[str]) -> None:
        """What came for these shards is another's now; the broker gives it to whoever serves them."""
        with self._sorting:
            self._sort_in()
            for key, entry in list(self._entries.items()):
                if _shard_of(entry.topic) in shards:
                    self._out(key, entry, len(entry.held), [])


def _shard_of(topic: str) -> str | None:
    levels = topic.split("/", 3)
    return levels[2] if len(levels) == 4 else None


def _is_alert(line: Line) -> bool:
    return line in {Line.PROMPT, Line.STANDING, Line.ENDED}
