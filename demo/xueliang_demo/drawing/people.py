"""People and riders: round limbs between joints in the world, so that any camera angle foreshortens them rightly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xueliang_demo.drawing.camera import Points
from xueliang_demo.drawing.canvas import Canvas, hull, mix, times, turn
from xueliang_demo.drawing.light import Colour

SKIN: tuple[Colour, ...] = ((150, 178, 216), (128, 158, 204), (98, 128, 176), (70, 94, 134))
HAIR: tuple[Colour, ...] = ((28, 26, 26), (40, 44, 54), (60, 76, 96), (120, 122, 124))
TOPS: tuple[Colour, ...] = (
    (60, 52, 48),
    (210, 212, 214),
    (150, 80, 40),
    (60, 60, 170),
    (70, 120, 60),
    (40, 150, 210),
    (140, 130, 120),
    (110, 60, 110),
    (190, 160, 90),
    (90, 90, 96),
    (30, 34, 40),
    (170, 190, 220),
    (40, 110, 230),
)
TROUSERS: tuple[Colour, ...] = ((70, 52, 40), (44, 42, 42), (110, 84, 60), (84, 86, 90), (120, 132, 146), (60, 66, 76))
# Side view of a moped's bodywork: x and z in metres.
FAIRING = (
    (-0.75, 0.62),
    (-0.6, 0.36),
    (0.1, 0.24),
    (0.34, 0.28),
    (0.5, 0.9),
    (0.38, 0.95),
    (0.2, 0.4),
    (0.0, 0.42),
    (-0.05, 0.72),
)
Pose = Literal["walk", "stand", "ride"]


@dataclass(frozen=True, slots=True)
class Figure:
    """How one person looks. `height_m` 1.0 (child) to 1.9."""

    height_m: float
    skin: Colour
    hair: Colour
    top: Colour
    trousers: Colour
    build: float
    has_bag: bool
    has_skirt: bool
    has_cap: bool


def make_figure(rng: np.random.Generator) -> Figure:
    """Somebody."""

    def pick(colours: tuple[Colour, ...]) -> Colour:
        return times(colours[int(rng.integers(len(colours)))], float(rng.uniform(0.85, 1.12)))

    height = float(rng.normal(1.68, 0.08)) if rng.random() < 0.92 else float(rng.uniform(1.1, 1.4))
    return Figure(
        height,
        pick(SKIN),
        pick(HAIR),
        pick(TOPS),
        pick(TROUSERS),
        float(rng.uniform(0.9, 1.18)),
        bool(rng.random() < 0.3),
        bool(rng.random() < 0.15),
        bool(rng.random() < 0.15),
    )


def _walking_joints(height: float, phase: float, swing: float) -> dict[str, Points]:
    """Joints in local metres (x ahead, y left); `phase` in radians of the stride, `swing` 0 for standing."""
    bob = 0.015 * height * abs(math.sin(phase)) * swing
    hip, shoulder = 0.52 * height + bob, 0.82 * height + bob
    joints = {"neck": np.array([0.02, 0.0, 0.86 * height + bob]), "head": np.array([0.035, 0.0, 0.93 * height + bob])}
    for side, name, sign in ((1.0, "left", 1.0), (-1.0, "right", -1.0)):
        angle = 0.48 * swing * math.sin(phase) * sign
        bend = 0.65 * swing * max(0.0, math.cos(phase) * sign) + 0.04
        y = 0.055 * height * side
        knee = np.array([math.sin(angle) * 0.26 * height, y, hip - math.cos(angle) * 0.26 * height])
        lower = angle - bend
        foot = knee + np.array([math.sin(lower) * 0.245 * height, 0, -math.cos(lower) * 0.245 * height])
        foot[2] = max(foot[2], 0.03)
        joints[f"{name}_hip"], joints[f"{name}_knee"], joints[f"{name}_foot"] = np.array([0.0, y, hip]), knee, foot
        joints[f"{name}_toe"] = foot + np.array([0.1, 0.0, -0.015])
        arm = -angle * 0.9
        yo = 0.115 * height * side
        elbow = np.array([math.sin(arm) * 0.17 * height, yo * 1.12, shoulder - math.cos(arm) * 0.17 * height])
        reach = arm + 0.25 + 0.2 * swing
        joints[f"{name}_shoulder"], joints[f"{name}_elbow"] = np.array([0.0, yo, shoulder]), elbow
        joints[f"{name}_hand"] = elbow + np.array(
            [math.sin(reach) * 0.15 * height, 0, -math.cos(reach) * 0.15 * height]
        )
    return joints


def _riding_joints(height: float, phase: float, seat_m: float, pedals: bool) -> dict[str, Points]:
    """Sitting on a two-wheeler whose saddle is at x = -0.2 and whose handlebar is at x = 0.42, z = 1.0."""
    joints = {
        "neck": np.array([0.08, 0.0, seat_m + 0.34 * height]),
        "head": np.array([0.12, 0.0, seat_m + 0.41 * height]),
    }
    for side, name, sign in ((1.0, "left", 1.0), (-1.0, "right", -1.0)):
        y = 0.06 * height * side
        spin = phase if sign > 0 else phase + math.pi
        foot = (
            np.array([0.05 + 0.16 * math.cos(spin), y, 0.3 + 0.16 * math.sin(spin)])
            if pedals
            else np.array([0.22, y * 1.6, 0.3])
        )
        joints[f"{name}_hip"] = np.array([-0.2, y, seat_m + 0.03])
        joints[f"{name}_knee"] = np.array([0.2, y * 1.3, seat_m * 0.5 + 0.12 + foot[2] * 0.5])
        joints[f"{name}_foot"], joints[f"{name}_toe"] = foot, foot + np.array([0.1, 0.0, 0.0])
        joints[f"{name}_shoulder"] = np.array([0.04, 0.115 * height * side, seat_m + 0.3 * height])
        joints[f"{name}_elbow"] = np.array([0.2, 0.15 * height * side, seat_m + 0.18 * height])
        joints[f"{name}_hand"] = np.array([0.42, 0.24 * side, 1.02])
    return joints


def draw_person(
    canvas: Canvas,
    figure: Figure,
    heading: float,
    place: tuple[float, float],
    phase: float,
    pose: Pose = "walk",
    seat_m: float = 0.85,
    pedals: bool = True,
) -> None:
    """A person at a place on the ground; feet first, then far limbs, body, near limbs, head."""
    if pose == "ride":
        local = _riding_joints(figure.height_m, phase, seat_m, pedals)
    else:
        local = _walking_joints(figure.height_m, phase, 1.0 if pose == "walk" else 0.08)
    joints = {name: turn(joint[None], heading, place)[0] for name, joint in local.items()}
    lens = np.array(canvas.camera.position_m)
    near_left = np.linalg.norm(joints["left_shoulder"] - lens) < np.linalg.norm(joints["right_shoulder"] - lens)
    near, far = ("left", "right") if near_left else ("right", "left")
    shade = canvas.light.lit
    _leg(canvas, figure, joints, far, 0.82)
    _arm(canvas, figure, joints, far, 0.78)
    _leg(canvas, figure, joints, near, 1.0)
    _torso(canvas, figure, joints)
    if figure.has_bag and pose != "ride":
        back = turn(np.array([[-0.17, 0.0, 0.68 * figure.height_m]]), heading, place)[0]
        canvas.ball(back, 0.14, shade(mix(figure.trousers, (60, 60, 120), 0.5)), 1.25)
        if np.linalg.norm(back - lens) > np.linalg.norm(joints["neck"] - lens):
            _torso(canvas, figure, joints)
    _arm(canvas, figure, joints, near, 1.0)
    canvas.stroke(np.stack([joints["neck"], joints["head"]]), 0.09, shade(times(figure.skin, 0.8)))
    _head(canvas, figure, joints, heading)


def _leg(canvas: Canvas, figure: Figure, joints: dict[str, Points], side: str, gain: float) -> None:
    cloth = canvas.light.lit(times(figure.trousers, gain))
    skin = canvas.light.lit(times(figure.skin, gain * 0.9))
    width = 0.088 * figure.height_m * figure.build
    thigh, knee, foot, toe = (joints[f"{side}_{name}"] for name in ("hip", "knee", "foot", "toe"))
    canvas.stroke(np.stack([foot, toe]), 0.085, canvas.light.lit((40, 40, 44)))
    canvas.stroke(np.stack([knee, foot]), width * 0.72, skin if figure.has_skirt else cloth)
    canvas.stroke(np.stack([thigh, knee]), width, cloth)


def _arm(canvas: Canvas, figure: Figure, joints: dict[str, Points], side: str, gain: float) -> None:
    shoulder, elbow, hand = (joints[f"{side}_{name}"] for name in ("shoulder", "elbow", "hand"))
    width = 0.056 * figure.height_m * figure.build
    canvas.stroke(
        np.stack([elbow, hand]), width * 0.8, canvas.light.lit(times(mix(figure.top, figure.skin, 0.35), gain))
    )
    canvas.stroke(np.stack([shoulder, elbow]), width, canvas.light.lit(times(figure.top, gain * 0.94)))


def _torso(canvas: Canvas, figure: Figure, joints: dict[str, Points]) -> None:
    corners = np.stack(
        [joints["left_shoulder"], joints["right_shoulder"], joints["right_hip"], joints["left_hip"], joints["neck"]]
    )
    pixels, depths = canvas.camera.project(corners)
    scale = canvas.scale_px(float(depths.mean()))
    hips = pixels[2:4]
    base = canvas.light.lit(figure.trousers)
    canvas.stroke_px(hips[0], hips[1], 0.15 * scale * figure.build, base)
    if figure.has_skirt:
        knees = canvas.camera.project(np.stack([joints["left_knee"], joints["right_knee"]]))[0]
        spread = np.array([0.1 * scale, 0.0])
        canvas.fill_px(
            hull(np.concatenate([hips + spread, hips - spread, knees + spread * 1.3, knees - spread * 1.3])), base
        )
    radius = 0.088 * scale * figure.build
    for gain, grow, move in ((0.72, 1.0, 0.0), (1.0, 0.8, -0.025), (1.14, 0.4, -0.06)):
        colour = canvas.light.lit(times(figure.top, gain))
        shape = hull(_rounded(pixels + np.array([move * scale, 0.0]), radius * grow))
        canvas.fill_px(shape, colour, counts=gain < 1)


def _rounded(pixels: Points, radius: float) -> Points:
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * radius
    return np.asarray((pixels[:, None] + ring[None]).reshape(-1, 2))


def _head(canvas: Canvas, figure: Figure, joints: dict[str, Points], heading: float) -> None:
    lens = np.array(canvas.camera.position_m)
    to_lens = lens - joints["head"]
    ahead = np.array([math.cos(heading), math.sin(heading), 0.0])
    faces = float(ahead @ to_lens / np.linalg.norm(to_lens))
    radius = 0.062 * figure.height_m + 0.008
    canvas.ball(joints["head"], radius, canvas.light.lit(figure.hair), 1.2)
    if faces > -0.45:
        shift = ahead * radius * 0.42 - np.array([0.0, 0.0, radius * 0.22])
        canvas.ball(joints["head"] + shift, radius * 0.82, canvas.light.lit(figure.skin), 1.12)
    if figure.has_cap:
        canvas.ball(
            joints["head"] + np.array([0.0, 0.0, radius * 0.55]), radius * 0.95, canvas.light.lit(figure.top), 0.62
        )


def draw_person_shadow(canvas: Canvas, figure: Figure, heading: float, place: tuple[float, float]) -> None:
    """Cast shadow of a standing shape and the dark between the feet."""
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([np.cos(angles) * 0.16, np.sin(angles) * 0.2, np.zeros(8)], 1)
    low = turn(ring, heading, place)
    middle = turn(ring * 1.15, heading, place) + np.array([0, 0, 0.8 * figure.height_m])
    top = turn(ring * 0.5, heading, place) + np.array([0, 0, figure.height_m])
    canvas.shadow(np.concatenate([low, middle, top]))
    canvas.contact(turn(ring * 1.2, heading, place), 0.35)


@dataclass(frozen=True, slots=True)
class TwoWheeler:
    """A bicycle or an electric moped."""

    is_motor: bool
    colour: Colour

    @property
    def class_name(self) -> str:
        """The detector's word for it."""
        return "motorcycle" if self.is_motor else "bicycle"

    @property
    def seat_m(self) -> float:
        """Height of the saddle."""
        return 0.78 if self.is_motor else 0.88


