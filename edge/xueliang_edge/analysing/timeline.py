"""The timeline: a lane for each rule over the length of the recording, and under it what was said and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from xueliang_alerts.contract import Severity
from xueliang_edge.analysing.drawing import (
    INK,
    PALE_INK,
    PAPER,
    SEVERITY_BGR,
    STATE_BGR,
    Bgr,
    Image,
    clock,
    colour_of,
    cut_to,
    hatch,
    put,
    text_width,
)
from xueliang_edge.analysing.lanes import Lane, StateKind, Stretch
from xueliang_edge.analysing.told import ToldAlert

WIDTH_PX: Final = 1600
LEFT_PX: Final = 270
RIGHT_PX: Final = 40
LANE_PX: Final = 84
BAR_PX: Final = 26
CURVE_PX: Final = 30
TICK_GAP_PX: Final = 80  # "10:05:30" is 60 wide
SAID_SHOWN: Final = 40
STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
CURVE_BGR: Final[Bgr] = (150, 95, 60)
GRID_BGR: Final[Bgr] = (232, 230, 228)
_ROW_PX: Final = 26
_TEXT_PX: Final = 12.0
_SMALL_PX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds of the recording to columns of the picture."""

    length_s: float
    left_px: int = LEFT_PX
    right_px: int = WIDTH_PX - RIGHT_PX

    def x(self, at_s: float) -> int:
        """The column of a moment; moments outside lie on the edge."""
        share = min(1.0, max(0.0, at_s / self.length_s)) if self.length_s > 0 else 0.0
        return self.left_px + round(share * (self.right_px - self.left_px))

    def ticks_s(self) -> tuple[int, ...]:
        """Round moments, from 0 on, far enough apart for their labels."""
        room = max(1, (self.right_px - self.left_px) // TICK_GAP_PX)
        step = next((one for one in STEPS_S if self.length_s / one <= room), STEPS_S[-1])
        return tuple(range(0, int(self.length_s) + 1, step))


def columns(stretch: Stretch, scale: Scale) -> tuple[int, int]:
    """Where a stretch is drawn, from and to; never narrower than two pixels: what was short was there all the same."""
    left, right = scale.x(stretch.begin_s), scale.x(stretch.end_s)
    return left, max(right, left + 2)


def apart(wanted_px: Sequence[int], least_px: int) -> list[bool]:
    """Which of these columns, in order, keep that distance from the last one that does."""
    shown: list[bool] = []
    last: int | None = None
    for one in wanted_px:
        shown.append(last is None or one - last >= least_px)
        last = one if shown[-1] else last
    return shown


def draw(lanes: Sequence[Lane], told: Sequence[ToldAlert], length_s: float, title: str, under_title: str) -> Image:
    """The whole picture, uint8 (h, 1600, 3)."""
    scale = Scale(length_s)
    listed = min(len(told), SAID_SHOWN) + (len(told) > SAID_SHOWN) + (not told)
    lanes_top = 92
    lanes_bottom = lanes_top + LANE_PX * max(1, len(lanes)) + 12
    image = np.full((lanes_bottom + 116 + _ROW_PX * (listed + 1), WIDTH_PX, 3), PAPER, np.uint8)
    put(image, cut_to(title, WIDTH_PX - 60, 17.0), (30, 40), 17.0)
    put(image, cut_to(under_title, WIDTH_PX - 60, _TEXT_PX), (30, 66), _TEXT_PX, PALE_INK)
    _draw_axis(image, scale, lanes_top, lanes_bottom)
    for index, lane in enumerate(lanes):
        numbers = [(number, one) for number, one in enumerate(told, start=1) if one.alert.rule_id == lane.rule.rule_id]
        _draw_lane(image, lane, scale, lanes_top + LANE_PX * index, numbers)
    _draw_legend(image, lanes_bottom + 62)
    _draw_said(image, told, lanes_bottom + 112)
    return image


def save(image: Image, path: Path) -> None:
    """As PNG, whatever the name. Raises OSError."""
    done, data = cv2.imencode(".png", image)
    if not done:
        raise OSError(0, "the timeline could not be encoded", str(path))
    path.write_bytes(data.tobytes())


def _draw_axis(image: Image, scale: Scale, top: int, bottom: int) -> None:
    for tick_s in scale.ticks_s():
        x = scale.x(tick_s)
        cv2.line(image, (x, top), (x, bottom + 6), GRID_BGR, 1)
        text = clock(tick_s)
        put(image, text, (x - text_width(text, _TEXT_PX) // 2, bottom + 24), _TEXT_PX, PALE_INK)
    cv2.line(image, (scale.left_px, bottom), (scale.right_px, bottom), PALE_INK, 1)


def _draw_lane(image: Image, lane: Lane, scale: Scale, top: int, said: Sequence[tuple[int, ToldAlert]]) -> None:
    rule = lane.rule
    bar = top + CURVE_PX + 14
    room = LEFT_PX - 50
    needed_s = float(getattr(rule, "dwell_s", 0.0))
    put(image, cut_to(rule.rule_id, room, 13.0), (30, bar + 3), 13.0)
    words = f"{rule.hazard.value}{f', {needed_s:g} s' if needed_s else ''}{', on trial' if rule.shadow else ''}"
    put(image, cut_to(words, room, _SMALL_PX), (30, bar + 22), _SMALL_PX, PALE_INK)
    for stretch in lane.stretches:
        left, right = columns(stretch, scale)
        colour = colour_of(stretch.kind, stretch.severity)
        cv2.rectangle(image, (left, bar), (right, bar + BAR_PX), colour, cv2.FILLED)
        if stretch.kind is StateKind.UNKNOWN:
            hatch(image, left, bar, right, bar + BAR_PX)
    cv2.rectangle(image, (scale.left_px, bar), (scale.right_px, bar + BAR_PX), PALE_INK, 1)
    _draw_curve(image, lane, scale, top + 8)
    _draw_numbers(image, said, scale, bar)


def _draw_curve(image: Image, lane: Lane, scale: Scale, top: int) -> None:
    """The rule's figure in steps, its highest value written at the left."""
    figures = [figure for _, figure in lane.figures if figure is not None]
    if not figures:
        return
    highest = max(figures)
    is_share = any(figure != round(figure) for figure in figures)
    label = f"{100 * highest:.0f} %" if is_share else f"{highest:.0f}"
    base = top + CURVE_PX
    put(image, label, (scale.left_px - 8 - text_width(label, _SMALL_PX), top + 11), _SMALL_PX, CURVE_BGR)
    cv2.line(image, (scale.left_px, base), (scale.right_px, base), GRID_BGR, 1)
    parts: list[list[tuple[int, int]]] = [[]]
    until_s = [at_s for at_s, _ in lane.figures[1:]] + [lane.end_s]
    for (at_s, figure), end_s in zip(lane.figures, until_s, strict=True):
        if figure is None:
            parts.append([])
            continue
        y = base - (round(CURVE_PX * figure / highest) if highest > 0 else 0)
        parts[-1] += [(scale.x(at_s), y), (scale.x(end_s), y)]
    for part in filter(None, parts):
        cv2.polylines(image, [np.asarray(part, np.int32)], False, CURVE_BGR, 1, cv2.LINE_AA)


def _draw_numbers(image: Image, said: Sequence[tuple[int, ToldAlert]], scale: Scale, bar: int) -> None:
    """Where something was said: a tick, and its number in the list where there is room for it."""
    places = [scale.x(one.video_s) for _, one in said]
    for (number, _), x, is_shown in zip(said, places, apart(places, 26), strict=True):
        cv2.line(image, (x, bar - 3), (x, bar + BAR_PX + 3), INK, 1)
        if is_shown:
            text = str(number)
            put(image, text, (x - text_width(text, _SMALL_PX) // 2, bar + BAR_PX + 14), _SMALL_PX)


def _draw_legend(image: Image, base: int) -> None:
    entries: list[tuple[str, Bgr, bool]] = [
        ("quiet", STATE_BGR[StateKind.QUIET], False),
        ("counting", STATE_BGR[StateKind.COUNTING], False),
        *((f"open, severity {one.value}", SEVERITY_BGR[one], False) for one in Severity),
        ("not raising now (schedule, cooldown)", STATE_BGR[StateKind.PAUSED], False),
        ("unknown", STATE_BGR[StateKind.UNKNOWN], True),
    ]
    x = LEFT_PX
    for text, colour, is_hatched in entries:
        cv2.rectangle(image, (x, base - 12), (x + 20, base + 2), colour, cv2.FILLED)
        if is_hatched:
            hatch(image, x, base - 12, x + 20, base + 2)
        cv2.rectangle(image, (x, base - 12), (x + 20, base + 2), PALE_INK, 1)
        put(image, text, (x + 28, base), _SMALL_PX, PALE_INK)
        x += 28 + text_width(text, _SMALL_PX) + 26


def _draw_said(image: Image, told: Sequence[ToldAlert], base: int) -> None:
    if not told:
        put(image, "no alert", (30, base), _TEXT_PX, PALE_INK)
    for number, one in enumerate(told[:SAID_SHOWN], start=1):
        alert = one.alert
        cv2.rectangle(image, (30, base - 12), (42, base), SEVERITY_BGR[Severity(alert.severity)], cv2.FILLED)
        put(image, f"{number}", (52, base), _TEXT_PX, PALE_INK)
        put(image, clock(one.video_s), (90, base), _TEXT_PX)
        put(image, alert.phase.value, (165, base), _TEXT_PX)
        trial = "on trial, " if one.is_shadow else ""
        words = f"{alert.rule_id}: {trial}{alert.reason.text}"
        put(image, cut_to(words, WIDTH_PX - LEFT_PX - 30, _TEXT_PX), (LEFT_PX, base), _TEXT_PX)
        base += _ROW_PX
    if len(told) > SAID_SHOWN:
        put(image, f"and {len(told) - SAID_SHOWN} more: alerts.jsonl", (30, base), _TEXT_PX, PALE_INK)
