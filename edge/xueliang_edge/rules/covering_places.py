"""What lies over a place at a look that did not hit it: other boxes hide it, or have taken its ground. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from xueliang_edge.rules.geometry import Box

SETTLED_IOU: Final = 0.6  # a box that overlaps a place so much is its own
HIDDEN_SHARE: Final = 0.5
# What comes to stand half beside a place, on the same line, has taken its ground: what stood there has moved on.
MOVED_ON: Final = (0.2, 0.85)  # of the place's width, from its middle to the other's
MOVED_ON_LINE: Final = 0.15  # of its height, between the lower edges: what passes in front stands lower
MOVED_ON_SIZE: Final = 1.5  # at most so many times as wide


def is_over(anchor: Box, believed: Iterable[Box], but: Sequence[Box]) -> tuple[bool, bool]:
    """Whether boxes hide the place, the area that each lies over counted alone; and whether they do without some.

    Its own box may lie a little too far outside the zone to be counted: it hides nothing.
    """
    left, top, right, bottom = anchor
    covered, others, area = 0.0, 0.0, (right - left) * (bottom - top)
    whole = area if area > 1e-12 else 1e-12
    for box in believed:
        box_left, box_top, box_right, box_bottom = box
        if box_left < right and box_right > left and box_top < bottom and box_bottom > top:
            width = (right if right < box_right else box_right) - (left if left > box_left else box_left)
            height = (bottom if bottom < box_bottom else box_bottom) - (top if top > box_top else box_top)
            if width <= 0 or height <= 0:
                continue
            common = width * height
            union = area + (box_right - box_left) * (box_bottom - box_top) - common
            if common / (union if union > 1e-12 else 1e-12) < SETTLED_IOU:
                covered += common
                others += 0.0 if box in but else common
                if others / whole >= HIDDEN_SHARE:
                    return True, True  # what else lies over it can only add to that
    return covered / whole >= HIDDEN_SHARE, False


def takers_of_ground(anchor: Box, boxes: Sequence[Box]) -> list[int]:
    """Index of those that stand on the place's line, half beside it, and are about as wide."""
    left, top, right, line = anchor
    reach, width = MOVED_ON_LINE * (line - top), max(right - left, 1e-9)
    found = []
    for index, box in enumerate(boxes):
        if -reach <= box[3] - line <= reach:
            wide = (box[2] - box[0]) / width
            apart = abs(box[0] + box[2] - left - right) / 2 / width
            if 1 / MOVED_ON_SIZE <= wide <= MOVED_ON_SIZE and MOVED_ON[0] <= apart <= MOVED_ON[1]:
                found.append(index)
    return found


def is_crowded(anchor: Box, boxes: Iterable[Box]) -> bool:
    """Half of the place lies under these boxes, each counted alone."""
    left, top, right, bottom = anchor
    area, common = (right - left) * (bottom - top), 0.0
    needed = HIDDEN_SHARE * (area if area > 1e-12 else 1e-12)
    for box_left, box_top, box_right, box_bottom in boxes:
        if box_left < right and box_right > left and box_top < bottom and box_bottom > top:
            width = (right if right < box_right else box_right) - (left if left > box_left else box_left)
            height = (bottom if bottom < box_bottom else box_bottom) - (top if top > box_top else box_top)
            if width > 0 and height > 0:
                common += width * height
    return common >= needed
