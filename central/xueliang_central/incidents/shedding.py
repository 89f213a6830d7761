"""What is held in a collective incident while a county has more alerts than its people can judge, and why (pure).

A collective incident is one of a county and hazard that stands for many short alerts: it asks once, stays open, and
lists and counts every alert it holds. Four kinds, told apart by `place_key`, which no camera can have:

    ~held-1 …   alerts that nothing has confirmed yet, never two places of one collective at once
    ~storm      more places at once than the rule allows collectives: one for all of them
    ~node:ID    camera faults of several cameras of one node within a minute, where such alerts are held one by one

Invariants
    - Fire, severity 1 and drills are never held, and below the county's limit nothing is but what belongs to a node's
      failure that is told already.
    - Two places that report at about the same time never meet in one `~held` collective: what is there is told apart.
    - An alert leaves for an incident of its own once it was there for its limit (with its flaps), a second camera sees
      the same place, its camera flaps, or its severity rises to 1. So a collective hides nothing that stays.
    - There is what was not seen to be gone: a camera that goes dark, or a rule that changes, says nothing of the place.
    - What somebody has taken in hand takes nothing in and lets nothing go until it is closed or given back: else it
      would be *verified* by what only left it.
    - `hold` and `leaves` look at no clock and no database; whoever calls them does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from xueliang_central.incidents.folding import Arrival, Decision, Fold, FoldingRule, distance_m
from xueliang_central.incidents.states import State

HELD, STORM, NODE = "~held-", "~storm", "~node:"
NEVER_HELD_HAZARDS: Final = frozenset({"fire_smoke"})
IN_HAND: Final = frozenset({State.TAKEN, State.ARRIVED, State.HANDLED, State.TO_CHECK})
NODE_HAZARD: Final = "camera_fault"
MOST_SEVERE: Final = 1
# A flapping alert is away for its gap and the dwell of its next episode: 40 s and 60 s are common, with a margin.
STILL_THERE: Final = timedelta(seconds=120)
NODE_AT_ONCE: Final = timedelta(seconds=60)
STORM_PATIENCE: Final = 1.8  # times `confirm_s`, of twice that: what a front brings is gone by then or flickers


@dataclass(frozen=True, slots=True)
class SheddingRule:
    """When a county sheds, and how long its collective incidents stay open.

    Attributes:
        above_per_hour: alerts of the county in the last hour above which alerts are held; None: never.
        quiet_s: a collective incident ends after this long without an alert.
    """

    above_per_hour: float | None = None
    quiet_s: float = 14_400.0


@dataclass(frozen=True, slots=True)
class Collective:
    """A collective incident. Only one that waits for a judgement takes alerts in; its key is taken until it closes."""

    incident_id: str
    number: str
    place_key: str
    state: State = State.OPEN

    @property
    def is_free(self) -> bool:
        return self.state is State.OPEN

    @property
    def is_in_hand(self) -> bool:
        return self.state in IN_HAND


@dataclass(frozen=True, slots=True)
class Held:
    """An alert in a collective incident, present or seen to be gone.

    Attributes:
        area_code: of its camera; None: not in the register.
        raised_at: when the centre first heard of it. last_seen_at: when it last did.
        is_present: not seen to be gone.
        may_leave: False while somebody has its incident in hand.
    """

    alert_id: str
    incident_id: str
    place_key: str
    camera_id: str
    node_id: str
    area_code: str | None
    severity: int
    longitude: float | None
    latitude: float | None
    raised_at: datetime
    last_seen_at: datetime
    is_present: bool
    may_leave: bool = True


@dataclass(frozen=True, slots=True)
class Past:
    """What the county's open collective incidents know of a camera: how often raised in `flap_window_s`, in which."""

    raised: int = 0
    incident_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Holding:
    """What to do with an alert that no open incident of its place takes.

    Attributes:
        decision: JOIN a collective, or OPEN: an incident of its own when `place_key` is None, else a collective.
        takes_along: alerts held elsewhere that belong to the same incident.
    """

    decision: Decision
    place_key: str | None = None
    takes_along: tuple[str, ...] = ()


def is_collective(place_key: str) -> bool:
    """True for the key of a collective incident."""
    return place_key.startswith("~")


def may_be_held(hazard: str, severity: int, drill: bool) -> bool:
    """False for what always stands for itself."""
    return not drill and severity > MOST_SEVERE and hazard not in NEVER_HELD_HAZARDS


def is_loaded(alerts_of_last_hour: int, rule: SheddingRule) -> bool:
    """True when the county has more to judge than the rule allows."""
    return rule.above_per_hour is not None and alerts_of_last_hour > rule.above_per_hour


