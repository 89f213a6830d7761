"""What the service manager is told; a real datagram socket in its place."""

from __future__ import annotations

import socket
from pathlib import Path

from xueliang_edge.watchdog import ALIVE, READY, ServiceManager


def test_it_is_told_over_its_socket(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(5)
        manager = ServiceManager({"NOTIFY_SOCKET": address})
        manager.tell(READY)
        manager.tell(ALIVE)
        assert [listener.recv(64), listener.recv(64)] == [b"READY=1", b"WATCHDOG=1"]
        manager.close()


def test_without_one_or_when_it_is_gone_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}, {"NOTIFY_SOCKET": "@nobody-here"}):
        manager = ServiceManager(environment)
        manager.tell(ALIVE)
        manager.close()
        manager.tell(ALIVE)
