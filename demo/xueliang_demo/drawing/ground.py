"""The ground seen from straight above: asphalt, paving, markings; later laid under the camera by a homography."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_demo.drawing.camera import Camera
from xueliang_demo.drawing.light import Colour, Image, Light

YELLOW: Colour = (52, 178, 226)
WHITE: Colour = (222, 224, 224)
SHIFT = 4
# Strokes of 消 防 车 道 on a grid of 0..10 (x right, y down), drawn by hand for this project.
CHARACTERS: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "消": (
        ((1, 1), (2, 2)),
        ((0.6, 3.6), (1.6, 4.6)),
        ((0.8, 9.4), (2.4, 6.4)),
        ((6.4, 0.4), (6.4, 3)),
        ((4.2, 1), (5, 2.6)),
        ((8.8, 1), (7.9, 2.6)),
        ((4.2, 3.6), (4.2, 9.6)),
        ((4.2, 3.6), (8.8, 3.6), (8.8, 9), (8, 9.4)),
        ((4.2, 5.6), (8.8, 5.6)),
        ((4.2, 7.4), (8.8, 7.4)),
    ),
    "防": (
        ((1, 0.8), (1, 9.6)),
        ((1, 0.8), (3.2, 0.8), (2.2, 3.4), (3.3, 5), (2, 6.2)),
        ((6.6, 0.2), (7, 1.6)),
        ((4, 2.4), (9.6, 2.4)),
        ((6, 2.4), (5.8, 6), (3.9, 9.6)),
        ((5.9, 5), (8.8, 5), (8.5, 9), (7.2, 9.3)),
    ),
    "车": (
        ((1.6, 1.8), (8.6, 1.8)),
        ((4.6, 0.2), (2.4, 4.8), (8.2, 4.8)),
        ((0.4, 7), (9.6, 7)),
        ((5.4, 3), (5.4, 9.8)),
    ),
    "道": (
        ((1, 1), (2, 2)),
        ((0.4, 3.8), (2, 3.8), (1.6, 7.6), (0.3, 9)),
        ((1.4, 7.8), (3.4, 9.2), (9.8, 9.4)),
        ((4.6, 0.4), (5.2, 1.4)),
        ((8, 0.4), (7.3, 1.4)),
        ((3.4, 1.9), (9.4, 1.9)),
        ((6.2, 1.9), (5.8, 3.2)),
        ((4.4, 3.2), (8.4, 3.2), (8.4, 8), (4.4, 8), (4.4, 3.2)),
        ((4.4, 4.8), (8.4, 4.8)),
        ((4.4, 6.4), (8.4, 6.4)),
    ),
}


def grain(
    size_wh: tuple[int, int], rng: np.random.Generator, cells: tuple[int, ...], strength: float
) -> NDArray[np.float32]:
    """Noise of several sizes added up, about -strength..strength."""
    width, height = size_wh
    total = np.zeros((height, width), np.float32)
    for cell in cells:
        coarse = rng.normal(0, 1, (height // cell + 2, width // cell + 2)).astype(np.float32)
        total += (
            cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR) if cell > 1 else coarse[:height, :width]
        )
    return total * np.float32(strength / len(cells) ** 0.5)


@dataclass(frozen=True, slots=True)
class GroundPlan:
    """A rectangle of ground as a picture.

    Attributes:
        x_m, y_m: extent in the world; row 0 of the picture is the largest y (farthest).
        pixels_per_m: resolution.
    """

    x_m: tuple[float, float]
    y_m: tuple[float, float]
    pixels_per_m: float
    image: Image

    def place(self, x: float, y: float) -> tuple[float, float]:
        """World to picture."""
        return (x - self.x_m[0]) * self.pixels_per_m, (self.y_m[1] - y) * self.pixels_per_m

    def _fixed(self, rows: list[tuple[float, float]]) -> NDArray[np.int32]:
        return (np.array([self.place(x, y) for x, y in rows]) * (1 << SHIFT)).round().astype(np.int32)

    def area(self, rows: list[tuple[float, float]], colour: Colour, wear: float, rng: np.random.Generator) -> None:
        """A painted or laid area; `wear` 0..1 lets the ground shine through in patches."""
        mask = np.zeros(self.image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self._fixed(rows)], 255, cv2.LINE_AA, SHIFT)
        self._lay(mask, colour, wear, rng)

    def lines(
        self,
        paths: list[list[tuple[float, float]]],
        width_m: float,
        colour: Colour,
        wear: float,
        rng: np.random.Generator,
    ) -> None:
        """Painted lines."""
        mask = np.zeros(self.image.shape[:2], np.uint8)
        width = max(1, round(width_m * self.pixels_per_m))
        for path in paths:
            cv2.polylines(mask, [self._fixed(path)], False, 255, width, cv2.LINE_AA, SHIFT)
        self._lay(mask, colour, wear, rng)

    def _lay(self, mask: Image, colour: Colour, wear: float, rng: np.random.Generator) -> None:
        left, top, wide, high = cv2.boundingRect(mask)
        if wide == 0:
            return
        bottom, right = top + high, left + wide
        part = self.image[top:bottom, left:right].astype(np.float32)
        cover = mask[top:bottom, left:right].astype(np.float32) / 255
        if wear > 0:
            rubbed = grain((right - left, bottom - top), rng, (1, 4, 14), 1.0)
            cover *= (1 - wear * (rubbed * 0.55 + 0.6)).clip(0.15, 1)
        mixed = part * (1 - cover[..., None]) + np.array(colour, np.float32) * cover[..., None]
        self.image[top:bottom, left:right] = mixed.clip(0, 255).astype(np.uint8)

    def texture(
        self,
        rows: list[tuple[float, float]],
        colour: Colour,
        strength: float,
        rng: np.random.Generator,
        cells: tuple[int, ...] = (1, 3, 20, 90),
    ) -> None:
        """A rough surface."""
        height, width = self.image.shape[0], self.image.shape[1]
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [self._fixed(rows)], 255, cv2.LINE_AA, SHIFT)
        rough = grain((width, height), rng, cells, strength)[..., None] + np.array(colour, np.float32)
        np.copyto(self.image, rough.clip(0, 255).astype(np.uint8), where=mask[..., None] > 127)

    def paving(
        self, rows: list[tuple[float, float]], slab_m: tuple[float, float], colour: Colour, rng: np.random.Generator
    ) -> None:
        """Slabs with joints, each a little different."""
        xs, ys = [x for x, _ in rows], [y for _, y in rows]
        x1, x2, y1, y2 = min(xs), max(xs), min(ys), max(ys)
        columns, lines = int((x2 - x1) / slab_m[0]) + 2, int((y2 - y1) / slab_m[1]) + 2
        tones = rng.normal(0, 7, (lines, columns)).astype(np.float32)
        px, py = slab_m[0] * self.pixels_per_m, slab_m[1] * self.pixels_per_m
        slabs = cv2.resize(tones, (round(columns * px), round(lines * py)), interpolation=cv2.INTER_NEAREST)
        left, top = self.place(x1, y2)
        height, width = self.image.shape[0], self.image.shape[1]
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [self._fixed(rows)], 255, cv2.LINE_AA, SHIFT)
        full: NDArray[np.float32] = np.zeros((height, width), np.float32)
        a, b = max(0, int(top)), max(0, int(left))
        part = np.asarray(slabs, np.float32)[: height - a, : width - b]
        full[a : a + part.shape[0], b : b + part.shape[1]] = part
        full += grain((width, height), rng, (1, 30), 5)
        np.copyto(
            self.image,
            (full[..., None] + np.array(colour, np.float32)).clip(0, 255).astype(np.uint8),
            where=mask[..., None] > 127,
        )
        joints = [[(x1 + i * slab_m[0], y1), (x1 + i * slab_m[0], y2)] for i in range(1, columns)]
        joints += [[(x1, y2 - i * slab_m[1]), (x2, y2 - i * slab_m[1])] for i in range(1, lines)]
        inside = [p for p in joints if x1 <= p[0][0] <= x2 and y1 <= p[0][1] <= y2]
        dark: Colour = tuple(c * 0.82 for c in colour)  # type: ignore[assignment]
        self.lines(inside, 0.02, dark, 0.3, rng)

    def words(
        self,
        text: str,
        at_xy: tuple[float, float],
        height_m: float,
        step_m: float,
        colour: Colour,
        rng: np.random.Generator,
    ) -> None:
        """Letters or the four characters, painted along x; y up is the top of the letters."""
        width_m = step_m * 0.78
        for index, letter in enumerate(text):
            left = at_xy[0] + index * step_m
            if letter in CHARACTERS:
                paths = [
                    [(left + x / 10 * width_m, at_xy[1] - y / 10 * height_m) for x, y in path]
                    for path in CHARACTERS[letter]
                ]
                self.lines(paths, width_m * 0.075, colour, 0.35, rng)
            elif letter.strip():
                self._letter(letter, (left, at_xy[1]), (width_m, height_m), colour, rng)

    def _letter(
        self,
        letter: str,
        at_xy: tuple[float, float],
        size_m: tuple[float, float],
        colour: Colour,
        rng: np.random.Generator,
    ) -> None:
        tile = np.zeros((128, 112), np.uint8)
        cv2.putText(tile, letter, (14, 108), cv2.FONT_HERSHEY_DUPLEX, 4.2, 255, 18, cv2.LINE_AA)
        width, height = round(size_m[0] * self.pixels_per_m), round(size_m[1] * self.pixels_per_m)
        small = cv2.resize(tile, (max(1, width), max(1, height)), interpolation=cv2.INTER_AREA)
        left, top = (round(v) for v in self.place(*at_xy))
        mask = np.zeros(self.image.shape[:2], np.uint8)
        if left < 0 or top < 0:
            return
        part = mask[top : top + height, left : left + width]
        part[:] = small[: part.shape[0], : part.shape[1]]
        self._lay(mask, colour, 0.35, rng)

    def stains(self, area: tuple[float, float, float, float], count: int, rng: np.random.Generator) -> None:
        """Oil spots, mended patches and cracks in x1, y1, x2, y2."""
        x1, y1, x2, y2 = area
        for _ in range(count):
            x, y = float(rng.uniform(x1, x2)), float(rng.uniform(y1, y2))
            kind = rng.random()
            if kind < 0.5:
                ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
                spread = rng.uniform(0.1, 0.5, 12)
                blob = [(x + float(np.cos(a) * r), y + float(np.sin(a) * r)) for a, r in zip(ring, spread, strict=True)]
                self.area(blob, (62, 62, 64), 0.75, rng)
            elif kind < 0.7:
                w, h = float(rng.uniform(0.6, 2.5)), float(rng.uniform(0.5, 1.6))
                self.area([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], (76, 76, 78), 0.25, rng)
            else:
                steps = np.cumsum(rng.normal(0, 0.35, (8, 2)), 0) + np.array([x, y])
                self.lines([[(float(a), float(b)) for a, b in steps]], 0.025, (58, 58, 60), 0.2, rng)

    def manhole(self, x: float, y: float) -> None:
        """A round cast-iron cover."""
        a, b = self.place(x, y)
        centre, radius = (
            (round(a * (1 << SHIFT)), round(b * (1 << SHIFT))),
            round(0.36 * self.pixels_per_m * (1 << SHIFT)),
        )
        cv2.circle(self.image, centre, radius, (66, 68, 70), -1, cv2.LINE_AA, SHIFT)
        cv2.circle(
            self.image, centre, radius, (104, 106, 108), max(1, round(0.05 * self.pixels_per_m)), cv2.LINE_AA, SHIFT
        )


def blank_ground(
    x_m: tuple[float, float], y_m: tuple[float, float], pixels_per_m: float, colour: Colour, rng: np.random.Generator
) -> GroundPlan:
    """Rough ground of one colour, to lay the rest on."""
    width, height = round((x_m[1] - x_m[0]) * pixels_per_m), round((y_m[1] - y_m[0]) * pixels_per_m)
    rough = grain((width, height), rng, (1, 2, 16, 80), 6.0)[..., None] + np.array(colour, np.float32)
    return GroundPlan(x_m, y_m, pixels_per_m, rough.clip(0, 255).astype(np.uint8))


def paint_fire_lane(
    plan: GroundPlan, x_m: tuple[float, float], y_m: tuple[float, float], rng: np.random.Generator, wear: float = 0.3
) -> None:
    """Yellow border and hatching, the four characters and FIRE LANE in between."""
    (x1, x2), (y1, y2) = x_m, y_m
    edge = [[(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]]
    plan.lines(edge, 0.16, YELLOW, wear, rng)
    depth, inset = y2 - y1, 0.12
    words_m = min(10.4, (x2 - x1) * 0.54)
    middle = (x1 + x2) / 2
    step = 1.1
    hatch = []
    for start in np.arange(x1 + 0.4, x2 - depth * 0.6, step):
        ends = (float(start), float(start) + depth * 0.6)
        if ends[1] > middle - words_m / 2 - 0.3 and ends[0] < middle + words_m / 2 + 0.3:
            continue
        hatch.append([(ends[0], y1 + inset), (ends[1], y2 - inset)])
    plan.lines(hatch, 0.13, YELLOW, wear, rng)
    plan.words("消防车道", (middle - words_m / 2, y2 - depth * 0.1), depth * 0.48, words_m / 4, YELLOW, rng)
    plan.words("FIRE LANE", (middle - words_m / 2, y2 - depth * 0.64), depth * 0.26, words_m / 9, YELLOW, rng)


def lay_ground(plan: GroundPlan, camera: Camera, light: Light, background: Image) -> Image:
    """The plan as the camera sees it, over `background` (sky), twice oversampled so that far lines stay calm."""
    scale = plan.pixels_per_m
    to_pixels = camera.plane_homography(
        np.array([plan.x_m[0], plan.y_m[1], 0.0]), np.array([1 / scale, 0.0, 0.0]), np.array([0.0, -1 / scale, 0.0])
    )
    width, height = camera.size_wh
    double = np.diag([2.0, 2.0, 1.0]) @ to_pixels
    tinted = cv2.multiply(plan.image, np.array([*(light.lit((1.0, 1.0, 1.0), np.array([0.0, 0.0, 1.0]))), 0.0]))
    big = cv2.warpPerspective(tinted, double, (width * 2, height * 2), flags=cv2.INTER_LINEAR)
    ones = np.full(plan.image.shape[:2], 255, np.uint8)
    cover = cv2.warpPerspective(ones, double, (width * 2, height * 2), flags=cv2.INTER_LINEAR)
    ground = cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    horizon = camera.horizon_y()
    rows = np.arange(height, dtype=np.float32)[:, None, None]
    share = share * (rows > horizon)
    distance = camera.position_m[2] * camera.focal_px / np.maximum(rows - horizon, 1.0)
    haze = (distance / 100 * light.haze).clip(0, 0.8)
    ground = ground * (1 - haze) + np.array(light.sky_low, np.float32) * haze
    return np.asarray((background * (1 - share) + ground * share).clip(0, 255).astype(np.uint8))
