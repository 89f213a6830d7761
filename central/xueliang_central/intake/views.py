"""Sightings and missed hazards as answers show them: what lies outside the asker's areas is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.cameras.register import places_of
from xueliang_central.incidents.views import area_view, at_text
from xueliang_central.intake.files import files_of
from xueliang_central.intake.nearby import Same, has_spoken
from xueliang_central.intake.nearest import Near
from xueliang_central.intake.service import incidents_of
from xueliang_central.intake.tables import missed_hazards, sightings
from xueliang_central.rights.scope import Actor, may_see
from xueliang_central.store.among import among

Row = dict[str, Any]
View = dict[str, Any]

_PLAIN = (
    "sighting_id",
    "channel",
    "by_name",
    "alert_id",
    "hazard",
    "severity",
    "drill",
    "longitude",
    "latitude",
    "text",
    "accuracy_m",
)


async def sighting_views(conn: AsyncConnection, tree: AreaTree, rows: Sequence[Row], actor: Actor) -> list[View]:
    """The given rows of `sightings`, in their order; that there is a number to call is said, the number is not."""
    cases = await incidents_of(conn, [row["alert_id"] for row in rows])
    ids = sorted({camera["camera_id"] for row in rows for camera in row["cameras"]})
    places = await places_of(conn, ids)
    seen = {camera_id: place for camera_id, place in places.items() if may_see(actor, place.area_path)}
    marked = await conn.execute(
        select(missed_hazards.c.sighting_id, missed_hazards.c.camera_id, missed_hazards.c.rule_id)
        .where(among(conn, missed_hazards.c.sighting_id, [row["sighting_id"] for row in rows]))
        .order_by(missed_hazards.c.distance_m, missed_hazards.c.camera_id, missed_hazards.c.rule_id)
    )
    missed: dict[str, list[View]] = {row["sighting_id"]: [] for row in rows}
    for row in marked.mappings():
        if row["camera_id"] in seen:
            missed[row["sighting_id"]].append({"camera_id": row["camera_id"], "rule_id": row["rule_id"]})
    files = await files_of(conn, [row["sighting_id"] for row in rows])
    return [
        {name: row[name] for name in _PLAIN}
        | files[row["sighting_id"]]
        | {
            "area": area_view(tree, row["area_code"]),
            "seen_at": at_text(row["seen_at"]),
            "received_at": at_text(row["received_at"]),
            "incident": incident_brief(cases.get(row["alert_id"]), actor),
            "cameras": [
                {**camera, "name": seen[camera["camera_id"]].name}
                for camera in row["cameras"]
                if camera["camera_id"] in seen
            ],
            "missed_by": missed[row["sighting_id"]],
            "call_back_until": at_text(row["call_back_until"]),
        }
        for row in rows
    ]


def incident_brief(case: Row | None, actor: Actor) -> View | None:
    """None: hidden by a silence, or outside the actor's areas."""
    if case is None or not may_see(actor, case["area_path"]):
        return None
    return {name: case[name] for name in ("incident_id", "number", "state", "close_reason")}


def nearby_view(same: Sequence[Same], near: Sequence[Near], actor: Actor) -> View:
    """What may be the same, and the cameras that may see the place."""
    names = ("incident_id", "number", "hazard", "severity", "state", "camera_name")
    return {
        "incidents": [
            {name: one.incident[name] for name in names}
            | {"distance_m": round(one.distance_m, 1), "opened_at": at_text(one.incident["opened_at"])}
            for one in same
        ],
        "cameras": [
            {name: getattr(one, name) for name in ("camera_id", "name", "distance_m", "bearing_deg", "looks_there")}
            for one in near
            if may_see(actor, one.area_path)
        ],
    }


async def missed_views(conn: AsyncConnection, rows: Sequence[Row]) -> list[View]:
    """The given rows of `missed_hazards`, in their order.

    `spoke_after_all`: the camera told of it within minutes after the sighting. `closed_as`: what the incident was
    in the end; a false alarm is no miss.
    """
    found = await conn.execute(
        select(sightings.c.sighting_id, sightings.c.alert_id).where(
            among(conn, sightings.c.sighting_id, sorted({row["sighting_id"] for row in rows}))
        )
    )
    alert_of = {row.sighting_id: row.alert_id for row in found}
    cases = await incidents_of(conn, list(alert_of.values()))
    views: list[View] = []
    for row in rows:
        case = cases.get(alert_of[row["sighting_id"]])
        plain = ("sighting_id", "camera_id", "rule_id", "rules_digest", "hazard", "distance_m", "why")
        views.append(
            {name: row[name] for name in plain}
            | {
                "seen_at": at_text(row["seen_at"]),
                "spoke_after_all": await has_spoken(conn, row["camera_id"], row["hazard"], row["seen_at"]),
                "closed_as": None if case is None else case["close_reason"],
            }
        )
    return views
