"""What the demo sets up: areas, people, cameras with their rules, policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from xueliang_demo.city import City, MadeArea, make_cameras
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.theatre import LANE_CAMERA, PLAZA_CAMERA, Stage
from xueliang_streams.rtsp_server import RtspServer

OWN_CAMERA: Final = "own-camera"

# A demo cannot wait three minutes: the same table as a real one, with short limits.
POLICIES: Final[dict[str, Any]] = {
    "policies": [
        {
            "match": {"hazard": ["fire_lane_obstruction"]},
            "judge_s": 30,
            "take_s": 20,
            "arrive_s": 120,
            "auto_dispatch": True,
            "escalate": ["village", "township", "county", "city"],
            "escalate_every_s": 20,
            "check_s": 300,
            "reopen_window_s": 120,
        },
        {
            "judge_s": 60,
            "take_s": 60,
            "arrive_s": 300,
            "auto_dispatch": False,
            "escalate": ["village", "township", "county", "city"],
            "escalate_every_s": 60,
            "check_s": 300,
            "reopen_window_s": 120,
        },
    ],
    "folding": {"fire_lane_obstruction": {"radius_m": 50, "window_s": 600}},
}


def demo_plan(city: City, stage: Stage | None, own_camera: str | None) -> Plan:
    """Areas, people, and the cameras: the two rendered ones, or the user's own with a zone over its middle.

    `own_camera` is its address; empty: one of the demo's own server, which `with_urls` fills in.
    """
    grids = city.of_level("grid")
    lane_grid, plaza_grid = grids[3], grids[11]
    cameras: list[WatchedCamera] = []
    if stage is not None:
        cameras += [_lane_camera(stage, lane_grid), _plaza_camera(stage, plaza_grid)]
    if own_camera is not None:
        cameras.append(_own_camera(own_camera, lane_grid))
    registered = tuple(
        {"camera_id": one.camera_id, "name": one.name, "area_code": one.area_code, "longitude": one.longitude}
        | {"latitude": one.latitude, "place_class": one.place_class}
        for one in make_cameras(city, 24, seed=3)
    )
    accounts = (
        Account("operator", "operator", city.areas[0].code, "指挥中心值班员"),
        Account("township", "operator", lane_grid.code[:9], "街道值班员"),
        Account("worker", "worker", lane_grid.code, "网格员 小李"),
        Account("worker2", "worker", plaza_grid.code, "网格员 小周"),
        Account("admin", "admin", city.areas[0].code, "系统管理员"),
    )
    return Plan(city, tuple(cameras), registered, accounts, POLICIES)


def _polygon(points: Iterable[tuple[float, float]]) -> list[list[float]]:
    return [[round(float(x), 4), round(float(y), 4)] for x, y in points]


def _offline_rule() -> dict[str, Any]:
    return {"rule_id": "offline", "hazard": "camera_fault", "fault": "offline", "offline_after_s": 20}


def _lane_camera(stage: Stage, grid: MadeArea) -> WatchedCamera:
    rule = {
        "rule_id": "lane-blocked",
        "hazard": "fire_lane_obstruction",
        "zone": _polygon(stage.lane.lane_polygon_xyxyn),
        "dwell_s": 8,
        "clear_after_s": 3,
    }
    place = grid.polygon.representative_point()
    return WatchedCamera(
        LANE_CAMERA, "东巷消防通道", "", grid.code, place.x, place.y, "residential", (rule, _offline_rule())
    )


def _plaza_camera(stage: Stage, grid: MadeArea) -> WatchedCamera:
    rule = {
        "rule_id": "crowd",
        "hazard": "crowd",
        "zone": _polygon(stage.plaza.zone_polygon),
        "raise_at_count": 7,
        "clear_at_count": 3,
        "dwell_s": 5,
        "clear_after_s": 5,
    }
    place = grid.polygon.representative_point()
    return WatchedCamera(PLAZA_CAMERA, "北广场", "", grid.code, place.x, place.y, "mall", (rule, _offline_rule()))


def _own_camera(url: str, grid: MadeArea) -> WatchedCamera:
    middle = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.95], [0.1, 0.95]]
    rules = (
        {"rule_id": "standing", "hazard": "fire_lane_obstruction", "zone": middle, "dwell_s": 15, "clear_after_s": 3},
        {"rule_id": "crowd", "hazard": "crowd", "zone": middle, "raise_at_count": 6, "clear_at_count": 3, "dwell_s": 5},
        _offline_rule(),
    )
    place = grid.polygon.representative_point()
    return WatchedCamera(OWN_CAMERA, "自带摄像机", url, grid.code, place.x + 0.001, place.y, "other", rules)


def with_urls(plan: Plan, server: RtspServer | None) -> Plan:
    """The plan with the addresses of the demo's own RTSP server filled in."""
    if server is None:
        return plan
    return replace(
        plan, cameras=tuple(one if one.url else replace(one, url=server.url(one.camera_id)) for one in plan.cameras)
    )
