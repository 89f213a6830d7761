"""Where a worker says a hazard is (pure): the phone's position, or without one the worker's own area.

An area is told as its middle with the distance to the farthest corner of its box as the accuracy: "somewhere in there".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from shapely.geometry import Point

from xueliang_central.areas.tree import Area, AreaTree, code_of_path
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents.folding import distance_m
from xueliang_central.rights.scope import Actor

GOOD_WITHIN_M: Final = 50.0  # as far as a rule watches (nearby.WATCHED_WITHIN_M): wider says nothing of one camera


@dataclass(frozen=True, slots=True)
class Told:
    """A place in WGS84 degrees. `accuracy_m` None: not told. `area`: only that it lies in there is known."""

    longitude: float
    latitude: float
    accuracy_m: float | None
    area: Area | None = None

    @property
    def is_good(self) -> bool:
        """Good enough to say which camera should have seen it."""
        return self.area is None and (self.accuracy_m is None or self.accuracy_m <= GOOD_WITHIN_M)

    @property
    def doubt(self) -> str:
        """What the place's name says of it; empty for a good one."""
        if self.area is not None:
            return f"（没有定位，在{self.area.name[:40]}内）"
        return "" if self.is_good or self.accuracy_m is None else f"（位置 ±{self.accuracy_m:.0f} 米）"


def told_place(
    tree: AreaTree, actor: Actor, longitude: float | None, latitude: float | None, accuracy_m: float | None
) -> Told:
    """Raises MoveRefused where nothing says the place: no position, and no drawn area of one's own."""
    if longitude is not None and latitude is not None:
        return Told(longitude, latitude, accuracy_m)
    code = code_of_path(actor.area_path)
    area = tree.get(code) if code in tree else None
    if area is None or area.polygon.is_empty:
        raise MoveRefused("longitude, latitude: needed, your area has no outline on the map")
    middle = area.polygon.representative_point()
    return Told(middle.x, middle.y, _reach_m(area, middle), area)


def _reach_m(area: Area, middle: Point) -> float:
    """To the farthest corner of the box around it, rounded up to 10 m."""
    west, south, east, north = area.polygon.bounds
    corners = [(longitude, latitude) for longitude in (west, east) for latitude in (south, north)]
    farthest = max(distance_m(middle.x, middle.y, *corner) for corner in corners)
    return math.ceil(farthest / 10) * 10.0
