"""Where a picture's points lie on flat ground: written as pairs of points, or as one rectangle of known size.

Plain arithmetic, no numpy: the centre reads these settings too. A calibration that cannot hold (points on a line, a
mirrored or twisted set, pairs that contradict each other) is refused when it is read.

Metres are those of a map: seen from above, x to the right, y away from it by a quarter turn to the left. Any origin and
any turn will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from math import hypot, isfinite, sqrt
from typing import Annotated, Final, NamedTuple, Self

from pydantic import Field, model_validator

from xueliang_configs.values import Point, Polygon, Settings, polygon_area, problem

POINT_ERROR: Final = 0.005  # of the picture: 6 pixels of 1280, how well a point is found on a still
FLAT: Final = 1e-3  # three points that span less than this share of a square as wide as they are: on one line
NEAR_HORIZON: Final = 0.1  # a tenth of the middle's: ten times as far away, where a pixel is metres
MOST_ERROR: Final = 0.05  # of the calibration's width: pairs that are off by more contradict each other

Matrix = tuple[float, float, float, float, float, float, float, float]
Metres = Annotated[float, Field(ge=-100_000.0, le=100_000.0)]


class GroundPoint(Settings):
    """A point of the picture whose place on the ground is known."""

    picture: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]] = Field(
        description="[x, y], 0..1 of the picture, origin top left; on the ground, not above it."
    )
    metres: tuple[Metres, Metres] = Field(description="[x, y] on the ground, as on a map: y a quarter turn left of x.")


class KnownRectangle(Settings):
    """A rectangle on the ground of which the size is known: a court, a parking bay, a slab pattern."""

    corners: Polygon = Field(description="Its four corners in the picture: near left, near right, far right, far left.")
    width_m: Annotated[float, Field(gt=0, le=10_000)] = Field(description="Metres from left to right.")
    depth_m: Annotated[float, Field(gt=0, le=10_000)] = Field(description="Metres from near to far.")

    def as_points(self) -> tuple[GroundPoint, ...]:
        """The same as four pairs."""
        ground = ((0.0, 0.0), (self.width_m, 0.0), (self.width_m, self.depth_m), (0.0, self.depth_m))
        pairs = zip(self.corners, ground, strict=True)
        return tuple(GroundPoint(picture=picture, metres=metres) for picture, metres in pairs)


class GroundSettings(Settings):
    """Where the picture's points lie on the ground; `points` or `rectangle`. The ground is taken to be flat."""

    points: tuple[GroundPoint, ...] = Field(
        default=(), max_length=32, description="At least 4 pairs, no three of them on one line, far apart."
    )
    rectangle: KnownRectangle | None = Field(default=None, description="Instead of points: one thing of known size.")

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        if bool(self.points) == (self.rectangle is not None):
            got = "both" if self.points else "none"
            raise problem("ground", "expected points, or a rectangle", got, "points: [{picture: …, metres: …}, …]")
        if self.rectangle is not None and len(self.rectangle.corners) != 4:
            raise problem("ground", "expected the four corners of a rectangle", str(len(self.rectangle.corners)))
        _refuse(self.pairs)
        return self

    @property
    def pairs(self) -> tuple[GroundPoint, ...]:
        """The pairs, however they were written."""
        return self.rectangle.as_points() if self.rectangle is not None else self.points


class Ground(NamedTuple):
    """From picture to ground: a homography.

    Attributes:
        matrix: its eight figures, row by row; the ninth is 1.
        origin: the picture point it counts from: the middle of the known points, which is never at the horizon.
    """

    matrix: Matrix
    origin: Point

    def denominator(self, point: Point) -> float:
        """1 at the origin, 0 at the horizon, negative above it."""
        return self.matrix[6] * (point[0] - self.origin[0]) + self.matrix[7] * (point[1] - self.origin[1]) + 1.0

    def place(self, point: Point) -> Point:
        """Metres of a picture point below the horizon."""
        a, b, c, d, e, f, _, _ = self.matrix
        x, y = point[0] - self.origin[0], point[1] - self.origin[1]
        whole = self.denominator(point)
        return (a * x + b * y + c) / whole, (d * x + e * y + f) / whole

    def area_m2(self, zone: Sequence[Point]) -> float:
        """Square metres of a polygon of the picture, all of it below the horizon: lines stay lines."""
        return polygon_area(tuple(self.place(point) for point in zone))


class Area(NamedTuple):
    """Square metres, and by what share they may be off."""

    m2: float
    error_share: float


@lru_cache(maxsize=256)
def area_of(settings: GroundSettings, zone: tuple[Point, ...]) -> Area:
    """The ground under a zone, and how far it is off when each point is off by `POINT_ERROR`.

    Raises `problem(...)` when the zone reaches above the horizon.
    """
    ground = ground_of(settings.pairs)
    if not is_below_horizon(ground, zone):
        raise problem(
            "ground_horizon",
            "expected a zone on the ground that was measured",
            "a corner at or above its horizon",
            "draw the zone lower, or check the far points",
        )
    m2 = ground.area_m2(zone)
    squares = 0.0
    for index, pair in enumerate(settings.pairs):
        for axis in (0, 1):
            moved = _area_with(settings.pairs, index, _shifted(pair, axis), zone)
            squares += 1.0 if moved is None else min(1.0, (moved / m2 - 1.0) ** 2)
    return Area(m2, min(0.9, sqrt(squares)))


