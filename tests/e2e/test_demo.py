"""./run demo from outside: the real program as a child, in a folder of its own, started again and again on its data.

The tests are one story and run in order.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.support.clips import moving_box_clip
from tests.support.heard_signals import heard_signals
from tests.support.rendered import footage
from xueliang_demo.api_client import Person
from xueliang_demo.demo_plan import OWN_CAMERA
from xueliang_demo.loop_check import PLAYED_HAZARD, STEPS
from xueliang_demo.processes import free_port
from xueliang_demo.theatre import LANE_CAMERA, PLAZA_CAMERA

STARTED_WITHIN_S, STOPPED_WITHIN_S = 90.0, 40.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@dataclass
class Demo:
    """One run of the program, and every process it has started."""

    process: subprocess.Popen[str]
    log: Path
    origin: str
    folder: Path

    def log_in(self, username: str) -> Person:
        password = json.loads((self.folder / "secrets.json").read_text())["accounts"][username]
        return Person(self.origin, username, password)

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = STARTED_WITHIN_S) -> None:
        give_up_at = time.monotonic() + timeout_s
        while not condition():
            said = self.log.read_text()[-1500:]
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {said}"
            if time.monotonic() > give_up_at:
                pytest.fail(f"not within {timeout_s:.0f} s: {what}; it said {said}")
            time.sleep(0.2)

    def until_told(self) -> None:
        self.until(lambda: "Ctrl-C stops everything" in self.log.read_text(), "it says what to open")

    def camera_health(self) -> dict[str, Any]:
        """Of the first camera, as the node's health page has it."""
        port = yaml.safe_load((self.folder / "node.yaml").read_text())["node"]["health"]["port"]
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5, trust_env=False)
        return dict(answer.json()["cameras"][0])

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def stop(self, number: signal.Signals) -> int:
        """Send the signal to the program alone; its status, once nothing that it started is left."""
        direct = psutil.Process(self.process.pid).children()
        assert len(direct) == 3, f"broker, centre and node, got {direct}"
        children = self.children()  # and the node's own
        self.process.send_signal(number)
        status = self.process.wait(STOPPED_WITHIN_S)
        _, left = psutil.wait_procs(children, timeout=1)
        assert left == [], "left behind"
        return status


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty data folder, but for the footage: rendering it takes a minute and is tested elsewhere."""
    made = tmp_path_factory.mktemp("demo") / "box"
    made.mkdir()
    (made / "footage").symlink_to(footage())
    return made


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Demo]:
    log, port = folder.with_name("demo.log"), free_port()
    command = [sys.executable, "-u", "-m", "xueliang_demo.play", "--data", str(folder), "--port", str(port)]
    with log.open("w") as output, heard_signals():
        process = subprocess.Popen([*command, *arguments], stdout=output, stderr=output, text=True)
    running = Demo(process, log, f"http://127.0.0.1:{port}", folder)
    try:
        yield running
    finally:
        if process.poll() is None:
            for child in running.children():
                child.kill()
            process.kill()
            process.wait()


def walk(folder: Path) -> dict[str, float]:
    """`--check` to its end; seconds by step, as it printed them."""
    with demo(folder, "--check") as running:
        status = running.process.wait(300)
        said = running.log.read_text()
    assert status == 0, said
    assert "all steps happened through the public doors" in said
    return {step: float(seconds) for seconds, step in re.findall(r"^ *([\d.]+) s  (.+)$", said, re.MULTILINE)}


def in_register(person: Person) -> dict[str, str]:
    """State by camera, of those that a node runs."""
    return {one["camera_id"]: one["state"] for one in person.cameras() if one["node_id"]}


@pytest.fixture(scope="module")
def first_walk(folder: Path) -> dict[str, float]:
    return walk(folder)


def test_the_check_walks_the_whole_loop(first_walk: dict[str, float]) -> None:
    assert tuple(first_walk) == STEPS
    assert first_walk[STEPS[0]] < 60
    assert first_walk[STEPS[4]] - first_walk[STEPS[3]] > 15, "the take limit is 20 s"


def test_a_second_check_right_after_counts_only_its_own_steps(folder: Path, first_walk: dict[str, float]) -> None:
    times_s = walk(folder)
    assert tuple(times_s) == STEPS
    assert times_s[STEPS[4]] - times_s[STEPS[3]] > 15, "not the escalation of the first check"


def test_another_start_finds_its_data_and_ctrl_c_stops_every_process(
    folder: Path, first_walk: dict[str, float]
) -> None:
    with demo(folder) as running:
        running.until_told()
        person = running.log_in("operator")
        lane_incidents = [one for one in person.incidents() if one["hazard"] == PLAYED_HAZARD]
        assert [(one["place"]["camera_id"], one["close_reason"]) for one in lane_incidents] == [
            (LANE_CAMERA, "verified")
        ]
        running.until(
            lambda: in_register(person) == {LANE_CAMERA: "streaming", PLAZA_CAMERA: "streaming"}, "both cameras stream"
        )
        person.close()
        assert running.stop(signal.SIGINT) == 0


def test_a_file_is_watched_as_a_camera_that_goes_on(folder: Path, first_walk: dict[str, float], tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "own.mp4", seconds=3)
    with demo(folder, "--camera", str(clip)) as running:
        running.until_told()
        person = running.log_in("operator")
        assert set(in_register(person)) == {LANE_CAMERA, PLAZA_CAMERA, OWN_CAMERA}
        running.until(lambda: in_register(person)[OWN_CAMERA] == "streaming", "the file streams")
        seen_mono_s = time.monotonic()
        running.until(lambda: time.monotonic() - seen_mono_s > 10, "three lengths of the clip later")
        looks = running.camera_health()["looks"]
        running.until(lambda: running.camera_health()["looks"] > looks + 2, "it is still looked at", 30)
        assert running.camera_health()["state"] == "streaming"
        person.close()
        assert running.stop(signal.SIGTERM) == 0


def test_a_closed_terminal_stops_every_process(folder: Path, first_walk: dict[str, float]) -> None:
    with demo(folder, "--camera", "rtsp://user:secret@127.0.0.1:9/nobody") as running:
        running.until_told()
        assert running.stop(signal.SIGHUP) == 0
        assert "secret" not in running.log.read_text()


def test_a_file_that_is_no_video_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a video")
    with demo(folder, "--camera", str(tmp_path / "notes.mp4")) as running:
        assert running.process.wait(STARTED_WITHIN_S) == 2
        said = running.log.read_text()
    assert "notes.mp4" in said
    assert "Traceback" not in said
