"""What every system under test is to the bench: something that is given cameras, runs as processes of its own, is
stopped, and says what it saw. Plus what they share: a program with a file of counts.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from tests.bench.edge_bench.serving import BenchCamera

START_LIMIT_S: Final = 90.0
STOP_LIMIT_S: Final = 20.0
PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


class SystemFailed(Exception):
    """A system under test ended, or never began to watch. The message says which, and the end of what it said."""


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """An alert of a hazard in a zone, as the system's user gets it."""

    camera_id: str
    hazard: str
    arrived_mono_s: float


@dataclass(frozen=True, slots=True)
class Results:
    """What a system saw so far.

    Attributes:
        looks: pictures looked at (those of which a decision was made), by camera.
        pictures: pictures decoded, where the system counts them.
        detections: detector runs, where it counts them.
        counted_mono_s: when it counted both.
    """

    looks: Mapping[str, int]
    alerts: Sequence[RaisedAlert] = ()
    pictures: int | None = None
    detections: int | None = None
    counted_mono_s: float = 0.0


class SystemUnderTest(Protocol):
    """One way to watch cameras. `start` returns at once; `await_watching` when every camera gave its first picture."""

    name: str

    def start(self, cameras: Sequence[BenchCamera]) -> None: ...

    def await_watching(self) -> None:
        """Raises SystemFailed."""

    @property
    def pids(self) -> tuple[int, ...]:
        """Roots of the process trees whose cost is counted."""

    @property
    def is_running(self) -> bool:
        """False once it ended by itself."""

    def results(self) -> Results: ...

    def stop(self) -> None:
        """End every process of it, surely. A second call does nothing."""


class Program:
    """One child program with its log; ended with everything below it."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name, self._log_path = name, folder / f"{name}.log"
        with self._log_path.open("wb") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform.startswith("linux") else None,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def must_run(self) -> None:
        """Raises SystemFailed when it has ended."""
        if not self.is_running:
            raise SystemFailed(f"{self.name} ended with status {self._child.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        return " | ".join(self._log_path.read_text(errors="replace").splitlines()[-4:]) or "it said nothing"

    def stop(self) -> None:
        """SIGTERM to the program; after a while, or once it ended, SIGKILL to whatever is left of its group."""
        self._child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(STOP_LIMIT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()


def _end_with_parent() -> None:
    """The kernel ends the program when the bench is killed: nothing measured goes on unseen."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class PeerSystem:
    """A system written for the bench: `peer_program.py` in a process of its own, with a file of counts."""

    def __init__(self, name: str, kind: str, model: str, folder: Path, python: str = sys.executable) -> None:
        self.name, self._kind, self._model, self._python = name, kind, model, python
        self._folder = folder
        self._program: Program | None = None
        self._cameras: Sequence[BenchCamera] = ()

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._program.pid,) if self._program else ()

    @property
    def is_running(self) -> bool:
        return self._program is not None and self._program.is_running

    def start(self, cameras: Sequence[BenchCamera]) -> None:
        self._cameras = cameras
        self._folder.mkdir(parents=True, exist_ok=True)
        self._counts_path.unlink(missing_ok=True)
        plan = {
            "kind": self._kind,
            "model": self._model,
            "counts": str(self._counts_path),
            "cameras": [
                {"camera_id": one.camera_id, "url": one.url, "zone": one.scene.zone, "is_busy": one.scene.is_busy}
                for one in cameras
            ],
        }
        path = self._folder / f"{self.name}.json"
        path.write_text(json.dumps(plan))
        module = "ultralytics_loop" if self._kind == "ultralytics" else "peer_program"
        script = [str(Path(__file__).with_name(f"{module}.py"))]
        start = script if self._kind == "ultralytics" else ["-m", f"tests.bench.edge_bench.{module}"]
        self._program = Program(self.name, [self._python, *start, str(path)], self._folder)

    def await_watching(self) -> None:
        await_looks(self, [camera.camera_id for camera in self._cameras], self._program)

    def results(self) -> Results:
        counts = self._counts()
        alerts = [RaisedAlert(one["camera_id"], one["hazard"], one["mono_s"]) for one in counts.get("alerts", ())]
        return Results(
            counts.get("looks", {}),
            alerts,
            counts.get("pictures"),
            counts.get("detections"),
            counts.get("counted_mono_s", 0.0),
        )

    def stop(self) -> None:
        if self._program is not None:
            self._program.stop()

    @property
    def _counts_path(self) -> Path:
        return self._folder / f"{self.name}.counts.json"

    def _counts(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._counts_path.read_text()))
        except OSError:
            return {}  # it has not counted anything yet


def await_looks(system: SystemUnderTest, camera_ids: Sequence[str], program: Program | None) -> None:
    """Until each of these cameras was looked at once. Raises SystemFailed."""
    give_up = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up:
        if program is not None:
            program.must_run()
        looks = system.results().looks
        waiting = [one for one in camera_ids if not looks.get(one)]
        if not waiting:
            return
        time.sleep(0.2)
    said = program.last_words() if program else ""
    raise SystemFailed(f"{system.name}: no picture of {', '.join(waiting[:4])} in {START_LIMIT_S:g} s: {said}")


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Readers see the old file or the new one, never half of one."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(content))
    unfinished.replace(path)