def is_below_horizon(ground: Ground, zone: Sequence[Point]) -> bool:
    """True when every corner lies well on the ground: at the horizon a hand's breadth is a kilometre."""
    return all(ground.denominator(point) > NEAR_HORIZON for point in zone)


def _shifted(pair: GroundPoint, axis: int) -> GroundPoint:
    x, y = pair.picture
    # Inwards at an edge: a point must stay in the picture.
    step = -POINT_ERROR if (x, y)[axis] > 0.5 else POINT_ERROR
    moved = (x + step, y) if axis == 0 else (x, y + step)
    return GroundPoint(picture=moved, metres=pair.metres)


def _area_with(pairs: tuple[GroundPoint, ...], index: int, other: GroundPoint, zone: Sequence[Point]) -> float | None:
    try:
        ground = ground_of((*pairs[:index], other, *pairs[index + 1 :]))
    except ZeroDivisionError:
        return None
    return ground.area_m2(zone) if is_below_horizon(ground, zone) else None


@lru_cache(maxsize=1024)
def ground_of(pairs: tuple[GroundPoint, ...]) -> Ground:
    """The homography of least squares through the pairs. ZeroDivisionError: there is none."""
    middle, scale = _frame([pair.metres for pair in pairs])
    origin = (sum(pair.picture[0] for pair in pairs) / len(pairs), sum(pair.picture[1] for pair in pairs) / len(pairs))
    normal = [[0.0] * 9 for _ in range(8)]
    for pair in pairs:
        x, y = pair.picture[0] - origin[0], pair.picture[1] - origin[1]
        u, v = ((pair.metres[0] - middle[0]) / scale, (pair.metres[1] - middle[1]) / scale)
        for row in ([x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]):
            for i in range(8):
                for j in range(9):
                    normal[i][j] += row[i] * row[j]
    a, b, c, d, e, f, g, h = _solved(normal)
    # Back to metres: u * scale + middle.
    matrix = (
        a * scale + middle[0] * g,
        b * scale + middle[0] * h,
        c * scale + middle[0],
        d * scale + middle[1] * g,
        e * scale + middle[1] * h,
        f * scale + middle[1],
        g,
        h,
    )
    return Ground(matrix, origin)


def _frame(points: Sequence[Point]) -> tuple[Point, float]:
    """Middle and half width of some points: figures near 1 keep the arithmetic exact."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    middle = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
    return middle, max(max(xs) - min(xs), max(ys) - min(ys), 1e-9) / 2


def _solved(rows: list[list[float]]) -> list[float]:
    """Gauss with row exchange; a pivot that vanishes raises ZeroDivisionError."""
    size = len(rows)
    for column in range(size):
        best = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[best] = rows[best], rows[column]
        if abs(rows[column][column]) < 1e-12:
            raise ZeroDivisionError
        for row in range(size):
            if row != column:
                share = rows[row][column] / rows[column][column]
                rows[row] = [value - share * top for value, top in zip(rows[row], rows[column], strict=True)]
    return [rows[index][size] / rows[index][index] for index in range(size)]


# What cannot hold.


def _refuse(pairs: tuple[GroundPoint, ...]) -> None:
    if len(pairs) < 4:
        raise problem("ground_points", "expected at least 4 points", str(len(pairs)), "a rectangle has four corners")
    for name, points in (("picture", [pair.picture for pair in pairs]), ("metres", [pair.metres for pair in pairs])):
        if not _spans(points):
            text = f"expected points of which four have no three on one line ({name})"
            raise problem("ground_flat", text, "points on a line or on one spot", "take the corners of a wide area")
    try:
        ground = ground_of(pairs)
    except ZeroDivisionError:
        raise problem("ground_flat", "expected points that span an area", "points that do not", "") from None
    if not all(isfinite(value) for value in ground.matrix) or not _is_facing(ground, pairs):
        raise problem(
            "ground_mirrored",
            "expected points in the order in which one sees them from above",
            "a mirrored or twisted set",
            "are two points exchanged? metres: x to the right, y away from the camera",
        )
    _refuse_contradiction(ground, pairs)


def _spans(points: Sequence[Point]) -> bool:
    """Some four of them have no three on one line."""
    _, half = _frame(points)
    least = FLAT * (2 * half) ** 2

    def is_bent(three: Sequence[Point]) -> bool:
        (x1, y1), (x2, y2), (x3, y3) = three
        return abs((x2 - x1) * (y3 - y1) - (y2 - y1) * (x3 - x1)) > least

    few = points if len(points) <= 12 else points[:12]
    return any(all(is_bent(three) for three in combinations(four, 3)) for four in combinations(few, 4))


def _is_facing(ground: Ground, pairs: Sequence[GroundPoint]) -> bool:
    """Every point in front of the camera, and seen from above: the picture's y goes down, the map's goes up."""
    a, b, c, d, e, f, g, h = ground.matrix
    turn = a * (e - f * h) - b * (d - f * g) + c * (d * h - e * g)
    return all(ground.denominator(pair.picture) > 0 for pair in pairs) and turn < 0


def _refuse_contradiction(ground: Ground, pairs: Sequence[GroundPoint]) -> None:
    _, half = _frame([pair.metres for pair in pairs])
    for index, pair in enumerate(pairs):
        x, y = ground.place(pair.picture)
        off_m = hypot(x - pair.metres[0], y - pair.metres[1])
        if off_m > MOST_ERROR * 2 * half:
            text = f"expected points that fit one flat ground to within {MOST_ERROR * 2 * half:.1f} m"
            raise problem("ground_fit", text, f"point {index} off by {off_m:.1f} m", "measure that point again")
