"""What time alone changes: held alerts that stay get an incident of their own, incidents that have settled end, what a
silence hid that is over asks.

The worker asks for it every second. A process killed in the middle has done all of a transaction or nothing; the next
look finds what is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.dispatch import service as dispatch
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import Change, Rulebook
from xueliang_central.incidents.folding import Decision, Fold, FoldingRule
from xueliang_central.incidents.grouping import (
    group_of,
    groups_of,
    hand_places_in,
    lock_groups,
    once_reopened,
    routes_of,
)
from xueliang_central.incidents.node_failures import Presence, released
from xueliang_central.incidents.shedding import MOST_SEVERE, NODE, Collective, Held, collective_of, leaves, of_camera
from xueliang_central.incidents.tables import HOLDS, SETTLES, alerts
from xueliang_central.incidents.tables import incidents as incident_rows
from xueliang_central.ingest import holding, node_faults, silencing
from xueliang_central.ingest.folding_in import (
    arrival_of,
    decide_in,
    follow_up,
    lock_incidents,
    place_all,
    release,
)

Row = dict[str, Any]

AT_ONCE: Final = 50  # alerts that leave in one transaction: an ingest batch waits no longer than for one of its own


async def is_any_held(conn: AsyncConnection) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place: may anything have to leave?"""
    found = await conn.execute(select(incident_rows.c.incident_id).where(text(HOLDS)).limit(1))
    return found.first() is not None


async def is_any_settled(conn: AsyncConnection, rulebook: Rulebook, now: datetime) -> bool:
    """Asked by reading as well: has anything that was seen to be gone been so for its time?"""
    return bool(await _settled(conn, rulebook, now))


async def let_out(change: Change, *, only: str | None = None) -> int:
    """Place what a silence hid that is not in force any more; returns how many alerts were looked at.

    Another silence that is in force and means them hides them on, with its own why. `only`: this alert alone.
    """
    hidden = await silencing.to_let_out(change.conn, change.now, only=only)
    if hidden:
        await place_all(change, {id_: silencing.as_alert(row) for id_, row in hidden.items()}, {}, hidden)
    return len(hidden)


async def settle(change: Change) -> int:
    """End by itself what was seen to be gone and has settled, `AT_ONCE` of it; returns how many."""
    wanted = (await _settled(change.conn, change.rulebook, change.now))[:AT_ONCE]
    found = await change.conn.execute(
        select(incident_rows)
        .where(incident_rows.c.incident_id.in_(wanted), text(SETTLES))
        .order_by(incident_rows.c.incident_id)
        .with_for_update(skip_locked=True)
    )
    ended = 0
    for row in [dict(row) for row in found.mappings()]:
        if _has_settled(row, change.rulebook, change.now):
            await dispatch.see_gone(change, row, has_settled=True)
            ended += 1
    return ended


async def _settled(conn: AsyncConnection, rulebook: Rulebook, now: datetime) -> list[str]:
    """The ids of those to end, longest gone first; seen without locks."""
    names = ("incident_id", "number", "hazard", "place_key", "state", "alert_count", "opened_at", "updated_at")
    asked = [incident_rows.c[name] for name in names]
    query = select(*asked).where(text(SETTLES)).order_by(incident_rows.c.updated_at, incident_rows.c.incident_id)
    found = await conn.execute(query)
    return [row["incident_id"] for row in found.mappings() if _has_settled(dict(row), rulebook, now)]


def _has_settled(row: Row, rulebook: Rulebook, now: datetime) -> bool:
    return bool(row["updated_at"] + timedelta(seconds=dispatch.settles_s(row, rulebook, now)) <= now)


