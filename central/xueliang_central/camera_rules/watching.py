"""Looks at canaries of every kind: their figures, and whether they have left the band. One canary, one transaction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.camera_rules import canaries, copies, trials
from xueliang_central.camera_rules.canary import DAYS_BEFORE, CanaryState, Figures, breaches, undecided
from xueliang_central.camera_rules.deciding import VersionState
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.incidents.tables import alerts
from xueliang_central.rights.scope import in_area

Row = dict[str, Any]
DAY: Final = timedelta(days=1)
KINDS: Final = (canaries.KIND, copies.KIND)


async def is_any_due(conn: AsyncConnection, at: datetime) -> bool:
    for kind in KINDS:
        its = kind.kept.trials.c
        found = await conn.execute(select(its.next_look_at).where(its.next_look_at <= at).limit(1))
        if found.one_or_none() is not None:
            return True
    return False


async def look(conn: AsyncConnection, tree: AreaTree, at: datetime) -> bool:
    """Look at one canary that is due, with everything that follows. False: none is."""
    for kind in KINDS:
        its = kind.kept.trials.c
        key = [its[name] for name in kind.kept.key]
        query = select(*key).where(its.next_look_at <= at).order_by(its.next_look_at).limit(1)
        due = (await conn.execute(query)).mappings().one_or_none()
        if due is not None:
            await _look(conn, tree, kind, dict(due), at)
            return True
    return False


async def _look(conn: AsyncConnection, tree: AreaTree, kind: trials.Kind, due: Row, at: datetime) -> None:
    canary = await kind.locked(conn, due)
    if canary is None or canary["next_look_at"] is None or canary["next_look_at"] > at:
        return  # another worker, or a person, was faster
    figures = await figures_of(conn, kind.kept, canary, at)
    await trials.looked(conn, kind.kept, canary, figures, at)
    canary["figures"] = figures.as_json()
    left = breaches(figures, trials.band_of(canary))
    late = undecided(canary["ends_at"], at) if canary["state"] == CanaryState.HELD else None
    if left or late:
        left = left if late is None else (*left, late)
        await kind.roll_back(conn, tree, canary, None, left, at)
    elif canary["state"] == CanaryState.WATCHED and at >= canary["ends_at"]:
        if canary["promotes_itself"] and figures.is_tried:
            await kind.promote(conn, canary, None, at)
        else:
            await kind.hold(conn, tree, canary, at)


async def figures_of(conn: AsyncConnection, kept: trials.Kept, canary: Row, at: datetime) -> Figures:
    """Of a canary that is watched, from when its cameras had the version until now; alerts of a day at most."""
    mine = select(kept.cameras.c.camera_id).where(kept.tried(canary))
    in_place = select(cameras.c.camera_id).where(in_area(cameras.c.area_path, canary["area_path"]))
    inside, outside = (
        alerts.c.camera_id.in_(mine),
        and_(alerts.c.camera_id.in_(in_place), alerts.c.camera_id.not_in(mine)),
    )
    began_at = canary["began_at"]
    since = max(began_at, at - DAY)
    first = max(1, math.ceil((at - began_at) / DAY))  # the last day whose same hours lie wholly before it began
    now = [(since, at)]
    before = [(since - day * DAY, at - day * DAY) for day in range(first, first + DAYS_BEFORE)]
    return Figures(
        watched_h=(at - began_at).total_seconds() / 3600,
        alerts=await _alerts(conn, canary, inside, now),
        before=await _alerts(conn, canary, inside, before),
        others=await _alerts(conn, canary, outside, now),
        others_before=await _alerts(conn, canary, outside, before),
        missing=await _missing(conn, mine, began_at),
        **await _health(conn, kept, canary),
        **await _answers(conn, kept, canary),
    )


async def _alerts(
    conn: AsyncConnection, canary: Row, whose: ColumnElement[bool], times: Sequence[tuple[datetime, datetime]]
) -> int:
    began = alerts.c.began_at  # what the index by camera is ordered by
    when = or_(*(and_(began > since, began <= until) for since, until in times))
    query = select(func.count()).where(whose, when, alerts.c.drill.is_(False))
    if canary["hazards"]:
        query = query.where(alerts.c.hazard.in_(canary["hazards"]))
    return int((await conn.execute(query)).scalar_one())


async def _missing(conn: AsyncConnection, mine: Any, since: datetime) -> int:
    its_nodes = select(cameras.c.node_id).where(cameras.c.camera_id.in_(mine))
    query = select(func.count()).where(nodes.c.node_id.in_(its_nodes), nodes.c.missing_at > since)
    return int((await conn.execute(query)).scalar_one())


async def _health(conn: AsyncConnection, kept: trials.Kept, canary: Row) -> dict[str, int]:
    """How many have a fault that they did not have, and look less often than before."""
    its = kept.cameras.c
    query = (
        select(its.was_faulty, its.gap_before_s, camera_states.c.state, camera_states.c.achieved_gap_s)
        .outerjoin(camera_states, camera_states.c.camera_id == its.camera_id)
        .where(kept.tried(canary))
    )
    rows = (await conn.execute(query)).all()
    ratio = trials.band_of(canary).slower_ratio
    slower = [one for one in rows if one.gap_before_s and (one.achieved_gap_s or 0.0) > one.gap_before_s * ratio]
    faulty = [one for one in rows if trials.is_faulty(one.state) and not one.was_faulty]
    return {"cameras": len(rows), "faulty": len(faulty), "slower": len(slower)}


async def _answers(conn: AsyncConnection, kept: trials.Kept, canary: Row) -> dict[str, int]:
    """What the nodes have said of the rules that this canary made."""
    its, wanted, said = kept.cameras.c, rule_versions.c, rule_reports.c
    query = (
        select(wanted.digest, wanted.version, said.digest.label("runs"), said.answer_version, said.outcome)
        .join(kept.cameras, its.camera_id == wanted.camera_id)
        .join(cameras, cameras.c.camera_id == its.camera_id)
        .join(rule_reports, and_(said.camera_id == its.camera_id, said.node_id == cameras.c.node_id))
        .where(kept.tried(canary), wanted.state == VersionState.DESIRED.value, kept.made_by(canary))
    )
    rows = (await conn.execute(query)).all()
    refused = [one for one in rows if one.answer_version == one.version and one.outcome == "refused"]
    return {"in_force": sum(one.digest == one.runs for one in rows), "refused": len(refused)}
