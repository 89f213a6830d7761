from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from xueliang_streams.errors import NotSpoken, RecordingUnreadable, UnsupportedUrl
from xueliang_streams.falling_back import FallingBackSource
from xueliang_streams.libav_rtsp import LibavRtspSource
from xueliang_streams.opening import ReaderChoice, may_fall_back, open_source, recording_path
from xueliang_streams.rtsp.source import RtspSource


def wall() -> datetime:
    return datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize("url", ["http://u:canary@h/s", "exec://sh", "file://other-host/a.mp4", "onvif://h", "://x"])
def test_other_schemes_are_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(UnsupportedUrl, match="scheme must be rtsp, rtsps or file") as refused:
        open_source("gate-3", url, wall=wall, mono=lambda: 0.0)
    assert "canary" not in str(refused.value)


def test_missing_recording_is_refused_with_its_path() -> None:
    with pytest.raises(RecordingUnreadable, match=r"/nowhere/a b\.mp4: no such file"):
        open_source("gate-3", "file:///nowhere/a%20b.mp4", wall=wall, mono=lambda: 0.0)


def test_paths_and_file_urls_name_recordings() -> None:
    assert recording_path("/a/b.mp4") == Path("/a/b.mp4")
    assert recording_path("file://localhost/a%20b.mp4") == Path("/a b.mp4")
    assert recording_path("rtsp://h/a") is None


@pytest.mark.parametrize(
    ("url", "reader", "kind"),
    [
        ("rtsp://h/s", "auto", FallingBackSource),
        ("rtsp://h/s", "own", RtspSource),
        ("rtsp://h/s", "libav", LibavRtspSource),
        ("rtsps://h/s", "auto", RtspSource),  # libav would not verify the certificate
        ("RTSP://h/s", "auto", FallingBackSource),
    ],
)
def test_reader_is_our_own_unless_told_otherwise(url: str, reader: ReaderChoice, kind: type) -> None:
    source = open_source("gate-3", url, wall=wall, mono=lambda: 0.0, reader=reader)
    assert type(source) is kind
    assert source.camera_id == "gate-3"
    assert source.health().reader == ("libav" if kind is LibavRtspSource else "own")
    source.close()


def test_address_without_a_host_is_refused() -> None:
    with pytest.raises(UnsupportedUrl, match="names no host"):
        open_source("gate-3", "rtsp:///s", wall=wall, mono=lambda: 0.0)


@pytest.mark.parametrize(("url", "may"), [("rtsp://h/s", True), ("rtsps://h/s", False), ("RTSPS://h/s", False)])
def test_only_what_is_not_encrypted_may_go_to_the_reader_that_verifies_nobody(url: str, may: bool) -> None:
    assert may_fall_back(url) is may


def test_libav_says_what_our_own_reader_did_not_speak() -> None:
    reason = NotSpoken("rtsp://h/s: sends encrypted RTP", reason="encrypted RTP")
    source = open_source("gate-3", "rtsp://h/s", wall=wall, mono=lambda: 0.0, reader="libav", not_spoken=reason)
    assert source.health().reader == "libav (encrypted RTP)"
    source.close()
