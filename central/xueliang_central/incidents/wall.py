"""What a wall of screens shows, in a few queries however many incidents are open. No person is in any of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, brief
from xueliang_central.cameras.tables import cameras
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.clocks.showing import hours_counted
from xueliang_central.clocks.tables import clocks
from xueliang_central.fleet.overview import AWAY, iso
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.rights.scope import Actor, in_area, in_scope
from xueliang_central.store.among import among

Row = dict[str, Any]

UNTAKEN: Final = (State.OPEN.value, State.UNIT_TOLD.value, State.DISPATCHED.value)  # nobody is on the way yet
MOST_URGENT: Final = 50  # ten pages of five: whoever waits longer for the first one again is not helped by more
MOST_PLACES: Final = 2_000  # markers of a map that is looked at from six metres
PROOF_AMONG: Final = 5_000  # newest alerts of the whole centre: an hour of a city's busiest
_FAULTLESS: Final = frozenset({"streaming", "watching"})
_UNKNOWN: Final = frozenset({"unknown", "connecting"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What lies in `area_path` and in the actor's scope."""

    actor: Actor
    area_path: str

    def here(self, path: ColumnElement[str]) -> ColumnElement[bool]:
        return and_(in_area(path, self.area_path), in_scope(path, self.actor))


def _open(seen: Seen) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return incidents.c.state != State.CLOSED.value, seen.here(incidents.c.area_path)


async def counts(conn: AsyncConnection, seen: Seen) -> Row:
    """Open ones by state and by severity, without drills, which are counted apart; late: a limit has passed."""
    its = incidents.c
    query = (
        select(its.state, its.severity, its.drill, func.count().label("total"))
        .where(*_open(seen))
        .group_by(its.state, its.severity, its.drill)
    )
    states, severities, drills = Counter[str](), Counter[str](), 0
    for row in await conn.execute(query):
        if row.drill:
            drills += row.total
            continue
        states[row.state] += row.total
        if row.state != State.LONG_LIVED:  # under way by a plan: it would hide what is new
            severities[str(row.severity)] += row.total
    late = (
        select(func.count(clocks.c.incident_id.distinct()))
        .join(incidents, its.incident_id == clocks.c.incident_id)
        .where(
            *_open(seen),
            its.drill.is_(False),
            clocks.c.stopped_at.is_(None),
            clocks.c.paused_at.is_(None),
            clocks.c.breached_at.is_not(None),
        )
    )
    return {
        "states": {state.value: states[state.value] for state in State if state is not State.CLOSED},
        "severities": {str(one): severities[str(one)] for one in range(1, 5)},
        "late": int((await conn.execute(late)).scalar_one()),
        "drills": drills,
    }


async def urgent(conn: AsyncConnection, tree: AreaTree, seen: Seen) -> Row:
    """Those that nobody has taken: most severe first, then by the clock that is due first, as the queue of a desk.
    `total` is without drills, which stand in the list all the same."""
    its = incidents.c
    due = (
        select(clocks.c.incident_id, func.min(clocks.c.due_at).label("due_at"))
        .where(clocks.c.stopped_at.is_(None), clocks.c.kind != ClockKind.OVERSEE.value)
        .group_by(clocks.c.incident_id)
        .subquery()
    )
    waiting = [*_open(seen), its.state.in_(UNTAKEN)]
    asked = (its.incident_id, its.number, its.hazard, its.severity, its.state, its.drill, its.area_code)
    query = (
        select(*asked, its.camera_name, its.opened_at)
        .outerjoin(due, due.c.incident_id == its.incident_id)
        .where(*waiting)
        .order_by(its.severity, due.c.due_at.is_(None), due.c.due_at, its.opened_at, its.incident_id)
        .limit(MOST_URGENT)
    )
    rows = [dict(row) for row in (await conn.execute(query)).mappings()]
    counted = select(func.count()).select_from(incidents).where(*waiting, its.drill.is_(False))
    total = (await conn.execute(counted)).scalar_one()
    running = await _clocks(conn, [row["incident_id"] for row in rows])
    return {"total": int(total), "items": [_item(tree, row, running.get(row["incident_id"])) for row in rows]}


