"""Shapes of cars, vans, delivery trucks and buses: convex prisms with windows, wheels and lamps on their faces.

Local axes: x ahead, y to the left, z up, origin on the ground below the middle. Sizes in metres, of ordinary makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from xueliang_demo.drawing.camera import Points
from xueliang_demo.drawing.canvas import mix, times
from xueliang_demo.drawing.light import Colour

VehicleKind = Literal["sedan", "suv", "van", "truck", "flatbed", "bus"]
CLASS_OF_KIND: dict[VehicleKind, str] = {
    "sedan": "car",
    "suv": "car",
    "van": "car",
    "truck": "truck",
    "flatbed": "truck",
    "bus": "bus",
}
GLASS: Colour = (74, 62, 52)
TYRE: Colour = (32, 31, 30)
CAR_COLOURS: tuple[Colour, ...] = (
    (228, 230, 232),
    (52, 50, 48),
    (150, 152, 155),
    (92, 60, 38),
    (48, 44, 150),
    (120, 118, 60),
    (60, 84, 40),
    (196, 200, 204),
    (90, 98, 110),
    (36, 110, 190),
    (150, 96, 44),
)
TRUCK_COLOURS: tuple[Colour, ...] = (
    (232, 234, 236),
    (170, 96, 40),
    (70, 130, 60),
    (40, 52, 168),
    (60, 168, 214),
    (206, 208, 206),
)


@dataclass(frozen=True, slots=True)
class Decal:
    """A polygon (n, 3) painted on a side, an end or the top of a prism; one that glows is a lamp."""

    points_m: Points
    colour: Colour
    glows: bool = False


@dataclass(frozen=True, slots=True)
class Prism:
    """A convex side profile (n, 2) of x and z, spread over y; `half_widths` (n,) lets the roof be narrower."""

    profile: Points
    half_widths: Points
    colour: Colour
    decals: tuple[Decal, ...] = ()


@dataclass(frozen=True, slots=True)
class VehicleModel:
    """All parts of one vehicle.

    Attributes:
        wheels: x, radius and half track of each axle.
        box_m: length, width and height.
    """

    kind: VehicleKind
    parts: tuple[Prism, ...]
    wheels: tuple[tuple[float, float, float], ...]
    box_m: tuple[float, float, float]
    lamps: tuple[Decal, ...] = field(default=())


def _prism(
    profile: list[tuple[float, float]],
    half: float,
    colour: Colour,
    decals: tuple[Decal, ...] = (),
    roof_half: float | None = None,
) -> Prism:
    points = np.array(profile, np.float64)
    low, high = points[:, 1].min(), points[:, 1].max()
    share = (points[:, 1] - low) / max(1e-6, high - low)
    narrow = half if roof_half is None else roof_half
    return Prism(points, half + (narrow - half) * share, colour, decals)


def _on_sides(
    rows: list[tuple[float, float]],
    half: float,
    colour: Colour,
    top_half: float | None = None,
    span: tuple[float, float] = (0, 1),
) -> tuple[Decal, Decal]:
    """The same polygon on both sides; `top_half` and `span` (z of bottom and top) follow a leaning side."""
    flat = np.array(rows)
    share = (flat[:, 1] - span[0]) / (span[1] - span[0])
    y = half + ((half if top_half is None else top_half) - half) * share + 0.005
    left = np.column_stack([flat[:, 0], y, flat[:, 1]])
    return Decal(left, colour), Decal(left * np.array([1, -1, 1]), colour)


def _across(
    bottom: tuple[float, float],
    top: tuple[float, float],
    half: float,
    top_half: float,
    colour: Colour,
    glows: bool = False,
) -> Decal:
    """A pane between two (x, z) lines, from one side to the other: windscreens, grilles, rear doors."""
    return Decal(
        np.array(
            [
                [bottom[0], -half, bottom[1]],
                [bottom[0], half, bottom[1]],
                [top[0], top_half, top[1]],
                [top[0], -top_half, top[1]],
            ]
        ),
        colour,
        glows,
    )


def _lamp(
    x: float, y: float, z: float, colour: Colour, width: float = 0.3, height: float = 0.13
) -> tuple[Decal, Decal]:
    rows = np.array(
        [[x, y - width / 2, z], [x, y + width / 2, z], [x, y + width / 2, z + height], [x, y - width / 2, z + height]]
    )
    return Decal(rows, colour, True), Decal(rows * np.array([1, -1, 1]), colour, True)


HEAD: Colour = (225, 240, 250)
TAIL: Colour = (40, 36, 190)


def _lamps(front: float, rear: float, half: float, z: float, size: float = 0.3) -> tuple[Decal, ...]:
    return (
        *_lamp(front + 0.01, half - size * 0.6, z, HEAD, size),
        *_lamp(rear - 0.01, half - size * 0.6, z, TAIL, size * 0.8, 0.18),
    )


def _car(kind: VehicleKind, colour: Colour, rng: np.random.Generator) -> VehicleModel:
    tall = kind == "suv"
    hatch = not tall and rng.random() < 0.35
    half, roof, sill, belt = 0.9, 0.66, 0.3, 1.0 if tall else 0.88
    top = belt + (0.68 if tall else 0.52)
    nose, tail = 2.25, -2.25 if not hatch else -1.9
    rear_foot = tail + 0.1 if (tall or hatch) else tail + 0.62
    rear_top = rear_foot + (0.3 if (tall or hatch) else 0.55)
    front_foot, front_top = 1.0, 0.25
    body = _prism(
        [
            (tail + 0.05, sill),
            (tail, belt - 0.2),
            (tail + 0.12, belt),
            (front_foot + 0.1, belt),
            (nose - 0.15, belt - 0.17),
            (nose, belt - 0.35),
            (nose, sill),
        ],
        half,
        colour,
        roof_half=half - 0.05,
        decals=(
            *_on_sides(
                [(tail + 0.1, sill), (nose - 0.1, sill), (nose - 0.1, sill + 0.12), (tail + 0.1, sill + 0.12)],
                half,
                times(colour, 0.45),
            ),
            *_on_sides(
                [(-0.02, sill + 0.15), (0.02, sill + 0.15), (0.02, belt), (-0.02, belt)],
                half - 0.02,
                times(colour, 0.7),
            ),
            _across((nose + 0.01, sill + 0.08), (nose + 0.01, sill + 0.3), 0.55, 0.55, (38, 38, 38)),
            _across((tail - 0.01, sill + 0.02), (tail + 0.02, sill + 0.16), 0.8, 0.8, times(colour, 0.5)),
        ),
    )
    span = (belt, top)
    lean = 0.84
    cabin = _prism(
        [(rear_foot, belt - 0.02), (rear_top, top), (front_top, top), (front_foot, belt - 0.02)],
        half * lean + 0.07,
        colour,
        roof_half=roof,
        decals=(
            *_on_sides(
                [
                    (rear_foot + 0.14, belt + 0.06),
                    (rear_top + 0.07, top - 0.08),
                    (-0.16, top - 0.08),
                    (-0.16, belt + 0.06),
                ],
                half * lean + 0.07,
                GLASS,
                roof,
                span,
            ),
            *_on_sides(
                [
                    (-0.06, belt + 0.06),
                    (-0.06, top - 0.08),
                    (front_top - 0.03, top - 0.08),
                    (front_foot - 0.14, belt + 0.06),
                ],
                half * lean + 0.07,
                GLASS,
                roof,
                span,
            ),
            _across(
                (front_foot - 0.03, belt + 0.05),
                (front_top + 0.06, top - 0.06),
                0.74,
                roof - 0.08,
                mix(GLASS, (200, 180, 160), 0.18),
            ),
            _across((rear_foot + 0.03, belt + 0.05), (rear_top - 0.06, top - 0.06), 0.72, roof - 0.08, GLASS),
        ),
    )
    wheel = 0.36 if tall else 0.32
    return VehicleModel(
        kind,
        (body, cabin),
        ((1.4, wheel, half), (tail + 0.9, wheel, half)),
        (nose - tail, 2 * half, top),
        _lamps(nose, tail, half, belt - 0.32),
    )


def _van(colour: Colour) -> VehicleModel:
    half, top = 0.95, 2.05
    glass = (
        *_on_sides([(0.75, 1.2), (0.75, 1.85), (1.25, 1.85), (1.75, 1.2)], half, GLASS, half - 0.08, (0.35, top)),
        *_on_sides([(-0.65, 1.2), (-0.65, 1.8), (0.6, 1.8), (0.6, 1.2)], half, GLASS, half - 0.08, (0.35, top)),
        *_on_sides([(-2.15, 1.2), (-2.1, 1.8), (-0.8, 1.8), (-0.8, 1.2)], half, GLASS, half - 0.08, (0.35, top)),
    )
    body = _prism(
        [(-2.4, 0.35), (-2.4, 1.2), (-2.3, top), (1.15, top), (1.95, 1.18), (2.45, 0.95), (2.5, 0.35)],
        half,
        colour,
        roof_half=half - 0.08,
        decals=(
            *glass,
            _across((1.93, 1.22), (1.2, 1.97), 0.84, 0.78, mix(GLASS, (200, 180, 160), 0.18)),
            _across((-2.4, 1.25), (-2.33, 1.85), 0.75, 0.72, GLASS),
            *_on_sides([(-2.35, 0.35), (2.4, 0.35), (2.4, 0.5), (-2.35, 0.5)], half, times(colour, 0.4)),
        ),
    )
    return VehicleModel(
        "van", (body,), ((1.55, 0.34, half), (-1.5, 0.34, half)), (4.9, 1.9, top), _lamps(2.49, -2.4, half, 0.75)
    )


def _cab(front: float, back: float, top: float, half: float, colour: Colour) -> Prism:
    return _prism(
        [(back, 0.45), (back, top), (front - 0.42, top), (front - 0.05, 1.35), (front, 0.45)],
        half,
        colour,
        roof_half=half - 0.06,
        decals=(
            *_on_sides(
                [(back + 0.25, 1.4), (back + 0.25, top - 0.22), (front - 0.5, top - 0.22), (front - 0.22, 1.4)],
                half,
                GLASS,
                half - 0.06,
                (0.45, top),
            ),
            *_on_sides(
                [(back + 0.18, 0.6), (back + 0.21, 0.6), (back + 0.21, top - 0.1), (back + 0.18, top - 0.1)],
                half,
                times(colour, 0.6),
            ),
            _across(
                (front - 0.06, 1.42),
                (front - 0.39, top - 0.14),
                half - 0.1,
                half - 0.16,
                mix(GLASS, (200, 180, 160), 0.2),
            ),
            _across((front + 0.01, 0.62), (front - 0.02, 1.0), half - 0.45, half - 0.45, (46, 46, 46)),
            _across((front + 0.02, 0.45), (front + 0.02, 0.58), half, half, (60, 60, 60)),
        ),
    )


def _truck(colour: Colour, cargo: Colour, stripe: Colour) -> VehicleModel:
    half = 1.1
    chassis = _prism([(-3.2, 0.5), (-3.2, 0.8), (2.0, 0.8), (2.0, 0.5)], 0.95, (52, 52, 52))
    doors = [_across((-3.31, 0.85), (-3.31, 2.95), 0.02, 0.02, times(cargo, 0.55))]
    box = _prism(
        [(-3.3, 0.78), (-3.3, 3.05), (1.35, 3.05), (1.35, 0.78)],
        half,
        cargo,
        decals=(
            *_on_sides([(-3.3, 1.15), (1.35, 1.15), (1.35, 1.5), (-3.3, 1.5)], half, stripe),
            *_on_sides(
                [(-2.2, 1.85), (-0.2, 1.85), (0.1, 2.25), (-0.2, 2.65), (-2.2, 2.65)], half, mix(stripe, cargo, 0.25)
            ),
            *_on_sides([(-1.9, 2.05), (-0.5, 2.05), (-0.5, 2.2), (-1.9, 2.2)], half + 0.004, cargo),
            *_on_sides([(-1.9, 2.32), (-0.9, 2.32), (-0.9, 2.45), (-1.9, 2.45)], half + 0.004, cargo),
            *_on_sides([(-3.3, 0.78), (1.35, 0.78), (1.35, 0.88), (-3.3, 0.88)], half, (70, 70, 74)),
            *doors,
            _across((-3.31, 0.8), (-3.31, 0.95), half, half, (60, 60, 180)),
        ),
    )
    return VehicleModel(
        "truck",
        (chassis, box, _cab(3.15, 1.45, 2.4, 1.05, colour)),
        ((2.3, 0.44, 1.03), (-1.9, 0.44, 1.05)),
        (6.5, 2.2, 3.05),
        _lamps(3.17, -3.3, 1.05, 0.66),
    )


def _flatbed(colour: Colour, load: Colour) -> VehicleModel:
    half = 1.1
    bed = _prism(
        [(-3.3, 0.75), (-3.3, 1.4), (1.3, 1.4), (1.3, 0.75)],
        half,
        times(colour, 0.8),
        decals=(
            *[
                d
                for x in (-2.2, -1.0, 0.2)
                for d in _on_sides([(x, 0.8), (x + 0.05, 0.8), (x + 0.05, 1.38), (x, 1.38)], half, times(colour, 0.5))
            ],
            Decal(
                np.array([[-3.2, -1.0, 1.405], [1.2, -1.0, 1.405], [1.2, 1.0, 1.405], [-3.2, 1.0, 1.405]]), (60, 66, 74)
            ),
        ),
    )
    goods = _prism([(-2.6, 1.4), (-2.5, 2.15), (0.4, 2.25), (0.6, 1.4)], 0.9, load, roof_half=0.75)
    return VehicleModel(
        "flatbed",
        (bed, goods, _cab(3.15, 1.45, 2.35, 1.05, colour)),
        ((2.3, 0.44, 1.03), (-1.9, 0.44, 1.05)),
        (6.5, 2.2, 2.4),
        _lamps(3.17, -3.3, 1.05, 0.66),
    )


def _bus(colour: Colour, stripe: Colour) -> VehicleModel:
    half, top = 1.25, 3.1
    windows = [
        d
        for i in range(6)
        for d in _on_sides(
            [(-5.1 + i * 1.7, 1.55), (-5.1 + i * 1.7, 2.6), (-3.55 + i * 1.7, 2.6), (-3.55 + i * 1.7, 1.55)],
            half,
            GLASS,
            half - 0.05,
            (0.35, top),
        )
    ]
    door = _on_sides(
        [(3.9, 0.5), (3.9, 2.6), (4.9, 2.6), (4.9, 0.5)],
        half + 0.004,
        mix(GLASS, (120, 120, 120), 0.3),
        half - 0.046,
        (0.35, top),
    )
    body = _prism(
        [(-5.5, 0.35), (-5.5, top), (5.2, top), (5.45, 1.3), (5.5, 0.35)],
        half,
        colour,
        roof_half=half - 0.05,
        decals=(
            *windows,
            *_on_sides([(-5.5, 0.7), (5.4, 0.7), (5.4, 1.25), (-5.5, 1.25)], half, stripe),
            door[1],
            _across((5.46, 1.3), (5.25, 2.65), half - 0.08, half - 0.14, mix(GLASS, (200, 180, 160), 0.2)),
            _across((5.24, 2.75), (5.21, 2.98), 0.9, 0.9, (40, 120, 220)),
            _across((-5.51, 1.7), (-5.51, 2.6), half - 0.2, half - 0.2, GLASS),
        ),
    )
    roof_unit = _prism([(-2.5, top), (-2.4, top + 0.22), (0.4, top + 0.22), (0.5, top)], 0.8, (200, 202, 204))
    return VehicleModel(
        "bus",
        (body, roof_unit),
        ((3.3, 0.48, half), (-3.2, 0.48, half)),
        (11.0, 2.5, 3.1),
        _lamps(5.5, -5.5, half, 0.62, 0.4),
    )


def make_vehicle(kind: VehicleKind, rng: np.random.Generator) -> VehicleModel:
    """A vehicle of a kind with its own colours."""
    car = CAR_COLOURS[int(rng.integers(len(CAR_COLOURS)))]
    heavy = TRUCK_COLOURS[int(rng.integers(len(TRUCK_COLOURS)))]
    other = TRUCK_COLOURS[int(rng.integers(1, len(TRUCK_COLOURS)))]
    makers: dict[VehicleKind, Callable[[], VehicleModel]] = {
        "sedan": lambda: _car("sedan", car, rng),
        "suv": lambda: _car("suv", car, rng),
        "van": lambda: _van(CAR_COLOURS[int(rng.choice((0, 2, 7, 8)))]),
        "truck": lambda: _truck(heavy, (230, 232, 234) if rng.random() < 0.65 else times(heavy, 0.9), other),
        "flatbed": lambda: _flatbed(heavy, ((90, 120, 150), (80, 110, 70), (120, 120, 125))[int(rng.integers(3))]),
        "bus": lambda: _bus(heavy, other),
    }
    return makers[kind]()


def delivery_truck() -> VehicleModel:
    """The one that blocks the fire lane in the demo: white box, blue cab."""
    return _truck((176, 104, 44), (232, 234, 236), (180, 108, 40))
