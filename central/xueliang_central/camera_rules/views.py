"""A camera's rules as answers and events show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules.deciding import VersionState, state_of
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.overview import iso
from xueliang_central.store import events

Row = dict[str, Any]


async def report_of(conn: AsyncConnection, camera_id: str, node_id: str | None) -> Row | None:
    """What the node that has the camera now last said; None: nothing."""
    found = await conn.execute(
        select(rule_reports).where(rule_reports.c.camera_id == camera_id, rule_reports.c.node_id == node_id)
    )
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


async def desired_of(conn: AsyncConnection, camera_id: str) -> Row | None:
    versions = rule_versions.c
    found = await conn.execute(
        select(rule_versions).where(versions.camera_id == camera_id, versions.state == VersionState.DESIRED.value)
    )
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


def version_view(row: Row, *, with_settings: bool = False) -> dict[str, Any]:
    shown = {
        "version": row["version"],
        "state": row["state"],
        "origin": row["origin"],
        "digest": row["digest"],
        "why": row["why"],
        "made_at": iso(row["made_at"]),
        "by": row["by_name"],
        "restores": row["restores"],
        "level": None if row["level_code"] is None else {"code": row["level_code"], "version": row["level_version"]},
        "copy": row["copy_id"],
        "severity_changes": row["severities"],
        "decided_at": iso(row["decided_at"]),
        "decided_by": row["decided_by_name"],
        "decide_note": row["decide_note"],
        "sent_at": iso(row["sent_at"]),
        "live_why": row["live_why"],
    }
    return {**shown, "settings": row["settings"]} if with_settings else shown


def _report_view(row: Row) -> dict[str, Any]:
    answer = None
    if row["answer_version"] is not None:
        answer = {
            "version": row["answer_version"],
            "outcome": row["outcome"],
            "at": iso(row["answer_at"]),
            "problems": row["problems"],
            "notes": row["notes"],
        }
    return {
        "at": iso(row["at"]),
        "received_at": iso(row["received_at"]),
        "takes_rules": row["takes_rules"],
        "node_version": row["node_version"],
        "digest": row["digest"],
        "source": row["source"],
        "since": iso(row["since"]),
        "by": row["by"],
        "note": row["note"],
        "answer": answer,
    }


async def rules_body(conn: AsyncConnection, camera: Row) -> dict[str, Any]:
    """Without settings: these are asked for. `camera`: its row in the register."""
    camera_id, node_id = camera["camera_id"], camera["node_id"]
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, node_id)
    versions = rule_versions.c
    waiting = await conn.execute(
        select(rule_versions)
        .where(versions.camera_id == camera_id, versions.state == VersionState.PROPOSED.value)
        .order_by(versions.version)
    )
    newest = select(versions.version).where(versions.camera_id == camera_id).order_by(versions.version.desc()).limit(1)
    return {
        "camera_id": camera_id,
        "node_id": node_id,
        "state": state_of(desired, report).value,
        "newest_version": (await conn.execute(newest)).scalar_one_or_none() or 0,
        "desired": version_view(desired) if desired is not None else None,
        "proposed": [version_view(dict(row)) for row in waiting.mappings()],
        "reported": _report_view(report) if report is not None else None,
    }


async def tell(conn: AsyncConnection, camera_id: str, at: datetime) -> None:
    """Put the camera's rules as they are now on the stream, unless the camera has gone from the register."""
    found = await conn.execute(select(cameras).where(cameras.c.camera_id == camera_id))
    camera = found.mappings().one_or_none()
    if camera is None:
        return
    body = await rules_body(conn, dict(camera))
    await events.append(conn, kind="camera_rules", area_path=camera["area_path"], body={"camera_rules": body}, at=at)