def stays_open_s(place_key: str, rule: FoldingRule, shedding: SheddingRule) -> float:
    """How long an incident that nobody has taken stays open after all of it was seen to be gone."""
    if place_key.startswith(HELD):
        return shedding.quiet_s
    return max(rule.settle_s, rule.window_s) if is_collective(place_key) else rule.settle_s


def hold(
    arrival: Arrival,
    node_id: str,
    severity: int,
    collectives: Sequence[Collective],
    held: Sequence[Held],
    past: Past,
    now: datetime,
    rule: FoldingRule,
    *,
    is_busy: bool,
) -> Holding | None:
    """Where an alert goes that `folding.decide` would give an incident of its own; None: leave it at that.

    Args:
        collectives, held: of the county and hazard; those held that are present or were seen within `kept_in_mind`.
        is_busy: the county sheds now.
    """
    if arrival.is_gone or not may_be_held(arrival.hazard, severity, arrival.drill):
        return None
    of_node = _of_one_node(arrival, node_id, collectives, held, now, rule)
    if of_node is not None or not is_busy or arrival.began_at < now - kept_in_mind(rule):
        return of_node  # what a node that was cut off tells late, and is still there, has outlasted its limit
    waiting = [one for one in held if one.is_present and one.place_key.startswith(HELD)]
    same = of_camera(arrival.camera_id, held, now)
    flaps = 1 + past.raised
    if rule.flap_count and flaps >= rule.flap_count:
        text = f"flapping: raised {flaps} times in {rule.flap_window_s:.0f} s; shown once, counted from now on"
        return _own("flapping", text, arrival, same, raised=flaps, window_s=rule.flap_window_s)
    seen_by = {one.camera_id: one for one in waiting if _is_same_place(arrival, one, rule)}
    if rule.confirm_cameras > 1 and 1 + len(seen_by) >= rule.confirm_cameras:
        along = tuple(sorted({*same, *(id_ for camera_id in seen_by for id_ in of_camera(camera_id, held, now))}))
        text = f"seen by {1 + len(seen_by)} cameras within {rule.radius_m:.0f} m at the same time"
        return _own("more_cameras", text, arrival, along, cameras=1 + len(seen_by))
    return _with_others(arrival, collectives, held, past, now, rule)


def leaves(one: Held, held: Sequence[Held], now: datetime, rule: FoldingRule) -> dict[str, object] | None:
    """Why a held alert gets an incident of its own now; None: it stays where it is."""
    if not one.is_present or not one.may_leave:
        return None
    if one.severity <= MOST_SEVERE:
        return _why("severity", "its severity has risen to 1, which is never held", {"severity": one.severity})
    is_patient = one.place_key == STORM or is_storm(held, now, rule)
    limit_s = rule.confirm_s * (STORM_PATIENCE if is_patient else 1)
    since = now - kept_in_mind(rule)
    there_s = sum(
        ((now if other.is_present else other.last_seen_at) - max(since, other.raised_at)).total_seconds()
        for other in held
        if other.camera_id == one.camera_id and (other.is_present or other.last_seen_at >= since)
    )
    if there_s < limit_s or (one.place_key.startswith(NODE) and _is_still_down(one, held, now, rule)):
        return None
    text = f"not seen to be gone for {there_s:.0f} s of the last {2 * rule.confirm_s:.0f}: longer than what is held"
    return _why("outlasted", text, {"camera_id": one.camera_id, "there_s": round(there_s), "limit_s": limit_s})


def of_camera(camera_id: str, held: Iterable[Held], now: datetime) -> tuple[str, ...]:
    """The ids of what may leave of a camera and belongs together: what is there, and its flaps before without a break.

    What ended before a break was shown where it was held, and stays in that incident's books.
    """
    together: list[str] = []
    since = now
    mine = [one for one in held if one.camera_id == camera_id and one.may_leave]
    for one in sorted(mine, key=lambda one: (one.raised_at, one.alert_id), reverse=True):
        if not one.is_present and one.last_seen_at < since - STILL_THERE:
            break
        together.append(one.alert_id)
        since = min(since, one.raised_at)
    return tuple(sorted(together))


def kept_in_mind(rule: FoldingRule) -> timedelta:
    """How long after it was last seen an alert still counts among those held."""
    return max(STILL_THERE, timedelta(seconds=2 * rule.confirm_s))


def _is_still_down(one: Held, held: Sequence[Held], now: datetime, rule: FoldingRule) -> bool:
    """The node's other cameras are away too, or came back so lately that this one may follow."""
    away = {
        other.camera_id
        for other in held
        if other.incident_id == one.incident_id and (other.is_present or now - other.last_seen_at <= NODE_AT_ONCE)
    }
    return len(away) >= rule.node_cameras


