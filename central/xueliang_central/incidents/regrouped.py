"""Merges and splits in the database: alerts change their incident, places follow them, and both are written down."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.grouping import HandPlace, forget_places, give_places, place_of
from xueliang_central.incidents.regrouping import owners_of
from xueliang_central.incidents.regrouping_tables import hand_places, regrouped_alerts, regroupings
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.service import with_trusted_times
from xueliang_central.incidents.shedding import is_collective
from xueliang_central.incidents.states import CloseReason, State
from xueliang_central.incidents.tables import alerts, expected_pictures, incidents
from xueliang_central.rights.scope import Actor

Row = dict[str, Any]
View = dict[str, Any]

_WHEN_AND_WHERE: Final = (
    "alert_id",
    "incident_id",
    "camera_id",
    "began_at",
    "observed_at",
    "first_received_at",
    "received_at",
    "clock_state",
)
AT_ONCE: Final = 500  # ids in one statement: both databases have a limit on parameters


async def move_alerts(change: Change, alert_ids: Sequence[str], into: Row) -> None:
    """These alerts and their stills are the other incident's from now on, seen by whoever sees that one."""
    values = {"incident_id": into["incident_id"], "area_path": into["area_path"]}
    for first in range(0, len(alert_ids), AT_ONCE):
        some = alert_ids[first : first + AT_ONCE]
        for table in (alerts, expected_pictures):
            await change.conn.execute(update(table).where(table.c.alert_id.in_(some)).values(**values))


async def write_down(
    change: Change, kind: str, actor: Actor, by: By, came_from: Row, into: Row, alert_ids: Sequence[str], **more: Any
) -> None:
    """One row of the history, with its alerts. `more`: further columns."""
    row = {
        "kind": kind,
        "from_incident_id": came_from["incident_id"],
        "into_incident_id": into["incident_id"],
        "at": change.now,
        "actor_id": actor.user_id,
        "actor_name": by.name,
        **more,
    }
    written = await change.conn.execute(insert(regroupings).values(**row).returning(regroupings.c.regrouping_id))
    regrouping_id = written.scalar_one()
    rows = [{"regrouping_id": regrouping_id, "alert_id": alert_id} for alert_id in alert_ids]
    if rows:
        await change.conn.execute(insert(regrouped_alerts), rows)


async def follow_places(
    change: Change, members: Sequence[Row], routes: dict[str, Route], cases: Sequence[Row], *, merged: Row | None = None
) -> None:
    """After a regrouping of these two: each of their cameras belongs to the one that has its latest alert.

    A camera whose latest alert is in a third open incident stays that one's.

    Args:
        members: of both; their alerts have been moved.
        cases: both, as they are now.
        merged: of these the one that is absorbed: the places it had been given go on to the other.
    """
    by_id = {case["incident_id"]: case for case in cases}
    route_of = {member["camera_id"]: routes[member["alert_id"]] for member in members}
    given: list[HandPlace] = []
    own: list[tuple[str, str, bool, str]] = []
    for camera_id, incident_id in sorted((await _owners(change, cases[0], sorted(route_of))).items()):
        if incident_id not in by_id:
            continue
        case, route = by_id[incident_id], route_of[camera_id]
        other = next((one for one in cases if one is not case), case)
        place = (route.area.code, case["hazard"], case["drill"], camera_id)
        if place == place_of(case) or is_collective(case["place_key"]):
            own.append(place)
        else:
            given.append(HandPlace(place, incident_id, route.longitude, route.latitude, other["number"]))
    if merged is not None:
        survivor = next(case for case in cases if case is not merged)
        values = {"incident_id": survivor["incident_id"], "by_way_of": merged["number"]}
        await change.conn.execute(
            update(hand_places).where(hand_places.c.incident_id == merged["incident_id"]).values(**values)
        )
    await give_places(change, given)
    await forget_places(change, own)


async def _owners(change: Change, case: Row, camera_ids: Sequence[str]) -> dict[str, str]:
    """By camera, the open incident of this hazard that has its latest alert."""
    found: list[Row] = []
    for first in range(0, len(camera_ids), AT_ONCE):
        query = (
            select(*(alerts.c[name] for name in _WHEN_AND_WHERE))
            .join(incidents, incidents.c.incident_id == alerts.c.incident_id)
            .where(
                alerts.c.camera_id.in_(camera_ids[first : first + AT_ONCE]),
                alerts.c.hazard == case["hazard"],
                alerts.c.drill == case["drill"],
                incidents.c.state != State.CLOSED.value,
            )
        )
        found += [dict(row) for row in (await change.conn.execute(query)).mappings()]
    return owners_of(with_trusted_times(found))


