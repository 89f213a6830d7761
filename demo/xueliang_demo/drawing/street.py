"""A street parallel to the x axis: pavement, fire lane, kerb strip, road, far pavement, houses. Built from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xueliang_demo.drawing.backdrop import (
    SIGNS,
    block,
    block_shadow,
    bollard,
    facade,
    lamp_post,
    pool_of_light,
    sign_post,
    sky,
    stand_facade,
    tree,
    tree_shadow,
)
from xueliang_demo.drawing.camera import Camera
from xueliang_demo.drawing.canvas import Canvas
from xueliang_demo.drawing.ground import WHITE, YELLOW, GroundPlan, blank_ground, lay_ground, paint_fire_lane
from xueliang_demo.drawing.light import Colour, Image, Light

ASPHALT: Colour = (98, 96, 94)
PAVING: Colour = (150, 156, 160)
EXTENT_X_M = (-45.0, 45.0)
# A metre of ground gets as many pixels as a metre in the middle of an ordinary view (1280 wide: 40).
PIXELS_PER_GROUND_PIXEL = 32.0
FRONT_M = 1.0  # ground laid behind the house fronts


@dataclass(frozen=True, slots=True)
class StreetPlan:
    """Bands over y, in metres from the camera's pole.

    Attributes:
        lane_y_m, lane_x_m: the fire lane; None where the street has none.
        strip_y_m: kerbed strip with trees, lamps and bollards between lane and road.
        road_y_m: the road, one lane each way (or two).
        houses_y_m: where the far house fronts stand.
        ring_m: x, y and radius of a round pattern in the near paving: a square's middle.
    """

    lane_x_m: tuple[float, float] | None
    lane_y_m: tuple[float, float]
    strip_y_m: tuple[float, float]
    road_y_m: tuple[float, float]
    houses_y_m: float
    lanes: int = 2
    zebra_x_m: float | None = None
    ring_m: tuple[float, float, float] | None = None
    paving: Colour = PAVING

    def lane_centres_m(self) -> list[float]:
        """y of the middle of each traffic lane, near to far."""
        low, high = self.road_y_m
        return [low + (high - low) * (i + 0.5) / self.lanes for i in range(self.lanes)]


def _ground(plan: StreetPlan, rng: np.random.Generator, pixels_per_m: float) -> GroundPlan:
    ground = blank_ground(EXTENT_X_M, (-4.0, plan.houses_y_m + FRONT_M), pixels_per_m, plan.paving, rng)
    x1, x2 = EXTENT_X_M
    (l1, l2), (s1, s2), (r1, r2) = plan.lane_y_m, plan.strip_y_m, plan.road_y_m
    ground.paving([(x1, -4), (x2, -4), (x2, l1), (x1, l1)], (1.2, 0.8), plan.paving, rng)
    if plan.ring_m is not None:
        _ring(ground, plan.ring_m, rng)
    ground.texture([(x1, l1), (x2, l1), (x2, l2), (x1, l2)], (112, 112, 112), 6.0, rng)
    ground.paving([(x1, s1), (x2, s1), (x2, s2), (x1, s2)], (0.6, 0.6), (140, 150, 160), rng)
    ground.texture([(x1, r1), (x2, r1), (x2, r2), (x1, r2)], ASPHALT, 6.0, rng)
    ground.paving(
        [(x1, r2 + 0.15), (x2, r2 + 0.15), (x2, plan.houses_y_m), (x1, plan.houses_y_m)],
        (1.0, 0.6),
        (138, 146, 154),
        rng,
    )
    for y in plan.lane_centres_m():  # tyre tracks
        for off in (-0.8, 0.8):
            ground.area(
                [(x1, y + off - 0.3), (x2, y + off - 0.3), (x2, y + off + 0.3), (x1, y + off + 0.3)],
                (84, 82, 80),
                0.9,
                rng,
            )
    ground.stains((x1, r1, x2, r2), 26, rng)
    ground.stains((x1, l1, x2, l2), 10, rng)
    ground.lines([[(x1, r1 + 0.25), (x2, r1 + 0.25)], [(x1, r2 - 0.25), (x2, r2 - 0.25)]], 0.13, WHITE, 0.35, rng)
    for i in range(1, plan.lanes):
        y = r1 + (r2 - r1) * i / plan.lanes
        if i * 2 == plan.lanes:
            ground.lines([[(x1, y - 0.1), (x2, y - 0.1)], [(x1, y + 0.1), (x2, y + 0.1)]], 0.1, YELLOW, 0.35, rng)
        else:
            ground.lines([[(float(x), y), (float(x) + 2.5, y)] for x in np.arange(x1, x2, 6.0)], 0.12, WHITE, 0.35, rng)
    if plan.zebra_x_m is not None:
        z = plan.zebra_x_m
        for y in np.arange(r1 + 0.5, r2 - 0.5, 0.9):
            ground.area(
                [(z, float(y)), (z + 3.2, float(y)), (z + 3.2, float(y) + 0.45), (z, float(y) + 0.45)], WHITE, 0.3, rng
            )
    ground.manhole(float(rng.uniform(-8, 8)), float(rng.uniform(r1 + 1, r2 - 1)))
    if l2 - l1 > 1.0:
        ground.manhole(float(rng.uniform(-8, 8)), float(rng.uniform(l1 + 0.5, l2 - 0.5)))
    if plan.lane_x_m is not None:
        paint_fire_lane(ground, plan.lane_x_m, plan.lane_y_m, rng)
    for y in (s1, s2, r2 + 0.08):
        ground.lines([[(x1, y), (x2, y)]], 0.16, (176, 178, 180), 0.15, rng)
    return ground


def _ring(ground: GroundPlan, ring_m: tuple[float, float, float], rng: np.random.Generator) -> None:
    x, y, radius = ring_m
    turns = np.linspace(0, 2 * np.pi, 48)
    for share, tone in ((1.0, 0.86), (0.86, 1.04), (0.5, 0.88), (0.4, 1.05)):
        circle = [(x + float(np.cos(a)) * radius * share, y + float(np.sin(a)) * radius * share) for a in turns]
        ground.area(circle, (150 * tone, 160 * tone, 172 * tone), 0.5, rng)
    rays = [
        [
            (x + float(np.cos(a)) * radius * 0.5, y + float(np.sin(a)) * radius * 0.5),
            (x + float(np.cos(a)) * radius, y + float(np.sin(a)) * radius),
        ]
        for a in turns[::4]
    ]
    ground.lines(rays, 0.08, (128, 134, 142), 0.3, rng)


def _furniture(canvas: Canvas, plan: StreetPlan, rng: np.random.Generator) -> None:
    """Trees, lamps, bollards, signs, bins on the strip and the far pavement, far things first."""
    s1, s2 = plan.strip_y_m
    middle, far_y = (s1 + s2) / 2, plan.road_y_m[1] + 1.2
    spots: list[tuple[float, float, str]] = []
    for x in np.arange(-42.0, 42.0, 8.0):
        spots.append((float(x + rng.uniform(-1.5, 1.5)), far_y + 0.4, "tree"))
        if rng.random() < 0.5:
            spots.append((float(x + rng.uniform(2, 5)), far_y, "bin" if rng.random() < 0.5 else "sign"))
    spots += [(float(x), far_y - 0.3, "lamp") for x in np.arange(-40.0, 40.0, 16.0)]
    if s2 - s1 > 0.8:
        spots += [(float(x), s1 + 0.35, "bollard") for x in np.arange(-30.0, 30.0, 2.6)]
        beds_m = np.arange(-28.0, 29.0, 11.0) + rng.uniform(-1, 1, 6)
        spots += [(float(x), middle + 0.2, "planter") for x in beds_m]
    spots.sort(key=lambda spot: -spot[1])
    for x, y, kind in spots:
        if kind == "tree":
            tree_shadow(canvas, (x, y), 6.0)
        elif kind == "planter":
            block_shadow(canvas, (x - 0.9, y - 0.35, 0.0), (x + 0.9, y + 0.35, 0.9))
    for x, y, kind in spots:
        if canvas.camera.depth_of(np.array([x, y, 0.5])) < 2.0:
            continue
        if kind == "tree":
            tree(canvas, (x, y), float(rng.uniform(4.8, 6.8)), rng)
        elif kind == "lamp":
            lamp_post(canvas, (x, y), -1.6)
        elif kind == "bollard":
            bollard(canvas, (x, y))
        elif kind == "sign":
            sign_post(canvas, (x, y), (225, 225, 225) if rng.random() < 0.5 else (170, 90, 30))
        elif kind == "bin":
            block(canvas, (x - 0.35, y - 0.3, 0.0), (x + 0.35, y + 0.3, 1.05), (70, 120, 70))
        else:
            block(canvas, (x - 0.9, y - 0.35, 0.0), (x + 0.9, y + 0.35, 0.42), (130, 140, 150))
            for _ in range(26):
                leaf = np.array([x + rng.uniform(-0.8, 0.8), y + rng.uniform(-0.25, 0.25), rng.uniform(0.45, 0.85)])
                canvas.ball(
                    leaf, float(rng.uniform(0.08, 0.2)), canvas.light.lit((50, float(rng.uniform(90, 130)), 70))
                )


def _houses(canvas: Canvas, plan: StreetPlan, rng: np.random.Generator, light: Light) -> None:
    """A closed row of fronts behind the far pavement, higher ones looking out behind."""
    left = EXTENT_X_M[0]
    while left < EXTENT_X_M[1] + 10:
        width = float(rng.uniform(9, 18))
        stand_facade(canvas, facade(width, int(rng.integers(3, 6)), rng, light), (left, plan.houses_y_m), (1.0, 0.0))
        left += width + (float(rng.uniform(0.0, 2.0)) if rng.random() < 0.3 else 0.0)


def street_background(plan: StreetPlan, camera: Camera, light: Light, seed: int) -> Image:
    """Everything that never moves."""
    rng = np.random.default_rng(seed)
    pixels_per_m = camera.size_wh[0] / PIXELS_PER_GROUND_PIXEL
    image = lay_ground(_ground(plan, rng, pixels_per_m), camera, light, sky(camera, light))
    canvas = Canvas(image, camera, light)
    _houses(canvas, plan, rng, light)
    if light.lamps_lit:
        for x in np.arange(-40.0, 40.0, 16.0):
            pool_of_light(canvas, (float(x), plan.road_y_m[1] - 1.2))
        pool_of_light(canvas, (camera.position_m[0] + 1.0, sum(plan.lane_y_m) / 2), 7.5)
    _furniture(canvas, plan, rng)
    if light.is_raining:
        _wet(canvas.image, camera)
    return canvas.image


def _wet(image: Image, camera: Camera) -> None:
    """A wet ground mirrors what stands on it, blurred downwards."""
    top = max(0, int(camera.horizon_y()))
    part = image[top:].astype(np.float32)
    streaked = part.copy()
    for step in (8, 16, 32, 64):
        rows = max(1, step * image.shape[0] // 720)
        streaked[rows:] = streaked[rows:] * 0.8 + part[:-rows] * 0.2
    image[top:] = (part * 0.55 + streaked * 0.45).clip(0, 255).astype(np.uint8)


__all__ = ["SIGNS", "StreetPlan", "street_background"]
