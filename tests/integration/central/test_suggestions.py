"""Suggestions asked for at the centre: over a real broker to a node's real search and back, and why there are none."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from tests.integration.central.test_backtests import asking, say
from tests.integration.edge.scenes import NODE_ID
from tests.support import city
from tests.support.brokers import TestBroker, running_broker
from tests.support.centres import TestCentre, camera
from tests.support.rows import add_incident, filled
from tests.support.trying_node import DAY, Stood, keep_judged_days
from tests.unit.edge import observing
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.commands import BacktestCommand
from xueliang_alerts.contract import NodeState
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_central.audit.tables import audit_records
from xueliang_central.incidents.tables import alerts, incident_timeline, incidents
from xueliang_central.rights.scope import Role
from xueliang_edge.backtest.answering import KnownModel
from xueliang_edge.backtest.messages import Task
from xueliang_edge.backtest.requests import error_page, request_id_in
from xueliang_edge.backtest.serving import BacktestService

RULE = {"hazard": "fire_lane_obstruction", "dwell_s": 60, "clear_after_s": 3}
DRAFT = RULE | {"rule_id": "lane", "zone": observing.LANE}
MODEL = KnownModel("a" * 64, ("person", "car", "truck", "bus", "motorcycle", "bicycle"))


async def ask(client: httpx.AsyncClient, days: float = 7, **body: Any) -> httpx.Response:
    to_at = system_wall()
    stretch = {"from_at": (to_at - timedelta(days=days)).isoformat(), "to_at": to_at.isoformat()}
    return await client.post("/api/cameras/lane/suggestions", json={"rule": DRAFT} | stretch | body)


async def judge(centre: TestCentre, one: Stood) -> tuple[str, str]:
    """An alert that was raised live for what stood there, judged so; its id and its incident's."""
    incident_id, alert_id = await add_incident(centre, city.GRID), str(uuid.uuid4())
    confirmed = {"at": one.until_at, "kind": "confirmed", "actor_kind": "user", "actor_name": "operator", "params": {}}
    row = filled(
        alerts,
        alert_id=alert_id,
        incident_id=incident_id,
        camera_id="lane",
        rule_id="lane",
        began_at=one.since_at,
        raised_at=one.since_at + timedelta(seconds=60),
        ended_at=one.until_at,
        boxes_xyxyn=[],
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(alerts), row)
        if one.verdict == "true":
            await conn.execute(insert(incident_timeline), confirmed | {"incident_id": incident_id})
        reason = "verified" if one.verdict == "true" else "false_alarm"
        closed = {"state": "closed", "close_reason": reason, "opened_at": one.since_at}
        await conn.execute(update(incidents).where(incidents.c.incident_id == incident_id).values(closed))
    return alert_id, incident_id


@contextmanager
def searching_node(broker: TestBroker, folder: Path) -> Iterator[BacktestService]:
    """The service of a node, with its child processes and the log in `folder`."""
    watched = observing.camera(DRAFT)

    def task_of(command: BacktestCommand) -> Task:
        return Task(command, watched, ("lane",), {"objects": MODEL}, folder)

    link = broker.node_link(NODE_ID)
    service = BacktestService(NODE_ID, link, task_of, wall=system_wall, mono=system_mono)
    service.start()
    try:
        yield service
    finally:
        service.close()


