"""What moved since a detector looked: seen where people walk, not seen in the light, in trees and in noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.fixtures import require_fixture
from xueliang_demo.scenes import FireLaneScene
from xueliang_edge.attention.refreshing import MOVED_SHARE, has_moved
from xueliang_edge.brightness import Small, small_brightness
from xueliang_edge.stillness import LEVELS, LEVELS_AT_MOST, Restlessness, Stillness
from xueliang_streams.frame import Planes

NOBODY = np.zeros((0, 4), np.float32)
ANYWHERE = np.ones((18, 32), np.bool_)
TREE = (slice(10, 40), slice(100, 150))  # samples
TREE_CELLS = (slice(2, 8), slice(20, 30))


def street(light: float = 1.0) -> Small:
    rng = np.random.default_rng(7)
    coarse = np.repeat(np.repeat(rng.integers(60, 160, (18, 32)), 5, axis=0), 5, axis=1)
    return np.clip(coarse * light, 0, 255).astype(np.uint8)


def with_object(left: int, levels: int = 60, width: int = 8) -> Small:
    picture = street().astype(np.int16)
    picture[50:70, left : left + width] += levels
    return np.clip(picture, 0, 255).astype(np.uint8)


def windy(rng: np.random.Generator, levels: float = 10.0) -> Small:
    """Leaves that swing, and a little noise everywhere."""
    picture = street().astype(np.float64) + rng.normal(0, 1.0, (90, 160))
    picture[TREE] += rng.normal(0, levels, picture[TREE].shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def seen(picture: Small, restlessness: Restlessness | None = None) -> Stillness:
    stillness = Stillness(restlessness or Restlessness())
    stillness.judged(picture, NOBODY, 0.0)
    return stillness


def test_nothing_can_be_said_before_a_detector_looked() -> None:
    stillness = Stillness(Restlessness())
    assert stillness.moved(street()) is None
    stillness.judged(street(), NOBODY, 0.0)
    assert stillness.moved(street()) is not None
    stillness.forget()
    assert stillness.moved(street()) is None


def test_what_came_shows_where_it_is_and_nothing_else_does() -> None:
    moved = seen(street()).moved(with_object(40))
    assert moved is not None
    assert moved.shape == (18, 32)
    assert moved.dtype == np.float32
    rows, columns = np.nonzero(moved >= MOVED_SHARE)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 13, 8, 9)
    calm = seen(street()).moved(street())
    assert calm is not None
    assert not calm.any()


def test_another_light_is_no_movement_and_hides_none() -> None:
    stillness = seen(street())
    dim = stillness.moved(street(0.7))
    assert dim is not None
    assert not has_moved(dim, ANYWHERE)
    assert has_moved(stillness.moved((with_object(40, 90) * 0.7).astype(np.uint8)), ANYWHERE)


def test_another_picture_altogether_cannot_be_compared() -> None:
    assert seen(street()).moved(255 - np.roll(street(), 5, axis=1)) is None


def test_what_creeps_adds_up_until_it_is_seen() -> None:
    """Half a sample a look: between two looks too little to see, against the picture the detector saw it is not."""
    road = np.full((90, 160), 100.0)

    def at(position: float) -> Small:
        across = np.arange(160)
        edge = np.clip(position - across, 0, 1)  # dark left of it
        return (road - 20 * edge).astype(np.uint8)

    between_looks = [seen(at(40 + 0.5 * look)).moved(at(40 + 0.5 * (look + 1))) for look in range(12)]
    assert not any(has_moved(moved, ANYWHERE) for moved in between_looks)
    stillness = seen(at(40))
    assert has_moved(stillness.moved(at(46)), ANYWHERE)


def test_a_tree_in_the_wind_becomes_restless_and_the_street_beside_it_does_not() -> None:
    rng = np.random.default_rng(1)
    stillness = Stillness(restlessness := Restlessness())
    in_tree, beside = [], []
    for look in range(150):  # ten minutes, a look every 4 s
        picture = windy(rng)
        moved = stillness.moved(picture)
        if moved is not None:
            in_tree.append(bool((moved[TREE_CELLS] >= MOVED_SHARE).any()))
            moved[TREE_CELLS] = 0
            beside.append(has_moved(moved, ANYWHERE))
        stillness.judged(picture, NOBODY, 4.0 * look)
    assert all(in_tree[:3]), "at first it costs a look by the detector"
    assert np.mean(in_tree[-50:]) < 0.1
    assert not any(beside)
    assert restlessness.levels[60:].max() <= LEVELS + 6
    car = windy(rng)
    car[TREE] = 20
    moved = stillness.moved(car)
    assert moved is not None
    assert moved[TREE_CELLS].mean() > 0.5, "a car before the tree is seen all the same"


def test_a_restless_place_becomes_calm_again() -> None:
    rng = np.random.default_rng(2)
    stillness = Stillness(restlessness := Restlessness())
    for look in range(150):
        stillness.judged(windy(rng), NOBODY, 4.0 * look)
    assert restlessness.levels[TREE].mean() > 40
    for look in range(150, 1050):  # an hour without wind
        stillness.judged(windy(rng, 0.0), NOBODY, 4.0 * look)
    assert restlessness.levels[TREE].mean() < 20


def test_what_a_detection_explains_makes_no_place_restless() -> None:
    stillness = Stillness(restlessness := Restlessness())
    for look in range(900):
        left = (look * 37) % 140
        box = np.array([[left / 160, 50 / 90, (left + 8) / 160, 70 / 90]], np.float32)
        stillness.judged(with_object(left), box, 4.0 * look)
    assert restlessness.levels.max() <= LEVELS + 1
    assert has_moved(stillness.moved(with_object(30, 20)), ANYWHERE)


def test_however_restless_a_strong_change_is_seen() -> None:
    rng = np.random.default_rng(3)
    stillness = Stillness(restlessness := Restlessness())
    for look in range(300):
        screen = street()
        screen[40:] = rng.integers(0, 120, (50, 160))
        stillness.judged(screen, NOBODY, 4.0 * look)
    assert restlessness.levels.max() == LEVELS_AT_MOST
    last = np.full((90, 160), 40, np.uint8)
    stillness.judged(last, NOBODY, 1300.0)
    car = last.copy()
    car[50:70, 40:60] = 130
    assert has_moved(stillness.moved(car), ANYWHERE)


def test_the_map_of_restless_places_survives_as_an_array() -> None:
    rng = np.random.default_rng(4)
    stillness = Stillness(restlessness := Restlessness())
    for look in range(60):
        stillness.judged(windy(rng), NOBODY, 4.0 * look)
    again = Restlessness.from_array(restlessness.to_array())
    assert np.abs(again.levels.astype(int) - restlessness.levels.astype(int)).max() <= 1


def test_a_rendered_truck_moves_where_it_is_and_stands_still_when_it_stands() -> None:
    scene = FireLaneScene(size_wh=(640, 360))

    def small(state: str, t_s: float) -> Small:
        return small_brightness(Planes.from_bgr(scene.frame(state, t_s)))

    def truck(state: str, t_s: float) -> NDArray[np.float64]:
        boxes = [np.array(box) for name, box in scene.truth(state, t_s) if name == "truck"]
        largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
        return largest / [640, 360, 640, 360]

    moved = seen(small("arriving", 1.5)).moved(small("arriving", 3.5))
    assert moved is not None
    left, top, right, bottom = truck("arriving", 3.5) * [32, 18, 32, 18]
    inside = moved[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
    assert (inside >= MOVED_SHARE).mean() > 0.5
    standing = seen(small("standing", 3.0)).moved(small("standing", 3.2))
    assert standing is not None
    left, top, right, bottom = truck("standing", 3.0) * [32, 18, 32, 18]
    assert not (standing[int(top) + 1 : int(bottom) - 1, int(left) + 1 : int(right) - 1] >= MOVED_SHARE).any()


@pytest.mark.fixtures
def test_walkers_of_a_real_camera_are_seen_where_they_walk() -> None:
    """campus_walkers at a look every 2 s, every phase: 95 % of the labelled boxes that walked and are no specks."""
    smalls = _smalls(require_fixture("clips/campus_walkers.mp4"))
    rows = np.genfromtxt(require_fixture("clips/campus_walkers.tracks.csv"), delimiter=",", skip_header=1)
    tracks: dict[int, dict[int, NDArray[np.float64]]] = {}
    for row in rows:
        box = np.array([row[2] / 480, row[3] / 360, (row[2] + row[4]) / 480, (row[3] + row[5]) / 360])
        tracks.setdefault(int(row[0]), {})[int(row[1])] = box
    restlessness = Restlessness()
    hits = []
    for phase in range(0, 20, 4):
        stillness = Stillness(restlessness)
        for number in range(phase, len(smalls), 20):
            now, before = tracks.get(number, {}), tracks.get(number - 20, {})
            moved = stillness.moved(smalls[number])
            if number >= 20:
                assert moved is not None
                hits += [_is_seen(moved, box) for name, box in now.items() if _walked(box, before.get(name))]
            boxes = np.array(list(now.values()), np.float32).reshape(-1, 4)
            stillness.judged(smalls[number], boxes, number / 10)
    assert len(hits) > 800
    assert np.mean(hits) >= 0.95


@pytest.mark.fixtures
def test_an_empty_car_park_is_still() -> None:
    """lot_car_stops: nobody in view until 4.5 s; until the car comes at 8.1 s nobody in the lower right part."""
    smalls = _smalls(require_fixture("clips/lot_car_stops.mp4"))
    lower_right = np.zeros((18, 32), np.bool_)
    lower_right[8:, 4:] = True
    is_still = []
    for number in range(24, int(7.5 * 12)):
        moved = seen(smalls[number - 24]).moved(smalls[number])
        is_still.append(not has_moved(moved, ANYWHERE if number < 4.4 * 12 else lower_right))
    assert np.mean(is_still) >= 0.95


def _walked(box: NDArray[np.float64], before: NDArray[np.float64] | None) -> bool:
    """Taller than 8 % of the picture, and at least half its width from where it was."""
    if box[3] - box[1] < 0.08:
        return False
    return before is None or float(np.hypot(*(box - before)[:2])) >= 0.5 * (box[2] - box[0])


def _is_seen(moved: NDArray[np.float32], box: NDArray[np.float64]) -> bool:
    left, top, right, bottom = np.clip(box, 0, 1) * [32, 18, 32, 18]
    return bool((moved[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] >= MOVED_SHARE).any())


def _smalls(clip: Path) -> list[Small]:
    capture, smalls = cv2.VideoCapture(str(clip)), []
    while True:
        is_read, image = capture.read()
        if not is_read:
            return smalls
        smalls.append(small_brightness(Planes.from_bgr(np.asarray(image, np.uint8))))
