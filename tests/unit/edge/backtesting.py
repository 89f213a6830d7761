"""Made-up days of a camera on which every hazard happens now and then, as the log holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.unit.edge.observing import LANE, START, Thing, seen
from xueliang_edge.observation_log.blocks import decoded, encoded
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observation_log.groups import Group
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import Observation, ViewState

WEST = [[0.0, 0.4], [0.5, 0.4], [0.5, 1.0], [0.0, 1.0]]
SCHEDULE = {"time_zone": "UTC", "bands": [{"start": "08:02", "until": "08:06"}, {"start": "08:09", "until": "24:00"}]}
RULES: dict[str, dict[str, Any]] = {
    "fire_lane": {"hazard": "fire_lane_obstruction", "dwell_s": 8, "clear_after_s": 3, "view_lost_after_s": 60},
    "fire_lane_excluding": {
        "hazard": "fire_lane_obstruction",
        "dwell_s": 6,
        "exclude_zones": [[[0.1, 0.5], [0.4, 0.5], [0.4, 0.9], [0.1, 0.9]]],
        "schedule": SCHEDULE,
    },
    "exit": {"hazard": "blocked_exit", "zone": WEST, "dwell_s": 5, "cooldown_s": 30, "min_scores": {"car": 0.6}},
    "parking": {"hazard": "illegal_parking", "dwell_s": 10},
    "crowd": {"hazard": "crowd", "raise_at_count": 3, "clear_at_count": 1, "dwell_s": 2, "clear_after_s": 4},
    "crowd_slow": {
        "hazard": "crowd",
        "raise_at_count": 2,
        "clear_at_count": 1,
        "dwell_s": 0,
        "smooth_s": 7,
        "schedule": SCHEDULE,
    },
    "fire": {"hazard": "fire_smoke", "dwell_s": 2, "clear_after_s": 4},
    "intrusion": {"hazard": "intrusion", "clear_after_s": 3, "zone": WEST, "view_lost_after_s": 60},
    "intrusion_at_night": {"hazard": "intrusion", "needed_looks": 1, "of_looks": 1, "schedule": SCHEDULE},
    "ebike": {"hazard": "ebike_indoors", "min_height": 0.05},
    "line": {"hazard": "line_crossing", "clear_after_s": 3},
    "wrong_way": {"hazard": "wrong_way", "direction": [[0.2, 0.7], [0.8, 0.7]], "dwell_s": 0.5},
    "water": {"hazard": "water_level", "dwell_s": 5, "clear_after_s": 4, "view_lost_after_s": 60},
    "debris": {"hazard": "debris_on_road", "dwell_s": 4, "clear_after_s": 4, "zone": WEST},
    "offline": {"hazard": "camera_fault", "fault": "offline", "offline_after_s": 4},
}
"""Every hazard at least once."""


def days(seed: int, count: int) -> list[Observation]:
    """`count` looks; the same seed gives the same ones."""
    return list(_looks(np.random.default_rng(seed), count))


def _looks(random: np.random.Generator, count: int) -> Iterator[Observation]:
    at_s, scene = 0.0, _Scene(random)
    last: dict[str, Observation] = {}
    for number in range(count):
        at_s += float(random.choice([0.5, 1.0, 1.3, 0.0, 8.0, 70.0], p=[0.3, 0.5, 0.16, 0.02, 0.015, 0.005]))
        scene.go_on()
        detector = "night" if random.random() < 0.05 else "objects"
        if random.random() < scene.blindness:
            view = ViewState.OFFLINE if scene.blindness > 0.8 else ViewState.UNKNOWN
            yield seen(at_s, view=view, detector=detector)
        elif detector in last and random.random() < 0.2:
            moment: dict[str, Any] = {"observed_mono_s": 1000.0 + at_s, "observed_at": START + timedelta(seconds=at_s)}
            yield replace(last[detector], is_carried=True, change=scene.change(), **moment)
        else:
            things, tracks = scene.things()
            shown = seen(at_s, things, change=scene.change(), track_ids=tracks, detector=detector)
            # Each detector has a score of its own, somebody changes it, and a blind look has one that says nothing.
            score = 0.55 if detector == "night" else 0.45 if number < 120 else 0.5
            last[detector] = replace(shown, confident_score=score)
            yield last[detector]


class _Scene:
    """Stretches of looks in which something is there, or nothing is."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._there: dict[str, int] = {}
        self._track, self._x = 0, 0.0
        self.blindness = 0.0

    def go_on(self) -> None:
        for name in ("car", "people", "walker", "fire", "bike", "mover", "stain", "storm", "blind"):
            left = self._there.get(name, 0)
            if left > 0:
                self._there[name] = left - 1
            elif self._random.random() < 0.02:
                self._there[name] = int(self._random.integers(2, 40))
                if name == "mover":
                    self._track += 1
                    self._x = 0.05 if self._track % 2 else 0.95
        self.blindness = 0.9 if self._is("blind") else 0.03

    def _is(self, name: str) -> bool:
        return self._there.get(name, 0) > 0

    def _box(self, x: float, foot: float, width: float, height: float) -> tuple[float, float, float, float]:
        x, foot = x + float(self._random.normal(0, 0.003)), foot + float(self._random.normal(0, 0.003))
        return x - width / 2, foot - height, x + width / 2, foot

    def things(self) -> tuple[list[Thing], list[int]]:
        random, found = self._random, []
        if self._is("car"):
            found.append((("car", float(random.choice([0.3, 0.7, 0.8])), self._box(0.4, 0.8, 0.2, 0.3)), 1000))
        if self._is("people"):
            people = int(random.integers(1, 6))
            found += [
                (("person", float(random.uniform(0.3, 0.9)), self._box(0.2 + 0.1 * n, 0.8, 0.08, 0.3)), 2000 + n)
                for n in range(people)
            ]
        if self._is("walker"):
            found.append((("person", 0.6, self._box(float(random.uniform(0, 1)), 0.7, 0.05, 0.2)), -1))
        if self._is("fire"):
            width, height = 0.1 + random.normal(0, 0.01, 2)
            found.append((("fire", 0.7, self._box(0.5, 0.7, width, height)), -1))
        if self._is("bike"):
            found.append((("bicycle", 0.5, self._box(0.3, 0.7, 0.1, 0.15)), 3000))
        if self._is("mover"):
            self._x += 0.06 if self._track % 2 else -0.06
            found.append((("car", 0.7, self._box(self._x, 0.75, 0.1, 0.1)), self._track))
        if random.random() < 0.3:
            found.append((("boat", 0.15, self._box(random.uniform(0.1, 0.9), random.uniform(0.1, 0.9), 0.1, 0.1)), -1))
        return [thing for thing, _ in found], [track for _, track in found]

    def change(self) -> NDArray[np.float32] | None:
        if self._random.random() < 0.02:
            return None
        grid = (self._random.random((18, 32)) < 0.004).astype(np.float32) * 0.6
        if self._is("stain"):
            grid[10:14, 6:13] = 0.8
        if self._is("storm"):
            grid[9:, :] = self._random.choice([0.3, 0.9])
        grid[:2] = np.nan
        return grid


def part_of(looks: Iterable[Observation], *, run_id: str = "run-1", first: int = 1) -> LoggedLooks:
    """As the log gives them back."""
    group = Group(run_id)
    for sequence, one in enumerate(looks, first):
        group.add(as_logged(one), sequence, None)
    (block,) = group.blocks
    head, data = encoded(block.camera_id, block.rows, block.tables)
    return decoded(head, memoryview(data), run_id)


def rule_of(name: str, **settings: Any) -> dict[str, Any]:
    """One of `RULES` as it is written, with what `camera` leaves to be filled in."""
    return {"rule_id": name.replace("_", "-"), "zone": LANE} | RULES[name] | settings
