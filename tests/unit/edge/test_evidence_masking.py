"""People are filled solid or there is no picture: every way a masker can fail."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.background import Scene
from xueliang_edge.evidence.masking import (
    STILL_LONG_SIDE_PX,
    Refused,
    Sighting,
    find_people,
    quiet_luma,
    still_size,
    tiles,
)
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
from xueliang_models.pictures import Picture, size_of
from xueliang_streams.frame import Planes

SIZE_WH = (400, 300)
WHOLE = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))
LEFT = Region(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))


def noise(seed: int) -> Planes:
    return Planes.from_bgr(np.random.default_rng(seed).integers(0, 256, (300, 400, 3)).astype(np.uint8))


def plain(level: int) -> Planes:
    return Planes.from_bgr(np.full((300, 400, 3), level, np.uint8))


def sighting(*people: tuple[float, float, float, float], vehicles: tuple[tuple[float, ...], ...] = ()) -> Sighting:
    return Sighting(np.array(people, np.float32).reshape(-1, 4), np.array(vehicles, np.float32).reshape(-1, 4))


def known_scene() -> Scene:
    return Scene(plain(30), np.ones((300, 400), np.bool_))


def still(
    picture: Planes, earlier: tuple[Planes, ...], scene: Scene | None, found: Sighting, region: Region
) -> Composed | Refused:
    return compose(picture, quiet_luma(picture), [quiet_luma(one) for one in earlier], scene, found, region)


def composed(result: Composed | Refused) -> Composed:
    assert isinstance(result, Composed), result
    return result


class Finder:
    classes = ("person", "car")

    def __init__(self, answer: Callable[[Picture], Detections]) -> None:
        self.answer = answer
        self.sizes: list[tuple[int, int]] = []

    @property
    def looks(self) -> int:
        return len(self.sizes)

    def detect(self, picture: Picture, min_score: float) -> Detections:
        self.sizes.append(size_of(picture))
        return self.answer(picture)


def one_person(picture: Picture) -> Detections:
    return Detections(np.array([[10, 20, 30, 60]], np.float32), np.array([0.06], np.float32), np.array([0], np.int64))


def not_finite(picture: Picture) -> Detections:
    found = one_person(picture)
    found.boxes_xyxy[:] = np.nan
    return found


def raises(picture: Picture) -> Detections:
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
def test_a_failing_detector_is_no_picture(answer: Callable[[Picture], Detections], reason: str) -> None:
    assert find_people(Finder(answer), noise(1), lambda: False) == Refused(reason)


def test_a_detector_that_is_late_is_no_picture() -> None:
    finder = Finder(one_person)
    assert find_people(finder, noise(1), lambda: finder.looks >= 3) == Refused("late")


def test_a_picture_too_small_to_find_anybody_is_no_picture() -> None:
    assert find_people(Finder(one_person), noise(1).crop(0, 0, 400, 80), lambda: False) == Refused("picture_too_small")


def test_a_model_that_knows_no_people_is_no_picture() -> None:
    finder = Finder(one_person)
    finder.classes = ("fire", "smoke")  # type: ignore[assignment]
    assert find_people(finder, noise(1), lambda: False) == Refused("no_person_class")


def test_outside_the_region_only_the_scene_is_shown() -> None:
    result = composed(still(noise(1), (), known_scene(), sighting(), LEFT))
    assert (result.image_bgr[:, 210:] == 30).all()
    assert not result.shown[:, 210:].any()
    assert (result.image_bgr[:, :190] == noise(1).bgr()[:, :190]).all()


def test_an_unknown_scene_is_filled_solid() -> None:
    for scene in (None, Scene(noise(2), np.zeros((300, 400), np.bool_))):
        result = composed(still(noise(1), (), scene, sighting(), LEFT))
        assert (result.image_bgr[:, 210:] == UNKNOWN_FILL_BGR).all()


def test_people_are_filled_with_a_quarter_of_margin() -> None:
    result = composed(still(noise(1), (), known_scene(), sighting((100, 100, 140, 200)), WHOLE))
    assert (result.image_bgr[75:225, 90:150] == PERSON_FILL_BGR).all()
    assert not (result.image_bgr[0:60] == PERSON_FILL_BGR).all()


def test_privacy_zones_lie_on_top_of_everything() -> None:
    zone = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))
    region = Region(WHOLE.zone_xyn, WHOLE.boxes_xyxyn, (zone,))
    result = composed(still(noise(1), (), known_scene(), sighting((100, 100, 140, 200)), region))
    assert (result.image_bgr[:150] == PRIVACY_FILL_BGR).all()


def moved_blob(left: int) -> Planes:
    picture = np.full((300, 400, 3), 90, np.uint8)
    picture[100:160, left : left + 30] = 200
    return Planes.from_bgr(picture)


def test_movement_nobody_explains_is_filled() -> None:
    result = composed(still(moved_blob(200), (moved_blob(180),), known_scene(), sighting(), WHOLE))
    assert (result.image_bgr[110:150, 212:228] == PERSON_FILL_BGR).all()


def test_movement_of_a_vehicle_is_the_vehicle() -> None:
    vehicle = ((180.0, 95.0, 235.0, 165.0),)
    result = composed(still(moved_blob(200), (moved_blob(180),), known_scene(), sighting(vehicles=vehicle), WHOLE))
    assert (result.image_bgr[110:150, 205:225] == 200).all()


def test_when_everything_moves_there_is_no_picture() -> None:
    assert still(noise(1), (plain(250),), known_scene(), sighting(), WHOLE) == Refused("too_much_moves")


def test_no_region_is_no_picture() -> None:
    assert still(noise(1), (), known_scene(), sighting(), Region((), WHOLE.boxes_xyxyn)) == Refused("no_region")


def test_stills_are_plain_jpegs_of_bounded_size() -> None:
    large = np.tile(noise(1).bgr(), (5, 6, 1))
    smooth = Planes.from_bgr(np.asarray(cv2.GaussianBlur(large, (31, 31), 0), dtype=np.uint8))
    picture = smooth.fitted(STILL_LONG_SIDE_PX)
    result = compose(picture, quiet_luma(smooth), (), None, sighting(), WHOLE)
    made = encode(composed(result), EvidenceKind.ONSET)
    assert isinstance(made, Still)
    assert max(made.size_wh) == 1280
    assert made.jpeg[:2] == b"\xff\xd8"
    assert b"Exif" not in made.jpeg
    assert len(made.jpeg) <= 400_000
    shown = cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert (shown.shape[1], shown.shape[0]) == made.size_wh


def test_a_still_larger_than_allowed_is_refused() -> None:
    large = np.zeros((800, 1300, 3), np.uint8)
    assert encode(Composed(large, large[:, :, 0] > 0), EvidenceKind.ONSET) == Refused("picture_too_large")


@pytest.mark.parametrize("size_wh", [(1920, 1080), (2560, 1440), (1281, 721), (1080, 1921), (640, 361), (400, 300)])
def test_brightness_is_half_the_size_of_the_still(size_wh: tuple[int, int]) -> None:
    planes = Planes.from_bgr(np.full((size_wh[1], size_wh[0], 3), 100, np.uint8))
    assert still_size(size_wh) == planes.fitted(STILL_LONG_SIDE_PX).size_wh
    width, height = still_size(size_wh)
    assert quiet_luma(planes).shape == (height // 2, width // 2)


def test_brightness_means_the_same_whatever_range_the_camera_uses() -> None:
    full = plain(200)
    limited = Planes(np.full_like(full.y, round(16 + 200 * 219 / 255)), full.u, full.v, is_full_range=False)
    assert abs(int(quiet_luma(full)[50, 50]) - int(quiet_luma(limited)[50, 50])) <= 1


@pytest.mark.parametrize("size_wh", [(1280, 720), (641, 359), (333, 517), (96, 96)])
def test_tiles_cover_the_picture_and_begin_where_a_crop_of_planes_does(size_wh: tuple[int, int]) -> None:
    covered = np.zeros((size_wh[1], size_wh[0]), np.bool_)
    for left, top, right, bottom in tiles(size_wh):
        covered[top:bottom, left:right] = True
        assert (left % 2, top % 2) == (0, 0)
        assert right <= size_wh[0]
        assert bottom <= size_wh[1]
    assert covered.all()


def test_earlier_pictures_of_another_size_say_nothing() -> None:
    other = Planes.from_bgr(np.full((600, 800, 3), 250, np.uint8))
    result = composed(still(plain(30), (other,), known_scene(), sighting(), WHOLE))
    assert result.shown.all()
