"""Which cameras may see a place: the nearest of the register, with distance and bearing, those first that do not look
elsewhere as far as the register knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.cameras.tables import cameras
from xueliang_central.incidents.folding import EARTH_RADIUS_M, distance_m

REACH_M: Final = 300.0  # beyond it a street camera shows nothing of a car or a fire
MOST: Final = 5
NEAR_KEPT: Final = ("camera_id", "distance_m", "bearing_deg", "looks_there")  # with a sighting
USUAL_VIEW_DEG: Final = 110.0  # a street camera's widest usual lens, where the register does not say how wide
ABOVE_M: Final = 10.0  # this near, what lies beside a camera's view on the map may well be in it
_METRES_PER_DEGREE: Final = math.radians(1.0) * EARTH_RADIUS_M


@dataclass(frozen=True, slots=True)
class Near:
    """A camera near a place.

    Attributes:
        bearing_deg: from the camera to the place, clockwise from north: where the camera has to look; 0 to 359.
        looks_there: by the register's bearing and width of view; None: the register does not know, or it is too near.
    """

    camera_id: str
    name: str
    area_path: str
    node_id: str | None
    distance_m: float
    bearing_deg: int
    looks_there: bool | None = None


def bearing_deg(here: tuple[float, float], there: tuple[float, float]) -> int:
    """From here to there (longitude, latitude), clockwise from north, whole degrees; 0 for the same place."""
    a, b, turn = math.radians(here[1]), math.radians(there[1]), math.radians(there[0] - here[0])
    east = math.sin(turn) * math.cos(b)
    north = math.cos(a) * math.sin(b) - math.sin(a) * math.cos(b) * math.cos(turn)
    return round(math.degrees(math.atan2(east, north))) % 360


def box_around(place: tuple[float, float], reach_m: float) -> tuple[float, float, float, float]:
    """West, south, east, north of what lies within reach; across the 180th meridian only this side of it."""
    longitude, latitude = place
    up = reach_m / _METRES_PER_DEGREE
    across = up / max(0.01, math.cos(math.radians(latitude)))
    return longitude - across, latitude - up, longitude + across, latitude + up


def looks_there(looks_deg: float | None, width_deg: float | None, apart_m: float, there_deg: float) -> bool | None:
    """Whether a camera that looks to `looks_deg` has in its view what lies at `there_deg`; None: not known."""
    if looks_deg is None or apart_m <= ABOVE_M:
        return None
    aside = abs((there_deg - looks_deg + 180.0) % 360.0 - 180.0)
    return aside <= (USUAL_VIEW_DEG if width_deg is None else width_deg) / 2


async def nearest(conn: AsyncConnection, place: tuple[float, float], *, reach_m: float = REACH_M) -> list[Near]:
    """The nearest cameras within reach of a place (longitude, latitude), `MOST` of them, nearest first; those that look
    elsewhere come last."""
    west, south, east, north = box_around(place, reach_m)
    found = await conn.execute(
        select(cameras).where(cameras.c.longitude.between(west, east), cameras.c.latitude.between(south, north))
    )
    near: list[Near] = []
    for row in found.mappings():
        there = (row["longitude"], row["latitude"])
        apart = distance_m(*there, *place)
        if apart <= reach_m:
            plain = {name: row[name] for name in ("camera_id", "name", "area_path", "node_id")}
            to_it = bearing_deg(there, place)
            looks = looks_there(row["bearing_deg"], row["field_of_view_deg"], apart, to_it)
            near.append(Near(**plain, distance_m=round(apart, 1), bearing_deg=to_it, looks_there=looks))
    return sorted(near, key=lambda one: (one.looks_there is False, one.distance_m, one.camera_id))[:MOST]
