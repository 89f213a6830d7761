"""The long-term scene as a picture for stills: learnt block by block, in the planes of a 4:2:0 picture.

Invariants
    - A block of 8 x 8 pixels becomes scene only after it was free in whole and steady in several pictures; a block that
      was never seen so stays unknown.
    - What stands on a known block is not absorbed for `ABSORB_AFTER_S`.
    - About 1.6 MB a camera, whatever it sends: a picture of 960 pixels, a second one that is being learnt, and counters
      per block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_edge.brightness import boxes_mask
from xueliang_streams.frame import Planes

LEARNT_LONG_SIDE_PX: Final = 960
BLOCK_PX: Final = 8
LEARN_AFTER_S: Final = 8  # steady and free for so long: it becomes scene
ABSORB_AFTER_S: Final = 12 * 3600  # a change no alert is about becomes scene after half a day
COUNTED_AT_MOST_S: Final = 4  # of the time between two pictures, towards LEARN_AFTER_S: three pictures at least
_AGREES: Final = (18, 10)  # levels of brightness, of colour; noise of a compressed night picture stays below
_STEADY: Final = (36, 20)  # edges of a sharp line flicker by this much in wind and compression (lot_car_stops)
_TOLERATED: Final = 0.06  # share of a block's pixels that may differ: the flicker of one edge
_STEP: Final = 8  # levels a picture, once a minute: dusk halves the light in twenty minutes, 5 levels a minute
_FULL_LUMA: Final = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
_FULL_CHROMA: Final = np.clip(np.round((np.arange(256) - 128) * 255 / 224 + 128), 0, 255).astype(np.uint8)

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scene:
    """The background as a picture for stills.

    Attributes:
        planes: full range; meaningless where not known.
        known: bool, shape (h, w) of the picture.
    """

    planes: Planes
    known: NDArray[np.bool_]

    @property
    def image_bgr(self) -> NDArray[np.uint8]:
        """In colour, uint8 (h, w, 3). Computed at each call."""
        return self.planes.bgr()


class LearntPicture:
    """One 4:2:0 picture learnt block by block. Belongs to one thread.

    `steady_s` counts for how long the candidate of a block has held: towards `LEARN_AFTER_S` where nothing is known
    yet, towards `ABSORB_AFTER_S` where the scene is known and something else stands.
    """

    def __init__(self, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh
        across, down = (-(-side // BLOCK_PX) for side in size_wh)
        self.known = np.zeros((down, across), np.bool_)
        self._steady_s = np.zeros((down, across), np.uint16)
        # Whole blocks: the right and lower edge are filled up by repeating the last pixels.
        shapes = [(down * side, across * side) for side in (BLOCK_PX, BLOCK_PX // 2, BLOCK_PX // 2)]
        # Filled, not zeros: the memory is taken now, not page by page as places change over the hours.
        self.planes = [np.full(shape, 0, np.uint8) for shape in shapes]
        self._candidate = [np.full(shape, 0, np.uint8) for shape in shapes]

    @property
    def known_share(self) -> float:
        """Share of the blocks whose scene is known, 0 to 1."""
        return float(self.known.mean())

    def learn(self, planes: Planes, excluded_xyxyn: NDArray[np.float32], gain: float, elapsed_s: int) -> None:
        """One picture further, apart from these boxes; `gain`: how much brighter it is than the scene."""
        picture = self._prepared(planes)
        free = ~self._touched(excluded_xyxyn)
        agrees = self._alike(picture, _lit(self.planes, gain), _AGREES)
        self._follow(picture, self.known & free & agrees)
        waiting = free & ~(self.known & agrees)
        if not waiting.any():
            self._steady_s.fill(0)
            return
        steady = waiting & self._alike(picture, self._candidate, _STEADY)
        # Half way each time: what is learnt in the end is the middle of the flicker, not its first value.
        halves = [cv2.addWeighted(old, 0.5, new, 0.5, 0.0) for old, new in zip(self._candidate, picture, strict=True)]
        _put(halves, steady, into=self._candidate)
        _put(picture, waiting & ~steady, into=self._candidate)
        self._steady_s[~steady] = 0
        counted_s = np.where(self.known, elapsed_s, min(elapsed_s, COUNTED_AT_MOST_S)).astype(np.uint16)
        self._steady_s[steady] = np.minimum(self._steady_s[steady], 65_000 - elapsed_s) + counted_s[steady]
        ripe = steady & (self._steady_s >= np.where(self.known, ABSORB_AFTER_S, LEARN_AFTER_S))
        _put(self._candidate, ripe, into=self.planes)
        self.known |= ripe
        self._steady_s[ripe] = 0

    def forget(self) -> None:
        self.known[:] = False
        self._steady_s[:] = 0

    def scene(self) -> Scene:
        """A copy that later learning does not touch."""
        width, height = self.size_wh
        half = (slice(-(-height // 2)), slice(-(-width // 2)))
        y, u, v = self.planes
        whole = Planes(y[:height, :width].copy(), u[half].copy(), v[half].copy(), is_full_range=True)
        known = cv2.resize(self.known.view(np.uint8), (y.shape[1], y.shape[0]), interpolation=cv2.INTER_NEAREST)
        return Scene(whole, known[:height, :width].astype(np.bool_))

    def _prepared(self, planes: Planes) -> list[Plane]:
        """The picture at this size, in full range, filled up to whole blocks."""
        width, height = self.size_wh
        prepared = []
        for plane, like in zip((planes.y, planes.u, planes.v), self.planes, strict=True):
            is_luma = like is self.planes[0]
            size_wh = (width, height) if is_luma else (-(-width // 2), -(-height // 2))
            if (plane.shape[1], plane.shape[0]) != size_wh:
                plane = np.asarray(cv2.resize(plane, size_wh, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
            if not planes.is_full_range:
                plane = np.asarray(cv2.LUT(plane, _FULL_LUMA if is_luma else _FULL_CHROMA), dtype=np.uint8)
            below, beside = like.shape[0] - size_wh[1], like.shape[1] - size_wh[0]
            if below or beside:
                filled = cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REPLICATE)
                plane = np.asarray(filled, dtype=np.uint8)
            prepared.append(plane)
        return prepared

    def _touched(self, boxes_xyxyn: NDArray[np.float32]) -> Mask:
        """Blocks that any of the boxes touches."""
        down, across = self.known.shape
        scale = np.array(self.size_wh * 2, np.float32) / (np.array([across, down] * 2, np.float32) * BLOCK_PX)
        return boxes_mask(np.clip(boxes_xyxyn, 0.0, 1.0) * scale, (across, down))

    def _alike(self, left: list[Plane], right: list[Plane], levels: tuple[int, int]) -> Mask:
        """Blocks that are the same in both pictures within these levels, apart from a few pixels."""
        down, across = self.known.shape
        alike = np.ones((down, across), np.bool_)
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            _, differs = cv2.threshold(cv2.absdiff(one, other), levels[min(index, 1)], 255, cv2.THRESH_BINARY)
            shares = cv2.resize(differs, (across, down), interpolation=cv2.INTER_AREA)
            alike &= shares <= 255 * _TOLERATED
        return alike

    def _follow(self, picture: list[Plane], where: Mask) -> None:
        """Move at most `_STEP` levels towards the picture: a running median, blind to what passes by."""
        for scene, plane in zip(self.planes, picture, strict=True):
            most = _spread(where, scene.shape, np.uint8(_STEP))
            up, down = cv2.min(cv2.subtract(plane, scene), most), cv2.min(cv2.subtract(scene, plane), most)
            cv2.add(scene, up, dst=scene)
            cv2.subtract(scene, down, dst=scene)


def _lit(planes: list[Plane], gain: float) -> list[Plane]:
    """The planes under a light so much brighter; colours lie around 128."""
    y, u, v = planes
    colours = (cv2.convertScaleAbs(plane, alpha=gain, beta=128 * (1 - gain)) for plane in (u, v))
    return [np.asarray(plane, dtype=np.uint8) for plane in (cv2.convertScaleAbs(y, alpha=gain), *colours)]


def _spread(blocks: Mask, shape: tuple[int, ...], value: np.uint8) -> Plane:
    """`value` in every pixel of these blocks, 0 elsewhere."""
    marked = blocks.astype(np.uint8) * value
    return np.asarray(cv2.resize(marked, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def _put(source: list[Plane] | list[cv2.typing.MatLike], blocks: Mask, *, into: list[Plane]) -> None:
    if not blocks.any():
        return
    for plane, target in zip(source, into, strict=True):
        cv2.copyTo(plane, _spread(blocks, target.shape, np.uint8(255)), target)
