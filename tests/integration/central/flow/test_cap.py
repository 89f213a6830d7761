"""Incidents told as CAP messages by the worker: which, once, in which order, and what a receiver gets."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import delete, insert, select, update

from tests.integration.central.flow.stage import (
    LI,
    MAYOR,
    OTHER_GRID,
    POLICIES,
    WANG,
    HandClock,
    Stage,
    alert,
    cleared,
    raised,
    received,
)
from tests.support.cap_schema import texts, valid
from tests.support.centres import TestCentre
from tests.support.city import CITY, EAST, SOUTH, VILLAGE
from tests.support.rows import add_cap_message, add_incident, filled
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.cap import receivers, service, words
from xueliang_central.cap.checking import check_sharing
from xueliang_central.cap.document import Message
from xueliang_central.cap.feed import ATOM
from xueliang_central.cap.tables import cap_messages, cap_progress, cap_set_aside
from xueliang_central.centre import Settings
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Role
from xueliang_central.running import centre_on
from xueliang_central.store.events import append
from xueliang_central.store.tables import events
from xueliang_central.worker import Worker
from xueliang_configs.centre import CentreConfig, CentreSettings
from xueliang_configs.errors import ConfigError
from xueliang_configs.policies import PolicyTable
from xueliang_configs.sharing import Sharing

SHARING: dict[str, Any] = {
    "sender": "centre@city.example",
    "sender_name": "市综治中心",
    "sender_name_en": "City centre",
    "hazards": ["fire_lane_obstruction", "fire_smoke"],
}


def worker_of(stage: Stage, folder: Path, *, shares: bool = True, **more: Any) -> Worker:
    table = PolicyTable.model_validate(POLICIES | ({"sharing": SHARING | more} if shares else {}))
    settings = Settings(folder, public_origin="https://centre.example")
    centre = centre_on(stage.database, settings, table, wall=stage.clock, mono=system_mono)
    centre.areas.tree = stage.rulebook.tree
    return Worker(centre)


@pytest.fixture
async def worker(stage: Stage, tmp_path: Path) -> Worker:
    """One that has begun to share."""
    made = worker_of(stage, tmp_path)
    assert await made.tell_others() == 0
    return made


async def told(stage: Stage) -> list[dict[str, Any]]:
    """What was told, oldest first; every document is valid."""
    found = sorted(await stage.rows(cap_messages), key=lambda row: (row["sent_at"], row["identifier"]))
    for row in found:
        root = valid(row["document"])
        assert texts(root, "identifier") == [row["identifier"]]
        assert texts(root, "msgType") == [row["message_type"]]
        assert " ".join(texts(root, "references")).split() == row["refers_to"]
    return found


async def types(stage: Stage) -> list[str]:
    return [row["message_type"] for row in await told(stage)]


async def test_from_the_first_message_to_the_all_clear(stage: Stage, clock: HandClock, worker: Worker) -> None:
    await stage.take(raised())  # dispatched by policy at once: confirmed
    assert await worker.tell_others() == 1
    clock.forward(30)
    await stage.work_on(WANG, "take")
    assert await worker.tell_others() == 0  # taken: nothing a receiver has to know
    clock.forward(30)
    await stage.take(received(alert(Phase.UPDATED, 2, severity=1), 2))
    assert await worker.tell_others() == 1
    clock.forward(30)
    await stage.work_on(WANG, "handled", note="done")
    await worker.tell_others()
    clock.forward(30)
    await stage.take(cleared(3, 3, severity=1))
    await worker.tell_others()
    messages = await told(stage)
    assert [row["message_type"] for row in messages] == ["Alert", "Update", "Update", "Update"]
    assert [row["severity"] for row in messages] == [2, 1, 1, 1]
    assert [row["why"]["about"].get("changed") for row in messages] == [None, "severity", "phase", "phase"]
    assert [len(row["refers_to"]) for row in messages] == [0, 1, 2, 3]
    first, last = messages[0], valid(messages[-1]["document"])
    assert messages[1]["refers_to"] == [f"centre@city.example,{first['identifier']},2026-11-23T04:00:00-00:00"]
    assert texts(last, "info/urgency") == ["Past"] * 2
    assert texts(last, "info/responseType") == ["AllClear"] * 2
    assert texts(last, "info/web") == [f"https://centre.example/incidents/{first['incident_id']}"] * 2
    actions = [row["object_id"] for row in await stage.rows(audit_records) if row["action"] == "cap.told"]
    assert actions == [row["identifier"] for row in messages]


async def test_a_false_alarm_is_taken_back_as_it_was_told(stage: Stage, clock: HandClock, worker: Worker) -> None:
    await stage.take(raised())
    await worker.tell_others()
    incident = await stage.one_incident()
    clock.forward(60)
    await stage.judge(LI, incident["incident_id"], "false_alarm", incident["version"])
    await worker.tell_others()
    assert await types(stage) == ["Alert", "Cancel"]
    cancel = (await told(stage))[1]
    assert texts(valid(cancel["document"]), "note") == ["judged a false alarm"]
    assert len(cancel["refers_to"]) == 1
    incident = await stage.one_incident()
    await stage.judge(LI, incident["incident_id"], "reopen", incident["version"], note="it was one")
    await worker.tell_others()
    assert await types(stage) == ["Alert", "Cancel"]  # nobody has confirmed it again
    clock.forward(60)
    incident = await stage.one_incident()
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    await worker.tell_others()
    assert await types(stage) == ["Alert", "Cancel", "Alert"]
    assert (await told(stage))[2]["refers_to"] == []


async def test_what_nobody_has_confirmed_waits(stage: Stage, clock: HandClock, worker: Worker) -> None:
    await stage.take(received(alert(Phase.RAISED, 1, hazard=Hazard.FIRE_SMOKE), 1))
    assert await worker.tell_others() == 0
    incident = await stage.one_incident()
    await stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
    assert await worker.tell_others() == 1


async def test_hazards_and_severities_that_are_not_shared_stay_inside(stage: Stage, worker: Worker) -> None:
    await stage.take(raised(severity=3))
    await stage.take(received(alert(Phase.RAISED, 1, hazard=Hazard.CROWD, severity=1, camera_id="far-gate"), 2))
    await worker.tell_others()
    assert await stage.count(cap_messages) == 0


async def test_a_drill_is_an_exercise(stage: Stage, worker: Worker) -> None:
    await stage.take(raised(drill=True))
    await worker.tell_others()
    messages = await told(stage)
    assert [row["status"] for row in messages] == ["Exercise"]
    assert texts(valid(messages[0]["document"]), "status") == ["Exercise"]


async def test_what_goes_on_is_told_again_before_it_expires(stage: Stage, clock: HandClock, worker: Worker) -> None:
    await stage.take(raised())
    await worker.tell_others()
    clock.forward(86_400 * 0.74)
    assert await worker.tell_others() == 0
    clock.forward(86_400 * 0.02)
    assert await worker.tell_others() == 1
    first, second = await told(stage)
    assert second["why"]["code"] == "still_there"
    assert second["sent_at"] < first["expires_at"] < second["expires_at"]


async def test_two_workers_tell_everything_once(stage: Stage, clock: HandClock, worker: Worker, tmp_path: Path) -> None:
    other = worker_of(stage, tmp_path / "other")
    for number in range(1, 9):
        began_at = clock.at - timedelta(hours=number)
        await stage.take(received(alert(Phase.RAISED, 1, camera_id=f"cam-{number}", began_at=began_at), number))
    for _ in range(3):
        await asyncio.gather(worker.tell_others(), other.tell_others())
    fits = [row for row in await stage.rows(incidents) if row["state"] == "dispatched"]
    assert len(fits) > 1
    assert sorted(row["incident_id"] for row in await told(stage)) == sorted(row["incident_id"] for row in fits)


async def test_what_happened_while_nothing_was_shared_is_not_told_later(stage: Stage, tmp_path: Path) -> None:
    worker, silent = worker_of(stage, tmp_path), worker_of(stage, tmp_path, shares=False)
    await worker.tell_others()
    await silent.tell_others()
    assert await stage.count(cap_progress) == 0
    await stage.take(raised())
    await silent.tell_others()
    await worker.tell_others()
    await worker.tell_others()
    assert await stage.count(cap_messages) == 0
    await stage.work_on(WANG, "take")  # it changes: now it is told, and from the beginning
    await worker.tell_others()
    assert await types(stage) == ["Alert"]


async def test_a_worker_that_was_away_goes_on_where_it_was(stage: Stage, clock: HandClock, tmp_path: Path) -> None:
    await worker_of(stage, tmp_path).tell_others()
    await stage.take(raised())
    clock.forward(60)
    incident = await stage.one_incident()
    await worker_of(stage, tmp_path).tell_others()
    await stage.judge(LI, incident["incident_id"], "permitted", incident["version"])
    clock.forward(3600)
    await worker_of(stage, tmp_path).tell_others()
    assert await types(stage) == ["Alert", "Cancel"]


async def test_events_that_are_gone_stop_nothing(stage: Stage, worker: Worker) -> None:
    await stage.take(raised())
    async with stage.database.transaction() as conn:
        await conn.execute(delete(events))
    assert await worker.tell_others() == 0
    await stage.work_on(WANG, "take")
    assert await worker.tell_others() == 1


async def test_the_document_over_the_api_is_the_one_that_was_told(centre: TestCentre) -> None:
    incident_id = await add_incident(centre, SOUTH)
    identifier = await add_cap_message(centre, incident_id, SOUTH)
    await centre.add_user("li", Role.OPERATOR, SOUTH)
    async with centre.signed_in("li") as client:
        listed = (await client.get("/api/cap/messages", params={"incident_id": incident_id})).json()
        assert [item["identifier"] for item in listed["items"]] == [identifier]
        assert "document" not in listed["items"][0]
        answer = await client.get(listed["items"][0]["href"])
        assert answer.headers["content-type"].startswith("application/cap+xml")
        assert answer.text == "<alert/>"
        none = await client.get("/api/cap/messages", params={"incident_id": "0" * 8 + "-0000-4000-8000-" + "0" * 12})
        assert none.json() == {"items": [], "next_cursor": None}
    async with centre.database.reading() as conn:
        query = select(audit_records.c.object_id).where(audit_records.c.action == "cap.fetched")
        assert list((await conn.execute(query)).scalars()) == [identifier]


async def test_the_list_goes_on_where_a_page_ended(centre: TestCentre) -> None:
    wanted = set()
    for _ in range(5):
        wanted.add(await add_cap_message(centre, await add_incident(centre, SOUTH), SOUTH))
    await centre.add_user("li", Role.OPERATOR, SOUTH)
    found: list[str] = []
    cursor: str | None = None
    async with centre.signed_in("li") as client:
        while True:
            params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/api/cap/messages", params=params)).json()
            found += [item["identifier"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert len(found) == 5
    assert set(found) == wanted


async def _receiver(centre: TestCentre, receiver_id: str, area_code: str) -> dict[str, str]:
    """The headers that it asks with."""
    async with centre.database.transaction() as conn:
        path = path_by_code(area_code)
        token = await receivers.add_receiver(
            conn, receiver_id=receiver_id, area_path=path, at=centre.clock.at, by="test"
        )
    return {"authorization": f"Bearer {token}"}


async def test_a_receiver_gets_its_area_and_nothing_else(centre: TestCentre) -> None:
    ids = {
        code: await add_cap_message(centre, await add_incident(centre, code), code) for code in (SOUTH, VILLAGE, EAST)
    }
    headers = await _receiver(centre, "fire-service", SOUTH)
    async with centre.client() as client:
        feed = await client.get("/api/cap/feed", headers=headers)
        assert feed.headers["content-type"].startswith("application/atom+xml")
        root = ElementTree.fromstring(feed.text)
        links = [link.attrib["href"] for link in root.iter(f"{{{ATOM}}}link")]
        assert set(links) == {f"/api/cap/feed/{ids[code]}" for code in (SOUTH, VILLAGE)}
        for link in links:
            assert (await client.get(link, headers=headers)).text == "<alert/>"
        foreign = await client.get(f"/api/cap/feed/{ids[EAST]}", headers=headers)
        missing = await client.get("/api/cap/feed/no-such", headers=headers)
        assert foreign.status_code == missing.status_code == 404
        assert foreign.json()["title"] == missing.json()["title"]
        assert (await client.get("/api/incidents", headers=headers)).status_code == 401  # and nothing else
        assert (await client.get("/api/cap/messages", headers=headers)).status_code == 401
        for wrong in ({}, {"authorization": "Bearer xlc_no"}, {"authorization": f"Bearer {centre.node_token}"}):
            assert (await client.get("/api/cap/feed", headers=wrong)).status_code == 401
        renewed = await _receiver(centre, "fire-service", EAST)
        assert (await client.get("/api/cap/feed", headers=headers)).status_code == 401
        assert ids[EAST] in (await client.get("/api/cap/feed", headers=renewed)).text
        async with centre.database.transaction() as conn:
            await receivers.remove_receiver(conn, receiver_id="fire-service", at=centre.clock.at, by="test")
        assert (await client.get("/api/cap/feed", headers=renewed)).status_code == 401
    async with centre.database.reading() as conn:
        query = select(audit_records.c.actor).where(audit_records.c.action == "cap.fetched")
        assert list((await conn.execute(query)).scalars()) == ["receiver:fire-service"] * 2


async def test_a_feed_of_nothing_is_a_feed(centre: TestCentre) -> None:
    headers = await _receiver(centre, "fire-service", SOUTH)
    async with centre.client() as client:
        root = ElementTree.fromstring((await client.get("/api/cap/feed", headers=headers)).text)
    assert [child.tag.rpartition("}")[2] for child in root] == ["id", "title", "updated"]


async def _moved(stage: Stage, code: str) -> None:
    """The incident is another area's now, and the stream says that it has changed."""
    incident = await stage.one_incident()
    async with stage.database.transaction() as conn:
        values = {"area_code": code, "area_path": path_by_code(code)}
        await conn.execute(update(incidents).where(incidents.c.incident_id == incident["incident_id"]).values(**values))
        body = {"incident": {"incident_id": incident["incident_id"]}}
        await append(conn, kind="incident", area_path=values["area_path"], body=body, at=stage.clock())


