"""Measures the detector's noise on the shared clips and keeps it in `noise.json`.

    python -m tests.bench.rules_bench.measure_noise

People: campus_walkers, whose every person is labelled in every picture; those whom others cover by less than a third.
Vehicles: three that stand, the one of lot_car_stops and the two of campus_walkers: few, and nothing better is there.
Jitter of what moves and of what stands is taken for the same. Four looks a second, the detector in the box.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.bench.rules_bench.noise import FILE, KindNoise
from tests.bench.rules_bench.scene import Floats, hidden_shares
from tests.support.fixtures import fixtures_dir
from tests.support.recordings import pictures
from xueliang_edge.rules.geometry import ious
from xueliang_models.catalogue import open_detector

LOOK_EVERY_S: Final = 0.25
COVERED_AT_MOST: Final = 1 / 3
SAME_IOU: Final = 0.4
LEAST_LOOKS: Final = 12  # of a thing: fewer say nothing about its mean
VEHICLES: Final = ("car", "bus", "truck")
LOWEST_SCORE: Final = 0.1
CAMPUS_FPS: Final = 10.0


@dataclass(slots=True)
class Seen:
    """One thing over its looks. `found`: at each look; the rest only where it was."""

    found: list[bool] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    offsets: list[NDArray[np.float64]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    doubles: int = 0

    def look(self, truth: Floats, boxes: Floats, scores: Floats, names: Sequence[str]) -> set[int]:
        """Returns which of the boxes are this thing."""
        overlap = ious(truth[None].astype(np.float32), boxes.astype(np.float32))[0] if len(boxes) else np.zeros(0)
        mine = np.flatnonzero(overlap >= SAME_IOU)
        self.found.append(bool(len(mine)))
        if not len(mine):
            return set()
        best = mine[np.argmax(scores[mine])]
        self.scores.append(float(scores[best]))
        sides = np.tile(truth[2:] - truth[:2], 2)
        self.offsets.append((boxes[best] - truth) / sides)
        self.names.append(names[best])
        self.doubles += len(mine) > 1
        return {int(one) for one in mine}


def noise_of(things: Sequence[Seen]) -> KindNoise:
    """Of one kind; a thing's own mean offset is no jitter."""
    looks = sum(len(thing.found) for thing in things)
    finds = [thing for thing in things if len(thing.scores) >= LEAST_LOOKS]
    runs = [len(list(run)) for thing in things for is_found, run in groupby(thing.found) if not is_found]
    means = np.array([np.mean(thing.scores) for thing in finds])
    within = np.concatenate([np.array(thing.scores) - np.mean(thing.scores) for thing in finds])
    jitter = np.concatenate([np.array(thing.offsets) - np.mean(thing.offsets, axis=0) for thing in finds])
    found = sum(len(thing.scores) for thing in things)
    usual = {id(thing): max(set(thing.names), key=thing.names.count) for thing in finds}
    flips = sum(name != usual[id(thing)] for thing in finds for name in thing.names)
    return KindNoise(
        found_share=round(found / looks, 4),
        missed_for_s=round(float(np.mean(runs)) * LOOK_EVERY_S if runs else LOOK_EVERY_S, 3),
        score_mean=round(float(means.mean()), 3),
        score_between=round(float(means.std()), 3),
        score_within=round(float(within.std()), 3),
        edge_jitter=round(float(jitter.std()), 4),
        flip_share=round(flips / max(1, sum(len(thing.names) for thing in finds)), 4),
        double_share=round(sum(thing.doubles for thing in things) / max(1, found), 4),
    )


