"""Scenarios of things that stand in a lane, an exit, a no-stopping zone: what happens, and what makes it hard.

The zone lies across the picture; its borders' margins are chosen so that every truth is exact: what stands, stands
clearly inside or clearly outside, and for clearly longer or shorter than the dwell, as far as looks that far apart can
tell (`Street.clearly_longer`, `clearly_shorter`). How long it stands is else as near to the dwell as that allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from tests.bench.rules_bench.cases import HIDING, NOISIER, QUIET, Case, Event, look_times, zone_events
from tests.bench.rules_bench.scene import Point, Span, Thing, drive, stay

VEHICLE_NAMES: Final = ("car", "car", "car", "truck", "bus")
GAPS_S: Final = (0.5, 1.0, 2.0, 4.0)
GAP_CHANCES: Final = (0.25, 0.4, 0.25, 0.1)
HAZARDS: Final = ("fire_lane_obstruction", "illegal_parking", "blocked_exit")
SLOW_S: Final = 1.0  # beside the looks: braking looks like standing for the last half second, and so does starting
BLIND_S: Final = (7.0, 40.0)
CLEARLY_INSIDE: Final = 0.05  # of the picture: feet of what stands in the zone are never nearer to its far edge or ends
HIDDEN_S: Final = 12.0  # a bus that comes, halts and goes hides what stands behind for so long
Made = list[Thing]


@dataclass(slots=True)
class Street:
    """One scenario in the making. `left, top, right, bottom`: the rectangle round the zone."""

    rng: np.random.Generator
    hazard: str
    gap_s: float
    dwell_s: float
    clear_after_s: float
    left: float
    top: float
    right: float
    bottom: float
    zone: list[list[float]]
    things: list[Thing] = field(default_factory=list)
    blind_s: float = 0.0
    hidden_s: float = 0.0

    @property
    def each_alone(self) -> bool:
        return self.hazard == "illegal_parking"

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def clearly_longer(self) -> float:
        """A stand that looks this far apart can tell to be long enough: its begin and its end are each seen late."""
        unseen_s = self.hidden_s + (self.blind_s + self.gap_s if self.blind_s else 0.0)
        least = self.dwell_s + unseen_s + 2 * self.gap_s + SLOW_S
        return least + float(self.rng.exponential(0.4)) * self.dwell_s

    def clearly_shorter(self) -> float:
        most = self.dwell_s - self.gap_s - SLOW_S
        return self.between(0.45, 1.0) * most

    def size(self) -> tuple[float, float]:
        """Of a vehicle whose lower half lies on the lane."""
        height = self.between(0.75, 1.1) * (self.bottom - self.top)
        return height * self.between(0.9, 1.5), height

    def feet_y(self, height: float) -> float:
        """So that the lower half is inside."""
        return self.between(max(self.top + height / 2, self.bottom - 0.03), self.bottom)


def standing_case(seed: int) -> Case:
    """The scenario of a seed: hazard, plot, disturbance and every number in it."""
    rng = np.random.default_rng((seed, 1))
    hazard = str(rng.choice(HAZARDS, p=(0.45, 0.35, 0.2)))
    plot = str(rng.choice(list(_PLOTS), p=[chance for chance, _ in _PLOTS.values()]))
    disturbance = str(rng.choice(list(_DISTURBANCES), p=list(_DISTURBANCES.values())))
    if plot in ("something", "outside", "queue") and disturbance == "bus in front":
        disturbance = QUIET  # what has no name is hidden for the change grid as well: not seen is not gone
    street = _street(rng, hazard)
    if disturbance == "blind stretch" and plot != "hands over":  # whose stands are as long as they may be
        street.blind_s = street.between(*BLIND_S)
    if disturbance == "bus in front":
        street.hidden_s = HIDDEN_S
    _PLOTS[plot][1](street)
    main = [thing for thing in street.things if thing.class_name != "person"]
    length_s = max(thing.path[-1].t_s for thing in street.things) + street.clear_after_s + 3 * street.gap_s + 4
    blind = _blind_spans(street, main)
    _disturb(street, disturbance, length_s)
    other_gap_s = min(street.gap_s, 0.5) if disturbance == "another pace" else None
    return Case(
        seed=seed,
        plot=plot,
        disturbance=disturbance,
        rule=_rule(street),
        things=tuple(street.things),
        looks_s=look_times(rng, length_s, street.gap_s, other_gap_s),
        gap_s=street.gap_s,
        events=_truth(street, main, blind),
        blind=blind,
        has_blind_looks=bool(rng.random() < 0.5),
        vehicles_found=OFTEN_LOST if disturbance == NOISIER[1] else None,
        id_switch_every_s=street.between(0.25, 0.6) * street.dwell_s if disturbance == "id switches" else None,
    )


def _street(rng: np.random.Generator, hazard: str) -> Street:
    gap_s = float(rng.choice(GAPS_S, p=GAP_CHANCES))
    dwell_s = float(rng.choice((15.0, 20.0, 30.0) if gap_s <= 1 else (30.0, 45.0)))
    top = float(rng.uniform(0.42, 0.56))
    bottom, left = top + float(rng.uniform(0.12, 0.17)), float(rng.uniform(0.12, 0.3))
    right, slant = left + float(rng.uniform(0.42, 0.6)), float(rng.uniform(-0.04, 0.04))
    zone = [[left, top], [right, top], [right + slant, bottom], [left + slant, bottom]]
    clear_after_s = float(rng.choice((4.0, 6.0, 8.0)))
    return Street(rng, hazard, gap_s, dwell_s, clear_after_s, left, top, right, bottom, zone)


def _rule(street: Street) -> dict[str, Any]:
    return {
        "rule_id": "r",
        "hazard": street.hazard,
        "zone": [[round(x, 4), round(y, 4)] for x, y in street.zone],
        "dwell_s": street.dwell_s,
        "clear_after_s": street.clear_after_s,
    }


def _truth(street: Street, main: Made, blind: tuple[Span, ...]) -> tuple[Event, ...]:
    """Of everything that stood in the zone and counts for the hazard."""
    counts = [thing for thing in main if thing.class_name or not street.each_alone]
    m = CLEARLY_INSIDE
    inside = (street.left + m, street.top + m, street.right - m, street.bottom + 0.001)
    spans = [span for thing in counts for span in thing.stands(inside)]
    return zone_events(spans, street.dwell_s, street.clear_after_s, blind, each_alone=street.each_alone)


# What happens.


def _visit(street: Street, stands_s: float, begins_s: float, *, x: float | None = None) -> Thing:
    """A vehicle that comes from one side, stands in the zone, and drives off to the other."""
    width, height = street.size()
    y = street.feet_y(height)
    if x is None:
        x = street.between(street.left + 0.45 * width + 0.06, street.right - 0.45 * width - 0.06)
    points = [Point(begins_s, -width, y)]
    drive(points, (x, y), street.between(2.5, 4.0), brakes=True)
    stay(points, stands_s)
    drive(points, (1 + width, y), street.between(2.5, 4.0), starts=True)
    return Thing(str(street.rng.choice(VEHICLE_NAMES)), (width, height), tuple(points))


def _stops(street: Street) -> None:
    street.things.append(_visit(street, street.clearly_longer(), street.between(4, 8)))


def _stops_briefly(street: Street) -> None:
    street.things.append(_visit(street, street.clearly_shorter(), street.between(4, 8)))


def _twice(street: Street) -> None:
    first = _visit(street, street.clearly_longer(), street.between(4, 8))
    free_s = street.clear_after_s + 3 * street.gap_s + 3
    street.things += [first, _visit(street, street.clearly_longer(), first.path[-1].t_s + free_s)]


def _another_takes_the_spot(street: Street) -> None:
    """One leaves, the next stops in the same spot after a while: neither stood for the dwell."""
    first = _visit(street, street.clearly_shorter(), street.between(4, 8))
    x = next(point.x for point, after in pairwise(first.path) if point.x == after.x)
    pause_s = street.between(2, 8) + street.gap_s
    street.things += [first, _visit(street, street.clearly_shorter(), first.path[-1].t_s + pause_s, x=x)]


def _hands_over(street: Street) -> None:
    """A second vehicle stands beside the first before that one leaves: the lane stays blocked, nobody parks."""
    width, height = min((street.size() for _ in range(6)), key=lambda size: size[0])
    width = min(width, (street.right - street.left) / 2 - 0.07)
    y = street.feet_y(height)
    each_s = street.clearly_shorter()
    overlap_s = min(each_s / 2, 3.0 + 2.5 * street.gap_s)
    each_s = max(each_s, overlap_s + (street.dwell_s + 2 * street.gap_s + SLOW_S) / 2)
    each_s = min(each_s, street.dwell_s - street.gap_s - SLOW_S)
    begins_s = street.between(4, 8)
    for side, at_s in ((0.75, begins_s), (0.25, begins_s + each_s - overlap_s)):
        x = street.left + side * (street.right - street.left)
        points = [Point(at_s, -width, y)]
        drive(points, (x, y), 3.0, brakes=True)
        stay(points, each_s)
        drive(points, (1 + width, y) if side > 0.5 else (-width, y), 3.0, starts=True)
        street.things.append(Thing("car", (width, height), tuple(points)))


def _passes(street: Street) -> None:
    """Traffic that does not stop, some of it slowly."""
    t = street.between(2, 6)
    for _ in range(int(street.rng.integers(4, 9))):
        width, height = street.size()
        y = street.feet_y(height)
        points = [Point(t, -width, y)]
        drive(points, (1 + width, y), street.between(3, 14))
        street.things.append(Thing(str(street.rng.choice(VEHICLE_NAMES)), (width, height), tuple(points)))
        t += street.between(2, 9)


def _queue(street: Street) -> None:
    """A queue that moves on, all at once, by less than a place, for twice the dwell."""
    _, height = street.size()
    width = height * street.between(0.9, 1.2)
    y, spacing = street.feet_y(height), width * street.between(1.2, 1.6)
    moves, t = [], street.between(2, 5)
    while t < 2 * street.dwell_s:
        stands_s, takes_s = street.between(2, 5), street.between(2.5, 4)
        moves.append((stands_s, takes_s, spacing * street.between(0.4, 0.85)))
        t += stands_s + takes_s
    for number in range(int(np.ceil((1 + sum(move[2] for move in moves)) / spacing)) + 1):
        points = [Point(2.0, 0.9 - number * spacing, y)]
        for stands_s, takes_s, way in moves:
            stay(points, stands_s)
            drive(points, (points[-1].x + way, y), takes_s)
        street.things.append(Thing("car", (width, height), tuple(points)))


def _creeps(street: Street) -> None:
    """One vehicle rolls at a walking pace all the way."""
    width, height = street.size()
    y = street.feet_y(height)
    points = [Point(street.between(3, 6), -width, y)]
    drive(points, (1 + width, y), max(street.dwell_s * 1.3, 25.0))
    street.things.append(Thing("car", (width, height), tuple(points)))


def _outside(street: Street) -> None:
    """Vehicles stand for long just beyond the zone's far side, or beyond one of its ends."""
    width, height = street.size()
    stands_s = street.clearly_longer()
    if street.rng.random() < 0.5:
        x, y = (
            street.between(street.left, street.right),
            street.top + street.between(-0.1, 0.08) * height,
        )  # a sixth of its lower half
    else:
        beyond = 0.42 * width + 0.04
        x = street.right + beyond if street.right + beyond < 0.95 else street.left - beyond
        y = street.feet_y(height)
    points = [Point(street.between(4, 8), -width, y)]
    drive(points, (x, y), 3.0, brakes=True)
    stay(points, stands_s)
    drive(points, (1 + width, y), 3.0, starts=True)
    street.things.append(Thing(str(street.rng.choice(VEHICLE_NAMES)), (width, height), tuple(points)))


