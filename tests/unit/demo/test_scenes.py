"""The rendered scenes: truth that fits the picture, the same seed the same picture, plays that loop."""

from __future__ import annotations

import math
import tarfile
from pathlib import Path

import numpy as np
import pytest

from xueliang_demo.scenes import CLASS_NAMES, LOOP_S, FireLaneScene, PlazaScene, write_training_tar

SMALL_WH = (640, 360)


@pytest.fixture(scope="module")
def fire_lane() -> FireLaneScene:
    return FireLaneScene(seed=3, size_wh=SMALL_WH)


@pytest.fixture(scope="module")
def plaza() -> PlazaScene:
    return PlazaScene(seed=3, size_wh=SMALL_WH)


def _inside(box: tuple[float, float, float, float]) -> bool:
    x1, y1, x2, y2 = box
    return 0 <= x1 < x2 <= SMALL_WH[0] and 0 <= y1 < y2 <= SMALL_WH[1]


def _is_in_polygon(x: float, y: float, polygon: list[tuple[float, float]]) -> bool:
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


@pytest.mark.parametrize("state", ["empty", "arriving", "standing", "leaving"])
def test_every_true_box_lies_inside_the_picture(fire_lane: FireLaneScene, state: str) -> None:
    for t_s in np.linspace(0, fire_lane.durations_s[state], 5):
        for name, box in fire_lane.truth(state, float(t_s)):
            assert name in CLASS_NAMES
            assert _inside(box), (state, t_s, name, box)


def test_frame_has_the_asked_size_and_is_the_same_for_the_same_seed() -> None:
    first, again, other = (FireLaneScene(seed=seed, size_wh=(320, 180)).frame("standing", 2.0) for seed in (5, 5, 6))
    assert first.shape == (180, 320, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_lane_polygon_is_valid_and_large(fire_lane: FireLaneScene) -> None:
    polygon = fire_lane.lane_polygon_xyxyn
    assert len(polygon) == 4
    assert all(0 <= value <= 1 for corner in polygon for value in corner)
    turned = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    area = abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in turned)) / 2
    assert area > 0.05


def test_truck_stands_in_the_lane_only_while_it_should(fire_lane: FireLaneScene) -> None:
    def trucks_in_lane(state: str, t_s: float) -> int:
        feet = [
            ((box[0] + box[2]) / 2 / SMALL_WH[0], box[3] / SMALL_WH[1])
            for name, box in fire_lane.truth(state, t_s)
            if name == "truck"
        ]
        return sum(_is_in_polygon(x, y, fire_lane.lane_polygon_xyxyn) for x, y in feet)

    assert all(trucks_in_lane("empty", t_s) == 0 for t_s in range(0, int(LOOP_S), 3))
    assert all(trucks_in_lane("standing", t_s) == 1 for t_s in range(0, int(LOOP_S), 3))
    assert trucks_in_lane("leaving", 0.0) == 1
    assert trucks_in_lane("leaving", FireLaneScene.LEAVE_S + 0.1) == 0


@pytest.mark.parametrize(
    ("state", "then"),
    [
        ("empty", "arriving"),
        ("arriving", "standing"),
        ("standing", "leaving"),
        ("leaving", "empty"),
        ("standing", "standing"),
    ],
)
def test_states_follow_each_other_without_a_jump(fire_lane: FireLaneScene, state: str, then: str) -> None:
    end = boxes_of_people(fire_lane.truth(state, fire_lane.durations_s[state]))
    start = boxes_of_people(fire_lane.truth(then, 0.0))
    assert len(end) == len(start)
    for before, after in zip(end, start, strict=True):
        assert math.dist(before, after) < 1.5


def boxes_of_people(truth: list[tuple[str, tuple[float, float, float, float]]]) -> list[tuple[float, ...]]:
    return sorted(tuple(box) for name, box in truth if name == "person")


def test_crowd_gathers_in_the_zone_and_parts(plaza: PlazaScene) -> None:
    def people_in_zone(state: str, t_s: float) -> int:
        feet = [
            ((b[0] + b[2]) / 2 / SMALL_WH[0], b[3] / SMALL_WH[1])
            for name, b in plaza.truth(state, t_s)
            if name == "person"
        ]
        return sum(_is_in_polygon(x, y, plaza.zone_polygon) for x, y in feet)

    assert people_in_zone("calm", 4.0) <= 2
    assert all(people_in_zone("crowded", t_s) >= 10 for t_s in (0.0, 9.0, 18.0))
    assert people_in_zone("dispersing", 10.0) <= 2


def test_unknown_state_is_refused_by_name(fire_lane: FireLaneScene) -> None:
    with pytest.raises(ValueError, match="state must be one of empty, arriving, standing, leaving"):
        fire_lane.frame("parked", 0.0)


def test_training_tar_holds_pictures_labels_and_every_class(tmp_path: Path) -> None:
    path = write_training_tar(seed=2, count=20, out=tmp_path)
    seen = set()
    with tarfile.open(path) as archive:
        names = archive.getnames()
        for name in names:
            if name.endswith(".txt"):
                reader = archive.extractfile(name)
                assert reader is not None
                for line in reader.read().decode().splitlines():
                    class_id, *box = line.split()
                    seen.add(int(class_id))
                    cx, cy, w, h = (float(value) for value in box)
                    assert abs(cx - 0.5) + w / 2 <= 0.5001
                    assert abs(cy - 0.5) + h / 2 <= 0.5001
    assert sum(name.endswith(".jpg") for name in names) == 20
    assert "rendered_2/pseudo.csv" in names
    assert seen == set(range(6))