async def _fetched(centre: TestCentre, token: str) -> list[str]:
    async with centre.client() as client:
        answer = await client.get("/api/cap/feed", headers={"authorization": f"Bearer {token}"})
    return [entry.text or "" for entry in ElementTree.fromstring(answer.text).iter(f"{{{ATOM}}}title")][:0:-1]


async def test_who_no_longer_sees_an_incident_is_told_that_it_has_left(
    stage: Stage, clock: HandClock, worker: Worker
) -> None:
    await stage.take(raised())
    await worker.tell_others()
    before = await stage.one_incident()
    clock.forward(30)
    await _moved(stage, OTHER_GRID)
    assert await worker.tell_others() == 2
    alert_, farewell, update_ = await told(stage)
    assert [alert_["message_type"], farewell["message_type"], update_["message_type"]] == ["Alert", "Cancel", "Update"]
    assert (farewell["area_path"], farewell["gone_to"]) == (before["area_path"], path_by_code(OTHER_GRID))
    assert (update_["area_path"], update_["gone_to"]) == (path_by_code(OTHER_GRID), None)
    assert farewell["refers_to"] == update_["refers_to"], "the farewell is in no chain: not all have seen it"
    said = valid(farewell["document"])
    assert texts(said, "note") == ["it has left this area and is told elsewhere"]
    assert texts(said, "info/web") == []
    assert OTHER_GRID not in farewell["document"]
    assert OTHER_GRID not in str(farewell["why"])
    clock.forward(30)
    assert await worker.tell_others() == 0
    await stage.take(received(alert(Phase.UPDATED, 2, severity=1), 2))
    await _moved(stage, OTHER_GRID)
    assert await worker.tell_others() == 1, "it is told where it is, once"


