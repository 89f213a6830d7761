"""Draws the vehicles of `vehicle_models`: faces turned to the lens, decals on them, wheels, lamps and shadows."""

from __future__ import annotations

import math

import numpy as np

from xueliang_demo.drawing.camera import Points
from xueliang_demo.drawing.canvas import Canvas, times, turn
from xueliang_demo.drawing.light import add_glow
from xueliang_demo.drawing.vehicle_models import HEAD, TYRE, Decal, Prism, VehicleModel


def _faces(prism: Prism) -> list[Points]:
    """All faces, corners counter-clockwise as seen from outside."""
    left = np.column_stack([prism.profile[:, 0], prism.half_widths, prism.profile[:, 1]])
    right = left * np.array([1, -1, 1])
    # The profile runs tail, top, nose: clockwise seen from the right (-y), so the left side keeps its order.
    faces = [left, right[::-1]]
    for i in range(len(left)):
        j = (i + 1) % len(left)
        faces.append(np.stack([left[j], left[i], right[i], right[j]]))
    return faces


def _normal(face: Points) -> Points:
    """Unit normal from the first, a middle and the last corner (in plain numbers: this is the hot spot)."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = face[0].tolist(), face[len(face) // 2].tolist(), face[-1].tolist()
    ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    return np.array([x, y, z]) / (math.sqrt(x * x + y * y + z * z) + 1e-9)


def _draw_prism(canvas: Canvas, prism: Prism, heading: float, place: tuple[float, float]) -> None:
    lens = np.array(canvas.camera.position_m)
    middle = turn(np.array([[prism.profile[:, 0].mean(), 0.0, prism.profile[:, 1].mean()]]), heading, place)[0]
    for local in _faces(prism):
        face = turn(local, heading, place)
        normal = _normal(face)
        if normal @ (face.mean(0) - middle) < 0:
            normal = -normal
        if normal @ (lens - face.mean(0)) > 0:
            canvas.fill(face, canvas.light.lit(prism.colour, normal))
    for decal in prism.decals:
        _draw_decal(canvas, decal, heading, place, middle)


def _draw_decal(canvas: Canvas, decal: Decal, heading: float, place: tuple[float, float], middle: Points) -> None:
    face = turn(decal.points_m, heading, place)
    normal = _normal(face)
    if normal @ (face.mean(0) - middle) < 0:
        normal = -normal
    if normal @ (np.array(canvas.camera.position_m) - face.mean(0)) <= 0:
        return
    shines = decal.glows and canvas.light.lamps_lit
    canvas.fill(face, times(decal.colour, 1.15) if shines else canvas.light.lit(decal.colour, normal))


def _draw_wheels(
    canvas: Canvas, model: VehicleModel, heading: float, place: tuple[float, float], rolled_m: float
) -> None:
    turns = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    lens = np.array(canvas.camera.position_m)
    side = (
        1.0
        if turn(np.array([[0.0, 1.0, 0.0]]), heading, (0.0, 0.0))[0] @ (lens - np.array([*place, 0.0])) > 0
        else -1.0
    )
    for x, radius, track in model.wheels:
        for share, y, colour in (
            (1.12, track + 0.01, (26, 25, 24)),
            (1.0, track + 0.02, TYRE),
            (0.62, track + 0.03, (150, 150, 152)),
            (0.2, track + 0.035, (60, 60, 60)),
        ):
            ring = np.column_stack(
                [
                    x + np.cos(turns) * radius * share,
                    np.full(len(turns), side * y),
                    radius + np.sin(turns) * radius * share,
                ]
            )
            if share > 1:  # the wheel arch: only its upper half shows
                ring[:, 2] = ring[:, 2].clip(radius * 0.6, None)
            canvas.fill(turn(ring, heading, place), canvas.light.lit(colour))
        spoke = rolled_m / radius
        for k in range(5):
            angle = -spoke + k * 2 * np.pi / 5
            rod = np.array(
                [
                    [x, side * (track + 0.04), radius],
                    [x + np.cos(angle) * radius * 0.55, side * (track + 0.04), radius + np.sin(angle) * radius * 0.55],
                ]
            )
            canvas.stroke(turn(rod, heading, place), 0.05, canvas.light.lit((96, 96, 98)))


def footprint(model: VehicleModel, heading: float, place: tuple[float, float], grow_m: float = 0.0) -> Points:
    """(4, 3): the rectangle on the ground under it."""
    length, width, _ = model.box_m
    middle = float(np.mean([model.parts[-1].profile[:, 0].max(), min(p.profile[:, 0].min() for p in model.parts)]))
    a, b = length / 2 + grow_m, width / 2 + grow_m
    corners = np.array([[middle - a, -b, 0.0], [middle + a, -b, 0.0], [middle + a, b, 0.0], [middle - a, b, 0.0]])
    return turn(corners, heading, place)


def draw_vehicle_shadow(canvas: Canvas, model: VehicleModel, heading: float, place: tuple[float, float]) -> None:
    """Cast shadow and the dark under the floor."""
    base = footprint(model, heading, place)
    tops = base + np.array([0.0, 0.0, model.box_m[2] * 0.92])
    canvas.shadow(np.concatenate([base, tops]))
    canvas.contact(footprint(model, heading, place, 0.05), 0.55)


def draw_vehicle(
    canvas: Canvas, model: VehicleModel, heading: float, place: tuple[float, float], rolled_m: float = 0.0
) -> None:
    """The vehicle at a place on the ground, turned to `heading` (radians from the x axis)."""
    lens = np.array(canvas.camera.position_m)

    def far_first(prism: Prism) -> float:
        centre = turn(np.array([[prism.profile[:, 0].mean(), 0.0, prism.profile[:, 1].mean()]]), heading, place)[0]
        return -float(np.linalg.norm(centre - lens))

    is_stacked = model.kind in ("sedan", "suv", "bus")  # the second part sits on top of the first
    for index, prism in enumerate(model.parts if is_stacked else sorted(model.parts, key=far_first)):
        _draw_prism(canvas, prism, heading, place)
        if is_stacked and index == 0:
            _draw_wheels(canvas, model, heading, place, rolled_m)
    if not is_stacked:
        _draw_wheels(canvas, model, heading, place, rolled_m)
    middle = turn(np.array([[0.0, 0.0, 0.8]]), heading, place)[0]
    for lamp in model.lamps:
        _draw_decal(canvas, lamp, heading, place, middle)
    if canvas.light.lamps_lit:
        _draw_beams(canvas, model, heading, place, middle)


def _draw_beams(
    canvas: Canvas, model: VehicleModel, heading: float, place: tuple[float, float], middle: Points
) -> None:
    for lamp in model.lamps:
        centre = turn(lamp.points_m.mean(0)[None], heading, place)
        outward = centre[0] - middle
        ahead = turn(np.array([[np.sign(lamp.points_m[0, 0]), 0.0, 0.0]]), heading, (0.0, 0.0))[0]
        to_lens = np.array(canvas.camera.position_m) - centre[0]
        if ahead @ to_lens <= 0 or outward @ ahead <= 0:
            continue
        pixels, depth = canvas.camera.project(centre)
        facing = float(ahead @ to_lens / np.linalg.norm(to_lens))
        reach = canvas.scale_px(float(depth[0])) * (1.1 if lamp.colour == HEAD else 0.5)
        add_glow(canvas.image, (float(pixels[0, 0]), float(pixels[0, 1])), reach, lamp.colour, 0.85 * facing)
