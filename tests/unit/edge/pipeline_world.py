"""Scripted neighbours of the pipeline: a clock, capture, a detector, a teller, and a world of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.capture.orders import Pace, Release
from xueliang_edge.capture.service import CaptureChildReport
from xueliang_edge.detection import OpenedModel, Seen, StillRequest, Unknown, WorkerHealth, Xyxyn
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Still
from xueliang_edge.looks import GOOD_VIEW, CaptureHealth, Look, PictureHandle, SceneHandle
from xueliang_edge.observation_log.writing import NoLog
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.pipeline import Pipeline
from xueliang_edge.rules.judge import CameraJudge, Judged
from xueliang_edge.watched_camera import WatchedCamera, WatchedRules
from xueliang_streams.source import SourceState

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
STILL = np.zeros((18, 32), np.float32)


class Clock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def mono(self) -> float:
        return self.now_s

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now_s)


class Capture:
    """Gives each camera a look at its pace, unless it is away; remembers what came back."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.away: set[str] = set()
        self.sends = True  # an away camera sends no packets; False: nobody does
        self.unserved: set[str] = set()  # they send, and this node does not get to them
        self.paces: dict[str, Pace] = {}
        self.last_s: dict[str, float] = {}
        self.out: dict[PictureHandle, float] = {}
        self.released: list[Release] = []
        self.moved: NDArray[np.float32] | None = None
        self.lag_s = 0.0
        self.looks_given = 0
        self.is_ended = False
        self.view = GOOD_VIEW

    def start(self) -> None: ...

    def set_pace(self, camera_id: str, pace: Pace) -> None:
        self.paces[camera_id] = pace

    def look_now(self, camera_id: str) -> None: ...

    def looks(self) -> list[Look]:
        now = self.clock.now_s
        due = [
            name
            for name, pace in self.paces.items()
            if name not in self.away | self.unserved
            and not self.is_ended
            and now - self.last_s.get(name, -1e9) >= pace.gap_s - 1e-6
            and all(handle.camera_id != name for handle in self.out)
        ]
        return [self._look(name, now) for name in due]

    def _look(self, camera_id: str, now: float) -> Look:
        self.looks_given += 1
        self.last_s[camera_id] = now
        handle = PictureHandle(camera_id, 0, 0, self.looks_given, (640, 360))
        self.out[handle] = now
        return Look(handle, now, self.clock.wall(), (640, 360), None, self.moved, view=self.view)

    def release(self, release: Release) -> None:
        self.out.pop(release.handle, None)
        self.released.append(release)

    def lend_scene(self, handle: PictureHandle, deadline_mono_s: float) -> SceneHandle | None:
        return None

    def health(self, camera_id: str) -> CaptureHealth:
        if self.is_ended:
            return CaptureHealth(SourceState.ENDED, 0.0, None, 0)
        sends = self.sends and camera_id not in self.away
        state = SourceState.STREAMING if sends else SourceState.OFFLINE
        return CaptureHealth(state, 0.0, None, 0, last_packet_mono_s=self.clock.now_s if sends else None)

    def wait_handles(self) -> Sequence[int]:
        return ()

    def check(self) -> None: ...

    def reports(self) -> tuple[CaptureChildReport, ...]:
        return (CaptureChildReport("capture", None, len(self.paces), lag_s=self.lag_s),)

    def close(self) -> None: ...


class Detection:
    """Answers at once, or when told to."""

    problem = None
    has_answers = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.answer: Seen | Unknown = seen(("car", 0.9), ("car", 0.2), ("person", 0.06))
        self.asked: list[tuple[str, Xyxyn | None]] = []
        self.held: dict[int, float] = {}  # tickets that wait, and until when
        self.holds = False
        self.workers = 1
        self.counts: Counter[str] = Counter()
        self._ready: list[tuple[int, Seen | Unknown]] = []

    @property
    def models(self) -> dict[str, OpenedModel]:
        return {}

    @property
    def idle_workers(self) -> int:
        return self.workers - len(self.held) - len(self._ready)

    def submit(
        self,
        ticket: int,
        handle: PictureHandle,
        detector: str,
        deadline_mono_s: float,
        roi_xyxyn: Xyxyn | None = None,
    ) -> bool:
        if not self.workers:
            return False
        self.asked.append((handle.camera_id, roi_xyxyn))
        if handle.camera_id == "lane-broken":
            raise ZeroDivisionError
        if self.holds:
            self.held[ticket] = deadline_mono_s
        else:
            self._ready.append((ticket, self.answer))
        return True

    def answers(self, timeout_s: float = 0.0) -> list[tuple[int, Seen | Unknown]]:
        ready, self._ready = self._ready, []
        return ready

    def compose_still(
        self, request: StillRequest, scene: SceneHandle | None, deadline_mono_s: float
    ) -> Still | Refused:
        return Refused("not_asked")

    def wait_handles(self) -> Sequence[int]:
        return ()

    def check(self, now_mono_s: float) -> None:
        late = [ticket for ticket, deadline in self.held.items() if now_mono_s > deadline]
        self._ready += [(ticket, Unknown("detector_late")) for ticket in late]
        for ticket in late:
            del self.held[ticket]

    def describe(self) -> tuple[WorkerHealth, ...]:
        return ()

    def close(self) -> None: ...


class Teller:
    def __init__(self) -> None:
        self.told: list[Judged] = []

    def tell(self, camera: CameraConfig, judged: Sequence[Judged], look: Look | None) -> None:
        self.told += judged

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


def camera(camera_id: str, *, offline_only: bool = False, **settings: object) -> WatchedCamera:
    rules: list[dict[str, object]] = [{"rule_id": "away", "hazard": "camera_fault", "fault": "offline"}]
    if not offline_only:
        zone = [[0, 0], [1, 0], [1, 1], [0, 1]]
        rules.append({"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": zone, "dwell_s": 60})
    config = CameraConfig.model_validate(
        {"camera_id": camera_id, "name": "巷", "url": f"rtsp://10.0.0.9/{camera_id}", "rules": rules} | settings
    )
    return WatchedCamera(WatchedRules.of(config), WatchingJudge(config), input_sizes_wh={"objects": (416, 416)})


class Onlooker:
    """Notes what was judged, and which pictures were still in hand then."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.judged_looks: list[tuple[str, Look | None, ViewState]] = []

    def judged(self, camera: WatchedCamera, look: Look | None, observations: Sequence[Observation]) -> None:
        assert look is None or look.handle in self.capture.out
        self.judged_looks += [(camera.config.camera_id, look, one.view) for one in observations]


class World:
    def __init__(self, *cameras: WatchedCamera) -> None:
        self.clock = Clock()
        self.capture, self.detection = Capture(self.clock), Detection(self.clock)
        self.teller, self.onlooker = Teller(), Onlooker(self.capture)
        self.pipeline = Pipeline(
            cameras,
            self.capture,
            self.detection,
            self.teller,
            NoLog(),
            wall=self.clock.wall,
            mono=self.clock.mono,
            onlooker=self.onlooker,
        )
        self.began_mono_s = self.clock.mono()
        self.pipeline.begin()

    def pass_time(self, seconds: float) -> None:
        """A tenth of a second at a time, everything that can be done in each."""
        until_s = self.clock.now_s + seconds
        while self.clock.now_s < until_s:
            while self.pipeline.turn():
                pass
            self.clock.now_s += 0.1


def shown(one: WatchedCamera) -> list[Observation]:
    assert isinstance(one.judge, WatchingJudge)
    return one.judge.shown
