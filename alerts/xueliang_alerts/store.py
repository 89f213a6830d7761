"""The segment files of an open spool, and the ledger beside them: writing, giving up a file, making files smaller.

Not thread-safe: the spool holds its lock. Methods that may fail raise OSError and leave what was durable as it was.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from pathlib import Path

from xueliang_alerts.clocks import Mono
from xueliang_alerts.disk import Disk
from xueliang_alerts.ledger import save_ledger
from xueliang_alerts.ranges import SequenceRanges
from xueliang_alerts.records import RecordHead, RecordKind, encode_record
from xueliang_alerts.recovery import MAX_RECORDS_PER_SEGMENT, Recovered
from xueliang_alerts.segments import Entry, Segment, read_entry, rewrite_segment, segment_path

log = logging.getLogger(__name__)

ROTATE_AFTER_S = 3600.0  # a quiet node's records must not wait for a full segment to be removed: at most 24 h + 1 h


class SegmentStore:
    """Segments in order of serial; the last one is being written when `_descriptor` is set."""

    def __init__(self, directory: Path, recovered: Recovered, *, mono: Mono, disk: Disk, segment_bytes: int) -> None:
        self.directory, self._disk, self._mono = directory, disk, mono
        self._owner = recovered.owner
        self._segment_bytes = segment_bytes
        self._segments = recovered.segments
        self._next_serial = max((segment.serial for segment in self._segments), default=0) + 1
        self._descriptor: int | None = None
        self._is_spoiled = False  # half a record could not be taken off the end: nothing more goes into this file
        self._ledger = recovered.ledger
        self._saved: tuple[list[tuple[int, int]], int] | None = None
        self._saved_settled = SequenceRanges(recovered.ledger.settled)
        self._checked_mono_s = mono()
        for segment in self._segments:
            segment.kept_s = recovered.ledger.kept_s.get(segment.serial, 0.0)

    # --- writing ---

    def should_rotate(self) -> bool:
        if self._descriptor is None:
            return False
        active = self._segments[-1]
        if self._is_spoiled:
            return True
        is_full = active.size_bytes >= self._segment_bytes or len(active.sequences) >= MAX_RECORDS_PER_SEGMENT
        return is_full or self._mono() - active.opened_mono_s >= ROTATE_AFTER_S

    def seal(self) -> None:
        """Close the file being written (all of it must be durable); the next append makes a new one."""
        if self._descriptor is not None:
            self._disk.close(self._descriptor)
            self._descriptor = None
            self._is_spoiled = False

    def append(self, head: RecordHead, frame: bytes, *, accepted_through: int, settled: SequenceRanges) -> Entry:
        """Write one record, not yet durable."""
        if self._is_spoiled:
            raise OSError(errno.EIO, "the file ends in half a record; the next write starts a new one")
        if self._descriptor is None:
            self._start_segment(head.sequence, accepted_through, settled)
        assert self._descriptor is not None
        active = self._segments[-1]
        offset = active.size_bytes
        try:
            self._disk.write(self._descriptor, frame)
        except OSError:
            self._cut_back(active, offset)
            raise
        active.size_bytes += len(frame)
        active.sequences.add(head.sequence)
        return Entry(head, active, offset)

    def _start_segment(self, first_sequence: int, accepted_through: int, settled: SequenceRanges) -> None:
        segment, descriptor = self._create_segment()
        self._segments.append(segment)
        self._descriptor = descriptor
        self._ledger.active_segment = segment.serial
        self._ledger.active_first_sequence = first_sequence
        self.save_ledger(settled, accepted_through, even_if_unchanged=True)

    def _create_segment(self) -> tuple[Segment, int]:
        serial = self._next_serial
        path = segment_path(self.directory, serial)
        header = encode_record(RecordKind.SEGMENT, self._owner.to_bytes())[1]
        self._next_serial += 1
        descriptor = self._disk.create(path)
        try:
            self._disk.write(descriptor, header)
            self._disk.fsync(descriptor)
            self._disk.fsync_directory(self.directory)
        except OSError:
            self._disk.close(descriptor)
            self._remove_quietly(path)
            raise
        segment = Segment(serial, path, len(header), len(header), self._mono())
        return segment, descriptor

    def _cut_back(self, segment: Segment, size_bytes: int) -> None:
        """After a failed write: take the half record off; where that fails, too, never write to this file again."""
        try:
            self._disk.truncate(segment.path, size_bytes)
        except OSError:
            self._is_spoiled = True

    def sync_target(self) -> tuple[int, int]:
        """(descriptor, size) that an fsync would make durable."""
        assert self._descriptor is not None
        return self._descriptor, self._segments[-1].size_bytes

    def synced(self, size_bytes: int) -> None:
        self._segments[-1].durable_bytes = size_bytes

    def abandon(
        self,
        pending: Mapping[int, Entry],
        unsynced: list[tuple[Entry, bytes]],
        accepted_through: int,
        settled: SequenceRanges,
    ) -> None:
        """The active file's fsync failed: write what is pending in it, and what was waiting, to a new file, durably.

        Raises OSError when that fails, too: then nothing that was waiting is accepted.
        """
        dead = self._segments[-1]
        self.seal()
        waiting = {entry.sequence for entry, _ in unsynced}
        durable = [entry for sequence, entry in pending.items() if entry.segment is dead and sequence not in waiting]
        dead.sequences -= waiting
        try:
            self._move(dead, durable, unsynced, accepted_through, settled)
        except OSError:
            self._give_up_tail(dead)
            raise
        dead.sequences.clear()
        self._remove(dead)

    def _move(
        self,
        dead: Segment,
        durable: list[Entry],
        unsynced: list[tuple[Entry, bytes]],
        accepted_through: int,
        settled: SequenceRanges,
    ) -> None:
        frames = [(entry, self._disk.read(dead.path, entry.offset, entry.frame_bytes)) for entry in durable]
        whole = [(entry, frame) for entry, frame in frames if read_entry(self._disk, entry) is not None]
        first = min((entry.sequence for entry, _ in [*whole, *unsynced]), default=accepted_through + 1)
        self._start_segment(first, accepted_through, settled)
        assert self._descriptor is not None
        fresh = self._segments[-1]
        try:
            places = []
            for entry, frame in [*whole, *unsynced]:
                places.append((entry, fresh.size_bytes))
                self._disk.write(self._descriptor, frame)
                fresh.size_bytes += len(frame)
            self._disk.fsync(self._descriptor)
        except OSError:
            self.seal()
            self._segments.remove(fresh)
            self._remove_quietly(fresh.path)
            raise
        fresh.durable_bytes = fresh.size_bytes
        for entry, offset in places:
            entry.segment, entry.offset = fresh, offset
            fresh.sequences.add(entry.sequence)

    def _give_up_tail(self, dead: Segment) -> None:
        """Best effort: records that nobody was promised should not come back after a restart."""
        dead.size_bytes = dead.durable_bytes
        try:
            self._disk.truncate(dead.path, dead.durable_bytes)
        except OSError as error:
            log.error("spool file could not be cut", extra={"file": dead.path.name, "error": str(error)})

    # --- making files smaller ---

    def total_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self._segments)

    def remove_settled(
        self, entries: dict[int, Entry], settled: SequenceRanges, target_bytes: int, *, oldest: int | None = None
    ) -> int:
        """Remove sealed files of which every record is settled, oldest first, until the target; returns how many.

        `settled` as last saved decides: a file goes only when the ledger on disk knows why.
        """
        removed = 0
        for segment in self._sealed():
            if self.total_bytes() <= target_bytes or removed == oldest:
                break
            if self._is_settled(segment, settled):
                self._forget(segment, entries)
                removed += 1
        return removed

    def compact(self, entries: dict[int, Entry], pending: dict[int, Entry], target_bytes: int) -> None:
        """Rewrite sealed files without what is not pending, oldest first, until the target."""
        by_segment: dict[int, list[Entry]] = {}
        for entry in pending.values():
            by_segment.setdefault(entry.segment.serial, []).append(entry)
        for segment in self._sealed():
            if self.total_bytes() <= target_bytes:
                return
            keep = sorted(by_segment.get(segment.serial, []), key=lambda entry: entry.offset)
            if not self._may_shrink(segment, keep, entries, pending):
                continue
            try:
                rewrite_segment(self._disk, segment, self._owner, keep)
            except (OSError, ValueError) as error:
                log.warning("spool file not compacted", extra={"file": segment.path.name, "error": str(error)})

    def _may_shrink(
        self, segment: Segment, keep: list[Entry], entries: dict[int, Entry], pending: dict[int, Entry]
    ) -> bool:
        """Drops the settled records of this file from `entries`; False when there is nothing to gain or no ledger."""
        gone = segment.sequences - {entry.sequence for entry in keep}
        if not all(sequence in self._saved_settled for sequence in gone if sequence in entries):
            return False
        kept_bytes = sum(entry.frame_bytes for entry in keep)
        if segment.size_bytes - kept_bytes < 512:
            return False
        for sequence in gone:
            if sequence not in pending:
                entries.pop(sequence, None)
        return True

    def retire(
        self, entries: dict[int, Entry], pending: dict[int, Entry], settled: SequenceRanges, keep_s: float
    ) -> None:
        """Remove files whose records were all settled for `keep_s` seconds of running time."""
        now = self._mono()
        elapsed, self._checked_mono_s = max(0.0, now - self._checked_mono_s), now
        if self.should_rotate() and self._segments[-1].durable_bytes == self._segments[-1].size_bytes:
            self.seal()
        for segment in self._sealed():
            if any(sequence in pending for sequence in segment.sequences):
                segment.kept_s = 0.0
                continue
            segment.kept_s += elapsed
            if segment.kept_s >= keep_s and self._is_settled(segment, settled):
                self._forget(segment, entries)

    def _is_settled(self, segment: Segment, settled: SequenceRanges) -> bool:
        return all(sequence in settled and sequence in self._saved_settled for sequence in segment.sequences)

    def _sealed(self) -> list[Segment]:
        return list(self._segments if self._descriptor is None else self._segments[:-1])

    def _forget(self, segment: Segment, entries: dict[int, Entry]) -> None:
        for sequence in segment.sequences:
            entries.pop(sequence, None)
        self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        self._remove_quietly(segment.path)

    def _remove_quietly(self, path: Path) -> None:
        try:
            self._disk.unlink(path)
            self._disk.fsync_directory(self.directory)
        except OSError as error:
            log.warning("spool file not removed", extra={"file": path.name, "error": str(error)})

    # --- ledger ---

    def save_ledger(self, settled: SequenceRanges, accepted_through: int, *, even_if_unchanged: bool = False) -> None:
        """Write the ledger when it says something new. A failure is logged: it costs re-sends, no record."""
        state = (list(settled), accepted_through)
        if state == self._saved and not even_if_unchanged:
            return
        self._ledger.settled = settled
        self._ledger.accepted_through = accepted_through
        self._ledger.kept_s = {segment.serial: segment.kept_s for segment in self._segments if segment.kept_s > 0}
        try:
            save_ledger(self._disk, self.directory, self._owner.spool_id, self._ledger)
        except OSError as error:
            log.warning("spool ledger not saved", extra={"error": str(error)})
            return
        self._saved = state
        self._saved_settled = SequenceRanges(settled)

    def close(self) -> None:
        self.seal()
