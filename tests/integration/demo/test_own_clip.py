"""A user's file as a camera: whatever it is coded in, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.clips import moving_box_clip, moving_box_frame
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_demo import own_clip
from xueliang_demo.own_clip import OwnClip, path_of
from xueliang_streams.errors import RecordingUnreadable
from xueliang_streams.opening import open_source


def old_clip(path: Path, size_wh: tuple[int, int]) -> Path:
    """A second of motion JPEG, as old recorders write it; its size may be odd."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuvj444p"
        for index in range(10):
            image = np.ascontiguousarray(moving_box_frame(index, size_wh))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def seen_for(clip: OwnClip, seconds: float) -> tuple[set[tuple[int, int]], float]:
    """Sizes of the pictures that a client of the camera gets, and over how long a time."""
    server = clip.open()
    source = open_source("own", server.url("own"), wall=system_wall, mono=system_mono)
    sizes, first_mono_s, last_mono_s, sequence = set(), None, 0.0, 0
    try:
        source.start()
        give_up_mono_s = system_mono() + 20 + seconds
        while first_mono_s is None or last_mono_s - first_mono_s < seconds:
            assert system_mono() < give_up_mono_s, f"pictures for {last_mono_s - (first_mono_s or last_mono_s)} s only"
            frame = source.next_frame(sequence, 1.0)
            if frame is not None:
                sequence, last_mono_s = frame.sequence, frame.received_mono_s
                first_mono_s = first_mono_s or last_mono_s
                sizes.add((frame.image_bgr.shape[1], frame.image_bgr.shape[0]))
    finally:
        source.close()
        clip.close()
    return sizes, last_mono_s - first_mono_s


def test_a_clip_goes_on_over_its_end(tmp_path: Path) -> None:
    sizes, seconds = seen_for(OwnClip(moving_box_clip(tmp_path / "a.mp4", seconds=1), "own", tmp_path), 3.5)
    assert sizes == {(320, 240)}
    assert seconds >= 3.5


def test_what_no_camera_sends_is_encoded_again(tmp_path: Path) -> None:
    said: list[str] = []
    clip = OwnClip(old_clip(tmp_path / "old.avi", (161, 121)), "own", tmp_path / "footage", said.append)
    assert "encoded again" in said[0]
    assert seen_for(clip, 1.5)[0] == {(160, 120)}


@pytest.mark.parametrize("content", [None, b"", b"not a video"], ids=["missing", "empty", "text"])
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "notes.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingUnreadable, match=r"notes\.mp4"):
        OwnClip(path, "own", tmp_path)


def test_what_is_too_large_to_hold_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_clip, "LARGEST_BYTES", 1000)
    with pytest.raises(RecordingUnreadable, match="hint: cut it"):
        OwnClip(moving_box_clip(tmp_path / "long.mp4", seconds=1), "own", tmp_path)


def test_an_address_is_no_file_and_a_file_is_found_from_anywhere(tmp_path: Path) -> None:
    assert path_of("rtsp://user:secret@10.0.0.9/1") is None
    assert path_of("file:/clips/a.mp4") == path_of("/clips/a.mp4") == Path("/clips/a.mp4")
    assert path_of("a.mp4") == Path.cwd() / "a.mp4"
