"""A stand-in for systemd under our unit: listens to a node, ends one that is silent for too long, begins it anew."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.fixtures import REPOSITORY
from tests.support.node_process import NodeProcess

UNIT = REPOSITORY / "deploy/systemd/xueliang-edge.service"


def unit_s(name: str) -> float:
    """A time of the unit, in seconds."""
    return float(re.findall(rf"^{name}=(\d+)$", UNIT.read_text(), re.MULTILINE)[0])


class ServiceManager:
    """A context manager; the node may run already."""

    def __init__(self, node: NodeProcess, address: Path) -> None:
        """`address` is the node's NOTIFY_SOCKET; nothing may listen there yet."""
        self._node = node
        self.watchdog_s = unit_s("WatchdogSec")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(address))
        self._socket.settimeout(0.1)
        self._is_closed = threading.Event()
        self.ready_mono_s: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        heard_mono_s: float | None = None
        while not self._is_closed.is_set():
            said = self._heard()
            now = time.monotonic()
            if said == b"READY=1":
                self.ready_mono_s.append(now)
            if said:
                heard_mono_s = now
            elif heard_mono_s is not None and now - heard_mono_s > self.watchdog_s:
                self._begin_anew()
                heard_mono_s = None  # counted from its first word on

    def _heard(self) -> bytes:
        try:
            return self._socket.recv(64)
        except TimeoutError:
            return b""

    def _begin_anew(self) -> None:
        for number in (
            signal.SIGABRT,
            signal.SIGCONT,
        ):  # SIGCONT: else a stopped one would not end; systemd does so, too
            os.kill(self._node.pid, number)
        self._node.wait(unit_s("TimeoutStopSec"))
        if not self._is_closed.wait(unit_s("RestartSec")):
            self._node.start()
