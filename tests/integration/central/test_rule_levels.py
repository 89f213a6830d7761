"""What areas say for the rules of their cameras: nearest first, seen before, agreed to, brought to each camera once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from tests.integration.central.test_camera_rules import ZONE, answer, hear, said
from tests.support import city
from tests.support.centres import TestCentre, camera
from xueliang_alerts.clocks import system_wall
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules import spreading
from xueliang_central.camera_rules.bringing import AT_ONCE, spread
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import grants
from xueliang_central.worker import Worker
from xueliang_configs.cameras import CameraRules

LANE: dict[str, Any] = {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": ZONE}
FIRE_LANE = "fire_lane_obstruction"


def whole(camera_id: str, *rules: dict[str, Any]) -> dict[str, Any]:
    value = {"camera_id": camera_id, "place_class": "residential", "look_every_s": None, "rules": list(rules)}
    return CameraRules.model_validate(value).as_written


@dataclass
class Desk:
    """A rule operator of a county and its supervisor; the worker's steps are taken by hand."""

    centre: TestCentre
    ruler: httpx.AsyncClient
    chief: httpx.AsyncClient

    async def say(self, area: str, settings: dict[str, Any], *, spread_now: bool = True, **body: Any) -> dict[str, Any]:
        newest = (await self.ruler.get(f"/api/rule-defaults/{area}")).json()["newest_version"]
        value = {"settings": settings, "why": "as the county decided", "based_on": newest} | body
        made = await self.ruler.post(f"/api/rule-defaults/{area}/versions", json=value)
        assert made.status_code == 201, made.text
        if spread_now:
            await self.spread()
        return dict(made.json())

    async def spread(self) -> int:
        return await Worker(self.centre.centre).spread_levels()

    async def rules(self, camera_id: str = "lane") -> dict[str, Any]:
        found = await self.ruler.get(f"/api/cameras/{camera_id}/rules")
        assert found.status_code == 200, found.text
        return dict(found.json())

    async def rule(self, camera_id: str = "lane") -> dict[str, Any]:
        (rule,) = (await self.rules(camera_id))["desired_settings"]["rules"]
        return dict(rule)

    async def propose(self, *rules: dict[str, Any], camera_id: str = "lane") -> dict[str, Any]:
        newest = (await self.rules(camera_id))["newest_version"]
        value = {"settings": {"rules": list(rules)}, "why": "this gate", "based_on": newest}
        made = await self.ruler.post(f"/api/cameras/{camera_id}/rules/versions", json=value)
        assert made.status_code == 201, made.text
        return dict(made.json())


@asynccontextmanager
async def desk_of(centre: TestCentre) -> AsyncIterator[Desk]:
    async with centre.signed_in("ruler") as ruler, centre.signed_in("chief") as chief:
        yield Desk(centre, ruler, chief)


@pytest.fixture
async def desk(centre: TestCentre) -> AsyncIterator[Desk]:
    """Two cameras, in two grids of a village, whose node runs a rule of its own file."""
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane", city.GRID), camera("other", city.GRID_RIGHT))
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    for camera_id in ("lane", "other"):
        assert await hear(centre, camera_id=camera_id, **said(whole(camera_id, LANE)))
    async with desk_of(centre) as made:
        yield made


