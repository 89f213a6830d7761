"""The noise board of an area and a span: which rows stand at the top, and what is known of each for a suggestion.

The tops are found in `noise_cases`, one row for each incident and rule, however many alerts lie behind it; the alerts
themselves are read for the rules that are shown, by the index of their camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Hazard
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.incidents.folding import FoldingRule
from xueliang_central.noise.tables import noise_cases, noise_rules
from xueliang_central.rights.scope import Actor, in_area, in_scope
from xueliang_central.silences.tables import silenced_alerts

Row = dict[str, Any]
Span = Literal["shift", "day", "week", "month"]
Order = Literal["number", "share"]

SPANS: Final[Mapping[Span, timedelta]] = {
    "shift": timedelta(hours=8),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
ROWS: Final = 20  # of each kind: more than a person changes in a day
LEAST_FOR_SHARE: Final = 8  # judged, to stand in the order by share: one of one is no share (see suggesting)
_ONLINE: Final = ("streaming", "watching")
_NODE_ONLINE: Final = "online"


@dataclass(frozen=True, slots=True)
class Asked:
    """The board of what lies in `area_path` and in the actor's scope, of incidents opened since `begins_at`."""

    actor: Actor
    area_path: str
    begins_at: datetime
    span: Span
    order: Order = "number"

    def here(self, path: ColumnElement[str]) -> ColumnElement[bool]:
        return and_(in_area(path, self.area_path), in_scope(path, self.actor))


def _said(kind: str) -> ColumnElement[int]:
    return func.sum(case((noise_cases.c.judged == kind, 1), else_=0))


def _sums(asked: Asked, *keys: ColumnElement[Any]) -> Select[Any]:
    its = noise_cases.c
    return (
        select(
            *keys,
            func.count().label("incidents"),
            func.sum(its.alerts).label("alerts"),
            func.sum(its.alerts - 1).label("repeats"),
            func.max(its.peak).label("peak"),
            func.max(its.last_raised_at).label("last_raised_at"),
            _said("true_hazard").label("true"),
            _said("false_alarm").label("false"),
            _said("permitted").label("permitted"),
            _said("nothing_here").label("nothing_here"),
            _said("unjudged").label("unjudged"),
        )
        .where(asked.here(its.area_path), its.opened_at >= asked.begins_at)
        .group_by(*keys)
    )


def _by_false(asked: Asked, sums: Select[Any]) -> Select[Any]:
    of = _said("false_alarm") + _said("true_hazard")
    if asked.order == "share":
        share = _said("false_alarm") * 1.0 / of
        sums = sums.having(_said("false_alarm") > 0, of >= LEAST_FOR_SHARE)
        return sums.order_by(share.desc(), _said("false_alarm").desc())
    # What was permitted again and again stands in the list too, below what was judged false.
    sums = sums.having(or_(_said("false_alarm") > 0, _said("permitted") > 0))
    return sums.order_by(_said("false_alarm").desc(), _said("permitted").desc())


async def noisiest_rules(conn: AsyncConnection, asked: Asked) -> list[Row]:
    """Rules by incidents judged false, then by permitted ones."""
    its = noise_cases.c
    query = _by_false(asked, _sums(asked, its.camera_id, its.rule_id, its.hazard)).order_by(its.camera_id, its.rule_id)
    return await _rows(conn, query.limit(ROWS))


async def noisiest_cameras(conn: AsyncConnection, asked: Asked) -> list[Row]:
    """The same by camera, all its rules together; an incident that two of its rules raised counts for each."""
    its = noise_cases.c
    query = _by_false(asked, _sums(asked, its.camera_id)).order_by(its.camera_id)
    return await _rows(conn, query.limit(ROWS))


