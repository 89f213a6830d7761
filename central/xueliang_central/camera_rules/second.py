"""What waits for a second person, over all cameras in scope, and several of it decided in one act: each for itself.

Invariants
    - Nobody decides on what is the own: such versions are listed and cannot be decided here.
    - One camera's outcome holds up no other: each has a transaction of its own.
    - Asked again, a decision that this person has taken already is done, and nothing is recorded twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules import service
from xueliang_central.camera_rules.deciding import VersionState
from xueliang_central.camera_rules.shadowing import shadow_rules
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.camera_rules.views import version_view
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.cameras.tables import cameras
from xueliang_central.dispatch.one_by_one import outcome_of
from xueliang_central.errors import CameraNotReleased, MoveRefused, NotAllowed
from xueliang_central.rights.acting import acting
from xueliang_central.rights.scope import Actor
from xueliang_central.store.among import among
from xueliang_central.store.database import Database

Row = dict[str, Any]
SHOWN_AT_MOST: Final = 500  # the oldest: more than a person goes through; the others follow when these are decided
MOVES: Final = ("approve", "refuse")
_GIVEN_UP: Final = (VersionState.REFUSED.value, VersionState.WITHDRAWN.value)


async def waiting(conn: AsyncConnection, actor: Actor, *conditions: ColumnElement[bool]) -> tuple[list[Row], int]:
    """Versions of cameras that meet the conditions and wait for a second person, the oldest first; how many in all.

    `promotes`: rules that would leave the shadow, by their ids; `moves`: what this person may do.
    """
    its = rule_versions.c
    proposed = literal(VersionState.PROPOSED.value, literal_execute=True)  # a parameter would not be found by the index
    where = (its.state == proposed, *conditions)
    joined = rule_versions.join(cameras, cameras.c.camera_id == its.camera_id)
    count = (await conn.execute(select(func.count()).select_from(joined).where(*where))).scalar_one()
    query = (
        select(rule_versions, cameras.c.name, cameras.c.area_code, cameras.c.area_path)
        .select_from(joined)
        .where(*where)
        .order_by(its.made_at, its.camera_id, its.version)
        .limit(SHOWN_AT_MOST)
    )
    rows = [dict(row) for row in (await conn.execute(query)).mappings()]
    bases = await _bases(conn, sorted({row["camera_id"] for row in rows}))
    return [_view(actor, row, bases.get(row["camera_id"], {})) for row in rows], int(count)


def _view(actor: Actor, row: Row, base: Row) -> Row:
    stays = {rule["rule_id"] for rule in shadow_rules(row["settings"])}
    there = {rule["rule_id"] for rule in row["settings"]["rules"]}
    leaves = [rule["rule_id"] for rule in shadow_rules(base) if rule["rule_id"] in there - stays]
    place = {name: row[name] for name in ("camera_id", "name", "area_code")}
    return {**place, **version_view(row), "promotes": leaves, "moves": service.moves_of(actor, row, row)}


async def _bases(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, Row]:
    """By camera: the settings that are wanted, or where nothing is, those that its node has said."""
    said, wanted = rule_reports.c, rule_versions.c
    told = select(said.camera_id, said.settings).where(among(conn, said.camera_id, ids), said.settings.is_not(None))
    found = {row.camera_id: row.settings or {} for row in await conn.execute(told)}
    asked = select(wanted.camera_id, wanted.settings).where(
        among(conn, wanted.camera_id, ids), wanted.state == VersionState.DESIRED.value
    )
    return found | {row.camera_id: row.settings for row in await conn.execute(asked)}


async def decide_each(
    database: Database,
    wall: Callable[[], datetime],
    actor: Actor,
    versions: Sequence[tuple[str, int]],
    move: str,
    note: str,
    *,
    gate: CameraGate,
) -> list[Row]:
    """One outcome for each (camera_id, version), in the order asked: camera_id, version, outcome (done, conflict,
    refused or not_found), and unless done `code` and `detail`.

    Raises MoveRefused: nothing was done: no such move, a version is named twice, or no reason is given for refusing.
    """
    if move not in MOVES:
        raise MoveRefused(f"no such move: {move[:24]}", moves=list(MOVES))
    if len(set(versions)) != len(versions):
        raise MoveRefused("a version is named twice")
    if move == "refuse" and not note.strip():
        raise MoveRefused("expected a reason for refusing, got none", reason="no_reason")
    outcomes: list[Row] = []
    for camera_id, version in versions:

        async def act(camera_id: str = camera_id, version: int = version) -> None:
            async with acting(database, actor) as conn:
                await _decide(conn, actor, camera_id, version, move, note, wall(), gate)

        outcome, error = await outcome_of(act, refusals=(MoveRefused, NotAllowed, CameraNotReleased))
        found: Row = {"camera_id": camera_id, "version": version, "outcome": outcome}
        if error is not None:
            found |= {"code": error.code, "detail": error.detail}
        outcomes.append(found)
    return outcomes


async def _decide(
    conn: AsyncConnection,
    actor: Actor,
    camera_id: str,
    version: int,
    move: str,
    note: str,
    at: datetime,
    gate: CameraGate,
) -> None:
    await service.camera_of(conn, actor, camera_id, lock=True)
    row = await service.version_of(conn, camera_id, version)
    was_refused = row["state"] in _GIVEN_UP
    if row["decided_by_id"] == actor.user_id != row["by_id"] and was_refused == (move == "refuse"):
        return  # asked again: the answer to the first was lost
    await service.move(conn, actor, camera_id, version, move, note, at, gate=gate)
