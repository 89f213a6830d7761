"""paho's client, reading more than a byte at a time.

paho asks the socket four times for each message and looks whether more is there after each. Every one of these gives up
the interpreter's lock; with sixteen connections that read a backlog, threads spend most of their time waiting for it.
Measured with 30,000 alerts over sixteen connections: see `docs/performance.md`. Written for paho-mqtt 2.x; it can go
when paho reads in blocks.
"""

from __future__ import annotations

import functools
import re
import socket
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

BLOCK_BYTES: Final = 1 << 16
PACKETS_AT_ONCE: Final = 100  # then what is to be written has its turn


class BlockReader:
    """A connected socket whose `recv` reads blocks ahead. `pending` says how much lies here (paho asks)."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._block = b""
        self._at = 0

    def recv(self, size: int) -> bytes:
        """Raises what the socket raises when nothing is there."""
        if self._at == len(self._block):
            self._block, self._at = self._sock.recv(max(size, BLOCK_BYTES)), 0
        found = self._block[self._at : self._at + size]
        self._at += len(found)
        return found

    def pending(self) -> int:
        own = len(self._block) - self._at
        return own or getattr(self._sock, "pending", lambda: 0)()

    def fileno(self) -> int:
        return self._sock.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class BlockReadingClient(paho.Client):
    """As paho's, over a `BlockReader`."""

    def _create_socket(self) -> Any:
        return BlockReader(super()._create_socket())  # type: ignore[arg-type]

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        code = super().loop_read(max_packets)
        for _ in range(PACKETS_AT_ONCE):
            sock: Any = self.socket()
            if code or sock is None or not sock.pending():
                break
            code = super().loop_read(max_packets)
        return code


@functools.cache
def _pattern(topic_filter: str) -> re.Pattern[str]:
    levels = ["[^/]*" if level == "+" else re.escape(level) for level in topic_filter.split("/")]
    if levels[-1] != re.escape("#"):
        text = "/".join(levels)
    else:
        text = "/".join(levels[:-1]) + "(/.*)?" if levels[:-1] else ".*"  # a/# means a, too
    return re.compile(text, re.DOTALL)


def matches(topic_filter: str, topic: str) -> bool:
    """As `paho.topic_matches_sub`, ten times as quick: it makes a tree of the filter each time."""
    if topic.startswith("$") and topic_filter[:1] in {"+", "#"}:
        return False
    return _pattern(topic_filter).fullmatch(topic) is not None
