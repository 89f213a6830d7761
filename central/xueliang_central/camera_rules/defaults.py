"""What an area says for the rules of its cameras: versions, proposed, agreed to, in force. Each in the caller's
transaction; the cameras follow later, by the worker (spreading.py).

Who may: as with a camera's own rules, of areas that belong to the person's own subtree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tables import areas
from xueliang_central.areas.tree import Area, AreaTree
from xueliang_central.audit import chain
from xueliang_central.camera_rules.deciding import LevelState, why_not_storable
from xueliang_central.camera_rules.following import Effect, effects
from xueliang_central.camera_rules.inheriting import problems_of
from xueliang_central.camera_rules.levels import levels_around
from xueliang_central.camera_rules.tables import rule_defaults
from xueliang_central.errors import Conflict, MoveRefused, NotAllowed, NotFound, RulesProblem, RulesRefused
from xueliang_central.rights.policy import Permission, allows
from xueliang_central.rights.scope import Actor, may_see, within

Row = dict[str, Any]
Settings = Mapping[str, Mapping[str, Any]]
SHOWN_AT_MOST: Final = 200  # cameras of a preview with their differences; all of them are counted
WORDS_AT_MOST: Final = 20  # of why a second person must agree


@dataclass(frozen=True, slots=True)
class LevelProposal:
    """What a person asks for. settings: hazard → setting → value, all that the area shall say, `checked`."""

    settings: Settings
    why: str
    based_on: int
    restores: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a version would change.

    Attributes:
        changed: how many cameras get other rules.
        left_out: how many keep theirs although the area says something else, by why.
        waiting: how many versions that wait for a second person would be outdated.
        severities: why a second person must agree, in words, each with how many cameras.
        shown: the first `SHOWN_AT_MOST` that change or are left out.
    """

    cameras: int
    changed: int
    left_out: Mapping[str, int]
    waiting: int
    severities: tuple[str, ...]
    shown: tuple[Effect, ...]


def area_of(tree: AreaTree, actor: Actor, area_code: str) -> Area:
    """Raises NotFound: missing, or out of scope."""
    area = tree.find(area_code)
    if area is None or not may_see(actor, area.path):
        raise NotFound
    return area


async def version_of(conn: AsyncConnection, area_code: str, version: int, *, lock: bool = False) -> Row:
    """Raises NotFound. Whether the area may be seen is asked before."""
    query = select(rule_defaults).where(rule_defaults.c.area_code == area_code, rule_defaults.c.version == version)
    found = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if found is None:
        raise NotFound
    return dict(found)


async def in_state(conn: AsyncConnection, area_code: str, state: LevelState) -> Row | None:
    said = rule_defaults.c
    query = select(rule_defaults).where(said.area_code == area_code, said.state == state.value)
    found = (await conn.execute(query.order_by(said.version.desc()).limit(1))).mappings().one_or_none()
    return None if found is None else dict(found)


async def newest_of(conn: AsyncConnection, area_code: str) -> int:
    query = select(func.max(rule_defaults.c.version)).where(rule_defaults.c.area_code == area_code)
    return (await conn.execute(query)).scalar_one_or_none() or 0


def checked(settings: Any) -> Settings:
    """Hazards that nothing is said of are left away. Raises RulesRefused."""
    problems = problems_of(settings)
    why = why_not_storable(settings)
    if why is not None:
        problems.append(RulesProblem("settings", why))
    if problems:
        raise RulesRefused(problems)
    return {hazard: dict(values) for hazard, values in settings.items() if values}


async def preview(conn: AsyncConnection, area: Area, settings: Settings) -> Preview:
    """Of every camera of the area. It takes as long as there are cameras: others get turns meanwhile."""
    count = changed = waiting = 0
    left_out: dict[str, int] = {}
    words: dict[str, int] = {}
    shown: list[Effect] = []
    levels = await levels_around(conn, area.path)
    async for effect in effects(conn, levels, area.path, {area.code: settings}):
        count += 1
        if effect.left_out is not None:
            left_out[effect.left_out] = left_out.get(effect.left_out, 0) + 1
        elif effect.differences:
            changed += 1
            waiting += effect.outdates
        else:
            continue
        for text in effect.severities:
            words[text] = words.get(text, 0) + 1
        if len(shown) < SHOWN_AT_MOST:
            shown.append(effect)
    told = tuple(f"{text} ({number})" for text, number in list(words.items())[:WORDS_AT_MOST])
    return Preview(count, changed, left_out, waiting, told, tuple(shown))


