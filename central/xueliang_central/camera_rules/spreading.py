"""Brings what levels say to the cameras below them (bringing.py)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules import canaries
from xueliang_central.camera_rules.bringing import AT_ONCE, FAILED, Way
from xueliang_central.camera_rules.deciding import LevelState
from xueliang_central.camera_rules.defaults import record, set_values
from xueliang_central.camera_rules.following import Effect, follow
from xueliang_central.camera_rules.tables import rule_canary_cameras, rule_defaults
from xueliang_central.cameras.tables import cameras
from xueliang_central.rights.scope import in_area

BACK: Final = "canary rolled back: "  # the console says it in the language of the page
_OF_CANARY: Final = frozenset({LevelState.TRYING, LevelState.ROLLED_BACK})  # such versions go to its cameras only
LEFT_OUT_KEPT: Final = 500  # named with their reasons; more than a person goes through


async def _lot(conn: AsyncConnection, level: dict[str, Any]) -> list[str]:
    its, tried = cameras.c, rule_canary_cameras.c
    query = select(its.camera_id).where(
        in_area(its.area_path, level["area_path"]), its.camera_id > level["spread_after"]
    )
    if level["state"] in _OF_CANARY:
        of_version = (tried.area_code == level["area_code"], tried.version == level["version"])
        query = query.where(its.camera_id.in_(select(tried.camera_id).where(*of_version)))
    return list((await conn.execute(query.order_by(its.camera_id).limit(AT_ONCE))).scalars())


async def _bring(conn: AsyncConnection, level: dict[str, Any], camera_id: str, at: datetime) -> Effect | None:
    return await follow(conn, camera_id, level, _why(level), at)


def _failed(_level: dict[str, Any], camera_id: str) -> Effect:
    return Effect(camera_id, camera_id, None, left_out=FAILED)


async def _keep(
    conn: AsyncConnection,
    level: dict[str, Any],
    came: Sequence[tuple[str, Effect | None]],
    is_last: bool,
    at: datetime,
) -> None:
    changed, left_out = level["changed"], dict(level["left_out"])
    for camera_id, effect in came:
        if effect is None:
            continue
        changed += bool(effect.differences)
        if effect.left_out is not None and len(left_out) < LEFT_OUT_KEPT:
            left_out[camera_id] = effect.left_out
    values: dict[str, Any] = {"changed": changed, "left_out": left_out}
    if is_last:
        values |= {"spreading": False, "spread_at": at}
        await _record_end(conn, level, changed, len(left_out), at)
        await canaries.reached(conn, level["area_code"], level["version"], at)
    else:
        values["spread_after"] = came[-1][0]
    await set_values(conn, level["area_code"], level["version"], **values)


def _why(level: dict[str, Any]) -> str:
    """Of each camera's version; whose version it comes from is kept beside it."""
    return f"{BACK}{level['why']}" if level["state"] == LevelState.ROLLED_BACK else str(level["why"])


async def _record_end(conn: AsyncConnection, level: dict[str, Any], changed: int, left_out: int, at: datetime) -> None:
    detail = {"version": level["version"], "changed": changed, "left_out": left_out}
    await record(conn, level["by_name"], "rule_defaults.spread", level["area_code"], detail, at)


WAY: Final = Way(rule_defaults, "area_code", _lot, _bring, _failed, _keep)
