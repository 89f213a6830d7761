"""Canaries of areas' versions: begun with the version, watched, promoted or rolled back. Each in the caller's
transaction.

Invariants
    - A version that is tried holds for the cameras of its canary and for nobody else; one version of an area at a time.
    - Promoting and rolling back are changes of the version's state: the worker brings them to the cameras the way it
      brings any version, so that an end in between loses nothing and repeats nothing.
    - A roll-back needs nobody's agreement: it leads to what ran. What of the version still waits for a second person at
      some camera is outdated by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, AreaTree
from xueliang_central.camera_rules import defaults, trials
from xueliang_central.camera_rules.canary import Breach, CanaryState, Plan
from xueliang_central.camera_rules.deciding import LevelState
from xueliang_central.camera_rules.tables import rule_canaries, rule_canary_cameras, rule_defaults, rule_versions
from xueliang_central.errors import Conflict, NotFound
from xueliang_central.rights.policy import Permission, allows
from xueliang_central.rights.scope import Actor, within

Row = dict[str, Any]
KEPT: Final = trials.Kept(
    rule_canaries, rule_canary_cameras, ("area_code", "version"), made=("level_code", "level_version")
)


async def plan(
    conn: AsyncConnection, area: Area, version: int, asked: Plan, camera_ids: Sequence[str], hazards: Sequence[str]
) -> None:
    """Keep what a version is to be tried on. It begins with `begin`."""
    await conn.execute(
        insert(rule_canaries),
        {
            "area_code": area.code,
            "version": version,
            "area_path": area.path,
            "state": CanaryState.PLANNED.value,
            "hours": asked.hours,
            "promotes_itself": asked.promotes_itself,
            "band": asdict(asked.band),
            "hazards": list(hazards),
            "reasons": [],
        },
    )
    rows = [
        {"area_code": area.code, "version": version, "camera_id": camera_id, "was_faulty": False}
        for camera_id in camera_ids
    ]
    await conn.execute(insert(rule_canary_cameras), rows)


async def canary_of(conn: AsyncConnection, area_code: str, version: int, *, lock: bool = False) -> Row | None:
    query = select(rule_canaries).where(KEPT.one({"area_code": area_code, "version": version}))
    found = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if found is None else dict(found)


async def locked(conn: AsyncConnection, key: Row) -> Row | None:
    """For the rest of the transaction; its version before it, as everybody who moves either. None: it has gone."""
    await defaults.version_of(conn, key["area_code"], key["version"], lock=True)
    return await canary_of(conn, key["area_code"], key["version"], lock=True)


async def cameras_of(conn: AsyncConnection, area_code: str, version: int) -> list[Row]:
    mine = KEPT.tried({"area_code": area_code, "version": version})
    query = select(rule_canary_cameras).where(mine)
    return [dict(row) for row in (await conn.execute(query.order_by(rule_canary_cameras.c.camera_id))).mappings()]


async def begin(conn: AsyncConnection, area_code: str, version: int, by: str, at: datetime) -> None:
    """The version is tried, from now on. Raises Conflict: another version of the area is."""
    trying = await defaults.in_state(conn, area_code, LevelState.TRYING)
    if trying is not None:
        raise Conflict(f"version {trying['version']} of this area is being tried", trying=trying["version"])
    key = {"area_code": area_code, "version": version}
    await trials.note_before(conn, KEPT, key)
    await _spread(conn, area_code, version, LevelState.TRYING)
    await trials.set_values(conn, KEPT, key, state=CanaryState.BEGUN.value)
    await defaults.record(conn, by, "rule_defaults.canary_begun", area_code, {"version": version}, at)


async def reached(conn: AsyncConnection, area_code: str, version: int, at: datetime) -> None:
    """All of its cameras have been given the version: from now on it is watched."""
    canary = await canary_of(conn, area_code, version)
    if canary is None or canary["state"] != CanaryState.BEGUN:
        return
    await trials.watch(conn, KEPT, canary, at)


async def promote(conn: AsyncConnection, canary: Row, by: str | None, at: datetime) -> None:
    """The version holds for the whole area. `by` None: by itself."""
    area_code, version = canary["area_code"], canary["version"]
    await defaults.put_in_charge(conn, area_code, version, at)
    await trials.end(conn, KEPT, canary, CanaryState.PROMOTED, by, at)
    await _record(conn, canary, "canary_promoted", by, {}, at)


async def roll_back(
    conn: AsyncConnection, tree: AreaTree, canary: Row, by: str | None, found: Sequence[Breach], at: datetime
) -> None:
    """Its cameras get what the levels said before. `by` None: by itself, for what left the band."""
    area_code, version = canary["area_code"], canary["version"]
    reasons = [one.as_json() for one in found]
    await defaults.drop_waiting(conn, area_code, rule_versions.c.level_version == version)
    await _spread(conn, area_code, version, LevelState.ROLLED_BACK)
    await trials.end(conn, KEPT, canary, CanaryState.ROLLED_BACK, by, at, reasons=reasons)
    await _record(conn, canary, "canary_rolled_back", by, {"reasons": reasons}, at)
    if by is None:
        await _tell(conn, tree, canary, "canary_rolled_back", {"reasons": reasons}, at)


async def hold(conn: AsyncConnection, tree: AreaTree, canary: Row, at: datetime) -> None:
    """Its time is over and it is in the band: a person promotes it, or sees why its nodes have not taken it."""
    await trials.set_values(conn, KEPT, canary, state=CanaryState.HELD.value)
    await _tell(conn, tree, canary, "canary_held", {}, at)


async def given_up(conn: AsyncConnection, area_code: str, version: int, by: str, at: datetime) -> None:
    """Its version was refused or withdrawn before it began."""
    canary = await canary_of(conn, area_code, version)
    if canary is not None:
        await trials.end(conn, KEPT, canary, CanaryState.ENDED, by, at)


async def move(
    conn: AsyncConnection, tree: AreaTree, actor: Actor, area: Area, version: int, name: str, at: datetime
) -> None:
    """promote | roll_back, by a person.

    Raises NotFound, NotAllowed (only a grant shows the area), MoveRefused (no such move), Conflict (it is over).
    """
    canary = await locked(conn, {"area_code": area.code, "version": version})
    if canary is None:
        raise NotFound
    defaults.must_own(actor, area)
    trials.must_be_open(canary, name)
    if name == "promote":
        await promote(conn, canary, actor.name, at)
    else:
        await roll_back(conn, tree, canary, actor.name, (), at)


def moves_of(actor: Actor, canary: Row) -> list[str]:
    may = allows(actor.role, Permission.CHANGE_RULES) and within(canary["area_path"], actor.area_path)
    return list(trials.MOVES) if may and canary["state"] in trials.NOT_OVER else []


async def _spread(conn: AsyncConnection, area_code: str, version: int, state: LevelState) -> None:
    begin = {"spreading": True, "spread_after": "", "spread_at": None, "changed": 0, "left_out": {}}
    await defaults.set_values(conn, area_code, version, state=state.value, **begin)


async def _record(
    conn: AsyncConnection, canary: Row, action: str, by: str | None, detail: dict[str, Any], at: datetime
) -> None:
    told = {"version": canary["version"], **detail, "figures": canary["figures"]}
    await defaults.record(conn, by or "system", f"rule_defaults.{action}", canary["area_code"], told, at)


async def _tell(
    conn: AsyncConnection, tree: AreaTree, canary: Row, kind: str, more: dict[str, Any], at: datetime
) -> None:
    key = {"area_code": canary["area_code"], "version": canary["version"]}
    said = rule_defaults.c
    query = select(said.by_id).where(said.area_code == key["area_code"], said.version == key["version"])
    by_id = (await conn.execute(query)).scalar_one()
    told = f"{canary['area_code']}:{canary['version']}"
    await trials.tell(conn, tree, canary, kind, told, by_id, {**key, **more}, at)


KIND: Final = trials.Kind(KEPT, locked, promote, roll_back, hold)
