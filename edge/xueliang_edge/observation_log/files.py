"""The files of the log: one a group, named by its serial; `.journal` while it grows, `.segment` when it is complete."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from xueliang_edge.observation_log.framing import MAGIC, FrameKind, frames
from xueliang_edge.observation_log.groups import as_json

_NAME: Final = re.compile(r"(\d{10})\.(journal|segment)")
_TAIL_BYTES: Final = 4096  # the END frame lies in it
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file, and what its end says.

    Attributes:
        first_at_ms, last_at_ms: wall clock of its first and last look; None: not known (a journal, a damaged end).
    """

    serial: int
    path: Path
    is_journal: bool
    size_bytes: int
    first_at_ms: int | None = None
    last_at_ms: int | None = None


class Removal(NamedTuple):
    """A file that has to go. `is_too_old`: or else the log was too large."""

    file: LogFile
    is_too_old: bool


def path_of(folder: Path, serial: int, kind: str) -> Path:
    return folder / f"{serial:010d}.{kind}"


def log_files(folder: Path) -> list[LogFile]:
    """Every file, oldest first. Of a group that has both, the segment: the journal was about to be removed."""
    found: dict[int, LogFile] = {}
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    for path in paths:  # "journal" sorts before "segment", which takes its place
        match = _NAME.fullmatch(path.name)
        if match is not None and (one := _described(path, int(match[1]), match[2] == "journal")) is not None:
            found[one.serial] = one
    return [found[serial] for serial in sorted(found)]


def contents(path: Path) -> memoryview:
    """The bytes of a file; empty when it is gone or empty. Raises OSError for anything else.

    A segment is mapped. A journal is read: its node cuts off what a full disk took half of, and touching a page behind
    the end of a mapped file kills the reader (SIGBUS).
    """
    try:
        if path.suffix == ".journal":
            return memoryview(path.read_bytes())
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (FileNotFoundError, ValueError):  # retention was quicker; nothing can be mapped of nothing
        return memoryview(b"")


def write_segment(folder: Path, serial: int, parts: Iterable[bytes]) -> Path:
    """There whole or not at all: temporary file, fsync, rename, fsync of the folder. Raises OSError."""
    path = path_of(folder, serial, "segment")
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _fsync_folder(folder)
    return path


def to_remove(files: Sequence[LogFile], *, max_bytes: int, oldest_ms: int | None, now_ms: int) -> list[Removal]:
    """What has to go, oldest first and never a newer file before an older one: too old, or too much. Pure.

    `oldest_ms`: files that end before it are too old; None: age is no reason. The newest file stays.
    """
    total = sum(one.size_bytes for one in files)
    gone: list[Removal] = []
    for one, last_at_ms in zip(files[:-1], _ends(files, now_ms), strict=False):
        is_old = oldest_ms is not None and last_at_ms is not None and last_at_ms < oldest_ms
        if total <= max_bytes and not is_old:
            break
        gone.append(Removal(one, is_old))
        total -= one.size_bytes
    return gone


def is_clock_doubtful(files: Sequence[LogFile], now_ms: int) -> bool:
    """By this clock more than a day went by without a look, and the log has not gone on for a day since. Pure.

    The clock is far ahead, or the node was off for long: nothing here can tell, so nothing may be removed by age yet.
    The files say it, so a restart does not make a wrong clock right.
    """
    ends = (moment for one in files for moment in (one.first_at_ms, one.last_at_ms))
    moments = [moment for moment in ends if moment is not None and moment <= now_ms]
    return any(after - before > _DAY_MS and now_ms - after < _DAY_MS for before, after in pairwise([*moments, now_ms]))


def _ends(files: Sequence[LogFile], now_ms: int) -> list[int | None]:
    """When each file ends; one that does not say (damaged, or in the future: the clock was wrong) ends no later than
    the next that does."""
    ends: list[int | None] = []
    known: int | None = None
    for one in reversed(files):
        known = one.last_at_ms if one.last_at_ms is not None and one.last_at_ms <= now_ms else known
        ends.append(known)
    return ends[::-1]


def _described(path: Path, serial: int, is_journal: bool) -> LogFile | None:
    try:
        size = path.stat().st_size
        if is_journal:
            return LogFile(serial, path, is_journal, size)
        with path.open("rb") as file:
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
    except OSError:
        return None
    tail = tail[max(0, tail.rfind(MAGIC)) :]
    last = next(frames(tail), None)
    about = as_json(last.payload(tail)) if last is not None and last.kind is FrameKind.END else {}
    return LogFile(serial, path, is_journal, size, about.get("first_at_ms"), about.get("last_at_ms"))


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
