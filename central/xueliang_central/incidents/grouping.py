"""What folding compares alerts with: the keys that are locked, and every place at which an incident takes alerts in.

A place is the camera that opened an incident, or a camera that a person has given to another incident by merging or
splitting (`hand_places`).

Invariants
    - A place given by hand holds while its incident is open, also against an incident that carries the camera as its
      own place. Once that one is closed the place is again its own incident's; reopened it may be like any other.
    - An incident that was merged has no place any more: what would have joined it joins the survivor.
    - An incident split off where another one is open at its camera has a key that no camera can have, and takes in
      what is given to it by hand and nothing else (`NO_PLACE`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import delete, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from xueliang_alerts.contract import Position
from xueliang_central.areas.tree import day_of
from xueliang_central.cameras.register import places_of
from xueliang_central.cameras.tables import cameras
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.folding import Group, trusted_began_at
from xueliang_central.incidents.regrouping_tables import hand_places
from xueliang_central.incidents.reported import is_reported, reported_route
from xueliang_central.incidents.reviewing import folded_as
from xueliang_central.incidents.routing import Route, route
from xueliang_central.incidents.states import CloseReason
from xueliang_central.store.among import pairs_among

Row = dict[str, Any]
Place = tuple[str, str, bool, str]
"""Area code, hazard, drill, camera."""

NO_PLACE: Final = "#"
_PLACE: Final = ("area_code", "hazard", "drill", "place_key")  # the columns of a Place


@dataclass(frozen=True, slots=True)
class HandPlace:
    """A camera whose new alerts go to an incident because a person said so. `by_way_of`: number of where they went."""

    place: Place
    incident_id: str
    longitude: float | None
    latitude: float | None
    by_way_of: str


async def routes_of(change: Change, rows: Sequence[Row]) -> dict[str, Route]:
    """Where each of these alerts belongs, by alert_id."""
    camera_ids = sorted({row["camera_id"] for row in rows})
    places = await places_of(change.conn, camera_ids)
    strangers = {row["node_id"] for row in rows if row["camera_id"] not in places}
    areas_of_node: dict[str, list[str]] = {}
    if strangers:
        found = await change.conn.execute(
            select(cameras.c.node_id, cameras.c.area_code).where(cameras.c.node_id.in_(strangers)).distinct()
        )
        for node_id, area_code in found:
            areas_of_node.setdefault(node_id, []).append(area_code or "")
    routes: dict[str, Route] = {}
    for row in rows:
        has_position = row["longitude"] is not None and row["latitude"] is not None
        position = Position(longitude=row["longitude"], latitude=row["latitude"]) if has_position else None
        place = places.get(row["camera_id"])
        near = areas_of_node.get(row["node_id"], [])
        began_at = trusted_began_at(row["began_at"], row["first_received_at"], row["clock_state"])
        found_at = route(row["camera_id"], place, position, near, change.tree, day_of(began_at))
        routes[row["alert_id"]] = reported_route(found_at, row) if is_reported(row) else found_at
    return routes


async def lock_groups(change: Change, groups: set[tuple[str, str]]) -> None:
    """The group keys (area, hazard), sorted: first of all locks."""
    if change.conn.dialect.name != "postgresql":
        return  # one writer
    keys = [f"{area_code}/{hazard}" for area_code, hazard in sorted(groups)]
    if keys:  # `unnest` gives them in their order, and each is locked before the next is looked at
        await change.conn.execute(
            text("select pg_advisory_xact_lock(hashtextextended(key, 7)) from unnest(cast(:keys as text[])) as key"),
            {"keys": keys},
        )


def group_of(row: Row) -> Group:
    """An incident as folding sees it."""
    return Group(
        incident_id=row["incident_id"],
        number=row["number"],
        area_code=row["area_code"],
        hazard=row["hazard"],
        drill=row["drill"],
        place_key=row["place_key"],
        longitude=row["longitude"],
        latitude=row["latitude"],
        began_at=row["began_at"],
        last_observed_at=row["last_observed_at"],
        closed_at=row["closed_at"],
        close_reason=folded_as(row),
        reopen_window_s=row["policy"]["reopen_window_s"],
    )


async def hand_places_in(change: Change, groups: Iterable[tuple[str, str]]) -> list[HandPlace]:
    """The places given by hand under these group keys, which are locked."""
    if not (keys := sorted(set(groups))):
        return []
    is_of_key = pairs_among(change.conn, hand_places.c.area_code, hand_places.c.hazard, keys)
    found = await change.conn.execute(select(hand_places).where(is_of_key).order_by(hand_places.c.place_key))
    return [
        HandPlace(
            (row.area_code, row.hazard, row.drill, row.place_key),
            row.incident_id,
            row.longitude,
            row.latitude,
            row.by_way_of,
        )
        for row in found
    ]


def place_of(row: Row) -> Place:
    """The own place of an incident."""
    return (row["area_code"], row["hazard"], row["drill"], row["place_key"])


def groups_of(cases: Mapping[str, Row], by_hand: Iterable[HandPlace]) -> dict[str, Group]:
    """Every place of these incidents, by a key of its own. Hand places of incidents not in `cases` are void."""
    given = [place for place in by_hand if place.incident_id in cases]
    taken = {place.place for place in given if cases[place.incident_id]["closed_at"] is None}
    groups: dict[str, Group] = {}
    for incident_id, row in cases.items():
        has_place = row["close_reason"] != CloseReason.MERGED and not row["place_key"].startswith(NO_PLACE)
        if has_place and place_of(row) not in taken:
            groups[incident_id] = group_of(row)
    for place in given:
        row = cases[place.incident_id]
        if row["close_reason"] == CloseReason.MERGED:
            continue
        groups[f"{place.incident_id} {place.place[3]}"] = replace(
            group_of(row),
            area_code=place.place[0],
            place_key=place.place[3],
            longitude=place.longitude,
            latitude=place.latitude,
            by_way_of=place.by_way_of,
        )
    return groups


def once_reopened(groups: Mapping[str, Group], incident_id: str) -> dict[str, Group]:
    """The same groups once this incident is open again."""
    return {
        key: replace(group, closed_at=None) if group.incident_id == incident_id else group
        for key, group in groups.items()
    }


async def give_places(change: Change, given: Sequence[HandPlace]) -> None:
    """From now on new alerts of these places go to these incidents."""
    if not given:
        return
    dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
    upsert = dialect.insert(hand_places)
    names = ("incident_id", "longitude", "latitude", "by_way_of", "since")
    statement = upsert.on_conflict_do_update(
        index_elements=[hand_places.c[name] for name in _PLACE],
        set_={name: upsert.excluded[name] for name in names},
    )
    rows: list[Row] = [
        {
            **dict(zip(_PLACE, one.place, strict=True)),
            "incident_id": one.incident_id,
            "longitude": one.longitude,
            "latitude": one.latitude,
            "by_way_of": one.by_way_of,
            "since": change.now,
        }
        for one in given
    ]
    await change.conn.execute(statement, rows)


async def forget_places(change: Change, places: Iterable[Place]) -> None:
    """These places are again their own incidents'."""
    wanted = sorted(set(places))
    if wanted:
        key = tuple_(*(hand_places.c[name] for name in _PLACE))
        await change.conn.execute(delete(hand_places).where(key.in_(wanted)))
