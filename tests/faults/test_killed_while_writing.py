"""F11 and F19 together: killed at any moment while decisions wait for a slow disk, a node tells each once, in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from tests.support.fault_cameras.watching import counted
from tests.unit.edge.test_telling import AT, CAMERA
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Alert, EndReason, Phase, Severity, read_message
from xueliang_alerts.spool import Spool
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.open_alerts import OpenAlerts
from xueliang_edge.publishing import Publisher
from xueliang_edge.rules.episodes import Decision, Moment, Why
from xueliang_edge.snapshots import SnapshotFiles
from xueliang_edge.telling import Telling
from xueliang_edge.writing import WaitingDecision, Writer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, to be killed within milliseconds")

LANE = "lane-east"
FSYNC_S = 0.003
MADE_EVERY_S = 0.005  # several fsyncs a decision: most wait


def numbered(number: int) -> WaitingDecision:
    """Decision `number` of one rule: odd ones raise an episode, even ones end it."""
    began = Moment(0.0, AT + timedelta(minutes=(number + 1) // 2), 0.0)
    is_end = number % 2 == 0
    now = Moment(1.0, began.at + timedelta(seconds=10 if is_end else 5), 1.0)
    decision = Decision(
        phase=Phase.CLEARED if is_end else Phase.RAISED,
        end_reason=EndReason.SEEN_CLEAR if is_end else None,
        began=began,
        raised=began,
        observed=now,
        ended=now if is_end else None,
        severity=Severity.YELLOW,
        confidence=1.0,
        boxes_xyxyn=(),
        measures={},
        reason=Why("camera_offline", f"decision {number}"),
    )
    return WaitingDecision(LANE, CAMERA.rules[0], decision, ())


def opened(folder: Path) -> tuple[Spool, Writer, int]:
    """Everything as a node begins it after a kill, and the number of the last decision that it remembers."""
    spool = Spool.open(folder / "spool", "edge-01", wall=system_wall, mono=system_mono)
    publisher = Publisher(spool, folder / "state/publishing.json")
    open_alerts = OpenAlerts(folder / "state/open_alerts.json", spool)
    snapshots = SnapshotFiles(folder / "state")
    writer = Writer(spool, publisher, open_alerts, snapshots, None, system_mono)
    gatherer = Gatherer(None, None, system_mono)  # type: ignore[arg-type]  # asks for no still
    memory = snapshots.load(LANE)
    Telling(spool, publisher, open_alerts, gatherer, writer, {}, system_mono).resume(memory)
    writer.write()
    return spool, writer, int(memory.get("made", 0))


def make_decisions(folder: Path) -> None:
    """Go on where the rules' memory ends, until killed."""
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        time.sleep(FSYNC_S)
        fsync(descriptor)

    os.fsync = slow
    _, writer, number = opened(folder)
    writer.start()
    while True:
        number += 1
        writer.take(LANE, [numbered(number)], {"made": number})
        time.sleep(MADE_EVERY_S)


def told(folder: Path) -> list[int]:
    """The numbers in the spool, in order."""
    with Spool.open(folder / "spool", "edge-01", wall=system_wall, mono=system_mono) as spool:
        bodies = [read_message(record.payload).body for record in spool.pending_after(0, 100_000)]
    return [int(body.reason.text.split()[1]) for body in bodies if isinstance(body, Alert)]


@pytest.mark.timeout(600)
def test_f11_f19_killed_at_any_moment_each_decision_is_told_once_and_in_order(tmp_path: Path) -> None:
    dice = Random(19)
    before: list[int] = []
    for _ in range(counted(25, 400)):
        child = multiprocessing.get_context("fork").Process(target=make_decisions, args=(tmp_path,))
        child.start()
        time.sleep(dice.uniform(0.02, 0.25))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        after = told(tmp_path)
        assert after[: len(before)] == before, "what was accepted stays"
        before = after
    spool, writer, last = opened(tmp_path)
    assert writer.waiting_count == 0
    spool.close()
    assert told(tmp_path) == list(range(1, last + 1))
    assert last > 20, "too little was told for this to prove anything"
    print(f"{last} decisions")