async def test_an_incident_that_ended_where_it_went_is_taken_back_where_it_was(
    stage: Stage, clock: HandClock, worker: Worker
) -> None:
    await stage.take(raised())
    await worker.tell_others()
    clock.forward(60)
    incident = await stage.one_incident()
    await stage.judge(LI, incident["incident_id"], "false_alarm", incident["version"])
    await _moved(stage, OTHER_GRID)
    await worker.tell_others()
    messages = await told(stage)
    assert [(row["message_type"], row["gone_to"] is None) for row in messages] == [
        ("Alert", True),
        ("Cancel", False),
        ("Cancel", True),
    ]


@pytest.mark.parametrize("area", [SOUTH, EAST, CITY])
async def test_a_farewell_is_only_for_who_does_not_see_where_it_went(centre: TestCentre, area: str) -> None:
    first = await add_incident(centre, VILLAGE)
    await add_cap_message(centre, first, VILLAGE)
    row = filled(cap_messages, identifier=f"{first}-2", incident_id=first, refers_to=[], document="<alert/>")
    moved = {"area_code": VILLAGE, "area_path": path_by_code(VILLAGE), "gone_to": path_by_code(EAST)}
    async with centre.database.transaction() as conn:
        await conn.execute(insert(cap_messages), {**row, **moved, "message_type": "Cancel"})
        path = path_by_code(area)
        token = await receivers.add_receiver(conn, receiver_id="fire", area_path=path, at=centre.clock.at, by="test")
    seen = await _fetched(centre, token)
    assert len(seen) == {SOUTH: 2, EAST: 0, CITY: 1}[area]


