"""The bench's cameras: one process, one thread, many live RTSP streams over TCP, as cheap as can be.

    python -m tests.bench.edge_bench.stream_server PLAN.json

Says `{"port": …, "t0_mono_s": …}` on its standard output when it listens. Each line on its standard input is answered
with one line of counts; when the input ends, so does the server. A camera shows moment `(t - t0 + phase) mod length` of
its clip at monotonic time t, whoever watches, so what can be seen when is known exactly.

Invariants:
- Everything happens at ticks of `TICK_S`, so that one wake-up serves every camera that is due.
- Nothing waits for a client. What a socket does not take is kept, tried again at the next ticks, and beyond
  `MAX_UNSENT_BYTES` that client is dropped and counted.
- No login, no TLS, no UDP: what those cost is not what is measured.
"""

from __future__ import annotations

import contextlib
import gc
import heapq
import json
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.bench.edge_bench.rtp_clip import RtpClip
from tests.bench.edge_bench.rtsp_answers import Conversation

TICK_S: Final = 0.010  # pictures are 40 ms apart; cameras on a network jitter more than this
SENDER_REPORT_EVERY_S: Final = 5.0
MAX_UNSENT_BYTES: Final = 4 << 20  # 8 s of a 4 Mbit/s camera
SEND_BUFFER_BYTES: Final = 1 << 20  # a whole key picture; the system may give less


@dataclass(eq=False, slots=True)
class Client:
    """One connection. `unsent`: what the socket did not take yet."""

    socket: socket.socket
    conversation: Conversation
    camera: ServedCamera | None = None
    waits_for_key: bool = True
    unsent: bytearray = field(default_factory=bytearray)


@dataclass(eq=False, slots=True)
class ServedCamera:
    """One camera: a clip and a phase. `index` and `loop` name the next picture; scheduled while somebody watches."""

    name: str
    clip: RtpClip
    phase_s: float
    clients: list[Client] = field(default_factory=list)
    index: int = 0
    loop: int = 0
    is_scheduled: bool = False
    report_due_s: float = 0.0
    sent_bytes: int = 0


