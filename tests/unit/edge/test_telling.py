"""Decisions reach the spool in order, once, whatever the disk does and whenever the node is killed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.edge.observing import CAR, camera, judged, lane_rule, seen, times
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Alert, EndReason, Message, Phase, Severity, read_message
from xueliang_alerts.errors import SpoolWriteFailed
from xueliang_alerts.spool import Spool
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.observations import ViewState, blind
from xueliang_edge.open_alerts import OpenAlerts
from xueliang_edge.publishing import Publisher
from xueliang_edge.rules.episodes import Decision, Moment, Why
from xueliang_edge.rules.judge import CameraJudge, Judged
from xueliang_edge.snapshots import SnapshotFiles
from xueliang_edge.telling import Telling
from xueliang_edge.writing import Writer

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
CAMERA = CameraConfig.model_validate(
    {
        "camera_id": "lane-east",
        "name": "东巷",
        "url": "rtsp://10.0.0.9/1",
        "rules": [{"rule_id": "away", "hazard": "camera_fault", "fault": "offline", "offline_after_s": 5}],
    }
)


def said(seconds: float, phase: Phase = Phase.RAISED) -> Judged:
    began, now = Moment(0.0, AT, 0.0), Moment(seconds, AT + timedelta(seconds=seconds), seconds)
    is_end = phase is Phase.CLEARED
    decision = Decision(
        phase=phase,
        end_reason=EndReason.SEEN_CLEAR if is_end else None,
        began=began,
        raised=began,
        observed=now,
        ended=now if is_end else None,
        severity=Severity.YELLOW,
        confidence=1.0,
        boxes_xyxyn=(),
        measures={},
        reason=Why("camera_offline", f"after {seconds:g} s"),
    )
    return Judged(CAMERA.rules[0], decision)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Node:
    """The parts of a node that tell, on one data folder; as many runs as the test wants."""

    folder: Path
    refuses: bool = False
    killed_before_accept: bool = False
    killed_after_accept: bool = False
    spool: Spool = field(init=False)
    writer: Writer = field(init=False)
    telling: Telling = field(init=False)

    def start(self) -> None:
        self.spool = Spool.open(self.folder / "spool", "edge-01", wall=system_wall, mono=system_mono)
        accept = self.spool.accept

        def faulty(body: Alert) -> Message:
            if self.refuses:
                raise SpoolWriteFailed("no space left on device")
            if self.killed_before_accept:
                raise Killed
            message = accept(body)
            if self.killed_after_accept:
                raise Killed
            return message

        self.spool.accept = faulty  # type: ignore[method-assign,assignment]
        snapshots = SnapshotFiles(self.folder / "state")
        saved = snapshots.load("lane-east")
        judge, _ = CameraJudge.restore(CAMERA, saved, mono_s=system_mono(), at=system_wall())
        judge.look(blind("lane-east", ViewState.UNKNOWN, mono_s=system_mono(), at=AT))
        publisher = Publisher(self.spool, self.folder / "state/publishing.json")
        open_alerts = OpenAlerts(self.folder / "state/open_alerts.json", self.spool)
        self.writer = Writer(self.spool, publisher, open_alerts, snapshots, None, system_mono)
        self.telling = Telling(
            self.spool,
            publisher,
            open_alerts,
            Gatherer(None, None, system_mono),  # type: ignore[arg-type]  # a camera fault has no still
            self.writer,
            {"lane-east": judge},
            system_mono,
        )
        self.telling.resume(saved)
        self.writer.write()

    def tell(self, judged: Judged) -> None:
        """In this thread, so that a kill comes exactly where the test wants it."""
        self.telling.tell(CAMERA, [judged], None)
        self.writer.write()

    def restart(self) -> None:
        self.spool.close()
        self.refuses = self.killed_before_accept = self.killed_after_accept = False
        self.start()

    def accepted(self) -> list[tuple[Phase, int]]:
        bodies = [read_message(record.payload).body for record in self.spool.pending_after(0, 100)]
        return [(body.phase, body.revision) for body in bodies if isinstance(body, Alert)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    one = Node(tmp_path)
    one.start()
    return one


def test_a_disk_that_refuses_delays_alerts_and_keeps_their_order(node: Node) -> None:
    node.refuses = True
    node.tell(said(1))
    node.tell(said(2, Phase.UPDATED))
    assert node.writer.waiting_count == 2
    assert node.accepted() == []
    node.refuses = False
    node.writer.write()
    assert [phase for phase, _ in node.accepted()] == [Phase.RAISED, Phase.UPDATED]
    revisions = [revision for _, revision in node.accepted()]
    assert revisions == sorted(set(revisions))
    assert node.writer.waiting_count == 0


def test_killed_before_the_spool_took_it_it_is_given_at_the_next_start(node: Node) -> None:
    node.killed_before_accept = True
    with pytest.raises(Killed):
        node.tell(said(1))
    node.restart()
    assert [phase for phase, _ in node.accepted()] == [Phase.RAISED]


@pytest.mark.parametrize("phase", [Phase.RAISED, Phase.CLEARED])
def test_killed_after_the_spool_took_it_it_is_not_said_again(node: Node, phase: Phase) -> None:
    if phase is Phase.CLEARED:
        node.tell(said(1))
    node.killed_after_accept = True
    with pytest.raises(Killed):
        node.tell(said(2, phase))
    expected = node.accepted()
    node.restart()
    assert node.accepted() == expected
    node.restart()
    assert node.accepted() == expected


def test_an_alert_nobody_remembers_ends_as_node_stopped_never_as_clear(node: Node) -> None:
    node.tell(said(1))
    (node.folder / "state/lane-east.judge.json").unlink()
    node.restart()
    node.telling.settle_past()
    assert [phase for phase, _ in node.accepted()] == [Phase.RAISED, Phase.CLEARED]
    body = read_message(node.spool.pending_after(1, 1)[0].payload).body
    assert isinstance(body, Alert)
    assert body.end_reason is EndReason.NODE_STOPPED
    node.restart()
    node.telling.settle_past()
    assert len(node.accepted()) == 2


def test_an_alert_that_is_about_to_be_raised_again_as_the_same_is_not_ended(node: Node) -> None:
    lane = camera(lane_rule(dwell_s=10))
    *before, last = [seen(t, [CAR] if t >= 5 else []) for t in times(15)]
    judge = CameraJudge(lane)
    node.telling._judges = {"lane": judge}
    assert judged(judge, before) == []
    remembered = judge.snapshot()
    node.telling.tell(lane, judge.look(last), None)
    node.writer.write()
    node.telling._judges = {"lane": CameraJudge.resume(lane, remembered)[0]}  # an onset, and nothing raised
    node.telling.settle_past()
    assert [phase for phase, _ in node.accepted()] == [Phase.RAISED]


def test_a_remembered_decision_that_fails_does_not_keep_a_node_from_starting(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.killed_before_accept = True
    with pytest.raises(Killed):
        node.tell(said(1))

    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(Publisher, "publish", broken)
        node.restart()
        assert node.writer.waiting_count == 1
    node.writer.write()
    assert [phase for phase, _ in node.accepted()] == [Phase.RAISED]


def test_an_alert_whose_end_still_waits_for_the_disk_is_not_ended_otherwise(node: Node) -> None:
    node.tell(said(1))
    node.refuses = True
    node.tell(said(2, Phase.CLEARED))
    node.refuses = False
    node.telling.settle_past()
    node.writer.write()
    assert [phase for phase, _ in node.accepted()] == [Phase.RAISED, Phase.CLEARED]
    revisions = [revision for _, revision in node.accepted()]
    assert revisions == sorted(set(revisions)), "no revision is used twice"
    body = read_message(node.spool.pending_after(1, 1)[0].payload).body
    assert isinstance(body, Alert)
    assert body.end_reason is EndReason.SEEN_CLEAR


def test_a_damaged_file_of_open_alerts_is_made_up_from_the_spool(node: Node) -> None:
    node.tell(said(1))
    (node.folder / "state/open_alerts.json").write_bytes(b"{torn")
    node.spool.close()
    spool = Spool.open(node.folder / "spool", "edge-01", wall=system_wall, mono=system_mono)
    alert = OpenAlerts(node.folder / "state/open_alerts.json", spool).get("lane-east", "away")
    spool.close()
    assert alert is not None
    assert alert.revision == 1


def test_what_a_rule_on_trial_decides_is_counted_and_told_to_nobody(node: Node) -> None:
    rule, decision = said(1)
    shadow = rule.model_copy(update={"shadow": True})
    node.tell(Judged(shadow, decision))
    node.tell(Judged(shadow, said(2, Phase.CLEARED).decision))
    assert node.accepted() == []
    assert node.writer.waiting_count == 0
    assert node.writer.counts["shadow_raised"] == 1
    assert node.writer.counts["shadow_cleared"] == 1
    node.tell(Judged(rule, decision))
    assert [phase for phase, _ in node.accepted()] == [Phase.RAISED]


def test_an_alert_whose_rule_goes_on_trial_is_ended_for_the_centre(node: Node) -> None:
    node.tell(said(1))
    judge = node.telling._judges["lane-east"]
    for second in range(7):
        at = AT + timedelta(seconds=second)
        judge.look(blind("lane-east", ViewState.OFFLINE, mono_s=system_mono() + second, at=at))
    on_trial = tuple(rule.model_copy(update={"shadow": True}) for rule in CAMERA.rules)
    node.telling.tell(CAMERA, judge.change(CAMERA.model_copy(update={"rules": on_trial})), None)
    node.writer.write()
    assert [phase for phase, _ in node.accepted()] == [Phase.RAISED, Phase.CLEARED]
    assert node.writer.counts["shadow_cleared"] == 0
