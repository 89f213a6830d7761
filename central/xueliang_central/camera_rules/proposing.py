"""Proposing what an area says, and deciding on it: in force for all, or tried on some cameras first.

Who may: as with a camera's own rules, of areas that belong to the person's own subtree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tables import areas
from xueliang_central.areas.tree import Area
from xueliang_central.camera_rules import canaries, defaults
from xueliang_central.camera_rules.canary import Plan, chosen
from xueliang_central.camera_rules.deciding import LevelState
from xueliang_central.camera_rules.tables import rule_defaults
from xueliang_central.errors import Conflict, MoveRefused, NotAllowed
from xueliang_central.rights.policy import Permission, allows
from xueliang_central.rights.scope import Actor, within

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LevelProposal:
    """What a person asks for. settings: hazard → setting → value, all that the area shall say, `checked`."""

    settings: defaults.Settings
    why: str
    based_on: int
    restores: int | None = None
    key: str | None = None
    canary: Plan | None = None


async def propose(
    conn: AsyncConnection, actor: Actor, area: Area, asked: LevelProposal, seen: defaults.Preview, at: datetime
) -> int:
    """A new version, in force at once where nobody else has to agree; its number.

    `seen`: what it would change, of the moment before. A camera that changed since is judged again by itself when the
    version comes to it.

    Raises:
        NotAllowed: only a grant shows the area.
        Conflict: there are newer versions than the person saw, or another one is being tried.
        MoveRefused: the canary has none of the cameras that change.
    """
    defaults.must_own(actor, area)
    await conn.execute(select(areas.c.code).where(areas.c.code == area.code).with_for_update())  # one at a time
    before = await _same_request(conn, actor, area.code, asked.key)
    if before is not None:
        return before
    newest = await defaults.newest_of(conn, area.code)
    if newest != asked.based_on:
        raise Conflict("there are newer versions of what this area says", newest_version=newest)
    row = {
        "area_code": area.code,
        "version": newest + 1,
        "area_path": area.path,
        "state": LevelState.PROPOSED.value,
        "settings": asked.settings,
        "why": asked.why,
        "made_at": at,
        "by_id": actor.user_id,
        "by_name": actor.name,
        "restores": asked.restores,
        "severities": list(seen.severities),
        "idempotency_key": asked.key,
        "spreading": False,
        "spread_after": "",
        "changed": 0,
        "left_out": {},
    }
    await conn.execute(insert(rule_defaults), row)
    detail = {"version": newest + 1, "why": asked.why, "cameras": seen.changed, "severity_changes": row["severities"]}
    await defaults.record(conn, actor.name, "rule_defaults.proposed", area.code, detail, at)
    if asked.canary is not None:
        await _plan(conn, area, newest + 1, asked, seen)
    if not seen.severities:
        await _begin(conn, area.code, newest + 1, actor.name, at)
    return newest + 1


async def move(
    conn: AsyncConnection, actor: Actor, area: Area, version: int, name: str, note: str, at: datetime
) -> None:
    """approve | refuse, by another person; withdraw, by who proposed it. Raises as `camera_rules.service.move`."""
    row = await defaults.version_of(conn, area.code, version, lock=True)
    defaults.must_own(actor, area)
    if name not in MOVES:
        raise MoveRefused(f"no such move: {name[:24]}", moves=sorted(MOVES))
    is_own = row["by_id"] == actor.user_id
    if is_own != (name == "withdraw"):
        told = "another person than who proposed it approves or refuses it" if is_own else "only who proposed it may"
        raise NotAllowed(told)
    if row["state"] != LevelState.PROPOSED.value:
        raise Conflict(f"this version is {row['state']}", state=row["state"])
    decided = {"decided_at": at, "decided_by_id": actor.user_id, "decided_by_name": actor.name, "decide_note": note}
    await defaults.set_values(conn, area.code, version, state=MOVES[name].value, **decided)
    await defaults.record(
        conn, actor.name, f"rule_defaults.{_PAST[name]}", area.code, {"version": version, "note": note}, at
    )
    if name == "approve":
        await _begin(conn, area.code, version, row["by_name"], at)
    else:
        await canaries.given_up(conn, area.code, version, actor.name, at)


MOVES: Final = {
    "approve": LevelState.PROPOSED,  # and in charge at once
    "refuse": LevelState.REFUSED,
    "withdraw": LevelState.WITHDRAWN,
}
_PAST: Final = {"approve": "approved", "refuse": "refused", "withdraw": "withdrawn"}


def moves_of(actor: Actor, row: Row) -> list[str]:
    """What this person may do with a version."""
    if not allows(actor.role, Permission.DECIDE_RULES) or row["state"] != LevelState.PROPOSED.value:
        return []
    if not within(row["area_path"], actor.area_path):
        return []
    return ["withdraw"] if row["by_id"] == actor.user_id else ["approve", "refuse"]


async def _plan(conn: AsyncConnection, area: Area, version: int, asked: LevelProposal, seen: defaults.Preview) -> None:
    assert asked.canary is not None
    camera_ids = chosen(asked.canary, seen.changed_ids)
    if not camera_ids:
        raise MoveRefused("none of the cameras that change is in the canary")
    now = await defaults.in_state(conn, area.code, LevelState.DESIRED)
    before: defaults.Settings = now["settings"] if now is not None else {}
    hazards = sorted(one for one in {*before, *asked.settings} if before.get(one, {}) != asked.settings.get(one, {}))
    await canaries.plan(conn, area, version, asked.canary, camera_ids, hazards)


async def _begin(conn: AsyncConnection, area_code: str, version: int, by: str, at: datetime) -> None:
    if await canaries.canary_of(conn, area_code, version) is not None:
        await canaries.begin(conn, area_code, version, by, at)
    else:
        await defaults.put_in_charge(conn, area_code, version, at)


async def _same_request(conn: AsyncConnection, actor: Actor, area_code: str, key: str | None) -> int | None:
    if key is None:
        return None
    said = rule_defaults.c
    query = select(said.version).where(
        said.area_code == area_code, said.by_id == actor.user_id, said.idempotency_key == key
    )
    found: int | None = (await conn.execute(query)).scalar_one_or_none()
    return found
