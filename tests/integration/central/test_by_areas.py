"""Grids are drawn anew: on their first day cameras and lanes belong to the new ones, and whoever watches is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.support import city
from tests.support.centres import Clock, camera
from xueliang_central.administration import take_areas, take_lanes
from xueliang_central.areas.tree import AreaBook, load_tree
from xueliang_central.audit.tables import audit_records
from xueliang_central.cameras.register import places_of, upsert_cameras
from xueliang_central.fleet import by_areas
from xueliang_central.fleet.by_areas import ByAreas
from xueliang_central.lanes.tables import lanes
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events
from xueliang_configs.lanes import LaneTable

EVENING = datetime(2026, 11, 23, 15, 50, tzinfo=UTC)  # 23:50 in Shanghai
NEW = city.VILLAGE + "009"
CAMERAS = [f"lane-{number}" for number in range(5)]


def _drawn_anew() -> dict[str, Any]:
    """The first grid ends tonight; tomorrow the same ground is another's."""
    dated = city.city_geojson()
    ended = next(one for one in dated["features"] if one["properties"]["code"] == city.GRID)
    ended["properties"]["valid_to"] = "2026-11-23"
    successor = city.feature(NEW, geometry=city.rectangle(*city.BOXES[city.GRID]))
    successor["properties"]["valid_from"] = "2026-11-24"
    dated["features"].append(successor)
    return dated


async def _in_its_place(database: Database) -> None:
    await take_areas(database, city.area_table(_drawn_anew()), at=EVENING, remove_missing=False)
    located = [replace(camera(name, city.GRID), area_code=None) for name in CAMERAS]
    west, south, east, north = city.BOXES[city.GRID]
    spot = [(west + east) / 2, (south + north) / 2]
    line = [spot, [spot[0] + 1e-5, spot[1]]]
    of_whom = {"unit": "物业", "duty_phone": "0531 119 120"}
    lane = {"lane_id": "alley", "name": "东巷", "line": line, "width_m": 4, "datum": "wgs84", **of_whom}
    async with database.transaction() as conn:
        at_hand = [camera("assigned", city.GRID), camera("beside", None), camera("far", city.EAST_GRID)]
        await upsert_cameras(conn, [*located, *at_hand], await load_tree(conn), at=EVENING)
    table = LaneTable.model_validate({"lanes": [lane]})
    await take_lanes(database, table, at=EVENING, dry_run=False, remove_missing=False)


async def _areas_of(database: Database) -> dict[str, str | None]:
    async with database.reading() as conn:
        places = await places_of(conn, [*CAMERAS, "assigned", "far"])
        lane = (await conn.execute(select(lanes.c.area_code))).scalar_one()
    return {name: place.area_code for name, place in places.items()} | {"alley": lane}


async def test_on_its_first_day_a_grid_has_its_cameras_and_lanes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_areas, "AT_ONCE", 3)
    await _in_its_place(database)
    clock, book = Clock(EVENING), AreaBook()
    await book.refresh(database)
    one, other = (ByAreas(database, book, clock.wall) for _ in range(2))
    assert await one.look() == 0
    stay = {"assigned": city.GRID, "far": city.EAST_GRID}
    assert await _areas_of(database) == dict.fromkeys([*CAMERAS, "alley"], city.GRID) | stay

    clock.at = EVENING + timedelta(minutes=9)
    assert await one.look() == 0
    clock.at = EVENING + timedelta(minutes=11)
    assert await one.look() == len(CAMERAS) + 2  # with "beside", and the lane
    assert await _areas_of(database) == dict.fromkeys([*CAMERAS, "alley"], NEW) | stay
    assert await one.look() == await other.look() == 0

    async with database.reading() as conn:
        told = [tuple(row) for row in await conn.execute(select(events.c.kind, events.c.area_path, events.c.body))]
        records = (
            await conn.execute(select(audit_records.c.detail).where(audit_records.c.action == "cameras.moved"))
        ).scalars()
        moved: dict[str, str] = {}
        for detail in records:
            assert detail["day"] == "2026-11-24"
            assert not set(moved) & set(detail["moved"])
            moved |= detail["moved"]
    assert moved == dict.fromkeys([*CAMERAS, "beside"], NEW)
    gone = {body["camera_gone"]["camera_id"]: path for kind, path, body in told if kind == "camera_gone"}
    come = {body["camera"]["camera_id"]: (path, body) for kind, path, body in told if kind == "camera"}
    assert set(gone) == set(come) == set(moved)
    assert {path.rsplit("/")[-1] for path in gone.values()} == {city.GRID}
    assert {path.rsplit("/")[-1] for path, _ in come.values()} == {NEW}
    assert {body["camera"]["area_code"] for _, body in come.values()} == {NEW}


async def test_a_fault_in_the_middle_and_a_clock_that_was_a_day_ahead_are_made_good(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_areas, "AT_ONCE", 3)
    await _in_its_place(database)
    clock, book = Clock(EVENING + timedelta(days=1)), AreaBook()
    await book.refresh(database)
    job = ByAreas(database, book, clock.wall)
    lots: list[Any] = []
    really = by_areas.move

    async def fails_once(*arguments: Any) -> Any:
        lots.append(arguments[2])
        if len(lots) == 2:
            raise RuntimeError("the database has gone")
        return await really(*arguments)

    monkeypatch.setattr(by_areas, "move", fails_once)
    with pytest.raises(RuntimeError):
        await job.look()
    await job.look()
    assert (await _areas_of(database))["lane-4"] == NEW
    assert len({name for lot in lots for name in lot}) == len(CAMERAS) + 1
    clock.at = EVENING
    await job.look()
    assert (await _areas_of(database))["lane-0"] == (await _areas_of(database))["alley"] == city.GRID
