"""An event stream as a browser reads it, taken behind the HTTP layer: the test transport leaves no answer open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.requests import Request

from tests.support.centres import TestCentre
from xueliang_central.centre import Centre
from xueliang_central.routes import stream


class Reader:
    """Reads one stream as a browser would."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._parts: list[str] = []
        self.last_id: int | None = None

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(20):
            while True:
                while self._parts:
                    fields = dict(line.split(": ", 1) for line in self._parts.pop(0).split("\n"))
                    if "id" in fields:
                        self.last_id = int(fields["id"])
                    if "event" in fields:
                        return fields["event"], json.loads(fields["data"])
                try:
                    chunk = await anext(self._chunks)
                except StopAsyncIteration:
                    return "end", None
                self._parts = [part for part in chunk.decode().split("\n\n") if part]

    async def numbers(self, count: int) -> list[int]:
        return [next(iter((await self.next())[1].values()))["number"] for _ in range(count)]


@asynccontextmanager
async def open_stream(centre: TestCentre, client: httpx.AsyncClient, after: int | None = None) -> AsyncIterator[Reader]:
    """The stream of who is signed in with this client."""
    cookie = f"xl_session={client.cookies['xl_session']}".encode()
    scope = {"type": "http", "method": "GET", "headers": [(b"cookie", cookie)], "app": _App(centre.centre)}
    request = Request(scope)
    actor = await stream.require(stream.Permission.FOLLOW_EVENTS)(request)
    answer = await stream.follow(request, actor, None, after)
    chunks: Any = answer.body_iterator
    reader = Reader(chunks)
    kind, _ = await reader.next()
    assert kind == "hello"
    yield reader
    await chunks.aclose()


class _App:
    def __init__(self, centre: Centre) -> None:
        self.state = type("State", (), {"centre": centre})()
