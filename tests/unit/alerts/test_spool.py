"""The spool through its own door: accept, pending, receipts, retention, cap."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.alerts.bodies import NODE, NOON, Clock, an_alert, an_answer, open_spool, pending_sequences, receipt_for
from xueliang_alerts.contract import Alert, Gap, read_message
from xueliang_alerts.errors import RecordTooLarge, SpoolBusy, SpoolClosed, SpoolForeign
from xueliang_alerts.spool import Spool


def test_sequences_count_from_one_without_gaps_and_go_on_over_a_restart(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        first = [spool.accept(an_alert(number)).sequence for number in range(3)]
        spool_id = spool.spool_id
    with open_spool(tmp_path) as again:
        assert again.spool_id == spool_id
        assert again.boot_id != spool.boot_id
        assert first == [1, 2, 3]
        assert again.accept(an_alert(4)).sequence == 4
        assert pending_sequences(again) == [1, 2, 3, 4]


def test_the_bytes_of_a_record_stay_the_same_over_a_restart(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        message = spool.accept(an_alert())
        before = spool.pending(1)[0].payload
    with open_spool(tmp_path) as again:
        assert again.pending(1)[0].payload == before
        assert read_message(before) == message


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    with open_spool(directory) as spool:
        spool.accept(an_alert())
        spool.tend()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_only_a_receipt_settles_and_holes_stay_pending(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        for number in range(10):
            spool.accept(an_alert(number))
        assert spool.mark_settled(receipt_for(spool, 3, committed=((6, 7),), rejected=(9,))) == 6
        assert pending_sequences(spool) == [4, 5, 8, 10]
        assert spool.mark_settled(receipt_for(spool, 2)) == 0, "an older receipt takes nothing back"
        assert spool.counters()["pending"] == 4


def test_a_receipt_of_another_spool_or_node_settles_nothing(tmp_path: Path) -> None:
    with open_spool(tmp_path / "a") as spool, open_spool(tmp_path / "b") as other:
        spool.accept(an_alert())
        assert spool.mark_settled(receipt_for(other, 1)) == 0
        foreign = receipt_for(spool, 1).model_copy(update={"node_id": "edge-02"})
        assert spool.mark_settled(foreign) == 0


def test_settled_records_stay_settled_over_a_restart(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        for number in range(5):
            spool.accept(an_alert(number))
        spool.mark_settled(receipt_for(spool, 2, committed=((4, 4),)))
    with open_spool(tmp_path) as again:
        assert pending_sequences(again) == [3, 5]


def test_losing_the_ledger_costs_resends_only(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        for number in range(5):
            spool.accept(an_alert(number))
        spool.mark_settled(receipt_for(spool, 4))
    (tmp_path / "ledger.json").unlink()
    with open_spool(tmp_path) as again:
        assert pending_sequences(again) == [1, 2, 3, 4, 5]
        assert again.accept(an_alert(6)).sequence == 6


def test_backlog_empty_since_is_told_by_the_wall_clock(tmp_path: Path) -> None:
    clock = Clock()
    with open_spool(tmp_path, clock) as spool:
        assert spool.backlog_empty_since == NOON
        spool.accept(an_alert())
        assert spool.backlog_empty_since is None
        clock.seconds = 30
        spool.mark_settled(receipt_for(spool, 1))
        assert spool.backlog_empty_since == NOON + timedelta(seconds=30)


def test_pending_can_be_asked_newest_first_and_past_what_is_in_flight(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        for number in range(6):
            spool.accept(an_alert(number))
        assert [record.sequence for record in spool.pending(2, newest_first=True)] == [6, 5]
        assert [record.sequence for record in spool.pending(9, after=3, newest_first=True)] == [6, 5, 4]
        assert [record.sequence for record in spool.pending(2, skip={1, 2})] == [3, 4]
        assert [record.sequence for record in spool.pending_after(4, 10)] == [5, 6]


def test_a_second_process_is_refused_with_words_that_help(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.spool import Spool
spool = Spool.open(Path({str(tmp_path)!r}), {NODE!r}, wall=system_wall, mono=system_mono)
print("open", flush=True)
input()
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "open\n"
        with pytest.raises(SpoolBusy, match=rf"in use by another process \(pid {child.pid}\)"):
            open_spool(tmp_path)
    finally:
        child.communicate("\n", timeout=20)
    open_spool(tmp_path).close()


def test_the_spool_of_another_node_is_refused(tmp_path: Path) -> None:
    open_spool(tmp_path).close()
    clock = Clock()
    with pytest.raises(SpoolForeign, match="belongs to node 'edge-01', not to 'edge-02'"):
        Spool.open(tmp_path, "edge-02", wall=clock.wall, mono=clock.mono)


def test_a_closed_spool_says_so(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.close()
    spool.close()
    with pytest.raises(SpoolClosed):
        spool.accept(an_alert())


def test_a_record_above_the_contract_limit_is_refused_and_costs_no_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xueliang_alerts.framing.MAX_MESSAGE_BYTES", 900)
    with open_spool(tmp_path) as spool:
        with pytest.raises(RecordTooLarge):
            spool.accept(an_alert(text="x" * 400))
        assert spool.accept(an_alert()).sequence == 1


def test_threads_share_one_count_without_gaps(tmp_path: Path) -> None:
    with open_spool(tmp_path, segment_bytes=16_384) as spool:
        taken: list[int] = []

        def work(worker: int) -> None:
            taken.extend(spool.accept(an_alert(worker * 1000 + number)).sequence for number in range(40))

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(taken) == list(range(1, 321))
    with open_spool(tmp_path) as again:
        assert pending_sequences(again) == list(range(1, 321))


def test_committed_records_are_kept_24_hours_by_the_monotonic_clock_then_removed(tmp_path: Path) -> None:
    clock = Clock()
    with open_spool(tmp_path, clock, segment_bytes=4096) as spool:
        for number in range(40):
            spool.accept(an_alert(number))
        spool.mark_settled(receipt_for(spool, 40))
        spool.tend()
        clock.wall_offset = timedelta(days=4000)
        clock.seconds = 3600 * 23
        spool.tend()
        assert spool.counters()["held"] == 40, "a jump of the wall clock deletes nothing"
        clock.seconds = 3600 * 26
        spool.tend()
        clock.seconds = 3600 * 52
        spool.tend()
        assert spool.counters()["held"] == 0
        assert len(list(tmp_path.glob("*.seg"))) == 0
        assert spool.accept(an_alert(41)).sequence == 41
    with open_spool(tmp_path, clock) as again:
        assert pending_sequences(again) == [41]
        assert again.counters()["declared"] == 0


def test_replay_makes_committed_records_pending_again(tmp_path: Path) -> None:
    clock = Clock()
    with open_spool(tmp_path, clock) as spool:
        for number in range(4):
            clock.seconds = number * 60.0
            spool.accept(an_alert(number))
        spool.mark_settled(receipt_for(spool, 3))
        assert spool.replay(NOON + timedelta(seconds=60)) == 2
        assert pending_sequences(spool) == [2, 3, 4]
        assert spool.mark_settled(receipt_for(spool, 4)) == 3


def _bytes_on_disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("*.seg"))


def test_at_the_cap_committed_records_go_first(tmp_path: Path) -> None:
    with open_spool(tmp_path, cap_bytes=200_000) as spool:
        for number in range(150):
            spool.accept(an_alert(number))
        spool.mark_settled(receipt_for(spool, 100))
        for number in range(150, 250):
            spool.accept(an_alert(number))
        assert spool.counters()["evicted"] == 0
        assert pending_sequences(spool) == list(range(101, 251))
        assert _bytes_on_disk(tmp_path) < 210_000


def test_above_the_cap_the_least_severe_and_oldest_go_and_every_one_is_declared(tmp_path: Path) -> None:
    with open_spool(tmp_path, cap_bytes=150_000) as spool:
        severe: list[int] = []
        for number in range(400):
            severity = 1 if number % 10 == 0 else 4
            sequence = spool.accept(an_alert(number, severity=severity)).sequence
            if severity == 1:
                severe.append(sequence)
        records = spool.pending(10_000)
        alerts = {record.sequence for record in records if record.kind == "alert"}
        bodies = [read_message(record.payload).body for record in records]
        declared = {
            sequence
            for body in bodies
            if isinstance(body, Gap)
            for sequence in range(body.first_sequence, body.last_sequence + 1)
        }
        assert set(severe) <= alerts, "severity 1 outlives severity 4"
        assert spool.counters()["evicted"] == len(declared) > 100
        assert not declared & alerts
        assert _bytes_on_disk(tmp_path) < 200_000
        everything = declared | {record.sequence for record in records}
        assert everything == set(range(1, spool.last_sequence + 1))
    with open_spool(tmp_path, cap_bytes=150_000) as again:
        assert {record.sequence for record in again.pending(10_000)} == {record.sequence for record in records}
        assert again.counters()["declared"] == 0, "nothing is declared twice"


def test_a_receipt_from_the_future_moves_the_count_and_resends_under_new_numbers(tmp_path: Path) -> None:
    """The folder was restored from an old copy: the centre holds other records under our next numbers."""
    with open_spool(tmp_path) as spool:
        spool.accept(an_alert(1))
        spool.accept(an_alert(2))
        assert spool.mark_settled(receipt_for(spool, 50)) == 2
        bodies = [read_message(record.payload).body for record in spool.pending(10)]
        assert pending_sequences(spool) == [51, 52]
        assert [body.alert_id for body in bodies if isinstance(body, Alert)] == [
            an_alert(1).alert_id,
            an_alert(2).alert_id,
        ]
        assert spool.accept(an_alert(3)).sequence == 53
    with open_spool(tmp_path) as again:
        assert pending_sequences(again) == [51, 52, 53]


def test_a_record_that_was_never_sent_is_not_settled_by_a_number(tmp_path: Path) -> None:
    """The folder is an old copy, and new records were accepted before the centre could be heard."""
    with open_spool(tmp_path) as spool:
        for number in (1, 2, 3):
            spool.accept(an_alert(number))
        spool.pending(2)
        assert spool.mark_settled(an_answer(spool, 3)) == 3
        (again,) = spool.pending(10)
        body = read_message(again.payload).body
        assert again.sequence == 4
        assert isinstance(body, Alert)
        assert body.alert_id == an_alert(3).alert_id


def test_a_receipt_beyond_belief_is_ignored(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.accept(an_alert())
        assert spool.mark_settled(receipt_for(spool, 2**53 - 1)) == 0
        assert spool.counters()["absurd_receipts"] == 1
        assert pending_sequences(spool) == [1]
        assert spool.accept(an_alert()).sequence == 2
