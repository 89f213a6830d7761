"""Brings what levels say to the cameras below them, a lot at a time, each lot in one transaction with how far it is.

Several workers share it: a version that one of them works on is left to that one (PostgreSQL).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules import canaries
from xueliang_central.camera_rules.deciding import LevelState
from xueliang_central.camera_rules.defaults import record, set_values
from xueliang_central.camera_rules.following import follow
from xueliang_central.camera_rules.tables import rule_canary_cameras, rule_defaults
from xueliang_central.cameras.tables import cameras
from xueliang_central.rights.scope import in_area
from xueliang_central.store.claims import skip_taken

BACK: Final = "canary rolled back: "  # the console says it in the language of the page
AT_ONCE: Final = 5  # cameras of a transaction: each takes 10 ms of SQLite's one writer (measured, three rules)
_OF_CANARY: Final = frozenset({LevelState.TRYING, LevelState.ROLLED_BACK})  # such versions go to its cameras only
LEFT_OUT_KEPT: Final = 500  # named with their reasons; more than a person goes through


async def is_any_spreading(conn: AsyncConnection) -> bool:
    found = await conn.execute(select(rule_defaults.c.area_code).where(rule_defaults.c.spreading).limit(1))
    return found.one_or_none() is not None


async def spread(conn: AsyncConnection, at: datetime) -> int:
    """One lot of one version; how many cameras were looked at. 0: there is nothing to do, or others do it."""
    query = select(rule_defaults).where(rule_defaults.c.spreading).order_by(rule_defaults.c.area_code).limit(1)
    found = (await conn.execute(skip_taken(query))).mappings().one_or_none()
    if found is None:
        return 0
    level = dict(found)
    lot = await _lot(conn, level)
    changed, left_out = level["changed"], dict(level["left_out"])
    for camera_id in lot:
        effect = await follow(conn, camera_id, level, _why(level), at)
        if effect is None:
            continue
        changed += bool(effect.differences)
        if effect.left_out is not None and len(left_out) < LEFT_OUT_KEPT:
            left_out[camera_id] = effect.left_out
    values: dict[str, Any] = {"changed": changed, "left_out": left_out}
    if len(lot) < AT_ONCE:
        values |= {"spreading": False, "spread_at": at}
        await _record_end(conn, level, changed, len(left_out), at)
        await canaries.reached(conn, level["area_code"], level["version"], at)
    else:
        values["spread_after"] = lot[-1]
    await set_values(conn, level["area_code"], level["version"], **values)
    return max(1, len(lot))


async def _lot(conn: AsyncConnection, level: dict[str, Any]) -> list[str]:
    its, tried = cameras.c, rule_canary_cameras.c
    query = select(its.camera_id).where(
        in_area(its.area_path, level["area_path"]), its.camera_id > level["spread_after"]
    )
    if level["state"] in _OF_CANARY:
        of_version = (tried.area_code == level["area_code"], tried.version == level["version"])
        query = query.where(its.camera_id.in_(select(tried.camera_id).where(*of_version)))
    return list((await conn.execute(query.order_by(its.camera_id).limit(AT_ONCE))).scalars())


def _why(level: dict[str, Any]) -> str:
    """Of each camera's version; whose version it comes from is kept beside it."""
    return f"{BACK}{level['why']}" if level["state"] == LevelState.ROLLED_BACK else str(level["why"])


async def _record_end(conn: AsyncConnection, level: dict[str, Any], changed: int, left_out: int, at: datetime) -> None:
    detail = {"version": level["version"], "changed": changed, "left_out": left_out}
    await record(conn, level["by_name"], "rule_defaults.spread", level["area_code"], detail, at)