async def test_the_nearest_level_counts_the_cameras_own_stays_and_each_value_says_where_it_is_from(desk: Desk) -> None:
    await desk.say(city.WEST, {FIRE_LANE: {"dwell_s": 90, "min_cover": 0.04}})
    await desk.say(city.VILLAGE, {FIRE_LANE: {"dwell_s": 45}})
    body = await desk.rules()
    (rule,) = body["desired_settings"]["rules"]
    assert (rule["dwell_s"], rule["min_cover"], rule["version"]) == (45, 0.04, 3)
    origins = body["desired_inherited"]["lane"]
    assert {name: area["code"] for name, area in origins.items()} == {"dwell_s": city.VILLAGE, "min_cover": city.WEST}
    assert origins["dwell_s"]["level"] == "village"
    assert body["levels"][FIRE_LANE]["dwell_s"]["value"] == 45
    assert body["desired"]["level"] == {"code": city.VILLAGE, "version": 1}
    assert body["desired"]["by"] == "ruler"
    listed = (await desk.ruler.get("/api/cameras/lane/rules/versions")).json()["items"]
    assert [(one["version"], one["state"], one["origin"]) for one in listed][-1] == (1, "ran", "node")

    made = await desk.propose({**LANE, "dwell_s": 10})  # the camera's own, from now on
    assert made["inherited"] == {"lane": {"min_cover": origins["min_cover"]}}
    await desk.say(city.VILLAGE, {FIRE_LANE: {"dwell_s": 60, "clear_after_s": 8}})
    rule = await desk.rule()
    assert (rule["dwell_s"], rule["clear_after_s"]) == (10, 8)
    assert (await desk.rule("other"))["dwell_s"] == 60
    made = await desk.propose(LANE)  # back to inherited: said by leaving it out
    assert made["settings"]["rules"][0]["dwell_s"] == 60
    assert made["inherited"]["lane"]["dwell_s"]["code"] == city.VILLAGE


async def test_a_change_is_seen_before_camera_by_camera_and_nothing_of_it_is_kept(desk: Desk) -> None:
    await desk.centre.add_cameras(camera("alone", city.GRID, node_id=None), camera("mute", city.GRID))
    await desk.propose({**LANE, "dwell_s": 10}, camera_id="other")
    body = {"settings": {FIRE_LANE: {"dwell_s": 30}}}
    seen = (await desk.ruler.post(f"/api/rule-defaults/{city.SOUTH}/check", json=body)).json()
    assert (seen["cameras"], seen["changed"], seen["severities"]) == (4, 1, [])
    assert seen["left_out"] == {"no_node": 1, "not_known": 1}
    (lane,) = [one for one in seen["shown"] if one["differences"]]
    assert lane["camera_id"] == "lane"
    assert {one["where"]: (one["before"], one["after"]) for one in lane["differences"]} == {
        "rules.lane.dwell_s": (None, 30.0),
        "rules.lane.version": (None, 2),
    }
    assert (await desk.rules())["desired"] is None
    level = (await desk.ruler.get(f"/api/rule-defaults/{city.SOUTH}")).json()
    assert (level["newest_version"], level["desired"], level["may_change"]) == (0, None, True)


async def test_a_severity_of_many_needs_a_second_person_once_and_the_document_names_both(desk: Desk) -> None:
    body = {"settings": {FIRE_LANE: {"severity": 4}}}
    seen = (await desk.ruler.post(f"/api/rule-defaults/{city.SOUTH}/check", json=body)).json()
    assert seen["severities"] == [
        "rule lane: fire_lane_obstruction, severity 2 becomes fire_lane_obstruction, severity 4 (2)"
    ]
    made = await desk.say(city.SOUTH, body["settings"])
    assert (made["state"], made["moves"]) == ("proposed", ["withdraw"])
    assert (await desk.rules())["desired"] is None
    moves = f"/api/rule-defaults/{city.SOUTH}/versions/1/moves"
    own = await desk.ruler.post(moves, json={"move": "approve"})
    assert (own.status_code, own.json()["code"]) == (403, "not_allowed")
    agreed = await desk.chief.post(moves, json={"move": "approve", "note": "yes"})
    assert agreed.json()["state"] == "desired", agreed.text
    assert (await desk.chief.post(moves, json={"move": "refuse"})).status_code == 409
    await desk.spread()
    for camera_id in ("lane", "other"):
        body = await desk.rules(camera_id)
        assert (body["desired"]["decided_by"], body["desired_settings"]["rules"][0]["severity"]) == ("chief", 4)
        assert body["desired"]["severity_changes"]
    async with desk.centre.database.reading() as conn:
        acts = (await conn.execute(select(audit_records.c.action, audit_records.c.actor))).all()
    assert [tuple(one) for one in acts if "rule" in one[0]] == [
        ("rule_defaults.proposed", "ruler"),
        ("rule_defaults.approved", "chief"),
        ("rules.followed", "ruler"),
        ("rules.followed", "ruler"),
        ("rule_defaults.spread", "ruler"),
    ]


