"""The polled reader over loopback: what it reads, what it asks, how long it waits."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.streams.cameras import free_port, mono, wait_for, wall
from tests.integration.streams.scripted import (
    CAMERA,
    Clock,
    ScriptedCamera,
    pictures_of,
    poll_until,
    problem_of,
    reading,
    reading_scripted,
    reply,
    rtp_frames,
    state_is,
)
from tests.support.rtsp_texts import MAKERS, Maker
from xueliang_streams import Backoff, SourceSettings, SourceState
from xueliang_streams.rtsp.messages import ServerRequest
from xueliang_streams.rtsp_login import LoginScheme
from xueliang_streams.rtsp_server import ClipMount, RtspServer


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
        poll_until(reader, lambda: reader.counts["bytes"] > 0, "an answer to PLAY")
        clock.now_s += 4.9
        reader.poll()
        assert reader.health().problem is None
        clock.now_s += 0.2
        reader.poll()
        assert "no packet within 5 s" in (reader.health().problem or "")
        assert reader.health().state is SourceState.OFFLINE


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
        reading_scripted(ScriptedCamera({"OPTIONS": lambda _: b""}), scratch=scratch) as hangs,
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
