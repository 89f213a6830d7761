"""What can be wrong with a camera's RTSP dialogue (F01, F03 to F05, F10)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import replace
from typing import Literal

from tests.support.fault_cameras.fault import Fault, Step, with_header
from tests.support.fault_cameras.session import Session
from xueliang_streams.rtsp_requests import Reply, Request

Where = Literal["base", "location", "control"]
"""Content-Base, Content-Location, or the track's own address."""
AUDIO_TRACK = "track9"
_CHUNK = 16 * 1024


class Silent(Fault):
    """Takes connections and never says a word."""

    async def on_accept(self, session: Session) -> None:
        await self.while_on()


class Late(Fault):
    """Answers one step only after `delay_s`; the others at once. `connections`: only the first so many (None: all)."""

    def __init__(self, step: Step, delay_s: float, *, connections: int | None = None, seed: int = 0) -> None:
        super().__init__(seed)
        self.step, self.delay_s, self.connections = step, delay_s, connections

    async def on_accept(self, session: Session) -> None:
        await self._wait_at("accept", session)

    async def on_request(self, session: Session, request: Request) -> None:
        await self._wait_at(request.method, session)

    async def on_picture(self, session: Session, number: int) -> None:
        if number == 0:
            await self._wait_at("stream", session)

    async def _wait_at(self, step: str, session: Session) -> None:
        if step == self.step and (self.connections is None or session.record.number < self.connections):
            await asyncio.sleep(self.delay_s)


class Drip(Fault):
    """Slowloris: from one step on, one byte every `pause_s`."""

    def __init__(self, step: Step, pause_s: float = 1.0, seed: int = 0) -> None:
        super().__init__(seed)
        self.step, self.pause_s = step, pause_s

    async def on_transmit(self, session: Session, step: Step, data: bytes) -> bytes:
        if step != self.step:
            return data
        for at in range(len(data)):
            if not self.is_on:
                return data[at:]
            session.writer.write(data[at : at + 1])
            await session.writer.drain()
            await asyncio.sleep(self.pause_s)
        return b""


