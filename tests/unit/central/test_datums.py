"""Datums of Chinese maps: known points, and back again."""

from __future__ import annotations

from math import cos, hypot, radians

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_central.areas.datums import Place, from_wgs84, to_wgs84
from xueliang_configs.cameras import Datum

DEGREE_M = 111_320.0


def apart_m(one: Place, other: Place) -> float:
    return hypot((one[0] - other[0]) * cos(radians(one[1])), one[1] - other[1]) * DEGREE_M


@pytest.mark.parametrize(
    ("wgs84", "gcj02"),
    [
        # The railway station of Beijing, as the documentation of R's geoChina gives it.
        ((116.42079, 39.90105), (116.42703, 39.90245)),
    ],
)
def test_a_point_that_others_publish(wgs84: Place, gcj02: Place) -> None:
    assert apart_m(from_wgs84(wgs84, Datum.GCJ02), gcj02) < 1.0
    assert apart_m(to_wgs84(gcj02, Datum.GCJ02), wgs84) < 1.0


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
@given(longitude=st.floats(73.5, 135.0), latitude=st.floats(18.0, 53.5))
def test_there_and_back_is_less_than_a_metre(datum: Datum, longitude: float, latitude: float) -> None:
    place = (longitude, latitude)
    assert apart_m(to_wgs84(from_wgs84(place, datum), datum), place) < 0.01
    assert apart_m(from_wgs84(to_wgs84(place, datum), datum), place) < 0.01


@pytest.mark.parametrize("place", [(117.0, 36.6), (87.6, 43.8), (110.3, 20.0), (126.6, 45.8)])
def test_shifts_are_as_large_as_everybody_knows_them(place: Place) -> None:
    gcj02, bd09 = from_wgs84(place, Datum.GCJ02), from_wgs84(place, Datum.BD09)
    assert 100 < apart_m(place, gcj02) < 800
    assert 600 < apart_m(gcj02, bd09) < 1200


@pytest.mark.parametrize("datum", list(Datum))
@pytest.mark.parametrize("place", [(2.35, 48.85), (-74.0, 40.7), (151.2, -33.9), (0.0, 0.0), (180.0, 90.0)])
def test_nothing_is_shifted_outside_china(place: Place, datum: Datum) -> None:
    assert from_wgs84(place, datum) == place
    assert to_wgs84(place, datum) == place


@pytest.mark.parametrize("datum", list(Datum))
def test_edges_of_the_box_do_not_hang(datum: Datum) -> None:
    for longitude in (72.004, 137.8347):
        for latitude in (0.8293, 55.8271):
            found = to_wgs84((longitude, latitude), datum)
            assert apart_m(found, (longitude, latitude)) < 5_000
