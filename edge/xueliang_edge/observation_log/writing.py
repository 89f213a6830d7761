"""Looks on their way to the disk: the main path offers them, a thread of its own writes them.

The thread appends what came to the group's journal every `FLUSH_S`, and every half hour turns the group into a segment
(groups.py) and removes what is too old or too much; so the cap is soft by one group. A disk that refuses costs looks,
counted, and nothing else; one that is full (and no other) makes the log remove its own oldest file first. Looks that
the journal did not take stay in memory for the segment: they are lost only when that, too, cannot be written.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from xueliang_edge.allocator import give_back
from xueliang_edge.errors import NotRepresentable
from xueliang_edge.observation_log.encoding import as_logged, at_milliseconds, at_of
from xueliang_edge.observation_log.files import (
    LogFile,
    contents,
    is_clock_doubtful,
    log_files,
    path_of,
    to_remove,
    write_segment,
)
from xueliang_edge.observation_log.groups import Group, header, run_of
from xueliang_edge.observations import Observation

log = logging.getLogger(__name__)

FLUSH_S: Final = 2.0
SYNC_S: Final = 30.0
GROUP_S: Final = 1800.0
QUEUED_AT_MOST: Final = 4096  # a minute of 64 cameras at one look a second; about 16 MB
JOURNAL_BYTES: Final = 32 << 20  # a group that has grown so large ends early
STOP_S: Final = 2.0  # in all; a full queue is written in half a second
_BREATHE_S: Final = 0.01  # between two blocks of a segment: the main path wants the interpreter, too
_DAY: Final = timedelta(days=1)
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)  # what room helps against

COUNTED: Final = (
    "written",
    "lost_disk",
    "lost_not_representable",
    "removed_by_age",
    "removed_by_size",
    "clock_doubted",
    "recovered",
    "recovered_torn",
    "not_recovered",
    "write_failures",
)

Snapshot = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class LogReport:
    """How the log stands, for the health page.

    Attributes:
        size_bytes, files: on the disk. damaged_files: those whose end cannot be read.
        oldest_at: the first look that is kept; None: nothing is in a segment yet.
        queued: looks that wait for the disk.
        problem: why the last write failed, in words; None: it did not.
        counts: looks `written`, `lost_queue_full`, `lost_disk` (it refused journal and segment),
            `lost_not_representable`, `lost_at_stop`; files `removed_by_age`, `removed_by_size`, `recovered`,
            `recovered_torn`, `not_recovered` (journals that cannot be read, kept as they are); `clock_doubted`: how
            often age was no reason because of the clock; `write_failures`.
    """

    size_bytes: int
    files: int
    damaged_files: int
    oldest_at: datetime | None
    queued: int
    problem: str | None
    counts: Mapping[str, int]


class _Offered(NamedTuple):
    group: int
    observation: Observation
    sequence: int
    snapshot: Mapping[str, Any] | None


@dataclass(slots=True)
class _Numbering:
    """Of one camera. `group`: the last group that has a snapshot of its rules; 0: the next look must bring one."""

    sequence: int = 0
    group: int = 0


class NoLog:
    """Nothing is kept; rules judge the same as with a log."""

    def start(self) -> None: ...

    def record(self, observation: Observation, _snapshot: Snapshot) -> Observation:
        return as_logged(observation)

    def begin_anew(self, _camera_id: str) -> None: ...

    def report(self) -> None:
        """There is nothing to report."""

    def close(self) -> None: ...


class ObservationLog:
    """`start`, `record` from the main path, `close`. One at a time on a folder (the node's spool is locked)."""

    def __init__(
        self,
        folder: Path,
        run_id: str,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        days: float,
        max_bytes: int,
    ) -> None:
        """Raises OSError when the folder cannot be made."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._wall, self._mono = wall, mono
        self._opened_at, self._opened_mono_s = wall(), mono()
        self._group = 1
        self._group_began_s = mono()
        self._is_group_large = threading.Event()
        self._cameras: dict[str, _Numbering] = {}
        self._queue: queue.Queue[_Offered | None] = queue.Queue(QUEUED_AT_MOST)
        self._writer = _Writer(folder, run_id, self._is_group_large, days=days, max_bytes=max_bytes)
        self._lost: Counter[str] = Counter({"lost_queue_full": 0, "lost_at_stop": 0})
        self._thread = threading.Thread(target=self._run, name="observation-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def record(self, observation: Observation, snapshot: Snapshot) -> Observation:
        """Give one look to the log; returns what the rules are to judge. Never waits, never raises for the disk's sake.

        `snapshot` is asked for what the rules remember before this look: at the begin of a group, after a loss and
        after `begin_anew`.
        """
        logged = as_logged(observation)
        numbering = self._cameras.setdefault(logged.camera_id, _Numbering())
        numbering.sequence += 1
        self._group_when_due()
        state = None if numbering.group == self._group else snapshot()
        try:
            self._queue.put_nowait(_Offered(self._group, logged, numbering.sequence, state))
        except queue.Full:
            self._lost["lost_queue_full"] += 1
            numbering.group = 0
            if self._lost["lost_queue_full"] == 1:
                log.warning("observation log is too slow, looks are not kept", extra={"queued": QUEUED_AT_MOST})
        else:
            numbering.group = self._group
        return logged

    def begin_anew(self, camera_id: str) -> None:
        """The camera's rules are other ones from here on: its next look brings what they remember."""
        if camera_id in self._cameras:
            self._cameras[camera_id].group = 0

    def report(self) -> LogReport:
        """From any thread."""
        files, writer = self._writer.files, self._writer
        first_ms = next((one.first_at_ms for one in files if one.first_at_ms), None)
        return LogReport(
            size_bytes=sum(one.size_bytes for one in files) + writer.journal_bytes,
            files=len(files) + (writer.journal_bytes > 0),
            damaged_files=sum(not one.is_journal and one.last_at_ms is None for one in files),
            oldest_at=None if first_ms is None else at_of(first_ms),
            queued=self._queue.qsize(),
            problem=writer.problem,
            counts=dict(writer.counts) | dict(self._lost),
        )

    def close(self) -> None:
        """Write what waits; the journal becomes a segment at the next start. Takes `STOP_S` at most: a disk that hangs
        keeps its looks from being written, not the node from stopping."""
        if not self._thread.is_alive():
            return
        deadline_mono_s = self._mono() + STOP_S
        is_told = True
        try:
            self._queue.put(None, timeout=STOP_S)
        except queue.Full:
            is_told = False
        self._thread.join(max(0.0, deadline_mono_s - self._mono()))
        if self._thread.is_alive():
            looks = max(0, self._queue.qsize() - is_told) + self._writer.unwritten
            self._lost["lost_at_stop"] += looks
            log.warning("observation log not written to its end", extra={"looks": looks})

    def _group_when_due(self) -> None:
        now = self._mono()
        if now - self._group_began_s >= GROUP_S or self._is_group_large.is_set():
            self._is_group_large.clear()
            self._group_began_s = now
            self._group += 1

    def _run(self) -> None:
        self._guarded(self._recover)
        self._guarded(self._remove_old)
        group, flushed_s, is_stopping = 1, self._mono(), False
        while not is_stopping:
            offered = self._next(flushed_s)
            is_stopping = offered is not None and offered is _STOP
            if isinstance(offered, _Offered):
                if offered.group != group:
                    group = offered.group
                    self._guarded(self._writer.seal)
                    self._guarded(self._remove_old)
                    give_back()  # half an hour of looks
                self._guarded(partial(self._writer.add, offered))
            if is_stopping or self._mono() - flushed_s >= FLUSH_S:
                flushed_s = self._mono()
                self._guarded(partial(self._writer.flush, flushed_s))
        self._guarded(self._writer.close)

    def _next(self, flushed_s: float) -> _Offered | object | None:
        """None: nothing came until the next flush."""
        try:
            offered = self._queue.get(timeout=max(0.05, FLUSH_S - (self._mono() - flushed_s)))
        except queue.Empty:
            return None
        return _STOP if offered is None else offered

    def _guarded(self, work: Callable[[], None]) -> None:
        """A disk that refuses is a state, and a defect here must not end the log for good."""
        try:
            work()
        except Exception as error:
            self._writer.failed(error)

    def _recover(self) -> None:
        """One journal that fails does not keep the others from becoming segments."""
        self._guarded(self._writer.tidy)
        for journal in self._writer.left_behind():
            self._guarded(partial(self._writer.recover, journal))

    def _remove_old(self) -> None:
        """By a clock that a jump forward while the node runs does not move: no jump deletes anything."""
        steady = self._opened_at + timedelta(seconds=self._mono() - self._opened_mono_s)
        self._writer.remove_old(min(self._wall(), steady))


_STOP: Final = object()


class _Writer:
    """The files, in the log's thread; its numbers may be read from others.

    Attributes:
        unwritten: looks of the group that its journal does not have.
    """

    def __init__(
        self, folder: Path, run_id: str, is_group_large: threading.Event, *, days: float, max_bytes: int
    ) -> None:
        self._folder, self._run_id, self._is_group_large = folder, run_id, is_group_large
        self._days, self._max_bytes = days, max_bytes
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))  # all there: others read it meanwhile
        self.problem: str | None = None
        self.files: tuple[LogFile, ...] = tuple(log_files(folder))
        self._serial = max((one.serial for one in self.files), default=0) + 1
        self._group = Group(run_id)
        self._journal: int | None = None  # its descriptor
        self.journal_bytes = 0
        self.unwritten = 0
        self._synced_mono_s = 0.0

    def tidy(self) -> None:
        """Segments that were not complete when the node was killed; their journals are there."""
        for stale in self._folder.glob("*.tmp"):
            stale.unlink(missing_ok=True)

    def left_behind(self) -> list[Path]:
        """Journals of earlier runs, oldest first."""
        return sorted(self._folder.glob("*.journal"))

    def recover(self, journal: Path) -> None:
        """It becomes a segment; one that cannot be read (another version's) stays as it is, until it is too old."""
        serial, data = int(journal.stem), contents(journal)
        group = Group.from_journal(data)
        if data and not len(group) and run_of(data) is None:
            self.counts["not_recovered"] += 1
            log.warning("observation log: journal cannot be read, kept as it is", extra={"file": journal.name})
            return
        if len(group) and not path_of(self._folder, serial, "segment").exists():
            write_segment(self._folder, serial, group.segment())
        self.counts["recovered"] += 1
        self.counts["recovered_torn"] += group.is_torn
        journal.unlink(missing_ok=True)
        self._look_around()

    def add(self, offered: _Offered) -> None:
        try:
            self._group.add(offered.observation, offered.sequence, offered.snapshot)
        except NotRepresentable as error:
            self.counts["lost_not_representable"] += 1
            if self.counts["lost_not_representable"] == 1:
                log.warning("look cannot be kept in the observation log", extra={"why": str(error)})
        else:
            self.unwritten += 1

    def flush(self, now_mono_s: float) -> None:
        """What came since the last time, to the journal."""
        before = sum(block.told_rows for block in self._group.blocks)
        frame = self._group.news()
        if frame:
            try:
                self._append(frame)
            except OSError:
                self._group.begin_anew()
                raise
            self._have_written(len(self._group) - before)
            self.problem = None
        if self._journal is not None and now_mono_s - self._synced_mono_s >= SYNC_S:
            self._synced_mono_s = now_mono_s
            os.fsync(self._journal)
        if self.journal_bytes > JOURNAL_BYTES:
            self._is_group_large.set()

    def seal(self) -> None:
        """The group becomes a segment, and a new one begins. When the disk refuses, its journal stays as it is."""
        group, serial, journal = self._group, self._serial, self._journal
        self._group, self._serial, self._journal, self.journal_bytes = Group(self._run_id), serial + 1, None, 0
        try:
            if journal is not None:
                os.close(journal)
            if len(group):
                self._write_segment(serial, group)
                self._have_written(self.unwritten)
                path_of(self._folder, serial, "journal").unlink(missing_ok=True)
        finally:
            self._lose_unwritten()
            self._look_around()

    def close(self) -> None:
        """The journal, to the disk."""
        self._lose_unwritten()
        if self._journal is not None:
            try:
                os.fsync(self._journal)
            finally:
                os.close(self._journal)
                self._journal = None

    def remove_old(self, now: datetime) -> None:
        """Remove what is too old or too much."""
        now_ms = at_milliseconds(now)
        is_doubtful = is_clock_doubtful(self.files, now_ms)
        self.counts["clock_doubted"] += is_doubtful
        if is_doubtful and self.counts["clock_doubted"] == 1:
            log.warning("observation log: a day or more without a look, nothing is removed by age for a day")
        oldest_ms = None if is_doubtful else at_milliseconds(now - self._days * _DAY)
        for one in to_remove(self.files, max_bytes=self._max_bytes, oldest_ms=oldest_ms, now_ms=now_ms):
            self._remove(one.file, "removed_by_age" if one.is_too_old else "removed_by_size")
        self._look_around()

    def failed(self, error: Exception) -> None:
        """Say it once, count it always. Called while the exception is handled."""
        self.counts["write_failures"] += 1
        if self.problem is None:
            log.warning(
                "observation log not written", extra={"why": str(error)}, exc_info=not isinstance(error, OSError)
            )
        self.problem = error.strerror or str(error) if isinstance(error, OSError) else type(error).__name__

    def _have_written(self, looks: int) -> None:
        self.counts["written"] += looks
        self.unwritten -= looks

    def _lose_unwritten(self) -> None:
        self.counts["lost_disk"] += self.unwritten
        self.unwritten = 0

    def _append(self, frame: bytes) -> None:
        if self.journal_bytes == 0:  # not: when it is opened; what came first may have been refused
            frame = header(self._run_id) + frame
        self._giving_way(partial(self._write, frame))
        self.journal_bytes += len(frame)

    def _write(self, frame: bytes) -> None:
        """All of it or nothing; where a refusing disk keeps a part of it, the next frame goes over that."""
        if self._journal is None:
            path = path_of(self._folder, self._serial, "journal")
            self._journal = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        done = 0
        try:
            while done < len(frame):
                done += os.pwrite(self._journal, frame[done:], self.journal_bytes + done)
        except OSError:
            os.ftruncate(self._journal, self.journal_bytes)
            raise

    def _write_segment(self, serial: int, group: Group) -> None:
        def parts() -> Iterator[bytes]:
            for part in group.segment():
                yield part
                threading.Event().wait(_BREATHE_S)

        self._giving_way(lambda: write_segment(self._folder, serial, parts()))

    def _giving_way(self, write: Callable[[], object]) -> None:
        """On a full disk once more, with room. Any other refusal would not end by removing what is there."""
        try:
            write()
        except OSError as error:
            if error.errno not in _FULL or not self._make_room():
                raise
            write()

    def _make_room(self) -> bool:
        """The log gives way: its oldest file goes. False: it has none but the one that grows."""
        if not self.files:
            return False
        self._remove(self.files[0], "removed_by_size")
        self._look_around()
        return True

    def _remove(self, file: LogFile, reason: str) -> None:
        file.path.unlink(missing_ok=True)
        self.counts[reason] += 1

    def _look_around(self) -> None:
        """What is on the disk, without the journal that grows."""
        self.files = tuple(
            one for one in log_files(self._folder) if not (one.is_journal and one.serial == self._serial)
        )