class Endless(Fault):
    """An answer to DESCRIBE that never ends, sent as fast as it is read.

    `what`: "headers" (header lines without end), "body" (a description whose length is given as `length_bytes`, 1 GB
    unless told otherwise), "line" (one header line without end).
    """

    def __init__(
        self, what: Literal["headers", "body", "line"], length_bytes: int | str = 1_000_000_000, seed: int = 0
    ) -> None:
        super().__init__(seed)
        self.what, self.length_bytes = what, length_bytes
        self.sent_bytes = 0

    def on_answer(self, session: Session, request: Request, answer: bytes) -> bytes:
        if request.method != "DESCRIBE":
            return answer
        head = f"RTSP/1.0 200 OK\r\nCSeq: {request.header('cseq')}\r\nContent-Type: application/sdp\r\n".encode()
        if self.what == "body":
            return head + f"Content-Length: {self.length_bytes}\r\n\r\nv=0\r\n".encode()
        return head

    async def on_transmit(self, session: Session, step: Step, data: bytes) -> bytes:
        if step != "DESCRIBE":
            return data
        line = {"headers": b"X-More: and more\r\n", "body": b"a=x-more:and more\r\n", "line": b"more and more "}[
            self.what
        ]
        chunk = line * (_CHUNK // len(line))
        session.writer.write(data)
        while self.is_on:
            session.writer.write(chunk)
            await session.writer.drain()
            self.sent_bytes += len(chunk)
            await asyncio.sleep(0)  # a reader faster than the pipe: the other cameras want their turn too
        return b""


class WrongNumber(Fault):
    """Answers one step with another CSeq than the request had. `cseq` None: with none at all."""

    def __init__(self, step: Step, cseq: str | None = "4711", seed: int = 0) -> None:
        super().__init__(seed)
        self.step, self.cseq = step, cseq

    def on_answer(self, session: Session, request: Request, answer: bytes) -> bytes:
        if request.method != self.step:
            return answer
        old = f"CSeq: {request.header('cseq')}\r\n".encode()
        return answer.replace(old, b"" if self.cseq is None else f"CSeq: {self.cseq}\r\n".encode(), 1)


class Redirect(Fault):
    """Answers one step with 301, 302 or another 3xx to `location`."""

    def __init__(self, location: str, status: int = 302, step: Step = "DESCRIBE", seed: int = 0) -> None:
        super().__init__(seed)
        self.location, self.status, self.step = location, status, step

    def on_reply(self, session: Session, request: Request, reply: Reply) -> Reply:
        return Reply(self.status, {"Location": self.location}) if request.method == self.step else reply


class Foreign(Fault):
    """A sound description whose addresses lead elsewhere: Content-Base, Content-Location and the track's control."""

    def __init__(self, address: str, where: Where, seed: int = 0) -> None:
        super().__init__(seed)
        self.address, self.where = address, where

    def on_reply(self, session: Session, request: Request, reply: Reply) -> Reply:
        if request.method != "DESCRIBE" or reply.status != 200:
            return reply
        if self.where == "control":
            return replace(reply, body=reply.body.replace("a=control:track1", f"a=control:{self.address}"))
        if self.where == "location":
            reply = with_header(reply, "Content-Base", None)
        return with_header(reply, "Content-Base" if self.where == "base" else "Content-Location", self.address)


class Status(Fault):
    """Answers one step with a status of its own: 503, 403, 404, 454, ..."""

    def __init__(self, status: int, step: Step = "DESCRIBE", seed: int = 0) -> None:
        super().__init__(seed)
        self.status, self.step = status, step

    def on_reply(self, session: Session, request: Request, reply: Reply) -> Reply:
        return Reply(self.status) if request.method == self.step else reply


class UdpOnly(Fault):
    """Refuses interleaved TCP with 461; serves UDP when asked."""

    def on_reply(self, session: Session, request: Request, reply: Reply) -> Reply:
        if request.method == "SETUP" and session.channel is not None:
            session.channel = None
            return Reply(461)
        return reply


class AudioBeside(Fault):
    """Offers sound, before the video or behind it. A SETUP of it would be answered and noticed."""

    def __init__(self, *, is_first: bool = True, seed: int = 0) -> None:
        super().__init__(seed)
        self.is_first = is_first
        self.setups = 0

    def on_reply(self, session: Session, request: Request, reply: Reply) -> Reply:
        if request.method == "SETUP" and request.url.endswith(AUDIO_TRACK):
            self.setups += 1
            return Reply(200, {"Transport": "RTP/AVP/TCP;unicast;interleaved=2-3", "Session": "00000001"})
        if request.method != "DESCRIBE" or not reply.body:
            return reply
        sound = f"m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:{AUDIO_TRACK}\r\n"
        head, media = reply.body[: reply.body.index("m=video")], reply.body[reply.body.index("m=video") :]
        return replace(reply, body=head + (sound + media if self.is_first else media + sound))


class Login(Fault):
    """Asks for a login while it is on. `password` may be changed at any time: connections that play go on.

    `tries` counts requests that brought a login which was refused; `nonce_lives` so many requests (Digest) and is then
    stale. `algorithm` None: none is named, which means MD5 (RFC 2617).
    """

    def __init__(
        self,
        scheme: Literal["Basic", "Digest"],
        user: str,
        password: str,
        *,
        algorithm: Literal["MD5", "SHA-256"] | None = None,
        has_qop: bool = False,
        nonce_lives: int = 1_000_000,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.scheme, self.algorithm, self.has_qop, self.nonce_lives = scheme, algorithm, has_qop, nonce_lives
        self.user, self.password = user, password
        self.tries = 0
        self.try_times_mono_s: list[float] = []
        self._nonce, self._nonce_used = "", 0
        self._new_nonce()

    def describe(self) -> str:
        """Without the login."""
        return f"Login({self.scheme}, {self.algorithm}, qop={self.has_qop}, seed={self.seed})"

    def on_reply(self, session: Session, request: Request, reply: Reply) -> Reply:
        if request.method == "OPTIONS":
            return reply
        given = request.header("authorization")
        if self.scheme == "Basic":
            is_right = given == _basic(self.user, self.password)
            stale = ""
        else:
            self._nonce_used += 1
            stale = ", stale=true" if self._nonce_used > self.nonce_lives else ""
            is_right = not stale and self._is_right(request, given)
            if stale:
                self._new_nonce()
        if is_right:
            return reply
        if given and not stale:
            self.tries += 1
            self.try_times_mono_s.append(asyncio.get_running_loop().time())
        return Reply(401, {"WWW-Authenticate": self._challenge() + stale})

    def _challenge(self) -> str:
        if self.scheme == "Basic":
            return 'Basic realm="camera"'
        algorithm = f", algorithm={self.algorithm}" if self.algorithm else ""
        qop = ', qop="auth"' if self.has_qop else ""
        return f'Digest realm="camera", nonce="{self._nonce}"{algorithm}{qop}'

    def _is_right(self, request: Request, given: str) -> bool:
        fields = _fields(given.removeprefix("Digest "))
        if fields.get("nonce") != self._nonce or fields.get("username") != self.user:
            return False
        first = self._hash(f"{self.user}:camera:{self.password}")
        second = self._hash(f"{request.method}:{fields.get('uri', '')}")
        between = [self._nonce]
        if self.has_qop:
            between += [fields.get("nc", ""), fields.get("cnonce", ""), "auth"]
        return fields.get("response") == self._hash(":".join([first, *between, second]))

    def _hash(self, text: str) -> str:
        kind = hashlib.sha256 if self.algorithm == "SHA-256" else hashlib.md5
        return kind(text.encode()).hexdigest()

    def _new_nonce(self) -> None:
        self._nonce, self._nonce_used = f"{self.dice.getrandbits(128):032x}", 0


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _fields(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(","))
    return {name.lower(): value.strip('"') for name, _, value in pairs}
