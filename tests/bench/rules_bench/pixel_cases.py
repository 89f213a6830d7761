"""What happens in the rendered scenarios, and the events that really were: seconds and metres, exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from tests.bench.rules_bench.cases import HIDING, QUIET, Event, joined, look_times, zone_events
from tests.bench.rules_bench.pixel_scene import (
    Disturbed,
    Mover,
    Square,
    Street,
    make_square,
    make_street,
    vehicle,
    walker,
)
from tests.bench.rules_bench.scene import Point, Span, drive, stay
from xueliang_demo.drawing.light import Hour
from xueliang_demo.drawing.stage import Stage

FIRST_SEED: Final = 300_000
QUIET_S: Final = 14.0  # before anything comes: the long-term scene is learnt within 8 s
GAPS_S: Final = (0.5, 1.0, 2.0)
GAP_CHANCES: Final = (0.2, 0.6, 0.2)
SLOW_S: Final = 1.0
WALK_M_S: Final = 1.3
SWITCHES = HIDING[2]
IN_FRONT, NIGHT, RAIN = "vehicle in front", "night, headlights", "rain"
DISTURBANCES: Final = (
    QUIET,
    HIDING[0],
    IN_FRONT,
    SWITCHES,
    "camera shakes",
    NIGHT,
    RAIN,
    "light falls slowly",
    "hard shadow",
    "blind stretch",
    "another pace",
)
CROWD_DISTURBANCES: Final = (QUIET, "camera shakes", NIGHT, RAIN, "light falls slowly", "blind stretch", "another pace")


@dataclass(frozen=True, slots=True)
class PixelCase:
    """As `cases.Case`, with a stage and what moves on it in place of boxes.

    `id_switch_every_s`: the tracker's ids change so often beyond what it does itself; None: they do not.
    """

    seed: int
    plot: str
    disturbance: str
    rule: dict[str, Any]
    stage: Stage
    movers: tuple[Mover, ...]
    disturbed: Disturbed
    looks_s: tuple[float, ...]
    gap_s: float
    events: tuple[Event, ...]
    blind: tuple[Span, ...] = ()
    id_switch_every_s: float | None = None

    @property
    def hazard(self) -> str:
        return str(self.rule["hazard"])

    @property
    def hours(self) -> float:
        return (self.looks_s[-1] - self.looks_s[0]) / 3600


def pixel_case(seed: int) -> PixelCase:
    """One seed in three is a square with a crowd."""
    rng = np.random.default_rng((seed, 1))
    return _crowd(rng, seed) if seed % 3 == 2 else _standing(rng, seed)


def _hour(rng: np.random.Generator, disturbance: str) -> Hour:
    hours: tuple[Hour, ...] = ("day", "overcast", "dusk")
    return "night" if disturbance == NIGHT else hours[int(rng.choice(3, p=(0.5, 0.35, 0.15)))]


def _disturbed(rng: np.random.Generator, disturbance: str, length_s: float) -> Disturbed:
    if disturbance == "camera shakes":
        return Disturbed(shake_px=float(rng.uniform(0.5, 2.5)))
    if disturbance == "light falls slowly":
        return Disturbed(light_to=float(rng.uniform(0.5, 0.7)))
    if disturbance == "hard shadow":
        begins_s = float(rng.uniform(QUIET_S, 0.5 * length_s))
        return Disturbed(shadow=(begins_s, begins_s + float(rng.uniform(15, 60))))
    return Disturbed()


# A lane.


def _standing(rng: np.random.Generator, seed: int) -> PixelCase:
    plot = str(rng.choice(("stops", "stops briefly", "passes", "only people"), p=(0.6, 0.16, 0.12, 0.12)))
    disturbance = DISTURBANCES[seed // 3 % len(DISTURBANCES)]
    street = make_street(rng, seed, _hour(rng, disturbance), disturbance == RAIN)
    gap_s, dwell_s = float(rng.choice(GAPS_S, p=GAP_CHANCES)), float(rng.choice((10.0, 15.0)))
    blind_s = float(rng.uniform(7, 15)) if disturbance == "blind stretch" and plot == "stops" else 0.0
    hazard = "illegal_parking" if rng.random() < 0.35 else "fire_lane_obstruction"
    rule = {"rule_id": "r", "hazard": hazard, "zone": street.zone, "dwell_s": dwell_s, "clear_after_s": 4.0}
    movers, stands = _lane_life(rng, street, plot, dwell_s, gap_s, blind_s)
    length_s = max(mover.path[-1].t_s for mover in movers) + 4 + 3 * gap_s + 2
    if disturbance == HIDING[0]:
        movers += _people_in_front(rng, street, length_s)
    if disturbance == IN_FRONT:
        movers += _vehicles_in_front(rng, street, length_s)
    movers += road_life(rng, street, length_s, every_s=4.0 if disturbance == NIGHT else 9.0)
    blind = _blind(rng, stands, blind_s, gap_s)
    return PixelCase(
        seed=seed,
        plot=plot,
        disturbance=disturbance,
        rule=rule,
        stage=street.stage,
        movers=tuple(movers),
        disturbed=_disturbed(rng, disturbance, length_s),
        looks_s=look_times(rng, length_s, gap_s, 0.5 if disturbance == "another pace" else None),
        gap_s=gap_s,
        events=zone_events(stands, dwell_s, 4.0, blind, each_alone=hazard == "illegal_parking"),
        blind=blind,
        id_switch_every_s=float(rng.uniform(3, 8)) if disturbance == SWITCHES else None,
    )


def _lane_life(
    rng: np.random.Generator, street: Street, plot: str, dwell_s: float, gap_s: float, blind_s: float
) -> tuple[list[Mover], list[Span]]:
    """What comes into the lane, and when something stood there."""
    y = sum(street.lane_y_m) / 2
    if plot == "only people":
        movers = []
        for _ in range(int(rng.integers(2, 5))):
            spot = (
                float(rng.uniform(street.lane_x_m[0] + 2, street.lane_x_m[1] - 2)),
                y + float(rng.uniform(-1.2, 1.2)),
            )
            points = [Point(QUIET_S + float(rng.uniform(0, 3)), -16.0, spot[1])]
            drive(points, spot, (spot[0] + 16) / WALK_M_S / 1.3)
            stay(points, dwell_s * float(rng.uniform(1.2, 2)))
            drive(points, (16.0, spot[1]), (16 - spot[0]) / WALK_M_S / 1.3)
            movers.append(walker(rng, points))
        return movers, []
    if plot == "passes":
        movers, t = [], QUIET_S
        for _ in range(int(rng.integers(3, 6))):
            points = [Point(t, -24.0, y)]
            drive(points, (26.0, y), float(rng.uniform(5, 12)))
            movers.append(Mover(vehicle(rng), tuple(points)))
            t = points[-1].t_s + float(rng.uniform(0, 3))
        return movers, []
    least = dwell_s + 2 * gap_s + SLOW_S + (blind_s + gap_s if blind_s else 0.0)
    longer = least + float(rng.exponential(0.4)) * dwell_s
    stands_s = longer if plot == "stops" else float(rng.uniform(0.45, 1)) * (dwell_s - gap_s - SLOW_S)
    x = float(rng.uniform(street.lane_x_m[0] + 3.5, street.lane_x_m[1] - 3.5))
    points = [Point(QUIET_S + float(rng.uniform(0, 3)), -24.0, y)]
    drive(points, (x, y), float(rng.uniform(4, 5)), brakes=True)
    stay(points, stands_s)
    drive(points, (26.0, y), float(rng.uniform(4, 5)), starts=True)
    mover = Mover(vehicle(rng), tuple(points))
    return [mover], [Span(a.t_s, b.t_s) for a, b in pairwise(points) if (a.x, a.y) == (b.x, b.y)]


def _people_in_front(rng: np.random.Generator, street: Street, length_s: float) -> list[Mover]:
    movers, t = [], float(rng.uniform(0, 6))
    while t < length_s:
        y, direction = street.lane_y_m[0] - float(rng.uniform(0.3, 2.5)), float(rng.choice((-1.0, 1.0)))
        points = [Point(t, -12.0 * direction, y)]
        drive(points, (12.0 * direction, y), 24 / WALK_M_S)
        movers.append(walker(rng, points))
        t += float(rng.uniform(3, 8))
    return movers


def _vehicles_in_front(rng: np.random.Generator, street: Street, length_s: float) -> list[Mover]:
    """On the near side of the lane: they hide most of what stands behind."""
    movers, t, y = [], QUIET_S + float(rng.uniform(4, 9)), street.lane_y_m[0] - 2.0
    while t < length_s:
        points = [Point(t, 26.0, y)]
        drive(points, (-26.0, y), float(rng.uniform(5, 9)))
        movers.append(Mover(vehicle(rng, ("van", "truck", "bus")), tuple(points)))
        t = points[-1].t_s + float(rng.uniform(4, 12))
    return movers


def road_life(rng: np.random.Generator, street: Street, length_s: float, every_s: float) -> list[Mover]:
    """Ordinary traffic behind the lane."""
    movers, t = [], float(rng.uniform(0, every_s))
    while t < length_s:
        number = int(rng.integers(len(street.road_y_m)))
        direction = -1.0 if number == 0 else 1.0
        points = [Point(t, -50.0 * direction, street.road_y_m[number])]
        drive(points, (50.0 * direction, street.road_y_m[number]), float(rng.uniform(9, 14)))
        movers.append(Mover(vehicle(rng, ("sedan", "suv", "van", "truck", "bus")), tuple(points)))
        t += every_s * float(rng.uniform(0.6, 1.4))
    return movers


def _blind(rng: np.random.Generator, stands: Sequence[Span], blind_s: float, gap_s: float) -> tuple[Span, ...]:
    if not blind_s or not stands:
        return ()
    begins_s = stands[0].from_s + 3 * gap_s + 1 + float(rng.uniform(0, 3))
    return (Span(begins_s, begins_s + blind_s),)


# A square.


def _crowd(rng: np.random.Generator, seed: int) -> PixelCase:
    plot = str(rng.choice(("gathers", "gathers briefly", "stays below"), p=(0.6, 0.2, 0.2)))
    disturbance = CROWD_DISTURBANCES[seed // 3 % len(CROWD_DISTURBANCES)]
    square = make_square(rng, seed, _hour(rng, disturbance), disturbance == RAIN)
    gap_s, dwell_s, raise_at = (
        float(rng.choice(GAPS_S, p=GAP_CHANCES)),
        float(rng.choice((8.0, 10.0))),
        int(rng.integers(5, 8)),
    )
    blind_s = float(rng.uniform(7, 12)) if disturbance == "blind stretch" and plot == "gathers" else 0.0
    count = round(raise_at * 1.5) + 1 if plot != "stays below" else raise_at - 1
    least = dwell_s + 2 * gap_s + 2.5 + (blind_s + gap_s if blind_s else 0.0)
    stays_s = float(rng.uniform(0.2, 0.6)) * dwell_s if plot == "gathers briefly" else least + float(rng.uniform(0, 8))
    movers, inside = gathering(rng, square, count, stays_s)
    events = crowd_events(inside, raise_at, dwell_s)
    length_s = max(mover.path[-1].t_s for mover in movers) + 2
    blind: tuple[Span, ...] = ()
    if blind_s and events:
        begins_s = events[0].onset_s + 3 * gap_s + 2.5
        blind = (Span(begins_s, begins_s + blind_s),)
    rule = {"rule_id": "r", "hazard": "crowd", "zone": square.zone, "raise_at_count": raise_at}
    rule |= {"clear_at_count": raise_at // 2, "dwell_s": dwell_s, "clear_after_s": 5.0}
    return PixelCase(
        seed=seed,
        plot=plot,
        disturbance=disturbance,
        rule=rule,
        stage=square.stage,
        movers=tuple(movers),
        disturbed=_disturbed(rng, disturbance, length_s),
        looks_s=look_times(rng, length_s, gap_s, 0.5 if disturbance == "another pace" else None),
        gap_s=gap_s,
        events=events,
        blind=blind,
    )


def gathering(rng: np.random.Generator, square: Square, count: int, stays_s: float) -> tuple[list[Mover], list[Span]]:
    """People who come from both sides, stand, and go; and when each was in the zone."""
    (x1, x2), (y1, y2) = square.x_m, square.y_m
    spots: list[tuple[float, float]] = []
    while len(spots) < count:
        spot = (float(rng.uniform(x1 + 1, x2 - 1)), float(rng.uniform(y1 + 0.5, y2 - 0.5)))
        if all(np.hypot(spot[0] - a, 0.6 * (spot[1] - b)) > 1.0 for a, b in spots):
            spots.append(spot)
    movers, inside = [], []
    all_in_s = QUIET_S + 6.0
    for x, y in spots:
        side = -1.0 if x - x1 < x2 - x else 1.0
        edge, far = (x1, x1 - 7.0) if side < 0 else (x2, x2 + 7.0)
        enters_s = all_in_s - float(rng.uniform(0, 2))
        points = [Point(enters_s - 7.0 / WALK_M_S, far, y), Point(enters_s, edge, y)]
        walk_s = abs(x - edge) / WALK_M_S
        drive(points, (x, y), walk_s)
        leaves_s = all_in_s + stays_s - walk_s + float(rng.uniform(0, 0.5))
        stay(points, max(0.3, leaves_s - points[-1].t_s))
        drive(points, (edge, y), walk_s)
        inside.append(Span(enters_s, points[-1].t_s))
        drive(points, (far, y), 7.0 / WALK_M_S)
        movers.append(walker(rng, points))
    return movers, inside


def crowd_events(inside: Sequence[Span], raise_at: int, dwell_s: float) -> tuple[Event, ...]:
    """When `raise_at` people were in the zone at once, for the dwell."""
    steps = sorted([(span.from_s, 1) for span in inside] + [(span.until_s, -1) for span in inside])
    spans, count, since_s = [], 0, None
    for t_s, step in steps:
        count += step
        if count >= raise_at and since_s is None:
            since_s = t_s
        elif count < raise_at and since_s is not None:
            spans.append(Span(since_s, t_s))
            since_s = None
    return tuple(Event(*span) for span in joined(spans, 0.0) if span.length_s >= dwell_s)
