"""What stands still: sky, house fronts, trees, lamps, kerbs, bollards, bins and planters."""

from __future__ import annotations

import cv2
import numpy as np

from xueliang_demo.drawing.camera import Camera, Points
from xueliang_demo.drawing.canvas import Canvas, mix, points3, times
from xueliang_demo.drawing.ground import grain
from xueliang_demo.drawing.light import Colour, Image, Light, add_glow

WALLS: tuple[Colour, ...] = (
    (176, 190, 204),
    (150, 160, 170),
    (140, 168, 196),
    (196, 200, 202),
    (120, 136, 160),
    (168, 176, 176),
)
SIGNS: tuple[Colour, ...] = ((40, 50, 170), (150, 90, 30), (50, 130, 60), (40, 150, 210), (110, 50, 110))


def sky(camera: Camera, light: Light) -> Image:
    """A gradient down to the horizon."""
    width, height = camera.size_wh
    share = (np.arange(height, dtype=np.float32) / max(1.0, camera.horizon_y() + 1)).clip(0, 1)[:, None, None]
    column = np.array(light.sky_top, np.float32) * (1 - share) + np.array(light.sky_low, np.float32) * share
    return np.repeat(column, width, 1).clip(0, 255).astype(np.uint8)


def facade(width_m: float, floors: int, rng: np.random.Generator, light: Light, has_shops: bool = True) -> Image:
    """A house front as a flat picture, 24 pixels a metre, already lit."""
    scale, floor_m = 24, 3.2
    wall = times(WALLS[int(rng.integers(len(WALLS)))], float(rng.uniform(0.8, 1.05)))
    height_m = floors * floor_m + 0.8
    width, height = int(width_m * scale), int(height_m * scale)
    rough = grain((width, height), rng, (1, 3, 40), 5.0)[..., None] + np.array(wall, np.float32)
    image = rough.clip(0, 255).astype(np.uint8)
    cv2.rectangle(image, (0, 0), (width, int(0.5 * scale)), times(wall, 0.75), -1)
    lit_windows: list[tuple[int, int, int, int]] = []
    step = float(rng.uniform(2.2, 3.4))
    for floor in range(floors):
        base = height - int(floor * floor_m * scale)
        cv2.line(image, (0, base - int(floor_m * scale)), (width, base - int(floor_m * scale)), times(wall, 0.86), 2)
        if floor == 0 and has_shops:
            lit_windows += _shops(image, base, width, scale, rng)
            continue
        for left in np.arange(0.7, width_m - 1.6, step):
            x, y = int(left * scale), base - int(2.5 * scale)
            w, h = int(1.4 * scale), int(1.5 * scale)
            glass = mix(
                light.sky_low if not light.lamps_lit else (60, 54, 50), (80, 74, 66), float(rng.uniform(0.4, 0.85))
            )
            cv2.rectangle(image, (x, y), (x + w, y + h), glass, -1)
            cv2.rectangle(image, (x, y), (x + w, y + h), times(wall, 1.12), 2)
            cv2.line(image, (x + w // 2, y), (x + w // 2, y + h), times(wall, 1.05), 2)
            cv2.rectangle(image, (x - 3, y + h), (x + w + 3, y + h + 4), times(wall, 0.7), -1)
            if rng.random() < 0.3:
                cv2.rectangle(image, (x + w + 6, y + h - 14), (x + w + 24, y + h + 4), (196, 198, 198), -1)
                cv2.circle(image, (x + w + 15, y + h - 5), 6, (120, 122, 122), 1)
            if rng.random() < 0.4:
                lit_windows.append((x + 2, y + 2, x + w - 2, y + h - 2))
    gain = light.lit((1.0, 1.0, 1.0), np.array([0.0, -1.0, 0.0]))
    image = np.asarray(cv2.multiply(image, np.array([*gain, 0.0])), np.uint8)
    if light.lamps_lit:
        for x1, y1, x2, y2 in lit_windows:
            cv2.rectangle(image, (x1, y1), (x2, y2), times((120, 190, 230), float(rng.uniform(0.6, 1.05))), -1)
    return image


def _shops(
    image: Image, base: int, width: int, scale: int, rng: np.random.Generator
) -> list[tuple[int, int, int, int]]:
    left, fronts = int(0.4 * scale), []
    while left < width - 3 * scale:
        span = int(rng.uniform(3.2, 5.5) * scale)
        right = min(width - 8, left + span)
        sign = times(SIGNS[int(rng.integers(len(SIGNS)))], float(rng.uniform(0.75, 1.1)))
        cv2.rectangle(image, (left, base - int(3.05 * scale)), (right, base - int(2.45 * scale)), sign, -1)
        for k in range(left + 12, right - 18, 20):
            cv2.rectangle(
                image,
                (k, base - int(2.92 * scale)),
                (k + 12, base - int(2.6 * scale)),
                (226, 230, 232),
                int(rng.integers(1, 4)),
            )
        is_shut = rng.random() < 0.3
        pane: Colour = (128, 130, 132) if is_shut else (78, 70, 62)
        cv2.rectangle(image, (left + 5, base - int(2.35 * scale)), (right - 5, base - 3), pane, -1)
        if is_shut:
            for y in range(base - int(2.3 * scale), base - 4, 6):
                cv2.line(image, (left + 5, y), (right - 5, y), (108, 110, 112), 1)
        else:
            for x in range(left + 5, right - 5, int(1.1 * scale)):
                cv2.line(image, (x, base - int(2.35 * scale)), (x, base - 3), (150, 152, 152), 2)
            cv2.rectangle(image, (left + 8, base - int(0.5 * scale)), (right - 8, base - 5), (98, 96, 92), -1)
            fronts.append((left + 7, base - int(2.3 * scale), right - 7, base - int(0.55 * scale)))
        left = right + int(rng.uniform(0.2, 0.8) * scale)
    return fronts


def stand_facade(canvas: Canvas, front: Image, origin_m: tuple[float, float], along: tuple[float, float]) -> None:
    """Puts a house front upright with its left foot at `origin_m`, running `along` (unit vector on the ground)."""
    scale = 24.0
    height_m, width_m = front.shape[0] / scale, front.shape[1] / scale
    ends = [np.array([origin_m[0] + along[0] * d, origin_m[1] + along[1] * d, 0.0]) for d in (0.0, width_m)]
    if min(canvas.camera.depth_of(end) for end in ends) < 1.0:
        return
    homography = canvas.camera.plane_homography(
        np.array([origin_m[0], origin_m[1], height_m]),
        np.array([along[0] / scale, along[1] / scale, 0.0]),
        np.array([0.0, 0.0, -1 / scale]),
    )
    size = canvas.camera.size_wh
    double = (size[0] * 2, size[1] * 2)
    bigger = np.diag([2.0, 2.0, 1.0]) @ homography
    warped = cv2.resize(
        cv2.warpPerspective(front, bigger, double, flags=cv2.INTER_LINEAR), size, interpolation=cv2.INTER_AREA
    )
    cover = cv2.warpPerspective(np.full(front.shape[:2], 255, np.uint8), bigger, double, flags=cv2.INTER_LINEAR)
    share = cv2.resize(cover, size, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    canvas.image[:] = (canvas.image * (1 - share) + warped * share).clip(0, 255).astype(np.uint8)


def block(
    canvas: Canvas, low_m: tuple[float, float, float], high_m: tuple[float, float, float], colour: Colour
) -> None:
    """An axis-parallel box: kerbs, planters, bins, parcels, houses' flanks."""
    (x1, y1, z1), (x2, y2, z2) = low_m, high_m
    lens = canvas.camera.position_m
    faces: list[tuple[Points, Points, bool]] = [
        (points3([[x1, y1, z2], [x2, y1, z2], [x2, y2, z2], [x1, y2, z2]]), np.array([0.0, 0.0, 1.0]), lens[2] > z2),
        (points3([[x1, y1, z1], [x2, y1, z1], [x2, y1, z2], [x1, y1, z2]]), np.array([0.0, -1.0, 0.0]), lens[1] < y1),
        (points3([[x1, y2, z1], [x2, y2, z1], [x2, y2, z2], [x1, y2, z2]]), np.array([0.0, 1.0, 0.0]), lens[1] > y2),
        (points3([[x1, y1, z1], [x1, y2, z1], [x1, y2, z2], [x1, y1, z2]]), np.array([-1.0, 0.0, 0.0]), lens[0] < x1),
        (points3([[x2, y1, z1], [x2, y2, z1], [x2, y2, z2], [x2, y1, z2]]), np.array([1.0, 0.0, 0.0]), lens[0] > x2),
    ]
    for corners, normal, is_seen in faces:
        if is_seen and max(canvas.camera.depth_of(corner) for corner in corners) > 0.6:
            canvas.fill(corners, canvas.light.lit(colour, normal))


def block_shadow(canvas: Canvas, low_m: tuple[float, float, float], high_m: tuple[float, float, float]) -> None:
    """The shadow of a box."""
    (x1, y1, z1), (x2, y2, z2) = low_m, high_m
    canvas.shadow(points3([[x, y, z] for x in (x1, x2) for y in (y1, y2) for z in (z1, z2)]))


def tree(canvas: Canvas, place: tuple[float, float], height_m: float, rng: np.random.Generator) -> None:
    """Trunk and a crown of overlapping balls, light at the top."""
    x, y = place
    crown_m = height_m * 0.3
    green = times(((44, 92, 62), (40, 104, 84), (52, 84, 50))[int(rng.integers(3))], float(rng.uniform(0.8, 1.2)))
    canvas.stroke(points3([[x, y, 0], [x, y, height_m * 0.62]]), 0.22, canvas.light.lit((62, 74, 88)))
    balls = []
    for _ in range(60):
        offset = rng.normal(0, 1, 3)
        offset *= crown_m * rng.uniform(0.25, 0.95) / np.linalg.norm(offset)
        balls.append(np.array([x, y, height_m * 0.72]) + offset * np.array([1, 1, 0.85]))
    for centre in sorted(balls, key=lambda c: float(c[2]) + 0.3 * -float(c[1])):
        lift = (float(centre[2]) - height_m * 0.72) / crown_m
        colour = times(green, 0.9 + 0.38 * lift + float(rng.normal(0, 0.1)))
        canvas.ball(centre, crown_m * float(rng.uniform(0.16, 0.34)), canvas.light.lit(colour))


def tree_shadow(canvas: Canvas, place: tuple[float, float], height_m: float) -> None:
    """Where the crown keeps the sun away."""
    ring = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    crown = np.column_stack(
        [
            place[0] + np.cos(ring) * height_m * 0.27,
            place[1] + np.sin(ring) * height_m * 0.27,
            np.full(14, height_m * 0.72),
        ]
    )
    canvas.shadow(crown)


def lamp_post(canvas: Canvas, place: tuple[float, float], reach_m: float, height_m: float = 6.5) -> None:
    """A street lamp; at night it shines."""
    x, y = place
    grey = canvas.light.lit((110, 108, 104))
    canvas.stroke(points3([[x, y, 0], [x, y, height_m]]), 0.14, grey)
    canvas.stroke(points3([[x, y, height_m], [x, y + reach_m, height_m + 0.15]]), 0.1, grey)
    head = np.array([x, y + reach_m, height_m + 0.1])
    canvas.stroke(
        np.stack([head, head + np.array([0, np.sign(reach_m) * 0.5, 0])]),
        0.2,
        (210, 240, 250) if canvas.light.lamps_lit else grey,
    )
    if canvas.light.lamps_lit:
        pixels, depth = canvas.camera.project(head[None])
        add_glow(
            canvas.image,
            (float(pixels[0, 0]), float(pixels[0, 1])),
            canvas.scale_px(float(depth[0])) * 1.6,
            (150, 200, 230),
            0.8,
        )


def pool_of_light(canvas: Canvas, place: tuple[float, float], radius_m: float = 5.5) -> None:
    """The bright round on the ground below a lamp."""
    ring = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    mask = np.zeros(canvas.image.shape[:2], np.uint8)
    for share, gain in ((1.0, 30), (0.75, 60), (0.5, 95), (0.3, 120)):
        circle = np.column_stack(
            [place[0] + np.cos(ring) * radius_m * share, place[1] + np.sin(ring) * radius_m * share, np.zeros(24)]
        )
        if min(canvas.camera.depth_of(p) for p in circle) < 0.6:
            return
        cv2.fillPoly(
            mask, [canvas.camera.project(circle)[0].clip(-9999, 9999).round().astype(np.int32)], gain, cv2.LINE_AA
        )
    blur = max(3, canvas.image.shape[1] // 24) | 1
    soft = cv2.blur(cv2.blur(mask, (blur, blur // 2 | 1)), (blur, blur // 2 | 1)).astype(np.float32)[..., None] / 255
    canvas.image[:] = (canvas.image * (1 + soft * np.array([1.7, 2.2, 2.4], np.float32))).clip(0, 255).astype(np.uint8)


def bollard(canvas: Canvas, place: tuple[float, float]) -> None:
    """A short post with a band."""
    x, y = place
    canvas.contact(
        points3([[x - 0.15, y - 0.12, 0], [x + 0.15, y - 0.12, 0], [x + 0.15, y + 0.12, 0], [x - 0.15, y + 0.12, 0]]),
        0.3,
    )
    canvas.stroke(points3([[x, y, 0.05], [x, y, 0.85]]), 0.14, canvas.light.lit((70, 70, 72)))
    canvas.stroke(points3([[x, y, 0.62], [x, y, 0.72]]), 0.15, canvas.light.lit((50, 190, 230)))


def sign_post(canvas: Canvas, place: tuple[float, float], colour: Colour) -> None:
    """A round traffic sign on a pole."""
    x, y = place
    canvas.stroke(points3([[x, y, 0], [x, y, 2.5]]), 0.07, canvas.light.lit((150, 150, 150)))
    canvas.ball(np.array([x, y, 2.5]), 0.33, canvas.light.lit((46, 40, 190)))
    canvas.ball(np.array([x, y - 0.03, 2.5]), 0.25, canvas.light.lit(colour))
