"""The rules on real recordings with a real detector: one set of thresholds for every clip, about four looks a second.

Zones, settings and times are those of the shared `expected_alerts.json` and `events.json`; any other
alert is a false one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.fixtures import fixtures_dir, require_fixture
from tests.support.models import FIRE_MODEL, open_shared_detector
from xueliang_alerts.contract import EndReason, Phase
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.tracking import Tracker
from xueliang_models.detector import Detector

pytestmark = [pytest.mark.fixtures, pytest.mark.slow]

LOOK_EVERY_S = 0.25
START = datetime(2026, 11, 23, tzinfo=UTC)
HAZARDS = ("fire_lane_obstruction", "illegal_parking", "blocked_exit", "crowd", "intrusion")
CLIPS_LOOKED_AT = (
    "campus_walkers",
    "lot_car_stops",
    "lot_person_bicycle_car",
    "motorway",
    "plaza_crowd",
    "room_one_by_one",
)
FIRE_CLIPS = ("house_fire", "yard_fire", "motorway_fire_smoke", "crosswalk", "plaza_crowd", "street_walkers")
FIRE_LOOK_EVERY_S = 1.0  # as often as the rule asks for; two of the clips have one new picture a second


def _cases(hazards: tuple[str, ...] = HAZARDS, clips: tuple[str, ...] = CLIPS_LOOKED_AT) -> list[dict[str, Any]]:
    path = fixtures_dir() / "clips" / "expected_alerts.json"
    if not path.exists():
        return []
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return [
        case
        for case in cases
        if case["hazard"] in hazards and case["level"] == "must" and case["clip"].removesuffix(".mp4") in clips
    ]


@dataclass(frozen=True)
class Episode:
    """Seconds from the first frame."""

    began_s: float
    raised_s: float
    cleared_s: float | None


class Recordings:
    """Observations of each clip, detected once per session."""

    def __init__(self, detector: Detector, look_every_s: float = LOOK_EVERY_S) -> None:
        self._detector, self._look_every_s = detector, look_every_s
        self._seen: dict[str, list[Observation]] = {}

    def of(self, name: str) -> list[Observation]:
        if name not in self._seen:
            self._seen[name] = list(self._observe(require_fixture(f"clips/{name}")))
        return self._seen[name]

    def _observe(self, path: Path) -> Iterator[Observation]:
        tracker = Tracker()
        for t, image in _pictures(path, self._look_every_s):
            found = self._detector.detect(image)
            height, width = image.shape[:2]
            boxes = np.clip(found.boxes_xyxy / np.array([width, height, width, height]), 0, 1).astype(np.float32)
            names = tuple(self._detector.classes[index] for index in found.class_ids)
            score = self._detector.recommended_score
            yield Observation(
                camera_id="clip",
                observed_mono_s=t,
                observed_at=START + timedelta(seconds=t),
                view=ViewState.GOOD,
                boxes_xyxyn=boxes,
                scores=found.scores,
                class_names=names,
                track_ids=tracker.update(boxes, found.scores, names, t, confident_score=score),
                frame_size_wh=(width, height),
                model_digest=self._detector.digest,
                confident_score=score,
            )


def _pictures(path: Path, every_s: float) -> Iterator[tuple[float, Any]]:
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


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    detector = open_shared_detector("yolox_nano_416", tmp_path_factory.mktemp("card"))
    yield Recordings(detector)
    detector.close()


@pytest.fixture(scope="module")
def fires(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    detector = open_shared_detector(FIRE_MODEL, tmp_path_factory.mktemp("card"))
    yield Recordings(detector, FIRE_LOOK_EVERY_S)
    detector.close()


def episodes(observations: list[Observation], rule: dict[str, Any]) -> list[Episode]:
    """What one rule tells of a clip; fails on an end that no picture showed."""
    camera = CameraConfig.model_validate({"camera_id": "clip", "name": "clip", "url": "file:x", "rules": [rule]})
    judge = CameraJudge(camera)
    found: list[Episode] = []
    for observation in observations:
        for _, decision in judge.look(observation):
            at_s = decision.observed.mono_s
            if decision.phase is Phase.RAISED:
                found.append(Episode(decision.began.mono_s, at_s, None))
            elif decision.phase is Phase.CLEARED:
                assert decision.end_reason is EndReason.SEEN_CLEAR
                found[-1] = Episode(found[-1].began_s, found[-1].raised_s, at_s)
    return found


def rule_of(case: dict[str, Any]) -> dict[str, Any]:
    return {"rule_id": "r", "hazard": case["hazard"], "zone": case["zone"]} | case["settings"]


@pytest.mark.parametrize("every", [1, 4], ids=["four_looks_a_second", "one_look_a_second"])
@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_what_must_be_raised_is_raised_and_nothing_else(
    case: dict[str, Any], every: int, recordings: Recordings
) -> None:
    compare(episodes(recordings.of(case["clip"])[::every], rule_of(case)), case)


@pytest.mark.parametrize("case", _cases(("fire_smoke",), FIRE_CLIPS), ids=lambda case: case["id"])
def test_fire_and_smoke_are_raised_and_what_is_none_is_not(case: dict[str, Any], fires: Recordings) -> None:
    compare(episodes(fires.of(case["clip"]), rule_of(case)), case)


def compare(found: list[Episode], case: dict[str, Any]) -> None:
    assert len(found) == len(case["expect"]), found
    for episode, expected in zip(found, case["expect"], strict=True):
        first, last = expected["raised_between_s"]
        assert first <= episode.raised_s <= last, found
        between = expected["cleared_between_s"]
        if between is None:
            assert episode.cleared_s is None, found
        else:
            assert episode.cleared_s is not None, found
            assert between[0] <= episode.cleared_s <= between[1], found


def test_a_car_that_stops_is_raised_15_s_after_it_stands_and_cleared_when_it_is_gone(recordings: Recordings) -> None:
    facts = json.loads(require_fixture("clips/events.json").read_text(encoding="utf-8"))["lot_car_stops.mp4"]
    rule = {
        "rule_id": "r",
        "hazard": "illegal_parking",
        "zone": facts["no_parking_zone"],
        "dwell_s": 15,
        "clear_after_s": 3,
    }
    (episode,) = episodes(recordings.of("lot_car_stops.mp4"), rule)
    assert episode.began_s == pytest.approx(facts["vehicle"]["stands_from"], abs=2)
    assert episode.raised_s == pytest.approx(facts["vehicle"]["stands_from"] + 15, abs=2)
    assert episode.cleared_s is not None
    assert facts["vehicle"]["stands_until"] < episode.cleared_s <= facts["vehicle"]["gone_by"] + 5


def crossings_in_truth(line_x: float) -> dict[str, int]:
    """Of the labelled walkers: how often each went from one side of an upright line to the other."""
    sides: dict[str, list[int]] = {}
    with require_fixture("clips/campus_walkers.tracks.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            foot_x = (float(row["x"]) + float(row["w"]) / 2) / 480
            if abs(foot_x - line_x) * 480 / 360 > 0.01:
                sides.setdefault(row["track"], []).append(1 if foot_x > line_x else -1)
    steps = [second - first for track in sides.values() for first, second in pairwise(track) if first != second]
    return {"to_right": sum(step > 0 for step in steps), "to_left": sum(step < 0 for step in steps)}


@pytest.mark.parametrize("line_x", [0.3, 0.5, 0.6])
@pytest.mark.parametrize("direction", ["to_left", "to_right"])
def test_crossings_are_counted_as_the_labels_say(line_x: float, direction: str, recordings: Recordings) -> None:
    """One alert for the whole clip: `clear_after_s` is longer than any pause. About 15 crossings each."""
    rule = {
        "rule_id": "r",
        "hazard": "line_crossing",
        "line": [[line_x, 1], [line_x, 0]],
        "direction": direction,
        "classes": ["person"],
        "clear_after_s": 1000,
    }
    camera = CameraConfig.model_validate({"camera_id": "clip", "name": "clip", "url": "file:x", "rules": [rule]})
    judge = CameraJudge(camera)
    for observation in recordings.of("campus_walkers.mp4")[::2]:
        judge.look(observation)
    counted = judge.snapshot()["rules"]["r"]["state"]["count"]
    truth = crossings_in_truth(line_x)[direction]
    assert counted == pytest.approx(truth, abs=max(2, 0.15 * truth))
