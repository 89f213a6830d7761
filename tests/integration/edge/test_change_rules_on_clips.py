"""Water and debris on recordings: traffic and people raise nothing, and a box that falls on the road does.

The scene is learnt as a node learns it, with a real detector that says where people and vehicles are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.fixtures import require_fixture
from tests.support.models import open_shared_detector
from xueliang_alerts.contract import Phase
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.background import Background
from xueliang_edge.brightness import small_brightness
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge
from xueliang_models.detector import Detector
from xueliang_streams.frame import Planes

pytestmark = [pytest.mark.fixtures, pytest.mark.slow]

START = datetime(2026, 11, 23, tzinfo=UTC)
LOOK_EVERY_S = 0.5
DWELL_S = 6
WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]
NOBODY = np.zeros((0, 4), np.float32)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    opened = open_shared_detector("yolox_nano_416", tmp_path_factory.mktemp("card"))
    yield opened
    opened.close()


def pictures(clip: str, paint: tuple[float, tuple[float, float, float, float]] | None) -> Iterator[tuple[float, Any]]:
    """Twice through the clip: the scene is learnt in the first. `paint`: from when in the second a box lies where."""
    offset_s = 0.0
    for run in range(2):
        capture = cv2.VideoCapture(str(require_fixture(f"clips/{clip}")))
        fps, index, due_s = capture.get(cv2.CAP_PROP_FPS), 0, 0.0
        while capture.grab():
            at_s, index = index / fps, index + 1
            if at_s + 1e-6 < due_s:
                continue
            due_s += LOOK_EVERY_S
            image = capture.retrieve()[1]
            if run and paint is not None and at_s >= paint[0]:
                height, width = image.shape[:2]
                left, top, right, bottom = (np.array(paint[1]) * [width, height, width, height]).astype(int)
                image[top:bottom, left:right] = (235, 235, 235)
            yield offset_s + at_s, image
        capture.release()
        offset_s += index / fps


def observe(
    detector: Detector, clip: str, paint: tuple[float, tuple[float, float, float, float]] | None = None
) -> Iterator[Observation]:
    background: Background | None = None
    for at_s, image in pictures(clip, paint):
        height, width = image.shape[:2]
        background = background or Background((width, height))
        planes = Planes.from_bgr(image)
        found = detector.detect(image)
        boxes = np.clip(found.boxes_xyxy / np.array([width, height, width, height]), 0, 1).astype(np.float32)
        names = tuple(detector.classes[index] for index in found.class_ids)
        yield Observation(
            camera_id="clip",
            observed_mono_s=at_s,
            observed_at=START + timedelta(seconds=at_s),
            view=ViewState.GOOD,
            boxes_xyxyn=boxes,
            scores=found.scores,
            class_names=names,
            track_ids=np.full(len(names), -1, np.int64),
            frame_size_wh=(width, height),
            confident_score=detector.recommended_score,
            change=background.change(small_brightness(planes)),
        )
        kept = [name in ("person", "car", "bus", "truck", "bicycle", "motorcycle") for name in names]
        background.learn(planes, boxes[np.array(kept, dtype=bool)] if any(kept) else NOBODY, at_s)


def story(observations: Iterator[Observation], hazard: str, zone: list[list[float]]) -> list[Decision]:
    rule = {"rule_id": "r", "hazard": hazard, "zone": zone, "dwell_s": DWELL_S, "clear_after_s": 3}
    camera = CameraConfig.model_validate({"camera_id": "clip", "name": "clip", "url": "file:x", "rules": [rule]})
    judge = CameraJudge(camera)
    return [one.decision for observation in observations for one in judge.look(observation)]


@pytest.mark.parametrize(
    ("clip", "zone"),
    [("lot_person_bicycle_car.mp4", WHOLE), ("motorway.mp4", WHOLE), ("crosswalk.mp4", WHOLE)],
    ids=["car_park", "motorway", "crosswalk"],
)
def test_people_and_vehicles_that_pass_are_neither_debris_nor_water(
    clip: str, zone: list[list[float]], detector: Detector
) -> None:
    seen = list(observe(detector, clip))
    assert story(iter(seen), "debris_on_road", zone) == []
    assert story(iter(seen), "water_level", zone) == []


@pytest.mark.parametrize(
    ("clip", "zone", "box", "length_s"),
    [
        ("lot_person_bicycle_car.mp4", [[0.4, 0.5], [0.8, 0.5], [0.8, 0.9], [0.4, 0.9]], (0.55, 0.6, 0.63, 0.72), 38),
        ("motorway.mp4", [[0.4, 0.5], [0.8, 0.5], [0.8, 0.95], [0.4, 0.95]], (0.55, 0.7, 0.61, 0.78), 23),
    ],
    ids=["car_park", "motorway"],
)
def test_a_box_that_falls_is_debris_after_its_dwell(
    clip: str, zone: list[list[float]], box: tuple[float, float, float, float], length_s: float, detector: Detector
) -> None:
    (raised,) = story(observe(detector, clip, (8.0, box)), "debris_on_road", zone)
    assert raised.phase is Phase.RAISED
    assert raised.began.mono_s == pytest.approx(length_s + 8, abs=1.5)
    assert raised.observed.mono_s - raised.began.mono_s == pytest.approx(DWELL_S, abs=3)
    (told,) = raised.boxes_xyxyn
    assert told == pytest.approx(box, abs=0.06)
