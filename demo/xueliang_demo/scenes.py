"""Rendered camera scenes with exact truth: two plays for the demo, and pictures with labels for training.

`FireLaneScene`: an empty marked fire lane beside a road; a delivery truck drives in, stands, drives off.
`PlazaScene`: a square where a dozen people gather and part again.

Both loop without a jump: everything but the truck (the gathering people) depends only on one clock of `LOOP_S`
seconds. The first state starts at 0 of that clock, the second as well, the third and the fourth where the second ended,
and the fourth runs until the clock is round; see `durations_s`.

    python -m xueliang_demo.scenes --seed N --count M --out DIR

writes `DIR/rendered_N.tar` in the layout of the training tars: `<set>/images/*.jpg`, `<set>/labels/*.txt` (YOLO text),
`<set>/pseudo.csv`.
"""

from __future__ import annotations

import argparse
import io
import math
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import cv2
import numpy as np

from xueliang_demo.drawing.camera import Camera
from xueliang_demo.drawing.light import Hour, Image, make_light
from xueliang_demo.drawing.people import Figure, make_figure, make_two_wheeler
from xueliang_demo.drawing.random_street import random_cast, random_stage
from xueliang_demo.drawing.stage import Actor, Box, Stage, Truth
from xueliang_demo.drawing.street import StreetPlan, street_background
from xueliang_demo.drawing.vehicle_models import VehicleKind, delivery_truck, make_vehicle

CLASS_NAMES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
LOOP_S = 24.0
STRIDE_M = 1.45
FireLaneState = Literal["empty", "arriving", "standing", "leaving"]
PlazaState = Literal["calm", "gathering", "crowded", "dispersing"]


class Scene(Protocol):
    """What the demo needs of a play."""

    size_wh: tuple[int, int]
    fps: int
    durations_s: dict[str, float]

    def frame(self, state: str, t_s: float) -> Image:
        """The picture, BGR, `t_s` seconds into a state."""

    def truth(self, state: str, t_s: float) -> list[tuple[str, Box]]:
        """Class name and x1, y1, x2, y2 in pixels of everything that can be seen then."""


@dataclass(frozen=True, slots=True)
class _Passage:
    """Somebody crossing the picture once a loop, always the same way."""

    body: Actor
    start_m: tuple[float, float]
    velocity_m_s: tuple[float, float]
    offset_s: float
    is_vehicle: bool = False

    def at(self, clock_s: float) -> Actor:
        """The actor at a time of the loop."""
        since = (clock_s + self.offset_s) % LOOP_S
        vx, vy = self.velocity_m_s
        travelled = math.hypot(vx, vy) * since
        return Actor(
            self.body.body,
            (self.start_m[0] + vx * since, self.start_m[1] + vy * since),
            math.atan2(vy, vx),
            travelled if self.is_vehicle else travelled / STRIDE_M * 2 * math.pi,
            self.body.pose,
            self.body.rider,
        )


def _walker(rng: np.random.Generator, y: float, goes_right: bool, offset_s: float, span_m: float = 32.0) -> _Passage:
    speed = float(rng.uniform(1.15, 1.5)) * (1 if goes_right else -1)
    start = (-span_m / 2 if goes_right else span_m / 2, y)
    return _Passage(Actor(make_figure(rng), start, 0.0), start, (speed, float(rng.normal(0, 0.02))), offset_s)


def _driver(rng: np.random.Generator, kind: VehicleKind, y: float, goes_right: bool, offset_s: float) -> _Passage:
    start = (-58.0 if goes_right else 58.0, y)
    speed = 7.0 if goes_right else -7.0
    return _Passage(Actor(make_vehicle(kind, rng), start, 0.0), start, (speed, 0.0), offset_s, is_vehicle=True)


def _rider(rng: np.random.Generator, is_motor: bool, y: float, goes_right: bool, offset_s: float) -> _Passage:
    body = Actor(make_two_wheeler(is_motor, rng), (0.0, 0.0), 0.0, 0.0, "ride", make_figure(rng))
    start = (-40.0 if goes_right else 40.0, y)
    return _Passage(body, start, (4.2 if goes_right else -4.2, 0.0), offset_s)


