"""Getting to a camera: names, addresses, sockets that take their time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.streams.cameras import free_port, mono, wait_for, wall
from tests.integration.streams.scripted import (
    pictures_of,
    poll_until,
    problem_of,
    reading,
    state_is,
)
from xueliang_streams import SourceSettings, SourceState
from xueliang_streams.errors import CameraUnreachable, UnsupportedUrl
from xueliang_streams.rtsp.connection import Connection, NameLookup
from xueliang_streams.rtsp_server import ClipMount, RtspServer

SOON = SourceSettings(open_timeout_s=1, stall_after_s=1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtsp://127.0.0.1:{free}/x", "connection refused"),
        ("rtsp://[::1]:{free}/x", "connection refused|cannot be reached|cannot be read"),
        ("rtsp://no-such-camera.invalid/x", "check the host name"),
        ("rtsp://" + "a" * 70 + ".local/x", "check the host name"),
    ],
    ids=["refused", "ipv6", "no such name", "no name"],
)
def test_nobody_there_is_said_in_words(url: str, words: str) -> None:
    with reading(url.format(free=free_port())) as reader:
        poll_until(reader, state_is(reader, SourceState.OFFLINE), "offline", within_s=20)
        problem = reader.health().problem or ""
    assert any(word in problem for word in words.split("|")), problem


@pytest.mark.parametrize("url", ["rtsp:///x", "rtsp://h:99999/x", "rtsp://:554/x", "rtsp://u:canary@:0x/"])
def test_address_without_host_or_port_is_refused_before_anything_is_contacted(url: str) -> None:
    with pytest.raises(UnsupportedUrl) as refused, reading(url):
        pass
    assert "canary" not in str(refused.value)


def test_look_up_that_hangs_is_given_up_in_words_and_is_never_more_than_one(
    monkeypatch: pytest.MonkeyPatch, clips: dict[str, Path]
) -> None:
    release, real = threading.Event(), socket.getaddrinfo
    asked: list[str] = []

    def hang(host: str, *rest: object, **more: object) -> object:
        if host == "slow.example":
            asked.append(host)
            release.wait(30)
            host = "127.0.0.1"
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server:
        url = server.url("gate").replace("127.0.0.1", "slow.example")
        with reading(url, settings=SOON) as reader:
            assert "was not found within 1 s" in problem_of(reader)
            poll_until(reader, lambda: reader.health().attempts >= 2, "another try")
            assert len(asked) == 1
            release.set()
            assert pictures_of(reader, 1)
    wait_for(lambda: not [one for one in threading.enumerate() if one.name == "name look-up"], "threads gone", mono)


def test_second_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch, clips: dict[str, Path]) -> None:
    real = socket.getaddrinfo
    dead = free_port()

    def two(host: str, port: int, *rest: object, **more: object) -> object:
        if host != "two.example":
            return real(host, port, *rest, **more)  # type: ignore[arg-type]
        there = real("127.0.0.1", port, type=socket.SOCK_STREAM)
        nowhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", dead))]
        return [*nowhere, *there]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with (
        RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server,
        reading(server.url("gate").replace("127.0.0.1", "two.example")) as reader,
    ):
        assert pictures_of(reader, 1)
        assert reader.health().attempts == 0


@contextmanager
def _connected() -> Iterator[tuple[Connection, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listener.getsockname()[1]
        connection = Connection("127.0.0.1", NameLookup("127.0.0.1", port), None, mono() + 10)
        wait_for(lambda: connection.advance(mono()), "connected", lambda: port)
        peer, _ = listener.accept()
        with peer:
            yield connection, peer
        connection.close()


def test_what_the_socket_does_not_take_at_once_is_sent_later_and_in_order() -> None:
    sent = bytearray()
    with _connected() as (connection, peer):
        piece = bytes(range(256)) * 200

        def send_without_end() -> None:
            while True:
                connection.send(piece)
                sent.extend(piece)

        with pytest.raises(CameraUnreachable, match="takes in nothing"):
            send_without_end()
        assert len(sent) > 2 * len(piece), "the bound is on what is unsent, not on what is sent"
        received = b""
        peer.settimeout(5)
        while len(received) < len(sent):
            received += peer.recv(65536)
            connection.flush()
    assert received == sent


def test_what_was_sent_before_a_camera_closes_is_read_and_then_the_end_is_said() -> None:
    with _connected() as (connection, peer):
        peer.sendall(b"abc" * 1000)
        peer.close()
        scratch = memoryview(bytearray(1000))
        got = bytearray()

        def read_without_end() -> None:
            while True:
                got.extend(scratch[: connection.read_into(scratch)])

        with pytest.raises(CameraUnreachable, match="closed by the other side"):
            read_without_end()
    assert got == b"abc" * 1000
