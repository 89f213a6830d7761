"""A synthetic city of any size: areas of five levels, cameras, people. Seeded; nothing of a real city.

Each level divides its parent's polygon into relaxed Voronoi cells (Lloyd's algorithm), so that children tile the parent
without gap or overlap. The city's outline is convex, hence every cell is.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import shapely
import yaml
from shapely.geometry import MultiPoint, Point, Polygon, mapping
from shapely.geometry.base import BaseGeometry

LEVELS: Final = ("city", "county", "township", "village", "grid")
CITY_CODE: Final = "9901"  # no province has 99: nobody's real code
CENTRE_LON_LAT: Final = (110.0, 32.0)
METRES_PER_DEGREE: Final = 111_320.0  # of latitude, WGS84 mean; enough for a made-up city
_RELAX_ROUNDS: Final = 6

_COUNTY = [("云溪", "Yunxi"), ("青石", "Qingshi"), ("白鹭", "Bailu"), ("长亭", "Changting"), ("望江", "Wangjiang")]
_COUNTY += [("松岭", "Songling"), ("明湖", "Minghu"), ("赤水", "Chishui"), ("北屏", "Beiping")]
_FIRST = [("东", "Dong"), ("西", "Xi"), ("南", "Nan"), ("北", "Bei"), ("新", "Xin"), ("上", "Shang"), ("下", "Xia")]
_FIRST += [("大", "Da"), ("石", "Shi"), ("金", "Jin"), ("清", "Qing"), ("云", "Yun"), ("红", "Hong"), ("柳", "Liu")]
_SECOND = [("湖", "hu"), ("桥", "qiao"), ("林", "lin"), ("塘", "tang"), ("坪", "ping"), ("河", "he"), ("岗", "gang")]
_SECOND += [("泉", "quan"), ("湾", "wan"), ("园", "yuan"), ("井", "jing"), ("口", "kou"), ("城", "cheng"), ("坝", "ba")]
_KIND: Final = {
    "county": ("区", "District"),
    "township": ("街道", "Sub-district"),
    "village": ("社区", "Community"),
}


@dataclass(frozen=True, slots=True)
class CityPlan:
    """How many areas a level has in all: counties, townships, villages, grids; and the radius in metres."""

    counties: int
    townships: int
    villages: int
    grids: int
    radius_m: float


DEMO: Final = CityPlan(counties=2, townships=4, villages=9, grids=20, radius_m=3_000)
FULL: Final = CityPlan(counties=9, townships=105, villages=1_388, grids=3_390, radius_m=60_000)


@dataclass(frozen=True, slots=True)
class MadeArea:
    """One area; `polygon` in WGS84 degrees, longitude first."""

    code: str
    name: str
    name_en: str
    level: str
    polygon: Polygon

    def to_feature(self) -> dict[str, object]:
        properties = {"code": self.code, "name": self.name, "name_en": self.name_en, "level": self.level}
        return {"type": "Feature", "properties": properties, "geometry": mapping(self.polygon)}


@dataclass(frozen=True, slots=True)
class MadeCamera:
    """One entry of the camera register."""

    camera_id: str
    name: str
    area_code: str
    longitude: float
    latitude: float
    place_class: str


@dataclass(frozen=True, slots=True)
class City:
    areas: tuple[MadeArea, ...]

    def of_level(self, level: str) -> tuple[MadeArea, ...]:
        return tuple(area for area in self.areas if area.level == level)

    def to_geojson(self) -> dict[str, object]:
        return {"type": "FeatureCollection", "features": [area.to_feature() for area in self.areas]}


def make_city(plan: CityPlan, seed: int = 1) -> City:
    """The whole tree, parents before children."""
    generator = np.random.default_rng(seed)
    outline = _outline(generator, plan.radius_m)
    city = MadeArea(CITY_CODE, "雪亮市", "Xueliang City", "city", outline)
    areas, parents = [city], [city]
    totals = {"county": plan.counties, "township": plan.townships, "village": plan.villages, "grid": plan.grids}
    for level in LEVELS[1:]:
        children: list[MadeArea] = []
        for parent, count in zip(parents, _shares(totals[level], parents), strict=True):
            children.extend(_children(parent, level, count, generator))
        areas.extend(children)
        parents = children
    return City(tuple(areas))


def make_cameras(city: City, count: int, seed: int = 1) -> list[MadeCamera]:
    """Cameras spread over the grids, each inside its own."""
    generator = np.random.default_rng(seed)
    grids = city.of_level("grid")
    classes = ("residential", "street", "school", "mall", "hospital", "industrial")
    made = []
    for number in range(count):
        grid = grids[number % len(grids)]
        longitude, latitude = _point_inside(grid.polygon, generator)
        made.append(
            MadeCamera(
                camera_id=f"cam-{number + 1:05d}",
                name=f"{grid.name}{number // len(grids) + 1}号监控",
                area_code=grid.code,
                longitude=round(longitude, 6),
                latitude=round(latitude, 6),
                place_class=classes[int(generator.integers(len(classes)))],
            )
        )
    return made


def _outline(generator: np.random.Generator, radius_m: float) -> Polygon:
    """A convex outline: the hull of a wavering circle."""
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    radii = radius_m * (1 + 0.12 * generator.standard_normal(len(angles)).clip(-1.5, 1.5))
    stretch = math.cos(math.radians(CENTRE_LON_LAT[1]))
    longitudes = CENTRE_LON_LAT[0] + radii * np.cos(angles) / METRES_PER_DEGREE / stretch
    latitudes = CENTRE_LON_LAT[1] + radii * np.sin(angles) / METRES_PER_DEGREE
    return _as_polygon(MultiPoint(np.stack([longitudes, latitudes], axis=1)).convex_hull)


def _shares(total: int, parents: list[MadeArea]) -> list[int]:
    """`total` children over the parents: each at least one, the rest by area (largest remainder)."""
    if total < len(parents):
        raise ValueError(f"{total} areas cannot be divided over {len(parents)} parents, each needs one")
    weights = np.array([parent.polygon.area for parent in parents])
    exact = weights / weights.sum() * (total - len(parents))
    counts = np.floor(exact).astype(int)
    for index in np.argsort(-(exact - counts), kind="stable")[: total - len(parents) - counts.sum()]:
        counts[index] += 1
    return [int(count) + 1 for count in counts]


def _children(parent: MadeArea, level: str, count: int, generator: np.random.Generator) -> Iterator[MadeArea]:
    cells = _divide(parent.polygon, count, generator)
    used: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        if level == "county":
            code, (name, name_en) = f"{parent.code}{number:02d}", _COUNTY[(number - 1) % len(_COUNTY)]
        elif level == "grid":
            code = f"{parent.code}{number:03d}"
            name, name_en = f"{parent.name}第{number}网格", f"{parent.name_en} grid {number}"
            yield MadeArea(code, name, name_en, level, cell)
            continue
        else:
            code, (name, name_en) = f"{parent.code}{number:03d}", _place_name(generator, used)
        suffix, suffix_en = _KIND[level]
        yield MadeArea(code, name + suffix, f"{name_en} {suffix_en}", level, cell)


def _place_name(generator: np.random.Generator, used: set[str]) -> tuple[str, str]:
    """A two-syllable name not used by a sibling (numbered when the parent has very many children)."""
    for _ in range(200):
        first = _FIRST[int(generator.integers(len(_FIRST)))]
        second = _SECOND[int(generator.integers(len(_SECOND)))]
        if first[0] + second[0] not in used:
            used.add(first[0] + second[0])
            return first[0] + second[0], first[1] + second[1]
    raise ValueError("more siblings than there are names; add syllables to the generator")


def _divide(polygon: Polygon, count: int, generator: np.random.Generator) -> list[Polygon]:
    """`count` convex cells that tile the polygon, west to east."""
    if count == 1:
        return [polygon]
    seeds = [Point(*_point_inside(polygon, generator)) for _ in range(count)]
    cells: list[Polygon] = []
    for _ in range(_RELAX_ROUNDS):
        cells = _voronoi(polygon, seeds)
        seeds = [cell.centroid for cell in cells]
    return sorted(cells, key=lambda cell: (round(cell.centroid.x, 5), cell.centroid.y))


def _voronoi(polygon: Polygon, seeds: list[Point]) -> list[Polygon]:
    diagram = shapely.voronoi_polygons(MultiPoint(seeds), extend_to=polygon)
    return [_as_polygon(cell.intersection(polygon)) for cell in diagram.geoms]


def _as_polygon(shape: BaseGeometry) -> Polygon:
    """Convex pieces of convex pieces are polygons; anything else is a fault of this generator."""
    if not isinstance(shape, Polygon):
        raise TypeError(f"expected a polygon, got {shape.geom_type}")
    return shape


def _point_inside(polygon: Polygon, generator: np.random.Generator) -> tuple[float, float]:
    west, south, east, north = polygon.bounds
    while True:
        x, y = generator.uniform(west, east), generator.uniform(south, north)
        if polygon.contains(Point(x, y)):
            return float(x), float(y)


def plan_for(grids: int) -> CityPlan:
    """A city with about the proportions of a real one (9 counties, 105 townships, 1,388 villages to 3,390 grids)."""
    if grids == FULL.grids:
        return FULL
    share = grids / FULL.grids
    villages = max(1, min(grids, round(FULL.villages * share)))
    townships = max(1, min(villages, round(FULL.townships * share)))
    counties = max(1, min(townships, round(FULL.counties * share)))
    return CityPlan(counties, townships, villages, grids, radius_m=max(1_000.0, FULL.radius_m * math.sqrt(share)))


def write_city(city: City, cameras: list[MadeCamera], folder: Path) -> tuple[Path, Path]:
    """areas.geojson and cameras.yaml, as `xueliang-centre import-areas` and `import-cameras` take them."""
    folder.mkdir(parents=True, exist_ok=True)
    areas, register = folder / "areas.geojson", folder / "cameras.yaml"
    areas.write_text(json.dumps(city.to_geojson(), ensure_ascii=False), encoding="utf-8")
    entries = {"cameras": [asdict(camera) for camera in cameras]}
    register.write_text(yaml.safe_dump(entries, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return areas, register


def main(arguments: Sequence[str] | None = None) -> None:
    """`./run city --grids 200 --cameras 800 --out city`: the files of a made-up city."""
    parser = argparse.ArgumentParser(
        prog="./run city", description="Write a made-up city: areas.geojson and cameras.yaml for the centre's import."
    )
    parser.add_argument("--grids", type=int, default=DEMO.grids, help="3390: the full tree of 1/9/105/1388/3390 areas")
    parser.add_argument("--cameras", type=int, default=24, help="spread evenly over the grids")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same city")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    if options.grids < 1 or options.cameras < 1:
        parser.error("--grids and --cameras must be 1 or more")
    city = make_city(plan_for(options.grids), options.seed)
    areas, register = write_city(city, make_cameras(city, options.cameras, options.seed), options.out)
    print(f"{len(city.areas)} areas in {areas}\n{options.cameras} cameras in {register}")
    print(f"next: ./run centre --config centre.yaml import-areas {areas}, then import-cameras {register}")


if __name__ == "__main__":
    main()
