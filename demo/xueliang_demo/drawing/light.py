"""The time of day: how bright a face is, what colour the air has, what the sensor adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[float, float, float]
Hour = Literal["day", "overcast", "dusk", "night"]


@dataclass(frozen=True, slots=True)
class Light:
    """Sun and air.

    Attributes:
        sun: direction towards the sun, unit length; the shadow of a point at height z falls at -sun_xy / sun_z * z.
        ambient, diffuse: shares of brightness a face has in shadow, and gains when it faces the sun.
        tint: BGR factors of everything lit.
        shadow: 0 (none) to 1 (black).
        sky_top, sky_low: colours of the sky.
        haze: share of the sky's colour that is mixed in at 100 m.
        noise: standard deviation of the sensor's noise, 0..255.
    """

    hour: Hour
    sun: tuple[float, float, float]
    ambient: float
    diffuse: float
    tint: Colour
    shadow: float
    sky_top: Colour
    sky_low: Colour
    haze: float
    noise: float
    is_raining: bool = False

    @property
    def lamps_lit(self) -> bool:
        """Street lamps, head lamps and windows are on."""
        return self.hour in ("dusk", "night")

    def lit(self, colour: Colour, normal: NDArray[np.float64] | None = None) -> Colour:
        """A surface's own colour as it appears; without a normal as seen from all sides at once."""
        towards = 0.5 if normal is None else max(0.0, float(normal @ np.array(self.sun)))
        gain = self.ambient + self.diffuse * towards
        return tuple(min(255.0, c * gain * t) for c, t in zip(colour, self.tint, strict=True))  # type: ignore[return-value]


def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = float(np.sqrt(x * x + y * y + z * z))
    return x / length, y / length, z / length


def make_light(hour: Hour, is_raining: bool = False, sun_xy: tuple[float, float] = (-0.5, -0.35)) -> Light:
    """The light of an hour."""
    x, y = sun_xy
    sun = _unit(x, y, 0.8)
    if hour == "day":
        light = Light(hour, sun, 0.62, 0.5, (0.98, 1.0, 1.02), 0.42, (214, 170, 118), (232, 218, 200), 0.25, 2.5)
    elif hour == "overcast":
        light = Light(
            hour,
            _unit(x * 0.3, y * 0.3, 1),
            0.7,
            0.2,
            (1.0, 0.98, 0.95),
            0.16,
            (196, 190, 182),
            (214, 212, 208),
            0.4,
            3.0,
        )
    elif hour == "dusk":
        light = Light(hour, sun, 0.42, 0.3, (0.92, 0.86, 0.98), 0.2, (110, 78, 62), (120, 130, 190), 0.3, 5.0)
    else:
        light = Light(hour, sun, 0.27, 0.12, (1.0, 0.94, 0.9), 0.12, (34, 22, 16), (52, 40, 34), 0.2, 7.0)
    if not is_raining:
        return light
    wet = {"is_raining": True, "shadow": light.shadow * 0.3, "haze": light.haze + 0.25, "diffuse": light.diffuse * 0.5}
    return Light(**{**{name: getattr(light, name) for name in Light.__slots__}, **wet})


def add_glow(image: Image, centre_xy: tuple[float, float], radius_px: float, colour: Colour, strength: float) -> None:
    """Adds a soft spot of light, in place."""
    radius = int(max(2.0, min(radius_px, 400.0)))
    x, y = int(centre_xy[0]), int(centre_xy[1])
    x1, y1, x2, y2 = (
        max(0, x - radius),
        max(0, y - radius),
        min(image.shape[1], x + radius),
        min(image.shape[0], y + radius),
    )
    if x1 >= x2 or y1 >= y2:
        return
    dx, dy = np.arange(x1, x2, dtype=np.float32) - x, np.arange(y1, y2, dtype=np.float32) - y
    fall = np.exp(-(dx[None, :] ** 2 + dy[:, None] ** 2) * np.float32(4.0 / radius**2)) * np.float32(strength)
    spot = (fall[..., None] * np.array(colour, np.float32)).astype(np.uint8)
    cv2.add(image[y1:y2, x1:x2], spot, dst=image[y1:y2, x1:x2])


class Sensor:
    """Noise from a small bank of ready tiles, so that a frame costs one addition."""

    TILES = 6

    def __init__(self, size_wh: tuple[int, int], light: Light, seed: int) -> None:
        rng = np.random.default_rng(seed)
        width, height = size_wh
        self._tiles = []
        for _ in range(self.TILES):
            fine = rng.normal(0, light.noise, (height, width)).astype(np.float32)
            fine = cv2.GaussianBlur(fine, (0, 0), 0.7) * 1.6
            self._tiles.append(np.repeat(fine.round().astype(np.int16)[..., None], 3, 2))
        self._rain = [_rain_streaks(size_wh, rng) for _ in range(self.TILES)] if light.is_raining else []

    def expose(self, image: Image, frame_number: int) -> Image:
        """The picture as the sensor gives it."""
        if self._rain:
            cv2.add(image, self._rain[frame_number % self.TILES], dst=image)
        tile = self._tiles[(frame_number * 5 + frame_number // self.TILES) % self.TILES]
        return np.asarray(cv2.add(image, tile, dtype=cv2.CV_8U), np.uint8)


def _rain_streaks(size_wh: tuple[int, int], rng: np.random.Generator) -> Image:
    width, height = size_wh
    streaks = np.zeros((height, width, 3), np.uint8)
    for _ in range(width // 4):
        x, y = int(rng.integers(0, width)), int(rng.integers(-20, height))
        length = int(rng.uniform(0.012, 0.045) * height)
        bright = int(rng.integers(14, 44))
        cv2.line(streaks, (x, y), (x + length // 6, y + length), (bright, bright, bright), 1, cv2.LINE_AA)
    return streaks
