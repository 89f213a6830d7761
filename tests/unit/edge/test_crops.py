"""Closer crops: small things reach the network in their own pixels, nothing wanted is left out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_edge.attention.crops import CROPS_AT_MOST, Crop, crops_for
from xueliang_edge.rules.geometry import Zone, zone_lattice

INPUT_WH = (416, 416)
FULL_HD = (1920, 1080)


def rectangle(left: float, top: float, right: float, bottom: float) -> Zone:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def covered(crops: tuple[Crop, ...], points_px: NDArray[np.float64]) -> NDArray[np.bool_]:
    x, y = points_px[:, 0], points_px[:, 1]
    inside = [(x >= c.left) & (x <= c.right) & (y >= c.top) & (y <= c.bottom) for c in crops]
    return np.any(inside, axis=0)


def scale_of(crop: Crop) -> float:
    """Picture pixels for one pixel of the network."""
    return max((crop.right - crop.left) / INPUT_WH[0], (crop.bottom - crop.top) / INPUT_WH[1])


@pytest.mark.parametrize("size_wh", [(416, 416), (400, 300), (320, 240)])
def test_a_picture_that_fits_needs_no_crop(size_wh: tuple[int, int]) -> None:
    assert crops_for([rectangle(0.1, 0.1, 0.9, 0.9)], size_wh, INPUT_WH) == ()


def test_nothing_wanted_needs_no_crop() -> None:
    assert crops_for([], FULL_HD, INPUT_WH) == ()


def test_a_small_zone_is_one_crop_pixel_for_pixel_with_the_zone_in_its_middle() -> None:
    (crop,) = crops_for([rectangle(0.5, 0.5, 0.55, 0.6)], FULL_HD, INPUT_WH)
    assert scale_of(crop) == 1.0
    assert (crop.top + crop.bottom) / 2 == pytest.approx(0.55 * 1080, abs=4)
    assert crop.left < 0.5 * 1920 - 40
    assert crop.right > 0.55 * 1920 + 40


@pytest.mark.parametrize(
    ("zones", "size_wh"),
    [
        ([rectangle(0.0, 0.0, 0.05, 0.05)], FULL_HD),
        ([rectangle(0.95, 0.95, 1.0, 1.0)], FULL_HD),
        ([rectangle(0.1, 0.4, 0.5, 0.6)], FULL_HD),
        ([rectangle(0.1, 0.4, 0.2, 0.9)], FULL_HD),
        ([rectangle(0.1, 0.1, 0.15, 0.15), rectangle(0.8, 0.8, 0.9, 0.9)], FULL_HD),
        ([((0.05, 0.95), (0.45, 0.3), (0.5, 0.3), (0.35, 0.95))], FULL_HD),
        ([rectangle(0.05, 0.1, 0.95, 0.95)], FULL_HD),
        ([rectangle(0.0, 0.0, 1.0, 1.0)], FULL_HD),
        ([rectangle(0.3, 0.3, 0.7, 0.7)], (3840, 2160)),
        ([rectangle(0.1, 0.1, 0.9, 0.3)], (704, 576)),
        ([rectangle(0.1, 0.1, 0.9, 0.9)], (1921, 300)),
    ],
)
def test_every_point_of_every_zone_is_in_a_crop(zones: list[Zone], size_wh: tuple[int, int]) -> None:
    crops = crops_for(zones, size_wh, INPUT_WH)
    assert len(crops) <= CROPS_AT_MOST
    for crop in crops:
        assert 0 <= crop.left < crop.right <= size_wh[0]
        assert 0 <= crop.top < crop.bottom <= size_wh[1]
        assert crop.left % 2 == crop.top % 2 == 0
        assert scale_of(crop) >= 1.0 or min(size_wh) < 416
    for zone in zones:
        points = zone_lattice(zone) * np.array(size_wh)
        assert not crops or covered(crops, points).all()


def test_a_long_zone_is_cut_into_pixel_for_pixel_tiles() -> None:
    crops = crops_for([rectangle(0.1, 0.45, 0.5, 0.6)], FULL_HD, INPUT_WH)
    assert len(crops) == 3
    assert {scale_of(crop) for crop in crops} == {1.0}


def test_a_zone_too_large_for_three_tiles_is_seen_as_fine_as_three_can() -> None:
    crops = crops_for([rectangle(0.05, 0.4, 0.95, 0.8)], FULL_HD, INPUT_WH)
    assert 1 < len(crops) <= CROPS_AT_MOST
    assert 1.0 < scale_of(crops[0]) < 1920 / 416 * 0.6, "at least 1.7 times finer than the whole picture"


def test_the_whole_picture_as_a_zone_gives_it_up_rather_than_leave_something_out() -> None:
    points = zone_lattice(rectangle(0.0, 0.0, 1.0, 1.0)) * np.array(FULL_HD)
    crops = crops_for([rectangle(0.0, 0.0, 1.0, 1.0)], FULL_HD, INPUT_WH)
    assert not crops or covered(crops, points).all()


def test_small_candidates_are_looked_at_rather_than_the_whole_zone() -> None:
    people = np.array([[0.1, 0.3, 0.11, 0.34], [0.12, 0.31, 0.13, 0.35], [0.8, 0.32, 0.81, 0.36]], np.float32)
    crops = crops_for([rectangle(0.0, 0.2, 1.0, 1.0)], FULL_HD, INPUT_WH, people)
    assert len(crops) == 2
    assert {scale_of(crop) for crop in crops} == {1.0}
    corners = people.reshape(-1, 2).astype(np.float64) * np.array(FULL_HD)
    assert covered(crops, corners).all()


def test_many_candidates_everywhere_get_the_finest_crops_that_hold_them_all() -> None:
    rng = np.random.default_rng(3)
    places = rng.uniform(0.05, 0.9, (40, 2)) * [1.0, 0.5]
    people = np.concatenate([places, places + 0.02], axis=1).astype(np.float32)
    crops = crops_for([rectangle(0.0, 0.0, 1.0, 1.0)], FULL_HD, INPUT_WH, people)
    assert covered(crops, people.reshape(-1, 2).astype(np.float64) * np.array(FULL_HD)).all()
    assert scale_of(crops[0]) < 1920 / 416
