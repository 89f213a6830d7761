"""F19: a disk that takes two seconds for an fsync delays alerts, and nothing else.

Two ways to be slow: strace on the whole node with a detector and stills, as the table asks; and an fsync that sleeps in
a node inside this process, for machines where nothing may be traced.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.yards import FALLING, LOOK_EVERY_S, STEADY, assert_told_once_and_in_order, camera, lane
from tests.integration.edge.scenes import LaneScene, write_settings
from tests.support.brokers import free_port, wait_until
from tests.support.fault_cameras.watching import IS_FULL, counted
from tests.support.node_process import health_of, health_port, node_process, spooled
from tests.support.slow_disks import FSYNC_S, may_trace, sleeping_fsync, traced
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_configs.loading import load_node
from xueliang_edge.node import Node
from xueliang_streams.rtsp_server import ClipMount, RtspServer

pytestmark = pytest.mark.alone
MEASURED_S = 8.0
DROP_AT_MOST = 0.10  # FAULTS F19

Health = Callable[[], dict[str, Any]]


def looks(health: dict[str, Any]) -> int:
    return sum(one["looks"] for one in health["cameras"] if one["camera_id"] in STEADY)


def looks_per_s(health: Health, seen: list[dict[str, Any]] | None = None, seconds: float = MEASURED_S) -> float:
    """Of the cameras that nothing happens to; the reports on the way go to `seen`."""
    first, began = looks(health()), time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        time.sleep(0.2)
        last = health()
        if seen is not None:
            seen.append(last)
    return (looks(last) - first) / elapsed


def raised(health: dict[str, Any]) -> int:
    return int(health["counters"]["alerts"].get("raised", 0))


def assert_looks_went_on(before: float, during: float, seen: Sequence[dict[str, Any]], alerts: int) -> None:
    before = min(before, len(STEADY) / LOOK_EVERY_S)  # a window may hold one look more than its share
    print(f"looks/s: {before:.2f} before, {during:.2f} with {FSYNC_S:g} s an fsync")
    print(f"longest write {seen[-1]['disk']['longest_write_s']} s, most waiting {most_waiting(seen)}")
    assert before >= 0.8 * len(STEADY) / LOOK_EVERY_S, f"{before:.2f} looks/s: the machine has no time for this test"
    assert during >= (1 - DROP_AT_MOST) * before, f"{during:.2f} looks/s of {before:.2f}"
    assert any(problem.startswith("disk: one write takes") for one in seen for problem in one["problems"]), (
        "the health page says what is slow"
    )
    assert most_waiting(seen) <= alerts


def most_waiting(seen: Sequence[dict[str, Any]]) -> int:
    return max(int(one["disk"]["waiting"]) for one in seen)


@pytest.mark.fixtures
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_f19_looks_go_on_while_every_fsync_takes_two_seconds(tmp_path: Path, gate_clip: Path, scene: LaneScene) -> None:
    mounts = {name: ClipMount(gate_clip) for name in (*STEADY, *FALLING)}
    with RtspServer({**mounts, "lane": scene.mount}, wall=system_wall) as server:
        cameras = [*(camera(name, server) for name in mounts), lane(server)]
        settings = write_settings(tmp_path, cameras, centre_url="http://127.0.0.1:9")
        with node_process(settings) as node:
            node.start()
            node.until(lambda health: all(one["looks"] > 3 for one in health["cameras"]), "every camera is looked at")
            with traced(node.pid, tmp_path, delay_s=0):
                before = looks_per_s(node.health)
            seen: list[dict[str, Any]] = []
            with traced(node.pid, tmp_path, delay_s=FSYNC_S):
                scene.park()
                for name in FALLING:
                    server.silence(name)
                node.until(lambda health: health["disk"]["write_s"] >= FSYNC_S, "the disk is at it")
                during = looks_per_s(node.health, seen, counted(12, 60))
                if IS_FULL:
                    node.until(lambda health: raised(health) == 3, "three alerts, slowly", 120)
            for name in FALLING:
                server.resume(name)
            node.until(lambda health: raised(health) == 3, "three alerts")
            scene.leave()
            node.until(lambda health: health["counters"]["alerts"].get("cleared") == 3, "three ends")
            assert not [one for one in node.health()["problems"] if one.startswith("disk")]
            assert node.terminate()[0] == 0
        stills = node_stills(tmp_path)
    assert_looks_went_on(before, during, seen, alerts=3)
    told = spooled(tmp_path / "data")
    assert_told_once_and_in_order(told, dict.fromkeys(FALLING, "away") | {"lane": "lane"})
    assert {ref.sha256 for one in told for ref in one.evidence} <= stills


def node_stills(folder: Path) -> set[str]:
    """Hashes of the stills that the node keeps."""
    return {path.stem.rpartition("-")[2] for path in (folder / "data/evidence").glob("*.jpg")}


class NodeHere:
    """A node in this process, watching in a thread."""

    def __init__(self, settings: Path) -> None:
        self.node = Node(load_node(settings), wall=system_wall, mono=system_mono)
        self._port = health_port(settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.node.run, args=(self._stop,), name="main path")

    def __enter__(self) -> NodeHere:
        self.node.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self.node.close()

    def health(self) -> dict[str, Any]:
        return health_of(self._port)

    def until(self, condition: Callable[[dict[str, Any]], object], what: str) -> None:
        """Wait for what the health page says."""
        wait_until(lambda: condition(self.health()), what=what, timeout_s=60)


@pytest.fixture
def slow_here(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    if may_trace() and not IS_FULL:
        pytest.skip("F19 with a sleeping fsync: the row was run under strace")
    return lambda: sleeping_fsync(monkeypatch)


@pytest.mark.slow
def test_f19_looks_go_on_while_fsync_sleeps(
    tmp_path: Path, gate_clip: Path, slow_here: Callable[[], AbstractContextManager[None]]
) -> None:
    mounts = {name: ClipMount(gate_clip) for name in (*STEADY, *FALLING)}
    with RtspServer(mounts, wall=system_wall) as server:
        settings = tmp_path / "node.yaml"
        node = {"node_id": "edge-01", "data_dir": "data", "broker": {"port": 1}, "health": {"port": free_port()}}
        settings.write_text(json.dumps({"node": node, "cameras": [camera(name, server) for name in mounts]}))
        with NodeHere(settings) as here:
            here.until(lambda health: all(one["looks"] > 3 for one in health["cameras"]), "every camera is looked at")
            before = looks_per_s(here.health)
            seen: list[dict[str, Any]] = []
            with slow_here():
                for name in FALLING:
                    server.silence(name)
                here.until(lambda health: health["disk"]["write_s"] >= FSYNC_S, "the disk is at it")
                during = looks_per_s(here.health, seen)
            for name in FALLING:
                server.resume(name)
            here.until(lambda health: health["counters"]["alerts"].get("cleared") == 2, "two ends")
    assert_looks_went_on(before, during, seen, alerts=2)
    assert_told_once_and_in_order(spooled(tmp_path / "data"), dict.fromkeys(FALLING, "away"))