async def test_a_severity_that_nobody_saw_before_waits_at_its_camera(desk: Desk) -> None:
    """The camera changed between the look at what a level would change and its coming there."""
    await desk.say(city.SOUTH, {"crowd": {"severity": 3}}, spread_now=False)
    crowd = {"rule_id": "gate", "hazard": "crowd", "zone": ZONE, "raise_at_count": 9, "clear_at_count": 5}
    running = whole("lane", {**crowd, "severity": 2}, {**crowd, "rule_id": "soft"})
    await hear(desk.centre, camera_id="lane", **said(running, 2))
    await desk.spread()
    body = await desk.rules()
    assert body["desired"] is None
    (waiting,) = body["proposed"]
    assert waiting["severity_changes"] == ["rule soft: crowd, severity 2 becomes crowd, severity 3"]
    move = {"move": "approve"}
    agreed = await desk.chief.post(f"/api/cameras/lane/rules/versions/{waiting['version']}/moves", json=move)
    assert agreed.json()["state"] == "desired", agreed.text


async def test_what_was_changed_at_its_node_or_does_not_fit_is_left_out_with_its_reason(desk: Desk) -> None:
    await desk.say(city.SOUTH, {FIRE_LANE: {"dwell_s": 30}})
    version = (await desk.rules())["desired"]["version"]
    await hear(desk.centre, camera_id="lane", **said(whole("lane", LANE | {"dwell_s": 3}), 3, answer=answer(version)))
    assert (await desk.rules())["state"] == "drifted"
    crowd = {"rule_id": "gate", "hazard": "crowd", "zone": ZONE, "raise_at_count": 9, "clear_at_count": 5}
    assert (await desk.propose(LANE, crowd, camera_id="other"))["state"] == "desired"
    body = {"settings": {"crowd": {"severe_at_count": 4}, FIRE_LANE: {"dwell_s": 40}}}
    seen = (await desk.ruler.post(f"/api/rule-defaults/{city.SOUTH}/check", json=body)).json()
    assert seen["left_out"] == {"drifted": 1, "does_not_fit": 1}
    assert "rules.1.severe_at_count" in next(one for one in seen["shown"] if one["problems"])["problems"][0]
    await desk.say(city.SOUTH, {"crowd": {"severe_at_count": 4}, FIRE_LANE: {"dwell_s": 40}})
    level = (await desk.ruler.get(f"/api/rule-defaults/{city.SOUTH}")).json()["desired"]
    assert level["left_out"] == {"lane": "drifted", "other": "does_not_fit"}
    assert (level["changed"], level["spreading"]) == (0, False)


async def test_a_roll_back_of_a_camera_means_what_it_meant_and_one_of_a_level_goes_to_all(desk: Desk) -> None:
    await desk.say(city.SOUTH, {FIRE_LANE: {"dwell_s": 30}})
    first = (await desk.rules())["desired"]["version"]
    await desk.say(city.SOUTH, {FIRE_LANE: {"dwell_s": 20}})
    newest = (await desk.rules())["newest_version"]
    back = await desk.ruler.post("/api/cameras/lane/rules/rollback", json={"version": first, "based_on": newest})
    assert back.json()["settings"]["rules"][0]["dwell_s"] == 30, back.text
    assert back.json()["inherited"] == {}  # the camera's own now
    assert (await desk.rule("other"))["dwell_s"] == 20
    rolled = await desk.ruler.post(f"/api/rule-defaults/{city.SOUTH}/rollback", json={"version": 1, "based_on": 2})
    assert (rolled.json()["version"], rolled.json()["restores"]) == (3, 1), rolled.text
    await desk.spread()
    assert (await desk.rule("other"))["dwell_s"] == 30
    states = [
        one["state"] for one in (await desk.ruler.get(f"/api/rule-defaults/{city.SOUTH}/versions")).json()["items"]
    ]
    assert states == ["desired", "replaced", "replaced"]


