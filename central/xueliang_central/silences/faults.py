"""Faults of cameras as silences of a kind of their own: made by the centre, ended by what ended the fault.

Invariants
    - A fault's silence has the id of the fault's alert: each fault mutes once, also after somebody has ended that.
    - It ends with its alert, whatever that end was; when a person says that the fault was none; at the latest when the
      longest silence would. All of these make things louder.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.suppressing import MAY_BE_SILENCED, Kind, Silence, is_in_force, silence_of
from xueliang_central.incidents.tables import alerts
from xueliang_central.silences.service import close, record
from xueliang_central.silences.tables import OPEN, silences
from xueliang_central.store.among import among

Row = dict[str, Any]

BY: Final = "system"
_LONGEST_REASON: Final = 1000


async def begin(change: Change, fault: Row, area: Area) -> bool:
    """A fault mutes its camera from now on. False: it has done so before. `fault`: a row of `alerts`."""
    row: Row = {
        "silence_id": fault["alert_id"],
        "kind": Kind.FAULT.value,
        "area_code": area.code,
        "area_path": area.path,
        "camera_id": fault["camera_id"],
        "severities": list(MAY_BE_SILENCED),
        "hazards": list(change.rulebook.inhibition.hazards),
        "reason": fault["reason"]["text"][:_LONGEST_REASON],
        "owner_id": BY,
        "owner_name": BY,
        "owner_path": area.path,
        "starts_at": change.now,
        "ends_at": change.now + timedelta(seconds=change.rulebook.silencing.longest_s),
        "made_at": change.now,
        "version": 1,
    }
    dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
    made = await change.conn.execute(dialect.insert(silences).values(**row).on_conflict_do_nothing())
    if not made.rowcount:
        return False
    change.touch_silence(row["silence_id"])
    said = {name: row[name] for name in ("kind", "area_code", "camera_id", "hazards", "reason")}
    await record(change, BY, "silence.made", row["silence_id"], said)
    return True


async def end(change: Change, alert_ids: Collection[str], *, by: str = BY, note: str | None = None) -> None:
    """These faults are over; those of them that mute nothing any more are left as they are."""
    found = await change.conn.execute(
        select(silences)
        .where(among(change.conn, silences.c.silence_id, sorted(alert_ids)), text(OPEN))
        .order_by(silences.c.silence_id)
        .with_for_update()
    )
    for row in [dict(one) for one in found.mappings()]:
        await close(change, row, "ended", by=by, note=note)
        await record(change, by, "silence.ended", row["silence_id"], {} if note is None else {"note": note})


async def end_of(change: Change, incident_id: str, *, by: str) -> None:
    """A person has said that the fault of this incident is none."""
    found = await change.conn.execute(select(alerts.c.alert_id).where(alerts.c.incident_id == incident_id))
    if ids := list(found.scalars()):
        await end(change, ids, by=by)


async def in_force_at(conn: AsyncConnection, camera_ids: Collection[str], change: Change) -> dict[str, Silence]:
    """The faults that mute these cameras now, by camera; of several the one that began last."""
    found = await conn.execute(
        select(silences)
        .where(text(OPEN), silences.c.kind == Kind.FAULT.value, among(conn, silences.c.camera_id, sorted(camera_ids)))
        .order_by(silences.c.starts_at, silences.c.silence_id)
    )
    faults = [silence_of(dict(row)) for row in found.mappings()]
    return {one.camera_id: one for one in faults if one.camera_id is not None and is_in_force(one, change.now)}
