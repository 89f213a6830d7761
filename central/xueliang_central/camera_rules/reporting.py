"""What nodes say of their cameras' rules, kept: the newest of each camera, and told to who watches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.desired import ReportedRules
from xueliang_central.camera_rules.deciding import VersionState
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.camera_rules.views import tell
from xueliang_central.cameras.register import places_of

CLOCK_AHEAD: Final = timedelta(minutes=5)  # of a node whose clock is right
SENT_JUST_NOW: Final = timedelta(seconds=5)  # a report that crossed what was sent is no reason to send it again


async def store_report(conn: AsyncConnection, report: ReportedRules, at: datetime) -> bool:
    """Keep it. False: the register gives this camera to another node, or does not know it; nothing was kept.

    A report that is older than the one kept (a broker repeats) changes nothing. What the node lacks is sent again.
    """
    camera_id = report.camera_id
    place = (await places_of(conn, [camera_id])).get(camera_id)
    if place is None or place.node_id not in {None, report.node_id}:
        return False
    found = await conn.execute(select(rule_reports).where(rule_reports.c.camera_id == camera_id).with_for_update())
    before = found.mappings().one_or_none()
    if before is not None and _is_old(report, before):
        return True
    values = _values(report, at)
    if values["settings"] is None and before is not None and before["digest"] == report.running.digest:
        values["settings"] = before["settings"]  # said before: a digest is of these and no others
    if before is None:
        await conn.execute(insert(rule_reports), {"camera_id": camera_id, **values})
    else:
        await conn.execute(update(rule_reports).where(rule_reports.c.camera_id == camera_id).values(**values))
    is_news = before is None or any(before[name] != values[name] for name in _TELLS)
    await _send_what_it_lacks(conn, camera_id, values, at)
    if is_news:
        await tell(conn, camera_id, at)
    return True


def _is_old(report: ReportedRules, before: Mapping[Any, Any]) -> bool:
    """The one that is kept came later, unless its clock ran ahead: by its time all that follow would be old."""
    is_sound = before["at"] <= before["received_at"] + CLOCK_AHEAD
    return bool(is_sound and before["node_id"] == report.node_id and report.at < before["at"])


_TELLS: Final = ("node_id", "takes_rules", "node_version", "digest", "answer_version", "answer_at", "outcome")


def _values(report: ReportedRules, at: datetime) -> dict[str, Any]:
    running, answer = report.running, report.answer
    return {
        "node_id": report.node_id,
        "at": report.at,
        "received_at": at,
        "takes_rules": report.takes_rules,
        "node_version": running.version,
        "digest": running.digest,
        "source": running.source,
        "since": running.since,
        "by": running.by,
        "note": running.note,
        "settings": running.settings,
        "answer_version": answer.version if answer else None,
        "outcome": answer.outcome.value if answer else None,
        "answer_at": answer.at if answer else None,
        "problems": [one.model_dump(mode="json") for one in answer.problems] if answer else [],
        "notes": list(answer.notes) if answer else [],
    }


async def _send_what_it_lacks(conn: AsyncConnection, camera_id: str, values: dict[str, Any], at: datetime) -> None:
    if not values["takes_rules"]:
        return
    versions = rule_versions.c
    await conn.execute(
        update(rule_versions)
        .where(
            versions.camera_id == camera_id,
            versions.state == VersionState.DESIRED.value,
            versions.version > (values["answer_version"] or 0),
            versions.digest != values["digest"],
            versions.sent_at < at - SENT_JUST_NOW,
        )
        .values(unsent=True)
    )