async def most_flapping(conn: AsyncConnection, asked: Asked, folding: Mapping[str, FoldingRule]) -> list[Row]:
    """Rules that were raised again while their incident stood, the most often within a flap window first."""
    its = noise_cases.c
    sums = _sums(asked, its.camera_id, its.rule_id, its.hazard).having(func.sum(its.alerts - 1) > 0)
    ordered = sums.order_by(func.max(its.peak).desc(), func.sum(its.alerts - 1).desc(), its.camera_id, its.rule_id)
    rows = await _rows(conn, ordered.limit(ROWS))
    for row in rows:
        rule = folding.get(row["hazard"], FoldingRule())
        row["flap_count"], row["flap_window_s"] = rule.flap_count, rule.flap_window_s
    return rows


@dataclass(frozen=True, slots=True)
class Unraised:
    """rows: ROWS of them at most, each with `peers` and `peers_raised`: rules of its hazard that were looked at, and
    how many of them were raised. total: all of them. younger: rules that were left out because they have not been in
    force for the whole span."""

    rows: list[Row]
    total: int
    younger: int


async def never_raised(conn: AsyncConnection, asked: Asked, *, gate_holds: bool) -> Unraised:
    """Rules in force since before the span, whose camera sends now, that raised nothing in it, hidden or not; those
    first whose hazard the others raised, for there it says most.

    Camera faults are left out: that none was raised is how it should be. In a shift so are rules by schedule.
    """
    watched = _watched(asked, gate_holds=gate_holds).subquery()
    its = watched.c
    peers = func.count().over(partition_by=its.hazard).label("peers")
    counted = select(
        watched, peers, func.sum(its.raised).over(partition_by=its.hazard).label("peers_raised")
    ).subquery()
    its = counted.c
    query = (
        select(counted, func.count().over().label("total"))
        .where(its.raised == 0)
        .order_by((its.peers_raised * 1.0 / its.peers).desc(), its.since, its.camera_id, its.rule_id)
        .limit(ROWS)
    )
    rows = await _rows(conn, query)
    total = rows[0]["total"] if rows else 0
    return Unraised(rows, total, await _younger(conn, asked, gate_holds=gate_holds))


def _in_force(asked: Asked, *, gate_holds: bool) -> list[ColumnElement[bool]]:
    its = noise_rules.c
    conditions = [
        asked.here(cameras.c.area_path),
        its.shadow.is_(False),
        its.hazard != Hazard.CAMERA_FAULT.value,
        camera_states.c.state.in_(_ONLINE),
        nodes.c.state == _NODE_ONLINE,
    ]
    if gate_holds:
        conditions.append(cameras.c.released_at.is_not(None))
    if asked.span == "shift":
        conditions.append(its.scheduled.is_(False))
    return conditions


def _of_rules(*asked: Any) -> Select[Any]:
    return (
        select(*asked)
        .select_from(noise_rules)
        .join(cameras, cameras.c.camera_id == noise_rules.c.camera_id)
        .join(camera_states, camera_states.c.camera_id == cameras.c.camera_id)
        .join(nodes, nodes.c.node_id == camera_states.c.node_id)
    )


def _watched(asked: Asked, *, gate_holds: bool) -> Select[Any]:
    """`raised`: 1 or 0."""
    its, cases, hidden = noise_rules.c, noise_cases.c, silenced_alerts.c
    raised = exists().where(
        cases.camera_id == its.camera_id, cases.rule_id == its.rule_id, cases.last_raised_at >= asked.begins_at
    )
    was_hidden = exists().where(
        hidden.camera_id == its.camera_id, hidden.rule_id == its.rule_id, hidden.began_at >= asked.begins_at
    )
    is_raised = case((or_(raised, was_hidden), 1), else_=0).label("raised")
    return _of_rules(its.camera_id, its.rule_id, its.hazard, its.since, its.scheduled, is_raised).where(
        *_in_force(asked, gate_holds=gate_holds), its.since <= asked.begins_at
    )


async def _younger(conn: AsyncConnection, asked: Asked, *, gate_holds: bool) -> int:
    query = _of_rules(func.count()).where(
        *_in_force(asked, gate_holds=gate_holds), noise_rules.c.since > asked.begins_at
    )
    return int((await conn.execute(query)).scalar_one())


async def _rows(conn: AsyncConnection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in (await conn.execute(query)).mappings()]
