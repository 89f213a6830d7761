"""The polled reader against what no camera should send: contained, bounded, and nobody else is ever contacted."""

from __future__ import annotations

import re
import socket
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.integration.streams.cameras import mono, scripted_peer
from tests.integration.streams.scripted import (
    CAMERA,
    ScriptedCamera,
    pictures_of,
    poll_until,
    problem_of,
    reading_scripted,
    reply,
    rtp_frames,
)
from xueliang_streams import Backoff, SourceSettings
from xueliang_streams.rtsp.messages import ServerRequest

GARBAGE_SESSIONS = 150
"""Enough for each kind of garbage; 2,500 were tried once by hand."""


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize("scheme", ["rtsp", "http", "file"])
def test_redirect_is_refused_in_words_and_nobody_is_visited(method: str, scheme: str) -> None:
    with _trap() as (trap_port, visits):
        target = f"{scheme}://127.0.0.1:{trap_port}/canary"
        camera = ScriptedCamera({method: reply(302, Location=target)})
        with reading_scripted(camera) as reader:
            problem = problem_of(reader)
            poll_until(reader, lambda: camera.connections >= 3, "two more tries")
    assert "sends us to another address (302); that is not followed" in problem
    assert "canary" not in problem
    assert not visits


@contextmanager
def _trap() -> Iterator[tuple[int, list[object]]]:
    """A place nobody has any business at; who comes is noted."""
    visits: list[object] = []

    def note(peer: socket.socket) -> None:
        visits.append(peer.getpeername())

    with scripted_peer(note) as port:
        yield port, visits


@pytest.mark.parametrize("control", ["rtsp://127.0.0.1:{port}/track1", "http://127.0.0.1:{port}/", "file:///etc/x"])
def test_addresses_in_a_description_are_never_visited(control: str) -> None:
    with _trap() as (trap_port, visits):
        there = control.format(port=trap_port)

        def describe(request: ServerRequest) -> bytes:
            body = f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:{there}\r\n".encode()
            base = f"Content-Base: {there}\r\nContent-Length: {len(body)}"
            return f"RTSP/1.0 200 OK\r\nCSeq: {request.cseq}\r\n{base}\r\n\r\n".encode() + body

        camera = ScriptedCamera({"DESCRIBE": describe}, after_play=rtp_frames(2))
        with reading_scripted(camera) as reader:
            if control.startswith("rtsp"):
                assert pictures_of(reader, 1)
            else:
                assert "an address that is none" in problem_of(reader)
    assert not visits


def test_camera_that_dribbles_is_given_up_by_the_deadline_of_the_whole_talk() -> None:
    def dribble(peer: socket.socket) -> None:
        for byte in b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nX: " + b"a" * 1000:
            peer.sendall(bytes([byte]))
            time.sleep(0.3)  # the fault itself

    with reading_scripted(dribble, settings=SourceSettings(open_timeout_s=2)) as reader:
        began_s = mono()
        assert "not playing within 2 s" in problem_of(reader)
        assert 1.9 < mono() - began_s < 4


def _flood(peer: socket.socket, begin: bytes, piece: bytes, limit_bytes: int = 100_000_000) -> None:
    peer.recv(65536)
    peer.sendall(begin)
    for _ in range(limit_bytes // len(piece)):
        peer.sendall(piece)


@pytest.mark.parametrize(
    ("begin", "piece", "words"),
    [
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 1073741824\r\n\r\n", b"v=0\r\n" * 1000, "a body of more than"),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n", b"X: y\r\n" * 1000, "a head of more than"),
        (b"", b"RTSP/1.0 100 Continue\r\nCSeq: 1\r\n\r\n" * 1000, "talk without end"),
        (b"", b"\r\n" * 1000, "line ends without a message"),
        (b"", b"\0" * 1000, "does not begin like"),
        (b"", b"$\0\0\x01x" * 1000, "does not begin like"),
    ],
    ids=["1 GB", "endless head", "endless waiting", "blank lines", "zeros", "frames"],
)
def test_flood_of_answers_is_refused_with_little_memory(begin: bytes, piece: bytes, words: str) -> None:
    with reading_scripted(lambda peer: _flood(peer, begin, piece)) as reader:
        tracemalloc.start()
        try:
            problem = problem_of(reader)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert words in problem
    assert "does not speak RTSP" in problem
    assert peak_bytes < 5_000_000


def test_garbage_after_play_ends_the_connection_and_a_new_one_is_made() -> None:
    camera = ScriptedCamera(after_play=rtp_frames(2))
    with reading_scripted(camera) as reader:
        assert pictures_of(reader, 1)
        assert camera.peer is not None
        camera.peer.sendall(b"\x01garbage\xff" * 100)
        assert "neither RTP nor RTSP" in problem_of(reader)
        assert pictures_of(reader, 1)
        assert camera.connections == 2


def test_garbage_of_every_kind_is_contained_and_nobody_else_is_visited(caplog: pytest.LogCaptureFixture) -> None:
    """F05: sessions whose answers, frames or addresses are changed at random."""
    dice = Random(5)
    outcomes: set[str] = set()
    sessions = 0
    with _trap() as (trap_port, visits):

        def spoil(text: bytes) -> bytes:
            places = (b"rtsp://cam.local", b"rtsp://10.0.0.7", b"track1")
            for _ in range(dice.choice((0, 0, 1, 3))):
                at = dice.randrange(len(text) + 1)
                text = text[:at] + dice.randbytes(dice.randrange(4)) + text[at + dice.randrange(3) :]
            if dice.random() < 0.2:
                text = text.replace(
                    dice.choice(places), b"%s://127.0.0.1:%d" % (dice.choice((b"rtsp", b"http")), trap_port)
                )
            return text[: dice.randrange(len(text))] if dice.random() < 0.05 else text

        def talk(peer: socket.socket) -> None:
            nonlocal sessions
            sessions += 1
            peer.settimeout(0.5)
            while request := peer.recv(65536):
                number = re.search(rb"CSeq: ([0-9]+)", request)
                method = request.split(b" ")[0].decode()
                if number is None or method not in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY"):
                    return
                redirect = b"RTSP/1.0 302 X\r\nCSeq: %s\r\nLocation: rtsp://127.0.0.1:%d/\r\n\r\n" % (
                    number[1],
                    trap_port,
                )
                answer = redirect if dice.random() < 0.02 else CAMERA.answer(method, int(number[1]))
                peer.sendall(spoil(answer) + (spoil(rtp_frames(6)) if method == "PLAY" else b""))

        settings = SourceSettings(open_timeout_s=0.15, stall_after_s=0.1)
        quick = Backoff(first_s=0.001, cap_s=0.001)
        with reading_scripted(talk, login="admin:canary@", settings=settings, backoff=quick) as reader:
            while sessions < GARBAGE_SESSIONS:
                reader.poll()
                outcomes.add(f"{reader.health().state} {(reader.health().problem or '')[-30:]}")
                time.sleep(0.001)
    assert not visits
    assert not [record for record in caplog.records if record.getMessage() == "camera reader failed"]
    assert "canary" not in "".join([*outcomes, caplog.text, *(str(vars(record)) for record in caplog.records)])
    assert len(outcomes) >= 8, f"hardly anything was tried: {outcomes}"
