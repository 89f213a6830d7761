"""SIGKILL at random moments: what the child was promised is there, whole, and nothing is numbered twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.alerts.bodies import NODE, open_spool
from xueliang_alerts.contract import Alert, read_message

CHILD = f"""
import sys, threading
from pathlib import Path
from tests.unit.alerts.bodies import an_alert, receipt_for
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.spool import Spool
spool = Spool.open(
    Path(sys.argv[1]), "{NODE}", wall=system_wall, mono=system_mono, segment_bytes=8192, cap_bytes=1 << 20
)
start = int(sys.argv[2])
def work(worker):
    for number in range(100000):
        name = start + number * 2 + worker
        message = spool.accept(an_alert(name))
        sys.stdout.write(f"{{message.sequence}} {{name}}\\n"); sys.stdout.flush()
        if number % 20 == 19 and worker == 0:
            spool.mark_settled(receipt_for(spool, max(1, message.sequence - 60)))
            spool.tend()
threads = [threading.Thread(target=work, args=(worker,)) for worker in (0, 1)]
[thread.start() for thread in threads]
"""


@pytest.mark.slow
def test_what_was_accepted_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    rng = random.Random(7)
    promised: dict[int, int] = {}
    for run in range(8):
        promised |= _run_and_kill(directory, run * 1_000_000, rng.uniform(0.05, 0.5))
        with open_spool(directory) as spool:
            held = {record.sequence: read_message(record.payload).body for record in spool.pending(100_000)}
            settled_through = max(0, min(held, default=spool.last_sequence + 1) - 1)
            counters = spool.counters()
        assert counters["declared"] == counters["damaged"] == counters["evicted"] == 0
        for sequence, number in promised.items():
            if sequence <= settled_through:
                continue
            body = held[sequence]
            assert isinstance(body, Alert)
            assert body.reason.about["number"] == str(number)
    assert len(promised) > 100


def _run_and_kill(directory: Path, start: int, after_s: float) -> dict[int, int]:
    """What the child said it had accepted: sequence to alert number."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), str(start)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    assert first, "the child accepted nothing"
    time.sleep(after_s)  # the moment of the kill, not a wait for something
    child.kill()
    rest = child.stdout.read()
    child.wait(10)
    whole_lines = (first + rest).splitlines(keepends=True)
    pairs = [line.split() for line in whole_lines if line.endswith("\n")]
    return {int(sequence): int(number) for sequence, number in pairs}
