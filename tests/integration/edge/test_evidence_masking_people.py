"""P02 on real footage: stills of a place where people walk cover at least 99 % of the labelled person area.

campus_walkers has a box for every person in every frame. A pixel of a person counts as covered when the still shows
anything
there but the live picture: solid fill, or the long-term scene (which is then held to contain nobody either).
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.fixtures import require_fixture
from tests.support.models import open_shared_detector
from xueliang_edge.background import Background
from xueliang_edge.evidence.masking import (
    PERSON_SCORE,
    VEHICLE_SCORE,
    VEHICLES,
    Refused,
    Sighting,
    find_people,
    quiet_luma,
)
from xueliang_edge.evidence.stills import Polygon, Region, compose
from xueliang_models.catalogue import open_detector
from xueliang_models.detector import Detector
from xueliang_streams.frame import Planes

FPS = 10
EVERY = 20
WHOLE: Polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
PATH: Polygon = ((0.1, 0.35), (0.9, 0.3), (0.95, 0.65), (0.3, 0.6))
NO_BOXES = np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class Footage:
    frames: list[NDArray[np.uint8]]
    people: dict[int, NDArray[np.bool_]]


@pytest.fixture(scope="module")
def footage() -> Footage:
    capture = cv2.VideoCapture(str(require_fixture("clips/campus_walkers.mp4")))
    frames: list[NDArray[np.uint8]] = []
    while (got := capture.read())[0]:
        frames.append(np.asarray(got[1], dtype=np.uint8))
    height, width = frames[0].shape[:2]
    people: dict[int, NDArray[np.bool_]] = defaultdict(lambda: np.zeros((height, width), np.bool_))
    with require_fixture("clips/campus_walkers.tracks.csv").open() as file:
        for row in csv.DictReader(file):
            left, top, wide, tall = (float(row[key]) for key in ("x", "y", "w", "h"))
            rows = slice(max(0, int(top)), int(np.ceil(top + tall)))
            people[int(row["frame"])][rows, max(0, int(left)) : int(np.ceil(left + wide))] = True
    return Footage(frames, people)


@pytest.fixture(scope="module", params=["embedded", "yolox_nano_416"])
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """The one in the box, and one that a user may bring."""
    if request.param == "embedded":
        return open_detector("embedded")
    return open_shared_detector(request.param, tmp_path_factory.mktemp("card"))


def excluded_boxes(detector: Detector, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the pipeline keeps out of the scene: people, and vehicles the detector is fairly sure of."""
    found = detector.detect(image_bgr, PERSON_SCORE)
    height, width = image_bgr.shape[:2]
    names = [detector.classes[index] for index in found.class_ids]
    keep = np.array(
        [
            name == "person" or (name in VEHICLES and score >= VEHICLE_SCORE)
            for name, score in zip(names, found.scores, strict=True)
        ],
        dtype=np.bool_,
    )
    return (found.boxes_xyxy[keep] / np.array([width, height, width, height])).astype(np.float32)


@pytest.mark.fixtures
@pytest.mark.slow
def test_stills_cover_99_percent_of_labelled_person_area(footage: Footage, detector: Detector) -> None:
    background = Background((footage.frames[0].shape[1], footage.frames[0].shape[0]))
    person_px = {"whole": 0, "path": 0}
    bare_px = {"whole": 0, "path": 0}
    shown_share = []
    for number in range(0, len(footage.frames), FPS):
        frame = footage.frames[number]
        background.learn(Planes.from_bgr(frame), excluded_boxes(detector, frame), number / FPS)
        if number % EVERY or number == 0:
            continue
        picture = Planes.from_bgr(frame)
        sighting = find_people(detector, picture, lambda: False)
        assert isinstance(sighting, Sighting)
        earlier = [quiet_luma(Planes.from_bgr(footage.frames[number - back])) for back in (5, 10) if number >= back]
        for name, zone in (("whole", WHOLE), ("path", PATH)):
            result = compose(
                picture, quiet_luma(picture), earlier, background.scene(), sighting, Region(zone, NO_BOXES)
            )
            assert not isinstance(result, Refused), f"frame {number}: {result}"
            person_px[name] += int(footage.people[number].sum())
            bare_px[name] += int((footage.people[number] & result.shown).sum())
            if name == "whole":
                shown_share.append(result.shown.mean())
    for name in person_px:
        covered = 1 - bare_px[name] / person_px[name]
        assert covered >= 0.99, f"{name}: {covered:.4f} of {person_px[name]} px"
    assert np.mean(shown_share) > 0.6, "so much is hidden that the still tells nothing"
    _nobody_in(background, footage)


def _nobody_in(background: Background, footage: Footage) -> None:
    """The scene agrees with the median of the whole clip, in which nobody stands long enough to be seen."""
    scene = background.scene()
    median = np.median(np.stack(footage.frames[::15]), axis=0)
    difference = np.abs(scene.planes.bgr().astype(int) - median).max(axis=2)
    strange = (difference > 60) & scene.known
    assert strange.mean() < 0.003, f"{strange.mean():.4f} of the scene is not what is always there"


@pytest.mark.fixtures
def test_a_still_of_real_people_shows_no_box_the_detector_found(footage: Footage, detector: Detector) -> None:
    picture = Planes.from_bgr(footage.frames[400])
    sighting = find_people(detector, picture, lambda: False)
    assert isinstance(sighting, Sighting)
    result = compose(picture, quiet_luma(picture), (), None, sighting, Region(WHOLE, NO_BOXES))
    assert not isinstance(result, Refused)
    for left, top, right, bottom in sighting.people_xyxy.astype(int):
        assert not result.shown[max(0, top) : bottom, max(0, left) : right].any()
