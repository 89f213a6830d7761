"""The polled reader over loopback: what it reads, what it refuses, how long it waits."""

from __future__ import annotations

import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from tests.integration.streams.cameras import free_port, mono, scripted_peer, wait_for, wall
from tests.integration.streams.scripted import (
    CAMERA,
    ScriptedCamera,
    pictures_of,
    poll_until,
    reading,
    reading_scripted,
    reply,
    rtp_frames,
)
from tests.support.rtsp_texts import MAKERS, Maker
from xueliang_streams import Backoff, SourceSettings, SourceState
from xueliang_streams.errors import UnsupportedUrl
from xueliang_streams.rtsp.messages import ServerRequest
from xueliang_streams.rtsp.reader import RtspReader
from xueliang_streams.rtsp_login import LoginScheme
from xueliang_streams.rtsp_server import ClipMount, RtspServer

SOON = SourceSettings(open_timeout_s=1, stall_after_s=1)

GARBAGE_SESSIONS = 150
"""Enough for each kind of garbage; 2,500 were tried once by hand."""


class Clock:
    """Monotonic seconds that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def state_is(reader: RtspReader, *states: SourceState) -> Callable[[], bool]:
    return lambda: reader.health().state in states


def problem_of(reader: RtspReader) -> str:
    poll_until(reader, lambda: reader.health().problem is not None, "a problem")
    return reader.health().problem or ""


@pytest.mark.parametrize("kind", ["h264", "hevc", "h264-b", "hevc-b"])
def test_key_pictures_or_all_of_them_come_whole_and_in_order(kind: str, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips[kind])}, wall=wall) as server, reading(server.url("gate")) as reader:
        keys = pictures_of(reader, 3)
        assert reader.health().state is SourceState.STREAMING
        assert reader.health().reader == "own"
        assert reader.last_key_interval_s == pytest.approx(1, abs=0.05)
        assert reader.counts["not_key"] >= 18
        assert reader.health().frames_dropped["not_key"] >= 18
        reader.assemble = "all"
        every = pictures_of(reader, 25)
    assert all(picture.is_key for picture in keys)
    assert [(b.rtp_time - a.rtp_time) / 90_000 for a, b in pairwise(keys)] == pytest.approx([1, 1])
    assert every[0].is_key
    assert sum(picture.is_key for picture in every) in (2, 3)
    assert {picture.codec for picture in every} == {kind.removesuffix("-b")}
    assert all(picture.data.startswith(b"\0\0\0\1") for picture in every)
    assert all(b.arrival.mono_s >= a.arrival.mono_s for a, b in pairwise(every))
    assert reader.media is not None


@pytest.mark.parametrize("maker", [one for one in MAKERS.values() if one.codec == "h264"], ids=lambda one: one.path)
def test_pictures_that_come_with_the_answer_to_play_are_kept(maker: Maker) -> None:
    frames = rtp_frames(3, channel=maker.channel, payload_type=maker.payload_type)
    camera = ScriptedCamera(maker=maker, after_play=frames)
    with reading_scripted(camera, path=maker.path) as reader:
        reader.assemble = "all"
        pictures = pictures_of(reader, 3)
    assert [picture.is_key for picture in pictures] == [True, False, False]
    assert camera.methods()[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]


def test_pictures_before_the_answer_to_play_are_kept() -> None:
    frames = rtp_frames(3)
    camera = ScriptedCamera({"PLAY": lambda request: frames + CAMERA.answer("PLAY", request.cseq or 0)})
    with reading_scripted(camera) as reader:
        reader.assemble = "all"
        assert len(pictures_of(reader, 3)) == 3
        assert reader.counts["lost"] == 0


def test_camera_that_asks_something_is_answered() -> None:
    heard: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        unread = b""
        while b"PLAY" not in unread:
            unread = peer.recv(65536)
            method = unread.split(b" ")[0].decode()
            peer.sendall(CAMERA.answer(method, int(unread.split(b"CSeq: ")[1].split(b"\r\n")[0])))
        peer.sendall(rtp_frames(2) + b"OPTIONS rtsp://cam/x RTSP/1.0\r\nCSeq: 77\r\n\r\n" + rtp_frames(2))
        heard.append(peer.recv(65536))

    with reading_scripted(talk) as reader:
        poll_until(reader, lambda: bool(heard), "an answer")
    assert heard[0].startswith(b"RTSP/1.0 200 OK\r\nCSeq: 77\r\n")


@pytest.mark.parametrize("scheme", ["basic", "digest", "digest-sha-256"])
def test_camera_with_a_login_is_read(scheme: LoginScheme, clips: dict[str, Path]) -> None:
    login = ("值班 admin", 'p@:/"\\x')
    server = RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall, login=login, login_scheme=scheme, nonce_uses=2)
    with server:
        place = server.url("gate", with_login=False).removeprefix("rtsp://")
        with reading(f"rtsp://%E5%80%BC%E7%8F%AD%20admin:p%40%3A%2F%22%5Cx@{place}") as reader:
            assert len(pictures_of(reader, 2)) == 2
            assert reader.health().attempts == 0
        with reading(f"rtsp://admin:canary@{place}", backoff=Backoff()) as reader:
            poll_until(reader, state_is(reader, SourceState.AUTH_FAILED), "refused")
            health = reader.health()
    assert "refuses this user and password" in (health.problem or "")
    assert "canary" not in str(health)
    assert 58 < (health.next_attempt_in_s or 0) <= 90


def test_refused_password_is_sent_once_a_minute_and_no_oftener() -> None:
    number = iter(range(1000))
    camera = ScriptedCamera(
        {"DESCRIBE": lambda request: reply(401, WWW_Authenticate=f'Digest realm="r", nonce="{next(number)}"')(request)}
    )
    clock = Clock()
    with reading_scripted(camera, login="admin:canary@", clock=clock, backoff=Backoff()) as reader:
        for _ in range(3):
            poll_until(reader, lambda: reader.health().next_attempt_in_s is not None, "refused")
            assert reader.health().state is SourceState.AUTH_FAILED
            began_s = clock.now_s
            while (reader.health().next_attempt_in_s or 0) > 0:
                clock.now_s += 1
                reader.poll()
            assert clock.now_s - began_s >= 60
            poll_until(reader, lambda: reader.is_in_handshake, "another try")
    tried = [request for _, request in camera.requests if request.header("authorization")]
    assert len(tried) == 3
    assert camera.connections in (3, 4)


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
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 1073741824\r\n\r\n", b"v=0\r\n" * 1000, "1073741824 bytes"),
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


def test_keep_alive_is_sent_at_half_the_session_timeout() -> None:
    camera = ScriptedCamera(after_play=rtp_frames(2))  # 65 s
    clock = Clock()
    with reading_scripted(camera, clock=clock, settings=SourceSettings(stall_after_s=1000)) as reader:
        pictures_of(reader, 1)
        for _ in range(3):
            clock.now_s += 32.4
            reader.poll()
            before = len(camera.requests)
            clock.now_s += 0.2
            poll_until(reader, lambda: len(camera.requests) > before, "a keep-alive")  # noqa: B023
        assert camera.methods() == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"] + ["GET_PARAMETER"] * 3
        assert {request.header("session") for _, request in camera.requests[4:]} == {CAMERA.session}


def test_camera_that_ends_sessions_nobody_keeps_is_read_on(clips: dict[str, Path]) -> None:
    server = RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall, session_timeout_s=2)
    with server, reading(server.url("gate")) as reader:
        pictures_of(reader, 1)
        since_s = reader.health().since_mono_s
        pictures_of(reader, 5)
        assert (reader.health().state, reader.health().since_mono_s) == (SourceState.STREAMING, since_s)


@pytest.mark.parametrize("answer", ["setup", "transport"])
def test_camera_that_offers_udp_only_is_not_spoken_and_tried_gently(answer: str) -> None:
    answers = {
        "setup": reply(461),
        "transport": reply(200, Transport="RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001"),
    }
    with reading_scripted(ScriptedCamera({"SETUP": answers[answer]}), backoff=Backoff()) as reader:
        assert "the camera offers UDP only" in problem_of(reader)
        assert reader.not_spoken is not None
        assert reader.not_spoken.is_udp_only
        assert "127.0.0.1" in str(reader.not_spoken)
        assert reader.health().state is SourceState.OFFLINE
        assert (reader.health().next_attempt_in_s or 0) > 58


def test_silence_is_a_stall_by_the_age_of_the_last_packet_and_texts_do_not_count() -> None:
    camera = ScriptedCamera(after_play=rtp_frames(2))
    clock = Clock()
    with reading_scripted(camera, clock=clock, settings=SourceSettings(stall_after_s=40)) as reader:
        pictures_of(reader, 1)
        clock.now_s += 33  # keep-alive and its answer
        poll_until(reader, lambda: "GET_PARAMETER" in camera.methods(), "a keep-alive")
        clock.now_s += 6.9
        reader.poll()
        assert reader.health().state is SourceState.STREAMING
        clock.now_s += 0.2
        assert reader.health().state is SourceState.STALLED, "health need not wait for the next poll"
        reader.poll()
        assert reader.health().state is SourceState.STALLED
        assert "no packet for 40 s" in (reader.health().problem or "")
        assert reader.health().next_attempt_in_s is not None


def test_camera_that_plays_and_sends_nothing_is_given_up_by_the_first_packets_deadline() -> None:
    clock = Clock()
    with reading_scripted(ScriptedCamera(), clock=clock) as reader:
        poll_until(reader, lambda: reader.media is not None, "described")
        poll_until(reader, lambda: reader._session is not None and reader._session.is_playing, "playing")
        clock.now_s += 4.9
        reader.poll()
        assert reader.health().problem is None
        clock.now_s += 0.2
        reader.poll()
        assert "no packet within 5 s" in (reader.health().problem or "")
        assert reader.health().state is SourceState.OFFLINE


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

    def two(host: str, port: int, *rest: object, **more: object) -> list[object]:
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


def test_poll_never_waits_and_hints_when_to_come_again(clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server, reading(server.url("gate")) as reader:
        assert reader.next_poll_in_s == 0
        reader.poll()
        assert reader.is_in_handshake
        assert reader.next_poll_in_s <= 0.05
        pictures_of(reader, 1)
        assert not reader.is_in_handshake
        assert 0.05 <= reader.next_poll_in_s <= 0.2
        reader.assemble = "all"
        assert reader.next_poll_in_s <= 0.05
    with reading(f"rtsp://127.0.0.1:{free_port()}/x", backoff=Backoff(first_s=30, cap_s=30)) as reader:
        poll_until(reader, state_is(reader, SourceState.OFFLINE), "offline")
        assert reader.next_poll_in_s == 1
    assert reader.poll() == []
    assert reader.health().state is SourceState.CLOSED


def test_goodbye_is_said_at_the_end() -> None:
    camera = ScriptedCamera(after_play=rtp_frames(2))
    with reading_scripted(camera) as reader:
        pictures_of(reader, 1)
        reader.close()
        wait_for(lambda: camera.methods()[-1] == "TEARDOWN", "a TEARDOWN", camera.methods)
        reader.close()


def test_several_readers_share_one_scratch_in_one_thread(clips: dict[str, Path]) -> None:
    mounts = {"gate": ClipMount(clips["h264"]), "yard": ClipMount(clips["hevc"])}
    scratch = memoryview(bytearray(64 * 1024))
    with (
        RtspServer(mounts, wall=wall) as server,
        reading(server.url("gate"), scratch=scratch) as gate,
        reading(server.url("yard"), scratch=scratch) as yard,
        reading_scripted(lambda peer: peer.recv(1) and time.sleep(3), scratch=scratch) as hangs,  # type: ignore[arg-type, return-value, func-returns-value]
    ):
        codecs: set[str] = set()
        deadline_mono_s = mono() + 20
        while len(codecs) < 2:
            assert mono() < deadline_mono_s, codecs
            for reader in (gate, hangs, yard):
                codecs |= {picture.codec for picture in reader.poll()}
            time.sleep(0.01)
        assert gate.counts["damaged"] == yard.counts["damaged"] == 0


@pytest.mark.parametrize("delay_s", [0.0, 0.15, 0.4, 0.8])
def test_camera_that_comes_back_during_a_talk_is_always_found_again(delay_s: float) -> None:
    began_s = mono()

    def late(method: str) -> Callable[[ServerRequest], bytes]:
        def answer(request: ServerRequest) -> bytes:
            while mono() - began_s < delay_s:
                time.sleep(0.01)
            return CAMERA.answer(method, request.cseq or 0)

        return answer

    camera = ScriptedCamera({"OPTIONS": late("OPTIONS"), "SETUP": late("SETUP")}, after_play=rtp_frames(2))
    with reading_scripted(camera, settings=SourceSettings(open_timeout_s=0.3)) as reader:
        assert pictures_of(reader, 1, within_s=15)


def test_garbage_of_every_kind_is_contained_and_nobody_else_is_visited(caplog: pytest.LogCaptureFixture) -> None:
    """F05: sessions whose answers, frames or addresses are changed at random."""
    dice = Random(5)
    outcomes: set[str] = set()
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

        sessions = 0
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
