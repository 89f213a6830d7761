"""Tiles: asked for where a crowd of small people may be, and nowhere else; every part of a zone lies whole in one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xueliang_configs.loading import rule_from
from xueliang_configs.rules import CrowdRule
from xueliang_edge.attention.crops import Crop
from xueliang_edge.attention.tiles import LEAST_GAIN, OVERLAP_SHARE, Shown, fits, tiles_for, wants_tiles
from xueliang_edge.rules.geometry import Zone

INPUT_WH = (448, 256)
WHOLE: Zone = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


def crowd_rule(**settings: Any) -> CrowdRule:
    rule = {"rule_id": "square", "hazard": "crowd", "zone": SQUARE, "raise_at_count": 10, "clear_at_count": 6}
    found = rule_from(rule | settings)
    assert isinstance(found, CrowdRule)
    return found


def people(count: int, *, height: float = 0.15, score: float = 0.3, at: tuple[float, float] = (0.5, 0.5)) -> Shown:
    """So many people with their feet at one place, weak as a rule; a 1280x720 picture."""
    box = [at[0] - 0.01, at[1] - height, at[0] + 0.01, at[1]]
    boxes = np.array([box] * count, np.float32).reshape(-1, 4)
    return Shown(boxes, np.full(count, score, np.float32), ("person",) * count, 0.36, (1280, 720), INPUT_WH)


@pytest.mark.parametrize(
    ("shown", "is_wanted"),
    [
        pytest.param(people(5), True, id="half_of_the_count"),
        pytest.param(people(4), False, id="less_than_half"),
        pytest.param(people(9, score=0.15), False, id="boxes_of_nothing"),
        pytest.param(people(9, at=(0.05, 0.5)), False, id="beside_the_zone"),
        pytest.param(people(9, height=0.4), False, id="large_people"),
    ],
)
def test_tiles_are_for_half_a_crowd_of_small_people(shown: Shown, is_wanted: bool) -> None:
    assert wants_tiles(crowd_rule(), shown, is_open=False) is is_wanted


def test_while_the_alert_is_open_half_of_what_ends_it_is_enough() -> None:
    assert wants_tiles(crowd_rule(), people(3), is_open=True)
    assert not wants_tiles(crowd_rule(), people(2), is_open=True)
    assert not wants_tiles(crowd_rule(clear_at_count=0), people(0), is_open=True), "nobody is there"


def test_a_rule_may_have_them_always_or_never() -> None:
    assert wants_tiles(crowd_rule(tiles="always"), people(0), is_open=False)
    assert not wants_tiles(crowd_rule(tiles="never"), people(20), is_open=True)


def test_the_perspective_says_how_large_people_are_whatever_was_seen() -> None:
    """A quarter of the zone shows people below the limit, or none does."""
    heights = {"near": {"y": 0.9, "height": 0.6}, "far": {"y": 0.2, "height": 0.1}}
    assert wants_tiles(crowd_rule(heights=heights), people(9, height=0.4), is_open=False)
    heights["far"]["height"] = 0.5
    assert not wants_tiles(crowd_rule(heights=heights), people(9), is_open=False)


def inside(tile: Crop, box_px: tuple[float, float, float, float]) -> bool:
    return tile.left <= box_px[0] and tile.top <= box_px[1] and box_px[2] <= tile.right and box_px[3] <= tile.bottom


@pytest.mark.parametrize("size_wh", [(480, 360), (1280, 720), (704, 576), (1921, 1081)])
def test_what_is_no_larger_than_the_overlap_lies_whole_in_a_tile(size_wh: tuple[int, int]) -> None:
    tiles = tiles_for([WHOLE], size_wh, INPUT_WH)
    assert len(tiles) == 4
    rng = np.random.default_rng(5)
    side = np.array(size_wh) * OVERLAP_SHARE * 0.95
    for corner in rng.uniform(0, 1, (500, 2)) * (np.array(size_wh) - side):
        box = (*corner, *(corner + side))
        assert any(inside(tile, box) for tile in tiles), box


@pytest.mark.parametrize(
    ("zone", "count"),
    [
        pytest.param(((0.1, 0.4), (0.3, 0.4), (0.3, 0.7), (0.1, 0.7)), 1, id="a_corner"),
        pytest.param(((0.0, 0.6), (1.0, 0.6), (1.0, 0.9), (0.0, 0.9)), 2, id="a_strip"),
        pytest.param(WHOLE, 4, id="everything"),
    ],
)
def test_there_are_as_many_tiles_as_the_zone_takes(zone: Zone, count: int) -> None:
    tiles = tiles_for([zone], (1280, 720), INPUT_WH)
    assert len(tiles) == count
    for tile in tiles:
        assert tile.left % 2 == tile.top % 2 == 0
        assert 0 <= tile.left < tile.right <= 1280
        assert 0 <= tile.top < tile.bottom <= 720
        assert min(1280 / (tile.right - tile.left), 720 / (tile.bottom - tile.top)) >= LEAST_GAIN


def test_a_tiny_zone_is_not_blown_up_without_end() -> None:
    (tile,) = tiles_for([((0.5, 0.5), (0.52, 0.5), (0.52, 0.53))], (640, 360), INPUT_WH)
    assert tile.right - tile.left >= INPUT_WH[0] / 2
    assert tile.bottom - tile.top >= INPUT_WH[1] / 2


def test_a_picture_of_which_parts_show_no_more_has_no_tiles() -> None:
    assert tiles_for([WHOLE], (224, 128), INPUT_WH) == ()
    assert tiles_for([], (1280, 720), INPUT_WH) == ()


def test_tiles_take_a_quarter_of_the_time_between_two_looks_at_most() -> None:
    assert fits(4, 46.0, 0.75)
    assert not fits(4, 47.0, 0.75)
