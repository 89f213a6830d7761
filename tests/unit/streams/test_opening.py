from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from xueliang_streams.errors import RecordingUnreadable, UnsupportedUrl
from xueliang_streams.opening import open_source, recording_path


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
