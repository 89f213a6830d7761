"""New revisions into alerts, alerts into incidents, incidents into tasks: the database side of `incidents.folding`.

Lock order, the same in every ingest transaction: the group keys (PostgreSQL advisory locks, sorted), then every
incident that may be touched, sorted by id. So two batches cannot open two incidents for one place, nor wait for each
other in a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast

from sqlalchemy import insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from xueliang_central.dispatch import service as dispatch
from xueliang_central.dispatch.giving_way import give_way
from xueliang_central.dispatch.rising import rise, send_risen
from xueliang_central.dispatch.unit_replies import break_through
from xueliang_central.errors import DatabaseConflict
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import CAMERA, INGEST, Change
from xueliang_central.incidents.folding import Arrival, Decision, Fold, Group, decide, trusted_began_at
from xueliang_central.incidents.grouping import (
    HandPlace,
    forget_places,
    group_of,
    groups_of,
    hand_places_in,
    lock_groups,
    once_reopened,
    place_of,
    routes_of,
)
from xueliang_central.incidents.members import Revision, is_seen_clear, merge
from xueliang_central.incidents.node_failures import is_offline
from xueliang_central.incidents.old_members import Counted, is_long, members_that_count
from xueliang_central.incidents.regrouping import SETTLED, is_urgent
from xueliang_central.incidents.reported import is_by_a_person
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.shedding import Holding, is_collective
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import alerts, expected_pictures
from xueliang_central.incidents.tables import incidents as incident_rows
from xueliang_central.ingest import holding, inhibiting, node_faults, silencing
from xueliang_central.store.among import among, pairs_among

Row = dict[str, Any]

_NOBODY: Final[Mapping[str, list[Row]]] = {}
_NOTHING: Final[Mapping[str, Row]] = {}


async def known_alerts(change: Change, alert_ids: Sequence[str]) -> dict[str, Row]:
    """The rows of these alerts, as far as they are known."""
    found = await change.conn.execute(select(alerts).where(among(change.conn, alerts.c.alert_id, alert_ids)))
    return {row["alert_id"]: dict(row) for row in found.mappings()}


async def fold_in(
    change: Change,
    revisions: Mapping[str, Sequence[Revision]],
    known: Mapping[str, Row],
    hidden: Mapping[str, Row],
) -> int:
    """Take in new revisions, by alert_id; returns how many alerts a silence hides from now on.

    Args:
        known, hidden: those of them that lie in an incident, or are hidden: from `known_alerts` and
            `silencing.known_hidden`, in the same transaction.

    Raises:
        DatabaseConflict: a known alert has changed its place since it was read; run the transaction again.
    """
    before = {**known, **{alert_id: silencing.as_alert(row) for alert_id, row in hidden.items()}}
    merged = {alert_id: merge(before.get(alert_id), found) for alert_id, found in sorted(revisions.items())}
    return await place_all(change, merged, known, hidden)


async def place_all(
    change: Change,
    merged: dict[str, Row],
    known: Mapping[str, Row],
    hidden: Mapping[str, Row],
    told_same: Mapping[str, Row] = _NOTHING,
) -> int:
    """Write these alerts where they belong: behind a silence, or in incidents; returns how many are newly hidden.

    `merged`: by alert_id, as they are now; `known` and `hidden` as in `fold_in`, as they were. `told_same`: by
    alert_id, the open incident that whoever told recognised it as; one that has closed meanwhile is passed over.
    """
    new = [alert_id for alert_id in merged if alert_id not in known]
    routes = await routes_of(change, [merged[alert_id] for alert_id in new])
    counties = holding.counties_of(change, ((routes[alert_id], merged[alert_id]) for alert_id in new))
    nodes = node_faults.nodes_of(change, [merged[alert_id] for alert_id in new])
    groups = {(routes[alert_id].area.code, merged[alert_id]["hazard"]) for alert_id in new}
    groups |= {(case["area_code"], case["hazard"]) for case in told_same.values()}
    await lock_groups(change, groups | counties)
    by_hand = await hand_places_in(change, groups)
    touched = {row["incident_id"] for row in known.values()} | {place.incident_id for place in by_hand}
    touched.update(await node_faults.open_of(change, nodes))
    touched.update(case["incident_id"] for case in told_same.values())
    cases = await lock_incidents(change, touched, groups | counties)
    await _are_where_they_were(change, known)
    await silencing.lock(change, hidden)
    await inhibiting.follow(change, merged, routes)
    places = groups_of(cases, by_hand)
    open_places = {
        (one.area_code, one.hazard, one.drill, one.place_key) for one in places.values() if one.closed_at is None
    }
    waiting = {alert_id: merged[alert_id] for alert_id in new if not is_by_a_person(merged[alert_id])}
    sorted_ = await silencing.sort_out(change, waiting, hidden, routes, open_places)
    newly_hidden = await silencing.keep(change, sorted_, merged, hidden, routes)
    merged = {alert_id: row for alert_id, row in merged.items() if alert_id not in sorted_.hidden}
    new = [alert_id for alert_id in new if alert_id in merged]
    nodes = node_faults.nodes_of(change, [merged[alert_id] for alert_id in new])
    fresh = holding.new_by_county(change, ((routes[alert_id], merged[alert_id]) for alert_id in new))
    before = set(cases)
    held = await holding.load(change, counties, cases, merged, fresh)
    await node_faults.load(change, held, nodes, cases, merged)
    reopened, emptied = await _place(change, new, merged, routes, cases, places, held, by_hand, told_same)
    await _write_alerts(change, merged, known, cases)
    await silencing.show(change, sorted_, merged)
    await inhibiting.mark(change, [merged[alert_id] for alert_id in new])
    touched = {merged[alert_id]["incident_id"] for alert_id in merged} | emptied
    opened = set(cases) - before
    members: dict[str, list[Row]] = {} if emptied else {incident_id: [] for incident_id in opened}
    for row in merged.values():  # nothing has moved: what has just opened holds what has just come
        if row["incident_id"] in members:
            members[row["incident_id"]].append(row)
    await follow_up(change, touched, cases, opened=opened, reopened=reopened, known_members=members)
    return newly_hidden


async def lock_incidents(
    change: Change, touched: Collection[str], groups: Collection[tuple[str, str]]
) -> dict[str, Row]:
    """These incidents, and every one that an alert of these group keys might join or reopen, locked, by id."""
    horizon = change.now - timedelta(seconds=change.rulebook.longest_memory_s)
    may_join = await change.conn.execute(
        select(incident_rows.c.incident_id).where(
            pairs_among(change.conn, incident_rows.c.area_code, incident_rows.c.hazard, sorted(set(groups))),
            or_(incident_rows.c.state != State.CLOSED.value, incident_rows.c.closed_at >= horizon),
        )
    )
    wanted = sorted({*touched, *may_join.scalars()})
    found = await change.conn.execute(
        select(incident_rows)
        .where(among(change.conn, incident_rows.c.incident_id, wanted))
        .order_by(incident_rows.c.incident_id)
        .with_for_update()
    )
    return {row["incident_id"]: dict(row) for row in found.mappings()}


async def _are_where_they_were(change: Change, known: Mapping[str, Row]) -> None:
    """An alert that has left its collective incident between the reading and the locks: the batch is read again.

    Else its row would be written back into the incident it has left, and the one it got would wait for it for ever.

    Raises:
        DatabaseConflict: at least one has moved.
    """
    if not known or change.conn.dialect.name != "postgresql":
        return  # one writer
    query = select(alerts.c.alert_id, alerts.c.incident_id).where(among(change.conn, alerts.c.alert_id, known))
    now = {row.alert_id: row.incident_id for row in await change.conn.execute(query)}
    if any(row["incident_id"] != now.get(alert_id) for alert_id, row in known.items()):
        raise DatabaseConflict("an alert has moved to another incident meanwhile")


async def _place(
    change: Change,
    new: Sequence[str],
    merged: dict[str, Row],
    routes: Mapping[str, Route],
    cases: dict[str, Row],
    groups: dict[str, Group],
    held: holding.Counties,
    by_hand: Sequence[HandPlace],
    told_same: Mapping[str, Row],
) -> tuple[dict[str, Decision], set[str]]:
    """Decide where each new alert belongs, opening incidents where needed.

    Returns the decisions of those to reopen, by incident, and the incidents that alerts have left.
    """
    reopened: dict[str, Decision] = {}
    emptied: set[str] = set()
    opened_here = incidents.Opened()
    arrivals = [arrival_of(merged[alert_id], routes[alert_id]) for alert_id in new]
    for arrival in sorted(arrivals, key=lambda item: (item.is_gone, item.began_at, item.alert_id)):
        row, route_ = merged[arrival.alert_id], routes[arrival.alert_id]
        decision = _as_told(arrival, row, told_same, cases) or await decide_in(
            change, arrival, row, groups, cases, reopened
        )
        place_key: str | None = None
        along: tuple[str, ...] = ()
        kept = await _kept(change, held, decision, arrival, row, route_, cases)
        if kept is not None:
            decision, place_key, along = kept.decision, kept.place_key, kept.takes_along
        incident_id = decision.incident_id
        if decision.fold is Fold.REOPEN and incident_id is not None:
            reopened[incident_id] = decision
            groups = once_reopened(groups, incident_id)
        if incident_id is None:
            at_place = holding.for_county(change, route_, decision) if place_key else route_
            opened = await incidents.open_incident(
                change, at_place, arrival.camera_id, [row], by=INGEST, place_key=place_key, later=opened_here
            )
            incident_id = opened["incident_id"]
            cases[incident_id] = opened
            groups[incident_id] = group_of(opened)
            await release(change, by_hand, opened)
        if along:
            await incidents.write_opened(change, opened_here)
        emptied |= await holding.move(change, held, along, cases[incident_id], decision.why, merged)
        merged[arrival.alert_id] = row | {
            "incident_id": incident_id,
            "area_path": cases[incident_id]["area_path"],
            "county_code": holding.county_of(change, route_.area.code).code,
            "why_folded": decision.why,
        }
        held.note(cases[incident_id], merged[arrival.alert_id], arrival, change.now)
    await incidents.write_opened(change, opened_here)
    return reopened, emptied


def _as_told(arrival: Arrival, row: Row, told_same: Mapping[str, Row], cases: Mapping[str, Row]) -> Decision | None:
    """None: nobody recognised it, what it was recognised as is open no more, or it is urgent and there nobody would be
    asked about it."""
    case = cases[told_same[arrival.alert_id]["incident_id"]] if arrival.alert_id in told_same else None
    if case is None or case["closed_at"] is not None or (is_urgent(row) and State(case["state"]) in SETTLED):
        return None
    about: dict[str, object] = {"number": case["number"], "area_code": arrival.area_code, "hazard": arrival.hazard}
    text = f"whoever reported it recognised incident {case['number']}"
    return Decision(Fold.JOIN, case["incident_id"], {"code": "told_same", "text": text, "about": about})


async def decide_in(
    change: Change,
    arrival: Arrival,
    row: Row,
    groups: Mapping[str, Group],
    cases: Mapping[str, Row],
    reopened: Mapping[str, Decision],
) -> Decision:
    """What folding decides, less what a place given by hand cannot do.

    It reopens no incident whose own place another open one has, and takes nothing urgent into one that is settled:
    there nobody would be asked about it.
    """
    left = {
        key: group
        for key, group in groups.items()
        if group.area_code == arrival.area_code and group.hazard == arrival.hazard
    }
    while True:
        decision = decide(arrival, left.values(), change.rulebook.folding)
        if decision.incident_id is None:
            return decision
        case = cases[decision.incident_id]
        if decision.fold is Fold.REOPEN:
            is_fit = not await _is_place_taken(change, case, cases, reopened)
        else:
            is_urgent_there = is_urgent(row) and case["state"] in SETTLED and decision.incident_id not in reopened
            is_fit = not ("by_way_of" in cast(Row, decision.why["about"]) and is_urgent_there)
        if is_fit:
            return decision
        left = {key: group for key, group in left.items() if group.incident_id != decision.incident_id}


async def _is_place_taken(
    change: Change, case: Row, cases: Mapping[str, Row], reopened: Mapping[str, Decision]
) -> bool:
    """Is another incident open, or opened again by this batch, at the own place of this closed one?"""
    for incident_id, other in cases.items():
        is_open = incident_id in reopened or other["closed_at"] is None
        if is_open and incident_id != case["incident_id"] and place_of(other) == place_of(case):
            return True
    query = select(incident_rows.c.incident_id).where(
        *(incident_rows.c[name] == case[name] for name in ("area_code", "hazard", "drill", "place_key")),
        incident_rows.c.closed_at.is_(None),
        incident_rows.c.incident_id != case["incident_id"],
    )
    return (await change.conn.execute(query.limit(1))).first() is not None


async def release(change: Change, by_hand: Sequence[HandPlace], opened: Row) -> None:
    """A new incident at a place that was given away by hand, whose incident has ended: it is its own place again."""
    await forget_places(change, [one.place for one in by_hand if one.place == place_of(opened)])


async def _kept(
    change: Change,
    held: holding.Counties,
    decision: Decision,
    arrival: Arrival,
    row: Row,
    route_: Route,
    cases: Mapping[str, Row],
) -> Holding | None:
    """The collective incident that takes an alert in place of `decision`, if one does: its node's before any other.

    A case that somebody has judged keeps what belongs to it.
    """
    if decision.fold is Fold.JOIN and decision.incident_id is not None:
        is_open = cases[decision.incident_id]["state"] == State.OPEN
        return node_faults.of_node(change, held, arrival, row, route_) if is_open else None
    if (
        is_by_a_person(row)
        or not (arrival.is_offline or held.busy)
        or not await holding.is_unjudged(change, decision, cases)
    ):
        return None
    of_node = node_faults.of_node(change, held, arrival, row, route_)
    return of_node or await holding.hold_new(change, held, arrival, row, route_)


def arrival_of(row: Row, route_: Route) -> Arrival:
    """A row of `alerts` as folding sees it."""
    return Arrival(
        alert_id=row["alert_id"],
        camera_id=row["camera_id"],
        area_code=route_.area.code,
        hazard=row["hazard"],
        drill=row["drill"],
        began_at=trusted_began_at(row["began_at"], row["first_received_at"], row["clock_state"]),
        longitude=route_.longitude,
        latitude=route_.latitude,
        is_gone=is_seen_clear(row),
        is_offline=is_offline(row),
    )


async def _write_alerts(
    change: Change, merged: Mapping[str, Row], known: Mapping[str, Row], cases: Mapping[str, Row]
) -> None:
    fresh = [row for alert_id, row in merged.items() if alert_id not in known]
    if fresh:
        await change.conn.execute(insert(alerts), fresh)
    changed = [row for alert_id, row in merged.items() if alert_id in known and row != known[alert_id]]
    if changed:
        await incidents.update_alerts(change.conn, alerts, changed)
    for alert_id, row in merged.items():
        incidents.note_member(change, row["incident_id"], known.get(alert_id), row)
    await _expect_pictures(change, merged.values(), cases)


async def _expect_pictures(change: Change, rows: Any, cases: Mapping[str, Row]) -> None:
    expected = [
        {
            "sha256": item["sha256"],
            "alert_id": row["alert_id"],
            "incident_id": row["incident_id"],
            "node_id": row["node_id"],
            "area_path": cases[row["incident_id"]]["area_path"],
            "kind": item["kind"],
            "bytes": item["bytes"],
            "named_at": change.now,
        }
        for row in rows
        for item in row["evidence"]
    ]
    if expected:
        dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
        await change.conn.execute(dialect.insert(expected_pictures).on_conflict_do_nothing(), expected)


async def follow_up(
    change: Change,
    incident_ids: set[str],
    cases: Mapping[str, Row],
    *,
    opened: set[str],
    reopened: Mapping[str, Decision],
    known_members: Mapping[str, list[Row]] = _NOBODY,
) -> None:
    """What the incidents make of their members: aggregates, reopening, dispatch by policy, ended or verified.

    `known_members`: all members of some of them, by id, where they need not be read.
    """
    ordered = sorted(incident_ids)
    members = dict(known_members)
    counted: dict[str, Counted] = {}
    for incident_id in (one for one in ordered if one not in members and is_long(cases[one])):
        members[incident_id], counted[incident_id] = await members_that_count(change.conn, incident_id)
    members |= await incidents.members_of(change.conn, [one for one in ordered if one not in members])
    now = await incidents.refresh_all(change, [cases[one] for one in ordered], members, counted)
    for incident_id in ordered:
        now[incident_id] = await rise(change, cases[incident_id], now[incident_id])
        if incident_id in reopened:
            now[incident_id] = await dispatch.reopen(change, now[incident_id], CAMERA, reopened[incident_id].why)
    fresh = [now[incident_id] for incident_id in ordered if incident_id in opened and members[incident_id]]
    now |= await dispatch.dispatch_all_by_policy(
        change, [case for case in fresh if not is_collective(case["place_key"])]
    )
    for incident_id in ordered:
        now[incident_id] = await send_risen(change, cases[incident_id], now[incident_id])
        now[incident_id] = await give_way(change, await break_through(change, now[incident_id]))
        await incidents.keep_time(change, now[incident_id])
        await dispatch.see_gone(change, now[incident_id])
