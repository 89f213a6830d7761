"""Row F05 on one camera source: garbage in RTSP and RTP is contained, and nobody is led elsewhere.

Reduced counts; `XUELIANG_FAULTS=full` runs those of the table.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from tests.integration.streams.cameras import frames_of, wait_for, wait_for_state
from tests.support.fault_cameras import HANDSHAKE, CameraHost
from tests.support.fault_cameras.dialogue_faults import AudioBeside, Foreign, Redirect, UdpOnly, Where, WrongNumber
from tests.support.fault_cameras.fault import Fault
from tests.support.fault_cameras.mutations import Mutated
from tests.support.fault_cameras.peers import Sink
from tests.support.fault_cameras.stream_faults import Garbage
from tests.support.fault_cameras.watching import (
    IS_FULL,
    READERS,
    READERS_IN_TURN,
    PeakMemory,
    Reader,
    counted,
    eventually,
    only_own,
    watching,
    watching_all,
)
from xueliang_streams import Backoff, SourceSettings, SourceState
from xueliang_streams.segments import Segment

SWIFT = SourceSettings(stall_after_s=0.6, open_timeout_s=1.0)
AT_ONCE = Backoff(first_s=0.02, cap_s=0.05)


@pytest.fixture
def defects(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What went wrong in our own code so far: threads that died, and defects that a reader caught and logged."""
    died: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: died.append(repr(args.exc_value)))
    caplog.set_level(logging.WARNING)
    return lambda: died + [str(vars(record)) for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("reader", READERS_IN_TURN)
@pytest.mark.timeout(1_800 if IS_FULL else 120)
def test_f05_garbage_sessions_are_contained_and_lead_nowhere(
    reader: Reader, host: CameraHost, clouds: Segment, defects: Callable[[], list[str]]
) -> None:
    sessions, first_seed = counted(200, 2_400), int(os.environ.get("XUELIANG_SEED", "1"))
    with Sink() as sink:
        here = f"127.0.0.1:{sink.port}"
        foreign = (
            f"http://{here}/",
            f"rtsp://{here}/stream1",
            f"rtsps://{here}/stream1",
            f"rtsp://localhost:{sink.port}/x",
        )
        faults = [Mutated((*foreign, "file:///etc/hostname"), seed=first_seed + 100_000 * index) for index in range(16)]
        cameras = [host.camera(clouds, fault) for fault in faults]
        urls = [camera.url for camera in cameras]
        with watching_all(urls, reader, settings=SWIFT, backoff=AT_ONCE) as sources, PeakMemory() as memory:

            def seen() -> list[int]:
                return [camera.session_count for camera in cameras]

            wait_for(lambda: sum(seen()) >= sessions, f"{sessions} sessions", seen, within_s=counted(60, 1_200))
            wait_for(lambda: min(seen()) >= sessions / 64, "every camera still tried", seen, within_s=30)
            for camera in cameras:
                camera.stop_faults()
                camera.drop()
            for source, fault in zip(sources, faults, strict=True):
                frame = source.next_frame(0, timeout_s=0)
                newest = frame.sequence if frame else 0
                assert source.next_frame(newest, timeout_s=15) is not None, f"{fault.describe()}: {source.health()}"
                assert source.health().state is SourceState.STREAMING
        visits = list(sink.visits)
    assert not defects()
    assert not visits, "somebody was led away"
    assert memory.growth_mb <= 5 * len(cameras)


@pytest.mark.parametrize("reader", READERS_IN_TURN)
def test_f05_garbage_between_pictures_costs_at_most_the_connection(
    reader: Reader, host: CameraHost, clouds: Segment, defects: Callable[[], list[str]]
) -> None:
    faults = [Garbage(0.2, seed=1), Garbage(0.2, inside=True, seed=2), Garbage(1.0, seed=3)]
    cameras = [host.camera(clouds, fault) for fault in faults]
    with watching_all([camera.url for camera in cameras], reader, settings=SWIFT) as sources:
        wait_for(lambda: all(fault.count >= 5 for fault in faults), "garbage", lambda: [f.count for f in faults])
        for camera in cameras:
            camera.stop_faults()
        for source, fault in zip(sources, faults, strict=True):
            frame = source.next_frame(0, timeout_s=0)
            newest = frame.sequence if frame else 0
            assert source.next_frame(newest + 3, timeout_s=15) is not None, f"{fault.describe()}: {source.health()}"
    assert not defects()


@pytest.mark.parametrize("reader", READERS)
def test_f05_nobody_is_led_to_another_place_or_to_a_file(
    reader: Reader, host: CameraHost, clouds: Segment, clip_path: Path
) -> None:
    with Sink() as sink:
        here = f"127.0.0.1:{sink.port}"
        places = [
            f"http://{here}/",
            f"rtsp://{here}/stream1",
            clip_path.as_uri(),
            f"rtsp://127.0.0.1:{sink.port}/stream1",
        ]
        faults: list[Fault] = [
            Redirect(place, 301 + n % 2, step) for place in places for n, step in enumerate(HANDSHAKE)
        ]
        faults += [Foreign(place, where) for place in places for where in get_args(Where)]
        cameras = [host.camera(clouds, fault) for fault in faults]
        with watching_all([camera.url for camera in cameras], reader, backoff=Backoff()) as sources:
            for source, fault, camera in zip(sources, faults, cameras, strict=True):
                if isinstance(fault, Redirect):
                    health = wait_for_state(source, SourceState.OFFLINE, within_s=10)
                    assert "another address" in (health.problem or "") or reader == "libav", fault.describe()
                    assert source.next_frame(0, timeout_s=0) is None
                else:  # refused, or the address is only a name for a track of this very connection
                    eventually(lambda s=source: s.health().problem or s.next_frame(0, 0), 10)  # type: ignore[misc]
                assert camera.session_count <= 3
        assert not sink.visits


@pytest.mark.parametrize("reader", only_own("takes any CSeq for the right one"))
def test_f05_answer_to_another_request_is_refused(reader: Reader, host: CameraHost, clouds: Segment) -> None:
    faults = [WrongNumber(step) for step in HANDSHAKE[1:]]
    cameras = [host.camera(clouds, fault) for fault in faults]
    with watching_all([camera.url for camera in cameras], reader, backoff=Backoff()) as sources:
        for source, fault in zip(sources, faults, strict=True):
            health = wait_for_state(source, SourceState.OFFLINE, within_s=10)
            assert "not asked" in (health.problem or ""), fault.describe()


@pytest.mark.parametrize("reader", READERS)
def test_sound_is_never_set_up(reader: Reader, host: CameraHost, clouds: Segment) -> None:
    sounds = [AudioBeside(is_first=True), AudioBeside(is_first=False)]
    cameras = [host.camera(clouds, sound) for sound in sounds]
    with watching_all([camera.url for camera in cameras], reader) as sources:
        for source in sources:
            frames_of(source, 3)
    for camera, sound in zip(cameras, sounds, strict=True):
        assert sound.setups == 0
        assert [request.url.rpartition("/")[2] for request in camera.last.requests if request.method == "SETUP"] == [
            "track1"
        ]


@pytest.mark.parametrize("reader", READERS)
def test_camera_that_insists_on_its_own_channels_is_read(reader: Reader, host: CameraHost, clouds: Segment) -> None:
    camera = host.camera(clouds, channel=4)
    with watching(camera.url, reader) as source:
        frames_of(source, 3)


def test_camera_of_udp_only_is_said_in_words_and_read_by_the_second_reader(host: CameraHost, clouds: Segment) -> None:
    cameras = [host.camera(clouds, UdpOnly()) for _ in range(2)]
    with watching(cameras[0].url, "own") as own, watching(cameras[1].url, "auto") as automatic:
        health = wait_for_state(own, SourceState.OFFLINE, within_s=10)
        assert "UDP" in (health.problem or "")
        frames_of(automatic, 3)
        assert "libav" in automatic.health().reader
