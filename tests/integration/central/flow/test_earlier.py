"""What was at a place before: the same camera or a few metres away, the same hazard, how each ended."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from tests.integration.central.flow.stage import CITY, LI, MAYOR, NOON, STRANGER, Stage, raised
from tests.integration.central.flow.test_http import Door, door
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.incidents.earlier import MOST_LOOKED_AT, MOST_TOLD
from xueliang_central.incidents.tables import incidents

__all__ = ["door"]  # a fixture

METRE = 1 / 111_320


async def happened(stage: Stage, like: dict[str, Any], hours_ago: float, **other: Any) -> str:
    """An incident like this one that was closed, so long before it opened."""
    number = await stage.count(incidents)
    opened_at = like["opened_at"] - timedelta(hours=hours_ago)
    row = like | {
        "incident_id": str(uuid.UUID(int=number)),
        "number": f"20261101-{number:04d}",
        "opened_at": opened_at,
        "closed_at": opened_at + timedelta(minutes=9),
        "state": "closed",
        "close_reason": "false_alarm",
    }
    async with stage.database.transaction() as conn:
        await conn.execute(insert(incidents).values(**(row | other)))
    return str(row["incident_id"])


async def case(stage: Stage) -> dict[str, Any]:
    await stage.take(raised(1))
    return await stage.one_incident()


async def test_ends_are_counted_and_the_newest_told_first(stage: Stage, door: Door) -> None:
    now = await case(stage)
    ends = ("verified", "false_alarm", "false_alarm", "permitted", "ended_by_itself")
    ids = [await happened(stage, now, hour, close_reason=end) for hour, end in enumerate(ends, start=1)]
    async with door.client(LI) as operator:
        told = (await operator.get(f"/api/incidents/{now['incident_id']}/earlier")).json()
    assert told["by_end"] == {"verified": 1, "false_alarm": 2, "permitted": 1, "ended_by_itself": 1}
    assert (told["total"], told["days"], told["is_cut"]) == (5, 30, False)
    assert [item["incident_id"] for item in told["items"]] == ids
    assert told["items"][0]["camera_name"] == "东巷"
    assert told["items"][0]["distance_m"] == 0
    audited = [row["object_id"] for row in await stage.rows(audit_records) if row["action"] == "incident.viewed"]
    assert audited == [now["incident_id"]]


async def test_only_this_hazard_here_and_in_these_days(stage: Stage, door: Door) -> None:
    now = await case(stage)
    beside = {"camera_id": "lane-new", "place_key": "lane-new", "latitude": now["latitude"] + 20 * METRE}
    near = await happened(stage, now, 1, **beside)
    unplaced = await happened(stage, now, 2, latitude=None, longitude=None)  # the same camera before it had a place
    open_still = await happened(
        stage, now, 3, **(beside | {"state": "open", "close_reason": None, "closed_at": None, "place_key": "x"})
    )
    await happened(stage, now, 1, **(beside | {"latitude": now["latitude"] + 30 * METRE}))
    await happened(stage, now, 1, hazard="crowd")
    await happened(stage, now, 1, drill=True)
    await happened(stage, now, 1, close_reason="merged")
    await happened(stage, now, 31 * 24)
    await happened(stage, now, -1)  # opened since
    async with door.client(MAYOR) as mayor:
        address = f"/api/incidents/{now['incident_id']}/earlier"
        told = (await mayor.get(address)).json()
        assert [item["incident_id"] for item in told["items"]] == [near, unplaced, open_still]
        assert [item["distance_m"] for item in told["items"]] == [20.0, 0.0, 20.0]
        assert told["by_end"] == {"false_alarm": 2, "open": 1}
        assert (await mayor.get(f"{address}?days=40")).json()["total"] == 4
        for days in (0, 91):
            assert (await mayor.get(f"{address}?days={days}")).status_code == 422


async def test_nothing_is_told_of_what_lies_outside_ones_areas(stage: Stage, door: Door) -> None:
    now = await case(stage)
    await happened(stage, now, 1, area_code=CITY, area_path=path_by_code(CITY))  # the camera was the city's then
    address = f"/api/incidents/{now['incident_id']}/earlier"
    async with door.client(LI) as li, door.client(MAYOR) as mayor, door.client(STRANGER) as stranger:
        assert (await li.get(address)).json()["total"] == 0
        assert (await mayor.get(address)).json()["total"] == 1
        assert (await stranger.get(address)).status_code == 404


async def test_a_camera_that_never_rests_is_cut_and_says_so(stage: Stage, door: Door) -> None:
    now = await case(stage)
    rows = [
        now
        | {"incident_id": str(uuid.UUID(int=n)), "number": f"x-{n}", "state": "closed", "close_reason": "false_alarm"}
        | {"opened_at": NOON - timedelta(minutes=n), "closed_at": NOON}
        for n in range(1, MOST_LOOKED_AT + 20)
    ]
    async with stage.database.transaction() as conn:
        await conn.execute(insert(incidents), rows)
    async with door.client(LI) as operator:
        told = (await operator.get(f"/api/incidents/{now['incident_id']}/earlier")).json()
    assert (told["total"], told["is_cut"]) == (MOST_LOOKED_AT, True)
    assert [item["number"] for item in told["items"]] == [f"x-{n}" for n in range(1, MOST_TOLD + 1)]
