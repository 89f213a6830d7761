"""Signals of sensors and sightings of people: the same queue as alerts, once, signed, and poison in quarantine."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tests.support import city
from tests.support.centres import TestCentre
from xueliang_alerts.contract import Phase
from xueliang_central.audit.tables import audit_records
from xueliang_central.errors import CentralError
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest.tables import quarantine
from xueliang_central.intake import sources as register
from xueliang_central.intake.signing import FILE_NAME, key_of, read_key, signature_of
from xueliang_central.intake.tables import sightings, sources
from xueliang_central.rights.scope import Role
from xueliang_central.silences.tables import calendar_proposals

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
