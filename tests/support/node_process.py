"""The node as its users run it: `xueliang-edge run` as a child, asked by its health page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.brokers import wait_until
from tests.support.heard_signals import heard_signals
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Alert, read_message
from xueliang_alerts.spool import Spool


class NodeProcess:
    """May be started again after it ended.

    `prefix`: a program that starts it, with its arguments (another user, a limit).
    """

    def __init__(
        self, settings: Path, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        self.settings = settings
        self.port = health_port(settings)
        self.log = settings.with_name("node.log")
        self._environment = os.environ | (environment or {})
        self._prefix = tuple(prefix)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def start(self, *arguments: str) -> None:
        program = [sys.executable, "-m", "xueliang_edge.cli", "run", "--config", str(self.settings), *arguments]
        command = [*self._prefix, *program]
        with self.log.open("ab") as output, heard_signals():
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environment
            )

    def kill(self) -> None:
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def wait(self, timeout_s: float) -> int:
        """Its exit status once it has ended."""
        assert self._child is not None
        return self._child.wait(timeout_s)

    def terminate(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Exit status and seconds it took."""
        assert self._child is not None
        begun = time.monotonic()
        self._child.send_signal(number)
        return self._child.wait(30), time.monotonic() - begun

    def health(self) -> dict[str, Any]:
        return health_of(self.port)

    def until(self, condition: Callable[[dict[str, Any]], object], what: str, timeout_s: float = 60.0) -> None:
        def holds() -> bool:
            assert self._child is not None
            assert self._child.poll() is None, f"node ended: {self.log.read_text()[-2000:]}"
            try:
                return bool(condition(self.health()))
            except OSError:
                return False

        wait_until(holds, what=f"{what}; log: {self.log.read_text()[-1500:]}", timeout_s=timeout_s)

    def close(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self.kill()


@contextmanager
def node_process(
    settings: Path, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> Iterator[NodeProcess]:
    """Not started yet; surely ended afterwards."""
    node = NodeProcess(settings, environment, prefix)
    try:
        yield node
    finally:
        node.close()


def health_port(settings: Path) -> int:
    return int(yaml.safe_load(settings.read_text())["node"]["health"]["port"])


def health_of(port: int) -> dict[str, Any]:
    """The health page as it stands."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
        return dict(json.loads(answer.read()))


def spooled(data_dir: Path, node_id: str = "edge-01") -> list[Alert]:
    """Every alert still held, whether settled or not, in order. The node must have ended."""
    with Spool.open(data_dir / "spool", node_id, wall=system_wall, mono=system_mono) as spool:
        spool.replay(system_wall().replace(year=2000))
        bodies = [read_message(record.payload).body for record in spool.pending_after(0, 10_000)]
    return [body for body in bodies if isinstance(body, Alert)]
