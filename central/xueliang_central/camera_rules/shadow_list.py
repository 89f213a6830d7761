"""Which rules are in the shadow, since when, and how often they would have raised; in a few queries."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, and_, cast, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules.deciding import RulesState, VersionState, state_of
from xueliang_central.camera_rules.shadowing import Count, shadow_rules, since
from xueliang_central.camera_rules.tables import rule_reports, rule_versions, shadow_counts
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.overview import iso
from xueliang_central.fleet.tables import nodes
from xueliang_central.store.among import among

Row = dict[str, Any]
IN_CHARGE: Final = (VersionState.RAN.value, VersionState.DESIRED.value, VersionState.REPLACED.value)
_RUNS_WHAT_IS_WANTED: Final = (RulesState.IN_FORCE, RulesState.AS_NODE)


async def rules_in_shadow(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Row]:
    """One row for each rule in the shadow, of the cameras that meet the conditions, by camera: what is wanted, or where
    nothing is, what its node runs."""
    wanted, reports = await _wanted(conn, *conditions), await _reports(conn, *conditions)
    ids = sorted({*wanted, *reports})
    history, counts = await _history(conn, ids), await _counts(conn, ids)
    waiting = await _waiting(conn, ids)
    found: list[Row] = []
    for camera in await _cameras(conn, ids):
        camera_id = camera["camera_id"]
        desired, report = wanted.get(camera_id), reports.get(camera_id)
        settings = (desired or report or {}).get("settings") or {}
        came = history[camera_id] if desired is not None else [(report["since"], settings)] if report else []
        found.extend(
            {
                **camera,
                "state": state_of(desired, report).value,
                "rule_id": rule["rule_id"],
                "hazard": rule["hazard"],
                "since": iso(since(rule["rule_id"], came)),
                "count": _count_view(counts.get((camera_id, rule["rule_id"])), rule),
                "waiting": waiting[camera_id],
            }
            for rule in shadow_rules(settings)
        )
    return found


def runs_what_is_wanted(desired: Row | None, report: Row | None) -> bool:
    """A rule that its node does not run cannot have been tried."""
    return state_of(desired, report) in _RUNS_WHAT_IS_WANTED


async def history_of(conn: AsyncConnection, camera_id: str) -> list[tuple[datetime, Row]]:
    """When each version came into force, and what it says; the newest first."""
    return (await _history(conn, [camera_id]))[camera_id]


async def waits_for_second(conn: AsyncConnection, camera_id: str) -> bool:
    return bool((await _waiting(conn, [camera_id]))[camera_id])


async def keep_count(
    conn: AsyncConnection, camera_id: str, rule: Row, count: Count, by: str, hours: float, at: datetime
) -> None:
    """In place of the one before."""
    its = shadow_counts.c
    await conn.execute(delete(shadow_counts).where(its.camera_id == camera_id, its.rule_id == rule["rule_id"]))
    row = {
        "camera_id": camera_id,
        "rule_id": rule["rule_id"],
        "rule": rule,
        "counted_at": at,
        "by_name": by,
        "asked_hours": hours,
        "answered_s": count.answered_s,
        "alerts": count.alerts,
        "alerts_per_day": count.alerts_per_day,
    }
    await conn.execute(insert(shadow_counts), row)


def _count_view(row: Row | None, rule: Row) -> Row | None:
    """None: never counted, or of another rule than it is now."""
    if row is None or row["rule"] != rule:
        return None
    return {
        "at": iso(row["counted_at"]),
        "by": row["by_name"],
        "asked_hours": row["asked_hours"],
        "answered_s": row["answered_s"],
        "alerts": row["alerts"],
        "alerts_per_day": row["alerts_per_day"],
    }


def _says_shadow(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """As each database writes it; what is read is looked at again."""
    text = cast(column, Text)
    return or_(text.like('%"shadow": true%'), text.like('%"shadow":true%'))


async def _wanted(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> dict[str, Row]:
    """By camera, those that say so."""
    query = (
        select(rule_versions)
        .join(cameras, cameras.c.camera_id == rule_versions.c.camera_id)
        .where(rule_versions.c.state == VersionState.DESIRED.value, _says_shadow(rule_versions.c.settings), *conditions)
    )
    return {row["camera_id"]: dict(row) for row in (await conn.execute(query)).mappings()}


async def _reports(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> dict[str, Row]:
    """By camera, of the node that has it now: those that say so where nothing else is wanted, and of what is wanted."""
    of_camera = and_(rule_versions.c.camera_id == cameras.c.camera_id, rule_versions.c.state == "desired")
    has_other = select(rule_versions.c.camera_id).where(of_camera).exists()
    says_so = _says_shadow(rule_versions.c.settings)
    is_wanted = select(rule_versions.c.camera_id).where(of_camera, says_so).exists()
    query = (
        select(rule_reports)
        .join(
            cameras,
            and_(cameras.c.camera_id == rule_reports.c.camera_id, cameras.c.node_id == rule_reports.c.node_id),
        )
        .where(or_(is_wanted, and_(~has_other, _says_shadow(rule_reports.c.settings))), *conditions)
    )
    return {row["camera_id"]: dict(row) for row in (await conn.execute(query)).mappings()}


async def _cameras(conn: AsyncConnection, ids: list[str]) -> list[Row]:
    query = (
        select(
            cameras.c.camera_id,
            cameras.c.name,
            cameras.c.area_code,
            cameras.c.node_id,
            nodes.c.state.label("node_state"),
        )
        .outerjoin(nodes, nodes.c.node_id == cameras.c.node_id)
        .where(among(conn, cameras.c.camera_id, ids))
        .order_by(cameras.c.name, cameras.c.camera_id)
    )
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def _history(conn: AsyncConnection, ids: list[str]) -> defaultdict[str, list[tuple[datetime, Row]]]:
    versions = rule_versions.c
    query = (
        select(versions.camera_id, versions.settings, versions.made_at, versions.decided_at)
        .where(among(conn, versions.camera_id, ids), versions.state.in_(IN_CHARGE))
        .order_by(versions.version.desc())
    )
    found: defaultdict[str, list[tuple[datetime, Row]]] = defaultdict(list)
    for row in (await conn.execute(query)).mappings():
        found[row["camera_id"]].append((row["decided_at"] or row["made_at"], row["settings"]))
    return found


async def _waiting(conn: AsyncConnection, ids: list[str]) -> defaultdict[str, list[Row]]:
    """Versions that wait for a second person, by camera."""
    versions = rule_versions.c
    query = (
        select(versions.camera_id, versions.version, versions.by_name)
        .where(among(conn, versions.camera_id, ids), versions.state == VersionState.PROPOSED.value)
        .order_by(versions.version)
    )
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in (await conn.execute(query)).mappings():
        found[row["camera_id"]].append({"version": row["version"], "by": row["by_name"]})
    return found


async def _counts(conn: AsyncConnection, ids: list[str]) -> dict[tuple[str, str], Row]:
    query = select(shadow_counts).where(among(conn, shadow_counts.c.camera_id, ids))
    return {(row["camera_id"], row["rule_id"]): dict(row) for row in (await conn.execute(query)).mappings()}
