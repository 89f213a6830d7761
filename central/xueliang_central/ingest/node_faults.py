"""Cameras that are offline, and their nodes, in the database (the decisions: `incidents.node_failures`).

Called with the group keys of the counties locked, as `holding` is: whoever adds such a fault to a county holds them
too, so that no two transactions each see too few cameras of one node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Phase
from xueliang_central.fleet.overview import AWAY
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents import node_failures
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.folding import CLOCK_AHEAD, Arrival, trusted_began_at
from xueliang_central.incidents.node_failures import AT_ONCE, NODE_HAZARD, Presence, is_offline, may_be_of_node
from xueliang_central.incidents.regrouped import split_off
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.shedding import Holding, collective_of, is_collective
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest import holding

Row = dict[str, Any]


def nodes_of(change: Change, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The nodes with cameras that these new alerts tell to be offline, and these alerts."""
    found: dict[str, list[Row]] = {}
    if change.rulebook.folding_rule(NODE_HAZARD).node_cameras:
        for row in rows:
            if is_offline(row):
                found.setdefault(row["node_id"], []).append(row)
    return found


async def presences(conn: AsyncConnection, node_ids: Iterable[str]) -> dict[str, Presence]:
    """What the registered ones among these nodes last said of themselves, or the broker of them."""
    wanted = sorted(node_ids)
    if not wanted:
        return {}
    query = select(nodes.c.node_id, nodes.c.state, nodes.c.state_since).where(nodes.c.node_id.in_(wanted))
    found = await conn.execute(query)
    return {row.node_id: Presence(row.node_id, row.state in AWAY, row.state_since) for row in found}


async def open_of(change: Change, found: Mapping[str, Sequence[Row]]) -> list[str]:
    """The open incidents, wherever they lie, of cameras of these nodes that failed at about the same time."""
    if not found:
        return []
    began = [
        trusted_began_at(row["began_at"], row["first_received_at"], row["clock_state"])
        for rows in found.values()
        for row in rows
    ]
    query = (
        select(incidents.c.incident_id)
        .join(alerts, alerts.c.incident_id == incidents.c.incident_id)
        .where(
            text("incidents.state <> 'closed'"),  # in the words of the index `incidents_one_open`
            incidents.c.hazard == NODE_HAZARD,
            alerts.c.node_id.in_(sorted(found)),
            alerts.c.phase != Phase.CLEARED.value,
            alerts.c.first_received_at >= min(began) - AT_ONCE - CLOCK_AHEAD,  # heard of before it was, by its clock
        )
        .distinct()
    )
    return list((await change.conn.execute(query)).scalars())


async def load(
    change: Change,
    counties: holding.Counties,
    found: Mapping[str, Sequence[Row]],
    cases: Mapping[str, Row],
    arriving: Mapping[str, Row],
) -> None:
    """Add to what the counties hold: these nodes, and their cameras that are offline in incidents of their own.

    What comes in this batch counts from its first alert on, though it is in no incident yet: a node that fails in one
    batch opens nothing for its cameras.
    """
    if not found:
        return
    counties.nodes = await presences(change.conn, found)
    own = {
        row["incident_id"]: collective_of(row)
        for row in cases.values()
        if row["hazard"] == NODE_HAZARD and row["state"] != State.CLOSED and not is_collective(row["place_key"])
    }
    held = await holding.held_in(change, NODE_HAZARD, own.values(), arriving)
    may_leave = {id_ for id_, one in own.items() if one.is_free} - await split_off(change.conn, own)
    counties.alone += [replace(one, may_leave=one.incident_id in may_leave) for one in held if one.is_offline]
    counties.alone += [holding.not_placed_yet(row, change.now) for rows in found.values() for row in rows]


def of_node(change: Change, counties: holding.Counties, arrival: Arrival, row: Row, route: Route) -> Holding | None:
    """Where `node_failures.of_node` puts a new alert; None: it is not its node's."""
    rule = change.rulebook.folding_rule(arrival.hazard)
    if not may_be_of_node(arrival, row["severity"], rule):
        return None
    key = (holding.county_of(change, route.area.code).code, arrival.hazard)
    faults = [*counties.held.get(key, []), *counties.alone]
    node = counties.nodes.get(row["node_id"], Presence(row["node_id"]))
    return node_failures.of_node(arrival, node, counties.collectives.get(key, []), faults, change.now, rule)
