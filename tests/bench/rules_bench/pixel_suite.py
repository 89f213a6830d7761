"""Rendered scenarios through the real change test, the detector in the box, the tracker and the rules.

Every look is drawn, disturbed, compared with the long-term scene, seen by the detector and judged, in the order and
with the exclusions of the node's main path. Not in it: the encoding of the video, and leaving out looks at which
nothing moved.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.bench.rules_bench.cases import Case, is_blind
from tests.bench.rules_bench.counting import Told
from tests.bench.rules_bench.judging import camera_of
from tests.bench.rules_bench.observing import Switches
from tests.bench.rules_bench.pixel_cases import FIRST_SEED, PixelCase, pixel_case
from tests.bench.rules_bench.pixel_scene import Image, picture
from tests.bench.rules_bench.suite import OURS, Judged, judged_of, told_by_peers
from tests.support.asking import asked, asking_camera, attend_after, detected, observation_of
from xueliang_alerts.contract import Phase
from xueliang_edge.background import Background
from xueliang_edge.brightness import small_brightness
from xueliang_edge.evidence.masking import VEHICLE_SCORE, VEHICLES
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observations import Observation
from xueliang_edge.tracking import Tracker
from xueliang_models.catalogue import open_detector
from xueliang_models.onnx_detector import OnnxDetector
from xueliang_streams.frame import Planes

CASES: Final = 132  # eight of each kind that stands, six of each kind of crowd
QUICK_CASES: Final = 6
BATCH: Final = 6  # in one process with one start of the peer; a minute or less
START: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class PixelCamera:
    """One case's camera: what the node keeps of one, and what it tells. `begins_at`: the moment of its second 0."""

    def __init__(self, case: PixelCase, detector: OnnxDetector, begins_at: datetime = START) -> None:
        self.case, self._detector, self._begins_at = case, detector, begins_at
        self._from_s = (begins_at - START).total_seconds()  # the node's own clock goes on between cases
        self._camera = asking_camera(camera_of([case.rule]), detector)
        self._background = Background(case.stage.camera.size_wh)
        self._tracker = Tracker()
        self._switches = Switches(np.random.default_rng((case.seed, 4)), case.id_switch_every_s)
        self._zone = np.array([[*np.min(case.rule["zone"], axis=0), *np.max(case.rule["zone"], axis=0)]], np.float32)
        self.told: list[Told] = []

    def run(self) -> list[Observation]:
        """Every look, in its order; what was told is in `told`."""
        rng = np.random.default_rng((self.case.seed, 3))
        seen = []
        for number, t in enumerate(self.case.looks_s):
            if is_blind(t, self.case.blind):
                continue
            image = picture(self.case.stage, self.case.movers, t, number)
            image = self.case.disturbed.on(image, t, self.case.looks_s[-1], rng)
            seen.append(self._look(image, t))
        return seen

    def _look(self, image: Image, t: float) -> Observation:
        planes = Planes.from_bgr(image)
        small = small_brightness(planes)
        change = self._background.change(small)
        size_wh, mono_s = self.case.stage.camera.size_wh, self._from_s + t
        at = self._begins_at + timedelta(seconds=t)
        seen = asked(self._camera, size_wh, mono_s, at, lambda part: detected(self._detector, planes, part))
        observation = observation_of(seen, "made-up", size_wh, mono_s, at, change)
        tracks = self._tracker.update(
            observation.boxes_xyxyn,
            observation.scores,
            observation.class_names,
            t,
            confident_score=observation.confident_score,
        )
        observation = as_logged(replace(observation, track_ids=self._switches.switched(tracks, tracks, t)))
        for _, decision in self._camera.judge.look(observation):
            if decision.phase is Phase.RAISED:
                self.told.append(Told(decision.began.mono_s, decision.raised.mono_s))
        attend_after(self._camera, observation)
        self._background.learn(planes, self._never_scene(seen.boxes_xyxyn, seen.scores, seen.class_names), t, small)
        return observation

    def _never_scene(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32], names: Sequence[str]
    ) -> NDArray[np.float32]:
        """People, vehicles that are fairly sure, the zone of an open alert: as the node leaves them out."""
        kept = [
            name == "person" or (name in VEHICLES and score >= VEHICLE_SCORE)
            for name, score in zip(names, scores, strict=True)
        ]
        open_zone = self._zone if self._camera.judge.open_rules else np.zeros((0, 4), np.float32)
        return np.concatenate([open_zone, boxes[np.array(kept, dtype=np.bool_)]])


def seeds_of(count: int) -> list[int]:
    """Of the first so many cases."""
    return list(range(FIRST_SEED, FIRST_SEED + count))


def run(seeds: Sequence[int], supervision_python: str | None, processes: int | None = None) -> Iterable[list[Judged]]:
    """Some cases at a time, as they are done."""
    batches = [list(seeds[index : index + BATCH]) for index in range(0, len(seeds), BATCH)]
    pool = ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=get_context("spawn"))
    try:
        yield from pool.map(judge_batch, batches, [supervision_python] * len(batches))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # cut off by a deadline: what has begun ends by itself


def judge_batch(seeds: Sequence[int], supervision_python: str | None) -> list[Judged]:
    """Every system over some cases."""
    detector = open_detector("embedded")
    try:
        cameras = [PixelCamera(pixel_case(seed), detector) for seed in seeds]
        looks = [camera.run() for camera in cameras]
    finally:
        detector.close()
    cases = [_as_case(camera.case) for camera in cameras]
    told = {OURS: [camera.told for camera in cameras]} | told_by_peers(cases, looks, supervision_python)
    return [judged_of(case, {name: alerts[index] for name, alerts in told.items()}) for index, case in enumerate(cases)]


def _as_case(case: PixelCase) -> Case:
    """As the peers and the count want it: without what was drawn."""
    return Case(
        case.seed,
        case.plot,
        case.disturbance,
        case.rule,
        (),
        case.looks_s,
        case.gap_s,
        case.events,
        case.blind,
    )
