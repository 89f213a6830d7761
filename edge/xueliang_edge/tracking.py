"""Objects over frames, by place and motion only: no appearance, so no identity, and never across cameras.

How it works
    - Three groups are tracked apart: people, two-wheelers, vehicles. Car, bus and truck are one group, because
      detectors change their mind about one vehicle.
    - Each track is a Kalman filter of constant velocity over centre, area and aspect of the box.
    - Boxes are given to tracks in two passes, each the cheapest assignment over all pairs: sure boxes first, then weak
      ones to what is left. Weak boxes go on with a track; they never begin one.
    - Ages are seconds, not frames: the same settings hold at half a look a second and at ten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import lap  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observations import NO_TRACK
from xueliang_edge.rules.geometry import Boxes, ious

GROUPS: Final = {
    "person": "person",
    "car": "vehicle",
    "bus": "vehicle",
    "truck": "vehicle",
    "bicycle": "two-wheeler",
    "motorcycle": "two-wheeler",
}
"""Class to group; a class that is not here is a group of its own."""

WEAK_SCORE: Final = 0.1
LOST_AFTER_S: Final = 2.5  # a walker behind a lamp post is back within two seconds
LOST_LOOKS: Final = 2  # and on a slow camera at least after two looks
YOUNG_LOST_AFTER_S: Final = 1.0  # a track of one look was probably nothing
MAX_COST_SURE: Final = 1.3  # cost = 1 - GIoU: 1.3 still joins boxes that no longer touch, on slow cameras
MAX_COST_WEAK: Final = 0.5
MAX_TRACKS: Final = 512
_ACCELERATION: Final = 0.6  # of the object's size, per s^2: walkers turning, cars braking
_MEASURED: Final = 0.05  # of the object's size: how far a detector's box edge jitters

State = NDArray[np.float64]


@dataclass(slots=True)
class _Track:
    """One object. `mean`: centre x, centre y, area, aspect, then the speeds of the first three per second."""

    track_id: int
    mean: State
    covariance: State
    updated_mono_s: float
    hits: int = 1
    missed_looks: int = 0

    def box(self) -> NDArray[np.float32]:
        return _box_of(self.mean)


class Tracker:
    """The objects of one camera. Belongs to one thread."""

    def __init__(self) -> None:
        self._groups: dict[str, list[_Track]] = {}
        self._last_mono_s: float | None = None
        self._next_id = 1

    def update(
        self,
        boxes_xyxyn: Boxes,
        scores: NDArray[np.float32],
        class_names: Sequence[str],
        mono_s: float,
        *,
        confident_score: float,
    ) -> NDArray[np.int64]:
        """One look: which track each box belongs to, int64 (n,), NO_TRACK for boxes that are none.

        A time that does not advance gives no tracks and changes nothing.
        """
        ids = np.full(len(class_names), NO_TRACK, dtype=np.int64)
        elapsed_s = 0.0 if self._last_mono_s is None else mono_s - self._last_mono_s
        if self._last_mono_s is not None and elapsed_s <= 0:
            return ids
        self._last_mono_s = mono_s
        groups = np.array([GROUPS.get(name, name) for name in class_names], dtype=object)
        for group in dict.fromkeys((*self._groups, *groups.tolist())):
            tracks = self._groups.setdefault(group, [])
            for track in tracks:
                _predict(track, elapsed_s)
            members = np.flatnonzero(groups == group)
            ids[members] = self._update_group(
                tracks, boxes_xyxyn[members], scores[members], mono_s, confident_score=confident_score
            )
            self._groups[group] = [track for track in tracks if not _is_lost(track, mono_s)][:MAX_TRACKS]
        return ids

    def _update_group(
        self, tracks: list[_Track], boxes: Boxes, scores: NDArray[np.float32], mono_s: float, *, confident_score: float
    ) -> NDArray[np.int64]:
        ids = np.full(len(boxes), NO_TRACK, dtype=np.int64)
        sure = np.flatnonzero(scores >= confident_score)
        weak = np.flatnonzero((scores < confident_score) & (scores >= WEAK_SCORE))
        waiting = list(range(len(tracks)))
        for candidates, max_cost in ((sure, MAX_COST_SURE), (weak, MAX_COST_WEAK)):
            for track_index, box_index in _assigned([tracks[i] for i in waiting], boxes[candidates], max_cost):
                track, box = tracks[waiting[track_index]], candidates[box_index]
                _correct(track, boxes[box], mono_s)
                ids[box] = track.track_id
            waiting = [i for i in waiting if tracks[i].updated_mono_s < mono_s]
        for i in waiting:
            tracks[i].missed_looks += 1
        for box in sure:
            if ids[box] == NO_TRACK:
                ids[box] = self._begin(tracks, boxes[box], mono_s)
        return ids

    def _begin(self, tracks: list[_Track], box: NDArray[np.float32], mono_s: float) -> int:
        track_id, self._next_id = self._next_id, self._next_id + 1
        measured = _measured_of(box)
        size = float(np.sqrt(max(measured[2], 1e-8)))
        # Speed is unknown at first: half the object's size a second is a brisk walk or a slow car.
        deviation = np.array([0.1 * size, 0.1 * size, 0.2 * size**2, 0.1, 0.5 * size, 0.5 * size, 0.2 * size**2])
        mean = np.concatenate([measured, np.zeros(3)])
        tracks.append(_Track(track_id, mean, np.diag(deviation**2), mono_s))
        return track_id


def _is_lost(track: _Track, mono_s: float) -> bool:
    if track.missed_looks == 0:
        return False
    if track.hits == 1:
        return mono_s - track.updated_mono_s >= YOUNG_LOST_AFTER_S
    return track.missed_looks >= LOST_LOOKS and mono_s - track.updated_mono_s > LOST_AFTER_S


def _measured_of(box: NDArray[np.float32]) -> State:
    left, top, right, bottom = box.tolist()
    width, height = max(right - left, 1e-4), max(bottom - top, 1e-4)
    return np.array([(left + right) / 2, (top + bottom) / 2, width * height, width / height])


def _box_of(mean: State) -> NDArray[np.float32]:
    x, y, area, aspect = mean[:4].tolist()
    area, aspect = max(area, 1e-8), max(aspect, 1e-3)
    width = math.sqrt(area * aspect)
    height = area / width
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], dtype=np.float32)


def _predict(track: _Track, elapsed_s: float) -> None:
    """Constant velocity; the longer the time, the less sure. An area never shrinks below a tenth by prediction
    alone.
    """
    mean, covariance = track.mean, track.covariance
    size = math.sqrt(max(mean[2], 1e-8))
    least_area = 0.1 * mean[2]
    mean[:3] += elapsed_s * mean[4:]
    mean[2] = max(mean[2], least_area)
    # Places move by their speeds: the same rows and columns of the covariance do.
    covariance[:3] += elapsed_s * covariance[4:]
    covariance[:, :3] += elapsed_s * covariance[:, 4:]
    for axis, kick in enumerate((_ACCELERATION * size, _ACCELERATION * size, _ACCELERATION * size**2)):
        covariance[axis, axis] += (kick * elapsed_s**2 / 2) ** 2
        common = kick**2 * elapsed_s**3 / 2
        covariance[axis, axis + 4] += common
        covariance[axis + 4, axis] += common
        covariance[axis + 4, axis + 4] += (kick * elapsed_s) ** 2
    covariance[3, 3] += (0.02 * elapsed_s) ** 2


def _correct(track: _Track, box: NDArray[np.float32], mono_s: float) -> None:
    measured = _measured_of(box)
    size = math.sqrt(measured[2])
    seen = track.covariance[:4]
    innovation = seen[:, :4].copy()
    for axis, jitter in enumerate((_MEASURED * size, _MEASURED * size, 2 * _MEASURED * size**2, 0.1)):
        innovation[axis, axis] += jitter**2
    gain = np.linalg.solve(innovation, seen).T
    track.mean += gain @ (measured - track.mean[:4])
    covariance = track.covariance - gain @ seen
    track.covariance = (covariance + covariance.T) / 2
    track.updated_mono_s = mono_s
    track.hits += 1
    track.missed_looks = 0


def _generalised_ious(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """IoU less the empty share of the hull: -1..1; tells near from far where boxes no longer touch."""
    low, high = np.minimum(a[:, None, :2], b[None, :, :2]), np.maximum(a[:, None, 2:], b[None, :, 2:])
    hull = np.maximum((high - low).prod(axis=2), 1e-12)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None]
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)[None, :]
    iou = ious(a, b)
    union = (area_a + area_b) / (1 + iou)
    return np.asarray(iou - (hull - union) / hull, dtype=np.float64)


def _assigned(tracks: list[_Track], boxes: Boxes, max_cost: float) -> list[tuple[int, int]]:
    """The cheapest pairs (track, box), none dearer than `max_cost`."""
    if not tracks or not len(boxes):
        return []
    predicted = np.stack([track.box() for track in tracks])
    cost = 1.0 - _generalised_ious(predicted, boxes)
    _, given, _ = lap.lapjv(cost, extend_cost=True, cost_limit=max_cost)
    return [(track, int(box)) for track, box in enumerate(given) if box >= 0]
