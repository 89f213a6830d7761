"""What the levels above cameras say: read for one camera, or for all of an area at once.

A camera that is in a running canary is told the version that is tried; the others the one that holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules.deciding import LevelState
from xueliang_central.camera_rules.inheriting import LevelDefaults
from xueliang_central.camera_rules.tables import rule_canary_cameras, rule_defaults
from xueliang_central.rights.scope import in_area

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Levels:
    """desired: area_code → settings. trying: camera_id → area_code → settings."""

    desired: Mapping[str, Json]
    trying: Mapping[str, Mapping[str, Json]]

    def above(self, camera_id: str, area_path: str, instead: Mapping[str, Json] | None = None) -> list[LevelDefaults]:
        """What a camera inherits from, the nearest level first. `instead`: what areas would say."""
        said = {**self.desired, **self.trying.get(camera_id, {}), **(instead or {})}
        return [LevelDefaults(code, said[code]) for code in reversed(area_path.split("/")) if code in said]


async def levels_of(conn: AsyncConnection, camera_id: str, area_path: str) -> list[LevelDefaults]:
    """What one camera inherits from, the nearest level first."""
    found = await _read(
        conn, rule_defaults.c.area_code.in_(area_path.split("/")), rule_canary_cameras.c.camera_id == camera_id
    )
    return found.above(camera_id, area_path)


async def levels_around(conn: AsyncConnection, area_path: str) -> Levels:
    """What the cameras of an area inherit from: the area, those above it and those below."""
    related = or_(rule_defaults.c.area_code.in_(area_path.split("/")), in_area(rule_defaults.c.area_path, area_path))
    return await _read(conn, related)


async def _read(conn: AsyncConnection, related: Any, *of_cameras: Any) -> Levels:
    said, tried = rule_defaults.c, rule_canary_cameras.c
    holding = select(said.area_code, said.settings).where(related, said.state == LevelState.DESIRED.value)
    desired = {row.area_code: row.settings for row in await conn.execute(holding)}
    running = (
        select(tried.camera_id, said.area_code, said.settings)
        .join(rule_canary_cameras, and_(tried.area_code == said.area_code, tried.version == said.version))
        .where(related, said.state == LevelState.TRYING.value, *of_cameras)
    )
    trying: dict[str, dict[str, Json]] = {}
    for row in await conn.execute(running):
        trying.setdefault(row.camera_id, {})[row.area_code] = row.settings
    return Levels(desired, trying)
