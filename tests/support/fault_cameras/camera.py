"""Faulty cameras on loopback: real H.264 and H.265 pictures behind an RTSP server that misbehaves on demand.

Invariants:
- All cameras of a host share one thread and each has a port of its own. The port stays the camera's while it is down,
  so that nobody else ever answers there.
- Every connection plays the camera's clip from the same picture on: a seed gives the same bytes again.
- `close` ends every connection, listener and the thread.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.support.fault_cameras.fault import LOOK_EVERY_S, Fault
from tests.support.fault_cameras.session import Session, SessionRecord
from xueliang_streams.segments import Segment

_ANSWER_S = 10.0
_KEPT_RECORDS = 8  # an hour of flapping must not fill the memory that the test measures

_T = TypeVar("_T")


class CameraHost:
    """The thread that cameras live in: `with CameraHost() as host: camera = host.camera(segment)`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-cameras", daemon=True)
        self._cameras: list[FaultCamera] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for camera in self._cameras:
            camera.close()
        self.run(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def camera(self, segment: Segment, *faults: Fault, is_faulty: bool = True, **settings: Any) -> FaultCamera:
        """A camera that listens. Its faults are on unless `is_faulty` is False; settings: see `FaultCamera`."""
        camera = FaultCamera(self, segment, faults, **settings)
        self._cameras.append(camera)
        if is_faulty:
            camera.start_faults()
        camera.up()
        self.run(camera.begin())
        return camera

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run something in the cameras' thread and give its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)


class FaultCamera:
    """One camera. Attributes may be changed while it runs; they count from the next picture or connection on.

    Attributes:
        segment: what it shows, in a loop.
        faults: what may go wrong with it.
        first_picture: with which picture of the segment a connection begins (0: a key picture).
        first_sequence, first_rtp_time: RTP numbers of a connection's first packet.
        speed: how much faster than their RTP times say the pictures are sent.
        channel: interleaved channel it insists on; None: the one asked for.
        sessions: the latest connections, oldest first.
    """

    def __init__(
        self,
        host: CameraHost,
        segment: Segment,
        faults: Iterable[Fault],
        *,
        first_picture: int = 0,
        first_sequence: int = 1_000,
        first_rtp_time: int = 90_000,
        speed: float = 1.0,
        channel: int | None = None,
    ) -> None:
        self.segment = segment
        self.faults = tuple(faults)
        self.first_picture, self.speed = first_picture, speed
        self.first_sequence, self.first_rtp_time, self.ssrc = first_sequence, first_rtp_time, 0x5EED0001
        self.channel = channel
        self.sessions: deque[SessionRecord] = deque(maxlen=_KEPT_RECORDS)
        self.session_count = 0
        self.pictures_sent = 0
        self._host = host
        self._live: set[Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._nemesis: list[asyncio.Task[None]] = []
        self._kept_port = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._kept_port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept_port.bind(("127.0.0.1", 0))
        self.port: int = self._kept_port.getsockname()[1]

    @property
    def url(self) -> str:
        """Its address, without a login."""
        return f"rtsp://127.0.0.1:{self.port}/stream1"

    @property
    def last(self) -> SessionRecord:
        """The latest connection."""
        return self.sessions[-1]

    def live_sessions(self) -> list[SessionRecord]:
        """Connections that are open now."""
        return [session.record for session in tuple(self._live)]

    def start_faults(self) -> None:
        """All of them."""
        for fault in self.faults:
            fault.start()

    def stop_faults(self) -> None:
        """A sound camera again, for what is sent from now on."""
        for fault in self.faults:
            fault.stop()

    def up(self) -> None:
        """Listen."""
        self._host.run(self.listen())

    async def begin(self) -> None:
        """Let the faults that have a life of their own live. In the cameras' thread, once."""
        living = [fault for fault in self.faults if type(fault).live is not Fault.live]
        self._nemesis = [asyncio.create_task(_live(fault, self)) for fault in living]

    def down(self) -> None:
        """Stop listening and reset every connection: the camera lost its power."""
        self._host.run(self.vanish())

    def drop(self) -> int:
        """Reset every connection and go on listening. Returns how many there were."""
        return self._host.run(self._drop())

    def close(self) -> None:
        """For good."""
        self.stop_faults()
        self._host.run(self._end())
        self._kept_port.close()

    async def listen(self) -> None:
        """`up`, from the cameras' thread."""
        if self._server is None:
            self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)

    async def vanish(self) -> None:
        """`down`, from the cameras' thread."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._drop()

    async def _end(self) -> None:
        for task in self._nemesis:
            task.cancel()
        await asyncio.gather(*self._nemesis, return_exceptions=True)
        await self.vanish()

    async def _drop(self) -> int:
        live = tuple(self._live)
        tasks = tuple(self._tasks)
        for session in live:
            session.reset()
        for task in tasks:
            task.cancel()  # it may wait in a fault
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(live)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, reader, writer)
        self.sessions.append(session.record)
        self.session_count += 1
        self._live.add(session)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await session.run()
        except asyncio.CancelledError:
            pass  # `_drop`: the streams' own callback would print it
        finally:
            self._live.discard(session)
            self._tasks.discard(task)


async def _live(fault: Fault, camera: FaultCamera) -> None:
    while True:
        if fault.is_on:
            await fault.live(camera)
            await fault.while_on()
        await asyncio.sleep(LOOK_EVERY_S)


async def _end_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
