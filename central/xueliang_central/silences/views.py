"""Silences, what they hide, and proposals as the API and the event stream show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, code_of_path
from xueliang_central.cameras.tables import cameras
from xueliang_central.incidents.suppressing import is_in_force, silence_of
from xueliang_central.incidents.views import area_view, at_text
from xueliang_central.silences.tables import silence_alerts, silenced_alerts

Row = dict[str, Any]
View = dict[str, Any]

_PLAIN: Final = ("silence_id", "kind", "camera_id", "node_id", "hazard", "hazards", "rule_id", "severities", "reason")


def state_of(row: Row, now: datetime) -> str:
    """planned | active | expired | ended. Past its end and not closed yet (the worker is about to): expired."""
    if row["closed_at"] is not None:
        return str(row["close_reason"])
    if now >= row["ends_at"]:
        return "expired"
    return "active" if now >= row["starts_at"] else "planned"


async def silence_views(conn: AsyncConnection, tree: AreaTree, rows: Sequence[Row], now: datetime) -> list[View]:
    """The given rows of `silences`, in their order, each with what it hides and has hidden.

    `camera_name` is that of the register; null: about no camera, or about one that is not registered.
    """
    counts = await _counts(conn, [row["silence_id"] for row in rows])
    named = {row["camera_id"] for row in rows if row["camera_id"] is not None}
    query = select(cameras.c.camera_id, cameras.c.name).where(cameras.c.camera_id.in_(named))
    names = {row.camera_id: row.name for row in await conn.execute(query)} if named else {}
    return [
        _silence(tree, row, counts.get(row["silence_id"], {}), now) | {"camera_name": names.get(row["camera_id"])}
        for row in rows
    ]


async def _counts(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """By silence: all it has ever hidden, and by where those are now."""
    found = await conn.execute(
        select(silence_alerts.c.silence_id, silenced_alerts.c.silence_id, silenced_alerts.c.standing, func.count())
        .join(silenced_alerts, silenced_alerts.c.alert_id == silence_alerts.c.alert_id)
        .where(silence_alerts.c.silence_id.in_(list(ids)))
        .group_by(silence_alerts.c.silence_id, silenced_alerts.c.silence_id, silenced_alerts.c.standing)
    )
    counts: dict[str, dict[str, int]] = {}
    for silence_id, hidden_by, standing, total in found:
        mine = counts.setdefault(silence_id, {})
        mine["total"] = mine.get("total", 0) + total
        where = standing if hidden_by == silence_id else "passed_on"  # another silence hides it now, or did last
        mine[where] = mine.get(where, 0) + total
    return counts


def _silence(tree: AreaTree, row: Row, counts: dict[str, int], now: datetime) -> View:
    owner_area = area_view(tree, code_of_path(row["owner_path"]))
    return {name: row[name] for name in _PLAIN} | {
        "state": state_of(row, now),
        "in_force": is_in_force(silence_of(row), now),
        "area": area_view(tree, row["area_code"]),
        "owner": {"user_id": row["owner_id"], "display_name": row["owner_name"], "level": owner_area["level"]},
        "starts_at": at_text(row["starts_at"]),
        "ends_at": at_text(row["ends_at"]),
        "weekly": row["weekly"],
        "made_at": at_text(row["made_at"]),
        "proposal_id": row["proposal_id"],
        "closed_at": at_text(row["closed_at"]),
        "closed_by": row["closed_by"],
        "close_note": row["close_note"],
        "alerts": {name: counts.get(name, 0) for name in ("total", "hidden", "over", "left", "passed_on")},
        "version": row["version"],
    }


_ALERT_PLAIN: Final = (
    "alert_id",
    "node_id",
    "camera_id",
    "hazard",
    "rule_id",
    "revision",
    "phase",
    "end_reason",
    "severity",
    "confidence",
    "measures",
    "reason",
    "incident_id",
    "why_left",
    "standing",
)
_ALERT_TIMES: Final = ("began_at", "raised_at", "observed_at", "ended_at", "received_at", "left_at", "hidden_at")


def alert_view(row: Row, silence_id: str) -> View:
    """One alert in the book of a silence: a row of `silenced_alerts` with `hidden_at` and `why` of the book.

    `standing` hidden | over (seen to be gone, or told again since) | left (see incident_id) | passed_on.
    """
    view = {name: row[name] for name in _ALERT_PLAIN} | {name: at_text(row[name]) for name in _ALERT_TIMES}
    if row["silence_id"] != silence_id:
        view |= {"standing": "passed_on", "incident_id": None, "why_left": None, "left_at": None}
    return view | {"why_hidden": row["why"]}


_PROPOSAL_PLAIN: Final = (
    "proposal_id",
    "camera_id",
    "camera_name",
    "hazard",
    "rule_id",
    "weekly",
    "closings",
    "state",
    "decided_by",
    "note",
    "silence_id",
    "version",
)


def proposal_view(tree: AreaTree, row: Row) -> View:
    """A row of `calendar_proposals`; `closings` is the why."""
    times = {name: at_text(row[name]) for name in ("made_at", "decided_at", "ends_at")}
    return {name: row[name] for name in _PROPOSAL_PLAIN} | times | {"area": area_view(tree, row["area_code"])}
