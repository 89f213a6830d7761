"""What moved since a detector last looked, and where a camera changes for no reason (trees, water, screens).

Invariants
    - A picture is compared with the one that every detector of the camera last looked at, never with the one before: a
      thing that creeps adds up and is noticed.
    - Not knowing is said (None), never "nothing moved".
    - A place becomes restless only by changes that no detection explains, over minutes, and becomes calm again the same
      way. However restless, a change beyond `LEVELS_AT_MOST` is always seen: it may cost looks, never hide a car.
    - A change of the light over the whole picture is no movement.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.brightness import SMALL_WH, Small, boxes_mask, cell_shares, difference, gain_between

# Measured on campus_walkers and lot_car_stops, 2 s apart: from 10 to 24 every walker is seen; from 12 on nothing else.
LEVELS: Final = 12.0
PER_RESTLESS_LEVEL: Final = 3.0  # a leaf that swings by 8 levels on the mean reaches three times that now and then
LEVELS_AT_MOST: Final = 60.0  # a dark car on a light road differs by 80 and more
ALMOST_ALL: Final = 0.7  # share of the samples: the light or the view changed, not something in it
LEARNT_IN_S: Final = 600.0  # wind and screens change over minutes; a person who stays unseen passes sooner
FIRST_LOOKS: Final = 12  # until so many the map is their plain mean
CLIPPED_LEVELS: Final = 40.0  # one passer-by whom the detector missed is not worth more than a tree
CONSECUTIVE_S: Final = 120.0  # apart: pictures further apart differ by the light too
_EXPLAINED_MARGIN: Final = 0.15  # of a box, each side: its shadow, and where it was drawn too small
_QUANTUM: Final = 4.0  # levels are kept in quarters


class Restlessness:
    """How much each sample of the small brightness changes for no reason: a running mean, in levels.

    One map serves both streams of a camera: it is about the place.
    """

    def __init__(self) -> None:
        self._mean = np.zeros((SMALL_WH[1], SMALL_WH[0]), np.float32)
        self._looks = 0
        self._levels = self._thresholds()

    @property
    def levels(self) -> Small:
        """From how many levels on each sample has moved, uint8 (90, 160)."""
        return self._levels

    def learn(self, changed: Small, is_explained: NDArray[np.bool_], elapsed_s: float) -> None:
        """One pair of pictures: by how much each sample differs between them, and where something explains it."""
        self._looks += 1
        weight = max(1.0 / self._looks if self._looks <= FIRST_LOOKS else 0.0, 1.0 - np.exp(-elapsed_s / LEARNT_IN_S))
        step = np.minimum(changed.astype(np.float32), np.float32(CLIPPED_LEVELS)) - self._mean
        step[is_explained] = 0.0
        self._mean += np.float32(weight) * step
        self._levels = self._thresholds()

    def to_array(self) -> NDArray[np.uint8]:
        """For the disk: uint8 (90, 160), quarters of a level."""
        return np.round(self._mean * _QUANTUM).astype(np.uint8)

    @classmethod
    def from_array(cls, quarters: NDArray[np.uint8]) -> Restlessness:
        """What `to_array` gave; it goes on learning slowly."""
        map_ = cls()
        map_._mean = np.minimum(quarters.astype(np.float32) / _QUANTUM, CLIPPED_LEVELS)
        map_._looks = FIRST_LOOKS
        map_._levels = map_._thresholds()
        return map_

    def _thresholds(self) -> Small:
        levels = np.minimum(LEVELS + PER_RESTLESS_LEVEL * self._mean, LEVELS_AT_MOST)
        return np.asarray(levels, dtype=np.uint8)


class Stillness:
    """Compares the pictures of one stream with the one the detectors last looked at. Belongs to one thread."""

    def __init__(self, restlessness: Restlessness) -> None:
        self._restlessness = restlessness
        self._seen: Small | None = None
        self._seen_mono_s = 0.0
        self._explained = np.zeros((SMALL_WH[1], SMALL_WH[0]), np.bool_)

    def moved(self, small: Small) -> NDArray[np.float32] | None:
        """Share of each cell that differs from the picture the detectors last saw, float32 (18, 32).

        None: there is no such picture, or almost everything differs.
        """
        if self._seen is None:
            return None
        changed = difference(small, self._seen, gain_between(small, self._seen)) > self._restlessness.levels
        if np.count_nonzero(changed) > ALMOST_ALL * changed.size:
            return None
        return cell_shares(changed)

    def judged(self, small: Small, boxes_xyxyn: NDArray[np.float32], mono_s: float) -> None:
        """Every detector of the camera answered about this picture: it is what later ones are compared with.

        Args:
            boxes_xyxyn: float32 (n, 4), everything they found from the lowest score on: what explains a change.
        """
        explained = boxes_mask(_widened(boxes_xyxyn), SMALL_WH)
        elapsed_s = mono_s - self._seen_mono_s
        if self._seen is not None and 0 < elapsed_s <= CONSECUTIVE_S:
            changed = difference(small, self._seen, gain_between(small, self._seen))
            if np.count_nonzero(changed > LEVELS) <= ALMOST_ALL * changed.size:
                self._restlessness.learn(changed, explained | self._explained, elapsed_s)
        self._seen, self._seen_mono_s, self._explained = small, mono_s, explained

    def forget(self) -> None:
        """The picture the detectors saw is worth nothing any more: the camera was turned, or was away."""
        self._seen = None


def _widened(boxes_xyxyn: NDArray[np.float32]) -> NDArray[np.float32]:
    boxes = np.asarray(boxes_xyxyn, np.float32).reshape(-1, 4)
    margin = np.tile(boxes[:, 2:] - boxes[:, :2], (1, 2)) * np.float32(_EXPLAINED_MARGIN)
    return np.asarray(boxes + margin * np.array([-1, -1, 1, 1], np.float32), np.float32)
