"""Parts of the picture in which only false alarms are raised. Pure.

What stands in an excluded zone with its feet does not count, nor does change in it. So there are two zones for a
place: one round the feet, which hides little, and one round all of it, for change that has no feet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from xueliang_configs.rules import Rule, has_place
from xueliang_configs.values import polygon_area
from xueliang_edge.backtest.alerts import WouldBeAlert
from xueliang_edge.backtest.suggesting.changes import Change, ChangeKind
from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Box, Zone

LEAST_ALARMS: Final = 3  # fewer are no cause that comes again
_NEAR: Final = 0.06  # of the picture: feet closer than this are of one place
_MARGIN: Final = 0.02  # of the picture: boxes of one thing differ by about half of it
_FURTHER: Final = 0.04  # of the picture: how much wider true alerts must not be met either
_WIDEST: Final = 0.4  # of the picture: what reaches farther is no place
_LARGEST: Final = 0.5  # of the rule's zone: to exclude more is to give the rule up
_PLACES: Final = 4  # most alarms first


def places(rule: Rule, false_alarms: Sequence[WouldBeAlert], true_ones: Sequence[WouldBeAlert]) -> Iterator[Change]:
    """`true_ones`: no zone may come near their feet, or their boxes where it is round all of it."""
    if not has_place(rule):
        return
    spared = [box for alert in true_ones for box in alert.boxes_xyxyn]
    alarms = [alert.boxes_xyxyn for alert in false_alarms if alert.boxes_xyxyn]
    for number, members in enumerate(_clusters([_foot(boxes) for boxes in alarms])[:_PLACES], 1):
        boxes = [box for index in members for box in alarms[index]]
        feet = [(*geometry.feet_of_one(box), *geometry.feet_of_one(box)) for box in boxes]
        spared_feet = [(*geometry.feet_of_one(box), *geometry.feet_of_one(box)) for box in spared]
        for around, others, what in ((feet, spared_feet, "the feet of"), (boxes, spared, "all of")):
            found = _around(around)
            if not _is_a_place(found, rule.zone) or any(geometry.touches(found, _wider(one)) for one in others):
                continue
            words = f"nothing counts at {_where(found)}, round {what} what raised {len(members)} false alarms"
            name, wider = f"zone {number}", _wider(found, _FURTHER)
            further = Change(ChangeKind.ZONE, name, f"nothing counts at {_where(wider)}", zone=_corners(wider))
            yield Change(ChangeKind.ZONE, name, words, zone=_corners(found), further=further)


def _foot(boxes: Sequence[Box]) -> tuple[float, float]:
    return geometry.feet_of_one(max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1])))


def _clusters(feet: Sequence[tuple[float, float]]) -> list[list[int]]:
    """Which of the points are near each other, over any number of steps; the largest first."""
    points, left, found = np.array(feet).reshape(-1, 2), set(range(len(feet))), []
    while left:
        members, waiting = [], [left.pop()]
        while waiting:
            index = waiting.pop()
            members.append(index)
            near = [one for one in left if np.abs(points[one] - points[index]).max() <= _NEAR]
            left.difference_update(near)
            waiting += near
        if len(members) >= LEAST_ALARMS:
            found.append(sorted(members))
    return sorted(found, key=lambda one: (-len(one), one))


def _around(boxes: Sequence[Box]) -> Box:
    lows, highs = np.min(boxes, axis=0), np.max(boxes, axis=0)
    return _wider((float(lows[0]), float(lows[1]), float(highs[2]), float(highs[3])))


def _wider(box: Box, by: float = _MARGIN) -> Box:
    left, top, right, bottom = box
    return max(0.0, left - by), max(0.0, top - by), min(1.0, right + by), min(1.0, bottom + by)


def _is_a_place(found: Box, zone: Zone) -> bool:
    left, top, right, bottom = found
    is_narrow = right - left <= _WIDEST and bottom - top <= _WIDEST
    return is_narrow and geometry.common_with_zone(found, zone) <= _LARGEST * polygon_area(zone)


def _corners(found: Box) -> Zone:
    left, top, right, bottom = (round(value, 3) for value in found)
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _where(found: Box) -> str:
    left, top, right, bottom = found
    return f"x {left:.2f} to {right:.2f}, y {top:.2f} to {bottom:.2f}"