async def test_one_that_cannot_be_told_stops_no_other(
    stage: Stage, clock: HandClock, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = service.document_of

    def raises_for_the_lane(message: Message, sharing: Sharing) -> str:
        if message.facts.hazard == "fire_lane_obstruction":
            raise KeyError("a secret text")
        return broken(message, sharing)

    monkeypatch.setattr(service, "document_of", raises_for_the_lane)
    await stage.take(raised())
    await stage.take(received(alert(Phase.RAISED, 1, hazard=Hazard.FIRE_SMOKE, camera_id="far-gate"), 2))
    smoke = next(row for row in await stage.rows(incidents) if row["hazard"] == "fire_smoke")
    await stage.judge(MAYOR, smoke["incident_id"], "confirm", smoke["version"])
    assert await worker.tell_others() == 1
    assert [row["hazard"] for row in await told(stage)] == ["fire_smoke"]
    (aside,) = await stage.rows(cap_set_aside)
    assert (aside["why"], aside["tries"], aside["next_try_at"]) == ("KeyError", 1, clock() + timedelta(minutes=1))
    assert await worker.tell_others() == 0
    (waiting,) = [one for one in worker._health.waiting_for if one.what == "cap"]
    assert waiting.why == "1 incidents cannot be told to others, see the log"
    clock.forward(61)
    assert await worker.tell_others() == 0
    (aside,) = await stage.rows(cap_set_aside)
    assert (aside["tries"], aside["next_try_at"]) == (2, clock() + timedelta(minutes=2))
    monkeypatch.setattr(service, "document_of", broken)
    clock.forward(121)
    assert await worker.tell_others() == 1
    assert await stage.count(cap_set_aside) == 0
    await worker.tell_others()
    assert [one for one in worker._health.waiting_for if one.what == "cap"] == []


def test_the_settings_are_tried_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = PolicyTable.model_validate(POLICIES | {"sharing": SHARING})
    settings = CentreSettings(data_dir=tmp_path, policies=tmp_path / "policies.yaml")
    config = CentreConfig(centre=settings)
    check_sharing(config, table)
    check_sharing(config, PolicyTable.model_validate(POLICIES))
    monkeypatch.delitem(words.EVENT_OF, Hazard.FIRE_SMOKE)
    with pytest.raises(ConfigError, match=r"sharing\.hazards\.1: no message can be made of fire_smoke \(KeyError\)"):
        check_sharing(config, table)
