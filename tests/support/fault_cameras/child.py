"""Faulty cameras in a process of their own: to be frozen as a whole (SIGSTOP), and so that memory is counted apart.

    python -m tests.support.fault_cameras.child CLIP '[[["Drip", {"step": "SETUP"}]], []]'

One camera per inner list. Says its ports as one line of JSON, then does what standard input says: `heal` stops every
fault, `count` says how many connections each camera had; the end of it ends the process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.support.fault_cameras import dialogue_faults, stream_faults
from tests.support.fault_cameras.camera import CameraHost
from tests.support.fault_cameras.fault import Fault
from tests.support.fixtures import REPOSITORY
from xueliang_streams.segments import load_segment

Recipe = tuple[str, dict[str, Any]]
"""A fault's class name and its settings."""
_END_S = 10.0


class CameraProcess:
    """Cameras in a child: `with CameraProcess(clip, [[("Silent", {})], []]) as cameras: cameras.urls`."""

    def __init__(self, clip: Path, cameras: Iterable[Iterable[Recipe]]) -> None:
        self._command = [sys.executable, "-m", __name__, str(clip), json.dumps([list(faults) for faults in cameras])]
        self._child: subprocess.Popen[str] | None = None
        self.urls: list[str] = []

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
        self._child = subprocess.Popen(
            self._command, cwd=REPOSITORY, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        first = _stream(self._child.stdout).readline()
        if not first:
            raise AssertionError(f"the cameras' process ended with status {self._child.wait(_END_S)}")
        self.urls = [f"rtsp://127.0.0.1:{port}/stream1" for port in json.loads(first)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self.thaw()
            _stream(self._child.stdin).close()
            _stream(self._child.stdout).close()
            try:
                self._child.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(_END_S)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nobody sends, reads or closes."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End of `freeze`."""
        self._signal(signal.SIGCONT)

    def heal(self) -> None:
        """Every fault stops, every camera listens."""
        self._say("heal")

    def session_counts(self) -> list[int]:
        """How many connections each camera had so far."""
        assert self._child is not None
        self._say("count")
        counts: list[int] = json.loads(_stream(self._child.stdout).readline())
        return counts

    def _say(self, word: str) -> None:
        assert self._child is not None
        stdin = _stream(self._child.stdin)
        stdin.write(f"{word}\n")
        stdin.flush()

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        if self._child.poll() is None:
            self._child.send_signal(number)


def _stream(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _made(recipe: Recipe) -> Fault:
    name, settings = recipe
    kind = getattr(dialogue_faults, name, None) or getattr(stream_faults, name)
    fault = kind(**settings)
    assert isinstance(fault, Fault)
    return fault


def main() -> None:
    """See the module's docstring."""
    segment = load_segment("clip", Path(sys.argv[1]))
    with CameraHost() as host:
        cameras = [host.camera(segment, *map(_made, recipes)) for recipes in json.loads(sys.argv[2])]
        _tell([camera.port for camera in cameras])
        for line in sys.stdin:
            if line.strip() == "count":
                _tell([camera.session_count for camera in cameras])
            else:
                for camera in cameras:
                    camera.stop_faults()
                    camera.up()


def _tell(numbers: list[int]) -> None:
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
