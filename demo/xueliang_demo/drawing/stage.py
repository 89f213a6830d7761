"""A stage: a drawn background and, on it, actors whose exact boxes are known.

Actors are drawn far to near. A box is the extent of everything drawn for the object, clipped to the picture; an object
of which less than `MIN_INSIDE_SHARE` lies in the picture, or less than `MIN_VISIBLE_SHARE` of that shows between nearer
ones, has no box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from xueliang_demo.drawing.camera import Camera, Points
from xueliang_demo.drawing.canvas import Canvas, hull
from xueliang_demo.drawing.light import Image, Light, Sensor
from xueliang_demo.drawing.people import (
    Figure,
    Pose,
    TwoWheeler,
    draw_person,
    draw_person_shadow,
    draw_two_wheeler,
    draw_two_wheeler_shadow,
)
from xueliang_demo.drawing.vehicle_models import CLASS_OF_KIND, VehicleModel
from xueliang_demo.drawing.vehicles import draw_vehicle, draw_vehicle_shadow

Box = tuple[float, float, float, float]
Truth = list[tuple[str, Box]]
MIN_VISIBLE_SHARE = 0.4
MIN_INSIDE_SHARE = 0.2
MIN_SIDE_PX = 5.0
MASK_SHRINK = 4


@dataclass(frozen=True, slots=True)
class Actor:
    """Something that moves or could: a vehicle, a person on foot, or a two-wheeler with or without rider.

    Attributes:
        place_m: on the ground; heading_rad from the x axis.
        phase: radians of the stride or pedals; metres rolled for a vehicle.
    """

    body: VehicleModel | Figure | TwoWheeler
    place_m: tuple[float, float]
    heading_rad: float
    phase: float = 0.0
    pose: Pose = "walk"
    rider: Figure | None = None


@dataclass(frozen=True, slots=True)
class _Outline:
    class_name: str
    shape_px: Points


def _draw_actor(canvas: Canvas, actor: Actor) -> list[_Outline]:
    """Draws one actor; returns the outlines of the objects that it consists of."""
    canvas.begin_object()
    body = actor.body
    if isinstance(body, VehicleModel):
        draw_vehicle(canvas, body, actor.heading_rad, actor.place_m, actor.phase)
        return [_Outline(CLASS_OF_KIND[body.kind], hull(canvas.object_points()))]
    if isinstance(body, Figure):
        draw_person(canvas, body, actor.heading_rad, actor.place_m, actor.phase, actor.pose)
        return [_Outline("person", hull(canvas.object_points()))]
    draw_two_wheeler(canvas, body, actor.heading_rad, actor.place_m)
    outlines = [_Outline(body.class_name, hull(canvas.object_points()))]
    if actor.rider is not None:
        canvas.begin_object()
        draw_person(
            canvas, actor.rider, actor.heading_rad, actor.place_m, actor.phase, "ride", body.seat_m, not body.is_motor
        )
        outlines.append(_Outline("person", hull(canvas.object_points())))
    return outlines


def _draw_shadow(canvas: Canvas, actor: Actor) -> None:
    body = actor.body
    if isinstance(body, VehicleModel):
        draw_vehicle_shadow(canvas, body, actor.heading_rad, actor.place_m)
    elif isinstance(body, Figure):
        draw_person_shadow(canvas, body, actor.heading_rad, actor.place_m)
    else:
        draw_two_wheeler_shadow(canvas, actor.heading_rad, actor.place_m, 1.6 if actor.rider else 1.0)


def _reach_m(actor: Actor) -> float:
    return actor.body.box_m[0] / 2 + 0.5 if isinstance(actor.body, VehicleModel) else 0.6


class Stage:
    """One camera over one background."""

    def __init__(self, camera: Camera, light: Light, background: Image, seed: int) -> None:
        self.camera, self.light, self.background = camera, light, background
        self._sensor = Sensor(camera.size_wh, light, seed)

    def _seen(self, actors: Sequence[Actor]) -> list[Actor]:
        """Actors in front of the lens and near the picture, farthest first (by the middle of their footprint)."""
        ahead = []
        for actor in actors:
            middle = np.array([*actor.place_m, 0.8])
            depth = self.camera.depth_of(middle)
            if depth <= _reach_m(actor) + 0.8:
                continue
            x = float(self.camera.project(middle[None])[0][0, 0])
            beside_px = (_reach_m(actor) + 4.0) / depth * self.camera.focal_px  # 4 m: its shadow
            if -beside_px < x < self.camera.size_wh[0] + beside_px:
                ahead.append((depth, actor))
        return [actor for _, actor in sorted(ahead, key=lambda pair: -pair[0])]

    def draw(self, actors: Sequence[Actor], frame_number: int, is_noisy: bool = True) -> tuple[Image, Truth]:
        """The picture and the boxes of what can be seen in it."""
        canvas = Canvas(self.background.copy(), self.camera, self.light)
        seen = self._seen(actors)
        for actor in seen:
            _draw_shadow(canvas, actor)
        outlines: list[_Outline] = []
        for actor in seen:
            outlines += _draw_actor(canvas, actor)
        image = self._sensor.expose(canvas.image, frame_number) if is_noisy else canvas.image
        return image, self._truth(outlines)

    def _truth(self, outlines: Sequence[_Outline]) -> Truth:
        """Boxes, far to near; visibility is counted in a coarse picture of outline numbers."""
        width, height = self.camera.size_wh
        owner = np.zeros((height // MASK_SHRINK + 1, width // MASK_SHRINK + 1), np.uint16)
        for number, outline in enumerate(outlines, 1):
            cv2.fillPoly(owner, [(outline.shape_px / MASK_SHRINK).clip(-9999, 9999).round().astype(np.int32)], number)
        left = np.bincount(owner.ravel(), minlength=len(outlines) + 1)
        frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        truth: Truth = []
        for number, outline in enumerate(outlines, 1):
            shape = outline.shape_px
            whole = cv2.contourArea(shape.astype(np.float32))
            inside, _ = cv2.intersectConvexConvex(shape.astype(np.float32), frame)
            low = np.maximum(shape.min(0), 0.0)
            high = np.minimum(shape.max(0), (width, height))
            if (high - low).min() < MIN_SIDE_PX or inside < MIN_INSIDE_SHARE * whole:
                continue
            if left[number] < MIN_VISIBLE_SHARE * max(1.0, inside / MASK_SHRINK**2):
                continue
            truth.append((outline.class_name, (float(low[0]), float(low[1]), float(high[0]), float(high[1]))))
        return truth
