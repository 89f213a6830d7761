"""Rendered days of a camera on which false alarms of a few causes come again, with true hazards at other times.

Each day is some windows of a few minutes; between them the camera is not looked at. A lane has, by local time:

    07:30  a delivery van stands where others park at other times           false: it is permitted
    13:00  the sun comes out: a tree's shadow lies on the lane              false
    20:15  somebody waits at a gate: a beam of headlights lies on the lane  false
    once between 9 and 18, once between 19 and 23: a vehicle stands         true
    every third day, between 9 and 18: somebody gets out, for about as long false, and no rule can tell
    in every second lane, on the other days, between 9 and 18: goods are put down, which the detector has no name for
                                                                            true

A square: people wait for a bus at 17:30, a school lets out at 12:00 (false); a crowd between 9 and 11:30 and one
between 18:30 and 22 (true); every third day a group of visitors between 13 and 17 (false, and no rule can tell).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count, pairwise
from typing import Any, Final

import numpy as np

from tests.bench.rules_bench.cases import look_times
from tests.bench.rules_bench.pixel_cases import QUIET_S, PixelCase, crowd_events, gathering, road_life
from tests.bench.rules_bench.pixel_scene import (
    SIZE_WH,
    Cast,
    Corner,
    Disturbed,
    Goods,
    Mover,
    Square,
    Street,
    make_square,
    make_street,
    vehicle,
)
from tests.bench.rules_bench.scene import Point, Span, drive, stay
from xueliang_demo.drawing.light import Colour, Hour
from xueliang_demo.drawing.stage import Stage
from xueliang_demo.drawing.vehicle_models import VehicleKind

FIRST_SEED: Final = 400_000
MIDNIGHT: Final = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)  # the beginning of a Monday in Shanghai
ODD_EVERY: Final = 3  # days between two false alarms that look like true ones
LANE_GAP_S, SQUARE_GAP_S = 2.0, 1.0  # the longest that the rules ask for
LANE_DWELL_S, SQUARE_DWELL_S = 60.0, 10.0
ALARM_AT: Final = 6  # people
SHADOW_GAIN, BEAM_GAIN = 0.5, 2.4


@dataclass(frozen=True, slots=True)
class Happening:
    """What an alert of a window may be about. `is_true`: it is what the rule is there for."""

    cause: str
    span: Span
    is_true: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Some minutes of a day. Seconds of `case` and `happenings` count from `begins_at`."""

    begins_at: datetime
    case: PixelCase
    happenings: tuple[Happening, ...]

    @property
    def ends_at(self) -> datetime:
        return self.begins_at + timedelta(seconds=self.case.looks_s[-1])


def windows_of(seed: int, day: int) -> list[Window]:
    """In the order of time, none into another. Odd seeds are squares; the same seed is the same place every day."""
    for again in count():
        rng = np.random.default_rng((seed, 5, day, again) if again else (seed, 5, day))
        made = _square_day(rng, seed, day) if seed % 2 else _lane_day(rng, seed, day)
        windows = sorted(made, key=lambda window: window.begins_at)
        if all(one.ends_at < other.begins_at for one, other in pairwise(windows)):
            return windows
    raise AssertionError("count() has no end")


def rule_of(seed: int) -> dict[str, Any]:
    """The rule of a place, before anything is suggested."""
    if seed % 2:
        rule = {"rule_id": "r", "hazard": "crowd", "zone": _square(seed).zone, "raise_at_count": ALARM_AT}
        return rule | {"clear_at_count": 3, "dwell_s": SQUARE_DWELL_S, "clear_after_s": 5.0}
    rule = {"rule_id": "r", "hazard": "fire_lane_obstruction", "zone": _street(seed, "day").zone}
    return rule | {"dwell_s": LANE_DWELL_S, "clear_after_s": 5.0}


def _at(rng: np.random.Generator, day: int, first_h: float, last_h: float) -> datetime:
    """Some moment between two hours of local time."""
    return MIDNIGHT + timedelta(days=day, hours=float(rng.uniform(first_h, last_h)))


def _around(rng: np.random.Generator, day: int, hour: float, minutes: float) -> datetime:
    return _at(rng, day, hour - minutes / 60, hour + minutes / 60)


# A lane.


@lru_cache(maxsize=4)  # a background is half a second's work, and a place the same every day
def _street(seed: int, hour: Hour) -> Street:
    return make_street(np.random.default_rng((seed, 1)), seed, hour, is_raining=False)


