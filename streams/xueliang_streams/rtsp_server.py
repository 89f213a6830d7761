"""Serves clips as cameras over RTSP, for the demo and the tests. No system package, no product feature.

Invariants:
- Each mount is a live camera with one clock for all its clients: whoever joins late sees the present, from the next key
  picture on, parameter sets in front.
- No client can hold up another: nothing waits for a client's socket. Too many unsent bytes: that client is dropped.
- Video over TCP interleaved only; UDP transports are refused with 461.
- Listens on loopback unless told otherwise. Runs in a thread of its own, from `start` to `close` (or inside `with`).
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import threading
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from xueliang_streams.errors import StreamError
from xueliang_streams.rtp_packets import CLOCK_HZ, RtpSender
from xueliang_streams.rtsp_login import LoginCheck, LoginScheme
from xueliang_streams.rtsp_requests import Reply, Request, describe, mount_name, read_request
from xueliang_streams.segments import ClipMount, Mount, Segment, SegmentedMount
from xueliang_streams.source import Wall

__all__ = ["ClipMount", "Mount", "RtspServer", "SegmentedMount"]

log = logging.getLogger(__name__)

SENDER_REPORT_EVERY_S = 5.0  # RFC 3550 6.2: the smallest interval it recommends
MAX_UNSENT_BYTES = 4 * 1024 * 1024  # about 8 s of a 4 Mbit/s camera: slower than that is not watching live
START_TIMEOUT_S = 10.0
DEFAULT_SESSION_TIMEOUT_S = 60  # RFC 2326 12.37; held against a client only when it was asked for

_T = TypeVar("_T")


class RtspServer:
    """Several mounts on one port: `with RtspServer({"gate": ClipMount(path)}, wall=system_wall) as server: ...`.

    `login` is (user, password) for every mount, asked for by `login_scheme`; with Digest a nonce runs out after
    `nonce_uses` requests. With `port` 0 a free one is taken; it stays the same when the server is closed and started
    again. With `tls` it speaks rtsps. With `session_timeout_s` a client that asks nothing for so long is dropped, as
    cameras do.
    """

    def __init__(
        self,
        mounts: Mapping[str, Mount],
        *,
        wall: Wall,
        host: str = "127.0.0.1",
        port: int = 0,
        login: tuple[str, str] | None = None,
        login_scheme: LoginScheme = "basic",
        nonce_uses: int | None = None,
        tls: ssl.SSLContext | None = None,
        session_timeout_s: int | None = None,
    ) -> None:
        self._mounts = dict(mounts)
        self._wall = wall
        self._host = host
        self._port = port
        self._login = login
        self._check = LoginCheck(login, login_scheme, nonce_uses) if login else None
        self._tls = tls
        self._session_timeout_s = session_timeout_s
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._is_ready = threading.Event()
        self._failure: OSError | None = None
        self._broadcasts: dict[str, _Broadcast] = {}
        self._clients: set[_Client] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port it listens on; 0 before the first start when none was given."""
        return self._port

    def url(self, name: str, *, with_login: bool = True) -> str:
        """The address of one mount, with the login when the server asks for one."""
        if name not in self._mounts:
            raise KeyError(f"no mount {name!r}, there are {sorted(self._mounts)}")
        login = f"{self._login[0]}:{self._login[1]}@" if self._login and with_login else ""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "") else self._host  # noqa: S104 - read, not bound
        scheme = "rtsp" if self._tls is None else "rtsps"
        return f"{scheme}://{login}{host}:{self._port}/{name}"

    def start(self) -> None:
        """Listen. Each mount begins anew.

        Raises:
            StreamError: the port is taken or may not be used.
        """
        if self._thread is not None:
            return
        self._is_ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="rtsp-server", daemon=True)
        self._thread.start()
        if not self._is_ready.wait(START_TIMEOUT_S) or self._failure is not None:
            self._thread.join(START_TIMEOUT_S)
            self._thread = None
            raise StreamError(f"cannot listen on {self._host}:{self._port}: {self._failure}") from self._failure

    def close(self) -> None:
        """Drop every client, stop listening, end the thread. A second call does nothing."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_TIMEOUT_S)
        self._thread = None

    def silence(self, name: str) -> None:
        """The mount's clients get nothing more, and their connections stay open: a camera that hangs."""
        self._run(self._set(name, is_silent=True))

    def resume(self, name: str) -> None:
        """End `silence` and `refuse`. The clip went on meanwhile."""
        self._run(self._set(name, is_silent=False, refusal=None))

    def refuse(self, name: str, status: int = 503) -> None:
        """Answer DESCRIBE of this mount with a status; running clients go on."""
        self._run(self._set(name, refusal=status))

    def drop_clients(self, name: str | None = None) -> int:
        """Break the connections of one mount's clients, or of all. Returns how many."""
        return self._run(self._drop(name))

    def client_count(self, name: str) -> int:
        """How many clients play this mount."""
        return self._run(self._count(name))

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None or self._thread is None:
            work.close()
            raise StreamError("the server is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_TIMEOUT_S)

    async def _set(self, name: str, **changes: Any) -> None:
        for attribute, value in changes.items():
            setattr(self._broadcasts[name], attribute, value)

    async def _drop(self, name: str | None) -> int:
        chosen = [client for client in self._clients if name is None or client.plays(self._broadcasts[name])]
        for client in chosen:
            client.abort()
        return len(chosen)

    async def _count(self, name: str) -> int:
        return len(self._broadcasts[name].clients)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._broadcasts = {name: _Broadcast(name, mount, self._wall) for name, mount in self._mounts.items()}
        try:
            server = await asyncio.start_server(self._talk, self._host, self._port, ssl=self._tls)
        except OSError as error:
            self._failure = error
            self._is_ready.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        for broadcast in self._broadcasts.values():
            if broadcast.mount.starts == "immediately":
                broadcast.begin()
        self._is_ready.set()
        try:
            await self._stop.wait()
        finally:
            server.close()
            await self._drop(None)
            await asyncio.gather(*(broadcast.end() for broadcast in self._broadcasts.values()))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(writer, self._session_timeout_s or DEFAULT_SESSION_TIMEOUT_S)
        self._clients.add(client)
        try:
            while (request := await self._next_request(reader)) is not None:
                reply = self._answer(client, request)
                if not client.is_silenced():
                    writer.write(reply.encoded(request.header("cseq")))
                if request.method == "PLAY" and reply.status == 200:
                    client.play()
                if request.method == "TEARDOWN":
                    await writer.drain()
                    break
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            log.debug("rtsp client left", extra={"problem": type(error).__name__})
        finally:
            client.leave()
            self._clients.discard(client)
            writer.close()

    async def _next_request(self, reader: asyncio.StreamReader) -> Request | None:
        async with asyncio.timeout(self._session_timeout_s):
            return await read_request(reader)

    def _answer(self, client: _Client, request: Request) -> Reply:
        if request.method == "OPTIONS":
            return Reply(200, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"})
        if self._check is not None and not self._check.is_allowed(request):
            return Reply(401, {"WWW-Authenticate": self._check.challenge(request)})
        if request.method in ("GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"):
            return Reply(200, {"Session": client.session})
        broadcast = self._broadcasts.get(mount_name(request.url))
        if broadcast is None:
            return Reply(404)
        if request.method == "DESCRIBE":
            return Reply(broadcast.refusal) if broadcast.refusal else describe(request.url, broadcast.segment)
        if request.method == "SETUP":
            return client.set_up(broadcast, request.header("transport"))
        if request.method == "PLAY":
            return Reply(200, {"Session": client.session, "Range": "npt=now-"}) if client.is_set_up else Reply(455)
        return Reply(405)


class _Client:
    """One connection, and what it plays. Lives in the server's loop."""

    def __init__(self, writer: asyncio.StreamWriter, session_timeout_s: int) -> None:
        self.session = f"{random.getrandbits(64):016x};timeout={session_timeout_s}"
        self._writer = writer
        self._broadcast: _Broadcast | None = None
        self._channel = 0
        self._waits_for_key = True

    @property
    def is_set_up(self) -> bool:
        return self._broadcast is not None

    def plays(self, broadcast: _Broadcast) -> bool:
        return self._broadcast is broadcast

    def is_silenced(self) -> bool:
        return self._broadcast is not None and self._broadcast.is_silent

    def set_up(self, broadcast: _Broadcast, transport: str) -> Reply:
        fields = dict(part.partition("=")[::2] for part in transport.split(";"))
        if "RTP/AVP/TCP" not in fields:
            return Reply(461)
        channels = fields.get("interleaved", "0-1")
        self._broadcast, self._channel = broadcast, int(channels.partition("-")[0]) & 0xFE
        accepted = f"RTP/AVP/TCP;unicast;interleaved={self._channel}-{self._channel + 1}"
        return Reply(200, {"Transport": accepted, "Session": self.session})

    def play(self) -> None:
        if self._broadcast is not None:
            self._broadcast.clients.add(self)
            self._broadcast.begin()

    def offer(self, packets: list[bytes], *, is_key: bool) -> None:
        """One picture's packets; until the first key picture they are left out."""
        self._waits_for_key = self._waits_for_key and not is_key
        if not self._waits_for_key:
            self._send(packets, self._channel)

    def report(self, packet: bytes) -> None:
        """A sender report."""
        self._send([packet], self._channel + 1)

    def _send(self, packets: list[bytes], channel: int) -> None:
        if self._writer.transport.is_closing():
            return
        head = b"$" + bytes([channel])
        self._writer.write(b"".join(head + len(packet).to_bytes(2, "big") + packet for packet in packets))
        unsent_bytes = self._writer.transport.get_write_buffer_size()
        if unsent_bytes > MAX_UNSENT_BYTES:
            log.warning("rtsp client dropped: too slow", extra={"unsent_bytes": unsent_bytes})
            self.abort()

    def leave(self) -> None:
        if self._broadcast is not None:
            self._broadcast.clients.discard(self)

    def abort(self) -> None:
        self._writer.transport.abort()


class _Broadcast:
    """One mount playing: its clock, its running RTP numbers, its clients. Lives in the server's loop."""

    def __init__(self, name: str, mount: Mount, wall: Wall) -> None:
        self.mount = mount
        self.segment = mount.first()
        self.clients: set[_Client] = set()
        self.is_silent = False
        self.refusal: int | None = None
        self._name = name
        self._wall = wall
        self._rtp_begin = random.getrandbits(31)
        self._sender = RtpSender(
            self.segment.parameters.kinds,
            ssrc=random.getrandbits(32),
            first_sequence=random.getrandbits(16),
        )
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start the clock, once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._play())

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        segment_s, report_due_s = 0.0, 0.0
        while True:
            for picture in self.segment.pictures:
                await asyncio.sleep(started_s + segment_s + picture.send_offset_s - loop.time())
                played_s = loop.time() - started_s
                if played_s >= report_due_s:
                    report_due_s = played_s + SENDER_REPORT_EVERY_S
                    self._report(self._sender.sender_report(self._wall(), self._rtp_time(played_s)))
                packets = self._sender.packetise(picture.units, self._rtp_time(segment_s + picture.show_offset_s))
                self._offer(packets, is_key=picture.is_key)
            segment_s += self.segment.length_s
            self.segment = self._next_segment()

    def _next_segment(self) -> Segment:
        try:
            return self.mount.after(self.segment)
        except Exception:  # what the mount's owner gave us may fail; the camera goes on
            log.exception("no next segment, the last one is repeated", extra={"mount": self._name})
            return self.segment

    def _rtp_time(self, offset_s: float) -> int:
        return self._rtp_begin + round(offset_s * CLOCK_HZ)

    def _offer(self, packets: list[bytes], *, is_key: bool) -> None:
        if not self.is_silent:
            for client in tuple(self.clients):
                client.offer(packets, is_key=is_key)

    def _report(self, packet: bytes) -> None:
        if not self.is_silent:
            for client in tuple(self.clients):
                client.report(packet)
