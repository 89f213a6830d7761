"""The main path, top to bottom in one place: look → detect → track → judge → spool. Numbers only.

Invariants
    - One thread runs it. Every call it makes has a deadline, so no camera and no detector holds up the others for
      longer.
    - A picture that could not be judged is *unknown*, a camera without pictures is *offline*: never "nothing there".
    - An alert is accepted by the spool (fsync) before the pipeline looks at the next camera.
    - A still is asked for before the alert that names it is accepted; when there is none the alert goes without, and
      the reason is counted. No alert waits for a picture longer than `gathering.STILL_TIMEOUT_S`.
    - What an open alert is about is never learnt as scene.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.attention.needs import Need
from xueliang_edge.attention.schedule import Schedule
from xueliang_edge.capture import CaptureGroup, Look, NoPicture
from xueliang_edge.detection import DetectionService, Seen, Unknown
from xueliang_edge.evidence.masking import VEHICLE_SCORE, VEHICLES
from xueliang_edge.observations import Observation, ViewState, blind
from xueliang_edge.rules.judge import CameraJudge, Judged
from xueliang_edge.tracking import Tracker
from xueliang_streams.source import SourceState

log = logging.getLogger(__name__)

LOOK_TIMEOUT_S: Final = 0.02  # a due camera normally has its newest picture ready
DETECT_TIMEOUT_S: Final = 3.0  # some 100 times a compact detector's time; longer is hung, not slow
KEPT_SCORE: Final = 0.10  # what an observation holds (observations.py)
NO_DETECTOR: Final = "none"  # of a camera whose rules need no boxes: rules that do must not read it as empty
IDLE_S: Final = 0.25
TEND_EVERY_S: Final = 1.0


class Teller(Protocol):
    """Where a decision goes: evidence, alert, spool. Never raises for the disk's sake; see telling.py."""

    def tell(self, camera: CameraConfig, judged: Sequence[Judged], look: Look | None) -> None: ...

    def tend(self) -> None:
        """Called about once a second: what the disk refused is given again."""


@dataclass(slots=True)
class WatchedCamera:
    """One camera with what follows it through the pipeline, and what it counts.

    Attributes:
        detectors: the configured names its rules look through; empty when no rule needs a picture.
        is_fast: a recording that is read as fast as possible: always due, never late.
        looks: pictures that came; unknown: those not judged, by reason.
    """

    config: CameraConfig
    need: Need
    detectors: tuple[str, ...]
    judge: CameraJudge
    trackers: dict[str, Tracker] = field(default_factory=dict)
    is_fast: bool = False
    looks: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    last_look_mono_s: float = 0.0
    last_offline_mono_s: float = float("-inf")
    is_overdue: bool = False


