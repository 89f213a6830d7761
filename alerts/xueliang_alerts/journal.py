"""Durable writing with a shared fsync: records enter here and leave either on the disk or refused.

Not thread-safe by itself: every method is called with the spool's lock held. Only the shared fsync lets go of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xueliang_alerts.disk import Disk
from xueliang_alerts.errors import SpoolWriteFailed
from xueliang_alerts.framing import MakeFrame
from xueliang_alerts.ranges import SequenceRanges
from xueliang_alerts.records import RecordHead
from xueliang_alerts.segments import Entry
from xueliang_alerts.store import SegmentStore

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Waiting:
    """One record on its way. `is_durable` becomes True or False once it is known."""

    entry: Entry
    frame: bytes
    is_durable: bool | None = None


class Journal:
    """Gives sequences out and makes records durable, in order.

    Args:
        lock: the spool's lock, an RLock held exactly once while `commit` runs.
        hold: called for each record that became durable, in order.
        free_space: asked when a write fails; True when it could free something and the write is worth a second try.
    """

    def __init__(
        self,
        store: SegmentStore,
        disk: Disk,
        lock: threading.RLock,
        *,
        last_sequence: int,
        entries: Mapping[int, Entry],
        settled: SequenceRanges,
        hold: Callable[[Entry], None],
        free_space: Callable[[], bool],
    ) -> None:
        self._store, self._disk, self._lock = store, disk, lock
        self._changed = threading.Condition(lock)
        self._entries, self._settled = entries, settled
        self._hold, self._free_space = hold, free_space
        self._last = self.durable_through = last_sequence
        self._unsynced: list[Waiting] = []
        self._is_syncing = False
        self.write_failures = 0

    def commit(self, make_frame: MakeFrame) -> None:
        """Write one record and wait until it is durable; whoever finds no fsync under way does it for all that wait.

        Raises:
            SpoolWriteFailed: it is not accepted, and its sequence is free again.
        """
        ticket = self._append(make_frame)
        while ticket.is_durable is None:
            if self._is_syncing:
                self._changed.wait()
            else:
                self._sync(let_go_of_lock=True)
        if not ticket.is_durable:
            raise self._refusal("the disk failed")

    def commit_alone(self, make_frame: MakeFrame) -> None:
        """The same without letting go of the lock in between, for records that other changes depend on."""
        self.settle_down()
        ticket = self._append(make_frame)
        self.settle_down()
        if not ticket.is_durable:
            raise self._refusal("the disk failed")

    def settle_down(self) -> None:
        """Afterwards nothing is on its way: all written records are durable or refused."""
        while self._is_syncing:
            self._changed.wait()
        if self._unsynced:
            self._sync(let_go_of_lock=False)

    def jump_to(self, sequence: int) -> None:
        """Count on from here; call after `settle_down`."""
        self._last = self.durable_through = sequence

    def _append(self, make_frame: MakeFrame) -> Waiting:
        if not self._is_syncing and self._store.should_rotate():
            self.settle_down()
            self._store.seal()
        head, frame = make_frame(self._last + 1)
        try:
            entry = self._write(head, frame)
        except OSError as error:
            self.write_failures += 1
            if not self._free_space():
                raise self._refusal(error.strerror or str(error)) from error
            try:
                entry = self._write(head, frame)
            except OSError as again:
                raise self._refusal(again.strerror or str(again)) from again
        self._last = head.sequence
        ticket = Waiting(entry, frame)
        self._unsynced.append(ticket)
        return ticket

    def _write(self, head: RecordHead, frame: bytes) -> Entry:
        return self._store.append(head, frame, accepted_through=self.durable_through, settled=self._settled)

    def _sync(self, *, let_go_of_lock: bool) -> None:
        covered = len(self._unsynced)
        descriptor, size = self._store.sync_target()
        failure: OSError | None = None
        self._is_syncing = True
        if let_go_of_lock:
            self._lock.release()
        try:
            self._disk.fsync(descriptor)
        except OSError as error:
            failure = error
        finally:
            if let_go_of_lock:
                self._lock.acquire()
            self._is_syncing = False
        if failure is None:
            self._store.synced(size)
            self._finish(covered, is_durable=True)
        else:
            self._abandon_file(failure)
        self._changed.notify_all()

    def _abandon_file(self, failure: OSError) -> None:
        """Everything that waits goes to a new file with what was pending in the old one; if that fails, nobody is told
        that anything was accepted."""
        self.write_failures += 1
        log.error("spool fsync failed, file abandoned", extra={"error": str(failure)})
        waiting = [(ticket.entry, ticket.frame) for ticket in self._unsynced]
        try:
            self._store.abandon(self._entries, waiting, self.durable_through, self._settled)
        except OSError as error:
            log.error("spool has no file to write to", extra={"error": str(error)})
            self._finish(len(self._unsynced), is_durable=False)
            self._last = self.durable_through
        else:
            self._finish(len(self._unsynced), is_durable=True)

    def _finish(self, count: int, *, is_durable: bool) -> None:
        done, self._unsynced = self._unsynced[:count], self._unsynced[count:]
        for ticket in done:
            ticket.is_durable = is_durable
            if is_durable:
                self._hold(ticket.entry)  # first: whoever looks meanwhile must not see it accepted and not pending
                self.durable_through = ticket.entry.sequence

    def _refusal(self, why: str) -> SpoolWriteFailed:
        return SpoolWriteFailed(f"{self._store.directory}: {why}: nothing was accepted")
