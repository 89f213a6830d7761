"""Positions in the datums of Chinese maps, to WGS84 and back. Pure.

Maps published in China draw in GCJ-02 (roads look right, satellites' positions are 100 to 700 m off); Baidu's add a
shift of their own, BD-09. Neither is published officially: the formulas are those that the mapping tools share
(`eviltransform` and many others): a polynomial and sines on the Krasovsky 1940 ellipsoid for GCJ-02, a small rotation
and a constant for BD-09. They agree with the map services to a few centimetres. The way back has no formula: it is
found step by step, to a millimetre.

Outside China nothing is shifted: a position there is the same in all three.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, cos, hypot, pi, sin, sqrt
from typing import Final

from xueliang_configs.cameras import Datum

Place = tuple[float, float]
"""Longitude and latitude, degrees."""
_Forward = Callable[[Place], Place]

_AXIS_M: Final = 6_378_245.0  # Krasovsky 1940
_ECCENTRICITY_SQUARED: Final = 0.00669342162296594323
_CHINA: Final = ((72.004, 137.8347), (0.8293, 55.8271))  # the box outside which the tools shift nothing
_BD_ANGLE: Final = pi * 3000.0 / 180.0
_BD_SHIFT: Final = (0.0065, 0.006)
_CLOSE_DEG: Final = 1e-8  # about a millimetre
_STEPS: Final = 20  # each makes the rest some hundred times smaller


def to_wgs84(place: Place, datum: Datum) -> Place:
    """The same spot in WGS84."""
    if datum is Datum.WGS84:
        return place
    if datum is Datum.BD09:
        place = _inverse(place, _bd09_of_gcj02)
    return _inverse(place, _gcj02_of_wgs84)


def from_wgs84(place: Place, datum: Datum) -> Place:
    """The same spot as a map in that datum names it."""
    if datum is Datum.WGS84:
        return place
    shifted = _gcj02_of_wgs84(place)
    return shifted if datum is Datum.GCJ02 else _bd09_of_gcj02(shifted)


def _inverse(place: Place, forward: _Forward) -> Place:
    """What `forward` turns into this place: the shift hardly changes from spot to spot, a few corrections find it."""
    longitude, latitude = place
    for _ in range(_STEPS):
        there = forward((longitude, latitude))
        off = (place[0] - there[0], place[1] - there[1])
        longitude, latitude = longitude + off[0], latitude + off[1]
        if max(abs(off[0]), abs(off[1])) < _CLOSE_DEG:
            break
    return longitude, latitude


def _is_in_china(place: Place) -> bool:
    return all(low <= value <= high for value, (low, high) in zip(place, _CHINA, strict=True))


def _gcj02_of_wgs84(place: Place) -> Place:
    if not _is_in_china(place):
        return place
    longitude, latitude = place
    east, north = _shift(longitude - 105.0, latitude - 35.0)
    angle = latitude * pi / 180
    bulge = 1 - _ECCENTRICITY_SQUARED * sin(angle) ** 2
    meridian_m = _AXIS_M * (1 - _ECCENTRICITY_SQUARED) / (bulge * sqrt(bulge))
    parallel_m = _AXIS_M / sqrt(bulge) * cos(angle)
    return longitude + east * 180 / (parallel_m * pi), latitude + north * 180 / (meridian_m * pi)


def _shift(x: float, y: float) -> Place:
    """Metres to the east and to the north; x and y in degrees from 105 E, 35 N."""
    ripple = 20 * sin(6 * pi * x) + 20 * sin(2 * pi * x)
    east = ripple + 20 * sin(pi * x) + 40 * sin(pi * x / 3) + 150 * sin(pi * x / 12) + 300 * sin(pi * x / 30)
    north = ripple + 20 * sin(pi * y) + 40 * sin(pi * y / 3) + 160 * sin(pi * y / 12) + 320 * sin(pi * y / 30)
    root = sqrt(abs(x))
    return (
        300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + east * 2 / 3,
        -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + north * 2 / 3,
    )


def _bd09_of_gcj02(place: Place) -> Place:
    if not _is_in_china(place):
        return place
    x, y = place
    distance = hypot(x, y) + 0.00002 * sin(y * _BD_ANGLE)
    angle = atan2(y, x) + 0.000003 * cos(x * _BD_ANGLE)
    return distance * cos(angle) + _BD_SHIFT[0], distance * sin(angle) + _BD_SHIFT[1]
