"""Rows of the flow's tables for tests that are not about the flow: what matters is named, the rest is filled in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, Float, Integer, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support.centres import START, TestCentre
from xueliang_central.areas.tree import path_by_code
from xueliang_central.camera_rules.tables import rule_copies, rule_defaults, rule_versions
from xueliang_central.cameras.tables import view_stills
from xueliang_central.cap.tables import cap_messages
from xueliang_central.clocks.limits import choose, rows_of
from xueliang_central.dispatch.seat_tables import seat_cases, seat_rows
from xueliang_central.dispatch.tables import tasks
from xueliang_central.evidence.tables import pictures
from xueliang_central.hand_overs.tables import hand_overs
from xueliang_central.incidents.tables import expected_pictures, incidents
from xueliang_central.intake.tables import sightings
from xueliang_central.lanes.tables import lanes
from xueliang_central.people.tables import shifts
from xueliang_central.silences.tables import calendar_proposals, silence_alerts, silenced_alerts, silences
from xueliang_central.store.metadata import JsonText, UtcDateTime


def _filler(column: Any, at: datetime) -> Any:
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return at
    if isinstance(kind, JsonText):
        return {}
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Integer | Float):
        return 1
    return "x"


def filled(table: Table, at: datetime = START, **named: Any) -> dict[str, Any]:
    """A whole row of `table`: every column that must have a value and is not named gets some value of its type."""
    needed = [column for column in table.columns if not column.nullable and column.name not in named]
    return {**{column.name: _filler(column, at) for column in needed}, **named}


async def add_incident(centre: TestCentre, area_code: str, *, still: str | None = None) -> str:
    """An open incident of an area, with one still expected; its id."""
    incident_id = str(uuid.uuid4())
    path = path_by_code(area_code)
    table, now = rows_of(centre.centre.policies), centre.centre.wall()
    row = filled(
        incidents,
        incident_id=incident_id,
        number=incident_id[:20],
        hazard="fire_lane_obstruction",
        severity=2,
        state="open",
        area_code=area_code,
        area_path=path,
        owner_level="grid",
        place_key=incident_id,
        camera_id="lane-east",
        place_class="residential",
        policy=choose(table, "fire_lane_obstruction", 2, "residential", "grid", now).as_json(),
        reason={"code": "lane_blocked", "text": "blocked", "about": {}},
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(incidents), row)
        if still is not None:
            await expect_still(conn, incident_id, path, still)
    return incident_id


async def add_lane(centre: TestCentre, lane_id: str, area_code: str) -> str:
    """A fire lane of an area, watched by no camera; its id."""
    row = filled(
        lanes,
        lane_id=lane_id,
        shape={"type": "LineString", "coordinates": [[117.0, 36.0], [117.001, 36.0]]},
        area_code=area_code,
        area_path=path_by_code(area_code),
        unit=f"unit of {lane_id}",
        duty_phone="0531-8000 0119",
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(lanes), row)
    return lane_id


async def add_hand_over(centre: TestCentre, code: str) -> str:
    """A note of this area's desk, by somebody who has gone."""
    note = str(uuid.uuid4())
    row = filled(
        hand_overs, hand_over_id=note, area_code=code, area_path=path_by_code(code), written_at=START, facts={}
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(hand_overs), row)
    return note


async def add_seat_row(centre: TestCentre, seat_id: str, incident_ids: Iterable[str]) -> str:
    """A row before this person, shown, in which these incidents wait to be judged; its id."""
    row_id = str(uuid.uuid4())
    row = filled(seat_rows, row_id=row_id, kind="batch", seat_id=seat_id, group_key="370102", shown_at=START)
    async with centre.database.transaction() as conn:
        opening = {one.incident_id: one.reopened_count for one in await conn.execute(select(incidents))}
        await conn.execute(insert(seat_rows), row)
        for incident_id in incident_ids:
            case: dict[str, Any] = {"incident_id": incident_id, "row_id": row_id}
            case["ask"] = f"judge:{opening[incident_id]}"
            await conn.execute(insert(seat_cases), filled(seat_cases, **case))
    return row_id


async def add_view_still(centre: TestCentre, camera_id: str, node_id: str, sha256: str) -> None:
    """A picture that is here becomes the still of a view of the camera, handed in by its node."""
    named = {"camera_id": camera_id, "view_id": "lane", "sha256": sha256, "node_id": node_id}
    async with centre.database.transaction() as conn:
        await conn.execute(insert(view_stills), filled(view_stills, centre.clock.at, **named))
        of_it = update(pictures).where(pictures.c.sha256 == sha256)
        await conn.execute(of_it.values(received_from=f"node:{node_id}"))


async def expect_still(conn: AsyncConnection, incident_id: str, area_path: str, sha256: str) -> None:
    row = filled(
        expected_pictures,
        sha256=sha256,
        alert_id=str(uuid.uuid4()),
        incident_id=incident_id,
        area_path=area_path,
        node_id="edge-01",
        kind="onset",
    )
    await conn.execute(insert(expected_pictures), row)


async def add_cap_message(centre: TestCentre, incident_id: str, area_code: str) -> str:
    """What was told to others of an incident; its identifier."""
    identifier = f"{incident_id}-1"
    named: dict[str, Any] = {
        "identifier": identifier,
        "incident_id": incident_id,
        "document": "<alert/>",
        "refers_to": [],
    }
    row = filled(cap_messages, area_code=area_code, area_path=path_by_code(area_code), **named)
    async with centre.database.transaction() as conn:
        await conn.execute(insert(cap_messages), row)
    return identifier


