"""The spool: what the node has accepted and the centre has not yet answered for.

Invariants
    - `accept` returns only after fsync. Concurrent callers share one fsync. When it raises, nothing was accepted.
    - Sequences count from 1 without gaps and are never used twice, over restarts, damage and lost files (recovery.py).
      The bytes of a record are made once and repeated unchanged.
    - Only a receipt settles a record. Settled records are kept for replay (24 h of running time by the monotonic clock,
      so no jump of the wall clock deletes anything), then removed with their segment.
    - Above the cap, settled records go first, then pending ones: least severe first, oldest first; every pending record
      given up is declared by a `Gap` record, written before it is removed.
    - After a failed fsync the file is abandoned and its pending records are written to a new one. Nobody retries the
      fsync and believes it.
    - A damaged record stays where it is, is never sent, and is declared; the rest flows.

What it gives up on purpose: without a ledger file, settled records that are still held are sent again; the cap is soft
for gap records (a few hundred bytes each).
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from xueliang_alerts.choosing import answered_by, least_worth_keeping
from xueliang_alerts.clocks import Mono, Wall
from xueliang_alerts.contract import (
    Alert,
    Gap,
    Message,
    Receipt,
    read_message,
)
from xueliang_alerts.directory_lock import take_lock
from xueliang_alerts.disk import Disk
from xueliang_alerts.errors import SpoolClosed, SpoolWriteFailed
from xueliang_alerts.framing import Framing, microseconds
from xueliang_alerts.journal import Journal
from xueliang_alerts.ranges import SequenceRanges
from xueliang_alerts.recovery import Recovered, recover
from xueliang_alerts.segments import Entry, read_entry
from xueliang_alerts.store import SegmentStore

log = logging.getLogger(__name__)

DEFAULT_CAP_BYTES: Final = 256 << 20
DEFAULT_SEGMENT_BYTES: Final = 1 << 20
KEEP_COMMITTED_S: Final = 24 * 3600.0
COUNTED: Final = ("accepted", "settled", "evicted", "declared", "rewound", "replayed", "absurd_receipts")
MAX_JUMP: Final = 10_000_000  # a receipt further ahead than a year of storms is a fault, not a restored disk
ROOM_TARGET: Final = 0.85  # making room goes down to this share of the cap, so that it is rare


@dataclass(frozen=True, slots=True)
class SpoolRecord:
    """One record to send: `payload` is the Message as bytes. severity: 1 to 4, 0 for a gap."""

    sequence: int
    payload: bytes
    severity: int
    kind: str


class Spool:
    """Open with `Spool.open`; one process at a time. Every method may be called from any thread."""

    def __init__(
        self,
        directory: Path,
        lock_descriptor: int,
        recovered: Recovered,
        *,
        wall: Wall,
        mono: Mono,
        cap_bytes: int,
        segment_bytes: int,
        keep_committed_s: float,
        boot_id: uuid.UUID,
        disk: Disk,
    ) -> None:
        """Use `Spool.open`."""
        self.directory = directory
        self.node_id = recovered.owner.node_id
        self.spool_id = recovered.owner.spool_id
        self.boot_id = boot_id
        self._lock_descriptor = lock_descriptor
        self._wall, self._mono, self._disk = wall, mono, disk
        self._cap_bytes = cap_bytes
        self._keep_s = keep_committed_s
        self._framing = Framing(recovered.owner, boot_id, wall)
        self._lock = threading.RLock()
        self._store = SegmentStore(directory, recovered, mono=mono, disk=disk, segment_bytes=segment_bytes)
        self._settled: SequenceRanges = recovered.ledger.settled
        self._declared = recovered.declared
        self._is_declaring = False
        self._undeclared = [
            (first, last, "damaged" if recovered.damaged else "lost") for first, last in recovered.holes
        ]
        self._entries = recovered.entries
        self._pending = {s: e for s, e in self._entries.items() if s not in self._settled and s not in self._declared}
        self._is_closed = False
        self._reissue: list[bytes] = []
        self._empty_since: datetime | None = None if self._pending else wall()
        self._listeners: list[Callable[[], None]] = []
        self._counts = dict.fromkeys(
            ("accepted", "settled", "evicted", "declared", "rewound", "replayed", "absurd_receipts"), 0
        )
        self._counts |= {"torn": recovered.torn, "damaged": recovered.damaged}
        self._journal = Journal(
            self._store,
            disk,
            self._lock,
            last_sequence=recovered.last_sequence,
            entries=self._pending,
            settled=self._settled,
            hold=self._hold,
            free_space=self._free_space,
        )

    @classmethod
    def open(
        cls,
        directory: Path,
        node_id: str,
        *,
        wall: Wall,
        mono: Mono,
        cap_bytes: int = DEFAULT_CAP_BYTES,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        keep_committed_s: float = KEEP_COMMITTED_S,
        boot_id: uuid.UUID | None = None,
        disk: Disk | None = None,
    ) -> Spool:
        """Open or make the spool of this node; torn tails are dropped, damage and lost records are declared.

        Raises:
            SpoolBusy: another process has it open.
            SpoolForeign: it belongs to another node.
            SpoolWriteFailed: the folder cannot be read or written.
        """
        disk = disk or Disk()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock_descriptor = take_lock(directory)
        except OSError as error:
            raise SpoolWriteFailed(f"{directory}: cannot be used as a spool: {error.strerror or error}") from error
        try:
            recovered = recover(disk, directory, node_id)
            spool = cls(
                directory,
                lock_descriptor,
                recovered,
                wall=wall,
                mono=mono,
                cap_bytes=cap_bytes,
                segment_bytes=min(segment_bytes, max(4096, cap_bytes // 16)),
                keep_committed_s=keep_committed_s,
                boot_id=boot_id or uuid.uuid4(),
                disk=disk,
            )
        except OSError as error:
            os.close(lock_descriptor)
            raise SpoolWriteFailed(f"{directory}: cannot be opened: {error.strerror or error}") from error
        except BaseException:
            os.close(lock_descriptor)
            raise
        if recovered.torn or recovered.damaged or recovered.holes:
            log.warning(
                "spool opened with losses",
                extra={"torn": recovered.torn, "damaged": recovered.damaged, "holes": recovered.holes[:20]},
            )
        spool._declare_if_possible()
        return spool

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- accepting ---

    def accept(self, body: Alert | Gap) -> Message:
        """Write one record; returns when it is on the disk.

        Raises:
            SpoolWriteFailed: it was not accepted; the same body may be given again.
            RecordTooLarge: no broker or centre would take it.
            SpoolClosed: after close().
        """
        messages: list[Message] = []
        with self._lock:
            self._must_be_open()
            self._make_room()
            self._journal.commit(self._framing.of(body, messages))
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
        return messages[-1]

    def on_accept(self, listener: Callable[[], None]) -> None:
        """Call this after every accept, in the acceptor's thread."""
        self._listeners.append(listener)

    def _free_space(self) -> bool:
        """The disk is full: let the oldest settled files go, replay or not."""
        return self._store.remove_settled(self._entries, self._settled, 0, oldest=4) > 0

    def _hold(self, entry: Entry) -> None:
        self._entries[entry.sequence] = entry
        self._pending[entry.sequence] = entry
        self._counts["accepted"] += 1
        self._empty_since = None

    # --- sending ---

    def pending(
        self, limit: int, *, after: int = 0, newest_first: bool = False, skip: Container[int] = frozenset()
    ) -> list[SpoolRecord]:
        """Up to `limit` records without receipt whose sequence is above `after` and not in `skip`."""
        with self._lock:
            self._must_be_open()
            order = reversed(self._pending) if newest_first else iter(self._pending)
            chosen: list[Entry] = []
            for sequence in order:
                if sequence <= after:
                    if newest_first:
                        break
                    continue
                if sequence not in skip:
                    chosen.append(self._pending[sequence])
                    if len(chosen) >= limit:
                        break
            return [record for entry in chosen if (record := self._read(entry)) is not None]

    def pending_after(self, sequence: int, limit: int) -> list[SpoolRecord]:
        """Up to `limit` records without receipt above this sequence, oldest first."""
        return self.pending(limit, after=sequence)

    def read(self, sequence: int) -> SpoolRecord | None:
        """One pending record, or None when it is settled, given up or damaged."""
        with self._lock:
            self._must_be_open()
            entry = self._pending.get(sequence)
            return self._read(entry) if entry is not None else None

    def is_pending(self, sequence: int) -> bool:
        with self._lock:
            return sequence in self._pending

    def _read(self, entry: Entry) -> SpoolRecord | None:
        payload = read_entry(self._disk, entry)
        if payload is None:
            self._quarantine(entry)
            return None
        entry.is_given_out = True
        return SpoolRecord(entry.sequence, payload, entry.head.severity, entry.head.kind.name.lower())

    def _quarantine(self, entry: Entry) -> None:
        log.error("spool record is damaged", extra={"sequence": entry.sequence, "file": entry.segment.path.name})
        self._counts["damaged"] += 1
        self._drop(entry)
        self._undeclared.append((entry.sequence, entry.sequence, "damaged"))

    def _drop(self, entry: Entry) -> None:
        self._entries.pop(entry.sequence, None)
        self._pending.pop(entry.sequence, None)
        entry.segment.sequences.discard(entry.sequence)

    # --- receipts ---

    def mark_settled(self, receipt: Receipt) -> int:
        """Take the centre's word for what is committed or rejected; returns how many records that settled.

        A receipt of another node or spool settles nothing. What was settled stays so, whatever the order of receipts.
        A record that nobody has taken out (`pending`, `read`) since it was accepted cannot be known to the centre: it
        is written again under a new number.
        """
        if receipt.node_id != self.node_id:
            return 0
        answered = answered_by(receipt, self.spool_id)
        with self._lock:
            self._must_be_open()
            if answered.highest > self._journal.durable_through + MAX_JUMP:
                self._counts["absurd_receipts"] += 1
                log.error("receipt ignored: far ahead of this spool", extra={"highest": answered.highest})
                return 0
            self._reissue += self._never_sent(answered)
            if self._reissue or answered.highest > self._journal.durable_through:
                self._move_on(answered.highest)
            return self._settle(answered)

    def _never_sent(self, answered: SequenceRanges) -> list[bytes]:
        """Records that the centre says it has although we never gave them out: it has others under these numbers.

        When it is ahead of us, none of the numbers it names can be trusted, sent or not.
        """
        is_ahead = answered.highest > self._journal.durable_through
        names_ours = [entry for entry in self._newly(answered) if is_ahead or not entry.is_given_out]
        return [payload for entry in names_ours if (payload := read_entry(self._disk, entry)) is not None]

    def _newly(self, answered: SequenceRanges) -> list[Entry]:
        """Pending records that this answer covers."""
        fresh = [hole for first, last in answered for hole in self._settled.missing_within(first, last)]
        if sum(last - first + 1 for first, last in fresh) > len(self._pending):
            return [entry for sequence, entry in self._pending.items() if sequence in answered]
        sequences = (sequence for first, last in fresh for sequence in range(first, last + 1))
        return [self._pending[sequence] for sequence in sequences if sequence in self._pending]

    def _settle(self, answered: SequenceRanges) -> int:
        done = self._newly(answered)
        for entry in done:
            del self._pending[entry.sequence]
        for first, last in answered:
            self._settled.add(first, last)
        self._counts["settled"] += len(done)
        if not self._pending and self._empty_since is None:
            self._empty_since = self._wall()
        return len(done)

    def _move_on(self, highest: int) -> None:
        """Our files went back in time (a restored disk), or another machine uses them (a cloned node).

        What we hold under numbers that the centre knows by other content is written again above all of them; the centre
        takes an alert's revision once, so a copy too many does no harm.
        """
        self._journal.settle_down()
        ours = self._journal.durable_through
        log.error("the centre has other records under our numbers", extra={"ours": ours, "centre": highest})
        self._counts["rewound"] += 1
        self._journal.jump_to(max(ours, highest))
        while self._reissue:
            self._journal.commit_alone(self._framing.of(read_message(self._reissue[0]).body))
            self._reissue.pop(0)

    def replay(self, since: datetime) -> int:
        """Make settled records that were emitted since then pending again, as far as they are still held."""
        from_us = microseconds(since)
        with self._lock:
            self._must_be_open()
            again = [s for s, e in self._entries.items() if s not in self._pending and e.head.emitted_us >= from_us]
            again = [sequence for sequence in again if sequence in self._settled]
            for sequence in again:
                self._settled.discard(sequence)
                self._pending[sequence] = self._entries[sequence]
            in_order = sorted(self._pending.items())
            self._pending.clear()
            self._pending.update(in_order)
            self._counts["replayed"] += len(again)
            if again:
                self._empty_since = None
            return len(again)

    # --- keeping house ---

    def tend(self) -> None:
        """Save the ledger, declare what is lost, remove what was kept long enough. Call about once a second."""
        with self._lock:
            self._must_be_open()
            self._declare_if_possible()
            self._store.save_ledger(self._settled, self._journal.durable_through)
            self._store.retire(self._entries, self._pending, self._settled, self._keep_s)

    def _declare_if_possible(self) -> None:
        with self._lock:
            self._is_declaring = bool(self._undeclared)
            waiting, self._undeclared = self._undeclared, []
            while waiting:
                first, last, why = waiting[0]
                try:
                    self._journal.commit_alone(self._framing.of(Gap(first_sequence=first, last_sequence=last, why=why)))
                except SpoolWriteFailed:
                    self._undeclared = waiting + self._undeclared
                    break
                self._declared.add(first, last)
                self._counts["declared"] += 1
                waiting.pop(0)
            self._is_declaring = False

    def _make_room(self) -> None:
        """Above the cap: settled records first, then the least severe and oldest pending ones, declared."""
        if self._store.total_bytes() <= self._cap_bytes:
            return
        self._journal.settle_down()
        target = int(self._cap_bytes * ROOM_TARGET)
        self._store.seal()
        self._store.save_ledger(self._settled, self._journal.durable_through)
        self._store.remove_settled(self._entries, self._settled, target)
        self._store.compact(self._entries, self._pending, target)
        excess = self._store.total_bytes() - target
        if excess > 0:
            self._evict(excess)
            self._store.compact(self._entries, self._pending, target)

    def _evict(self, excess_bytes: int) -> None:
        victims = least_worth_keeping(self._pending.values(), excess_bytes)
        for first, last in victims:
            try:
                gap = Gap(first_sequence=first, last_sequence=last, why="evicted")
                self._journal.commit_alone(self._framing.of(gap))
            except SpoolWriteFailed:
                return
            self._declared.add(first, last)
            self._counts["declared"] += 1
            for sequence in range(first, last + 1):
                if sequence in self._pending:
                    self._drop(self._pending[sequence])
                    self._counts["evicted"] += 1

    # --- looking: waits for no lock, and so for no disk; a figure may be a moment old ---

    @property
    def last_sequence(self) -> int:
        """The highest accepted sequence; 0 for a new spool."""
        return self._journal.durable_through

    @property
    def backlog_empty_since(self) -> datetime | None:
        """Since when every accepted record is settled; None while some are not."""
        return self._empty_since if not (self._undeclared or self._is_declaring) else None

    def pending_count(self) -> int:
        return len(self._pending)

    def counters(self) -> dict[str, int]:
        """accepted, settled, evicted, declared, torn, damaged, write_failures, rewound, replayed since open; and now:
        pending, held, bytes, undeclared."""
        return self._counts | {
            "pending": len(self._pending),
            "held": len(self._entries),
            "bytes": self._store.total_bytes(),
            "undeclared": len(self._undeclared),
            "write_failures": self._journal.write_failures,
        }

    def close(self) -> None:
        """Save the ledger and let go of the folder. May be called twice."""
        with self._lock:
            if self._is_closed:
                return
            self._journal.settle_down()
            self._store.save_ledger(self._settled, self._journal.durable_through, even_if_unchanged=True)
            self._store.close()
            self._is_closed = True
            os.close(self._lock_descriptor)

    def _must_be_open(self) -> None:
        if self._is_closed:
            raise SpoolClosed(f"{self.directory}: the spool is closed")
