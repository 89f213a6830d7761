"""A worker's own report: with photos, joined to what the worker recognised, and without a position."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.integration.central.flow.test_intake import PLACE, rows
from tests.integration.central.flow.test_intake_of_people import people, sighting, watch
from tests.support import city
from tests.support.centres import TestCentre
from tests.support.pictures import jpeg, sha256
from xueliang_central.incidents.tables import incidents
from xueliang_central.intake.tables import sightings
from xueliang_central.retention.removing import is_any_due
from xueliang_central.rights.scope import Role
from xueliang_configs.retention import RetentionConfig

__all__ = ["people"]  # the fixture

KEEP_A_MONTH = RetentionConfig(photos_days=30, unnamed_pictures_days=30)


async def put_photo(client: httpx.AsyncClient, data: bytes) -> str:
    name = sha256(data)
    answer = await client.put(f"/api/photos/{name}", content=data, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 201, answer.text
    return name


async def test_a_worker_recognises_an_incident_and_the_report_joins_it_with_its_photo(people: TestCentre) -> None:
    far = {"longitude": PLACE[0] + 0.0015}  # 135 m: folding alone would open another
    async with people.signed_in("wang") as client, people.signed_in("li") as desk, people.signed_in("chen") as stranger:
        photo = await put_photo(client, jpeg(filler=b"van"))
        first = (await client.post("/api/sightings", json=sighting())).json()["incident"]
        body = sighting(
            idempotency_key="b", text="", same_as=first["incident_id"], photos=[photo], accuracy_m=20, **far
        )
        taken = await client.post("/api/sightings", json=body)
        assert taken.status_code == 201, taken.text
        assert taken.json()["why_folded"]["code"] == "told_same"
        assert taken.json()["incident"] == first
        assert (taken.json()["photos"], taken.json()["voices"], taken.json()["accuracy_m"]) == ([photo], [], 20)
        assert (await client.post("/api/sightings", json=body)).status_code == 200
        apart = (await client.post("/api/sightings", json=sighting(idempotency_key="c", **far))).json()
        assert apart["incident"]["number"] != first["number"]
        assert (await desk.get(f"/api/photos/{photo}")).status_code == 200
        assert (await stranger.get(f"/api/photos/{photo}")).status_code == 404
        case = (await desk.get(f"/api/incidents/{first['incident_id']}")).json()
        (told,) = (entry for entry in case["timeline"] if entry["kind"] == "reported")
        assert (told["params"], told["actor"]["name"]) == ({"photos": [photo]}, "wang 先生")
        for kind in ("photos", "unnamed_pictures"):
            async with people.database.reading() as conn:
                assert not await is_any_due(conn, kind, KEEP_A_MONTH, people.clock.at + timedelta(days=40)), (
                    "its case is open"
                )
        move = {"move": "false_alarm", "version": case["version"], "reason_code": "other", "note": "n"}
        assert (await desk.post(f"/api/incidents/{first['incident_id']}/moves", json=move)).status_code == 200
        own = (await client.get("/api/sightings/own")).json()["items"]
        became = {one["sighting_id"]: one["incident"]["close_reason"] for one in own}
        assert became[taken.json()["sighting_id"]] == "false_alarm"
        assert len(own) == 3
        assert (await desk.get("/api/sightings/own")).json()["items"] == []
        late = sighting(idempotency_key="d", same_as=first["incident_id"], longitude=PLACE[0] + 0.004)
        opened = (await client.post("/api/sightings", json=late)).json()
        assert opened["incident"]["number"] not in {first["number"], apart["incident"]["number"]}  # over by then
    async with people.database.transaction() as conn:
        await conn.execute(update(incidents).values(state="closed", closed_at=people.clock.at))
    async with people.database.reading() as conn:
        assert await is_any_due(conn, "photos", KEEP_A_MONTH, people.clock.at + timedelta(days=40))
        assert not await is_any_due(conn, "unnamed_pictures", KEEP_A_MONTH, people.clock.at + timedelta(days=40))


async def test_who_has_the_task_sees_what_was_photographed_and_no_number_is_said_about_it(people: TestCentre) -> None:
    await people.add_user("zhao", Role.WORKER, city.GRID)
    async with people.signed_in("wang") as reporter, people.signed_in("li") as desk, people.signed_in("zhao") as other:
        photo = await put_photo(reporter, jpeg(filler=b"van"))
        made = (await reporter.post("/api/sightings", json=sighting(photos=[photo]))).json()["incident"]
        case = (await desk.get(f"/api/incidents/{made['incident_id']}")).json()
        sent = {"move": "dispatch", "version": case["version"]}
        assert (await desk.post(f"/api/incidents/{made['incident_id']}/moves", json=sent)).status_code == 200
        (task,) = (await other.get("/api/tasks")).json()["items"]
        where = f"/api/tasks/{task['task_id']}"

        async def seen() -> tuple[list[str], int]:
            return (await other.get(where)).json()["report_photos"], (
                await other.get(f"/api/photos/{photo}")
            ).status_code

        async def move(name: str, **more: Any) -> httpx.Response:
            version = (await other.get(where)).json()["version"]
            return await other.post(f"{where}/moves", json={"move": name, "version": version, **more})

        assert await seen() == ([], 404), "offered to two: nobody has it"
        assert (await move("take")).status_code == 200
        assert await seen() == ([photo], 200)
        assert "report_photos" not in (await other.get("/api/tasks")).json()["items"][0]
        messages = f"/api/incidents/{made['incident_id']}/messages"
        for said in ("call 138 0000 1111", "0716-1234567 is the shop", "370102199001011234"):
            away = await move("return", reason_code="too_far", note=said)
            for refused in (await desk.post(messages, json={"text": said}), await move("message", note=said), away):
                assert (refused.status_code, "no telephone or identity number" in refused.text) == (422, True), said
                assert said not in refused.text
        assert (await desk.post(messages, json={"text": "by gate 2, house 1208"})).status_code == 200
        assert (await move("message", note="from 08:30 to 12:15 on 2026-11-27")).status_code == 200
        assert (await move("return", reason_code="too_far", note="the lorry of 20261123-0001")).status_code == 200
        assert (await other.get(f"/api/photos/{photo}")).status_code == 404


async def test_without_a_position_the_own_area_is_told_and_says_so(people: TestCentre) -> None:
    await watch(people, "here", PLACE)
    body = {name: said for name, said in sighting(text="").items() if name not in {"longitude", "latitude"}}
    async with people.signed_in("wang") as client:
        made = (await client.post("/api/sightings", json=body)).json()
        found = (await client.get("/api/sightings/nearby", params={"hazard": body["hazard"]})).json()
        wide = (await client.post("/api/sightings", json=sighting(idempotency_key="w", accuracy_m=350))).json()
    assert made["missed_by"] == wide["missed_by"] == []  # nobody knows that the camera should have seen it
    assert made["accuracy_m"] > 1_000
    assert [one["number"] for one in found["incidents"]] == [made["incident"]["number"]]
    names = {row["camera_name"] for row in await rows(people, incidents)}
    assert any("没有定位" in name for name in names), names


@pytest.mark.parametrize(
    ("who", "changes", "said"),
    [
        ("wang", {"same_as": "00000000-0000-4000-8000-000000000000"}, "no such incident"),
        ("wang", {"photos": ["0" * 64]}, "upload the photos"),
        ("li", {"photos": ["0" * 64]}, "for a worker's own report"),
        ("li", {"longitude": None}, "a desk stands elsewhere"),
    ],
)
async def test_a_report_that_names_what_is_not_there_is_refused(
    people: TestCentre, who: str, changes: dict[str, Any], said: str
) -> None:
    async with people.signed_in(who) as client:
        answer = await client.post("/api/sightings", json=sighting(**changes))
    assert (answer.status_code, said in answer.text) == (422, True), answer.text
    assert await rows(people, sightings) == await rows(people, incidents) == []


async def test_what_is_urgent_does_not_go_into_what_is_settled_whoever_recognises_it(people: TestCentre) -> None:
    far = {"longitude": PLACE[0] + 0.0015}  # folding alone would open another
    async with people.signed_in("wang") as client:
        first = (await client.post("/api/sightings", json=sighting())).json()["incident"]
        for state in ("handled", "to_check", "long_lived"):
            async with people.database.transaction() as conn:
                of_it = incidents.c.incident_id == first["incident_id"]
                await conn.execute(update(incidents).where(of_it).values(state=state))
            mild = sighting(idempotency_key=f"m {state}", same_as=first["incident_id"], **far)
            assert (await client.post("/api/sightings", json=mild)).json()["incident"]["number"] == first["number"]
            grave = sighting(idempotency_key=f"g {state}", same_as=first["incident_id"], severity=1, **far)
            apart = (await client.post("/api/sightings", json=grave)).json()["incident"]
            assert apart["number"] != first["number"], "there nobody would be asked about it"
            async with people.database.transaction() as conn:
                others = incidents.c.incident_id != first["incident_id"]
                await conn.execute(update(incidents).where(others).values(state="closed", closed_at=people.clock.at))


async def test_two_reports_of_one_person_in_one_moment_are_both_taken(people: TestCentre) -> None:
    async with people.signed_in("wang") as client:
        bodies = [sighting(idempotency_key=f"k{number}") for number in range(8)]
        answers = await asyncio.gather(*(client.post("/api/sightings", json=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [201] * 8, [answer.text for answer in answers]