async def let_go(change: Change) -> int:
    """Give held alerts that have become more than that an incident of their own; returns how many cameras'."""
    leaving = (await _leaving(change))[:AT_ONCE]
    wanted = [one.alert_id for _, one in leaving]
    if not wanted:
        return 0
    found = await change.conn.execute(select(alerts).where(alerts.c.alert_id.in_(wanted)))
    rows = {row["alert_id"]: dict(row) for row in found.mappings()}
    routes = await routes_of(change, list(rows.values()))
    counties = {key for key, _ in leaving} | {  # where it is held, and where its camera is now
        (holding.county_of(change, routes[alert_id].area.code).code, row["hazard"]) for alert_id, row in rows.items()
    }
    keys = {(routes[alert_id].area.code, row["hazard"]) for alert_id, row in rows.items()}
    await lock_groups(change, keys | counties)
    by_hand = await hand_places_in(change, keys)
    touched_before = {row["incident_id"] for row in rows.values()} | {place.incident_id for place in by_hand}
    cases = await lock_incidents(change, touched_before, keys | counties)
    before = set(cases)
    books = await holding.load(change, counties, cases, {}, {})
    books.nodes = await node_faults.presences(
        change.conn, _nodes_of(one for held in books.held.values() for one in held)
    )
    groups = groups_of(cases, by_hand)
    reopened: dict[str, Decision] = {}
    touched: set[str] = set()
    for key, held in books.held.items():
        rule = change.rulebook.folding_rule(key[1])
        for one in [one for one in held if one.alert_id in rows]:
            why = _why_it_leaves(one, held, books.nodes, change.now, rule)  # again: it may have ended meanwhile
            if why is None or one not in held:
                continue
            row, route_ = rows[one.alert_id], routes[one.alert_id]
            decision = await decide_in(change, arrival_of(row, route_), row, groups, cases, reopened)
            if decision.fold is Fold.REOPEN and decision.incident_id is not None:
                reopened[decision.incident_id] = decision
                groups = once_reopened(groups, decision.incident_id)
            into = cases[decision.incident_id] if decision.incident_id is not None else None
            if into is None:
                into = await incidents.open_incident(change, route_, one.camera_id, [row], by=holding.FOLDING)
                cases[into["incident_id"]] = into
                groups[into["incident_id"]] = group_of(into)
                await release(change, by_hand, into)
            touched |= await holding.move(change, books, of_camera(one.camera_id, held, change.now), into, why, {})
            touched.add(into["incident_id"])
    await follow_up(change, touched, cases, opened=set(cases) - before, reopened=reopened)
    return len(touched)


def _nodes_of(held: Iterable[Held]) -> set[str]:
    """Whose cameras are held as theirs."""
    return {one.node_id for one in held if one.place_key.startswith(NODE)}


def _why_it_leaves(
    one: Held, held: Sequence[Held], nodes: Mapping[str, Presence], now: datetime, rule: FoldingRule
) -> dict[str, object] | None:
    """Why a held alert gets an incident of its own now; None: it stays where it is."""
    if one.place_key.startswith(NODE):
        return released(one, held, nodes, now, rule)
    return leaves(one, held, now, rule)


async def _leaving(change: Change) -> list[tuple[holding.Key, Held]]:
    """Those that would leave now and the key of what holds them, severity 1 first; seen without locks."""
    found = await change.conn.execute(select(incident_rows).where(text(HOLDS)))
    collectives: defaultdict[holding.Key, list[Collective]] = defaultdict(list)
    for row in found.mappings():
        collectives[row["area_code"], row["hazard"]].append(collective_of(dict(row)))
    leaving: list[tuple[holding.Key, Held]] = []
    for key, open_ones in sorted(collectives.items(), key=lambda item: item[0]):
        hazard = key[1]
        held = await holding.held_in(change, hazard, open_ones, {})
        nodes = await node_faults.presences(change.conn, _nodes_of(held))
        rule = change.rulebook.folding_rule(hazard)
        cameras_left: set[str] = set()
        for one in held:
            if one.camera_id in cameras_left:
                continue
            if _why_it_leaves(one, held, nodes, change.now, rule) is not None:
                leaving.append((key, one))
                cameras_left.add(one.camera_id)
    return sorted(leaving, key=lambda item: item[1].severity > MOST_SEVERE)
