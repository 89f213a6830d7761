"""Fire lanes: imported as a whole or not at all, changed by hand, shown with their cases, numbers with a right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.support import city
from tests.support.centres import START, TestCentre, camera
from tests.support.pictures import jpeg, sha256
from tests.support.rows import add_incident, add_lane, add_task
from xueliang_central.administration import take_areas, take_lanes
from xueliang_central.areas.datums import from_wgs84
from xueliang_central.audit.tables import audit_records
from xueliang_central.cameras.register import remove_camera
from xueliang_central.errors import ImportRefused
from xueliang_central.incidents.tables import incidents
from xueliang_central.lanes.tables import lane_cameras, lanes
from xueliang_central.retention.removing import would_go
from xueliang_central.rights.scope import Role
from xueliang_central.store.tables import events
from xueliang_configs.cameras import Datum
from xueliang_configs.lanes import LaneTable
from xueliang_configs.retention import RetentionConfig

PHONE = "0531-8000 0119"
PHOTO = jpeg(filler=b"marking")


def lane(lane_id: str = "east-alley", **more: Any) -> dict[str, Any]:
    shape: dict[str, Any] = {"line": [[117.05, 36.2], [117.051, 36.2]], "width_m": 4}
    if "polygon" in more:
        shape = {}
    return {"lane_id": lane_id, "name": "东巷", "unit": "东巷物业", "duty_phone": PHONE, **shape, **more}


async def take(
    centre: TestCentre, *wanted: dict[str, Any], dry_run: bool = False, remove_missing: bool = False
) -> list[str]:
    table = LaneTable.model_validate({"lanes": list(wanted)})
    return await take_lanes(centre.database, table, at=START, dry_run=dry_run, remove_missing=remove_missing)


async def rows(centre: TestCentre, table: Any) -> list[dict[str, Any]]:
    async with centre.database.reading() as conn:
        return [dict(row) for row in (await conn.execute(select(table))).mappings()]


async def acts(centre: TestCentre) -> list[tuple[str, str, Any]]:
    found = [row for row in await rows(centre, audit_records) if row["object_kind"] == "lane"]
    return [(row["action"], row["object_id"], row["detail"]) for row in found]


async def test_a_first_import_adds_and_locates_and_a_second_changes_nothing(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID))
    square = [[117.12, 36.1], [117.13, 36.1], [117.13, 36.11]]
    wanted = lane(cameras=["lane-east"]), lane("square", polygon=square)
    assert await take(centre, *wanted) == [
        "+ east-alley 东巷",
        "+ square 东巷",
        "2 added, 0 changed, 0 removed, 0 unchanged",
    ]
    assert await take(centre, *wanted) == ["0 added, 0 changed, 0 removed, 2 unchanged"]
    found = {row["lane_id"]: row for row in await rows(centre, lanes)}
    assert {name: row["area_code"] for name, row in found.items()} == {
        "east-alley": city.GRID,
        "square": city.GRID_RIGHT,
    }
    assert found["square"]["shape"]["coordinates"][0][0] == found["square"]["shape"]["coordinates"][0][-1]
    assert [row["version"] for row in found.values()] == [1, 1]
    assert await acts(centre) == [
        ("lane.imported", "east-alley", {"what": ["added"]}),
        ("lane.imported", "square", {"what": ["added"]}),
    ]


async def test_the_diff_names_what_changes_and_a_dry_run_changes_nothing(centre: TestCentre) -> None:
    await take(centre, lane(), lane("old"))
    wanted = lane(duty_phone="0531 119 120", valid_to="2027-01-01")
    told = [
        "~ east-alley 东巷: duty_phone, valid_to",
        "- old 东巷",
        "0 added, 1 changed, 1 removed, 0 unchanged",
    ]
    assert await take(centre, wanted, dry_run=True, remove_missing=True) == [*told, "dry run: nothing was changed"]
    assert {row["duty_phone"] for row in await rows(centre, lanes)} == {PHONE}
    assert await take(centre, wanted, remove_missing=True) == told
    (row,) = await rows(centre, lanes)
    assert (row["duty_phone"], row["version"]) == ("0531 119 120", 2)
    assert not any("119" in str(act) for act in await acts(centre)), "no act names a number"


async def test_a_lane_of_another_datum_is_kept_in_wgs84(centre: TestCentre) -> None:
    drawn = [list(from_wgs84((117.05, 36.2), Datum.GCJ02)), list(from_wgs84((117.051, 36.2), Datum.GCJ02))]
    await take(centre, lane(line=drawn, datum="gcj02"))
    (row,) = await rows(centre, lanes)
    assert row["shape"]["coordinates"][0] == pytest.approx([117.05, 36.2], abs=1e-6)


async def test_every_problem_is_named_and_nothing_is_taken(centre: TestCentre) -> None:
    await centre.add_cameras(camera("far", city.EAST_GRID))
    bow_tie = [[117.0, 36.0], [117.1, 36.1], [117.1, 36.0], [117.0, 36.1]]
    with pytest.raises(ImportRefused) as refused:
        await take(
            centre,
            lane("good"),
            lane("crossed", polygon=bow_tie),
            lane("point", line=[[117.05, 36.2], [117.05, 36.2]]),
            lane("watched", cameras=["nobody", "far"]),
        )
    crossed, point, *cameras, end = refused.value.problems
    assert crossed.startswith("lanes.1 (crossed): the shape is not valid: Self-intersection")
    assert point.startswith("lanes.2 (point): the shape")
    assert cameras == [
        f"watched: camera far belongs to {city.EAST_GRID}, the lane to {city.GRID}",
        "watched: camera nobody is not in the register; import cameras first",
    ]
    assert end == "nothing was changed"
    assert await rows(centre, lanes) == []


async def test_a_lane_outside_every_grid_is_noted_and_new_areas_move_it(centre: TestCentre) -> None:
    told = await take(centre, lane(line=[[117.4, 36.2], [117.401, 36.2]]))
    assert told[-1] == f"note: east-alley belongs to {city.VILLAGE_BARE}: outside every grid, inside this village"
    new = f"{city.VILLAGE_BARE}001"
    more = city.city_geojson()
    more["features"].append(
        {
            "type": "Feature",
            "properties": {"code": new, "name": "新网格", "level": "grid"},
            "geometry": city.rectangle(117.3, 36.0, 117.5, 36.4),
        }
    )
    lines = await take_areas(centre.database, city.area_table(more), at=START, remove_missing=False)
    assert lines[-1] == "1 lanes belong to another area now"
    (row,) = await rows(centre, lanes)
    assert (row["area_code"], row["located"]) == (new, "inside")


def body(**more: Any) -> dict[str, Any]:
    kept = {"version": 1, "name": "东巷", "unit": "东巷物业", "marking_photo": None, "cameras": []}
    return {**kept, "valid_from": None, "valid_to": None, "why": "the unit has changed", **more}


async def test_a_lane_is_changed_by_hand_with_a_record_and_its_photo_is_kept(centre: TestCentre) -> None:
    await take(centre, lane())
    await centre.add_cameras(camera("lane-east", city.GRID))
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    await centre.add_user("desk", Role.OPERATOR, city.SOUTH)
    await centre.add_user("north", Role.OPERATOR, city.NORTH)
    name = sha256(PHOTO)
    async with centre.signed_in("chief") as client:
        unknown = await client.put("/api/lanes/east-alley", json=body(marking_photo=name))
        assert (unknown.status_code, unknown.json()["detail"][:21]) == (422, "marking_photo: upload")
        await client.put(f"/api/photos/{name}", content=PHOTO, headers={"content-type": "image/jpeg"})
        wanted = body(unit="西巷物业", marking_photo=name, cameras=["lane-east"])
        changed = await client.put("/api/lanes/east-alley", json=wanted)
        stale = await client.put("/api/lanes/east-alley", json=wanted)
        same = await client.put("/api/lanes/east-alley", json={**wanted, "version": 2})
    assert (changed.status_code, stale.status_code, same.status_code) == (200, 409, 200)
    shown = changed.json()
    assert (shown["unit"], shown["marking_photo"], shown["cameras"]) == ("西巷物业", name, ["lane-east"])
    assert (shown["version"], same.json()["version"]) == (2, 2)
    (row,) = await rows(centre, lanes)
    assert row["duty_phone"] == PHONE, "left out: as it is"
    what = ["cameras", "marking_photo", "unit"]
    assert (await acts(centre))[1:] == [
        ("lane.changed", "east-alley", {"what": what, "why": "the unit has changed", "version": 2})
    ]
    for who, status in (("desk", 200), ("north", 404)):
        async with centre.signed_in(who) as client:
            assert (await client.get(f"/api/photos/{name}")).status_code == status
    async with centre.database.reading() as conn:
        later = START + timedelta(days=4000)
        kept = await would_go(conn, "unnamed_pictures", RetentionConfig(), later)
    assert kept is None or kept.total == 0
    await take(centre, lane("other"), remove_missing=True)
    async with centre.database.reading() as conn:
        gone = await would_go(conn, "unnamed_pictures", RetentionConfig(), later)
    assert gone is not None
    assert gone.total == 1


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"cameras": ["hidden"]}, "camera hidden is not in the register"),
        ({"cameras": ["nobody"]}, "camera nobody is not in the register"),
        ({"cameras": ["lane-east", "lane-east"]}, "each camera once"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-01"}, "valid_to: expected a day not before 2026-02-01"),
    ],
    ids=["out of scope", "unknown", "twice", "days"],
)
async def test_a_change_that_cannot_be_is_refused(centre: TestCentre, more: dict[str, Any], told: str) -> None:
    await take(centre, lane())
    await centre.add_cameras(camera("lane-east", city.GRID), camera("hidden", city.NORTH))
    await centre.add_user("chief", Role.SUPERVISOR, city.SOUTH)
    async with centre.signed_in("chief") as client:
        answer = await client.put("/api/lanes/east-alley", json=body(**more))
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert (await rows(centre, lanes))[0]["version"] == 1


async def test_nobody_names_a_photo_of_somebody_else(centre: TestCentre) -> None:
    await take(centre, lane())
    name = sha256(PHOTO)
    await centre.add_user("chief", Role.SUPERVISOR, city.SOUTH)
    await centre.add_user("worker", Role.WORKER, city.NORTH)
    async with centre.signed_in("worker") as client:
        await client.put(f"/api/photos/{name}", content=PHOTO, headers={"content-type": "image/jpeg"})
    async with centre.signed_in("chief") as client:
        assert (await client.put("/api/lanes/east-alley", json=body(marking_photo=name))).status_code == 422
        assert (await client.get(f"/api/photos/{name}")).status_code == 404


@pytest.mark.parametrize("role", list(Role))
async def test_who_may_change_a_lane(centre: TestCentre, role: Role) -> None:
    for place, code in (("own", city.SOUTH), ("outside", city.NORTH)):
        await add_lane(centre, f"lane-{place}", code)
    await centre.add_user("someone", role, city.SOUTH)
    async with centre.signed_in("someone") as client:
        own = await client.put("/api/lanes/lane-own", json=body())
        outside = await client.put("/api/lanes/lane-outside", json=body())
        missing = await client.put("/api/lanes/no-such", json=body())
    wanted = (200, 404, 404) if role in {Role.SUPERVISOR, Role.ADMIN} else (403, 403, 403)
    assert (own.status_code, outside.status_code, missing.status_code) == wanted


async def test_a_number_is_masked_and_shown_whole_only_on_the_record(centre: TestCentre) -> None:
    await take(centre, lane())
    await centre.add_user("desk", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("desk") as client:
        listed = await client.get("/api/lanes")
        shown = await client.get("/api/lanes/east-alley")
        whole = await client.get("/api/lanes/east-alley/duty-phone")
    assert PHONE not in listed.text
    assert shown.json()["duty_phone"] == "**********0119"
    assert whole.json() == {"duty_phone": PHONE}
    views = [row for row in await rows(centre, audit_records) if row["action"] == "lane.phone_viewed"]
    assert [(row["actor"], row["object_id"]) for row in views] == [("desk", "east-alley")]


async def test_lists_come_in_pages_and_by_camera(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID))
    await take(centre, *(lane(f"lane-{number}", cameras=["lane-east"][: number % 2]) for number in range(5)))
    await centre.add_user("desk", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("desk") as client:
        first = (await client.get("/api/lanes?limit=3")).json()
        second = (await client.get(f"/api/lanes?limit=3&after={first['next_after']}")).json()
        watched = (await client.get("/api/lanes?camera_id=lane-east")).json()
    pages = [[item["lane_id"] for item in page["items"]] for page in (first, second, watched)]
    assert pages == [["lane-0", "lane-1", "lane-2"], ["lane-3", "lane-4"], ["lane-1", "lane-3"]]
    assert (second["next_after"], watched["next_after"]) == (None, None)


async def test_across_a_border_name_and_unit_are_shown_and_no_id(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID), camera("north", city.NORTH))
    await take(centre, lane("beyond", line=[[117.05, 36.7], [117.051, 36.7]], cameras=["lane-east", "north"]))
    incident_id = await add_incident(centre, city.GRID)
    await centre.add_user("south", Role.OPERATOR, city.SOUTH)
    await centre.add_user("chief", Role.SUPERVISOR, city.NORTH)
    async with centre.signed_in("south") as client:
        (shown,) = (await client.get(f"/api/incidents/{incident_id}")).json()["lanes"]
        assert (await client.get("/api/lanes/beyond")).status_code == 404
    assert (shown["name"], shown["unit"], shown["lane_id"]) == ("东巷", "东巷物业", None)
    async with centre.signed_in("chief") as client:
        seen = (await client.get("/api/lanes/beyond")).json()
        hidden = (await client.get("/api/lanes?camera_id=lane-east")).json()["items"]
        changed = await client.put("/api/lanes/beyond", json=body(cameras=[]))
    assert (seen["cameras"], hidden, changed.json()["cameras"]) == (["north"], [], [])
    assert [row["camera_id"] for row in await rows(centre, lane_cameras)] == ["lane-east"], "not theirs to take away"


async def test_a_case_names_the_lanes_of_its_camera_that_were_lanes_that_day(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID))
    watching: dict[str, Any] = {"cameras": ["lane-east"]}
    await take(
        centre,
        lane(**watching),
        lane("last-day", valid_to="2026-11-23", **watching),
        lane("over", valid_to="2026-11-22", **watching),
        lane("to-come", valid_from="2026-11-24", **watching),
        lane("other"),
    )
    incident_id = await add_incident(centre, city.GRID)
    await centre.add_user("desk", Role.OPERATOR, city.SOUTH)
    async with centre.signed_in("desk") as client:
        shown = (await client.get(f"/api/incidents/{incident_id}")).json()
    assert [one["lane_id"] for one in shown["lanes"]] == ["east-alley", "last-day"]
    assert (shown["lanes"][0]["unit"], shown["lanes"][0]["duty_phone"]) == ("东巷物业", "**********0119")


async def test_the_phone_has_the_number_while_the_task_is_its_own_and_under_way(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID))
    await take(centre, lane(cameras=["lane-east"]))
    incident_id = await add_incident(centre, city.GRID)
    worker_id = await centre.add_user("worker", Role.WORKER, city.GRID)
    await centre.add_user("desk", Role.OPERATOR, city.SOUTH)
    task_id = await add_task(centre, incident_id, city.GRID, worker_id=worker_id, state="offered")
    async with centre.database.transaction() as conn:
        await conn.execute(update(incidents).values(state="dispatched"))
    async with centre.signed_in("worker") as client:
        mine = (await client.get(f"/api/tasks/{task_id}")).json()
        listed = await client.get("/api/tasks")
        taken = await client.post(f"/api/tasks/{task_id}/moves", json={"move": "take", "version": mine["version"]})
        back = {"move": "return", "version": taken.json()["version"], "note": "not mine"}
        after = await client.post(f"/api/tasks/{task_id}/moves", json=back)
    async with centre.signed_in("desk") as client:
        seen = (await client.get(f"/api/tasks/{task_id}")).json()
    assert mine["lanes"] == [
        {
            "lane_id": "east-alley",
            "name": "东巷",
            "unit": "东巷物业",
            "marking_photo": None,
            "duty_phone": PHONE,
        }
    ]
    assert PHONE not in listed.text
    assert taken.json()["lanes"][0]["duty_phone"] == PHONE
    assert after.json()["lanes"][0]["duty_phone"] == "**********0119"
    assert seen["lanes"][0]["duty_phone"] == "**********0119"
    assert not any(PHONE in str(row["body"]) for row in await rows(centre, events)), "no event carries a number"


async def test_a_camera_that_leaves_the_register_leaves_its_lanes(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane-east", city.GRID))
    await take(centre, lane(cameras=["lane-east"]))
    async with centre.database.transaction() as conn:
        assert await remove_camera(conn, "lane-east")
    assert await rows(centre, lane_cameras) == []
