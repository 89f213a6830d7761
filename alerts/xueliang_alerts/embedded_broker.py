"""The broker in the box: a NATS server with its MQTT listener, as a child process, for the demo and a single-box site.

Invariants
    - Who starts it stops it: `stop()` (or leaving the `with`) ends the child, surely. Where the system can (Linux), the
      child also ends when the thread that called `start()` ends: start it from a thread that lives as long as the
      broker shall, usually the main one.
    - It listens on loopback unless told otherwise; nobody is anonymous; a node may use its own topics only.
    - Queued and retained messages lie in the data folder and survive a kill. The configuration holds passwords and is
      readable by its owner only.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from xueliang_alerts.broker_program import NodeUser, StationUser, broker_configuration, find_program
from xueliang_alerts.clocks import Mono, system_mono
from xueliang_alerts.errors import BrokerStartFailed

log = logging.getLogger(__name__)

START_LIMIT_S: Final = 20.0
STOP_LIMIT_S: Final = 10.0
PR_SET_PDEATHSIG: Final = 1
STDERR_NAME: Final = "broker.stderr"  # complaints before the log file is open: a configuration it cannot read

__all__ = ["EmbeddedBroker", "NodeUser", "StationUser"]


class EmbeddedBroker:
    """A NATS server as a child. Not thread-safe: one owner."""

    def __init__(
        self,
        data_dir: Path,
        *,
        nodes: Sequence[NodeUser] = (),
        stations: Sequence[StationUser] = (),
        centre_password: str,
        centre_user: str = "centre",
        host: str = "127.0.0.1",
        port: int = 1883,
        mono: Mono = system_mono,
    ) -> None:
        """port 0: any free one, chosen now and kept over restarts. Raises BrokerProgramMissing."""
        self._program = find_program()
        self._data_dir = data_dir
        self._nodes = {node.node_id: node for node in nodes}
        self._stations = tuple(stations)
        self._centre_user, self._centre_password = centre_user, centre_password
        self.host = host
        self.port = port or _free_port(host)
        self._mono = mono
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Returns when it accepts connections. Raises BrokerStartFailed, with what the broker said last."""
        if self.is_running:
            return
        if _is_listening(self.host, self.port):
            raise BrokerStartFailed(
                f"{self.host}:{self.port} is already in use\nhint: stop what listens there, or choose another port"
            )
        configuration = self._write_configuration()
        self._child = subprocess.Popen(
            [str(self._program), "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._data_dir,
            start_new_session=True,  # Ctrl-C reaches our owner, who stops things in order
            preexec_fn=_die_with_parent(),
        )
        self._await_listening()
        log.info("broker started", extra={"port": self.port, "pid": self._child.pid})

    def stop(self) -> None:
        """End it; when it does not end by itself, kill it. May be called twice."""
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def kill(self) -> None:
        """Like a power cut of the process (SIGKILL); `start()` finds its data."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()

    def add_nodes(self, nodes: Sequence[NodeUser]) -> None:
        """Admit more nodes, or change passwords; connections of others stay up."""
        self._nodes |= {node.node_id: node for node in nodes}
        if self._child is not None and self.is_running:
            self._write_configuration()
            self._child.send_signal(signal.SIGHUP)

    def _write_configuration(self) -> Path:
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._data_dir / "broker.json"
        text = json.dumps(
            broker_configuration(
                host=self.host,
                port=self.port,
                data_dir=self._data_dir.resolve(),
                nodes=list(self._nodes.values()),
                stations=self._stations,
                centre_user=self._centre_user,
                centre_password=self._centre_password,
            ),
            indent=1,
            ensure_ascii=False,  # the server reads UTF-8 but no escapes by number
        )
        temporary = path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
        return path.resolve()

    def _await_listening(self) -> None:
        assert self._child is not None
        give_up = self._mono() + START_LIMIT_S
        while self._mono() < give_up:
            if self._child.poll() is not None:
                raise BrokerStartFailed(f"the broker ended with status {self._child.returncode}: {self._last_words()}")
            if _is_listening(self.host, self.port):
                return
            time.sleep(0.05)
        self.kill()
        raise BrokerStartFailed(f"the broker did not listen on {self.host}:{self.port} within {START_LIMIT_S:g} s")

    def _last_words(self) -> str:
        said: list[str] = []
        for name in ("broker.log", STDERR_NAME):
            try:
                said += (self._data_dir / name).read_text(errors="replace").splitlines()[-3:]
            except OSError:
                continue
        return " | ".join(said) or "it said nothing"


def _die_with_parent() -> Callable[[], None] | None:
    """Linux: the kernel ends the child when the thread that started it ends. Elsewhere None: only stop() does."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return set_death_signal


def _is_listening(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
