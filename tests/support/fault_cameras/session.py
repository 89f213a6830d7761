"""One connection to a faulty camera: its dialogue, its pictures, and what is known of it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.fault_cameras.fault import Fault, Step
from xueliang_streams.rtp_packets import CLOCK_HZ, RtpSender
from xueliang_streams.rtsp_requests import TRACK, Reply, Request, describe, read_request
from xueliang_streams.segments import Picture, Segment

if TYPE_CHECKING:
    from tests.support.fault_cameras.camera import FaultCamera

SENDER_REPORT_EVERY_S = 1.0  # oftener than real cameras: a short test must see several
_ANSWERED: dict[str, Step] = {"OPTIONS": "OPTIONS", "DESCRIBE": "DESCRIBE", "SETUP": "SETUP", "PLAY": "PLAY"}
_PUBLIC = {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"}


@dataclass(slots=True)
class SessionRecord:
    """What one connection was like. Written in the cameras' thread, read by the test.

    Attributes:
        number: counts from 0 per camera.
        accepted_mono_s, closed_mono_s: None: still open.
        requests: everything the client asked for.
        pictures_sent: handed to the socket, faults applied.
    """

    number: int
    accepted_mono_s: float
    closed_mono_s: float | None = None
    requests: list[Request] = field(default_factory=list)
    pictures_sent: int = 0

    def methods(self) -> list[str]:
        """The methods asked for, in order."""
        return [request.method for request in self.requests]


class Session:
    """Lives in the cameras' thread."""

    def __init__(self, camera: FaultCamera, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.camera = camera
        self.record = SessionRecord(camera.session_count, time.monotonic())
        self.reader, self.writer = reader, writer
        self.channel: int | None = None
        self.udp: tuple[socket.socket, tuple[str, int]] | None = None
        self._playing: asyncio.Task[None] | None = None

    def faults(self) -> Iterator[Fault]:
        """Those that are on now."""
        return (fault for fault in self.camera.faults if fault.is_on)

    async def run(self) -> None:
        """The whole connection."""
        try:
            for fault in self.faults():
                await fault.on_accept(self)
            while (request := await read_request(self.reader)) is not None:
                if request.method.startswith("RTSP/"):
                    continue  # the client's answer to something this camera asked
                self.record.requests.append(request)
                if not await self._answer(request):
                    break
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # the client left, or sent what is no RTSP: the connection ends
        finally:
            await self._end()

    async def send(self, step: Step, data: bytes) -> None:
        """Through the faults to the socket; waits while the client does not read."""
        for fault in self.faults():
            data = await fault.on_transmit(self, step, data)
        if data:
            self.writer.write(data)
            await self.writer.drain()

    def reset(self) -> None:
        """End the connection with a TCP reset: what is on the way is lost."""
        raw = self.writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _answer(self, request: Request) -> bool:
        """Whether the connection goes on."""
        for fault in self.faults():
            await fault.on_request(self, request)
        reply = self._reply(request)
        for fault in self.faults():
            reply = fault.on_reply(self, request, reply)
        answer = reply.encoded(request.header("cseq"))
        for fault in self.faults():
            answer = fault.on_answer(self, request, answer)
        if answer:
            await self.send(_ANSWERED.get(request.method, "OPTIONS"), answer)
        if request.method == "PLAY" and reply.status == 200 and self._playing is None:
            self._playing = asyncio.get_running_loop().create_task(self._play())
        return request.method != "TEARDOWN"

    def _reply(self, request: Request) -> Reply:
        name = {"Session": f"{self.record.number + 1:08d};timeout=60"}
        match request.method:
            case "OPTIONS":
                return Reply(200, _PUBLIC)
            case "DESCRIBE":
                return describe(request.url, self.camera.segment)
            case "SETUP":
                return self._set_up(request, name)
            case "PLAY":
                is_ready = self.channel is not None or self.udp is not None
                return Reply(200, {**name, "Range": "npt=now-"}) if is_ready else Reply(455)
            case "GET_PARAMETER" | "SET_PARAMETER" | "TEARDOWN":
                return Reply(200, name)
        return Reply(405)

    def _set_up(self, request: Request, name: dict[str, str]) -> Reply:
        fields = dict(part.partition("=")[::2] for part in request.header("transport").split(";"))
        if urlsplit(request.url).path.rpartition("/")[2] != TRACK:
            return Reply(404)
        if "RTP/AVP/TCP" in fields:
            asked = int(fields.get("interleaved", "0-1").partition("-")[0])
            self.channel = asked if self.camera.channel is None else self.camera.channel
            transport = f"RTP/AVP/TCP;unicast;interleaved={self.channel}-{self.channel + 1}"
            return Reply(200, {**name, "Transport": transport})
        client_port = fields.get("client_port", "").partition("-")[0]
        if not client_port.isdigit():
            return Reply(461)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(("127.0.0.1", 0))
        self.udp = sender, ("127.0.0.1", int(client_port))
        port = sender.getsockname()[1]
        transport = f"RTP/AVP;unicast;client_port={client_port}-{int(client_port) + 1};server_port={port}-{port + 1}"
        return Reply(200, {**name, "Transport": transport})

    async def _play(self) -> None:
        with contextlib.suppress(OSError):  # the client left
            await self._play_pictures()

    async def _play_pictures(self) -> None:
        camera, loop = self.camera, asyncio.get_running_loop()
        began_s, report_due_s, packets_sent = loop.time(), 0.0, 0
        for number, (segment, picture, send_s, show_s) in enumerate(_endless(camera)):
            await asyncio.sleep(began_s + send_s / camera.speed - loop.time())
            for fault in self.faults():
                await fault.on_picture(self, number)
            rtp_time = camera.first_rtp_time + round(show_s * CLOCK_HZ)
            for fault in self.faults():
                rtp_time = fault.on_rtp_time(self, rtp_time)
            sequence = (camera.first_sequence + packets_sent) & 0xFFFF
            sender = RtpSender(segment.parameters.kinds, camera.ssrc, sequence)
            if send_s >= report_due_s:
                report_due_s = send_s + SENDER_REPORT_EVERY_S
                await self._send_packets([sender.sender_report(self._clock(), rtp_time)], is_report=True)
            units = picture.units
            for fault in self.faults():
                units = fault.on_units(self, picture, units)
            packets = sender.packetise(units, rtp_time) if units else []
            packets_sent += len(packets)
            for fault in self.faults():
                packets = fault.on_packets(self, picture, packets)
            await self._send_packets(packets)
            self.record.pictures_sent += 1
            camera.pictures_sent += 1

    def _clock(self) -> datetime:
        unix_s = time.time()
        for fault in self.faults():
            unix_s = fault.on_clock_s(self, unix_s)
        return datetime.fromtimestamp(unix_s, UTC)

    async def _send_packets(self, packets: list[bytes], *, is_report: bool = False) -> None:
        if self.udp is not None:
            sender, (host, port) = self.udp
            for packet in packets:
                sender.sendto(packet, (host, port + is_report))
            return
        assert self.channel is not None
        head = bytes([0x24, self.channel + is_report])
        data = b"".join(head + len(packet).to_bytes(2, "big") + packet for packet in packets)
        for fault in self.faults():
            data = fault.on_framed(self, data)
        await self.send("stream", data)

    async def _end(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
        if self.udp is not None:
            self.udp[0].close()
        self.writer.transport.abort()
        self.record.closed_mono_s = time.monotonic()


def _endless(camera: FaultCamera) -> Iterator[tuple[Segment, Picture, float, float]]:
    """The camera's clip over and over, with sending and showing time from the begin; a new clip takes over at once."""
    played_s, index = 0.0, camera.first_picture
    skipped_s = camera.segment.pictures[index].send_offset_s
    while True:
        segment = camera.segment
        while index < len(segment.pictures) and camera.segment is segment:
            picture = segment.pictures[index]
            yield segment, picture, played_s + picture.send_offset_s - skipped_s, played_s + picture.show_offset_s
            index += 1
        ended_s = segment.length_s if index == len(segment.pictures) else segment.pictures[index].send_offset_s
        played_s, index, skipped_s = played_s + ended_s - skipped_s, 0, 0.0
