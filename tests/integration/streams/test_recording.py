"""A file as a camera."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import av
import pytest

from tests.integration.streams.cameras import frames_of, mono, open_descriptors, wait_for_state, wall
from tests.support.clips import STEP_PX, seen_box_left_px
from xueliang_streams import DecodeMode, Frame, Pace, RecordingUnreadable, SourceSettings, SourceState
from xueliang_streams.recording import RecordingSource

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def fast(path: Path, *, loop: bool = False, settings: SourceSettings | None = None) -> RecordingSource:
    return RecordingSource(
        "gate-3", path, pace="fast", wall=lambda: NOON, mono=lambda: 1000.0, loop=loop, settings=settings
    )


def to_the_end(source: RecordingSource) -> list[Frame]:
    source.start()
    frames: list[Frame] = []
    while (frame := source.next_frame(frames[-1].sequence if frames else 0, timeout_s=0)) is not None:
        frames.append(frame)
    return frames


@pytest.mark.parametrize("kind", ["h264", "hevc", "h264-b", "hevc-b"])
def test_fast_pace_gives_every_frame_by_the_recordings_clock(kind: str, clips: dict[str, Path]) -> None:
    source = fast(clips[kind])
    frames = to_the_end(source)
    assert [frame.sequence for frame in frames] == list(range(1, 21))
    assert [round(seen_box_left_px(frame.image_bgr) / STEP_PX) for frame in frames] == list(range(20))
    assert [frame.received_mono_s for frame in frames] == pytest.approx([1000 + index / 10 for index in range(20)])
    assert [(frame.received_at - NOON) / timedelta(seconds=1) for frame in frames] == pytest.approx(
        [index / 10 for index in range(20)], abs=1e-5
    )
    assert source.health().state is SourceState.ENDED
    assert source.health().problem is None
    source.close()
    assert source.health().state is SourceState.CLOSED


def test_sampling_goes_by_timestamps(clips: dict[str, Path]) -> None:
    source = fast(clips["h264"], settings=SourceSettings(max_fps=2))
    frames = to_the_end(source)
    source.close()
    assert [frame.received_mono_s for frame in frames] == pytest.approx([1000, 1000.5, 1001, 1001.5], abs=0.11)
    assert source.health().frames_dropped["not_due"] == 16


def test_keyframes_only(clips: dict[str, Path]) -> None:
    source = fast(clips["hevc-b"], settings=SourceSettings(decode=DecodeMode.KEYFRAMES))
    frames = to_the_end(source)
    source.close()
    assert [round(seen_box_left_px(frame.image_bgr) / STEP_PX) for frame in frames] == [0, 10]
    assert all(frame.is_key for frame in frames)


def test_newer_than_skips_forward(clips: dict[str, Path]) -> None:
    source = fast(clips["h264"])
    source.start()
    frame = source.next_frame(newer_than=7, timeout_s=0)
    source.close()
    assert frame is not None
    assert frame.sequence == 8
    assert source.next_frame(0, timeout_s=0) is None


@pytest.mark.parametrize("kind", ["h264", "h264-b"])
def test_loop_goes_on_in_time_and_sequence(kind: str, clips: dict[str, Path]) -> None:
    source = fast(clips[kind], loop=True)
    source.start()
    frames: list[Frame] = []
    for index in range(50):
        frame = source.next_frame(index, timeout_s=0)
        assert frame is not None
        frames.append(frame)
    source.close()
    gaps_s = [after.received_mono_s - before.received_mono_s for before, after in pairwise(frames)]
    assert gaps_s == pytest.approx([0.1] * 49)
    assert frames[-1].sequence == 50


def test_real_pace_takes_the_time_of_the_clip_then_ends(clips: dict[str, Path]) -> None:
    threads = threading.active_count()
    source = RecordingSource("gate-3", clips["h264"], pace=Pace.REAL, wall=wall, mono=mono)
    assert source.next_frame(0, timeout_s=0) is None
    began_mono_s = mono()
    source.start()
    frames = frames_of(source, 10)
    wait_for_state(source, SourceState.ENDED)
    taken_s = mono() - began_mono_s
    last = source.next_frame(19, timeout_s=5)
    assert 1.7 <= taken_s < 10
    assert all(after.sequence > before.sequence for before, after in pairwise(frames))
    assert all(frame.received_mono_s <= mono() for frame in frames)
    assert last is not None
    assert last.sequence == 20
    assert source.next_frame(20, timeout_s=60) is None, "after the end nobody waits"
    source.close()
    assert threading.active_count() == threads


@pytest.mark.parametrize("pace", list(Pace))
def test_close_in_the_middle_frees_thread_and_file(pace: Pace, clips: dict[str, Path]) -> None:
    def cycle() -> None:
        source = RecordingSource("gate-3", clips["h264"], pace=pace, wall=wall, mono=mono, loop=True)
        source.start()
        assert source.next_frame(0, timeout_s=10) is not None
        source.close()
        source.close()

    cycle()
    threads, descriptors = threading.active_count(), len(open_descriptors())
    for _ in range(20):
        cycle()
    assert threading.active_count() == threads
    assert len(open_descriptors()) <= descriptors


def test_what_is_no_video_is_refused_with_words(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video " * 100)
    with pytest.raises(RecordingUnreadable, match="is not a video, or is damaged"):
        fast(text)
    with pytest.raises(RecordingUnreadable, match="no such file"):
        fast(tmp_path / "missing.mp4")


def test_file_cut_short_gives_what_it_has_and_ends(clips: dict[str, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.ts"
    with av.open(str(clips["h264"])) as whole, av.open(str(cut), "w", format="mpegts") as out:
        copied = out.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                out.mux(packet)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 4])
    source = fast(cut)
    frames = to_the_end(source)
    assert 5 <= len(frames) < 20
    assert source.health().state is SourceState.ENDED
    source.close()
