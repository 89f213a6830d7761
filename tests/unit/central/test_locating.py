"""Point to grid: inside, on a border, in a gap, outside of everything."""

from __future__ import annotations

import random
from datetime import date

import pytest
from shapely.geometry import Point, box

from tests.support import city
from tests.support.jagged_city import Reference, jagged_city, points_over, tree_of
from xueliang_central.areas.importing import areas_of
from xueliang_central.areas.locating import NEAREST_M, locate
from xueliang_central.areas.tree import AreaTree, Level

METRE_EAST = 1 / (111_320 * 0.8039)  # degrees of longitude at 36.5 degrees north
METRE_NORTH = 1 / 111_320


@pytest.mark.parametrize(
    ("longitude", "latitude", "code", "how"),
    [
        pytest.param(117.05, 36.2, city.GRID, "inside", id="inside one grid"),
        pytest.param(117.15, 36.2, city.GRID_RIGHT, "inside", id="inside the other"),
        pytest.param(117.2 + 100 * METRE_EAST, 36.2, city.GRID_RIGHT, "nearest", id="100 m beside a grid"),
        pytest.param(117.05, 36.4 + 150 * METRE_NORTH, city.GRID, "nearest", id="150 m north of a grid"),
        pytest.param(117.05, 36.4 + 260 * METRE_NORTH, city.VILLAGE, "level_up", id="too far: the village"),
        pytest.param(117.4, 36.2, city.VILLAGE_BARE, "level_up", id="a village without grids"),
        pytest.param(117.2, 36.8, city.NORTH, "level_up", id="a township without villages"),
        pytest.param(117.7, 36.8, city.EAST, "level_up", id="a county without a township there"),
        pytest.param(120.0, 40.0, city.CITY, "nowhere", id="outside the city"),
    ],
)
def test_place_to_area(longitude: float, latitude: float, code: str, how: str) -> None:
    found = locate(city.city_tree(), longitude, latitude)
    assert (found.code, found.how) == (code, how)
    assert found.note


def test_on_a_shared_border_the_smaller_grid_answers_always_the_same() -> None:
    shared = city.city_geojson()
    smaller = city.rectangle(117.1, 36.0, 117.2, 36.3)
    for feature in shared["features"]:
        if feature["properties"]["code"] == city.GRID_RIGHT:
            feature["geometry"] = smaller
    for turned in (False, True):
        features = list(reversed(shared["features"])) if turned else shared["features"]
        tree = AreaTree(areas_of(city.area_table({"type": "FeatureCollection", "features": features})))
        found = locate(tree, 117.1, 36.2)
        assert found.code == city.GRID_RIGHT
        assert "smallest" in found.note


def test_equal_grids_are_told_apart_by_code() -> None:
    assert locate(city.city_tree(), 117.1, 36.2).code == city.GRID


def test_without_areas_nothing_is_found_and_nothing_breaks() -> None:
    found = locate(AreaTree(), 117.0, 36.0)
    assert (found.code, found.how) == (None, "nowhere")


def test_every_point_of_the_city_has_an_answer_that_holds() -> None:
    """Against plain geometry: inside means inside, nearest means near, level up means enclosing and no grid near."""
    tree = city.city_tree()
    boxes = {code: box(*bounds) for code, bounds in city.BOXES.items()}
    grids = [code for code in boxes if len(code) == 15]
    dice = random.Random(20261123)
    for _ in range(400):
        point = Point(117 + dice.random(), 36 + dice.random())
        found = locate(tree, point.x, point.y)
        assert found.code is not None
        holding = [code for code in grids if boxes[code].intersects(point)]
        if found.how == "inside":
            assert found.code in holding
        else:
            assert not holding
        if found.how == "level_up":
            assert boxes[found.code].intersects(point)
            assert tree.get(found.code).level is not Level.GRID
            nearest_degrees = min(boxes[code].distance(point) for code in grids)
            assert (
                nearest_degrees * 111_320 >= NEAREST_M * 0.79
            )  # a degree of longitude is shorter than one of latitude


def test_crooked_grids_gaps_and_overlaps_are_routed_as_the_reference_does() -> None:
    """A million places: `./run bench areas`."""
    side = 12
    geojson = jagged_city(side)
    tree, points = tree_of(geojson), points_over(side, 4_000, seed=7)
    wanted = Reference(geojson).codes(points)
    found = [locate(tree, float(longitude), float(latitude)) for longitude, latitude in points]
    assert [one.code for one in found] == [code or "3701" for code in wanted]
    assert {one.how for one in found} == {"inside", "nearest", "level_up", "nowhere"}
    assert any("smallest" in one.note for one in found)


def test_paths_and_kin() -> None:
    tree = city.city_tree()
    assert tree.path_of(city.GRID) == "3701/370102/370102001/370102001001/370102001001001"
    assert [area.code for area in tree.ancestors(city.VILLAGE)] == [city.CITY, city.WEST, city.SOUTH]
    assert [area.code for area in tree.children(city.VILLAGE)] == [city.GRID, city.GRID_RIGHT]
    assert [area.code for area in tree.roots()] == [city.CITY]
    assert [area.code for area in tree.at_level(Level.COUNTY)] == [city.WEST, city.EAST]
    above = tree.ancestor_at(city.GRID, Level.TOWNSHIP)
    assert above is not None
    assert above.code == city.SOUTH
    assert tree.ancestor_at(city.WEST, Level.GRID) is None


def test_on_a_day_only_what_is_valid_then_is_gone_to() -> None:
    dated = city.city_geojson()
    for feature in dated["features"]:
        if feature["properties"]["code"] == city.GRID:
            feature["properties"]["valid_to"] = "2026-12-31"
    successor = city.feature(city.VILLAGE + "009", geometry=city.rectangle(117.0, 36.0, 117.1, 36.4))
    successor["properties"]["valid_from"] = "2027-01-01"
    tree = AreaTree(areas_of(city.area_table({**dated, "features": [*dated["features"], successor]})))

    def code_on(day: str) -> str | None:
        return locate(tree.on(date.fromisoformat(day)), 117.05, 36.2).code

    assert (code_on("2026-12-31"), code_on("2027-01-01")) == (city.GRID, city.VILLAGE + "009")
    assert tree.on(date(2026, 12, 31)) is tree.on(date(2026, 12, 31))
    assert city.city_tree().on(date(2026, 12, 31)) is not None


def test_where_everything_has_ended_nothing_is_dropped() -> None:
    ended = city.city_geojson()
    for feature in ended["features"]:
        feature["properties"]["valid_to"] = "2026-12-31"
    tree = AreaTree(areas_of(city.area_table(ended)))
    assert tree.on(date(2027, 1, 1)) is tree
