"""A thin line between programs of one machine: TCP forwarded at so many bytes a second each way, all of it together.

It can be cut, and mended again.
"""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Final

CHUNK_BYTES: Final = 512
BUFFER_BYTES: Final = 65_536  # what waits in the systems' own buffers has not passed the line yet


class _OneWay:
    """Hands out the seconds of a line that sends one chunk after another."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._free_mono_s = 0.0

    def wait(self, count: int, bytes_per_s: float | None) -> None:
        if bytes_per_s is None:
            return
        with self._guard:
            now = time.monotonic()
            self._free_mono_s = max(now, self._free_mono_s) + count / bytes_per_s
            until = self._free_mono_s
        time.sleep(max(0.0, until - now))


class ThinLink:
    """A context manager.

    Attributes:
        bytes_per_s: each way, over all that is forwarded; None: as fast as it goes. May change while it runs.
        passed_bytes: so far, away from and towards who connects here.
    """

    def __init__(self, bytes_per_s: float | None = None) -> None:
        self.bytes_per_s = bytes_per_s
        self.passed_bytes = {"up": 0, "down": 0}
        self._ways = {"up": _OneWay(), "down": _OneWay()}
        self._sockets: list[socket.socket] = []
        self._forwarding: list[socket.socket] = []
        self._is_closed = self._is_cut = False

    def __enter__(self) -> ThinLink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        for one in self._sockets:
            one.close()

    def cut(self) -> None:
        """What is open ends, and nothing gets through until `mend`."""
        self._is_cut = True
        for one in self._forwarding:
            _shut(one)

    def mend(self) -> None:
        self._is_cut = False

    def to(self, port: int) -> int:
        """A port here that leads to that one over the line."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listener)
        threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, port: int) -> None:
        while not self._is_closed:
            try:
                near, _ = listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", port), timeout=5)
            except OSError:
                continue  # whoever listens there is not up: they try again
            far.settimeout(None)
            for one in (near, far):
                for name in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                    one.setsockopt(socket.SOL_SOCKET, name, BUFFER_BYTES)
                self._sockets.append(one)
                self._forwarding.append(one)
            for way, source, sink in (("up", near, far), ("down", far, near)):
                threading.Thread(target=self._pump, args=(way, source, sink), daemon=True).start()

    def _pump(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(CHUNK_BYTES):
                self._ways[way].wait(len(data), self.bytes_per_s)
                sink.sendall(data)
                self.passed_bytes[way] += len(data)
        except OSError:
            pass
        for one in (source, sink):
            _shut(one)


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is shut
