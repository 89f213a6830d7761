"""A picture under construction: filled shapes with sub-pixel edges, shadows, and the extent of what is being drawn."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_demo.drawing.camera import Camera, Points
from xueliang_demo.drawing.light import Colour, Image, Light

SHIFT = 4
FAR_PX = 30_000.0  # cv2 takes 32-bit fixed-point corners


class Canvas:
    """Draws in metres through a camera onto a picture; collects the drawn points of the current object."""

    def __init__(self, image: Image, camera: Camera, light: Light) -> None:
        self.image, self.camera, self.light = image, camera, light
        self._extent: list[Points] = []

    def begin_object(self) -> None:
        """Forgets the points drawn so far."""
        self._extent = []

    def object_points(self) -> Points:
        """(n, 2): outline points in pixels of everything drawn since `begin_object`."""
        return np.concatenate(self._extent) if self._extent else np.empty((0, 2))

    def scale_px(self, depth_m: float) -> float:
        """Pixels per metre at a depth."""
        return self.camera.focal_px / depth_m

    def fill(self, points_m: Points, colour: Colour) -> None:
        """A filled polygon given in the world."""
        pixels, _ = self.camera.project(points_m)
        self.fill_px(pixels, colour)

    def fill_px(self, pixels: Points, colour: Colour, counts: bool = True) -> None:
        """A filled polygon given in pixels."""
        if counts:
            self._extent.append(pixels)
        fixed = (pixels.clip(-FAR_PX, FAR_PX) * (1 << SHIFT)).round().astype(np.int32)
        cv2.fillPoly(self.image, [fixed], colour, cv2.LINE_AA, SHIFT)

    def stroke(self, points_m: Points, width_m: float, colour: Colour) -> None:
        """Round limbs: straight pieces between points, as wide as `width_m` at each piece's depth."""
        pixels, depths = self.camera.project(points_m)
        for start, end, near, far in zip(pixels, pixels[1:], depths, depths[1:], strict=False):
            width_px = width_m * self.scale_px(float(near + far) / 2)
            self.stroke_px(start, end, width_px, colour)

    def stroke_px(self, start: Points, end: Points, width_px: float, colour: Colour) -> None:
        """One round-ended piece in pixels."""
        self._extent.append(np.stack([start, end]) + np.array([[-width_px / 2], [width_px / 2]]))
        self._extent.append(np.stack([start, end]) + np.array([[width_px / 2], [-width_px / 2]]))
        ends = (np.stack([start, end]).clip(-FAR_PX, FAR_PX) * (1 << SHIFT)).round().astype(int).tolist()
        cv2.line(self.image, ends[0], ends[1], colour, max(1, round(width_px)), cv2.LINE_AA, SHIFT)

    def ball(self, centre_m: Points, radius_m: float, colour: Colour, tall: float = 1.0) -> None:
        """A sphere, or an ellipsoid `tall` times as high."""
        pixels, depths = self.camera.project(centre_m[None])
        radius = radius_m * self.scale_px(float(depths[0]))
        self._extent.append(pixels + np.array([[-radius, -radius * tall], [radius, radius * tall]]))
        x, y = (pixels[0].clip(-FAR_PX, FAR_PX) * (1 << SHIFT)).round().astype(int).tolist()
        axes = (max(1, round(radius * (1 << SHIFT))), max(1, round(radius * tall * (1 << SHIFT))))
        cv2.ellipse(self.image, (x, y), axes, 0, 0, 360, colour, -1, cv2.LINE_AA, SHIFT)

    def shadow(self, points_m: Points) -> None:
        """Darkens the ground where the hull of these points keeps the sun away."""
        if self.light.shadow <= 0.01:
            return
        sun = np.array(self.light.sun)
        fallen = points_m - points_m[:, 2:3] / sun[2] * sun
        pixels, _ = self.camera.project(fallen)
        self.darken_px(cv2.convexHull(pixels.astype(np.float32))[:, 0].astype(np.float64), self.light.shadow)

    def contact(self, points_m: Points, share: float = 0.45) -> None:
        """The dark patch right under a thing, in any light."""
        pixels, _ = self.camera.project(points_m)
        self.darken_px(pixels, share)

    def darken_px(self, pixels: Points, share: float) -> None:
        """Multiplies the polygon's inside by 1 - share, with a slightly soft edge."""
        height, width = self.image.shape[:2]
        low = np.floor(pixels.min(0)).astype(int) - 3
        high = np.ceil(pixels.max(0)).astype(int) + 4
        x1, y1, x2, y2 = max(0, int(low[0])), max(0, int(low[1])), min(width, int(high[0])), min(height, int(high[1]))
        if x1 >= x2 or y1 >= y2:
            return
        mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
        fixed = ((pixels - (x1, y1)).clip(-FAR_PX, FAR_PX) * (1 << SHIFT)).round().astype(np.int32)
        cv2.fillPoly(mask, [fixed], int(255 * share), cv2.LINE_AA, SHIFT)
        mask = np.asarray(cv2.blur(mask, (3, 3)), np.uint8)
        part = self.image[y1:y2, x1:x2]
        keep = cv2.cvtColor(cv2.bitwise_not(mask), cv2.COLOR_GRAY2BGR)
        cv2.multiply(part, keep, dst=part, scale=1 / 255)


def hull(points: Points) -> Points:
    """Convex hull of pixels (n, 2)."""
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], np.float64)


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with a share of `other`."""
    return tuple(a * (1 - share) + b * share for a, b in zip(colour, other, strict=True))  # type: ignore[return-value]


def times(colour: Colour, factor: float) -> Colour:
    """A lighter or darker colour."""
    return tuple(min(255.0, c * factor) for c in colour)  # type: ignore[return-value]


def points3(rows: Sequence[Sequence[float]]) -> Points:
    """Rows of x, y, z as an array."""
    return np.array(rows, np.float64).reshape(-1, 3)


def turn(points_m: Points, heading_rad: float, place_xy: tuple[float, float]) -> Points:
    """Local points (x ahead, y to the left) to the world: turned about z, then moved."""
    c, s = float(np.cos(heading_rad)), float(np.sin(heading_rad))
    turned = points_m @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(turned + np.array([place_xy[0], place_xy[1], 0.0]))


__all__ = ["Canvas", "Colour", "Image", "NDArray", "hull", "mix", "points3", "times", "turn"]