def _eased(share: float) -> float:
    """0 to 1, slow at both ends."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


class FireLaneScene:
    """A fire lane seen from a house wall.

    Args:
        seed: clothes, vehicles, houses.
        hour, is_raining: the light.

    `lane_polygon_xyxyn` is the marked lane as shares of the picture, clipped to it; `camera` knows where each metre of
    the ground is seen.
    """

    ARRIVE_S = 4.0
    LEAVE_S = 4.0
    STOP_X_M = -1.0

    def __init__(
        self,
        seed: int = 7,
        size_wh: tuple[int, int] = (1280, 720),
        fps: int = 10,
        hour: Hour = "day",
        is_raining: bool = False,
    ) -> None:
        self.size_wh, self.fps = size_wh, fps
        self.durations_s: dict[str, float] = {
            "empty": LOOP_S,
            "arriving": self.ARRIVE_S,
            "standing": LOOP_S,
            "leaving": LOOP_S - self.ARRIVE_S,
        }
        plan = StreetPlan((-8.5, 8.0), (10.0, 14.0), (14.1, 15.6), (15.6, 22.6), 27.0, 2, 13.0)
        camera = Camera(size_wh, (-5.0, -1.5, 7.2), 18.0, 23.5, 64.0)
        light = make_light(hour, is_raining)
        self._stage = Stage(camera, light, street_background(plan, camera, light, seed), seed)
        self.camera = camera
        assert plan.lane_x_m is not None
        (x1, x2), (y1, y2) = plan.lane_x_m, plan.lane_y_m
        self.lane_polygon_xyxyn = camera.ground_polygon_xyxyn([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
        self.zone_polygon = self.lane_polygon_xyxyn
        self._lane_y_m = (y1 + y2) / 2
        self._truck = delivery_truck()
        self._passages = self._cast(plan, np.random.default_rng((seed, 1)))

    @staticmethod
    def _cast(plan: StreetPlan, rng: np.random.Generator) -> list[_Passage]:
        near, far = plan.lane_centres_m()
        cast = [
            _walker(rng, 6.4, True, 2.0),
            _walker(rng, 7.6, False, 9.0),
            _walker(rng, 8.7, True, 15.0),
            _walker(rng, 8.2, False, 19.5),
            _walker(rng, 7.1, True, 20.5),
            _walker(rng, 24.2, True, 5.0),
            _walker(rng, 25.0, False, 13.0),
            _walker(rng, 24.6, False, 21.0),
        ]
        near_kinds: tuple[VehicleKind, ...] = ("sedan", "suv", "bus", "sedan", "van")
        far_kinds: tuple[VehicleKind, ...] = ("suv", "sedan", "truck", "sedan")
        for index, kind in enumerate(near_kinds):
            cast.append(_driver(rng, kind, near, False, index * LOOP_S / 5 + float(rng.uniform(0, 1.2))))
        for index, kind in enumerate(far_kinds):
            cast.append(_driver(rng, kind, far, True, index * LOOP_S / 4 + float(rng.uniform(0, 1.5))))
        return [*cast, _rider(rng, True, near - 1.5, False, 6.0), _rider(rng, False, far + 1.4, True, 15.0)]

    def _clock_s(self, state: str, t_s: float) -> float:
        return t_s + (self.ARRIVE_S if state in ("standing", "leaving") else 0.0)

    def _truck_at(self, state: str, t_s: float) -> Actor | None:
        """Brakes evenly to the stop, later pulls away evenly; None while it is not there."""
        x = self.STOP_X_M
        if state == "arriving":
            x -= 21.0 * (1 - min(1.0, t_s / self.ARRIVE_S)) ** 2
        elif state == "leaving":
            x += 24.0 * (t_s / self.LEAVE_S) ** 2
        elif state != "standing":
            return None
        if x > self.STOP_X_M + 24.0:
            return None
        return Actor(self._truck, (x, self._lane_y_m), 0.0, x)

    def _actors(self, state: str, t_s: float) -> list[Actor]:
        if state not in self.durations_s:
            raise ValueError(f"state must be one of {', '.join(self.durations_s)}, got {state!r}")
        clock = self._clock_s(state, t_s)
        truck = self._truck_at(state, t_s)
        return [passage.at(clock) for passage in self._passages] + ([truck] if truck else [])

    def frame(self, state: str, t_s: float) -> Image:
        """The picture, BGR uint8 (h, w, 3), `t_s` seconds into a state."""
        return self._stage.draw(self._actors(state, t_s), round(t_s * self.fps))[0]

    def truth(self, state: str, t_s: float) -> Truth:
        """Class name and x1, y1, x2, y2 in pixels of everything that can be seen then."""
        return self._stage.draw(self._actors(state, t_s), 0, is_noisy=False)[1]


@dataclass(frozen=True, slots=True)
class _Visitor:
    """Comes to the middle of the square, stays, goes."""

    figure: Figure
    outside_m: tuple[float, float]
    spot_m: tuple[float, float]
    exit_m: tuple[float, float]
    faces_rad: float
    begins_s: float
    takes_s: float

    def on_way(self, start: tuple[float, float], end: tuple[float, float], t_s: float) -> Actor:
        share = _eased((t_s - self.begins_s) / self.takes_s)
        dx, dy = end[0] - start[0], end[1] - start[1]
        travelled = math.hypot(dx, dy) * share
        is_still = share in (0.0, 1.0)
        place = (start[0] + dx * share, start[1] + dy * share)
        heading = self.faces_rad if is_still else math.atan2(dy, dx)
        return Actor(self.figure, place, heading, travelled / STRIDE_M * 2 * math.pi, "stand" if is_still else "walk")

    def standing(self, clock_s: float) -> Actor:
        sway = math.sin(2 * math.pi * clock_s / LOOP_S * 3 + self.faces_rad)
        return Actor(self.figure, self.spot_m, self.faces_rad + 0.25 * sway, sway, "stand")


class PlazaScene:
    """A square where `people` gather in the middle and part; `zone_polygon` is the middle as shares of the picture."""

    GATHER_S = 10.0
    MIDDLE_M = (0.0, 11.0)

    def __init__(
        self,
        seed: int = 11,
        size_wh: tuple[int, int] = (1280, 720),
        fps: int = 10,
        people: int = 12,
        hour: Hour = "overcast",
        is_raining: bool = False,
    ) -> None:
        self.size_wh, self.fps = size_wh, fps
        self.durations_s: dict[str, float] = {
            "calm": LOOP_S,
            "gathering": self.GATHER_S,
            "crowded": LOOP_S,
            "dispersing": LOOP_S - self.GATHER_S,
        }
        x, y = self.MIDDLE_M
        plan = StreetPlan(None, (19.0, 19.1), (19.2, 21.0), (21.0, 28.0), 32.0, 2, None, (x, y, 6.5), (156, 162, 168))
        camera = Camera(size_wh, (2.0, -3.0, 7.8), -8.0, 25.0, 62.0)
        light = make_light(hour, is_raining)
        self._stage = Stage(camera, light, street_background(plan, camera, light, seed), seed)
        corners = [(x - 5.0, y - 3.6), (x + 5.0, y - 3.6), (x + 5.0, y + 3.8), (x - 5.0, y + 3.8)]
        self.zone_polygon = camera.ground_polygon_xyxyn(corners)
        self.zone_polygon_xyxyn = self.zone_polygon
        rng = np.random.default_rng((seed, 1))
        near, far = plan.lane_centres_m()
        self._passages = [
            _walker(rng, 5.6, True, 3.0),
            _walker(rng, 17.2, False, 10.0),
            _walker(rng, 16.6, True, 18.0),
            _walker(rng, 30.0, False, 6.0),
            _driver(rng, "sedan", near, False, 2.0),
            _driver(rng, "van", near, False, 14.0),
            _driver(rng, "suv", far, True, 8.0),
            _driver(rng, "bus", far, True, 20.0),
            _rider(rng, True, near - 1.5, False, 9.0),
        ]
        self._visitors = [self._visitor(index, people, rng) for index in range(people)]

    def _visitor(self, index: int, people: int, rng: np.random.Generator) -> _Visitor:
        """Spots lie on two rings, so that nobody stands inside anybody."""
        x, y = self.MIDDLE_M
        inner = people // 3
        ring, count, place = (1.05, inner, index) if index < inner else (2.5, people - inner, index - inner)
        angle = 2 * math.pi * (place + 0.3 * float(rng.uniform(-1, 1))) / max(1, count)
        spot = (x + math.cos(angle) * ring * 1.3, y + math.sin(angle) * ring)
        side = 1.0 if math.cos(angle) > 0 else -1.0
        outside = (x + side * float(rng.uniform(14, 17)), y + float(rng.uniform(-4, 6)))
        leaves = (x + side * float(rng.uniform(15, 18)), y + float(rng.uniform(-4, 6)))
        begins = float(rng.uniform(0, 1.5))
        facing = angle + math.pi + float(rng.normal(0, 0.4))
        return _Visitor(make_figure(rng), outside, spot, leaves, facing, begins, float(rng.uniform(7.0, 8.4)))

    def _actors(self, state: str, t_s: float) -> list[Actor]:
        if state not in self.durations_s:
            raise ValueError(f"state must be one of {', '.join(self.durations_s)}, got {state!r}")
        clock = t_s + (self.GATHER_S if state in ("crowded", "dispersing") else 0.0)
        actors = [passage.at(clock) for passage in self._passages]
        if state == "gathering":
            actors += [v.on_way(v.outside_m, v.spot_m, t_s) for v in self._visitors]
        elif state == "crowded":
            actors += [v.standing(clock) for v in self._visitors]
        elif state == "dispersing" and t_s < self.GATHER_S:
            actors += [v.on_way(v.spot_m, v.exit_m, t_s) for v in self._visitors]
        return actors

    def frame(self, state: str, t_s: float) -> Image:
        """The picture, BGR uint8 (h, w, 3), `t_s` seconds into a state."""
        return self._stage.draw(self._actors(state, t_s), round(t_s * self.fps))[0]

    def truth(self, state: str, t_s: float) -> Truth:
        """Class name and x1, y1, x2, y2 in pixels of everything that can be seen then."""
        return self._stage.draw(self._actors(state, t_s), 0, is_noisy=False)[1]


RENDER_WH = (832, 480)
STORED_WH = (416, 240)
PICTURES_PER_STREET = 8


def training_picture(stage: Stage, actors: Sequence[Actor], number: int, rng: np.random.Generator) -> tuple[bytes, str]:
    """One picture as JPEG and its labels as YOLO text, at half the rendered size."""
    image, truth = stage.draw(actors, number)
    small = cv2.resize(image, STORED_WH, interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 88))])[1]
    width, height = stage.camera.size_wh
    lines = []
    for name, (x1, y1, x2, y2) in truth:
        if min(x2 - x1, y2 - y1) / 2 < 4:
            continue
        box = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        lines.append(" ".join([str(CLASS_NAMES.index(name)), *(f"{value:.5f}" for value in box)]))
    return coded.tobytes(), "".join(f"{line}\n" for line in lines)


def write_training_tar(seed: int, count: int, out: Path) -> Path:
    """Renders `count` pictures; every eighth moves to another street."""
    out.mkdir(parents=True, exist_ok=True)
    name = f"rendered_{seed}"
    rows = ["picture,true_lines,pseudo_lines"]
    path = out / f"{name}.tar"
    with tarfile.open(path, "w") as archive:

        def add(member: str, content: bytes) -> None:
            info = tarfile.TarInfo(f"{name}/{member}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))

        for number in range(count):
            if number % PICTURES_PER_STREET == 0:
                stage, plan = random_stage(seed * 100_003 + number, RENDER_WH)
            rng = np.random.default_rng((seed, number))
            picture, labels = training_picture(stage, random_cast(plan, rng), number, rng)
            stem = f"{name}_{number:05d}"
            add(f"images/{stem}.jpg", picture)
            add(f"labels/{stem}.txt", labels.encode())
            rows.append(f"{stem}.jpg,{len(labels.splitlines())},0")
        add("pseudo.csv", ("\n".join(rows) + "\n").encode())
    return path


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Render street pictures with exact labels for training.")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other streets; the demo uses 7 and 11")
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--out", type=Path, required=True, help="folder; rendered_<seed>.tar is written there")
    options = parser.parse_args()
    print(write_training_tar(options.seed, options.count, options.out))


if __name__ == "__main__":
    main()
