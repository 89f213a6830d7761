"""The plot in docs/: bars by system, and how the node's cost grows with cameras. Drawn with OpenCV, which is here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_SCALE: Final = 2  # drawn twice as large and brought down: smooth lines and letters
_WH: Final = (1200, 420)
_INK, _GREY, _OURS, _PEER = (40, 40, 40), (170, 170, 170), (170, 110, 30), (150, 150, 150)  # BGR
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_BARS: Final = (400, 90, 330, 280)  # left, top, width, height
_GROWTH: Final = (850, 90, 310, 250)

Canvas = NDArray[np.uint8]


def draw(path: Path, bars: Sequence[tuple[str, float]], growth: Sequence[tuple[int, float]]) -> None:
    """Write the PNG."""
    canvas: Canvas = np.full((_WH[1] * _SCALE, _WH[0] * _SCALE, 3), 255, np.uint8)
    _text(canvas, "CPU-seconds per camera-minute (user + system)", (40, 40), 0.62)
    if bars:
        _draw_bars(canvas, bars)
    if len(growth) > 1:
        _draw_growth(canvas, growth)
    small = cv2.resize(canvas, _WH, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), small, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _draw_bars(canvas: Canvas, bars: Sequence[tuple[str, float]]) -> None:
    left, top, width, height = _BARS
    step = height / len(bars)
    most = max(value for _, value in bars)
    for number, (label, value) in enumerate(bars):
        y = top + number * step
        colour = _OURS if label.startswith("node") else _PEER
        right = left + max(2, width * value / most)
        _box(canvas, (left, y + step * 0.2), (right, y + step * 0.8), colour)
        _text(canvas, label, (left - 10, y + step * 0.62), 0.45, is_right=True)
        _text(canvas, f"{value:.2f}", (right + 6, y + step * 0.62), 0.45)


def _draw_growth(canvas: Canvas, growth: Sequence[tuple[int, float]]) -> None:
    left, top, width, height = _GROWTH
    most = 1.15 * max(value for _, value in growth)
    last = math.log2(max(count for count, _ in growth)) or 1.0
    points = [(left + width * math.log2(count) / last, top + height * (1 - value / most)) for count, value in growth]
    _line(canvas, (left, top + height), (left + width, top + height), _GREY)
    for begin, end in pairwise(points):
        _line(canvas, begin, end, _OURS, 2)
    for (x, y), (count, value) in zip(points, growth, strict=True):
        _box(canvas, (x - 3, y - 3), (x + 3, y + 3), _OURS)
        _text(canvas, f"{value:.2f}", (x - 14, y - 10), 0.42)
        _text(canvas, f"{count}", (x - 6, top + height + 20), 0.42)
    _text(canvas, "node, main stream, by cameras", (left + 30, top + height + 48), 0.45)


def _text(canvas: Canvas, text: str, at: tuple[float, float], size: float, *, is_right: bool = False) -> None:
    if is_right:
        (width, _), _ = cv2.getTextSize(text, _FONT, size * _SCALE, 1)
        at = (at[0] - width / _SCALE, at[1])
    cv2.putText(canvas, text, _pixels(at), _FONT, size * _SCALE, _INK, 1, cv2.LINE_AA)


def _line(
    canvas: Canvas, begin: tuple[float, float], end: tuple[float, float], colour: tuple[int, int, int], width: int = 1
) -> None:
    cv2.line(canvas, _pixels(begin), _pixels(end), colour, width * _SCALE, cv2.LINE_AA)


def _box(canvas: Canvas, begin: tuple[float, float], end: tuple[float, float], colour: tuple[int, int, int]) -> None:
    cv2.rectangle(canvas, _pixels(begin), _pixels(end), colour, cv2.FILLED)


def _pixels(at: tuple[float, float]) -> tuple[int, int]:
    return round(at[0] * _SCALE), round(at[1] * _SCALE)
