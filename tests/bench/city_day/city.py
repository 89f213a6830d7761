"""The synthetic city: areas, sites and cameras, the same for the same seed. Nothing of a real city is in it.

Sizes are the planning figures of a city of 30,000 cameras. A site is one lane, entrance or square; most have one
camera, some two or three that see the same ground from different sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

COUNTIES: Final = 9
TOWNSHIPS: Final = 105
VILLAGES: Final = 1_388
GRIDS: Final = 3_390
CAMERAS: Final = 30_000
CAMERAS_PER_NODE: Final = 16
CITY_CODE: Final = "9901"  # no such code is given out
WEST, SOUTH, EAST, NORTH = 100.0, 30.0, 101.0, 31.0
METRES_PER_DEGREE: Final = 111_195.0
PLACE_CLASSES: Final = ("residential", "street", "school", "hospital", "mall", "industrial", "scenic", "other")
PLACE_SHARES: Final = (0.46, 0.24, 0.08, 0.03, 0.05, 0.06, 0.03, 0.05)
CAMERAS_OF_SITE: Final = (1, 2, 3)
CAMERAS_OF_SITE_SHARES: Final = (0.72, 0.21, 0.07)
APART_M: Final = 18.0  # cameras of a site stand within about so far of each other

Rectangle = tuple[float, float, float, float]
"""West, south, east, north, degrees."""


@dataclass(frozen=True, slots=True)
class Site:
    """One place that cameras look at. `cameras`: their numbers in the city."""

    number: int
    grid: int
    place_class: str
    cameras: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class City:
    """n cameras, s sites, g grids.

    Attributes:
        grid_codes: 15 digits each; the code of the township is the first 9, of the county the first 6.
        grid_boxes: rectangles that do not overlap.
        sites: see `Site`.
        longitude, latitude: float64 (n,), WGS84.
        site_of, grid_of, node_of: int64 (n,).
    """

    grid_codes: tuple[str, ...]
    grid_boxes: tuple[Rectangle, ...]
    sites: tuple[Site, ...]
    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]
    site_of: NDArray[np.int64]
    grid_of: NDArray[np.int64]
    node_of: NDArray[np.int64]

    @property
    def nodes(self) -> int:
        """How many edge nodes there are."""
        return int(self.node_of.max()) + 1

    def camera_id(self, number: int) -> str:
        """As the register has it."""
        return f"cam-{number:05d}"

    def node_id(self, number: int) -> str:
        """The node of this number."""
        return f"edge-{number:04d}"

    def area_code(self, camera: int) -> str:
        """The grid of a camera."""
        return self.grid_codes[int(self.grid_of[camera])]


def make_city(seed: int = 1, cameras: int = CAMERAS) -> City:
    """The whole city; with fewer cameras a smaller one of the same shape."""
    rng = np.random.default_rng((seed, 1))
    share = cameras / CAMERAS
    codes, boxes = _grids(rng, share)
    sites, longitude, latitude = _sites(rng, boxes, cameras)
    site_of = np.repeat(np.arange(len(sites)), [len(site.cameras) for site in sites])
    grid_of = np.array([sites[number].grid for number in site_of], dtype=np.int64)
    return City(
        grid_codes=codes,
        grid_boxes=boxes,
        sites=sites,
        longitude=longitude,
        latitude=latitude,
        site_of=site_of,
        grid_of=grid_of,
        node_of=_nodes(codes, grid_of),
    )


def _grids(rng: np.random.Generator, share: float) -> tuple[tuple[str, ...], tuple[Rectangle, ...]]:
    """Counties, townships, villages and grids, each level cut out of the one above."""
    level: list[tuple[str, Rectangle]] = [(CITY_CODE, (WEST, SOUTH, EAST, NORTH))]
    for total, digits in ((COUNTIES, 2), (TOWNSHIPS, 3), (VILLAGES, 3), (GRIDS, 3)):
        wanted = max(len(level), round(total * (share if total > COUNTIES else 1.0)))
        parts = _shared_out(rng, wanted, len(level))
        level = [
            (f"{code}{number + 1:0{digits}d}", box)
            for (code, whole), count in zip(level, parts, strict=True)
            for number, box in enumerate(cut(whole, count))
        ]
    return tuple(code for code, _ in level), tuple(box for _, box in level)


def _shared_out(rng: np.random.Generator, total: int, among: int) -> list[int]:
    """Unevenly, at least one each."""
    weights = rng.gamma(4.0, 1.0, among)
    return [1 + int(more) for more in rng.multinomial(total - among, weights / weights.sum())]


def cut(whole: Rectangle, parts: int) -> list[Rectangle]:
    """Into so many rectangles without gap or overlap, row by row."""
    west, south, east, north = whole
    rows = max(1, round(math.sqrt(parts)))
    per_row = [parts // rows + (row < parts % rows) for row in range(rows)]
    found = []
    for row, columns in enumerate(per_row):
        low, high = (south + (north - south) * edge / rows for edge in (row, row + 1))
        for column in range(columns):
            left, right = (west + (east - west) * edge / columns for edge in (column, column + 1))
            found.append((left, low, right, high))
    return found


def _sites(
    rng: np.random.Generator, boxes: tuple[Rectangle, ...], cameras: int
) -> tuple[tuple[Site, ...], NDArray[np.float64], NDArray[np.float64]]:
    busyness = rng.gamma(2.0, 1.0, len(boxes))
    sites: list[Site] = []
    longitude, latitude = np.zeros(cameras), np.zeros(cameras)
    placed = 0
    while placed < cameras:
        count = min(int(rng.choice(CAMERAS_OF_SITE, p=CAMERAS_OF_SITE_SHARES)), cameras - placed)
        grid = int(rng.choice(len(boxes), p=busyness / busyness.sum())) if len(sites) >= len(boxes) else len(sites)
        west, south, east, north = boxes[grid]
        x, y = west + (east - west) * rng.uniform(0.08, 0.92), south + (north - south) * rng.uniform(0.08, 0.92)
        for number in range(placed, placed + count):
            off = rng.normal(0.0, APART_M / METRES_PER_DEGREE, 2)
            longitude[number] = x + off[0] / math.cos(math.radians(y))
            latitude[number] = y + off[1]
        place_class = str(rng.choice(PLACE_CLASSES, p=PLACE_SHARES))
        sites.append(Site(len(sites), grid, place_class, tuple(range(placed, placed + count))))
        placed += count
    return tuple(sites), longitude, latitude


def _nodes(codes: tuple[str, ...], grid_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sixteen cameras a node, none across a township's border."""
    node_of = np.zeros(len(grid_of), dtype=np.int64)
    townships: dict[str, list[int]] = {}
    for camera, grid in enumerate(grid_of):
        townships.setdefault(codes[int(grid)][:9], []).append(camera)
    node = 0
    for township in sorted(townships):
        members = townships[township]
        for start in range(0, len(members), CAMERAS_PER_NODE):
            node_of[members[start : start + CAMERAS_PER_NODE]] = node
            node += 1
    return node_of
