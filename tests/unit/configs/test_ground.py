"""Picture to ground: a camera whose every figure is known, and calibrations that cannot hold."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from xueliang_configs.ground import GroundSettings, area_of, ground_of

SQUARE = ((0.0, 0.0), (4.0, 0.0), (4.0, 6.0), (0.0, 6.0))


def camera(height_m: float = 6.0, tilt_deg: float = 35.0, turn_deg: float = 0.0) -> Any:
    """Map metres to picture 0..1: 6 m up, 8 m before the square, looking down at it."""
    tilt, turn = math.radians(tilt_deg), math.radians(turn_deg)

    def see(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point[0] - 2.0, point[1] - 3.0
        across, ahead = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn) + 11.0
        deep = ahead * math.cos(tilt) + height_m * math.sin(tilt)
        down = height_m * math.cos(tilt) - ahead * math.sin(tilt)
        return 0.5 + across / deep, 0.5 + down / deep * 16 / 9

    return see


def pairs(see: Any, points: Any = SQUARE) -> list[dict[str, Any]]:
    return [{"picture": see(point), "metres": point} for point in points]


def settings(points: list[dict[str, Any]]) -> GroundSettings:
    return GroundSettings.model_validate({"points": points})


@given(st.floats(3, 15), st.floats(20, 50), st.floats(-180, 180), st.tuples(st.floats(-4e4, 4e4), st.floats(-4e4, 4e4)))
def test_four_points_give_the_whole_ground_back(
    height_m: float, tilt_deg: float, turn_deg: float, shift: tuple[float, float]
) -> None:
    see = camera(height_m, tilt_deg, turn_deg)
    if not all(0.01 < value < 0.99 for point in SQUARE for value in see(point)):
        return
    shifted = [one | {"metres": (one["metres"][0] + shift[0], one["metres"][1] + shift[1])} for one in pairs(see)]
    ground = ground_of(settings(shifted).pairs)
    for x, y in ((2.0, 3.0), (0.5, 5.5), (4.0, 0.0)):
        assert ground.place(see((x, y))) == pytest.approx((x + shift[0], y + shift[1]), abs=1e-3)
    assert ground.area_m2([see(point) for point in SQUARE]) == pytest.approx(24.0, rel=1e-3)


def test_a_rectangle_of_known_size_is_the_same_as_its_corners() -> None:
    see = camera()
    bay = {"corners": [see(point) for point in SQUARE], "width_m": 4, "depth_m": 6}
    area = area_of(GroundSettings.model_validate({"rectangle": bay}), tuple(see(point) for point in SQUARE))
    assert area.m2 == pytest.approx(24.0)
    assert 0.01 < area.error_share < 0.2


def test_the_farther_from_what_was_measured_the_larger_the_error() -> None:
    see = camera()
    calibrated = settings(pairs(see))
    near = area_of(calibrated, tuple(see(point) for point in ((1, 1), (3, 1), (3, 3), (1, 3))))
    far = area_of(calibrated, tuple(see(point) for point in ((1, 12), (3, 12), (3, 14), (1, 14))))
    assert near.m2 == pytest.approx(far.m2, rel=1e-3) == pytest.approx(4.0, rel=1e-3)
    assert far.error_share > 2 * near.error_share


def refused(points: list[dict[str, Any]]) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(points)
    return str(caught.value.errors()[0]["msg"])


def test_points_on_a_line_are_refused() -> None:
    see = camera()
    assert "no three on one line" in refused(pairs(see, [(0, 0), (1, 0), (2, 0), (3, 0)]))
    assert "no three on one line" in refused(pairs(see, [(0, 0), (1, 0), (2, 0), (3, 4)]))
    same = pairs(see)
    assert "no three on one line" in refused([*same[:3], same[0]])


def test_a_mirrored_or_twisted_set_is_refused() -> None:
    points = pairs(camera())
    mirrored = [one | {"metres": (-one["metres"][0], one["metres"][1])} for one in points]
    assert "a mirrored or twisted set" in refused(mirrored)
    swapped = [points[0] | {"metres": points[1]["metres"]}, points[1] | {"metres": points[0]["metres"]}, *points[2:]]
    assert "a mirrored or twisted set" in refused(swapped)


def test_points_that_contradict_each_other_are_refused_by_name() -> None:
    see = camera()
    many = pairs(see, [*SQUARE, (2, 3), (1, 5)])
    wrong = [*many[:4], many[4] | {"metres": (2.0, 4.5)}, many[5]]
    assert "expected points that fit one flat ground" in refused(wrong)
    assert settings(many).pairs


def test_fewer_than_four_points_are_refused() -> None:
    assert refused(pairs(camera())[:3]) == "expected at least 4 points, got 3"
    assert refused([]) == "expected points, or a rectangle, got none"