def _only_people(street: Street) -> None:
    """A group stands in the zone and talks."""
    for _ in range(int(street.rng.integers(2, 6))):
        x, y = street.between(street.left + 0.05, street.right - 0.05), street.between(street.top, street.bottom)
        points = [Point(street.between(2, 6), -0.05, y)]
        drive(points, (x, y), street.between(5, 9))
        stay(points, street.clearly_longer())
        drive(points, (1.05, y), street.between(5, 9))
        street.things.append(Thing("person", _person_size(street), tuple(points)))


def _something(street: Street) -> None:
    """Somebody leaves a thing that no detector knows: a lane is blocked by it, a vehicle does not park."""
    width, height = street.between(0.16, 0.24), street.between(0.09, 0.12)
    x, y = street.between(street.left + 0.14, street.right - 0.14), street.bottom - 0.01
    begins_s = street.between(10, 14)
    points = [Point(begins_s, x, y)]
    stay(points, street.clearly_longer())
    street.things.append(Thing("", (width, height), tuple(points)))


_PLOTS: Final[dict[str, tuple[float, Callable[[Street], None]]]] = {
    "stops": (0.34, _stops),
    "stops briefly": (0.12, _stops_briefly),
    "twice": (0.12, _twice),
    "another takes the spot": (0.07, _another_takes_the_spot),
    "hands over": (0.07, _hands_over),
    "passes": (0.06, _passes),
    "queue": (0.04, _queue),
    "creeps": (0.04, _creeps),
    "outside": (0.07, _outside),
    "only people": (0.04, _only_people),
    "something": (0.03, _something),
}

