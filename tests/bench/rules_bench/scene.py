"""Things that move over a made-up picture, and where each of them is at every moment. Pure; coordinates 0..1.

A thing's path is made of straight moves. Two points at one place are a stand: its times are exact, which is what the
truth of a scenario rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_INSIDE_PICTURE: Final = 0.3  # of a box: less of a thing is no thing to a detector
BRAKE_STEPS: Final = 4

Floats = NDArray[np.float64]


class Point(NamedTuple):
    """Where a thing's feet (the middle of its lower edge) are at a moment."""

    t_s: float
    x: float
    y: float


class Span(NamedTuple):
    """From when until when, in seconds of the scenario."""

    from_s: float
    until_s: float

    @property
    def length_s(self) -> float:
        return self.until_s - self.from_s


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in the picture.

    Attributes:
        class_name: what a detector calls it; "" for what it has no name for: only the change grid shows that.
        size_wh: of its box, shares of the picture.
        path: in the order of time; it is there from the first point to the last.
        quality: added to the mean score of its looks.
    """

    class_name: str
    size_wh: tuple[float, float]
    path: tuple[Point, ...]
    quality: float = 0.0

    def boxes_at(self, times_s: Floats) -> Floats:
        """Left, top, right, bottom, shape (times, 4), not cut off at the picture's edge; NaN while it is not there."""
        t, x, y = (np.array(column, dtype=np.float64) for column in zip(*self.path, strict=True))
        width, height = self.size_wh
        feet_x, feet_y = np.interp(times_s, t, x), np.interp(times_s, t, y)
        boxes = np.stack([feet_x - width / 2, feet_y - height, feet_x + width / 2, feet_y], axis=1)
        boxes[(times_s < t[0]) | (times_s > t[-1])] = np.nan
        return boxes

    def stands(self, within: tuple[float, float, float, float] | None = None) -> list[Span]:
        """When it stood still with its feet in the rectangle `within`; None: anywhere."""
        spans = []
        for before, after in pairwise(self.path):
            if (before.x, before.y) != (after.x, after.y) or after.t_s <= before.t_s:
                continue
            if within is None or (within[0] <= before.x <= within[2] and within[1] <= before.y <= within[3]):
                spans.append(Span(before.t_s, after.t_s))
        return spans


def drive(
    points: list[Point], to: tuple[float, float], takes_s: float, *, brakes: bool = False, starts: bool = False
) -> None:
    """Adds a straight move; one that brakes or starts does so evenly over the whole way."""
    begin = points[-1]
    steps = BRAKE_STEPS if brakes or starts else 1
    for step in range(1, steps + 1):
        share = step / steps
        way = 1 - (1 - share) ** 2 if brakes else share**2 if starts else share
        x, y = begin.x + (to[0] - begin.x) * way, begin.y + (to[1] - begin.y) * way
        # The last point is exact, not a hair off: what follows there is a stand.
        points.append(Point(begin.t_s + takes_s * share, *(to if step == steps else (x, y))))


def stay(points: list[Point], seconds: float) -> None:
    """Adds a stand."""
    last = points[-1]
    points.append(Point(last.t_s + seconds, last.x, last.y))


def boxes_of(things: Sequence[Thing], times_s: Floats) -> Floats:
    """Every thing's box at every time, shape (things, times, 4), cut off at the picture's edges.

    NaN where a thing is not there, or less than `MIN_INSIDE_PICTURE` of it is in the picture.
    """
    if not things:
        return np.zeros((0, len(times_s), 4))
    whole = np.stack([thing.boxes_at(times_s) for thing in things])
    cut = np.clip(whole, 0.0, 1.0)
    share = areas(cut) / np.maximum(areas(whole), 1e-12)
    cut[~(share >= MIN_INSIDE_PICTURE)] = np.nan
    return cut


def areas(boxes: Floats) -> Floats:
    """Shape of `boxes` without its last axis; NaN stays."""
    area: Floats = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return area


def hidden_shares(boxes: Floats) -> Floats:
    """How much of each box nearer ones cover, shape (things, times), 0..1: nearer is lower in the picture.

    Overlaps add up, so two that cover the same half count twice: a crowd hides more here than in a street.
    """
    count = len(boxes)
    if count < 2:
        return np.zeros(boxes.shape[:2])
    filled = np.nan_to_num(boxes, nan=-1.0)
    low = np.maximum(filled[:, None, :, :2], filled[None, :, :, :2])
    high = np.minimum(filled[:, None, :, 2:], filled[None, :, :, 2:])
    common = np.clip(high - low, 0.0, None).prod(axis=3)
    is_nearer = filled[None, :, :, 3] > filled[:, None, :, 3] + 1e-9
    covered = np.where(is_nearer, common, 0.0).sum(axis=1)
    shares: Floats = np.clip(covered / np.maximum(areas(filled), 1e-12), 0.0, 1.0)
    return shares
