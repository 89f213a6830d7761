"""What people report: queued with the nearest cameras, folded, kept short, and what it says of silent rules."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from tests.integration.central.flow.test_intake import PLACE, add_station, rows, station
from tests.support import city
from tests.support.centres import TestCentre
from tests.support.rows import add_incident, filled
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.cameras.register import CameraPlace
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.intake.tables import missed_hazards, sightings
from xueliang_central.rights.scope import Role
from xueliang_central.silences.tables import silenced_alerts, silences
from xueliang_central.worker import Worker

__all__ = ["station"]  # the fixture


def sighting(**changes: Any) -> dict[str, Any]:
    return {
        "hazard": "fire_lane_obstruction",
        "severity": 3,
        "longitude": PLACE[0],
        "latitude": PLACE[1],
        "text": "a van stands across the lane",
        "idempotency_key": "a",
        **changes,
    }


@pytest.fixture
async def people(centre: TestCentre) -> TestCentre:
    await centre.add_user("wang", Role.WORKER, city.GRID)
    await centre.add_user("li", Role.OPERATOR, city.SOUTH)
    await centre.add_user("chen", Role.OPERATOR, city.EAST)
    await centre.add_user("tuner", Role.RULE_OPERATOR, city.SOUTH)
    return centre


async def test_a_workers_sighting_is_queued_with_the_nearest_cameras(people: TestCentre) -> None:
    near, far = (
        CameraPlace(f"cam-{n}", f"机{n}", city.GRID, PLACE[0], PLACE[1] - n / 1000, "street", None) for n in (1, 2)
    )
    away = CameraPlace("cam-9", "远", city.GRID, PLACE[0], PLACE[1] - 0.009, "street", None)
    await people.add_cameras(far, near, away)
    async with people.signed_in("wang") as client:
        answer = await client.post("/api/sightings", json=sighting())
        again = await client.post("/api/sightings", json=sighting())
        other = await client.post("/api/sightings", json=sighting(text="another"))
    assert (answer.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert answer.json() == again.json()
    body = answer.json()
    assert [(one["camera_id"], one["bearing_deg"]) for one in body["cameras"]] == [("cam-1", 0), ("cam-2", 0)]
    assert body["cameras"][0]["distance_m"] == pytest.approx(111, abs=1)
    incident = (await rows(people, incidents))[0]
    assert body["incident"]["number"] == incident["number"]
    assert (incident["camera_name"], incident["reason"]["code"]) == ("网格员上报", "worker_sighting")
    assert [row["by_name"] for row in await rows(people, sightings)] == ["wang 先生"]


async def test_a_camera_that_looks_elsewhere_comes_last_and_has_missed_nothing(people: TestCentre) -> None:
    south_of_it = (PLACE[0], PLACE[1] - 0.0003)  # 33 m: the place lies to its north
    for camera_id, bearing in (("to-north", 20.0), ("to-south", 180.0), ("not-known", None)):
        await watch(people, camera_id, south_of_it, looks=bearing)
    async with people.signed_in("li") as client:
        made = (await client.post("/api/sightings", json=sighting())).json()
    assert [(one["camera_id"], one["looks_there"]) for one in made["cameras"]] == [
        *(("not-known", None), ("to-north", True), ("to-south", False)),
    ]
    assert sorted(one["camera_id"] for one in made["missed_by"]) == ["not-known", "to-north"]


async def test_what_a_person_told_goes_when_alerts_do(people: TestCentre) -> None:
    """It is never cleared: nobody speaks of it again once its incident is closed."""
    await people.add_cameras(CameraPlace("cam-1", "机", city.GRID, *PLACE, "street", None))
    async with people.signed_in("wang") as client:
        assert (await client.post("/api/sightings", json=sighting())).status_code == 201
    async with people.database.transaction() as conn:
        await conn.execute(
            insert(missed_hazards),
            filled(missed_hazards, sighting_id=(await rows(people, sightings))[0]["sighting_id"]),
        )
    worker = Worker(people.centre)
    people.clock.advance(400 * 86_400)
    await worker.remove_old()
    assert len(await rows(people, sightings)) == 1  # its incident is open
    async with people.database.transaction() as conn:
        await conn.execute(update(incidents).values(state="closed", closed_at=people.clock.at))
    people.clock.advance(366 * 86_400)
    await worker.remove_old()
    assert await rows(people, alerts) == await rows(people, sightings) == await rows(people, missed_hazards) == []


async def test_what_may_be_the_same_is_suggested_first_and_folds(people: TestCentre) -> None:
    place: dict[str, str | float] = {
        "hazard": "fire_lane_obstruction",
        "longitude": PLACE[0] + 0.0002,
        "latitude": PLACE[1],
    }
    async with people.signed_in("wang") as client:
        assert (await client.get("/api/sightings/nearby", params=place)).json()["incidents"] == []
        first = (await client.post("/api/sightings", json=sighting())).json()
        found = (await client.get("/api/sightings/nearby", params=place)).json()["incidents"]
        assert [(one["number"], one["distance_m"]) for one in found] == [(first["incident"]["number"], 17.9)]
        assert (await client.get("/api/sightings/nearby", params=place | {"hazard": "crowd"})).json()["incidents"] == []
        second = (
            await client.post("/api/sightings", json=sighting(idempotency_key="b", longitude=PLACE[0] + 0.0002))
        ).json()
    assert second["incident"] == first["incident"]
    assert second["why_folded"]["code"] == "near_and_soon"
    async with people.signed_in("chen") as stranger:
        assert (await stranger.get("/api/sightings/nearby", params=place)).json() == {"incidents": [], "cameras": []}


async def test_of_a_resident_only_a_number_is_kept_and_not_for_long(people: TestCentre) -> None:
    body = sighting(call_back={"number": "138 0000 0000", "hours": 2})
    async with people.signed_in("li") as client:
        made = (await client.post("/api/sightings", json=body)).json()
        assert "138" not in json.dumps(made)
        other_number = body | {"call_back": {"number": "139 0000 0000"}}
        again = await client.post("/api/sightings", json=other_number)
        assert again.status_code == 200  # the number is in no hash: from one it could be found for ever
        path = f"/api/sightings/{made['sighting_id']}"
        assert "138" not in (await client.get(path)).text + (await client.get("/api/sightings")).text
        assert (await client.get(f"{path}/call-back")).json()["number"] == "138 0000 0000"
        async with people.signed_in("chen") as stranger, people.signed_in("tuner") as tuner:
            missing = "/api/sightings/00000000-0000-4000-8000-000000000000"
            for tail in ("", "/call-back"):
                foreign, none = await stranger.get(path + tail), await stranger.get(missing + tail)
                assert foreign.status_code == none.status_code == 404
                assert foreign.json()["title"] == none.json()["title"]
            assert (await tuner.get(f"{path}/call-back")).status_code == 403
            assert (await tuner.get(path)).status_code == 200
        people.clock.advance(7200)
        assert (await client.get(f"{path}/call-back")).status_code == 404  # before anything was erased
    seen = [row["actor"] for row in await rows(people, audit_records) if row["action"] == "sighting.call_back_seen"]
    assert seen == ["li"]
    worker = Worker(people.centre)
    assert await worker.forget_call_backs() == 1
    assert await worker.forget_call_backs() == 0
    assert [(row["call_back"], row["call_back_until"]) for row in await rows(people, sightings)] == [(None, None)]
    assert "138" not in json.dumps([row["detail"] for row in await rows(people, audit_records)])


@pytest.mark.parametrize(
    ("who", "changes", "status", "said"),
    [
        ("wang", {"call_back": {"number": "13800000000"}}, 422, "call_back is for residents"),
        ("li", {"call_back": {"number": "me"}}, 422, "call_back.number"),
        ("li", {"call_back": {"number": "13800000000", "hours": 73}}, 422, "call_back.hours"),
        ("li", {"text": "call Mrs Wu, 13800000000"}, 422, "is told as call_back"),
        ("li", {"text": ""}, 422, "body.text"),
        ("li", {"name": "Wu"}, 422, "body.name"),
        ("li", {"hazard": "camera_fault"}, 422, "which nodes tell"),
        ("li", {"longitude": 117.7}, 422, "outside your areas"),
        ("wang", {"longitude": 117.15}, 422, "outside your areas"),
        ("li", {"seen_at": "2026-11-23T09:00:00Z"}, 422, "seen_at"),
        ("li", {"seen_at": "2026-11-01T09:00:00Z"}, 422, "seen_at"),
        ("tuner", {}, 403, "not_allowed"),
    ],
)
async def test_what_is_no_sighting_is_refused_with_the_reason(
    people: TestCentre, who: str, changes: dict[str, Any], status: int, said: str
) -> None:
    async with people.signed_in(who) as client:
        answer = await client.post("/api/sightings", json=sighting(**changes))
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert await rows(people, sightings) == []


async def silence_all(centre: TestCentre) -> None:
    path = path_by_code(city.SOUTH)
    row = filled(
        silences,
        silence_id="00000000-0000-4000-8000-000000000001",
        kind="silence",
        area_code=city.SOUTH,
        area_path=path,
        severities=[2, 3, 4],
        owner_path=path,
        ends_at=centre.clock.at + timedelta(hours=1),
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(silences), row)


async def test_a_silence_hides_a_sensor_and_no_person(people: TestCentre) -> None:
    station = await add_station(people)
    await silence_all(people)
    answer = await station.send(station.signal())
    assert (answer.status_code, answer.json()["incident_number"]) == (201, None)
    assert len(await rows(people, silenced_alerts)) == 1
    over = station.signal(key="2", phase="cleared", revision=2)
    assert (await station.send(over)).status_code == 201
    assert [row["standing"] for row in await rows(people, silenced_alerts)] == ["over"]
    async with people.signed_in("li") as client:
        made = (await client.post("/api/sightings", json=sighting())).json()
    assert made["incident"] is not None


async def watch(
    centre: TestCentre, camera_id: str, place: tuple[float, float], *, looks: float | None = None, **rule: Any
) -> None:
    camera = CameraPlace(camera_id, camera_id, city.GRID, *place, "street", "edge-01", bearing_deg=looks)
    await centre.add_cameras(camera)
    rules = [{"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": [[0, 0], [1, 0], [1, 1]], **rule}]
    settings = {"camera_id": camera_id, "place_class": "other", "look_every_s": None, "rules": rules}
    row = filled(rule_versions, camera_id=camera_id, state="desired", origin="centre", settings=settings, severities=[])
    async with centre.database.transaction() as conn:
        await conn.execute(insert(rule_versions), row)


async def test_a_rule_that_was_silent_gets_its_example(people: TestCentre) -> None:
    near, far = (PLACE[0] + 0.0003, PLACE[1]), (PLACE[0] + 0.001, PLACE[1])  # 27 m, 90 m
    await watch(people, "watches", near)
    await watch(people, "on-trial", near, shadow=True)
    await watch(people, "of-another", near, hazard="crowd")
    await watch(people, "too-far", far)
    async with people.signed_in("li") as client, people.signed_in("tuner") as tuner, people.signed_in("chen") as other:
        made = (await client.post("/api/sightings", json=sighting())).json()
        assert made["missed_by"] == [{"camera_id": "watches", "rule_id": "lane"}]
        (example,) = (await tuner.get("/api/missed-hazards", params={"camera_id": "watches"})).json()["items"]
        assert (example["rule_id"], example["spoke_after_all"], example["closed_as"]) == ("lane", False, None)
        assert example["why"]["text"] == "reported 27 m away while rule lane was silent"
        assert (await other.get("/api/missed-hazards")).json()["items"] == []
        incident = (await rows(people, incidents))[0]
        move = {"move": "false_alarm", "version": incident["version"]}
        await client.post(f"/api/incidents/{incident['incident_id']}/moves", json=move)
        (example,) = (await tuner.get("/api/missed-hazards")).json()["items"]
        assert example["closed_as"] == "false_alarm"


@pytest.mark.parametrize("hazard", ["fire_lane_obstruction", "camera_fault"])
async def test_a_camera_that_has_told_of_it_or_is_at_fault_has_missed_nothing(people: TestCentre, hazard: str) -> None:
    await watch(people, "watches", PLACE)
    told = filled(
        alerts,
        people.clock.at - timedelta(minutes=1),
        alert_id="00000000-0000-4000-8000-000000000002",
        camera_id="watches",
        hazard=hazard,
        phase="raised",
        incident_id=await add_incident(people, city.EAST_GRID),
    )
    async with people.database.transaction() as conn:
        await conn.execute(insert(alerts), told)
    async with people.signed_in("li") as client:
        made = (await client.post("/api/sightings", json=sighting())).json()
    assert made["missed_by"] == []


async def test_a_camera_whose_node_is_away_has_missed_nothing(people: TestCentre) -> None:
    await watch(people, "watches", PLACE)
    async with people.database.transaction() as conn:
        await conn.execute(update(nodes).where(nodes.c.node_id == "edge-01").values(state="lost"))
    async with people.signed_in("li") as client:
        made = (await client.post("/api/sightings", json=sighting())).json()
    assert made["missed_by"] == []


async def test_a_drill_is_no_example_and_stays_a_drill(people: TestCentre) -> None:
    await watch(people, "watches", PLACE)
    async with people.signed_in("li") as client:
        await client.post("/api/sightings", json=sighting(drill=True))
    assert await rows(people, missed_hazards) == []
    assert [row["drill"] for row in await rows(people, incidents)] == [True]