class StreamServer:
    """See the module. `run` returns when the standard input ends."""

    def __init__(self, cameras: list[ServedCamera], port: int) -> None:
        self._cameras = {camera.name: camera for camera in cameras}
        self._due: list[tuple[float, int, ServedCamera]] = []
        self._order = {camera.name: number for number, camera in enumerate(cameras)}
        self._blocked: set[Client] = set()
        self._clients: set[Client] = set()
        self._late_ms: Counter[int] = Counter()
        self._dropped = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, "stdin")
        self._is_ended = False
        self.port = int(self._listener.getsockname()[1])
        self.t0_mono_s = time.monotonic()

    def run(self) -> None:
        while not self._is_ended:
            now = time.monotonic()
            self._send_due(now)
            if self._blocked:
                self._flush_blocked()
            wait_s = self._wait_s()
            if wait_s > 0:
                for key, _ in self._selector.select(wait_s):
                    self._serve(key)

    def _wait_s(self) -> float:
        """To the next tick with work; a quarter of a second when nobody watches."""
        now = time.monotonic()
        if self._blocked:
            return TICK_S
        if not self._due:
            return 0.25
        due = self._due[0][0]
        tick = self.t0_mono_s + TICK_S * (int((due - self.t0_mono_s) / TICK_S) + 1)
        return tick - now

    def _send_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            due, number, camera = heapq.heappop(self._due)
            if not camera.clients:
                camera.is_scheduled = False
                continue
            self._late_ms[min(999, int(1000 * (now - due)))] += 1
            picture = camera.clip.ready(camera.index, camera.loop)
            for client in camera.clients:
                if client.waits_for_key:
                    if not picture.is_key:
                        continue
                    client.waits_for_key = False
                self._send(client, picture.data)
            if now >= camera.report_due_s:
                self._report(camera, picture.offset_s, now)
            camera.index += 1
            if camera.index == len(camera.clip.pictures):
                camera.index, camera.loop = 0, camera.loop + 1
            heapq.heappush(self._due, (self._due_at(camera), number, camera))

    def _due_at(self, camera: ServedCamera) -> float:
        place_s = camera.clip.pictures[camera.index].offset_s + camera.loop * camera.clip.length_s
        return self.t0_mono_s + place_s - camera.phase_s

    def _begin(self, camera: ServedCamera) -> None:
        """From the present moment on."""
        if camera.is_scheduled:
            return
        place_s = time.monotonic() - self.t0_mono_s + camera.phase_s
        loops, rest_s = divmod(place_s, camera.clip.length_s)
        pictures = camera.clip.pictures
        camera.index = next((k for k, picture in enumerate(pictures) if picture.offset_s >= rest_s), 0)
        camera.loop = int(loops) + (camera.index == 0 and rest_s > 0)
        camera.is_scheduled = True
        heapq.heappush(self._due, (self._due_at(camera), self._order[camera.name], camera))

    def _send(self, client: Client, data: bytes | bytearray) -> None:
        if client.unsent:
            client.unsent += data
            return
        try:
            sent = client.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._blocked.add(client)  # it is gone; the selector sees it too
            return
        if client.camera is not None:
            client.camera.sent_bytes += sent
        if sent < len(data):
            client.unsent += memoryview(data)[sent:]
            self._blocked.add(client)

    def _flush_blocked(self) -> None:
        for client in tuple(self._blocked):
            try:
                sent = client.socket.send(client.unsent) if client.unsent else 0
            except BlockingIOError:
                sent = 0
            except OSError:
                self._leave(client)
                continue
            del client.unsent[:sent]
            if client.camera is not None:
                client.camera.sent_bytes += sent
            if not client.unsent:
                self._blocked.discard(client)
            elif len(client.unsent) > MAX_UNSENT_BYTES:
                self._dropped += 1
                self._leave(client)

    def _report(self, camera: ServedCamera, offset_s: float, now: float) -> None:
        camera.report_due_s = now + SENDER_REPORT_EVERY_S
        rtp_time = camera.clip.rtp_time(offset_s, camera.loop)
        packet = camera.clip.sender.sender_report(datetime.now(UTC), rtp_time)
        frame = b"$\1" + len(packet).to_bytes(2, "big") + packet
        for client in camera.clients:
            if not client.waits_for_key:
                self._send(client, frame)

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.data is None:
            with contextlib.suppress(BlockingIOError):
                self._accept(*self._listener.accept())
        elif key.data == "stdin":
            self._answer_owner()
        else:
            self._read(key.data)

    def _accept(self, connection: socket.socket, _: Any) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        client = Client(connection, Conversation({name: one.clip.description for name, one in self._cameras.items()}))
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _read(self, client: Client) -> None:
        try:
            data = client.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(client)
            return
        for reply in client.conversation.receive(data):
            self._send(client, reply)
        name = client.conversation.playing
        if name is not None and client.camera is None:
            client.camera = self._cameras[name]
            client.camera.clients.append(client)
            self._begin(client.camera)
        if client.conversation.is_over:
            self._leave(client)

    def _leave(self, client: Client) -> None:
        if client not in self._clients:
            return
        self._clients.discard(client)
        self._blocked.discard(client)
        if client.camera is not None:
            client.camera.clients.remove(client)
        self._selector.unregister(client.socket)
        client.socket.close()

    def _answer_owner(self) -> None:
        if not sys.stdin.readline():
            self._is_ended = True
            return
        counts = {
            "sent_bytes": {name: camera.sent_bytes for name, camera in self._cameras.items()},
            "watched": sum(bool(camera.clients) for camera in self._cameras.values()),
            "dropped": self._dropped,
            "late_ms": dict(self._late_ms),
        }
        print(json.dumps(counts), flush=True)


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    clips = {name: RtpClip(name, Path(path), ssrc) for ssrc, (name, path) in enumerate(plan["clips"].items(), start=1)}
    cameras = [ServedCamera(one["name"], clips[one["clip"]], one["phase_s"]) for one in plan["cameras"]]
    server = StreamServer(cameras, plan.get("port", 0))
    gc.collect()
    gc.freeze()  # the clips are tens of thousands of objects that never go
    print(json.dumps({"port": server.port, "t0_mono_s": server.t0_mono_s}), flush=True)
    server.run()


if __name__ == "__main__":
    main()
