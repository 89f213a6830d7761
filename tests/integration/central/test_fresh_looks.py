"""A look asked at the centre: over a real broker to a node and back, what is kept of it, and who may ask."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert, select, update

from tests.integration.central.test_backtests import NODE_ID, say, until
from tests.support import city
from tests.support.brokers import TestBroker, running_broker
from tests.support.centres import TestCentre, camera
from tests.support.pictures import jpeg, sha256
from tests.support.rows import add_incident, add_task, filled
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.commands import FullStill, LookCommand, LookResult, ResultPage, Says, read_command
from xueliang_alerts.contract import Measure, NodeState, to_bytes
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_central.audit.tables import audit_records
from xueliang_central.cameras.gate import Gate
from xueliang_central.fleet.backtests import BacktestLink
from xueliang_central.incidents.stills import newest_still
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.rights.scope import Role

STILL = jpeg(1280, 720, filler=b"the full one")
PREVIEW = jpeg(640, 360, filler=b"the small one")
Answer = LookResult | ResultPage | None


class LookingNode:
    """Answers looks as it is told."""

    def __init__(self, broker: TestBroker, answer: Callable[[LookCommand], Answer]) -> None:
        self._link, self._answer = broker.node_link(NODE_ID), answer
        self.commands: list[LookCommand] = []
        self._link.subscribe(node_topic(NODE_ID, Leaf.COMMANDS), self._take)

    def _take(self, incoming: Incoming) -> None:
        incoming.acknowledge()
        command = read_command(incoming.payload)
        assert isinstance(command, LookCommand)
        self.commands.append(command)
        answer = self._answer(command)
        if answer is not None:
            self._link.publish(node_topic(NODE_ID, Leaf.RESULTS), to_bytes(answer))


def holds(command: LookCommand, **values: Any) -> LookResult:
    """Still 41 % covered, with both pictures."""
    now = system_wall()
    fields: dict[str, Any] = {
        "observed_at": now,
        "says": Says.HOLDS,
        "since": now - timedelta(minutes=6),
        "has_alert": True,
        "measures": {"share": Measure(value=0.41, unit="share")},
        "preview": base64.b64encode(PREVIEW).decode(),
        "still": FullStill(sha256=sha256(STILL), bytes=len(STILL), size_wh=(1280, 720)),
    }
    return LookResult(command="look", request_id=command.request_id, **(fields | values))


def older(command: LookCommand) -> ResultPage:
    """What a node says that has never heard of looks."""
    why = "command: command: Input should be 'backtest'"
    return ResultPage(command="backtest", request_id=command.request_id, page=1, pages=1, rows=(), error=why)


async def watched_incident(centre: TestCentre, area_code: str = city.GRID, *, node_id: str = NODE_ID) -> str:
    """With one open alert of camera "lane"; its id."""
    incident_id = await add_incident(centre, area_code)
    row = filled(
        alerts,
        alert_id=str(uuid.uuid4()),
        incident_id=incident_id,
        camera_id="lane",
        rule_id="lane",
        node_id=node_id,
        phase="raised",
        area_path="/",
        boxes_xyxyn=[],
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(alerts), row)
    return incident_id


@asynccontextmanager
async def at_the_desk(
    centre: TestCentre, broker: TestBroker, role: Role = Role.OPERATOR, area: str = city.WEST
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at a centre that is connected; its node is heard of, its camera may be analysed."""
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane", city.GRID, node_id=NODE_ID))
    await centre.add_user("desk", role, area)
    await say(centre, NodeState.ONLINE)
    link = BacktestLink(centre.centre.backtests, broker.settings(broker.centre_user), system_mono)
    await link.start()
    try:
        transport = lambda: centre.centre.backtests._transport  # noqa: E731
        await until(lambda: (one := transport()) and one.state.is_connected, "a connection")
        async with centre.signed_in("desk") as client:
            client.timeout = httpx.Timeout(60)
            yield client
    finally:
        await link.stop()


async def look(client: httpx.AsyncClient, incident_id: str, **body: Any) -> httpx.Response:
    return await client.post(f"/api/incidents/{incident_id}/look", json=body)


