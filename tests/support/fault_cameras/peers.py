"""What stands in a camera's place without being one: nobody, who hangs up, a black hole, where nobody may ever come."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Self


class Nobody:
    """A port where nothing listens, kept so that nothing ever will."""

    def __init__(self) -> None:
        self._kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._kept.bind(("127.0.0.1", 0))
        self.port: int = self._kept.getsockname()[1]

    @property
    def url(self) -> str:
        """The address of the camera that is not there."""
        return f"rtsp://127.0.0.1:{self.port}/stream1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.close()


class BlackHole:
    """A port that answers no connection request: a listener whose queue is full drops them, like a broken route."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port: int = self._listener.getsockname()[1]
        self._fillers: list[socket.socket] = []
        self._fill()

    @property
    def url(self) -> str:
        """The address of the camera that is not there."""
        return f"rtsp://127.0.0.1:{self.port}/stream1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for filler in self._fillers:
            filler.close()
        self._listener.close()

    def _fill(self) -> None:
        """Until one connection is no longer answered."""
        for _ in range(16):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._fillers.append(filler)
            filler.settimeout(0.3)
            try:
                filler.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return
        raise AssertionError("a listener with a queue of none still answers: this system cannot play a black hole")


class _Listener:
    """Takes every connection on a thread of its own, until it is left."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._answer, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def _answer(self) -> None:
        while not self._stopping.is_set():
            try:
                visitor, _ = self._listener.accept()
            except TimeoutError:
                continue
            with visitor:
                self._came(visitor)

    def _came(self, visitor: socket.socket) -> None:
        """What is done with one of them before it is closed."""
        raise NotImplementedError


class HangsUp(_Listener):
    """Ends every connection at once: a camera that is away, and counts how often it was tried."""

    def __init__(self) -> None:
        super().__init__()
        self.tries_mono_s: list[float] = []

    @property
    def url(self) -> str:
        """The address of the camera that is not there."""
        return f"rtsp://127.0.0.1:{self.port}/stream1"

    def tries_between(self, begin_s: float, end_s: float) -> int:
        """How many came in this time, monotonic seconds."""
        return sum(begin_s <= at < end_s for at in self.tries_mono_s)

    def _came(self, visitor: socket.socket) -> None:
        self.tries_mono_s.append(time.monotonic())


class Sink(_Listener):
    """A place that nobody may be led to. Counts who came."""

    def __init__(self) -> None:
        super().__init__()
        self.visits: list[bytes] = []

    def _came(self, visitor: socket.socket) -> None:
        visitor.settimeout(0.2)
        try:
            self.visits.append(visitor.recv(200))
        except OSError:
            self.visits.append(b"")