def _item(tree: AreaTree, row: Row, clock: Row | None) -> Row:
    area = tree.find(row["area_code"])
    return {
        **{name: row[name] for name in ("incident_id", "number", "hazard", "severity", "state", "drill")},
        "place": row["camera_name"],
        "area": None if area is None else brief(area),
        "opened_at": iso(row["opened_at"]),
        "clock": clock,
    }


async def _clocks(conn: AsyncConnection, ids: list[str]) -> dict[str, Row]:
    """The running clock of each that is due first."""
    its = clocks.c
    query = (
        select(its.incident_id, its.kind, its.started_at, its.due_at, its.breached_at, its.counts)
        .where(among(conn, its.incident_id, ids), its.stopped_at.is_(None), its.kind != ClockKind.OVERSEE.value)
        .order_by(its.due_at.desc())
    )
    return {
        row["incident_id"]: {
            "kind": row["kind"],
            "started_at": iso(row["started_at"]),
            "due_at": iso(row["due_at"]),
            "breached": row["breached_at"] is not None,
            "counts": hours_counted(dict(row)),
        }
        for row in (await conn.execute(query)).mappings()
    }


async def places(conn: AsyncConnection, seen: Seen) -> list[Row]:
    """Where open incidents lie, the most severe first; of those without a place nothing is shown on the map."""
    its = incidents.c
    query = (
        select(its.longitude, its.latitude, its.severity, its.state, its.drill, its.area_code)
        .where(*_open(seen), its.longitude.is_not(None), its.latitude.is_not(None))
        .order_by(its.severity, its.opened_at)
        .limit(MOST_PLACES)
    )
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def health(conn: AsyncConnection, seen: Seen) -> Row:
    """Nodes and cameras, in numbers; a camera whose node is away is not known, as on a desk."""
    its = nodes.c
    asked = (its.state, its.backlog_records, its.missing_records)
    found = (await conn.execute(select(*asked).where(seen.here(its.area_path)))).all()
    query = (
        select(camera_states.c.state, nodes.c.state.label("node"), func.count().label("total"))
        .select_from(cameras)
        .outerjoin(camera_states, camera_states.c.camera_id == cameras.c.camera_id)
        .outerjoin(nodes, nodes.c.node_id == camera_states.c.node_id)
        .where(seen.here(cameras.c.area_path))
        .group_by(camera_states.c.state, nodes.c.state)
    )
    told = Counter[str]()
    for row in await conn.execute(query):
        told[_camera(row.state, row.node)] += row.total
    return {
        "nodes": {"all": len(found), "online": sum(one.state == "online" for one in found)},
        "cameras": {"all": told.total(), **{name: told[name] for name in ("ok", "faulty", "unknown")}},
        "backlog": sum(one.backlog_records or 0 for one in found),
        "missing": sum(one.missing_records or 0 for one in found),
    }


def _camera(state: str | None, node: str | None) -> str:
    if state is None or node in AWAY or state in _UNKNOWN:
        return "unknown"
    return "ok" if state in _FAULTLESS else "faulty"


async def proof(conn: AsyncConnection, seen: Seen) -> Row | None:
    """The newest alert that came all the way from a camera to the database: when, and how long it was on the way from
    its node. None: none of this area is among the newest of the centre."""
    its = alerts.c
    newest = (
        select(its.area_path, its.first_received_at, its.raised_at, its.drill)
        .order_by(its.first_received_at.desc())
        .limit(PROOF_AMONG)
        .subquery()
    )
    query = select(newest).where(seen.here(newest.c.area_path)).order_by(newest.c.first_received_at.desc()).limit(1)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    way_s = (row.first_received_at - row.raised_at).total_seconds()
    return {"at": iso(row.first_received_at), "way_s": round(max(0.0, way_s), 1), "drill": row.drill}
