"""F24 as limits of each process: how many files it may open, how many processes its user may have.

`test_starvation.py` takes descriptors away from a node that runs, `test_capture_children.py` from a capture process.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.yards import STEADY, assert_told_once_and_in_order, camera, lane
from tests.integration.edge.scenes import LaneScene, write_settings
from tests.support.brokers import wait_until
from tests.support.limits import no_more_processes_of_its_user
from tests.support.node_process import node_process, spooled
from xueliang_alerts.clocks import system_wall
from xueliang_edge.descriptors import needed_by
from xueliang_streams.rtsp_server import ClipMount, RtspServer

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux"),
    pytest.mark.fixtures,
    pytest.mark.slow,
    pytest.mark.timeout(180),
]

FEW = 64  # FAULTS F24
MANY = 40
NOBODY = 65_534


def with_files(count: int, *, may_raise: bool = False) -> list[str]:
    """Starts a program that may open so many files."""
    return ["sh", "-c", f'ulimit -{"S" if may_raise else ""}n {count} && exec "$@"', "sh"]


@pytest.fixture
def server(gate_clip: Path, scene: LaneScene) -> Iterator[RtspServer]:
    mounts = {name: ClipMount(gate_clip) for name in STEADY}
    with RtspServer({**mounts, "lane": scene.mount}, wall=system_wall) as one:
        yield one


def yard(server: RtspServer) -> list[dict[str, Any]]:
    """Three cameras and a lane; a busy machine that is slow to begin makes none of them an alert."""
    away = {"rule_id": "away", "hazard": "camera_fault", "fault": "offline"}
    return [*(camera(name, server) | {"rules": [away]} for name in STEADY), lane(server)]


def test_f24_a_node_that_may_open_64_files_watches_as_declared(
    tmp_path: Path, server: RtspServer, scene: LaneScene
) -> None:
    settings = write_settings(tmp_path, yard(server))
    with node_process(settings, prefix=with_files(FEW)) as node:
        node.start()
        node.until(lambda health: all(one["looks"] >= 3 for one in health["cameras"]), "it looks at every camera")
        family = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        assert {resource.prlimit(one.pid, resource.RLIMIT_NOFILE) for one in family} == {(FEW, FEW)}
        print(f"open at a time: {[(one.name(), one.cmdline()[-1][-12:], one.num_fds()) for one in family]}")
        scene.park()
        node.until(lambda health: health["counters"]["alerts"].get("raised", 0) == 1, "the car is raised")
        scene.leave()
        node.until(lambda health: health["counters"]["alerts"].get("cleared", 0) == 1, "and its end")
        assert all(one["restarts"] == 0 for one in node.health()["workers"].values())
        assert node.terminate()[0] == 0
    assert "Traceback" not in node.log.read_text()
    assert_told_once_and_in_order(spooled(tmp_path / "data"), {"lane": "lane"})


def test_f24_more_cameras_than_64_files_are_refused_with_the_arithmetic(tmp_path: Path, server: RtspServer) -> None:
    cameras = [camera("steady-1", server) | {"camera_id": f"c{n}", "url": f"rtsp://h{n}/1"} for n in range(MANY)]
    settings = write_settings(tmp_path, cameras, processes={"cameras_per_process": MANY})
    with node_process(settings, prefix=with_files(FEW)) as node:
        node.start()
        assert node.wait(60) == 2
    said = node.log.read_text()
    assert "a process may open 64 files (RLIMIT_NOFILE), a capture process of 40 cameras needs 112" in said
    assert "32 of its own and 2 for each camera; raise it (systemd: LimitNOFILE=112; shell: ulimit -n 112)" in said
    assert "set node.processes.cameras_per_process to 16" in said
    assert "Traceback" not in said
    assert not (tmp_path / "data" / "spool").exists()


def test_a_limit_that_may_be_raised_is_raised() -> None:
    script = "import resource; from xueliang_edge.descriptors import provide; provide(40, 3); " + (
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    ran = subprocess.run(
        [*with_files(FEW, may_raise=True), sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert ran.stdout.split() == [str(needed_by(40, 3)), str(hard)], ran.stderr


@pytest.fixture
def somebody(tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder, and what starts a program as a user whom the kernel counts processes of: it does not count root's."""
    if os.geteuid() != 0:
        yield tmp_path, []
        return
    if shutil.which("setpriv") is None or shutil.which("prlimit") is None:
        pytest.skip("RLIMIT_NPROC does not bind root, and setpriv and prlimit are not there to try somebody else")
    # May read what root may: this code and its interpreter can lie in a folder of root's own.
    reading = [f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient")]
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *reading]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    able = subprocess.run(
        [*prefix, sys.executable, "-c", "import xueliang_edge.node"], capture_output=True, text=True, env=environment
    )
    if able.returncode != 0:
        pytest.skip(f"RLIMIT_NPROC does not bind root, and nobody else may run this code: {able.stderr[-200:]}")
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, NOBODY, NOBODY)
        yield Path(name), prefix


def test_f24_a_node_whose_user_may_begin_no_process_goes_on_and_begins_it_later(
    somebody: tuple[Path, list[str]], server: RtspServer, scene: LaneScene
) -> None:
    folder, prefix = somebody
    settings = write_settings(folder, yard(server))
    for path in folder.iterdir():
        path.chmod(0o644)
    with node_process(settings, {"HOME": str(folder)}, prefix) as node:
        node.start()
        node.until(lambda health: all(one["looks"] >= 3 for one in health["cameras"]), "it looks at every camera")
        before = {one["camera_id"]: one["looks"] for one in node.health()["cameras"]}
        detector = node.health()["workers"]["detector-1"]["pid"]
        with no_more_processes_of_its_user(node.pid, prefix):
            os.kill(detector, signal.SIGKILL)
            wait_until(lambda: "cannot be begun" in node.log.read_text(), what="no new detector", timeout_s=30)
        node.until(lambda health: health["workers"]["detector-1"]["state"] in ("idle", "busy"), "a detector again", 60)
        after = node.health()
        assert all(one["looks"] > before[one["camera_id"]] for one in after["cameras"])
        assert after["workers"]["capture-0"]["restarts"] == 0
        scene.park()
        node.until(lambda health: health["counters"]["alerts"].get("raised", 0) == 1, "the car is raised")
        scene.leave()
        node.until(lambda health: health["counters"]["alerts"].get("cleared", 0) == 1, "and its end")
        assert node.terminate()[0] == 0
    assert "Traceback" not in node.log.read_text()
