"""The register of sources: which sensors and stations may speak, for which area, with which key."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.stations import SOURCE_PATTERN
from xueliang_central.areas.locating import locate
from xueliang_central.areas.tree import AreaTree
from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, MoveRefused
from xueliang_central.intake.signing import make_key, read_key
from xueliang_central.intake.tables import sources
from xueliang_central.rights.scope import within

Row = dict[str, Any]


async def source_of(conn: AsyncConnection, source_id: str) -> Row | None:
    """None: no such source."""
    found = await conn.execute(select(sources).where(sources.c.source_id == source_id))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


async def add_source(
    conn: AsyncConnection,
    tree: AreaTree,
    *,
    source_id: str,
    name: str,
    area_code: str,
    place: tuple[float, float] | None,
    at: datetime,
    by: str,
) -> Row:
    """Register a source. `place`: longitude, latitude of where it stands. Raises Conflict, MoveRefused, NotFound."""
    if not re.match(SOURCE_PATTERN, source_id):
        raise MoveRefused(f"source_id must match {SOURCE_PATTERN}, got {source_id[:40]!r}")
    if not 0 < len(name) <= 80 or not name.isprintable():
        raise MoveRefused("name must be 1 to 80 printable characters")
    area_path = tree.path_of(area_code)
    if place is not None:
        longitude, latitude = place
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
            raise MoveRefused("the place must be WGS84 degrees: LONGITUDE,LATITUDE")
        code = locate(tree, longitude, latitude).code
        if code is None or not within(tree.path_of(code), area_path):
            raise MoveRefused(f"the place belongs to area {code}, which is not in {area_code}")
    if await source_of(conn, source_id) is not None:
        raise Conflict(f"there is a source {source_id} already; --renew gives it a new key")
    row: Row = {
        "source_id": source_id,
        "name": name,
        "area_code": area_code,
        "area_path": area_path,
        "longitude": None if place is None else place[0],
        "latitude": None if place is None else place[1],
        "key_version": 1,
        "disabled": False,
        "registered_at": at,
        "last_heard_at": None,
    }
    await conn.execute(insert(sources), row)
    await _record(conn, source_id, "source.added", {"area": area_path}, by, at)
    return row


async def renew_key(conn: AsyncConnection, *, source_id: str, at: datetime, by: str) -> Row:
    """The next key version, of a source that was disabled also: the key before no longer works. Raises MoveRefused."""
    row = await _known(conn, source_id)
    values = {"key_version": row["key_version"] + 1, "disabled": False}
    await conn.execute(update(sources).where(sources.c.source_id == source_id).values(**values))
    await _record(conn, source_id, "source.key_renewed", {"key_version": values["key_version"]}, by, at)
    return row | values


async def disable(conn: AsyncConnection, *, source_id: str, at: datetime, by: str) -> None:
    """Nothing is taken from it any more. Raises MoveRefused."""
    await _known(conn, source_id)
    await conn.execute(update(sources).where(sources.c.source_id == source_id).values(disabled=True))
    await _record(conn, source_id, "source.disabled", {}, by, at)


async def _known(conn: AsyncConnection, source_id: str) -> Row:
    row = await source_of(conn, source_id)
    if row is None:
        raise MoveRefused(f"there is no source {source_id}")
    return row


async def _record(
    conn: AsyncConnection, source_id: str, action: str, detail: dict[str, Any], by: str, at: datetime
) -> None:
    await chain.record(conn, actor=by, action=action, object_kind="source", object_id=source_id, detail=detail, at=at)


def intake_key(path: Path) -> bytes:
    """The centre's intake key, made at the first use. Raises MoveRefused when the file cannot be read or made."""
    try:
        if not path.exists():
            make_key(path)
    except FileExistsError:
        pass  # another command was first, in this instant
    except OSError as error:
        raise MoveRefused(f"{path}: cannot be written: {error.strerror}") from error
    key = read_key(path)
    if key is None:
        raise MoveRefused(f"{path}: holds no intake key: 64 hexadecimal digits")
    return key
