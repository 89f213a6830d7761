"""Onsets that were shown against alerts that came: what was found, how late, and what was raised for nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.edge_bench.figures import exact_interval
from tests.bench.edge_bench.serving import BenchCamera, scene_moment_mono_s
from tests.bench.edge_bench.systems import RaisedAlert

LATE_S: Final = 5.0  # an alert that comes this long after the vehicle pulled away still counts as found


@dataclass(frozen=True, slots=True)
class Onset:
    """A vehicle that came to a stand in a camera's lane, and pulled away; `number` within its scene."""

    camera_id: str
    scene: str
    number: int
    stands_mono_s: float
    leaves_mono_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the onsets.

    Attributes:
        delays_s: from standing to the first alert, of each onset found.
        false_alerts: alerts that no onset explains.
    """

    onsets: Sequence[Onset]
    delays_s: Mapping[Onset, float]
    false_alerts: int

    def found(self, among: Iterable[Onset]) -> tuple[int, int]:
        """How many of these were found, and how many they are."""
        chosen = list(among)
        return sum(onset in self.delays_s for onset in chosen), len(chosen)


def onsets_between(cameras: Sequence[BenchCamera], t0_mono_s: float, begin_s: float, end_s: float) -> list[Onset]:
    """Every onset that touches this stretch of monotonic time, in no particular order."""
    found = []
    for camera in cameras:
        scene = camera.scene
        first = math.floor((begin_s - t0_mono_s + camera.phase_s) / scene.length_s) - 1
        last = math.ceil((end_s - t0_mono_s + camera.phase_s) / scene.length_s)
        for loop in range(first, last + 1):
            for number, (stands_s, leaves_s) in enumerate(scene.onsets):
                stands = scene_moment_mono_s(camera, t0_mono_s, stands_s, loop)
                leaves = scene_moment_mono_s(camera, t0_mono_s, leaves_s, loop)
                if stands < end_s and leaves + LATE_S > begin_s:
                    found.append(Onset(camera.camera_id, scene.name, number, stands, leaves))
    return found


def judge(onsets: Sequence[Onset], alerts: Sequence[RaisedAlert], begin_s: float, end_s: float) -> Verdict:
    """Only onsets that lie wholly inside the stretch are judged; alerts in it that explain none of all are false."""
    delays_s: dict[Onset, float] = {}
    false_alerts = 0
    by_camera: dict[str, list[Onset]] = {}
    for onset in onsets:
        by_camera.setdefault(onset.camera_id, []).append(onset)
    for alert in sorted(alerts, key=lambda one: one.arrived_mono_s):
        at = alert.arrived_mono_s
        if not begin_s <= at <= end_s:
            continue
        about = [
            onset
            for onset in by_camera.get(alert.camera_id, ())
            if onset.stands_mono_s <= at <= onset.leaves_mono_s + LATE_S
        ]
        false_alerts += not about
        for onset in about:
            delays_s.setdefault(onset, at - onset.stands_mono_s)
    whole = [one for one in onsets if begin_s <= one.stands_mono_s and one.leaves_mono_s + LATE_S <= end_s]
    return Verdict(whole, {onset: delays_s[onset] for onset in whole if onset in delays_s}, false_alerts)


def shares(hits: int, tries: int) -> tuple[float | None, float | None, float | None]:
    """The share found with its exact 95 % interval; None of no tries."""
    if tries == 0:
        return None, None, None
    low, high = exact_interval(hits, tries)
    return hits / tries, low, high
