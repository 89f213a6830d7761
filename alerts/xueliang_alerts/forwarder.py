"""From the spool to the broker, again and again, until the centre's receipt comes.

Invariants
    - A record leaves the list only by a receipt (Spool.mark_settled). The broker's acknowledgement only says that it
      need not be given to this broker again before the receipt is late.
    - Fresh records overtake the backlog: what was accepted since the connection came up has a window of its own.
    - Without a receipt a record is published again after 3 s, then 6, 12, … up to 60 s, and later where receipts take
      long; of many that are late only a few, as a question (`Repeating`): the centre may be behind or away for hours,
      and neither it nor the broker must fill with copies.
    - After a reconnect everything under way counts as unsent: the broker may have lost it with its power.
    - One thread does all of it. Receipts are handed over by the transport's thread and acknowledged when taken in.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from xueliang_alerts.clocks import Mono, Wall
from xueliang_alerts.contract import (
    CameraStatus,
    ClockState,
    NodeState,
    NodeStatus,
    NotUnderstood,
    read_receipt,
    to_bytes,
)
from xueliang_alerts.errors import SpoolError, TransportError
from xueliang_alerts.repeating import Repeating, Sent
from xueliang_alerts.spool import Spool, SpoolRecord
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming, LastWill, LinkPhase, LinkState, PublishHandle, Transport

log = logging.getLogger(__name__)

TICK_S: Final = 0.5
GOOD_BYE_S: Final = 2.0
INBOX_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class ForwarderSettings:
    """Named constants with a door for tests.

    Attributes:
        window: backlog records under way without receipt, 1.2 kB each: 64 keep 50/s going over a round trip of a
            second, and hold a fresh alert up by 10 s at most on a 64 kbit/s line.
        fresh_window: the same for records accepted since the connection came up.
        questions: how many of those that are late together are repeated at first.
        listen_first_s: after a connect nothing is sent before the first receipt, or for this long.
    """

    window: int = 64
    fresh_window: int = 32
    questions: int = 4
    listen_first_s: float = 1.0
    first_resend_s: float = 3.0
    longest_resend_s: float = 60.0
    status_every_s: float = 30.0
    unanswered_after_s: float = 60.0
    tend_every_s: float = 1.0


@dataclass(frozen=True, slots=True)
class StatusExtras:
    """What the node adds to its status."""

    cameras: tuple[CameraStatus, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    clock_state: ClockState = ClockState.UNKNOWN


@dataclass(frozen=True, slots=True)
class ForwarderHealth:
    """A snapshot for the health page.

    Attributes:
        silent_for_s: connected, records under way, and no receipt for this long; 0 when none is owed.
        is_unanswered: silent for too long: our publishes may be forbidden, or the centre is away.
    """

    phase: LinkPhase
    detail: str
    pending: int
    in_flight: int
    backlog_empty_since: datetime | None
    last_receipt_at: datetime | None
    silent_for_s: float
    is_unanswered: bool
    counters: dict[str, int]


@dataclass(slots=True)
class _UnderWay(Sent):
    handle: PublishHandle = field(kw_only=True)
    is_fresh: bool = field(kw_only=True)


def lost_will(node_id: str, *, boot_id: uuid.UUID, spool_id: uuid.UUID | None, at: datetime) -> LastWill:
    """What the broker says of this node when its connection is lost: status "lost". `at` is when it was deposited."""
    status = NodeStatus(node_id=node_id, state=NodeState.LOST, boot_id=boot_id, spool_id=spool_id, at=at)
    return LastWill(node_topic(node_id, Leaf.STATUS), to_bytes(status))


class Forwarder:
    """Owns neither spool nor transport; start it before the transport connects, stop it before they close."""

    def __init__(
        self,
        spool: Spool,
        transport: Transport,
        *,
        wall: Wall,
        mono: Mono,
        software: str = "",
        extras: Callable[[], StatusExtras] | None = None,
        settings: ForwarderSettings | None = None,
    ) -> None:
        self._spool, self._transport = spool, transport
        self._wall, self._mono = wall, mono
        self._software, self._extras = software, extras
        self._settings = settings or ForwarderSettings()
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._inbox_lock = threading.Lock()
        self._inbox: list[Incoming] = []
        self._under_way: dict[int, _UnderWay] = {}
        one = self._settings
        self._repeating = Repeating(
            one.first_resend_s, one.longest_resend_s, questions=one.questions, window=one.window + one.fresh_window
        )
        self._generation = 0
        self._fresh_after = spool.last_sequence
        self._last_receipt_at: datetime | None = None
        self._owed_since_mono_s: float | None = None
        self._status_due_mono_s = 0.0
        self._listen_until_mono_s = 0.0
        self._tend_due_mono_s = 0.0
        self._said_empty = False
        self._noted_silence = False
        self._counts: Counter[str] = Counter()

    # --- life ---

    def start(self) -> None:
        """Subscribe to the receipts and begin; the transport may connect before or after."""
        if self._thread is not None:
            return
        self._transport.subscribe(node_topic(self._spool.node_id, Leaf.RECEIPTS), self._take)
        self._spool.on_accept(self.wake)
        self._transport.on_state(self._on_state)
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop forwarding and say so (status "stopped"). What is pending stays in the spool."""
        self._is_stopping = True
        self.wake()
        if self._thread is not None:
            self._thread.join(timeout_s)
        handle = self._publish_status(NodeState.STOPPED)
        if handle is not None:
            handle.wait(min(timeout_s, GOOD_BYE_S))

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def _on_state(self, _state: LinkState) -> None:
        self.wake()

    def _take(self, incoming: Incoming) -> None:
        """In the transport's thread. Each receipt tells everything, so when too many wait the oldest may go."""
        with self._inbox_lock:
            self._inbox.append(incoming)
            surplus = self._inbox.pop(0) if len(self._inbox) > INBOX_LIMIT else None
        if surplus is not None:
            self._counts["receipts_overtaken"] += 1
            surplus.acknowledge()
        self.wake()

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.wait(TICK_S)
            self._wake.clear()
            try:
                self.step()
            except (SpoolError, TransportError) as error:
                self._counts["step_failed"] += 1
                log.warning("forwarding failed, tried again", extra={"error": str(error)})
            except Exception:  # a fault of ours or of `extras` must not end the forwarding of alerts
                self._counts["step_crashed"] += 1
                if self._counts["step_crashed"] in (1, 10, 100, 1000):
                    log.exception("forwarding crashed, tried again", extra={"times": self._counts["step_crashed"]})

    # --- one round ---

    def step(self) -> None:
        """Everything that is due now. The thread calls it; tests may, without a thread."""
        now = self._mono()
        self._take_in_receipts()
        if now >= self._tend_due_mono_s:
            self._tend_due_mono_s = now + self._settings.tend_every_s
            self._spool.tend()
        state = self._transport.state
        if not state.is_connected:
            self._owed_since_mono_s = None
            return
        if state.generation != self._generation:
            self._begin_connection(state.generation)
        if now >= self._listen_until_mono_s:
            self._repeat_late(now)
            self._send_fresh_then_backlog(now)
            self._watch_silence(now)
        self._publish_status_when_due(now)  # last: whatever goes wrong with it, the alerts are on their way

    def _begin_connection(self, generation: int) -> None:
        """paho repeats by itself what the broker had not acknowledged; the rest we cannot know, so it goes again."""
        now = self._mono()
        self._generation = generation
        self._fresh_after = self._spool.last_sequence
        self._repeating.begin(now)
        self._under_way = {
            sequence: _UnderWay(now, handle=item.handle, is_fresh=False)
            for sequence, item in self._under_way.items()
            if not item.handle.is_acknowledged
        }
        self._status_due_mono_s = 0.0
        # The retained receipt first: it tells a restored spool that its numbers were used before (decision 7).
        self._listen_until_mono_s = now + self._settings.listen_first_s

    def _take_in_receipts(self) -> None:
        with self._inbox_lock:
            taken, self._inbox = self._inbox, []
        for incoming in taken:
            try:
                receipt = read_receipt(incoming.payload)
            except NotUnderstood as error:
                self._counts["receipts_not_understood"] += 1
                log.warning("receipt not understood", extra={"reason": error.reason})
                incoming.acknowledge()
                continue
            if receipt.node_id != self._spool.node_id:
                self._counts["receipts_of_another_node"] += 1
                incoming.acknowledge()
                continue
            self._listen_until_mono_s = 0.0
            settled = self._spool.mark_settled(receipt)
            self._counts["receipts"] += 1
            if settled or not incoming.is_retained:
                self._last_receipt_at = self._wall()
                self._hear(is_retained=incoming.is_retained)
            incoming.acknowledge()

    def _hear(self, *, is_retained: bool) -> None:
        """The centre answers. A retained receipt may be old: it settles, and says nothing of how long one takes."""
        done = [sequence for sequence in self._under_way if not self._spool.is_pending(sequence)]
        settled = [self._under_way.pop(sequence) for sequence in done]
        if not is_retained:
            self._repeating.answered(settled, self._under_way.values(), self._mono())
        self._owed_since_mono_s, self._noted_silence = None, False

    def _repeat_late(self, now: float) -> None:
        for sequence in self._repeating.due(self._under_way, now):
            record = self._spool.read(sequence)
            if record is None:
                del self._under_way[sequence]
                continue
            self._under_way[sequence].handle = self._publish_record(record)
            self._counts["repeated"] += 1

    def _send_fresh_then_backlog(self, now: float) -> None:
        fresh_room = self._settings.fresh_window - sum(item.is_fresh for item in self._under_way.values())
        backlog_room = self._settings.window - sum(not item.is_fresh for item in self._under_way.values())
        if fresh_room > 0:
            fresh = self._spool.pending(fresh_room, after=self._fresh_after, newest_first=True, skip=self._under_way)
            self._send(sorted(fresh, key=lambda record: record.sequence), now, is_fresh=True)
        if backlog_room > 0:
            backlog = self._spool.pending(backlog_room, skip=self._under_way)
            self._send([r for r in backlog if r.sequence <= self._fresh_after], now, is_fresh=False)

    def _send(self, records: list[SpoolRecord], now: float, *, is_fresh: bool) -> None:
        for record in records:
            self._under_way[record.sequence] = _UnderWay(now, handle=self._publish_record(record), is_fresh=is_fresh)
            self._counts["sent"] += 1
        if records and self._owed_since_mono_s is None:
            self._owed_since_mono_s = now

    def _publish_record(self, record: SpoolRecord) -> PublishHandle:
        return self._transport.publish(node_topic(self._spool.node_id, Leaf.ALERTS), record.payload)

    # --- status ---

    def _publish_status_when_due(self, now: float) -> None:
        is_empty = self._spool.backlog_empty_since is not None
        if now < self._status_due_mono_s and is_empty == self._said_empty:
            return
        if self._publish_status(NodeState.ONLINE) is not None:
            self._said_empty = is_empty
            self._status_due_mono_s = now + self._settings.status_every_s

    def _publish_status(self, state: NodeState) -> PublishHandle | None:
        try:
            status = self._status(state, self._extras() if self._extras is not None else StatusExtras())
        except Exception:  # what the node tells about itself may be faulty; that it lives is still said
            self._counts["status_extras_failed"] += 1
            if self._counts["status_extras_failed"] == 1:
                log.exception("status without its extras")
            status = self._status(state, StatusExtras())
        try:
            return self._transport.publish(node_topic(self._spool.node_id, Leaf.STATUS), to_bytes(status), retain=True)
        except TransportError:
            return None

    def _status(self, state: NodeState, extras: StatusExtras) -> NodeStatus:
        counters = {f"spool_{name}": value for name, value in self._spool.counters().items()} | extras.counters
        return NodeStatus(
            node_id=self._spool.node_id,
            state=state,
            boot_id=self._spool.boot_id,
            spool_id=self._spool.spool_id,
            at=self._wall(),
            software=self._software,
            last_sequence=self._spool.last_sequence,
            backlog_records=self._spool.pending_count(),
            backlog_empty_since=self._spool.backlog_empty_since,
            clock_state=extras.clock_state,
            cameras=extras.cameras,
            counters=dict(list(counters.items())[:64]),
        )

    # --- silence ---

    def _silent_for(self, now: float) -> float:
        return 0.0 if self._owed_since_mono_s is None else max(0.0, now - self._owed_since_mono_s)

    def _watch_silence(self, now: float) -> None:
        if self._under_way and self._owed_since_mono_s is None:
            self._owed_since_mono_s = now
        if not self._under_way:
            self._owed_since_mono_s, self._noted_silence = None, False
        silent_s = self._silent_for(now)
        if silent_s >= self._settings.unanswered_after_s and not self._noted_silence:
            self._noted_silence = True
            self._counts["unanswered"] += 1
            log.error(
                "connected, but the centre sends no receipt: is it running, may this node publish?",
                extra={"silent_s": round(silent_s), "pending": self._spool.pending_count()},
            )

    def health(self) -> ForwarderHealth:
        """A snapshot; from any thread."""
        state = self._transport.state
        silent_s = self._silent_for(self._mono())
        return ForwarderHealth(
            phase=state.phase,
            detail=state.detail,
            pending=self._spool.pending_count(),
            in_flight=len(self._under_way),
            backlog_empty_since=self._spool.backlog_empty_since,
            last_receipt_at=self._last_receipt_at,
            silent_for_s=silent_s,
            is_unanswered=silent_s >= self._settings.unanswered_after_s,
            counters=dict(self._counts),
        )
