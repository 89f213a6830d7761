"""Collective incidents in the database: what a county holds, and alerts that leave (the decisions: `shedding`).

Everything here is called with the group keys of the counties and their incidents locked (see `folding_in`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select, update

from xueliang_central.areas.tree import Area, Level
from xueliang_central.cameras.tables import cameras
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.folding import Arrival, Decision, Fold
from xueliang_central.incidents.routing import Route
from xueliang_central.incidents.shedding import (
    NODE_HAZARD,
    Collective,
    Held,
    Holding,
    Past,
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
    """The counties of a transaction: what they hold, by (county, hazard), and which have too much to judge."""

    collectives: dict[Key, list[Collective]] = field(default_factory=dict)
    held: dict[Key, list[Held]] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)

    def note(self, case: Row, row: Row, arrival: Arrival, now: datetime) -> None:
        """An alert has just been put into a collective incident: the next of the batch must know."""
        if not is_collective(case["place_key"]):
            return
        key = (case["area_code"], case["hazard"])
        open_ones = self.collectives.setdefault(key, [])
        if all(one.incident_id != case["incident_id"] for one in open_ones):
            open_ones.append(Collective(case["incident_id"], case["number"], case["place_key"]))
        place = (arrival.longitude, arrival.latitude)
        self.held.setdefault(key, []).append(_held(row, case["place_key"], place, last_seen_at=now))


def county_of(change: Change, area_code: str) -> Area:
    """The county that an area lies in; above counties, the area itself."""
    chain = change.tree.chain(area_code)
    return next((area for area in chain if area.level is Level.COUNTY), chain[-1])


def may_hold(change: Change, hazard: str) -> bool:
    """False where no rule holds anything: then nothing is asked of the database."""
    rule = change.rulebook.folding_rule(hazard)
    return change.rulebook.shedding.above_per_hour is not None or (hazard == NODE_HAZARD and rule.node_cameras > 0)


def counties_of(change: Change, found: Iterable[tuple[Route, str]]) -> set[Key]:
    """The keys of the collectives that alerts of these routes and hazards may be held in."""
    return {(county_of(change, route.area.code).code, hazard) for route, hazard in found if may_hold(change, hazard)}


async def load(
    change: Change, keys: Collection[Key], cases: Mapping[str, Row], arriving: Mapping[str, Row], new: int
) -> Counties:
    """What these counties hold now. `arriving`: the batch, whose revisions are not written yet; `new` of it are new."""
    counties = Counties()
    with_held: dict[Key, list[Collective]] = {}
    for row in cases.values():
        key = (row["area_code"], row["hazard"])
        if key not in keys or not is_collective(row["place_key"]):
            continue
        known = Collective(row["incident_id"], row["number"], row["place_key"])
        if row["state"] != State.CLOSED:
            counties.collectives.setdefault(key, []).append(known)
        if (
            row["state"] != State.CLOSED or row["still_present"]
        ):  # judged as a whole: what stays may leave it all the same
            with_held.setdefault(key, []).append(known)
    for key, collectives in with_held.items():
        counties.held[key] = await held_in(change, key[1], collectives, arriving)
    for code in sorted({code for code, _ in keys}):
        if is_loaded(await _heard(change, code) + new, change.rulebook.shedding):
            counties.busy.add(code)
    return counties


async def _heard(change: Change, county: str) -> int:
    limit = change.rulebook.shedding.above_per_hour
    if limit is None:
        return 0
    path = change.tree.path_of(county)
    of_county = or_(alerts.c.area_path == path, alerts.c.area_path.startswith(f"{path}/", autoescape=True))
    query = select(func.count()).where(alerts.c.first_received_at > change.now - HOUR, of_county)
    return int((await change.conn.execute(query)).scalar_one())


async def held_in(
    change: Change, hazard: str, collectives: Iterable[Collective], arriving: Mapping[str, Row]
) -> list[Held]:
    """The alerts of these that are present or were seen lately, as the batch leaves them."""
    keys = {one.incident_id: one.place_key for one in collectives}
    since = change.now - kept_in_mind(change.rulebook.folding_rule(hazard))
    query = (
        select(alerts, cameras.c.longitude.label("at_longitude"), cameras.c.latitude.label("at_latitude"))
        .join(cameras, cameras.c.camera_id == alerts.c.camera_id, isouter=True)
        .where(alerts.c.incident_id.in_(sorted(keys)), or_(alerts.c.phase != "cleared", alerts.c.received_at >= since))
        .order_by(alerts.c.alert_id)
    )
    held = []
    for found in (await change.conn.execute(query)).mappings():
        row = {**found, **arriving.get(found["alert_id"], {})}
        place = (found["at_longitude"], found["at_latitude"])
        if place[0] is None:
            place = (row["longitude"], row["latitude"])
        held.append(_held(row, keys[found["incident_id"]], place, last_seen_at=row["received_at"]))
    return held


def _held(row: Row, place_key: str, place: tuple[float | None, float | None], *, last_seen_at: datetime) -> Held:
    return Held(
        alert_id=row["alert_id"],
        incident_id=row["incident_id"],
        place_key=place_key,
        camera_id=row["camera_id"],
        node_id=row["node_id"],
        severity=row["severity"],
        longitude=place[0],
        latitude=place[1],
        raised_at=row["first_received_at"],
        last_seen_at=last_seen_at,
        is_present=row["phase"] != "cleared",
    )


def is_unjudged(decision: Decision, cases: Mapping[str, Row]) -> bool:
    """It would open an incident, or reopen one that ended by itself, which nobody has judged to be true."""
    if decision.fold is Fold.REOPEN and decision.incident_id is not None:
        return bool(cases[decision.incident_id]["close_reason"] == CloseReason.ENDED_BY_ITSELF)
    return decision.fold is Fold.OPEN


async def hold_new(change: Change, counties: Counties, arrival: Arrival, row: Row, route: Route) -> Holding | None:
    """Where `shedding.hold` puts a new alert; None: it stands for itself."""
    if not may_hold(change, arrival.hazard) or not may_be_held(arrival.hazard, row["severity"], arrival.drill):
        return None
    rule = change.rulebook.folding_rule(arrival.hazard)
    code = county_of(change, route.area.code).code
    key = (code, arrival.hazard)
    collectives, held = counties.collectives.get(key, []), counties.held.get(key, [])
    is_busy = code in counties.busy
    past = await _past(change, arrival, collectives, held, rule.flap_window_s) if is_busy else Past()
    return hold(arrival, row["node_id"], row["severity"], collectives, held, past, change.now, rule, is_busy=is_busy)


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
    """Alerts leave their collective incidents for this one, and both tell it. Returns the incidents they have left."""
    wanted = set(alert_ids)
    gone: dict[str, list[str]] = {}
    for held in counties.held.values():
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
