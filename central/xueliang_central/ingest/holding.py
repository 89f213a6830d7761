"""Collective incidents in the database: what a county holds, and alerts that leave (the decisions: `shedding`).

Everything here is called with the group keys of the counties and their incidents locked (see `folding_in`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, exists, func, or_, select, update

from xueliang_alerts.contract import ClockState, EndReason, Phase
from xueliang_central.areas.tree import Area, Level
from xueliang_central.cameras.tables import cameras
from xueliang_central.dispatch import service as dispatch
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.folding import Arrival, Decision, Fold, trusted_began_at
from xueliang_central.incidents.members import is_seen_clear
from xueliang_central.incidents.node_failures import Presence, is_offline
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.shedding import (
    Collective,
    Held,
    Holding,
    Past,
    collective_of,
    hold,
    is_collective,
    is_loaded,
    kept_in_mind,
    may_be_held,
)
from xueliang_central.incidents.states import CloseReason, State
from xueliang_central.incidents.tables import alerts, expected_pictures

Row = dict[str, Any]
Key = tuple[str, str]
"""County code and hazard."""

FOLDING: Final = By("system", "folding")
HOUR: Final = timedelta(hours=1)


@dataclass(slots=True)
class Counties:
    """The counties of a transaction: what they hold, by (county, hazard), and which have too much to judge.

    Attributes:
        alone: cameras that are offline, in open incidents of their own. nodes: theirs. See `ingest.node_faults`.
    """

    collectives: dict[Key, list[Collective]] = field(default_factory=dict)
    held: dict[Key, list[Held]] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    alone: list[Held] = field(default_factory=list)
    nodes: dict[str, Presence] = field(default_factory=dict)

    def note(self, case: Row, row: Row, arrival: Arrival, now: datetime) -> None:
        """An alert has just been put into an incident that it may leave: the next of the batch must know."""
        place = (arrival.longitude, arrival.latitude)
        held = _held(row, collective_of(case), place, area_code=arrival.area_code, last_seen_at=now)
        if arrival.is_offline:
            self.alone = [one for one in self.alone if one.alert_id != arrival.alert_id]
        if not is_collective(case["place_key"]):
            self.alone += [replace(held, may_leave=case["state"] == State.OPEN)] if arrival.is_offline else []
            return
        key = (case["area_code"], case["hazard"])
        open_ones = self.collectives.setdefault(key, [])
        at = next((n for n, one in enumerate(open_ones) if one.incident_id == case["incident_id"]), None)
        if at is None:
            open_ones.append(collective_of(case))
        else:
            open_ones[at] = replace(open_ones[at], alert_count=open_ones[at].alert_count + 1)
        self.held.setdefault(key, []).append(held)


def county_of(change: Change, area_code: str) -> Area:
    """The county that an area lies in; above counties, the area itself."""
    chain = change.tree.chain(area_code)
    return next((area for area in chain if area.level is Level.COUNTY), chain[-1])


def may_hold(change: Change) -> bool:
    """False where nothing is ever held: then nothing is asked of the database."""
    return change.rulebook.shedding.above_per_hour is not None


def counties_of(change: Change, found: Iterable[tuple[Route, Row]]) -> set[Key]:
    """The keys of the collectives that these new alerts may be held in."""
    return {
        (county_of(change, route.area.code).code, row["hazard"])
        for route, row in found
        if may_hold(change) or is_offline(row)
    }


def new_by_county(change: Change, found: Iterable[tuple[Route, Row]]) -> Counter[str]:
    """How many new alerts there are to judge, by county code: no drills, and there on receipt (see `_is_loaded`)."""
    return Counter(
        county_of(change, route.area.code).code for route, row in found if not row["drill"] and not is_seen_clear(row)
    )


async def load(
    change: Change,
    keys: Collection[Key],
    cases: Mapping[str, Row],
    arriving: Mapping[str, Row],
    new: Mapping[str, int],
) -> Counties:
    """What these counties hold now.

    Args:
        arriving: the batch, whose revisions are not written yet.
        new: how many of it are new, by county (see `new_by_county`).
    """
    counties = Counties()
    with_held: dict[Key, list[Collective]] = {}
    for row in cases.values():
        key = (row["area_code"], row["hazard"])
        if key not in keys or not is_collective(row["place_key"]):
            continue
        known = collective_of(row)
        if known.state is not State.CLOSED:
            counties.collectives.setdefault(key, []).append(known)
        if known.state is not State.CLOSED or not row["gone"]:  # judged as a whole: what stays may leave all the same
            with_held.setdefault(key, []).append(known)
    for key, collectives in with_held.items():
        counties.held[key] = await held_in(change, key[1], collectives, arriving)
    for code in sorted({code for code, _ in keys}):
        if await _is_loaded(change, code, new.get(code, 0)):
            counties.busy.add(code)
    return counties


async def _is_loaded(change: Change, county: str, new: int) -> bool:
    """Has the county had more alerts in the last hour than its limit, with `new` ones that are not written yet?

    Alerts that asked somebody: no drills, nor what was over before it was known. Counted no further than the limit:
    by the index of its alerts, a county in a storm is asked for no more rows than a calm one.
    """
    limit = change.rulebook.shedding.above_per_hour
    if limit is None:
        return False
    wanted = math.floor(limit) + 1 - new
    if wanted <= 0:
        return True
    was_there = or_(
        alerts.c.end_reason.is_(None),
        alerts.c.end_reason != EndReason.SEEN_CLEAR.value,
        alerts.c.ended_at > alerts.c.first_received_at,
        alerts.c.clock_state == ClockState.UNTRUSTED.value,  # its times say nothing
    )
    of_last_hour = (
        select(alerts.c.alert_id)
        .where(
            alerts.c.county_code == county,
            alerts.c.first_received_at > change.now - HOUR,
            alerts.c.drill.is_(False),
            was_there,
        )
        .limit(wanted)
        .subquery()
    )
    heard = int((await change.conn.execute(select(func.count()).select_from(of_last_hour))).scalar_one())
    return is_loaded(heard + new, change.rulebook.shedding)


async def held_in(
    change: Change, hazard: str, collectives: Iterable[Collective], arriving: Mapping[str, Row]
) -> list[Held]:
    """The alerts of these that were not seen to be gone or were seen lately, as the batch leaves them.

    Any incidents will do. As in `members.summarise`: what ended unseen is no longer asked for once the same camera and
    rule have told a later episode of the incident.
    """
    known = {one.incident_id: one for one in collectives}
    rule = change.rulebook.folding_rule(hazard)
    since = change.now - max(kept_in_mind(rule), timedelta(seconds=rule.window_s))
    later = alerts.alias("later")
    same = [later.c[name] == alerts.c[name] for name in ("incident_id", "camera_id", "rule_id")]
    is_followed = exists().where(*same, later.c.began_at > alerts.c.began_at)
    is_unseen = or_(alerts.c.end_reason.is_(None), alerts.c.end_reason != EndReason.SEEN_CLEAR.value)
    is_there = or_(alerts.c.phase != Phase.CLEARED.value, and_(is_unseen, ~is_followed))
    at = [cameras.c[name].label(f"at_{name}") for name in ("longitude", "latitude", "area_code")]
    query = (
        select(alerts, *at, is_followed.label("is_followed"))
        .join(cameras, cameras.c.camera_id == alerts.c.camera_id, isouter=True)
        .where(alerts.c.incident_id.in_(sorted(known)), or_(is_there, alerts.c.received_at >= since))
        .order_by(alerts.c.alert_id)
    )
    held = []
    for found in (await change.conn.execute(query)).mappings():
        row = {**found, **arriving.get(found["alert_id"], {})}
        place = (found["at_longitude"], found["at_latitude"])
        if place[0] is None:
            place = (row["longitude"], row["latitude"])
        one = _held(
            row,
            known[found["incident_id"]],
            place,
            area_code=found["at_area_code"],
            last_seen_at=row["received_at"],
            is_followed=bool(found["is_followed"]),
        )
        held.append(one)
    return held


def _held(
    row: Row,
    into: Collective,
    place: tuple[float | None, float | None],
    *,
    area_code: str | None,
    last_seen_at: datetime,
    is_followed: bool = False,
) -> Held:
    is_over = row["phase"] == Phase.CLEARED and (is_followed or is_seen_clear(row))
    return Held(
        alert_id=row["alert_id"],
        incident_id=into.incident_id,
        place_key=into.place_key,
        camera_id=row["camera_id"],
        node_id=row["node_id"],
        area_code=area_code,
        severity=row["severity"],
        longitude=place[0],
        latitude=place[1],
        began_at=trusted_began_at(row["began_at"], row["first_received_at"], row["clock_state"]),
        raised_at=row["first_received_at"],
        last_seen_at=last_seen_at,
        is_present=not is_over,
        may_leave=not into.is_in_hand,
        is_offline=is_offline(row),
    )


def not_placed_yet(row: Row, now: datetime) -> Held:
    """A new alert of the batch that has no incident yet: it counts, and nothing can take it along."""
    nowhere = Collective("", "", "", State.TAKEN)
    return _held(row, nowhere, (None, None), area_code=None, last_seen_at=now)


async def is_unjudged(change: Change, decision: Decision, cases: Mapping[str, Row]) -> bool:
    """It would open an incident, or reopen one that ended by itself before anybody was sent: nobody judged it true."""
    if decision.fold is not Fold.REOPEN or decision.incident_id is None:
        return decision.fold is Fold.OPEN
    case = cases[decision.incident_id]
    if case["close_reason"] != CloseReason.ENDED_BY_ITSELF or case["review"] == "true_hazard":
        return False
    return await dispatch.latest_task(change.conn, decision.incident_id) is None


async def hold_new(change: Change, counties: Counties, arrival: Arrival, row: Row, route: Route) -> Holding | None:
    """Where `shedding.hold` puts a new alert while its county sheds; None: it stands for itself."""
    code = county_of(change, route.area.code).code
    if code not in counties.busy or not may_be_held(arrival.hazard, row["severity"], arrival.drill):
        return None
    rule = change.rulebook.folding_rule(arrival.hazard)
    key = (code, arrival.hazard)
    collectives, held = counties.collectives.get(key, []), counties.held.get(key, [])
    past = await _past(change, arrival, collectives, held, rule.flap_window_s)
    return hold(arrival, row["severity"], collectives, held, past, change.now, rule)


async def _past(
    change: Change, arrival: Arrival, collectives: Iterable[Collective], held: Iterable[Held], window_s: float
) -> Past:
    """From the table, and from this batch, which is not in it yet."""
    query = select(alerts.c.alert_id, alerts.c.incident_id).where(
        alerts.c.incident_id.in_(sorted(one.incident_id for one in collectives)),
        alerts.c.camera_id == arrival.camera_id,
        alerts.c.first_received_at >= change.now - timedelta(seconds=window_s),
    )
    known: dict[str, str] = {row.alert_id: row.incident_id for row in await change.conn.execute(query)}
    known |= {one.alert_id: one.incident_id for one in held if one.camera_id == arrival.camera_id}
    return Past(len(known), frozenset(known.values()))


def for_county(change: Change, route: Route, decision: Decision) -> Route:
    """The route of a collective incident: its county, without a point on the map."""
    county = county_of(change, route.area.code)
    why = {**decision.why, "about": {"area_code": county.code, "level": county.level.value, "how": "county"}}
    return replace(
        route, area=county, camera_name=county.name, place_class="other", longitude=None, latitude=None, why=why
    )


async def move(
    change: Change,
    counties: Counties,
    alert_ids: Iterable[str],
    into: Row,
    why: Mapping[str, object],
    arriving: dict[str, Row],
) -> set[str]:
    """Alerts leave their incidents for this one, and both tell it. Returns the incidents they have left."""
    wanted = set(alert_ids)
    gone: dict[str, list[str]] = {}
    for held in [*counties.held.values(), counties.alone]:
        for one in [one for one in held if one.alert_id in wanted]:
            gone.setdefault(one.incident_id, []).append(one.alert_id)
            held.remove(one)
    for incident_id, moved in sorted(gone.items()):
        values = {"incident_id": into["incident_id"], "area_path": into["area_path"]}
        for alert_id in set(moved) & set(arriving):
            arriving[alert_id] = arriving[alert_id] | values | {"why_folded": dict(why)}
        await change.conn.execute(
            update(alerts).where(alerts.c.alert_id.in_(moved)).values(**values, why_folded=dict(why))
        )
        await change.conn.execute(
            update(expected_pictures).where(expected_pictures.c.alert_id.in_(moved)).values(**values)
        )
        change.note(incident_id, "alerts_left", FOLDING, alert_ids=moved, number=into["number"], why=dict(why))
        change.note(into["incident_id"], "alerts_taken_over", FOLDING, alert_ids=moved, why=dict(why))
    return set(gone)
