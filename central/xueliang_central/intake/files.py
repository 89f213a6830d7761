"""Photos and voice notes of a worker's own report: uploaded before, by the same person, and named by the sighting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import MoveRefused
from xueliang_central.evidence.pictures import PictureKind
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.tables import alerts
from xueliang_central.intake.tables import sighting_files, sightings
from xueliang_central.rights.scope import Actor, Role, in_scope
from xueliang_central.store.among import among

Row = dict[str, Any]
View = dict[str, list[str]]

MAX_PHOTOS: Final = 6
MAX_VOICES: Final = 3
_NAMES: Final = {PictureKind.PHOTO.value: "photos", PictureKind.VOICE.value: "voices"}


async def name_files(change: Change, actor: Actor, sighting: Row, photos: Sequence[str], voices: Sequence[str]) -> None:
    """Raises MoveRefused for one that this person has not uploaded."""
    asked = [(PictureKind.PHOTO, one) for one in dict.fromkeys(photos)]
    asked += [(PictureKind.VOICE, one) for one in dict.fromkeys(voices)]
    if not asked:
        return
    own = select(pictures.c.kind, pictures.c.sha256).where(
        pictures.c.sha256.in_([sha256 for _, sha256 in asked]), pictures.c.received_from == actor.user_id
    )
    here = {(row.kind, row.sha256) for row in await change.conn.execute(own)}
    missing = sorted(sha256 for kind, sha256 in asked if (kind.value, sha256) not in here)
    if missing:
        raise MoveRefused("upload the photos and voice notes first", missing=missing)
    about = {name: sighting[name] for name in ("sighting_id", "area_path")}
    rows = [about | {"sha256": sha256, "kind": kind.value, "added_at": change.now} for kind, sha256 in asked]
    await change.conn.execute(insert(sighting_files), rows)


async def files_of(conn: AsyncConnection, sighting_ids: Sequence[str]) -> dict[str, View]:
    """By sighting: {photos, voices}, hashes in a fixed order; empty lists where there are none."""
    views: dict[str, View] = {sighting_id: {"photos": [], "voices": []} for sighting_id in sighting_ids}
    query = select(sighting_files).where(among(conn, sighting_files.c.sighting_id, sighting_ids))
    for row in (await conn.execute(query.order_by(sighting_files.c.sha256))).mappings():
        views[row["sighting_id"]][_NAMES[row["kind"]]].append(row["sha256"])
    return views


async def photos_of_case(conn: AsyncConnection, incident_id: str) -> list[str]:
    """Hashes of what was photographed for the reports that lie in this case now, in the order they came."""
    found = await conn.execute(
        _photos_in(alerts.c.incident_id == incident_id).order_by(sighting_files.c.added_at, sighting_files.c.sha256)
    )
    return list(dict.fromkeys(row.sha256 for row in found))


async def is_photo_of_cases(conn: AsyncConnection, sha256: str, incident_ids: Select[tuple[str]]) -> bool:
    """Whether a report that lies in one of these cases now has this photo."""
    named = _photos_in(alerts.c.incident_id.in_(incident_ids)).where(sighting_files.c.sha256 == sha256)
    return (await conn.execute(named.limit(1))).one_or_none() is not None


def _photos_in(cases: ColumnElement[bool]) -> Select[tuple[str]]:
    return (
        select(sighting_files.c.sha256)
        .join(sightings, sightings.c.sighting_id == sighting_files.c.sighting_id)
        .join(alerts, alerts.c.alert_id == sightings.c.alert_id)
        .where(cases, sighting_files.c.kind == PictureKind.PHOTO.value)
    )


async def is_shown_by_a_report(conn: AsyncConnection, kind: PictureKind, sha256: str, actor: Actor) -> bool:
    """For desks of the area; a worker sees the own ones, as whoever uploaded them."""
    if actor.role is Role.WORKER:
        return False
    named = select(sighting_files.c.sha256).where(
        sighting_files.c.sha256 == sha256,
        sighting_files.c.kind == kind.value,
        in_scope(sighting_files.c.area_path, actor),
    )
    return (await conn.execute(named.limit(1))).one_or_none() is not None
