"""Signing for cameras over HTTP and by the command, and rules that are refused for a camera nobody has signed for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.support import city
from tests.support.centres import START, TestCentre, build_centre, camera
from tests.support.rows import add_rules, filled
from xueliang_alerts.transport import PublishHandle
from xueliang_central import camera_gate_commands
from xueliang_central.administration import take_cameras
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules.sending import RulesSender, make_key
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.cameras.gate import Gate
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import MoveRefused, NotFound
from xueliang_central.ingest.tables import gated_alerts
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import grants
from xueliang_central.store.database import Database
from xueliang_configs.cameras import CameraRegister

BODY = {
    "purpose": "消防通道监看",
    "legal_basis": "条例第三条",
    "signed_on": "2026-05-01",
    "approved_view": "只看通道",
    "view_approved_on": "2026-05-02",
    "review_by": "2027-05-01",
}
PROPOSAL = {"settings": {"rules": [], "place_class": "residential"}, "why": "begin", "based_on": 0}


@pytest.fixture
async def gated(database: Database, tmp_path: Path) -> TestCentre:
    centre = await build_centre(database, tmp_path, camera_gate=Gate.ENFORCE)
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    await centre.add_cameras(camera("lane", city.SOUTH), camera("far", city.EAST))
    return centre


async def _hold(centre: TestCentre, camera_id: str, area_code: str = city.SOUTH) -> None:
    row = filled(gated_alerts, alert_id=f"held-{camera_id}", camera_id=camera_id, area_path=path_by_code(area_code))
    async with centre.database.transaction() as conn:
        await conn.execute(insert(gated_alerts), row)


async def _acts(centre: TestCentre) -> list[tuple[str, str, str]]:
    async with centre.database.reading() as conn:
        query = select(audit_records.c.actor, audit_records.c.action, audit_records.c.object_id)
        found = await conn.execute(query.where(audit_records.c.object_kind == "camera"))
        return [tuple(row) for row in found]  # type: ignore[misc]


async def test_rules_are_refused_until_the_camera_is_signed_for(gated: TestCentre) -> None:
    async with gated.signed_in("ruler") as ruler, gated.signed_in("chief") as chief:
        refused = await ruler.post("/api/cameras/lane/rules/versions", json=PROPOSAL)
        assert refused.status_code == 409, refused.text
        problem = refused.json()
        assert problem["code"] == "camera_not_released"
        assert (problem["camera_id"], problem["state"]) == ("lane", "incomplete")
        assert problem["missing"] == ["purpose", "legal_basis", "signed_on", "approved_view", "view_approved_on"]
        assert "camera lane is not released: purpose, legal_basis" in problem["detail"]
        assert "Release of cameras" in problem["detail"], "where that is mended"
        shown = (await ruler.get("/api/cameras/lane/rules")).json()["release"]
        assert shown == {"state": "incomplete", "missing": problem["missing"], "is_stopped": True}

        assert (await ruler.post("/api/cameras/lane/release", json=BODY)).status_code == 403, "who draws does not sign"
        signed = await chief.post("/api/cameras/lane/release", json=BODY)
        assert signed.status_code == 200, signed.text
        assert (signed.json()["state"], signed.json()["released_by"]) == ("released", "chief")
        assert (await ruler.post("/api/cameras/lane/rules/versions", json=PROPOSAL)).status_code == 201
    assert await _acts(gated) == [("chief", "camera.released", "lane"), ("ruler", "rules.proposed", "lane")]


async def test_an_approval_and_a_roll_back_are_refused_after_a_withdrawal(gated: TestCentre) -> None:
    await add_rules(gated, "lane")
    async with gated.database.transaction() as conn:
        waiting = {"state": "proposed", "by_id": "someone"}
        await conn.execute(update(rule_versions).where(rule_versions.c.camera_id == "lane").values(**waiting))
    async with gated.signed_in("ruler") as ruler, gated.signed_in("chief") as chief:
        await chief.post("/api/cameras/lane/release", json=BODY)
        gone = await chief.post("/api/cameras/lane/release/withdrawal", json={"why": "the lane is rebuilt"})
        assert (gone.json()["state"], gone.json()["withdrawn_why"]) == ("withdrawn", "the lane is rebuilt")
        approve = await chief.post("/api/cameras/lane/rules/versions/1/moves", json={"move": "approve"})
        back = await ruler.post("/api/cameras/lane/rules/rollback", json={"version": 1, "based_on": 1})
        assert [one.json().get("state") for one in (approve, back)] == ["withdrawn", "withdrawn"]
        assert (approve.status_code, back.status_code) == (409, 409)
        refuse = await chief.post("/api/cameras/lane/rules/versions/1/moves", json={"move": "refuse"})
        assert refuse.status_code == 200, "what stops something is never stopped"
        again = await chief.post("/api/cameras/lane/release/withdrawal", json={"why": "twice"})
        assert (again.status_code, again.json()["code"]) == (422, "release_refused")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"signed_on": "2026-11-24"}, "signed_on: expected a day that has come, got 2026-11-24"),
        ({"view_approved_on": "2027-01-01"}, "view_approved_on: expected a day that has come, got 2027-01-01"),
        ({"review_by": "2026-11-22"}, "review_by: expected a day to come, got 2026-11-22"),
        ({"purpose": "通道\n监看"}, "purpose: expected 1 to 200 printable characters"),
    ],
    ids=["sign to come", "approval to come", "review over", "two lines"],
)
async def test_what_cannot_be_is_not_signed_for(gated: TestCentre, change: dict[str, Any], told: str) -> None:
    async with gated.signed_in("chief") as chief:
        answer = await chief.post("/api/cameras/lane/release", json=BODY | change)
        assert (answer.status_code, answer.json()["problems"]) == (422, [told])
        for name in set(BODY) - {"review_by"}:
            lacking = {key: value for key, value in BODY.items() if key != name}
            assert (await chief.post("/api/cameras/lane/release", json=lacking)).status_code == 422, name
        assert (await chief.get("/api/cameras/lane/release")).json()["state"] == "incomplete"


class Broker:
    """Has whatever it is given."""

    def __init__(self) -> None:
        self.topics: list[str] = []

    def publish(self, topic: str, payload: bytes) -> PublishHandle:
        self.topics.append(topic)
        return Taken()


class Taken:
    is_acknowledged = True

    def wait(self, timeout_s: float | None = None) -> bool:
        return True


async def test_what_waits_to_be_sent_waits_for_the_signature(gated: TestCentre, tmp_path: Path) -> None:
    broker, clock = Broker(), gated.clock
    make_key(tmp_path / "signing.key")
    times: dict[str, Any] = {"wall": clock.wall, "mono": clock.mono, "may_send": lambda: True}
    sender = RulesSender(broker, gated.database, tmp_path / "signing.key", gate=gated.centre.gate, **times)
    async with gated.signed_in("ruler") as ruler, gated.signed_in("chief") as chief:
        await chief.post("/api/cameras/lane/release", json=BODY)
        assert (await ruler.post("/api/cameras/lane/rules/versions", json=PROPOSAL)).status_code == 201
        approved = await chief.post("/api/cameras/lane/rules/versions/1/moves", json={"move": "approve"})
        assert approved.json()["state"] == "desired"
        await chief.post("/api/cameras/lane/release/withdrawal", json={"why": "the lane is rebuilt"})
        assert (await sender.step(), broker.topics) == (0, [])
        await chief.post("/api/cameras/lane/release", json=BODY)
        assert await sender.step() == 1
    assert [topic.rsplit("/", 2)[1:] for topic in broker.topics] == [["config", "desired"]]


async def test_a_file_does_not_prolong_a_release(gated: TestCentre) -> None:
    async with gated.signed_in("chief") as chief:
        await chief.post("/api/cameras/lane/release", json=BODY)
        place = {"name": "门", "longitude": 117.05, "latitude": 36.2, "area_code": city.GRID, "node_id": "edge-01"}
        later = {"cameras": [{"camera_id": "lane", **place, "review_by": "2030-01-01"}]}
        await take_cameras(gated.database, CameraRegister.model_validate(later), at=START)
        assert (await chief.get("/api/cameras/lane/release")).json()["state"] == "changed"


async def test_the_list_counts_what_is_held_in_the_own_areas(gated: TestCentre) -> None:
    await _hold(gated, "lane")
    await _hold(gated, "stranger")
    await _hold(gated, "elsewhere", city.EAST)
    await gated.add_cameras(camera("gate", city.SOUTH))
    async with gated.signed_in("chief") as chief:
        await chief.post("/api/cameras/gate/release", json=BODY)
        found = (await chief.get("/api/camera-releases")).json()
        assert {name: found[name] for name in ("mode", "cameras", "released", "held_alerts")} == {
            "mode": "enforce",
            "cameras": 2,
            "released": 1,
            "held_alerts": 2,
        }
        assert found["unregistered"] == [{"camera_id": "stranger", "held_alerts": 1}]
        told = [(one["camera_id"], one["state"], one["held_alerts"]) for one in found["items"]]
        assert told == [("gate", "released", 0), ("lane", "incomplete", 1)]
        stopped = (await chief.get("/api/camera-releases?only=not_released")).json()["items"]
        assert [one["camera_id"] for one in stopped] == ["lane"]
        first = (await chief.get("/api/camera-releases?limit=1")).json()
        assert first["next_after"] == "gate"
        rest = (await chief.get("/api/camera-releases?limit=1&after=gate")).json()
        assert ([one["camera_id"] for one in rest["items"]], rest["next_after"]) == (["lane"], None)


async def test_who_only_a_grant_shows_a_camera_does_not_sign_for_it(gated: TestCentre) -> None:
    await gated.add_user("helper", Role.SUPERVISOR, city.EAST)
    async with gated.database.transaction() as conn:
        named = {"user_id": gated.user_ids["helper"], "area_path": path_by_code(city.SOUTH), "ends_at": None}
        await conn.execute(insert(grants), filled(grants, **named))
    async with gated.signed_in("helper") as helper:
        seen = await helper.get("/api/cameras/lane/release")
        assert (seen.status_code, seen.json()["may_sign"]) == (200, False)
        assert (await helper.post("/api/cameras/lane/release", json=BODY)).status_code == 403


async def test_the_command_signs_for_what_is_stated_and_names_the_rest(gated: TestCentre) -> None:
    stated = {key: BODY[key] for key in BODY if key != "review_by"}
    where = {"name": "门", "longitude": 117.05, "latitude": 36.2, "area_code": city.GRID}
    register = CameraRegister.model_validate({"cameras": [{"camera_id": "gate", **where, **stated}]})
    await take_cameras(gated.database, register, at=START)
    every: dict[str, Any] = {"area_code": None, "camera_ids": (), "at": START}
    told = await camera_gate_commands.signed(gated.database, by="李处长", **every)
    assert told[-1] == "1 cameras signed for by 李处长, 2 not"
    assert told[0].startswith("not signed for far: purpose: not stated")
    assert (await _acts(gated))[-1] == ("李处长 (administrator)", "camera.released", "gate")
    listed = await camera_gate_commands.told(gated.database, Gate.ENFORCE, area_code=None, at=START)
    assert listed[-1] == "the gate: enforce; 2 incomplete, 1 released; 0 alerts held in all"

    bare = CameraRegister.model_validate({"cameras": [{"camera_id": "gate", **where}]})
    await take_cameras(gated.database, bare, at=START)  # what a file leaves out of the entries stays
    listed = await camera_gate_commands.told(gated.database, Gate.ENFORCE, area_code=None, at=START)
    assert "1 released" in listed[-1]
    await camera_gate_commands.withdrawn(gated.database, by="李处长", camera_ids=["gate"], why="rebuilt", at=START)
    told = await camera_gate_commands.signed(gated.database, by="李处长", **every)
    assert "its release was withdrawn by 李处长 (administrator); name it with --camera" in "\n".join(told)
    told = await camera_gate_commands.signed(gated.database, by="李处长", **(every | {"camera_ids": ["gate"]}))
    assert told == ["1 cameras signed for by 李处长, 0 not"]
    taken_out = CameraRegister.model_validate({"cameras": [{"camera_id": "gate", **where, "purpose": None}]})
    await take_cameras(gated.database, taken_out, at=START)
    async with gated.database.reading() as conn:
        query = select(cameras.c.purpose, cameras.c.released_at).where(cameras.c.camera_id == "gate")
        assert (await conn.execute(query)).one() == (None, None)
    with pytest.raises(MoveRefused, match="--by"):
        await camera_gate_commands.signed(gated.database, by=" ", **every)
    with pytest.raises(NotFound, match="no-such"):
        await camera_gate_commands.signed(gated.database, by="x", **(every | {"camera_ids": ["no-such"]}))
