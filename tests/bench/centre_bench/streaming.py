"""An alert at the broker until it is on the streams of those whose area it is, with five hundred of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.centre_bench.people import Viewer
from tests.bench.ingest_bench.city import grid_codes, place_of
from tests.bench.ingest_bench.episodes import Episode
from tests.bench.ingest_bench.fleet import Fleet
from tests.bench.ingest_bench.phases import Load
from tests.bench.ingest_bench.system import System

SETTLE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Watched:
    """What the streams showed.

    Attributes:
        latencies_s: broker to stream, of each pair of a raised alert and a viewer of its area.
        missing: pairs that never came, of alerts that were received.
        strangers: alerts that came to somebody whose area they are not.
        deliveries_per_s: events, of all streams together. crowded: events of an incident less than a second apart.
        api_cores: cores that the process which speaks HTTP was busy.
    """

    latencies_s: list[float]
    missing: int
    strangers: int
    deliveries_per_s: float
    crowded: int
    api_cores: float
    problems: list[str]


class Told(Load):
    """A load that remembers when it raised what: camera to seconds of the wall clock."""

    def __init__(self, system: System, fleet: Fleet, seed: int) -> None:
        super().__init__(system, fleet, seed)
        self.raised: dict[str, float] = {}
        self.grids: dict[str, str] = {}
        self._grid_codes = grid_codes()

    def next(self) -> tuple[Episode, str]:
        episode, phase = super().next()
        if phase == "raised":
            camera_id, grid = place_of(episode.node, episode.camera, self._grid_codes)
            self.raised[camera_id], self.grids[camera_id] = time.time(), grid
        return episode, phase


def streamed(
    system: System, fleet: Fleet, port: int, people: Sequence[Viewer], per_s: float, warm_s: float, seconds: float
) -> Watched:
    """Of the alerts that are raised in `seconds` after `warm_s`."""
    load = Told(system, fleet, seed=2)
    load.offer("warm", per_s, warm_s)
    with _watching(port, people) as watching:
        load.raised.clear()
        before_s, began_s = system.api_cpu_s(), time.monotonic()
        load.offer("streamed", per_s, seconds)
        told = dict(load.raised)
        cores = (system.api_cpu_s() - before_s) / (time.monotonic() - began_s)
        load.offer("after", per_s, SETTLE_S)
        found = watching()
    return _compared(found, told, load.grids, people, cores)


def _compared(
    found: dict[str, Any], told: dict[str, float], grids: dict[str, str], people: Sequence[Viewer], cores: float
) -> Watched:
    latencies, missing, strangers = list[float](), 0, 0
    for one, first in zip(people, found["first"], strict=True):
        for camera_id, at in told.items():
            if one.sees(grids[camera_id]):
                if camera_id in first:
                    latencies.append(first[camera_id] - at)
                else:
                    missing += 1
        strangers += sum(not one.sees(grids.get(camera_id, one.area_code)) for camera_id in first)
    per_s = sum(found["events"]) / found["seconds"]
    return Watched(latencies, missing, strangers, per_s, found["crowded"], cores, found["problems"])


@contextmanager
def _watching(port: int, people: Sequence[Viewer]) -> Iterator[Any]:
    """Gives what ends the watching and says what came."""
    command = [sys.executable, "-m", "tests.bench.centre_bench.watching"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps({"port": port, "tokens": [one.token for one in people]}) + "\n")
        child.stdin.flush()
        if child.stdout.readline().strip() != "open":
            raise RuntimeError("not all streams could be opened")

        def ended() -> dict[str, Any]:
            out, _ = child.communicate(timeout=60)
            found: dict[str, Any] = json.loads(out)
            return found

        yield ended
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
