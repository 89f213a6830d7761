"""Tracks as paths on the picture: feet in units of the picture's height, and memory that forgets. Pure.

A track's number dies with the process that gave it, so nothing here is written into snapshots (`exclude`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observations import NO_TRACK
from xueliang_edge.rules import geometry
from xueliang_edge.rules.looking import BoxesMeasure

FORGET_AFTER_S: Final = 10.0  # the tracker itself lets go after 2.5 s, or two looks of a slow camera
MAX_PATHS: Final = 512
# Of a box's height: how far a foot is from where it was when nothing moved. The tracker counts with the same figure.
JITTER_SHARE: Final = 0.05

Xy = tuple[float, float]


class Followed(Protocol):
    """What is remembered of one track."""

    @property
    def track_id(self) -> int: ...

    @property
    def seen_mono_s(self) -> float: ...


FollowedT = TypeVar("FollowedT", bound=Followed)


def aspect_of(measured: BoxesMeasure) -> float:
    """Width of the picture in its heights; 1 where it is not known."""
    if measured.frame_size_wh is None:
        return 1.0
    width, height = measured.frame_size_wh
    return width / height


def in_heights(points: Iterable[Xy], aspect: float) -> NDArray[np.float64]:
    """Points of 0..1 in units of the picture's height, both ways alike."""
    return np.array([(x * aspect, y) for x, y in points], dtype=np.float64).reshape(-1, 2)


def steps_of(measured: BoxesMeasure) -> list[tuple[int, Xy, float]]:
    """Each tracked box: its track, its foot in picture heights, and how far that may be off."""
    feet = in_heights([(float(x), float(y)) for x, y in geometry.feet_of(measured.boxes)], aspect_of(measured))
    jitter = JITTER_SHARE * (measured.boxes[:, 3] - measured.boxes[:, 1])
    return [
        (int(track_id), (float(feet[index, 0]), float(feet[index, 1])), float(jitter[index]))
        for index, track_id in enumerate(measured.track_ids)
        if track_id != NO_TRACK
    ]


def remembered(paths: Iterable[FollowedT], now_mono_s: float) -> dict[int, FollowedT]:
    """By track, without those not seen for long; the latest seen when there are too many."""
    kept = [path for path in paths if now_mono_s - path.seen_mono_s <= FORGET_AFTER_S]
    kept.sort(key=lambda path: -path.seen_mono_s)
    return {path.track_id: path for path in kept[:MAX_PATHS]}
