"""A camera on a pole above flat ground, and the way from metres to pixels.

World: metres, x to the right, y away from the camera's pole, z up, ground at z = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
NEAREST_M = 0.5


@lru_cache(maxsize=64)
def _axes(yaw_deg: float, pitch_deg: float) -> Points:
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
    ahead = np.array([math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), -math.sin(pitch)])
    axes = np.stack([right, np.cross(ahead, right), ahead])
    axes.flags.writeable = False
    return axes


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera.

    Attributes:
        position_m: x, y and height of the lens.
        yaw_deg: turn to the right of the y axis; pitch_deg: downwards from the horizon.
        width_fov_deg: horizontal field of view.
    """

    size_wh: tuple[int, int]
    position_m: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float
    width_fov_deg: float

    @property
    def focal_px(self) -> float:
        """Pixels per metre at one metre."""
        return self.size_wh[0] / 2 / math.tan(math.radians(self.width_fov_deg) / 2)

    def axes(self) -> Points:
        """(3, 3): the camera's right, down and forward directions in the world."""
        return _axes(self.yaw_deg, self.pitch_deg)

    def project(self, points_m: Points) -> tuple[Points, Points]:
        """World points (n, 3) to pixels (n, 2) and depths (n,); a depth is never below `NEAREST_M`."""
        local = (points_m - np.array(self.position_m)) @ self.axes().T
        depth = np.maximum(local[:, 2], NEAREST_M)
        centre = np.array(self.size_wh) / 2
        return local[:, :2] / depth[:, None] * self.focal_px + centre, depth

    def depth_of(self, point_m: Points) -> float:
        """How far ahead of the lens a point lies; negative behind it."""
        return float((point_m - np.array(self.position_m)) @ self.axes()[2])

    def plane_homography(self, origin_m: Points, across_m: Points, along_m: Points) -> Points:
        """(3, 3): from (a, b) on the plane origin + a * across + b * along to homogeneous pixels."""
        axes, centre = self.axes(), np.array(self.size_wh) / 2
        columns = np.stack([axes @ across_m, axes @ along_m, axes @ (origin_m - np.array(self.position_m))], 1)
        lens = np.array([[self.focal_px, 0, centre[0]], [0, self.focal_px, centre[1]], [0, 0, 1.0]])
        return np.asarray(lens @ columns)

    def horizon_y(self) -> float:
        """The row of the horizon in pixels; negative when it is above the picture."""
        return self.size_wh[1] / 2 - math.tan(math.radians(self.pitch_deg)) * self.focal_px

    def ground_polygon_xyxyn(self, corners_m: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Corners on the ground as shares of the picture, clipped to it point by point."""
        pixels, _ = self.project(np.array([(x, y, 0.0) for x, y in corners_m]))
        scaled = (pixels / np.array(self.size_wh)).clip(0.0, 1.0)
        return [(round(float(x), 4), round(float(y), 4)) for x, y in scaled]
