"""The one quantisation: an observation as the log encodes it. Pure.

Live rules judge what comes out here, and a back-test judges what is read back: the same numbers to the last bit, so it
says what was said live. Encoding what was encoded changes nothing.

What is given up, and why it does not matter to a rule
    - Times: whole milliseconds, rounded down (never in the future).
    - Boxes: steps of 1/4095 of the picture, half a pixel at 1080p; a detector's edges jitter by several. Outside of the
      picture is cut off.
    - Scores: steps of 1/200, so that every threshold with two digits is itself a step.
    - Change grid: twelfths, rounded down: on either side of a quarter and of a half a cell stays where it was. A cell
      has 25 samples, so flicker of one or two samples becomes none.
    - Order of boxes: by track, then those without one by place. Rules do not depend on it; the log gets smaller.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observations import NO_TRACK, Observation

BOX_STEPS: Final = 4095
SCORE_STEPS: Final = 200
CHANGE_STEPS: Final = 12
UNKNOWN_CHANGE: Final = 13
"""The level of a cell with nothing to compare it with."""
LARGEST_TRACK: Final = 2**31 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SHARE_SLACK: Final = 1e-3  # a share of exactly a step is float32, a hair off
_SCORES: Final = (np.arange(256, dtype=np.float32) / np.float32(SCORE_STEPS)).astype(np.float32)
_CHANGES: Final = np.array([*(np.arange(UNKNOWN_CHANGE) / CHANGE_STEPS), np.nan], dtype=np.float32)

BoxSteps = NDArray[np.uint16]
Levels = NDArray[np.uint8]


def as_logged(observation: Observation) -> Observation:
    """What the log keeps of it; the same again for what was encoded already."""
    steps, tracks = box_steps(observation.boxes_xyxyn), logged_tracks(observation.track_ids)
    names = observation.class_names
    order = _canonical_order(steps, names, tracks)
    change = observation.change
    return replace(
        observation,
        observed_mono_s=milliseconds(observation.observed_mono_s) / 1000,
        observed_at=at_of(at_milliseconds(observation.observed_at)),
        boxes_xyxyn=boxes_of(steps[order]),
        scores=scores_of(score_steps(observation.scores[order])),
        class_names=tuple(names[index] for index in order),
        track_ids=tracks[order],
        change=None if change is None else changes_of(change_levels(change)),
    )


def milliseconds(mono_s: float) -> int:
    """Whole milliseconds, rounded down; a thousandth of one is forgiven, so that what was encoded stays."""
    return round(mono_s * 1e6) // 1000


def at_milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970, rounded down."""
    return (at - _EPOCH) // _MILLISECOND


def at_of(at_ms: int) -> datetime:
    """Aware UTC."""
    return _EPOCH + at_ms * _MILLISECOND


def box_steps(boxes_xyxyn: NDArray[np.float32]) -> BoxSteps:
    """uint16, shape (n, 4), 0 to `BOX_STEPS`."""
    steps: BoxSteps = np.rint(np.clip(boxes_xyxyn, 0.0, 1.0) * np.float32(BOX_STEPS)).astype(np.uint16)
    return steps


def boxes_of(steps: BoxSteps) -> NDArray[np.float32]:
    """The way back: float32, shape (n, 4), 0 to 1."""
    boxes: NDArray[np.float32] = steps.astype(np.float32)
    boxes /= np.float32(BOX_STEPS)
    return boxes


def score_steps(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """uint8, shape (n,), 0 to `SCORE_STEPS`."""
    steps: NDArray[np.uint8] = np.rint(np.clip(scores, 0.0, 1.0) * np.float32(SCORE_STEPS)).astype(np.uint8)
    return steps


def scores_of(steps: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The way back: float32, shape (n,)."""
    return _SCORES.take(steps)


def change_levels(change: NDArray[np.float32]) -> Levels:
    """uint8, the grid's shape: 0 to `CHANGE_STEPS`, `UNKNOWN_CHANGE` for NaN."""
    steps = np.clip(change, 0.0, 1.0) * np.float32(CHANGE_STEPS) + np.float32(_SHARE_SLACK)
    steps[np.isnan(steps)] = UNKNOWN_CHANGE
    levels: Levels = steps.astype(np.uint8)
    return levels


def changes_of(levels: Levels) -> NDArray[np.float32]:
    """The way back: float32, the same shape, NaN where not known."""
    return _CHANGES.take(levels)


def logged_tracks(track_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids as they are kept; what is none, or beyond any real count, is `NO_TRACK`."""
    return np.where((track_ids >= 0) & (track_ids <= LARGEST_TRACK), track_ids, NO_TRACK)


def _canonical_order(steps: BoxSteps, names: tuple[str, ...], tracks: NDArray[np.int64]) -> NDArray[np.int64]:
    """By track; then without one by place and class. What is alike keeps its order."""
    if len(names) < 2:
        return np.arange(len(names))
    is_loose = tracks < 0
    ranks = {name: rank for rank, name in enumerate(sorted(set(names)))}
    kinds = np.array([ranks[name] for name in names])
    loose_place, loose_kind = np.where(is_loose, _places(steps), 0), np.where(is_loose, kinds, 0)
    return np.lexsort((loose_kind, loose_place, tracks, is_loose))


def _places(steps: BoxSteps) -> NDArray[np.int64]:
    """Roughly where each box stands, shape (n,): false finds come again at the same place."""
    left, right, bottom = (steps[:, side].astype(np.int64) for side in (0, 2, 3))
    return (bottom * 18 >> 12) * 64 + ((left + right) * 24 >> 12)
