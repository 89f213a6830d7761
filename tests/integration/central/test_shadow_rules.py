"""The first rules of a camera start in the shadow, are counted there, and are promoted by people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.integration.central.test_camera_rules import (
    LANE,
    MOVED,
    answer,
    hear,
    people,
    said,
    settings,
)
from tests.support import city
from tests.support.centres import TestCentre, camera
from xueliang_alerts.clocks import system_wall
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules.shadow_list import keep_count
from xueliang_central.camera_rules.shadowing import Count
from xueliang_central.rights.scope import Role

RULES = "/api/cameras/lane/rules"
LIST, PROMOTE = "/api/camera-rules/shadow", "/api/camera-rules/promotions"


@pytest.fixture
async def street(centre: TestCentre) -> TestCentre:
    """A camera whose node runs no rule yet, and the people."""
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane", city.GRID))
    for name, role in (("ruler", Role.RULE_OPERATOR), ("chief", Role.SUPERVISOR), ("operator", Role.OPERATOR)):
        await centre.add_user(name, role, city.WEST)
    await centre.add_user("neighbour", Role.RULE_OPERATOR, city.NORTH)
    assert await hear(centre, **said(settings()))
    return centre


async def put_in_shadow(centre: TestCentre, client: Any) -> None:
    """The first rules of the camera, and its node runs them."""
    body = {"settings": {"rules": [LANE]}, "why": "a new camera", "based_on": 0}
    made = await client.post(f"{RULES}/versions", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["settings"]["rules"] == [LANE | {"shadow": True}]
    version = made.json()["version"]
    await hear(centre, **said(settings(LANE | {"shadow": True}), 2, source="centre", answer=answer(version)))


def promotion(camera_id: str = "lane", **body: Any) -> dict[str, Any]:
    return {"items": [{"camera_id": camera_id, "rule_ids": ["lane"]}], "why": "a day was calm"} | body


async def test_first_rules_start_in_the_shadow_and_leave_it_only_by_promotion(street: TestCentre) -> None:
    async with people(street) as (ruler, chief):
        assert (await ruler.get(RULES)).json()["new_in_shadow_hours"] == 24
        await put_in_shadow(street, ruler)
        assert (await ruler.get(RULES)).json()["new_in_shadow_hours"] is None
        told = (await ruler.get(LIST)).json()
        [row] = told["items"]
        assert (row["camera_id"], row["rule_id"], row["state"], row["count"]) == ("lane", "lane", "in_force", None)
        assert told["seats"][row["seat"]]["alerts_per_day"] == 144
        early = (await ruler.post(PROMOTE, json=promotion())).json()["results"]
        assert early[0]["refused"]["code"] == "too_early"
    street.clock.advance(25 * 3600)  # time alone ends no shadow
    async with people(street) as (ruler, chief):
        assert len((await ruler.get(LIST)).json()["items"]) == 1
        [done] = (await ruler.post(PROMOTE, json=promotion(idempotency_key="k1"))).json()["results"]
        assert done["state"] == "proposed"  # it begins to alert: a second person must agree
        again = (await ruler.post(PROMOTE, json=promotion(idempotency_key="k1"))).json()["results"]
        assert again == [done]
        [other] = (await ruler.post(PROMOTE, json=promotion(idempotency_key="k2"))).json()["results"]
        assert other["refused"]["code"] == "waits"
        [row] = (await ruler.get(LIST)).json()["items"]
        assert row["waiting"] == [{"version": done["version"], "by": "ruler"}]
        moved = await chief.post(f"{RULES}/versions/{done['version']}/moves", json={"move": "approve"})
        assert moved.status_code == 200, moved.text
        assert moved.json()["settings"]["rules"] == [LANE | {"version": 2}]
        assert (await ruler.get(LIST)).json()["items"] == []


async def test_a_reason_puts_the_first_rules_in_force_at_once_and_is_kept(street: TestCentre) -> None:
    body = {"settings": {"rules": [LANE]}, "why": "a new camera", "based_on": 0, "live_why": "tried by hand before"}
    async with people(street) as (ruler, _):
        made = (await ruler.post(f"{RULES}/versions", json=body)).json()
        assert made["settings"]["rules"] == [LANE]
        assert made["live_why"] == "tried by hand before"
        assert (await ruler.post(f"{RULES}/versions", json=body | {"live_why": ""})).status_code == 422
    async with street.database.reading() as conn:
        query = select(audit_records.c.detail).where(audit_records.c.action == "rules.proposed")
        detail = (await conn.execute(query)).scalar_one()
    assert (detail["starts_in_shadow"], detail["live_why"]) == (False, "tried by hand before")


async def test_rules_of_a_camera_that_alerts_already_stay_as_they_are_asked(street: TestCentre) -> None:
    await hear(street, **said(settings(LANE), 2))
    async with people(street) as (ruler, _):
        body = {"settings": {"rules": [LANE | {"zone": MOVED}]}, "why": "moved", "based_on": 0, "live_why": "no matter"}
        made = (await ruler.post(f"{RULES}/versions", json=body)).json()
    assert "shadow" not in made["settings"]["rules"][0]
    assert made["live_why"] is None


async def test_a_first_version_that_was_refused_is_no_way_round_the_shadow(street: TestCentre) -> None:
    await street.add_cameras(camera("other", city.GRID))  # nobody knows what runs there: another person must agree
    path, body = "/api/cameras/other/rules/versions", {"why": "a new camera", "based_on": 0}
    wanted = {"place_class": "residential", "rules": [LANE]}
    async with people(street) as (ruler, chief):
        first = (await ruler.post(path, json=body | {"settings": wanted})).json()
        assert (first["state"], first["settings"]["rules"]) == ("proposed", [LANE | {"shadow": True}])
        assert (await chief.post(f"{path}/1/moves", json={"move": "refuse"})).status_code == 200
        empty = wanted | {"rules": []}
        assert (await ruler.post(path, json=body | {"settings": empty, "based_on": 1})).json()["state"] == "proposed"
        assert (await chief.post(f"{path}/2/moves", json={"move": "approve"})).status_code == 200
        again = (await ruler.post(path, json=body | {"settings": wanted, "based_on": 2})).json()
        assert again["settings"]["rules"] == [LANE | {"shadow": True}]
        back = {"version": 1, "based_on": 3, "live_why": "seen by hand"}
        assert (await ruler.post("/api/cameras/other/rules/rollback", json=back)).status_code == 201


async def test_since_when_counts_over_versions_that_stay_in_the_shadow(street: TestCentre) -> None:
    async with people(street) as (ruler, _):
        await put_in_shadow(street, ruler)
        began = (await ruler.get(LIST)).json()["items"][0]["since"]
        street.clock.advance(3600)
        tuned = LANE | {"zone": MOVED, "shadow": True}
        body = {"settings": {"rules": [tuned]}, "why": "tuned", "based_on": 1}
        newest = (await ruler.get(RULES)).json()["newest_version"]
        made = await ruler.post(f"{RULES}/versions", json=body | {"based_on": newest})
        assert made.json()["state"] == "desired", made.text
        [row] = (await ruler.get(LIST)).json()["items"]
        assert (row["since"], row["state"]) == (began, "waiting")
        [result] = (await ruler.post(PROMOTE, json=promotion(early=True))).json()["results"]
        assert result["refused"]["code"] == "not_running"  # its node has not tried what would be promoted


async def test_a_count_is_of_the_rule_as_it_is(street: TestCentre) -> None:
    async with people(street) as (ruler, _):
        await put_in_shadow(street, ruler)
        async with street.database.transaction() as conn:
            rule = LANE | {"shadow": True}
            await keep_count(conn, "lane", rule, Count(43200.0, 6, 12.0), "ruler", 24.0, street.clock.at)
        [row] = (await ruler.get(LIST)).json()["items"]
        assert (row["count"]["alerts"], row["count"]["alerts_per_day"]) == (6, 12.0)
        async with street.database.transaction() as conn:
            other = LANE | {"shadow": True, "zone": MOVED}
            await keep_count(conn, "lane", other, Count(43200.0, 1, 2.0), "ruler", 24.0, street.clock.at)
        [row] = (await ruler.get(LIST)).json()["items"]
        assert row["count"] is None


async def test_each_camera_is_refused_by_itself_and_rights_are_those_of_rules(street: TestCentre) -> None:
    await street.add_cameras(camera("other", city.GRID))
    async with people(street) as (ruler, chief):
        await put_in_shadow(street, ruler)
    street.clock.advance(timedelta(days=2).total_seconds())
    async with people(street) as (ruler, chief):
        items = [{"camera_id": one, "rule_ids": ["lane"]} for one in ("other", "nobody", "lane")]
        results = (await ruler.post(PROMOTE, json=promotion(items=items))).json()["results"]
        assert [one.get("refused", {}).get("code") for one in results] == ["not_running", "not_found", None]
        assert (await chief.post(PROMOTE, json=promotion())).status_code == 403
    async with street.signed_in("neighbour") as client:
        assert (await client.get(LIST)).json()["items"] == []
        results = (await client.post(PROMOTE, json=promotion())).json()["results"]
        missing = (await client.post(PROMOTE, json=promotion("nobody"))).json()["results"]
        assert results[0]["refused"] == missing[0]["refused"]
        assert (await client.post(f"{RULES}/shadow-count", json={"rule_id": "lane"})).status_code == 404
    async with street.signed_in("operator") as client:
        assert len((await client.get(LIST)).json()["items"]) == 1
        assert (await client.post(f"{RULES}/shadow-count", json={"rule_id": "lane"})).status_code == 403
        assert (await client.post(PROMOTE, json=promotion())).status_code == 403
