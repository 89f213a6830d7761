"""Which grids lie beside a grid: by their polygons alone."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tests.support import city
from xueliang_central.areas import neighbouring
from xueliang_central.areas.importing import areas_of
from xueliang_central.areas.neighbouring import neighbours
from xueliang_central.areas.tree import AreaTree
from xueliang_central.errors import NotFound
from xueliang_configs.areas import AreaTable

METRE_EAST = 1 / (111_320.0 * 0.809)  # degrees of longitude at 36 N
VILLAGE, OTHER_VILLAGE = "370102001001", "370102001002"
GRID = f"{VILLAGE}001"


def tree_of(**boxes: tuple[float, float, float, float] | None) -> AreaTree:
    """Grids by code (after "g"), each with its box in degrees, in two villages."""
    above = {"3701": "city", "370102": "county", "370102001": "township", VILLAGE: "village", OTHER_VILLAGE: "village"}
    features: list[dict[str, Any]] = [city.feature(code, geometry=city.rectangle(116, 35, 119, 38)) for code in above]
    features += [city.feature(name[1:], geometry=city.rectangle(*box)) for name, box in boxes.items() if box]
    table = AreaTable.model_validate({"type": "FeatureCollection", "features": features})
    return AreaTree(areas_of(table))


def codes(tree: AreaTree, code: str = GRID) -> list[str]:
    return [area.code for area in neighbours(tree, code)]


def test_those_of_the_village_come_first_and_the_nearest_of_them_first() -> None:
    tree = tree_of(
        **{
            f"g{GRID}": (117.00, 36.00, 117.01, 36.01),
            f"g{VILLAGE}002": (117.01, 36.00, 117.05, 36.01),  # touches, its centre is far
            f"g{VILLAGE}003": (116.99, 36.00, 117.00, 36.01),  # touches, near
            f"g{OTHER_VILLAGE}001": (117.00, 36.01, 117.01, 36.02),  # another village, near
            f"g{OTHER_VILLAGE}002": (117.00, 35.90, 117.01, 36.00),  # another village, far
            f"g{VILLAGE}004": (117.05, 36.00, 117.06, 36.01),  # the same village, does not touch
        }
    )
    assert codes(tree) == [f"{VILLAGE}003", f"{VILLAGE}002", f"{OTHER_VILLAGE}001", f"{OTHER_VILLAGE}002"]


@pytest.mark.parametrize(
    ("gap_m", "is_beside"), [(-30, True), (0, True), (3, True), (12, False)], ids=["overlap", "touch", "sliver", "gap"]
)
def test_a_sliver_between_hand_drawn_borders_is_no_gap(gap_m: float, is_beside: bool) -> None:
    west = 117.01 + gap_m * METRE_EAST
    tree = tree_of(**{f"g{GRID}": (117.00, 36.00, 117.01, 36.01), f"g{VILLAGE}002": (west, 36.00, west + 0.01, 36.01)})
    assert codes(tree) == ([f"{VILLAGE}002"] if is_beside else [])


def test_a_corner_is_enough() -> None:
    tree = tree_of(**{f"g{GRID}": (117.00, 36.00, 117.01, 36.01), f"g{VILLAGE}002": (117.01, 36.01, 117.02, 36.02)})
    assert codes(tree) == [f"{VILLAGE}002"]


def test_only_grids_have_neighbours_and_a_grid_without_a_polygon_has_none() -> None:
    tree = city.city_tree()
    assert codes(tree, city.GRID) == [city.GRID_RIGHT]
    assert codes(tree, city.VILLAGE) == []
    with pytest.raises(NotFound):
        neighbours(tree, "999999999999999")
    bare = city.feature(city.GRID_RIGHT) | {"geometry": None}
    drawn = [city.feature(code) for code in city.BOXES if code != city.GRID_RIGHT]
    half = AreaTree(areas_of(AreaTable.model_validate({"type": "FeatureCollection", "features": [*drawn, bare]})))
    assert (codes(half, city.GRID), codes(half, city.GRID_RIGHT)) == ([], [])


def test_they_are_worked_out_once_for_each_tree_and_go_with_it() -> None:
    tree = city.city_tree()
    assert neighbours(tree, city.GRID) is neighbours(tree, city.GRID)
    gc.collect()  # trees of tests before this one
    known = len(neighbouring._grids)
    del tree
    gc.collect()
    assert len(neighbouring._grids) == known - 1
