"""Rendered scenarios: a lane that is watched, a square where people gather; exact truth, metres and seconds.

Drawn by the demo's own drawing code, with streets, clothes and vehicles of seeds that training and demo do not have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.rules_bench.scene import Point, Span
from xueliang_demo.drawing.backdrop import block, block_shadow
from xueliang_demo.drawing.camera import Camera
from xueliang_demo.drawing.canvas import Canvas
from xueliang_demo.drawing.light import Colour, Hour, Light, make_light
from xueliang_demo.drawing.people import Figure, make_figure
from xueliang_demo.drawing.stage import Actor, Stage
from xueliang_demo.drawing.street import StreetPlan, street_background
from xueliang_demo.drawing.vehicle_models import VehicleKind, VehicleModel, make_vehicle

SIZE_WH: Final = (640, 360)
STRIDE_M: Final = 1.45
Image = NDArray[np.uint8]
Corner = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Mover:
    """Somebody or something on a path over the ground. `path`: x and y in metres; there from the first to the last."""

    body: VehicleModel | Figure
    path: tuple[Point, ...]

    def at(self, t_s: float) -> Actor | None:
        if not self.path[0].t_s <= t_s <= self.path[-1].t_s:
            return None
        t, x, y = (np.array(column, dtype=np.float64) for column in zip(*self.path, strict=True))
        place = (float(np.interp(t_s, t, x)), float(np.interp(t_s, t, y)))
        lengths = np.hypot(np.diff(x), np.diff(y))
        travelled = float(np.interp(t_s, t, np.concatenate([[0.0], np.cumsum(lengths)])))
        leg = max(0, min(len(lengths) - 1, int(np.searchsorted(t, t_s, side="right")) - 1))
        if isinstance(self.body, VehicleModel):
            heading = 0.0 if x[-1] >= x[0] else math.pi
            return Actor(self.body, place, heading, travelled)
        is_still = lengths[leg] == 0.0
        heading = 1.5 * math.pi if is_still else math.atan2(y[leg + 1] - y[leg], x[leg + 1] - x[leg])
        return Actor(self.body, place, heading, travelled / STRIDE_M * 2 * math.pi, "stand" if is_still else "walk")


@dataclass(frozen=True, slots=True)
class Cast:
    """Light or shadow that falls on a part of the picture for some time.

    Attributes:
        outline: corners, shares of the picture.
        gain: of the brightness there; below 1 a shadow, above 1 a light. soft_px: how wide its edge is.
        span: when it lies there; it comes and goes within `fades_s` at either end.
    """

    outline: tuple[tuple[float, float], ...]
    gain: float
    span: Span
    soft_px: int = 5
    fades_s: float = 2.0

    def on(self, image: Image, t_s: float) -> Image:
        share = min(1.0, (t_s - self.span.from_s) / self.fades_s, (self.span.until_s - t_s) / self.fades_s)
        if share <= 0:
            return image
        height, width = image.shape[:2]
        mask = np.zeros((height, width), np.float32)
        cv2.fillPoly(mask, [np.rint(np.array(self.outline) * (width, height)).astype(np.int32)], 1.0)
        soft = np.asarray(cv2.blur(mask, (self.soft_px, self.soft_px)), np.float32)
        factor = 1 + (self.gain - 1) * share * soft
        return np.clip(image * factor[..., None], 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Goods:
    """Boxes put down on the ground, there during `span`: a thing without a name.

    `blocks`: lower and upper corner in metres, and colour; the farthest first.
    """

    camera: Camera
    light: Light
    blocks: tuple[tuple[Corner, Corner, Colour], ...]
    span: Span

    def on(self, image: Image, t_s: float) -> Image:
        if not self.span.from_s <= t_s <= self.span.until_s:
            return image
        canvas = Canvas(image.copy(), self.camera, self.light)
        for low, high, _ in self.blocks:
            block_shadow(canvas, low, high)
        for low, high, colour in self.blocks:
            block(canvas, low, high, colour)
        return canvas.image


@dataclass(frozen=True, slots=True)
class Disturbed:
    """What is done to the picture after it was drawn.

    Attributes:
        shake_px: deviation of the whole picture's place, from look to look.
        light_to: the brightness at the end, 1.0 at the beginning.
        shadow: (from when, until when) the hard shadow of a house or cloud sweeps over the whole width; None: none.
        casts: what else falls on it, in its place.
        goods: what is put down in front of everything that moves.
    """

    shake_px: float = 0.0
    light_to: float = 1.0
    shadow: tuple[float, float] | None = None
    casts: tuple[Cast, ...] = ()
    goods: tuple[Goods, ...] = ()

    def on(self, image: Image, t_s: float, length_s: float, rng: np.random.Generator) -> Image:
        for goods in self.goods:
            image = goods.on(image, t_s)
        if self.light_to != 1.0:
            image = _bytes(cv2.convertScaleAbs(image, alpha=1 + (self.light_to - 1) * t_s / length_s))
        for cast in self.casts:
            image = cast.on(image, t_s)
        if self.shadow is not None:
            image = _shaded(image, (t_s - self.shadow[0]) / (self.shadow[1] - self.shadow[0]))
        if self.shake_px:
            x, y = rng.normal(0, self.shake_px, 2)
            moved = np.array([[1, 0, x], [0, 1, y]], dtype=np.float64)
            image = _bytes(cv2.warpAffine(image, moved, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE))
        return image


def _bytes(image: Any) -> Image:
    return np.asarray(image, dtype=np.uint8)


def _shaded(image: Image, share: float) -> Image:
    """A band a third of the picture wide, slanted, on its way from left to right; 0 to 1: before the left to beyond."""
    height, width = image.shape[:2]
    left = -width / 3 + share * width * 4 / 3
    corners = [(left, 0), (left + width / 3, 0), (left + width / 3 - 60, height), (left - 60, height)]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.array(corners, dtype=np.int32)], 255)
    dark = cv2.convertScaleAbs(image, alpha=0.55)
    return np.where(cv2.GaussianBlur(mask, (9, 9), 0)[..., None] > 127, dark, image)


@dataclass(frozen=True, slots=True)
class Street:
    """A camera over a street. `lane_x_m`, `lane_y_m`: the watched lane; `zone`: the same in the picture."""

    stage: Stage
    lane_x_m: tuple[float, float]
    lane_y_m: tuple[float, float]
    road_y_m: tuple[float, ...]
    zone: list[list[float]]


def make_street(rng: np.random.Generator, seed: int, hour: Hour, is_raining: bool) -> Street:
    """Another camera, light and street for each seed, all of which have the lane well in view."""
    near, left = float(rng.uniform(9, 11)), float(rng.uniform(-9.5, -7))
    lane_x, lane_y = (left, left + float(rng.uniform(14, 17))), (near, near + 4.0)
    road = (near + 5.6, near + 12.6)
    plan = StreetPlan(lane_x, lane_y, (near + 4.1, near + 5.6), road, near + 17.0, 2)
    position = (float(rng.uniform(-4, 2)), float(rng.uniform(-3, -1)), float(rng.uniform(5.5, 8.5)))
    camera = Camera(
        SIZE_WH, position, float(rng.uniform(-8, 14)), float(rng.uniform(21, 26)), float(rng.uniform(58, 68))
    )
    angle = float(rng.uniform(0, 2 * math.pi))
    light = make_light(hour, is_raining, (math.cos(angle) * 0.7, math.sin(angle) * 0.7))
    stage = Stage(camera, light, street_background(plan, camera, light, seed), seed)
    (x1, x2), (y1, y2) = lane_x, lane_y
    zone = camera.ground_polygon_xyxyn([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    return Street(stage, lane_x, lane_y, tuple(plan.lane_centres_m()), [list(corner) for corner in zone])


@dataclass(frozen=True, slots=True)
class Square:
    """A camera over a square. `x_m`, `y_m`: the watched rectangle on the ground; `zone`: the same in the picture."""

    stage: Stage
    x_m: tuple[float, float]
    y_m: tuple[float, float]
    zone: list[list[float]]


def make_square(rng: np.random.Generator, seed: int, hour: Hour, is_raining: bool) -> Square:
    middle_x, middle_y = float(rng.uniform(-1, 1)), float(rng.uniform(10, 12))
    paving = tuple(float(level) for level in rng.uniform(135, 165, 3))
    plan = StreetPlan(None, (19.0, 19.1), (19.2, 21.0), (21.0, 28.0), 32.0, 2, None, None, paving)  # type: ignore[arg-type]
    camera = Camera(
        SIZE_WH,
        (float(rng.uniform(-2, 2)), float(rng.uniform(-3, -1)), float(rng.uniform(7, 9))),
        float(rng.uniform(-8, 8)),
        float(rng.uniform(24, 29)),
        float(rng.uniform(58, 66)),
    )
    light = make_light(hour, is_raining)
    stage = Stage(camera, light, street_background(plan, camera, light, seed), seed)
    x1, x2, y1, y2 = middle_x - 5.0, middle_x + 5.0, middle_y - 3.8, middle_y + 3.8
    zone = camera.ground_polygon_xyxyn([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    return Square(stage, (x1, x2), (y1, y2), [list(corner) for corner in zone])


def picture(stage: Stage, movers: Sequence[Mover], t_s: float, number: int) -> Image:
    """As the sensor gives it, BGR."""
    return stage.draw([actor for mover in movers if (actor := mover.at(t_s)) is not None], number)[0]


def vehicle(rng: np.random.Generator, kinds: Sequence[VehicleKind] = ("sedan", "suv", "van", "truck")) -> VehicleModel:
    return make_vehicle(kinds[int(rng.integers(len(kinds)))], rng)


def walker(rng: np.random.Generator, path: Sequence[Point]) -> Mover:
    return Mover(make_figure(rng), tuple(path))