def make_two_wheeler(is_motor: bool, rng: np.random.Generator) -> TwoWheeler:
    """A two-wheeler in some colour."""
    colours: tuple[Colour, ...] = (
        (40, 40, 190),
        (180, 110, 50),
        (60, 60, 62),
        (210, 212, 214),
        (60, 150, 70),
        (40, 150, 220),
    )
    return TwoWheeler(is_motor, colours[int(rng.integers(len(colours)))])


def draw_two_wheeler(canvas: Canvas, machine: TwoWheeler, heading: float, place: tuple[float, float]) -> None:
    """The machine without its rider."""
    radius, base = (0.25, 0.62) if machine.is_motor else (0.33, 0.53)
    dark, body = canvas.light.lit((34, 33, 33)), canvas.light.lit(machine.colour)
    rim = np.linspace(0, 2 * np.pi, 20)

    def local(rows: Sequence[Sequence[float]]) -> Points:
        return turn(np.array(rows, np.float64), heading, place)

    for x in (-base, base):
        ring = np.column_stack([x + np.cos(rim) * radius, np.zeros(20), radius + np.sin(rim) * radius])
        canvas.stroke(turn(ring, heading, place), 0.11 if machine.is_motor else 0.05, dark)
        canvas.ball(local([(x, 0.0, radius)])[0], 0.09 if machine.is_motor else 0.04, canvas.light.lit((140, 140, 142)))
    if machine.is_motor:
        canvas.stroke(local([(base, 0, radius), (0.4, 0, 0.95)]), 0.09, dark)
        for y in (-0.14, 0.14):
            canvas.fill(local([(x, y, z) for x, z in FAIRING]), body)
        canvas.stroke(local([(-0.62, 0, 0.78), (-0.02, 0, 0.76)]), 0.2, dark)
        canvas.stroke(local([(0.42, -0.3, 1.02), (0.42, 0.3, 1.02)]), 0.06, dark)
        canvas.ball(local([(0.5, 0.0, 0.86)])[0], 0.09, canvas.light.lit((215, 225, 230)))
        return
    rear, front, saddle, crank = (-base, 0, radius), (base, 0, radius), (-0.2, 0, 0.82), (-0.02, 0, 0.3)
    rods = ((rear, saddle), (saddle, crank), (crank, rear), (saddle, (0.38, 0, 0.82)), (crank, (0.38, 0, 0.75)))
    for rod in (*rods, ((0.38, 0, 0.98), front)):
        canvas.stroke(local(rod), 0.05, body)
    canvas.stroke(local([(-0.32, 0, 0.88), (-0.1, 0, 0.88)]), 0.09, dark)
    canvas.stroke(local([(0.4, -0.26, 1.0), (0.4, 0.26, 1.0)]), 0.04, dark)


def draw_two_wheeler_shadow(canvas: Canvas, heading: float, place: tuple[float, float], height_m: float = 1.0) -> None:
    """Shadow of the machine and, if there is one, its rider."""
    ends = np.array([[-0.8, -0.1, 0.0], [0.8, -0.1, 0.0], [0.8, 0.1, 0.0], [-0.8, 0.1, 0.0]])
    high = ends * np.array([0.35, 1.2, 0.0]) + np.array([0.0, 0.0, height_m])
    canvas.shadow(turn(np.concatenate([ends, high]), heading, place))
    canvas.contact(turn(ends, heading, place), 0.4)