async def hand_in(centre: TestCentre, picture: bytes) -> int:
    async with centre.client() as node:
        headers = {"authorization": f"Bearer {centre.node_token}", "content-type": "image/jpeg"}
        return (await node.put(f"/api/evidence/{sha256(picture)}", content=picture, headers=headers)).status_code


async def test_the_state_and_a_small_picture_come_first_and_the_full_still_is_evidence(
    centre: TestCentre, tmp_path: Path
) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, holds)
        async with at_the_desk(centre, broker) as client:
            incident_id = await watched_incident(centre)
            answer = await look(client, incident_id)
            before = (await client.get(f"/api/incidents/{incident_id}")).json()
            early = await client.get(f"/api/evidence/{sha256(STILL)}")
            assert await hand_in(centre, STILL) == 201
            after = (await client.get(f"/api/incidents/{incident_id}")).json()
            full = await client.get(f"/api/evidence/{sha256(STILL)}")
            async with centre.database.reading() as conn:
                records = (await conn.execute(select(audit_records))).mappings().all()
                for_zones = await newest_still(conn, centre.actor("desk", Role.OPERATOR, city.WEST), "lane")
    told = answer.json()
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert (told["says"], told["has_alert"], told["measures"]["share"]["value"]) == ("holds", True, 0.41)
    assert base64.b64decode(told["preview"]) == PREVIEW
    assert (told["still_sha256"], told["no_picture"], told["why"]) == (sha256(STILL), None, None)
    assert [one.rule_id for one in node.commands] == ["lane"]
    assert early.status_code == 404
    assert full.content == STILL
    assert [(one["kind"], one["received"]) for one in before["evidence"]] == [("fresh", False)]
    assert [(one["kind"], one["received"]) for one in after["evidence"]] == [("fresh", True)]
    (entry,) = [one for one in after["timeline"] if one["kind"] == "looked"]
    assert (entry["actor"]["name"], entry["params"]["says"], entry["params"]["share"]) == ("desk", "holds", 0.41)
    assert [one["params"]["still"] for one in after["timeline"] if one["kind"] == "picture_received"] == ["fresh"]
    assert for_zones is None  # its moment is not its alert's: zones are not drawn over it
    (asked,) = [one for one in records if one["action"] == "camera.looked_at"]
    assert (asked["actor"], asked["object_id"], asked["detail"]["about"]) == ("desk", "lane", incident_id)
    assert PREVIEW not in b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())


