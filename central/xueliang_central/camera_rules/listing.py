"""How the rules of many cameras stand, in a few queries however many there are."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules.deciding import VersionState, state_of
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.overview import iso
from xueliang_central.fleet.tables import nodes

Row = dict[str, Any]
_RAN = (VersionState.RAN.value, VersionState.DESIRED.value, VersionState.REPLACED.value)


async def standings(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Row]:
    """Every camera that meets the conditions, by name: state, versions, who waits, and whether its node speaks."""
    query = (
        select(
            cameras.c.camera_id,
            cameras.c.name,
            cameras.c.area_code,
            cameras.c.node_id,
            nodes.c.state.label("node_state"),
            nodes.c.last_seen_at,
        )
        .outerjoin(nodes, nodes.c.node_id == cameras.c.node_id)
        .where(*conditions)
        .order_by(cameras.c.name, cameras.c.camera_id)
    )
    found = [dict(row) for row in (await conn.execute(query)).mappings()]
    wanted, waiting = await _asked_for(conn, *conditions)
    reports = await _reports(conn, *conditions)
    newest = await _newest(conn, *conditions)
    running = await _running(conn, *conditions)
    return [
        _standing(row, wanted.get(row["camera_id"]), reports.get(row["camera_id"]), waiting[row["camera_id"]])
        | {"newest_version": newest.get(row["camera_id"], 0), "running_version": running.get(row["camera_id"])}
        for row in found
    ]


def _standing(camera: Row, desired: Row | None, report: Row | None, waiting: list[Row]) -> Row:
    is_refused = desired is not None and report is not None and report["answer_version"] == desired["version"]
    return {
        "camera_id": camera["camera_id"],
        "name": camera["name"],
        "area_code": camera["area_code"],
        "node_id": camera["node_id"],
        "node_state": None if camera["node_id"] is None else camera["node_state"] or "never_seen",
        "node_last_seen_at": iso(camera["last_seen_at"]),
        "state": state_of(desired, report).value,
        "desired_version": None if desired is None else desired["version"],
        "sent_at": None if desired is None else iso(desired["sent_at"]),
        "waiting_for_second": [{"version": one["version"], "by": one["by_name"]} for one in waiting],
        "problems": len(report["problems"]) if is_refused and report is not None else 0,
    }


async def _asked_for(
    conn: AsyncConnection, *conditions: ColumnElement[bool]
) -> tuple[dict[str, Row], defaultdict[str, list[Row]]]:
    """By camera: the version that is wanted, and those that wait for a second person."""
    versions = rule_versions.c
    query = (
        select(
            versions.camera_id, versions.version, versions.state, versions.digest, versions.sent_at, versions.by_name
        )
        .join(cameras, cameras.c.camera_id == versions.camera_id)
        .where(versions.state.in_([VersionState.DESIRED.value, VersionState.PROPOSED.value]), *conditions)
        .order_by(versions.version)
    )
    wanted: dict[str, Row] = {}
    waiting: defaultdict[str, list[Row]] = defaultdict(list)
    for row in (await conn.execute(query)).mappings():
        if row["state"] == VersionState.DESIRED.value:
            wanted[row["camera_id"]] = dict(row)
        else:
            waiting[row["camera_id"]].append(dict(row))
    return wanted, waiting


async def _reports(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> dict[str, Row]:
    """By camera, of the node that has it now; without the settings, which are large."""
    said = rule_reports.c
    query = (
        select(said.camera_id, said.digest, said.takes_rules, said.answer_version, said.outcome, said.problems)
        .join(cameras, and_(cameras.c.camera_id == said.camera_id, cameras.c.node_id == said.node_id))
        .where(*conditions)
    )
    return {row["camera_id"]: dict(row) for row in (await conn.execute(query)).mappings()}


async def _newest(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> dict[str, int]:
    versions = rule_versions.c
    query = (
        select(versions.camera_id, func.max(versions.version).label("newest"))
        .join(cameras, cameras.c.camera_id == versions.camera_id)
        .where(*conditions)
        .group_by(versions.camera_id)
    )
    return {row.camera_id: row.newest for row in await conn.execute(query)}


async def _running(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> dict[str, int]:
    """By camera: the newest version that says what its node runs; a camera whose node runs none of them is left out."""
    versions, said = rule_versions.c, rule_reports.c
    query = (
        select(versions.camera_id, func.max(versions.version).label("newest"))
        .join(rule_reports, and_(said.camera_id == versions.camera_id, said.digest == versions.digest))
        .join(cameras, and_(cameras.c.camera_id == said.camera_id, cameras.c.node_id == said.node_id))
        .where(versions.state.in_(_RAN), *conditions)
        .group_by(versions.camera_id)
    )
    return {row.camera_id: row.newest for row in await conn.execute(query)}