async def test_many_cameras_get_a_version_each_once_however_often_it_is_cut_off(desk: Desk) -> None:
    names = [f"cam-{number:03d}" for number in range(2 * AT_ONCE + 5)]
    await desk.centre.add_cameras(*(camera(name, city.GRID) for name in names))
    for name in names:
        await hear(desk.centre, camera_id=name, **said(whole(name, LANE)))
    await desk.say(city.WEST, {FIRE_LANE: {"dwell_s": 30}}, spread_now=False)

    class Killed(Exception):
        pass

    async def cut_off() -> None:
        async with desk.centre.database.transaction() as conn:
            assert await spread(conn, spreading.WAY, desk.centre.clock.at) == AT_ONCE
            raise Killed

    async def one_lot() -> int:
        async with desk.centre.database.transaction() as conn:
            return await spread(conn, spreading.WAY, desk.centre.clock.at)

    assert await one_lot() == AT_ONCE
    with pytest.raises(Killed):
        await cut_off()
    await asyncio.gather(*(Worker(desk.centre.centre).spread_levels() for _ in range(3)))  # as after a restart
    while await one_lot():
        pass
    async with desk.centre.database.reading() as conn:
        made = (
            await conn.execute(select(rule_versions.c.camera_id).where(rule_versions.c.level_code == city.WEST))
        ).scalars()
    assert sorted(made) == sorted([*names, "lane", "other"])
    level = (await desk.ruler.get(f"/api/rule-defaults/{city.WEST}")).json()["desired"]
    assert (level["changed"], level["spreading"], level["left_out"]) == (len(names) + 2, False, {})


async def test_who_saw_an_older_list_is_told_repeats_are_one_and_bad_settings_are_named(desk: Desk) -> None:
    path = f"/api/rule-defaults/{city.SOUTH}/versions"
    value: dict[str, Any] = {"settings": {FIRE_LANE: {"dwell_s": 9}}, "why": "x", "based_on": 0}
    first = await desk.ruler.post(path, json=value | {"idempotency_key": "one"})
    same = await desk.ruler.post(path, json=value | {"idempotency_key": "one"})
    assert (first.json()["version"], same.json()["version"]) == (1, 1)
    stale = await desk.ruler.post(path, json=value)
    assert (stale.status_code, stale.json()["newest_version"]) == (409, 1)
    bad = await desk.ruler.post(path, json=value | {"settings": {"crowd": {"zone": []}, "x": {}}, "based_on": 1})
    assert (bad.status_code, bad.json()["code"]) == (422, "rules_refused")
    assert {one["where"] for one in bad.json()["problems"]} == {"crowd.zone", "x"}
    odd = '{"settings": {"\\ud800": {}, "crowd": {"\\u0000": 1}}, "why": "x", "based_on": 1}'
    refused = await desk.ruler.post(path, content=odd, headers={"content-type": "application/json"})
    assert refused.status_code == 422, refused.text
    two = [desk.ruler.post(path, json=value | {"based_on": 1, "why": why}) for why in ("a", "b")]
    assert sorted(one.status_code for one in await asyncio.gather(*two)) == [201, 409]


async def test_only_who_an_area_belongs_to_says_something_for_it(desk: Desk) -> None:
    await desk.centre.add_user("helper", Role.ADMIN, city.EAST)
    async with desk.centre.database.transaction() as conn:
        row = {"user_id": desk.centre.user_ids["helper"], "area_path": path_by_code(city.WEST), "why": "help"}
        await conn.execute(insert(grants), row | {"granted_by": "test", "granted_at": desk.centre.clock.at})
    value = {"settings": {FIRE_LANE: {"dwell_s": 9}}, "why": "x", "based_on": 0}
    async with desk.centre.signed_in("helper") as helper:
        assert (await helper.get(f"/api/rule-defaults/{city.WEST}")).json()["may_change"] is False
        refused = await helper.post(f"/api/rule-defaults/{city.WEST}/versions", json=value)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert (await desk.ruler.post(f"/api/rule-defaults/{city.CITY}/versions", json=value)).status_code == 404
    await desk.say(city.SOUTH, {FIRE_LANE: {"dwell_s": 9}})
    listed = (await desk.chief.get("/api/rule-defaults")).json()
    assert [one["area_code"] for one in listed["items"]] == [city.SOUTH]
    assert "dwell_s" in listed["names"][FIRE_LANE]
