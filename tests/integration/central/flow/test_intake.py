"""Signals of sensors and sightings of people: the same queue as alerts, once, signed, and poison in quarantine."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from tests.support import city
from tests.support.centres import TestCentre
from tests.support.rows import add_incident, filled
from xueliang_alerts.contract import Phase
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.cameras.register import CameraPlace
from xueliang_central.errors import CentralError
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest.tables import quarantine
from xueliang_central.intake import sources as register
from xueliang_central.intake.signing import FILE_NAME, key_of, read_key, signature_of
from xueliang_central.intake.tables import missed_hazards, sightings, sources
from xueliang_central.rights.scope import Role
from xueliang_central.silences.tables import calendar_proposals, silenced_alerts, silences
from xueliang_central.worker import Worker

PLACE = (117.05, 36.2)  # the middle of city.GRID


class Station:
    """A sensor that signs what it sends."""

    def __init__(self, centre: TestCentre, source_id: str, key: str) -> None:
        self.centre = centre
        self.source_id = source_id
        self.key = key

    def signal(self, **changes: Any) -> dict[str, Any]:
        at = self.centre.clock.at
        return {
            "key": "1",
            "hazard": "water_level",
            "severity": 2,
            "began_at": (at - timedelta(seconds=60)).isoformat().replace("+00:00", "Z"),
            "observed_at": at.isoformat().replace("+00:00", "Z"),
            "text": "31 cm, limit 25 cm",
            **changes,
        }

    async def send(
        self, body: bytes | dict[str, Any], *, timestamp: str | None = None, **headers: str
    ) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        at = timestamp or str(int(self.centre.clock.at.timestamp()))
        signed = {
            "x-xueliang-source": self.source_id,
            "x-xueliang-time": at,
            "x-xueliang-signature": signature_of(self.key, at, self.source_id, raw),
            "content-type": "application/json",
        }
        async with self.centre.client() as client:
            return await client.post("/api/intake/signals", content=raw, headers=signed | headers)


async def add_station(
    centre: TestCentre, source_id: str = "gauge-1", *, place: tuple[float, float] | None = PLACE
) -> Station:
    intake_key = register.intake_key(centre.centre.settings.data_dir / FILE_NAME)
    async with centre.database.transaction() as conn:
        row = await register.add_source(
            conn,
            centre.tree,
            source_id=source_id,
            name="南闸水位站",
            area_code=city.SOUTH,
            place=place,
            at=centre.clock.at,
            by="test",
        )
    return Station(centre, source_id, key_of(intake_key, source_id, row["key_version"]))


@pytest.fixture
async def station(centre: TestCentre) -> Station:
    return await add_station(centre)


async def rows(centre: TestCentre, table: Any) -> list[dict[str, Any]]:
    async with centre.database.reading() as conn:
        return [dict(row) for row in (await conn.execute(select(table))).mappings()]


async def test_a_signal_opens_an_incident_where_the_station_stands(centre: TestCentre, station: Station) -> None:
    answer = await station.send(station.signal())
    assert answer.status_code == 201, answer.text
    incident = (await rows(centre, incidents))[0]
    assert answer.json()["incident_number"] == incident["number"]
    assert answer.json()["why_folded"]["code"] == "first_here"
    assert (incident["area_code"], incident["hazard"], incident["state"]) == (city.GRID, "water_level", "open")
    assert (incident["camera_name"], incident["longitude"]) == ("南闸水位站", PLACE[0])
    assert incident["why_routed"]["code"] == "reported_place"
    assert incident["reason"]["text"] == "南闸水位站: 31 cm, limit 25 cm"
    assert incident["reason"]["about"]["source"] == "gauge-1"
    taken = [row for row in await rows(centre, audit_records) if row["action"] == "sighting.taken"]
    assert [row["actor"] for row in taken] == ["source:gauge-1"]


async def test_a_landslide_has_a_hazard_of_its_own(centre: TestCentre, station: Station) -> None:
    assert (await station.send(station.signal(hazard="geo_hazard", severity=1))).status_code == 201
    assert [(row["hazard"], row["severity"]) for row in await rows(centre, incidents)] == [("geo_hazard", 1)]


async def test_the_same_signal_again_is_one(centre: TestCentre, station: Station) -> None:
    signal = station.signal()
    first, second = await asyncio.gather(station.send(signal), station.send(signal))
    third = await station.send(signal)
    assert sorted(answer.status_code for answer in (first, second, third)) == [200, 200, 201]
    assert first.json() == second.json() == third.json()
    assert len(await rows(centre, sightings)) == len(await rows(centre, incidents)) == 1


async def test_a_key_with_other_content_is_refused_and_kept(centre: TestCentre, station: Station) -> None:
    await station.send(station.signal())
    answer = await station.send(station.signal(text="something else"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert [row["reason"] for row in await rows(centre, quarantine)] == ["this key came before with other content"]


async def test_an_episode_is_raised_updated_and_seen_clear(centre: TestCentre, station: Station) -> None:
    began = station.signal()
    await station.send(began)
    worse = station.signal(key="2", phase="updated", revision=2, severity=1, began_at=began["began_at"])
    over = station.signal(key="3", phase="cleared", revision=3, severity=1, began_at=began["began_at"])
    assert (await station.send(worse)).status_code == 201
    incident = (await rows(centre, incidents))[0]
    assert (incident["severity"], incident["still_present"]) == (1, True)
    assert (await station.send(over)).status_code == 201
    assert (await station.send({**worse, "key": "4"})).status_code == 201  # late: the end stays
    alert = (await rows(centre, alerts))[0]
    assert (alert["phase"], alert["revision"], alert["end_reason"]) == (Phase.CLEARED.value, 3, "seen_clear")
    incident = (await rows(centre, incidents))[0]
    assert (incident["gone"], incident["state"]) == (True, "open"), "severity 1 waits for a judgement"
    assert len(await rows(centre, sightings)) == 4


async def test_gauges_of_one_station_fold_as_cameras_do(centre: TestCentre, station: Station) -> None:
    for number, point in enumerate(("upper", "lower")):
        assert (await station.send(station.signal(key=str(number), point=point))).status_code == 201
    found = await rows(centre, alerts)
    assert len({row["alert_id"] for row in found}) == 2
    assert len({row["incident_id"] for row in found}) == 1
    assert {row["why_folded"]["code"] for row in found} == {"first_here", "near_and_soon"}


async def test_who_is_not_genuine_gets_one_answer_and_leaves_nothing(centre: TestCentre, station: Station) -> None:
    signal = station.signal()
    other = Station(centre, "gauge-1", "0" * 64)
    stranger = Station(centre, "no-such", station.key)
    early, late = (str(int(centre.clock.at.timestamp()) + offset) for offset in (-301, 301))
    answers = [
        await other.send(signal),
        await stranger.send(signal),
        await station.send(signal, timestamp=early),
        await station.send(signal, timestamp=late),
        await station.send(signal, **{"x-xueliang-signature": ""}),
        await other.send(b"{"),
        await station.send(signal, **{"x-xueliang-source": "a" * 500}),
    ]
    said = {(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers}
    assert said == {(401, "not_signed_in", "the signature, its time or the source is not right")}
    assert await rows(centre, sightings) == await rows(centre, quarantine) == []
    await centre.add_user("root", Role.ADMIN, city.CITY)
    async with centre.signed_in("root") as client:
        listed = (await client.get("/api/intake/sources")).json()
    assert listed["refused"] == {"bad_signature": 3, "outside_window": 2, "unknown_source": 2}
    assert station.key not in json.dumps(listed)


async def test_a_renewed_key_ends_the_old_one_and_a_disabled_source_is_silent(
    centre: TestCentre, station: Station
) -> None:
    at = centre.clock.at
    async with centre.database.transaction() as conn:
        row = await register.renew_key(conn, source_id="gauge-1", at=at, by="test")
    assert (await station.send(station.signal())).status_code == 401
    intake_key = read_key(centre.centre.settings.data_dir / FILE_NAME)
    assert intake_key is not None
    station.key = key_of(intake_key, "gauge-1", row["key_version"])
    assert (await station.send(station.signal())).status_code == 201
    async with centre.database.transaction() as conn:
        await register.disable(conn, source_id="gauge-1", at=at, by="test")
    assert (await station.send(station.signal(key="2"))).status_code == 401


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "not UTF-8 JSON: UnicodeDecodeError"),
        (b'{"hazard": "<script>"}', "key: Field required"),
        (b"[" * 4000, "not UTF-8 JSON: RecursionError"),
        (b"{}" + b" " * 20_000, "signal of 20002 bytes, limit 16384"),
    ],
)
async def test_poison_is_kept_with_its_reason(centre: TestCentre, station: Station, body: bytes, reason: str) -> None:
    for _ in range(2):
        answer = await station.send(body)
        assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (422, "signal_refused", reason)
    kept = await rows(centre, quarantine)
    assert [(row["topic"], row["node_id"], row["times"], row["reason"]) for row in kept] == [
        ("intake/webhook/gauge-1", "@gauge-1", 2, reason)
    ]
    assert await rows(centre, sightings) == []


async def test_a_source_speaks_for_its_own_area_only(centre: TestCentre) -> None:
    mobile = await add_station(centre, "boat", place=None)
    missing = await mobile.send(mobile.signal())
    assert missing.json()["detail"] == "position: needed, this source has no registered place"
    away = await mobile.send(mobile.signal(position={"longitude": 117.7, "latitude": 36.2}))
    assert away.json()["detail"] == f"position: outside the area of this source ({city.SOUTH})"
    future = (centre.clock.at + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert "set the clock" in (await mobile.send(mobile.signal(observed_at=future))).json()["detail"]
    here = await mobile.send(mobile.signal(position={"longitude": 117.15, "latitude": 36.2}))
    assert here.status_code == 201
    assert (await rows(centre, incidents))[0]["area_code"] == city.GRID_RIGHT
    assert len(await rows(centre, quarantine)) == 3


async def test_a_source_that_floods_waits_and_others_do_not(centre: TestCentre, station: Station) -> None:
    other = await add_station(centre, "gauge-2")
    codes = [(await station.send(b"{")).status_code for _ in range(61)]
    assert codes == [422] * 60 + [429]
    assert (await other.send(other.signal())).status_code == 201
    centre.clock.advance(1)
    assert (await station.send(station.signal())).status_code == 201


async def test_what_a_station_tells_proposes_no_event_of_a_camera(centre: TestCentre, station: Station) -> None:
    await centre.add_user("root", Role.ADMIN, city.CITY)
    for day in range(3):
        assert (await station.send(station.signal(key=str(day)))).status_code == 201
        (case,) = (row for row in await rows(centre, incidents) if row["state"] == "open")
        async with centre.signed_in("root") as client:
            move = {"move": "permitted", "version": case["version"]}
            assert (await client.post(f"/api/incidents/{case['incident_id']}/moves", json=move)).status_code == 200
        centre.clock.advance(86_400)
    assert await rows(centre, calendar_proposals) == []


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


async def test_the_register_of_sources_refuses_what_is_not_whole(centre: TestCentre) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"source_id": "A b"}, "source_id must match"),
        ({"name": "a\nb"}, "printable"),
        ({"area_code": "999999"}, "999999"),
        ({"place": (200.0, 0.0)}, "WGS84"),
        ({"place": (117.7, 36.2)}, "is not in"),
    ]
    for changes, said in cases:
        asked = {"source_id": "gauge-1", "name": "站", "area_code": city.SOUTH, "place": None} | changes
        with pytest.raises(CentralError, match=said):
            async with centre.database.transaction() as conn:
                await register.add_source(conn, centre.tree, **asked, at=centre.clock.at, by="test")
    assert await rows(centre, sources) == []
