"""A still asked for to tune a camera's rules: over a real broker to a node and back; who may ask, and what is shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select, update

from tests.integration.central.test_backtests import NODE_ID, say
from tests.integration.central.test_fresh_looks import (
    PREVIEW,
    STILL,
    LookingNode,
    at_the_desk,
    hand_in,
    older,
    watched_incident,
)
from tests.support import city
from tests.support.brokers import running_broker
from tests.support.centres import TestCentre
from tests.support.pictures import jpeg, sha256
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.commands import FullStill, LookCommand, LookResult, NamedView, Says
from xueliang_alerts.contract import NodeState
from xueliang_central.audit.tables import audit_records
from xueliang_central.evidence.tables import pictures
from xueliang_central.rights.scope import Role


def street(command: LookCommand, picture: bytes = STILL, **values: Any) -> LookResult:
    """The whole picture, and nothing said of a rule."""
    fields: dict[str, Any] = {
        "observed_at": system_wall(),
        "says": Says.NO_RULE,
        "preview": base64.b64encode(PREVIEW).decode(),
        "still": FullStill(sha256=sha256(picture), bytes=len(picture), size_wh=(1280, 720)),
    }
    return LookResult(command="look", request_id=command.request_id, **(fields | values))


async def take(client: httpx.AsyncClient, camera_id: str = "lane") -> httpx.Response:
    return await client.post(f"/api/cameras/{camera_id}/still")


async def shown(client: httpx.AsyncClient) -> dict[str, Any] | None:
    body: dict[str, Any] = (await client.get("/api/cameras/lane/rules")).json()
    still: dict[str, Any] | None = body["still"]
    return still


async def test_a_camera_without_an_incident_gives_a_still_that_its_rules_are_drawn_over(
    centre: TestCentre, tmp_path: Path
) -> None:
    newer = jpeg(1280, 720, filler=b"a minute later")
    views = (NamedView(view_id="lane", name="消防通道"), NamedView(view_id="square", name="广场"))
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        answers = [street, lambda command: street(command, newer, view_id="square", views=views)]
        node = LookingNode(broker, lambda command: answers.pop(0)(command))
        async with at_the_desk(centre, broker, Role.RULE_OPERATOR) as client:
            assert await shown(client) is None
            answer = await take(client)
            early, before = await client.get(f"/api/evidence/{sha256(STILL)}"), await shown(client)
            assert await hand_in(centre, STILL) == 201
            after, full = await shown(client), await client.get(f"/api/evidence/{sha256(STILL)}")
            await centre.add_user("worker", Role.WORKER, city.GRID)
            await centre.add_user("elsewhere", Role.ADMIN, city.EAST)
            others = []
            for name in ("worker", "elsewhere"):
                async with centre.signed_in(name) as other:
                    others.append((await other.get(f"/api/evidence/{sha256(STILL)}")).status_code)
            assert await hand_in(centre, newer) == 201
            again = await take(client)
            newest, old = await shown(client), await client.get(f"/api/evidence/{sha256(STILL)}")
            kept = (await client.get("/api/cameras/lane/rules")).json()["views"]
            async with centre.database.transaction() as conn:
                records = (await conn.execute(select(audit_records))).mappings().all()
                told = [row for row in records if row["action"] == "camera.looked_at"]
                await conn.execute(update(pictures).values(received_from="node:another"))
            foreign = await shown(client)
    assert answer.status_code == again.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert base64.b64decode(answer.json()["preview"]) == PREVIEW
    assert [one.rule_id for one in node.commands] == [None, None]
    assert (answer.json()["view_id"], answer.json()["views"]) == (None, None)  # a node of a release before
    assert (again.json()["view_id"], [one["name"] for one in again.json()["views"]]) == ("square", ["消防通道", "广场"])
    stills = {one["view_id"]: one["still"] for one in kept["items"]}
    assert (stills["lane"], stills["square"]["sha256"]) == (None, sha256(newer))
    assert (early.status_code, before) == (404, None)
    assert after is not None
    assert (after["sha256"], after["frame_size_wh"], after["is_asked_for"]) == (sha256(STILL), [1280, 720], True)
    assert full.content == STILL
    assert others == [404, 404]
    assert newest is not None
    assert newest["sha256"] == sha256(newer)  # it was here before its answer
    assert old.status_code == 404
    assert foreign is None  # a node cannot have another's picture shown by naming it
    assert [(one["actor"], one["object_id"], one["detail"]["for"]) for one in told] == [("desk", "lane", "rules")] * 2


async def test_why_there_is_none_is_said_and_the_last_one_stays(centre: TestCentre, tmp_path: Path) -> None:
    def away(command: LookCommand) -> LookResult:
        fields = {"observed_at": None, "says": Says.CANNOT_SEE, "why": "offline", "preview": None, "still": None}
        return street(command, **fields)

    def unmasked(command: LookCommand) -> LookResult:
        return street(command, preview=None, still=None, no_picture="too_much_moves")

    centre.centre.fresh_looks._answer_s = 0.5
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        async with at_the_desk(centre, broker, Role.RULE_OPERATOR) as client:
            silent = await take(client)
            centre.centre.fresh_looks._answer_s = 8.0
            centre.centre.fresh_looks._asked.clear()
            answers = [street, away, unmasked, older]
            LookingNode(broker, lambda command: answers.pop(0)(command))
            # Nothing says when the broker has its subscription: a question before it is lost and answered 424.
            first = await take(client)
            for _ in range(3):
                if first.status_code != 424:
                    break
                centre.centre.fresh_looks._asked.clear()
                first = await take(client)
            assert first.status_code == 200
            assert await hand_in(centre, STILL) == 201
            offline, masked = await take(client), await take(client)
            throttled = await take(client)
            centre.centre.fresh_looks._asked.clear()
            old = await take(client)
            await say(centre, NodeState.LOST)
            lost, nobody = await take(client), await take(client, "no-such")
            last = await shown(client)
    assert (silent.status_code, silent.json()["code"]) == (424, "node_silent")
    assert (offline.json()["why"], offline.json()["preview"]) == ("offline", None)
    assert (masked.json()["no_picture"], masked.json()["still_sha256"]) == ("too_much_moves", None)
    assert (throttled.status_code, throttled.json()["code"]) == (429, "throttled")
    assert (old.status_code, old.json()["code"]) == (422, "look_refused")
    assert "bring it up to date" in old.json()["detail"]
    assert (lost.status_code, lost.json()["detail"]) == (424, "node edge-01 is lost")
    assert nobody.status_code == 404
    assert last is not None
    assert last["sha256"] == sha256(STILL)


async def test_who_only_judges_asks_no_camera_for_a_still(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, street)
        async with at_the_desk(centre, broker, Role.OPERATOR) as client:
            await watched_incident(centre)
            refused = await take(client)
    assert (refused.status_code, node.commands) == (403, [])
