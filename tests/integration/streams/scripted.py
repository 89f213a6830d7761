"""A camera whose every answer the test decides, and the polled reader against it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random

from tests.integration.streams.cameras import QUICK, mono, scripted_peer, wall
from tests.support.rtsp_texts import LIVE555, Maker
from xueliang_streams import Backoff, SourceSettings
from xueliang_streams.coded_picture import CodedPicture
from xueliang_streams.rtp_packets import H264, RtpSender
from xueliang_streams.rtsp.messages import ServerRequest, take_message
from xueliang_streams.rtsp.reader import RtspReader

Answer = Callable[[ServerRequest], bytes]

CAMERA = LIVE555
"""Whose answers a scripted camera gives unless told otherwise: H.264, parameter sets in the description."""
SETS = (bytes.fromhex("674d00298d8d403c0113f2c200000e100002bf2008"), bytes.fromhex("68ee3880"))
KEY_UNITS = (
    *SETS,
    b"\x65\x88" + bytes(range(1, 200)) * 30,
)
OTHER_UNITS = (b"\x41\x9a" + bytes(range(1, 200)),)


class ScriptedCamera:
    """Answers as `maker` does, except where `answers` says otherwise; `after_play` goes out behind the answer to PLAY.

    Called with each connection in turn (`scripted_peer`). `requests` keeps what was asked, with the time it came.
    """

    def __init__(
        self, answers: Mapping[str, Answer] | None = None, *, maker: Maker = CAMERA, after_play: bytes = b""
    ) -> None:
        self.requests: list[tuple[float, ServerRequest]] = []
        self.connections = 0
        self.peer: socket.socket | None = None
        self._answers = dict(answers or {})
        self._maker = maker
        self._after_play = after_play

    def __call__(self, peer: socket.socket) -> None:
        self.connections += 1
        self.peer = peer
        unread = b""
        while data := peer.recv(65536):
            unread += data
            while unread and (taken := take_message(unread)) is not None:
                request, consumed = taken
                unread = unread[consumed:]
                if isinstance(request, ServerRequest):
                    self.requests.append((mono(), request))
                    peer.sendall(self._answer(request))

    def methods(self) -> list[str]:
        return [request.method for _, request in list(self.requests)]

    def _answer(self, request: ServerRequest) -> bytes:
        if request.method in self._answers:
            return self._answers[request.method](request)
        if request.method in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY"):
            text = self._maker.answer(request.method, request.cseq or 0)
            return text + self._after_play if request.method == "PLAY" else text
        return reply(200)(request)


def reply(status: int, **headers: str) -> Answer:
    """An answer of this status; header names with `_` for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return lambda request: f"RTSP/1.0 {status} X\r\nCSeq: {request.cseq}\r\n{''.join(lines)}\r\n".encode()


def rtp_frames(pictures: int, *, channel: int = 0, payload_type: int = 96) -> bytes:
    """So many whole pictures as `$` frames, the first of them a key picture."""
    sender = RtpSender(H264, ssrc=7, first_sequence=0)
    packets = [
        packet[:1] + bytes([packet[1] & 0x80 | payload_type]) + packet[2:]
        for index in range(pictures)
        for packet in sender.packetise(OTHER_UNITS if index else KEY_UNITS, 9000 * (index + 1))
    ]
    return b"".join(b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet for packet in packets)


@contextmanager
def reading(
    url: str,
    *,
    settings: SourceSettings | None = None,
    backoff: Backoff = QUICK,
    clock: Callable[[], float] = mono,
    **more: object,
) -> Iterator[RtspReader]:
    reader = RtspReader(
        "gate-3",
        url,
        wall=wall,
        mono=clock,
        settings=settings or SourceSettings(),
        backoff=backoff,
        rng=Random(1),
        **more,  # type: ignore[arg-type]
    )
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def reading_scripted(
    camera: Callable[[socket.socket], None], *, login: str = "", path: str = CAMERA.path, **more: object
) -> Iterator[RtspReader]:
    with scripted_peer(camera) as port, reading(f"rtsp://{login}127.0.0.1:{port}{path}", **more) as reader:  # type: ignore[arg-type]
        yield reader


def poll_until(
    reader: RtspReader, condition: Callable[[], bool], what: str, within_s: float = 20
) -> list[CodedPicture]:
    """Poll until the condition holds; what came meanwhile. Else fail and say what was seen instead."""
    pictures: list[CodedPicture] = []
    deadline_mono_s = mono() + within_s
    while not condition():
        assert mono() < deadline_mono_s, f"{what}: not within {within_s} s, seen instead: {reader.health()}"
        pictures += reader.poll()
        time.sleep(0.002)
    return pictures


def pictures_of(reader: RtspReader, count: int, within_s: float = 20) -> list[CodedPicture]:
    pictures: list[CodedPicture] = []
    deadline_mono_s = mono() + within_s
    while len(pictures) < count:
        assert mono() < deadline_mono_s, f"{len(pictures)} of {count} pictures within {within_s} s, {reader.health()}"
        pictures += reader.poll()
        time.sleep(0.002)
    return pictures
