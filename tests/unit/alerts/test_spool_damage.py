"""What the spool does when its files are shortened, flipped, removed, or when the disk says no."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from tests.unit.alerts.bodies import NODE, Clock, an_alert, open_spool, pending_sequences, receipt_for
from xueliang_alerts.contract import Gap, read_message
from xueliang_alerts.disk import Disk
from xueliang_alerts.errors import SpoolWriteFailed
from xueliang_alerts.records import HEAD_BYTES, RecordKind, encode_record
from xueliang_alerts.spool import Spool


def _fill(directory: Path, count: int, **settings: int) -> None:
    with open_spool(directory, **settings) as spool:
        for number in range(1, count + 1):
            spool.accept(an_alert(number, text="x"))


def _declared(spool: Spool) -> set[int]:
    bodies = [read_message(record.payload).body for record in spool.pending(10_000)]
    return {
        sequence
        for body in bodies
        if isinstance(body, Gap)
        for sequence in range(body.first_sequence, body.last_sequence + 1)
    }


def _alerts(spool: Spool) -> dict[int, bytes]:
    return {record.sequence: record.payload for record in spool.pending(10_000) if record.kind == "alert"}


def _segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def test_a_torn_write_that_was_never_accepted_is_dropped_and_counted(tmp_path: Path) -> None:
    """Kill in the middle of a write: half a record at the end, which nobody was promised."""
    source = tmp_path / "source"
    _fill(source, 3)
    whole = _segments(source)[0].read_bytes()
    unfinished = encode_record(RecordKind.ALERT, b"x" * 900, sequence=4, severity=2)[1]
    for cut in (1, 20, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, len(unfinished) - 1):
        directory = tmp_path / f"cut-{cut}"
        shutil.copytree(source, directory)
        _segments(directory)[0].write_bytes(whole + unfinished[:cut])
        with open_spool(directory) as spool:
            assert spool.counters()["torn"] == 1
            assert spool.counters()["declared"] == 0
            assert pending_sequences(spool) == [1, 2, 3]
            assert spool.accept(an_alert(4)).sequence == 4
        with open_spool(directory) as again:
            assert again.counters()["torn"] == 0, "counted once"
            assert pending_sequences(again) == [1, 2, 3, 4]


def test_shortening_an_accepted_record_anywhere_is_declared(tmp_path: Path) -> None:
    """The ledger of a clean stop says that it had been accepted, so this is loss, not a torn write."""
    source = tmp_path / "source"
    _fill(source, 3)
    whole = _segments(source)[0].read_bytes()
    start = whole.rfind(b"\xf1XA\x01")
    for size in (*range(start, start + HEAD_BYTES + 2, 3), *range(start + HEAD_BYTES, len(whole), 41), len(whole) - 1):
        directory = tmp_path / "cut"
        shutil.copytree(source, directory)
        _segments(directory)[0].write_bytes(whole[:size])
        with open_spool(directory) as spool:
            assert set(_alerts(spool)) == {1, 2}
            assert _declared(spool) == {3}
            assert spool.accept(an_alert(9)).sequence == 5, "3 is never used again, 4 is the gap"
        shutil.rmtree(directory)


def test_no_flipped_bit_is_silent(tmp_path: Path) -> None:
    source = tmp_path / "source"
    _fill(source, 3)
    with open_spool(source) as spool:
        before = _alerts(spool)
    whole = _segments(source)[0].read_bytes()
    for position in range(0, len(whole), 17):
        directory = tmp_path / "flipped"
        shutil.copytree(source, directory)
        flipped = bytearray(whole)
        flipped[position] ^= 1 << (position % 8)
        _segments(directory)[0].write_bytes(bytes(flipped))
        with open_spool(directory) as spool:
            after = _alerts(spool)
            assert spool.counters()["damaged"] >= 1, f"byte {position} flipped in silence"
            assert all(before[sequence] == payload for sequence, payload in after.items()), "no changed record is sent"
            assert {1, 2, 3} - set(after) <= _declared(spool), f"byte {position}: lost and not declared"
            assert not _declared(spool) & set(after)
            assert spool.accept(an_alert(9)).sequence > spool.counters()["declared"] + 3
        shutil.rmtree(directory)


def test_bits_flipped_while_running_are_noticed_when_the_record_is_read(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        for number in range(1, 4):
            spool.accept(an_alert(number))
        segment = _segments(tmp_path)[0]
        data = bytearray(segment.read_bytes())
        data[data.find(b'"number":"2"') + 11] ^= 1
        segment.write_bytes(bytes(data))
        assert [record.sequence for record in spool.pending(10)] == [1, 3]
        spool.tend()
        assert _declared(spool) == {2}
    with open_spool(tmp_path) as again:
        assert set(_alerts(again)) == {1, 3}
        assert again.counters()["declared"] == 0, "declared once"


@pytest.mark.parametrize("victim", [0, 1, -1], ids=["first", "middle", "last"])
def test_a_vanished_segment_is_declared_and_the_count_never_goes_back(tmp_path: Path, victim: int) -> None:
    _fill(tmp_path, 30, segment_bytes=6000)
    assert len(_segments(tmp_path)) > 3
    _segments(tmp_path)[victim].unlink()
    with open_spool(tmp_path) as spool:
        held = set(_alerts(spool))
        assert set(range(1, 31)) - held, "something is gone"
        assert set(range(1, 31)) - held <= _declared(spool)
        assert spool.accept(an_alert(99)).sequence > 30


def test_a_damaged_header_file_is_made_anew_from_the_segments(tmp_path: Path) -> None:
    _fill(tmp_path, 2)
    with open_spool(tmp_path) as spool:
        spool_id = spool.spool_id
    header = tmp_path / "spool.json"
    data = bytearray(header.read_bytes())
    data[30] ^= 1
    header.write_bytes(bytes(data))
    with open_spool(tmp_path) as again:
        assert again.spool_id == spool_id
        assert pending_sequences(again) == [1, 2]


def test_when_nothing_says_how_far_it_came_a_new_spool_is_made(tmp_path: Path) -> None:
    _fill(tmp_path, 2)
    with open_spool(tmp_path) as spool:
        spool_id = spool.spool_id
    for path in (*_segments(tmp_path), tmp_path / "ledger.json"):
        path.unlink()
    with open_spool(tmp_path) as again:
        assert again.spool_id != spool_id
        assert again.accept(an_alert()).sequence == 1


class FailingDisk(Disk):
    """Fails on order: `fail_writes`, `fail_fsyncs` count down; `is_full` refuses every byte and every new file."""

    def __init__(self) -> None:
        self.fail_writes = 0
        self.half_writes = 0
        self.fail_fsyncs = 0
        self.is_full = False

    def create(self, path: Path) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.half_writes:
            self.half_writes -= 1
            super().write(descriptor, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.fail_writes:
            self.fail_writes -= 1
            raise OSError(errno.EIO, "Input/output error")
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        if self.fail_fsyncs:
            self.fail_fsyncs -= 1
            raise OSError(errno.EIO, "Input/output error")
        super().fsync(descriptor)


def test_after_a_failed_fsync_the_file_is_abandoned_and_everything_pending_lies_in_a_new_one(tmp_path: Path) -> None:
    disk = FailingDisk()
    with open_spool(tmp_path, disk=disk) as spool:
        for number in range(1, 6):
            spool.accept(an_alert(number))
        spool.mark_settled(receipt_for(spool, 2))
        dead = _segments(tmp_path)[0]
        disk.fail_fsyncs = 1
        assert spool.accept(an_alert(6)).sequence == 6
        assert not dead.exists()
        assert pending_sequences(spool) == [3, 4, 5, 6]
        assert spool.counters()["write_failures"] == 1
    with open_spool(tmp_path) as again:
        assert pending_sequences(again) == [3, 4, 5, 6]
        assert again.counters()["declared"] == 0


def test_when_no_file_takes_it_nothing_is_accepted_and_the_number_stays_free(tmp_path: Path) -> None:
    disk = FailingDisk()
    with open_spool(tmp_path, disk=disk) as spool:
        spool.accept(an_alert(1))
        disk.fail_fsyncs = 10
        with pytest.raises(SpoolWriteFailed, match="nothing was accepted"):
            spool.accept(an_alert(2))
        disk.fail_fsyncs = 0
        message = spool.accept(an_alert(3))
        assert message.sequence == 2
        assert pending_sequences(spool) == [1, 2]
    with open_spool(tmp_path) as again:
        records = again.pending(10)
        assert [record.sequence for record in records] == [1, 2]
        assert read_message(records[1].payload) == message, "the refused record does not come back"


def test_a_full_disk_refuses_and_resumes_when_it_has_room(tmp_path: Path) -> None:
    disk = FailingDisk()
    with open_spool(tmp_path, disk=disk) as spool:
        spool.accept(an_alert(1))
        disk.is_full = True
        with pytest.raises(SpoolWriteFailed, match="No space left on device"):
            spool.accept(an_alert(2))
        assert pending_sequences(spool) == [1]
        spool.tend()
        disk.is_full = False
        assert spool.accept(an_alert(3)).sequence == 2
    with open_spool(tmp_path) as again:
        assert pending_sequences(again) == [1, 2]


def test_half_a_record_left_by_a_full_disk_is_taken_off_again(tmp_path: Path) -> None:
    disk = FailingDisk()
    with open_spool(tmp_path, disk=disk) as spool:
        spool.accept(an_alert(1))
        disk.half_writes = 1
        with pytest.raises(SpoolWriteFailed):
            spool.accept(an_alert(2))
        assert spool.accept(an_alert(3)).sequence == 2
    with open_spool(tmp_path) as again:
        assert pending_sequences(again) == [1, 2]
        assert (again.counters()["torn"], again.counters()["damaged"]) == (0, 0)


def test_a_full_disk_lets_settled_files_go_before_it_refuses(tmp_path: Path) -> None:
    disk = FailingDisk()
    with open_spool(tmp_path, disk=disk, segment_bytes=4096) as spool:
        for number in range(1, 21):
            spool.accept(an_alert(number))
        spool.mark_settled(receipt_for(spool, 15))
        spool.tend()
        before = len(_segments(tmp_path))
        disk.fail_writes = 1
        assert spool.accept(an_alert(21)).sequence == 21
        assert len(_segments(tmp_path)) < before
        assert pending_sequences(spool) == list(range(16, 22))


def test_a_folder_that_cannot_be_used_is_a_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    clock = Clock()
    with pytest.raises(SpoolWriteFailed, match="cannot be used as a spool"):
        Spool.open(tmp_path / "file" / "spool", NODE, wall=clock.wall, mono=clock.mono)


def test_the_file_being_written_vanishes_with_a_kill_and_no_number_is_used_again(tmp_path: Path) -> None:
    """No clean stop wrote down how far it had come; only that this file had been begun."""
    directory, copy = tmp_path / "spool", tmp_path / "copy"
    with open_spool(directory, segment_bytes=6000) as spool:
        while len(_segments(directory)) < 3:
            spool.accept(an_alert(1))
        spool.accept(an_alert(2))
        accepted = spool.last_sequence
        shutil.copytree(directory, copy)
    _segments(copy)[-1].unlink()
    with open_spool(copy) as again:
        held = set(_alerts(again))
        assert set(range(1, accepted + 1)) - held <= _declared(again)
        assert again.accept(an_alert(3)).sequence > accepted


def test_records_settled_since_the_ledger_was_saved_are_not_removed_without_it(tmp_path: Path) -> None:
    """Else a kill right after would leave a hole that looks like loss, and the node would declare it."""
    disk = FailingDisk()
    directory, copy = tmp_path / "spool", tmp_path / "copy"
    with open_spool(directory, disk=disk, segment_bytes=4096) as spool:
        for number in range(1, 21):
            spool.accept(an_alert(number))
        spool.mark_settled(receipt_for(spool, 15))
        disk.fail_writes = 1
        with pytest.raises(SpoolWriteFailed):
            spool.accept(an_alert(21))
        shutil.copytree(directory, copy)
    with open_spool(copy) as again:
        assert again.counters()["declared"] == 0
        assert set(range(16, 21)) <= set(_alerts(again))