# What makes it hard.

_DISTURBANCES: Final[dict[str, float]] = {
    QUIET: 0.2,
    HIDING[0]: 0.18,
    HIDING[1]: 0.15,
    HIDING[2]: 0.16,
    "blind stretch": 0.1,
    "another pace": 0.08,
    NOISIER[0]: 0.06,
    NOISIER[1]: 0.07,
}
FAINT: Final = -0.2  # its scores lie round the detector's confident one
OFTEN_LOST: Final = (0.8, 1.5)  # found in four looks of five, lost for a second and a half: no more than a guess


def _disturb(street: Street, disturbance: str, length_s: float) -> None:
    if disturbance == HIDING[0]:
        _people_pass(street, length_s)
    elif disturbance == HIDING[1]:
        _buses_pass(street, length_s)
    elif disturbance == NOISIER[0]:
        street.things = [
            Thing(thing.class_name, thing.size_wh, thing.path, FAINT) if thing.class_name != "person" else thing
            for thing in street.things
        ]


def _blind_spans(street: Street, main: Made) -> tuple[Span, ...]:
    """A blind stretch while something stands, once it was seen to; else in the middle."""
    if not street.blind_s:
        return ()
    stands = [span for thing in main for span in thing.stands()]
    span = max(stands, key=lambda one: one.length_s, default=Span(10.0, 20.0))
    latest_s = max(0.0, min(span.length_s - street.blind_s, street.dwell_s) - 3 * street.gap_s - 2)
    if span.length_s < street.blind_s + 3 * street.gap_s + 2:
        return ()  # it would come and go unseen: nothing to be told apart
    begins_s = span.from_s + 3 * street.gap_s + 1 + street.between(0, latest_s)
    return (Span(begins_s, begins_s + street.blind_s),)


