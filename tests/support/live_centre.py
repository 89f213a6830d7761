"""A centre with live view turned on, cameras by RTSP, and people with and without the right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.clips import moving_box_clip
from tests.support.puppet_node import CentreOnly
from xueliang_alerts.clocks import system_wall
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.values import CameraUrl
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_streams.encoding import VideoCodec
from xueliang_streams.rtsp_server import RtspServer
from xueliang_streams.segments import ClipMount

SIZE_WH: Final = (640, 360)
AT_ONCE: Final = 2


class LiveCentre(CentreOnly):
    """As `CentreOnly`, with `centre.live_view`."""

    is_on = True

    def _centre_settings(self) -> dict[str, Any]:
        settings = super()._centre_settings()
        if self.is_on:
            settings["centre"]["live_view"] = {"minutes": 1, "at_once": AT_ONCE}
        return settings


@contextmanager
def live_centre(folder: Path, *, is_on: bool = True) -> Iterator[LiveCentre]:
    city = make_city(DEMO)
    grid, other = city.of_level("grid")[3], city.of_level("county")[-1]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{i}", f"东巷{i}号", "file:none.mp4", grid.code, place.x + i * 0.002, place.y)
        for i in range(4)
    )
    top = city.areas[0].code
    accounts = (
        Account("operator", "operator", top, "值班员"),
        Account("elsewhere", "operator", other.code, "别处"),
        Account("guard", "security", top, "安全管理员"),
        Account("worker", "worker", grid.code, "网格员"),
    )
    installation = LiveCentre(folder, Plan(city, cameras, (), accounts, POLICIES))
    installation.is_on = is_on
    with installation:
        installation.start()
        yield installation


@contextmanager
def rtsp_cameras(folder: Path, names: dict[str, VideoCodec]) -> Iterator[dict[str, str]]:
    """Cameras that show a moving box, 10 pictures a second: name to codec; gives their addresses."""
    clips = {
        name: ClipMount(
            moving_box_clip(folder / f"{name}.mp4", seconds=4, fps=10, size_wh=SIZE_WH, codec=codec, gop=10)
        )
        for name, codec in names.items()
    }
    with RtspServer(clips, wall=system_wall) as server:
        yield {name: server.url(name) for name in clips}


def camera_at(camera_id: str, url: str, **more: Any) -> CameraConfig:
    return CameraConfig(camera_id=camera_id, name=camera_id, url=CameraUrl(url), **more)


class AtTheCentre:
    """A person with a session, over real HTTP."""

    def __init__(self, centre: CentreOnly, username: str) -> None:
        self.client = httpx.Client(base_url=centre.origin, timeout=30, trust_env=False)
        body = {"username": username, "password": centre.password_of(username)}
        answer = self.client.post("/api/session", json=body)
        answer.raise_for_status()
        self.client.headers["x-csrf-token"] = answer.json()["csrf"]
        self.user_id = answer.json()["user"]["user_id"]

    def __enter__(self) -> AtTheCentre:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def watching(self, camera_id: str, **body: Any) -> Any:
        """A context manager that gives the answer, its stream not read yet."""
        wanted = {"purpose": "emergency", "note": "有人呼救，确认现场"} | body
        return self.client.stream("POST", f"/api/live-views/{camera_id}", json=wanted)

    def refused(self, camera_id: str, **body: Any) -> tuple[int, str, str]:
        """Status, code and words of a view that is not given."""
        with self.watching(camera_id, **body) as answer:
            answer.read()
            problem = answer.json()
            return answer.status_code, problem["code"], str(problem.get("detail", ""))

    def give_right(self, user_id: str, *, days: float = 1) -> httpx.Response:
        until = (system_wall() + timedelta(days=days)).isoformat()
        return self.client.put(f"/api/users/{user_id}/live-right", json={"until": until, "why": "汛期值守"})

    def take_right(self, user_id: str) -> httpx.Response:
        return self.client.delete(f"/api/users/{user_id}/live-right")
