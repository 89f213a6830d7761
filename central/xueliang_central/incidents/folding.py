"""Which incident an alert belongs to, and why (pure).

Invariants
    - The group key is (area, hazard, drill, place): alerts of another area, hazard or drill flag never meet.
    - The same camera is the same place. Another camera joins within the hazard's radius of the place, when the alert
      began within the hazard's window of the incident's time.
    - What is present now always ends up in an open incident; what has been seen to be gone never opens or reopens one:
      it joins, or it is recorded as "ended before known".
    - Times compared here are `began_at`, or the time of receipt where the node's clock cannot be trusted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from xueliang_central.incidents.states import REOPENABLE

EARTH_RADIUS_M: Final = 6_371_008.8  # mean radius, IUGG
CLOCK_AHEAD: Final = timedelta(minutes=5)  # an onset later than this after its receipt: the node's clock is wrong
CLOCK_BEHIND: Final = timedelta(days=30)  # older than any spool keeps


@dataclass(frozen=True, slots=True)
class FoldingRule:
    """How near in place and time two alerts of one hazard are the same thing; when one is held (see `shedding`).

    Attributes:
        settle_s: seen to be gone and nobody has taken it: it ends by itself this long after.
        confirm_s, confirm_cameras: a held alert leaves its collective incident after this long, or when so many
            cameras see the place at once; 0 cameras: never by that.
        flap_count, flap_window_s: raised so many times by one camera in this time: flapping; 0: never.
        places_at_once: more places than this held at once in a county are a storm.
        node_cameras: so many cameras of a node that go offline within a minute are the node's failure; 0: never.
    """

    radius_m: float = 50.0
    window_s: float = 900.0
    settle_s: float = 0.0
    confirm_s: float = 300.0
    confirm_cameras: int = 2
    flap_count: int = 30
    flap_window_s: float = 10_800.0
    places_at_once: int = 20
    node_cameras: int = 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """An alert looking for its incident.

    Attributes:
        began_at: trusted onset, see `trusted_began_at`.
        is_gone: its end is already known, and the hazard was seen to be gone.
        is_offline: a camera that sends no picture (see `node_failures`).
    """

    alert_id: str
    camera_id: str
    area_code: str
    hazard: str
    drill: bool
    began_at: datetime
    longitude: float | None
    latitude: float | None
    is_gone: bool
    is_offline: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """An incident that alerts may join, at one of its places. `closed_at` None: it is open."""

    incident_id: str
    number: str
    area_code: str
    hazard: str
    drill: bool
    place_key: str
    longitude: float | None
    latitude: float | None
    began_at: datetime
    last_observed_at: datetime
    closed_at: datetime | None
    close_reason: str | None
    reopen_window_s: float
    by_way_of: str | None = None  # the place was given to it by hand; before it was this incident's (its number)


class Fold(StrEnum):
    JOIN = "join"
    REOPEN = "reopen"
    OPEN = "open"
    RECORD = "record"  # opened and closed at once: ended before known, nobody is sent


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with an alert. `why` is {code, text, about}: the console translates by code, text is English."""

    fold: Fold
    incident_id: str | None
    why: dict[str, object]


def trusted_began_at(began_at: datetime, received_at: datetime, clock_state: str) -> datetime:
    """The onset, or the receipt when the node's clock is not trusted or says something impossible."""
    if clock_state == "untrusted" or began_at > received_at + CLOCK_AHEAD or began_at < received_at - CLOCK_BEHIND:
        return received_at
    return began_at


