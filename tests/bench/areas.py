"""A million random places over a city of crooked grids: does routing find the area that the reference finds?

Places that no border touches have one right answer: the smallest grid around them, else the nearest within 200 m, else
the lowest area around them (`tests/support/jagged_city.py` finds it by other means).
"""

from __future__ import annotations

import time
from typing import Final

from tests.bench.figures import Figures
from tests.support.jagged_city import Reference, jagged_city, points_over, tree_of
from xueliang_central.areas.locating import locate

SIDE: Final = 52  # 2,704 cells
POINTS: Final = 1_000_000
SHOWN: Final = 10

KEYS = ("places", "places_routed_otherwise", "places_in_no_grid", "areas", "route_us", "reference_us")


def measure(is_quick: bool, figures: Figures) -> None:
    geojson = jagged_city(SIDE)
    tree, reference = tree_of(geojson), Reference(geojson)
    points = points_over(SIDE, POINTS // 50 if is_quick else POINTS, seed=2026)
    began_s = time.process_time()
    wanted = reference.codes(points)
    referenced_s = time.process_time()
    root = next(iter(tree.roots())).code
    found = [locate(tree, float(longitude), float(latitude)) for longitude, latitude in points]
    routed_s = time.process_time()
    otherwise = [at for at, one in enumerate(found) if one.code != (wanted[at] or root)]
    for at in otherwise[:SHOWN]:
        print(f"{points[at][0]:.6f}, {points[at][1]:.6f}: routed to {found[at]}, the reference says {wanted[at]}")
    figures["places"] = len(points)
    figures["places_routed_otherwise"] = len(otherwise)
    figures["places_in_no_grid"] = sum(one.how != "inside" for one in found)
    figures["areas"] = len(tree)
    figures["route_us"] = (routed_s - referenced_s) / len(points) * 1e6
    figures["reference_us"] = (referenced_s - began_s) / len(points) * 1e6
