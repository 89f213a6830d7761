"""The drawn lane: walkers and traffic beside it all the time, and vehicles that stand in it at times known exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

import xueliang_demo
from tests.bench.edge_bench.recipes import RenderedScene
from tests.bench.edge_bench.transcoding import Image
from xueliang_demo.drawing.stage import Actor
from xueliang_demo.drawing.vehicle_models import VehicleKind, delivery_truck, make_vehicle
from xueliang_demo.scenes import FireLaneScene

DRAWN_FPS: Final = 10  # drawing is what costs here; each picture is shown two or three times at 25 a second
DRAWN_WH: Final = (1280, 720)
_KINDS: Final[tuple[VehicleKind | None, ...]] = (
    None,
    "sedan",
    "van",
    "truck",
    "suv",
)  # None: the demo's delivery truck


class OnsetLane(FireLaneScene):
    """The demo's lane with a timetable instead of states."""

    def __init__(self, scene: RenderedScene) -> None:
        super().__init__(scene.seed, DRAWN_WH, DRAWN_FPS, scene.hour)
        self._scene = scene
        rng = np.random.default_rng((scene.seed, 9))
        kinds = [_KINDS[(scene.seed + number) % len(_KINDS)] for number in range(len(scene.onsets))]
        self._visitors = [delivery_truck() if kind is None else make_vehicle(kind, rng) for kind in kinds]

    def picture(self, t_s: float) -> Image:
        """BGR, `t_s` seconds into the clip."""
        actors = [passage.at(t_s) for passage in self._passages]
        visitor = self._visitor_at(t_s)
        return self._stage.draw([*actors, *([visitor] if visitor else [])], round(t_s * self.fps))[0]

    def _visitor_at(self, t_s: float) -> Actor | None:
        for (stands_s, leaves_s), vehicle in zip(self._scene.onsets, self._visitors, strict=True):
            arrives_s = stands_s - self.ARRIVE_S
            if not arrives_s <= t_s < leaves_s + self.LEAVE_S:
                continue
            x = self.STOP_X_M
            if t_s < stands_s:
                x -= 21.0 * ((stands_s - t_s) / self.ARRIVE_S) ** 2
            elif t_s > leaves_s:
                x += 24.0 * ((t_s - leaves_s) / self.LEAVE_S) ** 2
            return Actor(vehicle, (x, self._lane_y_m), 0.0, x)
        return None


def drawn_pictures(scene: RenderedScene) -> Iterator[Image]:
    """BGR pictures of the whole scene, `DRAWN_FPS` a second."""
    lane = OnsetLane(scene)
    for number in range(round(scene.length_s * DRAWN_FPS)):
        yield lane.picture(number / DRAWN_FPS)


def drawing_sha256() -> str:
    """Over the code that draws: other drawing, other clips."""
    folder = Path(xueliang_demo.__file__).parent
    sources = [folder / "scenes.py", Path(__file__), *sorted((folder / "drawing").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
