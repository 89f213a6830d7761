"""What lies around a reported place: open incidents that may be the same, and rules that should have seen it.

A zone is drawn in a picture and not on the map, so "inside a watched zone" is said with what is known: a camera
within `WATCHED_WITHIN_M` has a rule for this hazard that was to raise at this time. Each is an example for a person to
look at, not a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Table, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.camera_rules.views import desired_of, report_of
from xueliang_central.fleet.overview import AWAY
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.folding import distance_m
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest.tables import gated_alerts
from xueliang_central.intake.nearest import Near, box_around
from xueliang_central.silences.tables import silenced_alerts
from xueliang_configs.schedules import Schedule

Row = dict[str, Any]

SAME_WITHIN_M: Final = 200.0  # people point at a place on a phone's map to some tens of metres
MOST_SAME: Final = 5
WATCHED_WITHIN_M: Final = 50.0
_RULE_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
SPOKE_BEFORE: Final = timedelta(minutes=15)  # ended so little before: the rule has seen it
SPOKE_AFTER: Final = timedelta(minutes=10)  # the dwell of most rules is shorter: later it is a miss, or another thing


@dataclass(frozen=True, slots=True)
class Same:
    """An open incident that a sighting may be about."""

    incident: Row
    distance_m: float


async def same_nearby(
    conn: AsyncConnection, hazard: str, place: tuple[float, float], in_scope: ColumnElement[bool]
) -> list[Same]:
    """Open incidents of the hazard near a place (longitude, latitude), nearest first; drills are no duplicates."""
    west, south, east, north = box_around(place, SAME_WITHIN_M)
    found = await conn.execute(
        select(incidents).where(
            incidents.c.hazard == hazard,
            incidents.c.state != State.CLOSED.value,
            incidents.c.drill.is_(False),
            incidents.c.longitude.between(west, east),
            incidents.c.latitude.between(south, north),
            in_scope,
        )
    )
    near = [Same(dict(row), distance_m(row["longitude"], row["latitude"], *place)) for row in found.mappings()]
    near = [one for one in near if one.distance_m <= SAME_WITHIN_M]
    return sorted(near, key=lambda one: (one.distance_m, one.incident["incident_id"]))[:MOST_SAME]


async def same_in_area(conn: AsyncConnection, hazard: str, middle: tuple[float, float], area_path: str) -> list[Same]:
    """The same without a position: of the whole area and below, newest first, with the distance from its middle."""
    found = await conn.execute(
        select(incidents)
        .where(
            incidents.c.hazard == hazard,
            incidents.c.state != State.CLOSED.value,
            incidents.c.drill.is_(False),
            or_(incidents.c.area_path == area_path, incidents.c.area_path.startswith(f"{area_path}/", autoescape=True)),
        )
        .order_by(incidents.c.opened_at.desc(), incidents.c.incident_id)
        .limit(MOST_SAME)
    )
    return [Same(dict(row), _apart_m(row, middle)) for row in found.mappings()]


def _apart_m(row: Any, place: tuple[float, float]) -> float:
    if row["longitude"] is None or row["latitude"] is None:
        return 0.0
    return distance_m(row["longitude"], row["latitude"], *place)


@dataclass(frozen=True, slots=True)
class Watching:
    """A rule that was to see a reported hazard."""

    near: Near
    rule_id: str
    rules_digest: str


async def silent_rules(conn: AsyncConnection, hazard: str, at: datetime, cameras: Iterable[Near]) -> list[Watching]:
    """Rules of these cameras that watch for the hazard at this time, and whose camera could see and told nothing."""
    silent: list[Watching] = []
    for near in cameras:
        if near.distance_m > WATCHED_WITHIN_M or near.looks_there is False:
            continue
        if await has_spoken(conn, near.camera_id, hazard, at):
            continue
        if await _is_blind(conn, near, at):
            continue
        settings, digest = await _rules_of(conn, near)
        silent += [Watching(near, rule_id, digest) for rule_id in watching(settings, hazard, at)]
    return silent


async def _is_blind(conn: AsyncConnection, near: Near, at: datetime) -> bool:
    """Its camera is at fault, or its node away: then no rule of it knows anything, and none has missed anything."""
    if await has_spoken(conn, near.camera_id, Hazard.CAMERA_FAULT.value, at):
        return True
    found = await conn.execute(select(nodes.c.state).where(nodes.c.node_id == near.node_id))
    return found.scalar_one_or_none() in AWAY


async def _rules_of(conn: AsyncConnection, near: Near) -> tuple[Sequence[Row], str]:
    """What the camera's node says it runs, else what the centre wants it to; empty where neither is known."""
    reported = await report_of(conn, near.camera_id, near.node_id)
    known = reported if reported is not None and reported["settings"] else await desired_of(conn, near.camera_id)
    if known is None or not known["settings"]:
        return [], ""
    rules = known["settings"].get("rules")
    return rules if isinstance(rules, list) else [], known["digest"]


def watching(rules: Iterable[Row], hazard: str, at: datetime) -> list[str]:
    """Ids of the rules (as written) that were to raise for the hazard at this time: none in the shadow, no drill.

    What a node reports of its rules is kept as it came: an entry that is no rule is passed over.
    """
    found = [
        rule.get("rule_id")
        for rule in rules
        if isinstance(rule, dict)
        and rule.get("hazard") == hazard
        and not rule.get("shadow")
        and not rule.get("drill")
        and _is_active(rule.get("schedule"), at)
    ]
    return list(dict.fromkeys(one for one in found if isinstance(one, str) and _RULE_ID.fullmatch(one)))


def _is_active(schedule: Row | None, at: datetime) -> bool:
    if schedule is None:
        return True
    try:
        return Schedule.model_validate(schedule).is_active(at)
    except ValidationError:  # of another release: whether it was to raise is not known, so nothing is held against it
        return False


async def has_spoken(conn: AsyncConnection, camera_id: str, hazard: str, at: datetime) -> bool:
    """Has the camera told of the hazard at about this time, whatever became of it? Also what a silence hides,
    and what is held until somebody signs for the camera."""
    for table in (alerts, silenced_alerts, gated_alerts):
        if (await conn.execute(_spoke(table, camera_id, hazard, at).limit(1))).first() is not None:
            return True
    return False


def _spoke(table: Table, camera_id: str, hazard: str, at: datetime) -> Any:
    return select(table.c.alert_id).where(
        table.c.camera_id == camera_id,
        table.c.hazard == hazard,
        table.c.began_at <= at + SPOKE_AFTER,
        or_(table.c.phase != Phase.CLEARED.value, table.c.ended_at >= at - SPOKE_BEFORE),
    )
