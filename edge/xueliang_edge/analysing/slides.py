"""One slide of the annotated clip: the masked picture of a look, zones, things, how each rule stands, what was said.

The picture comes as a masked still and is drawn on, never looked under: who is filled there stays filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from xueliang_configs.rules import Rule
from xueliang_edge.analysing.drawing import (
    INK,
    PALE_INK,
    PAPER,
    Bgr,
    Image,
    clock,
    colour_of,
    cut_to,
    put,
    text_width,
    wrapped,
)
from xueliang_edge.analysing.lanes import RuleState
from xueliang_edge.observations import Observation
from xueliang_edge.rules.standing_measure import WEAK_SHARE

LEAST_WIDTH_PX: Final = 960  # below it text would not be readable: a small picture is shown larger
LINES_SAID: Final = 4
RULES_SHOWN: Final = 12
BLANK_BGR: Final[Bgr] = (72, 72, 72)
THING_BGR: Final[Bgr] = (250, 230, 60)
WEAK_BGR: Final[Bgr] = (190, 190, 190)
_TEXT_PX: Final = 13.0
_LABEL_PX: Final = 10.0
_LABEL_TRIES: Final = 6
_ROW_PX: Final = 26
_PAD_PX: Final = 14


@dataclass(frozen=True, slots=True)
class Slide:
    """What is told of one look.

    Attributes:
        picture_bgr: masked, uint8 (h, w, 3); None: it cannot be shown, because of `hidden`.
        frame_size_wh: of the camera's picture: its shape, when nothing of it is shown.
        head: the line above the picture: time, camera.
        observations: one a detector.
        states: every running rule with how it stands now.
        said: what rules said last, newest first.
    """

    picture_bgr: Image | None
    hidden: str
    frame_size_wh: tuple[int, int]
    head: str
    observations: Sequence[Observation]
    states: Sequence[tuple[Rule, RuleState]]
    said: Sequence[str]


def draw(slide: Slide) -> Image:
    """The slide, uint8 (h, w, 3), sides even; the same size for pictures of one shape and as many rules."""
    picture = _shown(slide)
    height, width = picture.shape[:2]
    labels = _Labels(picture)
    for rule, state in slide.states:
        _draw_zone(picture, rule, state, labels)
    for observation in slide.observations:
        _draw_things(picture, observation, labels)
    labels.draw()
    rows = min(len(slide.states), RULES_SHOWN + 1) + LINES_SAID
    canvas = np.full((height + _ROW_PX * (rows + 1) + 2 * _PAD_PX, width, 3), PAPER, np.uint8)
    put(canvas, cut_to(slide.head, width - 2 * _PAD_PX, _TEXT_PX), (_PAD_PX, 19), _TEXT_PX)
    canvas[_ROW_PX : _ROW_PX + height] = picture
    _draw_states(canvas, slide, _ROW_PX + height + _PAD_PX)
    return canvas[: canvas.shape[0] & ~1, : canvas.shape[1] & ~1]


def said_line(at_s: float, rule_id: str, phase: str, text: str) -> str:
    """What a rule said, in one line."""
    return f"{clock(at_s)} {rule_id} {phase}: {text}"


def _shown(slide: Slide) -> Image:
    """The picture in the size it is drawn on, a copy; or a blank one that says why there is none."""
    width, height = slide.frame_size_wh
    scale = max(1.0, LEAST_WIDTH_PX / width)
    if slide.picture_bgr is not None:
        height, width = slide.picture_bgr.shape[:2]
        scale = max(1.0, LEAST_WIDTH_PX / width)
        size_wh = round(width * scale), round(height * scale)
        return np.asarray(cv2.resize(slide.picture_bgr, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
    blank = np.full((round(height * scale), round(width * scale), 3), BLANK_BGR, np.uint8)
    put(blank, f"not shown: {slide.hidden}", (_PAD_PX, 2 * _ROW_PX), 16.0, PAPER)
    return blank


class _Labels:
    """Words on the picture, none over another; drawn last, so that nothing is over them."""

    def __init__(self, picture: Image) -> None:
        self._picture = picture
        self._placed: list[tuple[tuple[int, int, int, int], str, Bgr]] = []

    def put(self, text: str, left: int, base: int, colour: Bgr) -> None:
        """Near that place, inside the picture; left out where there is no room."""
        height, width = self._picture.shape[:2]
        text = cut_to(text, width // 3, _LABEL_PX)
        wide, tall = text_width(text, _LABEL_PX) + 6, round(_LABEL_PX) + 8
        left = max(0, min(left, width - wide))
        first = max(tall, min(base + 4, height - 1))
        for bottom in range(first, min(height, first + _LABEL_TRIES * (tall + 1)), tall + 1):
            place = (left, bottom - tall, left + wide, bottom)
            if not any(_overlap(place, other) for other, _, _ in self._placed):
                self._placed.append((place, text, colour))
                return

    def draw(self) -> None:
        """Dark letters, each on its own ground."""
        for (left, top, right, bottom), text, colour in self._placed:
            cv2.rectangle(self._picture, (left, top), (right, bottom), colour, cv2.FILLED)
            put(self._picture, text, (left + 3, bottom - 5), _LABEL_PX)


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _draw_zone(picture: Image, rule: Any, state: RuleState, labels: _Labels) -> None:
    height, width = picture.shape[:2]
    colour = colour_of(state.kind, state.severity)
    line = getattr(rule, "line", None)
    corners = np.asarray(line if line is not None else getattr(rule, "zone", ()), np.float64)
    if not len(corners):
        return
    points = np.round(corners * [width - 1, height - 1]).astype(np.int32)
    for ink, thickness in ((INK, 4), (colour, 2)):
        cv2.polylines(picture, [points], line is None, ink, thickness, cv2.LINE_AA)
    for excluded in getattr(rule, "exclude_zones", ()):
        hole = np.round(np.asarray(excluded) * [width - 1, height - 1]).astype(np.int32)
        cv2.polylines(picture, [hole], True, PALE_INK, 1, cv2.LINE_AA)
    left, top = points[np.argmin(points.sum(axis=1))]
    labels.put(rule.rule_id, int(left) + 6, int(top) + 20, colour)


def _draw_things(picture: Image, seen: Observation, labels: _Labels) -> None:
    height, width = picture.shape[:2]
    for index in np.argsort(-seen.scores, kind="stable"):
        box, score, name = seen.boxes_xyxyn[index], seen.scores[index], seen.class_names[index]
        if score < WEAK_SHARE * seen.confident_score:
            continue
        is_sure = score >= seen.confident_score
        colour = THING_BGR if is_sure else WEAK_BGR
        left, top, right, bottom = (int(value) for value in np.round(box * [width, height, width, height]))
        cv2.rectangle(picture, (left, top), (right, bottom), colour, 2 if is_sure else 1)
        if is_sure:
            labels.put(f"{name} {score:.2f}", left, top - 5, colour)


def _draw_states(canvas: Image, slide: Slide, top: int) -> None:
    width = canvas.shape[1]
    for rule, state in slide.states[:RULES_SHOWN]:
        swatch = colour_of(state.kind, state.severity)
        cv2.rectangle(canvas, (_PAD_PX, top + 5), (_PAD_PX + 16, top + 21), swatch, cv2.FILLED)
        cv2.rectangle(canvas, (_PAD_PX, top + 5), (_PAD_PX + 16, top + 21), PALE_INK, 1)
        words = f"{rule.rule_id} ({rule.hazard.value}): {state.words}"
        put(canvas, cut_to(words, width - 60, _TEXT_PX), (_PAD_PX + 26, top + 19), _TEXT_PX)
        top += _ROW_PX
    if len(slide.states) > RULES_SHOWN:
        put(canvas, f"and {len(slide.states) - RULES_SHOWN} more rules", (_PAD_PX, top + 19), _TEXT_PX, PALE_INK)
        top += _ROW_PX
    lines = [line for said in slide.said for line in wrapped(said, width - 2 * _PAD_PX, _TEXT_PX)]
    for line in lines[:LINES_SAID]:
        put(canvas, line, (_PAD_PX, top + 19), _TEXT_PX, PALE_INK)
        top += _ROW_PX
