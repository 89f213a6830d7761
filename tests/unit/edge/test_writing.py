"""Between the main path and a disk: the main path never waits, and order, bound and memory are kept."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.brokers import wait_until
from tests.unit.edge.test_telling import CAMERA, said
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Alert, EvidenceKind, EvidenceRef, Message, Phase, read_message
from xueliang_alerts.spool import Spool
from xueliang_edge import snapshots, writing
from xueliang_edge.evidence import in_hand
from xueliang_edge.evidence.in_hand import StillsInHand
from xueliang_edge.evidence.stills import Still
from xueliang_edge.evidence.uploading import EvidenceStore
from xueliang_edge.open_alerts import OpenAlerts
from xueliang_edge.publishing import Publisher
from xueliang_edge.snapshots import SnapshotFiles
from xueliang_edge.writing import WaitingDecision, Writer

LANE = "lane-east"


@dataclass
class Disk:
    """A writer on a real spool whose disk hangs until `go_on`."""

    folder: Path
    moves: threading.Event = field(default_factory=threading.Event)
    hangs_in: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.spool = Spool.open(self.folder / "spool", "edge-01", wall=system_wall, mono=system_mono)
        accept = self.spool.accept

        def hanging(body: Alert) -> Message:
            self.hangs_in.set()
            self.moves.wait()
            return accept(body)

        self.spool.accept = hanging  # type: ignore[method-assign,assignment]
        self.store = EvidenceStore(self.folder / "evidence")
        self.stills = StillsInHand(self.store)
        self.writer = Writer(
            self.spool,
            Publisher(self.spool, self.folder / "state/publishing.json"),
            OpenAlerts(self.folder / "state/open_alerts.json", self.spool),
            SnapshotFiles(self.folder / "state"),
            self.stills,
            system_mono,
        )

    def take(self, seconds: float, phase: Phase = Phase.UPDATED, evidence: tuple[EvidenceRef, ...] = ()) -> None:
        judged = said(seconds, phase)
        one = WaitingDecision(LANE, judged.rule, judged.decision, evidence)
        self.writer.take(LANE, [one], {"after": seconds})

    def memory(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / f"state/{LANE}.judge.json").read_text()))

    def accepted(self) -> list[Alert]:
        bodies = [read_message(record.payload).body for record in self.spool.pending_after(0, 10_000)]
        return [body for body in bodies if isinstance(body, Alert)]

    def reasons(self) -> list[str]:
        return [one.reason.text for one in self.accepted()]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    one = Disk(tmp_path)
    yield one
    one.moves.set()
    one.writer.close(5)
    one.spool.close()


def hang(disk: Disk) -> None:
    disk.writer.start()
    disk.take(1, Phase.RAISED)
    assert disk.hangs_in.wait(5)


def still(content: bytes) -> tuple[Still, EvidenceRef]:
    digest = sha256(content).hexdigest()
    ref = EvidenceRef(sha256=digest, kind=EvidenceKind.ONSET, bytes=len(content))
    return Still(ref.kind, content, digest, (64, 36)), ref


def test_a_disk_that_hangs_delays_nobody_is_said_and_keeps_the_order(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SLOW_S", 0.05)
    hang(disk)
    began = time.monotonic()
    for number in range(2, 61):
        disk.take(number)
    took_s = time.monotonic() - began
    assert took_s < 1.0, "whoever hands over does not wait"
    assert disk.writer.waiting_count == 60
    wait_until(lambda: "one write takes" in (disk.writer.problem or ""), what="it is said", timeout_s=5)
    assert "60 alerts wait in memory" in (disk.writer.problem or "")
    newest = disk.writer.newest(LANE, CAMERA.rules[0].rule_id)
    assert newest is not None
    assert newest.decision.reason.text == "after 60 s"
    disk.moves.set()
    assert disk.writer.drain(60)
    assert disk.reasons() == [f"after {number} s" for number in range(1, 61)]
    assert disk.writer.problem is None


def test_looking_at_the_spool_waits_for_no_disk(disk: Disk) -> None:
    """The health page must be able to say that the disk hangs."""
    locked, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with disk.spool._lock:
            locked.set()
            let_go.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert locked.wait(5)
        began = time.monotonic()
        assert disk.spool.counters()["pending"] == disk.spool.pending_count() == disk.spool.last_sequence == 0
        assert disk.spool.backlog_empty_since is not None
        assert time.monotonic() - began < 1.0
    finally:
        let_go.set()
        holder.join()


def test_the_bound_gives_up_the_oldest_that_is_not_on_its_way_and_counts_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "WAITING_AT_MOST", 5)
    hang(disk)
    for number in range(2, 11):
        disk.take(number)
    assert disk.writer.waiting_count == 5
    assert disk.writer.counts["given_up"] == 5
    disk.moves.set()
    assert disk.writer.drain(10)
    assert disk.reasons() == ["after 1 s", "after 7 s", "after 8 s", "after 9 s", "after 10 s"]


def test_what_is_said_is_remembered_before_the_spool_has_it_and_snapshots_are_folded(disk: Disk) -> None:
    hang(disk)
    assert disk.memory()["after"] == 1
    for number in range(2, 5):
        disk.take(number)
    assert disk.memory()["after"] == 1, "the disk hangs"
    saved: list[tuple[int, int]] = []
    save = SnapshotFiles.save

    def noted(files: SnapshotFiles, camera_id: str, snapshot: dict[str, Any]) -> bool:
        saved.append((snapshot["after"], len(snapshot["waiting"])))
        return save(files, camera_id, snapshot)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SnapshotFiles, "save", noted)
        disk.moves.set()
        assert disk.writer.drain(10)
    assert saved == [(4, 3)], "one write for three snapshots, naming all three decisions"
    assert len(disk.accepted()) == 4


def test_a_still_is_on_the_disk_before_its_alert_is_remembered_or_accepted(disk: Disk) -> None:
    picture, ref = still(b"a picture")
    assert disk.stills.keep(picture, 2)
    assert disk.store.pending_count() == 0, "whoever composed it did not wait for the disk"
    disk.writer.start()
    disk.take(1, Phase.RAISED, (ref,))
    assert disk.hangs_in.wait(5)
    assert [path.read_bytes() for path in (disk.folder / "evidence").iterdir()] == [b"a picture"]
    assert disk.memory()["waiting"][0]["evidence"][0]["sha256"] == ref.sha256
    disk.moves.set()
    assert disk.writer.drain(10)
    assert disk.accepted()[0].evidence == (ref,)


def test_a_still_that_the_disk_does_not_keep_is_named_by_no_revision(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, ref = still(b"a picture")
    monkeypatch.setattr(disk.store, "keep", lambda *_: False)
    assert disk.stills.keep(picture, 2)
    disk.moves.set()
    disk.take(1, Phase.RAISED, (ref,))
    disk.take(2, Phase.UPDATED, (ref,))
    disk.writer.write()
    assert [one.evidence for one in disk.accepted()] == [(), ()]


def test_stills_that_wait_are_bounded(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_hand, "BYTES_AT_MOST", 25)
    kept = [disk.stills.keep(still(bytes([number]) * 10)[0], 2) for number in range(4)]
    assert kept == [True, True, False, False]
    disk.writer.write()
    assert disk.store.pending_count() == 2
    assert disk.stills.keep(still(b"x" * 10)[0], 2), "there is room again"


def test_a_stop_writes_what_waits_and_does_not_wait_for_a_disk_that_hangs(disk: Disk) -> None:
    hang(disk)
    began = time.monotonic()
    assert not disk.writer.close(0.2)
    assert time.monotonic() - began < 2
    assert not disk.writer.has_ended
    disk.take(2)
    disk.moves.set()
    assert disk.writer.close(10)
    assert len(disk.accepted()) == 2


def test_a_defect_ends_neither_the_thread_nor_the_order(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "AGAIN_AFTER_S", 0.05)
    disk.moves.set()
    monkeypatch.setattr(Publisher, "publish", _failing_once(Publisher.publish))
    disk.writer.start()
    disk.take(1, Phase.RAISED)
    disk.take(2)
    assert disk.writer.drain(10)
    assert disk.reasons() == ["after 1 s", "after 2 s"]
    assert disk.writer.counts["writer_failed"] == 1
    assert disk.writer.problem is None


def _failing_once(publish: Any) -> Any:
    faults = [RuntimeError("a defect")]

    def faulty(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return publish(*arguments)

    return faulty


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def broken(*_: object) -> None:
    raise RuntimeError("a defect")


def test_an_alert_whose_memory_the_disk_refuses_waits_until_it_is_written(disk: Disk) -> None:
    disk.moves.set()
    disk.take(1, Phase.RAISED)
    disk.writer.write()
    disk.take(2, Phase.CLEARED)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(snapshots, "write_atomically", full)
        disk.writer.write()
        disk.writer.write()
    assert disk.reasons() == ["after 1 s"], "a kill now would find the alert open, and tell it again"
    problem = disk.writer.problem or ""
    assert problem == "1 alerts wait in memory: what the rules of lane-east remember cannot be written"
    disk.writer.write()
    assert disk.memory()["after"] == 2
    assert disk.reasons() == ["after 1 s", "after 2 s"]
    assert disk.writer.problem is None


def test_a_memory_that_the_disk_refused_does_not_replace_a_newer_one(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.moves.set()

    def overtaken(*_: object) -> None:
        disk.writer.take(LANE, (), {"after": 2})
        full()

    disk.writer.take(LANE, (), {"after": 1})
    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "write_atomically", overtaken)
        disk.writer.write()
    disk.writer.write()
    assert disk.memory()["after"] == 2


def test_a_disk_that_refuses_is_tried_again_after_a_pause_not_in_circles(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "AGAIN_AFTER_S", 0.05)
    monkeypatch.setattr(snapshots, "write_atomically", full)
    disk.moves.set()
    disk.writer.start()
    began = time.monotonic()
    disk.writer.take(LANE, (), {"after": 1})
    wait_until(lambda: disk.writer.counts["disk_refused"] >= 3, what="it is tried again", timeout_s=10)
    assert disk.writer.counts["disk_refused"] <= 2 + (time.monotonic() - began) / 0.05
    monkeypatch.undo()
    assert disk.writer.drain(10)
    assert disk.memory()["after"] == 1


def test_a_memory_that_fails_with_a_defect_is_put_back_and_at_last_holds_up_no_alert(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.moves.set()
    disk.take(1, Phase.RAISED)
    monkeypatch.setattr(snapshots, "write_atomically", broken)
    for _ in range(writing.FAULTS_AT_MOST - 1):
        disk.writer.write()
        assert disk.reasons() == []
    assert "RuntimeError: a defect" in (disk.writer.problem or "")
    disk.writer.write()
    assert disk.reasons() == ["after 1 s"]
    assert disk.writer.counts["memory_given_up"] == 1
    assert disk.writer.problem is None
    monkeypatch.undo()
    disk.take(2)
    disk.writer.write()
    assert disk.memory()["after"] == 2, "the next one is written"


def test_a_decision_that_fails_again_and_again_is_given_up_and_the_others_go_on(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk.moves.set()
    publish = Publisher.publish

    def poisoned(publisher: Publisher, camera_id: str, rule: Any, decision: Any, evidence: Any) -> Alert:
        if decision.reason.text == "after 1 s":
            broken()
        return publish(publisher, camera_id, rule, decision, evidence)

    monkeypatch.setattr(Publisher, "publish", poisoned)
    for number in range(1, 4):
        disk.take(number)
    for _ in range(writing.FAULTS_AT_MOST - 1):
        disk.writer.write()  # as `Node.start` does: nothing is raised
    assert disk.reasons() == []
    assert disk.writer.waiting_count == 3
    disk.writer.write()
    assert disk.reasons() == ["after 2 s", "after 3 s"]
    assert disk.writer.counts["given_up_failing"] == 1
    assert disk.writer.counts["writer_failed"] == writing.FAULTS_AT_MOST
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "decisions cannot be written",
        "alert given up: it fails again and again",
    ]
    assert disk.writer.problem is None


def test_a_defect_that_moves_on_to_other_decisions_gives_up_none(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.moves.set()
    publish = Publisher.publish
    monkeypatch.setattr(writing, "FAULTS_AT_MOST", 2)
    for number in range(1, 4):
        disk.take(number)
    for _ in range(3):
        monkeypatch.setattr(Publisher, "publish", _failing_once(publish))
        disk.writer.write()
        monkeypatch.setattr(Publisher, "publish", publish)
        disk.writer.write()
        disk.take(4)
    assert disk.writer.counts["given_up_failing"] == 0
    assert disk.writer.counts["writer_failed"] == 3


def test_many_short_writes_are_said_when_the_oldest_alert_waits_long(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(disk.writer, "_mono", lambda: now_s)
    disk.take(1, Phase.RAISED)
    disk.take(2)
    assert disk.writer.problem is None, "it has only just come"
    now_s += 7
    assert disk.writer.problem == "2 alerts wait in memory, the oldest for 7 s"
    disk.moves.set()
    disk.writer.write()
    assert disk.writer.problem is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_while_the_node_watches_is_said(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Publisher, "publish", ends)
    assert disk.writer.problem is None, "not begun is not ended"
    disk.writer.start()
    disk.take(1, Phase.RAISED)
    wait_until(lambda: disk.writer.has_ended, what="the thread ends", timeout_s=5)
    assert disk.writer.problem == "the thread that writes has ended: restart the node; 1 alerts wait in memory"


def test_a_refusal_is_over_when_nothing_waits_any_more(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.moves.set()
    with monkeypatch.context() as patched:
        patched.setattr(StillsInHand, "write_rest", full)
        disk.writer.write()
    assert "No space left on device" in (disk.writer.problem or "")
    assert disk.writer.counts["writer_failed"] == 0, "the disk's fault, not ours"
    disk.writer.write()
    assert disk.writer.problem is None
    assert disk.writer._refusal is None, "else the thread would turn once a second for ever"
