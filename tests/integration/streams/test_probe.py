"""What a URL offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.streams.cameras import mono, wall
from xueliang_streams import (
    CameraRefusedLogin,
    CameraUnreachable,
    NotAVideo,
    RecordingUnreadable,
    UnsupportedUrl,
    probe,
)
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
