from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from xueliang_streams.frame import Frame

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def frame(image_bgr: np.ndarray, sequence: int = 1, received_at: datetime = NOON) -> Frame:
    return Frame("gate-3", sequence, image_bgr, 5.0, received_at, is_key=True)


def test_size_is_width_then_height() -> None:
    assert frame(np.zeros((240, 320, 3), np.uint8)).size_wh == (320, 240)


def test_luma_weighs_green_most() -> None:
    image_bgr = np.zeros((2, 3, 3), np.uint8)
    image_bgr[:, 0], image_bgr[:, 1], image_bgr[:, 2] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    luma = frame(image_bgr).luma()
    assert luma.shape == (2, 3)
    assert luma[0].tolist() == [29, 150, 76]


@pytest.mark.parametrize(
    "image_bgr",
    [
        np.zeros((240, 320), np.uint8),
        np.zeros((240, 320, 4), np.uint8),
        np.zeros((0, 320, 3), np.uint8),
        np.zeros((240, 320, 3), np.float32),
    ],
    ids=["grey", "with alpha", "empty", "float"],
)
def test_other_than_bgr_bytes_is_refused(image_bgr: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image_bgr must be uint8 of shape"):
        frame(image_bgr)


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
