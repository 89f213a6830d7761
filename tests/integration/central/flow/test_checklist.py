"""The checklist of a case: steps of its hazard, ticked with who and when, and never in the way of a judgement."""

from __future__ import annotations

from typing import Any

import httpx

from tests.integration.central.flow.stage import LI, MAYOR, STRANGER, WANG, HandClock, Stage, raised
from tests.integration.central.flow.test_http import Door, door
from xueliang_alerts.contract import Hazard
from xueliang_central.audit.tables import audit_records
from xueliang_configs.checklists import SHIPPED

__all__ = ["door"]  # a fixture

LANE = [step.step_id for step in SHIPPED[Hazard.FIRE_LANE_OBSTRUCTION]]


async def case(stage: Stage) -> dict[str, Any]:
    await stage.take(raised(1))
    return await stage.one_incident()


async def tick(client: httpx.AsyncClient, incident: dict[str, Any], key: str | None = None, **steps: bool) -> Any:
    body = {"steps": steps} | ({"idempotency_key": key} if key else {})
    return await client.post(f"/api/incidents/{incident['incident_id']}/checklist", json=body)


def ticks_told(shown: dict[str, Any]) -> list[dict[str, bool]]:
    entries = [entry for entry in shown["timeline"] if entry["kind"] == "checklist"]
    return [{step["step_id"]: step["done"] for step in entry["params"]["steps"]} for entry in entries]


async def test_ticks_are_told_with_who_and_when(stage: Stage, clock: HandClock, door: Door) -> None:
    incident = await case(stage)
    async with door.client(LI) as li, door.client(MAYOR) as mayor:
        shown = (await li.get(f"/api/incidents/{incident['incident_id']}")).json()
        assert [step["step_id"] for step in shown["checklist"]] == LANE
        assert all(not step["done"] and step["by"] is None for step in shown["checklist"])
        clock.forward(30)
        shown = (await tick(li, incident, service=True, width=True)).json()
        by_id = {step["step_id"]: step for step in shown["checklist"]}
        assert (by_id["service"]["done"], by_id["service"]["by"]) == (True, "Li")
        assert by_id["service"]["at"] == "2026-11-23T04:00:30.000Z"
        assert not by_id["unit"]["done"]
        clock.forward(30)
        shown = (await tick(mayor, incident, width=False, service=True)).json()  # the second was so already
    assert ticks_told(shown) == [{"service": True, "width": True}, {"width": False}]
    assert {step["step_id"]: step["by"] for step in shown["checklist"]}["width"] == "Mayor"
    assert shown["version"] == incident["version"]  # a judgement that is on its way goes through
    acts = [row for row in await stage.rows(audit_records) if row["action"] == "incident.checklist"]
    assert [(row["actor"], row["detail"]) for row in acts] == [
        ("li", {"service": True, "width": True}),
        ("mayor", {"width": False}),
    ]


async def test_the_same_again_is_no_second_entry(stage: Stage, door: Door) -> None:
    incident = await case(stage)
    async with door.client(LI) as li:
        for _ in range(2):
            assert (await tick(li, incident, key="k", service=True)).status_code == 200
        shown = (await tick(li, incident, service=True)).json()
    assert ticks_told(shown) == [{"service": True}]


async def test_what_is_no_step_or_no_longer_open_is_refused(stage: Stage, clock: HandClock, door: Door) -> None:
    incident = await case(stage)
    async with door.client(LI) as li, door.client(STRANGER) as stranger, door.client(WANG) as worker:
        assert (await tick(li, incident, lookalike=True)).status_code == 422  # of another hazard
        assert (await tick(stranger, incident, service=True)).status_code == 404
        assert (await tick(worker, incident, service=True)).status_code == 403
        await stage.judge(LI, incident["incident_id"], "false_alarm", incident["version"])
        assert (await tick(li, incident, service=True)).status_code == 200  # made before, gathered, and told now
        clock.forward(61)
        assert (await tick(li, incident, width=True)).status_code == 422
        shown = (await li.get(f"/api/incidents/{incident['incident_id']}")).json()
    assert (shown["may_tick"], ticks_told(shown)) == (False, [{"service": True}])
