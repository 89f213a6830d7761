"""Streets at random for training: another camera, hour, weather and cast in each."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from xueliang_demo.drawing.camera import Camera
from xueliang_demo.drawing.light import Hour, make_light
from xueliang_demo.drawing.people import make_figure, make_two_wheeler
from xueliang_demo.drawing.stage import Actor, Stage
from xueliang_demo.drawing.street import StreetPlan, street_background
from xueliang_demo.drawing.vehicle_models import VehicleKind, make_vehicle

HOURS = ("day", "overcast", "dusk", "night")
HOUR_CHANCES = (0.42, 0.26, 0.14, 0.18)
KINDS = ("sedan", "suv", "van", "truck", "flatbed", "bus")
KIND_CHANCES = (0.3, 0.22, 0.12, 0.2, 0.06, 0.1)
PAVINGS = ((150, 156, 160), (134, 146, 164), (126, 130, 134), (164, 168, 168), (120, 132, 150))


def random_plan(rng: np.random.Generator) -> StreetPlan:
    """Bands of random width; sometimes a fire lane, sometimes a square in front of the road."""
    near = float(rng.uniform(6, 12))
    lane = 4.0 if rng.random() < 0.6 else 0.05
    strip = float(rng.uniform(0.5, 2.5))
    lanes = int(rng.choice((2, 2, 4)))
    road = lanes * float(rng.uniform(3.2, 3.8))
    start = near + lane + strip
    left = float(rng.uniform(-16, -8))
    return StreetPlan(
        lane_x_m=(left, left + float(rng.uniform(14, 24))) if lane > 1 and rng.random() < 0.7 else None,
        lane_y_m=(near, near + lane),
        strip_y_m=(near + lane + 0.1, start),
        road_y_m=(start, start + road),
        houses_y_m=start + road + float(rng.uniform(3, 7)),
        lanes=lanes,
        zebra_x_m=float(rng.uniform(-10, 10)) if rng.random() < 0.4 else None,
        ring_m=(float(rng.uniform(-4, 4)), near * 0.5, near * 0.4) if rng.random() < 0.2 else None,
        paving=PAVINGS[int(rng.integers(len(PAVINGS)))],
    )


def random_stage(seed: int, size_wh: tuple[int, int]) -> tuple[Stage, StreetPlan]:
    """A camera over a street."""
    rng = np.random.default_rng((seed, 17))
    plan = random_plan(rng)
    position = (float(rng.uniform(-6, 6)), float(rng.uniform(-3, 2)), float(rng.uniform(3.6, 10)))
    yaw = float(rng.uniform(-50, 50)) if rng.random() < 0.75 else float(rng.choice((-1, 1)) * rng.uniform(50, 72))
    camera = Camera(size_wh, position, yaw, float(rng.uniform(13, 34)), float(rng.uniform(48, 88)))
    hour = cast(Hour, str(rng.choice(HOURS, p=HOUR_CHANCES)))
    angle = float(rng.uniform(0, 2 * math.pi))
    light = make_light(hour, bool(rng.random() < 0.15), (math.cos(angle) * 0.7, math.sin(angle) * 0.7))
    return Stage(camera, light, street_background(plan, camera, light, seed), seed), plan


def _vehicle(rng: np.random.Generator, place: tuple[float, float], heading: float) -> Actor:
    kind = cast(VehicleKind, str(rng.choice(KINDS, p=KIND_CHANCES)))
    return Actor(make_vehicle(kind, rng), place, heading + float(rng.normal(0, 0.03)), float(rng.uniform(0, 3)))


def _traffic(plan: StreetPlan, rng: np.random.Generator) -> list[Actor]:
    density = float(rng.choice((0.0, 1.0, 1.0, 2.0)))
    actors = []
    for index, y in enumerate(plan.lane_centres_m()):
        heading = math.pi if index < plan.lanes // 2 else 0.0
        x = -42.0 + float(rng.uniform(0, 20))
        while density > 0 and x < 42:
            actors.append(_vehicle(rng, (x, y + float(rng.normal(0, 0.25))), heading))
            x += 13.0 + float(rng.exponential(14.0 / density))
    return actors


def _parked(plan: StreetPlan, rng: np.random.Generator) -> list[Actor]:
    """Vehicles standing in the lane or at the near kerb."""
    if rng.random() < 0.45 or plan.lane_y_m[1] - plan.lane_y_m[0] < 1:
        return []
    y = sum(plan.lane_y_m) / 2
    count = int(rng.integers(1, 3))
    return [
        _vehicle(rng, (float(-7 + 13 * i + rng.uniform(-3, 3)), y), float(rng.choice((0.0, math.pi))))
        for i in range(count)
    ]


def _people(plan: StreetPlan, rng: np.random.Generator) -> list[Actor]:
    actors = []
    far_y = plan.road_y_m[1]
    for _ in range(int(rng.integers(0, 11))):
        band = (2.5, plan.lane_y_m[1]) if rng.random() < 0.65 else (far_y + 0.4, plan.houses_y_m - 0.4)
        place = (float(rng.uniform(-16, 16)), float(rng.uniform(*band)))
        heading = (
            float(rng.choice((0.0, math.pi))) + float(rng.normal(0, 0.4))
            if rng.random() < 0.7
            else float(rng.uniform(0, 6.28))
        )
        pose = "walk" if rng.random() < 0.75 else "stand"
        actors.append(
            Actor(make_figure(rng), place, heading, float(rng.uniform(0, 6.28)), "walk" if pose == "walk" else "stand")
        )
    if rng.random() < 0.35:
        actors += _group(plan, rng)
    return actors


def _group(plan: StreetPlan, rng: np.random.Generator) -> list[Actor]:
    """People standing together, never nearer than 0.6 m."""
    centre = np.array([rng.uniform(-6, 6), rng.uniform(4, plan.lane_y_m[1])])
    places: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    for _ in range(int(rng.integers(4, 20))):
        place = centre + rng.normal(0, 1.7, 2)
        if place[1] > 2.0 and all(np.linalg.norm(place - other) > 0.6 for other in places):
            places.append(place)
    return [
        Actor(
            make_figure(rng),
            (float(p[0]), float(p[1])),
            float(rng.uniform(0, 6.28)),
            float(rng.uniform(0, 6.28)),
            "stand" if rng.random() < 0.7 else "walk",
        )
        for p in places
    ]


def _riders(plan: StreetPlan, rng: np.random.Generator) -> list[Actor]:
    actors = []
    for _ in range(int(rng.choice((0, 1, 2, 3, 5), p=(0.3, 0.25, 0.2, 0.15, 0.1)))):
        machine = make_two_wheeler(bool(rng.random() < 0.5), rng)
        is_parked = rng.random() < 0.3
        y = float(rng.uniform(3, plan.road_y_m[1])) if not is_parked else float(rng.uniform(4, plan.strip_y_m[1]))
        heading = float(rng.choice((0.0, math.pi))) + float(rng.normal(0, 0.15 if not is_parked else 0.9))
        rider = None if is_parked else make_figure(rng)
        actors.append(
            Actor(machine, (float(rng.uniform(-14, 14)), y), heading, float(rng.uniform(0, 6.28)), "ride", rider)
        )
    return actors


def _without_clashes(actors: list[Actor]) -> list[Actor]:
    """Leaves out whoever would stand inside somebody placed before."""
    kept: list[Actor] = []
    for actor in actors:
        is_free = True
        for other in kept:
            dx, dy = actor.place_m[0] - other.place_m[0], actor.place_m[1] - other.place_m[1]
            long = max(_length_m(actor), _length_m(other)) / 2 + 0.6
            wide = 1.9 if max(_length_m(actor), _length_m(other)) > 3 else 0.5
            if abs(dx) < long and abs(dy) < wide:
                is_free = False
        if is_free:
            kept.append(actor)
    return kept


def _length_m(actor: Actor) -> float:
    box = getattr(actor.body, "box_m", None)
    return float(box[0]) if box is not None else 0.4


def random_cast(plan: StreetPlan, rng: np.random.Generator) -> list[Actor]:
    """Who is there in one picture; one picture in fifteen is empty."""
    if rng.random() < 0.07:
        return []
    return _without_clashes(_parked(plan, rng) + _traffic(plan, rng) + _riders(plan, rng) + _people(plan, rng))
