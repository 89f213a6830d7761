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

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, AreaTree
from xueliang_central.camera_rules import defaults
from xueliang_central.camera_rules.canary import Band, Breach, CanaryState, Figures, Plan
from xueliang_central.camera_rules.deciding import LevelState
from xueliang_central.camera_rules.tables import rule_canaries, rule_canary_cameras, rule_defaults, rule_versions
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.fleet.tables import camera_states
from xueliang_central.notices import outbox
from xueliang_central.people import rosters
from xueliang_central.rights.policy import Permission, allows
from xueliang_central.rights.scope import Actor, within

Row = dict[str, Any]
LOOK_S: Final = 60.0
OK_STATES: Final = frozenset({"streaming", "watching"})
UNKNOWN_STATES: Final = frozenset({"unknown", "connecting"})
NOTICE_SEVERITY: Final = 3
MOVES: Final = ("promote", "roll_back")
_NOT_OVER: Final = (CanaryState.BEGUN, CanaryState.WATCHED, CanaryState.HELD)


def is_faulty(state: str | None) -> bool:
    return state is not None and state not in OK_STATES and state not in UNKNOWN_STATES


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
    its = rule_canaries.c
    query = select(rule_canaries).where(its.area_code == area_code, its.version == version)
    found = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if found is None else dict(found)


async def cameras_of(conn: AsyncConnection, area_code: str, version: int) -> list[Row]:
    its = rule_canary_cameras.c
    query = select(rule_canary_cameras).where(its.area_code == area_code, its.version == version)
    return [dict(row) for row in (await conn.execute(query.order_by(its.camera_id))).mappings()]


async def begin(conn: AsyncConnection, area_code: str, version: int, by: str, at: datetime) -> None:
    """The version is tried, from now on. Raises Conflict: another version of the area is."""
    trying = await defaults.in_state(conn, area_code, LevelState.TRYING)
    if trying is not None:
        raise Conflict(f"version {trying['version']} of this area is being tried", trying=trying["version"])
    await _note_before(conn, area_code, version)
    await _spread(conn, area_code, version, LevelState.TRYING)
    await _set(conn, area_code, version, state=CanaryState.BEGUN.value)
    await defaults.record(conn, by, "rule_defaults.canary_begun", area_code, {"version": version}, at)


async def _note_before(conn: AsyncConnection, area_code: str, version: int) -> None:
    """How its cameras do before they have the version."""
    its = rule_canary_cameras.c
    mine = (its.area_code == area_code, its.version == version)
    states = select(camera_states).where(camera_states.c.camera_id.in_(select(its.camera_id).where(*mine)))
    for row in (await conn.execute(states)).mappings().all():
        values = {"was_faulty": is_faulty(row["state"]), "gap_before_s": row["achieved_gap_s"]}
        one = its.camera_id == row["camera_id"]
        await conn.execute(update(rule_canary_cameras).where(*mine, one).values(**values))


async def reached(conn: AsyncConnection, area_code: str, version: int, at: datetime) -> None:
    """All of its cameras have been given the version: from now on it is watched."""
    canary = await canary_of(conn, area_code, version)
    if canary is None or canary["state"] != CanaryState.BEGUN:
        return
    ends_at = at + timedelta(hours=canary["hours"])
    times = {"began_at": at, "ends_at": ends_at, "next_look_at": at + timedelta(seconds=LOOK_S)}
    await _set(conn, area_code, version, state=CanaryState.WATCHED.value, **times)


async def promote(conn: AsyncConnection, canary: Row, by: str | None, at: datetime) -> None:
    """The version holds for the whole area. `by` None: by itself."""
    area_code, version = canary["area_code"], canary["version"]
    await defaults.put_in_charge(conn, area_code, version, at)
    await _end(conn, canary, CanaryState.PROMOTED, by, at)
    await _record(conn, canary, "canary_promoted", by, {}, at)


async def roll_back(
    conn: AsyncConnection, tree: AreaTree, canary: Row, by: str | None, found: Sequence[Breach], at: datetime
) -> None:
    """Its cameras get what the levels said before. `by` None: by itself, for what left the band."""
    area_code, version = canary["area_code"], canary["version"]
    reasons = [one.as_json() for one in found]
    await defaults.drop_waiting(conn, area_code, rule_versions.c.level_version == version)
    await _spread(conn, area_code, version, LevelState.ROLLED_BACK)
    await _end(conn, canary, CanaryState.ROLLED_BACK, by, at, reasons=reasons)
    await _record(conn, canary, "canary_rolled_back", by, {"reasons": reasons}, at)
    if by is None:
        await _tell(conn, tree, canary, "canary_rolled_back", {"reasons": reasons}, at)


