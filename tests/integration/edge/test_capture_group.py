"""The capture loop over real RTSP cameras on loopback: what is decoded, what is handed over, what is learnt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.clips import moving_box_clip, plain_clip
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_edge.capture.group import CameraGroup
from xueliang_edge.capture.orders import CameraSpec, GroupSpec, LendScene, LookNow, Pace, Release, SetPace
from xueliang_edge.looks import Look
from xueliang_edge.scene_picture import Scene
from xueliang_edge.scene_slots import unpack
from xueliang_streams.decoding import OnDemandDecoder
from xueliang_streams.encoding import encode_clip
from xueliang_streams.rtsp_server import ClipMount, RtspServer
from xueliang_streams.shared_frames import SharedFrames
from xueliang_streams.source import SourceState

FPS = 10
NOBODY: NDArray[np.float32] = np.zeros((0, 4), np.float32)
SLOTS, SLOT_BYTES = 4, 1 << 20


class Loop:
    """A group in this process, turned by the test; every look is released at once unless it is kept."""

    def __init__(self, group: CameraGroup, frames: SharedFrames) -> None:
        self.group, self.frames = group, frames
        self.looks: list[Look] = []
        self.keeps = False
        self.teaches = False

    def turn(self) -> None:
        self.group.poll()
        while (look := self.group.next_look()) is not None:
            self.looks.append(look)
            if not self.keeps:
                self.release(look)
        time.sleep(0.01)

    def release(self, look: Look) -> None:
        boxes = NOBODY if self.teaches else None
        self.group.obey(Release(look.handle, boxes, boxes))

    def until(self, condition: Callable[[], bool], what: str, within_s: float = 30) -> None:
        give_up = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < give_up, f"{what}: not within {within_s} s; {self.group.health()}"
            self.turn()

    def until_looks(self, count: int) -> list[Look]:
        begin = len(self.looks)
        self.until(lambda: len(self.looks) >= begin + count, f"{count} looks")
        return self.looks[begin:]

    def brightness(self, look: Look) -> NDArray[np.uint8]:
        planes = self.frames.read(
            look.handle.slot, look.handle.generation, look.handle.size_wh, look.handle.is_full_range
        )
        assert planes is not None
        return planes.bgr()[:, :, 0]


@contextmanager
def looping(folder: Path, *cameras: CameraSpec, slots: int = SLOTS) -> Iterator[Loop]:
    frames = SharedFrames.create(slots, SLOT_BYTES)
    spec = GroupSpec(0, cameras, slots, SLOT_BYTES, str(folder / "background"))
    group = CameraGroup(spec, frames, wall=system_wall, mono=system_mono)
    group.start()
    try:
        yield Loop(group, frames)
    finally:
        group.close()
        frames.close()


@contextmanager
def served(**clips: Path) -> Iterator[RtspServer]:
    with RtspServer({name: ClipMount(path) for name, path in clips.items()}, wall=system_wall) as server:
        yield server


def camera(server: RtspServer, name: str = "gate", **settings: object) -> CameraSpec:
    return CameraSpec(name, server.url(name), **({"gap_s": 2.0} | settings))  # type: ignore[arg-type]


def test_only_the_key_pictures_that_the_pace_needs_are_decoded(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "gate.mp4", seconds=4, fps=FPS, gop=FPS)  # a key picture a second
    with served(gate=clip) as server, looping(tmp_path, camera(server)) as loop:
        looks = loop.until_looks(6)[2:]  # the distance of key pictures is known from the second on
        dropped = loop.group.health()["gate"].frames_dropped
    gaps = [after.observed_mono_s - before.observed_mono_s for before, after in pairwise(looks)]
    assert all(1.7 <= gap <= 2.25 for gap in gaps), gaps
    assert all(look.is_key for look in looks)
    assert dropped["not_due"] >= 3, "every second key picture is not even decoded"


def test_every_key_picture_while_watched_and_more_where_the_pace_needs_more(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "gate.mp4", seconds=4, fps=FPS, gop=FPS)
    with served(gate=clip) as server, looping(tmp_path, camera(server)) as loop:
        loop.until_looks(3)
        loop.group.obey(SetPace("gate", Pace(2.0, every_key=True)))
        watched = loop.until_looks(4)[1:]
        loop.group.obey(SetPace("gate", Pace(0.5)))
        close = loop.until_looks(8)[3:]
        loop.group.obey(SetPace("gate", Pace(0.5, may_decode_all=False)))
        relieved = loop.until_looks(5)[2:]
    watched_gaps = [b.observed_mono_s - a.observed_mono_s for a, b in pairwise(watched)]
    assert all(0.75 <= gap <= 1.3 for gap in watched_gaps), watched_gaps
    close_gaps = [b.observed_mono_s - a.observed_mono_s for a, b in pairwise(close)]
    assert all(gap <= 0.65 for gap in close_gaps), close_gaps
    assert not all(look.is_key for look in close)
    assert all(look.is_key for look in relieved), "under overload: key pictures only"


def test_the_moment_a_dwell_ends_does_not_wait_for_the_next_key_picture(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "gate.mp4", seconds=12, fps=FPS, gop=4 * FPS)  # a key picture every 4 s
    with served(gate=clip) as server, looping(tmp_path, camera(server, gap_s=4.0)) as loop:
        key = loop.until_looks(3)[-1]
        moment = key.observed_mono_s + 1.5
        loop.group.obey(SetPace("gate", Pace(4.0, every_key=True, look_at_mono_s=moment)))
        first, second, third = loop.until_looks(3)
        moment_near_key = third.observed_mono_s + 3.8
        loop.group.obey(SetPace("gate", Pace(4.0, every_key=True, look_at_mono_s=moment_near_key)))
        last = loop.until_looks(1)[0]
    assert moment <= first.observed_mono_s <= moment + 0.6
    assert not first.is_key
    assert second.is_key, "once: from then on key pictures again"
    assert third.is_key
    assert last.is_key, "a key picture that comes at once is cheaper"


def test_a_camera_with_rare_key_pictures_is_decoded_whole_without_waiting_for_the_next(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "gate.mp4", seconds=12, fps=FPS, gop=12 * FPS)  # a key picture every 12 s
    with served(gate=clip) as server, looping(tmp_path, camera(server, gap_s=1.0)) as loop:
        looks = loop.until_looks(6)
        loop.until(lambda: bool(loop.group.health()["gate"].notes), "it is said")
        notes = loop.group.health()["gate"].notes
    gaps = [after.observed_mono_s - before.observed_mono_s for before, after in pairwise(looks)]
    assert max(gaps) <= 2.3, f"the first gap may be longer, until the distance is known: {gaps}"
    assert "key picture only every 12 s" in notes[0]


def test_one_look_a_camera_is_out_and_without_a_slot_nothing_is_decoded(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "clip.mp4", seconds=2, fps=FPS, gop=5)
    with served(a=clip, b=clip, c=clip) as server:
        specs = [camera(server, name, gap_s=0.5) for name in "abc"]
        with looping(tmp_path, *specs, slots=3) as loop:  # two for pictures
            loop.keeps = True
            loop.until(lambda: len(loop.looks) == 2, "two looks")
            for _ in range(100):
                loop.turn()
            assert len(loop.looks) == 2
            assert len({look.handle.slot for look in loop.looks}) == 2
            first = loop.looks[0]
            loop.release(first)
            loop.until(lambda: len(loop.looks) == 3, "the next look")
            assert loop.looks[2].handle.slot == first.handle.slot
            assert loop.looks[2].handle.generation != first.handle.generation
            gone = loop.frames.read(first.handle.slot, first.handle.generation, first.handle.size_wh, False)
            assert gone is None, "a handle is one picture and no other"


def test_a_look_asked_for_comes_at_once(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "gate.mp4", seconds=4, fps=FPS, gop=FPS)
    with served(gate=clip) as server, looping(tmp_path, camera(server, gap_s=30.0)) as loop:
        loop.until_looks(1)
        loop.until(lambda: loop.group.health()["gate"].key_interval_s is not None, "the distance of key pictures")
        count = len(loop.looks)
        loop.group.obey(LookNow("gate"))
        began = time.monotonic()
        loop.until(lambda: len(loop.looks) > count, "the look")
        assert time.monotonic() - began < 1.5


def test_the_scene_is_learnt_saved_found_again_and_lent(tmp_path: Path) -> None:
    clip = plain_clip(tmp_path / "plain.mp4", 90, seconds=1)
    with served(gate=clip) as server:
        with looping(tmp_path, camera(server, gap_s=1.0)) as loop:
            loop.teaches = True
            loop.until(lambda: loop.group.health()["gate"].scene_known_share == 1.0, "the scene", within_s=60)
            loop.keeps = True
            # Its picture for stills is learnt more slowly than its brightness.
            scene = lent_scene(loop)
            while scene is None or not scene.known.all():
                assert len(loop.looks) < 60, "a scene that is known"
                scene = lent_scene(loop)
            assert abs(float(scene.planes.bgr().mean()) - 90) < 6
            look = loop.looks[-1]
            assert look.change is not None
            assert look.change.max() == 0.0
            assert look.moved is not None
            stale = loop.group.lend(LendScene(8, look.handle))
            assert stale.scene is None, "a picture that was given back gets nothing"
        assert list((tmp_path / "background").glob("gate*"))
        with looping(tmp_path, camera(server, gap_s=1.0)) as again:
            assert again.group.health()["gate"].scene_known_share == 1.0


def test_a_picture_that_may_be_damaged_says_nothing_of_change_and_teaches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = [True]
    monkeypatch.setattr(OnDemandDecoder, "_is_in_doubt", lambda _self, _mono_s: doubt[0])
    clip = plain_clip(tmp_path / "plain.mp4", 90, seconds=1)
    with served(gate=clip) as server, looping(tmp_path, camera(server, gap_s=1.0)) as loop:
        loop.teaches = True
        assert {look.change is None for look in loop.until_looks(4)} == {True}
        assert loop.looks[-1].moved is not None
        assert loop.group.health()["gate"].scene_known_share == 0.0
        doubt[0] = False
        loop.until(lambda: loop.looks[-1].change is not None, "a scene to compare with", within_s=60)


def test_after_a_damaged_picture_nothing_is_gone_because_it_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = OnDemandDecoder._decoded
    monkeypatch.setattr(OnDemandDecoder, "_decoded", lambda *args: replace(taken(*args), follows_damage=True))
    clip = plain_clip(tmp_path / "plain.mp4", 90, seconds=1)
    with served(gate=clip) as server, looping(tmp_path, camera(server, gap_s=1.0)) as loop:
        assert {look.view.is_doubtful for look in loop.until_looks(2)} == {True}


def lent_scene(loop: Loop) -> Scene | None:
    """What is lent for the next look, which is then given back and may teach."""
    (look,) = loop.until_looks(1)
    lent = loop.group.lend(LendScene(7, look.handle))
    assert lent.scene is not None
    unpacked = unpack(loop.frames, lent.scene)
    assert unpacked is not None
    scene, _ = unpacked
    copied = None if scene is None else Scene(scene.planes.crop(0, 0, *scene.planes.size_wh), scene.known.copy())
    loop.release(look)
    return copied


def test_privacy_zones_are_filled_before_anybody_sees_the_picture(tmp_path: Path) -> None:
    clip = plain_clip(tmp_path / "bright.mp4", 200)
    left_half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    with served(gate=clip) as server:
        spec = camera(server, privacy_zones_xyn=(left_half,))
        with looping(tmp_path, spec) as loop:
            loop.keeps = True
            (look,) = loop.until_looks(1)
            seen = loop.brightness(look)
    assert seen[:, :158].max() < 8
    assert seen[:, 164:].min() > 180


def test_cheap_looks_come_from_the_sub_stream_and_the_main_one_is_connected_while_it_is_needed(tmp_path: Path) -> None:
    main = moving_box_clip(tmp_path / "main.mp4", seconds=4, fps=FPS, gop=FPS, size_wh=(640, 480))
    sub = moving_box_clip(tmp_path / "sub.mp4", seconds=4, fps=FPS, gop=FPS, size_wh=(320, 240))
    with served(main=main, sub=sub) as server:
        spec = CameraSpec("gate", server.url("main"), server.url("sub"), gap_s=1.0)
        with looping(tmp_path, spec) as loop:
            looks = loop.until_looks(3)
            assert {(look.stream, look.frame_size_wh) for look in looks} == {("sub", (320, 240))}
            assert server.client_count("main") == 0
            loop.group.obey(SetPace("gate", Pace(1.0, every_key=True, stream="main")))
            loop.until(lambda: loop.looks[-1].stream == "main", "a look on the main stream")
            assert loop.looks[-1].frame_size_wh == (640, 480)
            loop.group.obey(SetPace("gate", Pace(1.0, stream="sub")))
            loop.until(lambda: loop.looks[-1].stream == "sub", "back on the sub stream")


@pytest.mark.alone
def test_only_the_stream_that_looks_come_from_is_decoded_however_closely_the_other_was(tmp_path: Path) -> None:
    """Looks closer than key pictures: the stream that serves is decoded whole, the other not at all."""
    main = moving_box_clip(tmp_path / "main.mp4", seconds=4, fps=FPS, gop=2 * FPS, size_wh=(640, 480))
    sub = moving_box_clip(tmp_path / "sub.mp4", seconds=4, fps=FPS, gop=2 * FPS, size_wh=(320, 240))
    with served(main=main, sub=sub) as server:
        spec = CameraSpec("gate", server.url("main"), server.url("sub"), gap_s=0.5)
        with looping(tmp_path, spec) as loop:
            loop.until(lambda: any(not look.is_key for look in loop.looks), "the sub stream is decoded whole")
            for stream, other in (("main", "sub"), ("sub", "main"), ("main", "sub")):
                loop.group.obey(SetPace("gate", Pace(0.5, stream=stream)))  # type: ignore[arg-type]
                loop.until(lambda stream=stream: loop.looks[-1].stream == stream, f"a look on {stream}")  # type: ignore[misc]
                loop.until_looks(6)  # over a key picture of either stream
                before = decoded(loop)
                looks = loop.until_looks(10)
                after = decoded(loop)
                assert {look.stream for look in looks} == {stream}
                assert after[other] == before[other], f"{other} rests"
                assert after[stream] - before[stream] >= 25, f"{stream} is decoded whole: ten looks in five seconds"
            times = [look.observed_mono_s for look in loop.looks]
    assert times == sorted(times), "a change of stream never goes back in time"


def decoded(loop: Loop) -> dict[str, int]:
    """Pictures that came out of the decoder, by stream."""
    return dict(loop.group.health()["gate"].pictures_decoded)


@pytest.mark.alone
def test_a_stream_that_rested_is_ready_without_waiting_for_its_next_key_picture(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "clip.mp4", seconds=8, fps=FPS, gop=4 * FPS)
    with served(main=clip, sub=clip) as server:
        spec = CameraSpec("gate", server.url("main"), server.url("sub"), gap_s=0.5)
        with looping(tmp_path, spec) as loop:
            loop.until(lambda: any(not look.is_key for look in loop.looks), "the sub stream is decoded whole")
            loop.group.obey(SetPace("gate", Pace(0.5, stream="main")))
            loop.until(lambda: loop.looks[-1].stream == "main" and not loop.looks[-1].is_key, "main, whole")
            loop.until_looks(10)  # the sub stream keeps the pictures since its last key picture
            loop.group.obey(SetPace("gate", Pace(0.5, stream="sub")))
            change = len(loop.looks)
            loop.until_looks(4)
            gaps = [b.observed_mono_s - a.observed_mono_s for a, b in pairwise(loop.looks[change - 1 :])]
    assert max(gaps) <= 1.0, gaps


def test_a_main_stream_that_falls_silent_while_it_is_needed_costs_no_look_beyond_the_pace(tmp_path: Path) -> None:
    """A dwell may be about to end: the sub stream gives the look that the main one does not."""
    main = moving_box_clip(tmp_path / "main.mp4", seconds=4, fps=FPS, gop=FPS, size_wh=(640, 480))
    sub = moving_box_clip(tmp_path / "sub.mp4", seconds=4, fps=FPS, gop=FPS, size_wh=(320, 240))
    with served(main=main, sub=sub) as server:
        spec = CameraSpec("gate", server.url("main"), server.url("sub"), gap_s=3.0)
        with looping(tmp_path, spec) as loop:
            loop.group.obey(SetPace("gate", Pace(3.0, every_key=True, stream="main")))
            loop.until(lambda: [look.stream for look in loop.looks[-2:]] == ["main", "main"], "main serves")
            server.silence("main")
            loop.until(lambda: loop.looks[-1].stream == "sub", "a look on the sub stream")
            came_mono_s = time.monotonic()
            last_main = [look for look in loop.looks if look.stream == "main"][-1]
            assert came_mono_s - last_main.observed_mono_s <= 4.0, "the largest gap and hardly more"
            count = len(loop.looks)
            loop.until_looks(2)
            assert {look.stream for look in loop.looks[count:]} == {"sub"}, "and goes on while the other is silent"
            assert loop.looks[-1].observed_mono_s - loop.looks[-2].observed_mono_s <= 1.5
            server.resume("main")
            loop.until(lambda: loop.looks[-1].stream == "main", "back on the main stream")


def test_a_sub_stream_that_stays_away_is_replaced_by_the_main_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xueliang_edge.capture.camera.SUB_GIVEN_UP_AFTER_S", 1.0)
    main = moving_box_clip(tmp_path / "main.mp4", seconds=2, fps=FPS, gop=FPS)
    with served(main=main) as server:
        spec = CameraSpec("gate", server.url("main"), server.url("main") + "-nowhere", gap_s=1.0)
        with looping(tmp_path, spec) as loop:
            looks = loop.until_looks(2)
            health = loop.group.health()["gate"]
    assert {look.stream for look in looks} == {"main"}
    assert health.state is SourceState.STREAMING


def test_swapped_streams_are_noticed_and_said(tmp_path: Path) -> None:
    large = moving_box_clip(tmp_path / "large.mp4", seconds=2, fps=FPS, gop=FPS, size_wh=(640, 480))
    small = moving_box_clip(tmp_path / "small.mp4", seconds=2, fps=FPS, gop=FPS, size_wh=(320, 240))
    with served(large=large, small=small) as server:
        spec = CameraSpec("gate", server.url("small"), server.url("large"), gap_s=1.0)
        with looping(tmp_path, spec) as loop:
            loop.until_looks(1)
            loop.group.obey(SetPace("gate", Pace(1.0, every_key=True, stream="main")))
            loop.until(lambda: bool(loop.group.health()["gate"].notes), "it is said")
            assert "swapped?" in loop.group.health()["gate"].notes[0]


def test_swapped_streams_of_a_calm_camera_are_noticed_by_one_look_at_the_other(tmp_path: Path) -> None:
    large = moving_box_clip(tmp_path / "large.mp4", seconds=2, fps=FPS, gop=FPS, size_wh=(1280, 720))
    small = moving_box_clip(tmp_path / "small.mp4", seconds=2, fps=FPS, gop=FPS, size_wh=(320, 180))
    with served(large=large, small=small) as server:
        spec = CameraSpec("gate", server.url("small"), server.url("large"), gap_s=1.0)
        with looping(tmp_path, spec) as loop:
            loop.until(lambda: bool(loop.group.health()["gate"].notes), "it is said, though nothing asks for main")
            assert "swapped?" in loop.group.health()["gate"].notes[0]
            loop.until_looks(2)
            assert loop.looks[-1].stream == "sub", "one look was enough"


def test_far_more_bytes_than_usual_bring_the_next_look_forward(tmp_path: Path) -> None:
    """A still scene sends little; when something large moves, the stream says so before anything is decoded."""
    rng = np.random.default_rng(5)
    texture = rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)
    quiet = [texture] * (8 * FPS)
    busy = [np.roll(cv2.GaussianBlur(texture, (3, 3), 0), 17 * step, axis=1) for step in range(2 * FPS)]
    clip = tmp_path / "burst.mp4"
    encode_clip(clip, iter([*quiet, *busy]), FPS, gop=FPS)
    with served(gate=clip) as server, looping(tmp_path, camera(server, gap_s=20.0)) as loop:
        loop.until_looks(1)
        loop.until(lambda: len(loop.looks) >= 3, "looks before the pace asks for them", within_s=30)
        gaps = [after.observed_mono_s - before.observed_mono_s for before, after in pairwise(loop.looks)]
    assert min(gaps[1:]) < 15


def test_an_address_that_opens_nothing_is_a_state_and_costs_the_others_nothing(tmp_path: Path) -> None:
    clip = moving_box_clip(tmp_path / "gate.mp4", seconds=2, fps=FPS, gop=FPS)
    with served(gate=clip) as server:
        missing = CameraSpec("lost", str(tmp_path / "nowhere.mp4"), is_recording=True)
        with looping(tmp_path, missing, camera(server, gap_s=1.0)) as loop:
            loop.until_looks(3)
            health = loop.group.health()["lost"]
    assert health.state is SourceState.OFFLINE
    assert "no such file" in (health.problem or "")
