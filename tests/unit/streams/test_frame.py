from __future__ import annotations

import tracemalloc
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from xueliang_streams.frame import Frame, Planes, fitted_wh, planes_bytes

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def frame(image_bgr: np.ndarray, sequence: int = 1, received_at: datetime = NOON) -> Frame:
    return Frame("gate-3", sequence, Planes.from_bgr(image_bgr), 5.0, received_at, is_key=True)


def primary_colours() -> np.ndarray:
    """Blue, green and red side by side, 8 px each."""
    image_bgr = np.zeros((8, 24, 3), np.uint8)
    image_bgr[:, :8], image_bgr[:, 8:16], image_bgr[:, 16:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return image_bgr


def test_size_is_width_then_height() -> None:
    assert frame(np.zeros((240, 320, 3), np.uint8)).size_wh == (320, 240)


def test_luma_weighs_green_most_and_is_a_view() -> None:
    taken = frame(primary_colours())
    assert taken.luma().shape == (8, 24)
    assert taken.luma()[0, [4, 12, 20]].tolist() == [29, 150, 76]
    assert np.shares_memory(taken.luma(), taken.planes.y)


def test_colour_comes_back_from_the_planes() -> None:
    image_bgr = primary_colours()
    seen = frame(image_bgr).image_bgr
    assert seen.shape == (8, 24, 3)
    for left in (2, 10, 18):  # away from the edges, where half the colours are mixed
        difference = seen[:, left : left + 4].astype(int) - image_bgr[:, left : left + 4]
        assert abs(difference).max() <= 3


def test_limited_range_is_stretched_and_full_range_is_not() -> None:
    grey = np.full((2, 2), 128, np.uint8)
    dark, bright = np.full((4, 4), 16, np.uint8), np.full((4, 4), 235, np.uint8)
    assert Planes(dark, grey, grey).bgr().max() == 0
    assert Planes(bright, grey, grey).bgr().min() == 255
    assert set(Planes(dark, grey, grey, is_full_range=True).bgr().ravel().tolist()) == {16}


@pytest.mark.parametrize(
    "y",
    [
        np.zeros((240, 320, 3), np.uint8),
        np.zeros((0, 320), np.uint8),
        np.zeros((240, 320), np.float32),
        np.zeros((242, 320), np.uint8),
    ],
    ids=["colour", "empty", "float", "other size than its colours"],
)
def test_other_than_planes_of_bytes_is_refused(y: np.ndarray) -> None:
    half = np.zeros((120, 160), np.uint8)
    with pytest.raises(ValueError, match="must"):
        Planes(y, half, half)


@pytest.mark.parametrize("size_wh", [(320, 240), (321, 241), (1, 1)])
def test_planes_survive_a_buffer(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    random = np.random.default_rng(1)
    half = ((height + 1) // 2, (width + 1) // 2)
    padded = random.integers(0, 255, (height, width + 13), np.uint8)
    u, v = (random.integers(0, 255, half, np.uint8) for _ in "uv")
    planes = Planes(padded[:, :width], u, v, is_full_range=True)
    buffer = memoryview(bytearray(planes.nbytes + 5))
    assert planes.copy_into(buffer) == planes.nbytes
    again = Planes.from_buffer(buffer, size_wh, is_full_range=True)
    for name in ("y", "u", "v"):
        assert np.array_equal(getattr(again, name), getattr(planes, name))
    with pytest.raises(ValueError, match="does not fit"):
        planes.copy_into(buffer[: planes.nbytes - 1])


@pytest.mark.parametrize("size_wh", [(1280, 720), (1281, 721)])
@pytest.mark.parametrize("long_side_px", [640, 639])
def test_a_picture_is_resized_straight_into_its_place(size_wh: tuple[int, int], long_side_px: int) -> None:
    """Into memory that is shared: the same picture as resized first and copied then, and nothing in between."""
    width, height = size_wh
    random = np.random.default_rng(1)
    half = ((height + 1) // 2, (width + 1) // 2)
    planes = Planes(
        random.integers(0, 255, (height, width + 13), np.uint8)[:, :width],
        *(random.integers(0, 255, half, np.uint8) for _ in "uv"),
    )
    fitted = planes.fitted(long_side_px)
    buffer = memoryview(bytearray(fitted.nbytes + 5))
    planes.copy_into(buffer, fitted.size_wh)  # what is loaded once is loaded now
    buffer[:] = bytes(len(buffer))
    tracemalloc.start()
    try:
        written = planes.copy_into(buffer, fitted_wh(size_wh, long_side_px))
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert written == fitted.nbytes == planes_bytes(fitted.size_wh)
    again = Planes.from_buffer(buffer, fitted.size_wh, is_full_range=False)
    for name in ("y", "u", "v"):
        assert np.array_equal(getattr(again, name), getattr(fitted, name))
    assert most_bytes < fitted.u.nbytes, "no plane is made beside it"
    with pytest.raises(ValueError, match="does not fit"):
        planes.copy_into(buffer[: fitted.nbytes - 1], fitted.size_wh)


def test_crop_and_fit_keep_the_planes_together() -> None:
    planes = Planes.from_bgr(np.zeros((241, 321, 3), np.uint8))
    part = planes.crop(11, -3, 40, 1000)
    assert part.size_wh == (30, 241)
    assert part.u.shape == (121, 15)
    assert np.shares_memory(part.y, planes.y)
    assert planes.fitted(160).size_wh == (160, 120)
    assert planes.fitted(400) is planes


@pytest.mark.parametrize("at", [NOON.replace(tzinfo=None), NOON.astimezone(timezone(timedelta(hours=8)))])
def test_a_time_that_is_not_utc_is_refused(at: datetime) -> None:
    with pytest.raises(ValueError, match="aware UTC"):
        frame(np.zeros((2, 2, 3), np.uint8), received_at=at)


def test_sequence_counts_from_one() -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        frame(np.zeros((2, 2, 3), np.uint8), sequence=0)


def test_a_frame_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        frame(np.zeros((2, 2, 3), np.uint8)).sequence = 2  # type: ignore[misc]
