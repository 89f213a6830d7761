"""F02, F06, F19 to F24 as far as capture goes: a child that dies or hangs is begun anew, its neighbours never notice,
nothing leaks, and a node without the shared memory it needs says so instead of starting."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.support.brokers import free_port
from tests.support.clips import moving_box_clip
from tests.support.fault_cameras import CameraHost
from tests.support.holdings import Holdings
from tests.support.limits import no_more_descriptors
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_edge.capture import children as capture_children
from xueliang_edge.capture.children import CaptureChildren
from xueliang_edge.capture.grouping import reserve
from xueliang_edge.capture.orders import CameraSpec, GroupSpec, Pace, Release
from xueliang_edge.looks import Look
from xueliang_streams.rtsp_server import ClipMount, RtspServer
from xueliang_streams.segments import Segment
from xueliang_streams.source import SourceState

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and limits of Linux")

SLOT_BYTES = 1 << 20


class Watch:
    """Two capture children with two cameras each; looks are given back as they come."""

    def __init__(self, capture: CaptureChildren) -> None:
        self.capture = capture
        self.looks: list[Look] = []

    def turn(self) -> None:
        self.capture.check()
        for look in self.capture.looks():
            self.looks.append(look)
            self.capture.release(Release(look.handle))
        time.sleep(0.02)

    def until(self, condition: Callable[[], bool], what: str, within_s: float = 45) -> None:
        give_up = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < give_up, f"{what}: not within {within_s} s, {self.capture.reports()}"
            self.turn()

    def count(self, camera_id: str) -> int:
        return sum(look.handle.camera_id == camera_id for look in self.looks)

    def until_all_look(self, more: int = 2) -> None:
        names = ("a", "b", "c", "d")
        wanted = {name: self.count(name) + more for name in names}
        self.until(lambda: all(self.count(name) >= wanted[name] for name in names), f"{more} looks of each camera")

    def pid(self, region: int) -> int:
        pid = self.capture.reports()[region].pid
        assert pid is not None
        return pid


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    clip = moving_box_clip(tmp_path_factory.mktemp("clips") / "gate.mp4", seconds=4, fps=10, gop=5)
    with RtspServer({name: ClipMount(clip) for name in "abcd"}, wall=system_wall) as one:
        yield one


@contextmanager
def watching(server: RtspServer, folder: Path, **elsewhere: str) -> Iterator[Watch]:
    """`elsewhere`: addresses of cameras that the server does not have."""
    groups = [
        GroupSpec(
            region,
            tuple(CameraSpec(name, elsewhere.get(name) or server.url(name), gap_s=0.5) for name in names),
            slots=3,
            slot_bytes=SLOT_BYTES,
            background_dir=str(folder),
        )
        for region, names in enumerate(("ab", "cd"))
    ]
    specs, frames = reserve(groups)
    capture = CaptureChildren(specs, frames, system_mono)
    capture.start()
    try:
        watch = Watch(capture)
        watch.until_all_look()
        yield watch
    finally:
        capture.close()


def test_a_killed_child_is_begun_anew_its_neighbours_never_notice_and_nothing_leaks(
    server: RtspServer, tmp_path: Path
) -> None:
    with watching(server, tmp_path) as watch:
        watch.capture.set_pace("a", Pace(0.5, every_key=True))
        before = Holdings.now()
        neighbours = [watch.pid(1)]
        for round_ in range(1, 3):
            begin = len(watch.looks)
            os.kill(watch.pid(0), signal.SIGKILL)
            watch.until(lambda n=round_: watch.capture.reports()[0].restarts == n, "it is noticed", within_s=5)  # type: ignore[misc]
            assert "killed by SIGKILL" in (watch.capture.reports()[0].problem or "")
            watch.until_all_look()
            since = [look.observed_mono_s for look in watch.looks[begin:] if look.handle.camera_id == "c"]
            assert max(b - a for a, b in pairwise(since)) < 2.0, "the other child's cameras went on"
        assert [watch.pid(1)] == neighbours
        assert watch.capture.reports()[1].restarts == 0
        watch.until(lambda: Holdings.now() == before, f"{before}, as before; now {Holdings.now()}")


def test_a_child_that_hangs_is_killed_when_its_beat_stops(
    server: RtspServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_children, "BEAT_LOST_S", 4.0)
    with watching(server, tmp_path) as watch:
        hung = watch.pid(0)
        os.kill(hung, signal.SIGSTOP)
        watch.until(lambda: watch.capture.reports()[0].restarts == 1, "it is given up", within_s=15)
        assert "no beat for 4 s" in (watch.capture.reports()[0].problem or "")
        watch.until_all_look()
        assert watch.pid(0) != hung
        watch.until(lambda: watch.capture.health("a").state is SourceState.STREAMING, "its health says so")


def test_a_short_stop_costs_no_restart(server: RtspServer, tmp_path: Path) -> None:
    with watching(server, tmp_path) as watch:
        pid = watch.pid(0)
        os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic()
        watch.until(lambda: time.monotonic() - stopped > 3.0, "three seconds")
        os.kill(pid, signal.SIGCONT)
        watch.until_all_look()
        assert watch.pid(0) == pid


def test_a_half_open_camera_costs_its_socket_and_not_its_process(server: RtspServer, tmp_path: Path) -> None:
    with watching(server, tmp_path) as watch:
        pid = watch.pid(0)
        watch.until(lambda: watch.capture.health("a").state is SourceState.STREAMING, "it streams")
        server.silence("a")
        try:
            begin = len(watch.looks)
            watch.until(
                lambda: watch.capture.health("a").state is not SourceState.STREAMING, "it is noticed", within_s=15
            )
            since = [look.observed_mono_s for look in watch.looks[begin:] if look.handle.camera_id == "b"]
            assert max(b - a for a, b in pairwise(since)) < 1.5
        finally:
            server.resume("a")
        watch.until_all_look()
        assert watch.pid(0) == pid


def test_a_child_without_descriptors_keeps_its_cameras_and_refuses_a_new_connection(
    server: RtspServer, tmp_path: Path, host: CameraHost, clouds: Segment
) -> None:
    """F24: what is open stays open, what cannot be opened is said, and comes once it can."""
    returning = host.camera(clouds)
    with watching(server, tmp_path, d=returning.url) as watch:
        pid = watch.pid(1)
        returning.down()
        watch.until(lambda: "connection refused" in (watch.capture.health("d").problem or ""), "it is gone")
        with no_more_descriptors(pid):
            returning.up()
            begin, looks_of_d = len(watch.looks), watch.count("d")
            watch.until(
                lambda: "no file descriptor left" in (watch.capture.health("d").problem or ""), "it is said", 30
            )
            watch.until(lambda: watch.count("c") >= 4, "its neighbour goes on")
            assert watch.count("d") == looks_of_d
            since = [look.observed_mono_s for look in watch.looks[begin:] if look.handle.camera_id == "c"]
            assert max((b - a for a, b in pairwise(since)), default=0.0) < 1.5
        watch.until(lambda: watch.count("d") >= looks_of_d + 2, "the camera is back")
        assert watch.pid(1) == pid
        assert watch.capture.reports()[1].restarts == 0


def test_children_end_with_their_node(tmp_path: Path, server: RtspServer) -> None:
    """F23: the node killed in the middle of everything leaves no process, no shared memory."""
    settings = tmp_path / "node.yaml"
    settings.write_text(json.dumps(node_settings(server)))
    node = subprocess.Popen([sys.executable, "-m", "xueliang_edge.cli", "run", "--config", str(settings)])
    try:
        children: list[int] = []

        def started() -> bool:
            children[:] = children_of(node.pid)
            return len(children) >= 2

        wait_until(started, "two children")
    finally:
        node.kill()
        node.wait(10)
    wait_until(lambda: not any(is_running(pid) for pid in children), "the children ended")


def test_a_main_path_that_hangs_tells_the_service_manager_nothing(tmp_path: Path, server: RtspServer) -> None:
    """F23: a stopped node falls silent, and one that goes on speaks again; the manager begins it anew meanwhile."""
    settings = tmp_path / "node.yaml"
    settings.write_text(json.dumps(node_settings(server)))
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(40)
        command = [sys.executable, "-m", "xueliang_edge.cli", "run", "--config", str(settings)]
        node = subprocess.Popen(command, env=os.environ | {"NOTIFY_SOCKET": address})
        try:
            assert manager.recv(64) == b"READY=1"
            manager.settimeout(5)
            assert manager.recv(64) == b"WATCHDOG=1"
            node.send_signal(signal.SIGSTOP)
            manager.settimeout(3)
            assert drained(manager) < 10, "it falls silent"
            node.send_signal(signal.SIGCONT)
            assert manager.recv(64) == b"WATCHDOG=1"
        finally:
            node.kill()
            node.wait(10)


def test_too_little_shared_memory_is_refused_with_the_bytes_needed(tmp_path: Path, server: RtspServer) -> None:
    """F20: /dev/shm of 8 MB in a mount namespace of its own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare for a small /dev/shm of its own")
    settings = tmp_path / "node.yaml"
    settings.write_text(json.dumps(node_settings(server)))
    program = f"{sys.executable} -m xueliang_edge.cli run --config {settings}"
    script = f"mount -t tmpfs -o size=8m tmpfs /dev/shm && exec {program}"
    ran = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=90)
    if "unshare" in ran.stderr and "Operation not permitted" in ran.stderr:
        pytest.skip("this machine allows no mount namespaces")
    assert ran.returncode == 2, ran.stderr
    assert "bytes" in ran.stderr
    assert "/dev/shm" in ran.stderr
    assert "Traceback" not in ran.stderr


def drained(listener: socket.socket) -> int:
    """How many datagrams come before none comes for a time-out; at most ten are waited for."""
    for count in range(10):
        try:
            listener.recv(64)
        except TimeoutError:
            return count
    return 10


def node_settings(server: RtspServer) -> dict[str, object]:
    rules = [{"rule_id": "away", "hazard": "camera_fault", "fault": "offline"}]
    return {
        "node": {"node_id": "edge-01", "data_dir": "data", "broker": {"port": 1}, "health": {"port": free_port()}},
        "cameras": [{"camera_id": name, "name": name, "url": server.url(name), "rules": rules} for name in "abcd"],
    }


def children_of(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], what: str, within_s: float = 40) -> None:
    give_up = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up, f"{what}: not within {within_s} s"
        time.sleep(0.05)
