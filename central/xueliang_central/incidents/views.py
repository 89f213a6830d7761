"""Incidents as the API and the event stream show them: the JSON of the console.

A list costs the same few queries however long it is: incidents, their tasks, their running clocks, which pictures have
arrived, whose cameras see wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, brief
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.clocks.showing import hours_counted
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.tables import tasks
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents.camera_faults import camera_faults_of
from xueliang_central.incidents.moments import at_text as at_text
from xueliang_central.incidents.raised import raised_view
from xueliang_central.incidents.regrouped import history_of, merged_into
from xueliang_central.incidents.requested import shown as request_view
from xueliang_central.incidents.states import LIVE_TASK_STATES, CloseReason, State
from xueliang_central.incidents.supervised import supervision_view
from xueliang_central.incidents.tables import alerts, expected_pictures, incident_timeline, incidents
from xueliang_central.store.among import among

Row = dict[str, Any]
View = dict[str, Any]

MOST_SHOWN: Final = 200  # alerts, entries and stills with a case that may have grown for years; pages have the others
_MAY_BE_OLD: Final = frozenset({State.LONG_LIVED, State.CLOSED})  # nothing is split off these, so not all must be there
TOLD_ELSEWHERE: Final = (ClockKind.OVERSEE.value, ClockKind.DECIDE.value)
EVIDENCE: Final = "evidence"  # the kind of picture that nodes send


async def incident_views(conn: AsyncConnection, tree: AreaTree, rows: Sequence[Row]) -> list[View]:
    """The given rows of `incidents`, in their order."""
    ids = [row["incident_id"] for row in rows]
    task_of = await _tasks_of(conn, ids)
    clock_of = await _clocks_of(conn, ids)
    here = await received(conn, [row["picture"]["sha256"] for row in rows if row["picture"]])
    into = await merged_into(conn, [row["incident_id"] for row in rows if row["close_reason"] == CloseReason.MERGED])
    faults = await camera_faults_of(conn, rows)
    return [
        _incident(tree, row, task_of.get(row["incident_id"]), clock_of.get(row["incident_id"]), here)
        | {"merged_into": into.get(row["incident_id"]), "camera_fault": faults.get(row["incident_id"])}
        for row in rows
    ]


async def incident_views_by_id(conn: AsyncConnection, tree: AreaTree, ids: Iterable[str]) -> dict[str, View]:
    """By id; an id that does not exist is left out."""
    wanted = list(ids)
    if not wanted:
        return {}
    found = await conn.execute(select(incidents).where(among(conn, incidents.c.incident_id, wanted)))
    views = await incident_views(conn, tree, [dict(row) for row in found.mappings()])
    return {view["incident_id"]: view for view in views}


async def received(conn: AsyncConnection, shas: Sequence[str]) -> set[str]:
    """Which of these stills have arrived."""
    if not shas:
        return set()
    query = select(pictures.c.sha256).where(among(conn, pictures.c.sha256, shas), pictures.c.kind == EVIDENCE)
    return set((await conn.execute(query)).scalars())


async def _tasks_of(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, Row]:
    """The live task of each incident, else its latest; `handed_on_from`: the task that was handed on to it, or None."""
    found = await conn.execute(
        select(
            tasks.c.incident_id,
            tasks.c.task_id,
            tasks.c.state,
            tasks.c.worker_id,
            tasks.c.worker_name,
            tasks.c.help,
            tasks.c.checked_in,
            tasks.c.version,
            tasks.c.handed_on,
        )
        .where(among(conn, tasks.c.incident_id, ids))
        .order_by(tasks.c.offered_at, tasks.c.task_id)
    )
    chosen: dict[str, Row] = {}
    for row in found.mappings():
        before = chosen.get(row["incident_id"])
        if before is None or before["state"] not in LIVE_TASK_STATES:
            was_handed_on = before is not None and before["handed_on"] is not None
            chosen[row["incident_id"]] = {**row, "handed_on_from": before if was_handed_on else None}
    return chosen


async def _clocks_of(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, Row]:
    """The running clock of each incident that is due first, or was; one that is paused only where no other runs.

    That of a supervision is told with it (`supervised.py`), and of a request with the suspension.
    """
    found = await conn.execute(
        select(clocks)
        .where(
            among(conn, clocks.c.incident_id, ids), clocks.c.stopped_at.is_(None), clocks.c.kind.not_in(TOLD_ELSEWHERE)
        )
        .order_by(clocks.c.paused_at.is_(None), clocks.c.due_at.desc(), clocks.c.clock_id)
    )
    return {row["incident_id"]: dict(row) for row in found.mappings()}


def worker_view(task: Row) -> View | None:
    if task["worker_id"] is None:
        return None
    return {"user_id": task["worker_id"], "display_name": task["worker_name"]}


def area_view(tree: AreaTree, code: str) -> View:
    """The area with its path from the root, for breadcrumbs. An area that has gone since is shown by its code."""
    area = tree.find(code)
    if area is None:
        return {"code": code, "name": code, "name_en": code, "level": "", "path": []}
    return {**brief(area), "path": [brief(step) for step in tree.chain(code)]}


def _incident(tree: AreaTree, row: Row, task: Row | None, clock: Row | None, here: set[str]) -> View:
    picture = row["picture"]
    return {
        "incident_id": row["incident_id"],
        "number": row["number"],
        "hazard": row["hazard"],
        "severity": row["severity"],
        "state": row["state"],
        "drill": row["drill"],
        "area": area_view(tree, row["area_code"]),
        "place": {
            "camera_id": row["camera_id"],
            "camera_name": row["camera_name"],
            "longitude": row["longitude"],
            "latitude": row["latitude"],
            "place_class": row["place_class"],
        },
        "misplaced": row["misplaced"],
        "opened_at": at_text(row["opened_at"]),
        "updated_at": at_text(row["updated_at"]),
        "began_at": at_text(row["began_at"]),
        "last_observed_at": at_text(row["last_observed_at"]),
        "alert_count": row["alert_count"],
        "camera_count": row["camera_count"],
        "still_present": row["still_present"],
        "reason": row["reason"],
        "measures": row["measures"],
        "picture": None if picture is None else {**picture, "received": picture["sha256"] in here},
        "clock": None if clock is None else _clock(clock),
        "task": None if task is None else _task_brief(task),
        "owner_level": row["owner_level"],
        "urged": row["urged"],
        "messages": row["messages"],
        "suspension": request_view(row["suspension"]),
        "later_limit": request_view(row["later_limit"]),
        "supervision": supervision_view(row["supervision"]),
        "raised": raised_view(row["raised"]),
        "verified": row["verified"],
        "closed_at": at_text(row["closed_at"]),
        "close_reason": row["close_reason"],
        "review": row["review"],
        "version": row["version"],
    }


def _clock(clock: Row) -> View:
    return {
        "kind": clock["kind"],
        "started_at": at_text(clock["started_at"]),
        "due_at": at_text(clock["due_at"]),
        "breached": clock["breached_at"] is not None,
        "paused_at": at_text(clock["paused_at"]),
        "escalated_to": clock["escalated_to"],
        "counts": hours_counted(clock),
    }


def _task_brief(task: Row) -> View:
    return {
        "task_id": task["task_id"],
        "state": task["state"],
        "worker": worker_view(task),
        "help": task["help"],
        "checked_in": task["checked_in"],
        "handed_on_from": None if task["handed_on_from"] is None else worker_view(task["handed_on_from"]),
        "version": task["version"],
    }


async def incident_detail(
    conn: AsyncConnection, tree: AreaTree, row: Row, moves: Sequence[str], may_regroup: Sequence[str] = ()
) -> View:
    """One incident with its alerts and why each is here, timeline and stills, and what was merged and split.

    Of one that is kept open, or closed, the newest MOST_SHOWN of each, and how many are left out.
    """
    view = (await incident_views(conn, tree, [row]))[0]
    incident_id = row["incident_id"]
    most = MOST_SHOWN if row["state"] in _MAY_BE_OLD else None
    of_alerts = select(alerts).where(alerts.c.incident_id == incident_id)
    members, older_alerts = await _newest(conn, of_alerts, most, alerts.c.first_received_at, alerts.c.alert_id)
    members.sort(key=lambda member: (member["began_at"], member["alert_id"]))
    of_entries = select(incident_timeline).where(incident_timeline.c.incident_id == incident_id)
    entries, older_entries = await _newest(conn, of_entries, most, incident_timeline.c.entry_id)
    entries.sort(key=lambda entry: int(entry["entry_id"]))
    of_stills = select(expected_pictures).where(expected_pictures.c.incident_id == incident_id)
    stills, _ = await _newest(conn, of_stills, most, expected_pictures.c.named_at, expected_pictures.c.sha256)
    stills.sort(key=lambda still: (still["named_at"], still["sha256"]))
    here = await received(conn, [still["sha256"] for still in stills])
    oldest = of_alerts.order_by(alerts.c.began_at, alerts.c.alert_id).limit(1)
    first = next(iter(await _rows(conn, oldest)), None)
    history, moved = await history_of(conn, row["incident_id"])
    by_hand: dict[str, list[View]] = {member["alert_id"]: [] for member in members}
    for one in moved:
        by_hand.setdefault(one["alert_id"], []).append(_regrouping(one))
    return {
        **view,
        "alerts": [_alert(member) | {"moved": by_hand[member["alert_id"]]} for member in members],
        "alerts_left_out": older_alerts,
        "timeline": [_entry(entry) for entry in entries],
        "timeline_left_out": older_entries,
        "evidence": [_still(still, here) for still in stills],
        "why_folded": first["why_folded"] if first else None,
        "why_routed": row["why_routed"],
        "policy": row["policy"],
        "regroupings": _history(history, row["incident_id"]),
        "moves": list(moves),
        "may_regroup": list(may_regroup),
    }


async def _newest(conn: AsyncConnection, query: Select[Any], most: int | None, *by: Any) -> tuple[list[Row], int]:
    """All of them, or the newest `most`; and how many that leaves out."""
    if most is None:
        return await _rows(conn, query), 0
    rows = await _rows(conn, query.order_by(*(column.desc() for column in by)).limit(most))
    if len(rows) < most:
        return rows, 0
    total = (await conn.execute(select(func.count()).select_from(query.order_by(None).subquery()))).scalar_one()
    return rows, int(total) - len(rows)


async def page_of_alerts(
    conn: AsyncConnection, incident_id: str, before: tuple[datetime, str] | None, limit: int
) -> tuple[list[View], tuple[datetime, str] | None]:
    """Alerts of an incident, the last received first, and where the next page begins."""
    key = alerts.c.first_received_at, alerts.c.alert_id
    query = select(alerts).where(alerts.c.incident_id == incident_id)
    if before is not None:
        query = query.where(tuple_(*key) < before)
    rows = await _rows(conn, query.order_by(*(column.desc() for column in key)).limit(limit + 1))
    shown = rows[:limit]
    last = (shown[-1]["first_received_at"], shown[-1]["alert_id"]) if len(rows) > limit else None
    return [_alert(row) for row in shown], last


async def page_of_timeline(
    conn: AsyncConnection, incident_id: str, before: int | None, limit: int
) -> tuple[list[View], tuple[datetime, str] | None]:
    """Entries of an incident's timeline, the newest first, and where the next page begins."""
    query = select(incident_timeline).where(incident_timeline.c.incident_id == incident_id)
    if before is not None:
        query = query.where(incident_timeline.c.entry_id < before)
    rows = await _rows(conn, query.order_by(incident_timeline.c.entry_id.desc()).limit(limit + 1))
    shown = rows[:limit]
    last = (shown[-1]["at"], str(shown[-1]["entry_id"])) if len(rows) > limit else None
    return [_entry(row) for row in shown], last


