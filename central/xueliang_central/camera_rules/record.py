"""What the centre knows of one rule of one camera in a stretch of time: alerts it has received, judged, with stills.

An alert is as its incident was judged: the people judge incidents, and an incident may hold several alerts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, Level, brief
from xueliang_central.incidents.judging import SPEAKING, judgement
from xueliang_central.incidents.looked import FRESH
from xueliang_central.incidents.states import CloseReason
from xueliang_central.incidents.tables import alerts, expected_pictures, incident_timeline, incidents
from xueliang_central.incidents.views import received
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.store.among import among

Row = Mapping[str, Any]

ALERTS_AT_MOST: Final = 500  # the newest: more than a person looks at
SEAT_PER_DAY: Final = 144  # one alarm in 10 minutes, round the clock: what one person judges steadily (EEMUA 191)
LOAD_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Recorded:
    """One alert as it was raised live. judged: one of `JUDGEMENTS`. sha256: of a still that is here; None: none is."""

    alert_id: str
    incident_id: str
    began_at: datetime
    raised_at: datetime
    ended_at: datetime | None
    judged: str
    sha256: str | None
    frame_size_wh: tuple[int, int] | None
    boxes_xyxyn: Sequence[Sequence[float]]


async def recorded_alerts(
    conn: AsyncConnection, actor: Actor, camera_id: str, rule_id: str, from_at: datetime, to_at: datetime
) -> list[Recorded]:
    """In their order, drills left out; of more than `ALERTS_AT_MOST` the newest."""
    its = alerts.c
    query = (
        select(alerts, incidents.c.close_reason, incidents.c.review)
        .join(incidents, incidents.c.incident_id == its.incident_id)
        .where(
            and_(its.camera_id == camera_id, its.rule_id == rule_id, its.drill.is_(False)),
            and_(its.began_at <= to_at, or_(its.ended_at.is_(None), its.ended_at >= from_at)),
            in_scope(incidents.c.area_path, actor),
        )
        .order_by(its.began_at.desc())
        .limit(ALERTS_AT_MOST)
    )
    rows = [dict(row) for row in (await conn.execute(query)).mappings()]
    said = await _entries_of(conn, {row["incident_id"] for row in rows})
    still_of = await _stills_of(conn, [row["alert_id"] for row in rows])
    return [
        _recorded(row, judgement(row, said.get(row["incident_id"], [])), still_of.get(row["alert_id"]))
        for row in reversed(rows)
    ]


def _recorded(row: Row, judged: str, still: str | None) -> Recorded:
    size = row["frame_size_wh"]
    return Recorded(
        alert_id=row["alert_id"],
        incident_id=row["incident_id"],
        began_at=row["began_at"],
        raised_at=row["raised_at"],
        ended_at=row["ended_at"],
        judged=judged,
        sha256=still,
        frame_size_wh=(size[0], size[1]) if size else None,
        boxes_xyxyn=row["boxes_xyxyn"] or (),
    )


async def _entries_of(conn: AsyncConnection, ids: set[str]) -> dict[str, list[Row]]:
    asked = incident_timeline.c
    query = (
        select(asked.incident_id, asked.kind, asked.actor_kind, asked.params)
        .where(among(conn, asked.incident_id, ids), asked.kind.in_(SPEAKING))
        .order_by(asked.entry_id)
    )
    found: dict[str, list[Row]] = {}
    for row in (await conn.execute(query)).mappings():
        found.setdefault(row["incident_id"], []).append({str(name): value for name, value in row.items()})
    return found


async def _stills_of(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """A still of each alert that has arrived."""
    query = (
        select(expected_pictures.c.alert_id, expected_pictures.c.sha256)
        .where(among(conn, expected_pictures.c.alert_id, ids), expected_pictures.c.kind != FRESH)
        .order_by(expected_pictures.c.named_at.desc(), expected_pictures.c.sha256)
    )
    rows = (await conn.execute(query)).all()
    here = await received(conn, [row.sha256 for row in rows])
    return {row.alert_id: row.sha256 for row in rows if row.sha256 in here}


async def seat_of(conn: AsyncConnection, tree: AreaTree, actor: Actor, area_code: str, at: datetime) -> dict[str, Any]:
    """Who would receive the alerts: the township of the camera (where it has none: its own area), what one seat can
    judge in a day, and how many incidents a day were opened there lately, as far as this actor sees them."""
    area = tree.ancestor_at(area_code, Level.TOWNSHIP) or tree.get(area_code)
    where = incidents.c
    query = select(func.count()).where(
        or_(where.area_path == area.path, where.area_path.startswith(f"{area.path}/", autoescape=True)),
        in_scope(where.area_path, actor),
        and_(where.opened_at >= at - timedelta(days=LOAD_DAYS), where.drill.is_(False)),
        or_(where.close_reason.is_(None), where.close_reason != CloseReason.MERGED.value),
    )
    count = (await conn.execute(query)).scalar_one()
    return {
        "area": brief(area),
        "alerts_per_day": SEAT_PER_DAY,
        "incidents_per_day": count / LOAD_DAYS,
        "days": LOAD_DAYS,
    }
