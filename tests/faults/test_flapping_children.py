"""F09 where it ships: flapping cameras in capture processes, which must neither grow nor collect descriptors.

`test_cameras.py` has the row on one source a thread; here one thread polls a group. Reduced counts;
`XUELIANG_FAULTS=full` takes the hour of the table.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from tests.integration.streams.cameras import mono
from tests.support.fault_cameras.child import CameraProcess, Recipe
from tests.support.fault_cameras.watching import IS_FULL, counted
from xueliang_edge.capture.children import CaptureChildren
from xueliang_edge.capture.grouping import reserve
from xueliang_edge.capture.orders import CameraSpec, GroupSpec, Release

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at another process's descriptors and memory"),
]

PER_PROCESS = counted(8, 16)  # full: as many as a node puts together unless it is told otherwise
PROCESSES = counted(1, 4)
WARM_UP_S, LASTS_S = float(counted(4, 600)), float(counted(8, 3_600))
PERIOD_S = counted(2, 10)
SAMPLES = counted(40, 600)
"""Many a minute: what lies free is handed back once a minute, so memory goes up and down by 3.5 MB a process."""
RETURN_WITHIN_S = 180.0
"""One of 64 cameras that are away waits 142 s for its turn at worst; those that come back together are faster."""


@dataclass(frozen=True)
class Held:
    """What the capture processes hold, all together. `mb`: memory of their own, MB (10^6)."""

    mono_s: float
    mb: float
    descriptors: int
    threads: int


class Flapping:
    """Cameras without number that come and go, read by capture processes; looks are given back as they come."""

    def __init__(self, capture: CaptureChildren) -> None:
        self.capture = capture
        self.looks: dict[str, int] = {}

    def turn(self) -> None:
        self.capture.check()
        for look in self.capture.looks():
            self.looks[look.handle.camera_id] = self.looks.get(look.handle.camera_id, 0) + 1
            self.capture.release(Release(look.handle))
        time.sleep(0.02)

    def until(self, condition: Callable[[], bool], what: str, within_s: float) -> None:
        give_up = mono() + within_s
        while not condition():
            assert mono() < give_up, f"{what}: not within {within_s:g} s, {self.capture.reports()}"
            self.turn()

    def held(self) -> Held:
        processes = [psutil.Process(pid) for report in self.capture.reports() if (pid := report.pid) is not None]
        memory = sum(process.memory_full_info().uss for process in processes) / 1e6
        descriptors = sum(process.num_fds() for process in processes)
        return Held(mono(), memory, descriptors, sum(process.num_threads() for process in processes))


@pytest.mark.timeout(5_000 if IS_FULL else 120)
def test_f09_flapping_cameras_cost_a_capture_process_no_memory_and_no_descriptor(
    clip_path: Path, tmp_path: Path
) -> None:
    samples, restarts = flap(clip_path, tmp_path, WARM_UP_S, LASTS_S)
    slope = slope_mb_per_h(samples)
    first, most = samples[0], max(samples, key=lambda one: one.descriptors)
    assert restarts == 0
    assert most.descriptors <= first.descriptors + 2 * PER_PROCESS * PROCESSES, "connections pile up"
    assert {one.threads for one in samples} == {first.threads}
    # In eight seconds no slope shows: 4 MB at most.
    assert slope <= (1.0 if IS_FULL else 4 / LASTS_S * 3_600)


def flap(clip: Path, folder: Path, warm_up_s: float, lasts_s: float) -> tuple[list[Held], int]:
    """What the capture processes hold after their warm-up, and how often one was begun anew."""
    count = PER_PROCESS * PROCESSES
    recipes: list[list[Recipe]] = [[("Flapping", {"period_s": PERIOD_S, "seed": seed})] for seed in range(count)]
    with CameraProcess(clip, recipes) as cameras:
        specs = [CameraSpec(f"camera-{index}", url, gap_s=1.0) for index, url in enumerate(cameras.urls)]
        groups = [
            GroupSpec(region, tuple(specs[region::PROCESSES]), 6, 1 << 18, str(folder)) for region in range(PROCESSES)
        ]
        capture = CaptureChildren(*reserve(groups), mono)
        capture.start()
        try:
            watch, samples = Flapping(capture), list[Held]()
            watch.until(lambda: len(watch.looks) >= count // 4, "looks", RETURN_WITHIN_S)
            connected = cameras.session_counts()
            began_s = mono() + warm_up_s
            while mono() < began_s + lasts_s:
                watch.turn()
                if mono() >= began_s + len(samples) * lasts_s / SAMPLES:
                    samples.append(watch.held())
            flaps = sum(cameras.session_counts()) - sum(connected)
            assert flaps >= 1, "nobody came back: this proves nothing"
            print(f"{flaps} connections of {count} cameras in {warm_up_s + lasts_s:g} s")
            print(f"{slope_mb_per_h(samples):+.2f} MB/h of {samples[0].mb:.0f} MB in {PROCESSES} capture processes")
            sixths = np.array_split(megabytes(samples), 6)
            print("mean of each sixth, MB: " + ", ".join(f"{one.mean():.1f}" for one in sixths))
            cameras.heal()
            watch.looks.clear()
            watch.until(lambda: len(watch.looks) == count, "every camera is back", RETURN_WITHIN_S)
            return samples, sum(report.restarts for report in capture.reports())
        finally:
            capture.close()


def slope_mb_per_h(samples: list[Held]) -> float:
    """Of a straight line through all of them."""
    times_h = np.array([one.mono_s for one in samples]) / 3_600
    return float(np.polyfit(times_h - times_h[0], megabytes(samples), 1)[0])


def megabytes(samples: list[Held]) -> NDArray[np.float64]:
    """Of each sample."""
    return np.array([one.mb for one in samples])
