"""What slides and timelines are drawn with: colours, and text that is measured before it is put somewhere.

OpenCV writes ASCII only: ids are, names need not be, so ids are shown.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import Severity
from xueliang_edge.analysing.lanes import StateKind

Image = NDArray[np.uint8]
Bgr = tuple[int, int, int]

INK: Final[Bgr] = (40, 34, 30)
PALE_INK: Final[Bgr] = (128, 118, 110)
PAPER: Final[Bgr] = (255, 255, 255)
SEVERITY_BGR: Final[dict[Severity, Bgr]] = {
    Severity.RED: (48, 48, 214),
    Severity.ORANGE: (32, 128, 240),
    Severity.YELLOW: (20, 190, 235),
    Severity.BLUE: (205, 125, 50),
}
STATE_BGR: Final[dict[StateKind, Bgr]] = {
    StateKind.QUIET: (224, 232, 224),
    StateKind.COUNTING: (150, 214, 248),
    StateKind.PAUSED: (246, 224, 206),
    StateKind.UNKNOWN: (214, 214, 214),
}
HATCH_BGR: Final[Bgr] = (140, 140, 140)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_UNIT_PX: Final = 21.0  # height of a capital at scale 1


def colour_of(kind: StateKind, severity: Severity | None) -> Bgr:
    """Of a rule that stands so; an open alert keeps its colour while nothing is known."""
    return SEVERITY_BGR[severity] if severity is not None else STATE_BGR.get(kind, PAPER)


def ascii_of(text: str) -> str:
    """What the font can write; the rest becomes "?"."""
    return text.encode("ascii", "replace").decode("ascii")


def text_width(text: str, height_px: float) -> int:
    """Pixels across, of text whose capitals are so high."""
    return int(cv2.getTextSize(ascii_of(text), _FONT, height_px / _UNIT_PX, _weight(height_px))[0][0])


def cut_to(text: str, width_px: int, height_px: float) -> str:
    """As much of it as fits, with dots where something is left out."""
    text = ascii_of(text)
    if text_width(text, height_px) <= width_px:
        return text
    while text and text_width(f"{text}...", height_px) > width_px:
        text = text[:-1]
    return f"{text.rstrip()}..." if text else ""


def wrapped(text: str, width_px: int, height_px: float) -> list[str]:
    """Its words in lines that fit."""
    lines = [""]
    for word in ascii_of(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, height_px) > width_px:
            lines.append(cut_to(word, width_px, height_px))
        else:
            lines[-1] = longer
    return [line for line in lines if line]


def put(image: Image, text: str, at_xy: tuple[int, int], height_px: float, colour: Bgr = INK) -> None:
    """Write text; `at_xy` is where its base line begins."""
    cv2.putText(
        image, ascii_of(text), at_xy, _FONT, height_px / _UNIT_PX, colour, _weight(height_px), lineType=cv2.LINE_AA
    )


def hatch(image: Image, left: int, top: int, right: int, bottom: int, step_px: int = 8) -> None:
    """Slanted lines over a rectangle: nothing is known."""
    part = image[max(0, top) : bottom, max(0, left) : right]
    if part.size == 0:
        return
    height, width = part.shape[:2]
    # By the picture's own columns, so that neighbours join.
    for start in range(-height - left % step_px, width, step_px):
        cv2.line(part, (start, height), (start + height, 0), HATCH_BGR, 1, cv2.LINE_AA)


def clock(seconds: float) -> str:
    """1:05:09, 5:09 or 0:09."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _weight(height_px: float) -> int:
    return 2 if height_px > 15 else 1