async def add_sighting(centre: TestCentre, area_code: str) -> str:
    """What a person has seen in an area; its id."""
    sighting_id = str(uuid.uuid4())
    named: dict[str, Any] = {
        "sighting_id": sighting_id,
        "alert_id": sighting_id,
        "idempotency_key": sighting_id,
        "cameras": [],
    }
    row = filled(sightings, area_code=area_code, area_path=path_by_code(area_code), **named)
    async with centre.database.transaction() as conn:
        await conn.execute(insert(sightings), row)
    return sighting_id


async def add_task(
    centre: TestCentre, incident_id: str, area_code: str, *, worker_id: str | None = None, state: str = "offered"
) -> str:
    """A task of an incident; its id."""
    task_id = str(uuid.uuid4())
    row = filled(
        tasks,
        task_id=task_id,
        incident_id=incident_id,
        state=state,
        area_code=area_code,
        area_path=path_by_code(area_code),
        worker_id=worker_id,
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(tasks), row)
    return task_id


async def add_silence(centre: TestCentre, area_code: str, *, owner: str | None = None) -> str:
    """A silence of an area for an hour; its id. `owner`: a user_id."""
    silence_id = str(uuid.uuid4())
    path = path_by_code(area_code)
    row = filled(
        silences,
        silence_id=silence_id,
        kind="silence",
        area_code=area_code,
        area_path=path,
        severities=[2, 3, 4],
        owner_id=owner or str(uuid.uuid4()),
        owner_path=path,
        ends_at=START + timedelta(hours=1),
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(silences), row)
    return silence_id


async def add_silenced_alert(centre: TestCentre, silence_id: str, area_code: str) -> str:
    """An alert in the book of a silence, hidden now; its id."""
    alert_id = str(uuid.uuid4())
    path = path_by_code(area_code)
    named: dict[str, Any] = {"alert_id": alert_id, "area_path": path, "silence_id": silence_id, "standing": "hidden"}
    async with centre.database.transaction() as conn:
        await conn.execute(insert(silenced_alerts), filled(silenced_alerts, **named))
        book: dict[str, Any] = {"silence_id": silence_id, "alert_id": alert_id, "why": {"code": "test"}}
        await conn.execute(insert(silence_alerts), filled(silence_alerts, **book))
    return alert_id


async def add_proposal(centre: TestCentre, area_code: str, *, camera_id: str = "lane-east") -> str:
    """An open proposal of an area; its id."""
    proposal_id = str(uuid.uuid4())
    row = filled(
        calendar_proposals,
        proposal_id=proposal_id,
        area_code=area_code,
        area_path=path_by_code(area_code),
        camera_id=camera_id,
        hazard="crowd",
        rule_id="many",
        weekly={"bands": [{"days": ["sat"], "start": "06:00", "until": "12:00"}]},
        ends_at=START + timedelta(days=30),
        closings=[{"incident_id": str(uuid.uuid4()), "number": "20261121-0001"}],
        state="open",
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(calendar_proposals), row)
    return proposal_id


async def add_rules(centre: TestCentre, camera_id: str) -> None:
    """Versions of a camera's rules: number 1, which a stranger has proposed, without rules; number 2, which is wanted,
    a rule in the shadow."""
    settings: dict[str, Any] = {"camera_id": camera_id, "place_class": "other", "look_every_s": None, "rules": []}
    row = filled(
        rule_versions,
        camera_id=camera_id,
        state="proposed",
        origin="centre",
        settings=settings,
        severities=["rule lane is taken out"],
        by_id=str(uuid.uuid4()),
    )
    trial = {"rule_id": "lane", "hazard": "crowd", "zone": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]], "shadow": True}
    wanted = filled(
        rule_versions,
        camera_id=camera_id,
        version=2,
        state="desired",
        origin="centre",
        settings=settings | {"rules": [trial]},
        severities=[],
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(rule_versions), row)
        await conn.execute(insert(rule_versions), wanted)


async def add_copy(centre: TestCentre, area_code: str) -> str:
    """A copy of rules to many cameras of an area, proposed by a stranger; its id."""
    row = filled(
        rule_copies,
        centre.clock.at,
        copy_id=str(uuid.uuid4()),
        area_path=path_by_code(area_code),
        state="planned",
        rules=[],
        by_id=str(uuid.uuid4()),
        severities=["rule lane is taken out (1)"],
        is_tried=False,
        was_promoted=False,
        spreading=False,
        band={},
        hazards=[],
        reasons=[],
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(rule_copies), row)
    return str(row["copy_id"])


async def add_level(centre: TestCentre, area_code: str) -> str:
    """What an area says for the rules of its cameras, proposed by a stranger: number 1; the area's code."""
    row = filled(
        rule_defaults,
        area_code=area_code,
        area_path=path_by_code(area_code),
        state="proposed",
        severities=["rule lane: milder"],
        by_id=str(uuid.uuid4()),
    )
    async with centre.database.transaction() as conn:
        await conn.execute(insert(rule_defaults), row)
    return area_code


async def add_leave(centre: TestCentre, user_id: str) -> None:
    """A leave of a year: that person is not sent and not told."""
    named: dict[str, Any] = {"kind": "leave", "starts_at": START, "ends_at": START + timedelta(days=365)}
    async with centre.database.transaction() as conn:
        await conn.execute(insert(shifts), filled(shifts, shift_id=str(uuid.uuid4()), user_id=user_id, **named))
