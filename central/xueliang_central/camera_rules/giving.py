"""Brings copied rules to their cameras, and back (bringing.py): what becomes of each is kept in its row.

A camera that has moved out of the copy's area since is of others: it keeps what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules import copies, service
from xueliang_central.camera_rules.bringing import AT_ONCE, FAILED, Way
from xueliang_central.camera_rules.canary import CanaryState
from xueliang_central.camera_rules.copying import target_of
from xueliang_central.camera_rules.deciding import RulesState, VersionState, state_of
from xueliang_central.camera_rules.inheriting import exactly
from xueliang_central.camera_rules.levels import levels_of
from xueliang_central.camera_rules.putting import Made, put
from xueliang_central.camera_rules.tables import rule_copies, rule_copy_cameras, rule_versions
from xueliang_central.camera_rules.views import desired_of, report_of
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import NotFound, RulesRefused
from xueliang_central.rights.scope import within

Row = dict[str, Any]
BACK: Final = "copy rolled back: "  # the console says it in the language of the page
GIVEN: Final = copies.GIVEN


async def _lot(conn: AsyncConnection, copy: Row) -> list[Row]:
    its = rule_copy_cameras.c
    to_do: ColumnElement[bool] = its.outcome.is_(None)
    if copy["state"] == CanaryState.BEGUN:
        to_do = and_(to_do, its.is_tried)
    elif copy["state"] == CanaryState.ROLLED_BACK:
        to_do = and_(its.outcome == GIVEN, its.back.is_(None))
    query = select(rule_copy_cameras).where(its.copy_id == copy["copy_id"], to_do).order_by(its.camera_id)
    return [dict(row) for row in (await conn.execute(query.limit(AT_ONCE))).mappings()]


async def _bring(conn: AsyncConnection, copy: Row, row: Row, at: datetime) -> Row:
    """What its row says afterwards."""
    if copy["state"] == CanaryState.ROLLED_BACK:
        return {"back": await _bring_back(conn, copy, row, at)}
    return await _give(conn, copy, row, at)


def _failed(copy: Row, _row: Row) -> Row:
    return {"back": FAILED} if copy["state"] == CanaryState.ROLLED_BACK else _left(FAILED)


async def _keep(conn: AsyncConnection, copy: Row, came: Sequence[tuple[Row, Row]], is_last: bool, at: datetime) -> None:
    its = rule_copy_cameras.c
    for row, values in came:
        one = (its.copy_id == row["copy_id"], its.camera_id == row["camera_id"])
        await conn.execute(update(rule_copy_cameras).where(*one).values(**values))
    if not is_last:
        return
    await copies.set_values(conn, copy["copy_id"], spreading=False)
    await copies.record(conn, copy["by_name"], "spread", copy["copy_id"], {"state": copy["state"]}, at)
    if copy["state"] == CanaryState.BEGUN:
        await copies.reached(conn, copy, at)


def _left(why: str) -> Row:
    """One that was left as it is belongs to no trial any more."""
    return {"outcome": why, "is_tried": False}


async def _camera(conn: AsyncConnection, camera_id: str) -> Row | None:
    found = await conn.execute(select(cameras).where(cameras.c.camera_id == camera_id).with_for_update())
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


async def _give(conn: AsyncConnection, copy: Row, row: Row, at: datetime) -> Row:
    camera = await _camera(conn, row["camera_id"])
    if camera is None:
        return _left("gone")
    if not within(camera["area_path"], copy["area_path"]):
        return _left("not_allowed")
    target = await target_of(conn, camera, copy["rules"], copy["new_in_shadow"])
    is_as_seen = target.newest_version == row["seen_version"] and target.digest == row["seen_digest"]
    if not is_as_seen or not set(target.severities) <= set(row["severities"]):
        return _left("changed")
    if target.left_out is not None or target.part is None:
        return _left(target.left_out or "same")
    camera_id = camera["camera_id"]
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, camera["node_id"])
    made = Made(
        target.part,
        target.inherited,
        target.severities,
        copy["why"],
        copy,
        {"copy_id": copy["copy_id"]},
        "rules.copied",
        {"copy": copy["copy_id"], "source": copy["source_id"]},
        is_agreed=True,  # what it changes was seen, and agreed to where a severity changes
    )
    version = await put(conn, camera_id, made, desired, report, at)
    return {"outcome": GIVEN, "version": version, "before": await _before(conn, camera_id, desired, report)}


async def _before(conn: AsyncConnection, camera_id: str, desired: Row | None, report: Row | None) -> int | None:
    """The version to go back to: what was wanted, or where its node has refused that, what runs in its place."""
    if desired is not None and state_of(desired, report) is not RulesState.REFUSED:
        return int(desired["version"])
    return None if report is None else await _that_says(conn, camera_id, report["digest"])


async def _that_says(conn: AsyncConnection, camera_id: str, digest: str) -> int | None:
    """The newest version with this content that has run: what the node ran by itself was kept as one."""
    its = rule_versions.c
    ran = [VersionState.RAN.value, VersionState.REPLACED.value]
    query = select(its.version).where(its.camera_id == camera_id, its.digest == digest, its.state.in_(ran))
    found: int | None = (await conn.execute(query.order_by(its.version.desc()).limit(1))).scalar_one_or_none()
    return found


async def _bring_back(conn: AsyncConnection, copy: Row, row: Row, at: datetime) -> str:
    """Give the camera the set that it had; a code of why it was left as it is, where it was."""
    camera_id = row["camera_id"]
    camera = await _camera(conn, camera_id)
    if camera is None:
        return "gone"
    if not within(camera["area_path"], copy["area_path"]):
        return "not_allowed"
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, camera["node_id"])
    if desired is None or desired["version"] != row["version"] or row["before"] is None:
        return "changed"
    if report is not None and state_of(desired, report) is RulesState.DRIFTED:
        return "drifted"
    try:
        old = await service.version_of(conn, camera_id, row["before"])
        levels = await levels_of(conn, camera_id, camera["area_path"])
        settings = exactly(old["settings"], old["inherited"] or {}, levels)
        part, severities, inherited = service.judged(camera_id, settings, desired, report, levels)
    except (NotFound, RulesRefused):
        return "does_not_fit"
    made = Made(
        part,
        inherited,
        severities,
        f"{BACK}{copy['why']}",
        _turned_back(copy),
        {"copy_id": copy["copy_id"]},
        "rules.brought_back",
        {"copy": copy["copy_id"], "restores": row["before"]},
        is_agreed=not severities or copy["ended_by_id"] is None,  # by itself, to what ran: it needs nobody
        restores=row["before"],
    )
    await put(conn, camera_id, made, desired, report, at)
    return GIVEN if made.is_agreed else "waits"


def _turned_back(copy: Row) -> Row:
    """What makes versions of a roll-back: who has rolled it back proposes them, and so cannot agree to them. One that
    went back by itself is still of who made the copy."""
    is_by_hand = copy["ended_by_id"] is not None
    by = {"by_id": copy["ended_by_id"], "by_name": copy["ended_by"]} if is_by_hand else {}
    undecided = dict.fromkeys(("decided_at", "decided_by_id", "decided_by_name", "decide_note"))
    return {**copy, **by, **undecided}


WAY: Final = Way(rule_copies, "copy_id", _lot, _bring, _failed, _keep)
