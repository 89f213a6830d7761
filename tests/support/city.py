"""A very small city whose right answers can be seen with the naked eye: rectangles inside rectangles.

3701 city, 1.0 x 1.0 degrees from (117, 36)
├── 370102 west half                                     370103 east half
│   ├── 370102001 south                                  └── 370103001 south
│   │   ├── 370102001001 south-west                          └── 370103001001
│   │   │   ├── 370102001001001 left grid                        └── 370103001001001
│   │   │   └── 370102001001002 right grid
│   │   └── 370102001002 south-east (no grid)
│   └── 370102002 north (nothing below)
"""

from __future__ import annotations

from typing import Any

from xueliang_central.areas.importing import areas_of
from xueliang_central.areas.tree import AreaTree, Level
from xueliang_configs.areas import AreaTable

CITY = "3701"
WEST, EAST = "370102", "370103"
SOUTH, NORTH, EAST_SOUTH = "370102001", "370102002", "370103001"
VILLAGE, VILLAGE_BARE, EAST_VILLAGE = "370102001001", "370102001002", "370103001001"
GRID, GRID_RIGHT, EAST_GRID = "370102001001001", "370102001001002", "370103001001001"

# code: west, south, east, north
BOXES: dict[str, tuple[float, float, float, float]] = {
    CITY: (117.0, 36.0, 118.0, 37.0),
    WEST: (117.0, 36.0, 117.5, 37.0),
    EAST: (117.5, 36.0, 118.0, 37.0),
    SOUTH: (117.0, 36.0, 117.5, 36.5),
    NORTH: (117.0, 36.5, 117.5, 37.0),
    EAST_SOUTH: (117.5, 36.0, 118.0, 36.5),
    VILLAGE: (117.0, 36.0, 117.2, 36.5),
    VILLAGE_BARE: (117.2, 36.0, 117.5, 36.5),
    EAST_VILLAGE: (117.5, 36.0, 118.0, 36.5),
    GRID: (117.0, 36.0, 117.1, 36.4),
    GRID_RIGHT: (117.1, 36.0, 117.2, 36.4),
    EAST_GRID: (117.5, 36.0, 118.0, 36.4),
}
_LEVELS = {4: Level.CITY, 6: Level.COUNTY, 9: Level.TOWNSHIP, 12: Level.VILLAGE, 15: Level.GRID}


def rectangle(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(code: str, *, name: str | None = None, geometry: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = {
        "code": code,
        "name": name or f"区域{code[-3:]}",
        "name_en": f"Area {code[-3:]}",
        "level": _LEVELS[len(code)].value,
    }
    return {"type": "Feature", "properties": properties, "geometry": geometry or rectangle(*BOXES[code])}


def city_geojson(*, codes: tuple[str, ...] | None = None) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [feature(code) for code in codes or tuple(BOXES)]}


def area_table(value: dict[str, Any] | None = None) -> AreaTable:
    return AreaTable.model_validate(value or city_geojson())


def city_tree() -> AreaTree:
    return AreaTree(areas_of(area_table()))