class Pipeline:
    """Runs the main path over all cameras of the node, until told to stop."""

    def __init__(
        self,
        cameras: Iterable[WatchedCamera],
        capture: CaptureGroup,
        detection: DetectionService,
        teller: Teller,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
    ) -> None:
        self.cameras = {camera.config.camera_id: camera for camera in cameras}
        self._capture, self._detection, self._teller = capture, detection, teller
        self._wall, self._mono = wall, mono
        now = mono()
        self.schedule = Schedule([camera.need for camera in self.cameras.values()], now)
        for camera in self.cameras.values():
            camera.last_look_mono_s = now
        self._busy_since_mono_s: float | None = None
        self._last_tended_mono_s = now
        self.faults: Counter[str] = Counter()

    @property
    def busy_since_mono_s(self) -> float | None:
        """When the look in hand was begun; None between two looks."""
        return self._busy_since_mono_s

    def run(self, stop: threading.Event, *, until_ended: bool = False) -> None:
        """Look at whatever is due until `stop`; with `until_ended` also return when every recording has ended."""
        while not stop.is_set():
            self._tend_when_due()
            due = self.schedule.next_due()
            if due is None and until_ended:
                return
            wait_s = IDLE_S if due is None else min(IDLE_S, due[1] - self._mono())
            if due is None or wait_s > 0:
                stop.wait(wait_s)
                continue
            self._guarded_look(self.cameras[due[0]])

    def _tend_when_due(self) -> None:
        now = self._mono()
        if now - self._last_tended_mono_s >= TEND_EVERY_S:
            self._last_tended_mono_s = now
            self._teller.tend()

    def _guarded_look(self, camera: WatchedCamera) -> None:
        """One camera's fault must not end the watch of the others."""
        self._busy_since_mono_s = self._mono()
        try:
            self.look_at(camera)
        except Exception:
            self.faults["look_failed"] += 1
            if self.faults["look_failed"] == 1:
                log.exception("look failed", extra={"camera_id": camera.config.camera_id})
            self.schedule.nothing_came(camera.config.camera_id, self._mono())
        finally:
            self._busy_since_mono_s = None

    def look_at(self, camera: WatchedCamera) -> None:
        """The main path for one camera, once."""
        look = self._capture.look(camera.config.camera_id, self._mono() + LOOK_TIMEOUT_S)
        if isinstance(look, NoPicture):
            self._nothing_came(camera, look)
            return
        self._came(camera)
        excluded: list[NDArray[np.float32]] = [_open_zones(camera)]
        is_all_seen = bool(camera.detectors)
        for detector in camera.detectors or (NO_DETECTOR,):
            seen = self._detect(camera, look, detector)
            observation = _observation(camera, look, detector, seen)
            observation = self._track(camera, observation)
            self._teller.tell(camera.config, camera.judge.look(observation), look)
            if isinstance(seen, Seen):
                excluded.append(_people_and_vehicles(seen))
            is_all_seen &= isinstance(seen, Seen)
        if is_all_seen:  # a picture nobody searched for people never becomes scene
            self._capture.learn(look.handle, np.concatenate(excluded))

    def _detect(self, camera: WatchedCamera, look: Look, detector: str) -> Seen | Unknown | None:
        """None: no rule of this camera needs a detector."""
        if not camera.detectors:
            return None
        seen = self._detection.detect(look.handle, detector, self._mono() + DETECT_TIMEOUT_S)
        if isinstance(seen, Unknown):
            camera.unknown[seen.reason] += 1
        return seen

    def _track(self, camera: WatchedCamera, observation: Observation) -> Observation:
        if not observation.is_good:
            return observation
        tracker = camera.trackers.setdefault(observation.detector, Tracker())
        track_ids = tracker.update(
            observation.boxes_xyxyn,
            observation.scores,
            observation.class_names,
            observation.observed_mono_s,
            confident_score=observation.confident_score,
        )
        return replace(observation, track_ids=track_ids)

    def _came(self, camera: WatchedCamera) -> None:
        now = self._mono()
        camera.looks += 1
        camera.last_look_mono_s = now
        if camera.is_overdue:
            camera.is_overdue = False
            log.info("camera is back", extra={"camera_id": camera.config.camera_id})
        self.schedule.looked(camera.config.camera_id, now)
        if camera.is_fast:
            self.schedule.due_now(camera.config.camera_id, now)

    def _nothing_came(self, camera: WatchedCamera, answer: NoPicture) -> None:
        now = self._mono()
        self.schedule.nothing_came(camera.config.camera_id, now)
        if camera.is_fast:
            if answer.state is SourceState.ENDED:
                self.schedule.retire(camera.config.camera_id)
            return
        if now - camera.last_look_mono_s < camera.need.overdue_after_s:
            return
        if not camera.is_overdue:
            camera.is_overdue = True
            log.warning(
                "no picture from camera",
                extra={
                    "camera_id": camera.config.camera_id,
                    "state": answer.state.value,
                    "problem": answer.problem,
                    "since_s": round(now - camera.last_look_mono_s, 1),
                },
            )
        if now - camera.last_offline_mono_s >= camera.need.largest_gap_s:
            camera.last_offline_mono_s = now
            self._say_offline(camera, now)

    def _say_offline(self, camera: WatchedCamera, now: float) -> None:
        for detector in camera.detectors or (NO_DETECTOR,):
            observation = blind(
                camera.config.camera_id, ViewState.OFFLINE, mono_s=now, at=self._wall(), detector=detector
            )
            self._teller.tell(camera.config, camera.judge.look(observation), None)


def _observation(camera: WatchedCamera, look: Look, detector: str, seen: Seen | Unknown | None) -> Observation:
    """What the rules get of one look through one detector."""
    camera_id = camera.config.camera_id
    if isinstance(seen, Unknown):
        return blind(camera_id, ViewState.UNKNOWN, mono_s=look.observed_mono_s, at=look.observed_at, detector=detector)
    if seen is None:
        return Observation(
            camera_id=camera_id,
            observed_mono_s=look.observed_mono_s,
            observed_at=look.observed_at,
            view=ViewState.GOOD,
            frame_size_wh=look.frame_size_wh,
            detector=detector,
        )
    kept = np.flatnonzero(seen.scores >= KEPT_SCORE)
    return Observation(
        camera_id=camera_id,
        observed_mono_s=look.observed_mono_s,
        observed_at=look.observed_at,
        view=ViewState.GOOD,
        boxes_xyxyn=seen.boxes_xyxyn[kept],
        scores=seen.scores[kept],
        class_names=tuple(seen.class_names[index] for index in kept),
        track_ids=np.full(len(kept), -1, np.int64),
        frame_size_wh=look.frame_size_wh,
        model_digest=seen.model_digest,
        confident_score=seen.confident_score,
        change=look.change,
        detector=detector,
    )


def _people_and_vehicles(seen: Seen) -> NDArray[np.float32]:
    """What never becomes scene: people from the lowest score on, vehicles that are fairly sure."""
    keep = [
        name == "person" or (name in VEHICLES and score >= VEHICLE_SCORE)
        for name, score in zip(seen.class_names, seen.scores, strict=True)
    ]
    boxes: NDArray[np.float32] = seen.boxes_xyxyn[np.array(keep, dtype=np.bool_)]
    return boxes.reshape(-1, 4)


def _open_zones(camera: WatchedCamera) -> NDArray[np.float32]:
    """Bounding boxes of the zones that have an open alert, float32 (n, 4)."""
    open_rules = camera.judge.open_rules
    zones = [getattr(rule, "zone", ()) for rule in camera.config.rules if rule.rule_id in open_rules]
    boxes = [[*np.min(zone, axis=0), *np.max(zone, axis=0)] for zone in zones if len(zone)]
    return np.asarray(boxes, np.float32).reshape(-1, 4)
