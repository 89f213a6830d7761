"""A back-test asked at the centre: over a real broker to a real node and back, and what it says when that cannot be."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from tests.integration.edge.scenes import NODE_ID, lane_camera, write_settings
from tests.integration.streams.certificates import make_certificates
from tests.support import city
from tests.support.brokers import TestBroker, free_port, running_broker
from tests.support.centres import TestCentre, camera
from tests.support.node_process import node_process
from tests.support.rows import add_incident, filled
from tests.unit.edge.logged import group_of, keep
from tests.unit.edge.observing import CAR, LANE, seen, times
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.commands import BacktestCommand, ResultPage, read_command
from xueliang_alerts.contract import NodeState, NodeStatus, to_bytes
from xueliang_alerts.mqtt_link import MqttSettings, TlsSettings
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_central.audit.tables import audit_records
from xueliang_central.errors import NodeAway
from xueliang_central.fleet.backtests import BacktestLink, Backtests
from xueliang_central.fleet.nodes import store_status
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.rights.scope import Role
from xueliang_edge.cli import main

DRAFT = {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": LANE, "dwell_s": 20, "clear_after_s": 3}


async def say(centre: TestCentre, state: NodeState) -> None:
    async with centre.database.transaction() as conn:
        status = NodeStatus(node_id=NODE_ID, state=state, boot_id=uuid.uuid4(), at=centre.clock.at)
        assert await store_status(conn, status, centre.clock.at)


async def until(condition: Callable[[], object], what: str) -> None:
    for _ in range(1500):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"waited 30 s in vain for: {what}")


@asynccontextmanager
async def asking(
    centre: TestCentre, broker: TestBroker, role: Role = Role.RULE_OPERATOR
) -> AsyncIterator[httpx.AsyncClient]:
    """A rule operator at a centre that is connected; its node is heard of."""
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane", city.GRID, node_id=NODE_ID))
    await centre.add_user("ruler", role, city.WEST)
    await say(centre, NodeState.ONLINE)
    backtests = centre.centre.backtests
    link = BacktestLink(backtests, broker.settings(broker.centre_user), system_mono)
    await link.start()
    try:
        await until(lambda: backtests._transport and backtests._transport.state.is_connected, "a connection")
        async with centre.signed_in("ruler") as client:
            client.timeout = httpx.Timeout(120)
            yield client
    finally:
        await link.stop()


async def ask(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/api/cameras/lane/backtest", json={"rule": DRAFT} | body)


def log_of_an_hour_ago(folder: Path) -> tuple[datetime, datetime]:
    """Two minutes of a lane in which a car stands for a while; when that was."""
    began = (system_wall() - timedelta(hours=1)).replace(microsecond=0)
    keep(
        folder,
        1,
        group_of([seen(at_s, [CAR] if 10 <= at_s < 80 else [], wall_start=began) for at_s in times(120, 1.0)]),
    )
    return began, began + timedelta(seconds=120)


@pytest.mark.fixtures
@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_the_centre_is_told_what_the_command_line_says(centre: TestCentre, tmp_path: Path, capsys: Any) -> None:
    site = tmp_path / "node"
    (site / "data").mkdir(parents=True)
    from_at, to_at = log_of_an_hour_ago(site / "data" / "log")
    one = lane_camera(f"rtsp://127.0.0.1:{free_port()}/nobody", camera_id="lane", zone=LANE, dwell_s=30)
    with (
        running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker,
        node_process(write_settings(site, [one], broker_port=broker.port)) as node,
    ):
        node.start()
        await asyncio.to_thread(node.until, lambda health: health["broker"]["phase"] == "connected", "node connected")
        async with asking(centre, broker) as client:
            moments = {"from_at": from_at.isoformat(), "to_at": to_at.isoformat()}
            answer = await ask(client, **moments)
            assert answer.status_code == 200, (answer.text, node.log.read_text()[-2000:])
            unknown = await ask(client, rule=DRAFT | {"detector": "night"})
        told = "both answers are counted"  # after the broker has taken the last page, which we may have before
        await asyncio.to_thread(node.until, lambda one: one["counters"]["backtests"].get("answered") == 2, told)
        health = await asyncio.to_thread(node.health)
        (tmp_path / "draft.yaml").write_text(json.dumps(DRAFT))
        arguments = ["--config", str(node.settings), "--camera", "lane", "--rule", str(tmp_path / "draft.yaml")]
        capsys.readouterr()
        stretch = ["--from", moments["from_at"], "--to", moments["to_at"]]
        assert await asyncio.to_thread(main, ["backtest", *arguments, *stretch, "--json", "-"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["kind"] for row in rows][:3] == ["summary", "alert", "moved"]
    told = answer.json()
    assert {name: told[name] for name in ("node_id", "rows", "left_out")} == {
        "node_id": NODE_ID,
        "rows": rows,
        "left_out": 0,
    }
    assert (told["record"], told["scored"]) == ([], None)  # nothing was raised live
    assert (unknown.status_code, unknown.json()["code"]) == (422, "backtest_refused")
    assert 'no "night" on this node' in unknown.json()["detail"]
    assert health["counters"]["backtests"] == {"received": 2, "answered": 2, "pages": 2}


class PuppetNode:
    """Answers commands as it is told."""

    def __init__(self, broker: TestBroker, pages_of: Callable[[BacktestCommand], list[ResultPage]]) -> None:
        self._link, self._pages_of = broker.node_link(NODE_ID), pages_of
        self.commands: list[BacktestCommand] = []
        self._link.subscribe(node_topic(NODE_ID, Leaf.COMMANDS), self._take)

    def _take(self, incoming: Incoming) -> None:
        incoming.acknowledge()
        command = read_command(incoming.payload)
        self.commands.append(command)
        for page in self._pages_of(command):
            self._link.publish(node_topic(NODE_ID, Leaf.RESULTS), to_bytes(page))


def page(command: BacktestCommand, number: int, of: int, **values: Any) -> ResultPage:
    rows = ({"kind": "alert", "number": number},)
    fields: dict[str, Any] = {"command": "backtest", "request_id": command.request_id, "page": number, "pages": of}
    return ResultPage(**(fields | {"rows": rows} | values))


async def test_pages_that_come_twice_or_out_of_order_are_one_answer(centre: TestCentre, tmp_path: Path) -> None:
    def pages(command: BacktestCommand) -> list[ResultPage]:
        foreign = page(command, 1, 1).model_copy(update={"request_id": "another"})
        return [page(command, 2, 3), foreign, page(command, 1, 3), page(command, 2, 3), page(command, 3, 3, left_out=5)]

    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        node = PuppetNode(broker, pages)
        async with asking(centre, broker) as client:
            await asyncio.sleep(0)
            answers = [await ask(client), await ask(client)]
        counts = centre.centre.backtests.counts
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert [row["number"] for row in answer.json()["rows"]] == [1, 2, 3]
        assert answer.json()["left_out"] == 5
    assert len({command.request_id for command in node.commands}) == 2
    assert (counts["answered"], counts["not_asked_for"]) == (2, 2)


async def test_what_was_raised_live_is_told_beside_and_scored(centre: TestCentre, tmp_path: Path) -> None:
    centre.clock.at = system_wall()
    began = centre.clock.at.replace(microsecond=0) - timedelta(hours=2)
    await _raised_live(centre, city.GRID, began, "false_alarm")
    foreign = await _raised_live(centre, city.EAST_SOUTH, began, "false_alarm")

    def pages(command: BacktestCommand) -> list[ResultPage]:
        stretch = {"from_at": began.isoformat(), "to_at": (began + timedelta(hours=1)).isoformat()}
        alert = {"began_at": began.isoformat(), "ended_at": (began + timedelta(minutes=2)).isoformat()}
        rows = ({"kind": "summary"} | stretch, {"kind": "alert"} | alert)
        return [page(command, 1, 1, rows=rows)]

    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        PuppetNode(broker, pages)
        async with asking(centre, broker) as client:
            answer = (await ask(client, rule=DRAFT)).json()
            quiet = (await ask(client, rule=DRAFT | {"rule_id": "another"})).json()
            idle = (await client.get("/api/cameras/lane/backtest")).json()
    assert [one["judged"] for one in answer["record"]] == ["false_alarm"]
    assert foreign not in str(answer)  # the incident lies outside of what the asker may see
    assert (answer["scored"]["false_alerts"], answer["scored"]["precision"]) == (1, 0.0)
    assert (answer["seat"]["alerts_per_day"], answer["seat"]["incidents_per_day"]) == (144, pytest.approx(1 / 7))
    assert city.GRID.startswith(answer["seat"]["area"]["code"])
    assert (quiet["record"], quiet["scored"]) == ([], None)
    assert idle == {"under_way": None}


async def _raised_live(centre: TestCentre, area_code: str, began: datetime, close_reason: str) -> str:
    """An alert of the draft's rule, in an incident of an area that was closed so; the incident's id."""
    incident_id = await add_incident(centre, area_code)
    row = filled(
        alerts,
        alert_id=str(uuid.uuid4()),
        incident_id=incident_id,
        camera_id="lane",
        rule_id=DRAFT["rule_id"],
        began_at=began,
        raised_at=began + timedelta(minutes=1),
        ended_at=began + timedelta(minutes=3),
        boxes_xyxyn=[],
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(alerts), row)
        closed = {"state": "closed", "close_reason": close_reason, "opened_at": began}
        await conn.execute(update(incidents).where(incidents.c.incident_id == incident_id).values(closed))
    return incident_id


async def test_who_does_not_answer_is_said_and_not_waited_for(centre: TestCentre, tmp_path: Path) -> None:
    backtests = centre.centre.backtests
    backtests._first_page_s, backtests._next_page_s = 2.0, 0.3
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        async with asking(centre, broker) as client:
            silent = await ask(client)
            PuppetNode(broker, lambda command: [page(command, 1, 2)])
            await asyncio.sleep(0.5)  # for its subscription: nothing says when the broker has it
            half = await ask(client)
            await say(centre, NodeState.LOST)
            lost = await ask(client)
            await say(centre, NodeState.ONLINE)
            broker.kill()
            await until(lambda: not backtests._transport.state.is_connected, "the connection is lost")  # type: ignore[union-attr]
            away = await ask(client)
    assert (silent.status_code, silent.json()["code"]) == (424, "node_silent")
    assert "nothing came for 2 s" in silent.json()["detail"]
    assert "1 pages came, then nothing" in half.json()["detail"]
    assert (lost.status_code, lost.json()["detail"]) == (424, "node edge-01 is lost")
    assert (away.status_code, away.json()["code"]) == (424, "node_away")
    assert not backtests._waiting


async def test_tls_files_that_cannot_be_used_are_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text("not a certificate")
    settings = MqttSettings("127.0.0.1", "another's", free_port(), tls=TlsSettings(authority))
    backtests = Backtests(system_wall)
    link = BacktestLink(backtests, settings, system_mono)
    await link.start()
    try:
        await until(lambda: backtests.counts["link_failed"] >= 2, "a second try")
        with pytest.raises(NodeAway):
            await backtests.ask(NODE_ID, "lane", DRAFT, None, None)
        (tmp_path / "made").mkdir()
        authority.write_bytes(make_certificates(tmp_path / "made").authority.read_bytes())
        await until(lambda: backtests._transport, "a link, once the file is mended")
    finally:
        await link.stop()
    assert backtests._transport is None
    assert [one.levelname for one in caplog.records if "back-tests cannot be asked" in one.message] == ["ERROR"]


async def test_a_rule_that_is_none_and_a_camera_out_of_scope_never_reach_a_node(centre: TestCentre) -> None:
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane", city.GRID, node_id=NODE_ID), camera("alone", city.GRID, node_id=None))
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    await centre.add_user("neighbour", Role.RULE_OPERATOR, city.NORTH)
    await centre.add_user("operator", Role.OPERATOR, city.WEST)
    async with centre.signed_in("ruler") as client:
        bad = await ask(client, rule=DRAFT | {"dwel_s": 5})
        odd = await ask(client, shell="true")
        unheard = await ask(client)
        alone = await client.post("/api/cameras/alone/backtest", json={"rule": DRAFT})
        missing = await client.post("/api/cameras/nobody/backtest", json={"rule": DRAFT})
    async with centre.signed_in("neighbour") as client:
        foreign = await ask(client)
    async with centre.signed_in("operator") as client:
        forbidden = await ask(client)
    assert (bad.status_code, odd.status_code) == (422, 422)
    assert "dwel_s" in bad.json()["detail"]
    assert unheard.json()["detail"] == "node edge-01 is not heard of yet"
    assert alone.json()["detail"] == "no node watches this camera"
    assert missing.status_code == foreign.status_code == 404
    assert forbidden.status_code == 403


@pytest.mark.parametrize(
    ("field", "moment"),
    [("from_at", "0001-01-01T00:00:00+08:00"), ("to_at", "9999-12-31T23:59:59-08:00")],
    ids=["before all years", "after all years"],
)
async def test_a_moment_that_is_none_in_utc_is_refused_before_anything_is_recorded(
    centre: TestCentre, field: str, moment: str
) -> None:
    await centre.add_cameras(camera("lane", city.GRID, node_id=NODE_ID))
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    await say(centre, NodeState.ONLINE)
    async with centre.signed_in("ruler") as client:
        odd = await ask(client, **{field: moment})
    assert (odd.status_code, odd.json()["code"]) == (422, "invalid")
    (problem,) = odd.json()["problems"]
    assert problem["where"] == f"body.{field}"
    assert f"expected a moment in the years 1 to 9999 of UTC, got {moment}" in problem["expected"]
    async with centre.database.reading() as conn:
        actions = (await conn.execute(select(audit_records.c.action))).scalars().all()
    assert "rule.tried" not in actions
