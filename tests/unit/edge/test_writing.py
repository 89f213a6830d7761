"""Between the main path and a disk: the main path never waits, and order, bound and memory are kept."""

from __future__ import annotations

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
from xueliang_edge import writing
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
    for number in range(2, 500):
        disk.take(number)
    took_s = time.monotonic() - began
    assert took_s < 1.0, "whoever hands over does not wait"
    assert disk.writer.waiting_count == 499
    wait_until(lambda: "one write takes" in (disk.writer.problem or ""), what="it is said", timeout_s=5)
    assert "499 alerts wait in memory" in (disk.writer.problem or "")
    newest = disk.writer.newest(LANE, CAMERA.rules[0].rule_id)
    assert newest is not None
    assert newest.decision.reason.text == "after 499 s"
    disk.moves.set()
    assert disk.writer.drain(60)
    assert disk.reasons() == [f"after {number} s" for number in range(1, 500)]
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
        assert disk.spool.backlog_empty_since is not None or disk.spool.pending_count() == 0
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

    def noted(files: SnapshotFiles, camera_id: str, snapshot: dict[str, Any]) -> None:
        saved.append((snapshot["after"], len(snapshot["waiting"])))
        save(files, camera_id, snapshot)

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
