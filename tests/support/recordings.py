"""The labelled clips as observations, and the alerts that must come of them: for the tests and for `./run bench rules`.

Zones, settings and times are those of the shared `expected_alerts.json`; any other alert is a false one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2

from tests.support.asking import asked, asking_camera, attend_after, detected, observation_of
from tests.support.fixtures import fixtures_dir, require_fixture
from xueliang_alerts.contract import EndReason, Phase
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.brightness import small_brightness
from xueliang_edge.detection import Seen, Xyxyn
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observations import Observation, ViewState, blind
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.tracking import Tracker
from xueliang_edge.view_memory import ViewMemory
from xueliang_edge.view_watch import ViewWatch
from xueliang_edge.watched_camera import WatchedCamera
from xueliang_models.detector import Detector
from xueliang_streams.frame import Planes

LOOK_EVERY_S = 0.25
FIRE_LOOK_EVERY_S = 1.0  # as often as the rule asks for; two of the clips have one new picture a second
VIEW_LOOK_EVERY_S = 1.0
START = datetime(2026, 11, 23, tzinfo=UTC)


def expected_cases() -> list[dict[str, Any]]:
    """All of them, "must" and "stretch"; none where the clips are not there."""
    path = fixtures_dir() / "clips" / "expected_alerts.json"
    if not path.exists():
        return []
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return cases


@dataclass(frozen=True)
class Episode:
    """Seconds from the first frame. `end_reason`: None while it is open."""

    began_s: float
    raised_s: float
    cleared_s: float | None
    end_reason: EndReason | None = None


class Recordings:
    """Observations of each clip as a node makes them: what is asked of the detector beside the whole picture, closer
    crops and tiles, follows from the rule. No picture, or part of one, is detected twice.

    Attributes:
        asked: detections that a node would have made.
    """

    def __init__(self, detector: Detector, look_every_s: float = LOOK_EVERY_S) -> None:
        self._detector, self._look_every_s = detector, look_every_s
        self._found: dict[tuple[str, float, Xyxyn | None], Seen] = {}
        self.asked = 0

    def of(self, name: str, rule: Mapping[str, Any] | None = None, every: int = 1) -> list[Observation]:
        """Every look, or every second, third …, as the log keeps it; without a rule the whole pictures."""
        camera = None if rule is None else asking_camera(_camera_of(rule), self._detector)
        tracker, found = Tracker(), list[Observation]()
        for number, (t, image) in enumerate(pictures(require_fixture(f"clips/{name}"), self._look_every_s)):
            if number % every:
                continue
            observation = self._look(name, t, image, camera)
            boxes, scores, names = observation.boxes_xyxyn, observation.scores, observation.class_names
            tracks = tracker.update(boxes, scores, names, t, confident_score=observation.confident_score)
            found.append(as_logged(replace(observation, track_ids=tracks)))
            if camera is not None:
                camera.judge.look(found[-1])
                attend_after(camera, found[-1])
        return found

    def _look(self, name: str, t: float, image: Any, camera: WatchedCamera | None) -> Observation:
        size_wh, at = (image.shape[1], image.shape[0]), START + timedelta(seconds=t)

        def ask(part: Xyxyn | None) -> Seen:
            self.asked += 1
            if (name, t, part) not in self._found:
                self._found[name, t, part] = detected(self._detector, Planes.from_bgr(image), part)
            return self._found[name, t, part]

        seen = ask(None) if camera is None else asked(camera, size_wh, t, at, ask)
        return observation_of(seen, "clip", size_wh, t, at, None)


def views_of(name: str) -> list[Observation]:
    """Whether the view of a clip shows its place, a look a second, for rules on the camera itself."""
    path, watch = require_fixture(f"clips/{name}"), ViewWatch(ViewMemory())
    return [_view(watch, t, image) for t, image in pictures(path, VIEW_LOOK_EVERY_S)]


def _view(watch: ViewWatch, t: float, image: Any) -> Observation:
    planes, at = Planes.from_bgr(image), START + timedelta(seconds=t)
    sign = watch.look(planes, small_brightness(planes), "main", t)
    if not sign.is_good:
        return blind("clip", ViewState.UNKNOWN, mono_s=t, at=at, view_fault=sign.fault, view_figure=sign.figure)
    return Observation(
        camera_id="clip", observed_mono_s=t, observed_at=at, view=ViewState.GOOD, frame_size_wh=planes.size_wh
    )


def pictures(path: Path, every_s: float) -> Iterator[tuple[float, Any]]:
    """(seconds, BGR picture) of a clip about every `every_s`."""
    clip = cv2.VideoCapture(str(path))
    fps = clip.get(cv2.CAP_PROP_FPS)
    index, due_s = 0, 0.0
    while clip.grab():
        t = index / fps
        index += 1
        if t + 1e-6 >= due_s:
            due_s += every_s
            yield t, clip.retrieve()[1]
    clip.release()


def episodes(observations: Sequence[Observation], rule: Mapping[str, Any]) -> list[Episode]:
    """What one rule tells of a clip."""
    judge = CameraJudge(_camera_of(rule))
    found: list[Episode] = []
    for observation in observations:
        for _, decision in judge.look(observation):
            at_s = decision.observed.mono_s
            if decision.phase is Phase.RAISED:
                found.append(Episode(decision.began.mono_s, at_s, None))
            elif decision.phase is Phase.CLEARED:
                found[-1] = Episode(found[-1].began_s, found[-1].raised_s, at_s, decision.end_reason)
    return found


def _camera_of(rule: Mapping[str, Any]) -> CameraConfig:
    return CameraConfig.model_validate({"camera_id": "clip", "name": "clip", "url": "file:x", "rules": [rule]})


def rule_of(case: dict[str, Any]) -> dict[str, Any]:
    """A rule's settings, as a settings file has them."""
    place = {"zone": case["zone"]}
    if case["hazard"] == "line_crossing":
        place = {"line": case["zone"]}
    if case["hazard"] == "camera_fault":
        place = {"fault": "view"}
    return {"rule_id": "r", "hazard": case["hazard"], **place, **case["settings"]}


def differences(found: list[Episode], case: dict[str, Any]) -> list[str]:
    """What is not as the case expects it, in words; none when all is."""
    expected = case["expect"]
    wrong = [f"{len(found)} alerts, expected {len(expected)}"] if len(found) != len(expected) else []
    for number, (episode, one) in enumerate(zip(found, expected, strict=False), 1):
        first, last = one["raised_between_s"]
        if not first <= episode.raised_s <= last:
            wrong.append(f"alert {number} raised at {episode.raised_s:.2f} s, expected {first} to {last}")
        if case["hazard"] == "line_crossing":
            continue  # an instant: its end is not checked
        between = one["cleared_between_s"]
        cleared = "not cleared" if episode.cleared_s is None else f"cleared at {episode.cleared_s:.2f} s"
        if between is None and episode.cleared_s is not None:
            wrong.append(f"alert {number} {cleared}, expected open at the end")
        if between is not None and (episode.cleared_s is None or not between[0] <= episode.cleared_s <= between[1]):
            wrong.append(f"alert {number} {cleared}, expected {between[0]} to {between[1]}")
        if episode.end_reason not in (None, EndReason.SEEN_CLEAR):
            wrong.append(f"alert {number} ended {episode.end_reason}, which no picture shows")
    return wrong
