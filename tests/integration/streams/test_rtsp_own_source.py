"""Our own reader behind the room's door: TLS, logins, the way to libav's reader, and closing at any moment."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.streams.cameras import (
    frames_of,
    mono,
    open_descriptors,
    opened,
    scripted_peer,
    wait_for,
    wait_for_state,
    wall,
)
from tests.integration.streams.certificates import Certificates, make_certificates
from tests.integration.streams.scripted import ScriptedCamera, reply
from tests.integration.streams.udp_camera import UdpCamera
from xueliang_streams import DecodeMode, SourceSettings, SourceState
from xueliang_streams.opening import ReaderChoice
from xueliang_streams.rtsp_login import LoginScheme
from xueliang_streams.rtsp_server import ClipMount, RtspServer

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize(
    ("reader", "scheme"),
    [("own", "basic"), ("own", "digest"), ("own", "digest-sha-256"), ("libav", "basic"), ("libav", "digest")],
)
def test_camera_with_a_login_is_read_by_either_reader(
    reader: ReaderChoice, scheme: LoginScheme, clips: dict[str, Path]
) -> None:
    login = ("admin", "pass word")
    server = RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall, login=login, login_scheme=scheme)
    with server, opened(server.url("gate").replace(" ", "%20"), reader=reader) as source:
        frames_of(source, 2)
        assert source.health().reader == reader


@needs_openssl
def test_rtsps_is_read_when_its_certificate_is_trusted(certificates: Certificates, clips: dict[str, Path]) -> None:
    server = RtspServer({"gate": ClipMount(clips["hevc"])}, wall=wall, login=("u", "p"), tls=certificates.of_server())
    with server:
        assert server.url("gate").startswith("rtsps://u:p@127.0.0.1:")
        with opened(server.url("gate"), tls=certificates.of_client()) as source:
            frames_of(source, 5)
            assert source.health().reader == "own"
            assert source.health().frames_dropped.get("damaged", 0) == 0


@needs_openssl
@pytest.mark.parametrize("fault", ["unknown authority", "other name", "no tls"])
def test_rtsps_is_refused_in_words_when_its_certificate_is_not_trusted(
    fault: str, certificates: Certificates, clips: dict[str, Path], tmp_path: Path
) -> None:
    client: ssl.SSLContext | None = certificates.of_client()
    served: ssl.SSLContext | None = certificates.of_server()
    if fault == "unknown authority":
        client = None  # what this machine trusts
    elif fault == "other name":
        others = make_certificates(tmp_path, "DNS:other.example")
        client, served = others.of_client(), others.of_server()
    else:
        served = None
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall, login=("u", "canary"), tls=served) as server:
        url = server.url("gate").replace("rtsp://", "rtsps://")
        with opened(url, tls=client, settings=SourceSettings(open_timeout_s=2)) as source:
            health = wait_for_state(source, SourceState.OFFLINE)
            assert source.next_frame(0, timeout_s=0) is None
    words = "TLS|closed|no answer" if fault == "no tls" else "certificate is not trusted"
    assert any(word in (health.problem or "") for word in words.split("|")), health.problem
    assert "canary" not in (health.problem or "")
    assert health.reader == "own", "libav would not verify whom it speaks with"


def test_camera_that_offers_udp_only_is_read_by_libav_which_says_so(clips: dict[str, Path]) -> None:
    camera = UdpCamera(clips["h264"])
    settings = SourceSettings(decode=DecodeMode.ALL)
    with scripted_peer(camera) as port, opened(f"rtsp://127.0.0.1:{port}/gate", settings=settings) as source:
        frames = frames_of(source, 5)
        health = source.health()
    assert frames[0].sequence >= 1
    assert (health.state, health.reader) == (SourceState.STREAMING, "libav (the camera offers UDP only)")
    assert health.problem is None
    assert ["TCP" in transport for transport in camera.transports[:2]] == [True, False]


def test_whoever_waits_for_a_frame_meanwhile_gets_it_from_libav(clips: dict[str, Path]) -> None:
    with scripted_peer(UdpCamera(clips["h264"])) as port, opened(f"rtsp://127.0.0.1:{port}/gate") as source:
        began_mono_s = mono()
        assert source.next_frame(0, timeout_s=15) is not None
        assert mono() - began_mono_s < 10


def test_own_reader_alone_says_what_it_does_not_speak_and_stays(clips: dict[str, Path]) -> None:
    camera = ScriptedCamera({"SETUP": reply(461)})
    with scripted_peer(camera) as port, opened(f"rtsp://u:canary@127.0.0.1:{port}/x", reader="own") as source:
        health = wait_for_state(source, SourceState.OFFLINE)
        assert (health.problem, health.reader) == (
            f"rtsp://u:***@127.0.0.1:{port}/x: the camera offers UDP only",
            "own",
        )
        wait_for(lambda: camera.connections >= 2, "another try", source.health)  # the camera may be set right


def test_change_of_reader_keeps_mode_and_sequence(clips: dict[str, Path]) -> None:
    camera = UdpCamera(clips["h264"])
    with (
        RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server,
        ExitStack() as peers,
        opened(server.url("gate")) as source,
    ):
        source.set_decode(DecodeMode.KEYFRAMES)
        last = frames_of(source, 2)[-1].sequence
        server.close()
        peers.enter_context(scripted_peer(camera, server.port))
        frames = frames_of(source, 2, newer_than=last, within_s=30)
        assert source.health().reader.startswith("libav")
    assert frames[0].sequence > last
    assert all(frame.is_key for frame in frames)


def _say_nothing(peer: socket.socket) -> None:
    while peer.recv(4096):
        pass


def test_close_at_every_moment_is_quick_and_leaves_nothing(clips: dict[str, Path]) -> None:
    """50 cycles: closed after 0, 4, 8 ... 196 ms, in the look-up, the connect, the talk, the first pictures."""
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server, scripted_peer(_say_nothing) as silent:
        urls = [
            server.url("gate"),
            server.url("gate").replace("127.0.0.1", "localhost"),
            f"rtsp://127.0.0.1:{silent}/x",
            "rtsp://127.0.0.1:1/x",
        ]

        def cycle(url: str, open_s: float) -> float:
            with opened(url) as source:
                began_mono_s = mono()
                wait_for(lambda: mono() - began_mono_s >= open_s, "the moment", source.health)
                began_mono_s = mono()
                source.close()
                taken_s = mono() - began_mono_s
                assert source.health().state is SourceState.CLOSED
                assert source.next_frame(0, timeout_s=60) is None
            return taken_s

        for url in urls:
            cycle(url, 0.3)  # what is loaded once is loaded now
        wait_for(lambda: server.client_count("gate") == 0, "clients gone", lambda: server.client_count("gate"))
        threads, descriptors = threading.active_count(), len(open_descriptors())
        longest_s = max(cycle(urls[index % len(urls)], 0.004 * index) for index in range(50))
        wait_for(lambda: server.client_count("gate") == 0, "clients gone", lambda: server.client_count("gate"))
        assert longest_s < 5
        wait_for(lambda: threading.active_count() <= threads, "threads gone", threading.enumerate)
        wait_for(lambda: len(open_descriptors()) <= descriptors, "descriptors freed", open_descriptors)


def test_closing_before_start_and_starting_after_close_do_nothing(clips: dict[str, Path]) -> None:
    with opened("rtsp://127.0.0.1:1/x") as source:
        source.close()
        source.start()
        assert source.health().state is SourceState.CLOSED
