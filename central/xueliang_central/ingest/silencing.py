"""Alerts that a silence holds back: hidden, followed, let out (the decisions: `incidents.suppressing`).

Invariants
    - A new alert is hidden only by a silence that is in force now, and only when its place has no open incident: what
      belongs to a place that is being worked on joins it.
    - What is hidden is judged anew with every revision. What no silence in force means any more leaves for an incident
      in the same transaction; when only time has passed, the worker finds it within a second (`release`).
    - What was seen to be gone stays in the book of its silence and never asks. What ended otherwise counts as there
      until a later episode of the same camera and rule has been told, as everywhere (`members.summarise`).

Called with the group keys and incidents of the alerts locked (see `folding_in`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, insert, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Phase
from xueliang_central.errors import DatabaseConflict
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.grouping import Place
from xueliang_central.incidents.members import is_seen_clear
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.service import update_alerts
from xueliang_central.incidents.suppressing import Silence, Subject, choose, why_hidden, why_let_out
from xueliang_central.incidents.tables import alert_columns
from xueliang_central.silences import service
from xueliang_central.silences.tables import HIDDEN, silence_alerts, silenced_alerts
from xueliang_central.store.among import among

Row = dict[str, Any]

SILENCING: Final = By("system", "silencing")
GONE, HERE = "over", "hidden"
AT_ONCE: Final = 50  # alerts that are let out in one transaction: an ingest batch waits no longer than for its own
_OF_ALERT: Final = tuple(column.name for column in alert_columns())


@dataclass(slots=True)
class Sorted:
    """What becomes of the alerts of a transaction.

    Attributes:
        hidden: by alert_id, the silence that hides it from now on.
        let_out: those that were hidden and are no longer: which hid them, and why they leave.
    """

    hidden: dict[str, Silence] = field(default_factory=dict)
    let_out: dict[str, tuple[Silence, dict[str, object]]] = field(default_factory=dict)


async def known_hidden(conn: AsyncConnection, alert_ids: Collection[str]) -> dict[str, Row]:
    """The rows of those of these alerts that a silence hides, or hid until they were over."""
    found = await conn.execute(
        select(silenced_alerts).where(
            among(conn, silenced_alerts.c.alert_id, sorted(alert_ids)), silenced_alerts.c.standing.in_([HERE, GONE])
        )
    )
    return {row["alert_id"]: dict(row) for row in found.mappings()}


def as_alert(row: Row) -> Row:
    """A row of `silenced_alerts` as a row of `alerts` that belongs nowhere yet."""
    return {name: row[name] for name in _OF_ALERT}


async def lock(change: Change, hidden: Mapping[str, Row]) -> None:
    """Hold the rows that were read as hidden until the end of the transaction.

    Raises:
        DatabaseConflict: at least one has changed or left since; the transaction is run again.
    """
    if not hidden or change.conn.dialect.name != "postgresql":
        return  # one writer
    asked = [silenced_alerts.c[name] for name in ("alert_id", "standing", "revision", "silence_id")]
    query = select(*asked).where(silenced_alerts.c.alert_id.in_(sorted(hidden))).order_by(silenced_alerts.c.alert_id)
    now = {row["alert_id"]: dict(row) for row in (await change.conn.execute(query.with_for_update())).mappings()}
    if len(now) < len(hidden) or any(hidden[alert_id] | row != hidden[alert_id] for alert_id, row in now.items()):
        raise DatabaseConflict("a hidden alert has changed meanwhile")


async def sort_out(
    change: Change,
    waiting: Mapping[str, Row],
    hidden: Mapping[str, Row],
    routes: Mapping[str, Route],
    open_places: Collection[Place],
) -> Sorted:
    """Who is hidden from now on, and who is let out.

    Args:
        waiting: alerts that lie in no incident, with their new revisions: those that are new, and those of `hidden`.
        open_places: at which an incident is open that takes alerts in: what comes back there is never hidden.
    """
    sorted_ = Sorted()
    if not waiting:
        return sorted_
    possible = await service.in_force_for(change.conn, {routes[id_].area.path for id_ in waiting}, change.now)
    if not possible and not hidden:
        return sorted_
    hid = await service.by_id(change.conn, {row["silence_id"] for row in hidden.values()})
    for alert_id, row in waiting.items():
        subject = _subject(row, routes[alert_id])
        before = hid[hidden[alert_id]["silence_id"]] if alert_id in hidden else None
        silence = choose(subject, possible, change.now, hidden_by=before.silence_id if before else None)
        if before is not None and (is_seen_clear(row) or _is_past(row, hidden[alert_id])):
            sorted_.hidden[alert_id] = before
        elif silence is not None and _place(row, routes[alert_id]) not in open_places:
            sorted_.hidden[alert_id] = silence
        elif before is not None:
            sorted_.let_out[alert_id] = (before, why_let_out(before, subject, change.now))
    return sorted_


def _is_past(row: Row, before: Row) -> bool:
    """It ended unseen, and a later episode has been told since: heard of again, it asks nothing."""
    return bool(row["phase"] == Phase.CLEARED and before["standing"] == GONE)


def _place(row: Row, route: Route) -> Place:
    return (route.area.code, row["hazard"], row["drill"], row["camera_id"])


def _subject(row: Row, route: Route) -> Subject:
    names = ("camera_id", "node_id", "hazard", "rule_id", "severity", "drill")
    return Subject(**{name: row[name] for name in names}, area_path=route.area.path)


async def keep(
    change: Change,
    sorted_: Sorted,
    rows: Mapping[str, Row],
    hidden: Mapping[str, Row],
    routes: Mapping[str, Route],
) -> int:
    """Write what is hidden, with its silence's book; returns how many were not hidden before."""
    written: dict[str, Row] = {}
    for alert_id, silence in sorted_.hidden.items():
        written[alert_id] = {
            **rows[alert_id],
            "area_path": routes[alert_id].area.path,
            "silence_id": silence.silence_id,
            "standing": GONE if is_seen_clear(rows[alert_id]) else HERE,
        }
    fresh = [row for alert_id, row in written.items() if alert_id not in hidden]
    if fresh:
        await change.conn.execute(insert(silenced_alerts), fresh)
    changed = [row for id_, row in written.items() if id_ in hidden and any(hidden[id_][k] != row[k] for k in row)]
    if changed:
        await update_alerts(change.conn, silenced_alerts, changed)
    await _note_in_books(change, sorted_.hidden)
    await _let_later_ones_speak(change, written.values())
    for silence_id in sorted({row["silence_id"] for row in (*fresh, *changed)}):
        change.touch_silence(silence_id)
    return len(fresh)


