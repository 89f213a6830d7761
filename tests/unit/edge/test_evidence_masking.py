"""People are filled solid or there is no picture: every way a masker can fail."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.background import Scene
from xueliang_edge.evidence.masking import Refused, Sighting, find_people
from xueliang_edge.evidence.stills import (
    PERSON_FILL_BGR,
    PRIVACY_FILL_BGR,
    UNKNOWN_FILL_BGR,
    Composed,
    Region,
    Still,
    compose,
    encode,
)
from xueliang_models.detections import Detections

SIZE_WH = (400, 300)
WHOLE = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))
LEFT = Region(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))


def noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (300, 400, 3)).astype(np.uint8)


def sighting(*people: tuple[float, float, float, float], vehicles: tuple[tuple[float, ...], ...] = ()) -> Sighting:
    return Sighting(np.array(people, np.float32).reshape(-1, 4), np.array(vehicles, np.float32).reshape(-1, 4))


def known_scene() -> Scene:
    return Scene(np.full((300, 400, 3), 30, np.uint8), np.ones((300, 400), np.bool_))


def composed(result: Composed | Refused) -> Composed:
    assert isinstance(result, Composed), result
    return result


class Finder:
    classes = ("person", "car")

    def __init__(self, answer: Callable[[NDArray[np.uint8]], Detections]) -> None:
        self.answer = answer
        self.looks = 0

    def detect(self, image_bgr: NDArray[np.uint8], min_score: float) -> Detections:
        self.looks += 1
        return self.answer(image_bgr)


def one_person(image_bgr: NDArray[np.uint8]) -> Detections:
    return Detections(np.array([[10, 20, 30, 60]], np.float32), np.array([0.06], np.float32), np.array([0], np.int64))


def not_finite(image_bgr: NDArray[np.uint8]) -> Detections:
    found = one_person(image_bgr)
    found.boxes_xyxy[:] = np.nan
    return found


def raises(image_bgr: NDArray[np.uint8]) -> Detections:
    raise RuntimeError("the runtime gave up")


def test_tiles_are_looked_at_and_their_boxes_put_where_they_belong() -> None:
    finder = Finder(one_person)
    found = find_people(finder, noise(1), lambda: False)
    assert isinstance(found, Sighting)
    assert finder.looks == 5
    assert sorted(found.people_xyxy[:, 0].tolist()) == [10, 10, 10, 170, 170]
    assert sorted(found.people_xyxy[:, 1].tolist()) == [20, 20, 20, 140, 140]


@pytest.mark.parametrize(
    ("answer", "reason"), [(not_finite, "not_finite"), (raises, "detector_failed")], ids=["nan", "raises"]
)
def test_a_failing_detector_is_no_picture(answer: Callable[[NDArray[np.uint8]], Detections], reason: str) -> None:
    assert find_people(Finder(answer), noise(1), lambda: False) == Refused(reason)


def test_a_detector_that_is_late_is_no_picture() -> None:
    finder = Finder(one_person)
    assert find_people(finder, noise(1), lambda: finder.looks >= 3) == Refused("late")


def test_a_picture_too_small_to_find_anybody_is_no_picture() -> None:
    assert find_people(Finder(one_person), noise(1)[:80], lambda: False) == Refused("picture_too_small")


def test_a_model_that_knows_no_people_is_no_picture() -> None:
    finder = Finder(one_person)
    finder.classes = ("fire", "smoke")  # type: ignore[assignment]
    assert find_people(finder, noise(1), lambda: False) == Refused("no_person_class")


def test_outside_the_region_only_the_scene_is_shown() -> None:
    result = composed(compose(noise(1), (), known_scene(), sighting(), LEFT))
    assert (result.image_bgr[:, 210:] == 30).all()
    assert not result.shown[:, 210:].any()
    assert (result.image_bgr[:, :190] == noise(1)[:, :190]).all()


def test_an_unknown_scene_is_filled_solid() -> None:
    for scene in (None, Scene(noise(2), np.zeros((300, 400), np.bool_))):
        result = composed(compose(noise(1), (), scene, sighting(), LEFT))
        assert (result.image_bgr[:, 210:] == UNKNOWN_FILL_BGR).all()


def test_people_are_filled_with_a_quarter_of_margin() -> None:
    result = composed(compose(noise(1), (), known_scene(), sighting((100, 100, 140, 200)), WHOLE))
    assert (result.image_bgr[75:225, 90:150] == PERSON_FILL_BGR).all()
    assert not (result.image_bgr[0:60] == PERSON_FILL_BGR).all()


def test_privacy_zones_lie_on_top_of_everything() -> None:
    zone = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))
    region = Region(WHOLE.zone_xyn, WHOLE.boxes_xyxyn, (zone,))
    result = composed(compose(noise(1), (), known_scene(), sighting((100, 100, 140, 200)), region))
    assert (result.image_bgr[:150] == PRIVACY_FILL_BGR).all()


def moved_blob(left: int) -> NDArray[np.uint8]:
    picture = np.full((300, 400, 3), 90, np.uint8)
    picture[100:160, left : left + 30] = 200
    return picture


def test_movement_nobody_explains_is_filled() -> None:
    result = composed(compose(moved_blob(200), (moved_blob(180),), known_scene(), sighting(), WHOLE))
    assert (result.image_bgr[110:150, 212:228] == PERSON_FILL_BGR).all()


def test_movement_of_a_vehicle_is_the_vehicle() -> None:
    vehicle = ((180.0, 95.0, 235.0, 165.0),)
    result = composed(compose(moved_blob(200), (moved_blob(180),), known_scene(), sighting(vehicles=vehicle), WHOLE))
    assert (result.image_bgr[110:150, 205:225] == 200).all()


def test_when_everything_moves_there_is_no_picture() -> None:
    assert compose(noise(1), (255 - noise(2) // 2,), known_scene(), sighting(), WHOLE) == Refused("too_much_moves")


def test_no_region_is_no_picture() -> None:
    assert compose(noise(1), (), known_scene(), sighting(), Region((), WHOLE.boxes_xyxyn)) == Refused("no_region")


def test_stills_are_plain_jpegs_of_bounded_size() -> None:
    large = np.tile(noise(1), (5, 6, 1))
    smooth = np.asarray(cv2.GaussianBlur(large, (31, 31), 0), dtype=np.uint8)
    still = encode(Composed(smooth, np.ones(smooth.shape[:2], np.bool_)), EvidenceKind.ONSET)
    assert isinstance(still, Still)
    assert max(still.size_wh) <= 1280
    assert still.jpeg[:2] == b"\xff\xd8"
    assert b"Exif" not in still.jpeg
    picture = cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert (picture.shape[1], picture.shape[0]) == still.size_wh