@pytest.mark.timeout(150)
async def test_what_was_judged_is_searched_and_each_true_alert_that_would_be_lost_has_its_incident(
    centre: TestCentre, tmp_path: Path
) -> None:
    stood = keep_judged_days(tmp_path / "log", system_wall().replace(microsecond=0) - 4 * DAY, 4)
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker, searching_node(broker, tmp_path / "log"):
        async with asking(centre, broker) as client:
            incident_of = dict([await judge(centre, one) for one in stood])
            told = await ask(client)
            few = await ask(client, days=0.5)
            one_day = await ask(client, days=1.5)
            other = await ask(client, rule=DRAFT | {"rule_id": "another"})
        async with centre.database.reading() as conn:
            actions = list((await conn.execute(select(audit_records.c.action))).scalars())
    assert told.status_code == 200, told.text
    answer = told.json()
    whole, *proposals = answer["rows"]
    assert (answer["node_id"], answer["left_out"], answer["judged_left_out"]) == (NODE_ID, 0, 0)
    assert {one["alert_id"]: one["incident_id"] for one in answer["record"]} == incident_of
    assert (whole["kind"], whole["false_searched"], whole["false_checked"], whole["true"]) == ("suggestions", 4, 4, 4)
    assert len(whole["days_searched"]) == len(whole["days_checked"]) == 2
    best = proposals[0]
    assert (best["gone_searched"], best["gone_checked"], best["lost"]) == (4, 4, [])
    [longer] = [one for one in proposals if one["settings"] == {"dwell_s": 180.0}]
    [lost] = longer["lost"]
    assert incident_of[lost["alert_id"]]  # the last one, which stood for 170 s
    assert {one["code"] for one in (few.json(), one_day.json(), other.json())} == {"not_enough_judged"}
    assert (few.status_code, few.json()["false_alarms"], few.json()["needed_days"]) == (422, 0, 2)
    assert (one_day.json()["false_alarms"], one_day.json()["days"]) == (2, 1)
    assert actions.count("rule.suggestions_asked") == 1  # what cannot be searched never reached the node


async def test_a_node_that_is_too_old_away_or_silent_is_said(centre: TestCentre, tmp_path: Path) -> None:
    now = system_wall().replace(microsecond=0)
    centre.centre.backtests._search_first_page_s = 2.0
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        async with asking(centre, broker) as client:
            for days in (1, 2):
                since_at = now - days * DAY
                await judge(centre, Stood(since_at, since_at + timedelta(seconds=200), observing.CAR, "false"))
            silent = await ask(client)
            link = broker.node_link(NODE_ID)

            def refuse(incoming: Incoming) -> None:
                """As a node of before the field does, word for word."""
                incoming.acknowledge()
                why = "command: suggest_from: Extra inputs are not permitted"
                link.publish(node_topic(NODE_ID, Leaf.RESULTS), error_page(request_id_in(incoming.payload), why))

            link.subscribe(node_topic(NODE_ID, Leaf.COMMANDS), refuse)
            await asyncio.sleep(0.5)  # for its subscription: nothing says when the broker has it
            old = await ask(client)
            await say(centre, NodeState.LOST)
            lost = await ask(client)
    assert (silent.status_code, silent.json()["code"]) == (424, "node_silent")
    assert (old.status_code, old.json()["code"]) == (422, "node_too_old")
    assert f"node {NODE_ID} is of an older release" in old.json()["detail"]
    assert (lost.status_code, lost.json()["code"]) == (424, "node_away")


async def test_who_may_not_try_rules_or_not_see_the_camera_is_refused(centre: TestCentre) -> None:
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane", city.GRID, node_id=NODE_ID))
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    await centre.add_user("neighbour", Role.RULE_OPERATOR, city.NORTH)
    await centre.add_user("operator", Role.OPERATOR, city.WEST)
    answers: dict[str, httpx.Response] = {}
    async with centre.signed_in("ruler") as client:
        answers["unheard"] = await ask(client)
        answers["bad rule"] = await ask(client, rule=DRAFT | {"dwel_s": 5})
        answers["no time"] = await ask(client, from_at=None)
        answers["missing"] = await client.post(
            "/api/cameras/nobody/suggestions",
            json={"rule": DRAFT, "from_at": "2026-11-01T00:00:00Z", "to_at": "2026-11-02T00:00:00Z"},
        )
    async with centre.signed_in("neighbour") as client:
        answers["foreign"] = await ask(client)
    async with centre.signed_in("operator") as client:
        answers["forbidden"] = await ask(client)
    assert {name: one.status_code for name, one in answers.items()} == {
        "unheard": 424,
        "bad rule": 422,
        "no time": 422,
        "missing": 404,
        "foreign": 404,
        "forbidden": 403,
    }
    assert "dwel_s" in answers["bad rule"].json()["detail"]
    async with centre.database.reading() as conn:
        actions = list((await conn.execute(select(audit_records.c.action))).scalars())
    assert "rule.suggestions_asked" not in actions
