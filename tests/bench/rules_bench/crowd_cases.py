"""Scenarios of people who gather and part round a threshold. The truth is the number of feet in the zone.

A box detector undercounts: the page of the hazard says to set the count by what the camera sees. So a crowd that must
be told is one of which this detector sees `raise_at_count` at nineteen looks of twenty (`enough`), and one that must
not be has fewer people than that count. In between nothing is asked. People stand so that they can be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from tests.bench.rules_bench.cases import HIDING, QUIET, Case, Event, look_times
from tests.bench.rules_bench.noise import NoiseModel
from tests.bench.rules_bench.scene import Point, Span, Thing, drive, stay

GAPS_S: Final = (0.5, 1.0, 2.0, 4.0)
GAP_CHANCES: Final = (0.3, 0.45, 0.2, 0.05)
LOWEST_LOOKS: Final = 1.65  # deviations: one look in twenty shows fewer
LEAST_APART: Final = 1.3  # of a person's width, across or (as heights) in depth
SLOW_S: Final = (
    2.5  # beside the looks: the median over `smooth_s` turns half of it late, the last to come make the rest
)


@dataclass(slots=True)
class Square:
    """One scenario in the making. `left, top, right, bottom`: the zone."""

    rng: np.random.Generator
    gap_s: float
    dwell_s: float
    clear_after_s: float
    raise_at: int
    clear_at: int
    left: float
    top: float
    right: float
    bottom: float
    height: float
    seen_share: float
    people: list[Thing] = field(default_factory=list)
    taken: list[tuple[float, float]] = field(default_factory=list)
    blind_s: float = 0.0

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    @property
    def many(self) -> int:
        """Enough to be told."""
        return enough(self.raise_at, self.seen_share) + int(self.rng.integers(0, 4))

    @property
    def not_quite(self) -> int:
        """Fewer than the count, by one to a third of it."""
        return max(1, self.raise_at - 1 - int(self.rng.integers(0, 1 + self.raise_at // 3)))

    def clearly_longer(self) -> float:
        least = self.dwell_s + 2 * self.gap_s + SLOW_S + (self.blind_s + self.gap_s if self.blind_s else 0.0)
        return least + float(self.rng.exponential(0.5)) * max(self.dwell_s, 8.0)

    def clearly_shorter(self) -> float:
        return self.between(0.3, 1.0) * (self.dwell_s - self.gap_s - SLOW_S)

    def spot(self) -> tuple[float, float]:
        """A free place in the zone, as far from the others as there is room."""
        apart = LEAST_APART
        while True:
            for _ in range(60):
                x, y = (
                    self.between(self.left + 0.01, self.right - 0.01),
                    self.between(self.top + 0.01, self.bottom - 0.01),
                )
                near = (abs(x - a) / (0.36 * self.height) + abs(y - b) / (0.5 * self.height) for a, b in self.taken)
                if all(distance >= apart for distance in near):
                    self.taken.append((x, y))
                    return x, y
            apart *= 0.85

    def comes(self, at_s: float, until_s: float, *, leaves_within_s: float = 3.0) -> None:
        """Somebody who is in the zone from about `at_s` until about `until_s`; enters and leaves by the nearer side."""
        x, y = self.spot()
        side = -1.0 if x - self.left < self.right - x else 1.0
        edge = self.left if side < 0 else self.right
        pace = self.between(0.03, 0.06)  # of the picture's width a second
        walk_s = abs(x - edge) / pace
        points = [Point(at_s - 0.12 / pace, edge + side * 0.12, y), Point(at_s, edge, y)]
        drive(points, (x, y), walk_s)
        stay(points, max(0.5, until_s - points[-1].t_s))
        gone_s = self.between(0.3, 1.0) * leaves_within_s
        drive(points, (edge, y), max(0.3, min(gone_s, walk_s)))
        drive(points, (edge + side * 0.12, y), 0.12 / pace)
        height = self.height * self.between(0.9, 1.1)
        self.people.append(Thing("person", (height * self.between(0.32, 0.4), height), tuple(points)))


def crowd_case(seed: int) -> Case:
    """The scenario of a seed."""
    rng = np.random.default_rng((seed, 1))
    plot = str(rng.choice(list(_PLOTS), p=[chance for chance, _ in _PLOTS.values()]))
    disturbance = str(rng.choice(list(_DISTURBANCES), p=list(_DISTURBANCES.values())))
    square = _square(rng)
    if disturbance == "blind stretch" and plot in ("gathers", "swings"):
        square.blind_s = square.between(7.0, 30.0)
    _PLOTS[plot][1](square)
    length_s = max(thing.path[-1].t_s for thing in square.people) + square.clear_after_s + 3 * square.gap_s + 4
    events = crowd_events(square.people, square)
    blind = _blind_spans(square, events)
    things = [*square.people, *(_buses(square, length_s) if disturbance == HIDING[1] else [])]
    other_gap_s = min(square.gap_s, 0.5) if disturbance == "another pace" else None
    zone = [[square.left, square.top], [square.right, square.top], [square.right, square.bottom]]
    zone.append([square.left, square.bottom])
    return Case(
        seed=seed,
        plot=plot,
        disturbance=disturbance,
        rule={
            "rule_id": "r",
            "hazard": "crowd",
            "zone": [[round(x, 4), round(y, 4)] for x, y in zone],
            "raise_at_count": square.raise_at,
            "clear_at_count": square.clear_at,
            "dwell_s": square.dwell_s,
            "clear_after_s": square.clear_after_s,
        },
        things=tuple(things),
        looks_s=look_times(rng, length_s, square.gap_s, other_gap_s),
        gap_s=square.gap_s,
        events=events,
        blind=blind,
        has_blind_looks=bool(rng.random() < 0.5),
        id_switch_every_s=square.between(2, 8) if disturbance == HIDING[2] else None,
    )


def counts_of(people: Sequence[Thing], square: Square) -> list[tuple[float, int]]:
    """(from when, how many feet in the zone), in the order of time; exact: by when each crosses the zone's edge."""
    steps: list[tuple[float, int]] = []
    for person in people:
        inside = False
        for before, after in pairwise(person.path):
            for t_s, is_in in _crossings(before, after, square):
                if is_in != inside:
                    steps.append((t_s, 1 if is_in else -1))
                    inside = is_in
    count, counts = 0, [(0.0, 0)]
    for t_s, step in sorted(steps):
        count += step
        counts.append((t_s, count))
    return counts


