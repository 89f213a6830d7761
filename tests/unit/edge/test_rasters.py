"""Sets of points as bits say what arrays of flags say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.edge.test_geometry import HORSESHOE, SQUARE, boxes
from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Box, Zone
from xueliang_edge.rules.rasters import members_of, raster_of, set_of, set_of_members, sets_of
from xueliang_edge.rules.standing_measure import widened, widened_one
from xueliang_edge.rules.zone_change import change_in, zone_grid

TRIANGLE: Zone = ((0.1, 0.9), (0.5, 0.2), (0.95, 0.7))
zones = st.sampled_from([SQUARE, HORSESHOE, TRIANGLE])
GRID_HW = (18, 32)


@given(zones, st.lists(boxes(), max_size=6))
def test_the_points_under_boxes_are_those_that_arrays_find(zone: Zone, found: list[Box]) -> None:
    rows = np.array(found, np.float32).reshape(-1, 4)
    for points in (geometry.zone_lattice(zone), geometry.zone_cells(zone, GRID_HW)[2]):
        expected = geometry.covered_points(points, rows)
        assert raster_of(points).under_any(map(tuple, rows.tolist())) == set_of(expected)


@pytest.mark.parametrize("zone", [SQUARE, HORSESHOE, TRIANGLE])
def test_a_box_with_a_point_on_its_border_covers_it(zone: Zone) -> None:
    centres = geometry.zone_cells(zone, GRID_HW)[2]
    raster = raster_of(centres)
    for number, (x, y) in enumerate(centres.tolist()):
        assert raster.under((x, y, x, y)) == 1 << number
    assert raster.under((0.0, 0.0, 1.0, 1.0)) == raster.every
    assert raster.under((0.9, 0.0, 0.1, 1.0)) == 0, "a box turned inside out covers nothing"


@given(zones, st.lists(boxes(), max_size=4))
def test_the_cover_of_a_zone_is_its_share_of_lattice_points(zone: Zone, found: list[Box]) -> None:
    grounds = [geometry.ground_of_one(box) for box in found]
    expected = geometry.covered_points(geometry.zone_lattice(zone), np.array(grounds, np.float32).reshape(-1, 4))
    assert geometry.union_cover(zone, grounds) == float(expected.mean())


@given(st.lists(st.integers(0, 600), max_size=40))
def test_a_set_holds_its_members(members: list[int]) -> None:
    points = set_of_members(members)
    assert members_of(points) == tuple(sorted(set(members)))
    flags = np.zeros((2, 601), np.bool_)
    flags[1, members] = True
    assert sets_of(flags) == [0, points]


@given(boxes())
def test_one_box_is_widened_and_stands_as_many_are_to_the_last_bit(box: Box) -> None:
    box = geometry.as_float32(box)
    many = np.array([box], np.float32)
    assert [widened_one(box)] == list(map(tuple, widened(many).tolist()))
    assert [geometry.ground_as_float32(box)] == list(map(tuple, geometry.ground_of(many).tolist()))


@given(zones, st.integers(0, 1000), st.booleans())
def test_cells_of_a_zone_differ_as_the_grid_says(zone: Zone, seed: int, has_hole: bool) -> None:
    random = np.random.default_rng(seed)
    change = random.choice(np.array([0.0, 0.2, 0.25, 0.4, 0.5, 1.0, np.nan], np.float32), GRID_HW)
    excluded = (((0.3, 0.1), (0.7, 0.1), (0.7, 0.5), (0.3, 0.5)),) if has_hole else ()
    grid = zone_grid(zone, GRID_HW, excluded)
    index, weights, centres = geometry.zone_cells(zone, GRID_HW)
    values = change.ravel()[index].astype(np.float64)
    is_excluded = [any(geometry.is_inside(x, y, hole) for hole in excluded) for x, y in centres.tolist()]
    values[is_excluded] = 0.0
    found = change_in(grid, change)
    assert found.known == set_of(~np.isnan(values))
    assert (found.still, found.changed) == (set_of(values >= 0.25), set_of(values >= 0.5))
    assert grid.weights == tuple(weights.tolist())
    known = members_of(found.known)
    if known:
        assert found.mean(found.known) == float(values[list(known)].mean())
        left, top, right, bottom = grid.box_round(found.known)
        half = np.array([0.5 / GRID_HW[1], 0.5 / GRID_HW[0]])
        assert (left, top) == tuple((centres[list(known)] - half).min(axis=0).tolist())
        assert (right, bottom) == tuple((centres[list(known)] + half).max(axis=0).tolist())