async def _note_in_books(change: Change, hidden: Mapping[str, Silence]) -> None:
    rows = [
        {"silence_id": one.silence_id, "alert_id": alert_id, "hidden_at": change.now, "why": why_hidden(one)}
        for alert_id, one in hidden.items()
    ]
    if rows:
        dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
        await change.conn.execute(dialect.insert(silence_alerts).on_conflict_do_nothing(), rows)


async def _let_later_ones_speak(change: Change, rows: Iterable[Row]) -> None:
    """What ended unseen is over once the same camera and rule have told a later episode that is hidden as well."""
    pairs = sorted({(row["camera_id"], row["rule_id"]) for row in rows})
    if not pairs:
        return
    later = silenced_alerts.alias("later")
    same = [later.c[name] == silenced_alerts.c[name] for name in ("camera_id", "rule_id")]
    await change.conn.execute(
        update(silenced_alerts)
        .where(
            tuple_(silenced_alerts.c.camera_id, silenced_alerts.c.rule_id).in_(pairs),
            silenced_alerts.c.standing == HERE,
            silenced_alerts.c.phase == Phase.CLEARED.value,
            exists().where(*same, later.c.began_at > silenced_alerts.c.began_at),
        )
        .values(standing=GONE)
    )


async def show(change: Change, sorted_: Sorted, rows: Mapping[str, Row]) -> None:
    """After they were placed: what has left says where to and why, here and in its incident's timeline."""
    for alert_id, (silence, why) in sorted(sorted_.let_out.items()):
        incident_id = rows[alert_id]["incident_id"]
        await change.conn.execute(
            update(silenced_alerts)
            .where(silenced_alerts.c.alert_id == alert_id)
            .values(standing="left", left_at=change.now, incident_id=incident_id, why_left=why)
        )
        camera_id = rows[alert_id]["camera_id"]
        change.note(incident_id, "let_out", SILENCING, alert_id=alert_id, camera_id=camera_id, why=why)
        change.touch_silence(silence.silence_id)


async def is_any_to_let_out(conn: AsyncConnection, now: datetime) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    return bool(await service.hiding_past(conn, now))


async def to_let_out(conn: AsyncConnection, now: datetime, *, only: str | None = None) -> dict[str, Row]:
    """What is hidden by nothing that is in force, as rows of `silenced_alerts`, most severe first, `AT_ONCE` of it.

    `only`: of it this alert.
    """
    past = await service.hiding_past(conn, now)
    wanted = [silenced_alerts.c.alert_id == only] if only is not None else []
    found = await conn.execute(
        select(silenced_alerts)
        .where(text(HIDDEN), among(conn, silenced_alerts.c.silence_id, past), *wanted)
        .order_by(silenced_alerts.c.severity, silenced_alerts.c.first_received_at, silenced_alerts.c.alert_id)
        .limit(AT_ONCE)
    )
    return {row["alert_id"]: dict(row) for row in found.mappings()}
