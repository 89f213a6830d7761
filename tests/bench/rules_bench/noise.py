"""What a detector makes of what is there: misses in bursts, weak and unsteady scores, edges that jitter, other names,
boxes twice, boxes of nothing. The figures are measured on the clips (`noise.json`, by `measure_noise.py`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tests.bench.rules_bench.scene import Floats

FILE: Final = Path(__file__).with_name("noise.json")
LEAST_SCORE, MOST_SCORE = 0.10, 0.97
HIDDEN_FROM: Final = 0.6  # covered share from which a thing is not found at all
DIMMED_FROM: Final = 0.3  # from which its score falls
DIMMED_BY: Final = 0.3
OTHER_NAMES: Final = {"car": "truck", "truck": "car", "bus": "truck", "bicycle": "motorcycle", "motorcycle": "bicycle"}


@dataclass(frozen=True, slots=True)
class KindNoise:
    """Of one kind of thing, people or vehicles.

    Attributes:
        found_share: of the looks at which it can be seen, those with a box of any score from 0.10 up.
        missed_for_s: how long a miss lasts, on the mean.
        score_mean: of its boxes. score_between, score_within: deviation between things, and from look to look.
        edge_jitter: deviation of a box's edges, in shares of the box's side.
        flip_share: looks with another name of its kind. double_share: looks with a second box.
    """

    found_share: float
    missed_for_s: float
    score_mean: float
    score_between: float
    score_within: float
    edge_jitter: float
    flip_share: float
    double_share: float

    def sure_share(self, confident_score: float) -> float:
        """Of the looks at which it can be seen, those with a box that is believed."""
        spread = math.hypot(self.score_between, self.score_within)
        return self.found_share * 0.5 * (1 + math.erf((self.score_mean - confident_score) / (spread * math.sqrt(2))))


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """A detector's noise.

    Attributes:
        confident_score: the model's.
        weak_false, sure_false: boxes of nothing a look, below and from the confident score up.
        source: where the figures come from, in words.
    """

    people: KindNoise
    vehicles: KindNoise
    confident_score: float
    weak_false: float
    sure_false: float
    source: str

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Vehicles are missed as people are where fewer misses of theirs were measured: three of them stood, and were
        never missed; those that drive were not measured.
        """
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        people, vehicles = KindNoise(**saved["people"]), KindNoise(**saved["vehicles"])
        if vehicles.found_share > people.found_share:
            vehicles = replace(vehicles, found_share=people.found_share, missed_for_s=people.missed_for_s)
        return cls(
            people=people,
            vehicles=vehicles,
            confident_score=saved["confident_score"],
            weak_false=saved["weak_false"],
            sure_false=saved["sure_false"],
            source=saved["source"],
        )

    def with_vehicles_missed(self, found_share: float, missed_for_s: float) -> Self:
        """Where vehicles are lost more often, and for longer."""
        return replace(self, vehicles=replace(self.vehicles, found_share=found_share, missed_for_s=missed_for_s))

    def of(self, class_name: str) -> KindNoise:
        return self.people if class_name == "person" else self.vehicles


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector says at one look. boxes: float32 (n, 4); scores: float32 (n,); n names; owner: int64 (n,), which
    thing it is, -1 for none.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    names: tuple[str, ...]
    owners: NDArray[np.int64]


def found_states(rng: np.random.Generator, kind: KindNoise, times_s: Floats, count: int) -> NDArray[np.bool_]:
    """Whether each of `count` things is found at each time, shape (count, times): on and off at random moments."""
    if not len(times_s) or kind.found_share >= 1.0:
        return np.ones((count, len(times_s)), dtype=np.bool_)
    # Two states: the share and the mean length of the one give that of the other.
    found_for_s = kind.missed_for_s * kind.found_share / max(1e-6, 1 - kind.found_share)
    pace = 1 / found_for_s + 1 / kind.missed_for_s
    states = np.empty((count, len(times_s)), dtype=np.bool_)
    states[:, 0] = rng.random(count) < kind.found_share
    for index, gap_s in enumerate(np.diff(times_s), 1):
        keeps = np.exp(-pace * gap_s)
        share = kind.found_share + (states[:, index - 1] - kind.found_share) * keeps
        states[:, index] = rng.random(count) < share
    return states


