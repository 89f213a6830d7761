"""A program that keeps looks in an observation log until it is killed; says the second of each when it was given."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.unit.edge.observing import CAR, seen
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_edge.observation_log.writing import ObservationLog

if __name__ == "__main__":
    log = ObservationLog(Path(sys.argv[1]), "killed", wall=system_wall, mono=system_mono, days=1, max_bytes=100 << 20)
    log.start()
    began = time.monotonic()
    for number in range(100_000):
        log.record(seen(float(number), [CAR], track_ids=[number]), dict)
        print(f"{number} {time.monotonic()}", flush=True)
        time.sleep(max(0.0, began + number / 50 - time.monotonic()))