def distance_m(longitude_a: float, latitude_a: float, longitude_b: float, latitude_b: float) -> float:
    """Great-circle distance of two WGS84 points, on a sphere: 0.5 % is enough to fold by."""
    a, b = math.radians(latitude_a), math.radians(latitude_b)
    half_lat, half_lon = (b - a) / 2, math.radians(longitude_b - longitude_a) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(a) * math.cos(b) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def decide(arrival: Arrival, groups: Iterable[Group], rules: Mapping[str, FoldingRule]) -> Decision:
    """Where an alert belongs among the incidents of its key (others in `groups` are ignored)."""
    rule = rules.get(arrival.hazard, FoldingRule())
    near = sorted(
        (
            (apart, group)
            for group in groups
            if _same_key(arrival, group) and (apart := _apart_m(arrival, group)) <= rule.radius_m
        ),
        key=lambda pair: (pair[0], pair[1].began_at, pair[1].incident_id),
    )
    for apart, group in near:
        if group.closed_at is None and (_must_join(arrival, group) or _in_window(arrival, group, rule)):
            return _joined(Fold.JOIN, arrival, group, apart, rule)
    taken = {group.place_key for _, group in near if group.closed_at is None}  # one open incident per place
    for apart, group in near:
        if group.closed_at is None:
            continue
        if arrival.is_gone and _in_window(arrival, group, rule):
            return _joined(Fold.JOIN, arrival, group, apart, rule)
        if not arrival.is_gone and group.place_key not in taken and _comes_back(arrival, group):
            return _joined(Fold.REOPEN, arrival, group, apart, rule)
    return _alone(arrival)


def _same_key(arrival: Arrival, group: Group) -> bool:
    return (arrival.area_code, arrival.hazard, arrival.drill) == (group.area_code, group.hazard, group.drill)


def _apart_m(arrival: Arrival, group: Group) -> float:
    """0 for the same camera; infinite when either place is not known."""
    if arrival.camera_id == group.place_key:
        return 0.0
    if arrival.longitude is None or arrival.latitude is None or group.longitude is None or group.latitude is None:
        return math.inf
    return distance_m(arrival.longitude, arrival.latitude, group.longitude, group.latitude)


def _must_join(arrival: Arrival, group: Group) -> bool:
    """Present at the place of an open incident: the same thing, however long ago that began."""
    return not arrival.is_gone and arrival.camera_id == group.place_key


def _in_window(arrival: Arrival, group: Group, rule: FoldingRule) -> bool:
    window = timedelta(seconds=rule.window_s)
    return group.began_at - window <= arrival.began_at <= group.last_observed_at + window


def _comes_back(arrival: Arrival, group: Group) -> bool:
    if group.closed_at is None or group.close_reason not in REOPENABLE:
        return False
    window = timedelta(seconds=group.reopen_window_s)
    return group.began_at - window <= arrival.began_at <= group.closed_at + window


def _joined(fold: Fold, arrival: Arrival, group: Group, apart_m: float, rule: FoldingRule) -> Decision:
    same_camera = arrival.camera_id == group.place_key
    if fold is Fold.REOPEN:
        code, text = "back_within_window", f"raised again within {group.reopen_window_s:.0f} s of closing"
    elif same_camera:
        code, text = "same_camera", f"same camera as incident {group.number}"
    else:
        code, text = "near_and_soon", f"{apart_m:.0f} m from incident {group.number}, at about the same time"
    about: dict[str, object] = {"number": group.number, "distance_m": round(apart_m, 1), **_key(arrival)}
    about |= {"place_key": group.place_key, "radius_m": rule.radius_m}
    about["window_s"] = group.reopen_window_s if fold is Fold.REOPEN else rule.window_s
    if group.by_way_of is not None:
        text += f", whose place it is by hand since incident {group.by_way_of}"
        about["by_way_of"] = group.by_way_of
    return Decision(fold, group.incident_id, {"code": code, "text": text, "about": about})


def _key(arrival: Arrival) -> dict[str, object]:
    """What the alert was compared by, for its *why*."""
    return {"camera_id": arrival.camera_id, "area_code": arrival.area_code, "hazard": arrival.hazard}


def _alone(arrival: Arrival) -> Decision:
    about = _key(arrival)
    if arrival.is_gone:
        text = "its end was known before its beginning: recorded, nobody is sent"
        return Decision(Fold.RECORD, None, {"code": "ended_before_known", "text": text, "about": about})
    text = "no open incident of this hazard at this place"
    return Decision(Fold.OPEN, None, {"code": "first_here", "text": text, "about": about})
