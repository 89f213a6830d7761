"""The synthetic city is a tree that tiles the ground."""

from __future__ import annotations

from pathlib import Path

import pytest

from xueliang_configs.loading import load_areas, load_cameras
from xueliang_demo.city import DEMO, FULL, LEVELS, CityPlan, main, make_cameras, make_city

CODE_LENGTHS = {"city": 4, "county": 6, "township": 9, "village": 12, "grid": 15}


@pytest.mark.parametrize("plan", [DEMO, FULL], ids=["demo", "full"])
def test_counts_and_codes_follow_the_plan(plan: CityPlan) -> None:
    city = make_city(plan)
    counts = [len(city.of_level(level)) for level in LEVELS]
    assert counts == [1, plan.counties, plan.townships, plan.villages, plan.grids]
    codes = {area.code for area in city.areas}
    assert len(codes) == len(city.areas)
    for area in city.areas:
        assert len(area.code) == CODE_LENGTHS[area.level]
        if area.level != "city":
            parent = area.code[: CODE_LENGTHS[LEVELS[LEVELS.index(area.level) - 1]]]
            assert parent in codes


def test_children_tile_their_parent() -> None:
    city = make_city(DEMO)
    for parent in city.areas:
        below = LEVELS.index(parent.level) + 1
        if below == len(LEVELS):
            continue
        children = [one for one in city.of_level(LEVELS[below]) if one.code.startswith(parent.code)]
        assert sum(child.polygon.area for child in children) == pytest.approx(parent.polygon.area, rel=1e-6)
        assert all(child.polygon.is_valid for child in children)


def test_same_seed_same_city_and_cameras_lie_in_their_grids() -> None:
    city = make_city(DEMO, seed=5)
    assert city.to_geojson() == make_city(DEMO, seed=5).to_geojson()
    polygons = {area.code: area.polygon for area in city.areas}
    from shapely.geometry import Point

    for camera in make_cameras(city, 45, seed=2):
        assert polygons[camera.area_code].buffer(1e-5).contains(Point(camera.longitude, camera.latitude))


@pytest.mark.parametrize("grids", [1, 2, 20, 333, 3390])
def test_the_command_writes_a_city_of_any_size_as_the_centre_reads_it(tmp_path: Path, grids: int) -> None:
    main(["--grids", str(grids), "--cameras", "30", "--out", str(tmp_path / "city")])
    areas = load_areas(tmp_path / "city/areas.geojson")
    codes = {feature.properties.code for feature in areas.features}
    assert len([code for code in codes if len(code) == CODE_LENGTHS["grid"]]) == grids
    cameras = load_cameras(tmp_path / "city/cameras.yaml").cameras
    assert len(cameras) == 30
    assert {camera.area_code for camera in cameras} <= codes


def test_more_parents_than_children_is_refused() -> None:
    with pytest.raises(ValueError, match="each needs one"):
        make_city(CityPlan(counties=3, townships=2, villages=3, grids=3, radius_m=1000))
