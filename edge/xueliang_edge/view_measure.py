"""What one picture says of its view: light, edges, sharpness, whether it is the one before. Pure.

Edges are compared by where they are and which way they run, never by how strong or which side is bright: that stays the
same under slow light, headlights and the infrared light of the night. Each place of the picture is compared by itself,
so that what stands before a part of the scene costs that part only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_edge.brightness import Small
from xueliang_streams.frame import Planes

VIEW_WH: Final = (80, 45)  # half of the small brightness: a shift of two samples is a fortieth of the picture
CELLS_WH: Final = (16, 9)  # 5 x 5 samples each
DARK: Final = 28  # levels: below it even a lens cap's noise is seen, and nothing else
BLOWN: Final = 245
SHARP_PERCENTILE: Final = 0.99  # the sharpest edges of the scene: an object before most of it leaves some of them
SHARP_ROWS: Final = 68  # of the full picture: 0.2 ms at 1080p
COARSE_LEAST: Final = 12  # levels: without an edge of this height nothing can be sharp or blurred
KEPT_CORRELATION: Final = 0.5
SHIFT_CELLS: Final = 12  # fewer agree by chance
_SAMPLE_STEP_PX: Final = 8

_WINDOW: Final = np.outer(np.hanning(VIEW_WH[1]), np.hanning(VIEW_WH[0])).astype(np.float32)

Cells = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The edges of a view.

    Attributes:
        field: float32 (2, 45, 80): at each sample a vector as long as the edge is strong (levels a sample), turned by
            twice the edge's angle, so that bright-to-dark and dark-to-bright are the same edge.
        power: float32 (9, 16): mean square of it in each cell.
        layout: float32 (9, 16): mean brightness of each cell.
    """

    field: NDArray[np.float32]
    power: Cells
    layout: Cells

    @property
    def strength(self) -> Cells:
        """How strong the edges of each cell are, levels a sample."""
        return np.asarray(np.sqrt(self.power), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ViewFeatures:
    """One picture, measured.

    Attributes:
        brightness: float32 (45, 80), levels in full range.
        mean: of it. dark_share, blown_share: of its samples.
        colour: mean distance of the colours from grey, levels; an infrared picture has next to none.
        highest_step: across an edge, levels.
        sharpness: how much of it falls between two neighbouring pixels, 0..1; None: there is no edge.
        width_px: of the picture as it was measured.
        sample: uint8, one pixel in 64 of the brightness as the decoder left it.
    """

    brightness: NDArray[np.float32]
    structure: Structure
    mean: float
    dark_share: float
    blown_share: float
    colour: float
    highest_step: float
    sharpness: float | None
    width_px: int
    sample: NDArray[np.uint8]


def features_of(planes: Planes, small: Small, shown: NDArray[np.bool_] | None = None) -> ViewFeatures:
    """Measure a picture; `small` is its small brightness (`brightness.py`).

    `shown`: bool (45, 80), what no privacy zone fills: how light and dark it is, is asked there only.
    """
    view = np.asarray(cv2.resize(small, VIEW_WH, interpolation=cv2.INTER_AREA), np.uint8)
    brightness = np.asarray(view, np.float32)
    lit = view if shown is None else view[shown]
    highest_step, sharpness = sharpness_of(planes.y)
    return ViewFeatures(
        brightness=brightness,
        structure=structure_of(brightness),
        mean=float(lit.mean()),
        dark_share=np.count_nonzero(lit <= DARK) / lit.size,
        blown_share=np.count_nonzero(lit >= BLOWN) / lit.size,
        colour=_colour_of(planes),
        highest_step=highest_step,
        sharpness=sharpness,
        width_px=planes.size_wh[0],
        sample=planes.y[::_SAMPLE_STEP_PX, ::_SAMPLE_STEP_PX].copy(),
    )


def structure_of(brightness: NDArray[np.float32]) -> Structure:
    """The edges of a view, float32 (45, 80)."""
    across = cv2.Sobel(brightness, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    down = cv2.Sobel(brightness, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    length = np.maximum(cv2.magnitude(across, down), np.float32(1e-6))
    field = np.stack(((across * across - down * down) / length, 2 * across * down / length))
    return Structure(np.asarray(field, np.float32), _in_cells(length * length), _in_cells(brightness))


def kept_cells(now: Structure, then: Structure) -> NDArray[np.bool_]:
    """Cells in which the edges of `then` are still there, bool (9, 16)."""
    both = _in_cells(now.field[0] * then.field[0] + now.field[1] * then.field[1])
    alike = both / np.sqrt(np.maximum(now.power * then.power, np.float32(1e-6)))
    return np.asarray(alike >= KEPT_CORRELATION, np.bool_)


def same_share(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Share of the pixels of two samples that are equal to the last level, of those that are not dark: black is always
    the same black. 0 for samples of other sizes, and where most is dark."""
    if one.shape != other.shape:
        return 0.0
    lit = one > DARK
    lit_count = np.count_nonzero(lit)
    return np.count_nonzero(lit & (one == other)) / lit_count if lit_count >= one.size / 4 else 0.0


def layout_correlation(now: Structure, then: Structure, usable: NDArray[np.bool_]) -> float:
    """How alike bright and dark are laid out, -1 to 1; 0 where one of them is even."""
    one, other = now.layout[usable], then.layout[usable]
    one, other = one - one.mean(), other - other.mean()
    spread = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / spread if min(one.std(), other.std()) > 2.0 else 0.0


def shift_between(now: Structure, then: Structure, informative: NDArray[np.bool_]) -> tuple[tuple[int, int], float]:
    """The shift in samples (right, down) that brings most of the scene's edges back, and what share of those that are
    still in the picture it brings back. Up to 1 ms: only for pictures in which the scene is not where it was."""
    (right, down), _ = cv2.phaseCorrelate(_strength(then) * _WINDOW, _strength(now) * _WINDOW)
    around = (0, -1, 1) if max(abs(right), abs(down)) >= 2 else (0,)  # its peak is often beside the truth
    near = [(round(right) + across, round(down) + along) for across in around for along in around]
    shares = [_brought_back(now, then, informative, shift) for shift in near]
    best = int(np.argmax(shares))
    return near[best], shares[best]


def _brought_back(now: Structure, then: Structure, informative: NDArray[np.bool_], shift: tuple[int, int]) -> float:
    back = (-shift[0], -shift[1])
    inside = _in_cells(_shifted(np.ones((VIEW_WH[1], VIEW_WH[0]), np.float32), back)) >= 0.99
    judged = informative & inside
    if np.count_nonzero(judged) < SHIFT_CELLS:
        return 0.0
    field = np.stack([_shifted(part, back) for part in now.field])
    moved_back = Structure(field, _in_cells(field[0] ** 2 + field[1] ** 2), now.layout)
    return float(kept_cells(moved_back, then)[judged].mean())


def sharpness_of(y: NDArray[np.uint8]) -> tuple[float, float | None]:
    """The highest step and the sharpness of the brightness plane, as it came from the decoder, uint8 (h, w); see
    `ViewFeatures`.
    """
    height, width = y.shape
    rows = np.ascontiguousarray(y[:: max(1, height // SHARP_ROWS)])
    spread_px = max(8, width // VIEW_WH[0])
    coarse = _high(cv2.absdiff(rows[:, spread_px:], rows[:, :-spread_px]))
    if coarse < COARSE_LEAST:
        return coarse, None
    return coarse, _high(cv2.absdiff(rows[:, 1:], rows[:, :-1])) / coarse


def _high(steps: cv2.typing.MatLike) -> float:
    counts = cv2.calcHist([steps], [0], None, [256], [0, 256]).ravel()
    return float(np.searchsorted(np.cumsum(counts), SHARP_PERCENTILE * steps.size))


def _colour_of(planes: Planes) -> float:
    step = max(1, planes.u.shape[0] // VIEW_WH[1])
    return sum(float(np.abs(plane[::step, ::step].astype(np.int16) - 128).mean()) for plane in (planes.u, planes.v))


def _in_cells(samples: NDArray[np.float32] | cv2.typing.MatLike) -> Cells:
    """The mean over each cell, float32 (9, 16)."""
    return np.asarray(cv2.resize(samples, CELLS_WH, interpolation=cv2.INTER_AREA), np.float32)


def _strength(structure: Structure) -> NDArray[np.float32]:
    return np.asarray(np.sqrt(structure.field[0] ** 2 + structure.field[1] ** 2), np.float32)


def _shifted(samples: NDArray[np.float32], by: tuple[int, int]) -> NDArray[np.float32]:
    """Moved right and down by so many samples; what comes in is 0."""
    height, width = samples.shape
    moved = np.zeros_like(samples)
    right, down = max(-width, min(width, by[0])), max(-height, min(height, by[1]))
    source = samples[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    moved[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = source
    return moved