class Clips:
    """Goes through the clips once and keeps what was seen of each thing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._detector = open_detector("embedded")
        self.confident_score = self._detector.recommended_score
        self.people: dict[int, Seen] = defaultdict(Seen)
        self.vehicles: list[Seen] = [Seen(), Seen(), Seen()]
        self.weak_false = self.sure_false = self.looks = 0

    def run(self) -> None:
        facts = json.loads((self._folder / "events.json").read_text(encoding="utf-8"))
        parked = [np.array(one["box"]) for one in facts["campus_walkers.mp4"]["parked_whole_clip"]]
        self._campus(parked)
        car = facts["lot_car_stops.mp4"]["vehicle"]
        for t, found in self._found("lot_car_stops.mp4"):
            if car["stands_from"] + 1 <= t <= car["stands_until"] - 1:
                self._vehicle(self.vehicles[2], np.array(car["box_while_standing"]), *found)
        self._detector.close()

    def _campus(self, parked: list[Floats]) -> None:
        people = _tracks(self._folder / "campus_walkers.tracks.csv")
        for t, (boxes, scores, names) in self._found("campus_walkers.mp4"):
            here = people.get(round(t * CAMPUS_FPS), {})
            truths = np.array(list(here.values())).reshape(-1, 4)
            covered = hidden_shares(truths[:, None, :])[:, 0]
            is_person = np.array([name == "person" for name in names], dtype=np.bool_)
            explained: set[int] = set()
            for (track, truth), share in zip(here.items(), covered, strict=True):
                at = np.flatnonzero(is_person)
                seen = self.people[track] if share <= COVERED_AT_MOST else Seen()
                explained |= {int(at[one]) for one in seen.look(truth, boxes[at], scores[at], ["person"] * len(at))}
            for seen, truth in zip(self.vehicles, parked, strict=False):
                explained |= self._vehicle(seen, truth, boxes, scores, names)
            self._count_false(boxes, scores, explained, [*here.values(), *parked])

    def _count_false(self, boxes: Floats, scores: Floats, explained: set[int], truths: list[Floats]) -> None:
        """A box that touches nothing known by more than a tenth of either."""
        self.looks += 1
        near = ious(boxes.astype(np.float32), np.array(truths, dtype=np.float32).reshape(-1, 4))
        for index in range(len(boxes)):
            if index not in explained and near[index].max(initial=0.0) < 0.1:
                self.sure_false += bool(scores[index] >= self.confident_score)
                self.weak_false += bool(scores[index] < self.confident_score)

    @staticmethod
    def _vehicle(seen: Seen, truth: Floats, boxes: Floats, scores: Floats, names: Sequence[str]) -> set[int]:
        at = np.array([index for index, name in enumerate(names) if name in VEHICLES], dtype=np.int64)
        return {int(at[one]) for one in seen.look(truth, boxes[at], scores[at], [names[index] for index in at])}

    def _found(self, name: str) -> Iterator[tuple[float, tuple[Floats, Floats, list[str]]]]:
        for t, image in pictures(self._folder / name, LOOK_EVERY_S):
            found = self._detector.detect(image, LOWEST_SCORE)
            height, width = image.shape[:2]
            boxes = np.clip(found.boxes_xyxy / np.array([width, height, width, height]), 0, 1).astype(np.float64)
            names = [self._detector.classes[index] for index in found.class_ids]
            yield t, (boxes, found.scores.astype(np.float64), names)


def _tracks(path: Path) -> dict[int, dict[int, Floats]]:
    """Frame to track to box, shares of the 480 x 360 picture."""
    people: dict[int, dict[int, Floats]] = defaultdict(dict)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            x, y, w, h = (float(row[name]) for name in "xywh")
            box = np.array([x, y, x + w, y + h]) / [480, 360, 480, 360]
            people[int(row["frame"])][int(row["track"])] = np.clip(box, 0, 1)
    return people


def main() -> None:
    clips = Clips(fixtures_dir() / "clips")
    clips.run()
    people, vehicles = noise_of(list(clips.people.values())), noise_of(clips.vehicles)
    source = (
        f"`python -m tests.bench.rules_bench.measure_noise`, {datetime.now(UTC).date()}: {len(clips.people)} people in "
        f"{sum(len(one.found) for one in clips.people.values())} places, 3 standing vehicles in "
        f"{sum(len(one.found) for one in clips.vehicles)}"
    )
    saved: dict[str, Any] = {
        "source": source,
        "confident_score": clips.confident_score,
        "weak_false": round(clips.weak_false / clips.looks, 4),
        "sure_false": round(clips.sure_false / clips.looks, 4),
        "people": asdict(people),
        "vehicles": asdict(vehicles),
    }
    FILE.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    print(FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
