"""The demo's RTSP cameras and what happens before them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_demo.api_client import Person
from xueliang_demo.footage import lane_scene, plaza_scene, render
from xueliang_demo.plays import CrowdDirector, LaneDirector, Play
from xueliang_streams.rtsp_server import RtspServer

LANE_CAMERA: Final = "lane-east"
PLAZA_CAMERA: Final = "plaza-north"
DRIVER_LEAVES_AFTER_S: Final = 5.0
LORRY_STANDS_AT_MOST_S: Final = 300.0
LORRY_COMES_AGAIN_AFTER_S: Final = 90.0
PLAZA_CALM_S: Final = 60.0
PLAZA_CROWDED_S: Final = 70.0


class Stage:
    """Two cameras: a fire lane where a lorry comes and goes, a plaza where people gather and part."""

    def __init__(
        self,
        folder: Path,
        *,
        lorry_after_s: float,
        stands_s: float = LORRY_STANDS_AT_MOST_S,
        again_after_s: float = LORRY_COMES_AGAIN_AFTER_S,
        say: Callable[[str], None] = print,
    ) -> None:
        self.lane, self.plaza = lane_scene(), plaza_scene()
        lane_footage = render(self.lane, folder / "lane", say)
        plaza_footage = render(self.plaza, folder / "plaza", say)
        self.lane_director = LaneDirector(
            system_mono,
            first_after_s=lorry_after_s,
            again_after_s=again_after_s,
            stands_at_most_s=stands_s,
        )
        crowd_director = CrowdDirector(calm_s=PLAZA_CALM_S, crowded_s=PLAZA_CROWDED_S)
        self._lane_footage, self._plaza_footage = lane_footage, plaza_footage
        self._plaza_play = Play(plaza_footage.acts, "calm", crowd_director.decide, system_mono)
        self.server: RtspServer | None = None

    def open(self) -> RtspServer:
        lane_play = Play(self._lane_footage.acts, "empty", self.lane_director.decide, system_mono)
        mounts = {
            LANE_CAMERA: self._lane_footage.mount(lane_play, "empty"),
            PLAZA_CAMERA: self._plaza_footage.mount(self._plaza_play, "calm"),
        }
        self.server = RtspServer(mounts, wall=system_wall)
        self.server.start()
        return self.server

    def close(self) -> None:
        if self.server is not None:
            self.server.close()


class DriverTold(threading.Thread):
    """Watches the street as the grid worker does: once a lane task is *handled*, the driver has been told to leave."""

    def __init__(self, operator: Person, director: LaneDirector) -> None:
        super().__init__(daemon=True, name="driver-told")
        self._operator, self._director = operator, director
        self._ended = threading.Event()
        self._known: set[str] = set()

    def run(self) -> None:
        while not self._ended.wait(0.5):
            with contextlib.suppress(httpx.HTTPError):
                for task in self._operator.tasks():
                    is_lane = task["incident"]["place"]["camera_id"] == LANE_CAMERA
                    if is_lane and task["state"] == "handled" and task["task_id"] not in self._known:
                        self._known.add(task["task_id"])
                        self._director.driver_told(DRIVER_LEAVES_AFTER_S)

    def end(self) -> None:
        self._ended.set()
        self.join(5)
