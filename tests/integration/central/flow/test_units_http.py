"""A managing unit at the door: its link opens one request and shows no more than it needs; the gateway's token."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from tests.integration.central.flow.stage import LI, WANG, HandClock, Stage, alert, received
from tests.integration.central.flow.test_http import Door
from tests.integration.central.flow.test_units import made, policies
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import EvidenceRef, Phase
from xueliang_central.app import create_app
from xueliang_central.audit.tables import audit_records
from xueliang_central.centre import Settings
from xueliang_central.evidence.tables import pictures
from xueliang_central.intake.sources import intake_key
from xueliang_central.notices.tables import notices
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_central.units import links
from xueliang_central.units.tables import unit_requests
from xueliang_configs.notices import NoticesConfig
from xueliang_configs.policies import PolicyTable

GATEWAY = "gateway-token-of-thirty-letters"
STILL = "cd" * 32


class At:
    """The stage and its door."""

    def __init__(self, stage: Stage, app: Any, key: bytes) -> None:
        self.stage, self.app, self.key = stage, app, key
        self.door = Door(stage, app)

    def client(self, token: str) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://centre.test", headers=headers)

    async def token(self) -> str:
        [request] = await self.stage.rows(unit_requests)
        return links.token_of(self.key, request["request_id"])


@pytest.fixture
async def at(database: Database, clock: HandClock, tmp_path: Path) -> At:
    stage = await made(database, clock)
    notices_config = NoticesConfig(unit_reply_token=SecretStr(GATEWAY))
    table = PolicyTable.model_validate(policies())
    settings = Settings(tmp_path, notices=notices_config)
    centre = centre_on(database, settings, table, wall=clock, mono=system_mono)
    await centre.areas.refresh(database)
    await centre.health.ask()
    still = (EvidenceRef(sha256=STILL, kind="onset", bytes=9),)
    await stage.take(received(alert(Phase.RAISED, 1, evidence=still), 1))
    async with database.transaction() as conn:
        row = {"sha256": STILL, "kind": "evidence", "media_type": "image/jpeg", "bytes": 9}
        await conn.execute(insert(pictures), row | {"received_at": clock(), "received_from": "edge-01"})
    return At(stage, create_app(centre), intake_key(tmp_path / "intake.key"))


async def test_the_unit_sees_place_hazard_and_state_and_replies(at: At, clock: HandClock) -> None:
    async with at.client(await at.token()) as client:
        answer = await client.get("/api/unit-request")
        assert answer.status_code == 200, answer.text
        view = answer.json()
        assert (view["lane"], view["hazard"], view["state"]) == ("东巷", "fire_lane_obstruction", "told")
        assert (view["place"]["camera_name"], view["replies"]) == ("东巷", ["clears", "done", "cannot"])
        forbidden = (STILL, "picture", "wang", "0531", "reason", "incident_id", "camera_id")
        assert [word for word in forbidden if word in answer.text.lower()] == []
        said = await client.post("/api/unit-request/replies", json={"reply": "clears"})
        assert (said.status_code, said.json()["state"], said.json()["replies"]) == (200, "clearing", ["done", "cannot"])
        assert said.json()["clear_by"]
        again = await client.post("/api/unit-request/replies", json={"reply": "clears"})
        assert again.status_code == 200
        done = await client.post("/api/unit-request/replies", json={"reply": "done", "note": "拖走了"})
        assert (done.json()["state"], done.json()["incident_state"]) == ("done", "handled")
        late = await client.post("/api/unit-request/replies", json={"reply": "cannot"})
        assert (late.status_code, late.json()["code"]) == (422, "move_refused")
    viewed = [row for row in await at.stage.rows(audit_records) if row["action"] == "incident.viewed"]
    assert [(row["actor"], row["detail"]) for row in viewed] == [("unit:east-alley", {"by": "link"})]
    case = await at.stage.one_incident()
    async with at.door.client(LI) as client:
        shown = (await client.get(f"/api/incidents/{case['incident_id']}")).json()
    assert (shown["unit"]["state"], shown["unit"]["replied_by"], shown["unit"]["unit"]) == ("done", "link", "东巷物业")
    assert [(step["channel"], step["state"]) for step in shown["unit"]["steps"]] == [
        ("sms", "waiting"),
        ("voice", "waiting"),
    ]
    kinds = [entry["kind"] for entry in shown["timeline"]]
    assert [kind for kind in kinds if kind.startswith("unit_")] == ["unit_told", "unit_clears", "unit_done"]
    assert {entry["actor"]["kind"] for entry in shown["timeline"] if entry["kind"] == "unit_done"} == {"unit"}


async def test_a_link_opens_its_request_and_nothing_else(at: At, clock: HandClock) -> None:
    token = await at.token()
    strange = links.token_of(at.key, str(uuid.uuid4()))
    forged = links.token_of(b"k" * 32, (await at.stage.rows(unit_requests))[0]["request_id"])
    for wrong, status in (("", 401), ("x", 401), (token[:-4] + "AAAA", 401), (forged, 401), (strange, 404)):
        async with at.client(wrong) as client:
            assert (await client.get("/api/unit-request")).status_code == status, wrong
            answer = await client.post("/api/unit-request/replies", json={"reply": "cannot"})
            assert answer.status_code == status, wrong
    async with at.client(token) as client:
        case = await at.stage.one_incident()
        for path in (f"/api/incidents/{case['incident_id']}", f"/api/evidence/{STILL}", "/api/lanes", "/api/session"):
            assert (await client.get(path)).status_code == 401, path
    assert (await at.stage.one_incident())["state"] == "unit_told"
    async with at.door.client(WANG) as client:
        assert (await client.get("/api/unit-request")).status_code == 401, "a session is no link"


async def test_a_link_ends_a_week_after_its_request(at: At, clock: HandClock) -> None:
    clock.forward(301)
    await at.stage.fire_all()
    async with at.client(await at.token()) as client:
        assert (await client.get("/api/unit-request")).json()["state"] == "given_up"
        clock.forward(7 * 86_400)
        assert (await client.get("/api/unit-request")).status_code == 404


async def test_the_gateway_hands_in_what_was_answered(at: At) -> None:
    [request] = await at.stage.rows(unit_requests)
    [notice] = await at.stage.rows(notices)
    phone, code = "0531 8000-0119", request["code"]
    other = f"{(int(code) + 1) % 10_000:04d}"
    async with at.client("another-token-of-thirty-letters") as client:
        assert (await client.post("/api/unit-replies", json={"text": "1", "sender": phone})).status_code == 401
    async with at.client(GATEWAY) as client:

        async def hand_in(**body: str) -> tuple[int, str]:
            answer = await client.post("/api/unit-replies", json=body)
            return answer.status_code, answer.json().get("reply", answer.json().get("code"))

        assert await hand_in(text="好的", sender=phone) == (422, "move_refused")
        assert await hand_in(text="1", sender=phone) == (422, "move_refused")
        assert await hand_in(text=f"1 {other}", sender=phone) == (404, "not_found")
        assert await hand_in(text=f"1 {code}", sender="0531 1111") == (404, "not_found")
        assert await hand_in(text="1", key=f"{uuid.uuid4()}-0") == (404, "not_found")
        assert (await at.stage.one_incident())["state"] == "unit_told"
        assert await hand_in(text=f"1 {code}", sender=phone) == (200, "clears")
        assert await hand_in(text=f"1 {code}", sender=phone) == (200, "clears"), "handed in twice"
        assert await hand_in(text="３", key=f"{notice['notice_id']}-1") == (200, "done")
    assert (await at.stage.one_incident())["state"] == "handled"


async def test_nobody_guesses_a_code(at: At) -> None:
    async with at.client(GATEWAY) as client:
        answers = []
        for number in range(15):
            body = {"text": f"1 {number:04d}", "sender": "0531 1111"}
            answers.append((await client.post("/api/unit-replies", json=body)).status_code)
    assert answers[-1] == 429


async def test_without_a_gateway_s_token_nobody_hands_anything_in(
    stage: Stage, clock: HandClock, tmp_path: Path
) -> None:
    table = PolicyTable.model_validate(policies())
    centre = centre_on(stage.database, Settings(tmp_path), table, wall=clock, mono=system_mono)
    await centre.health.ask()
    made_without = At(stage, create_app(centre), b"")
    async with made_without.client("None") as client:
        assert (await client.post("/api/unit-replies", json={"text": "1"})).status_code == 401
    async with made_without.client(links.token_of(b"", str(uuid.uuid4()))) as client:
        answer = await client.get("/api/unit-request")
        assert answer.status_code == 401, "there is no key yet: every link is a stranger's"
