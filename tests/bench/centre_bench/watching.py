"""Many event streams read in a process of their own: `python -m tests.bench.centre_bench.watching`.

One JSON line on its standard input says which: {"port": 8000, "tokens": ["…"]}. It prints "open" when all of them have
said hello, reads until its input ends, and then prints one JSON line: what came. Nothing of it is parsed before, so
that the readers cost less than what they measure.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from functools import partial
from typing import Any, Final

HOST: Final = "127.0.0.1"
OPEN_WITHIN_S: Final = 60.0
AGAIN_S: Final = 0.8  # as central/console waits at first
_AT_ONCE: Final = 50  # connections that are opened at a time
_CAMERA: Final = re.compile(rb'"camera_id": ?"([^"]+)"')
_INCIDENT: Final = re.compile(rb'"incident_id": ?"([^"]+)"')


class Stream(asyncio.Protocol):
    """One viewer's. `first`: when each camera's incident was first heard of, seconds of the wall clock."""

    def __init__(self, token: str, opened: asyncio.Event) -> None:
        self._token, self._opened = token, opened
        self._came = bytearray()  # copied: each block that is received has a memory mapping of its own
        self._marks: list[tuple[int, float]] = []  # how much had come when
        self.first: dict[str, float] = {}
        self.last: dict[bytes, float] = {}
        self.events = 0
        self.crowded = 0
        self.problem = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        head = f"GET /api/events HTTP/1.1\r\nHost: {HOST}\r\nCookie: xl_session={self._token}\r\n\r\n"
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        self._came += data
        self._marks.append((len(self._came), time.time()))
        if not self._opened.is_set():
            self._open()

    def _open(self) -> None:
        if b"\n\n" in self._came:
            if b"event: hello" not in self._came:
                self.problem = self._came[:200].decode(errors="replace")
            self._opened.set()

    def read(self) -> None:
        """What came, once all of it is there. An event counts from the moment its last byte came."""
        begin, marks = 0, iter(self._marks)
        came, at = next(marks, (0, 0.0))
        while (end := self._came.find(b"\n\n", begin)) >= 0:
            while came < end + 2:
                came, at = next(marks)
            self._take(bytes(self._came[begin:end]), at)
            begin = end + 2

    def _take(self, part: bytes, at: float) -> None:
        if b"event: " not in part or b"event: hello" in part:
            return
        self.events += 1
        if b"event: incident" not in part:
            return
        if camera := _CAMERA.search(part):
            self.first.setdefault(camera[1].decode(), at)
        if incident := _INCIDENT.search(part):
            self.crowded += at - self.last.get(incident[1], 0.0) < 0.9
            self.last[incident[1]] = at

    def connection_lost(self, exc: Exception | None) -> None:
        self.problem = self.problem or f"the stream ended: {exc or 'closed by the centre'}"
        self._opened.set()


async def watch(port: int, tokens: list[str]) -> dict[str, Any]:
    """Until the standard input ends."""
    streams: list[Stream] = []
    for begin in range(0, len(tokens), _AT_ONCE):
        async with asyncio.timeout(OPEN_WITHIN_S):
            streams += await asyncio.gather(*(_opened(port, token) for token in tokens[begin : begin + _AT_ONCE]))
    print("open", flush=True)
    began = time.time()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    seconds = time.time() - began
    for one in streams:
        one.read()
    return {
        "seconds": seconds,
        "events": [one.events for one in streams],
        "crowded": sum(one.crowded for one in streams),
        "first": [one.first for one in streams],
        "problems": [one.problem for one in streams if one.problem],
    }


def _same(stream: Stream) -> Stream:
    return stream


async def _opened(port: int, token: str) -> Stream:
    """Tried again like a browser's, until it is open."""
    while True:
        opened = asyncio.Event()
        stream = Stream(token, opened)
        transport, _ = await asyncio.get_running_loop().create_connection(partial(_same, stream), HOST, port)
        await opened.wait()
        if not stream.problem:
            return stream
        transport.close()
        await asyncio.sleep(AGAIN_S)


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    print(json.dumps(asyncio.run(watch(asked["port"], asked["tokens"]))), flush=True)


if __name__ == "__main__":
    main()