async def _rows(conn: AsyncConnection, query: Any) -> list[Row]:
    return [dict(row) for row in (await conn.execute(query)).mappings()]


_ALERT_TIMES: Final = ("began_at", "raised_at", "observed_at", "ended_at", "emitted_at", "received_at")
_ALERT_PLAIN: Final = (
    "alert_id",
    "node_id",
    "revision",
    "phase",
    "end_reason",
    "camera_id",
    "hazard",
    "rule_id",
    "rule_version",
    "model_digest",
    "severity",
    "confidence",
    "clock_state",
    "boxes_xyxyn",
    "frame_size_wh",
    "measures",
    "reason",
    "drill",
    "why_folded",
)


def _alert(row: Row) -> View:
    return {name: row[name] for name in _ALERT_PLAIN} | {name: at_text(row[name]) for name in _ALERT_TIMES}


def _regrouping(row: Row) -> View:
    """A merge, a split, or one undone: who, when, from where to where, for which reason."""
    return {
        "kind": row["kind"],
        "at": at_text(row["at"]),
        "by": row["actor_name"],
        "from": {"incident_id": row["from_incident_id"], "number": row["from_number"]},
        "into": {"incident_id": row["into_incident_id"], "number": row["into_number"]},
        "reason_code": row["reason_code"],
        "note": row["note"],
    }


def _history(rows: Sequence[Row], incident_id: str) -> list[View]:
    """Oldest first. `may_undo`: the merge still stands, so that it can be split back from here."""
    last = {row["from_incident_id"]: row["regrouping_id"] for row in rows if row["kind"] == "merge"}
    return [
        _regrouping(row)
        | {
            "may_undo": row["into_incident_id"] == incident_id
            and row["from_close_reason"] == CloseReason.MERGED
            and last.get(row["from_incident_id"]) == row["regrouping_id"]
        }
        for row in rows
    ]


def _entry(row: Row) -> View:
    actor = {"kind": row["actor_kind"], "name": row["actor_name"]}
    return {"at": at_text(row["at"]), "kind": row["kind"], "actor": actor, "params": row["params"]}


def _still(row: Row, here: set[str]) -> View:
    plain = {name: row[name] for name in ("sha256", "alert_id", "node_id", "kind", "bytes")}
    return {**plain, "received": row["sha256"] in here, "removed_at": at_text(row["removed_at"])}
