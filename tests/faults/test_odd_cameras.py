"""Cameras that are sound but unusual: shapes, rates and distances of key pictures that readers stumble over."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.integration.streams.cameras import frames_of, mono, wait_for, wall
from tests.support.fault_cameras import CameraHost, Fault
from tests.support.fault_cameras.clips import Judge, cloud_clip, colour_wrongness
from tests.support.fault_cameras.stream_faults import ClockOff, TimeJump
from tests.support.fault_cameras.watching import (
    READERS,
    READERS_IN_TURN,
    PeakMemory,
    Reader,
    all_taken_during,
    only_own,
    watching,
    watching_all,
)
from xueliang_streams import Backoff, DecodeMode, SourceSettings, SourceState
from xueliang_streams.frame import Wh
from xueliang_streams.rtsp.reader import RtspReader

EVERY_PICTURE, KEYS_ONLY = SourceSettings(), SourceSettings(decode=DecodeMode.KEYFRAMES)

SHAPES: dict[str, dict[str, Any]] = {
    "no-multiple-of-16": {"size_wh": (350, 198)},
    "no-multiple-of-8-hevc": {"size_wh": (354, 202), "codec": "hevc"},
    "tiny": {"size_wh": (64, 48)},
    "tall": {"size_wh": (144, 640)},
    "odd-4:4:4": {"size_wh": (321, 241), "pix_fmt": "yuv444p"},
    "4:2:2": {"pix_fmt": "yuv422p"},
    "4:2:2-hevc": {"pix_fmt": "yuv422p", "codec": "hevc"},
    "odd-height-4:2:2": {"size_wh": (320, 241), "pix_fmt": "yuv422p"},
    "full-range": {"pix_fmt": "yuvj420p"},
    "10-bit": {"pix_fmt": "yuv420p10le"},
    "10-bit-hevc": {"pix_fmt": "yuv420p10le", "codec": "hevc"},
    "10-bit-4:2:2": {"pix_fmt": "yuv422p10le"},
    "interlaced": {"is_interlaced": True},
    "grey": {"pix_fmt": "gray"},
}
"""To `cloud_clip`. Interlaced: both fields in one picture (MBAFF); the encoder writes no separate fields."""


@pytest.mark.parametrize("settings", [EVERY_PICTURE, KEYS_ONLY], ids=["all", "keyframes"])
@pytest.mark.parametrize("reader", READERS)
def test_every_shape_gives_its_pictures_whole_and_in_colour(
    settings: SourceSettings, reader: Reader, host: CameraHost, tmp_path: Path
) -> None:
    paths = {name: tmp_path / f"{index}.mp4" for index, name in enumerate(SHAPES)}
    cameras = [host.camera(cloud_clip(paths[name], crf=12, **shape)) for name, shape in SHAPES.items()]
    with watching_all([camera.url for camera in cameras], reader, settings=settings) as sources:
        for (name, shape), source in zip(SHAPES.items(), sources, strict=True):
            frame = frames_of(source, 1)[-1]
            expected: Wh = shape.get("size_wh", (320, 240))
            assert frame.size_wh == expected, name
            if name != "grey":  # says nothing of its range
                assert frame.planes.is_full_range == (name == "full-range"), name
            assert frame.image_bgr.shape == (expected[1], expected[0], 3), name
            judge = Judge(paths[name])
            # Within rounding: ten bits to eight, and libav's reader by way of BGR.
            assert judge.wrongness(frame) <= (1.0 if reader == "own" else 24.0), name
            if name != "grey":
                assert colour_wrongness(frame, 20) <= 24, name


@pytest.mark.parametrize("reader", READERS)
def test_4k_is_read(reader: Reader, host: CameraHost, tmp_path: Path) -> None:
    path = tmp_path / "4k.mp4"
    camera = host.camera(cloud_clip(path, size_wh=(3840, 2160), pictures=4, gop=2, fps=2, crf=40))
    with watching(camera.url, reader) as source:
        frame = frames_of(source, 2)[-1]
    assert frame.size_wh == (3840, 2160)
    if reader == "own":
        assert Judge(path).is_sound(frame)


@pytest.mark.parametrize("reader", READERS_IN_TURN)
def test_one_picture_a_second_is_neither_late_nor_a_stall(reader: Reader, host: CameraHost, tmp_path: Path) -> None:
    slow = cloud_clip(tmp_path / "slow.mp4", fps=1, pictures=4, gop=2)
    slower = cloud_clip(tmp_path / "slower.mp4", fps=0.4, pictures=4, gop=1, codec="hevc")
    cameras = [host.camera(slow), host.camera(slower)]
    with watching_all([camera.url for camera in cameras], reader) as sources:
        for source in sources:
            frames_of(source, 1)
        once_a_second, seldom = all_taken_during(sources, 4.5)
        assert all(source.health().state is SourceState.STREAMING for source in sources)
        assert all(source.health().frames_dropped.get("damaged", 0) == 0 for source in sources)
    assert len(once_a_second) >= 4
    assert len(seldom) >= 1
    assert [camera.session_count for camera in cameras] == [1, 1]
    if reader == "own":  # libav's holds each picture back until the next one begins
        for seen in [*once_a_second, *seldom]:
            assert seen.mono_s - seen.frame.received_mono_s <= 0.5


@pytest.mark.parametrize("reader", READERS_IN_TURN)
def test_key_pictures_20_s_apart_are_waited_for(reader: Reader, host: CameraHost, tmp_path: Path) -> None:
    rare = cloud_clip(tmp_path / "rare.mp4", fps=5, pictures=100, gop=100)
    # Who comes in the middle of such a group: 2 s before the next key picture.
    cameras = [host.camera(rare, first_picture=90) for _ in range(2)]
    with (
        watching(cameras[0].url, reader, settings=EVERY_PICTURE) as every,
        watching(cameras[1].url, reader, settings=KEYS_ONLY) as keys,
    ):
        began_s = mono()
        wait_for(lambda: all(camera.pictures_sent >= 5 for camera in cameras), "pictures", every.health)
        assert every.next_frame(0, timeout_s=0) is None, "nothing to build on before the first key picture"
        for source in (every, keys):
            frame = source.next_frame(0, timeout_s=10)
            assert frame is not None
            assert frame.is_key or source is every, "the second picture may have replaced it already"
            assert source.health().state is SourceState.STREAMING
        assert mono() - began_s >= 1.5
        assert every.health().frames_dropped["waiting_for_key"] >= 7
        assert len(frames_of(every, 5, newer_than=1)) == 5
        assert keys.next_frame(1, timeout_s=1) is None
    assert [camera.session_count for camera in cameras] == [1, 1]


def test_distance_of_key_pictures_is_seen_without_decoding(host: CameraHost, tmp_path: Path) -> None:
    every_2_s = cloud_clip(tmp_path / "every-2-s.mp4", fps=10, pictures=20, gop=20)
    faults: list[list[Fault]] = [[], [TimeJump(3_600, every=30)], [TimeJump(-3_600, every=30)], [ClockOff(-1e9)]]
    cameras = [host.camera(every_2_s, *jumps) for jumps in faults]
    readers = [
        RtspReader("gate-3", camera.url, wall=wall, mono=mono, settings=KEYS_ONLY, backoff=Backoff(), rng=Random(1))
        for camera in cameras
    ]
    seen: list[set[float]] = [set() for _ in readers]

    def is_over() -> bool:
        for reader, intervals_s in zip(readers, seen, strict=True):
            reader.poll()
            if reader.last_key_interval_s is not None:
                intervals_s.add(reader.last_key_interval_s)
        return min(camera.pictures_sent for camera in cameras) >= 45

    wait_for(is_over, "two distances", lambda: seen)
    for reader in readers:
        reader.close()
    for intervals_s in seen:
        assert intervals_s, "never said"
        assert all(interval_s == pytest.approx(2, abs=0.3) for interval_s in intervals_s), seen


@pytest.mark.parametrize("reader", only_own("gives libav's decoder no limit"))
def test_picture_larger_than_8k_is_left_out_before_it_takes_memory(
    reader: Reader, host: CameraHost, tmp_path: Path
) -> None:
    camera = host.camera(cloud_clip(tmp_path / "huge.mp4", size_wh=(8208, 4320), pictures=1, fps=2, crf=51))
    with watching(camera.url, reader) as source, PeakMemory() as memory:
        wait_for(lambda: source.health().frames_dropped.get("damaged", 0) >= 2, "two refused", source.health)
        assert source.next_frame(0, timeout_s=0) is None
    assert memory.growth_mb < 100, "a picture of that size takes 53 MB, its decoder 375"
