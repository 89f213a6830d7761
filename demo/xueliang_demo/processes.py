"""Child processes of the demo: each has one owner, a log file, and a sure end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_PATIENCE_S: Final = 12.0  # both programs promise to stop within ten seconds of SIGTERM


class ProcessEnded(Exception):
    """A program of the demo ended by itself; the message holds the end of its log."""


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Program:
    """One Python program as a child: started, watched, stopped."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module, *arguments]
        self._log_path = folder / f"{name}.log"
        self._env = {**os.environ, **env}
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._log_path.open("ab")
        # A session of its own: Ctrl-C reaches only us, and we stop the children in order.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=self._env,
            start_new_session=True,
        )

    def must_run(self) -> None:
        """Raises ProcessEnded with the last lines of the log when the program has ended."""
        if self._process is not None and self._process.poll() is not None:
            tail = "\n".join(self._log_path.read_text(errors="replace").splitlines()[-15:])
            raise ProcessEnded(
                f"{self.name} ended with status {self._process.returncode}; its log {self._log_path} ends with\n{tail}"
            )

    def kill(self) -> None:
        """As a power cut would: SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for what does not listen."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def cpu_seconds(self) -> float:
        """User + system seconds of the running program so far (Linux only; 0.0 elsewhere)."""
        if self._process is None or not Path("/proc/self/stat").exists():
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_once(module: str, arguments: Sequence[str], env: Mapping[str, str], stdin: str | None = None) -> str:
    """Run a program to its end and give what it printed.

    Raises:
        ProcessEnded: it failed; the message holds what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise ProcessEnded(
            f"{module} {' '.join(arguments[:4])} ended with status {done.returncode}:\n{done.stderr[-1500:]}"
        )
    return done.stdout


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float, every_s: float = 0.2) -> None:
    """Wait for `condition()` to be true. Raises TimeoutError that names what was waited for."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(every_s)
    raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
