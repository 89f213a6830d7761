"""A scenario as the rules see it: noise, tracks and the change grid, in the numbers that the observation log keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.bench.rules_bench.cases import Case, is_blind
from tests.bench.rules_bench.noise import Found, NoiseModel, apply_misses, detected
from tests.bench.rules_bench.scene import Floats, boxes_of, hidden_shares
from xueliang_edge.brightness import GRID_WH
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observations import NO_TRACK, Observation, ViewState, blind
from xueliang_edge.tracking import Tracker

START: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SAMPLES: Final = 25  # of a grid cell: its share is a multiple of one of these
LOOKS_ALIKE: Final = 0.12  # chance that a cell under a thing looks like the ground: grey car, grey road
FIRST_SWITCHED_ID: Final = 100_000


def observations_of(case: Case, noise: NoiseModel) -> list[Observation]:
    """Every look of the case, tracked as the product tracks, then as the log keeps it."""
    return list(_observations(case, noise))


def _observations(case: Case, noise: NoiseModel) -> Iterator[Observation]:
    rng = np.random.default_rng((case.seed, 2))
    if case.vehicles_found is not None:
        noise = noise.with_vehicles_missed(*case.vehicles_found)
    times = np.array(case.looks_s)
    whole = boxes_of(case.things, times)
    named = [index for index, thing in enumerate(case.things) if thing.class_name]
    names = [case.things[index].class_name for index in named]
    qualities = np.array([case.things[index].quality for index in named])
    hidden = hidden_shares(whole)
    kept = apply_misses(rng, noise, names, whole[named], times)
    found = detected(rng, noise, names, kept, hidden[named], qualities)
    changes, switches = _Changes(rng, case), Switches(rng, case.id_switch_every_s)
    tracker = Tracker()
    for look, t in enumerate(case.looks_s):
        at = START + timedelta(seconds=t)
        if is_blind(t, case.blind):
            if case.has_blind_looks:
                yield as_logged(blind("made-up", ViewState.UNKNOWN, mono_s=t, at=at))
            continue
        yield as_logged(
            _tracked(
                _observation(found[look], noise, t, at, changes.at(whole[:, look])),
                tracker,
                switches,
                found[look].owners,
            )
        )


def _observation(found: Found, noise: NoiseModel, t: float, at: datetime, change: NDArray[np.float32]) -> Observation:
    return Observation(
        camera_id="made-up",
        observed_mono_s=t,
        observed_at=at,
        view=ViewState.GOOD,
        boxes_xyxyn=found.boxes,
        scores=found.scores,
        class_names=found.names,
        track_ids=np.full(len(found.names), NO_TRACK, np.int64),
        frame_size_wh=(1280, 720),
        model_digest="a" * 64,
        confident_score=noise.confident_score,
        change=change,
    )


def _tracked(seen: Observation, tracker: Tracker, switches: Switches, owners: NDArray[np.int64]) -> Observation:
    ids = tracker.update(
        seen.boxes_xyxyn, seen.scores, seen.class_names, seen.observed_mono_s, confident_score=seen.confident_score
    )
    return replace(seen, track_ids=switches.switched(ids, owners, seen.observed_mono_s))


class Switches:
    """Ids that change for no reason, as those of trackers do behind an occlusion: of each thing at other moments.

    `every_s`: mean time between two changes; None: never. Owners: whose box it is, below 0 of nothing; where nobody
    knows, the tracker's own ids.
    """

    def __init__(self, rng: np.random.Generator, every_s: float | None) -> None:
        self._rng, self._every_s = rng, every_s
        self._next_s: dict[int, float] = {}
        self._shift: dict[int, int] = {}

    def switched(self, ids: NDArray[np.int64], owners: NDArray[np.int64], t: float) -> NDArray[np.int64]:
        if self._every_s is None:
            return ids
        changed = ids.copy()
        for index, owner in enumerate(int(one) for one in owners):
            if owner < 0 or ids[index] == NO_TRACK:
                continue
            due_s = self._next_s.setdefault(owner, t + self._wait_s())
            if t >= due_s:
                self._next_s[owner] = t + self._wait_s()
                self._shift[owner] = self._shift.get(owner, 0) + 1
            changed[index] += FIRST_SWITCHED_ID * self._shift.get(owner, 0)
        return changed

    def _wait_s(self) -> float:
        return float(self._every_s or 0.0) * float(self._rng.uniform(0.6, 1.4))


class _Changes:
    """The change grid over an empty street: cells under things are changed, a few flicker, the sky is not known."""

    def __init__(self, rng: np.random.Generator, case: Case) -> None:
        width, height = GRID_WH
        self._rng, self._flicker = rng, case.flicker
        self._differs = rng.random((len(case.things), height, width)) >= LOOKS_ALIKE
        self._edges_x, self._edges_y = np.arange(width + 1) / width, np.arange(height + 1) / height

    def at(self, boxes: Floats) -> NDArray[np.float32]:
        """`boxes`: (things, 4), NaN for what is not there."""
        change = np.zeros((len(self._edges_y) - 1, len(self._edges_x) - 1))
        for index in np.flatnonzero(~np.isnan(boxes[:, 0])):
            left, top, right, bottom = boxes[index]
            across = np.clip(np.minimum(self._edges_x[1:], right) - np.maximum(self._edges_x[:-1], left), 0, None)
            down = np.clip(np.minimum(self._edges_y[1:], bottom) - np.maximum(self._edges_y[:-1], top), 0, None)
            share = np.outer(down / self._edges_y[1], across / self._edges_x[1])
            change = np.maximum(change, share * self._differs[index])
        flickers = self._rng.random(change.shape) < self._flicker / change.size
        change[flickers] = np.maximum(change[flickers], self._rng.exponential(0.08, int(flickers.sum())))
        change = np.round(np.minimum(change, 1.0) * SAMPLES) / SAMPLES
        change[:2] = np.nan
        return change.astype(np.float32)
