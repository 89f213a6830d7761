"""The capture loop over cameras that libav reads, because our own reader does not speak their transport."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.edge.test_capture_group import FPS, Loop, decoded, looping, served
from tests.integration.streams.cameras import scripted_peer
from tests.integration.streams.certificates import make_certificates
from tests.integration.streams.scripted import ScriptedCamera, reply
from tests.integration.streams.udp_camera import UdpCamera
from tests.support.clips import moving_box_clip
from xueliang_edge.capture.orders import CameraSpec, Pace, SetPace
from xueliang_streams.source import SourceState


def test_a_camera_that_offers_udp_only_is_looked_at_by_libav_which_says_why(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "gate.mp4", seconds=4, fps=FPS, gop=FPS)
    peer = UdpCamera(clip)
    with scripted_peer(peer) as port:
        spec = CameraSpec("gate", f"rtsp://127.0.0.1:{port}/gate", gap_s=1.0)
        with looping(tmp_path, spec) as loop:
            loop.until_looks(4)
            health = loop.group.health()["gate"]
    assert (health.state, health.problem) == (SourceState.STREAMING, None)
    assert health.reader == "libav (the camera offers UDP only)"
    assert ["TCP" in transport for transport in peer.transports[:2]] == [True, False]


@contextmanager
def udp_looping(folder: Path, *, gop: int, gap_s: float, seconds: int = 12) -> Iterator[Loop]:
    """A camera that our own reader does not speak with."""
    clip = moving_box_clip(folder / "gate.mp4", seconds=seconds, fps=FPS, gop=gop)
    with (
        scripted_peer(UdpCamera(clip)) as port,
        looping(folder, CameraSpec("gate", f"rtsp://127.0.0.1:{port}/gate", gap_s=gap_s)) as loop,
    ):
        yield loop


def test_of_a_camera_that_libav_reads_only_the_key_pictures_that_the_pace_needs_are_decoded(tmp_path: Path) -> None:
    with udp_looping(tmp_path, gop=FPS, gap_s=2.0) as loop:
        loop.until(lambda: loop.group.health()["gate"].key_interval_s is not None, "the distance of key pictures")
        loop.until_looks(2)
        before = decoded(loop)["main"]
        looks = loop.until_looks(4)
        after = decoded(loop)["main"]
        health = loop.group.health()["gate"]
        gaps = [b.observed_mono_s - a.observed_mono_s for a, b in pairwise(looks)]
        loop.group.obey(SetPace("gate", Pace(0.5)))
        close = loop.until_looks(8)[3:]
    assert all(look.is_key for look in looks)
    assert all(1.7 <= gap <= 2.3 for gap in gaps), gaps
    assert after - before <= 6, "a picture a look, of twenty that came"
    assert 0.9 <= (health.key_interval_s or 0) <= 1.1
    assert health.decode_ms
    assert all(b.observed_mono_s - a.observed_mono_s <= 0.75 for a, b in pairwise(close)), "closer than key pictures"


def test_libav_shows_the_moment_a_dwell_ends_without_waiting_for_the_next_key_picture(tmp_path: Path) -> None:
    with udp_looping(tmp_path, gop=4 * FPS, gap_s=4.0) as loop:
        key = loop.until_looks(3)[-1]
        moment = key.observed_mono_s + 1.5
        loop.group.obey(SetPace("gate", Pace(4.0, every_key=True, look_at_mono_s=moment)))
        first, second = loop.until_looks(2)
    assert key.is_key
    assert moment <= first.observed_mono_s <= moment + 0.6
    assert not first.is_key
    assert second.is_key, "once: from then on key pictures again"


def test_rare_key_pictures_of_a_camera_that_libav_reads_are_said(tmp_path: Path) -> None:
    with udp_looping(tmp_path, gop=7 * FPS, gap_s=1.0, seconds=7) as loop:
        looks = loop.until_looks(6)
        loop.until(lambda: bool(loop.group.health()["gate"].notes), "it is said")
        notes = loop.group.health()["gate"].notes
    assert max(b.observed_mono_s - a.observed_mono_s for a, b in pairwise(looks)) <= 1.4
    assert "key picture only every 7 s: decoded whole" in notes[0]


def test_closing_a_main_stream_that_libav_reads_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent, libav's reader takes four seconds to notice that it should end."""
    monkeypatch.setattr("xueliang_edge.capture.camera.MAIN_LINGERS_S", 0.2)
    sub = moving_box_clip(tmp_path / "sub.mp4", seconds=2, fps=FPS, gop=5)
    main = UdpCamera(moving_box_clip(tmp_path / "main.mp4", seconds=2, fps=FPS, gop=5, size_wh=(640, 480)))
    with served(sub=sub) as server, scripted_peer(main) as port:
        spec = CameraSpec("gate", f"rtsp://127.0.0.1:{port}/main", server.url("sub"), gap_s=1.0)
        with looping(tmp_path, spec) as loop:
            loop.until_looks(1)
            threads = threading.active_count()
            loop.group.obey(SetPace("gate", Pace(1.0, every_key=True, stream="main")))
            loop.until(lambda: loop.looks[-1].stream == "main", "a look on the main stream")
            main.is_silent = True
            loop.group.obey(SetPace("gate", Pace(1.0, stream="sub")))
            longest_s, is_over = 0.0, time.monotonic() + 2.0
            while (began := time.monotonic()) < is_over:
                loop.turn()
                longest_s = max(longest_s, time.monotonic() - began)
            loop.group.obey(SetPace("gate", Pace(1.0, every_key=True, stream="main")))
            loop.until(lambda: loop.group.faults["main_stream_put_off"] == 1, "it waits until the last reader ended")
            main.is_silent = False
            loop.until(lambda: loop.looks[-1].stream == "main", "the main stream again")
            loop.group.obey(SetPace("gate", Pace(1.0, stream="sub")))
            loop.until(lambda: threading.active_count() <= threads, "no thread is left")
    assert longest_s < 1.0, f"a turn of the loop took {longest_s:.1f} s"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
def test_a_camera_over_tls_is_never_handed_to_a_reader_that_does_not_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another reader would give its login to whoever answers there."""
    certificates = make_certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))  # what this machine trusts
    door = ScriptedCamera({"SETUP": reply(461)})
    came: list[int] = []

    def talk(peer: socket.socket) -> None:
        came.append(1)
        context: ssl.SSLContext = certificates.of_server()
        with context.wrap_socket(peer, server_side=True) as secure:
            door(secure)

    with scripted_peer(talk) as port:
        spec = CameraSpec("gate", f"rtsps://u:canary@127.0.0.1:{port}/x")
        with looping(tmp_path, spec) as loop:
            loop.until(lambda: loop.group.health()["gate"].state is SourceState.OFFLINE, "it is offline")
            is_over = time.monotonic() + 2.0
            loop.until(lambda: time.monotonic() > is_over, "two seconds")
            health = loop.group.health()["gate"]
    assert (health.state, health.reader) == (SourceState.OFFLINE, "own")
    assert "UDP only" in (health.problem or "")
    assert "canary" not in str(health)
    assert any("certificate" in note for note in health.notes), "why no other reader is tried"
    assert len(came) == 1, "nobody else came"
