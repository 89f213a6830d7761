"""The server by itself: what clients see of its mounts."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.integration.streams.cameras import frames_of, mono, opened, wait_for, wall
from tests.support.clips import STEP_PX, moving_box_clip, plain_clip, seen_box_left_px
from xueliang_streams import SourceState, StreamError
from xueliang_streams.encoding import encode_clip
from xueliang_streams.rtsp_server import MAX_UNSENT_BYTES, ClipMount, RtspServer, SegmentedMount
from xueliang_streams.segments import load_segment


@pytest.mark.parametrize(("codec", "gop"), [("h264", 10), ("h264", 30), ("hevc", 30)], ids=["cut", "encoded", "hevc"])
def test_clip_served_once_holds_its_last_second(codec: str, gop: int, tmp_path: Path) -> None:
    path = moving_box_clip(tmp_path / "clip.mp4", seconds=3, codec=codec, gop=gop)  # type: ignore[arg-type]
    with (
        RtspServer({"gate": ClipMount(path, "once_hold_last_second")}, wall=wall) as server,
        opened(server.url("gate")) as source,
    ):
        frames = frames_of(source, 55)
        assert source.health().state is SourceState.STREAMING
    lefts = [round(seen_box_left_px(frame.image_bgr) / STEP_PX) for frame in frames]
    assert lefts[:4] in ([0, 1, 2, 3], [1, 2, 3, 4]), "begins at the clip's first picture; the second may replace it"
    held = lefts[32:]
    assert set(held) <= set(range(20, 30)), f"only pictures 20 to 29 may repeat, saw {lefts}"
    assert len(set(held)) >= 8
    gaps_s = [after.received_mono_s - before.received_mono_s for before, after in pairwise(frames)]
    assert max(gaps_s) < 1, "the join must not pause"


def test_clock_of_a_mount_begins_at_the_first_play_or_at_once(clips: dict[str, Path]) -> None:
    mounts = {"waits": ClipMount(clips["h264"]), "runs": ClipMount(clips["h264"], starts="immediately")}
    with RtspServer(mounts, wall=wall) as server:
        began_mono_s = mono()
        wait_for(lambda: mono() - began_mono_s > 0.5, "half a second", mono)
        with opened(server.url("waits")) as source:
            assert seen_box_left_px(frames_of(source, 1)[0].image_bgr) in range(STEP_PX + 3), "picture 0 or 1"
        with opened(server.url("runs")) as source:
            assert seen_box_left_px(frames_of(source, 1)[0].image_bgr) == pytest.approx(
                10.5 * STEP_PX, abs=0.5 * STEP_PX + 2
            )


def test_several_clients_see_the_same_present_and_late_ones_begin_at_a_key_picture(clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server, opened(server.url("gate")) as first:
        frames_of(first, 5)
        with opened(server.url("gate")) as second:
            late = frames_of(second, 3)
            assert server.client_count("gate") == 2
            assert late[0].is_key or late[0].sequence == 2, "the second picture may have replaced the first already"
            seen = frames_of(first, 1, newer_than=frames_of(first, 1)[0].sequence)[0]
            same = frames_of(second, 1, newer_than=late[-1].sequence)[0]
    assert abs(seen.received_mono_s - same.received_mono_s) < 1


def test_segments_follow_what_is_asked_at_each_end(tmp_path: Path) -> None:
    segments = {name: plain_clip(tmp_path / f"{name}.mp4", value) for name, value in (("empty", 40), ("truck", 200))}
    wanted = {"next": "empty"}
    asked: list[str] = []

    def next_after(name: str) -> str:
        asked.append(name)
        return wanted["next"]

    with (
        RtspServer({"lane": SegmentedMount(segments, "empty", next_after)}, wall=wall) as server,
        opened(server.url("lane")) as source,
    ):
        empty = frames_of(source, 8)
        assert all(frame.image_bgr.mean() < 60 for frame in empty)
        for name, is_right in (("truck", lambda mean: mean > 180), ("empty", lambda mean: mean < 60)):
            wanted["next"] = name
            last = frames_of(source, 1)[0].sequence
            frames = frames_of(source, 14, newer_than=last)
            means = [float(frame.image_bgr.mean()) for frame in frames]
            assert all(is_right(mean) for mean in means[7:]), f"{name}: {means}"
            assert all(mean < 60 or mean > 180 for mean in means), f"a join shows a mixture: {means}"
        assert source.health().frames_dropped.get("damaged", 0) == 0
    assert {"empty", "truck"} <= set(asked)


def test_a_script_that_fails_repeats_the_running_segment(tmp_path: Path) -> None:
    path = plain_clip(tmp_path / "empty.mp4", 40)
    with (
        RtspServer({"lane": SegmentedMount({"empty": path}, "empty", lambda _: "missing")}, wall=wall) as server,
        opened(server.url("lane")) as source,
    ):
        assert len(frames_of(source, 12)) == 12


def test_segments_of_different_codecs_are_refused(clips: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="share one codec"):
        SegmentedMount({"a": clips["h264"], "b": clips["hevc"]}, "a", str)


def test_a_client_that_does_not_read_is_dropped_and_holds_up_nobody(tmp_path: Path) -> None:
    noise = _noisy_clip(tmp_path / "noise.mp4")
    with RtspServer({"gate": ClipMount(noise)}, wall=wall) as server, opened(server.url("gate")) as source:
        frames_of(source, 1)
        stuck = socket.create_connection(("127.0.0.1", server.port))
        with stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            _play_without_reading(stuck, server.url("gate"))
            wait_for(lambda: server.client_count("gate") == 2, "both play", lambda: server.client_count("gate"))
            wait_for(lambda: server.client_count("gate") == 1, "one left", lambda: server.client_count("gate"), 60)
            last = frames_of(source, 1)[0].sequence
            frames = frames_of(source, 5, newer_than=last)
    gaps_s = [after.received_mono_s - before.received_mono_s for before, after in pairwise(frames)]
    assert max(gaps_s) < 2


def _noisy_clip(path: Path) -> Path:
    """Big pictures, so that the bound is soon reached."""

    rng = np.random.default_rng(1)
    noise = (rng.integers(0, 255, (480, 640, 3)).astype(np.uint8) for _ in range(5))
    encode_clip(path, noise, 10, gop=5, crf=2)
    assert load_segment("noise", path).length_s == pytest.approx(0.5)
    assert path.stat().st_size * 20 > MAX_UNSENT_BYTES
    return path


def _play_without_reading(peer: socket.socket, url: str) -> None:
    requests = [
        (f"SETUP {url}/track1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
        (f"PLAY {url}/", ""),
    ]
    for number, (start, headers) in enumerate(requests, start=1):
        peer.sendall(f"{start} RTSP/1.0\r\nCSeq: {number}\r\n{headers}\r\n".encode())
        if number == 1:
            assert b"200 OK" in peer.recv(1000)


def test_client_that_asks_nothing_for_a_session_timeout_is_dropped(clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall, session_timeout_s=1) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
            _play_without_reading(peer, server.url("gate"))
            wait_for(lambda: server.client_count("gate") == 1, "it plays", lambda: server.client_count("gate"))
            while peer.recv(65536):
                pass
        assert server.client_count("gate") == 0


def test_udp_is_refused_and_requests_out_of_order_are_answered(clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server:
        url = server.url("gate")
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
            for request, status in (
                (f"PLAY {url}", "455"),
                (f"SETUP {url}/track1 RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=5000-5001", "461"),
                (f"RECORD {url}", "405"),
                (f"DESCRIBE {url}x", "404"),
                (f"OPTIONS {url}", "200"),
            ):
                text = request if "RTSP/1.0" in request else f"{request} RTSP/1.0"
                peer.sendall(f"{text}\r\nCSeq: 5\r\n\r\n".encode())
                answer = peer.recv(2000).decode()
                assert answer.startswith(f"RTSP/1.0 {status} "), (request, answer)
                assert "CSeq: 5" in answer


@pytest.mark.parametrize(
    "junk", [b"\x00" * 100_000, b"GET\r\n\r\n", b"$\x00\xff\xff", b"OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n"]
)
def test_junk_costs_the_client_its_connection_and_nothing_else(junk: bytes, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
            peer.sendall(junk)
            peer.shutdown(socket.SHUT_WR)
            try:
                assert peer.recv(100) == b""
            except ConnectionResetError:
                pass
        with opened(server.url("gate")) as source:
            frames_of(source, 1)


def test_close_ends_the_thread_and_a_taken_port_is_said(clips: dict[str, Path]) -> None:
    threads = threading.active_count()
    mounts = {"gate": ClipMount(clips["h264"])}
    with (
        RtspServer(mounts, wall=wall) as server,
        pytest.raises(StreamError, match=f"cannot listen on 127.0.0.1:{server.port}"),
    ):
        RtspServer(mounts, wall=wall, port=server.port).start()
    server.close()
    assert threading.active_count() == threads
    with pytest.raises(StreamError, match="not running"):
        server.silence("gate")


@pytest.mark.parametrize("kind", ["h264", "hevc-b"])
def test_rtp_time_runs_on_over_the_loop(kind: str, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips[kind])}, wall=wall) as server:
        options = {"rtsp_transport": "tcp"}
        with av.open(server.url("gate"), options=options, timeout=(5, 5)) as container:
            shown: list[int] = []
            for packet in container.demux(video=0):
                if packet.pts is not None:
                    shown.append(packet.pts)
                if len(shown) == 45:
                    break
    shown.sort()
    gaps = {round((after - before) / 900) for before, after in pairwise(shown[5:40])}
    assert gaps == {10}, f"10 fps is 9000 ticks a picture, saw gaps of {gaps} x 900"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program")
@pytest.mark.parametrize("kind", ["h264", "hevc"])
def test_ffmpeg_plays_it_without_complaint(kind: str, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips[kind])}, wall=wall) as server:
        command = ["ffmpeg", "-v", "warning", "-rtsp_transport", "tcp", "-i", server.url("gate"), "-t", "3"]
        done = subprocess.run(
            [*command, "-f", "framecrc", "-"], capture_output=True, text=True, timeout=60, check=False
        )
    frames = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    assert done.returncode == 0, done.stderr
    assert len(frames) >= 28
    assert "error" not in done.stderr.lower(), done.stderr
    assert "corrupt" not in done.stderr.lower(), done.stderr