async def test_a_still_that_is_here_before_its_answer_is_told_at_once(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        LookingNode(broker, holds)
        async with at_the_desk(centre, broker) as client:
            incident_id = await watched_incident(centre)
            assert await hand_in(centre, STILL) == 201
            await look(client, incident_id)
            after = (await client.get(f"/api/incidents/{incident_id}")).json()
    assert [one["kind"] for one in after["timeline"] if one["kind"] in ("looked", "picture_received")] == [
        "looked",
        "picture_received",
    ]


async def test_without_a_mask_there_are_words_alone(centre: TestCentre, tmp_path: Path) -> None:
    def unmasked(command: LookCommand) -> LookResult:
        return holds(command, preview=None, still=None, no_picture="too_much_moves")

    def no_jpeg(command: LookCommand) -> LookResult:
        return holds(command, preview=base64.b64encode(b"<svg onload=alert(1)>").decode(), still=None)

    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        answers = [unmasked, no_jpeg]
        LookingNode(broker, lambda command: answers.pop(0)(command))
        async with at_the_desk(centre, broker) as client:
            incident_id = await watched_incident(centre)
            masked, odd = (await look(client, incident_id)).json(), (await look(client, incident_id)).json()
            evidence = (await client.get(f"/api/incidents/{incident_id}")).json()["evidence"]
    assert (masked["says"], masked["preview"], masked["no_picture"]) == ("holds", None, "too_much_moves")
    assert (odd["says"], odd["preview"]) == ("holds", None)
    assert evidence == []


async def test_who_cannot_be_asked_is_said_in_words(centre: TestCentre, tmp_path: Path) -> None:
    centre.centre.fresh_looks._answer_s = 0.5
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        async with at_the_desk(centre, broker) as client:
            incident_id = await watched_incident(centre)
            reported = await watched_incident(centre, city.GRID_RIGHT, node_id="@people")
            silent = await look(client, incident_id)
            LookingNode(broker, older)
            await asyncio.sleep(0.5)  # for its subscription: nothing says when the broker has it
            old = await look(client, incident_id)
            await say(centre, NodeState.LOST)
            centre.clock.advance(0)
            lost = await look(client, incident_id)
            by_people = await look(client, reported)
            throttled = await look(client, incident_id)
            nobody = await look(client, str(uuid.uuid4()))
            another = await look(client, incident_id, alert_id=str(uuid.uuid4()))
    assert (silent.status_code, silent.json()["code"]) == (424, "node_silent")
    assert (old.status_code, old.json()["code"]) == (422, "look_refused")
    assert "older than fresh looks: bring it up to date" in old.json()["detail"]
    assert (lost.status_code, lost.json()["detail"]) == (424, "node edge-01 is lost")
    assert "no camera watches this" in by_people.json()["detail"]
    assert (throttled.status_code, throttled.json()["code"]) == (429, "throttled")
    assert int(throttled.headers["retry-after"]) >= 1
    assert (nobody.status_code, another.status_code) == (404, 404)
    assert not centre.centre.fresh_looks._under_way


async def test_a_camera_is_looked_at_for_one_person_at_a_time(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, lambda _: None)
        async with at_the_desk(centre, broker) as client:
            incident_id = await watched_incident(centre)
            first = asyncio.create_task(look(client, incident_id))
            await until(lambda: node.commands, "the first question")
            busy = await look(client, incident_id)
            first.cancel()
    assert (busy.status_code, busy.json()["code"]) == (409, "node_busy")
    assert len(node.commands) == 1


async def test_a_camera_that_is_not_released_is_not_looked_at(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, holds)
        async with at_the_desk(centre, broker) as client:
            incident_id = await watched_incident(centre)
            centre.centre.gate.chosen = Gate.ENFORCE  # nobody has signed for it
            answer = await look(client, incident_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "camera_not_released")
    assert node.commands == []


async def test_a_worker_looks_at_what_the_own_tasks_are_about(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        LookingNode(broker, holds)
        async with at_the_desk(centre, broker, Role.WORKER, city.GRID) as client:
            mine, others = await watched_incident(centre), await watched_incident(centre)
            me = (await client.get("/api/session")).json()["user"]["user_id"]
            await add_task(centre, mine, city.GRID, worker_id=me, state="taken")
            await add_task(centre, others, city.GRID, worker_id=str(uuid.uuid4()), state="taken")
            seen, hidden = await look(client, mine), await look(client, others)
    assert (seen.status_code, hidden.status_code) == (200, 404), (seen.text, hidden.text)


async def test_a_closed_incident_has_no_camera_look(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, holds)
        async with at_the_desk(centre, broker) as client:
            incident_id = await watched_incident(centre)
            async with centre.database.transaction() as conn:
                await conn.execute(update(incidents).values(state="closed", close_reason="false_alarm"))
            answer = await look(client, incident_id)
            async with centre.database.reading() as conn:
                asked = (await conn.execute(select(audit_records.c.action))).scalars().all()
    assert (answer.status_code, answer.json()["code"]) == (422, "look_refused")
    assert "is closed: reopen it to have its camera look" in answer.json()["detail"]
    assert node.commands == []
    assert "camera.looked_at" not in asked


async def test_an_auditor_asks_no_camera(centre: TestCentre, tmp_path: Path) -> None:
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = LookingNode(broker, holds)
        async with at_the_desk(centre, broker, Role.AUDITOR) as client:
            incident_id = await watched_incident(centre)
            answer = await look(client, incident_id)
            seen = await client.get(f"/api/incidents/{incident_id}")
    assert (answer.status_code, seen.status_code, node.commands) == (403, 200, [])