def _crossings(before: Point, after: Point, square: Square) -> list[tuple[float, bool]]:
    """Where a move across the zone's upright edges begins and ends to be inside; all feet lie between the others."""
    if before.x == after.x:
        return [(before.t_s, square.left <= before.x <= square.right)]
    shares = sorted((edge - before.x) / (after.x - before.x) for edge in (square.left, square.right))
    begins, ends = max(0.0, shares[0]), min(1.0, shares[1])
    if begins >= ends:
        return [(before.t_s, False)]
    takes_s = after.t_s - before.t_s
    crossings = [(before.t_s, begins <= 0.0), (before.t_s + begins * takes_s, True)]
    if shares[1] < 1.0:
        crossings.append((before.t_s + ends * takes_s, False))
    return crossings


def crowd_events(people: Sequence[Thing], square: Square) -> tuple[Event, ...]:
    """By the rule's own words: from `raise_at` on for the dwell; over at `clear_at` for `clear_after_s`."""
    counts = counts_of(people, square)
    steps = [(*one, after[0]) for one, after in zip(counts, [*counts[1:], (counts[-1][0] + 1e6, 0)], strict=True)]
    events: list[Event] = []
    onset_s: float | None = None
    open_since_s: float | None = None
    low_since_s: float | None = None
    for from_s, count, until_s in steps:
        if open_since_s is None:
            onset_s = (from_s if onset_s is None else onset_s) if count >= square.raise_at else None
            if onset_s is not None and until_s - onset_s >= square.dwell_s:
                open_since_s, low_since_s = onset_s, None
            continue
        low_since_s = (from_s if low_since_s is None else low_since_s) if count <= square.clear_at else None
        if low_since_s is not None and until_s - low_since_s >= square.clear_after_s:
            events.append(Event(open_since_s, low_since_s))
            open_since_s = onset_s = low_since_s = None
    if open_since_s is not None:
        events.append(Event(open_since_s, steps[-1][0]))
    return tuple(events)


def _square(rng: np.random.Generator) -> Square:
    gap_s = float(rng.choice(GAPS_S, p=GAP_CHANCES))
    dwell_s = float(rng.choice((8.0, 10.0, 15.0) if gap_s <= 1 else (15.0, 20.0)))
    raise_at = int(rng.integers(6, 17))
    clear_at = int(raise_at * float(rng.uniform(0.5, 0.7)))
    left, top = float(rng.uniform(0.14, 0.2)), float(rng.uniform(0.35, 0.45))
    right, bottom = left + float(rng.uniform(0.55, 0.65)), top + float(rng.uniform(0.35, 0.5))
    clear_after_s = float(rng.choice((5.0, 8.0, 10.0)))
    height = float(rng.uniform(0.1, 0.16))
    noise = NoiseModel.read()
    seen_share = noise.people.sure_share(noise.confident_score)
    return Square(rng, gap_s, dwell_s, clear_after_s, raise_at, clear_at, left, top, right, bottom, height, seen_share)


def enough(count: int, seen_share: float) -> int:
    """So many people that all but one look in twenty shows `count` of them."""
    people = count
    while people * seen_share - LOWEST_LOOKS * math.sqrt(people * seen_share * (1 - seen_share)) < count:
        people += 1
    return people


# What happens.


