"""Areas and cameras in: checked whole, told as a diff, taken in one transaction or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.support import city
from tests.support.centres import START, TestCentre, camera
from tests.support.rows import add_incident
from xueliang_central.administration import take_areas, take_cameras
from xueliang_central.areas.datums import from_wgs84
from xueliang_central.areas.tables import area_imports, areas
from xueliang_central.areas.tree import AreaBook, load_tree
from xueliang_central.cameras.register import place_of, places_of, upsert_cameras
from xueliang_central.errors import ImportRefused
from xueliang_central.incidents.routing import route
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Role
from xueliang_central.store.database import Database
from xueliang_configs.cameras import CameraRegister, Datum


async def _take(database: Database, value: dict[str, Any], *, remove_missing: bool = False) -> list[str]:
    return await take_areas(database, city.area_table(value), at=START, remove_missing=remove_missing)


async def test_a_first_import_adds_everything_and_a_second_changes_nothing(database: Database) -> None:
    lines = await _take(database, city.city_geojson())
    assert f"+ {city.CITY} city 区域701" in lines
    assert "12 added, 0 changed, 0 removed, 0 unchanged" in lines
    assert await _take(database, city.city_geojson()) == ["0 added, 0 changed, 0 removed, 12 unchanged"]
    async with database.reading() as conn:
        assert (await conn.execute(select(func.count()).select_from(area_imports))).scalar_one() == 1
        tree = await load_tree(conn)
    assert tree.path_of(city.GRID) == city.city_tree().path_of(city.GRID)
    assert tree.get(city.GRID).polygon.equals(city.city_tree().get(city.GRID).polygon)


async def test_the_diff_names_what_changes(database: Database) -> None:
    await _take(database, city.city_geojson())
    changed = city.city_geojson()
    changed["features"][-1]["properties"]["name"] = "新网格"
    changed["features"][-2]["geometry"] = city.rectangle(117.1, 36.0, 117.15, 36.4)
    lines = await _take(database, changed)
    assert f"~ {city.EAST_GRID} grid 新网格: name" in lines
    assert f"~ {city.GRID_RIGHT} grid 区域002: geometry" in lines


async def test_what_the_file_does_not_name_stays_unless_told_otherwise(database: Database) -> None:
    await _take(database, city.city_geojson())
    without = city.city_geojson(codes=tuple(code for code in city.BOXES if code != city.EAST_GRID))
    assert (await _take(database, without))[-1] == "0 added, 0 changed, 0 removed, 11 unchanged"
    lines = await _take(database, without, remove_missing=True)
    assert f"- {city.EAST_GRID} grid 区域001" in lines
    async with database.reading() as conn:
        assert city.EAST_GRID not in await load_tree(conn)


async def test_an_area_with_cameras_or_people_is_not_removed(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.EAST_GRID))
    await centre.add_user("wang", Role.WORKER, city.EAST_VILLAGE)
    without = city.city_geojson(
        codes=tuple(code for code in city.BOXES if code not in {city.EAST_GRID, city.EAST_VILLAGE})
    )
    with pytest.raises(ImportRefused) as refused:
        await _take(centre.database, without, remove_missing=True)
    assert refused.value.problems == (
        f"area {city.EAST_GRID}: cameras still belong to it",
        f"area {city.EAST_VILLAGE}: users still belong to it",
    )
    async with centre.database.reading() as conn:
        assert city.EAST_GRID in await load_tree(conn)


async def test_an_area_with_an_open_case_is_not_removed(centre: TestCentre) -> None:
    await add_incident(centre, city.EAST_GRID)
    without = city.city_geojson(codes=tuple(code for code in city.BOXES if code != city.EAST_GRID))
    async with centre.database.reading() as conn:
        number = (await conn.execute(select(incidents.c.number))).scalar_one()
    with pytest.raises(ImportRefused) as refused:
        await _take(centre.database, without, remove_missing=True)
    assert refused.value.problems == (f"area {city.EAST_GRID}: incident {number} has to be closed first",)
    async with centre.database.transaction() as conn:
        await conn.execute(update(incidents).values(state="closed", close_reason="duplicate"))
    await _take(centre.database, without, remove_missing=True)
    async with centre.database.reading() as conn:
        assert city.EAST_GRID not in await load_tree(conn)


async def test_every_bad_polygon_is_named_and_nothing_is_taken(database: Database) -> None:
    bad = city.city_geojson()
    bow_tie = [[117.0, 36.0], [117.1, 36.4], [117.1, 36.0], [117.0, 36.4], [117.0, 36.0]]
    flat = [[117.1, 36.0], [117.2, 36.0], [117.15, 36.0], [117.1, 36.0]]
    for feature in bad["features"]:
        if feature["properties"]["code"] == city.GRID:
            feature["geometry"] = {"type": "Polygon", "coordinates": [bow_tie]}
        if feature["properties"]["code"] == city.GRID_RIGHT:
            feature["geometry"] = {"type": "Polygon", "coordinates": [flat]}
    with pytest.raises(ImportRefused) as refused:
        await _take(database, bad)
    assert len(refused.value.problems) == 2
    assert all("polygon" in problem for problem in refused.value.problems)
    async with database.reading() as conn:
        assert (await conn.execute(select(func.count()).select_from(areas))).scalar_one() == 0


async def test_a_child_outside_its_parent_is_noted_and_taken(database: Database) -> None:
    odd = city.city_geojson()
    odd["features"][-1]["geometry"] = city.rectangle(119.0, 36.0, 119.1, 36.1)
    assert any(line.startswith("note: ") and "0% inside" in line for line in await _take(database, odd))


async def test_an_area_may_have_no_polygon(database: Database) -> None:
    value = city.city_geojson()
    value["features"][-1]["geometry"] = None
    await _take(database, value)
    async with database.reading() as conn:
        area = (await load_tree(conn)).get(city.EAST_GRID)
    assert area.geometry is None
    assert area.polygon.is_empty


async def test_a_book_reads_again_only_after_an_import(centre: TestCentre, database: Database) -> None:
    book = AreaBook()
    assert await book.refresh(database)
    before = book.tree
    assert not await book.refresh(database)
    assert book.tree is before
    changed = city.city_geojson()
    changed["features"][0]["properties"]["name"] = "示例市"
    await _take(database, changed)
    assert await book.refresh(database)
    assert book.tree.get(city.CITY).name == "示例市"


async def test_an_assigned_camera_keeps_its_area_whatever_its_place_says(centre: TestCentre) -> None:
    await centre.add_cameras(camera("assigned", city.EAST_GRID))
    async with centre.database.reading() as conn:
        place = await place_of(conn, "assigned")
    assert place is not None
    assert (place.area_code, place.located, place.is_misplaced) == (city.EAST_GRID, "assigned", False)
    assert place.area_path == centre.tree.path_of(city.EAST_GRID)


async def test_a_camera_without_assignment_is_located_and_marked(centre: TestCentre, tmp_path: Path) -> None:
    far = {"longitude": 117.4, "latitude": 36.2}
    inside, outside = camera("inside", None), camera("outside", None)
    places = [inside, type(outside)(**{**_fields(outside), **far})]
    async with centre.database.transaction() as conn:
        await upsert_cameras(conn, places, centre.tree, at=START)
        found = {name: await place_of(conn, name) for name in ("inside", "outside", "unknown")}
    assert found["unknown"] is None
    assert found["inside"] is not None
    assert (found["inside"].area_code, found["inside"].is_misplaced) == (city.GRID, False)
    assert found["outside"] is not None
    assert (found["outside"].area_code, found["outside"].located) == (city.VILLAGE_BARE, "level_up")
    assert found["outside"].is_misplaced


def _fields(place: Any) -> dict[str, Any]:
    return {name: getattr(place, name) for name in place.__dataclass_fields__}


async def test_new_polygons_move_cameras_that_were_located_not_those_assigned(centre: TestCentre) -> None:
    await centre.add_cameras(camera("located", None), camera("assigned", city.GRID))
    swapped = city.city_geojson()
    for feature in swapped["features"]:
        code = feature["properties"]["code"]
        if code in {city.GRID, city.GRID_RIGHT}:
            other = city.GRID_RIGHT if code == city.GRID else city.GRID
            feature["geometry"] = city.rectangle(*city.BOXES[other])
    lines = await _take(centre.database, swapped)
    assert "1 cameras belong to another area now" in lines
    async with centre.database.reading() as conn:
        located, assigned = await place_of(conn, "located"), await place_of(conn, "assigned")
    assert located is not None
    assert located.area_code == city.GRID_RIGHT
    assert assigned is not None
    assert assigned.area_code == city.GRID


async def test_every_problem_of_a_camera_file_is_named(centre: TestCentre) -> None:
    good = camera("one", city.GRID)
    bad = [
        type(good)(**{**_fields(good), **change})
        for change in (
            {"camera_id": "UPPER"},
            {"camera_id": "two", "longitude": 500.0},
            {"camera_id": "three", "area_code": "999999999999999"},
            {"camera_id": "four", "place_class": "moon"},
            {"camera_id": "one"},
        )
    ]
    async with centre.database.transaction() as conn:
        with pytest.raises(ImportRefused) as refused:
            await upsert_cameras(conn, [good, *bad], centre.tree, at=START)
    assert len(refused.value.problems) == 5


async def test_importing_cameras_twice_changes_nothing(centre: TestCentre) -> None:
    async with centre.database.transaction() as conn:
        first = await upsert_cameras(conn, [camera("one", city.GRID)], centre.tree, at=START)
        again = await upsert_cameras(conn, [camera("one", city.GRID)], centre.tree, at=START)
        moved = await upsert_cameras(conn, [camera("one", city.EAST_GRID)], centre.tree, at=START)
    assert (first.added, again.unchanged, moved.changed) == (("one",), 1, ("one",))


async def test_a_position_of_a_chinese_map_is_kept_as_wgs84_and_found_in_its_grid(centre: TestCentre) -> None:
    """Read as WGS84 it would lie 600 m beside, in another grid or in none."""
    true = camera("lane-east", None)
    rows = []
    for datum in Datum:
        longitude, latitude = from_wgs84((true.longitude, true.latitude), datum)
        row = {"camera_id": f"by-{datum.value}", "name": "东巷", "longitude": longitude, "latitude": latitude}
        rows.append({**row, "datum": datum.value, "purpose": "消防通道", "legal_basis": "条例第三条"})
    register = CameraRegister.model_validate({"cameras": rows})
    lines = await take_cameras(centre.database, register, at=START)
    assert "3 added, 0 changed, 0 unchanged" in lines
    assert "0 added, 0 changed, 3 unchanged" in await take_cameras(centre.database, register, at=START)
    async with centre.database.reading() as conn:
        for row in rows:
            place = await place_of(conn, row["camera_id"])
            assert place is not None
            assert place.longitude == pytest.approx(true.longitude, abs=1e-7)
            assert place.latitude == pytest.approx(true.latitude, abs=1e-7)
            assert (place.area_code, place.located) == (city.GRID, "inside")
            assert (place.purpose, place.legal_basis) == ("消防通道", "条例第三条")


async def test_dates_are_stored_told_in_the_diff_and_move_cameras_on_their_day(database: Database) -> None:
    await _take(database, city.city_geojson())
    async with database.transaction() as conn:
        located = replace(camera("lane", city.GRID), area_code=None)
        await upsert_cameras(conn, [located, camera("assigned", city.GRID)], await load_tree(conn), at=START)
    dated = city.city_geojson()
    ended = next(one for one in dated["features"] if one["properties"]["code"] == city.GRID)
    ended["properties"]["valid_to"] = "2026-11-23"
    lines = await _take(database, dated)
    assert f"~ {city.GRID} grid 区域001: valid_to, valid until 2026-11-23" in lines
    assert f"note: {city.GRID} 区域001 ends on 2026-11-23, and nothing follows in 100% of it" in lines
    successor = city.feature(city.VILLAGE + "009", geometry=city.rectangle(*city.BOXES[city.GRID]))
    successor["properties"] |= {"valid_from": "2026-11-24", "valid_to": "9999-12-31"}  # as code tables say "open"
    dated["features"].append(successor)
    lines = await _take(database, dated)
    assert f"+ {city.VILLAGE}009 grid 区域009, valid from 2026-11-24 until 9999-12-31" in lines
    assert not [line for line in lines if "nothing follows" in line or "belong to another" in line]
    next_day = START + timedelta(days=1)
    lines = await take_areas(database, city.area_table(dated), at=next_day, remove_missing=False)
    assert lines[-1] == "1 cameras belong to another area now"
    async with database.reading() as conn:
        tree = await load_tree(conn)
        places = await places_of(conn, ["lane", "assigned"])
    assert tree.get(city.GRID).valid_to == date(2026, 11, 23)
    assert (places["lane"].area_code, places["assigned"].area_code) == (city.VILLAGE + "009", city.GRID)
    for day, wanted in ((date(2026, 11, 23), city.GRID), (date(2026, 11, 24), city.VILLAGE + "009")):
        for camera_id in places:  # also the one that somebody has assigned to what has ended, and back before it began
            found = route(camera_id, places[camera_id], None, [], tree, day)
            assert found.area.code == wanted, (camera_id, day, found.why)
