"""What an area says for the rules of its cameras: its versions, what one would change, and the one in force. Each in
the caller's transaction; the cameras follow later, by the worker (spreading.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, AreaTree
from xueliang_central.audit import chain
from xueliang_central.camera_rules.canary import CanaryState
from xueliang_central.camera_rules.deciding import LevelState, VersionState, why_not_storable
from xueliang_central.camera_rules.following import Effect, effects
from xueliang_central.camera_rules.inheriting import problems_of
from xueliang_central.camera_rules.levels import levels_around
from xueliang_central.camera_rules.tables import rule_canaries, rule_defaults, rule_versions
from xueliang_central.errors import NotAllowed, NotFound, RulesProblem, RulesRefused
from xueliang_central.rights.policy import Permission, allows
from xueliang_central.rights.scope import Actor, may_see, within

Row = dict[str, Any]
Settings = Mapping[str, Mapping[str, Any]]
SHOWN_AT_MOST: Final = 200  # cameras of a preview with their differences; all of them are counted
WORDS_AT_MOST: Final = 20  # of why a second person must agree


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
    changed_ids: tuple[str, ...] = ()


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
    why = why_not_storable(settings)
    problems = problems_of(settings) if why is None else [RulesProblem("settings", why)]
    if problems:
        raise RulesRefused(problems)
    return {hazard: dict(values) for hazard, values in settings.items() if values}


async def preview(conn: AsyncConnection, area: Area, settings: Settings) -> Preview:
    """Of every camera of the area. It takes as long as there are cameras: others get turns meanwhile."""
    count = waiting = 0
    changed: list[str] = []
    left_out: dict[str, int] = {}
    words: dict[str, int] = {}
    shown: list[Effect] = []
    levels = await levels_around(conn, area.path)
    async for effect in effects(conn, levels, area.path, {area.code: settings}):
        count += 1
        if effect.left_out is not None:
            left_out[effect.left_out] = left_out.get(effect.left_out, 0) + 1
        elif effect.differences:
            changed.append(effect.camera_id)
            waiting += effect.outdates
        else:
            continue
        for text in effect.severities:
            words[text] = words.get(text, 0) + 1
        if len(shown) < SHOWN_AT_MOST:
            shown.append(effect)
    told = tuple(f"{text} ({number})" for text, number in list(words.items())[:WORDS_AT_MOST])
    return Preview(count, len(changed), left_out, waiting, told, tuple(shown), tuple(changed))


def may_change(actor: Actor, area: Area) -> bool:
    return allows(actor.role, Permission.CHANGE_RULES) and within(area.path, actor.area_path)


def must_own(actor: Actor, area: Area) -> None:
    if not within(area.path, actor.area_path):
        raise NotAllowed("a grant shows this area to you; only who it belongs to changes its rules")


async def put_in_charge(conn: AsyncConnection, area_code: str, version: int, at: datetime) -> None:
    """It holds for every camera below, to which the worker brings it; what held before, waited or was tried, is no
    more."""
    said = rule_defaults.c
    others = update(rule_defaults).where(said.area_code == area_code, said.version != version)
    was = others.where(said.state == LevelState.DESIRED.value)
    await conn.execute(was.values(state=LevelState.REPLACED.value, spreading=False))
    overtaken = [LevelState.PROPOSED.value, LevelState.TRYING.value]
    await conn.execute(others.where(said.state.in_(overtaken)).values(state=LevelState.OUTDATED.value, spreading=False))
    tried = rule_canaries.c
    await conn.execute(
        update(rule_canaries)
        .where(tried.area_code == area_code, tried.version != version, tried.ended_at.is_(None))
        .values(state=CanaryState.ENDED.value, ended_at=at, next_look_at=None)
    )
    await drop_waiting(conn, area_code, rule_versions.c.level_version != version)
    begin = {"spreading": True, "spread_after": "", "spread_at": None, "changed": 0, "left_out": {}}
    await set_values(conn, area_code, version, state=LevelState.DESIRED.value, **begin)


async def drop_waiting(conn: AsyncConnection, area_code: str, which: ColumnElement[bool]) -> None:
    """What `which` versions of the area have left waiting for a second person at cameras comes never into force."""
    its = rule_versions.c
    await conn.execute(
        update(rule_versions)
        .where(its.level_code == area_code, which, its.state == VersionState.PROPOSED.value)
        .values(state=VersionState.OUTDATED.value)
    )


async def set_values(conn: AsyncConnection, area_code: str, version: int, **values: Any) -> None:
    where = (rule_defaults.c.area_code == area_code, rule_defaults.c.version == version)
    await conn.execute(update(rule_defaults).where(*where).values(**values))


async def record(
    conn: AsyncConnection, actor: str, action: str, area_code: str, detail: dict[str, Any], at: datetime
) -> None:
    await chain.record(conn, actor=actor, action=action, object_kind="area", object_id=area_code, detail=detail, at=at)