def detected(
    rng: np.random.Generator, noise: NoiseModel, names: list[str], boxes: Floats, hidden: Floats, qualities: Floats
) -> list[Found]:
    """What is found at each look.

    Args:
        names: of n things. boxes: (n, looks, 4), NaN where there is none; see `scene.boxes_of`, with `hidden`: the
            share of each that nearer things cover, (n, looks). qualities: (n,), added to scores.
    """
    looks = boxes.shape[1]
    haunts = _haunts(rng)
    if not names:
        return [
            _one_look(rng, noise, (), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), haunts)
            for _ in range(looks)
        ]
    kinds = [noise.of(name) for name in names]
    between = np.array([kind.score_between for kind in kinds])
    means = np.array([kind.score_mean for kind in kinds]) + qualities + rng.normal(0, 1, len(kinds)) * between
    within = np.array([kind.score_within for kind in kinds])
    scores = means[:, None] + rng.normal(0, 1, boxes.shape[:2]) * within[:, None]
    scores -= DIMMED_BY * np.clip((hidden - DIMMED_FROM) / (HIDDEN_FROM - DIMMED_FROM), 0.0, 1.0)
    jitter = np.array([kind.edge_jitter for kind in kinds])[:, None, None]
    sides = np.tile(boxes[..., 2:] - boxes[..., :2], (1, 1, 2))
    seen = boxes + rng.normal(0, 1, boxes.shape) * sides * jitter
    flips = rng.random(boxes.shape[:2]) < np.array([kind.flip_share for kind in kinds])[:, None]
    doubles = rng.random(boxes.shape[:2]) < np.array([kind.double_share for kind in kinds])[:, None]
    is_there = ~np.isnan(boxes[..., 0]) & (hidden < HIDDEN_FROM) & (scores >= LEAST_SCORE)
    found = []
    for look in range(looks):
        once = np.flatnonzero(is_there[:, look])
        twice = once[doubles[once, look]]
        owners = np.concatenate([once, twice])
        said = [_said(names[i], bool(flips[i, look])) for i in once]
        said += [_said(names[i], not flips[i, look]) for i in twice]
        here, sure = seen[owners, look], scores[owners, look]
        if len(twice):  # the second box is a little off, and less sure
            size = np.tile(here[len(once) :, 2:] - here[len(once) :, :2], (1, 2))
            here[len(once) :] += rng.normal(0, 0.05, (len(twice), 4)) * size
            sure[len(once) :] *= 0.7
        found.append(_one_look(rng, noise, tuple(said), here, sure, owners, haunts))
    return found


def apply_misses(
    rng: np.random.Generator, noise: NoiseModel, names: list[str], boxes: Floats, times_s: Floats
) -> Floats:
    """The boxes with NaN where the detector misses what is there."""
    kept = boxes.copy()
    for kind, is_kind in ((noise.people, True), (noise.vehicles, False)):
        members = [index for index, name in enumerate(names) if (name == "person") is is_kind]
        if members:
            states = found_states(rng, kind, times_s, len(members))
            kept[np.array(members)[:, None], np.arange(len(times_s))[None, :]] = np.where(
                states[..., None], kept[members], np.nan
            )
    return kept


def _said(name: str, is_other: bool) -> str:
    return OTHER_NAMES.get(name, name) if is_other else name


def _haunts(rng: np.random.Generator, count: int = 12) -> Floats:
    """Where boxes of nothing come again and again: signs, trees, edges."""
    centres, sizes = rng.random((count, 2)), rng.uniform(0.02, 0.12, (count, 2))
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


def _one_look(
    rng: np.random.Generator,
    noise: NoiseModel,
    names: tuple[str, ...],
    boxes: Floats,
    scores: Floats,
    owners: NDArray[np.int64],
    haunts: Floats,
) -> Found:
    weak, sure = int(rng.poisson(noise.weak_false)), int(rng.poisson(noise.sure_false))
    nothing = haunts[rng.integers(0, len(haunts), weak + sure)]
    nothing = nothing + rng.normal(0, 0.01, nothing.shape)
    false_scores = np.concatenate(
        [
            rng.uniform(LEAST_SCORE, noise.confident_score, weak),
            noise.confident_score + np.minimum(rng.exponential(0.06, sure), 0.3),
        ]
    )
    false_names = tuple(str(name) for name in rng.choice(("person", "car", "truck", "bicycle"), weak + sure))
    every = np.clip(np.concatenate([boxes, nothing]), 0.0, 1.0).astype(np.float32)
    every = np.concatenate([np.minimum(every[:, :2], every[:, 2:]), np.maximum(every[:, :2], every[:, 2:])], axis=1)
    every_score = np.clip(np.concatenate([scores, false_scores]), 0.0, MOST_SCORE).astype(np.float32)
    return Found(every, every_score, names + false_names, np.concatenate([owners, np.full(weak + sure, -1)]))
