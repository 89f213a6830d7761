"""The small brightness is the same picture whatever its size, range and padding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_edge.brightness import boxes_mask, cell_shares, gain_between, small_brightness
from xueliang_streams.frame import Planes


def planes_of(y: NDArray[np.uint8], *, is_full_range: bool = True) -> Planes:
    half = np.full((-(-y.shape[0] // 2), -(-y.shape[1] // 2)), 128, np.uint8)
    return Planes(y, half, half, is_full_range)


def drawn(width: int, height: int) -> NDArray[np.uint8]:
    """Soft, so that every size shows the same: a slope from left to right and a bright spot."""
    across, down = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    spot = 80 * np.exp(-((across - 0.3) ** 2 + (down - 0.6) ** 2) / 0.01)
    return (40 + 100 * across + spot).astype(np.uint8)


@pytest.mark.parametrize(
    "size_wh",
    [
        *((160, 90), (3840, 2160), (2560, 1440), (1920, 1088), (1920, 1080), (1919, 1079), (1280, 720), (704, 576)),
        *((768, 432), (480, 360), (352, 288), (161, 91), (100, 75), (640, 50)),
    ],
    ids=lambda size_wh: f"{size_wh[0]}x{size_wh[1]}",
)
def test_every_size_gives_the_same_small_picture(size_wh: tuple[int, int]) -> None:
    small = small_brightness(planes_of(drawn(*size_wh)))
    assert small.shape == (90, 160)
    assert small.dtype == np.uint8
    expected = cv2.blur(drawn(160, 90), (3, 3))
    assert np.abs(small.astype(int) - expected.astype(int)).max() <= 4


def test_a_padded_view_is_read_without_its_padding() -> None:
    whole = np.full((720, 1280 + 64), 255, np.uint8)
    whole[:, :1280] = drawn(1280, 720)
    np.testing.assert_array_equal(
        small_brightness(planes_of(whole[:, :1280])), small_brightness(planes_of(drawn(1280, 720)))
    )


def test_video_levels_are_stretched_to_full_range() -> None:
    video_levels = (16 + drawn(320, 180) * (219 / 255)).astype(np.uint8)
    small = small_brightness(planes_of(video_levels, is_full_range=False))
    difference = small.astype(int) - small_brightness(planes_of(drawn(320, 180))).astype(int)
    assert np.abs(difference).max() <= 2


def test_the_gain_is_the_light_and_not_what_stands_in_it() -> None:
    then = small_brightness(planes_of(drawn(320, 180)))
    now = (then * 0.75).astype(np.uint8)
    now[20:60, 30:90] = 220
    assert gain_between(now, then) == pytest.approx(0.75, abs=0.02)


def test_a_dark_picture_tells_no_gain() -> None:
    dark = np.full((90, 160), 8, np.uint8)
    assert gain_between(np.full((90, 160), 11, np.uint8), dark) == 1.0
    assert gain_between(dark, np.full((90, 160), 90, np.uint8), np.zeros((90, 160), np.bool_)) == 1.0


def test_cell_shares_count_the_samples_of_each_cell() -> None:
    mask = np.zeros((90, 160), np.bool_)
    mask[5:10, 10:12] = True
    shares = cell_shares(mask)
    assert shares.shape == (18, 32)
    assert shares[1, 2] == pytest.approx(10 / 25)
    assert np.count_nonzero(shares) == 1


@pytest.mark.parametrize(
    ("box", "touched"),
    [
        ((0.25, 0.5, 0.5, 1.0), 40 * 45),
        ((0.251, 0.501, 0.499, 0.999), 40 * 45),
        ((-1.0, -1.0, 2.0, 2.0), 160 * 90),
        ((0.5, 0.5, 0.5, 0.5), 0),
        ((float("nan"), 0.0, 0.1, 0.1), 16 * 9),
    ],
    ids=["on the samples", "touches them", "larger than the picture", "a point", "not a number"],
)
def test_boxes_cover_every_sample_they_touch(box: tuple[float, ...], touched: int) -> None:
    assert boxes_mask(np.array([box], np.float32), (160, 90)).sum() == touched
