"""The observation log on a disk that refuses, is full, or hangs on one file: what is kept, what is counted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.unit.edge.logged import assert_all_same, group_of, keep
from tests.unit.edge.observing import CAR, seen
from tests.unit.edge.test_observation_log_writing import Clock, clock, open_log, read, wait_for, write
from xueliang_edge.observation_log import writing
from xueliang_edge.observation_log.files import log_files
from xueliang_edge.observation_log.reading import Gap, read_history
from xueliang_edge.observation_log.writing import GROUP_S
from xueliang_edge.observations import Observation

__all__ = ["clock"]  # the fixture


class RefusingJournal:
    """Writes to a journal of this folder, and to nothing else, fail: `refuse` says how often and how."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._left = folder, 0
        self._error = errno.EIO
        self._pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", self._write)

    def refuse(self, error: int, times: int = 1) -> None:
        self._error, self._left = error, times

    def _write(self, descriptor: int, data: bytes, offset: int) -> int:
        journals = (one.stat() for one in self._folder.glob("*.journal"))
        if self._left and any(os.path.samestat(one, os.fstat(descriptor)) for one in journals):
            self._left -= 1
            self._pwrite(descriptor, data[: len(data) // 2], offset)  # what a disk takes before it refuses
            raise OSError(self._error, os.strerror(self._error))
        return self._pwrite(descriptor, data, offset)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RefusingJournal:
    return RefusingJournal(tmp_path, monkeypatch)


def test_a_journal_whose_first_write_was_refused_is_read(tmp_path: Path, clock: Clock, disk: RefusingJournal) -> None:
    disk.refuse(errno.ENOSPC)
    log = open_log(tmp_path, clock)
    log.start()
    write(log, [seen(0.0)])
    wait_for("it was refused", lambda: log.report().counts["write_failures"] == 1, clock)
    disk.refuse(errno.ENOSPC)
    write(log, [seen(1.0)])
    wait_for("and again", lambda: log.report().counts["write_failures"] == 2, clock)
    written = write(log, [seen(2.0), seen(3.0)])
    log.close()
    assert_all_same([one for one in read(tmp_path) if isinstance(one, Observation)], written)
    assert read_history(tmp_path, "lane").damaged == 0
    assert (log.report().counts["written"], log.report().counts["lost_disk"]) == (2, 2)


def test_a_look_that_only_the_journal_refused_is_in_the_segment(
    tmp_path: Path, clock: Clock, disk: RefusingJournal
) -> None:
    disk.refuse(errno.EIO)
    log = open_log(tmp_path, clock)
    log.start()
    written = write(log, [seen(0.0)])
    wait_for("it was refused", lambda: log.report().counts["write_failures"] == 1, clock)
    clock.now_s += GROUP_S
    written += write(log, [seen(1.0)])
    log.close()
    assert_all_same(read(tmp_path), written)  # type: ignore[arg-type]
    assert (log.report().counts["written"], log.report().counts["lost_disk"]) == (2, 0)


@pytest.mark.parametrize("error", [errno.EIO, errno.EMFILE], ids=errno.errorcode.get)
def test_a_disk_that_is_not_full_costs_no_older_file(
    tmp_path: Path, clock: Clock, disk: RefusingJournal, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object) -> Path:
        raise OSError(error, os.strerror(error))

    for serial in (1, 2):
        keep(tmp_path, serial, group_of([seen(float(serial))], first=serial))
    disk.refuse(error, 100)
    monkeypatch.setattr(writing, "write_segment", refuse)
    log = open_log(tmp_path, clock, days=9000)
    log.start()
    write(log, [seen(10.0)])
    wait_for("it was refused", lambda: log.report().counts["write_failures"] == 1, clock)
    clock.now_s += GROUP_S
    write(log, [seen(11.0)])
    wait_for("the segment, too", lambda: log.report().counts["lost_disk"] == 1, clock)
    log.close()
    assert [one.serial for one in log_files(tmp_path) if not one.is_journal] == [1, 2]
    assert log.report().counts["removed_by_size"] == 0
    assert log.report().counts["lost_disk"] == 2


def test_on_a_full_disk_the_log_removes_its_own_oldest_file(
    tmp_path: Path, clock: Clock, disk: RefusingJournal
) -> None:
    for serial in (1, 2):
        keep(tmp_path, serial, group_of([seen(float(serial))], first=serial))
    disk.refuse(errno.ENOSPC)
    log = open_log(tmp_path, clock, days=9000)
    log.start()
    write(log, [seen(10.0)])
    log.close()
    assert [one.serial for one in log_files(tmp_path)] == [2, 3]
    assert log.report().counts["removed_by_size"] == 1
    assert log.report().counts["write_failures"] == 0


def test_a_segment_that_cannot_be_written_leaves_its_journal(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    log = open_log(tmp_path, clock)
    log.start()
    written = write(log, [seen(0.0)])
    wait_for("it is written", lambda: log.report().counts["written"] == 1, clock)
    monkeypatch.setattr(writing, "write_segment", refuse)
    clock.now_s += GROUP_S
    written += write(log, [seen(1.0)])
    log.close()
    assert log.report().counts["write_failures"] >= 1
    assert [one.is_journal for one in log_files(tmp_path)] == [True, True]
    assert_all_same(read(tmp_path), written)  # type: ignore[arg-type]


def test_a_look_that_cannot_be_kept_is_counted(tmp_path: Path, clock: Clock) -> None:
    log = open_log(tmp_path, clock)
    log.start()
    write(log, [seen(0.0), seen(1.0, [CAR] * 5000), seen(2.0)])
    log.close()
    assert log.report().counts["lost_not_representable"] == 1
    assert [one.looks for one in read(tmp_path) if isinstance(one, Gap)] == [1]