def _lane_day(rng: np.random.Generator, seed: int, day: int) -> list[Window]:
    by_day, by_night = _street(seed, "day"), _street(seed, "night")
    made = [
        _stands(rng, seed, by_day, _around(rng, day, 7.5, 6), ("van",), "delivery van", is_true=False),
        _falls(rng, seed, by_day, _around(rng, day, 13.0, 6), _leaves(by_day, seed), SHADOW_GAIN, "tree's shadow"),
        _falls(rng, seed, by_night, _around(rng, day, 20.25, 10), _beam(by_night, seed), BEAM_GAIN, "headlights"),
        _stands(rng, seed, by_day, _at(rng, day, 9, 18), ("sedan", "suv", "truck"), "parked by day", is_true=True),
        _stands(rng, seed, by_night, _at(rng, day, 19, 23), ("sedan", "suv", "truck"), "parked by night", is_true=True),
    ]
    if day % ODD_EVERY == 1:
        at = _at(rng, day, 9, 18)
        made.append(_stands(rng, seed, by_day, at, ("sedan", "suv"), "somebody gets out", is_true=False))
    elif has_goods(seed):
        made.append(_put_down(rng, seed, by_day, _at(rng, day, 9, 18)))
    return made


def has_goods(seed: int) -> bool:
    """Whether true hazards without a name come in this lane."""
    return seed % 4 == 2


def _put_down(rng: np.random.Generator, seed: int, street: Street, at: datetime) -> Window:
    """A row of pallets, black and white, some 4 m long, 1.8 m deep and more than 1 m high, all of it in the picture."""
    y = sum(street.lane_y_m) / 2
    left, right = street.lane_x_m
    while True:
        x = float(rng.uniform(left + 2.2, right - 2.2))
        ends = street.stage.camera.project(np.array([[x - 2.2, y, 0.0], [x + 2.2, y, 0.0]]))[0][:, 0] / SIZE_WH[0]
        if 0.02 < ends.min() < ends.max() < 0.98:
            break
    blocks: list[tuple[Corner, Corner, Colour]] = []
    for column in range(5):
        begins, top_m = x - 2.0 + 0.8 * column, float(rng.uniform(1.0, 1.5))
        level = float(rng.uniform(20, 50) if column % 2 else rng.uniform(215, 245))
        blocks.append(((begins, y - 0.9, 0.0), (begins + 0.75, y + 0.9, top_m), (level, level, level)))
    since_s = QUIET_S + float(rng.uniform(0, 3))
    span = Span(since_s, since_s + LANE_DWELL_S + float(rng.uniform(12, 60)))
    goods = Goods(street.stage.camera, street.stage.light, tuple(blocks), span)
    return _lane_window(
        rng, seed, street, at, [], Disturbed(goods=(goods,)), Happening("goods put down", span, is_true=True)
    )


def _stands(
    rng: np.random.Generator,
    seed: int,
    street: Street,
    at: datetime,
    kinds: Sequence[VehicleKind],
    cause: str,
    *,
    is_true: bool,
) -> Window:
    y = sum(street.lane_y_m) / 2
    x = float(rng.uniform(street.lane_x_m[0] + 4.5, street.lane_x_m[1] - 4.5))
    points = [Point(QUIET_S + float(rng.uniform(0, 3)), -24.0, y)]
    drive(points, (x, y), float(rng.uniform(4, 5)), brakes=True)
    since_s = points[-1].t_s
    stay(points, LANE_DWELL_S + float(rng.uniform(12, 60)))
    span = Span(since_s, points[-1].t_s)
    drive(points, (26.0, y), float(rng.uniform(4, 5)), starts=True)
    movers = [Mover(vehicle(rng, kinds), tuple(points))]
    return _lane_window(rng, seed, street, at, movers, Disturbed(), Happening(cause, span, is_true))


def _falls(
    rng: np.random.Generator,
    seed: int,
    street: Street,
    at: datetime,
    outline: tuple[tuple[float, float], ...],
    gain: float,
    cause: str,
) -> Window:
    """Light or shadow on the lane, every day a little beside where it was."""
    since_s = QUIET_S + float(rng.uniform(0, 5))
    span = Span(since_s, since_s + LANE_DWELL_S + float(rng.uniform(15, 60)))
    dx, dy = (float(value) for value in rng.normal(0, 0.004, 2))
    moved = tuple((x + dx, y + dy) for x, y in outline)
    cast = Cast(moved, gain, span, soft_px=5 if gain < 1 else 31)
    return _lane_window(rng, seed, street, at, [], Disturbed(casts=(cast,)), Happening(cause, span, is_true=False))


