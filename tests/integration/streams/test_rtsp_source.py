"""The real sources, by our own reader and by libav's, against the real server over loopback."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.streams import cameras
from tests.integration.streams.cameras import (
    frames_of,
    free_port,
    mono,
    newest_of,
    open_descriptors,
    scripted_peer,
    wait_for,
    wait_for_state,
    wall,
)
from tests.support.clips import STEP_PX, moving_box_clip, seen_box_left_px
from xueliang_streams import Backoff, DecodeMode, DecodingSource, SourceSettings, SourceState
from xueliang_streams.rtsp_server import ClipMount, RtspServer

Opener = Callable[..., AbstractContextManager[DecodingSource]]

STALLS_SOON = SourceSettings(stall_after_s=1.5, open_timeout_s=3)


@pytest.fixture(params=["own", "libav"])
def opened(request: pytest.FixtureRequest) -> Opener:
    """A source by each reader: what follows holds for both."""
    return partial(cameras.opened, reader=request.param)


@pytest.mark.parametrize("kind", ["h264", "hevc", "h264-b", "hevc-b"])
def test_frames_arrive_in_order_with_sane_times(opened: Opener, kind: str, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips[kind])}, wall=wall) as server, opened(server.url("gate")) as source:
        began_mono_s, began_at = mono(), wall()
        frames = frames_of(source, 25)  # longer than the clip: over its end
        ended_mono_s, ended_at = mono(), wall()
        assert source.health().state is SourceState.STREAMING
    assert frames[0].is_key or frames[0].sequence <= 4, "later pictures may have replaced the first already"
    assert {frame.size_wh for frame in frames} == {(320, 240)}
    assert all(after.sequence > before.sequence for before, after in pairwise(frames))
    assert all(after.received_mono_s >= before.received_mono_s for before, after in pairwise(frames))
    assert all(began_mono_s - 1 <= frame.received_mono_s <= ended_mono_s for frame in frames)
    assert all((frame.received_at - began_at).total_seconds() >= -1 for frame in frames)
    assert all(frame.received_at <= ended_at for frame in frames)
    steps = [
        seen_box_left_px(after.image_bgr) - seen_box_left_px(before.image_bgr)
        for before, after in pairwise(frames)
        if after.sequence == before.sequence + 1
    ]
    assert sum(abs(step - STEP_PX) <= 2 for step in steps) >= len(steps) - 2, f"pictures out of order: {steps}"


@pytest.mark.parametrize("kind", ["h264", "hevc", "h264-b", "hevc-b"])
def test_keyframe_mode_gives_each_key_picture_with_its_own_packet(
    opened: Opener, kind: str, clips: dict[str, Path]
) -> None:
    settings = SourceSettings(decode=DecodeMode.KEYFRAMES)
    with (
        RtspServer({"gate": ClipMount(clips[kind])}, wall=wall) as server,
        opened(server.url("gate"), settings=settings) as source,
    ):
        frames = frames_of(source, 3)
        late_s = mono() - frames[-1].received_mono_s
        dropped = source.health().frames_dropped
    assert all(frame.is_key for frame in frames)
    assert late_s < 0.9, "a key picture came out a GOP late"
    lefts = [seen_box_left_px(frame.image_bgr) for frame in frames]
    assert sorted(set(lefts)) == [0, 10 * STEP_PX], f"not the pictures 0 and 10 of the clip: {lefts}"
    assert dropped["not_key"] >= 10


def test_decode_mode_changes_while_running(opened: Opener, clips: dict[str, Path]) -> None:
    settings = SourceSettings(decode=DecodeMode.KEYFRAMES)
    with (
        RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server,
        opened(server.url("gate"), settings=settings) as source,
    ):
        last = frames_of(source, 2)[-1]
        source.set_decode(DecodeMode.ALL)
        all_pictures = frames_of(source, 8, newer_than=last.sequence)
        source.set_decode(DecodeMode.KEYFRAMES)
        wait_for(lambda: source.health().frames_dropped.get("not_key", 0) > 20, "key pictures only", source.health)
    assert sum(not frame.is_key for frame in all_pictures) >= 6


def test_max_fps_limits_what_is_converted_and_counts_the_rest(opened: Opener, clips: dict[str, Path]) -> None:
    with (
        RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server,
        opened(server.url("gate"), settings=SourceSettings(max_fps=2)) as source,
    ):
        frames = frames_of(source, 4)
        dropped = source.health().frames_dropped
    span_s = frames[-1].received_mono_s - frames[0].received_mono_s
    assert 1.2 <= span_s <= 3, f"four frames at 2 fps took {span_s:.2f} s"
    assert dropped["not_due"] >= 8


def test_slow_reader_gets_the_newest_and_the_rest_is_counted(opened: Opener, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server, opened(server.url("gate")) as source:
        wait_for(lambda: source.health().frames_dropped.get("replaced", 0) >= 10, "frames replaced", source.health)
        frame = source.next_frame(0, timeout_s=5)
        assert frame is not None
        assert frame.sequence > 10
        assert source.next_frame(frame.sequence + 1000, timeout_s=0.05) is None


def test_source_reconnects_after_the_connection_is_dropped(opened: Opener, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server, opened(server.url("gate")) as source:
        frames_of(source, 2)
        assert server.drop_clients() == 1
        health = wait_for_state(source, SourceState.OFFLINE)
        last = newest_of(source)
        assert "closed" in (health.problem or ""), health
        assert health.next_attempt_in_s is not None
        again = frames_of(source, 2, newer_than=last.sequence)
        is_first_after = again[0].sequence == last.sequence + 1  # unless this machine was too slow to take it
        assert again[0].is_key or not is_first_after, "after a reconnect decoding must begin at a key picture"
        assert source.health().problem is None
        assert source.health().attempts == 0


def test_silent_camera_stalls_then_goes_on_and_its_neighbour_never_notices(
    opened: Opener, clips: dict[str, Path]
) -> None:
    mounts = {"gate": ClipMount(clips["h264"]), "yard": ClipMount(clips["hevc"])}
    with (
        RtspServer(mounts, wall=wall) as server,
        opened(server.url("gate"), settings=STALLS_SOON) as gate,
        opened(server.url("yard"), settings=STALLS_SOON) as yard,
    ):
        last_gate, last_yard = frames_of(gate, 2)[-1], frames_of(yard, 2)[-1]
        server.silence("gate")
        health = wait_for_state(gate, SourceState.STALLED)
        assert "no packet for 1.5 s" in (health.problem or "")
        assert health.last_packet_mono_s is not None
        assert health.last_packet_mono_s >= last_gate.received_mono_s
        health = wait_for_state(gate, SourceState.OFFLINE)
        assert health.attempts >= 1
        assert yard.health().state is SourceState.STREAMING
        gaps_s = [b.received_mono_s - a.received_mono_s for a, b in pairwise(frames_of(yard, 5, newer_than=1))]
        assert max(gaps_s) < 1.5
        assert yard.health().since_mono_s < health.since_mono_s
        frames_of(yard, 1, newer_than=last_yard.sequence + 20)
        server.resume("gate")
        frames_of(gate, 2, newer_than=last_gate.sequence)
        assert gate.health().state is SourceState.STREAMING


def test_pause_shorter_than_a_stall_costs_no_reconnect_and_goes_on_at_a_key_picture(
    opened: Opener, clips: dict[str, Path]
) -> None:
    with (
        RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server,
        opened(server.url("gate"), settings=SourceSettings(stall_after_s=8)) as source,
    ):
        frames_of(source, 3)
        since_s = source.health().since_mono_s
        server.silence("gate")
        # longer than a read may take, shorter than a stall
        wait_for(lambda: mono() - (source.health().last_packet_mono_s or 0) > 4.5, "a pause", source.health)
        last = newest_of(source)
        server.resume("gate")
        after = frames_of(source, 1, newer_than=last.sequence)[0]
        health = source.health()
    assert (health.state, health.since_mono_s) == (SourceState.STREAMING, since_s), "the state changed"
    assert health.frames_dropped["damaged"] == 1, "the picture under way may be half"
    assert after.is_key or after.sequence > last.sequence + 1, "a pause may cost packets: begin again at a key picture"


@pytest.mark.parametrize("password", ["canary-wrong", ""])
def test_wrong_password_is_said_tried_gently_and_shown_nowhere(
    opened: Opener,
    password: str,
    clips: dict[str, Path],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall, login=("admin", "canary-right")) as server:
        place = server.url("gate", with_login=False).removeprefix("rtsp://")
        with opened(f"rtsp://admin:{password}@{place}", backoff=Backoff()) as source:
            health = wait_for_state(source, SourceState.AUTH_FAILED)
            assert health.next_attempt_in_s is not None
            assert health.next_attempt_in_s > 58
            assert "refuses this user and password" in (health.problem or "")
        with opened(server.url("gate")) as source:
            frames_of(source, 1)
    assert caplog.records, "the refusal must be logged"
    said = [record.getMessage() + str(vars(record)) for record in caplog.records]
    output = capfd.readouterr()
    assert "canary" not in "".join([str(health), output.out, output.err, *said])


def test_camera_absent_at_start_is_offline_and_recovers_when_it_appears(opened: Opener, clips: dict[str, Path]) -> None:
    server = RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall, port=free_port())
    with opened(server.url("gate")) as source:
        health = wait_for_state(source, SourceState.OFFLINE)
        assert "connection refused" in (health.problem or "")
        wait_for(lambda: source.health().attempts >= 3, "three attempts", source.health)
        with server:
            assert frames_of(source, 1)[0].sequence <= 2
            assert source.health().state is SourceState.STREAMING
        wait_for_state(source, SourceState.OFFLINE)
        with server:  # the same port again
            frames_of(source, 2, newer_than=1)


def answer_as_web_server(peer: socket.socket) -> None:
    peer.recv(4096)
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno")


def offer_sound_only(peer: socket.socket) -> None:
    sdp = b"v=0\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n"
    while request := peer.recv(4096):
        number = next(
            line.split(b":")[1].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"cseq")
        )
        head = b"RTSP/1.0 200 OK\r\nCSeq: " + number + b"\r\nSession: 1\r\n"
        is_describe = request.startswith(b"DESCRIBE")
        body = sdp if is_describe else b""
        kind = b"Content-Type: application/sdp\r\n" if is_describe else b""
        peer.sendall(head + kind + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)


@pytest.mark.parametrize("talk", [answer_as_web_server, offer_sound_only])
def test_something_that_is_not_a_video_is_said_in_words(opened: Opener, talk: object) -> None:
    with scripted_peer(talk) as port, opened(f"rtsp://u:canary@127.0.0.1:{port}/x") as source:  # type: ignore[arg-type]
        health = wait_for_state(source, SourceState.OFFLINE)
    assert health.problem is not None
    assert "video" in health.problem or "RTSP" in health.problem or "answers with an error" in health.problem
    assert "canary" not in health.problem


def test_camera_that_accepts_and_says_nothing_is_given_up_by_the_deadline(opened: Opener) -> None:
    settings = SourceSettings(open_timeout_s=1)

    def say_nothing(peer: socket.socket) -> None:
        while peer.recv(4096):
            pass

    with (
        scripted_peer(say_nothing) as port,
        opened(f"rtsp://127.0.0.1:{port}/x", settings=settings) as source,
    ):
        health = wait_for_state(source, SourceState.OFFLINE)
    assert "no answer within 1 s" in (health.problem or "")


def test_unknown_path_and_refusing_camera_are_told_apart(opened: Opener, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server:
        with opened(server.url("gate") + "-other") as source:
            assert "404" in (wait_for_state(source, SourceState.OFFLINE).problem or "")
        server.refuse("gate", 503)
        with opened(server.url("gate")) as source:
            assert "answers with an error" in (wait_for_state(source, SourceState.OFFLINE).problem or "")
            server.resume("gate")
            frames_of(source, 1)


@pytest.mark.parametrize("moment", ["streaming", "silent", "offline"])
def test_close_is_bounded_and_leaves_no_thread_or_descriptor(opened: Opener, moment: str, tmp_path: Path) -> None:
    busy = moving_box_clip(tmp_path / "busy.mp4", seconds=1, gop=2)  # a key picture is never far
    with RtspServer({"gate": ClipMount(busy)}, wall=wall) as server:
        url = {"streaming": server.url("gate"), "silent": server.url("gate")}.get(moment, "rtsp://127.0.0.1:1/x")

        def cycle() -> float:
            with opened(url) as source:
                if moment == "offline":
                    wait_for_state(source, SourceState.OFFLINE)
                else:
                    frames_of(source, 1)
                if moment == "silent":
                    server.silence("gate")
                began_mono_s = mono()
                source.close()
                source.close()
                taken_s = mono() - began_mono_s
                assert source.health().state is SourceState.CLOSED
                assert source.next_frame(0, timeout_s=60) is None
            if moment == "silent":
                server.resume("gate")
            return taken_s

        cycle()  # what is loaded once is loaded now
        wait_for(lambda: server.client_count("gate") == 0, "clients gone", lambda: server.client_count("gate"))
        threads, descriptors = threading.active_count(), len(open_descriptors())
        cycles = 4 if moment == "silent" else 20
        longest_s = max(cycle() for _ in range(cycles))
        wait_for(lambda: server.client_count("gate") == 0, "clients gone", lambda: server.client_count("gate"))
        assert longest_s < 5
        assert threading.active_count() == threads
        wait_for(
            lambda: len(open_descriptors()) <= descriptors,
            "descriptors freed",
            open_descriptors,
        )
