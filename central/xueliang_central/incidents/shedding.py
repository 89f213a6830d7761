"""What is held in a collective incident while a county has more alerts than its people can judge, and why (pure).

A collective incident is one of a county and hazard that stands for many short alerts: it asks once, stays open, and
lists and counts every alert it holds. Three kinds, told apart by `place_key`, which no camera can have:

    ~held-1 …   alerts that nothing has confirmed yet, never two places of one collective at once
    ~storm      more places at once than the rule allows collectives: one for all of them
    ~node:ID    cameras of one node that went offline together (`node_failures`), whether a county sheds or not

One that is full (a day old, or 1,000 alerts) takes nothing more in and ends when what it holds has gone or left; a new
one follows it (`~held-N`, `~storm~2`, `~node:ID~2`) and says which.

Invariants
    - Fire, severity 1 and drills are never held, and below the county's limit nothing is.
    - Two places that report at about the same time never meet in one `~held` collective: what is there is told apart.
    - An alert leaves for an incident of its own once it was there for its limit (with its flaps), a second camera sees
      the same place, its camera flaps, or its severity rises to 1. So a collective hides nothing that stays.
    - There is what was not seen to be gone: a camera that goes dark, or a rule that changes, says nothing of the place.
    - What somebody has taken in hand takes nothing in and lets nothing go until it is closed or given back: else it
      would be *verified* by what only left it.
    - `hold` and `leaves` look at no clock and no database; whoever calls them does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from xueliang_central.incidents.folding import Arrival, Decision, Fold, FoldingRule, distance_m
from xueliang_central.incidents.states import State

HELD, STORM, NODE = "~held-", "~storm", "~node:"
NEVER_HELD_HAZARDS: Final = frozenset({"fire_smoke"})
IN_HAND: Final = frozenset({State.TAKEN, State.ARRIVED, State.HANDLED, State.TO_CHECK})
MOST_SEVERE: Final = 1
# A flapping alert is away for its gap and the dwell of its next episode: 40 s and 60 s are common, with a margin.
STILL_THERE: Final = timedelta(seconds=120)
# A page, a timeline and an ingest batch show or read all of an incident: thousands in one are of use to nobody.
MOST_ALERTS: Final = 1_000
LONGEST_OPEN: Final = timedelta(days=1)  # who comes on duty tomorrow is asked anew, and not what was judged today
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
    """A collective incident. Its key is taken until it closes.

    Only one that waits for a judgement and is not full takes alerts in (a node's: in any state).
    """

    incident_id: str
    number: str
    place_key: str
    state: State = State.OPEN
    alert_count: int = 0
    opened_at: datetime | None = None

    @property
    def is_free(self) -> bool:
        return self.state is State.OPEN

    @property
    def is_in_hand(self) -> bool:
        return self.state in IN_HAND

    def is_full(self, now: datetime) -> bool:
        """Takes nothing more in, for its age or for what it holds; another follows it."""
        is_old = self.opened_at is not None and now - self.opened_at >= LONGEST_OPEN
        return is_old or self.alert_count >= MOST_ALERTS

    def takes_in(self, now: datetime) -> bool:
        """An alert that belongs there may join it now."""
        return not self.is_full(now) and (self.is_free or self.place_key.startswith(NODE))


@dataclass(frozen=True, slots=True)
class Held:
    """An alert in an incident that it may leave, present or seen to be gone.

    Attributes:
        area_code: of its camera; None: not in the register.
        began_at: trusted onset. raised_at: when the centre first heard of it. last_seen_at: when it last did.
        is_present: not seen to be gone.
        may_leave: False while somebody has its incident in hand.
        is_offline: a camera that sends no picture (see `node_failures`).
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
    began_at: datetime
    raised_at: datetime
    last_seen_at: datetime
    is_present: bool
    may_leave: bool = True
    is_offline: bool = False


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


def collective_of(case: Mapping[str, Any]) -> Collective:
    """A row of `incidents` as shedding sees it."""
    return Collective(
        incident_id=case["incident_id"],
        number=case["number"],
        place_key=case["place_key"],
        state=State(case["state"]),
        alert_count=case["alert_count"],
        opened_at=case["opened_at"],
    )


def is_collective(place_key: str) -> bool:
    """True for the key of a collective incident."""
    return place_key.startswith("~")


def may_be_held(hazard: str, severity: int, drill: bool) -> bool:
    """False for what always stands for itself."""
    return not drill and severity > MOST_SEVERE and hazard not in NEVER_HELD_HAZARDS


def is_loaded(alerts_of_last_hour: int, rule: SheddingRule) -> bool:
    """True when the county has more to judge than the rule allows."""
    return rule.above_per_hour is not None and alerts_of_last_hour > rule.above_per_hour


def stays_open_s(place_key: str, rule: FoldingRule, shedding: SheddingRule, *, takes_in: bool = True) -> float:
    """How long an incident that nobody has taken stays open after all of it was seen to be gone.

    A collective one that takes nothing in (`Collective.takes_in`) has no more to wait for than any other.
    """
    if not is_collective(place_key) or not takes_in:
        return rule.settle_s
    return shedding.quiet_s if place_key.startswith(HELD) else max(rule.settle_s, rule.window_s)


def follower_key(place_key: str, taken: Iterable[Collective]) -> str:
    """The key itself, or the first of those that follow it, that is not taken."""
    keys = {one.place_key for one in taken}
    after = (place_key if n == 1 else f"{place_key}~{n}" for n in count(1))
    return next(key for key in after if key not in keys)


def after_full(found: Iterable[Collective]) -> tuple[str, dict[str, object]]:
    """What the *why* of a collective incident says of the full ones that it follows: text and `about`, of the last."""
    full = max(found, key=lambda one: (len(one.number), one.number), default=None)
    if full is None:
        return "", {}
    return f"; incident {full.number} is full, this one follows it", {"follows": full.number}


def hold(
    arrival: Arrival,
    severity: int,
    collectives: Sequence[Collective],
    held: Sequence[Held],
    past: Past,
    now: datetime,
    rule: FoldingRule,
) -> Holding | None:
    """Where a county that sheds puts an alert that `folding.decide` would give an incident of its own; None: there.

    Args:
        collectives, held: of the county and hazard; those held that are present or were seen within `kept_in_mind`.
    """
    if arrival.is_gone or not may_be_held(arrival.hazard, severity, arrival.drill):
        return None
    if arrival.began_at < now - kept_in_mind(rule):
        return None  # what a node that was cut off tells late, and is still there, has outlasted its limit
    waiting = [one for one in held if one.is_present and one.place_key.startswith(HELD)]
    same = of_camera(arrival.camera_id, held, now)
    flaps = 1 + past.raised
    if rule.flap_count and flaps >= rule.flap_count:
        text = f"flapping: raised {flaps} times in {rule.flap_window_s:.0f} s; shown once, counted from now on"
        return _own("flapping", text, arrival, same, raised=flaps, window_s=rule.flap_window_s)
    seen_by = {one.camera_id for one in waiting if _is_same_place(arrival, one, rule)}
    if rule.confirm_cameras > 1 and 1 + len(seen_by) >= rule.confirm_cameras:
        along = tuple(sorted({*same, *_of_place(arrival, held, now, rule)}))
        text = f"seen by {1 + len(seen_by)} cameras within {rule.radius_m:.0f} m at the same time"
        return _own("more_cameras", text, arrival, along, cameras=1 + len(seen_by))
    return _with_others(arrival, collectives, held, past, now, rule)


def leaves(one: Held, held: Sequence[Held], now: datetime, rule: FoldingRule) -> dict[str, object] | None:
    """Why an alert held for load gets an incident of its own now; None: it stays where it is."""
    if not one.is_present or not one.may_leave:
        return None
    if one.severity <= MOST_SEVERE:
        return because("severity", "its severity has risen to 1, which is never held", {"severity": one.severity})
    is_patient = one.place_key.startswith(STORM) or is_storm(held, now, rule)
    limit_s = rule.confirm_s * (STORM_PATIENCE if is_patient else 1)
    since = now - kept_in_mind(rule)
    there_s = sum(
        ((now if other.is_present else other.last_seen_at) - max(since, other.raised_at)).total_seconds()
        for other in held
        if other.camera_id == one.camera_id and (other.is_present or other.last_seen_at >= since)
    )
    if there_s < limit_s:
        return None
    text = f"not seen to be gone for {there_s:.0f} s of the last {2 * rule.confirm_s:.0f}: longer than what is held"
    return because("outlasted", text, {"camera_id": one.camera_id, "there_s": round(there_s), "limit_s": limit_s})


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


def _of_place(arrival: Arrival, held: Iterable[Held], now: datetime, rule: FoldingRule) -> set[str]:
    """What other cameras of the arrival's place are holding or held a moment ago: all of it is one hazard.

    Left in the books of the collective, a third camera's flap would stand for a hazard that has an incident elsewhere.
    """
    found = list(held)
    there = {
        one.camera_id
        for one in found
        if one.place_key.startswith(HELD) and _is_there(one, now) and _is_same_place(arrival, one, rule)
    }
    return {id_ for camera_id in there for id_ in of_camera(camera_id, found, now)}


def kept_in_mind(rule: FoldingRule) -> timedelta:
    """How long after it was last seen an alert still counts among those held."""
    return max(STILL_THERE, timedelta(seconds=2 * rule.confirm_s))


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
    full = [one for one in slots if one.is_full(now)]
    free = [one for one in slots if one.takes_in(now) and one.incident_id not in busy]
    if free and not is_storm(held, now, rule):
        chosen = min(free, key=lambda one: (one.incident_id not in past.incident_ids, one.place_key))
        return _joined("held", "not confirmed yet, and the county has more alerts than it can judge", arrival, chosen)
    taken = {one.place_key for one in slots}
    numbers = range(1, rule.places_at_once + len(full) + 1)
    key = next((key for n in numbers if (key := f"{HELD}{n}") not in taken), None)
    if key is not None and not free:
        more, about = after_full(one for one in full if one.is_free and one.incident_id not in busy)
        text = (
            "not confirmed yet, and the county has more alerts than it can judge: one incident for such alerts" + more
        )
        return Holding(Decision(Fold.OPEN, None, because("held", text, {"camera_id": arrival.camera_id, **about})), key)
    text = f"a storm: more than {rule.places_at_once} places of this hazard in the county at once"
    storms = [one for one in collectives if one.place_key.startswith(STORM)]
    storm = next((one for one in storms if not one.is_full(now)), None)
    if storm is not None and not storm.is_free:
        return None
    if storm is not None:
        return _joined("storm", text, arrival, storm)
    more, follows = after_full(storms)
    about = {"camera_id": arrival.camera_id, "places": rule.places_at_once, **follows}
    return Holding(Decision(Fold.OPEN, None, because("storm", text + more, about)), follower_key(STORM, storms))


def is_storm(held: Iterable[Held], now: datetime, rule: FoldingRule) -> bool:
    """As many places as the rule allows are in the storm's collective now: the front has not passed."""
    return (
        len({one.camera_id for one in held if one.place_key.startswith(STORM) and _is_there(one, now)})
        >= rule.places_at_once
    )


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
    why = because(code, text, {"number": into.number, "camera_id": arrival.camera_id})
    return Holding(Decision(Fold.JOIN, into.incident_id, why))


def _own(code: str, text: str, arrival: Arrival, along: tuple[str, ...], **about: object) -> Holding:
    return Holding(
        Decision(Fold.OPEN, None, because(code, text, {"camera_id": arrival.camera_id, **about})), None, along
    )


def because(code: str, text: str, about: dict[str, object]) -> dict[str, object]:
    """A *why*, as it is stored: the console translates by code, text is English."""
    return {"code": code, "text": text, "about": about}