def _lane_window(
    rng: np.random.Generator,
    seed: int,
    street: Street,
    at: datetime,
    movers: list[Mover],
    disturbed: Disturbed,
    happening: Happening,
) -> Window:
    length_s = happening.span.until_s + 20.0
    movers = [*movers, *road_life(rng, street, length_s, every_s=12.0)]
    case = _case(rng, seed, rule_of(seed), street.stage, movers, length_s, LANE_GAP_S)
    return Window(at, replace(case, disturbed=disturbed), (happening,))


def _leaves(street: Street, seed: int) -> tuple[tuple[float, float], ...]:
    """The outline of a crown's shadow on the lane, in the picture."""
    rng = np.random.default_rng((seed, 6))
    x = float(rng.uniform(street.lane_x_m[0] + 3, street.lane_x_m[1] - 3))
    y = sum(street.lane_y_m) / 2
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii = rng.uniform(0.8, 1.2, len(turns))
    ground = [
        (x + 2.0 * float(r * np.cos(a)), y + 1.3 * float(r * np.sin(a))) for a, r in zip(turns, radii, strict=True)
    ]
    return tuple(street.stage.camera.ground_polygon_xyxyn(ground))


def _beam(street: Street, seed: int) -> tuple[tuple[float, float], ...]:
    """A wedge of light across the lane, from the side of the camera, in the picture."""
    rng = np.random.default_rng((seed, 7))
    x = float(rng.uniform(street.lane_x_m[0] + 4, street.lane_x_m[1] - 4))
    near, far = street.lane_y_m[0] - 1.0, street.lane_y_m[1]
    ground = [(x - 0.7, near), (x + 0.7, near), (x + 2.2, far), (x - 2.2, far)]
    return tuple(street.stage.camera.ground_polygon_xyxyn(ground))


# A square.


@lru_cache(maxsize=2)
def _square(seed: int) -> Square:
    return make_square(np.random.default_rng((seed, 1)), seed, "overcast", is_raining=False)


def _square_day(rng: np.random.Generator, seed: int, day: int) -> list[Window]:
    square = _square(seed)
    near = replace(square, y_m=(square.y_m[0], square.y_m[0] + 3.2))  # the kerb, where the bus halts
    made = [
        _gathers(rng, seed, near, _around(rng, day, 17.5, 8), 8, "wait for a bus", is_true=False),
        _gathers(rng, seed, square, _around(rng, day, 12.0, 6), 9, "school lets out", is_true=False),
        _gathers(rng, seed, square, _at(rng, day, 9, 11.5), int(rng.integers(9, 13)), "crowd", is_true=True),
        _gathers(rng, seed, square, _at(rng, day, 18.5, 22), int(rng.integers(9, 13)), "crowd", is_true=True),
    ]
    if day % ODD_EVERY == 1:
        made.append(_gathers(rng, seed, square, _at(rng, day, 13, 17), 10, "visitors", is_true=False))
    return made


def _gathers(
    rng: np.random.Generator, seed: int, where: Square, at: datetime, count: int, cause: str, *, is_true: bool
) -> Window:
    movers, inside = gathering(rng, where, count, SQUARE_DWELL_S + float(rng.uniform(8, 25)))
    length_s = max(mover.path[-1].t_s for mover in movers) + 8.0
    events = crowd_events(inside, ALARM_AT, SQUARE_DWELL_S)
    happenings = tuple(Happening(cause, Span(one.onset_s, one.ends_s), is_true) for one in events)
    return Window(at, _case(rng, seed, rule_of(seed), where.stage, movers, length_s, SQUARE_GAP_S), happenings)


def _case(
    rng: np.random.Generator,
    seed: int,
    rule: dict[str, Any],
    stage: Stage,
    movers: Sequence[Mover],
    length_s: float,
    gap_s: float,
) -> PixelCase:
    return PixelCase(
        seed=seed,
        plot="days",
        disturbance="",
        rule=rule,
        stage=stage,
        movers=tuple(movers),
        disturbed=Disturbed(),
        looks_s=look_times(rng, length_s, gap_s),
        gap_s=gap_s,
        events=(),
    )