async def done_with_key(conn: AsyncConnection, actor: Actor, key: str) -> Row | None:
    """What this person's request with this key did, with its `alert_ids`."""
    query = select(regroupings).where(regroupings.c.actor_id == actor.user_id, regroupings.c.idempotency_key == key)
    row = (await conn.execute(query.order_by(regroupings.c.regrouping_id.desc()).limit(1))).mappings().one_or_none()
    if row is None:
        return None
    return {**row, "alert_ids": await _alerts_of(conn, row["regrouping_id"])}


async def _alerts_of(conn: AsyncConnection, regrouping_id: int) -> set[str]:
    query = select(regrouped_alerts.c.alert_id).where(regrouped_alerts.c.regrouping_id == regrouping_id)
    return set((await conn.execute(query)).scalars())


async def merge_of(conn: AsyncConnection, absorbed_id: str, into_id: str) -> Row | None:
    """The merge by which this incident is in the other now, with its `alert_ids`; None: it is not."""
    query = (
        select(regroupings, incidents.c.close_reason)
        .join(incidents, incidents.c.incident_id == regroupings.c.from_incident_id)
        .where(regroupings.c.from_incident_id == absorbed_id, regroupings.c.kind == "merge")
        .order_by(regroupings.c.regrouping_id.desc())
        .limit(1)
    )
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None or row["into_incident_id"] != into_id or row["close_reason"] != CloseReason.MERGED:
        return None
    return {**row, "alert_ids": await _alerts_of(conn, row["regrouping_id"])}


async def merged_into(conn: AsyncConnection, incident_ids: Collection[str]) -> dict[str, View]:
    """By id of an incident that was merged: {incident_id, number} of the one it is in."""
    if not incident_ids:
        return {}
    query = (
        select(regroupings.c.from_incident_id, incidents.c.incident_id, incidents.c.number)
        .join(incidents, incidents.c.incident_id == regroupings.c.into_incident_id)
        .where(regroupings.c.from_incident_id.in_(sorted(incident_ids)), regroupings.c.kind == "merge")
        .order_by(regroupings.c.regrouping_id)
    )
    found = await conn.execute(query)
    return {row[0]: {"incident_id": row[1], "number": row[2]} for row in found}


async def split_off(conn: AsyncConnection, incident_ids: Collection[str]) -> set[str]:
    """Those of these incidents into which a person has split alerts: what is there was said to be another thing."""
    if not incident_ids:
        return set()
    query = select(regroupings.c.into_incident_id).where(
        regroupings.c.into_incident_id.in_(sorted(incident_ids)), regroupings.c.kind == "split"
    )
    return set((await conn.execute(query)).scalars())


async def history_of(conn: AsyncConnection, incident_id: str) -> tuple[list[Row], list[Row]]:
    """Every regrouping of this incident, oldest first, and every one that moved an alert it has now.

    The second list has a row for each alert: the regrouping with its `alert_id`. Rows carry `from_number`,
    `into_number` and `from_close_reason`.
    """
    came_from, into = incidents.alias("came_from"), incidents.alias("went_into")
    asked: list[Any] = [
        regroupings,
        came_from.c.number.label("from_number"),
        came_from.c.close_reason.label("from_close_reason"),
        into.c.number.label("into_number"),
    ]
    joined = (
        select(*asked)
        .join(came_from, came_from.c.incident_id == regroupings.c.from_incident_id)
        .join(into, into.c.incident_id == regroupings.c.into_incident_id)
        .order_by(regroupings.c.regrouping_id)
    )
    mine = or_(regroupings.c.from_incident_id == incident_id, regroupings.c.into_incident_id == incident_id)
    history = [dict(row) for row in (await conn.execute(joined.where(mine))).mappings()]
    moved = (
        joined.add_columns(regrouped_alerts.c.alert_id)
        .join(regrouped_alerts, regrouped_alerts.c.regrouping_id == regroupings.c.regrouping_id)
        .join(alerts, alerts.c.alert_id == regrouped_alerts.c.alert_id)
        .where(alerts.c.incident_id == incident_id)
    )
    return history, [dict(row) for row in (await conn.execute(moved)).mappings()]