async def hold(conn: AsyncConnection, tree: AreaTree, canary: Row, at: datetime) -> None:
    """Its time is over and it is in the band: a person promotes it, or sees why its nodes have not taken it."""
    await _set(conn, canary["area_code"], canary["version"], state=CanaryState.HELD.value)
    await _tell(conn, tree, canary, "canary_held", {}, at)


async def looked(conn: AsyncConnection, canary: Row, figures: Figures, at: datetime) -> None:
    values = {"figures": figures.as_json(), "looked_at": at, "next_look_at": at + timedelta(seconds=LOOK_S)}
    await _set(conn, canary["area_code"], canary["version"], **values)


async def given_up(conn: AsyncConnection, area_code: str, version: int, by: str, at: datetime) -> None:
    """Its version was refused or withdrawn before it began."""
    canary = await canary_of(conn, area_code, version)
    if canary is not None:
        await _end(conn, canary, CanaryState.ENDED, by, at)


async def move(
    conn: AsyncConnection, tree: AreaTree, actor: Actor, area: Area, version: int, name: str, at: datetime
) -> None:
    """promote | roll_back, by a person.

    Raises NotFound, NotAllowed (only a grant shows the area), MoveRefused (no such move), Conflict (it is over).
    """
    await defaults.version_of(conn, area.code, version, lock=True)
    canary = await canary_of(conn, area.code, version, lock=True)
    if canary is None:
        raise NotFound
    defaults.must_own(actor, area)
    if name not in MOVES:
        raise MoveRefused(f"no such move: {name[:24]}", moves=list(MOVES))
    if canary["state"] not in _NOT_OVER:
        raise Conflict(f"this canary is {canary['state']}", state=canary["state"])
    if name == "promote":
        await promote(conn, canary, actor.name, at)
    else:
        await roll_back(conn, tree, canary, actor.name, (), at)


def moves_of(actor: Actor, canary: Row) -> list[str]:
    may = allows(actor.role, Permission.CHANGE_RULES) and within(canary["area_path"], actor.area_path)
    return list(MOVES) if may and canary["state"] in _NOT_OVER else []


def band_of(canary: Mapping[str, Any]) -> Band:
    return Band(**canary["band"])


async def _spread(conn: AsyncConnection, area_code: str, version: int, state: LevelState) -> None:
    begin = {"spreading": True, "spread_after": "", "spread_at": None, "changed": 0, "left_out": {}}
    await defaults.set_values(conn, area_code, version, state=state.value, **begin)


async def _end(
    conn: AsyncConnection, canary: Row, state: CanaryState, by: str | None, at: datetime, **values: Any
) -> None:
    over = {"state": state.value, "ended_at": at, "ended_by": by, "next_look_at": None}
    await _set(conn, canary["area_code"], canary["version"], **over, **values)


async def _set(conn: AsyncConnection, area_code: str, version: int, **values: Any) -> None:
    where = (rule_canaries.c.area_code == area_code, rule_canaries.c.version == version)
    await conn.execute(update(rule_canaries).where(*where).values(**values))


async def _record(
    conn: AsyncConnection, canary: Row, action: str, by: str | None, detail: dict[str, Any], at: datetime
) -> None:
    told = {"version": canary["version"], **detail, "figures": canary["figures"]}
    await defaults.record(conn, by or "system", f"rule_defaults.{action}", canary["area_code"], told, at)


async def _tell(
    conn: AsyncConnection, tree: AreaTree, canary: Row, kind: str, more: dict[str, Any], at: datetime
) -> None:
    """To who began it, and to the desk of the area that is on duty, or the next one above that has anybody."""
    area_code, version = canary["area_code"], canary["version"]
    query = select(rule_defaults.c.by_id).where(
        rule_defaults.c.area_code == area_code, rule_defaults.c.version == version
    )
    users = {(await conn.execute(query)).scalar_one()}
    if area_code in tree:
        chain = tuple(reversed(tree.chain(area_code)))
        choice = who_is_told(chain, await rosters.duty_of(conn, [area.code for area in chain], at))
        users |= set(choice.user_ids)
    await outbox.put(
        conn,
        key=f"{kind}:{area_code}:{version}",
        kind=kind,
        user_ids=sorted(users),
        area_path=canary["area_path"],
        params={"area_code": area_code, "version": version, "figures": canary["figures"], **more},
        severity=NOTICE_SEVERITY,
        now=at,
    )
