"""How far, how well known, how old: what a check-in says, and what it leaves out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from xueliang_central.dispatch.checking_in import Fix, checked_in, told_of

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
CAMERA: dict[str, Any] = {"longitude": 117.0, "latitude": 36.0}
NORTH_84_M = 36.0 + 84 / 111_195  # a degree of latitude on a sphere of 6,371 km


def test_a_check_in_tells_the_distance_to_ten_metres_and_never_the_position() -> None:
    said = checked_in(Fix(117.0, NORTH_84_M, 14.6, 3.2), CAMERA, NOON)
    assert said == {
        "at": "2026-11-23T04:00:00.000Z",
        "distance_m": 80,
        "accuracy_m": 15,
        "age_s": 3,
        "is_inaccurate": False,
    }


def test_the_timeline_has_it_to_a_hundred_metres() -> None:
    told = told_of(Fix(117.0, NORTH_84_M, 14.6, 3.2), CAMERA)
    assert told == {"distance_m": 100, "accuracy_m": 15, "is_inaccurate": False}


def test_a_camera_without_a_position_has_no_distance() -> None:
    nowhere = {"longitude": None, "latitude": None}
    assert checked_in(Fix(117.0, 36.0, 5, 0), nowhere, NOON)["distance_m"] is None
    assert "distance_m" not in told_of(Fix(117.0, 36.0, 5, 0), nowhere)


@pytest.mark.parametrize(
    ("accuracy_m", "age_s", "is_inaccurate"),
    [(100, 60, False), (100.1, 0, True), (5, 60.1, True)],
    ids=["at both limits", "wide", "old"],
)
def test_a_wide_or_old_fix_is_called_inaccurate(accuracy_m: float, age_s: float, is_inaccurate: bool) -> None:
    assert Fix(117.0, 36.0, accuracy_m, age_s).is_inaccurate is is_inaccurate
