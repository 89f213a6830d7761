"""Observation streams of a made-up street, with a detector's noise: no pictures, right answers known.

What the noise is like was read off the shared clips with yolox_nano: half of the boxes have no track, a tenth of them
have a score near 0.10, box edges jitter by some hundredths of the box, and 20 to 65 cells of the change grid differ
from one look to the next on a busy road, 5 or so on an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.tracking import Tracker

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
GRID_HW = (18, 32)
SAMPLES = 25  # of a grid cell: its share is a multiple of one of these
CLASSES = ("person", "car", "truck", "bus", "bicycle", "motorcycle")
WEAK_NAMES = (*CLASSES, "bird", "boat", "bench", "traffic light")


@dataclass(frozen=True, slots=True)
class Street:
    """How much goes on.

    Attributes:
        parked, passing, weak: boxes a look, on average: things that stand, things that move, weak boxes of nothing.
        looks_per_s: how often it is looked at.
        refresh_every: one look in so many is a detection of its own, the others carry its answer; 1: all detect.
        flicker: cells that differ for no reason, on average.
    """

    parked: int
    passing: float
    weak: float
    looks_per_s: float = 1.0
    refresh_every: int = 1
    flicker: float = 12.0


CALM = Street(parked=3, passing=0.05, weak=1.5, refresh_every=10, flicker=3.0)
BUSY = Street(parked=5, passing=4.0, weak=10.0, flicker=8.0)
RUSH_HOUR = Street(parked=6, passing=8.0, weak=18.0, flicker=10.0)
"""As many boxes as the motorway and the plaza of the shared clips have, all day."""


def looks(street: Street, count: int, *, seed: int = 1, camera_id: str = "lane") -> Iterator[Observation]:
    """`count` observations with tracks, one after the other."""
    made, tracker = _Scene(street, np.random.default_rng(seed), camera_id), Tracker()
    for number in range(count):
        seen = made.look(number)
        tracks = tracker.update(
            seen.boxes_xyxyn, seen.scores, seen.class_names, seen.observed_mono_s, confident_score=seen.confident_score
        )
        yield replace(seen, track_ids=tracks)


class _Scene:
    def __init__(self, street: Street, random: np.random.Generator, camera_id: str) -> None:
        self._street, self._random, self._camera_id = street, random, camera_id
        self._parked = _things(random, street.parked)
        self._haunts = _things(random, 40)  # where weak boxes come again and again
        self._moving = np.zeros((0, 7), np.float64)  # centre, size, speed, class
        self._mono_s = 1000.0
        self._last: Observation | None = None

    def look(self, number: int) -> Observation:
        self._mono_s += (1 + self._random.normal(0, 0.01)) / self._street.looks_per_s
        at = START + timedelta(seconds=self._mono_s - 1000.0)
        change = self._change()
        if number % self._street.refresh_every and self._last is not None:
            return replace(self._last, observed_mono_s=self._mono_s, observed_at=at, change=change, is_carried=True)
        boxes, scores, names = self._boxes()
        self._last = Observation(
            camera_id=self._camera_id,
            observed_mono_s=self._mono_s,
            observed_at=at,
            view=ViewState.GOOD,
            boxes_xyxyn=boxes,
            scores=scores,
            class_names=names,
            track_ids=np.full(len(names), -1, np.int64),
            frame_size_wh=(1920, 1080),
            model_digest="a" * 64,
            confident_score=0.45,
            change=change,
        )
        return self._last

    def _boxes(self) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[str, ...]]:
        self._move()
        weak = self._haunts[self._random.random(len(self._haunts)) < self._street.weak / len(self._haunts)]
        true = np.concatenate([self._parked, self._moving])
        there = self._random.random(len(true)) < 0.95
        things = np.concatenate([true[there], weak])
        centres, sizes = things[:, :2], things[:, 2:4]
        jitter = np.concatenate([np.full(there.sum(), 0.02), np.full(len(weak), 0.15)])[:, None]
        centres = centres + self._random.normal(0, 1, centres.shape) * jitter * sizes
        sizes = sizes * np.exp(self._random.normal(0, 1, sizes.shape) * jitter)
        boxes = np.clip(np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1), 0, 1).astype(np.float32)
        sure = np.clip(self._random.normal(0.65, 0.13, int(there.sum())), 0.1, 0.97)
        unsure = 0.1 + np.minimum(self._random.exponential(0.07, len(weak)), 0.4)
        scores = np.concatenate([sure, unsure]).astype(np.float32)
        ids = things[:, 6].astype(int)
        ids[: there.sum()] %= len(CLASSES)
        order = np.argsort(-scores, kind="stable")
        return boxes[order], scores[order], tuple(WEAK_NAMES[ids[one]] for one in order)

    def _move(self) -> None:
        step_s = self._street.refresh_every / self._street.looks_per_s
        self._moving[:, :2] += self._moving[:, 4:6] * step_s
        inside = ((self._moving[:, :2] > 0) & (self._moving[:, :2] < 1)).all(axis=1)
        self._moving = self._moving[inside]
        stay_s = 20.0
        born = self._random.poisson(self._street.passing * step_s / stay_s)
        new = _things(self._random, born)
        new[:, 4:6] = self._random.normal(0, 0.03, (born, 2)) * [1.0, 0.3]
        self._moving = np.concatenate([self._moving, new])

    def _change(self) -> NDArray[np.float32]:
        """Cells under what moves are changed in part, a few flicker, the sky is not known."""
        height, width = GRID_HW
        rows, columns = np.mgrid[0:height, 0:width]
        centres = np.stack([(columns + 0.5) / width, (rows + 0.5) / height], axis=-1)
        change = np.zeros(GRID_HW)
        for thing in self._moving:
            near = (np.abs(centres - thing[:2]) < thing[2:4] / 2 + [0.2 / width, 0.2 / height]).all(axis=-1)
            change[near] = np.maximum(change[near], self._random.uniform(0.1, 1.0, int(near.sum())))
        flicker = self._random.random(GRID_HW) < self._street.flicker / change.size
        change[flicker] = np.maximum(change[flicker], self._random.exponential(0.08, int(flicker.sum())))
        change = np.round(np.minimum(change, 1.0) * SAMPLES) / SAMPLES
        change[:2] = np.nan
        return change.astype(np.float32)


def _things(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """(count, 7): centre x y, size w h, speed x y, class."""
    depth = random.random(count)
    height = 0.03 + 0.2 * depth**2
    width = height * random.choice([0.25, 0.9], count)
    return np.stack(
        [
            random.random(count),
            0.25 + 0.65 * depth,
            width,
            height,
            np.zeros(count),
            np.zeros(count),
            random.integers(0, len(WEAK_NAMES), count),
        ],
        axis=1,
    )