def _gather(square: Square, at_s: float, stays_s: float) -> float:
    """A group comes, more than the threshold; when it has gone again."""
    within_s = square.between(1, 4)
    until_s = at_s + within_s + stays_s
    for _ in range(square.many):
        square.comes(at_s + square.between(0, within_s), until_s)
    return until_s + 4.0


def _gathers(square: Square) -> None:
    _gather(square, square.between(8, 14), square.clearly_longer())


def _gathers_briefly(square: Square) -> None:
    """Enough people, not for long: they come at once and leave at once."""
    at_s, stays_s = square.between(8, 14), square.clearly_shorter()
    for _ in range(square.many):
        _passes_by(square, at_s + square.between(0, 0.3 * stays_s), 0.7 * stays_s)


def _passes_by(square: Square, at_s: float, for_s: float) -> None:
    """Somebody who stands just inside an edge, so that the times are those given."""
    _, y = square.spot()
    side = -1.0 if square.rng.random() < 0.5 else 1.0
    edge = square.left if side < 0 else square.right
    depth = square.between(0.02, 0.2)
    takes_s = min(1.0, for_s / 4)
    points = [Point(at_s - takes_s, edge + side * 0.1, y), Point(at_s, edge, y)]
    drive(points, (edge - side * depth, y), takes_s)
    stay(points, for_s - 2 * takes_s)
    drive(points, (edge, y), takes_s)
    drive(points, (edge + side * 0.1, y), takes_s)
    height = square.height * square.between(0.9, 1.1)
    square.people.append(Thing("person", (height * 0.36, height), tuple(points)))


def _twice(square: Square) -> None:
    gone_s = _gather(square, square.between(8, 14), square.clearly_longer())
    square.taken.clear()
    _gather(square, gone_s + square.clear_after_s + 3 * square.gap_s + 4, square.clearly_longer())


def _swings(square: Square) -> None:
    """After it was raised some leave and others come: between the two counts it is one crowd."""
    at_s, first_s = square.between(8, 14), square.clearly_longer()
    kept = enough(square.clear_at + 1, square.seen_share)
    within_s = square.between(1, 4)
    until_s = at_s + within_s + first_s
    others = max(0, square.many - kept)
    for _ in range(kept):
        square.comes(at_s + square.between(0, within_s), until_s + 45.0)
    for _ in range(others):
        square.comes(at_s + square.between(0, within_s), until_s)
    for _ in range(others):
        square.comes(until_s + square.between(8, 15), until_s + 45.0)


def _stays_below(square: Square) -> None:
    """People come and go, never enough of them."""
    most, t = square.not_quite, 2.0
    for _ in range(most):
        square.comes(t + square.between(0, 10), t + square.between(30, 60))


def _flows(square: Square) -> None:
    """A stream of walkers straight through the zone, fewer than the threshold at a time."""
    takes_s, wanted = square.between(6, 10), square.not_quite
    every_s, t = takes_s / wanted * 1.05, 2.0
    width = square.right - square.left
    while t < 60.0:
        y = square.between(square.top + 0.02, square.bottom - 0.02)
        side = 0.12 / width * takes_s
        points = [Point(t - side, square.left - 0.12, y)]
        drive(points, (square.right + 0.12, y), takes_s + 2 * side)
        height = square.height * square.between(0.9, 1.1)
        square.people.append(Thing("person", (height * 0.36, height), tuple(points)))
        t += every_s


_PLOTS: Final[dict[str, tuple[float, Callable[[Square], None]]]] = {
    "gathers": (0.36, _gathers),
    "gathers briefly": (0.14, _gathers_briefly),
    "twice": (0.12, _twice),
    "swings": (0.12, _swings),
    "stays below": (0.16, _stays_below),
    "flows": (0.10, _flows),
}
_DISTURBANCES: Final[dict[str, float]] = {
    QUIET: 0.4,
    HIDING[1]: 0.15,
    HIDING[2]: 0.15,
    "blind stretch": 0.15,
    "another pace": 0.15,
}


def _buses(square: Square, length_s: float) -> list[Thing]:
    """Buses before the square, which hide some of the people for a second or two each."""
    buses, t = [], square.between(6, 14)
    while t < length_s:
        y = square.bottom + 0.08
        points = [Point(t, -0.4, y)]
        drive(points, (1.4, y), square.between(2.5, 5))
        buses.append(Thing("bus", (0.45, 0.28), tuple(points)))
        t = points[-1].t_s + square.between(10, 25)
    return buses


def _blind_spans(square: Square, events: Sequence[Event]) -> tuple[Span, ...]:
    """Once the crowd was seen to be there."""
    if not square.blind_s or not events:
        return ()
    begins_s = events[0].onset_s + 3 * square.gap_s + 2.5 + square.between(0, 0.5 * square.dwell_s)
    if begins_s + square.blind_s > events[0].ends_s - 3 * square.gap_s - SLOW_S:
        return ()
    return (Span(begins_s, begins_s + square.blind_s),)
