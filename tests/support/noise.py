"""Incidents with their alerts and judgements, as the flow would have written them, for tests of the noise board."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from tests.support.centres import TestCentre
from tests.support.rows import filled
from xueliang_central.areas.tree import path_by_code
from xueliang_central.incidents.folding import FoldingRule
from xueliang_central.incidents.tables import alerts, incident_timeline, incidents
from xueliang_central.noise import following, in_force
from xueliang_central.store.events import append

JUDGED = {
    "false_alarm": ("closed", "false_alarm"),
    "permitted": ("closed", "permitted"),
    "true_hazard": ("verified", "verified"),
    "unjudged": (None, None),
}


async def add_case(
    centre: TestCentre,
    area_code: str,
    camera_id: str,
    *,
    at: datetime,
    judged: str = "unjudged",
    rule_id: str = "lane",
    stood_s: Sequence[float] = (70.0,),
    gap_s: float = 20.0,
    drill: bool = False,
) -> str:
    """An incident whose alerts stood so long each, one after the other; its id."""
    incident_id, path = str(uuid.uuid4()), path_by_code(area_code)
    kind, reason = JUDGED[judged]
    case = filled(
        incidents,
        incident_id=incident_id,
        number=incident_id[:20],
        hazard="fire_lane_obstruction",
        state="open" if kind is None else "closed",
        drill=drill,
        area_code=area_code,
        area_path=path,
        place_key=incident_id,
        camera_id=camera_id,
        opened_at=at,
        closed_at=None if kind is None else at + timedelta(hours=1),
        close_reason=reason,
        alert_count=len(stood_s),
    )
    rows, began = [], at
    for long_s in stood_s:
        named: dict[str, Any] = {
            "camera_id": camera_id,
            "rule_id": rule_id,
            "hazard": "fire_lane_obstruction",
            "drill": drill,
        }
        times: dict[str, Any] = {"began_at": began, "raised_at": began, "ended_at": began + timedelta(seconds=long_s)}
        row = filled(alerts, alert_id=str(uuid.uuid4()), incident_id=incident_id, area_path=path, **named, **times)
        rows.append(row | {"end_reason": "seen_clear", "first_received_at": began})
        began += timedelta(seconds=long_s + gap_s)
    async with centre.database.transaction() as conn:
        await conn.execute(insert(incidents), case)
        await conn.execute(insert(alerts), rows)
        if kind is not None:
            said = {"incident_id": incident_id, "at": at, "actor_name": "x", "params": {}}
            kinds = ["confirmed", kind] if judged == "true_hazard" else [kind]
            for one in kinds:
                await conn.execute(insert(incident_timeline), {**said, "kind": one, "actor_kind": "user"})
        body = {"incident": {"incident_id": incident_id}}
        await append(conn, kind="incident", body=body, area_path=path, at=at)
    return incident_id


async def follow(centre: TestCentre) -> None:
    """What the worker does for the board."""
    folding: dict[str, FoldingRule] = {}
    async with centre.database.transaction() as conn:
        while await following.follow(conn, folding, centre.clock.wall()):
            pass
        while await in_force.follow(conn):
            pass
