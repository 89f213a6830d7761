"""Rosters over HTTP: read, replaced, refused, on the chain; and who is on duty when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tests.support import city
from tests.support.centres import TestCentre
from xueliang_central.administration import take_areas, take_rosters
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.errors import ImportRefused
from xueliang_central.people.roster_table import parse_roster_table
from xueliang_central.rights.people import change_user, grant
from xueliang_central.rights.scope import Role

NO_SUCH = "00000000-0000-4000-8000-000000000000"
NIGHT = {"kind": "weekly", "weekly": {"bands": [{"start": "22:00", "until": "06:00"}]}}
LEAVE = {"kind": "leave", "starts_at": "2026-11-23T00:00:00+08:00", "ends_at": "2026-11-25T00:00:00+08:00"}
SPAN = {"kind": "span", "starts_at": "2026-11-23T08:00:00+08:00", "ends_at": "2026-11-23T20:00:00+08:00"}


@pytest.fixture
async def staffed(centre: TestCentre) -> TestCentre:
    """A worker and an operator of the village, who is its supervisor, and one of the township above."""
    await centre.add_user("wang", Role.WORKER, city.GRID)
    await centre.add_user("li", Role.OPERATOR, city.VILLAGE)
    await centre.add_user("ma", Role.WORKER, city.VILLAGE)
    await centre.add_user("boss", Role.SUPERVISOR, city.VILLAGE)
    await centre.add_user("chief", Role.SUPERVISOR, city.SOUTH)
    await centre.add_user("other", Role.SUPERVISOR, city.NORTH)
    return centre


def of(centre: TestCentre, name: str) -> str:
    return f"/api/people/{centre.user_ids[name]}/roster"


def problems(answer: httpx.Response) -> list[tuple[str, str, str]]:
    assert (answer.status_code, answer.json()["code"]) == (422, "roster_refused"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [(one["where"], one["expected"], one["got"]) for one in answer.json()["problems"]]


async def records(centre: TestCentre) -> list[Any]:
    async with centre.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole
        query = select(audit_records).where(audit_records.c.action == "roster.replaced")
        return list((await conn.execute(query.order_by(audit_records.c.position))).all())


async def test_a_roster_is_replaced_and_what_is_shown_replaces_it_again(staffed: TestCentre) -> None:
    async with staffed.signed_in("boss") as client:
        before = (await client.get(of(staffed, "wang"))).json()
        assert (before["version"], before["shifts"], before["may_replace"]) == (0, [], True)
        answer = await client.put(of(staffed, "wang"), json={"version": 0, "shifts": [LEAVE, NIGHT]})
        assert answer.status_code == 200, answer.text
        after = answer.json()
        assert (after["version"], after["changed_by"]) == (1, "boss")
        assert [shift["kind"] for shift in after["shifts"]] == ["weekly", "leave"]
        assert after["shifts"][0]["area_code"] == city.GRID, "left out: the person's own"
        assert after["shifts"][1]["starts_at"] == "2026-11-22T16:00:00.000Z"
        assert (await client.get(of(staffed, "wang"))).json() == after
        body = {"version": after["version"], "shifts": after["shifts"]}
        assert (await client.put(of(staffed, "wang"), json=body)).json() == after
    [record] = await records(staffed)
    assert (record.actor, record.object_id) == ("boss", staffed.user_ids["wang"])
    assert (record.detail["way"], record.detail["before"]) == ("person", [])
    assert [shift["kind"] for shift in record.detail["after"]] == ["weekly", "leave"]


async def test_the_same_request_again_changes_nothing_and_a_stale_one_is_refused(staffed: TestCentre) -> None:
    async with staffed.signed_in("boss") as client:
        body = {"version": 0, "shifts": [NIGHT]}
        first = await client.put(of(staffed, "wang"), json=body)
        again = await client.put(of(staffed, "wang"), json=body)  # its answer was lost on the way
        assert again.json() == first.json()
        stale = await client.put(of(staffed, "wang"), json={"version": 0, "shifts": []})
        assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (409, "conflict", 1)
        none = await client.put(of(staffed, "wang"), json={"version": 1, "shifts": []})
        assert (none.json()["version"], none.json()["shifts"]) == (2, [])
    assert len(await records(staffed)) == 2


async def test_two_at_once_one_of_them_is_told_so(staffed: TestCentre) -> None:
    async with staffed.signed_in("boss") as one, staffed.signed_in("chief") as two:
        answers = await asyncio.gather(
            one.put(of(staffed, "wang"), json={"version": 0, "shifts": [NIGHT]}),
            two.put(of(staffed, "wang"), json={"version": 0, "shifts": [SPAN]}),
        )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await records(staffed)) == 1


async def test_every_problem_of_a_roster_is_told_with_where_expected_and_got(staffed: TestCentre) -> None:
    wrong = [
        NIGHT | {"area_code": city.GRID_RIGHT},
        NIGHT | {"valid_from": "2026-12-31", "valid_to": "2026-12-01"},
        {"kind": "weekly"},
        SPAN | {"ends_at": SPAN["starts_at"]},
        SPAN | {"ends_at": "2062-11-23T20:00:00+08:00"},
        {"kind": "leave", "starts_at": SPAN["starts_at"], "area_code": city.GRID},
        LEAVE | {"valid_to": "2026-12-01", "starts_at": "1926-11-23T00:00:00+08:00"},
        SPAN,
        SPAN,
    ]
    async with staffed.signed_in("boss") as client:
        answer = await client.put(of(staffed, "wang"), json={"version": 0, "shifts": wrong})
        assert problems(answer) == [
            ("shifts.0.area_code", "the person's own area or one below it", city.GRID_RIGHT),
            ("shifts.1.valid_to", "a day not before valid_from (2026-12-31)", "2026-12-01"),
            ("shifts.2.weekly", "bands of local time", "nothing"),
            ("shifts.3.ends_at", "a moment after starts_at (2026-11-23T00:00:00+00:00)", "2026-11-23T00:00:00+00:00"),
            ("shifts.4.ends_at", "at most 366 days after starts_at", "13149 days"),
            ("shifts.5.area_code", "nothing: a leave is from everywhere", city.GRID),
            ("shifts.5.ends_at", "a moment", "nothing"),
            ("shifts.6.valid_to", "nothing: a leave has starts_at and ends_at", "2026-12-01"),
            ("shifts.6.starts_at", "a year from 2000 to 2100", "1926"),
            ("shifts.6.ends_at", "at most 366 days after starts_at", "36527 days"),
            ("shifts.8", "each shift once", "the same as shifts.7"),
        ]
        bad_zone = NIGHT | {"weekly": NIGHT["weekly"] | {"time_zone": "Mars/North"}}  # type: ignore[operator]
        answer = await client.put(of(staffed, "wang"), json={"version": 0, "shifts": [bad_zone]})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert (await client.get(of(staffed, "wang"))).json()["version"] == 0
    assert await records(staffed) == []


async def test_an_areas_roster_is_replaced_as_a_whole(staffed: TestCentre) -> None:
    url = f"/api/areas/{city.VILLAGE}/roster"
    ids = staffed.user_ids
    async with staffed.signed_in("chief") as client:
        before = (await client.get(url)).json()
        assert [person["display_name"][:4] for person in before["people"]] == ["boss", "li 先", "ma 先"]
        people = [{"user_id": ids["li"], "shifts": [NIGHT]}, {"user_id": ids["ma"], "shifts": [SPAN, LEAVE]}]
        answer = await client.put(url, json={"version": 0, "people": people})
        assert answer.status_code == 200, answer.text
        after = answer.json()
        assert (after["version"], [person["version"] for person in after["people"]]) == (1, [0, 1, 1])
        again = await client.put(url, json={"version": 0, "people": people})
        assert again.json() == after
        # A change of one person's roster is a change of the area's.
        answer = await client.put(of(staffed, "ma"), json={"version": 1, "shifts": []})
        assert answer.json()["version"] == 2
        stale = await client.put(url, json={"version": 1, "people": []})
        assert (stale.status_code, stale.json()["version"]) == (409, 2)
        answer = await client.put(url, json={"version": 2, "people": []})  # who is left out has no shifts
        assert [person["shifts"] for person in answer.json()["people"]] == [[], [], []]
        wrong = [
            {"user_id": ids["wang"], "shifts": []},
            {"user_id": ids["li"], "shifts": [{"kind": "span"}]},
            {"user_id": NO_SUCH, "shifts": []},
        ]
        answer = await client.put(url, json={"version": 3, "people": wrong})
        assert problems(answer) == [
            ("people.0.user_id", "a worker, operator or supervisor of this area", ids["wang"]),
            ("people.2.user_id", "a worker, operator or supervisor of this area", NO_SUCH),
            ("people.1.shifts.0.starts_at", "a moment", "nothing"),
            ("people.1.shifts.0.ends_at", "a moment", "nothing"),
        ]
        twice = [{"user_id": ids["li"], "shifts": []}, {"user_id": ids["li"], "shifts": []}]
        answer = await client.put(url, json={"version": 3, "people": twice})
        assert [where for where, _, _ in problems(answer)] == ["people.0.user_id", "people.1.user_id"]
    assert [record.detail["way"] for record in await records(staffed)] == ["area", "area", "person", "area"]


async def test_a_supervisor_of_the_area_or_above_and_nobody_else(staffed: TestCentre) -> None:
    async with staffed.database.transaction() as conn:
        path = path_by_code(city.VILLAGE)
        at = staffed.clock.at
        await grant(conn, staffed.user_ids["other"], path, why="help", by="test", at=at, until=at + timedelta(hours=1))
    body = {"version": 0, "shifts": [NIGHT]}
    for name, status in (("wang", 403), ("li", 403), ("other", 403), ("boss", 200), ("chief", 200)):
        async with staffed.signed_in(name) as client:
            answer = await client.put(of(staffed, "ma"), json=body)
            assert answer.status_code == status, (name, answer.text)
            area = await client.put(f"/api/areas/{city.VILLAGE}/roster", json={"version": 9, "people": []})
            assert area.status_code == (409 if status == 200 else 403), (name, area.text)
            if name == "other":
                assert "grant" in answer.json()["detail"]
                assert not (await client.get(of(staffed, "ma"))).json()["may_replace"], "it may look"
            if name in {"boss", "chief"}:
                above = await client.put(of(staffed, "chief"), json=body)
                assert above.status_code == (404 if name == "boss" else 200), "of the area or above"


async def test_who_is_on_duty_now_and_at_a_given_time(staffed: TestCentre) -> None:
    ids = staffed.user_ids
    async with staffed.signed_in("chief") as client:
        people = [
            {"user_id": ids["li"], "shifts": [NIGHT]},
            {"user_id": ids["ma"], "shifts": [LEAVE]},
            {"user_id": ids["boss"], "shifts": [SPAN]},
        ]
        await client.put(f"/api/areas/{city.VILLAGE}/roster", json={"version": 0, "people": people})
        night = NIGHT | {"area_code": city.VILLAGE}
        await client.put(of(staffed, "chief"), json={"version": 0, "shifts": [night]})
        url = f"/api/areas/{city.VILLAGE}/on-duty"

        async def stands(at: str | None = None) -> tuple[list[str], dict[str, str], bool]:
            answer = await client.get(url, params={} if at is None else {"at": at})
            assert answer.status_code == 200, answer.text
            shown = answer.json()
            here = [person["display_name"].split()[0] for person in shown["on_duty"]]
            away = {person["display_name"].split()[0]: person["standing"] for person in shown["not_on_duty"]}
            return here, away, shown["is_desk_staffed"]

        staffed.clock.at = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # 16:00
        assert await stands() == (["boss"], {"li": "off_duty", "ma": "on_leave"}, True)
        at_three = await stands("2026-11-24T03:00:00+08:00")
        assert at_three == (["chief", "li"], {"boss": "off_duty", "ma": "on_leave"}, True)
        assert await stands("2026-11-26T12:00:00Z") == (["ma"], {"boss": "off_duty", "li": "off_duty"}, False)
        for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
            assert problems(await client.get(url, params={"at": at}))[0][0] == "query.at"


async def test_a_roster_left_behind_is_counted_and_gone_when_it_is_replaced(staffed: TestCentre) -> None:
    async with staffed.signed_in("chief") as client:
        await client.put(of(staffed, "ma"), json={"version": 0, "shifts": [NIGHT, LEAVE]})
        async with staffed.database.transaction() as conn:
            moved = {"area_code": city.GRID, "area_path": path_by_code(city.GRID)}
            await change_user(conn, staffed.user_ids["ma"], at=staffed.clock.at, by="test", **moved)
        shown = (await client.get(of(staffed, "ma"))).json()
        assert ([shift["kind"] for shift in shown["shifts"]], shown["left_behind"]) == (["leave"], 1)
        answer = await client.put(of(staffed, "ma"), json={"version": 1, "shifts": shown["shifts"]})
        assert (answer.json()["version"], answer.json()["left_behind"]) == (2, 0)


async def test_a_table_is_tried_first_and_then_taken(staffed: TestCentre) -> None:
    head = "username,kind,area,days,start,until,time_zone,valid_from,valid_to,starts_at,ends_at\n"
    good = parse_roster_table(
        f"{head}wang,weekly,,mon-fri,08:00,18:00\nwang,leave,,,,,,,,2026-12-24 00:00,2026-12-27 00:00\nma,always\n"
    )
    at = staffed.clock.at
    tried = await take_rosters(staffed.database, good, at=at, dry_run=True)
    sums = ["~ wang: 2 shifts (had 0)", "1 rosters changed, 1 unchanged"]
    assert tried == [*sums, "dry run: nothing was changed"]
    assert await records(staffed) == []
    assert await take_rosters(staffed.database, good, at=at, dry_run=False) == sums
    assert await take_rosters(staffed.database, good, at=at, dry_run=False) == ["0 rosters changed, 2 unchanged"]
    [record] = await records(staffed)
    assert (record.actor, record.detail["way"], record.object_id) == (
        "administrator",
        "import",
        staffed.user_ids["wang"],
    )
    bad = parse_roster_table(
        f"{head}nobody,weekly,,,08:00,18:00\nwang,weekly,{city.GRID_RIGHT},,08:00,18:00\nli,holiday\n"
        "ma,span,,,,,,,,2026-12-02 00:00,2026-12-01 00:00\nli,weekly,,,08:00,18:00\nli,weekly,,,08:00,18:00\n"
    )
    for dry_run in (True, False):
        with pytest.raises(ImportRefused) as refused:
            await take_rosters(staffed.database, bad, at=at, dry_run=dry_run)
        assert list(refused.value.problems) == [
            'row 2, username: expected a worker, operator or supervisor of this centre, got "nobody"',
            f"row 3, area: expected the person's own area or one below it, got {city.GRID_RIGHT}",
            'row 4, kind: expected one of weekly, span, leave, always, got "holiday"',
            "row 5, ends_at: expected a moment after starts_at (2026-12-01T16:00:00+00:00), "
            "got 2026-11-30T16:00:00+00:00",
            "row 7: expected each shift once, got the same as row 6",
            "5 bad rows; nothing was changed",
        ]
    assert len(await records(staffed)) == 1


async def test_an_area_that_a_shift_is_in_is_not_removed(staffed: TestCentre) -> None:
    async with staffed.signed_in("chief") as client:
        there = NIGHT | {"area_code": city.VILLAGE_BARE}
        assert (await client.put(of(staffed, "chief"), json={"version": 0, "shifts": [there]})).status_code == 200
    table = city.area_table(city.city_geojson(codes=tuple(code for code in city.BOXES if code != city.VILLAGE_BARE)))
    with pytest.raises(ImportRefused, match="shifts still belong to it"):
        await take_areas(staffed.database, table, at=staffed.clock.at, remove_missing=True)


async def test_a_week_shows_who_is_there_what_is_lacking_and_guests(staffed: TestCentre) -> None:
    day = {"kind": "weekly", "weekly": {"bands": [{"days": ["mon", "tue"], "start": "08:00", "until": "20:00"}]}}
    guest = {**SPAN, "area_code": city.GRID}
    async with staffed.signed_in("boss") as client:
        await client.put(of(staffed, "wang"), json={"version": 0, "shifts": [day, LEAVE]})
        answer = await client.get(f"/api/areas/{city.GRID}/week")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["starts_at"], body["ends_at"]) == ("2026-11-22T16:00:00.000Z", "2026-11-29T16:00:00.000Z")
        assert body["people"] == [
            {
                "user_id": staffed.user_ids["wang"],
                "display_name": "wang 先生",
                "role": "worker",
                "is_rostered": True,
                "is_guest": False,
            }
        ]
        assert [
            (one["starts_at"][5:16], one["on_duty"] != [], one["on_leave"] != [], one["lacks"])
            for one in body["stretches"]
        ] == [
            ("11-22T16:00", False, True, ["worker"]),
            ("11-24T16:00", False, False, ["worker"]),
        ]
        await client.put(of(staffed, "ma"), json={"version": 0, "shifts": [guest]})
        week = (await client.get(f"/api/areas/{city.GRID}/week", params={"day": "2026-11-23"})).json()
        assert [(one["display_name"], one["is_guest"]) for one in week["people"]] == [
            ("ma 先生", True),
            ("wang 先生", False),
        ]
        assert [one["lacks"] for one in week["stretches"]][:3] == [["worker"], [], ["worker"]]
        desk = (await client.get(f"/api/areas/{city.VILLAGE}/week")).json()
        assert [one["lacks"] for one in desk["stretches"]] == [["worker"]] * 3, "its one worker is lent to the grid"
        assert (
            problems(await client.get(f"/api/areas/{city.GRID}/week", params={"day": "1000-01-01"}))[0][0]
            == "query.day"
        )


async def test_a_worker_sees_the_own_shifts_of_two_weeks_and_where(staffed: TestCentre) -> None:
    async with staffed.signed_in("boss") as client:
        await client.put(of(staffed, "wang"), json={"version": 0, "shifts": [SPAN]})
    async with staffed.signed_in("wang") as client:
        own = (await client.get("/api/me/roster")).json()
        assert own["duty"] == [
            {
                "starts_at": "2026-11-23T00:00:00.000Z",
                "ends_at": "2026-11-23T12:00:00.000Z",
                "areas": own["duty"][0]["areas"],
            }
        ]
        assert [area["code"] for area in own["duty"][0]["areas"]] == [city.GRID]
        assert (await client.get(of(staffed, "wang"))).status_code == 403, "the office's page of the same"


async def test_a_table_is_told_first_and_taken_whole_by_who_it_belongs_to(staffed: TestCentre) -> None:
    good = "username,kind,days,start,until\nwang,weekly,mon-fri,08:00,18:00\nli,always,,,\n"
    bad = good + "other,always,,,\nwang,weekly,mon-fri,25:00,18:00\n"
    async with staffed.signed_in("boss") as client:
        refused = await client.post("/api/rosters/import", json={"text": bad, "dry_run": True})
        assert (refused.status_code, refused.json()["code"]) == (422, "import_refused"), refused.text
        listed = refused.json()["problems"]
        assert [one.partition(":")[0] for one in listed] == [
            "row 4, username",
            "row 5, start",
            "2 bad rows; nothing was changed",
        ]
        dry = await client.post("/api/rosters/import", json={"text": good, "dry_run": True})
        assert dry.json() == {
            "changes": ["~ wang: 1 shifts (had 0)", "1 rosters changed, 1 unchanged"],
            "dry_run": True,
        }
        assert (await client.get(of(staffed, "wang"))).json()["version"] == 0
        taken = await client.post("/api/rosters/import", json={"text": good, "dry_run": False})
        assert taken.json()["changes"] == dry.json()["changes"]
        assert len((await client.get(of(staffed, "wang"))).json()["shifts"]) == 1
    [record] = await records(staffed)
    assert (record.actor, record.detail["way"]) == ("boss", "import")
