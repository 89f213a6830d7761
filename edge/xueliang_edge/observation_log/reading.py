"""The log of one camera, read back: arrays where there are looks, and a gap wherever something is missing.

Every look of a run has a number. Whatever the reason for which looks are not here (the queue was full, a block is torn,
a file was removed, the node was killed), their numbers are missing, and that is a gap: unknown, never "nothing there".
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observation_log.blocks import Head, decoded, encoded
from xueliang_edge.observation_log.encoding import at_milliseconds, at_of
from xueliang_edge.observation_log.files import LogFile, contents, log_files
from xueliang_edge.observation_log.framing import Frame, FrameKind, frames
from xueliang_edge.observation_log.groups import Group, GrowingBlock, as_json, run_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import Observation


class GapReason(StrEnum):
    NODE_STOPPED = "node_stopped"
    """Between two runs of the node; what the first had not written yet when it was killed is part of it."""
    LOST = "lost"
    """Looks were judged and not written: the disk was too slow, full or failing."""
    DAMAGED = "damaged"
    """They were written and cannot be read."""
    OUTSIDE = "outside"
    """Before the first look that is kept, or after the last."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing is known between these moments.

    Attributes:
        after_at, until_at: the looks around it; None: nothing is on that side.
        looks: how many are missing; None: nobody can say.
    """

    reason: GapReason
    after_at: datetime | None
    until_at: datetime | None
    looks: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """One camera over a stretch of time.

    Attributes:
        parts: looks and gaps, in the order in which they happened. Two neighbouring `LoggedLooks` have no gap between.
        damaged: frames and blocks that could not be read, of any camera; each shows as a gap where it mattered.
    """

    camera_id: str
    parts: tuple[LoggedLooks | Gap, ...]
    damaged: int

    @property
    def looks(self) -> tuple[LoggedLooks, ...]:
        return tuple(part for part in self.parts if isinstance(part, LoggedLooks))

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(part for part in self.parts if isinstance(part, Gap))

    def observations(self) -> Iterator[Observation | Gap]:
        """Look by look, as they were judged, and every gap in its place."""
        for part in self.parts:
            if isinstance(part, Gap):
                yield part
            else:
                yield from part.observations()


@dataclass(frozen=True, slots=True)
class _Stored:
    """A block that could be read: in a segment (`data`, `frame`), or still growing in a journal (`growing`)."""

    run_id: str
    head: Head
    data: memoryview
    frame: Frame | None
    snapshot: Frame | None = None
    growing: GrowingBlock | None = None

    def load(self) -> LoggedLooks | None:
        """None when it is damaged."""
        try:
            if self.growing is not None:
                head, data = encoded(self.growing.camera_id, self.growing.rows, self.growing.tables)
                return decoded(head, memoryview(data), self.run_id, self.growing.snapshot)
            payload = self.frame.payload(self.data) if self.frame is not None else None
            return None if payload is None else decoded(self.head, payload, self.run_id, self._snapshot())
        except (zlib.error, IndexError, KeyError, TypeError, ValueError):
            return None  # its checksum was right: written by another version, or not by us

    def _snapshot(self) -> Mapping[str, Any] | None:
        payload = self.snapshot.payload(self.data) if self.snapshot is not None else None
        if payload is None:
            return None
        value = json.loads(zlib.decompress(payload))
        return value if isinstance(value, dict) else None


def read_history(
    folder: Path, camera_id: str, from_at: datetime | None = None, to_at: datetime | None = None
) -> History:
    """What the log holds of one camera between two moments of the wall clock, both included. None: all.

    Also while the node is writing, from another process. Raises OSError when a file that is there cannot be read.
    """
    from_ms = None if from_at is None else at_milliseconds(from_at)
    to_ms = None if to_at is None else at_milliseconds(to_at)
    reading = _Reading(camera_id, from_ms, to_ms)
    parts = tuple(_parts(reading, folder))
    return History(camera_id, parts, reading.damaged)


def read_parts(
    folder: Path, camera_id: str, from_at: datetime | None = None, to_at: datetime | None = None
) -> Iterator[LoggedLooks | Gap]:
    """The parts of `read_history` one after the other: a week of a busy camera need not lie in memory at once."""
    from_ms = None if from_at is None else at_milliseconds(from_at)
    to_ms = None if to_at is None else at_milliseconds(to_at)
    return _parts(_Reading(camera_id, from_ms, to_ms), folder)


def _parts(reading: _Reading, folder: Path) -> Iterator[LoggedLooks | Gap]:
    for file in _concerned(log_files(folder), reading.from_ms, reading.to_ms):
        reading.take(file)
        yield from reading.taken()
    reading.finish()
    yield from reading.taken()


def _concerned(files: list[LogFile], from_ms: int | None, to_ms: int | None) -> list[LogFile]:
    """Those that hold the stretch, and one on either side: whether it is whole shows at its neighbours."""
    inside = [
        index
        for index, one in enumerate(files)
        if (from_ms is None or one.last_at_ms is None or one.last_at_ms >= from_ms)
        and (to_ms is None or one.first_at_ms is None or one.first_at_ms <= to_ms)
    ]
    return files[max(0, inside[0] - 1) : inside[-1] + 2] if inside else files


class _Reading:
    """Walks the blocks of one camera in order and notices what is missing."""

    def __init__(self, camera_id: str, from_ms: int | None, to_ms: int | None) -> None:
        self._camera_id, self.from_ms, self.to_ms = camera_id, from_ms, to_ms
        self._found: list[LoggedLooks | Gap] = []
        self.damaged = 0
        self._last: tuple[str, int, int] | None = None  # run, next sequence, wall clock of the last good look
        self._is_damaged_since = False

    def taken(self) -> list[LoggedLooks | Gap]:
        """What was found since the last time, in order."""
        found, self._found = self._found, []
        return found

    def take(self, file: LogFile) -> None:
        data, is_journal = contents(file.path), file.is_journal
        if not data and is_journal:  # it may have become a segment just now
            data, is_journal = contents(file.path.with_suffix(".segment")), False
        if not data:
            if not file.is_journal and file.size_bytes == 0:
                self._damage()
            return  # a journal begun when the node was killed, or a file that retention has just removed
        run_id = run_of(data)
        if run_id is None:
            self._damage()
            return
        blocks = self._growing(run_id, data) if is_journal else self._stored(run_id, data)
        for block in blocks:
            self._take_block(block)

    def finish(self) -> None:
        """The edges: where the stretch asked for goes on and the log does not."""
        last_ms = None if self._last is None else self._last[2]
        is_short = self.to_ms is not None and (last_ms is None or last_ms < self.to_ms)
        if is_short or self._is_damaged_since or last_ms is None:
            reason = GapReason.DAMAGED if self._is_damaged_since else GapReason.OUTSIDE
            after = last_ms if self.from_ms is None or last_ms is None else max(last_ms, self.from_ms)
            self._gap(reason, self.from_ms if after is None else after, self.to_ms, None)

    def _growing(self, run_id: str, data: memoryview) -> Iterator[_Stored]:
        group = Group.from_journal(data)
        for block in group.blocks:
            if block.camera_id == self._camera_id and len(block):
                head, _ = encoded(block.camera_id, block.rows, block.tables)
                yield _Stored(run_id, head, data, None, growing=block)
        if group.is_torn:
            self._damage()

    def _stored(self, run_id: str, data: memoryview) -> Iterator[_Stored]:
        head: Head | None = None
        snapshot: Frame | None = None
        for frame in frames(data):
            if frame is None:
                self._damage()
                head = None
            elif frame.kind is FrameKind.BLOCK_HEAD:
                head, snapshot = self._head_of(frame, data), None
            elif frame.kind is FrameKind.SNAPSHOT:
                snapshot = frame
            elif frame.kind is FrameKind.BLOCK and head is not None and head.camera_id == self._camera_id:
                yield _Stored(run_id, head, data, frame, snapshot)

    def _head_of(self, frame: Frame, data: memoryview) -> Head | None:
        try:
            return Head.from_json(as_json(frame.payload(data)))
        except (KeyError, TypeError, ValueError):
            self._damage()
            return None

    def _damage(self) -> None:
        self.damaged += 1
        self._is_damaged_since = True

    def _take_block(self, block: _Stored) -> None:
        head = block.head
        is_inside = (self.from_ms is None or head.last_at_ms >= self.from_ms) and (
            self.to_ms is None or head.first_at_ms <= self.to_ms
        )
        looks = block.load() if is_inside else None
        if is_inside and looks is None:
            self._damage()
            return
        self._join(block.run_id, head)
        if looks is not None:
            self._add(looks, head)
        self._last = (block.run_id, head.sequences[1], head.last_at_ms)
        self._is_damaged_since = False

    def _join(self, run_id: str, head: Head) -> None:
        """A gap before this block, unless it goes on where the last one ended."""
        first_ms = head.first_at_ms
        if self._last is None:
            if self.from_ms is not None and first_ms > self.from_ms:
                reason = GapReason.DAMAGED if self._is_damaged_since else GapReason.OUTSIDE
                self._gap(reason, self.from_ms, first_ms, None)
            elif self._is_damaged_since and self.from_ms is None:
                self._gap(GapReason.DAMAGED, None, first_ms, None)
            return
        last_run, following, last_ms = self._last
        missing = head.sequences[0] - following
        if last_run == run_id and missing == 0:
            return
        reason = GapReason.LOST if last_run == run_id else GapReason.NODE_STOPPED
        if self._is_damaged_since:
            reason = GapReason.DAMAGED
        self._gap(reason, last_ms, first_ms, missing if last_run == run_id else None)

    def _add(self, looks: LoggedLooks, head: Head) -> None:
        """These looks as far as they lie inside, cut where some were lost between them."""
        starts = [0, *(look for look, _ in head.jumps)]
        for start, stop in zip(starts, [*starts[1:], len(looks)], strict=True):
            if start:
                missing = int(looks.sequence[start] - looks.sequence[start - 1]) - 1
                self._gap(GapReason.LOST, int(looks.at_ms[start - 1]), int(looks.at_ms[start]), missing)
            inside = self._inside(looks.at_ms[start:stop])
            rows = np.flatnonzero(inside)
            if len(rows) == len(looks):
                self._found.append(looks)
            elif len(rows):
                self._found.append(looks.part(start + int(rows[0]), start + int(rows[-1]) + 1))

    def _inside(self, at_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        inside = np.ones(len(at_ms), np.bool_)
        if self.from_ms is not None:
            inside &= at_ms >= self.from_ms
        if self.to_ms is not None:
            inside &= at_ms <= self.to_ms
        return inside

    def _gap(self, reason: GapReason, after_ms: int | None, until_ms: int | None, looks: int | None) -> None:
        """Only what lies in the stretch asked for."""
        is_before = self.from_ms is not None and until_ms is not None and until_ms <= self.from_ms
        is_behind = self.to_ms is not None and after_ms is not None and after_ms >= self.to_ms
        if is_before or is_behind:
            return
        after_at, until_at = (None if moment is None else at_of(moment) for moment in (after_ms, until_ms))
        self._found.append(Gap(reason, after_at, until_at, looks))
