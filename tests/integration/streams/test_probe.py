"""What a URL offers."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from tests.integration.streams.cameras import mono, scripted_peer, wall
from tests.integration.streams.udp_camera import UdpCamera
from tests.support.clips import moving_box_clip, moving_box_frame
from xueliang_streams import (
    CameraRefusedLogin,
    CameraUnreachable,
    NotAVideo,
    RecordingUnreadable,
    UnsupportedUrl,
    probe,
)
from xueliang_streams.probe import probe_with_pictures
from xueliang_streams.rtsp_server import ClipMount, RtspServer


@pytest.mark.parametrize("kind", ["h264", "hevc", "h264-b", "hevc-b"])
def test_camera_is_described_by_what_it_sends(kind: str, clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips[kind])}, wall=wall) as server:
        offer = probe(server.url("gate"), timeout_s=10, wall=wall, mono=mono, clock_wait_s=0)
    assert offer.codec == kind.removesuffix("-b")
    assert offer.size_wh == (320, 240)
    assert offer.fps == pytest.approx(10, rel=0.1)
    assert offer.gop_pictures == 10
    assert offer.gop_s == pytest.approx(1, rel=0.1)
    assert offer.bitrate_bps is not None
    assert offer.bitrate_bps > 1_000


def test_recording_is_described_too(clips: dict[str, Path]) -> None:
    offer = probe(str(clips["hevc"]), timeout_s=10, wall=wall, mono=mono, clock_wait_s=0)
    assert (offer.codec, offer.size_wh, offer.gop_pictures) == ("hevc", (320, 240), 10)
    assert offer.fps == pytest.approx(10)


def test_deadline_holds_and_a_short_look_still_gives_codec_and_size(clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server:
        began_mono_s = mono()
        offer = probe(server.url("gate"), timeout_s=0.6, wall=wall, mono=mono, clock_wait_s=0)
        assert mono() - began_mono_s < 5
    assert (offer.codec, offer.size_wh) == ("h264", (320, 240))


def test_each_refusal_is_its_own_error_without_the_password(clips: dict[str, Path], tmp_path: Path) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall, login=("u", "right")) as server:
        wrong = server.url("gate").replace("right", "canary")
        missing = server.url("gate").replace("/gate", "/canary-free")
        cases = [
            (wrong, CameraRefusedLogin),
            (missing, NotAVideo),
            ("rtsp://u:canary@127.0.0.1:1/x", CameraUnreachable),
            ("http://u:canary@127.0.0.1:1/x", UnsupportedUrl),
            (str(tmp_path / "missing.mp4"), RecordingUnreadable),
        ]
        for url, kind in cases:
            with pytest.raises(kind) as refused:
                probe(url, timeout_s=5, wall=wall, mono=mono, clock_wait_s=0)
            assert "u:canary" not in str(refused.value)
            assert refused.value.__cause__ is None or "canary" not in str(refused.value.__cause__)


def test_our_own_reader_probes_a_camera_and_measures_its_pictures(clips: dict[str, Path]) -> None:
    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=wall) as server:
        offer, pictures = probe_with_pictures(server.url("gate"), timeout_s=10, wall=wall, mono=mono, clock_wait_s=0)
    assert offer.reader == "own"
    assert offer.reader_note == ""
    assert len(offer.key_decode_ms) == 3
    assert all(value > 0 for value in offer.key_decode_ms)
    assert offer.all_decode_ms is not None
    assert 0 < offer.key_bytes < 100_000
    assert offer.display_aspect == pytest.approx(4 / 3)
    assert offer.offers_sound is False
    assert [picture.size_wh for picture in pictures] == [(320, 240)] * 3
    assert offer.packets_lost == offer.pictures_damaged == 0


@pytest.mark.slow
def test_clock_of_a_camera_is_compared_with_ours(clips: dict[str, Path]) -> None:
    def ahead() -> datetime:
        return wall() + timedelta(seconds=37)

    with RtspServer({"gate": ClipMount(clips["h264"])}, wall=ahead) as server:
        offer = probe(server.url("gate"), timeout_s=15, wall=wall, mono=mono)
    assert offer.clock_ahead_s == pytest.approx(37, abs=1.0)


def test_second_key_picture_that_does_not_come_is_said_and_pictures_are_there_all_the_same(tmp_path: Path) -> None:
    path = moving_box_clip(tmp_path / "long.mp4", seconds=8, gop=80)
    with RtspServer({"gate": ClipMount(path)}, wall=wall) as server:
        offer, pictures = probe_with_pictures(server.url("gate"), timeout_s=2.5, wall=wall, mono=mono, clock_wait_s=0)
    assert offer.gop_s is None
    assert offer.gop_pictures is None
    assert offer.watched_s > 1.5
    assert offer.all_decode_ms is not None
    assert len(pictures) > 1
    assert (pictures[0].y != pictures[1].y).any()  # the square has moved


@pytest.mark.parametrize(
    ("pixel_format", "options", "expected", "is_interlaced"),
    [
        ("yuv422p", {}, "yuv422p", False),
        ("yuv420p10le", {}, "yuv420p10le", False),
        ("yuv420p", {"x264-params": "tff=1"}, "yuv420p", True),
        ("yuvj420p", {}, "yuvj420p", False),
    ],
    ids=["4:2:2", "10 bits", "interlaced", "full range"],
)
def test_odd_pictures_are_told_as_they_are(
    pixel_format: str, options: dict[str, str], expected: str, is_interlaced: bool, tmp_path: Path
) -> None:
    path = tmp_path / "odd.mp4"
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream("libx264", rate=10, options={"g": "5", "bf": "0", **options}))
        stream.width, stream.height, stream.pix_fmt = 322, 244, pixel_format
        for index in range(20):
            image = cv2.resize(moving_box_frame(index), (322, 244))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    offer, pictures = probe_with_pictures(str(path), timeout_s=10, wall=wall, mono=mono)
    assert (offer.pixel_format, offer.size_wh, offer.is_interlaced) == (expected, (322, 244), is_interlaced)
    assert pictures[0].size_wh == (322, 244)


def test_sound_of_a_recording_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "loud.mp4"
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream("libx264", rate=10, options={"g": "5"}))
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        sound = cast(AudioStream, container.add_stream("aac", rate=8000, layout="mono"))
        for index in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moving_box_frame(index), format="bgr24")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.rate = 8000
        container.mux(sound.encode(silence))
        container.mux(sound.encode())
        container.mux(stream.encode())
    assert probe(str(path), timeout_s=10, wall=wall, mono=mono).offers_sound is True


def test_camera_that_sends_over_udp_only_is_read_by_libav_and_it_is_said(clips: dict[str, Path]) -> None:
    with scripted_peer(UdpCamera(clips["h264"])) as port:
        offer = probe(f"rtsp://127.0.0.1:{port}/gate", timeout_s=10, wall=wall, mono=mono, clock_wait_s=0)
    assert (offer.reader, offer.reader_note) == ("libav", "the camera offers UDP only")
    assert offer.size_wh == (320, 240)
    assert offer.clock_ahead_s is None
