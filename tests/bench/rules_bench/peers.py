"""Peers on the same detections: how long a track has been inside, counted in frames, as most programs do it.

Written for this bench after what is common. To their advantage an alert here is the zone's, not the track's: two tracks
that have dwelt at once are one alert, and another begins only after none has for `clear_after_s`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.bench.rules_bench.cases import Case
from tests.bench.rules_bench.counting import Told
from xueliang_edge.observations import NO_TRACK, Observation
from xueliang_edge.rules.geometry import points_inside

VEHICLES: Final = ("car", "bus", "truck")
WITH_TWO_WHEELERS: Final = (*VEHICLES, "motorcycle", "bicycle")


class Anchor(StrEnum):
    """Which point of a box must lie in the polygon. Each suite takes the one with which the peers do better."""

    CENTRE = "centre"
    FEET = "feet"  # the middle of the lower edge


def classes_of(rule: dict[str, Any]) -> tuple[str, ...]:
    """What the product's rule counts by default, so that all count the same."""
    if rule["hazard"] == "crowd":
        return ("person",)
    return VEHICLES if rule["hazard"] == "illegal_parking" else WITH_TWO_WHEELERS


def frames_of(case: Case) -> int:
    """The dwell in frames: peers are set up with a rate, and keep it."""
    return max(1, round(float(case.rule["dwell_s"]) / case.gap_s))


class ZoneAlert:
    """When the zone's alerts begin: told of each look since when something has dwelt, or that nothing has."""

    def __init__(self, clear_after_s: float) -> None:
        self.told: list[Told] = []
        self._clear_after_s, self._last_held_s = clear_after_s, float("-inf")

    def look(self, now_s: float, since_s: float | None) -> None:
        if since_s is None:
            return
        if now_s - self._last_held_s > self._clear_after_s:
            self.told.append(Told(since_s, now_s))
        self._last_held_s = now_s


def told_by_frames(observations: Sequence[Observation], case: Case, anchor: Anchor) -> list[Told]:
    """A track id, its frames with the box's anchor in the polygon, a threshold; a count of people: frames in a row."""
    if case.hazard == "crowd":
        return _crowd_by_frames(observations, case, anchor)
    needed, wanted = frames_of(case), classes_of(case.rule)
    frames: dict[int, int] = {}
    first_s: dict[int, float] = {}
    alert = ZoneAlert(case.rule["clear_after_s"])
    for seen in observations:
        inside = _inside(seen, case, wanted, anchor)
        here = {int(one) for one in seen.track_ids[inside] if one != NO_TRACK}
        for left in {int(one) for one in seen.track_ids[~_anchored(seen, case, anchor)]}:
            frames.pop(left, None)  # seen outside
            first_s.pop(left, None)
        for track in here:
            frames[track] = frames.get(track, 0) + 1
            first_s.setdefault(track, seen.observed_mono_s)
        since = [first_s[track] for track in here if frames[track] >= needed]
        alert.look(seen.observed_mono_s, min(since, default=None))
    return alert.told


def _crowd_by_frames(observations: Sequence[Observation], case: Case, anchor: Anchor) -> list[Told]:
    in_a_row, since_s = 0, 0.0
    alert = ZoneAlert(case.rule["clear_after_s"])
    for seen in observations:
        if int(_inside(seen, case, ("person",), anchor).sum()) >= case.rule["raise_at_count"]:
            since_s = since_s if in_a_row else seen.observed_mono_s
            in_a_row += 1
        else:
            in_a_row = 0
        alert.look(seen.observed_mono_s, since_s if in_a_row >= frames_of(case) else None)
    return alert.told


def _anchored(seen: Observation, case: Case, anchor: Anchor) -> NDArray[np.bool_]:
    """Whose anchor is in the polygon, shape (n,)."""
    boxes = seen.boxes_xyxyn.astype(np.float64)
    across, down = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]
    if anchor is Anchor.CENTRE:
        down = (boxes[:, 1] + boxes[:, 3]) / 2
    points = np.stack([across, down], axis=1)
    return points_inside(points, tuple((float(x), float(y)) for x, y in case.rule["zone"]))


def _inside(seen: Observation, case: Case, classes: tuple[str, ...], anchor: Anchor) -> NDArray[np.bool_]:
    counts = np.array([name in classes for name in seen.class_names], dtype=np.bool_)
    return counts & (seen.scores >= seen.confident_score) & _anchored(seen, case, anchor)