async def propose(
    conn: AsyncConnection, actor: Actor, area: Area, asked: LevelProposal, seen: Preview, at: datetime
) -> int:
    """A new version, in force at once where nobody else has to agree; its number.

    `seen`: what it would change, of the moment before. A camera that changed since is judged again by itself when the
    version comes to it.

    Raises:
        NotAllowed: only a grant shows the area.
        Conflict: there are newer versions than the person saw.
        RulesRefused: with every problem.
    """
    must_own(actor, area)
    await conn.execute(select(areas.c.code).where(areas.c.code == area.code).with_for_update())  # one at a time
    before = await _same_request(conn, actor, area.code, asked.key)
    if before is not None:
        return before
    newest = await newest_of(conn, area.code)
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
    await record(conn, actor.name, "rule_defaults.proposed", area.code, detail, at)
    if not seen.severities:
        await put_in_charge(conn, area.code, newest + 1)
    return newest + 1


async def move(
    conn: AsyncConnection, actor: Actor, area: Area, version: int, name: str, note: str, at: datetime
) -> None:
    """approve | refuse, by another person; withdraw, by who proposed it. Raises as `camera_rules.service.move`."""
    row = await version_of(conn, area.code, version, lock=True)
    must_own(actor, area)
    if name not in MOVES:
        raise MoveRefused(f"no such move: {name[:24]}", moves=sorted(MOVES))
    is_own = row["by_id"] == actor.user_id
    if is_own != (name == "withdraw"):
        told = "another person than who proposed it approves or refuses it" if is_own else "only who proposed it may"
        raise NotAllowed(told)
    if row["state"] != LevelState.PROPOSED.value:
        raise Conflict(f"this version is {row['state']}", state=row["state"])
    decided = {"decided_at": at, "decided_by_id": actor.user_id, "decided_by_name": actor.name, "decide_note": note}
    await set_values(conn, area.code, version, state=MOVES[name].value, **decided)
    await record(conn, actor.name, f"rule_defaults.{_PAST[name]}", area.code, {"version": version, "note": note}, at)
    if name == "approve":
        await put_in_charge(conn, area.code, version)


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


def may_change(actor: Actor, area: Area) -> bool:
    return allows(actor.role, Permission.CHANGE_RULES) and within(area.path, actor.area_path)


def must_own(actor: Actor, area: Area) -> None:
    if not within(area.path, actor.area_path):
        raise NotAllowed("a grant shows this area to you; only who it belongs to changes its rules")


async def _same_request(conn: AsyncConnection, actor: Actor, area_code: str, key: str | None) -> int | None:
    if key is None:
        return None
    said = rule_defaults.c
    query = select(said.version).where(
        said.area_code == area_code, said.by_id == actor.user_id, said.idempotency_key == key
    )
    found: int | None = (await conn.execute(query)).scalar_one_or_none()
    return found


async def put_in_charge(conn: AsyncConnection, area_code: str, version: int) -> None:
    """It holds for every camera below, to which the worker brings it; what held before, or waited, is no more."""
    said = rule_defaults.c
    others = update(rule_defaults).where(said.area_code == area_code, said.version != version)
    was = others.where(said.state == LevelState.DESIRED.value)
    await conn.execute(was.values(state=LevelState.REPLACED.value, spreading=False))
    await conn.execute(
        others.where(said.state == LevelState.PROPOSED.value).values(state=LevelState.OUTDATED.value, spreading=False)
    )
    begin = {"spreading": True, "spread_after": "", "spread_at": None, "changed": 0, "left_out": {}}
    await set_values(conn, area_code, version, state=LevelState.DESIRED.value, **begin)


async def set_values(conn: AsyncConnection, area_code: str, version: int, **values: Any) -> None:
    where = (rule_defaults.c.area_code == area_code, rule_defaults.c.version == version)
    await conn.execute(update(rule_defaults).where(*where).values(**values))


async def record(
    conn: AsyncConnection, actor: str, action: str, area_code: str, detail: dict[str, Any], at: datetime
) -> None:
    await chain.record(conn, actor=actor, action=action, object_kind="area", object_id=area_code, detail=detail, at=at)
