"""Tells the service manager that the node still makes progress, so that it is begun anew when it does not (FAULTS F23).

The main path itself says so, about once a second: a thread of its own would go on beating over a main path that hangs.
Without a service manager (`NOTIFY_SOCKET` of sd_notify(3)) nothing is sent.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import Final

READY: Final = b"READY=1"
ALIVE: Final = b"WATCHDOG=1"
STOPPING: Final = b"STOPPING=1"


class ServiceManager:
    """Datagrams to the service manager's socket; never blocks, never raises."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte of Linux's abstract addresses.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def tell(self, what: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(what, self._address)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
