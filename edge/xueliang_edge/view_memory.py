"""What a camera usually shows, as far as its view goes: learnt from good views, kept over restarts.

Slow change (dusk, fog, a season) is followed within minutes; what comes at once is not learnt but judged
(`view_watch.py`). 45 kB a camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_edge.view_measure import CELLS_WH, VIEW_WH, Structure, ViewFeatures, kept_cells, structure_of

FOLLOWS_IN_S: Final = 120.0  # dusk halves the light in twenty minutes: two minutes behind it is 7 % off
FOLLOWS_REST_IN_S: Final = 600.0  # while much of the scene is hidden or looks different; and sharpness
KNOWN_LOOKS: Final = 10
KNOWN_AFTER_S: Final = 20.0
EDGE_LEVELS: Final = 1.5  # of a sample: what noise and compression leave at this size stays below 1
KNOWN_CELLS: Final = 12  # of 144: fewer are a lamp in the night, or fog
STEADY_KEPT: Final = 0.35  # of the scene learnt so far: less and the camera itself moves (by hand, on a tour)
ELAPSED_AT_MOST_S: Final = 30.0
SIZES_KEPT: Final = 4  # of pictures: two streams, before and after somebody set them anew
RENEWALS_KEPT: Final = 8  # of approved moves; a camera is nudged some times a year
_RENEWED_EVERY_S: Final = 5.0


class ViewMemory:
    """One camera's usual view. Belongs to one thread.

    Attributes:
        looks, seconds: how much it was learnt from; what is not steady begins anew.
        mean, blown_share, colour: as in `ViewFeatures`, followed.
        sharpness: by the width of the picture in pixels: an edge is as wide as the lens makes it.
        renewals: ids of the commands that moved it, oldest first.
        structure: of the usual view. informative: bool (9, 16), cells that have edges to compare.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.seconds = 0.0
        self.mean = self.blown_share = self.colour = 0.0
        self.sharpness: dict[int, float] = {}
        self.renewals: tuple[str, ...] = ()
        self._brightness = np.zeros((VIEW_WH[1], VIEW_WH[0]), np.float32)
        self._last_mono_s: float | None = None
        self._renewed_mono_s = float("-inf")
        self._renew()

    @property
    def is_known(self) -> bool:
        """Watched for long enough, and there is enough in it to compare with."""
        is_learnt = self.looks >= KNOWN_LOOKS and self.seconds >= KNOWN_AFTER_S
        return is_learnt and int(np.count_nonzero(self.informative)) >= KNOWN_CELLS

    def learn(self, seen: ViewFeatures, kept_share: float, mono_s: float) -> None:
        """One good view more; `kept_share` of the usual view is in it."""
        if self.looks < KNOWN_LOOKS and self.looks >= 3 and kept_share < STEADY_KEPT:
            self.forget()
        elapsed_s = self._elapsed_s(mono_s)
        self.looks += 1
        self.seconds += elapsed_s
        follows_in_s = FOLLOWS_IN_S if kept_share >= STEADY_KEPT else FOLLOWS_REST_IN_S
        plain_mean = 1.0 / self.looks if self.looks <= KNOWN_LOOKS else 0.0
        weight = max(plain_mean, _weight(elapsed_s, follows_in_s))
        self._brightness += np.float32(weight) * (seen.brightness - self._brightness)
        self._follow_light(seen, weight, max(plain_mean, _weight(elapsed_s, FOLLOWS_REST_IN_S)))
        if self.looks <= KNOWN_LOOKS or mono_s - self._renewed_mono_s >= _RENEWED_EVERY_S:
            self._renewed_mono_s = mono_s
            self._renew()

    def learn_light(self, seen: ViewFeatures, mono_s: float) -> None:
        """One good view more that lies beside its place: its light is the usual one, its edges are elsewhere."""
        elapsed_s = self._elapsed_s(mono_s)
        self._follow_light(seen, _weight(elapsed_s, FOLLOWS_IN_S), _weight(elapsed_s, FOLLOWS_REST_IN_S))

    def kept_share(self, seen: ViewFeatures, usable: NDArray[np.bool_]) -> float | None:
        """Share of the usual view's edges that are where they were; None: it has too few to say."""
        judged = self.informative & usable
        if np.count_nonzero(judged) < KNOWN_CELLS:
            return None
        return float(kept_cells(seen.structure, self.structure)[judged].mean())

    def forget(self) -> None:
        self.looks, self.seconds = 0, 0.0
        self.sharpness.clear()

    def shifted(self, shift_xyn: tuple[float, float]) -> ViewMemory:
        """The same view as a camera shows it that was nudged: moved right and down by shares of the picture."""
        moved = ViewMemory()
        moved.looks, moved.seconds, moved.sharpness = self.looks, self.seconds, self.sharpness.copy()
        moved.mean, moved.blown_share, moved.colour = self.mean, self.blown_share, self.colour
        by = np.array([[1, 0, shift_xyn[0] * VIEW_WH[0]], [0, 1, shift_xyn[1] * VIEW_WH[1]]], np.float32)
        moved._brightness = np.asarray(
            cv2.warpAffine(self._brightness, by, VIEW_WH, borderMode=cv2.BORDER_REPLICATE), np.float32
        )
        moved._renew()
        return moved

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """For the disk; empty while nothing is known."""
        if not self.is_known:
            return {}
        numbers = [self.looks, self.seconds, self.mean, self.blown_share, self.colour]
        return {
            "view": self._brightness.round().astype(np.uint8),
            "view_numbers": np.array(numbers, np.float64),
            "view_sharpness": np.array([*self.sharpness.items()], np.float64).reshape(-1, 2),
            "view_renewals": np.array(self.renewals, np.str_),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ViewMemory:
        """What `to_arrays` gave. Raises KeyError, ValueError for anything else."""
        memory = cls()
        if "view" not in arrays:
            return memory
        view, numbers = arrays["view"], arrays["view_numbers"]
        if view.shape != memory._brightness.shape or numbers.shape != (5,):
            raise ValueError(f"a view of shape {view.shape} with {numbers.shape} numbers")
        looks, memory.seconds, memory.mean, memory.blown_share, memory.colour = map(float, numbers)
        memory.looks = int(looks)
        memory.sharpness = {int(width_px): float(sharpness) for width_px, sharpness in arrays["view_sharpness"]}
        if "view_renewals" in arrays:  # an older release kept none
            memory.renewals = tuple(map(str, arrays["view_renewals"]))
        memory._brightness = view.astype(np.float32)
        memory._renew()
        return memory

    def _elapsed_s(self, mono_s: float) -> float:
        """Since the last view that taught anything."""
        last, self._last_mono_s = self._last_mono_s, mono_s
        return 0.0 if last is None else min(max(mono_s - last, 0.0), ELAPSED_AT_MOST_S)

    def _follow_light(self, seen: ViewFeatures, weight: float, slowly: float) -> None:
        self.mean += weight * (seen.mean - self.mean)
        self.blown_share += weight * (seen.blown_share - self.blown_share)
        self.colour += weight * (seen.colour - self.colour)
        if seen.sharpness is not None:
            usual = self.sharpness.pop(seen.width_px, seen.sharpness)
            self.sharpness[seen.width_px] = usual + slowly * (seen.sharpness - usual)
            if len(self.sharpness) > SIZES_KEPT:
                del self.sharpness[next(iter(self.sharpness))]

    def _renew(self) -> None:
        self.structure: Structure = structure_of(self._brightness)
        self.informative: NDArray[np.bool_] = np.asarray(self.structure.strength >= EDGE_LEVELS, np.bool_)


def _weight(elapsed_s: float, follows_in_s: float) -> float:
    return 1.0 - float(np.exp(-elapsed_s / follows_in_s))


def usable_cells(hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells that no privacy zone touches, bool (9, 16); `hidden`: bool (45, 80), the samples inside of one.

    The edge of a zone is drawn by us and stays where it is whatever the camera shows.
    """
    wide = cv2.dilate(hidden.astype(np.uint8), np.ones((5, 5), np.uint8))
    touched = cv2.resize(wide * np.float32(1.0), CELLS_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(np.asarray(touched) == 0, np.bool_)
