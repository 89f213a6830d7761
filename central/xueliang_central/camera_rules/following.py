"""What a camera's rules become when a level above it says something else: worked out for many, or put in force for one.

Invariants
    - Nothing but what is inherited changes; a rule that says something else has the next revision.
    - A camera whose node changed its rules by itself is left out: whoever looks after it decides first.
    - Where a severity changes and nobody agreed to it with the level's version, the camera's new version waits for a
      second person as any other does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules import service
from xueliang_central.camera_rules.deciding import (
    Difference,
    LevelState,
    RulesState,
    VersionState,
    differences,
    state_of,
)
from xueliang_central.camera_rules.inheriting import LevelDefaults, own, revised
from xueliang_central.camera_rules.levels import Levels, levels_of
from xueliang_central.camera_rules.putting import Made, put
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.camera_rules.views import desired_of, report_of
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import RulesRefused
from xueliang_central.rights.scope import in_area
from xueliang_central.store.among import among
from xueliang_configs.cameras import CameraRules

Row = dict[str, Any]
AT_ONCE: Final = 200  # cameras in memory; others get a turn after each such lot


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one camera.

    Attributes:
        left_out: a code of why it keeps what it has; None: it follows.
        differences: none: it has all of it already, or says it itself.
        severities: why a second person must agree, in words.
        problems: with `left_out` "does_not_fit": why the whole would be no rules.
    """

    camera_id: str
    name: str
    area_code: str | None
    left_out: str | None = None
    differences: tuple[Difference, ...] = ()
    severities: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    outdates: int = 0  # versions that wait for a second person and would be outdated


@dataclass(frozen=True, slots=True)
class _Change:
    """part None: nothing changes but, perhaps, where values come from."""

    effect: Effect
    part: CameraRules | None = None
    inherited: Mapping[str, Mapping[str, str]] | None = None


def _changed(camera: Row, desired: Row | None, report: Row | None, levels: list[LevelDefaults]) -> _Change:
    facts: dict[str, Any] = {name: camera[name] for name in ("camera_id", "name", "area_code")}
    why = why_left_out(camera, desired, report)
    if why is not None:
        return _Change(Effect(**facts, left_out=why))
    before = desired["settings"] if desired is not None else (report or {})["settings"]
    said = own(before, (desired["inherited"] if desired is not None else None) or {})
    try:
        whole, _, inherited = service.judged(camera["camera_id"], said, desired, report, levels)
        rules = revised(before, whole.as_written["rules"])
        part, severities, _ = service.judged(
            camera["camera_id"], {**whole.as_written, "rules": rules}, desired, report, ()
        )
    except RulesRefused as error:
        told = tuple(f"{one['where']}: {one['text']}" for one in error.extra["problems"])
        return _Change(Effect(**facts, left_out="does_not_fit", problems=told))
    found = differences(before, part.as_written)
    if not found:
        return _Change(Effect(**facts), None, inherited)
    return _Change(Effect(**facts, differences=found, severities=severities), part, inherited)


def why_left_out(camera: Row, desired: Row | None, report: Row | None) -> str | None:
    """A code of why nothing but a person at this camera changes its rules; None: it may be changed with others."""
    if camera["node_id"] is None:
        return "no_node"
    if report is not None and not report["takes_rules"]:
        return "not_taken"
    if desired is None:
        return "not_known" if report is None or report["settings"] is None else None
    return "drifted" if state_of(desired, report) is RulesState.DRIFTED else None


async def effects(
    conn: AsyncConnection, levels: Levels, area_path: str, instead: Mapping[str, Mapping[str, Any]]
) -> AsyncIterator[Effect]:
    """Of every camera of an area, by camera_id, if `instead` were what areas say; nothing is changed."""
    after = ""
    while True:
        lot = await _lot(conn, area_path, after)
        for camera, desired, report, waiting in lot:
            above = levels.above(camera["camera_id"], camera["area_path"], instead)
            effect = _changed(camera, desired, report, above).effect
            yield Effect(**{**{name: getattr(effect, name) for name in effect.__slots__}, "outdates": waiting})
        if len(lot) < AT_ONCE:
            return
        after = lot[-1][0]["camera_id"]
        await asyncio.sleep(0)


async def _lot(conn: AsyncConnection, area_path: str, after: str) -> list[tuple[Row, Row | None, Row | None, int]]:
    its = cameras.c
    query = select(cameras).where(in_area(its.area_path, area_path), its.camera_id > after).order_by(its.camera_id)
    found = [dict(row) for row in (await conn.execute(query.limit(AT_ONCE))).mappings()]
    ids = [row["camera_id"] for row in found]
    wanted = select(rule_versions).where(
        among(conn, rule_versions.c.camera_id, ids),
        rule_versions.c.state.in_([VersionState.DESIRED.value, VersionState.PROPOSED.value]),
    )
    desired: dict[str, Row] = {}
    waiting: dict[str, int] = {}
    for row in (await conn.execute(wanted)).mappings():
        if row["state"] == VersionState.DESIRED.value:
            desired[row["camera_id"]] = dict(row)
        else:
            waiting[row["camera_id"]] = waiting.get(row["camera_id"], 0) + 1
    said = rule_reports.c
    of_its_node = and_(cameras.c.camera_id == said.camera_id, cameras.c.node_id == said.node_id)
    told = select(rule_reports).join(cameras, of_its_node).where(among(conn, said.camera_id, ids))
    reports = {row["camera_id"]: dict(row) for row in (await conn.execute(told)).mappings()}
    return [
        (row, desired.get(row["camera_id"]), reports.get(row["camera_id"]), waiting.get(row["camera_id"], 0))
        for row in found
    ]


async def follow(conn: AsyncConnection, camera_id: str, level: Row, why: str, at: datetime) -> Effect | None:
    """Bring one camera to what the levels say now, as a version of its own, made by a version of a level (its row).

    None: it has gone from the register, or from the area.
    """
    found = await conn.execute(select(cameras).where(cameras.c.camera_id == camera_id).with_for_update())
    row = found.mappings().one_or_none()
    if row is None or f"/{level['area_code']}/" not in f"/{row['area_path']}/":
        return None
    camera = dict(row)
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, camera["node_id"])
    change = _changed(camera, desired, report, await levels_of(conn, camera_id, camera["area_path"]))
    if change.part is not None:
        await _put(conn, camera, level, why, change, desired, report, at)
    elif change.inherited is not None and desired is not None and (desired["inherited"] or {}) != change.inherited:
        where = (rule_versions.c.camera_id == camera_id, rule_versions.c.version == desired["version"])
        await conn.execute(update(rule_versions).where(*where).values(inherited=change.inherited))
    return change.effect


async def _put(
    conn: AsyncConnection,
    camera: Row,
    level: Row,
    why: str,
    change: _Change,
    desired: Row | None,
    report: Row | None,
    at: datetime,
) -> None:
    assert change.part is not None
    severities = change.effect.severities
    is_back = level["state"] == LevelState.ROLLED_BACK  # to what ran: it needs nobody
    made = Made(
        change.part,
        change.inherited,
        severities,
        why,
        level,
        {"level_code": level["area_code"], "level_version": level["version"]},
        "rules.followed",
        {"area": level["area_code"], "area_version": level["version"]},
        is_agreed=not severities or is_back or level["decided_by_id"] is not None,
    )
    await put(conn, camera["camera_id"], made, desired, report, at)
