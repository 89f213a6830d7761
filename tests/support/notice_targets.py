"""Real servers on loopback that notices are sent to: HTTP by a list of behaviours, and an SMTP relay."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from xueliang_configs.notices import NoticesConfig


@dataclass(frozen=True)
class Asked:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpTarget:
    """Answers by `behave(request number, request)`: bytes to send; None: hangs, and sends nothing for ever."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    behave: Callable[[int, Asked], bytes | None] = lambda _number, _asked: answer(200, b"{}")
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            lines = [line.partition(":") for line in head[1:] if line]
            headers = {name.lower(): value.strip() for name, _, value in lines}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            asked = Asked(method, path, headers, body)
            self.asked.append(asked)
            answered = self.behave(len(self.asked), asked)
            if answered is None:
                await asyncio.sleep(3600)
                return
            writer.write(answered)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def http_target(
    behave: Callable[[int, Asked], bytes | None] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpTarget]:
    target = HttpTarget() if behave is None else HttpTarget(behave=behave)
    async with _served(target.serve, tls) as port:
        target.port = port
        yield target


@dataclass
class Relay:
    """An SMTP relay: what it took, and what it answers to RCPT (a code of 250 takes it).

    `starttls`: what it offers to speak TLS by; None: it offers none.
    """

    port: int = 0
    rcpt_answers: str = "250 fine"
    hangs: bool = False
    starttls: ssl.SSLContext | None = None
    secured: int = 0  # connections that went over to TLS
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)  # by the other side, while this one hung
    taken: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        try:
            if self.hangs:
                await reader.read()
                self.hung_up.set()
                return
            await say("220 relay")
            while line := (await reader.readline()).decode().strip():
                match line.split(" ")[0].upper():
                    case "EHLO":
                        await say("250-relay")
                        if self.starttls is not None:
                            await say("250-STARTTLS")
                        await say("250 8BITMIME")
                    case "STARTTLS" if self.starttls is not None:
                        await say("220 go on")
                        await writer.start_tls(self.starttls)
                        self.secured += 1
                    case "RCPT":
                        await say(self.rcpt_answers)
                    case "DATA":
                        await say("354 go on")
                        self.taken.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                        await say("250 taken")
                    case "QUIT":
                        await say("221 bye")
                        return
                    case _:
                        await say("250 fine")
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def relay(tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """`tls`: it speaks TLS from the first byte."""
    made = Relay()
    async with _served(made.serve, tls) as port:
        made.port = port
        yield made


@asynccontextmanager
async def _served(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object], tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    handlers: set[asyncio.Task[object]] = set()

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await serve(reader, writer)  # type: ignore[misc]
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            handlers.discard(task)
            writer.close()

    server = await asyncio.start_server(kept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


def config(channels: dict[str, object], **more: object) -> NoticesConfig:
    """Channels that may reach loopback."""
    return NoticesConfig.model_validate({"private_targets": ["127.0.0.0/8"], "channels": channels, **more})