def _of_one_node(
    arrival: Arrival,
    node_id: str,
    collectives: Sequence[Collective],
    held: Sequence[Held],
    now: datetime,
    rule: FoldingRule,
) -> Holding | None:
    if arrival.hazard != NODE_HAZARD or not rule.node_cameras:
        return None
    place_key = f"{NODE}{node_id}"[:64]
    known = next((one for one in collectives if one.place_key == place_key), None)
    if known is not None and not known.is_free:
        return None
    if known is not None:
        text = f"a camera of {node_id}, whose cameras failed together: incident {known.number}"
        about: dict[str, object] = {"number": known.number, "camera_id": arrival.camera_id, "node_id": node_id}
        return Holding(Decision(Fold.JOIN, known.incident_id, _why("node_down", text, about)))
    along = [one for one in held if one.node_id == node_id and one.is_present and now - one.raised_at <= NODE_AT_ONCE]
    cameras = {one.camera_id for one in along} | {arrival.camera_id}
    if len(cameras) < rule.node_cameras:
        return None
    text = f"{len(cameras)} cameras of {node_id} failed within {NODE_AT_ONCE.seconds} s: the node, not the cameras"
    why = _why("node_down", text, {"node_id": node_id, "cameras": len(cameras), "camera_id": arrival.camera_id})
    takes_along = tuple(sorted(one.alert_id for one in along if one.may_leave))
    return Holding(Decision(Fold.OPEN, None, why), place_key, takes_along)


def _with_others(
    arrival: Arrival,
    collectives: Sequence[Collective],
    held: Sequence[Held],
    past: Past,
    now: datetime,
    rule: FoldingRule,
) -> Holding | None:
    """In a storm, with the storm; else the first collective in which no other place is there, or a new one.

    None: a storm that somebody has in hand; what comes then stands for itself.
    """
    slots = [one for one in collectives if one.place_key.startswith(HELD)]
    busy = {one.incident_id for one in held if one.camera_id != arrival.camera_id and _is_there(one, now)}
    free = [one for one in slots if one.is_free and one.incident_id not in busy]
    if free and not is_storm(held, now, rule):
        chosen = min(free, key=lambda one: (one.incident_id not in past.incident_ids, one.place_key))
        return _joined("held", "not confirmed yet, and the county has more alerts than it can judge", arrival, chosen)
    taken = {one.place_key for one in slots}
    key = next((key for n in range(1, rule.places_at_once + 1) if (key := f"{HELD}{n}") not in taken), None)
    if key is not None and not free:
        text = "not confirmed yet, and the county has more alerts than it can judge: one incident for such alerts"
        return Holding(Decision(Fold.OPEN, None, _why("held", text, {"camera_id": arrival.camera_id})), key)
    text = f"a storm: more than {rule.places_at_once} places of this hazard in the county at once"
    storm = next((one for one in collectives if one.place_key == STORM), None)
    if storm is not None and not storm.is_free:
        return None
    if storm is not None:
        return _joined("storm", text, arrival, storm)
    about = {"camera_id": arrival.camera_id, "places": rule.places_at_once}
    return Holding(Decision(Fold.OPEN, None, _why("storm", text, about)), STORM)


def is_storm(held: Iterable[Held], now: datetime, rule: FoldingRule) -> bool:
    """As many places as the rule allows are in the storm's collective now: the front has not passed."""
    return len({one.camera_id for one in held if one.place_key == STORM and _is_there(one, now)}) >= rule.places_at_once


def _is_there(one: Held, now: datetime) -> bool:
    return one.is_present or now - one.last_seen_at <= STILL_THERE


def _is_same_place(arrival: Arrival, one: Held, rule: FoldingRule) -> bool:
    """Alerts of another area never meet, here as in folding."""
    if one.camera_id == arrival.camera_id or one.area_code != arrival.area_code:
        return False
    if one.longitude is None or one.latitude is None:
        return False
    if arrival.longitude is None or arrival.latitude is None:
        return False
    return distance_m(arrival.longitude, arrival.latitude, one.longitude, one.latitude) <= rule.radius_m


def _joined(code: str, text: str, arrival: Arrival, into: Collective) -> Holding:
    why = _why(code, text, {"number": into.number, "camera_id": arrival.camera_id})
    return Holding(Decision(Fold.JOIN, into.incident_id, why))


def _own(code: str, text: str, arrival: Arrival, along: tuple[str, ...], **about: object) -> Holding:
    return Holding(Decision(Fold.OPEN, None, _why(code, text, {"camera_id": arrival.camera_id, **about})), None, along)


def _why(code: str, text: str, about: dict[str, object]) -> dict[str, object]:
    return {"code": code, "text": text, "about": about}
