"""The side of the test process: `ForkedProgram` in the place of `xueliang_demo.processes.Program`."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from xueliang_demo.processes import ProcessEnded, Program

REPOSITORY: Final = Path(__file__).resolve().parents[3]
_LOOK_EVERY_S: Final = 0.01
_ONCE_WITHIN_S: Final = 120.0


class _Forking:
    """The process that forks, started when it is first needed; it ends with the test process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.support.forked.serving", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=REPOSITORY,
                start_new_session=True,  # Ctrl-C reaches the tests, and they end what they started
            )
        self._line, self._texts = ours, ours.makefile("rw")
        atexit.register(self._end)

    def ask(self, **question: Any) -> int | None:
        with self._lock:
            self._texts.write(f"{json.dumps(question)}\n")
            self._texts.flush()
            answer = self._texts.readline()
        if not answer:
            raise ProcessEnded(f"what forks the tests' programs ended with status {self._process.wait(10)}")
        known: int | None = json.loads(answer)
        return known

    def _end(self) -> None:
        self._texts.close()
        self._line.close()
        self._process.wait(10)


@cache
def _forking() -> _Forking:
    return _Forking()


class Fork:
    """What `subprocess.Popen` is of a child, of a fork: as much of it as a `Program` asks for."""

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], streams: Mapping[str, str]
    ) -> None:
        asked = {"module": module, "arguments": [*arguments], "environment": {**environment}, "folder": str(Path.cwd())}
        pid = _forking().ask(start=asked | {**streams})
        assert pid is not None
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _forking().ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        give_up_mono_s = time.monotonic() + timeout if timeout is not None else None
        while (status := self.poll()) is None:
            if give_up_mono_s is not None and time.monotonic() > give_up_mono_s:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0.0)
            time.sleep(_LOOK_EVERY_S)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkedProgram(Program):
    """A program of the centre; starts with a fork."""

    def start(self) -> None:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        module, *arguments = self._command[2:]  # behind `python -m`
        log = str(self._log_path)
        streams = {"stdin": os.devnull, "stdout": log, "stderr": log}
        self._process = Fork(module, arguments, self._env, streams)  # type: ignore[assignment]


def run_forked_once(module: str, arguments: Sequence[str], env: Mapping[str, str], stdin: str | None = None) -> str:
    """As `xueliang_demo.processes.run_once`."""
    with tempfile.TemporaryDirectory() as folder:
        streams = {name: str(Path(folder) / name) for name in ("stdin", "stdout", "stderr")}
        Path(streams["stdin"]).write_text(stdin or "", encoding="utf-8")
        status = Fork(module, arguments, {**os.environ, **env}, streams).wait(_ONCE_WITHIN_S)
        said, complaints = (Path(streams[name]).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
    if status != 0:
        raise ProcessEnded(f"{module} {' '.join(arguments[:4])} ended with status {status}:\n{complaints[-1500:]}")
    return said