def _person_size(street: Street) -> tuple[float, float]:
    height = street.between(0.12, 0.17)
    return height * street.between(0.3, 0.4), height


def _people_pass(street: Street, length_s: float) -> None:
    """Walkers cross before what stands there, now and then one stops in front of it."""
    t = street.between(0, 4)
    while t < length_s:
        goes_right = street.rng.random() < 0.5
        y = street.between(street.bottom, street.bottom + 0.06)
        points = [Point(t, -0.05 if goes_right else 1.05, y)]
        if street.rng.random() < 0.4:
            drive(points, (street.between(street.left, street.right), y), street.between(4, 8))
            stay(points, street.between(3, 15))
        drive(points, (1.05 if goes_right else -0.05, y), street.between(5, 10))
        street.things.append(Thing("person", _person_size(street), tuple(points)))
        t += street.between(2, 8)


def _buses_pass(street: Street, length_s: float) -> None:
    """Buses on the road before the zone, some of which halt there and hide what stands behind."""
    t = street.between(6, 14)
    while t < length_s:
        height, width = 0.3, street.between(0.4, 0.6)
        y = street.bottom + height / 2 + 0.01  # its lower half lies before the zone
        points = [Point(t, -width, y)]
        if street.rng.random() < 0.6:
            drive(points, (street.between(street.left, street.right), y), street.between(1.5, 3), brakes=True)
            stay(points, street.between(2, 7))
            drive(points, (1 + width, y), street.between(2, 3), starts=True)
        else:
            drive(points, (1 + width, y), street.between(2.5, 5))
        street.things.append(Thing("bus", (width, height), tuple(points)))
        t = points[-1].t_s + street.between(8, 20)
