"""The main path with scripted neighbours: unknown is never nothing, faults stay where they are."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.attention.needs import need_of
from xueliang_edge.capture import CaptureHealth, Look, NoPicture, PictureHandle
from xueliang_edge.detection import Seen, StillRequest, Unknown
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Still
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.pipeline import Pipeline, WatchedCamera
from xueliang_edge.rules.judge import CameraJudge, Judged
from xueliang_streams.source import SourceState

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


class Clock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def mono(self) -> float:
        return self.now_s

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now_s)


class Capture:
    """One picture at each look, unless the camera is away."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.away: set[str] = set()
        self.looks = 0
        self.learnt: list[NDArray[np.float32]] = []

    def start(self) -> None: ...

    def look(self, camera_id: str, deadline_mono_s: float) -> Look | NoPicture:
        if camera_id in self.away:
            return NoPicture(SourceState.OFFLINE, "no route")
        self.looks += 1
        return Look(PictureHandle(camera_id, self.looks), self.clock.mono(), self.clock.wall(), (640, 360), None)

    def learn(self, handle: PictureHandle, excluded_xyxyn: NDArray[np.float32]) -> None:
        self.learnt.append(excluded_xyxyn)

    def health(self, camera_id: str) -> CaptureHealth:
        return CaptureHealth(SourceState.STREAMING, 0.0, None, 0)

    def close(self) -> None: ...


class Detection:
    busy_since_mono_s = None

    def __init__(self) -> None:
        self.answer: Seen | Unknown = seen(("car", 0.9), ("car", 0.2), ("person", 0.06))
        self.asked: list[str] = []

    def detect(self, handle: PictureHandle, detector: str, deadline_mono_s: float) -> Seen | Unknown:
        self.asked.append(handle.camera_id)
        if handle.camera_id == "lane-broken":
            raise ZeroDivisionError
        return self.answer

    def compose_still(self, request: StillRequest, deadline_mono_s: float) -> Still | Refused:
        return Refused("not_asked")

    def restart(self) -> None: ...

    def close(self) -> None: ...


class Teller:
    def tell(self, camera: CameraConfig, judged: Sequence[Judged], look: Look | None) -> None: ...

    def tend(self) -> None: ...


class WatchingJudge(CameraJudge):
    """Remembers what it was shown."""

    def __init__(self, camera: CameraConfig) -> None:
        super().__init__(camera)
        self.shown: list[Observation] = []

    def look(self, observation: Observation) -> list[Judged]:
        self.shown.append(observation)
        return super().look(observation)


def seen(*things: tuple[str, float]) -> Seen:
    boxes = np.array([[0.1 * n, 0.1, 0.1 * n + 0.1, 0.3] for n in range(len(things))], np.float32).reshape(-1, 4)
    return Seen(boxes, np.array([s for _, s in things], np.float32), tuple(n for n, _ in things), "0" * 64, 0.4)


def camera(camera_id: str, *, offline_only: bool = False) -> WatchedCamera:
    rules: list[dict[str, object]] = [{"rule_id": "away", "hazard": "camera_fault", "fault": "offline"}]
    if not offline_only:
        zone = [[0, 0], [1, 0], [1, 1], [0, 1]]
        rules.append({"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": zone, "dwell_s": 4})
    config = CameraConfig.model_validate(
        {"camera_id": camera_id, "name": "巷", "url": f"rtsp://10.0.0.9/{camera_id}", "rules": rules}
    )
    detectors = () if offline_only else ("objects",)
    return WatchedCamera(config, need_of(config), detectors, WatchingJudge(config))


class World:
    def __init__(self, *cameras: WatchedCamera) -> None:
        self.clock = Clock()
        self.capture, self.detection = Capture(self.clock), Detection()
        self.pipeline = Pipeline(
            cameras, self.capture, self.detection, Teller(), wall=self.clock.wall, mono=self.clock.mono
        )

    def pass_time(self, seconds: float) -> None:
        """Look at whatever is due, a tenth of a second at a time."""
        until_s = self.clock.now_s + seconds
        while self.clock.now_s < until_s:
            due = self.pipeline.schedule.next_due()
            if due is not None and due[1] <= self.clock.now_s:
                self.pipeline._guarded_look(self.pipeline.cameras[due[0]])
            else:
                self.clock.now_s += 0.1


def shown(one: WatchedCamera) -> list[Observation]:
    assert isinstance(one.judge, WatchingJudge)
    return one.judge.shown


def test_the_rules_get_boxes_from_a_tenth_up_and_the_scene_leaves_out_people_from_a_twentieth() -> None:
    lane = camera("lane")
    world = World(lane)
    world.pass_time(0.05)
    (observation,) = shown(lane)
    assert observation.view is ViewState.GOOD
    assert observation.class_names == ("car", "car")
    assert observation.track_ids[0] != -1
    (excluded,) = world.capture.learnt
    assert np.allclose(excluded, [[0.0, 0.1, 0.1, 0.3], [0.2, 0.1, 0.3, 0.3]])


def test_a_detector_without_an_answer_is_unknown_counted_and_teaches_nothing() -> None:
    lane = camera("lane")
    world = World(lane)
    world.detection.answer = Unknown("detector_late")
    world.pass_time(3.0)
    assert {observation.view for observation in shown(lane)} == {ViewState.UNKNOWN}
    assert lane.unknown["detector_late"] == lane.looks > 3
    assert world.capture.learnt == []


def test_a_camera_without_pictures_is_offline_after_a_while_and_the_others_go_on() -> None:
    lane, gone = camera("lane"), camera("gone")
    world = World(lane, gone)
    world.capture.away = {"gone"}
    world.pass_time(1.5)
    assert shown(gone) == []
    world.pass_time(8.5)
    assert {observation.view for observation in shown(gone)} == {ViewState.OFFLINE}
    pace_s = need_of(gone.config).largest_gap_s
    assert 0.5 * 8.5 / pace_s <= len(shown(gone)) <= 1.2 * 10 / pace_s, "at the pace of a look, not of the polling"
    assert lane.looks >= 18
    world.capture.away = set()
    world.pass_time(1.0)
    assert shown(gone)[-1].view is ViewState.GOOD


def test_a_fault_in_one_camera_does_not_end_the_watch_of_the_others() -> None:
    lane, broken = camera("lane"), camera("lane-broken")
    world = World(lane, broken)
    world.pass_time(5.0)
    assert lane.looks >= 9
    assert world.pipeline.faults["look_failed"] > 1


def test_a_camera_whose_rules_need_no_boxes_costs_no_detector() -> None:
    door = camera("door", offline_only=True)
    world = World(door)
    world.pass_time(12.0)
    assert world.detection.asked == []
    assert shown(door)[0].is_good
    assert shown(door)[0].detector != "objects", "rules that need boxes must not read this as empty"


def test_it_stops_when_told_and_when_nothing_is_left_to_watch() -> None:
    stop = threading.Event()
    stop.set()
    world = World(camera("lane"))
    world.pipeline.run(stop)
    assert world.capture.looks == 0
    world.pipeline.schedule.retire("lane")
    world.pipeline.run(threading.Event(), until_ended=True)
